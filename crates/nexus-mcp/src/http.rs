//! Servers at an address, over streamable HTTP (MCP 2025-06-18, "Transports"). Our own client
//! under the SDK's transport, so that every connection of Nexus is made by one kind of connector.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use nexus_core::catalog::Credential;
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use rmcp::transport::worker::WorkerQuitReason;
use rustls::{ClientConfig, RootCertStore};
use sse_stream::{Sse, SseStream};
use url::Url;

use crate::connection::Down;

const CONNECT: Duration = Duration::from_secs(10);
const POOL_IDLE: Duration = Duration::from_secs(20);
/// The largest answer, and the most that one stream of events may carry, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

type Connector = HttpsConnector<HttpConnector>;
type Failed = StreamableHttpError<Failure>;
type Quit = WorkerQuitReason<Failed>;

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the TLS settings cannot be used: {0}")]
pub struct SetupError(#[from] rustls::Error);

/// Why a request failed, in words for people. Nothing secret is in it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Failure(String);

/// Pooled connections. It follows no redirects and asks no proxy.
#[derive(Clone, Debug)]
pub(crate) struct HttpClient {
    client: Client<Connector, Full<Bytes>>,
}

impl HttpClient {
    pub(crate) fn new() -> Result<Self, SetupError> {
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .build(connector()?);
        Ok(Self { client })
    }

    /// A transport to one server.
    pub(crate) fn transport(
        &self,
        url: &Url,
        credential: &Credential,
        header: Option<&str>,
    ) -> Result<StreamableHttpClientTransport<Self>, Down> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
        config.retry_config = Arc::new(SoonOrNever);
        match (credential, header) {
            (Credential::NotNeeded, _) => {}
            (Credential::Missing { variable }, _) => {
                return Err(Down::new(format!(
                    "it has no key: set {variable} and start Nexus again"
                )));
            }
            (Credential::Key(key), header) => {
                let unusable = || Down::new("its key cannot be sent in a header");
                let key = key.reveal_to(url).ok_or_else(unusable)?;
                let Some(name) = header else {
                    config = config.auth_header(key);
                    return Ok(StreamableHttpClientTransport::with_client(self.clone(), config));
                };
                let name = HeaderName::try_from(name).map_err(|_| unusable())?;
                let mut key = HeaderValue::try_from(key).map_err(|_| unusable())?;
                key.set_sensitive(true);
                config = config.custom_headers(HashMap::from([(name, key)]));
            }
        }
        Ok(StreamableHttpClientTransport::with_client(
            self.clone(),
            config,
        ))
    }

    async fn send(&self, asked: Asked) -> Result<Response<Incoming>, Failed> {
        let request = asked
            .into_request()
            .ok_or_else(|| failed("its key cannot be sent in a header"))?;
        let sent = self.client.request(request).await;
        sent.map_err(|error| failed(&words(&error)))
    }
}

/// How tool servers are connected to. The only place that decides which addresses may be reached.
fn connector() -> Result<Connector, SetupError> {
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT));
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_all_versions()
        .wrap_connector(tcp))
}

/// When a stream that broke is picked up again: soon or not at all, as a call waits for it.
#[derive(Debug)]
struct SoonOrNever;

impl SseRetryPolicy for SoonOrNever {
    fn retry(&self, times: usize) -> Option<Duration> {
        (times < 2).then_some(Duration::from_millis(500))
    }
}

/// A request, in the parts that the SDK gives.
struct Asked {
    method: Method,
    uri: Arc<str>,
    session: Option<Arc<str>>,
    bearer: Option<String>,
    headers: HashMap<HeaderName, HeaderValue>,
    body: Option<Vec<u8>>,
}

impl Asked {
    /// `None` when something cannot be sent in a header.
    fn into_request(self) -> Option<Request<Full<Bytes>>> {
        let mut headers = HeaderMap::with_capacity(8);
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("nexus/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("application/json, text/event-stream"),
        );
        if let Some(session) = self.session {
            headers.insert(SESSION, HeaderValue::try_from(&*session).ok()?);
        }
        if let Some(key) = self.bearer {
            let mut bearer = HeaderValue::try_from(format!("Bearer {}", key.trim())).ok()?;
            bearer.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, bearer);
        }
        if self.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        headers.extend(self.headers);
        let mut request = Request::new(Full::new(self.body.unwrap_or_default().into()));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri.parse().ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }
}

