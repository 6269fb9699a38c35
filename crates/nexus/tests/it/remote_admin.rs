//! Administering a server from elsewhere: with the key of an administrator, every change signed.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Command;
use std::sync::Mutex;
use std::{fs, thread};

use serde_json::{Value, json};

use crate::http;
use crate::program::{Home, Server, finish};

const SOMEBODY: &str = "0x5aaeb6053f3e94c9b9a09f33669435e7ef1beaed";

fn template(temperature: f64) -> Value {
    json!({
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {"echo": {"provider": "builtin", "id": "echo"}},
        },
        "user_defaults": {
            "config": {"model": "echo", "temperature": temperature},
            "prompts": {"persona": {"content": "You are Nexus.", "editable": true, "order": 1}},
        },
        "ui": {"editable_fields": ["config.temperature", "prompts.persona"]},
    })
}

/// A folder with a template, and files with others.
fn home() -> Home {
    let home = Home::new();
    home.write("v1.json", &template(0.8).to_string());
    home.write("v2.json", &template(0.5).to_string());
    home.ok(&["init", "--config", "v1.json"]);
    home
}

/// Somebody who is registered and signed in; gives their address.
fn member(home: &Home, url: &str) -> String {
    let new = home.json(&["identity", "new"]);
    let file = new["key_file"].as_str().unwrap();
    home.ok(&["login", url, "--key", file]);
    new["public_key"].as_str().unwrap().to_owned()
}

/// Makes them an administrator, and waits until the server knows.
fn grant(home: &Home, address: &str, key: &str) {
    home.ok(&["admin", "grant", key]);
    let profile = fs::read_to_string(home.path("config/nexus/profiles/default.json")).unwrap();
    let profile: Value = serde_json::from_str(&profile).unwrap();
    let token = profile["token"].as_str().unwrap();
    http::soon(address, "/api/v1/auth/session", token, |session| {
        session["is_admin"] == true
    });
}

/// The newest entry of the record.
fn last_entry(home: &Home) -> Value {
    home.json(&["audit", "list", "--limit", "1"])[0].take()
}

#[test]
fn an_administrator_changes_the_template_at_a_server_and_the_signature_is_on_record() {
    let home = home();
    let server = home.serve();
    let key = member(&home, &format!("http://{}", server.address));
    let apply = ["template", "apply", "v2.json", "--server", "--yes"];
    for refused in [&apply[..], &["template", "show", "--server"]] {
        let done = home.fails(refused);
        assert!(done.err.contains("(not_an_admin)"), "{done:#?}");
    }
    assert_eq!(home.json(&["template", "show"])["version"], 1);
    grant(&home, &server.address, &key);

    let asked = home.fails(&["template", "apply", "v2.json", "--server"]);
    assert!(asked.err.contains("--yes"), "{asked:#?}");
    assert!(asked.out.contains("0.8 becomes 0.5"), "{asked:#?}");
    let dry = ["template", "apply", "v2.json", "--server", "--dry-run"];
    let dry = home.json(&dry);
    let told = (&dry["version"], &dry["changed"]);
    assert_eq!(told, (&json!(1), &json!(false)));
    assert_eq!(dry["plan"]["people"]["changed"], 1);
    assert_eq!(last_entry(&home)["action"], "admin.grant");

    let done = home.run(&apply);
    assert_eq!(done.code, Some(0), "{done:#?}");
    let place = "/user_defaults/config/temperature: 0.8 becomes 0.5";
    assert!(done.out.contains(place), "{done:#?}");
    let stored = format!("at http://{} is stored as version 2", server.address);
    assert!(done.err.contains(&stored), "{done:#?}");
    let entry = last_entry(&home);
    let told = (&entry["action"], &entry["actor"]);
    assert_eq!(told, (&json!("template"), &json!(key)));
    assert!(entry["signature"].is_string(), "{entry}");
    home.ok(&["audit", "verify"]);

    let again = home.run(&apply);
    assert!(again.err.contains("nothing to do"), "{again:#?}");
    let shown = home.json(&["template", "show", "--server"]);
    let local = home.json(&["template", "show"]);
    assert_eq!((&shown, &shown["author"]), (&local, &json!(key)));
    let diff = home.ok(&["template", "diff", "--server"]);
    assert_eq!(diff, home.ok(&["template", "diff"]));
    assert!(diff.contains("+    temperature: 0.5"), "{diff}");

    home.ok(&["template", "rollback", "1", "--server", "--yes"]);
    let history = home.json(&["template", "history", "--server"]);
    assert_eq!(history, home.json(&["template", "history"]));
    assert_eq!(history[0]["hash"], history[2]["hash"]);
    let nothing = home.fails(&["template", "rollback", "9", "--server", "--yes"]);
    for told in ["no version 9 at http", "history --server"] {
        assert!(nothing.err.contains(told), "{told}: {nothing:#?}");
    }
}

#[test]
fn a_template_with_mistakes_is_refused_with_every_one_of_them() {
    let home = home();
    let server = home.serve();
    let key = member(&home, &format!("http://{}", server.address));
    grant(&home, &server.address, &key);
    let mut broken = template(0.8);
    broken["llm"]["catalog"]["echo"]["provider"] = json!("nobody");
    broken["user_defaults"]["config"]["temperature"] = json!("warm");
    home.write("broken.json", &broken.to_string());
    let done = home.fails(&["template", "apply", "broken.json", "--server", "--yes"]);
    let local = home.fails(&["template", "check", "broken.json"]);
    assert_eq!((&done.out, &done.err), (&local.out, &local.err));
    assert!(done.out.contains("/llm/catalog/echo/provider"), "{done:#?}");
    assert_eq!(home.json(&["template", "show"])["version"], 1);
}

