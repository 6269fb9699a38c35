//! Providers that answer with something odd (F10, F11, F13 to F15).

use std::time::Duration;

use nexus_core::event::{RunEvent, RunStatus, ToolStatus};
use nexus_test_support::provider::{Act, Provider, json, piece, with_headers};
use serde_json::{Value, json};

use super::good::{answers_well, events, good_body, good_events};
use super::{BOTH, Chaos, KEY, always};
use crate::tools::Counter;

#[tokio::test]
async fn f10_nonsense_is_a_clean_error() {
    let many = format!(r#"{{"choices":[{}{{}}]}}"#, "{},".repeat(1_000_000));
    let bodies = [
        "{\"choices\":[{\"delta\":",
        "17",
        "\"text\"",
        "[]",
        "null",
        "{}",
        "{\"choices\":null}",
        "{\"choices\":NaN}",
        "{\"choices\":[{\"delta\":{\"content\":NaN}}]}",
        "{\"choices\":{\"delta\":7}}",
        many.as_str(),
    ];
    for body in bodies {
        for model in BOTH {
            let acts = if model == "streaming" {
                events(&format!("data: {body}\n\n"))
            } else {
                json(body)
            };
            let provider = Provider::acting(always(acts));
            let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
            let beginning: String = body.chars().take(40).collect();
            assert_eq!(outcome.text(), "", "{beginning}");
            // An answer that says nothing may be accepted; it must not be invented.
            if outcome.status() != RunStatus::Completed {
                assert_eq!(outcome.status(), RunStatus::Failed, "{beginning}");
            }
            assert!(provider.asked() <= 3);
        }
    }
    let broken = format!("{}data: {{\"choices\n\n", piece("Half"));
    let provider = Provider::acting(always(events(&broken)));
    let outcome = Chaos::new(&provider.base_url).await.ask("streaming").await;
    outcome.is_interrupted("Half", "provider_interrupted");
}

#[tokio::test]
async fn f11_what_is_no_answer_is_said_to_be_none() {
    let page = "<html>Log in to the wifi</html>";
    let html = with_headers("200 OK", "content-type: text/html\r\n", page);
    let empty = with_headers("200 OK", "content-type: text/event-stream\r\n", "");
    let nothing = with_headers("200 OK", "", "");
    let no_content = vec![Act::Send(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec())];
    for acts in [html, empty, nothing, no_content] {
        for model in BOTH {
            let provider = Provider::acting(always(acts.clone()));
            let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
            outcome.is_failed("provider_malformed");
            assert_eq!(provider.asked(), 1);
        }
    }
    // A server that answers in one piece where a stream was asked for is understood.
    let provider = Provider::acting(always(json(&good_body())));
    Chaos::new(&provider.base_url)
        .await
        .ask("streaming")
        .await
        .is_fine();
}

#[tokio::test]
async fn f11_a_redirect_takes_the_key_nowhere() {
    for model in BOTH {
        let elsewhere = Provider::acting(answers_well);
        let location = format!("location: {}/chat/completions\r\n", elsewhere.base_url);
        let acts = with_headers("301 Moved Permanently", &location, "");
        let provider = Provider::acting(always(acts));
        let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
        outcome.is_failed("provider_rejected");
        assert_eq!((provider.asked(), elsewhere.asked()), (1, 0));
    }
}

#[tokio::test]
async fn f13_odd_but_right_text_comes_out_the_same() {
    let good = good_events();
    let bodies = [
        good.replace('\n', "\r\n"),
        good.replace('\n', "\r"),
        format!("\u{FEFF}{good}"),
        good.trim_end().to_owned(),
        format!("{good}data: [DONE]\n\n"),
        good.replace("data: ", "data:"),
        good.replace("data: ", ": ping\n\nevent: message\nid: 7\ndata: "),
    ];
    for body in bodies {
        let head = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: {}\r\n\r\n",
            body.len()
        );
        // One byte at a time: every letter and every line end comes in two halves.
        let drip = Act::Drip(body.clone().into_bytes(), Duration::ZERO);
        for acts in [events(&body), vec![Act::Send(head.into_bytes()), drip]] {
            let provider = Provider::acting(always(acts));
            Chaos::new(&provider.base_url)
                .await
                .ask("streaming")
                .await
                .is_fine();
        }
    }
    let body = format!("\u{FEFF}\r\n{}\n", good_body());
    let provider = Provider::acting(always(json(&body)));
    Chaos::new(&provider.base_url)
        .await
        .ask("whole")
        .await
        .is_fine();
}

fn call(index: u64, id: &str, name: &str, arguments: &str) -> Value {
    json!({"index": index, "id": id, "type": "function",
           "function": {"name": name, "arguments": arguments}})
}

fn delta(calls: &[Value]) -> String {
    format!(
        "data: {}\n\n",
        json!({"choices": [{"delta": {"tool_calls": calls}}]})
    )
}

/// The first answer asks for tools, the second is a good one.
async fn with_tools(model: &str, first: Vec<Act>) -> super::Outcome {
    let provider = Provider::acting(move |asked| match asked.number {
        0 => first.clone(),
        _ => answers_well(asked),
    });
    let tools = vec![Counter::shared()];
    let chaos = Chaos::with(&provider.base_url, "http://127.0.0.1:9/v1", tools).await;
    chaos.ask(model).await
}

