//! Whether a provider says that a conversation is too long for its model, and for how many tokens
//! there is room. Every vendor has words of its own for it.

use crate::report::Reported;

/// How they say it, in lower case: OpenAI, Anthropic, Gemini, Mistral, xAI, Groq, vLLM, llama.cpp,
/// Ollama, LM Studio, text-generation-inference.
const WORDS: [&str; 17] = [
    "context length",
    "context_length",
    "context size",
    "context_size",
    "context window",
    "context limit",
    "maximum model length",
    "maximum prompt length",
    "prompt is too long",
    "prompt too long",
    "input is too long",
    "input token count",
    "too many tokens",
    "reduce the length",
    "request too large",
    "request_too_large",
    "too large for model",
];

/// What stands before the number of tokens that there is room for, in lower case.
const BEFORE_LIMIT: [&str; 12] = [
    "maximum context length is ",
    "maximum context length of ",
    "maximum model length of ",
    "maximum prompt length is ",
    "context length of only ",
    "context length of ",
    "context size (",
    "context size of ",
    "tokens allowed (",
    "too large for model with ",
    "cannot exceed ",
    "> ",
];

/// Whether this is what it says. 413 says nothing else; 429 is about this only where no waiting
/// helps.
pub(super) fn is_too_long(status: u16, said: &Reported) -> bool {
    let says = |words: &[&str]| {
        let said = [&said.kind, &said.message].map(|text| text.to_lowercase());
        words
            .iter()
            .any(|word| said.iter().any(|it| it.contains(word)))
    };
    match status {
        413 => true,
        429 => says(&["request too large"]),
        200 | 400 | 422 | 500 => says(&WORDS),
        _ => false,
    }
}

/// How many tokens it can read and write, where it says so.
pub(super) fn limit(message: &str) -> Option<u64> {
    let message = message.to_lowercase();
    BEFORE_LIMIT.iter().find_map(|before| {
        let (_, after) = message.split_once(before)?;
        let digits = after.trim_start().chars();
        let digits = digits.take_while(|c| c.is_ascii_digit() || matches!(c, ',' | '_'));
        let digits: String = digits.filter(char::is_ascii_digit).collect();
        digits.parse().ok().filter(|limit| *limit > 0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(kind: &str, message: &str) -> Reported {
        Reported {
            kind: kind.to_owned(),
            ..Reported::saying(message.to_owned())
        }
    }

    #[test]
    fn every_vendor_has_its_own_words_for_it() {
        for (status, kind, message, room) in [
            (
                400,
                "context_length_exceeded invalid_request_error",
                "This model's maximum context length is 8192 tokens. However, your messages resulted in 9001 tokens.",
                Some(8_192),
            ),
            (
                400,
                "context_length_exceeded",
                "Your input is not accepted.",
                None,
            ),
            (
                400,
                "invalid_request_error",
                "prompt is too long: 208310 tokens > 200000 maximum",
                Some(200_000),
            ),
            (
                400,
                "invalid_request_error",
                "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease input length",
                Some(200_000),
            ),
            (
                413,
                "request_too_large",
                "Request exceeds the maximum size",
                None,
            ),
            (
                400,
                "",
                "The input token count (1048577) exceeds the maximum number of tokens allowed (1048576).",
                Some(1_048_576),
            ),
            (
                400,
                "exceed_context_size_error",
                "the request exceeds the available context size (4096 tokens), try increasing it",
                Some(4_096),
            ),
            (
                400,
                "BadRequestError",
                "This model's maximum context length is 4096 tokens. However, you requested 5000 tokens (904 in the messages, 4096 in the completion).",
                Some(4_096),
            ),
            (
                400,
                "",
                "The decoder prompt (length 9000) is longer than the maximum model length of 4096.",
                Some(4_096),
            ),
            (400, "", "the input length exceeds the context length", None),
            (
                400,
                "",
                "Prompt contains 40000 tokens, too large for model with 32,768 maximum context length",
                Some(32_768),
            ),
            (
                429,
                "tokens",
                "Request too large for gpt-4 on tokens per min (TPM): Limit 10000, Requested 12000.",
                None,
            ),
            (500, "", "context size exceeded", None),
            (
                200,
                "",
                "Please reduce the length of the messages or completion.",
                None,
            ),
        ] {
            let said = said(kind, message);
            assert!(is_too_long(status, &said), "{status} {message}");
            assert_eq!(limit(message), room, "{message}");
        }
    }

    #[test]
    fn other_refusals_are_not_about_length() {
        for (status, kind, message) in [
            (
                400,
                "invalid_request_error",
                "max_tokens is too large: 100000",
            ),
            (400, "", "unknown field"),
            (
                429,
                "rate_limit_exceeded",
                "Rate limit reached: too many tokens per minute",
            ),
            (401, "", "context length"),
            (503, "", "the model is loading"),
        ] {
            assert!(!is_too_long(status, &said(kind, message)), "{message}");
        }
    }
}
