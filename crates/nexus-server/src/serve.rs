//! The accept loop: HTTP/1.1 with limits on everything that a stranger could take, and a shutdown
//! that lets people finish.

mod connections;

use std::convert::Infallible;
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_io_timeout::TimeoutWriter;
use tokio_util::sync::CancellationToken;

use self::connections::{Activity, BusyBody, Connections, Slot};
use crate::TrustedProxies;
use crate::peer::Peer;

/// The longest head of a request, and the most that waits in memory for a slow reader.
const BUFFER_BYTES: usize = 64 * 1024;
const MOST_CONNECTIONS: usize = 10_000;
/// An office of this many people may talk to their assistants at the same time.
const MOST_PER_ADDRESS: usize = 512;
/// For the store, for servers with tools, and for the program itself.
const RESERVED_FILES: usize = 128;
/// How long to wait when no connection can be accepted, for want of file handles for example.
const ACCEPT_PAUSE: Duration = Duration::from_millis(250);

/// How much of a server strangers can take, and for how long.
#[derive(Clone, Debug)]
pub struct ConnectionLimits {
    /// When there are as many connections as this, one without a request makes room for the next.
    pub connections: usize,
    /// The same for one address of the network. Connections from this machine and from `exempt`
    /// are those of proxies, and are not counted.
    pub per_address: usize,
    /// Proxies that may say for whom they speak.
    pub exempt: TrustedProxies,
    /// How long a client may take to send the head of a request, and to begin the next one on the
    /// same connection.
    pub head: Duration,
    /// How long a reader may take nothing while there is something to take.
    pub stall: Duration,
    /// How long open connections may go on after the shutdown began. Streams end by themselves
    /// before.
    pub shutdown: Duration,
}

impl Default for ConnectionLimits {
    fn default() -> Self {
        Self {
            connections: MOST_CONNECTIONS,
            per_address: MOST_PER_ADDRESS,
            exempt: TrustedProxies::default(),
            head: Duration::from_secs(10),
            stall: Duration::from_secs(30),
            shutdown: Duration::from_secs(25),
        }
    }
}

impl ConnectionLimits {
    /// For a process that may have so many files open: each request may need a connection to a
    /// provider as well, and the store keeps its own.
    #[must_use]
    pub fn for_files(files: u64) -> Self {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let connections = (files.saturating_sub(RESERVED_FILES) / 2).clamp(16, MOST_CONNECTIONS);
        Self {
            connections,
            per_address: MOST_PER_ADDRESS.min(connections / 2),
            ..Self::default()
        }
    }
}

/// Serves until `shutdown` is cancelled. Then nothing new is accepted, and what is open may finish
/// within a limit. Runs whose reader is cut off go on as tasks of the orchestrator.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    limits: ConnectionLimits,
    shutdown: CancellationToken,
) {
    let limits = Arc::new(limits);
    let all = Connections::new(Arc::clone(&limits));
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = shutdown.cancelled() => break,
            Some(_) = connections.join_next() => {}
            (stream, peer, slot) = accept(&listener, &all, &shutdown) => {
                let (router, limits) = (router.clone(), Arc::clone(&limits));
                connections.spawn(async move {
                    converse(stream, peer, router, &limits, &slot.activity).await;
                });
            }
        }
    }
    drop(listener);
    let finished = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(limits.shutdown, finished)
        .await
        .is_err()
    {
        tracing::warn!(
            open = connections.len(),
            "connections were cut off by the shutdown"
        );
        connections.shutdown().await;
    }
}

/// The next connection, when there is room for it.
async fn accept(
    listener: &TcpListener,
    all: &Arc<Connections>,
    shutdown: &CancellationToken,
) -> (TcpStream, IpAddr, Slot) {
    let mut permit = all.room().await;
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let peer = peer.ip();
                let Some(slot) = all.place(peer, permit.take(), shutdown) else {
                    tracing::debug!(%peer, "an address has too many connections");
                    permit = all.room().await;
                    continue;
                };
                // Without it, the small pieces of an answer wait 40 ms for each other.
                if let Err(error) = stream.set_nodelay(true) {
                    tracing::debug!(%error, "TCP_NODELAY could not be set");
                }
                return (stream, peer, slot);
            }
            // This one was gone before it was accepted; the next may be fine.
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                tracing::error!(%error, "no connection can be accepted: trying again");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

fn is_of_one_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset
    )
}

