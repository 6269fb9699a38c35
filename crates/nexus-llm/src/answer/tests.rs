//! An answer, byte by byte, with a clock that stands still.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::LocalBoxStream;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use nexus_core::catalog::{Endpoint, Protocol, Provider, Timeouts};
use nexus_test_support::model::model;
use tokio::time::{Instant, sleep};

mod recorded;

use super::{ANSWER_LIMIT, Answer, Clock};
use crate::failures::Failures;
use crate::protocol::Reader;
use crate::{ChatRequest, Delta, LlmError, Timers};

type Piece = Result<Delta, LlmError>;
type Pieces = Vec<Piece>;

const HELLO: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const COMMENT: &str = ": keep-alive\n\n";

fn events(chunks: impl Stream<Item = Bytes> + 'static) -> impl Stream<Item = Piece> + Unpin {
    breakable_events(chunks.map(Ok))
}

fn breakable_events(
    chunks: impl Stream<Item = io::Result<Bytes>> + 'static,
) -> impl Stream<Item = Piece> + Unpin {
    let (reader, clock) = (reader(Protocol::OpenAi), clock());
    Answer::events(
        body(chunks),
        reader,
        Failures::new("acme".into(), None),
        clock,
    )
}

fn body(
    chunks: impl Stream<Item = io::Result<Bytes>> + 'static,
) -> StreamBody<LocalBoxStream<'static, io::Result<Frame<Bytes>>>> {
    StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)).boxed_local())
}

fn clock() -> Clock {
    Clock {
        timers: Timers::default(),
        started: Instant::now(),
    }
}

pub(crate) fn reader(protocol: Protocol) -> Reader {
    let provider = Arc::new(Provider {
        name: "acme".into(),
        endpoint: Endpoint::Builtin,
        timeouts: Timeouts::default(),
    });
    let model = Arc::new(model(provider, "m"));
    let tools = Arc::new([]);
    let request = ChatRequest {
        model,
        messages: Vec::new(),
        temperature: None,
        max_tokens: None,
        tools,
        fallbacks: Vec::new(),
        client: None,
        is_for_client_only: false,
        requester: crate::Requester::default(),
    };
    Reader::new(protocol, &request)
}

fn bytes(chunk: impl AsRef<[u8]>) -> Bytes {
    Bytes::copy_from_slice(chunk.as_ref())
}

async fn replay(chunks: impl IntoIterator<Item = &[u8]>) -> Pieces {
    let chunks: Vec<_> = chunks.into_iter().map(bytes).collect();
    events(stream::iter(chunks)).collect().await
}

/// Sends the first chunks at once, then one chunk per period for ever.
async fn replay_slowly(first: &[&str], then: &'static str, period: Duration) -> (Pieces, Duration) {
    let started = Instant::now();
    let first: Vec<_> = first.iter().map(bytes).collect();
    let then = stream::repeat(then).then(move |chunk| async move {
        sleep(period).await;
        bytes(chunk)
    });
    let pieces = events(stream::iter(first).chain(then)).collect().await;
    (pieces, started.elapsed())
}

