//! How much a model reads and writes together, as servers that people run themselves say it.

use serde_json::Value;

/// What is reckoned with where such a server says nothing: what Ollama gives a model by default on
/// most machines, <https://docs.ollama.com/context-length>.
pub(crate) const ASSUMED: u64 = 4_096;

/// How many tokens a model reads and writes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ContextLength {
    /// How many.
    pub tokens: u64,
    /// Where that is from.
    pub source: LengthSource,
}

/// Where a context length is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthSource {
    /// `max_model_len` in vLLM's list of models.
    ModelList,
    /// `/props` of llama.cpp's server.
    LlamaCpp,
    /// `/api/ps` or `/api/show` of Ollama.
    Ollama,
    /// `/api/v0/models` of LM Studio.
    LmStudio,
    /// Nowhere: the server does not say it.
    Assumed,
}

impl LengthSource {
    /// A name for logs and people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ModelList => "list of models",
            Self::LlamaCpp => "llama.cpp",
            Self::Ollama => "Ollama",
            Self::LmStudio => "LM Studio",
            Self::Assumed => "assumed",
        }
    }
}

/// An answer, as far as it says how long the context is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) length: ContextLength,
    /// Whether it is in force, and not only what is to be expected of a model that is not loaded.
    pub(crate) is_in_force: bool,
}

impl Said {
    fn in_force(source: LengthSource, tokens: &Value) -> Option<Self> {
        Self::new(source, tokens, true)
    }

    fn new(source: LengthSource, tokens: &Value, is_in_force: bool) -> Option<Self> {
        let tokens = tokens.as_u64().filter(|tokens| *tokens > 0)?;
        let length = ContextLength { tokens, source };
        Some(Self {
            length,
            is_in_force,
        })
    }
}

/// Reads vLLM's `GET /v1/models`, which others have taken over:
/// <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>.
pub(crate) fn of_list(body: &Value, model: &str) -> Option<Said> {
    let row = row(body.get("data")?, model, &["id"])?;
    Said::in_force(LengthSource::ModelList, row.get("max_model_len")?)
}

/// Reads `GET /props` of llama.cpp's server, which divides its context over the slots and gives the
/// part of one: <https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md>.
pub(crate) fn of_llama_cpp(body: &Value) -> Option<Said> {
    let slot = body.get("default_generation_settings")?;
    Said::in_force(LengthSource::LlamaCpp, slot.get("n_ctx")?)
}

/// Whether this is what Ollama answers to `GET /api/ps`.
pub(crate) fn is_of_ollama(body: &Value) -> bool {
    body.get("models").is_some_and(Value::is_array)
}

/// Reads Ollama's `GET /api/ps`, which lists the models that are loaded, each with the context that
/// was made for it: <https://docs.ollama.com/api/ps>.
pub(crate) fn of_ollama_running(body: &Value, model: &str) -> Option<Said> {
    let row = row(body.get("models")?, model, &["model", "name"])?;
    Said::in_force(LengthSource::Ollama, row.get("context_length")?)
}

/// Reads Ollama's `POST /api/show` for a model that is not loaded. It will get the `num_ctx` of its
/// own parameters, else the server's default, and never more than it was trained for. The default
/// depends on the memory of the machine and is not told: the smallest one is expected until the
/// model is loaded. <https://docs.ollama.com/context-length>
pub(crate) fn of_ollama_model(body: &Value) -> Option<Said> {
    let facts = body.get("model_info")?.as_object()?;
    let trained = facts
        .iter()
        .find(|(name, _)| name.ends_with(".context_length"))
        .and_then(|(_, tokens)| tokens.as_u64());
    let parameters = body.get("parameters").and_then(Value::as_str);
    let own = parameters.and_then(num_ctx);
    let tokens = own.unwrap_or(ASSUMED).min(trained.unwrap_or(u64::MAX));
    Said::new(LengthSource::Ollama, &tokens.into(), own.is_some())
}

/// `num_ctx 8192` among lines of names and values.
fn num_ctx(parameters: &str) -> Option<u64> {
    parameters.lines().find_map(|line| {
        let mut words = line.split_whitespace();
        (words.next()? == "num_ctx").then(|| words.next()?.parse().ok())?
    })
}

