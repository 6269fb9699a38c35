//! What leaves the program, and what does not. `t16`, `t18` and `t19` are rows of the threat table.

use std::fs;
use std::io::ErrorKind;
use std::net::TcpListener;

use serde_json::{Value, json};

use crate::http;
use crate::program::{Home, finish, repository};
use crate::provider::{SlowProvider, template};

const CANARY: &str = "canary-91d2e7";
const VARIABLES: [(&str, &str); 3] = [
    ("AWS_SECRET_ACCESS_KEY", CANARY),
    ("GEMINI_API_KEY", CANARY),
    ("SECRET", CANARY),
];

/// A template that names a variable wherever a text may stand.
fn curious(name: &str) -> Value {
    json!({
        "system": {"app_name": name, "log_level": "DEBUG"},
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {
                "echo": {"provider": "builtin", "id": "echo", "aliases": [name]},
                "more": {"provider": "builtin", "id": name},
            },
        },
        "user_defaults": {
            "config": {"model": "echo"},
            "prompts": {"persona": {"content": format!("Say {name}"), "editable": true}},
        },
        "ui": {"editable_fields": ["config.model", "prompts.persona"]},
        "memory": {"note": name},
    })
}

#[test]
fn t16_no_variable_of_the_process_is_in_an_answer_a_log_or_the_database() {
    for name in [
        "${SECRET}",
        "${${SECRET}}",
        "${AWS_SECRET_ACCESS_KEY}",
        "${GEMINI_API_KEY}",
    ] {
        let home = Home::new();
        let mut said = Vec::new();
        let mut run = |arguments: &[&str]| {
            let mut command = home.command(arguments);
            let done = finish(command.envs(VARIABLES).spawn().unwrap());
            said.push(format!("{done:?}"));
            done.code
        };
        home.write("curious.json", &curious(name).to_string());
        for (place, value) in [("base_url", name), ("api_key", name)] {
            let mut hostile = curious(name);
            hostile["llm"]["providers"]["evil"] = json!({"base_url": "https://evil.test/v1"});
            hostile["llm"]["providers"]["evil"][place] = json!(value);
            home.write("hostile.json", &hostile.to_string());
            assert_eq!(run(&["template", "check", "hostile.json"]), Some(1));
            assert_eq!(run(&["init", "--config", "hostile.json"]), Some(1));
        }
        assert_eq!(run(&["init", "--config", "curious.json"]), Some(0));
        assert_eq!(run(&["template", "show"]), Some(0));
        assert_eq!(run(&["models"]), Some(0));
        let (key, token) = home.member();
        let admin = home.json(&["identity", "token", &key, "--admin"]);
        let admin = admin["token"].as_str().unwrap();
        let signer = home.key_of(&key);
        let server = home.serve_in(&["--log", "trace"], &VARIABLES);
        let events = http::chat(&server.address, &token, &format!("I say {name}"));
        assert!(http::text(&events).contains(name), "{events:?}");
        said.push(format!("{events:?}"));
        for path in [
            "/api/v1/profile",
            "/api/v1/messages",
            "/api/v1/models",
            "/readyz",
        ] {
            said.push(format!(
                "{:?}",
                http::get(&server.address, path, Some(&token))
            ));
        }
        let path = "/api/v1/admin/template";
        said.push(format!(
            "{:?}",
            http::get(&server.address, path, Some(admin))
        ));
        for place in ["base_url", "api_key"] {
            let mut hostile = curious(name);
            hostile["llm"]["providers"]["evil"] = json!({"base_url": "https://evil.test/v1"});
            hostile["llm"]["providers"]["evil"][place] = json!(name);
            let body = json!({"document": hostile, "expected_version": 1});
            let person = (&signer, admin);
            let (status, answer) = http::put_signed(&server.address, path, person, &body);
            assert_eq!(status, 422, "{answer:#}");
            said.push(answer.to_string());
        }
        said.push(server.report.clone());
        said.push(server.log());
        assert_eq!(server.stop("TERM"), Some(0));
        for said in said {
            assert!(!said.contains(CANARY), "{name}: {said}");
        }
        for file in fs::read_dir(home.path("data")).unwrap() {
            let path = file.unwrap().path();
            if path.is_file() {
                let bytes = fs::read(&path).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                assert!(!text.contains(CANARY), "{}", path.display());
            }
        }
    }
}

