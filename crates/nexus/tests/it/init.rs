//! `nexus init`: safe to run again, and never over somebody's work.

use std::fs;

use serde_json::json;

use crate::program::{Home, repository};
use crate::provider::{self, SlowProvider};

fn shipped() -> String {
    fs::read_to_string(repository("config.example.yml")).unwrap()
}

#[test]
fn init_can_be_run_again_and_again() {
    let home = Home::new();
    let first = home.json(&["init"]);
    assert_eq!(
        first,
        json!({"environment": "development", "version": 1, "changed": true})
    );
    let again = home.json(&["init"]);
    assert_eq!(
        again,
        json!({"environment": "development", "version": 1, "changed": false})
    );
    let said = home.run(&["init"]);
    assert!(
        said.err.contains("already up to date") && said.out.is_empty(),
        "{said:#?}"
    );
}

#[test]
fn each_environment_has_its_own_template() {
    let home = Home::new();
    home.ok(&["init", "--environment", "production"]);
    let done = home.fails(&["template", "show"]);
    assert!(
        done.err.contains("nexus init --environment development"),
        "{done:#?}"
    );
    let shown = home.ok(&["template", "show", "--environment", "production"]);
    assert!(shown.contains("${GEMINI_API_KEY}"), "{shown}");
}

#[test]
fn a_new_template_from_files_shows_what_changes_and_becomes_a_new_version() {
    let home = Home::new();
    home.ok(&["init"]);
    home.write(
        "mine.yml",
        &shipped().replace("app_name: Nexus", "app_name: Our house"),
    );
    home.write("words/persona.md", "You are Ada.\n");
    home.write("words/system.md", "Rules.\n");
    home.write("words/tools.md", "Tools.\n");
    let done = home.run(&["init", "--config", "mine.yml", "--prompts", "words"]);
    assert_eq!(done.code, Some(0), "{done:#?}");
    for line in [
        "-  app_name: Nexus",
        "+  app_name: Our house",
        "You are Ada.",
    ] {
        assert!(done.out.contains(line), "{line}: {done:#?}");
    }
    assert!(done.err.contains("version 2"), "{done:#?}");
}

#[test]
fn an_edited_template_stays_unless_force_says_otherwise() {
    let home = Home::new();
    home.ok(&["init"]);
    edit(&home, "app_name", "Edited by hand");
    let done = home.fails(&["init"]);
    assert!(
        done.out.contains("-  app_name: Edited by hand"),
        "{done:#?}"
    );
    assert!(
        done.err.contains("hint: ") && done.err.contains("--force"),
        "{done:#?}"
    );
    assert!(home.ok(&["template", "show"]).contains("Edited by hand"));

    home.ok(&["init", "--force"]);
    let now = home.json(&["template", "show"]);
    assert_eq!(now["version"], 2);
    assert_eq!(now["document"]["system"]["app_name"], "Nexus");
    home.ok(&["init"]);
}

#[test]
fn the_default_model_is_chosen_once_and_then_stays() {
    let home = Home::new();
    home.ok(&["init", "--default-model", "deepseek-chat"]);
    let default = |home: &Home| {
        home.json(&["template", "show"])["document"]["user_defaults"]["config"]["model"].clone()
    };
    assert_eq!(default(&home), "deepseek-chat");
    // Nothing but echo can be reached here, and that is no reason to change it.
    assert_eq!(home.json(&["init"])["changed"], false);
    assert_eq!(default(&home), "deepseek-chat");
    home.ok(&["init", "--default-model", "echo"]);
    assert_eq!(default(&home), "echo");
}

#[test]
fn the_first_model_that_can_be_reached_becomes_the_default() {
    let provider = SlowProvider::start();
    let catalog = "hosted: { provider: hosted, id: slow-1 }\n    \
                   other: { provider: local, id: not-listed }\n    \
                   local: { provider: local, id: auto }";
    let template = provider::template(&provider.base_url, catalog, "hosted").replace(
        "providers:\n",
        &format!(
            "providers:\n    hosted: {{ base_url: \"{}\", api_key: \"${{HOSTED_KEY}}\" }}\n",
            provider.base_url
        ),
    );
    let default = |key: Option<&str>| {
        let home = Home::new();
        home.write("mine.yml", &template);
        let site = provider.base_url.replace("http://", "").replace("/v1", "");
        home.write(
            "nexus.yml",
            &format!("secrets: {{ HOSTED_KEY: [\"{site}\"] }}"),
        );
        let mut command = home.command(&["init", "--config", "mine.yml"]);
        if let Some(key) = key {
            command.env("HOSTED_KEY", key);
        }
        assert!(command.output().unwrap().status.success());
        home.json(&["template", "show"])["document"]["user_defaults"]["config"]["model"].clone()
    };
    assert_eq!(default(None), "local");
    assert_eq!(default(Some("a-key")), "hosted");
}

#[test]
fn mistakes_are_all_named_and_nothing_is_stored() {
    let home = Home::new();
    let broken = shipped()
        .replace("provider: deepseek", "provider: deepsek")
        .replace("content_file: persona.md", "content_file: nowhere.md");
    home.write("broken.yml", &broken);
    let done = home.fails(&["init", "--config", "broken.yml"]);
    for place in [
        "/llm/catalog/deepseek-chat/provider",
        "/llm/catalog/deepseek-reasoner/provider",
        "/user_defaults/prompts/persona/content_file",
    ] {
        assert!(done.err.contains(place), "{place}: {done:#?}");
    }
    home.fails(&["template", "show"]);
}

/// Changes the stored template as somebody with a database shell would.
fn edit(home: &Home, key: &str, value: &str) {
    let database = rusqlite::Connection::open(home.path("data/nexus.db")).unwrap();
    let sql = format!("UPDATE configurations SET doc = json_set(doc, '$.system.{key}', ?1)");
    assert_eq!(database.execute(&sql, [value]).unwrap(), 1);
}
