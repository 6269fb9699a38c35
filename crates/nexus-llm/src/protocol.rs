//! What every wire protocol does, without a connection: a request becomes a body, frames become
//! [`Delta`]s. A new protocol is a variant of [`Protocol`] and of [`Reader`], and a module beside
//! [`openai`].

use std::collections::VecDeque;
use std::io;

use http::{HeaderName, HeaderValue, header};
use nexus_core::catalog::Protocol;
use serde::Serialize;
use url::Url;

use crate::report::Reported;
use crate::{ChatRequest, Delta, anthropic, gemini, openai};

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
            Protocol::Anthropic => Self {
                url: anthropic::messages_address(base_url),
                body: anthropic::body(request, model_id),
            },
            Protocol::Gemini => Self {
                url: gemini::turn_address(base_url, model_id, request.streams()),
                body: gemini::body(request, model_id),
            },
        }
    }
}

/// A body that is longer is measured before it is written, in bytes.
const LONG: usize = 64 * 1024;

/// Writes a body. A long one is written into memory that it fills: one that grew as it was written
/// would take twice as much at the end.
pub(crate) fn json(body: &impl Serialize) -> Vec<u8> {
    // Serializing fails only for maps whose keys are not text and for writers that fail.
    let mut measured = Measured::default();
    _ = serde_json::to_writer(&mut measured, body);
    if measured.length <= LONG {
        return measured.json;
    }
    let mut json = Vec::with_capacity(measured.length);
    _ = serde_json::to_writer(&mut json, body);
    json
}

/// Counts what is written, and keeps it unless it is long.
#[derive(Default)]
struct Measured {
    json: Vec<u8>,
    length: usize,
}

impl io::Write for Measured {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.length += bytes.len();
        if self.length <= LONG {
            self.json.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Where a provider lists its models.
pub(crate) fn models_address(protocol: Protocol, base_url: &Url) -> Url {
    match protocol {
        Protocol::OpenAi => openai::Vendor::at(base_url).address(base_url, "/models"),
        Protocol::Anthropic => anthropic::models_address(base_url),
        Protocol::Gemini => gemini::models_address(base_url),
    }
}

/// The ids that it lists. `None` when the body is no list of models.
pub(crate) fn listed_models(
    protocol: Protocol,
    base_url: &Url,
    body: &[u8],
) -> Option<Vec<String>> {
    match protocol {
        Protocol::OpenAi => openai::Vendor::at(base_url).listed_models(body),
        Protocol::Anthropic => openai::listed_models(body),
        Protocol::Gemini => gemini::listed_models(body),
    }
}

/// The header that carries the key, and what stands before the key in it. A key never goes into an
/// address, where logs would show it.
pub(crate) fn key_header(protocol: Protocol) -> (HeaderName, &'static str) {
    match protocol {
        Protocol::OpenAi => (header::AUTHORIZATION, "Bearer "),
        Protocol::Anthropic => (HeaderName::from_static("x-api-key"), ""),
        Protocol::Gemini => (HeaderName::from_static("x-goog-api-key"), ""),
    }
}

/// The header that names the version of the protocol, where it wants one in every request.
pub(crate) fn version_header(protocol: Protocol) -> Option<(HeaderName, HeaderValue)> {
    match protocol {
        Protocol::OpenAi | Protocol::Gemini => None,
        Protocol::Anthropic => Some((
            HeaderName::from_static("anthropic-version"),
            HeaderValue::from_static(anthropic::VERSION),
        )),
    }
}

/// Reads the answer of one turn.
#[derive(Debug)]
pub(crate) enum Reader {
    OpenAi(openai::Reader),
    Anthropic(anthropic::Reader),
    Gemini(gemini::Reader),
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
            Protocol::Anthropic => Self::Anthropic(anthropic::Reader::new(request)),
            Protocol::Gemini => Self::Gemini(gemini::Reader::new(request)),
        }
    }

    /// Reads the data of one event of a stream.
    pub(crate) fn frame(&mut self, data: &str, out: &mut VecDeque<Delta>) -> Result<Step, Fault> {
        match self {
            Self::OpenAi(reader) => reader.frame(data, out),
            Self::Anthropic(reader) => reader.frame(data, out),
            Self::Gemini(reader) => reader.frame(data, out),
        }
    }

    /// Reads an answer that came in one piece.
    pub(crate) fn whole(&mut self, body: &str, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        match self {
            Self::OpenAi(reader) => reader.whole(body, out),
            Self::Anthropic(reader) => reader.whole(body, out),
            Self::Gemini(reader) => reader.whole(body, out),
        }
    }

    /// The stream is over, and no frame was the last one.
    pub(crate) fn end(&mut self, out: &mut VecDeque<Delta>) -> Result<(), Fault> {
        match self {
            Self::OpenAi(reader) => reader.end(out),
            Self::Anthropic(reader) => reader.end(out),
            Self::Gemini(reader) => reader.end(out),
        }
    }

    /// The model has stopped; only the usage may still come.
    pub(crate) fn has_stopped(&self) -> bool {
        match self {
            Self::OpenAi(reader) => reader.has_stopped(),
            Self::Anthropic(reader) => reader.has_stopped(),
            Self::Gemini(reader) => reader.has_stopped(),
        }
    }
}

/// Where the JSON breaks. The parser's own words may quote the answer, so they are not used.
pub(crate) fn not_json(error: &serde_json::Error) -> Fault {
    let (line, column) = (error.line(), error.column());
    Fault::Malformed(format!(
        "it is not JSON from line {line}, column {column} on"
    ))
}
