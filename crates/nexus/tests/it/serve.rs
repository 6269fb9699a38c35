//! `nexus serve`: starting, stopping, and everything that can be in the way.

use std::fs;
use std::time::{Duration, Instant};

use crate::http;
use crate::program::Home;
use crate::provider::SlowProvider;

#[test]
fn a_fresh_folder_becomes_a_server_that_says_what_it_found() {
    let home = Home::new();
    let server = home.serve();
    let report = &server.report;
    for part in [
        home.path("data/nexus.db").to_str().unwrap(),
        "embedded (SQLite",
        "0 identities, 0 messages",
        "version 1, named Nexus",
        "no key: set GEMINI_API_KEY",
        "builtin",
        "nexus identity new",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    let (status, ready) = http::get(&server.address, "/readyz", None);
    assert_eq!(
        (status, &ready["status"]),
        (200, &"ready".into()),
        "{ready}"
    );
    assert_eq!(server.stop("TERM"), Some(0));
}

#[test]
fn a_second_server_on_the_same_port_says_so_and_the_first_stays() {
    let home = Home::new();
    let server = home.serve();
    let done = home.fails(&["serve", "--listen", &server.address]);
    assert!(
        done.err.contains("another program listens there"),
        "{done:#?}"
    );
    assert!(done.err.contains("hint: "), "{done:#?}");
    assert_eq!(http::get(&server.address, "/livez", None).0, 200);
}

#[test]
fn what_is_in_the_way_of_the_data_folder_is_named() {
    let home = Home::new();
    home.write("file", "not a folder");
    let broken = home.write(
        "broken/nexus.db",
        "this is not a database, whatever its name says",
    );
    home.write(
        "folder/nexus.db/file",
        "a folder where the database belongs",
    );
    home.ok(&["init", "--data", "newer"]);
    let database = rusqlite::Connection::open(home.path("newer/nexus.db")).unwrap();
    database.pragma_update(None, "user_version", 99).unwrap();
    for (folder, words) in [
        // Nobody can make a folder there, not even root.
        ("/proc/nexus", "/proc/nexus"),
        ("file", "is a file"),
        ("file/below", "below"),
        ("broken", "is not a database"),
        ("folder", "is a folder"),
        ("newer", "was written by a newer Nexus"),
    ] {
        let done = home.fails(&["serve", "--listen", "127.0.0.1:0", "--data", folder]);
        assert!(done.err.contains(words), "{folder}: {done:#?}");
        assert_eq!(done.out, "", "{folder}");
    }
    let kept = fs::read_to_string(broken).unwrap();
    assert!(kept.starts_with("this is not a database"));
}

#[test]
fn an_address_that_is_none_is_explained() {
    let home = Home::new();
    for address in ["nonsense", "127.0.0.1:99999", "8000", "192.0.2.1:8000"] {
        let done = home.fails(&["serve", "--listen", address]);
        assert!(
            done.err.contains(address) && done.err.contains("hint: "),
            "{done:#?}"
        );
    }
}

#[test]
fn a_flag_is_stronger_than_a_variable_and_a_variable_is_stronger_than_the_file() {
    let home = Home::new();
    home.write("nexus.yml", "data: from-file\nenvironment: production\n");
    let data = |variable: Option<&str>, flag: &[&str]| {
        let mut command = home.command(&[&["init"], flag].concat());
        if let Some(folder) = variable {
            command.env("NEXUS_DATA", folder);
        }
        assert!(command.output().unwrap().status.success());
    };
    data(None, &[]);
    assert!(home.path("from-file/nexus.db").is_file());
    data(Some("from-variable"), &[]);
    assert!(home.path("from-variable/nexus.db").is_file());
    data(Some("ignored"), &["--data", "from-flag"]);
    assert!(home.path("from-flag/nexus.db").is_file());
    assert!(!home.path("ignored").exists());
    assert!(home.json(&["template", "show"])["environment"] == "production");

    home.write("nexus.yml", "date: typing-error\n");
    let done = home.fails(&["models"]);
    assert!(done.err.contains("date"), "{done:#?}");
}

#[test]
fn production_without_a_template_is_not_ready_until_there_is_one() {
    let home = Home::new();
    let server = home.serve_with(&["--environment", "production"]);
    assert!(
        server
            .report
            .contains("nexus init --environment production")
    );
    assert_eq!(http::get(&server.address, "/readyz", None).0, 503);
    home.ok(&["init", "--environment", "production"]);
    let (_, token) = home.member();
    http::soon(&server.address, "/api/v1/models", &token, |models| {
        models["default"] == "echo"
    });
}

#[test]
fn the_log_can_be_read_by_programs() {
    let home = Home::new();
    let server = home.serve_with(&["--log-format", "json", "--log", "debug"]);
    http::get(&server.address, "/livez", None);
    let log = server.log();
    assert!(!log.is_empty());
    for line in log.lines() {
        assert!(
            serde_json::from_str::<serde_json::Value>(line).is_ok(),
            "{line}"
        );
    }
}

#[test]
fn the_template_says_how_much_is_logged_and_the_command_line_is_stronger() {
    let home = Home::new();
    let shipped = fs::read_to_string(crate::program::repository("config.example.yml")).unwrap();
    let quiet = shipped.replace("log_level: INFO", "log_level: ERROR");
    home.write("quiet.yml", &quiet);
    home.ok(&["init", "--config", "quiet.yml"]);
    assert_eq!(home.serve().log(), "");
    assert!(
        home.serve_with(&["--log", "info"])
            .log()
            .contains("template in force")
    );
}

#[test]
fn a_second_signal_stops_a_server_that_waits_for_an_answer() {
    let home = Home::new();
    let provider = SlowProvider::start();
    home.write("slow.yml", &provider.template());
    home.ok(&["init", "--config", "slow.yml"]);
    let (_, token) = home.member();
    let server = home.serve();
    let mut answer = http::ask(&server.address, &token, "Hello");
    assert_eq!(answer.event().unwrap().name, "run_started");
    assert_eq!(answer.event().unwrap().data["chunk"], "one moment ");
    server.send("INT");
    let begun = Instant::now();
    while !server.log().contains("stopping") {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "{}",
            server.log()
        );
        std::thread::yield_now();
    }
    server.send("INT");
    assert_eq!(server.wait(), Some(1));
}
