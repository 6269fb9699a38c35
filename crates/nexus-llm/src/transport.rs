//! The one pooled HTTP client. It connects to allowed addresses only, follows no redirects, asks no
//! proxy and trusts the machine's certificates, or Mozilla's where the machine has none.

mod connector;
mod guard;
#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, Uri, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use nexus_core::catalog::Protocol;
use nexus_core::egress::PinnedKey;
use rustls::{ClientConfig, RootCertStore};
use url::Url;

use crate::addresses::{AddressRefused, AddressRules};
use connector::{Connector, Reuse};
use guard::{Guard, Lookup, SystemLookup};

use crate::protocol;

/// Many servers close idle connections after 30 s or more. Ours go first.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// The largest head of an answer.
const HEAD_LIMIT: usize = 128 * 1024;

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the TLS settings cannot be used: {0}")]
pub struct SetupError(#[from] rustls::Error);

/// Sends requests over pooled connections.
#[derive(Debug)]
pub(crate) struct Transport {
    client: Client<Connector<HttpsConnector<Guard>>, Full<Bytes>>,
}

/// A request, as often as it has to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// Why a request cannot be sent at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unsendable {
    /// Its address is not one of HTTP.
    NotHttp,
    /// Its key is for another server, or cannot stand in a header.
    WrongKey,
}

impl Call {
    pub(crate) fn get(
        url: &Url,
        protocol: Protocol,
        key: Option<&PinnedKey>,
    ) -> Result<Self, Unsendable> {
        Self::new(Method::GET, url, protocol, key)
    }

    pub(crate) fn post(
        url: &Url,
        protocol: Protocol,
        key: Option<&PinnedKey>,
        json: Vec<u8>,
    ) -> Result<Self, Unsendable> {
        let mut call = Self::new(Method::POST, url, protocol, key)?;
        call.headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        call.body = json.into();
        Ok(call)
    }

    /// Address and key come together here, and nowhere else.
    fn new(
        method: Method,
        url: &Url,
        protocol: Protocol,
        key: Option<&PinnedKey>,
    ) -> Result<Self, Unsendable> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(Unsendable::NotHttp);
        }
        let uri = Uri::try_from(url.as_str()).map_err(|_| Unsendable::NotHttp)?;
        let mut headers = HeaderMap::with_capacity(8);
        let agent = concat!("nexus/", env!("CARGO_PKG_VERSION"));
        headers.insert(header::USER_AGENT, HeaderValue::from_static(agent));
        headers.insert(
            header::ACCEPT,
            HeaderValue::from_static("text/event-stream, application/json"),
        );
        headers.extend(protocol::version_header(protocol));
        if let Some(key) = key {
            let key = key.reveal_to(url).ok_or(Unsendable::WrongKey)?;
            let (name, scheme) = protocol::key_header(protocol);
            let value = HeaderValue::try_from(format!("{scheme}{key}"));
            let mut value = value.map_err(|_| Unsendable::WrongKey)?;
            value.set_sensitive(true);
            headers.insert(name, value);
        }
        Ok(Self {
            method,
            uri,
            headers,
            body: Bytes::new(),
        })
    }

    fn to_request(&self) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = self.uri.clone();
        self.headers.clone_into(request.headers_mut());
        request
    }
}

impl Transport {
    pub(crate) fn new(connect: Duration, rules: AddressRules) -> Result<Self, SetupError> {
        Self::with_lookup(connect, rules, Arc::new(SystemLookup))
    }

    fn with_lookup(
        connect: Duration,
        rules: AddressRules,
        lookup: Arc<dyn Lookup>,
    ) -> Result<Self, SetupError> {
        let https = HttpsConnectorBuilder::new()
            .with_tls_config(tls()?)
            .https_or_http()
            .enable_all_versions()
            .wrap_connector(Guard::new(rules, lookup));
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .http1_max_buf_size(HEAD_LIMIT)
            .build(Connector::new(https, connect));
        Ok(Self { client })
    }

