//! Many connections, and people whose requests fail.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, TcpStream, UdpSocket};
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use serde_json::json;

use super::{answers, friendly, home_with, listed};
use crate::http;
use crate::regressions::provider::Provider;

/// More than a process may have open that was not told otherwise.
const IDLE: usize = 1200;

/// Opens connections that ask nothing. This process may need more of them than it has.
fn idle_connections(address: &str) -> Vec<TcpStream> {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard.min(20_000), hard).unwrap();
    (0..IDLE)
        .map(|_| TcpStream::connect(address).unwrap())
        .collect()
}

/// S4: connections that ask nothing take neither the server's file handles nor its models from
/// others, whether the limit can be raised or not.
#[test]
fn t24_idle_connections_stop_neither_members_nor_models() {
    for limit in ["ulimit -Sn 1024", "ulimit -n 1024"] {
        let home = home_with(&friendly());
        let (_, token) = home.member();
        let line = format!("{limit}; exec \"$0\" \"$@\"");
        let server = home.serve_by(home.command_by(&line, &["serve", "--listen", "127.0.0.1:0"]));
        answers(&server, &token);
        let idle = idle_connections(&server.address);
        for _ in 0..5 {
            answers(&server, &token);
        }
        // Those that began to ask and never end are in nobody's way either.
        for mut stream in &idle {
            _ = stream.write_all(b"GET /livez HTTP/1.1\r\nhost:");
        }
        for _ in 0..5 {
            answers(&server, &token);
        }
        let (_, models) = http::get(&server.address, "/api/v1/models", Some(&token));
        let lab = models["models"]
            .as_array()
            .unwrap()
            .iter()
            .find(|it| it["name"] == "lab");
        assert!(lab.unwrap()["unavailable"].is_null(), "{models}");
        assert!(!server.log().contains("left alone"), "{}", server.log());
        assert!(
            !server.log().contains("no connection can be accepted"),
            "{}",
            server.log()
        );
        assert_eq!(server.stop("TERM"), Some(0), "{limit}");
    }
}

/// S5: whatever way one person's requests fail, the model goes on answering others, and that person
/// is told to wait.
#[test]
fn one_persons_failures_do_not_switch_a_model_off_for_others() {
    for way in ["fail", "limit", "hang up", "talk nonsense", "break off"] {
        let provider = Provider::start(move |request| {
            let Some(request) = listed(request)? else {
                return Ok(());
            };
            let question = request.messages().pop().unwrap().1;
            if !question.contains("poison") {
                return request.say("Fine.", 5, 2);
            }
            let error = json!({"error": {"message": "This request broke me."}});
            match way {
                "fail" => request.json(500, &error),
                "limit" => request.json(503, &error),
                "hang up" => Ok(()),
                "talk nonsense" => write!(request.event_stream()?, "data: {{nonsense\n\n"),
                _ => {
                    let chunk = crate::regressions::provider::chunk("Half");
                    write!(request.event_stream()?, "{chunk}")
                }
            }
        });
        let home = home_with(&provider);
        let (_, one) = home.member();
        let (_, other) = home.member();
        let server = home.serve();
        let mut failed = Vec::new();
        for _ in 0..14 {
            let events = http::chat(&server.address, &one, "This is poison.");
            let error = events.iter().find(|event| event.name == "error");
            failed.push(error.unwrap().data["code"].as_str().unwrap().to_owned());
            answers(&server, &other);
        }
        assert_ne!(failed[0], "provider_unavailable", "{way}");
        assert_eq!(
            failed.last().unwrap(),
            "provider_unavailable",
            "{way}: {failed:?}"
        );
        let asked = provider.requests().len();
        assert!(asked <= 14 + 10, "{way}: {asked}");
    }
}

