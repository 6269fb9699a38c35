//! What can be asked, and where: the rows of `llm.catalog` and `llm.providers`, checked.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use crate::Price;
use crate::egress::PinnedKey;

/// A model that exists: the name people use, the provider to ask, the id to ask for.
#[derive(Debug)]
pub struct Model {
    /// The catalog key.
    pub name: Arc<str>,
    /// What the provider calls it. `auto` asks a local server for the first model it lists.
    pub id: Arc<str>,
    /// Other names that people may use.
    pub aliases: Vec<Arc<str>>,
    /// Who serves it.
    pub provider: Arc<Provider>,
    /// Values that apply where no stronger layer sets one.
    pub default_params: DefaultParams,
    /// Whether to ask for a stream. A row says `stream: false` for a server that cannot.
    pub streams: bool,
    /// Whether it thinks before it answers, so that its first piece takes longer.
    pub reasons: bool,
    /// The catalog names of the models that answer when this one cannot, in this order. At most
    /// [`MAX_FALLBACKS`], each once, never this one. Their own fallbacks are not followed.
    pub fallbacks: Vec<Arc<str>>,
    /// What it costs. `None`: the row says nothing, and it counts as free.
    pub price: Option<Price>,
    /// The most tokens that it reads and writes together. `None`: the row says nothing.
    pub context_length: Option<u32>,
    /// The longest answer that it writes, in tokens. `None`: the row says nothing.
    pub max_output_tokens: Option<u32>,
}

/// How many models may stand in for one.
pub const MAX_FALLBACKS: usize = 2;

/// `default_params` of a catalog row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DefaultParams {
    /// Sampling temperature.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens.
    pub max_tokens: Option<u32>,
}

/// Who serves models. A vendor is a row of the template, a protocol is code.
#[derive(Debug)]
pub struct Provider {
    /// The key in `llm.providers`.
    pub name: Arc<str>,
    /// How it is reached.
    pub endpoint: Endpoint,
    /// How long it is waited for, where its row says so.
    pub timeouts: Timeouts,
}

/// `timeouts` of a provider's row. `None` leaves a limit as it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeouts {
    /// From the request to the first piece of a stream.
    pub first_token: Option<Duration>,
    /// Between two pieces.
    pub idle: Option<Duration>,
    /// From the request to the end of the answer, all attempts included.
    pub total: Option<Duration>,
}

/// How a provider is reached.
#[derive(Debug)]
pub enum Endpoint {
    /// In this process: the `echo` model, for a first run without keys.
    Builtin,
    /// Over HTTP.
    Remote {
        /// What it speaks.
        protocol: Protocol,
        /// The address that the protocol's paths are appended to; it ends without a slash.
        base_url: Url,
        /// What it is shown.
        credential: Credential,
    },
}

/// A wire protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// `POST /chat/completions`, as OpenAI, DeepSeek, OpenRouter, Gemini's compatible endpoint,
    /// Ollama, llama.cpp, vLLM and many more serve it.
    OpenAi,
    /// `POST /v1/messages`, as Anthropic serves it.
    Anthropic,
    /// `POST /models/<id>:generateContent`, as Google serves it for Gemini.
    Gemini,
}

impl Protocol {
    /// The word that a row has for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OpenAi => "openai",
            Self::Anthropic => "anthropic",
            Self::Gemini => "gemini",
        }
    }

    /// What a provider speaks whose row does not say it: its own protocol at the address of a vendor
    /// that has one, else OpenAI's.
    #[must_use]
    pub fn at(base_url: &Url) -> Self {
        match base_url.host_str().unwrap_or_default() {
            "api.anthropic.com" => Self::Anthropic,
            // https://ai.google.dev/gemini-api/docs/openai: it serves OpenAI's in this folder.
            "generativelanguage.googleapis.com" if !base_url.path().ends_with("/openai") => {
                Self::Gemini
            }
            _ => Self::OpenAi,
        }
    }
}

/// What a server is shown as a proof that it may be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// The row names no key: a server of one's own.
    NotNeeded,
    /// The key, and who may receive it.
    Key(PinnedKey),
    /// The row names an environment variable that is not set: the server cannot be asked.
    Missing {
        /// The variable.
        variable: String,
    },
}

impl Provider {
    /// What it speaks, in the word that its row has for it.
    #[must_use]
    pub const fn protocol(&self) -> &'static str {
        match &self.endpoint {
            Endpoint::Builtin => "builtin",
            Endpoint::Remote { protocol, .. } => protocol.as_str(),
        }
    }

    /// Why its models cannot be asked, when that is known without asking.
    #[must_use]
    pub fn unavailable(&self) -> Option<MissingKey<'_>> {
        match &self.endpoint {
            Endpoint::Remote {
                credential: Credential::Missing { variable },
                ..
            } => Some(MissingKey {
                provider: &self.name,
                variable,
            }),
            Endpoint::Builtin | Endpoint::Remote { .. } => None,
        }
    }
}

/// A provider without its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MissingKey<'a> {
    /// The provider.
    pub provider: &'a str,
    /// The environment variable to set.
    pub variable: &'a str,
}

impl fmt::Display for MissingKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "provider {} has no key: set {} and start Nexus again",
            self.provider, self.variable
        )
    }
}
