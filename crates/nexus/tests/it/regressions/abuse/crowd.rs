//! Crowds: uploads that are not finished, and refusals on their way.

use std::io::Write as _;
use std::thread;

use super::{Attacked, Upload, code, scaled};

const COMPLETIONS: &str = "/v1/chat/completions";
const MIB: usize = 1024 * 1024;

/// S2: uploads that are not finished hold nothing of a visitor, and one place to run each of a member.
#[test]
fn t23_uploads_that_are_not_finished_hold_little() {
    let attacked = Attacked::begin("");
    let (visitor, member) = (attacked.visitor(), attacked.home.member().1);
    let count = scaled(100, 24);
    let part = vec![b' '; 15 * MIB];
    let (address, part) = (attacked.address(), &part);
    for (token, path, is_member) in [
        (&visitor, COMPLETIONS, false),
        (&visitor, "/v1/responses", false),
        (&visitor, "/api/v1/chat", false),
        (&visitor, "/api/v1/commands/execute", false),
        (&member, COMPLETIONS, true),
    ] {
        attacked.while_others_work(|| {
            let uploads: Vec<_> = thread::scope(|scope| {
                let begin = || {
                    let mut upload = Upload::begin(address, path, token, 16 * MIB - 1);
                    // The server may refuse before it has read everything.
                    _ = upload.send(part);
                    upload
                };
                let uploads: Vec<_> = (0..count).map(|_| scope.spawn(begin)).collect();
                uploads.into_iter().map(|it| it.join().unwrap()).collect()
            });
            if is_member {
                // Four wait for their end.
                return;
            }
            for upload in uploads {
                if let Ok(reply) = upload.reply() {
                    assert!(matches!(reply.status, 403 | 413), "{path}: {reply:?}");
                }
            }
        });
        attacked.stayed_small();
    }
}

/// S2: a client that is still sending reads why it is refused, in the words of its interface.
#[test]
fn t24_a_refusal_reaches_a_client_that_still_sends() {
    let attacked = Attacked::begin("");
    let (visitor, member) = (attacked.visitor(), attacked.home.member().1);
    let megabyte = vec![b' '; MIB];
    for (token, path, status, expected) in [
        (&visitor, COMPLETIONS, 403, "not_a_member"),
        (&visitor, "/api/v1/chat", 413, "body_too_large"),
        (&"nxk_wrong".to_owned(), COMPLETIONS, 401, "invalid_api_key"),
        (&member, "/api/v1/chat", 413, "body_too_large"),
        (&member, "/api/v1/commands/execute", 413, "body_too_large"),
    ] {
        // All of it is sent before anything is read, and the connection goes on.
        let mut upload = Upload::begin(attacked.address(), path, token, MIB);
        upload.send(&megabyte[..MIB / 2]).unwrap();
        upload.stream.flush().unwrap();
        upload.send(&megabyte[MIB / 2..]).unwrap();
        let reply = upload.reply().unwrap();
        assert_eq!((reply.status, code(&reply)), (status, expected), "{path}");
        assert!(
            !reply
                .head
                .to_ascii_lowercase()
                .contains("connection: close")
        );
        let is_openai = reply.body["error"]["type"].is_string();
        assert_eq!(is_openai, path.starts_with("/v1/"), "{}", reply.body);

        // Who waits to be told sends nothing, and is told no.
        let expect = "expect: 100-continue\r\n";
        let upload = Upload::with(attacked.address(), path, token, MIB, expect);
        let reply = upload.reply().unwrap();
        assert_eq!((reply.status, code(&reply)), (status, expected), "{path}");
    }
    // And who may send is told so.
    let body = br#"{"content":"Hello"}"#;
    let expect = "expect: 100-continue\r\n";
    let path = "/api/v1/chat";
    let upload = Upload::with(attacked.address(), path, &member, body.len(), expect);
    assert_eq!(upload.reply().unwrap().status, 100);
}
