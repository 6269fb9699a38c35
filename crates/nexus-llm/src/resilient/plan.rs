//! What follows from a failure, as a table: whether to try again, whether another model may do
//! better, and what it says about the provider.

use std::time::Duration;

use super::breaker::Sample;
use crate::LlmError;

/// How often one model is asked again in one turn.
pub(super) const RETRIES: u32 = 2;

const BASE: Duration = Duration::from_millis(250);
const CAP: Duration = Duration::from_secs(8);

/// The longest pause after so many tries.
pub(super) fn longest_backoff(tries: u32) -> Duration {
    BASE.saturating_mul(2_u32.saturating_pow(tries)).min(CAP)
}

/// Whether the same request may be sent to the same model again. A provider that said nothing for
/// too long is not asked again: another such wait helps nobody.
pub(super) fn may_be_sent_again(error: &LlmError) -> bool {
    match error {
        LlmError::Unreachable { .. }
        | LlmError::LocalFault { .. }
        | LlmError::Interrupted { .. } => true,
        LlmError::RateLimited { hint, .. } => hint.again.unwrap_or(true),
        // 200: the error came in place of the first piece. 529: Anthropic is overloaded.
        LlmError::Failed { status, hint, .. } => hint.again.unwrap_or(matches!(
            status,
            200 | 408 | 425 | 500 | 502 | 503 | 504 | 529
        )),
        LlmError::MissingKey { .. }
        | LlmError::AddressRefused { .. }
        | LlmError::Unauthorized { .. }
        | LlmError::Unavailable { .. }
        | LlmError::Rejected { .. }
        | LlmError::TooLong { .. }
        | LlmError::TimedOut { .. }
        | LlmError::Malformed { .. } => false,
    }
}

/// Whether the failure is that of one model, so that another one may answer. A request that is wrong
/// in itself is wrong everywhere.
pub(super) fn concerns_only_one(error: &LlmError) -> bool {
    match error {
        // No credits, no such model, gone, moved.
        LlmError::Rejected { status, .. } => matches!(status, 402 | 404 | 410 | 300..=399),
        LlmError::TooLong { .. } => false,
        _ => true,
    }
}

/// What a failure says about the provider.
pub(super) fn sample(error: &LlmError) -> Sample {
    match error {
        LlmError::Unreachable { .. } => Sample::NotReached,
        LlmError::RateLimited { hint, .. } => Sample::Limited(hint.after),
        LlmError::Unauthorized { status, .. } => Sample::Misconfigured(*status),
        LlmError::Rejected { .. } | LlmError::TooLong { .. } => Sample::Answered,
        LlmError::Failed { .. }
        | LlmError::TimedOut { .. }
        | LlmError::Interrupted { .. }
        | LlmError::Malformed { .. } => Sample::Failed,
        LlmError::MissingKey { .. }
        | LlmError::AddressRefused { .. }
        | LlmError::LocalFault { .. }
        | LlmError::Unavailable { .. } => Sample::Nothing,
    }
}