/// S5: a model that fails for most of those who use it is left alone for everybody.
#[test]
fn a_model_that_fails_for_everybody_is_left_alone() {
    let provider = Provider::start(|request| match listed(request)? {
        Some(request) => request.json(501, &json!({"error": {"message": "Down."}})),
        None => Ok(()),
    });
    let home = home_with(&provider);
    let people: Vec<_> = (0..6).map(|_| home.member().1).collect();
    let server = home.serve();
    for token in people.iter().chain(&people) {
        http::chat(&server.address, token, "Hello");
    }
    let (_, newcomer) = home.member();
    let events = http::chat(&server.address, &newcomer, "Hello");
    let error = events.iter().find(|event| event.name == "error").unwrap();
    assert_eq!(error.data["code"], "provider_unavailable", "{events:?}");
    assert!(
        provider.requests().len() <= 10,
        "{}",
        provider.requests().len()
    );
}

/// S5: four people whose requests fail all the time switch no model off for a fifth, who asks now
/// and then.
#[test]
fn four_persons_failures_do_not_switch_a_model_off_for_a_fifth() {
    let provider = Provider::start(|request| {
        let Some(request) = listed(request)? else {
            return Ok(());
        };
        let question = request.messages().pop().unwrap().1;
        if question.contains("poison") {
            let error = json!({"error": {"message": "This request broke me."}});
            return request.json(501, &error);
        }
        request.say("Fine.", 5, 2)
    });
    let home = home_with(&provider);
    let four: Vec<_> = (0..4).map(|_| home.member().1).collect();
    let (_, fifth) = home.member();
    let server = home.serve();
    answers(&server, &fifth);
    for _ in 0..4 {
        for token in four.iter().chain(&four).chain(&four) {
            let events = http::chat(&server.address, token, "This is poison.");
            assert!(events.iter().any(|event| event.name == "error"));
        }
        answers(&server, &fifth);
    }
    let log = server.log();
    assert!(!log.contains("left alone"), "{log}");
}

/// An address of this machine that is not one of the loopback network, where it has one. Nothing is
/// sent to find it.
fn outside() -> Option<IpAddr> {
    let socket = UdpSocket::bind("0.0.0.0:0").ok()?;
    socket.connect("198.51.100.1:9").ok()?;
    Some(socket.local_addr().ok()?.ip())
}

/// S4: one address of the network has a share of the connections, whatever it does with them, and
/// takes none of the others' places.
#[test]
fn t24_one_address_does_not_take_the_places_of_others() {
    let Some(outside) = outside() else {
        _ = writeln!(io::stderr(), "not tried: this machine has no network");
        return;
    };
    let home = home_with(&friendly());
    let (_, token) = home.member();
    // 64 connections, 32 of an address.
    let line = "ulimit -n 256; exec \"$0\" \"$@\"";
    let server = home.serve_by(home.command_by(line, &["serve", "--listen", "0.0.0.0:0"]));
    let port = server.address.rsplit(':').next().unwrap().to_owned();
    let here = format!("127.0.0.1:{port}");
    // Each is in the middle of a request, so none makes room.
    let busy: Vec<_> = (0..200)
        .map(|_| {
            let stream = TcpStream::connect((outside, port.parse().unwrap())).unwrap();
            _ = write!(
                &stream,
                "POST /api/v1/chat HTTP/1.1\r\nhost: {here}\r\nauthorization: Bearer {token}\r\n\
                 content-type: application/json\r\ncontent-length: 100\r\n\r\n{{"
            );
            stream
        })
        .collect();
    for _ in 0..10 {
        assert_eq!(http::get(&here, "/livez", None).0, 200);
    }
    // All that are too many are closed, and no more: each of the others waits for its answer.
    let mut open = 0;
    for mut stream in &busy {
        stream.set_nonblocking(false).unwrap();
        let patience = Some(Duration::from_millis(50));
        stream.set_read_timeout(patience).unwrap();
        open += usize::from(matches!(
            stream.read(&mut [0; 64]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock
        ));
    }
    assert!(open <= 32, "{open}");
    drop(busy);
    answers_at(&here, &token);
    assert_eq!(server.stop("TERM"), Some(0));
}

#[track_caller]
fn answers_at(address: &str, token: &str) {
    let begun = Instant::now();
    loop {
        let events = http::ask(address, token, "Hello");
        if events.status == 200 {
            return;
        }
        // The places of the others are about to be free.
        assert!(begun.elapsed() < http::SOON, "{}", events.status);
    }
}
