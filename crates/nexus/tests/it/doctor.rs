//! `nexus doctor`: what it finds, what it advises, and what it never shows.

use std::os::unix::fs::PermissionsExt as _;

use nexus_test_support::mcp::odd_server;
use nexus_test_support::provider::{Provider, answer};
use serde_json::{Value, json};

use crate::mongod::ReplicaSet;
use crate::program::{Done, Home, finish};

const KEY: &str = "sk-canary-0123456789";

/// A server with several providers, told apart by the beginning of their paths.
fn providers() -> Provider {
    Provider::start(|request| {
        let path = request.line.split(' ').nth(1).unwrap();
        let choice = json!({"message": {"content": "OK"}, "finish_reason": "stop"});
        match path {
            "/good/v1/models" => request.json(200, &json!({"data": [{"id": "m-1"}]})),
            "/good/v1/chat/completions" => request.json(200, &json!({"choices": [choice]})),
            "/strict/v1/models" => {
                let message = format!("bad key {KEY}");
                request.json(401, &json!({"error": {"message": message}}))
            }
            _ => {
                let page = answer("200 OK", "text/html", "<html>a page</html>");
                request.perform(page).map(|_| ())
            }
        }
    })
}

/// The first lines of the requests that came.
fn asked(providers: &Provider) -> Vec<String> {
    let received = providers.received().into_iter();
    received.map(|it| it.line).collect()
}

/// A home with a template of its own, and the settings that it needs.
fn home(providers: &Provider, rows: &str, catalog: &str, default: &str) -> Home {
    let home = Home::new();
    let odd = odd_server();
    let address = providers.address();
    home.write(
        "nexus.yml",
        &format!(
            "secrets:\n  ACME_KEY: [\"{address}\"]\n  OTHER_KEY: [\"other.test\"]\n\
             mcp_commands:\n  lab: [env, python3, \"{}\", grows]\n",
            odd.display()
        ),
    );
    let rows = rows.replace("AT", &format!("http://{address}"));
    home.write(
        "template.yml",
        &format!(
            "system: {{ app_name: Test }}\n\
             llm:\n  providers: {{ {rows} }}\n  catalog: {{ {catalog} }}\n\
             tools:\n  mcp: {{ lab: {{ stdio: lab }}, gone: {{ stdio: gone }} }}\n\
             user_defaults:\n  config: {{ model: {default}, tools: [lab.first, lab.none] }}\n  prompts: {{}}\n\
             ui: {{ editable_fields: [] }}\n"
        ),
    );
    home.ok(&[
        "init",
        "--config",
        "template.yml",
        "--default-model",
        default,
    ]);
    home
}

fn examine(home: &Home, more: &[&str]) -> Done {
    let mut command = home.command(&[&["doctor"], more].concat());
    command.env("ACME_KEY", KEY).env("PATH", env!("PATH"));
    let done = finish(command.spawn().unwrap());
    assert!(
        !done.out.contains("canary") && !done.err.contains("canary"),
        "{done:#?}"
    );
    done
}

fn findings(done: &Done) -> Value {
    serde_json::from_str(&done.out).unwrap_or_else(|error| panic!("{error}: {done:#?}"))
}

/// Finds what is said about something: area, level, a part of the message, a part of the advice.
#[track_caller]
fn says(report: &Value, area: &str, level: &str, message: &str, advice: &str) {
    let has = |finding: &&Value| {
        let text = |key: &str| finding[key].as_str().unwrap_or_default();
        text("area").contains(area)
            && text("level") == level
            && text("message").contains(message)
            && text("advice").contains(advice)
    };
    let found = report["findings"].as_array().unwrap().iter().find(has);
    assert!(found.is_some(), "{area} {level} {message}: {report:#}");
}

const ROWS: &str = "good: { base_url: AT/good/v1, api_key: '${ACME_KEY}' }, \
                    strict: { base_url: AT/strict/v1, api_key: '${ACME_KEY}' }, \
                    page: { base_url: AT/page/v1 }, \
                    away: { base_url: 'http://127.0.0.1:9/v1' }, \
                    inside: { base_url: 'http://10.0.0.7:9/v1' }, \
                    other: { base_url: 'https://other.test/v1', api_key: '${OTHER_KEY}' }";
