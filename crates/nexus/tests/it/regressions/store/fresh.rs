//! What another process has changed is used by the very next message.

use serde_json::json;

use crate::http;
use crate::program::Home;
use crate::regressions::provider::Provider;

fn home(base_url: &str) -> Home {
    let home = Home::new();
    let template = json!({
        "llm": {
            "providers": {"local": {"base_url": base_url, "api_key": "", "protocol": "openai"}},
            "catalog": {"calm": {"provider": "local", "id": "m"}},
        },
        "user_defaults": {
            "config": {"model": "calm", "temperature": 1.0},
            "prompts": {"persona": {"content": "You are Nexus.", "editable": true, "order": 1}},
        },
        "ui": {"editable_fields": ["config.temperature", "prompts.persona"]},
    });
    home.write("template.json", &template.to_string());
    home.ok(&[
        "init",
        "--config",
        "template.json",
        "--default-model",
        "calm",
    ]);
    home
}

/// D7: a setting that another process changed is used by the very next message, 25 of 25 times.
#[test]
fn the_very_next_message_uses_what_another_process_set() {
    let provider = Provider::start(|request| request.say("Yes.", 1, 1));
    let home = home(&provider.base_url);
    let (key, token) = home.member();
    let server = home.serve();
    http::chat(&server.address, &token, "Hello");
    let mut hits = 0;
    for round in 1..=25 {
        let temperature = f64::from(round) / 100.0;
        let persona = format!("You are number {round}.");
        // One of three kinds of change, each by a process of its own.
        match round % 3 {
            0 => home.ok(&[
                "config",
                "set",
                &key,
                "temperature",
                &temperature.to_string(),
            ]),
            1 => home.ok(&["prompt", "set", &key, "persona", &persona]),
            _ => home.ok(&["config", "unset", &key, "temperature"]),
        };
        http::chat(&server.address, &token, "Who are you?");
        let asked = provider.requests().pop().unwrap();
        let is_used = match round % 3 {
            0 => asked["temperature"] == temperature,
            1 => asked["messages"].to_string().contains(&persona),
            _ => asked["temperature"] == 1.0,
        };
        hits += u32::from(is_used);
    }
    assert_eq!(hits, 25);
    // And the last change of all.
    home.ok(&["identity", "disable", &key]);
    assert_ne!(
        http::get(&server.address, "/api/v1/profile", Some(&token)).0,
        200
    );
}
