//! One turn with a provider over HTTP: which model, which request, what kind of answer.

mod context_length;
mod reachability;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{Response, StatusCode, header};
use nexus_core::Model;
use nexus_core::catalog::{Credential, Endpoint, Protocol, Provider};
use nexus_core::egress::PinnedKey;
use nexus_egress::{AnswerBody, Broken, RequestError};
use tokio::time::{Instant, timeout, timeout_at};
use url::Url;

use self::context_length::Lengths;
pub(crate) use self::reachability::is_near;
pub use self::reachability::{Diagnosis, Obstacle, Reachability};
use crate::answer::{ANSWER_LIMIT, Answer, Clock};
use crate::failures::Failures;
use crate::protocol::{self, Outgoing, Reader};
use crate::report::reported_in_body;
use crate::transport::{Call, Transport, Unsendable, read_beginning, read_whole};
use crate::{ChatRequest, LlmError, Timers};

/// The id with which a catalog row asks for the first model that the provider lists.
const AUTOMATIC: &str = "auto";
/// How much of an error's body is read.
const ERROR_BODY_LIMIT: usize = 8 * 1024;

/// What all requests share.
#[derive(Debug)]
pub(crate) struct Wire {
    transport: Transport,
    timers: Timers,
    /// What `auto` stands for, by `base_url`.
    automatic: Mutex<HashMap<Url, Arc<str>>>,
    lengths: Lengths,
}

/// A provider that is reached over HTTP.
#[derive(Debug)]
pub(crate) struct Remote<'a> {
    protocol: Protocol,
    base_url: &'a Url,
    credential: &'a Credential,
    failures: Failures,
}

impl<'a> Remote<'a> {
    /// `None` for one that lives in this process.
    pub(crate) fn of(provider: &'a Provider) -> Option<Self> {
        let Endpoint::Remote {
            protocol,
            base_url,
            credential,
        } = &provider.endpoint
        else {
            return None;
        };
        let secret = match credential {
            Credential::Key(key) => Some(key.clone()),
            Credential::NotNeeded | Credential::Missing { .. } => None,
        };
        let failures = Failures::new(Arc::clone(&provider.name), secret);
        Some(Self {
            protocol: *protocol,
            base_url,
            credential,
            failures,
        })
    }

    fn key(&self) -> Result<Option<&'a PinnedKey>, LlmError> {
        match self.credential {
            Credential::NotNeeded => Ok(None),
            Credential::Key(key) => Ok(Some(key)),
            Credential::Missing { variable } => Err(self.failures.missing_key(variable)),
        }
    }

    /// The request for the list of its models.
    fn listing(&self) -> Result<Call, LlmError> {
        let url = protocol::models_address(self.protocol, self.base_url);
        Call::get(&url, self.protocol, self.key()?).map_err(|why| self.unsendable(why))
    }

    /// No answer came.
    fn unsent(&self, error: &RequestError) -> LlmError {
        match error.refused_address() {
            Some(refused) => self.failures.address_refused(refused.to_string()),
            None if error.broken() == Broken::Local => {
                self.failures.local_fault(Broken::Local.as_str())
            }
            None => self.failures.unreachable(&error.to_string()),
        }
    }

    fn unsendable(&self, why: Unsendable) -> LlmError {
        match why {
            Unsendable::NotHttp => self
                .failures
                .unreachable("its base_url is not an HTTP address"),
            Unsendable::WrongKey => self
                .failures
                .address_refused("its key is for another server".to_owned()),
        }
    }
}

impl Wire {
    pub(crate) fn new(transport: Transport, timers: Timers) -> Self {
        Self {
            transport,
            timers,
            automatic: Mutex::default(),
            lengths: Lengths::default(),
        }
    }

    /// Sends a turn and waits until its answer begins.
    pub(crate) async fn ask(
        &self,
        remote: &Remote<'_>,
        request: &ChatRequest,
    ) -> Result<Answer<AnswerBody>, LlmError> {
        let clock = Clock {
            timers: self.timers.of(&request.model),
            started: Instant::now(),
        };
        let limit = if request.streams() {
            clock.timers.first_event
        } else {
            clock.timers.whole_answer
        };
        timeout_at(clock.started + limit, self.open(remote, request, clock))
            .await
            .unwrap_or_else(|_| Err(remote.failures.timed_out(limit)))
    }