const CATALOG: &str = "one: { provider: good, id: m-1 }, two: { provider: good, id: m-2 }, \
                       three: { provider: strict, id: m-3 }, four: { provider: other, id: m-4 }";

#[test]
fn a_first_installation_has_warnings_and_no_failure() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, _) = home.member();
    home.ok(&["admin", "grant", &key]);
    let report = home.json(&["doctor"]);
    assert_eq!(report["ok"], true, "{report:#}");
    says(&report, "settings", "ok", "there is no settings file", "");
    says(&report, "data", "ok", "embedded (SQLite", "");
    says(&report, "data", "ok", "can be written", "");
    says(&report, "template", "ok", "default model echo", "");
    says(
        &report,
        "secrets",
        "warning",
        "OPENAI_API_KEY is not set",
        "set OPENAI_API_KEY",
    );
    says(&report, "providers", "ok", "builtin is in this program", "");
    says(&report, "providers", "ok", "the default model, echo", "");
    says(&report, "tools", "ok", "no servers with tools", "");
    says(&report, "people", "ok", "let in: 1", "");
    says(&report, "people", "ok", "administrators: 1", "");
    let left = std::fs::read_dir(home.path("data")).unwrap();
    let mut left = left.map(|it| it.unwrap().file_name().into_string().unwrap());
    assert!(
        left.all(|name| !name.contains("doctor")),
        "nothing is left behind"
    );
}

#[test]
fn each_thing_that_is_wrong_is_named_with_what_to_do() {
    let providers = providers();
    let home = home(&providers, ROWS, CATALOG, "one");
    let done = examine(&home, &["--json"]);
    assert_eq!(done.code, Some(1), "{done:#?}");
    let report = findings(&done);
    assert_eq!(report["ok"], false);
    for (level, message, advice) in [
        ("ok", "nexus.yml was read", ""),
        ("ok", "ACME_KEY is set, for the provider good", ""),
        (
            "warning",
            "OTHER_KEY is not set, so the provider other",
            "set OTHER_KEY",
        ),
        ("ok", "good answers in", ""),
        ("warning", "two cannot be asked", "the provider lists m-1"),
        ("failure", "strict does not answer", "make a new one there"),
        ("warning", "page does not answer", "`base_url` is right"),
        (
            "warning",
            "away does not answer: nothing",
            "start the server at 127.0.0.1:9",
        ),
        (
            "warning",
            "inside is at an address",
            "private_hosts: [\"10.0.0.7:9\"]",
        ),
        ("ok", "the default model, one, can be asked", ""),
        ("ok", "lab (stdio) answers; tools: 1", ""),
        (
            "failure",
            "gone (stdio) cannot be reached",
            "`mcp_commands`",
        ),
        ("warning", "people are given lab.none", "`nexus tools`"),
        (
            "warning",
            "nobody is registered yet",
            "`nexus identity new`",
        ),
    ] {
        says(&report, "", level, message, advice);
    }
    assert!(done.err.contains("error: 2 failures, "), "{done:#?}");

    let done = examine(&home, &[]);
    assert!(
        done.out.contains("providers\n") && done.out.contains("do: "),
        "{done:#?}"
    );
    assert!(
        done.out.contains("  failure  strict does not answer"),
        "{done:#?}"
    );
}

#[test]
fn a_default_model_that_cannot_be_asked_is_a_failure() {
    let providers = providers();
    let home = home(&providers, ROWS, CATALOG, "four");
    let report = findings(&examine(&home, &["--json"]));
    says(
        &report,
        "providers",
        "failure",
        "the default model, four, cannot be asked",
        "such as one",
    );
}

