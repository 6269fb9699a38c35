//! The addresses of a protocol's paths below a provider's `base_url`.

use url::Url;

/// `base_url`, then `folder` where the base does not end with it, then `path`. A name and password
/// in the base are left out.
pub(crate) fn below(base_url: &Url, folder: &str, path: &str) -> Url {
    let base = base_url.path().trim_end_matches('/');
    let missing = if base.ends_with(folder) { "" } else { folder };
    let mut url = base_url.clone();
    url.set_path(&format!("{base}{missing}{path}"));
    url.set_fragment(None);
    // Both only fail for addresses that cannot have them, which have nothing to leave out.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// A path of a server whose protocol lives in the folder `/v1` of `base_url`, beside that folder.
pub(crate) fn beside(base_url: &Url, path: &str) -> Url {
    let mut url = below(base_url, "", "");
    let base = url.path().trim_end_matches('/');
    let root = base.strip_suffix("/v1").unwrap_or(base);
    let path = format!("{root}{path}");
    url.set_path(&path);
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(base_url: &str) -> String {
        below(&Url::parse(base_url).expect("a URL"), "/v1", "/messages").into()
    }

    #[test]
    fn a_servers_own_paths_stand_beside_the_folder() {
        for (base_url, expected) in [
            ("http://x.test:1/v1", "http://x.test:1/props"),
            ("http://x.test", "http://x.test/props"),
            ("http://me:secret@x.test/llm/v1/", "http://x.test/llm/props"),
            ("http://x.test/v1?a=b", "http://x.test/props?a=b"),
        ] {
            let base_url = Url::parse(base_url).expect("a URL");
            assert_eq!(beside(&base_url, "/props").as_str(), expected);
        }
    }

    #[test]
    fn the_folder_is_added_where_a_template_leaves_it_out() {
        for (base_url, expected) in [
            (
                "https://api.anthropic.com",
                "https://api.anthropic.com/v1/messages",
            ),
            ("http://x.test/v1/", "http://x.test/v1/messages"),
            (
                "https://x.test/anthropic",
                "https://x.test/anthropic/v1/messages",
            ),
            (
                "https://me:secret@x.test/v1?a=b",
                "https://x.test/v1/messages?a=b",
            ),
        ] {
            assert_eq!(messages(base_url), expected);
        }
    }
}