fn text(pieces: &Pieces) -> String {
    pieces
        .iter()
        .filter_map(|piece| {
            if let Ok(Delta::Text(it)) = piece {
                Some(&**it)
            } else {
                None
            }
        })
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_silent_times_out_after_the_first_event_limit() {
    let started = Instant::now();
    let pieces: Pieces = events(stream::pending()).collect().await;
    assert!(
        matches!(pieces[..], [Err(LlmError::TimedOut { waited, .. })] if waited.as_secs() == 30)
    );
    assert_eq!(started.elapsed().as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn comments_do_not_count_as_a_first_event() {
    let (pieces, waited) = replay_slowly(&[], COMMENT, Duration::from_secs(7)).await;
    assert!(matches!(pieces[..], [Err(LlmError::TimedOut { .. })]));
    assert_eq!(waited.as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn silence_in_the_middle_times_out_and_keeps_what_came() {
    let started = Instant::now();
    let chunks = stream::iter([bytes(HELLO)]).chain(stream::pending());
    let pieces: Pieces = events(chunks).collect().await;
    assert_eq!(text(&pieces), "Hello");
    assert!(
        matches!(pieces[1..], [Err(LlmError::TimedOut { waited, .. })] if waited.as_secs() == 60)
    );
    assert_eq!(started.elapsed().as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn comments_keep_a_connection_but_not_an_answer_alive() {
    let (pieces, waited) = replay_slowly(&[HELLO], COMMENT, Duration::from_secs(7)).await;
    assert!(
        matches!(pieces[1..], [Err(LlmError::TimedOut { waited, .. })] if waited.as_secs() == 120)
    );
    assert_eq!(waited.as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn an_answer_without_end_is_cut_after_the_whole_turn() {
    let (pieces, waited) = replay_slowly(&[], HELLO, Duration::from_secs(29)).await;
    assert_eq!(waited.as_secs(), 600);
    let (last, said) = pieces.split_last().expect("pieces");
    assert!(
        matches!(last, Err(LlmError::Interrupted { .. })),
        "{last:?}"
    );
    assert_eq!(said.len(), 20);
}

#[tokio::test(start_paused = true)]
async fn usage_that_never_comes_is_not_missed_for_long() {
    let started = Instant::now();
    let chunks = stream::iter([bytes(HELLO), bytes(STOP)]).chain(stream::pending());
    let pieces: Pieces = events(chunks).collect().await;
    assert!(
        matches!(pieces[..], [Ok(Delta::Text(_)), Ok(Delta::Finished(_))]),
        "{pieces:?}"
    );
    assert_eq!(started.elapsed().as_secs(), 5);
}

#[tokio::test(start_paused = true)]
async fn the_end_comes_at_once_even_when_the_connection_stays_open() {
    let chunks = [bytes(HELLO), bytes(STOP), bytes("data: [DONE]\n\n")];
    let mut pieces = events(stream::iter(chunks).chain(stream::pending()));
    let started = Instant::now();
    let finished = pieces.by_ref().skip(1).next().await;
    assert!(
        matches!(finished, Some(Ok(Delta::Finished(_)))),
        "{finished:?}"
    );
    assert_eq!(started.elapsed(), Duration::ZERO);
    assert!(pieces.next().await.is_none());
    assert!(started.elapsed() < Duration::from_millis(150));
}

#[tokio::test]
async fn a_connection_that_breaks_after_the_last_piece_costs_nothing() {
    let chunks = [
        Ok(bytes(HELLO)),
        Ok(bytes(STOP)),
        Err(io::ErrorKind::ConnectionReset.into()),
    ];
    let pieces: Pieces = breakable_events(stream::iter(chunks)).collect().await;
    assert!(
        matches!(pieces[..], [Ok(Delta::Text(_)), Ok(Delta::Finished(_))]),
        "{pieces:?}"
    );
}

#[tokio::test]
async fn an_endless_stream_of_pieces_ends_at_the_size_limit() {
    let chunks = stream::repeat_with(|| bytes(HELLO.repeat(1000)));
    let pieces: Pieces = events(chunks).collect().await;
    let (last, said) = pieces.split_last().expect("pieces");
    assert!(
        matches!(last, Err(LlmError::Interrupted { .. })),
        "{last:?}"
    );
    assert!(said.len() <= ANSWER_LIMIT / HELLO.len());
}

#[tokio::test]
async fn endless_bytes_after_the_end_are_not_read_for_ever() {
    let head = [bytes(HELLO), bytes("data: [DONE]\n\n")];
    let tail = stream::repeat_with(|| bytes("x".repeat(64 * 1024)));
    let pieces: Pieces = events(stream::iter(head).chain(tail)).collect().await;
    assert!(
        matches!(pieces[..], [Ok(Delta::Text(_)), Ok(Delta::Finished(_))]),
        "{pieces:?}"
    );
}

#[tokio::test]
async fn a_piece_that_comes_together_with_an_error_is_kept() {
    let frame = r#"data: {"choices":[{"delta":{"content":"Hello"},"finish_reason":"error"}]}"#;
    let pieces = replay([frame.as_bytes()]).await;
    assert_eq!(text(&pieces), "Hello");
    assert!(
        matches!(pieces[1..], [Err(LlmError::Interrupted { .. })]),
        "{pieces:?}"
    );
}
