//! The specification, line by line: options of fields, unknown keys, metadata, administration.

use serde_json::{Value, json};

use crate::http::{get, put_signed};
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
    assert_eq!(profile(&server, &token)["notices"], json!([]));
}