#[test]
fn a_question_is_asked_only_when_that_is_wanted() {
    let providers = providers();
    let rows = "good: { base_url: AT/good/v1, api_key: '${ACME_KEY}' }";
    let home = home(
        &providers,
        rows,
        "one: { provider: good, id: m-1, stream: false }",
        "one",
    );
    examine(&home, &[]);
    let posts = || {
        let asked = asked(&providers).into_iter();
        asked.filter(|it| it.starts_with("POST")).count()
    };
    assert_eq!(posts(), 0, "{:?}", asked(&providers));
    let report = findings(&examine(&home, &["--ask", "--json"]));
    says(
        &report,
        "providers",
        "ok",
        "one of good answered a question",
        "",
    );
    assert_eq!(posts(), 1, "{:?}", asked(&providers));
}

#[test]
fn it_looks_at_an_installation_whose_server_runs() {
    let home = Home::new();
    let server = home.serve();
    home.member();
    let report = home.json(&["doctor"]);
    assert_eq!(report["ok"], true, "{report:#}");
    assert_eq!(server.stop("INT"), Some(0));
}

#[test]
fn a_dot_env_file_is_named_with_its_variables_and_never_with_their_values() {
    let home = Home::new();
    let file = home.write(
        ".env",
        "ACME_KEY=sk-canary-of-the-file\nNEXUS_DATA=elsewhere\nEMPTY=\nnot a line\n",
    );
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    home.ok(&["init"]);
    home.member();
    let path = file.canonicalize().unwrap().display().to_string();
    let done = home.run(&["doctor", "--json"]);
    let report = findings(&done);
    let set = format!("{path} was read, and sets ACME_KEY, NEXUS_DATA");
    says(&report, "settings", "ok", &set, "");
    says(
        &report,
        "settings",
        "warning",
        "line 4 of .env",
        "docs/settings.md",
    );
    says(&report, "data", "ok", "elsewhere/nexus.db", "");
    assert!(!done.out.contains("can read"), "{done:#?}");

    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let report = findings(&examine(&home, &["--json"]));
    says(&report, "settings", "ok", "sets NEXUS_DATA", "");
    says(
        &report,
        "settings",
        "ok",
        "as the environment sets them too: ACME_KEY",
        "",
    );
    says(
        &report,
        "settings",
        "warning",
        "other users of this machine can read",
        "`chmod 600",
    );
}

#[test]
fn what_cannot_be_begun_is_a_finding_too() {
    let home = Home::new();
    let done = home.fails(&["doctor", "--json"]);
    says(
        &findings(&done),
        "data",
        "failure",
        "there is nothing in",
        "`nexus init`",
    );
    assert!(!home.path("data").exists(), "nothing is made by looking");

    home.write("nexus.yml", "listen_on: 1\n");
    let done = home.fails(&["doctor", "--json"]);
    says(
        &findings(&done),
        "settings",
        "failure",
        "listen_on",
        "it may say data",
    );
}

#[test]
fn a_template_that_cannot_be_used_is_told_with_every_mistake() {
    let home = Home::new();
    home.ok(&["init"]);
    let database = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
    let broken = json!({"llm": {"providers": {}, "catalog": {}}}).to_string();
    let changed = database
        .execute("UPDATE configurations SET doc = ?1", [broken])
        .unwrap();
    assert_eq!(changed, 1);
    drop(database);
    let done = home.fails(&["doctor", "--json"]);
    let report = findings(&done);
    says(
        &report,
        "template",
        "failure",
        "version 1 cannot be used",
        "`nexus template apply FILE`",
    );
    says(&report, "template", "failure", "/user_defaults/config", "");
}

#[tokio::test]
async fn a_database_of_its_own_is_told_with_its_members() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let home = Home::new();
    home.write("nexus.yml", &format!("database: {}\n", database.uri()));
    home.ok(&["init"]);
    let report = home.json(&["doctor"]);
    says(&report, "data", "ok", "replica set rs0) at 127.0.0.1", "");
    says(
        &report,
        "data",
        "warning",
        "rs0 has 1 of the three members",
        "docs/scaling.md",
    );
    says(&report, "clock", "ok", "as the database says too", "");
    drop(database);
    let done = home.fails(&["doctor", "--json"]);
    says(
        &findings(&done),
        "data",
        "failure",
        "",
        "look whether the database runs",
    );
}
