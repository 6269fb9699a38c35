//! How long Nexus waits for a provider.

use std::time::Duration;

/// The limits of one request. [`Timers::default`] suits hosted providers and local servers alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timers {
    /// Until there is a connection: name lookup, TCP and TLS. 5 s.
    pub connect: Duration,
    /// From the request to the first event of a stream. 120 s, because a model on one's own
    /// machine reads a long prompt slowly.
    pub first_event: Duration,
    /// Between two pieces of a stream, comments included, once it has begun. 60 s.
    pub byte_idle: Duration,
    /// Between two events of a stream. Comments say that the connection lives, not that the
    /// model works, so they do not count. 120 s.
    pub progress_idle: Duration,
    /// From the last piece of an answer to the usage that some providers send after it. The answer
    /// is whole by then, so what does not come in time is not missed. 5 s.
    pub trailing: Duration,
    /// From the request to the end of a stream. 600 s.
    pub whole_turn: Duration,
    /// From the request to the end of an answer that does not stream. 600 s.
    pub whole_answer: Duration,
}

impl Default for Timers {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            first_event: Duration::from_mins(2),
            byte_idle: Duration::from_mins(1),
            progress_idle: Duration::from_mins(2),
            trailing: Duration::from_secs(5),
            whole_turn: Duration::from_mins(10),
            whole_answer: Duration::from_mins(10),
        }
    }
}
