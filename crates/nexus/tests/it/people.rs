//! Identities, tokens, settings and prompts, while a server runs and without one.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::http::{self, chat, soon, text};
use crate::program::Home;

const STRANGER: &str = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";

#[test]
fn commands_that_need_data_say_what_to_do_when_there_is_none() {
    let home = Home::new();
    for arguments in [
        &["identity", "list"][..],
        &["identity", "token", STRANGER],
        &["config", "get", STRANGER],
        &["prompt", "get", STRANGER],
        &["models"],
        &["template", "show"],
    ] {
        let done = home.fails(arguments);
        assert!(done.err.contains("nexus init"), "{arguments:?}: {done:#?}");
    }
    assert!(!home.path("data").exists());

    home.ok(&["identity", "new", STRANGER]);
    let done = home.fails(&["config", "get", STRANGER]);
    assert!(done.err.contains("nexus init"), "{done:#?}");
}

#[test]
fn a_command_line_that_is_not_understood_is_code_2() {
    let home = Home::new();
    for arguments in [
        &["identity", "show", "0xnonsense"][..],
        &["config", "set", STRANGER, "config.nonsense", "1"],
        &["--environment", "moon", "models"],
        &[
            "identity",
            "new",
            "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaeD",
        ],
        &[],
    ] {
        let done = home.run(arguments);
        assert_eq!(done.code, Some(2), "{arguments:?}: {done:#?}");
    }
}

#[test]
fn a_new_identity_has_a_key_of_its_own_that_is_never_printed() {
    let home = Home::new();
    let done = home.run(&["identity", "new"]);
    let words: Vec<_> = done.out.split_whitespace().collect();
    let ["address", address, "key", file, "token", token] = words[..] else {
        panic!("{done:#?}");
    };
    let secret = fs::read_to_string(file).unwrap();
    assert_eq!(secret.trim().len(), 66);
    assert!(!format!("{done:?}").contains(secret.trim()));
    assert!(file.ends_with(&format!("{address}.key")));
    assert_eq!(
        fs::metadata(file).unwrap().permissions().mode() & 0o777,
        0o600
    );
    assert!(
        done.err.contains("curl") && done.err.contains(token),
        "{done:#?}"
    );
    // What is stored of the token cannot be used.
    let database = fs::read(home.path("data/nexus.db")).unwrap();
    let leaked = database
        .windows(token.len())
        .any(|part| part == token.as_bytes());
    assert!(!leaked);
}

#[test]
fn an_address_is_registered_once() {
    let home = Home::new();
    let is_new = |home: &Home| home.json(&["identity", "new", STRANGER])["is_new"].clone();
    assert_eq!(is_new(&home), true);
    assert_eq!(is_new(&home), false);
    assert_eq!(
        home.json(&["identity", "list"]).as_array().unwrap().len(),
        1
    );
    assert!(!home.path("data/keys").exists());
    let shown = home.ok(&["identity", "show", STRANGER]);
    assert!(
        shown.contains("0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        "{shown}"
    );
}

#[test]
fn nothing_is_erased_without_a_yes() {
    let home = Home::new();
    let (key, _) = home.member();
    let done = home.fails(&["identity", "delete", &key]);
    assert!(done.err.contains("--yes"), "{done:#?}");
    let erased = home.json(&["identity", "delete", &key, "--yes"]);
    assert_eq!(
        (&erased["identities"], &erased["sessions"]),
        (&1.into(), &1.into())
    );
    let done = home.fails(&["identity", "show", &key]);
    assert!(done.err.contains("is not registered"), "{done:#?}");
}

#[test]
fn a_member_chats_and_a_visitor_is_told_how_to_become_one() {
    let home = Home::new();
    let server = home.serve();
    let (_, member) = home.member();
    let answer = chat(&server.address, &member, "Hello there");
    assert!(text(&answer).contains("> Hello there"), "{answer:#?}");
    assert_eq!(answer.last().unwrap().data["status"], "completed");

    let done = home.run(&["identity", "token", STRANGER]);
    assert!(done.err.contains("is not registered"), "{done:#?}");
    let visitor = done.out.trim();
    let answer = chat(&server.address, visitor, "Hello there");
    assert_eq!(
        answer.last().unwrap().data["status"],
        "visitor_guidance_sent"
    );
    assert!(text(&answer).contains("nexus identity new"), "{answer:#?}");

    let nobody = http::ask(&server.address, STRANGER, "Hello there");
    assert_eq!(nobody.status, 401);
}

#[test]
fn settings_can_be_changed_while_a_server_runs_and_it_notices() {
    let home = Home::new();
    let server = home.serve();
    let (key, token) = home.member();
    let is = |field: usize, value: serde_json::Value| {
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            profile["fields"][field]["value"] == value
        });
    };
    is(1, 0.8.into());
    home.ok(&["config", "set", &key, "temperature", "0.3"]);
    is(1, 0.3.into());
    assert_eq!(
        home.ok(&["config", "get", &key, "config.temperature"]),
        "0.3\n"
    );
    home.ok(&["config", "unset", &key, "temperature"]);
    is(1, 0.8.into());

    home.ok(&["prompt", "set", &key, "persona", "You are Nova."]);
    is(5, "You are Nova.".into());
    home.write("ada.md", "You are Ada.\nYou count.\n");
    home.ok(&["prompt", "set", &key, "persona", "--file", "ada.md"]);
    assert_eq!(
        home.ok(&["prompt", "get", &key, "persona"]),
        "You are Ada.\nYou count.\n"
    );
    let piped = home.run_with(&["prompt", "set", &key, "persona", "-"], "From a pipe\n");
    assert_eq!(piped.code, Some(0), "{piped:#?}");
    is(5, "From a pipe".into());
    home.ok(&["prompt", "unset", &key, "persona"]);
    assert!(
        home.ok(&["prompt", "get", &key, "persona"])
            .starts_with("You are Nexus")
    );

    // A new template, too.
    home.write("words/persona.md", "You are new.");
    home.write("words/system.md", "s");
    home.write("words/tools.md", "t");
    home.ok(&["init", "--prompts", "words"]);
    is(5, "You are new.".into());
}