#[test]
fn what_only_makes_sense_at_a_server_is_not_taken_for_this_machine() {
    let home = home();
    for arguments in [
        &["template", "apply", "v2.json", "--yes", "--profile", "far"][..],
        &[
            "template", "apply", "v2.json", "--yes", "--server", "--author", "Ada",
        ],
        &["identity", "disable", SOMEBODY, "--profile", "far"],
    ] {
        let done = home.run(arguments);
        assert_eq!(done.code, Some(2), "{arguments:?}: {done:#?}");
    }
    let nobody = home.fails(&["template", "apply", "v2.json", "--yes", "--server"]);
    assert!(nobody.err.contains("nexus login"), "{nobody:#?}");
    assert_eq!(home.json(&["template", "show"])["version"], 1);
}

/// Passes everything on to a server. Before the request that stores a template, it runs a command.
fn interfere(listener: TcpListener, server: &Server, command: Command) {
    let (address, command) = (server.address.clone(), Mutex::new(Some(command)));
    thread::spawn(move || {
        for near in listener.incoming() {
            let (mut near, mut far) = (near.unwrap(), TcpStream::connect(&address).unwrap());
            let (mut back_from, mut back_to) =
                (far.try_clone().unwrap(), near.try_clone().unwrap());
            thread::spawn(move || {
                _ = std::io::copy(&mut back_from, &mut back_to);
                // Whoever reads to the end of the answer must find it.
                back_to.shutdown(Shutdown::Both)
            });
            let mut bytes = [0; 8192];
            while let Ok(read @ 1..) = near.read(&mut bytes) {
                if bytes.starts_with(b"PUT /api/v1/admin/template HTTP") {
                    let command = command.lock().unwrap().take();
                    let done = command.map(|mut command| finish(command.spawn().unwrap()));
                    assert!(done.is_none_or(|done| done.code == Some(0)));
                }
                _ = far.write_all(&bytes[..read]);
            }
        }
    });
}

#[test]
fn whoever_is_overtaken_by_somebody_else_is_told_and_stores_nothing() {
    let home = home();
    home.write("other.json", &template(0.3).to_string());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = home.serve_with(&["--public-origin", &url]);
    let other = home.command(&["template", "apply", "other.json", "--yes"]);
    interfere(listener, &server, other);
    let key = member(&home, &url);
    grant(&home, url.trim_start_matches("http://"), &key);
    let apply = ["template", "apply", "v2.json", "--server", "--yes"];
    let done = home.fails(&apply);
    for told in [
        "made for version 1",
        "version 2 is stored by now",
        "diff --server",
    ] {
        assert!(done.err.contains(told), "{told}: {done:#?}");
    }
    let shown = home.json(&["template", "show"]);
    assert_eq!(shown["version"], 2);
    assert_eq!(shown["document"], template(0.3));
    home.ok(&apply);
    assert_eq!(home.json(&["template", "show"])["version"], 3);
}

#[test]
fn an_administrator_decides_at_a_server_who_is_let_in() {
    let home = home();
    home.write("nexus.yml", "registration: approval\n");
    let server = home.serve();
    let url = format!("http://{}", server.address);
    let newcomer = home.json(&["login", &url, "--new", "--no-passphrase"]);
    home.ok(&["identity", "register"]);
    let newcomer = newcomer["public_key"].as_str().unwrap().to_lowercase();
    let key = member(&home, &url);
    let refused = home.fails(&["identity", "approve", &newcomer, "--server"]);
    assert!(refused.err.contains("(not_an_admin)"), "{refused:#?}");
    grant(&home, &server.address, &key);

    let listed = home.json(&["identity", "list", "--server"]);
    let mut rows = listed.as_array().unwrap().iter();
    let row = rows.find(|row| row["public_key"] == newcomer.as_str());
    assert_eq!(row.unwrap()["standing"], "pending");
    let table = home.ok(&["identity", "list", "--server"]);
    assert!(
        table.contains("STANDING") && table.contains(&newcomer),
        "{table}"
    );

    let objection = home.fails(&["identity", "enable", &newcomer, "--server"]);
    assert!(objection.err.contains("was never let in"), "{objection:#?}");
    for (word, standing, action) in [
        ("approve", "active", "identity.enable"),
        ("disable", "disabled", "identity.disable"),
        ("enable", "active", "identity.enable"),
    ] {
        let row = home.json(&["identity", word, &newcomer, "--server"]);
        assert_eq!(row["standing"], standing, "{word}");
        let entry = last_entry(&home);
        let told = (&entry["action"], &entry["actor"], &entry["target"]);
        assert_eq!(told, (&json!(action), &json!(key), &json!(newcomer)));
        assert!(entry["signature"].is_string(), "{entry}");
    }
    let asked = home.fails(&["identity", "delete", &newcomer, "--server"]);
    assert!(asked.err.contains("--yes"), "{asked:#?}");
    let erased = home.json(&["identity", "delete", &newcomer, "--server", "--yes"]);
    assert_eq!(erased["identities"], 1);
    assert!(last_entry(&home)["signature"].is_string());
    let gone = home.fails(&["identity", "delete", &newcomer, "--server", "--yes"]);
    assert!(gone.err.contains("is not registered at http"), "{gone:#?}");
}
