//! How runs end: what of it is stored, and readers that take nothing.

use std::io::{self, Write as _};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::{Value, json};

use super::{PATIENCE, Slow, begin, cancel, home, messages, post, runs, texts};
use crate::http::{self, finished};
use crate::program::{Home, Server};
use crate::regressions::provider::{Provider, Request, chunk};

/// How long a provider cannot write before the reader of its answer counts as stuck.
const STUCK: Duration = Duration::from_secs(2);

pub(super) fn start(base_url: &str) -> (Home, Server, String) {
    let home = home("", base_url);
    home.ok(&["init", "--config", "template.json"]);
    let (_, token) = home.member();
    let server = home.serve();
    (home, server, token)
}

/// Lists no models. Gives the request back if it is a question.
fn question(request: Request) -> Result<Request, io::Result<()>> {
    if request.line.starts_with("GET") {
        return Err(request.json(200, &json!({"object": "list", "data": []})));
    }
    Ok(request)
}

/// The provider's first answer fails in this way, and its later ones do not.
pub(super) fn mended_after(
    fails: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static,
) -> Provider {
    let has_failed = AtomicBool::new(false);
    Provider::start(move |request: Request| {
        let request = match question(request) {
            Ok(request) => request,
            Err(listed) => return listed,
        };
        if has_failed.swap(true, Ordering::SeqCst) {
            request.say("Here I am.", 7, 3)
        } else {
            fails(request)
        }
    })
}

/// P7: why there is no answer, and what was used for it, is stored with the question in the words of
/// the events, and goes when there is one.
#[test]
fn why_there_is_no_answer_is_stored_with_the_question() {
    let refuses = |request: Request| {
        let error = json!({"message": "no such thing", "code": "odd"});
        request.json(422, &json!({ "error": error }))
    };
    let is_lost = |request: Request| {
        let mut stream = request.event_stream()?;
        write!(stream, "data: this is no JSON\n\n")
    };
    let says_nothing = |request: Request| request.say("", 9, 0);
    for (provider, code) in [
        (mended_after(refuses), Some("provider_rejected")),
        (mended_after(is_lost), Some("provider_malformed")),
        (mended_after(says_nothing), None),
    ] {
        let (_home, server, token) = start(&provider.base_url);
        let events = http::chat(&server.address, &token, "Hello");
        let ended = finished(&events);
        let stored = messages(&server, &token);
        assert_eq!(texts(&stored), ["Hello"], "{code:?}");
        let kept = &stored[0]["metadata"];
        let told = events.iter().find(|it| it.name == "error");
        let told = told.map_or(&Value::Null, |it| &it.data);
        assert_eq!(told["code"].as_str(), code, "{events:?}");
        assert_eq!(kept["interrupted"], told["code"], "{kept:#}");
        for field in ["code", "message", "retryable"] {
            assert_eq!(kept["error"][field], told[field], "{kept:#}");
        }
        for field in ["finish_reason", "usage", "usage_estimated"] {
            assert_eq!(kept[field], ended[field], "{code:?}: {kept:#}");
        }

        let again = json!({"run_id": stored[0]["run_id"]});
        let (status, body) = post(&server, &token, "/api/v1/chat", &again);
        assert_eq!(status, 200, "{body:#}");
        let stored = messages(&server, &token);
        assert_eq!(texts(&stored), ["Hello", "Here I am."], "{code:?}");
        assert_eq!(stored[0]["metadata"], json!({}), "{code:?}");
    }
}

/// P7: what a stopped answer used is stored with the part of it that came, or else with the question.
#[test]
fn what_a_stopped_answer_used_is_stored() {
    let slow = Slow::start();
    let (_home, server, token) = start(&slow.provider.base_url);
    let (answer, started) = begin(&server, &token, &slow);
    cancel(&server, &token, &started["run_id"]);
    let events = answer.rest();
    let ended = finished(&events);
    assert_eq!(ended["usage_estimated"], true, "{events:?}");
    let stored = messages(&server, &token);
    assert_eq!(texts(&stored), ["Hello", "Half"]);
    assert_eq!(stored[0]["metadata"], json!({}));
    for field in ["usage", "usage_estimated"] {
        assert_eq!(stored[1]["metadata"][field], ended[field], "{stored:#?}");
    }

    // Before the first word.
    let silent = Provider::start(Request::hold);
    let (_home, server, token) = start(&silent.base_url);
    let mut answer = http::ask(&server.address, &token, "Hello");
    let started = answer.event().unwrap().data;
    cancel(&server, &token, &started["run_id"]);
    let events = answer.rest();
    let ended = finished(&events);
    let stored = messages(&server, &token);
    assert_eq!(texts(&stored), ["Hello"]);
    let kept = &stored[0]["metadata"];
    assert_eq!(kept["interrupted"], "cancelled", "{kept:#}");
    for field in ["usage", "usage_estimated"] {
        assert_eq!(kept[field], ended[field], "{kept:#}");
    }
}

/// P3: a run whose reader takes nothing ends as soon as it is cancelled, and its part is stored.
#[test]
fn a_run_with_a_stuck_reader_is_cancelled_at_once() {
    let (tell, stuck) = channel();
    let tell = Mutex::new(tell);
    let flood = Provider::start(move |request: Request| {
        let request = match question(request) {
            Ok(request) => request,
            Err(listed) => return listed,
        };
        let mut stream = request.event_stream()?;
        stream.set_write_timeout(Some(STUCK))?;
        let piece = chunk(&"flood ".repeat(2_000));
        let stopped = loop {
            if let Err(error) = stream.write_all(piece.as_bytes()) {
                break error;
            }
        };
        tell.lock().unwrap().send(stopped.kind()).unwrap();
        // The connection stays open until Nexus closes it.
        io::copy(&mut stream, &mut io::sink()).map(drop)
    });
    let (_home, server, token) = start(&flood.base_url);
    let mut answer = http::ask(&server.address, &token, "Hello");
    let started = answer.event().unwrap().data;
    let kind = stuck.recv_timeout(PATIENCE).unwrap();
    assert_eq!(
        kind,
        io::ErrorKind::WouldBlock,
        "the provider was not held up"
    );
    let run = &started["run_id"];
    assert_eq!(runs(&server, &token)[0]["run_id"], *run);

    let ended = (200, json!({"run_id": run, "status": "ended"}));
    assert_eq!(cancel(&server, &token, run), ended);
    assert_eq!(runs(&server, &token), json!([]));
    // It is longer than the rest of a page.
    let stored = messages(&server, &token).pop().unwrap();
    assert_eq!(stored["metadata"]["interrupted"], "cancelled");
    let part = stored["content"].as_str().unwrap();
    assert!(part.starts_with("flood flood"));

    // A reader that goes on hears all that is stored, and the end.
    let events = answer.rest();
    assert_eq!(finished(&events)["status"], "interrupted");
    assert!(part == http::text(&events), "what was heard differs");
}
