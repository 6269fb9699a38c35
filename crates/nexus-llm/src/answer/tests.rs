//! An answer, byte by byte, with a clock that stands still.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::StreamBody;
use hyper::body::Frame;
use nexus_core::Model;
use nexus_core::catalog::{DefaultParams, Endpoint, Protocol, Provider};
use tokio::time::{Instant, sleep};

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
    let body = StreamBody::new(chunks.map(|chunk| chunk.map(Frame::data)).boxed_local());
    let clock = Clock {
        timers: Timers::default(),
        started: Instant::now(),
    };
    Answer::events(body, reader(), Failures::new("acme".into(), None), clock)
}

fn reader() -> Reader {
    let provider = Arc::new(Provider {
        name: "acme".into(),
        endpoint: Endpoint::Builtin,
    });
    let model = Arc::new(Model {
        name: "m".into(),
        id: "m".into(),
        aliases: Vec::new(),
        provider,
        default_params: DefaultParams::default(),
        streams: true,
        price: None,
    });
    let tools = Arc::new([]);
    let request = ChatRequest {
        model,
        messages: Vec::new(),
        temperature: None,
        max_tokens: None,
        tools,
    };
    Reader::new(Protocol::OpenAi, &request)
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

fn recorded_streams() -> Vec<(PathBuf, Vec<u8>)> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/exchanges/openai");
    let cases = fs::read_dir(cases).expect("the recorded exchanges");
    let files = cases.map(|case| case.expect("a case").path().join("response.sse"));
    files
        .filter_map(|file| Some((file.clone(), fs::read(&file).ok()?)))
        .collect()
}

#[tokio::test]
async fn recorded_streams_read_the_same_at_every_cut() {
    let streams = recorded_streams();
    assert!(
        streams.len() >= 7,
        "only {} recorded streams were found",
        streams.len()
    );
    for (file, stream) in streams {
        let whole = format!("{:?}", replay([stream.as_slice()]).await);
        let bytewise = format!("{:?}", replay(stream.chunks(1)).await);
        assert_eq!(bytewise, whole, "{}", file.display());
        for cut in 1..stream.len() {
            let (head, tail) = stream.split_at(cut);
            let pieces = format!("{:?}", replay([head, tail]).await);
            assert_eq!(pieces, whole, "{} cut at byte {cut}", file.display());
        }
    }
}

#[tokio::test]
async fn a_recorded_stream_that_breaks_off_anywhere_ends_in_exactly_one_end() {
    for (file, stream) in recorded_streams() {
        for cut in 0..stream.len() {
            let pieces = replay([&stream[..cut]]).await;
            let is_end = |piece: &Piece| matches!(piece, Err(_) | Ok(Delta::Finished(_)));
            let ends = pieces.iter().filter(|piece| is_end(piece)).count();
            let file = file.display();
            assert_eq!(ends, 1, "{file} cut at byte {cut}");
            assert!(
                pieces.last().is_some_and(is_end),
                "{file} cut at byte {cut}"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_stays_silent_times_out_after_the_first_event_limit() {
    let started = Instant::now();
    let pieces: Pieces = events(stream::pending()).collect().await;
    assert!(
        matches!(pieces[..], [Err(LlmError::TimedOut { waited, .. })] if waited.as_secs() == 120)
    );
    assert_eq!(started.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn comments_do_not_count_as_a_first_event() {
    let (pieces, waited) = replay_slowly(&[], COMMENT, Duration::from_secs(7)).await;
    assert!(matches!(pieces[..], [Err(LlmError::TimedOut { .. })]));
    assert_eq!(waited.as_secs(), 120);
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
    let (pieces, waited) = replay_slowly(&[], HELLO, Duration::from_secs(32)).await;
    assert_eq!(waited.as_secs(), 600);
    let (last, said) = pieces.split_last().expect("pieces");
    assert!(
        matches!(last, Err(LlmError::Interrupted { .. })),
        "{last:?}"
    );
    assert_eq!(said.len(), 18);
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
