//! What programs may say that come through the OpenAI-compatible door: the section `clients` of the
//! template.

use std::collections::BTreeSet;

/// The fields of a request that reach a provider as they came, where the template names no others.
/// Not among them: what costs more than a person asked for (`service_tier`), what a provider would
/// keep (`store`, `metadata`), and what makes it act by itself (`web_search_options`).
pub const USUAL_FIELDS: [&str; 21] = [
    "frequency_penalty",
    "function_call",
    "functions",
    "logit_bias",
    "logprobs",
    "min_p",
    "n",
    "parallel_tool_calls",
    "prediction",
    "presence_penalty",
    "prompt_cache_key",
    "reasoning_effort",
    "response_format",
    "seed",
    "stop",
    "tool_choice",
    "tools",
    "top_k",
    "top_logprobs",
    "top_p",
    "verbosity",
];

/// `clients`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientRules {
    /// What becomes of the system text that a program sends.
    pub system_text: SystemText,
    /// What becomes of a setting that a program asks for and the person may not have.
    pub out_of_policy: OutOfPolicy,
    /// The fields that reach a provider as they came.
    pub fields: BTreeSet<String>,
    /// What becomes of the other ones.
    pub other_fields: OtherFields,
    /// The kinds of tools, beside functions, that reach a provider: it carries them out itself, on
    /// the account of this server.
    pub provider_tools: BTreeSet<String>,
    /// Whether the last question and its answer are stored.
    pub store: bool,
}

impl Default for ClientRules {
    fn default() -> Self {
        Self {
            system_text: SystemText::Keep,
            out_of_policy: OutOfPolicy::Adjust,
            fields: USUAL_FIELDS.map(str::to_owned).into(),
            other_fields: OtherFields::Refuse,
            provider_tools: BTreeSet::new(),
            store: true,
        }
    }
}

/// What becomes of the system text that a program sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SystemText {
    /// It comes after the person's prompts, marked as the program's.
    Keep,
    /// It stands in for the persona where the person may change that; else it is kept.
    ReplacePersona,
    /// The request is refused.
    Refuse,
}

impl SystemText {
    /// Every choice.
    pub const ALL: [Self; 3] = [Self::Keep, Self::ReplacePersona, Self::Refuse];

    /// The word in the template.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::ReplacePersona => "replace_persona",
            Self::Refuse => "refuse",
        }
    }
}

/// What becomes of a temperature or a length that the person may not have. Another model than the
/// one that was asked for never answers: that is refused always.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OutOfPolicy {
    /// It is brought within its limits, or left out where the field is locked. The answer tells it.
    Adjust,
    /// The request is refused.
    Refuse,
}

impl OutOfPolicy {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Adjust, Self::Refuse];

    /// The word in the template.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Adjust => "adjust",
            Self::Refuse => "refuse",
        }
    }
}

/// What becomes of a field that is not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OtherFields {
    /// The request is refused.
    Refuse,
    /// It is left out.
    Ignore,
}

impl OtherFields {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Refuse, Self::Ignore];

    /// The word in the template.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Ignore => "ignore",
        }
    }
}
