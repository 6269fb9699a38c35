//! What another process has changed is used by the very next message, and nothing of a former life
//! is booked to a new one.

use std::sync::{Arc, Condvar, Mutex};

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

/// S13: what was used in a former life of a key is not booked to the new one.
#[test]
fn the_usage_of_a_former_life_is_not_booked_to_the_new_one() {
    let gate = Arc::new((Mutex::new((false, false)), Condvar::new()));
    let door = Arc::clone(&gate);
    let provider = Provider::start(move |request| {
        let (state, news) = &*door;
        let mut state = state.lock().unwrap();
        state.0 = true;
        news.notify_all();
        drop(news.wait_while(state, |(_, is_open)| !*is_open).unwrap());
        request.say("Late.", 1000, 500)
    });
    let home = home(&provider.base_url);
    let (key, token) = home.member();
    let server = home.serve();
    let mut answer = http::ask(&server.address, &token, "Hello");
    let (state, news) = &*gate;
    drop(
        news.wait_while(state.lock().unwrap(), |(has_come, _)| !*has_come)
            .unwrap(),
    );
    home.ok(&["identity", "delete", &key, "--yes"]);
    home.ok(&["identity", "new", &key]);
    state.lock().unwrap().1 = true;
    news.notify_all();
    while answer.event().is_some() {}
    // The run has ended, and what it used was booked before that.
    assert_eq!(server.stop("TERM"), Some(0));
    let usage = home.json(&["usage", &key]);
    assert_eq!(usage["usage"], json!([]), "{usage:#}");
}
