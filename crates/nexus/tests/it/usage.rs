//! What people used, as the machine tells it.

use serde_json::json;

use crate::http;
use crate::program::Home;

#[test]
fn what_was_used_is_told_for_everybody_and_for_one_person_day_by_day() {
    let home = Home::new();
    home.ok(&["init"]);
    let (key, token) = home.member();
    let server = home.serve();
    for _ in 0..2 {
        let mut answer = http::ask(&server.address, &token, "Hello");
        while answer.event().unwrap().name != "run_finished" {}
    }
    let told = home.json(&["usage"]);
    assert_eq!(told["total"]["runs"], 2, "{told:#}");
    assert_eq!(told["usage"][0]["owner"], json!(key));
    assert_eq!(told["usage"][0]["model"], "echo");
    assert_eq!(
        home.json(&["usage", &key, "--days", "1"])["usage"],
        told["usage"]
    );
    let (status, own) = http::get(&server.address, "/api/v1/usage", Some(&token));
    assert_eq!((status, &own["total"]), (200, &told["total"]));
    let table = home.run(&["usage", &key]);
    let lines: Vec<_> = table.out.lines().collect();
    assert!(
        lines[0].starts_with("DAY") && lines[0].ends_with("COST"),
        "{table:#?}"
    );
    assert!(
        lines[1].contains("echo") && lines[1].ends_with("0.000000"),
        "{table:#?}"
    );
    assert!(lines[2].starts_with("total"), "{table:#?}");
    assert!(home.run(&["usage"]).out.contains(&key));
    assert!(home.run(&["models"]).out.contains("counts as free"));
}
