//! `nexus chat` with its input from a pipe.

use std::io::Read;
use std::process::Stdio;

use crate::program::{Home, finish, send};
use crate::provider::SlowProvider;

#[test]
fn a_script_gets_answers_and_nothing_else() {
    let home = Home::new();
    home.member();
    let done = home.run_with(&["chat"], "Hello \\\nthere\n\nAgain\n");
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.contains("> Hello\n> there\n"), "{done:#?}");
    assert!(done.out.contains("2 earlier messages"), "{done:#?}");
    assert!(!done.out.contains('\u{1b}'));
    assert!(done.err.contains("echo from builtin"), "{done:#?}");
}

#[test]
fn commands_of_the_chat_change_what_the_model_gets() {
    let home = Home::new();
    home.member();
    let done = home.run_with(
        &["chat"],
        "/persona You are Nova, a pirate.\nHello\n/explain persona\n/persona reset\n/persona\n/model\n/history 1\n/quit\nnever\n",
    );
    assert_eq!(done.code, Some(0), "{done:#?}");
    for part in [
        "> You are Nova, a pirate.",
        "identity",
        "You are Nexus,",
        "*  echo",
        "assistant, ",
    ] {
        assert!(done.out.contains(part), "{part}: {done:#?}");
    }
    assert!(!done.out.contains("never"));
}

#[test]
fn a_command_that_fails_says_why_and_the_chat_goes_on() {
    let home = Home::new();
    home.member();
    let done = home.run_with(&["chat"], "/model gpt-nothing\n/dance\nHello\n");
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(
        done.err.contains("choose one of") && done.err.contains("/dance"),
        "{done:#?}"
    );
    assert!(done.out.contains("> Hello"), "{done:#?}");
}

#[test]
fn who_chats_must_be_clear() {
    let home = Home::new();
    let done = home.run_with(&["chat"], "Hello\n");
    assert_eq!(done.code, Some(1));
    assert!(done.err.contains("nexus identity new"), "{done:#?}");
    let (first, _) = home.member();
    home.member();
    let done = home.run_with(&["chat"], "Hello\n");
    assert_eq!(done.code, Some(1));
    assert!(
        done.err.contains(&format!("nexus chat {first}")),
        "{done:#?}"
    );
    assert_eq!(home.run_with(&["chat", &first], "Hello\n").code, Some(0));
}

#[test]
fn ctrl_c_stops_the_answer_and_what_had_come_is_stored() {
    let home = Home::new();
    let provider = SlowProvider::start();
    home.write("slow.yml", &provider.template());
    home.ok(&["init", "--config", "slow.yml"]);
    let (key, _) = home.member();

    let mut command = home.command(&["chat"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // Kept open: the program ends when it is told to, not because there is nothing more to read.
    let mut stdin = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut stdin, b"Hello\n").unwrap();
    let mut begun = [0; 11];
    child
        .stdout
        .as_mut()
        .unwrap()
        .read_exact(&mut begun)
        .unwrap();
    assert_eq!(&begun, b"one moment ");
    send("INT", &child);
    std::io::Write::write_all(&mut stdin, b"/history\n/quit\n").unwrap();
    let done = finish(child);
    assert_eq!(done.code, Some(1), "{done:#?}");
    assert!(done.err.contains("what had come is stored"), "{done:#?}");
    assert!(done.out.contains("one moment "), "{done:#?}");
    drop(stdin);
    let server = home.serve();
    let token = home.ok(&["identity", "token", &key]);
    let (_, page) = crate::http::get(&server.address, "/api/v1/messages", Some(token.trim()));
    assert_eq!(page["messages"][0]["content"], "one moment ");
    assert_eq!(page["messages"][0]["metadata"]["interrupted"], "cancelled");
}
