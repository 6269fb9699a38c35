//! The specification, line by line: options of fields, unknown keys, metadata, administration.

use serde_json::{Value, json};

use crate::http::{delete, delete_signed, get, put, put_signed, send_as, soon};
use crate::program::{Home, Server};

/// A development template with one built-in model and these parts of `ui`.
fn template(field_options: &Value) -> Value {
    json!({
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {"echo": {"provider": "builtin", "id": "echo", "aliases": ["Mirror"]}},
        },
        "user_defaults": {
            "config": {"model": "echo", "temperature": 0.8},
            "prompts": {
                "persona": {"content": "Be kind.", "editable": true, "order": 1},
                "tone": {"content": "brief", "editable": true, "order": 2},
            },
        },
        "ui": {
            "editable_fields": ["config.model", "config.temperature", "prompts.persona", "prompts.tone"],
            "field_options": field_options,
        },
    })
}

fn apply(home: &Home, template: &Value, more: &[&str]) -> crate::program::Done {
    if !home.path("data").exists() {
        home.ok(&["init"]);
    }
    home.write("template.json", &template.to_string());
    home.run(&[&["template", "apply", "template.json", "--yes"], more].concat())
}

fn profile(server: &Server, token: &str) -> Value {
    let (status, profile) = get(&server.address, "/api/v1/profile", Some(token));
    assert_eq!(status, 200, "{profile}");
    profile
}

fn field<'a>(profile: &'a Value, name: &str) -> &'a Value {
    let fields = profile["fields"].as_array().unwrap();
    fields.iter().find(|it| it["field"] == name).unwrap()
}

/// M4: options of prompts are checked when a template is applied, each mistake with its pointer.
#[test]
fn options_of_prompts_are_checked() {
    let home = Home::new();
    for (options, place) in [
        (json!({"type": "banana"}), "prompts.persona/type"),
        (json!({"type": "slider"}), "prompts.persona/type"),
        (json!({"type": "select"}), "prompts.persona/options"),
        (
            json!({"type": "select", "options": [1]}),
            "prompts.persona/options/0",
        ),
        (json!({"max_length": "long"}), "prompts.persona/max_length"),
        (json!({"label": {"en": "Persona"}}), "prompts.persona/label"),
        (json!("textarea"), "prompts.persona"),
    ] {
        let done = apply(&home, &template(&json!({"prompts.persona": options})), &[]);
        assert_eq!(done.code, Some(1), "{options}: {done:?}");
        let pointer = format!("/ui/field_options/{place}:");
        assert!(done.out.contains(&pointer), "{pointer}: {done:?}");
    }
    let good =
        json!({"prompts.persona": {"type": "textarea", "label": "Persona", "max_length": 40}});
    assert_eq!(apply(&home, &template(&good), &[]).code, Some(0));
}

