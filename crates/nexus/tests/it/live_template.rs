//! `nexus template history|diff|apply|rollback`, and what a running server makes of it.

use serde_json::{Value, json};

use crate::http::{self, soon};
use crate::program::Home;

/// A complete template, small enough to be changed in one place.
fn template(temperature: f64, name: &str) -> Value {
    json!({
        "system": {"app_name": name},
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {
                "echo": {"provider": "builtin", "id": "echo"},
                "mirror": {"provider": "builtin", "id": "echo"},
            },
        },
        "user_defaults": {
            "config": {"model": "echo", "temperature": temperature},
            "prompts": {"persona": {"content": "You are Nexus.", "editable": true, "order": 1}},
        },
        "ui": {"editable_fields": ["config.model", "config.temperature", "prompts.persona"]},
    })
}

/// A folder in which this template is version 1.
fn home() -> Home {
    let home = Home::new();
    home.write("v1.json", &template(0.8, "One").to_string());
    home.ok(&["init", "--config", "v1.json"]);
    home
}

fn write(home: &Home, document: &Value) {
    home.write("new.json", &document.to_string());
}

#[test]
fn apply_tells_the_plan_and_stores_a_new_version() {
    let home = home();
    let (key, _) = home.member();
    home.ok(&["config", "set", &key, "model", "mirror"]);
    let mut next = template(0.5, "One");
    next["llm"]["catalog"]
        .as_object_mut()
        .unwrap()
        .remove("mirror");
    write(&home, &next);
    let apply = ["template", "apply", "new.json", "--yes", "--author", "Ada"];
    let done = home.run(&apply);
    assert_eq!(done.code, Some(0), "{done:#?}");
    for told in [
        "/user_defaults/config/temperature: 0.8 becomes 0.5",
        "/llm/catalog/mirror: {\"provider\":\"builtin\",\"id\":\"echo\"} is removed",
        "Rules for people:",
        "config.model: one of echo, mirror becomes one of echo",
        "People: 1 of 1 get another profile",
        "config.model: \"mirror\" becomes \"echo\"; config.temperature: 0.8 becomes 0.5",
        "without effect from then on: 1",
        "config.model \"mirror\": there is no model",
    ] {
        assert!(done.out.contains(told), "{told}: {done:#?}");
    }
    assert!(done.err.contains("version 2"), "{done:#?}");
    assert_eq!(home.json(&["template", "show"])["document"], next);

    let again = home.run(&apply);
    assert_eq!((again.code, &*again.out), (Some(0), ""), "{again:#?}");
    assert!(again.err.contains("nothing to do"), "{again:#?}");
    let history = home.json(&["template", "history"]);
    assert_eq!(history.as_array().unwrap().len(), 2);
    assert_eq!(
        (&history[0]["version"], &history[0]["author"]),
        (&json!(2), &json!("Ada"))
    );
}