/// Reads `GET /api/v0/models` of LM Studio: <https://lmstudio.ai/docs/developer/rest/endpoints>. Of a
/// model that is not loaded only the largest context is told.
pub(crate) fn of_lm_studio(body: &Value, model: &str) -> Option<Said> {
    let row = row(body.get("data")?, model, &["id"])?;
    let source = LengthSource::LmStudio;
    if let Some(tokens) = row.get("loaded_context_length") {
        return Said::in_force(source, tokens);
    }
    let largest = row.get("max_context_length")?.as_u64()?;
    Said::new(source, &largest.min(ASSUMED).into(), false)
}

/// The row of a model in a list. Ollama adds `:latest` to a name without a tag.
fn row<'a>(rows: &'a Value, model: &str, names: &[&str]) -> Option<&'a Value> {
    let is_meant = |name: &str| name == model || name.strip_suffix(":latest") == Some(model);
    rows.as_array()?.iter().find(|row| {
        let mut names = names.iter().filter_map(|name| row.get(name)?.as_str());
        names.any(is_meant)
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tokens(said: Option<Said>) -> Option<(u64, bool)> {
        said.map(|said| (said.length.tokens, said.is_in_force))
    }

    #[test]
    fn each_server_says_it_in_its_own_way() {
        let list = json!({"object": "list", "data": [
            {"id": "other", "max_model_len": 1}, {"id": "m", "max_model_len": 32768}]});
        assert_eq!(tokens(of_list(&list, "m")), Some((32_768, true)));
        assert_eq!(tokens(of_list(&list, "x")), None);
        let props = json!({"default_generation_settings": {"n_ctx": 2048}, "total_slots": 2});
        assert_eq!(tokens(of_llama_cpp(&props)), Some((2_048, true)));
        let studio = json!({"data": [
            {"id": "m", "state": "loaded", "max_context_length": 131_072, "loaded_context_length": 8192},
            {"id": "n", "state": "not-loaded", "max_context_length": 131_072}]});
        assert_eq!(tokens(of_lm_studio(&studio, "m")), Some((8_192, true)));
        assert_eq!(tokens(of_lm_studio(&studio, "n")), Some((4_096, false)));
        let running =
            json!({"models": [{"name": "m:latest", "model": "m:latest", "context_length": 16384}]});
        assert_eq!(
            tokens(of_ollama_running(&running, "m")),
            Some((16_384, true))
        );
        assert_eq!(tokens(of_ollama_running(&running, "m:1b")), None);
    }

    #[test]
    fn a_model_of_ollama_that_is_not_loaded_gets_its_own_or_the_default() {
        let shown = |parameters: &str| {
            json!({"parameters": parameters, "model_info": {"gemma3.context_length": 131_072,
                "gemma3.embedding_length": 2560}})
        };
        let own = "stop      \"<end>\"\nnum_ctx                        8192\ntop_k 64";
        assert_eq!(tokens(of_ollama_model(&shown(own))), Some((8_192, true)));
        assert_eq!(
            tokens(of_ollama_model(&shown("top_k 64"))),
            Some((4_096, false))
        );
        let far = "num_ctx 1000000";
        assert_eq!(tokens(of_ollama_model(&shown(far))), Some((131_072, true)));
        let small = json!({"model_info": {"bert.context_length": 512}});
        assert_eq!(tokens(of_ollama_model(&small)), Some((512, false)));
    }

    #[test]
    fn what_says_nothing_is_no_length() {
        for odd in [
            json!(null),
            json!([]),
            json!({"error": "Unexpected endpoint"}),
            json!({"data": [{"id": "m", "max_model_len": "many"}], "models": 7}),
            json!({"data": [{"id": "m", "max_model_len": 0}]}),
            json!({"default_generation_settings": {"n_ctx": 0}}),
            json!({"model_info": null}),
        ] {
            let all = [
                of_list(&odd, "m"),
                of_llama_cpp(&odd),
                of_ollama_running(&odd, "m"),
                of_ollama_model(&odd),
                of_lm_studio(&odd, "m"),
            ];
            assert_eq!(all, [None; 5], "{odd}");
        }
    }
}
