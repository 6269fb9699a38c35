//! Settings, the log, addresses, start and stop of the process.

mod compression;
mod load;
mod settings;
mod stop;

use std::fs::File;
use std::io;

use serde_json::{Value, json};

use super::provider::{Provider, Request};
use crate::http;
use crate::program::{Home, Server};

/// A folder whose template has one model, at this provider.
fn home_with(provider: &Provider) -> Home {
    let home = Home::new();
    let catalog = "lab: { provider: local, id: lab-1 }";
    let template = crate::provider::template(&provider.base_url, catalog, "lab");
    home.write("lab.yml", &template);
    home.ok(&["init", "--config", "lab.yml"]);
    home
}

/// Answers a request for the list of models; gives any other one back.
fn listed(request: Request) -> io::Result<Option<Request>> {
    if !request.body.is_null() {
        return Ok(Some(request));
    }
    let list = json!({"object": "list", "data": [{"id": "lab-1", "object": "model"}]});
    request.json(200, &list).map(|()| None)
}

/// A provider that says the same to everybody.
fn friendly() -> Provider {
    Provider::start(|request| match listed(request)? {
        Some(request) => request.say("Fine.", 5, 2),
        None => Ok(()),
    })
}

/// The stored messages of whoever has this token, newest first.
fn messages(server: &Server, token: &str) -> Vec<Value> {
    let (status, page) = http::get(&server.address, "/api/v1/messages", Some(token));
    assert_eq!(status, 200, "{page}");
    page["messages"].as_array().unwrap().clone()
}

/// Whether a server answers everything that it is asked.
#[track_caller]
fn answers(server: &Server, token: &str) {
    assert_eq!(http::get(&server.address, "/livez", None).0, 200);
    let events = http::chat(&server.address, token, "Hello");
    assert_eq!(http::text(&events), "Fine.", "{events:?}");
}

/// S14: every request is answered although the reader of the log is gone.
#[test]
fn a_log_that_nobody_reads_any_more_stops_nothing() {
    let home = home_with(&friendly());
    let (_, token) = home.member();
    let (reader, writer) = io::pipe().unwrap();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--log", "debug"]);
    command.stderr(writer);
    let server = home.serve_by(command);
    answers(&server, &token);
    drop(reader);
    for _ in 0..3 {
        answers(&server, &token);
    }
    assert_eq!(server.stop("TERM"), Some(0));
}

/// S14: a server whose log goes to a full disk, or nowhere, starts, answers and stops.
#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let home = home_with(&friendly());
    let (_, token) = home.member();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--log", "debug"];
    let mut full = home.command(&arguments);
    full.stderr(File::options().write(true).open("/dev/full").unwrap());
    let closed = home.command_by("exec \"$0\" \"$@\" 2>&-", &arguments);
    let json = home.command_by(
        "exec \"$0\" --log-format json \"$@\" 2>/dev/full",
        &arguments,
    );
    for command in [full, closed, json] {
        let server = home.serve_by(command);
        for _ in 0..3 {
            answers(&server, &token);
        }
        assert_eq!(server.stop("TERM"), Some(0));
    }
}

/// S14: a reader of the log that reads nothing does not make requests wait, and learns how many
/// lines it missed.
#[test]
fn a_log_that_is_not_read_for_a_while_stops_nothing() {
    let home = home_with(&friendly());
    let (_, token) = home.member();
    let (mut reader, writer) = io::pipe().unwrap();
    let mut command = home.command(&["serve", "--listen", "127.0.0.1:0", "--log", "debug"]);
    command.stderr(writer);
    let server = home.serve_by(command);
    // More than a pipe holds, which is 64 KiB.
    for _ in 0..1000 {
        assert_eq!(http::get(&server.address, "/livez", None).0, 200);
    }
    answers(&server, &token);
    let log = std::thread::spawn(move || io::read_to_string(&mut reader).unwrap());
    // The reader has begun to read: some of the next lines fit.
    for _ in 0..200 {
        answers_livez(&server);
    }
    assert_eq!(server.stop("TERM"), Some(0));
    let log = log.join().unwrap();
    assert!(
        log.contains("lines of the log could not be written"),
        "{log}"
    );
    assert!(log.ends_with("stopped\n"), "{log}");
}

fn answers_livez(server: &Server) {
    assert_eq!(http::get(&server.address, "/livez", None).0, 200);
}
