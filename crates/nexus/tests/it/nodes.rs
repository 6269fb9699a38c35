//! Servers on a MongoDB database: two of them behave as one, and one waits for a database that is
//! not there yet.

use std::time::Instant;

use serde_json::{Value, json};

use crate::http::{self, soon};
use crate::mongod::ReplicaSet;
use crate::program::Home;

/// A folder whose settings name the database.
fn home(database: &ReplicaSet) -> Home {
    let home = Home::new();
    home.write("nexus.yml", &format!("database: {}\n", database.uri()));
    home
}

/// The value of a field of a profile.
fn value<'a>(profile: &'a Value, field: &str) -> &'a Value {
    let fields = profile["fields"].as_array().unwrap();
    let field = fields.iter().find(|explained| explained["field"] == field);
    &field.unwrap()["value"]
}

#[tokio::test]
async fn two_servers_on_one_database_are_one() {
    let mut database = ReplicaSet::new(1);
    database.start().await;
    let (here, there) = (home(&database), home(&database));
    let (first, second) = (here.serve(), there.serve());
    assert!(first.report.contains("MongoDB (6"), "{}", first.report);

    // A session and a message.
    let (key, token) = here.member();
    assert!(http::text(&http::chat(&first.address, &token, "Hello")).contains("mirror"));
    let (status, page) = http::get(&second.address, "/api/v1/messages", Some(&token));
    let messages = page["messages"].as_array().unwrap();
    assert_eq!((status, messages.len()), (200, 2), "{page:#}");
    assert_eq!(messages[1]["content"], "Hello");

    // An override, and a template.
    there.ok(&["config", "set", &key, "temperature", "0.3"]);
    for server in [&first, &second] {
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            value(profile, "config.temperature") == 0.3
        });
    }
    let mut template = here.json(&["template", "show"])["document"].clone();
    template["user_defaults"]["config"]["max_tokens"] = json!(512);
    here.write("new.json", &template.to_string());
    here.ok(&["template", "apply", "new.json", "--yes"]);
    for server in [&first, &second] {
        soon(&server.address, "/api/v1/profile", &token, |profile| {
            value(profile, "config.max_tokens") == 512 && profile["template_version"] == 2
        });
    }

    // And the end of all of it.
    let erased = there.json(&["identity", "delete", &key, "--yes"]);
    assert_eq!(erased["messages"], 2, "{erased:#}");
    let begun = Instant::now();
    while http::get(&first.address, "/api/v1/profile", Some(&token)).0 != 401 {
        assert!(begun.elapsed() < http::SOON, "still let in");
    }
    assert_eq!(
        (first.stop("TERM"), second.stop("TERM")),
        (Some(0), Some(0))
    );
}

#[tokio::test]
async fn a_server_waits_for_a_database_that_is_not_there_yet() {
    let mut database = ReplicaSet::new(1);
    let home = home(&database);
    let server = home.serve();
    assert!(
        server.report.contains("does not answer"),
        "{}",
        server.report
    );
    let log = server.log();
    assert!(
        log.contains("Loading minimal emergency fallback configuration"),
        "{log}"
    );
    assert_eq!(http::get(&server.address, "/livez", None).0, 200);
    let (status, ready) = http::get(&server.address, "/readyz", None);
    assert_eq!(status, 503, "{ready:#}");

    database.start().await;
    home.ok(&["init"]);
    let begun = Instant::now();
    loop {
        let (status, ready) = http::get(&server.address, "/readyz", None);
        if status == 200 && ready["status"] == "ready" {
            break;
        }
        assert!(begun.elapsed() < http::SOON, "{ready:#}");
    }
    let (_, token) = home.member();
    assert!(http::text(&http::chat(&server.address, &token, "Hello")).contains("mirror"));
}
