//! Requests to a server of ours: over verified TLS or plain HTTP, without redirects and proxies,
//! with limits of time and size.

use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use nexus_api::error::{ErrorBody, ErrorDetail};
use nexus_core::Clock as _;
use nexus_core::auth::request::{Content, SignatureTerms, Target, sign};
use nexus_core::auth::{Origin, SigningKey};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Serialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::wire::Clock;

const CONNECT: Duration = Duration::from_secs(10);
/// How long a server may take to answer, and how long a stream may be silent.
const PATIENCE: Duration = Duration::from_mins(1);
/// The largest answer that is read into memory, in bytes.
const MAX_ANSWER: usize = 16 * 1024 * 1024;
const JSON: &str = "application/json";

/// One server. Connections are made when they are needed.
pub(crate) struct Connection {
    pub(crate) server: Origin,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    token: Option<SecretString>,
}

/// With what a request is signed.
#[derive(Clone, Copy)]
pub(crate) struct Signer<'a> {
    pub(crate) key: &'a SigningKey,
    pub(crate) chain_id: u64,
}

/// One request.
pub(crate) struct Call<'a> {
    method: Method,
    path: &'a str,
    body: Bytes,
    signer: Option<Signer<'a>>,
}

impl<'a> Call<'a> {
    pub(crate) fn new(method: Method, path: &'a str) -> Self {
        Self {
            method,
            path,
            body: Bytes::new(),
            signer: None,
        }
    }

    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        // A request of ours is made of texts, numbers and JSON.
        self.body = serde_json::to_vec(body).unwrap_or_default().into();
        self
    }

    pub(crate) fn signed(mut self, signer: Signer<'a>) -> Self {
        self.signer = Some(signer);
        self
    }
}

/// What the server answered in place of what was asked for.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) status: StatusCode,
    pub(crate) error: ErrorDetail,
}

/// Why a request brought nothing.
#[derive(Debug)]
pub(crate) enum CallError {
    Refused(Refused),
    Failed(Failure),
}

impl From<CallError> for Failure {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Failed(failure) => failure,
            CallError::Refused(Refused { status, error }) => {
                let failure = Self::new(format!("{} ({})", error.message, error.code));
                match &*error.code {
                    "unauthenticated" => failure.hint("sign in again with `nexus login`"),
                    "not_a_member" => failure.hint("`nexus identity register` registers your key"),
                    _ if status == StatusCode::MISDIRECTED_REQUEST => {
                        failure.hint("sign in under the name of the server: `nexus login URL`")
                    }
                    _ => failure,
                }
            }
        }
    }
}

impl Connection {
    pub(crate) fn new(server: Origin) -> Result<Self, Failure> {
        let tls = nexus_egress::tls().map_err(|error| Failure::new(error.to_string()))?;
        let mut plain = HttpConnector::new();
        plain.enforce_http(false);
        plain.set_connect_timeout(Some(CONNECT));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(plain);
        Ok(Self {
            server,
            client: Client::builder(TokioExecutor::new()).build(connector),
            token: None,
        })
    }

    pub(crate) fn with_token(mut self, token: SecretString) -> Self {
        self.token = Some(token);
        self
    }

    /// Sends a request and reads the JSON of its answer.
    pub(crate) async fn send(&self, call: Call<'_>) -> Result<Value, CallError> {
        let response = self.head(call).await?;
        let status = response.status();
        let body = self.read(response).await?;
        serde_json::from_slice(&body).map_err(|_| self.not_nexus(status))
    }

    /// Sends a request whose answer is too large for the memory.
    pub(crate) async fn stream(&self, call: Call<'_>) -> Result<Body, CallError> {
        let response = self.head(call).await?;
        Ok(Body(response.into_body()))
    }

    /// The head of an answer that is not a refusal.
    async fn head(&self, call: Call<'_>) -> Result<Response<Incoming>, CallError> {
        let request = self.request(call).map_err(CallError::Failed)?;
        let sent = tokio::time::timeout(PATIENCE, self.client.request(request)).await;
        let response = match sent {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(self.broken(nexus_egress::describe(&error))),
            Err(_) => return Err(self.broken("it does not answer in time")),
        };
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        if status.is_redirection() {
            let message = format!("{} sends us elsewhere, and we do not follow", self.server);
            let failure = Failure::new(message).hint("name the address of the server itself");
            return Err(CallError::Failed(failure));
        }
        let body = self.read(response).await?;
        match serde_json::from_slice(&body) {
            Ok(ErrorBody { error }) => Err(CallError::Refused(Refused { status, error })),
            Err(_) => Err(self.not_nexus(status)),
        }
    }

    fn request(&self, call: Call<'_>) -> Result<Request<Full<Bytes>>, Failure> {
        let unsendable = |what: &str| Failure::new(format!("this request cannot be sent: {what}"));
        let agent = concat!("nexus-cli/", env!("CARGO_PKG_VERSION"));
        let mut request = Request::builder()
            .method(&call.method)
            .uri(format!("{}{}", self.server, call.path))
            .header(USER_AGENT, agent);
        if !call.body.is_empty() {
            request = request.header(CONTENT_TYPE, JSON);
        }
        if let Some(token) = &self.token {
            let bearer = format!("Bearer {}", token.expose_secret());
            let bearer = HeaderValue::try_from(bearer);
            let mut bearer = bearer.map_err(|_| unsendable("its token is not one"))?;
            bearer.set_sensitive(true);
            request = request.header(AUTHORIZATION, bearer);
        }
        if let Some(Signer { key, chain_id }) = call.signer {
            let terms = SignatureTerms::new(chain_id, Clock::default().now())
                .map_err(|error| unsendable(&error.to_string()))?;
            let (path, query) = match call.path.split_once('?') {
                Some((path, query)) => (path, Some(query)),
                None => (call.path, None),
            };
            let target = Target {
                method: call.method.as_str(),
                authority: self.server.authority(),
                path,
                query,
            };
            let content = Content {
                media_type: JSON,
                body: &call.body,
            };
            let content = (!call.body.is_empty()).then_some(&content);
            let headers = sign(key, target, content, &terms)
                .map_err(|error| unsendable(&error.to_string()))?;
            for (name, value) in headers.iter() {
                request = request.header(name, value);
            }
        }
        let request = request.body(Full::new(call.body));
        request.map_err(|error| unsendable(&error.to_string()))
    }

    async fn read(&self, response: Response<Incoming>) -> Result<Bytes, CallError> {
        let body = Limited::new(response.into_body(), MAX_ANSWER).collect();
        match tokio::time::timeout(PATIENCE, body).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(_)) => Err(self.broken("its answer broke off, or is too long")),
            Err(_) => Err(self.broken("its answer does not end")),
        }
    }

    fn broken(&self, reason: &str) -> CallError {
        let failure = Failure::new(format!("{} cannot be asked: {reason}", self.server));
        CallError::Failed(failure.hint("is `nexus serve` running there?"))
    }

    fn not_nexus(&self, status: StatusCode) -> CallError {
        let message = format!(
            "what answers at {} is not Nexus (status {status})",
            self.server
        );
        CallError::Failed(Failure::new(message))
    }
}

/// An answer that is read piece by piece.
pub(crate) struct Body(Incoming);

impl Body {
    /// The next piece. `None`: that was all.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, Failure> {
        loop {
            let frame = tokio::time::timeout(PATIENCE, self.0.frame()).await;
            let frame = frame.map_err(|_| Failure::new("the server stopped in the middle"))?;
            match frame {
                None => return Ok(None),
                Some(Err(_)) => return Err(Failure::new("the connection broke off")),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
