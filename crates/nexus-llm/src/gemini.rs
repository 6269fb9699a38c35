//! Google's Gemini API, without a connection: `POST …/models/<id>:generateContent`, and
//! `:streamGenerateContent` for a stream. <https://ai.google.dev/api/generate-content>

mod body;
mod reader;
mod wire;

use serde_json::Value;
use url::Url;

pub(crate) use body::body;
pub(crate) use reader::Reader;

use crate::address;

/// The key of [`crate::ToolCall::extra`] under which the signature of a call is kept. It goes back
/// unchanged with the call: <https://ai.google.dev/gemini-api/docs/thought-signatures>
pub(crate) const SIGNATURE: &str = "thoughtSignature";

/// What stands before each id in the list of models, and may stand before one in a template.
const PREFIX: &str = "models/";

/// Where a turn is asked for. An id is a part of the address, so nothing in it can lead elsewhere.
pub(crate) fn turn_address(base_url: &Url, model_id: &str, streams: bool) -> Url {
    let mut url = address::below(base_url, version(base_url), "");
    let method = if streams {
        "streamGenerateContent"
    } else {
        "generateContent"
    };
    let name = format!("{}:{method}", model_id.trim_start_matches(PREFIX));
    // It fails only for addresses that have no path.
    if let Ok(mut path) = url.path_segments_mut() {
        // Tuned models have a folder of their own.
        if !name.contains('/') {
            path.push("models");
        }
        path.extend(name.split('/'));
    }
    if streams {
        // Without it, a stream comes as one JSON list.
        url.query_pairs_mut().append_pair("alt", "sse");
    }
    url
}

/// Where models are listed. <https://ai.google.dev/api/models#method:-models.list>
pub(crate) fn models_address(base_url: &Url) -> Url {
    let mut url = address::below(base_url, version(base_url), "/models");
    url.query_pairs_mut().append_pair("pageSize", "1000");
    url
}

/// The version of the API, where `base_url` names none.
fn version(base_url: &Url) -> &'static str {
    let last = base_url.path().trim_end_matches('/').rsplit('/').next();
    let digits = last.and_then(|last| last.strip_prefix('v'));
    let names_one = digits.is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()));
    if names_one { "" } else { "/v1beta" }
}

/// The ids of the listed models that can be asked. `None` when it is no such list.
pub(crate) fn listed_models(body: &[u8]) -> Option<Vec<String>> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let answers = |model: &&Value| match model["supportedGenerationMethods"].as_array() {
        Some(methods) => methods.iter().any(|method| method == "generateContent"),
        None => true,
    };
    let models = body.get("models")?.as_array()?.iter().filter(answers);
    let ids = models.filter_map(|model| {
        let name = model.get("name")?.as_str()?;
        Some(name.strip_prefix(PREFIX).unwrap_or(name).to_owned())
    });
    Some(ids.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn turn(base_url: &str, model_id: &str) -> String {
        let base_url = Url::parse(base_url).expect("a URL");
        turn_address(&base_url, model_id, false).into()
    }

    #[test]
    fn the_model_is_a_part_of_the_address() {
        let google = "https://generativelanguage.googleapis.com";
        for (base_url, expected) in [
            ("", "/v1beta/models/gemini-2.5-flash:generateContent"),
            (
                "/v1beta/",
                "/v1beta/models/gemini-2.5-flash:generateContent",
            ),
            ("/v1", "/v1/models/gemini-2.5-flash:generateContent"),
            (
                "/vertex",
                "/vertex/v1beta/models/gemini-2.5-flash:generateContent",
            ),
        ] {
            for id in ["gemini-2.5-flash", "models/gemini-2.5-flash"] {
                let base_url = format!("{google}{base_url}");
                assert_eq!(turn(&base_url, id), format!("{google}{expected}"));
            }
        }
        let tuned = turn("http://x.test/v1beta", "tunedModels/mine");
        assert_eq!(
            tuned,
            "http://x.test/v1beta/tunedModels/mine:generateContent"
        );
    }

    #[test]
    fn a_stream_is_asked_for_as_events() {
        let base_url = Url::parse("http://x.test/v1beta").expect("a URL");
        assert_eq!(
            turn_address(&base_url, "m", true).as_str(),
            "http://x.test/v1beta/models/m:streamGenerateContent?alt=sse"
        );
    }

    #[test]
    fn an_id_leads_nowhere_else() {
        for id in ["../../admin", "m?key=1", "m#x", "a/../../b"] {
            let address = turn("http://x.test/v1beta", id);
            assert!(address.starts_with("http://x.test/v1beta/"), "{address}");
            assert!(!address.contains(['?', '#']), "{address}");
            assert!(!address.contains("/../"), "{address}");
        }
    }

    #[test]
    fn models_that_cannot_be_asked_are_not_listed() {
        let list = br#"{"models": [
            {"name": "models/embedding-001", "supportedGenerationMethods": ["embedContent"]},
            {"name": "models/gemini-2.5-flash",
             "supportedGenerationMethods": ["generateContent", "countTokens"]},
            {"name": "models/of-a-gateway"}, {"name": 7}, 7
        ]}"#;
        let ids = ["gemini-2.5-flash", "of-a-gateway"].map(str::to_owned);
        assert_eq!(listed_models(list), Some(ids.to_vec()));
        assert_eq!(listed_models(b"{}"), None);
        assert_eq!(listed_models(b"<html>"), None);
    }
}