#[test]
fn nothing_is_stored_without_a_yes() {
    let home = home();
    write(&home, &template(0.5, "One"));
    let done = home.fails(&["template", "apply", "new.json"]);
    assert!(done.err.contains("--yes"), "{done:#?}");
    assert!(
        done.out.contains("0.8 becomes 0.5"),
        "the plan comes first: {done:#?}"
    );
    let dry = home.json(&["template", "apply", "new.json", "--dry-run"]);
    assert_eq!(
        (&dry["version"], &dry["changed"]),
        (&json!(1), &json!(false))
    );
    assert_eq!(
        dry["plan"]["document"][0]["pointer"],
        "/user_defaults/config/temperature"
    );
    home.fails(&[
        "template",
        "rollback",
        "1",
        "--author",
        "x",
        "--dry-run",
        "--data",
        "nowhere",
    ]);
    assert_eq!(
        home.json(&["template", "history"])
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn the_author_is_the_user_unless_somebody_says_otherwise() {
    let home = home();
    write(&home, &template(0.5, "One"));
    let mut command = home.command(&["template", "apply", "new.json", "--yes"]);
    assert!(
        command
            .env("USER", "ada")
            .output()
            .unwrap()
            .status
            .success()
    );
    let author = |home: &Home| home.json(&["template", "history"])[0]["author"].clone();
    assert_eq!(author(&home), "ada");
    home.ok(&["template", "rollback", "1", "--yes"]);
    assert_eq!(author(&home), "somebody at the command line");
    for name in ["", " ", "a\nb"] {
        let done = home.run(&["template", "rollback", "2", "--author", name]);
        assert_eq!(done.code, Some(2), "{name:?}: {done:#?}");
    }
}

#[test]
fn every_mistake_is_printed_and_nothing_is_stored() {
    let home = home();
    let mut broken = template(9.0, "One");
    broken["llm"]["catalog"]["echo"]["provider"] = json!("nobody");
    broken["user_defaults"]["prompts"]["persona"] = json!({"content_file": "nowhere.md"});
    write(&home, &broken);
    let apply = ["template", "apply", "new.json", "--prompts", ".", "--yes"];
    let done = home.fails(&apply);
    for pointer in [
        "/user_defaults/config/temperature",
        "/llm/catalog/echo/provider",
        "/user_defaults/prompts/persona/content_file",
    ] {
        assert!(done.out.contains(pointer), "{pointer}: {done:#?}");
    }
    let found = home.run(&[&apply[..], &["--json"]].concat()).out;
    let found: Value = serde_json::from_str(&found).unwrap();
    assert_eq!(
        found["problems"].as_array().unwrap().len(),
        done.out.lines().count()
    );
    assert_eq!(home.json(&["template", "show"])["version"], 1);
}

#[test]
fn rollback_stores_the_old_document_as_a_new_version() {
    let home = home();
    write(&home, &template(0.5, "Two"));
    home.ok(&["template", "apply", "new.json", "--yes"]);
    let done = home.run(&["template", "rollback", "1", "--yes"]);
    assert!(done.out.contains("\"Two\" becomes \"One\""), "{done:#?}");
    let shown = home.json(&["template", "show"]);
    assert_eq!(
        (&shown["version"], &shown["document"]),
        (&json!(3), &template(0.8, "One"))
    );
    let done = home.run(&["template", "rollback", "1", "--yes"]);
    assert!(done.err.contains("nothing to do"), "{done:#?}");
    let done = home.fails(&["template", "rollback", "9", "--yes"]);
    assert!(done.err.contains("nexus template history"), "{done:#?}");
}

#[test]
fn versions_are_compared_line_by_line() {
    let home = home();
    let done = home.fails(&["template", "diff"]);
    assert!(done.err.contains("version 1 is the first"), "{done:#?}");
    for (temperature, name) in [(0.5, "Two"), (0.5, "Three")] {
        write(&home, &template(temperature, name));
        home.ok(&["template", "apply", "new.json", "--yes"]);
    }
    let last = home.ok(&["template", "diff"]);
    assert!(
        last.contains("--- version 2") && last.contains("+++ version 3"),
        "{last}"
    );
    assert!(
        last.contains("-  app_name: Two\n+  app_name: Three"),
        "{last}"
    );
    assert!(!last.contains("0.8"), "{last}");
    let since = home.ok(&["template", "diff", "1"]);
    assert!(
        since.contains("-    temperature: 0.8") && since.contains("Three"),
        "{since}"
    );
    let first = home.json(&["template", "diff", "1", "2"]);
    assert_eq!((&first["from"], &first["to"]), (&json!(1), &json!(2)));
    let places = first["changes"].as_array().unwrap().iter();
    let places: Vec<_> = places.map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(
        places,
        ["/system/app_name", "/user_defaults/config/temperature"]
    );
    let done = home.run(&["template", "diff", "3", "3"]);
    assert!(
        done.out.is_empty() && done.err.contains("say the same"),
        "{done:#?}"
    );
    home.fails(&["template", "diff", "1", "7"]);
}

#[test]
fn what_is_applied_beside_a_running_server_is_in_force_soon() {
    let home = home();
    let server = home.serve();
    let (_, token) = home.member();
    for (version, temperature) in [(2, 0.5), (3, 0.6)] {
        write(&home, &template(temperature, "One"));
        home.ok(&["template", "apply", "new.json", "--yes", "--author", "Ada"]);
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            profile["template_version"] == version && profile["fields"][1]["value"] == temperature
        });
    }
    let log = server.log();
    let line = log.lines().find(|line| line.contains("version=3")).unwrap();
    assert!(line.contains("Ada") && line.contains("hash="), "{log}");
}