impl StreamableHttpClient for HttpClient {
    type Error = Failure;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        bearer: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let in_session = session.is_some();
        let body = Some(serde_json::to_vec(&message)?);
        let asked = Asked {
            method: Method::POST,
            uri,
            session,
            bearer,
            headers,
            body,
        };
        let response = self.send(asked).await?;
        let status = response.status();
        let session = text(response.headers(), &SESSION);
        let kind = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        let wants_answer = matches!(message, ClientJsonRpcMessage::Request(_));
        match status {
            StatusCode::ACCEPTED | StatusCode::NO_CONTENT => {
                return Ok(StreamableHttpPostResponse::Accepted);
            }
            StatusCode::NOT_FOUND if in_session => return Err(StreamableHttpError::SessionExpired),
            _ if !status.is_success() && !is(&kind, JSON) => return Err(refused(status)),
            _ if is(&kind, EVENTS) => {
                return Ok(StreamableHttpPostResponse::Sse(
                    events(response.into_body()),
                    session,
                ));
            }
            _ if status.is_success() && !wants_answer => {
                return Ok(StreamableHttpPostResponse::Accepted);
            }
            _ => {}
        }
        let body = whole(response.into_body()).await?;
        match serde_json::from_slice::<ServerJsonRpcMessage>(&body) {
            Ok(message @ ServerJsonRpcMessage::Error(_)) => {
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            Ok(message) if status.is_success() => {
                Ok(StreamableHttpPostResponse::Json(message, session))
            }
            Err(_) if status.is_success() => Err(failed("what it said is not the protocol")),
            _ => Err(refused(status)),
        }
    }

    async fn delete_session(
        &self,
        uri: Arc<str>,
        session: Arc<str>,
        bearer: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        let session = Some(session);
        let asked = Asked {
            method: Method::DELETE,
            uri,
            session,
            bearer,
            headers,
            body: None,
        };
        // A server may refuse (405): then it forgets the session in its own time.
        self.send(asked).await.map(|_| ())
    }

    async fn get_stream(
        &self,
        uri: Arc<str>,
        session: Option<Arc<str>>,
        last_event: Option<String>,
        bearer: Option<String>,
        mut headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        if let Some(last) = last_event.and_then(|last| HeaderValue::try_from(last).ok()) {
            headers.insert(LAST_EVENT, last);
        }
        let asked = Asked {
            method: Method::GET,
            uri,
            session,
            bearer,
            headers,
            body: None,
        };
        let response = self.send(asked).await?;
        let kind = text(response.headers(), &header::CONTENT_TYPE).unwrap_or_default();
        match response.status() {
            StatusCode::METHOD_NOT_ALLOWED => Err(StreamableHttpError::ServerDoesNotSupportSse),
            status if !status.is_success() => Err(refused(status)),
            _ if is(&kind, EVENTS) => Ok(events(response.into_body())),
            _ => Err(StreamableHttpError::UnexpectedContentType(Some(kind))),
        }
    }
}

fn events(body: Incoming) -> BoxStream<'static, Result<Sse, SseError>> {
    let body = Limited::new(body, MAX_ANSWER);
    let body = body.map_err(|error| Failure(words(error.as_ref())));
    SseStream::new(body).boxed()
}

async fn whole(body: Incoming) -> Result<Bytes, Failed> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(failed(&words(error.as_ref()))),
    }
}

fn failed(reason: &str) -> Failed {
    StreamableHttpError::Client(Failure(reason.to_owned()))
}

fn refused(status: StatusCode) -> Failed {
    failed(&format!("it answered with the status {}", status.as_u16()))
}

fn text(headers: &HeaderMap, name: &HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

/// Whether a content type is this one, with or without parameters.
fn is(kind: &str, expected: &str) -> bool {
    let essence = kind.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(expected)
}

/// Why a connection failed, for people. Only what is known to hold no address is repeated.
pub(crate) fn words(error: &(dyn StdError + 'static)) -> String {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(Failure(words)) = error.downcast_ref::<Failure>() {
            return words.clone();
        }
        // The SDK wraps our own words in errors that hide what they wrap.
        if let Some(StreamableHttpError::Client(Failure(words))) = error.downcast_ref::<Failed>() {
            return words.clone();
        }
        if let Some(WorkerQuitReason::Fatal { error, .. }) = error.downcast_ref::<Quit>() {
            return words(error);
        }
        if error.is::<LengthLimitError>() {
            return "it says too much".to_owned();
        }
        if error.is::<rustls::Error>() {
            return "no TLS connection could be made".to_owned();
        }
        let io = error.downcast_ref::<io::Error>();
        match io.map(io::Error::kind) {
            Some(io::ErrorKind::ConnectionRefused) => {
                return "nothing listens at its address".to_owned();
            }
            Some(io::ErrorKind::TimedOut) => {
                return "no connection could be made in time".to_owned();
            }
            _ => {}
        }
        if error.to_string() == "dns error" {
            return "its name is not known".to_owned();
        }
        let wrapped = io.and_then(io::Error::get_ref);
        cause = match wrapped {
            Some(wrapped) => Some(wrapped as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    "the connection was closed".to_owned()
}
