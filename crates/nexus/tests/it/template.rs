//! `nexus template check`: every mistake at once, without a store.

use std::fs;

use serde_json::Value;

use crate::program::{Home, repository};

#[test]
fn the_shipped_template_has_no_mistakes_and_no_warnings() {
    let home = Home::new();
    let shipped = repository("config.example.yml");
    let found = home.json(&["template", "check", shipped.to_str().unwrap()]);
    assert_eq!(found["problems"].as_array().unwrap().len(), 0, "{found}");
    assert_eq!(found["warnings"].as_array().unwrap().len(), 0, "{found}");
    assert!(!home.path("data").exists());
}

#[test]
fn ten_mistakes_are_ten_lines() {
    let home = Home::new();
    let mut broken = fs::read_to_string(repository("config.example.yml")).unwrap();
    for (right, wrong) in [
        ("log_level: INFO", "log_level: LOUD"),
        ("max_tool_iterations: 5", "max_tool_iterations: 500"),
        ("https://api.deepseek.com", "api.deepseek.com"),
        ("protocol: builtin", "protocol: telepathy"),
        ("provider: openrouter", "provider: closedrouter"),
        ("aliases: [OpenRouter]", "aliases: [echo]"),
        ("temperature: 1.0", "temperature: warm"),
        ("model: gemini-2.5-flash\n", "model: gemini-9\n"),
        ("order: 2", "order: second"),
        ("min: 16\n      max: 32768", "min: 16\n      max: 1"),
    ] {
        assert!(broken.contains(right), "{right}");
        broken = broken.replacen(right, wrong, 1);
    }
    home.write("broken.yml", &broken);
    let done = home.fails(&["template", "check", "broken.yml"]);
    for pointer in [
        "/system/log_level",
        "/system/max_tool_iterations",
        "/llm/providers/deepseek/base_url",
        "/llm/providers/builtin/protocol",
        "/llm/catalog/openrouter-auto/provider",
        "/llm/catalog/openrouter-auto/aliases/0",
        "/llm/catalog/deepseek-chat/default_params/temperature",
        "/user_defaults/config/model",
        "/user_defaults/prompts/system/order",
        "/ui/field_options/config.max_tokens",
    ] {
        assert!(done.out.contains(pointer), "{pointer}: {done:#?}");
    }
    assert_eq!(done.out.lines().count(), 10, "{done:#?}");
    assert!(done.err.contains("10 mistakes"), "{done:#?}");
    let done = home.run(&["template", "check", "broken.yml", "--json"]);
    let found: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(found["problems"].as_array().unwrap().len(), 10);
}

#[test]
fn a_file_that_is_no_template_is_explained() {
    let home = Home::new();
    home.write("list.yml", "- a\n- b\n");
    home.write("broken.yml", "llm: [\n");
    home.write("broken.json", "{\"llm\": }");
    for (file, words) in [
        ("list.yml", "not a template"),
        ("broken.yml", "cannot be understood"),
        ("broken.json", "line 1 column 9"),
        ("nowhere.yml", "cannot be read"),
    ] {
        let done = home.fails(&["template", "check", file]);
        assert!(done.err.contains(words), "{file}: {done:#?}");
    }
}

#[test]
fn what_is_shown_can_be_checked_and_stored_again() {
    let home = Home::new();
    home.ok(&["init"]);
    let shown = home.ok(&["template", "show"]);
    home.write("shown.yml", &shown);
    home.ok(&["template", "check", "shown.yml"]);
    assert_eq!(
        home.json(&["init", "--config", "shown.yml"])["changed"],
        false
    );
}

#[test]
fn a_key_in_clear_is_a_warning_and_is_never_shown() {
    let home = Home::new();
    let shipped = fs::read_to_string(repository("config.example.yml")).unwrap();
    home.write(
        "clear.yml",
        &shipped.replace("${DEEPSEEK_API_KEY}", "sk-in-clear"),
    );
    let done = home.run(&["init", "--config", "clear.yml"]);
    assert!(
        done.err.contains("/llm/providers/deepseek/api_key"),
        "{done:#?}"
    );
    let shown = home.run(&["template", "show"]);
    let json = home.run(&["template", "show", "--json"]);
    for said in [&done, &shown, &json] {
        assert!(!format!("{said:?}").contains("sk-in-clear"), "{said:#?}");
    }
}