#[test]
fn an_edit_by_hand_that_cannot_be_used_leaves_the_last_good_template_in_force() {
    let home = home();
    let server = home.serve();
    let (_, token) = home.member();
    let ready = |is: &dyn Fn(&Value) -> bool| {
        soon(&server.address, "/readyz", &token, is);
    };
    let shell = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
    let edit = |doc: &str| {
        shell
            .execute("UPDATE configurations SET doc = ?1", [doc])
            .unwrap();
    };
    let profile = || http::get(&server.address, "/api/v1/profile", Some(&token)).1;

    let mut broken = template(0.5, "Broken");
    broken["user_defaults"]["config"]["model"] = json!("gone");
    broken["system"]["max_tool_iterations"] = json!(99);
    edit(&broken.to_string());
    ready(&|it| {
        let reasons = it["reasons"].to_string();
        it["status"] == "degraded"
            && reasons.contains("/user_defaults/config/model")
            && reasons.contains("/system/max_tool_iterations")
    });
    assert_eq!(
        (&profile()["app_name"], &profile()["fields"][1]["value"]),
        (&json!("One"), &json!(0.8))
    );
    assert!(server.log().contains("the last good one stays in force"));

    edit("[1]");
    ready(&|it| {
        it["status"] == "degraded" && it["reasons"].to_string().contains("could not be read")
    });
    assert_eq!(profile()["app_name"], "One");

    // A later good one heals it, by hand and by command.
    edit(&template(0.4, "By hand").to_string());
    ready(&|it| it["status"] == "ready" && it["template"]["version"] == 2);
    assert_eq!(profile()["app_name"], "By hand");
    let newest = home.json(&["template", "history"])[0].clone();
    assert_eq!(newest["author"], "an edit in the database");
    edit(&broken.to_string());
    ready(&|it| it["status"] == "degraded");
    write(&home, &template(0.3, "Healed"));
    home.ok(&["template", "apply", "new.json", "--yes"]);
    ready(&|it| it["status"] == "ready" && it["template"]["version"] == 3);
    assert_eq!(profile()["app_name"], "Healed");
}

#[test]
fn an_admin_token_reaches_the_template_and_another_does_not() {
    let home = home();
    let server = home.serve();
    let (key, personal) = home.member();
    let path = "/api/v1/admin/template";
    let (status, refused) = http::get(&server.address, path, Some(&personal));
    assert_eq!(
        (status, &refused["error"]["code"]),
        (403, &json!("not_an_admin"))
    );

    let minted = home.run(&["identity", "token", &key, "--admin"]);
    assert!(
        minted.err.contains("can also change the template"),
        "{minted:#?}"
    );
    let admin = minted.out.trim();
    let (status, shown) = http::get(&server.address, path, Some(admin));
    assert_eq!((status, &shown["document"]), (200, &template(0.8, "One")));
    let body = json!({"document": template(0.5, "One"), "expected_version": 1});
    let (status, refused) = http::put(&server.address, path, admin, &body);
    assert_eq!(
        (status, &refused["error"]["code"]),
        (401, &json!("signature_required"))
    );
    let person = (&home.key_of(&key), admin);
    let (status, changed) = http::put_signed(&server.address, path, person, &body);
    assert_eq!((status, &changed["version"]), (200, &json!(2)), "{changed}");
    assert_eq!(home.json(&["template", "history"])[0]["author"], json!(key));
    let recorded = &home.json(&["audit", "list", "--limit", "1"])[0];
    assert_eq!(recorded["action"], "template");
    assert_eq!(recorded["actor"], json!(key));
    assert!(recorded["signature"].is_string(), "{recorded}");
}