#[test]
fn a_change_that_policy_refuses_says_why() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, _) = home.member();
    for (arguments, reason) in [
        (&["config", "set", &key, "temperature", "9"], "from 0 to 2"),
        (
            &["config", "set", &key, "max_tokens", "many"],
            "a whole number",
        ),
        (
            &["config", "set", &key, "model", "gpt-nothing"],
            "choose one of",
        ),
        (&["prompt", "set", &key, "system", "x"], "editable: false"),
        (
            &["prompt", "set", &key, "nothing", "x"],
            "no prompt of this name",
        ),
    ] {
        let done = home.fails(arguments);
        assert!(done.err.contains(reason), "{arguments:?}: {done:#?}");
    }
    let long = "x".repeat(33 * 1024);
    home.write("long.md", &long);
    let done = home.fails(&["prompt", "set", &key, "persona", "--file", "long.md"]);
    assert!(done.err.contains("the limit is 32768"), "{done:#?}");
    let done = home.fails(&["config", "set", STRANGER, "temperature", "1"]);
    assert!(done.err.contains("nexus identity new"), "{done:#?}");
}

#[test]
fn explain_tells_where_each_value_comes_from() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, _) = home.member();
    home.ok(&["config", "set", &key, "model", "Gemini-2.5-Pro"]);
    home.ok(&["config", "set", &key, "temperature", "0.5"]);
    let told = home.ok(&["config", "explain", &key, "temperature"]);
    let row = told.lines().nth(1).unwrap();
    for word in [
        "config.temperature",
        "0.5",
        "identity",
        "0.8 (genesis)",
        "0.7 (catalog)",
        "0 to 2",
    ] {
        assert!(row.contains(word), "{word}: {told}");
    }
    let told = home.ok(&["config", "explain", &key]);
    assert!(
        told.contains("locked: the template says editable: false"),
        "{told}"
    );
    let json = home.json(&["config", "explain", &key]);
    assert_eq!(json["fields"].as_array().unwrap().len(), 8);
    assert_eq!(json["fields"][0]["value"], "gemini-2.5-pro");
    let done = home.fails(&["config", "explain", &key, "prompts.nothing"]);
    assert!(done.err.contains("persona, system, tools"), "{done:#?}");
}

#[test]
fn models_are_listed_with_what_they_lack() {
    let home = Home::new();
    home.ok(&["init"]);
    let models = home.json(&["models"]);
    let named = |name: &str| {
        let mut rows = models.as_array().unwrap().iter();
        rows.find(|row| row["name"] == name).unwrap().clone()
    };
    let echo = named("echo");
    assert_eq!(
        (&echo["default"], &echo["reachable"]),
        (&true.into(), &true.into())
    );
    let gemini = named("gemini-2.5-flash");
    assert_eq!(gemini["reachable"], false);
    assert!(
        gemini["reason"]
            .as_str()
            .unwrap()
            .contains("GEMINI_API_KEY")
    );
    assert!(home.ok(&["models"]).contains("*  echo"));
}