/// M4: limits of prompts hold when a value is written, and again when a stored one is read; the page
/// is told the control, its words and its options.
#[test]
fn limits_of_prompts_hold() {
    let home = Home::new();
    let open = apply(&home, &template(&json!({})), &[]);
    assert_eq!(open.code, Some(0), "{open:?}");
    let (key, token) = home.member();
    let long = "ä".repeat(21);
    home.ok(&["prompt", "set", &key, "persona", &long]);
    home.ok(&["prompt", "set", &key, "tone", "verbose"]);
    let limits = json!({
        "prompts.persona": {"type": "text", "label": "Persona", "description": "How it speaks", "max_length": 20},
        "prompts.tone": {"type": "select", "options": ["brief", "long", ""]},
        "config.model": {"type": "select", "label": "Model", "options": ["Mirror"]},
    });
    let narrow = apply(&home, &template(&limits), &[]);
    assert_eq!(narrow.code, Some(0), "{narrow:?}");
    assert!(
        narrow.out.contains("prompts.persona, prompts.tone"),
        "{narrow:?}"
    );

    let server = home.serve();
    let told = profile(&server, &token);
    assert_eq!(
        told["field_options"],
        json!({
            "prompts.persona": {"type": "text", "label": "Persona", "description": "How it speaks", "max_length": 20},
            "prompts.tone": {"type": "select", "options": ["brief", "long", ""]},
            "config.model": {"type": "select", "label": "Model", "options": ["echo"]},
        })
    );
    assert_eq!(field(&told, "prompts.persona")["value"], "Be kind.");
    assert_eq!(field(&told, "prompts.persona")["bounds"]["max_length"], 20);
    assert_eq!(field(&told, "prompts.tone")["value"], "brief");
    let notices = told["notices"].as_array().unwrap();
    for name in ["prompts.persona", "prompts.tone"] {
        let about = notices.iter().find(|it| it["field"] == name);
        assert_eq!(about.unwrap()["code"], "out_of_bounds", "{notices:?}");
    }
    for (name, good, bad) in [
        ("persona", "ä".repeat(20), long),
        ("tone", String::new(), "Long".to_owned()),
    ] {
        let path = format!("/api/v1/profile/prompts.{name}");
        let person = (&home.key_of(&key), token.as_str());
        let body = json!({"value": bad});
        let (status, refused) = put_signed(&server.address, &path, person, &body);
        assert_eq!(status, 422, "{refused}");
        assert_eq!(refused["error"]["code"], "out_of_bounds", "{refused}");
        assert_eq!(
            refused["error"]["field"],
            format!("prompts.{name}"),
            "{refused}"
        );
        let refused = home.fails(&["prompt", "set", &key, name, &bad]);
        assert!(
            refused.err.contains(&format!("prompts.{name} must be")),
            "{refused:?}"
        );
        home.ok(&["prompt", "set", &key, name, &good]);
    }
    soon(&server.address, "/api/v1/profile", &token, |told| {
        told["notices"] == json!([])
    });
}

/// Puts something into the stored maps of a person, as an administrator of the original did by hand.
fn store(home: &Home, key: &str, config: &Value, prompts: &Value) {
    let file = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
    let sql = "UPDATE identities SET config_overrides = ?1, prompt_overrides = ?2";
    let changed = file.execute(sql, [config.to_string(), prompts.to_string()]);
    assert_eq!(changed.unwrap(), 1, "{key} is the only one");
}

/// M6: stored keys that name no field are kept, never sent, and named in a notice.
#[test]
fn unknown_override_keys_are_named() {
    let home = Home::new();
    let (key, token) = home.member();
    let config = json!({"temprature": 0.1, "": 1, "Model": "echo"});
    store(
        &home,
        &key,
        &config,
        &json!({"Persona": "A pirate.", "$where": "1"}),
    );
    let server = home.serve();
    let told = profile(&server, &token);
    let notices = told["notices"].as_array().unwrap();
    for name in [
        "config.temprature",
        "config.",
        "config.Model",
        "prompts.Persona",
        "prompts.$where",
    ] {
        let about = notices.iter().find(|it| it["field"] == name);
        let about = about.unwrap_or_else(|| panic!("{name}: {notices:?}"));
        assert_eq!(about["code"], "unknown_field");
    }
    let shown = home.json(&["identity", "show", &key]);
    assert_eq!(shown["config_overrides"]["temprature"], Value::Null);
    let text = home.ok(&["config", "explain", &key]);
    assert!(text.contains("config.temprature"), "{text}");
}

