//! How long Nexus waits for a provider.

use std::time::Duration;

use nexus_core::Model;
use nexus_core::catalog::Endpoint;

use crate::remote::is_near;

/// The limits of one request. A provider's row may set others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Until there is a connection: name lookup, TCP and TLS. 5 s.
    pub connect: Duration,
    /// From the request to the first event of a stream. 30 s.
    pub first_event: Duration,
    /// The same for models that think first, and for a server of one's own, which reads a long
    /// prompt slowly. 120 s.
    pub slow_first_event: Duration,
    /// Between two pieces of a stream, comments included, once it has begun. 60 s.
    pub byte_idle: Duration,
    /// Between two events of a stream. Comments say that the connection lives, not that the
    /// model works, so they do not count. 120 s.
    pub progress_idle: Duration,
    /// From the last piece of an answer to the usage that some providers send after it. The answer
    /// is whole by then, so what does not come in time is not missed. 5 s.
    pub trailing: Duration,
    /// From the request to the end of a stream, all attempts included. 600 s.
    pub whole_turn: Duration,
    /// From the request to the end of an answer that does not stream. 120 s; slow models get
    /// `whole_turn`.
    pub whole_answer: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_event: Duration::from_secs(30),
            slow_first_event: Duration::from_mins(2),
            byte_idle: Duration::from_mins(1),
            progress_idle: Duration::from_mins(2),
            trailing: Duration::from_secs(5),
            whole_turn: Duration::from_mins(10),
            whole_answer: Duration::from_mins(2),
        }
    }
}

impl Timers {
    /// The limits for one model: what its provider's row says, else what suits it.
    pub(crate) fn of(mut self, model: &Model) -> Self {
        let is_near = match &model.provider.endpoint {
            Endpoint::Builtin => true,
            Endpoint::Remote { base_url, .. } => is_near(base_url),
        };
        if model.reasons || is_near {
            self.first_event = self.slow_first_event;
            self.whole_answer = self.whole_turn;
        }
        let said = model.provider.timeouts;
        self.first_event = said.first_token.unwrap_or(self.first_event);
        if let Some(idle) = said.idle {
            self.byte_idle = idle;
            self.progress_idle = idle * 2;
        }
        if let Some(total) = said.total {
            self.whole_turn = total;
            self.whole_answer = total;
        }
        self
    }

    /// How long an answer may take in all.
    pub(crate) const fn total(&self, streams: bool) -> Duration {
        if streams {
            self.whole_turn
        } else {
            self.whole_answer
        }
    }
}
