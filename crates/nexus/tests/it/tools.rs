//! Tools on the command line, with a server that is a program.

use serde_json::{Value, json};

use crate::program::Home;

const SETTINGS: &str = "mcp_commands:\n  lab: [env, python3, ODD, grows]\n";

const SERVERS: &str = "
tools:
  mcp:
    lab: { stdio: lab }
    gone: { stdio: gone }
    far: { url: 'http://127.0.0.1:9/mcp' }
    inside: { url: 'http://10.0.0.7:9/mcp' }
";

/// A home with a server that is there and three that are not. The program may use `PATH`.
fn home() -> Home {
    let home = Home::new();
    let odd = nexus_test_support::mcp::odd_server();
    home.write(
        "nexus.yml",
        &SETTINGS.replace("ODD", &odd.to_string_lossy()),
    );
    home.ok(&["init"]);
    let template = home.ok(&["template", "show"]);
    home.write("tools.yml", &(template + SERVERS));
    home.ok(&["template", "apply", "tools.yml", "--yes"]);
    home
}

#[test]
fn tools_are_listed_with_what_is_away_and_why() {
    let home = home();
    let mut command = home.command(&["tools", "--json"]);
    let done = command.env("PATH", env!("PATH")).output().unwrap();
    let sources: Value = serde_json::from_slice(&done.stdout).unwrap();
    let told: Vec<_> = sources
        .as_array()
        .unwrap()
        .iter()
        .map(|it| {
            json!([
                it["name"],
                it["reachable"],
                it["reason"],
                it["tools"][0]["model_name"]
            ])
        })
        .collect();
    let gone = "mcp_commands of the settings file has no command named gone";
    assert_eq!(
        told,
        [
            json!(["current_time", true, null, "current_time"]),
            json!(["lab", true, null, "lab__first"]),
            json!(["gone", false, gone, null]),
            json!(["far", false, "nothing listens at its address", null]),
            json!([
                "inside",
                false,
                "Nexus may not connect to its address",
                null
            ]),
        ]
    );
    let advice = sources[4]["advice"].as_str().unwrap();
    assert!(
        advice.contains("write `private_hosts: [\"10.0.0.7:9\"]` in nexus.yml"),
        "{advice}"
    );
}

#[test]
fn a_person_chooses_tools_by_name() {
    let home = home();
    let (key, _) = home.member();
    home.ok(&["config", "set", &key, "tools", "current_time, lab.first"]);
    let tools = home.json(&["config", "get", &key, "tools"]);
    assert_eq!(tools["config.tools"], json!(["current_time", "lab.first"]));
    let explained = home.ok(&["config", "explain", &key, "tools"]);
    assert!(explained.contains("current_time, lab.first"), "{explained}");
    assert!(explained.contains("lab, gone, far, inside"), "{explained}");

    let done = home.fails(&["config", "set", &key, "tools", "mail"]);
    assert!(done.err.contains("there is no tool \"mail\""), "{done:#?}");
    home.ok(&["config", "set", &key, "tools", ""]);
    assert_eq!(
        home.json(&["config", "get", &key, "tools"])["config.tools"],
        json!([])
    );
    home.ok(&["config", "unset", &key, "tools"]);
    let tools = home.json(&["config", "get", &key, "tools"]);
    assert_eq!(
        tools["config.tools"],
        json!(["lab", "gone", "far", "inside"])
    );
}

#[test]
fn the_settings_say_which_program_and_nobody_else() {
    let home = Home::new();
    home.write("nexus.yml", "mcp_commands:\n  files: []\n");
    let done = home.fails(&["models"]);
    assert!(
        done.err.contains("mcp_commands.files names no program"),
        "{done:#?}"
    );
}
