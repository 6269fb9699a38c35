//! The one HTTP client. It connects to allowed addresses only, follows no redirects, asks no proxy
//! and trusts the machine's certificates, or Mozilla's where the machine has none.

#[cfg(test)]
mod tests;

use std::error::Error as StdError;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, Version};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, Error as ClientError};
use hyper_util::rt::TokioTimer;
use nix::errno::Errno;
use rustls::{ClientConfig, RootCertStore};

use crate::addresses::{AddressRefused, AddressRules};
use crate::connector::{Connector, Reuse};
use crate::driven::{AnswerBody, Drivers};
use crate::guard::{Guard, Lookup, SystemLookup};

/// Many servers close idle connections after 30 s or more. Ours go first.
const POOL_IDLE: Duration = Duration::from_secs(20);
/// The largest head of an answer.
const HEAD_LIMIT: usize = 128 * 1024;

/// The client cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the TLS settings cannot be used: {0}")]
pub struct SetupError(#[from] rustls::Error);

/// Sends requests over pooled connections. A copy shares them.
#[derive(Clone, Debug)]
pub struct HttpClient {
    client: Client<Connector<HttpsConnector<Guard>>, Full<Bytes>>,
}

impl HttpClient {
    /// A client without connections. `connect`: how long making one may take, with TLS.
    ///
    /// # Errors
    /// When the TLS settings of the machine cannot be used.
    pub fn new(connect: Duration, rules: AddressRules) -> Result<Self, SetupError> {
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
        let client = Client::builder(Drivers)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(POOL_IDLE)
            .http1_max_buf_size(HEAD_LIMIT)
            .build(Connector::new(https, connect));
        Ok(Self { client })
    }

    /// Sends a request and returns the head of the answer, whatever its status is.
    ///
    /// # Errors
    /// When no answer came. The request may have been read all the same.
    pub async fn request(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<AnswerBody>, RequestError> {
        let response = self.client.request(request).await.map_err(RequestError)?;
        let reuse = response.extensions().get::<Reuse>();
        reuse.inspect(|reuse| reuse.note_an_answer());
        // A connection of HTTP/2 may carry more than this answer.
        let is_alone = response.version() <= Version::HTTP_11;
        let driven = reuse.filter(|_| is_alone).and_then(Reuse::driven);
        Ok(response.map(|body| AnswerBody::new(body, driven)))
    }
}

/// Why a request got no answer. Shown, it says that in words for people.
#[derive(Debug)]
pub struct RequestError(ClientError);

impl RequestError {
    /// The address that was not connected to, if that is why.
    #[must_use]
    pub fn refused_address(&self) -> Option<&AddressRefused> {
        causes(&self.0).find_map(|cause| cause.downcast_ref())
    }

    /// At which point the connection failed.
    #[must_use]
    pub fn broken(&self) -> Broken {
        Broken::of(&self.0)
    }

    /// Whether the server closed a connection that had answered before, without a byte of an answer
    /// to this request. Most likely it never read the request.
    #[must_use]
    pub fn is_closed_reuse(&self) -> bool {
        closed_when_reused(&self.0)
    }
}

impl StdError for RequestError {}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refused_address() {
            Some(_) => f.write_str("Nexus may not connect to its address"),
            None => f.write_str(describe(&self.0)),
        }
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

/// At which point a connection failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// This machine has no file handles left, or no network: it can connect to nothing.
    Local,
    /// No name server knows it.
    UnknownName,
    /// The connection was refused.
    NobodyListens,
    /// The connection, or its TLS, was not made in time.
    Unanswered,
    /// The certificate is of somebody else, or of nobody known.
    Untrusted,
    /// The two have no TLS in common, or it is not TLS at all.
    NoTls,
    /// It was there, and was broken off.
    Reset,
    /// What came is not HTTP.
    NotHttp,
    /// It was closed, or something else went wrong.
    Closed,
}

impl Broken {
    /// What an error of a connection is about.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static)) -> Self {
        for cause in causes(error) {
            if let Some(tls) = cause.downcast_ref::<rustls::Error>() {
                return match tls {
                    rustls::Error::InvalidCertificate(_) => Self::Untrusted,
                    _ => Self::NoTls,
                };
            }
            if let Some(error) = cause.downcast_ref::<io::Error>() {
                if is_local(error) {
                    return Self::Local;
                }
                match error.kind() {
                    io::ErrorKind::ConnectionRefused => return Self::NobodyListens,
                    io::ErrorKind::TimedOut => return Self::Unanswered,
                    io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
                        return Self::Reset;
                    }
                    _ => {}
                }
            }
            if cause
                .downcast_ref::<hyper::Error>()
                .is_some_and(hyper::Error::is_parse)
            {
                return Self::NotHttp;
            }
        }
        let is_lookup = causes(error).any(|cause| cause.to_string() == "dns error");
        if is_lookup {
            Self::UnknownName
        } else {
            Self::Closed
        }
    }

    /// The words for people.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Local => {
                "this server can make no connection at the moment: it has no file handles left, or \
                 no network"
            }
            Self::UnknownName => "its name is not known",
            Self::NobodyListens => "nothing listens at its address",
            Self::Unanswered => "no connection could be made in time",
            Self::Untrusted => "its TLS certificate is not trusted",
            Self::NoTls => "no TLS connection could be made",
            Self::Reset => "the connection was reset",
            Self::NotHttp => "what came is not HTTP",
            Self::Closed => "the connection was closed",
        }
    }
}

/// Whether an error is about this machine, and says nothing about whoever is at the other end.
fn is_local(error: &io::Error) -> bool {
    // No file handles (here, or in all), no memory, no buffers, no free port, no permission.
    const NOTHING_LEFT: [Errno; 7] = [
        Errno::EMFILE,
        Errno::ENFILE,
        Errno::ENOMEM,
        Errno::ENOBUFS,
        Errno::EADDRNOTAVAIL,
        Errno::EPERM,
        Errno::EACCES,
    ];
    match error.raw_os_error() {
        Some(code) => NOTHING_LEFT.contains(&Errno::from_raw(code)) || is_offline(error.kind()),
        // A lookup that could not be made: no name server was reached.
        None => is_offline(error.kind()) || error.to_string().ends_with(NO_NAME_SERVER),
    }
}

/// How the C library words `EAI_AGAIN`.
const NO_NAME_SERVER: &str = "Temporary failure in name resolution";

const fn is_offline(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkDown, NetworkUnreachable};
    matches!(kind, HostUnreachable | NetworkDown | NetworkUnreachable)
}

/// Why a connection failed, for people. The libraries' own words may hold addresses, so only what
/// is known not to is repeated.
#[must_use]
pub fn describe(error: &(dyn StdError + 'static)) -> &'static str {
    Broken::of(error).as_str()
}

/// An error and what stands behind it, outermost first.
pub fn causes<'a>(
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
