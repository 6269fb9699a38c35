//! Tools in the template and in what people set.

use nexus_core::policy::Refusal;
use nexus_core::profile::LayerValues;
use nexus_core::tools::Reach;
use nexus_core::{EffectiveProfile, Field, Layer};
use serde_json::{Value, json};

use crate::templates::{check, document, genesis, overrides};

fn with_servers(servers: Value) -> Value {
    let mut document = document();
    document["tools"]["mcp"] = servers;
    document
}

/// What is wrong with a row of `tools.mcp`.
fn problems(row: &Value) -> String {
    let checked = check(with_servers(json!({ "files": row })));
    checked.unwrap_err().to_string()
}

fn open() -> Value {
    let mut document = document();
    document["ui"]["editable_fields"] = json!(["config.tools"]);
    document
}

#[test]
fn a_server_is_a_program_of_the_settings_or_an_address() {
    let genesis = genesis(document());
    let [files, web] = genesis.tool_servers() else {
        panic!("two servers")
    };
    assert!(matches!(&files.reach, Reach::Stdio { command } if &**command == "files"));
    assert_eq!((files.timeout.as_secs(), web.timeout.as_secs()), (30, 5));
    assert!(
        matches!(&web.reach, Reach::Http { url, .. } if url.as_str() == "https://web.test/mcp")
    );
}

#[test]
fn a_template_never_says_which_program_is_started() {
    for row in [
        json!({ "stdio": ["sh", "-c", "id"] }),
        json!({ "stdio": "sh -c id" }),
        json!({ "stdio": "/bin/sh" }),
        json!({ "command": "sh", "args": ["-c", "id"] }),
    ] {
        let problems = problems(&row);
        assert!(problems.contains("/tools/mcp/files"), "{row}: {problems}");
    }
}

#[test]
fn a_key_of_a_server_is_a_variable_and_never_repeated() {
    for key in ["sk-secret", "Bearer ${KEY} sk-secret"] {
        let problems = problems(&json!({ "url": "https://a.test", "api_key": key }));
        assert!(problems.contains("/tools/mcp/files/api_key"), "{problems}");
        assert!(!problems.contains("sk-secret"), "{problems}");
    }
}

#[test]
fn mistakes_in_a_server_are_told_with_their_place() {
    for (row, place) in [
        (json!("https://a.test"), "/tools/mcp/files"),
        (json!({}), "/tools/mcp/files"),
        (
            json!({ "url": "https://a.test", "stdio": "files" }),
            "/tools/mcp/files",
        ),
        (
            json!({ "url": "file:///etc/passwd" }),
            "/tools/mcp/files/url",
        ),
        (
            json!({ "url": "https://me:pw@a.test" }),
            "/tools/mcp/files/url",
        ),
        (
            json!({ "stdio": "files", "api_key": "${KEY}" }),
            "/tools/mcp/files/api_key",
        ),
        (
            json!({ "stdio": "files", "timeout_seconds": 121 }),
            "/tools/mcp/files/timeout_seconds",
        ),
        (
            json!({ "url": "https://a.test", "api_key": "${KEY}", "api_key_header": "Mcp-Session-Id" }),
            "/tools/mcp/files/api_key_header",
        ),
        (
            json!({ "url": "https://a.test", "api_key_header": "X-Key" }),
            "/tools/mcp/files/api_key_header",
        ),
    ] {
        let problems = problems(&row);
        assert!(problems.contains(&format!("{place}:")), "{row}: {problems}");
    }
    for name in [
        "",
        "Files",
        "my_files",
        "a.b",
        "1a",
        "current_time",
        &"a".repeat(25),
    ] {
        let document = with_servers(json!({ name: { "stdio": "files" } }));
        assert!(check(document).is_err(), "{name}");
    }
}

#[test]
fn defaults_and_options_name_what_the_template_has() {
    let mut document = open();
    document["user_defaults"]["config"]["tools"] = json!(["files.read", "mail"]);
    document["ui"]["field_options"]["config.tools"] =
        json!({ "type": "multiselect", "options": ["files", "calendar"] });
    let problems = check(document).unwrap_err().to_string();
    assert!(
        problems.contains("/user_defaults/config/tools/1:"),
        "{problems}"
    );
    assert!(
        problems.contains("/ui/field_options/config.tools/options/1:"),
        "{problems}"
    );
}

#[test]
fn every_server_is_on_until_somebody_says_otherwise() {
    let plain = genesis(open());
    let profile = EffectiveProfile::resolve(&plain, &[]);
    assert_eq!(json!(profile.tools.value), json!(["files", "web"]));
    assert_eq!(profile.tools.layer, Layer::Builtin);

    let mut document = open();
    document["ui"]["field_options"]["config.tools"] =
        json!({ "options": ["current_time", "web.search"] });
    let profile = EffectiveProfile::resolve(&genesis(document), &[]);
    assert_eq!(json!(profile.tools.value), json!(["web.search"]));
    assert!(profile.notices.is_empty());
}

#[test]
fn names_that_lead_nowhere_are_left_out_and_said() {
    let genesis = genesis(open());
    let person = overrides(
        &json!({ "tools": ["files.read", "mail", "current_time.x"] }),
        &json!({}),
    );
    let profile = EffectiveProfile::resolve(&genesis, &[LayerValues::identity(&person)]);
    assert_eq!(json!(profile.tools.value), json!(["files.read"]));
    let notices: Vec<_> = profile.notices.iter().map(ToString::to_string).collect();
    assert_eq!(
        notices,
        [
            "there is no tool \"mail\" (set by identity): it is left out",
            "there is no tool \"current_time.x\" (set by identity): it is left out",
        ]
    );
    // Somebody who turned on only what is gone has nothing, and not suddenly everything.
    let person = overrides(&json!({ "tools": ["mail"] }), &json!({}));
    let profile = EffectiveProfile::resolve(&genesis, &[LayerValues::identity(&person)]);
    assert!(profile.tools.value.is_empty());
    assert_eq!(profile.tools.shadowed.len(), 1);
}

#[test]
fn a_list_that_could_never_take_effect_is_refused() {
    let mut document = open();
    document["ui"]["field_options"]["config.tools"] = json!({ "options": ["files.read", "web"] });
    let genesis = genesis(document);
    let field: Field = "config.tools".parse().unwrap();
    for (value, code) in [
        (json!(["web.search", "files.read"]), None),
        (json!([]), None),
        (json!(["mail"]), Some("unknown_tool")),
        (json!(["files"]), Some("tool_not_allowed")),
        (json!(["current_time"]), Some("tool_not_allowed")),
        (json!("files"), Some("wrong_type")),
        (json!([1]), Some("wrong_type")),
        (json!(vec!["web"; 101]), Some("wrong_type")),
    ] {
        let refusal = genesis.admit(&field, &value).err();
        assert_eq!(refusal.as_ref().map(Refusal::code), code, "{value}");
    }
}