/// M6: a stored key that names no field is removed by its owner, by the name that the notice shows,
/// and everything beside it stays.
#[test]
fn unknown_override_keys_are_removed_by_their_owner() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, token) = home.member();
    let config = json!({"temprature": 0.1, "": 1, "a.\"b": 2, "temperature": 0.3, "kept": 1});
    let prompts = json!({"Persona": "A pirate.", "$where": "1"});
    store(&home, &key, &config, &prompts);
    home.ok(&["config", "unset", &key, "temprature"]);
    home.ok(&["prompt", "unset", &key, "$where"]);
    let refused = home.fails(&["config", "unset", &key, "temprature"]);
    assert!(refused.err.contains("no \"temprature\""), "{refused:?}");

    let server = home.serve();
    let address = format!("http://{}", server.address);
    let file = home.path(&format!("data/keys/{key}.key"));
    home.ok(&["login", &address, "--key", &file.display().to_string()]);
    home.ok(&["command", "config.unset", "a.\"b"]);
    home.ok(&["command", "prompt.unset", "Persona"]);
    let person = (&home.key_of(&key), token.as_str());
    let path = "/api/v1/profile/config.";
    let (status, refused) = delete(&server.address, path, &token);
    assert_eq!(
        (status, &refused["error"]["code"]),
        (401, &json!("signature_required"))
    );
    let (status, removed) = delete_signed(&server.address, path, person);
    assert_eq!(status, 200, "{removed}");
    assert_eq!(removed["data"], json!({"field": "config.", "now": null}));
    for path in ["config.temprature", "Persona", "prompts.Persona", "kept%20"] {
        let path = format!("/api/v1/profile/{path}");
        let (status, refused) = delete_signed(&server.address, &path, person);
        assert_eq!(status, 422, "{path} {refused}");
        assert_eq!(refused["error"]["code"], "unknown_field", "{refused}");
    }
    let told = profile(&server, &token);
    let notices = told["notices"].as_array().unwrap();
    let about: Vec<_> = notices.iter().map(|notice| &notice["field"]).collect();
    assert_eq!(about, ["config.kept"]);
    assert_eq!(field(&told, "config.temperature")["value"], 0.3);
    let record = home.ok(&["audit", "list"]);
    assert!(record.contains("config.temprature"), "{record}");
}

/// M6: a person sets and unsets their time zone, on the machine, by a command and over HTTP; only
/// names of the database are taken, and the tool tells the time there.
#[test]
fn a_person_sets_their_time_zone() {
    let home = Home::new();
    let (key, token) = home.member();
    let file = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
    let sql = "UPDATE identities SET metadata = '{\"note\": \"by hand\"}'";
    assert_eq!(file.execute(sql, []).unwrap(), 1);
    drop(file);
    let on_the_machine = |more: &[&str]| {
        let words = [&["identity", "time-zone", key.as_str()], more].concat();
        home.ok(&words).trim().to_owned()
    };
    assert_eq!(on_the_machine(&[]), "UTC");
    on_the_machine(&["Europe/Berlin"]);
    assert_eq!(on_the_machine(&[]), "Europe/Berlin");
    for odd in ["Berlin", "../../etc/passwd", "", "europe/berlin"] {
        let refused = home.fails(&["identity", "time-zone", &key, odd]);
        assert!(refused.err.contains("such as Europe/Berlin"), "{refused:?}");
    }

    let server = home.serve();
    assert_eq!(profile(&server, &token)["time_zone"], "Europe/Berlin");
    let person = (&home.key_of(&key), token.as_str());
    let path = "/api/v1/profile/time_zone";
    let body = json!({"value": "Asia/Tokyo"});
    let (status, refused) = put(&server.address, path, &token, &body);
    assert_eq!(
        (status, &refused["error"]["code"]),
        (401, &json!("signature_required"))
    );
    let (status, set) = put_signed(&server.address, path, person, &body);
    assert_eq!(status, 200, "{set}");
    assert_eq!(set["command"], "time_zone.set");
    assert_eq!(set["data"], json!({"time_zone": "Asia/Tokyo"}));
    assert_eq!(profile(&server, &token)["time_zone"], "Asia/Tokyo");
    for odd in [json!("Tokyo"), json!(9), json!(null), json!(["UTC"])] {
        let body = json!({"value": odd});
        let (status, refused) = put_signed(&server.address, path, person, &body);
        assert_eq!(status, 422, "{odd} {refused}");
        assert_eq!(refused["error"]["code"], "wrong_type", "{refused}");
    }
    let (status, unset) = delete_signed(&server.address, path, person);
    assert_eq!((status, &unset["data"]), (200, &json!({"time_zone": null})));
    let address = format!("http://{}", server.address);
    let file = home.path(&format!("data/keys/{key}.key"));
    home.ok(&["login", &address, "--key", &file.display().to_string()]);
    home.ok(&["command", "time_zone.set America/New_York"]);
    assert_eq!(profile(&server, &token)["time_zone"], "America/New_York");
    let shown = home.json(&["identity", "show", &key]);
    assert_eq!(
        shown["metadata"],
        json!({"note": "by hand", "time_zone": "America/New_York"})
    );
    home.ok(&["command", "time_zone.unset"]);
    assert_eq!(profile(&server, &token)["time_zone"], Value::Null);
    assert_eq!(on_the_machine(&[]), "UTC");
}

