//! What leaves is what was meant, and nothing leaves that could be mistaken for something else.

use futures_util::{FutureExt as _, StreamExt as _, stream};
use hyper::body::Body as _;
use nexus_core::event::{
    AnsweredBy, Channel, ErrorKind, NoticeText, RunFinished, RunStarted, RunStatus, ToolStatus,
    Usage,
};
use nexus_core::{PublicKey, RunId};
use proptest::prelude::*;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

const GRACE: Duration = Duration::from_secs(20);

/// What a client makes of bytes, by the rules of the standard.
fn decode(text: &str) -> Vec<(String, Value)> {
    let blocks = text.split_terminator("\n\n");
    let events = blocks.map(|block| {
        let (mut name, mut data) = (String::new(), Vec::new());
        for line in block.split(['\n', '\r']) {
            match line.split_once(": ") {
                Some(("event", rest)) => name = rest.to_owned(),
                Some(("data", rest)) => data.push(rest),
                other => panic!("{other:?}"),
            }
        }
        (name, serde_json::from_str(&data.join("\n")).unwrap())
    });
    events.collect()
}

fn encoded(event: &RunEvent) -> String {
    let mut bytes = BytesMut::new();
    NativeEvents.write(event, &mut bytes);
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn chunk(text: &str) -> RunEvent {
    RunEvent::TextChunk {
        chunk: text.to_owned(),
        channel: Channel::Answer,
    }
}

fn one_of_each(text: &str) -> Vec<RunEvent> {
    let run_id = RunId::try_from("run_1".to_owned()).unwrap();
    let name = || -> std::sync::Arc<str> { text.into() };
    vec![
        RunEvent::RunStarted(RunStarted {
            run_id: run_id.clone(),
            owner_key: PublicKey::from_bytes([7; 20]),
            message_id: None,
            model: Some(name()),
            template_version: Some(3),
            explanation: None,
            notices: vec![NoticeText {
                code: "clamped".into(),
                field: text.to_owned(),
                message: text.to_owned(),
            }],
        }),
        chunk(text),
        RunEvent::ToolCallStarted {
            call_id: text.to_owned(),
            tool_name: text.to_owned(),
            args: json!({ text: [text] }),
        },
        RunEvent::ToolCallFinished {
            call_id: text.to_owned(),
            tool_name: text.to_owned(),
            status: ToolStatus::Error,
            result: text.to_owned(),
        },
        RunEvent::Error {
            code: "provider_failed",
            kind: ErrorKind::Upstream,
            field: Some(text.to_owned()),
            message: text.to_owned(),
            retryable: true,
            retry_after: Some(7),
        },
        RunEvent::RunFinished(RunFinished {
            run_id,
            status: RunStatus::Completed,
            model: Some(AnsweredBy {
                name: name(),
                provider: name(),
                id: name(),
            }),
            finish_reason: Some(text.to_owned()),
            interrupted: None,
            usage: Some(Usage::default()),
            usage_estimated: false,
            message_ids: Vec::new(),
        }),
    ]
}

#[test]
fn the_bytes_of_an_event() {
    assert_eq!(
        encoded(&chunk("a\n\ndata: \"x\"")),
        "event: text_chunk\ndata: {\"chunk\":\"a\\n\\ndata: \\\"x\\\"\",\"channel\":\"answer\"}\n\n"
    );
}

proptest! {
    #[test]
    fn any_text_arrives_as_it_was(text in any::<String>(), extra in r"[\r\n\u{2028}\u{85}:\u{0} ]{0,8}") {
        let events = one_of_each(&format!("{text}{extra}"));
        let bytes: String = events.iter().map(encoded).collect();
        let expected: Vec<_> = events
            .iter()
            .map(|event| {
                let native = serde_json::to_value(event::native(event).unwrap()).unwrap();
                (native["event"].as_str().unwrap().to_owned(), native["data"].clone())
            })
            .collect();
        prop_assert_eq!(decode(&bytes), expected);
    }
}

/// The next frame, as text.
async fn frame<S: Stream<Item = RunEvent>>(
    body: Pin<&mut EventStream<S, NativeEvents>>,
) -> Option<String> {
    let mut body = body;
    let frame = std::future::poll_fn(|cx| body.as_mut().poll_frame(cx)).await?;
    let bytes = frame.unwrap().into_data().unwrap();
    Some(String::from_utf8(bytes.to_vec()).unwrap())
}

#[tokio::test]
async fn what_is_ready_at_the_same_time_leaves_in_one_frame() {
    let run = stream::iter(["a", "b", "c"].map(chunk));
    let mut body = std::pin::pin!(EventStream::new(
        run,
        NativeEvents,
        CancellationToken::new(),
        GRACE
    ));
    assert_eq!(decode(&frame(body.as_mut()).await.unwrap()).len(), 3);
    assert_eq!(frame(body.as_mut()).await, None);
}

#[tokio::test]
async fn a_frame_has_a_size() {
    let run = stream::iter((0..10).map(|_| chunk(&"x".repeat(FRAME_BYTES / 2))));
    let mut body = std::pin::pin!(EventStream::new(
        run,
        NativeEvents,
        CancellationToken::new(),
        GRACE
    ));
    let mut frames = 0;
    while let Some(frame) = frame(body.as_mut()).await {
        assert!(frame.len() < 2 * FRAME_BYTES);
        frames += 1;
    }
    assert_eq!(frames, 5);
}

#[tokio::test(start_paused = true)]
async fn silence_is_filled_with_comments_and_only_silence() {
    let (sender, receiver) = mpsc::unbounded_channel();
    let run = stream::unfold(receiver, async |mut receiver| {
        Some((receiver.recv().await?, receiver))
    });
    let mut body = std::pin::pin!(EventStream::new(
        run.boxed(),
        NativeEvents,
        CancellationToken::new(),
        GRACE
    ));
    let start = Instant::now();

    tokio::time::advance(Duration::from_secs(10)).await;
    sender.send(chunk("late")).unwrap();
    assert!(frame(body.as_mut()).await.unwrap().contains("late"));
    for silence in [25, 40] {
        assert_eq!(frame(body.as_mut()).await.unwrap(), ": keep-alive\n\n");
        assert_eq!(start.elapsed().as_secs(), silence);
    }
    drop(sender);
    assert_eq!(frame(body.as_mut()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_ends_a_stream_after_its_grace() {
    let shutdown = CancellationToken::new();
    let mut body = std::pin::pin!(EventStream::new(
        stream::pending(),
        NativeEvents,
        shutdown.clone(),
        GRACE
    ));
    assert_eq!(frame(body.as_mut()).now_or_never(), None);
    let start = Instant::now();
    shutdown.cancel();
    assert_eq!(frame(body.as_mut()).await.unwrap(), ": keep-alive\n\n");
    let last = frame(body.as_mut()).await.unwrap();
    let (told, comment) = last.split_once("\n\n").unwrap();
    assert!(told.starts_with("event: error\n"), "{told}");
    assert!(told.contains(r#""code":"interrupted""#), "{told}");
    assert_eq!(comment, ": the server is shutting down\n\n");
    assert_eq!(start.elapsed(), GRACE);
    assert_eq!(frame(body.as_mut()).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_ends_within_the_grace_says_its_last_word() {
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let last = stream::once(async {
        tokio::time::sleep(GRACE / 2).await;
        chunk("the end")
    });
    let mut body = std::pin::pin!(EventStream::new(last, NativeEvents, shutdown, GRACE));
    assert!(frame(body.as_mut()).await.unwrap().contains("the end"));
    assert_eq!(frame(body.as_mut()).await, None);
}
