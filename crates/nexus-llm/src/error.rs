//! What can go wrong between Nexus and a provider, by what the caller can do about it.

use std::time::Duration;

/// What a provider says about sending the same request again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RetryHint {
    /// Not before so long.
    pub after: Option<Duration>,
    /// Whether to send it again at all.
    pub again: Option<bool>,
}

/// A turn that did not finish.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LlmError {
    /// The provider's row names a key that is not set.
    #[error("provider {provider} has no key: set {variable} and start Nexus again")]
    MissingKey {
        /// The provider.
        provider: String,
        /// The environment variable.
        variable: String,
    },
    /// Its address is one that Nexus does not connect to. It was not asked.
    #[error(
        "provider {provider} is at an address that Nexus does not connect to: `nexus models` says why"
    )]
    AddressRefused {
        /// The provider.
        provider: String,
        /// Why, for whoever runs the server: it may name addresses inside the network.
        reason: String,
    },
    /// No connection, or it broke before the first piece.
    #[error("provider {provider} cannot be reached: {reason}")]
    Unreachable {
        /// The provider.
        provider: String,
        /// What the connection said, without addresses or secrets.
        reason: String,
    },
    /// No connection could be made, and that is the fault of this machine: it has no file handles
    /// left, or no network. The provider was not asked.
    #[error("provider {provider} was not asked: {reason}")]
    LocalFault {
        /// The provider.
        provider: String,
        /// What this machine lacks.
        reason: String,
    },
    /// It refused the key.
    #[error(
        "provider {provider} refused its key (HTTP {status}): check the key in its environment variable"
    )]
    Unauthorized {
        /// The provider.
        provider: String,
        /// 401 or 403.
        status: u16,
    },
    /// It asks to slow down.
    #[error("provider {provider} is limiting requests: try again later")]
    RateLimited {
        /// The provider.
        provider: String,
        /// What it says about asking again.
        hint: RetryHint,
    },
    /// It has failed too often in the last seconds. It was not asked.
    #[error(
        "provider {provider} has failed too often in the last seconds: it is asked again in \
         {retry_after:.0?}"
    )]
    Unavailable {
        /// The provider.
        provider: String,
        /// When it may be asked again.
        retry_after: Duration,
    },
    /// It refused the request.
    #[error("provider {provider} refused the request (HTTP {status}): {message}")]
    Rejected {
        /// The provider.
        provider: String,
        /// The HTTP status.
        status: u16,
        /// What it said, shortened, with its key blotted out.
        message: String,
    },
    /// The conversation is longer than the model can read.
    #[error(
        "this conversation is longer than the model can read (provider {provider}, HTTP {status}): \
         {message}"
    )]
    TooLong {
        /// The provider.
        provider: String,
        /// The HTTP status.
        status: u16,
        /// What it said, shortened, with its key blotted out.
        message: String,
        /// How many tokens it can read and write, where it said so.
        limit: Option<u64>,
    },
    /// It failed on its side before the first piece.
    #[error("provider {provider} failed (HTTP {status}): {message}")]
    Failed {
        /// The provider.
        provider: String,
        /// The HTTP status, or 200 when the error came inside a stream.
        status: u16,
        /// What it said, shortened, with its key blotted out.
        message: String,
        /// What it says about asking again.
        hint: RetryHint,
    },
    /// It did not answer in time, or stopped in the middle for too long.
    #[error("provider {provider} did not answer in time: nothing came for {waited:?}")]
    TimedOut {
        /// The provider.
        provider: String,
        /// How long nothing came.
        waited: Duration,
    },
    /// The stream broke after pieces had come: they are all there is.
    #[error("provider {provider} broke off its answer: {reason}")]
    Interrupted {
        /// The provider.
        provider: String,
        /// Why.
        reason: String,
    },
    /// What came is not the protocol.
    #[error("provider {provider} answered with something that is not its protocol: {reason}")]
    Malformed {
        /// The provider.
        provider: String,
        /// What was wrong.
        reason: String,
    },
}

impl LlmError {
    /// A stable code for clients and logs.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::MissingKey { .. } => "provider_key_missing",
            Self::AddressRefused { .. } => "provider_address_refused",
            Self::Unreachable { .. } => "provider_unreachable",
            Self::LocalFault { .. } => "network_unavailable",
            Self::Unauthorized { .. } => "provider_unauthorized",
            Self::RateLimited { .. } => "provider_rate_limited",
            Self::Unavailable { .. } => "provider_unavailable",
            Self::Rejected { .. } => "provider_rejected",
            Self::TooLong { .. } => "context_length_exceeded",
            Self::Failed { .. } => "provider_failed",
            Self::TimedOut { .. } => "provider_timed_out",
            Self::Interrupted { .. } => "provider_interrupted",
            Self::Malformed { .. } => "provider_malformed",
        }
    }

    /// Whether the same request may succeed later without anybody changing anything.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. }
            | Self::LocalFault { .. }
            | Self::RateLimited { .. }
            | Self::Unavailable { .. }
            | Self::Failed { .. }
            | Self::TimedOut { .. }
            | Self::Interrupted { .. } => true,
            Self::MissingKey { .. }
            | Self::AddressRefused { .. }
            | Self::Unauthorized { .. }
            | Self::Rejected { .. }
            | Self::TooLong { .. }
            | Self::Malformed { .. } => false,
        }
    }

    /// Whether it is refused because the roles of the messages do not alternate. Servers that use
    /// the model's own template say so, some with a status of their own failures.
    #[must_use]
    pub fn is_about_turns(&self) -> bool {
        match self {
            Self::Rejected { message, .. } | Self::Failed { message, .. } => {
                message.to_lowercase().contains("alternat")
            }
            _ => false,
        }
    }

    /// When to ask again, where that is known.
    #[must_use]
    pub const fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { hint, .. } | Self::Failed { hint, .. } => hint.after,
            Self::Unavailable { retry_after, .. } => Some(*retry_after),
            _ => None,
        }
    }
}
