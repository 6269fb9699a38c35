//! What is on record about changes that are made on the machine, and that nobody can rewrite it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use serde_json::{Value, json};

use crate::program::{Home, send};

const SOMEBODY: &str = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";

fn actions(home: &Home) -> Vec<String> {
    let entries = home.json(&["audit", "list"]);
    let entries = entries.as_array().unwrap().iter();
    entries
        .map(|entry| entry["action"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_change_on_the_machine_is_on_record() {
    let home = Home::new();
    home.ok(&["init"]);
    home.ok(&["identity", "new", SOMEBODY]);
    home.ok(&["identity", "new", SOMEBODY]);
    home.ok(&["config", "set", SOMEBODY, "temperature", "0.4"]);
    home.ok(&["config", "unset", SOMEBODY, "temperature"]);
    home.ok(&["prompt", "set", SOMEBODY, "persona", "You are a pirate."]);
    home.ok(&["prompt", "unset", SOMEBODY, "persona"]);
    let typed = "/persona You are kind.\n/config.set temperature 0.5\n/config.get temperature\n";
    let done = home.run_with(&["chat", SOMEBODY], typed);
    assert_eq!(done.code, Some(0), "{done:#?}");
    assert!(done.out.contains("0.5"), "{done:#?}");
    home.ok(&["admin", "grant", SOMEBODY]);
    home.ok(&["admin", "revoke", SOMEBODY]);
    home.ok(&["identity", "disable", SOMEBODY]);
    home.ok(&["identity", "enable", SOMEBODY]);
    home.ok(&["identity", "delete", SOMEBODY, "--yes"]);
    assert_eq!(
        actions(&home),
        [
            "template",
            "identity",
            "session.create",
            "session.create",
            "config.set",
            "config.unset",
            "prompt.set",
            "prompt.unset",
            "prompt.set",
            "config.set",
            "admin.grant",
            "admin.revoke",
            "identity.disable",
            "identity.enable",
            "identity.delete",
        ]
    );
    let last = &home.json(&["audit", "list", "--limit", "1"])[0];
    assert_eq!(last["actor"], "local:unknown");
    assert_eq!(last["target"], SOMEBODY);
    let table = home.ok(&["audit", "list"]);
    assert!(
        table.contains("config.temperature") && !table.contains("pirate"),
        "{table}"
    );
    // A refused change is none.
    home.fails(&["config", "set", SOMEBODY, "temperature", "9"]);
    assert_eq!(actions(&home).len(), 15);
}

#[test]
fn administrators_and_standings_are_listed() {
    let home = Home::new();
    home.ok(&["identity", "new", SOMEBODY]);
    assert_eq!(home.json(&["admin", "list"]), json!([]));
    let granted = home.json(&["admin", "grant", SOMEBODY]);
    assert_eq!(granted["is_admin"], true);
    assert_eq!(home.json(&["admin", "list"])[0]["public_key"], SOMEBODY);
    let row = &home.json(&["identity", "list"])[0];
    assert_eq!(
        (&row["standing"], &row["is_admin"]),
        (&json!("active"), &json!(true))
    );
    let done = home.fails(&[
        "admin",
        "grant",
        "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
    ]);
    assert!(done.err.contains("nexus identity new"), "{done:#?}");
    home.ok(&["identity", "disable", SOMEBODY]);
    let done = home.fails(&["identity", "approve", SOMEBODY]);
    assert!(done.err.contains("nexus identity enable"), "{done:#?}");
    let table = home.ok(&["identity", "list"]);
    assert!(table.contains("disabled"), "{table}");
}

/// The database as it is when nobody uses it, and where this text is in it.
fn places(database: &Path, text: &str) -> (Vec<u8>, Vec<usize>) {
    let bytes = fs::read(database).unwrap();
    let windows = bytes.windows(text.len()).enumerate();
    let found = windows.filter(|(_, part)| *part == text.as_bytes());
    let places = found.map(|(place, _)| place).collect();
    (bytes, places)
}

#[test]
fn t38_a_changed_byte_in_the_file_is_found() {
    let home = Home::new();
    home.ok(&["identity", "new", SOMEBODY]);
    home.ok(&["admin", "grant", SOMEBODY]);
    home.ok(&["identity", "disable", SOMEBODY]);
    let whole = home.json(&["audit", "verify"]);
    let told = (&whole["is_whole"], &whole["head"]["seq"]);
    assert_eq!(told, (&json!(true), &json!(4)));
    let head = home.ok(&["audit", "verify"]);
    home.ok(&["audit", "verify", "--expect-head", head.trim()]);

    // The third entry, from its actor to its hash. How its time is stored is not of one byte.
    let database = home.path("data/nexus.db");
    let (start, end) = (
        "local:unknownadmin.grant",
        SOMEBODY.len() + 24 + 64 + 64 + 150,
    );
    let (bytes, places) = places(&database, start);
    assert_eq!(places.len(), 1);
    let verify = |place: usize| {
        let mut changed = bytes.clone();
        changed[place] ^= 1;
        fs::write(&database, &changed).unwrap();
        home.run(&["audit", "verify", "--json"])
    };
    // A sample: that every character of every field counts is tested beside the rule.
    for place in (places[0]..places[0] + end).step_by(7) {
        let done = verify(place);
        assert_eq!(done.code, Some(1), "{}: {done:#?}", place - places[0]);
    }
    let done = verify(places[0] + start.len() - 1);
    assert!(done.err.contains("broken at entry 3"), "{done:#?}");
    let told: Value = serde_json::from_str(&done.out).unwrap();
    let told = (&told["is_whole"], &told["entry"]);
    assert_eq!(told, (&json!(false), &json!(3)));

    fs::write(&database, &bytes).unwrap();
    home.ok(&["audit", "verify", "--expect-head", head.trim()]);
    let another = format!("5:{}", "0".repeat(64));
    let done = home.fails(&["audit", "verify", "--expect-head", &another]);
    assert!(done.err.contains("entry 5: it is missing"), "{done:#?}");
}

#[test]
fn a_server_says_how_to_become_an_administrator_and_when_nobody_can_sign_in() {
    let home = Home::new();
    let server = home.serve();
    assert!(
        server.report.contains("nexus admin grant KEY"),
        "{}",
        server.report
    );
    assert!(
        !server.report.contains("nobody can sign in"),
        "{}",
        server.report
    );
    drop(server);
    let mut public = home.command(&["serve", "--listen", "0.0.0.0:0"]);
    let mut public = public.spawn().unwrap();
    let mut lines = BufReader::new(public.stdout.take().unwrap()).lines();
    let told = lines.by_ref().map_while(Result::ok);
    let told: Vec<_> = told.take_while(|line| !line.starts_with("Open")).collect();
    send("INT", &public);
    public.wait().unwrap();
    let is_told = told
        .iter()
        .any(|line| line.contains("nobody can sign in until"));
    assert!(is_told, "{told:?}");
    home.write("nexus.yml", &format!("admins: [\"{SOMEBODY}\"]\n"));
    let server = home.serve();
    assert!(!server.report.contains("admin grant"), "{}", server.report);
}