/// All requests of one connection.
async fn converse<S>(
    stream: S,
    peer: IpAddr,
    router: Router,
    limits: &ConnectionLimits,
    activity: &Arc<Activity>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    let stream = TokioIo::new(with_write_timeout(stream, limits.stall));
    let router = TowerToHyperService::new(router);
    let service = service_fn(|mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer));
        let busy = activity.begin();
        let response = router.call(request);
        async move {
            let response = response.await?;
            Ok::<_, Infallible>(response.map(|body| BusyBody { body, _busy: busy }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(BUFFER_BYTES)
        .serve_connection(stream, service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = activity.close.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::select! {
                ended = connection => ended,
                () = activity.is_idle() => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "connection ended early");
    }
}

/// Fails a write that waits for longer than this. A run moves only while its events are read: a
/// client that keeps its connection open and takes nothing would hold a run, and the provider
/// behind it, for ever.
fn with_write_timeout<S: AsyncWrite>(stream: S, limit: Duration) -> Pin<Box<TimeoutWriter<S>>> {
    let mut stream = TimeoutWriter::new(stream);
    stream.set_timeout(Some(limit));
    Box::pin(stream)
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::routing::get;
    use bytes::Bytes;
    use futures_util::stream;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};
    use tokio::time::Instant;

    use super::*;

    /// The place of the only connection.
    fn slot(shutdown: &CancellationToken) -> Slot {
        let all = Connections::new(Arc::default());
        all.place(NOBODY, None, shutdown).unwrap()
    }

    const NOBODY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const STALL: Duration = Duration::from_secs(30);
    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n";

    fn hello() -> Router {
        Router::new().route("/", get(async || "hello"))
    }

    #[tokio::test(start_paused = true)]
    async fn t24_a_client_that_does_not_finish_its_head_is_sent_away() {
        for said in [b"".as_slice(), b"GET / HTTP/1.1\r\nhost:", REQUEST] {
            let (server, mut client) = duplex(1024);
            let began = Instant::now();
            client.write_all(said).await.unwrap();
            converse(
                server,
                NOBODY,
                hello(),
                &ConnectionLimits::default(),
                &slot(&CancellationToken::new()).activity,
            )
            .await;
            assert_eq!(
                began.elapsed().as_secs(),
                ConnectionLimits::default().head.as_secs()
            );
            let mut answer = String::new();
            client.read_to_string(&mut answer).await.unwrap();
            assert_eq!(answer.ends_with("hello"), said == REQUEST, "{answer}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn t24_a_client_that_takes_nothing_is_sent_away() {
        let endless =
            || stream::repeat_with(|| Ok::<_, io::Error>(Bytes::from_static(&[b'x'; 1024])));
        let router = Router::new().route("/", get(async move || Body::from_stream(endless())));
        let (server, mut client) = duplex(1024);
        let began = Instant::now();
        client.write_all(REQUEST).await.unwrap();
        converse(
            server,
            NOBODY,
            router,
            &ConnectionLimits::default(),
            &slot(&CancellationToken::new()).activity,
        )
        .await;
        assert_eq!(
            began.elapsed().as_secs(),
            ConnectionLimits::default().stall.as_secs()
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_takes_nothing_is_dropped_in_time() {
        let (server, _client) = duplex(4);
        let mut server = with_write_timeout(server, STALL);
        let began = Instant::now();
        let error = server.write_all(b"more than four").await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert_eq!(began.elapsed().as_secs(), STALL.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_reader_is_waited_for() {
        let (server, mut client) = duplex(1);
        let mut server = with_write_timeout(server, STALL);
        let reading = async {
            let mut text = Vec::new();
            for _ in 0..5 {
                tokio::time::advance(STALL.mul_f64(0.9)).await;
                text.push(client.read_u8().await.unwrap());
            }
            text
        };
        let (written, text) = tokio::join!(server.write_all(b"hello"), reading);
        written.unwrap();
        assert_eq!(text, b"hello");
    }

    #[tokio::test(start_paused = true)]
    async fn silence_of_the_server_is_no_stall() {
        let (server, mut client) = duplex(64);
        let mut server = with_write_timeout(server, STALL);
        server.write_all(b"a").await.unwrap();
        tokio::time::advance(STALL * 10).await;
        server.write_all(b"b").await.unwrap();
        assert_eq!(client.read_u16().await.unwrap(), u16::from_be_bytes(*b"ab"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_shutdown_ends_an_idle_connection_at_once() {
        let (server, mut client) = duplex(1024);
        let shutdown = CancellationToken::new();
        let began = Instant::now();
        client.write_all(REQUEST).await.unwrap();
        let (limits, slot) = (ConnectionLimits::default(), slot(&shutdown));
        let reading = async {
            client.read_u8().await.unwrap();
            shutdown.cancel();
        };
        tokio::join!(
            converse(server, NOBODY, hello(), &limits, &slot.activity),
            reading
        );
        assert_eq!(began.elapsed(), Duration::ZERO);
    }

    #[tokio::test]
    async fn an_accepted_connection_does_not_hold_small_pieces_back() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let all = Connections::new(Arc::default());
        let (stream, _, _slot) = accept(&listener, &all, &CancellationToken::new()).await;
        assert!(stream.nodelay().unwrap());
    }

    #[test]
    fn a_lost_connection_is_no_reason_to_pause_and_a_lack_of_file_handles_is() {
        const EMFILE: i32 = 24;
        assert!(is_of_one_connection(&io::ErrorKind::ConnectionReset.into()));
        assert!(!is_of_one_connection(&io::Error::from_raw_os_error(EMFILE)));
    }
}
