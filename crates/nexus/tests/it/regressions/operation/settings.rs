//! Settings, levels of the log, names of the server, and what goes over the wire.

use crate::http;
use crate::program::{Home, repository};

/// M3: the `.env` file of the working folder is weaker than the environment and stronger than the
/// settings file, and the report says what named the data.
#[test]
fn a_dot_env_file_stands_between_the_environment_and_the_settings_file() {
    let home = Home::new();
    home.write("nexus.yml", "data: from-file\n");
    let report = home.serve().report.clone();
    assert!(
        report.contains("from-file/nexus.db (from nexus.yml)"),
        "{report}"
    );
    home.write(".env", "# ours\nexport NEXUS_DATA='from-env-file'\n");
    let report = home.serve().report.clone();
    assert!(
        report.contains("from-env-file/nexus.db (from NEXUS_DATA in .env)"),
        "{report}"
    );
    let report = home
        .serve_in(&[], &[("NEXUS_DATA", "from-variable")])
        .report
        .clone();
    assert!(
        report.contains("from-variable/nexus.db (from NEXUS_DATA)"),
        "{report}"
    );
    let flag = ["--data", "from-flag"];
    let report = home
        .serve_in(&flag, &[("NEXUS_DATA", "ignored")])
        .report
        .clone();
    assert!(
        report.contains("from-flag/nexus.db (from --data)"),
        "{report}"
    );
}

/// M3: `MONGO_URI` of a `.env` file names the database, whose password is not repeated, and keys of
/// providers are found there.
#[test]
fn a_dot_env_file_names_the_database_and_the_keys_of_providers() {
    let home = Home::new();
    home.write(".env", "GEMINI_API_KEY=AIza-of-the-file\n");
    let server = home.serve();
    assert!(
        !server.report.contains("set GEMINI_API_KEY"),
        "{}",
        server.report
    );
    assert!(!server.report.contains("of-the-file"), "{}", server.report);
    drop(server);
    let home = Home::new();
    home.write(
        ".env",
        "MONGO_URI=mongodb://u:secret-word@127.0.0.1:9/?serverSelectionTimeoutMS=200\n",
    );
    let report = home.serve().report.clone();
    assert!(report.contains("(from MONGO_URI in .env)"), "{report}");
    assert!(!report.contains("secret-word"), "{report}");
    assert!(!home.path("data/nexus.db").exists());
}

/// M3: `LOG_LEVEL` says how much is logged, as the specification's troubleshooting has it.
#[test]
fn log_level_is_read_from_the_environment_and_from_a_dot_env_file() {
    let home = Home::new();
    let is_debugging = |environment: &[(&str, &str)], more: &[&str]| {
        let server = home.serve_in(more, environment);
        http::get(&server.address, "/livez", None);
        server.log().contains("DEBUG nexus")
    };
    assert!(!is_debugging(&[], &[]));
    assert!(is_debugging(&[("LOG_LEVEL", "DEBUG")], &[]));
    assert!(!is_debugging(&[("LOG_LEVEL", "DEBUG")], &["--log", "info"]));
    home.write(".env", "LOG_LEVEL=debug\n");
    assert!(is_debugging(&[], &[]));
    assert!(!is_debugging(&[("LOG_LEVEL", "WARNING")], &[]));
    home.write("nexus.yml", "log: error\n");
    assert!(is_debugging(&[], &[]));
}

/// M3: `system.log_level` of a new template holds at once, unless the operator said otherwise.
#[test]
fn the_level_of_a_new_template_holds_at_once() {
    let home = Home::new();
    let shipped = std::fs::read_to_string(repository("config.example.yml")).unwrap();
    let at = |level: &str| shipped.replace("log_level: INFO", &format!("log_level: {level}"));
    home.write("quiet.yml", &at("ERROR"));
    home.write("loud.yml", &at("INFO"));
    home.ok(&["init", "--config", "quiet.yml"]);
    let server = home.serve();
    http::get(&server.address, "/livez", None);
    assert_eq!(server.log(), "");
    home.ok(&["template", "apply", "loud.yml", "--yes"]);
    let begun = std::time::Instant::now();
    while !server.log().contains("/livez") {
        assert!(begun.elapsed() < http::SOON, "{}", server.log());
        http::get(&server.address, "/livez", None);
    }
}

/// D9: the usual port may stand behind the name of the server, and `serve` prints addresses that
/// work.
#[test]
fn the_usual_port_may_be_spelled_out() {
    let home = Home::new();
    let server = home.serve_with(&["--public-origin", "https://nexus.example.org"]);
    let status = |host: &str| {
        let headers = [("host", host)];
        http::call(&server.address, "GET /api/v1", &headers, "").0
    };
    assert_eq!(status("nexus.example.org"), 200);
    assert_eq!(status("nexus.example.org:443"), 200);
    assert_eq!(status("nexus.example.org:80"), 421);
    assert_eq!(status("nexus.example.org:8443"), 421);
    assert_eq!(status(&server.address), 421);
    assert!(server.log().contains("listening on"), "{}", server.log());
}
