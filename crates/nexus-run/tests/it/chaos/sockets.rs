//! Providers whose connection misbehaves (F4 to F9).

use std::time::Duration;

use futures_util::{FutureExt, StreamExt, stream};
use nexus_core::event::RunStatus;
use nexus_run::{NewRun, OnDisconnect};
use nexus_test_support::provider::{Act, Provider, chunk, chunk_bytes, head, piece};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::good::{good_body, good_events};
use super::{ALICE, ANSWER, BOTH, Chaos, PATIENCE, SILENCE, TOTAL, always, asking, first};

const EVENTS: &str = "text/event-stream";

#[tokio::test]
async fn f04_nobody_at_the_address() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let no_tls = Provider::acting(always(vec![Act::Close]));
    let no_tls = no_tls.base_url.replace("http:", "https:");
    for base_url in [
        format!("http://{address}/v1"),
        "https://nexus.invalid/v1".to_owned(),
        no_tls,
    ] {
        for model in BOTH {
            let outcome = Chaos::new(&base_url).await.ask(model).await;
            outcome.is_failed("provider_unreachable");
        }
    }
}

#[tokio::test]
async fn f04_an_address_that_swallows_everything() {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    // Nobody accepts: once the queue is full, the kernel does not answer.
    let mut queue = Vec::new();
    while let Ok(connected) = tokio::time::timeout(SILENCE, TcpStream::connect(address)).await {
        queue.push(connected.unwrap());
    }
    let base_url = format!("http://{address}/v1");
    for model in BOTH {
        let outcome = Chaos::new(&base_url).await.ask(model).await;
        outcome.is_failed("provider_unreachable");
        assert!(outcome.took >= SILENCE / 2 * 3, "each try waited");
        assert!(outcome.took < SILENCE / 2 * 3 + Duration::from_secs(2));
    }
}

#[tokio::test]
async fn f05_silence_ends_with_the_timer_for_the_first_token() {
    for acts in [vec![Act::Hold], vec![head(EVENTS), Act::Hold]] {
        let provider = Provider::acting(always(acts.clone()));
        let outcome = Chaos::new(&provider.base_url).await.ask("streaming").await;
        outcome.is_failed("provider_timed_out");
        assert!(outcome.took >= SILENCE, "{:?}", outcome.took);
        assert!(outcome.took < SILENCE + Duration::from_secs(1));
        assert_eq!(provider.asked(), 1, "another silence would help nobody");
        provider.client_left().await;
    }
    for acts in [vec![Act::Hold], vec![head("application/json"), Act::Hold]] {
        let provider = Provider::acting(always(acts));
        let outcome = Chaos::new(&provider.base_url).await.ask("whole").await;
        outcome.is_failed("provider_timed_out");
        assert!(outcome.took >= TOTAL.mul_f64(0.9), "{:?}", outcome.took);
        provider.client_left().await;
    }
}

#[tokio::test]
async fn f06_an_answer_that_stalls_is_kept_as_far_as_it_came() {
    let pings = Act::Flood(chunk_bytes(b": ping\n\n"), SILENCE / 10);
    for end in [Act::Hold, pings] {
        for count in [1, 3] {
            let pieces = piece("word ").repeat(count);
            let acts = vec![head(EVENTS), chunk(pieces.as_bytes()), end.clone()];
            let provider = Provider::acting(always(acts));
            let outcome = Chaos::new(&provider.base_url).await.ask("streaming").await;
            outcome.is_interrupted(&"word ".repeat(count), "provider_timed_out");
            assert_eq!(provider.asked(), 1);
            tokio::time::timeout(PATIENCE, provider.client_left())
                .await
                .expect("the connection is closed");
        }
    }
    let half = good_body();
    let acts = vec![
        head("application/json"),
        chunk(&half.as_bytes()[..20]),
        Act::Hold,
    ];
    let provider = Provider::acting(always(acts));
    let outcome = Chaos::new(&provider.base_url).await.ask("whole").await;
    outcome.is_failed("provider_timed_out");
}

/// Cuts an answer at 50 places, and says whether a piece of it had arrived by then.
fn cuts(streams: bool) -> Vec<(Vec<u8>, bool)> {
    let (kind, body) = if streams {
        (EVENTS, good_events())
    } else {
        ("application/json", good_body())
    };
    let head =
        format!("HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ntransfer-encoding: chunked\r\n\r\n");
    let pieces = body.split_inclusive("\n\n");
    let first = head.len()
        + pieces
            .clone()
            .next()
            .map_or(0, |it| chunk_bytes(it.as_bytes()).len());
    let whole = pieces.fold(head.into_bytes(), |mut all, piece| {
        all.extend(chunk_bytes(piece.as_bytes()));
        all
    });
    // The last frame says that the answer is over: what is cut behind it is not missed.
    let needed = if streams {
        whole.len() - chunk_bytes(b"data: [DONE]\n\n").len() - 1
    } else {
        whole.len()
    };
    let places = (0..50).map(|place| place * needed / 50);
    places
        .map(|at| (whole[..at].to_vec(), streams && at >= first))
        .collect()
}