    /// Sends a request and returns the head of the answer.
    ///
    /// A server may close an idle connection in the moment in which it is used again. Then no byte
    /// comes back, and the request is sent once more. It is never repeated after a byte of an
    /// answer, nor on a new connection: the model may already be working on it.
    pub(crate) async fn send(&self, call: &Call) -> Result<Response<Incoming>, ClientError> {
        let sent = match self.client.request(call.to_request()).await {
            Err(error) if closed_when_reused(&error) => {
                tracing::debug!("a server closed an idle connection in use; sending once more");
                self.client.request(call.to_request()).await
            }
            sent => sent,
        };
        sent.inspect(|response| {
            if let Some(reuse) = response.extensions().get::<Reuse>() {
                reuse.note_an_answer();
            }
        })
    }
}

/// The TLS of a client: it trusts the certificates of the machine, or Mozilla's where the machine
/// has none.
///
/// # Errors
/// When the library does not accept its own defaults.
pub fn tls() -> Result<ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn closed_when_reused(error: &ClientError) -> bool {
    let mut extensions = http::Extensions::new();
    if let Some(connection) = error.connect_info() {
        connection.get_extras(&mut extensions);
    }
    let was_used = extensions.get::<Reuse>().is_some_and(Reuse::has_answered);
    was_used
        && causes(error).any(|cause| {
            cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_incomplete_message)
                || cause.downcast_ref::<io::Error>().is_some_and(|error| {
                    matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionReset
                            | io::ErrorKind::ConnectionAborted
                            | io::ErrorKind::BrokenPipe
                    )
                })
        })
}

/// Reads a body to its end. `None` when it is longer than `limit`.
pub(crate) async fn read_whole(body: Incoming, limit: usize) -> Result<Option<Bytes>, ReadError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(Some(collected.to_bytes())),
        Err(error) if error.is::<LengthLimitError>() => Ok(None),
        Err(error) => Err(ReadError(describe(error.as_ref()))),
    }
}

/// Reads the beginning of a body. What cannot be read is left out.
pub(crate) async fn read_beginning(mut body: Incoming, limit: usize) -> Vec<u8> {
    let mut beginning = Vec::new();
    while beginning.len() < limit
        && let Some(Ok(frame)) = body.frame().await
    {
        if let Some(data) = frame.data_ref() {
            beginning.extend_from_slice(data);
        }
    }
    beginning.truncate(limit);
    beginning
}

/// Why a body could not be read, for people.
#[derive(Debug)]
pub(crate) struct ReadError(pub(crate) String);

/// The address that a connection was refused for, if it was.
pub(crate) fn refused_address(error: &ClientError) -> Option<&AddressRefused> {
    causes(error).find_map(|cause| cause.downcast_ref())
}

/// Why a connection failed, for people. The libraries' own words may hold addresses, so only what
/// is known not to is repeated.
#[must_use]
pub fn describe(error: &(dyn StdError + 'static)) -> String {
    for cause in causes(error) {
        if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
            return match tls {
                rustls::Error::InvalidCertificate(_) => "its TLS certificate is not trusted",
                _ => "no TLS connection could be made",
            }
            .to_owned();
        }
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            match error.kind() {
                io::ErrorKind::ConnectionRefused => {
                    return "nothing listens at its address".to_owned();
                }
                io::ErrorKind::TimedOut => return "no connection could be made in time".to_owned(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                    return "the connection was reset".to_owned();
                }
                _ => {}
            }
        }
        if cause
            .downcast_ref::<hyper::Error>()
            .is_some_and(hyper::Error::is_parse)
        {
            return "what came is not HTTP".to_owned();
        }
    }
    let is_lookup = causes(error).any(|cause| cause.to_string() == "dns error");
    let text = if is_lookup {
        "its name is not known"
    } else {
        "the connection was closed"
    };
    text.to_owned()
}

/// An error and what stands behind it, outermost first.
fn causes<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| {
        // An I/O error hides the error that it wraps behind its own source.
        let wrapped = error
            .downcast_ref::<io::Error>()
            .and_then(io::Error::get_ref);
        wrapped
            .map(|wrapped| wrapped as &(dyn StdError + 'static))
            .or_else(|| error.source())
    })
}