    async fn open(
        &self,
        remote: &Remote<'_>,
        request: &ChatRequest,
        clock: Clock,
    ) -> Result<Answer<AnswerBody>, LlmError> {
        let key = remote.key()?;
        let is_automatic = &*request.model.id == AUTOMATIC;
        let model_id = self.model_id(remote, &request.model).await?;
        let Outgoing { url, body } =
            Outgoing::turn(remote.protocol, remote.base_url, request, &model_id);
        let call =
            Call::post(&url, remote.protocol, key, body).map_err(|why| remote.unsendable(why))?;
        let sent = self.send(remote, &call).await;
        if is_automatic && matches!(sent, Err(LlmError::Rejected { .. })) {
            // The server may have another model by now.
            self.automatic().remove(remote.base_url);
        }
        answer(remote, request, clock, sent?)
    }

    /// What the provider calls a model.
    async fn model_id(&self, remote: &Remote<'_>, model: &Model) -> Result<Arc<str>, LlmError> {
        if &*model.id == AUTOMATIC {
            self.first_listed(remote).await
        } else {
            Ok(Arc::clone(&model.id))
        }
    }

    /// What the provider lists first. It is asked once, until it refuses a request.
    async fn first_listed(&self, remote: &Remote<'_>) -> Result<Arc<str>, LlmError> {
        if let Some(known) = self.automatic().get(remote.base_url) {
            return Ok(Arc::clone(known));
        }
        let listed = self.list(remote).await?;
        let first: Arc<str> = listed.into_iter().next().map(Arc::from).ok_or_else(|| {
            let message = "it lists no model: load one, or name one in the catalog";
            remote.failures.failed(StatusCode::OK, message)
        })?;
        self.automatic()
            .insert(remote.base_url.clone(), Arc::clone(&first));
        Ok(first)
    }

    /// The ids of the models that a provider lists.
    async fn list(&self, remote: &Remote<'_>) -> Result<Vec<String>, LlmError> {
        let response = self.send(remote, &remote.listing()?).await?;
        read_list(remote, response).await
    }

    /// Sends a request; an answer that is not a success is an error.
    async fn send(
        &self,
        remote: &Remote<'_>,
        call: &Call,
    ) -> Result<Response<AnswerBody>, LlmError> {
        let sent = self.transport.send(call).await;
        self.accept(remote, sent.map_err(|error| remote.unsent(&error))?)
            .await
    }

    /// Takes a success.
    async fn accept(
        &self,
        remote: &Remote<'_>,
        response: Response<AnswerBody>,
    ) -> Result<Response<AnswerBody>, LlmError> {
        if response.status().is_success() {
            return Ok(response);
        }
        let (head, body) = response.into_parts();
        let said = timeout(self.timers.trailing, read_beginning(body, ERROR_BODY_LIMIT)).await;
        let said = said.unwrap_or_default();
        let said = reported_in_body(&String::from_utf8_lossy(&said));
        Err(remote.failures.status(head.status, &head.headers, &said))
    }

    fn automatic(&self) -> MutexGuard<'_, HashMap<Url, Arc<str>>> {
        self.automatic
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read_list(
    remote: &Remote<'_>,
    response: Response<AnswerBody>,
) -> Result<Vec<String>, LlmError> {
    let body = read_whole(response.into_body(), ANSWER_LIMIT)
        .await
        .map_err(|error| remote.failures.unreachable(error.0))?
        .ok_or_else(|| {
            remote
                .failures
                .malformed("its list of models is too long", false)
        })?;
    let listed = protocol::listed_models(remote.protocol, remote.base_url, &body);
    let listed = listed.ok_or_else(|| {
        remote
            .failures
            .malformed("it does not list its models", false)
    })?;
    let redacted = listed.iter().map(|id| remote.failures.redact(id));
    Ok(redacted.collect())
}

/// Reads an answer as what it says it is, whatever was asked for: some servers cannot stream, and
/// some always do. Where it does not say, it is taken for what was asked for.
fn answer(
    remote: &Remote<'_>,
    request: &ChatRequest,
    clock: Clock,
    response: Response<AnswerBody>,
) -> Result<Answer<AnswerBody>, LlmError> {
    let (head, body) = response.into_parts();
    let failures = remote.failures.clone();
    let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(encoding) = text(header::CONTENT_ENCODING).filter(|it| *it != "identity") {
        let reason = format!("it is compressed ({encoding}), which nobody asked for");
        return Err(failures.malformed(&reason, false));
    }
    let kind = text(header::CONTENT_TYPE).unwrap_or_default();
    let kind = kind
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .to_ascii_lowercase();
    let is_stream = match kind.as_str() {
        "text/event-stream" => true,
        json if json.ends_with("json") => false,
        "" | "text/plain" | "application/octet-stream" => request.streams(),
        other => {
            let reason = format!("it is {other}, not text/event-stream or application/json");
            return Err(failures.malformed(&reason, false));
        }
    };
    let reader = Reader::new(remote.protocol, request);
    Ok(if is_stream {
        Answer::events(body, reader, failures, clock)
    } else {
        Answer::whole(body, reader, failures, clock)
    })
}