#[tokio::test]
async fn f07_a_broken_connection_is_tried_again_only_before_the_first_piece() {
    let shared = Chaos::new("http://127.0.0.1:9/v1").await;
    for model in BOTH {
        let cases = cuts(model == "streaming")
            .into_iter()
            .flat_map(|(bytes, any)| [Act::Close, Act::Reset].map(|end| (bytes.clone(), any, end)));
        let runs = stream::iter(cases).map(async |(bytes, any_piece, end)| {
            let is_reset = matches!(end, Act::Reset);
            let provider = Provider::acting(first([vec![Act::Send(bytes), end]]));
            let outcome = shared.beside(&provider.base_url).await.ask(model).await;
            match outcome.status() {
                RunStatus::Completed => {
                    outcome.is_fine();
                    // A reset may overtake the piece that was sent before it.
                    assert!(!any_piece || provider.asked() == 1 || is_reset);
                }
                _ => {
                    assert!(any_piece, "{:?}", outcome.events);
                    let text = outcome.text();
                    assert!(!text.is_empty() && ANSWER.starts_with(&text));
                    outcome.is_interrupted(&text, "provider_interrupted");
                    assert_eq!(provider.asked(), 1);
                }
            }
        });
        runs.buffer_unordered(8).collect::<Vec<()>>().await;
    }
}

#[tokio::test]
async fn f08_an_answer_that_drips_arrives_or_is_cut_by_the_total() {
    let pause = Duration::ZERO;
    let good = [good_events(), good_body()];
    for ((model, body), kind) in BOTH.into_iter().zip(good).zip([EVENTS, "application/json"]) {
        let length = body.len();
        let whole = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        );
        let provider = Provider::acting(always(vec![Act::Drip(whole.into_bytes(), pause)]));
        Chaos::new(&provider.base_url)
            .await
            .ask(model)
            .await
            .is_fine();
    }
    let endless = Act::Flood(chunk_bytes(piece("more ").as_bytes()), SILENCE / 3);
    let provider = Provider::acting(always(vec![head(EVENTS), endless]));
    let outcome = Chaos::new(&provider.base_url).await.ask("streaming").await;
    outcome.is_interrupted(&outcome.text(), "provider_interrupted");
    assert!(outcome.took >= TOTAL.mul_f64(0.9));
    let endless = Act::Flood(chunk_bytes(b" "), SILENCE / 3);
    let provider = Provider::acting(always(vec![head("application/json"), endless]));
    let outcome = Chaos::new(&provider.base_url).await.ask("whole").await;
    outcome.is_failed("provider_timed_out");
}

#[tokio::test]
async fn f09_a_flood_is_cut_off_early() {
    let block = |byte: u8| vec![byte; 256 * 1024];
    let flood = |bytes| Act::Flood(bytes, Duration::ZERO);
    let line = vec![
        head(EVENTS),
        chunk(b"data: "),
        flood(chunk_bytes(&block(b'x'))),
    ];
    let comments = vec![
        head(EVENTS),
        flood(chunk_bytes(&b": x\n".repeat(64 * 1024))),
    ];
    let text = piece(&"x".repeat(128 * 1024));
    let endless = vec![head(EVENTS), flood(chunk_bytes(text.as_bytes()))];
    let body = vec![head("application/json"), flood(chunk_bytes(&block(b' ')))];
    let headers = || {
        let begin = Act::Send(b"HTTP/1.1 200 OK\r\n".to_vec());
        vec![
            begin,
            flood(format!("x-more: {}\r\n", "y".repeat(8192)).into_bytes()),
        ]
    };
    for (model, acts, attempts) in [
        ("streaming", line, 1),
        ("streaming", comments, 1),
        ("streaming", endless, 1),
        ("streaming", headers(), 3),
        ("whole", body, 1),
        ("whole", headers(), 3),
    ] {
        let provider = Provider::acting(always(acts));
        let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
        assert_ne!(outcome.status(), RunStatus::Completed);
        assert!(provider.asked() <= attempts);
        let taken = provider.taken() / provider.asked();
        assert!(taken <= 16 * 1024 * 1024, "{taken} bytes");
    }
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_connection_with_it() {
    for (model, acts) in [
        ("streaming", vec![Act::Hold]),
        ("whole", vec![Act::Hold]),
        (
            "streaming",
            vec![head(EVENTS), chunk(piece("Half").as_bytes()), Act::Hold],
        ),
    ] {
        let provider = Provider::acting(always(acts));
        let chaos = Chaos::new(&provider.base_url).await;
        let mut run = chaos.world.orchestrator.start(NewRun {
            on_disconnect: OnDisconnect::Cancel,
            ..asking(ALICE, model)
        });
        while provider.asked() == 0 {
            tokio::select! {
                event = run.next() => assert!(event.is_some()),
                () = tokio::task::yield_now() => {}
            }
        }
        // What has come by now is seen.
        while run.next().now_or_never().is_some() {}
        drop(run);
        tokio::time::timeout(Duration::from_secs(1), provider.client_left())
            .await
            .expect("within a second");
        chaos.world.settle().await;
    }
}