/// M6: null, or a list in place of an object, is refused by every route that writes, with the name
/// of the field, and never with 500.
#[test]
fn null_in_a_body_is_refused_by_name() {
    let home = Home::new();
    let (_, token) = home.member();
    let server = home.serve();
    let execute = "/api/v1/commands/execute";
    let mut refused = 0;
    for (method, path, name, good) in [
        ("POST", "/api/v1/chat", "content", json!({})),
        ("POST", "/api/v1/chat", "config", json!({"content": "Hi"})),
        (
            "POST",
            "/api/v1/chat",
            "config_overrides",
            json!({"content": "Hi"}),
        ),
        ("POST", execute, "command", json!({"arguments": {}})),
        ("POST", execute, "arguments", json!({"command": "ping"})),
        ("PUT", "/api/v1/profile/temperature", "value", json!({})),
        ("PUT", "/api/v1/profile/model", "value", json!({})),
        ("PUT", "/api/v1/profile/tools", "value", json!({})),
        ("PUT", "/api/v1/profile/time_zone", "value", json!({})),
        ("PUT", "/api/v1/profile/prompts.persona", "value", json!({})),
        ("DELETE", "/api/v1/profile/temperature", "value", json!({})),
        ("POST", "/api/v1/keys", "name", json!({})),
        ("POST", "/api/v1/keys", "scopes", json!({"name": "k"})),
        ("POST", "/api/v1/keys", "models", json!({"name": "k"})),
        ("POST", "/api/v1/keys", "days", json!({"name": "k"})),
        ("POST", "/api/v1/identity", "public_key", json!({})),
        (
            "POST",
            "/api/v1/auth/verify",
            "message",
            json!({"signature": "0x"}),
        ),
        (
            "POST",
            "/v1/chat/completions",
            "messages",
            json!({"model": "echo"}),
        ),
    ] {
        for odd in [Value::Null, json!([null]), json!([{"name": "x"}])] {
            let mut body = good.clone();
            body[name] = odd;
            let (status, answer) = send_as(&server.address, method, path, &token, &body);
            let case = format!("{method} {path} {body}: {status} {answer}");
            assert!((400..500).contains(&status) && status != 401, "{case}");
            let error = &answer["error"];
            let place = error["field"].as_str().or(error["param"].as_str());
            let words = error["message"].as_str().unwrap();
            let named = place.unwrap_or_default().contains(name) || words.contains(name);
            // A prompt is named by what its command calls it.
            assert!(named || words.contains("content"), "{case}");
            refused += 1;
        }
        for odd in [json!(null), json!([good]), json!([null])] {
            let (status, answer) = send_as(&server.address, method, path, &token, &odd);
            let case = format!("{method} {path} {odd}: {status} {answer}");
            assert!((400..500).contains(&status) && status != 401, "{case}");
            assert!(answer["error"]["message"].is_string(), "{case}");
            refused += 1;
        }
    }
    assert_eq!(refused, 18 * 6);
    let (status, _) = get(&server.address, "/livez", None);
    assert_eq!(status, 200);
}

/// C6: a dry run tells by its exit code that something would change, where it is asked to.
#[test]
fn a_dry_run_tells_a_difference_by_its_exit_code() {
    let home = Home::new();
    assert_eq!(apply(&home, &template(&json!({})), &[]).code, Some(0));
    let dry = |more: &[&str]| {
        let words = ["template", "apply", "template.json", "--dry-run"];
        home.run(&[&words, more].concat()).code
    };
    assert_eq!(dry(&["--exit-code"]), Some(0));
    let mut changed = template(&json!({}));
    changed["user_defaults"]["config"]["temperature"] = json!(0.7);
    home.write("template.json", &changed.to_string());
    assert_eq!(dry(&["--exit-code"]), Some(3));
    assert_eq!(dry(&["--exit-code", "--json"]), Some(3));
    assert_eq!(dry(&[]), Some(0));
    home.write("template.json", "{");
    assert_eq!(dry(&["--exit-code"]), Some(1));
    let without = home.run(&["template", "apply", "template.json", "--exit-code"]);
    assert_eq!(without.code, Some(2), "{without:?}");
}

