//! TCP connections to allowed addresses only. A name is looked up once; what it leads to is judged,
//! and nothing else is connected to.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use futures_util::TryFutureExt;
use futures_util::future::BoxFuture;
use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::{GaiResolver, Name};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;
use url::{Host, Url};

use crate::addresses::AddressRules;
use crate::connector::BoxError;

/// Finds the addresses of a name.
pub(crate) trait Lookup: Send + Sync {
    fn lookup(&self, name: Name) -> BoxFuture<'static, io::Result<Vec<IpAddr>>>;
}

/// What the machine itself would find.
#[derive(Debug)]
pub(crate) struct SystemLookup;

impl Lookup for SystemLookup {
    fn lookup(&self, name: Name) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        let found = GaiResolver::new().call(name);
        Box::pin(found.map_ok(|found| found.map(|address| address.ip()).collect()))
    }
}

/// Connects to the server of an address, if that is allowed.
#[derive(Clone)]
pub(crate) struct Guard {
    rules: Arc<AddressRules>,
    lookup: Arc<dyn Lookup>,
}

impl Guard {
    pub(crate) fn new(rules: AddressRules, lookup: Arc<dyn Lookup>) -> Self {
        Self {
            rules: Arc::new(rules),
            lookup,
        }
    }

    fn connect(&self, uri: Uri) -> Result<impl Future<Output = Connected> + use<>, BoxError> {
        let url = Url::parse(&uri.to_string())?;
        // A connector asks no resolver for an address.
        match url.host() {
            Some(Host::Ipv4(address)) => self.rules.judge(&url, address.into())?,
            Some(Host::Ipv6(address)) => self.rules.judge(&url, address.into())?,
            Some(Host::Domain(_)) => {}
            None => return Err(io::Error::from(io::ErrorKind::InvalidInput).into()),
        }
        let mut tcp = HttpConnector::new_with_resolver(Judging {
            guard: self.clone(),
            url,
        });
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        Ok(tcp.call(uri).map_err(Into::into))
    }
}

type Connected = Result<TokioIo<TcpStream>, BoxError>;

impl Service<Uri> for Guard {
    type Response = TokioIo<TcpStream>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Connected>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        match self.connect(uri) {
            Ok(connecting) => Box::pin(connecting),
            Err(error) => Box::pin(async { Err(error) }),
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Guard").field(&self.rules).finish()
    }
}

/// Finds the addresses of a name that may be connected to, for one connection.
#[derive(Clone, Debug)]
struct Judging {
    guard: Guard,
    url: Url,
}

impl Service<Name> for Judging {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let Self { guard, url } = self.clone();
        Box::pin(async move {
            let (mut allowed, mut refused) = (Vec::new(), None);
            for address in guard.lookup.lookup(name).await? {
                match guard.rules.judge(&url, address) {
                    // The port is filled in by the connector.
                    Ok(()) => allowed.push(SocketAddr::new(address, 0)),
                    Err(refusal) => refused = refused.or(Some(refusal)),
                }
            }
            match refused {
                // A machine in one's own network has a link-local address beside the private one.
                Some(refusal) if allowed.is_empty() => Err(refusal.into()),
                _ => Ok(allowed.into_iter()),
            }
        })
    }
}
