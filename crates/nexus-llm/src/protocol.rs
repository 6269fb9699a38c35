//! What every wire protocol does, without a connection: a request becomes a body, frames become
//! [`Delta`]s. A new protocol is a variant of [`Reader`] and a module beside [`openai`].

use std::collections::VecDeque;

use nexus_core::catalog::Protocol;
use url::Url;

use crate::openai::{self, Reported};
use crate::{ChatRequest, Delta};

/// The address and the body of a request for one turn.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) url: Url,
    pub(crate) body: Vec<u8>,
}

impl Outgoing {
    /// A request for one turn with the model that the provider calls `model_id`.
    pub(crate) fn turn(
        protocol: Protocol,
        base_url: &Url,
        request: &ChatRequest,
        model_id: &str,
    ) -> Self {
        match protocol {
            Protocol::OpenAi => {
                let vendor = openai::Vendor::at(base_url);
                Self {
                    url: vendor.address(base_url, "/chat/completions"),
                    body: openai::body(request, model_id, vendor),
                }
            }
        }
    }
}

/// Reads the answer of one turn.
#[derive(Debug)]
pub(crate) enum Reader {
    OpenAi(openai::Reader),
}

/// Whether a frame was the last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    More,
    Done,
}

/// Why an answer cannot be read further.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// It is not the protocol.
    Malformed(String),
    /// The provider reports an error inside an answer that began well.
    Reported(Reported),
    /// It ended without saying that it is over.
    Unfinished,
}

impl Reader {
    pub(crate) fn new(protocol: Protocol, request: &ChatRequest) -> Self {
        match protocol {
            Protocol::OpenAi => Self::OpenAi(openai::Reader::new(request)),
        }
    }

    /// Reads the data of one event of a stream.
    pub(crate) fn frame(&mut self, data: &str, out: &mut VecDeque<Delta>) -> Result<Step, Fault> {
        match self {
            Self::OpenAi(reader) => reader.frame(data, out),
        }
    }

    /// Reads an answer that came in one piece.
    pub(crate) fn whole(&mut self, body: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        match self {
            Self::OpenAi(reader) => reader.whole(body, out),
        }
    }

    /// The stream is over, and no frame was the last one.
    pub(crate) fn end(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        match self {
            Self::OpenAi(reader) => reader.end(out),
        }
    }

    /// The model has stopped; only the usage may still come.
    pub(crate) fn has_stopped(&self) -> bool {
        match self {
            Self::OpenAi(reader) => reader.has_stopped(),
        }
    }
}
