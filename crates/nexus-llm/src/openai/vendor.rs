//! Where vendors differ, as data. A vendor that is not in the table does as OpenAI's reference of
//! chat completions first said, as servers of one's own do.

use url::Url;

/// What is special about one vendor's endpoint.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// The host of the provider's `base_url`.
    host: &'static str,
    /// What a `base_url` must end with. It is added where a template leaves it out.
    base_path: &'static str,
    /// The field that limits the answer.
    pub(super) max_tokens: &'static str,
    /// The field in which reasoning goes back together with the tool calls that it led to.
    pub(super) reasoning: Option<&'static str>,
    /// What stands before each id in the list of models, and is not part of it.
    pub(super) id_prefix: &'static str,
}

const COMMON: Vendor = Vendor {
    host: "",
    base_path: "",
    max_tokens: "max_tokens",
    reasoning: None,
    id_prefix: "",
};

const VENDORS: &[Vendor] = &[
    // https://platform.openai.com/docs/api-reference/chat/create: `max_tokens` is deprecated and
    // refused by reasoning models.
    Vendor {
        host: "api.openai.com",
        max_tokens: "max_completion_tokens",
        ..COMMON
    },
    // https://api-docs.deepseek.com/guides/thinking_mode: with tools, reasoning has to go back.
    Vendor {
        host: "api.deepseek.com",
        reasoning: Some("reasoning_content"),
        ..COMMON
    },
    // https://ai.google.dev/gemini-api/docs/openai: the compatible endpoint lives below the
    // version, under `/openai`, and lists its models as `models/<id>`.
    Vendor {
        host: "generativelanguage.googleapis.com",
        base_path: "/openai",
        id_prefix: "models/",
        ..COMMON
    },
];

impl Vendor {
    /// Who serves `base_url`.
    pub(crate) fn at(base_url: &Url) -> &'static Self {
        let host = base_url.host_str().unwrap_or_default();
        VENDORS
            .iter()
            .find(|vendor| vendor.host == host)
            .unwrap_or(&COMMON)
    }

    /// The address of one of the protocol's paths. A name and password in `base_url` are left out.
    pub(crate) fn address(&self, base_url: &Url, path: &str) -> Url {
        let base = base_url.path().trim_end_matches('/');
        let missing = if base.ends_with(self.base_path) {
            ""
        } else {
            self.base_path
        };
        let mut url = base_url.clone();
        url.set_path(&format!("{base}{missing}{path}"));
        url.set_fragment(None);
        // Both only fail for addresses that cannot have them, which have nothing to leave out.
        let _ = url.set_username("");
        let _ = url.set_password(None);
        url
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chat_address(base_url: &str) -> String {
        let base_url = Url::parse(base_url).expect("a URL");
        Vendor::at(&base_url)
            .address(&base_url, "/chat/completions")
            .into()
    }

    #[test]
    fn paths_are_appended_to_the_base() {
        for (base_url, expected) in [
            (
                "http://127.0.0.1:8080",
                "http://127.0.0.1:8080/chat/completions",
            ),
            (
                "http://127.0.0.1:11434/v1/",
                "http://127.0.0.1:11434/v1/chat/completions",
            ),
            (
                "https://openrouter.ai/api/v1",
                "https://openrouter.ai/api/v1/chat/completions",
            ),
            (
                "https://x.test/v1?api-version=2",
                "https://x.test/v1/chat/completions?api-version=2",
            ),
        ] {
            assert_eq!(chat_address(base_url), expected);
        }
    }

    #[test]
    fn geminis_compatible_endpoint_is_found_with_and_without_its_folder() {
        let expected = "https://generativelanguage.googleapis.com/v1beta/openai/chat/completions";
        for base_path in ["/v1beta", "/v1beta/", "/v1beta/openai", "/v1beta/openai/"] {
            let base_url = format!("https://generativelanguage.googleapis.com{base_path}");
            assert_eq!(chat_address(&base_url), expected);
        }
    }

    #[test]
    fn a_name_and_password_in_the_base_go_nowhere() {
        assert_eq!(
            chat_address("https://me:secret@x.test/v1"),
            "https://x.test/v1/chat/completions"
        );
    }
}