/// M6: a file that says for which environment it is, and is stored for another, is told so by name.
#[test]
fn a_template_for_another_environment_is_named() {
    let home = Home::new();
    let mut document = template(&json!({}));
    document["environment"] = json!("production");
    let done = apply(&home, &document, &[]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let said = format!("{}{}", done.out, done.err);
    assert!(
        said.contains("/environment: found \"production\""),
        "{said}"
    );
    assert!(said.contains("expected development"), "{said}");
    document["user_defaults"]["config"]["temperature"] = json!(0.7);
    let right = apply(&home, &document, &["--environment", "production"]);
    assert!(!right.err.contains("/environment"), "{right:?}");
}

/// M6: `/config` alone shows the settings.
#[test]
fn config_alone_shows_the_settings() {
    let home = Home::new();
    let (key, _) = home.member();
    let chat = home.run_with(&["chat", &key], "/config\n");
    assert_eq!(chat.code, Some(0), "{chat:?}");
    for field in ["config.model", "config.temperature", "config.max_tokens"] {
        assert!(chat.out.contains(field), "{chat:?}");
    }
}

/// M6: `explain` at a server tells what is hidden and what is locked, as on the machine.
#[test]
fn explain_at_a_server_tells_what_is_hidden_and_locked() {
    let home = Home::new();
    let open = apply(
        &home,
        &template(&json!({"config.temperature": {"min": 0, "max": 1}})),
        &[],
    );
    assert_eq!(open.code, Some(0), "{open:?}");
    let (key, _) = home.member();
    home.ok(&["config", "set", &key, "temperature", "0.3"]);
    let server = home.serve();
    let address = format!("http://{}", server.address);
    let file = home.path(&format!("data/keys/{key}.key"));
    home.ok(&["login", &address, "--key", &file.display().to_string()]);
    let told = home.ok(&["command", "explain"]);
    for part in [
        "HIDES",
        "0.8 (genesis)",
        "0 to 1",
        "locked: the template does not list it",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
}

/// M7: nobody who waits or is locked out is made an administrator, and the command says what to do.
#[test]
fn only_a_member_is_made_an_administrator() {
    let home = Home::new();
    let (key, _) = home.member();
    for (standing, command) in [("pending", "approve"), ("disabled", "enable")] {
        let file = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
        let sql = "UPDATE identities SET standing = ?1";
        assert_eq!(file.execute(sql, [standing]).unwrap(), 1);
        drop(file);
        let refused = home.fails(&["admin", "grant", &key]);
        let hint = format!("nexus identity {command} {key}");
        assert!(refused.err.contains(&hint), "{refused:?}");
        assert_eq!(home.json(&["admin", "list"]), json!([]));
        home.ok(&["identity", command, &key]);
    }
    home.ok(&["admin", "grant", &key]);
    assert_eq!(home.json(&["admin", "list"])[0]["public_key"], key);
}

/// D9: `identity new` names the address of this server, whatever is configured.
#[test]
fn a_new_identity_is_told_the_address_of_this_server() {
    for (settings, address) in [
        ("listen: 127.0.0.1:8765\n", "http://127.0.0.1:8765/api"),
        ("listen: 0.0.0.0:9000\n", "http://127.0.0.1:9000/api"),
        (
            "public_origin: https://nexus.example.org\n",
            "https://nexus.example.org/api",
        ),
        ("data: data\n", "http://127.0.0.1:8000/api"),
    ] {
        let home = Home::new();
        home.write("nexus.yml", settings);
        let made = home.run(&["identity", "new"]);
        assert!(made.err.contains(address), "{settings}: {made:?}");
    }
}

/// D9: a chat with two identities names them.
#[test]
fn a_chat_with_two_identities_names_them() {
    let home = Home::new();
    let (one, _) = home.member();
    let (other, _) = home.member();
    home.serve().kill();
    let asked = home.run_with(&["chat"], "Hello\n");
    assert_eq!(asked.code, Some(1), "{asked:?}");
    for key in [one, other] {
        assert!(
            asked.err.contains(&format!("nexus chat {key}")),
            "{asked:?}"
        );
    }
}
