//! Servers at an address, over streamable HTTP (MCP 2025-06-18, "Transports"). The client of all
//! requests of Nexus stands under the SDK's transport: it decides which addresses may be reached.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use futures_util::stream::BoxStream;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use nexus_core::catalog::Credential;
use nexus_core::egress::PinnedKey;
use nexus_egress::{AnswerBody, HttpClient, causes, describe};
use rmcp::model::{ClientJsonRpcMessage, ServerJsonRpcMessage};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::common::client_side_sse::SseRetryPolicy;
use rmcp::transport::streamable_http_client::{
    SseError, StreamableHttpClient, StreamableHttpClientTransportConfig, StreamableHttpError,
    StreamableHttpPostResponse,
};
use rmcp::transport::worker::WorkerQuitReason;
use sse_stream::{Sse, SseStream};
use url::Url;

use crate::connection::Down;

/// How long making a connection may take.
pub(crate) const CONNECT: Duration = Duration::from_secs(10);
/// The largest answer, and the most that one stream of events may carry, in bytes.
const MAX_ANSWER: usize = 4 * 1024 * 1024;

const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT: HeaderName = HeaderName::from_static("last-event-id");
const JSON: &str = "application/json";
const EVENTS: &str = "text/event-stream";

type Failed = StreamableHttpError<Down>;
type Quit = WorkerQuitReason<Failed>;

/// Asks one server. The SDK never sees the key.
#[derive(Clone, Debug)]
pub(crate) struct ServerClient {
    http: HttpClient,
    key: Option<Key>,
}

/// A key, and the header that it goes into.
#[derive(Clone, Debug)]
struct Key {
    key: PinnedKey,
    /// `None`: `Authorization`, as a bearer token.
    header: Option<HeaderName>,
}

/// A transport to one server.
pub(crate) fn transport(
    http: &HttpClient,
    url: &Url,
    credential: &Credential,
    header: Option<&str>,
) -> Result<StreamableHttpClientTransport<ServerClient>, Down> {
    let key = match credential {
        Credential::NotNeeded => None,
        Credential::Missing { variable } => {
            return Err(Down::new(format!(
                "it has no key: set {variable} and start Nexus again"
            )));
        }
        Credential::Key(key) => {
            let header = header.map(HeaderName::try_from).transpose();
            Some(Key {
                key: key.clone(),
                header: header.map_err(|_| Down::new("its key cannot be sent in a header"))?,
            })
        }
    };
    let mut config = StreamableHttpClientTransportConfig::with_uri(url.as_str());
    config.retry_config = Arc::new(SoonOrNever);
    let http = http.clone();
    let client = ServerClient { http, key };
    Ok(StreamableHttpClientTransport::with_client(client, config))
}

impl Key {
    /// The header of a request to `url`.
    fn reveal_to(&self, url: &Url) -> Option<(HeaderName, HeaderValue)> {
        let key = self.key.reveal_to(url)?;
        let (name, value) = match &self.header {
            Some(name) => (name.clone(), HeaderValue::try_from(key)),
            None => (
                header::AUTHORIZATION,
                HeaderValue::try_from(format!("Bearer {key}")),
            ),
        };
        let mut value = value.ok()?;
        value.set_sensitive(true);
        Some((name, value))
    }
}

impl ServerClient {
    /// Address and key come together here, and nowhere else.
    async fn send(&self, asked: Asked) -> Result<Response<AnswerBody>, Failed> {
        let url = Url::parse(&asked.uri).map_err(|_| failed("its url is no address"))?;
        let key = self.key.as_ref().map(|key| {
            key.reveal_to(&url)
                .ok_or_else(|| failed("its key is for another server"))
        });
        let request = asked
            .into_request(key.transpose()?)
            .ok_or_else(|| failed("what it wants back cannot be sent in a header"))?;
        let sent = self.http.request(request).await;
        sent.map_err(|error| {
            let advice = error.refused_address().map(ToString::to_string);
            StreamableHttpError::Client(Down::new(error.to_string()).with_advice(advice))
        })
    }
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
    headers: HashMap<HeaderName, HeaderValue>,
    body: Option<Vec<u8>>,
}

impl Asked {
    /// `None` when something cannot be sent in a header.
    fn into_request(self, key: Option<(HeaderName, HeaderValue)>) -> Option<Request<Full<Bytes>>> {
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
        if self.body.is_some() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(JSON));
        }
        headers.extend(self.headers);
        headers.extend(key);
        let mut request = Request::new(Full::new(self.body.unwrap_or_default().into()));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri.parse().ok()?;
        *request.headers_mut() = headers;
        Some(request)
    }
}

impl StreamableHttpClient for ServerClient {
    type Error = Down;

    async fn post_message(
        &self,
        uri: Arc<str>,
        message: ClientJsonRpcMessage,
        session: Option<Arc<str>>,
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<StreamableHttpPostResponse, Failed> {
        let in_session = session.is_some();
        let body = Some(serde_json::to_vec(&message)?);
        let asked = Asked {
            method: Method::POST,
            uri,
            session,
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
        _: Option<String>,
        headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<(), Failed> {
        let session = Some(session);
        let asked = Asked {
            method: Method::DELETE,
            uri,
            session,
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
        _: Option<String>,
        mut headers: HashMap<HeaderName, HeaderValue>,
    ) -> Result<BoxStream<'static, Result<Sse, SseError>>, Failed> {
        if let Some(last) = last_event.and_then(|last| HeaderValue::try_from(last).ok()) {
            headers.insert(LAST_EVENT, last);
        }
        let asked = Asked {
            method: Method::GET,
            uri,
            session,
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

fn events(body: AnswerBody) -> BoxStream<'static, Result<Sse, SseError>> {
    let body = Limited::new(body, MAX_ANSWER);
    let body = body.map_err(|error| down(error.as_ref()));
    SseStream::new(body).boxed()
}

async fn whole(body: AnswerBody) -> Result<Bytes, Failed> {
    match Limited::new(body, MAX_ANSWER).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) => Err(StreamableHttpError::Client(down(error.as_ref()))),
    }
}

fn failed(reason: &str) -> Failed {
    StreamableHttpError::Client(Down::new(reason))
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
pub(crate) fn down(error: &(dyn StdError + 'static)) -> Down {
    for cause in causes(error) {
        if let Some(known) = cause.downcast_ref::<Down>() {
            return known.clone();
        }
        // The SDK wraps our own words in errors that hide what they wrap.
        if let Some(StreamableHttpError::Client(known)) = cause.downcast_ref::<Failed>() {
            return known.clone();
        }
        if let Some(WorkerQuitReason::Fatal { error, .. }) = cause.downcast_ref::<Quit>() {
            return down(error);
        }
        if cause.is::<LengthLimitError>() {
            return Down::new("it says too much");
        }
    }
    Down::new(describe(error))
}