fn tool_results(outcome: &super::Outcome) -> Vec<(ToolStatus, String)> {
    let results = outcome.events.iter().filter_map(|event| match event {
        RunEvent::ToolCallFinished { status, result, .. } => Some((*status, result.clone())),
        _ => None,
    });
    results.collect()
}

#[tokio::test]
async fn f14_a_tool_call_is_carried_out_whole_or_not_at_all() {
    let stop =
        "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\ndata: [DONE]\n\n";
    let arguments = r#"{"pad":"é✓"}"#;
    let mut split = delta(&[call(0, "a", "count", "")]);
    for letter in arguments.chars() {
        split += &delta(&[json!({"index": 0, "function": {"arguments": letter.to_string()}})]);
    }
    let split = with_tools("streaming", events(&(split + stop))).await;
    split.is_fine();
    assert_eq!(
        tool_results(&split),
        [(ToolStatus::Success, "1é✓".to_owned())]
    );

    let unknown = delta(&[
        call(0, "a", "erase", "{}"),
        call(1, "b", "count", "{\"pad\":"),
    ]);
    let unknown = with_tools("streaming", events(&(unknown + stop))).await;
    unknown.is_fine();
    let statuses: Vec<_> = tool_results(&unknown).into_iter().map(|it| it.0).collect();
    assert_eq!(statuses, [ToolStatus::Error, ToolStatus::Error]);

    let double = delta(&[call(0, "a", "count", "{}")]) + &delta(&[call(0, "b", "count", "{}")]);
    let double = with_tools("streaming", events(&(double + stop))).await;
    double.is_fine();
    assert!(
        tool_results(&double)
            .iter()
            .all(|it| it.0 == ToolStatus::Success)
    );

    let message = json!({"content": null, "tool_calls": [
        call(0, "a", "count", "{}"), call(1, "b", "erase", "{}"), call(2, "c", "count", "{")]});
    let whole = json!({"choices": [{"message": message, "finish_reason": "tool_calls"}]});
    let whole = with_tools("whole", json(&whole.to_string())).await;
    whole.is_fine();
    let statuses: Vec<_> = tool_results(&whole).into_iter().map(|it| it.0).collect();
    assert_eq!(
        statuses,
        [ToolStatus::Success, ToolStatus::Error, ToolStatus::Error]
    );

    // Cut off in the middle of its arguments, a call is not carried out.
    let half = piece("Let me count.") + &delta(&[call(0, "a", "count", "{\"pad\":")]);
    let half = with_tools("streaming", events(&half)).await;
    half.is_interrupted("Let me count.", "provider_interrupted");
    assert_eq!(tool_results(&half), []);
}

#[tokio::test]
async fn f15_what_is_compressed_is_not_unpacked() {
    for (encoding, kind) in [
        ("gzip", "text/event-stream"),
        ("gzip", "application/json"),
        ("br", "application/json"),
        ("gzip, gzip", "application/json"),
    ] {
        for model in BOTH {
            let headers = format!("content-type: {kind}\r\ncontent-encoding: {encoding}\r\n");
            let provider = Provider::acting(always(with_headers("200 OK", &headers, &good_body())));
            let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
            outcome.is_failed("provider_malformed");
        }
    }
    // And what claims to be plain, and is not, is no answer.
    let headers = "content-type: application/json\r\n";
    let provider = Provider::acting(always(with_headers("200 OK", headers, "\u{1f}\u{8b}\u{8}")));
    let outcome = Chaos::new(&provider.base_url).await.ask("whole").await;
    outcome.is_failed("provider_malformed");
}

#[tokio::test]
async fn f16_a_model_that_says_the_key_of_its_provider_is_not_heard() {
    let thought = |letter: char| {
        let delta = json!({"choices": [{"delta": {"reasoning_content": letter.to_string()}}]});
        format!("data: {delta}\n\n")
    };
    let mut streamed = piece("It is ");
    for letter in KEY.chars() {
        streamed += &thought(letter);
        streamed += &piece(&letter.to_string());
    }
    let stop = json!({"choices": [{"delta": {}, "finish_reason": KEY}], "model": KEY});
    let end = format!("{}data: {stop}\n\ndata: [DONE]\n\n", piece("."));
    let streamed = streamed + &end;
    let message = json!({"content": format!("It is {KEY}."), "reasoning_content": KEY});
    let whole = json!({"choices": [{"message": message, "finish_reason": KEY}], "model": KEY});
    for (model, acts) in [
        ("streaming", events(&streamed)),
        ("whole", json(&whole.to_string())),
    ] {
        let provider = Provider::acting(always(acts));
        let outcome = Chaos::new(&provider.base_url).await.ask(model).await;
        assert_eq!(
            outcome.status(),
            RunStatus::Completed,
            "{:?}",
            outcome.events
        );
        assert_eq!(outcome.text(), "It is sk-….");
        assert_eq!(outcome.stored.expect("a stored answer").0, "It is sk-….");
    }

    let escaped = KEY.replace('-', "\\u002d");
    for arguments in [KEY, &escaped].map(|key| format!(r#"{{"pad":"{key}"}}"#)) {
        let calls = delta(&[call(0, KEY, "count", &arguments), call(1, "b", KEY, "{}")]);
        let asked = with_tools("streaming", events(&(calls + "data: [DONE]\n\n"))).await;
        asked.is_fine();
        assert_eq!(
            tool_results(&asked)[0],
            (ToolStatus::Success, "1sk-…".to_owned())
        );
    }
}

#[test]
fn the_good_answer_is_good() {
    assert!(good_events().ends_with("[DONE]\n\n"));
}
