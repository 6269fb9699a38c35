//! What was acknowledged survives `kill -9`.

use crate::http::{self, get};
use crate::program::Home;

#[test]
fn finished_means_saved_also_when_the_program_is_killed() {
    let home = Home::new();
    home.ok(&["init"]);
    let (_, token) = home.member();
    for round in 1..=3_usize {
        let server = home.serve();
        let mut answer = http::ask(&server.address, &token, &format!("Question {round}"));
        let last = loop {
            let event = answer.event().unwrap();
            if event.name == "run_finished" {
                break event;
            }
        };
        server.kill();
        assert_eq!(last.data["status"], "completed");

        let server = home.serve();
        let (status, page) = get(&server.address, "/api/v1/messages", Some(&token));
        assert_eq!(status, 200);
        let messages = page["messages"].as_array().unwrap();
        assert_eq!(messages.len(), 2 * round, "{page:#}");
        let newest: Vec<_> = messages[..2].iter().rev().map(|it| &it["id"]).collect();
        let promised: Vec<_> = last.data["message_ids"]
            .as_array()
            .unwrap()
            .iter()
            .collect();
        assert_eq!(newest, promised);
    }
}
