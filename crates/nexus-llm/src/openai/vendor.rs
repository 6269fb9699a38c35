//! Where vendors differ, as data. A vendor that is not in the table does as OpenAI's reference of
//! chat completions first said, as servers of one's own do.

use serde_json::Value;
use url::Url;

use crate::address;

/// What is special about one vendor's endpoint.
#[derive(Debug)]
pub(crate) struct Vendor {
    /// The host of the provider's `base_url`.
    host: &'static str,
    /// What a `base_url` must end with. It is added where a template leaves it out.
    base_path: &'static str,
    /// What stands before each id in the list of models, and is not part of it.
    id_prefix: &'static str,
    /// The field that limits the answer.
    pub(super) max_tokens: &'static str,
    /// The field in which reasoning goes back together with the tool calls that it led to.
    pub(super) reasoning: Option<&'static str>,
    /// Whether a tool's result carries the name of its tool.
    pub(super) names_results: bool,
    /// Whether the usage of a stream has to be asked for. Without, it comes by itself.
    pub(super) asks_for_usage: bool,
    /// The beginnings of the ids of models that take a temperature. `None`: all do.
    with_temperature: Option<&'static [&'static str]>,
    /// The beginnings of the ids of models that take tools only when they do not reason.
    reasons_or_calls: &'static [&'static str],
}

/// This is also what holds for the servers that people run themselves, which no host tells apart:
/// - Ollama: <https://github.com/ollama/ollama/blob/main/docs/openai.md>. It sends a tool call whole
///   and the usage last; it shortens long prompts to its own `num_ctx` without a word.
/// - llama.cpp: <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>. While
///   it loads a model it answers 503.
/// - vLLM: <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>. Reasoning comes
///   as `reasoning_content` or, from 0.11 on, as `reasoning`; errors come inside the stream.
const COMMON: Vendor = Vendor {
    host: "",
    base_path: "",
    id_prefix: "",
    max_tokens: "max_tokens",
    reasoning: None,
    // Gemini refuses a result without the name of its tool, and so do servers in front of it.
    names_results: true,
    asks_for_usage: true,
    with_temperature: None,
    reasons_or_calls: &[],
};

const VENDORS: &[Vendor] = &[
    Vendor {
        host: "api.openai.com",
        // https://platform.openai.com/docs/api-reference/chat/create: `max_tokens` is deprecated
        // and refused by reasoning models.
        max_tokens: "max_completion_tokens",
        // https://platform.openai.com/docs/guides/latest-model: models that reason answer 400 to a
        // temperature. Those that can reason do so by default, or did with another version.
        with_temperature: Some(&["gpt-3.5", "gpt-4", "chatgpt-4o", "ft:gpt-3.5", "ft:gpt-4"]),
        // https://github.com/BerriAI/litellm/pull/34569: these reason by default, and then answer
        // 400 to tools here. The other endpoint, which takes both, is another protocol.
        reasons_or_calls: &["gpt-5.5", "gpt-5.6"],
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
    // https://console.groq.com/docs/openai: `messages[].name` is answered with 400.
    Vendor {
        host: "api.groq.com",
        names_results: false,
        ..COMMON
    },
    // https://docs.mistral.ai/api: the usage comes with the last piece. Asking for it was answered
    // with 422: https://github.com/openai/openai-agents-python/issues/442
    Vendor {
        host: "api.mistral.ai",
        asks_for_usage: false,
        ..COMMON
    },
    // https://docs.x.ai/docs/guides/reasoning: nothing special in requests; see the reader for how
    // it counts.
    Vendor {
        host: "api.x.ai",
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

    /// The address of one of the protocol's paths.
    pub(crate) fn address(&self, base_url: &Url, path: &str) -> Url {
        address::below(base_url, self.base_path, path)
    }

    /// The ids of an answer to `GET /models`. `None` when it is no such answer.
    pub(crate) fn listed_models(&self, body: &[u8]) -> Option<Vec<String>> {
        let mut ids = listed_models(body)?;
        for id in &mut ids {
            if id.starts_with(self.id_prefix) {
                id.drain(..self.id_prefix.len());
            }
        }
        Some(ids)
    }

    pub(super) fn takes_temperature(&self, model_id: &str) -> bool {
        self.with_temperature
            .is_none_or(|beginnings| begins(model_id, beginnings))
    }

    pub(super) fn reasons_or_calls(&self, model_id: &str) -> bool {
        begins(model_id, self.reasons_or_calls)
    }
}

fn begins(model_id: &str, beginnings: &[&str]) -> bool {
    beginnings
        .iter()
        .any(|beginning| model_id.starts_with(beginning))
}

/// The ids of a list of models, in the shapes in which servers send it.
pub(crate) fn listed_models(body: &[u8]) -> Option<Vec<String>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let list = body
        .get("data")
        .or_else(|| body.get("models"))
        .unwrap_or(&body)
        .as_array()?;
    let ids = list.iter().filter_map(|model| {
        let id = model
            .get("id")
            .or_else(|| model.get("name"))
            .unwrap_or(model)
            .as_str()?;
        Some(id.to_owned())
    });
    Some(ids.collect())
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
}
