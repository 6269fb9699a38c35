//! A plain reverse proxy on hyper: what it costs to pass a stream on with the same libraries that
//! Nexus uses, and nothing else.

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;

use http_body_util::{Either, Full};
use hyper::body::{Bytes, Incoming};
use hyper::http::uri::{Authority, Parts, PathAndQuery, Scheme};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri, header};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

#[derive(clap::Args, Clone, Copy, Debug)]
pub(crate) struct Options {
    /// Where everything is passed on to
    #[arg(long, value_name = "ADDRESS")]
    upstream: SocketAddr,
}

type Upstream = Client<HttpConnector, Incoming>;
type Answer = Response<Either<Incoming, Full<Bytes>>>;

/// Prints its address, and serves until it is killed.
pub(crate) async fn serve(options: Options) -> anyhow::Result<()> {
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Upstream = Client::builder(TokioExecutor::new()).build(connector);
    let authority: Authority = options.upstream.to_string().parse()?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, authority) = (client.clone(), authority.clone());
        let service =
            service_fn(move |request| pass_on(client.clone(), authority.clone(), request));
        let connection = hyper::server::conn::http1::Builder::new();
        connections.spawn(connection.serve_connection(TokioIo::new(stream), service));
    }
}

async fn pass_on(
    client: Upstream,
    authority: Authority,
    mut request: Request<Incoming>,
) -> Result<Answer, Infallible> {
    let mut parts = Parts::default();
    parts.path_and_query = request.uri().path_and_query().cloned();
    parts
        .path_and_query
        .get_or_insert(PathAndQuery::from_static("/"));
    parts.scheme = Some(Scheme::HTTP);
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
    request.headers_mut().remove(header::HOST);
    let answer = match client.request(request).await {
        Ok(answer) => answer.map(Either::Left),
        Err(error) => {
            let mut answer = Response::new(Either::Right(Full::from(error.to_string())));
            *answer.status_mut() = StatusCode::BAD_GATEWAY;
            answer
        }
    };
    Ok(answer)
}