#[test]
fn t18_a_key_in_clear_is_a_mistake_in_production() {
    let home = Home::new();
    let shipped = fs::read_to_string(repository("config.example.yml")).unwrap();
    home.write(
        "clear.yml",
        &shipped.replace("${DEEPSEEK_API_KEY}", "sk-in-clear"),
    );
    let check = ["template", "check", "clear.yml", "--environment"];
    let development = home.run(&[&check[..], &["development"]].concat());
    assert!(development.err.contains("not pinned"), "{development:#?}");
    let production = home.fails(&[&check[..], &["production"]].concat());
    assert!(
        production.out.contains("/llm/providers/deepseek/api_key"),
        "{production:#?}"
    );
    assert!(!format!("{production:?}").contains("sk-in-clear"));
}

/// What `nexus models` says about the only model, for a server that everybody reaches.
fn status(home: &Home, listen: &str) -> String {
    let mut command = home.command(&["models", "--json"]);
    let done = finish(command.env("NEXUS_LISTEN", listen).spawn().unwrap());
    let models: Value = serde_json::from_str(&done.out).unwrap();
    models[0]["reason"].as_str().unwrap_or("ready").to_owned()
}

#[test]
fn t19_a_private_address_is_asked_when_the_settings_say_so() {
    let provider = SlowProvider::start();
    let site = provider.base_url.replace("http://", "").replace("/v1", "");
    let home = Home::new();
    home.write("mine.yml", &provider.template());
    home.ok(&["init", "--config", "mine.yml"]);
    assert_eq!(status(&home, "127.0.0.1:8000"), "ready");
    assert_eq!(
        status(&home, "0.0.0.0:8000"),
        format!(
            "not asked: 127.0.0.1 is this machine: to allow it, write `private_hosts: [\"{site}\"]` \
             in nexus.yml and start Nexus again"
        )
    );
    home.write("nexus.yml", &format!("private_hosts: [\"{site}\"]"));
    assert_eq!(status(&home, "0.0.0.0:8000"), "ready");
}

#[test]
fn t19_a_refused_address_is_an_error_in_a_chat_that_names_nothing_inside() {
    let home = Home::new();
    let rows = "meta: { provider: local, id: m }";
    home.write(
        "mine.yml",
        &template("http://169.254.169.254/v1", rows, "meta"),
    );
    home.write("nexus.yml", "private_hosts: [169.254.169.254]");
    home.ok(&["init", "--config", "mine.yml"]);
    let (_, token) = home.member();
    let server = home.serve();
    assert!(
        server.report.contains("Nexus never connects there"),
        "{}",
        server.report
    );
    let events = format!("{:?}", http::chat(&server.address, &token, "Hello"));
    assert!(events.contains("provider_address_refused"), "{events}");
    assert!(!events.contains("169.254"), "{events}");
    assert!(
        server.log().contains("169.254.169.254"),
        "the log is for operators"
    );
}

#[test]
fn t19_a_proxy_of_the_environment_is_not_asked() {
    let provider = SlowProvider::start();
    let proxy = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", proxy.local_addr().unwrap());
    let home = Home::new();
    home.write("mine.yml", &provider.template());
    home.ok(&["init", "--config", "mine.yml"]);
    let mut command = home.command(&["models", "--json"]);
    for name in [
        "http_proxy",
        "HTTP_PROXY",
        "https_proxy",
        "HTTPS_PROXY",
        "all_proxy",
        "ALL_PROXY",
    ] {
        command.env(name, &address);
    }
    let done = finish(command.spawn().unwrap());
    assert!(
        done.out.contains("\"reachable\": true") || done.out.contains("\"reachable\":true"),
        "{done:#?}"
    );
    proxy.set_nonblocking(true).unwrap();
    assert_eq!(proxy.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
}

#[test]
fn settings_that_cannot_be_meant_are_refused() {
    for (settings, said) in [
        ("secrets: { A_KEY: [\"*.example.org\"] }", "is not a server"),
        (
            "secrets: { A_KEY: [\"https://me@example.org\"] }",
            "is not a server",
        ),
        (
            "secrets: { A-KEY: [example.org] }",
            "is not the name of a variable",
        ),
        (
            "addresses: [GEMINI_API_KEY]",
            "cannot be one of the addresses",
        ),
        ("private_hosts: [\"10.0.0.0/8\"]", "is not a server"),
    ] {
        let home = Home::new();
        home.write("nexus.yml", settings);
        let done = home.fails(&["models"]);
        assert!(done.err.contains(said), "{settings}: {done:#?}");
    }
}
