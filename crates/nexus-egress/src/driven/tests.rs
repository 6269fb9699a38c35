//! Connections in the hands of readers, with a server whose every word is given.

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::poll;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use super::*;
use crate::{AddressRules, HttpClient};

const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
const END: &str = "0\r\n\r\n";
const PATIENCE: Duration = Duration::from_secs(10);

/// A client, and the one connection that it makes.
struct Pair {
    client: HttpClient,
    url: String,
    listener: TcpListener,
    server: Option<TcpStream>,
}

impl Pair {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let rules = AddressRules {
            loopback: true,
            ..AddressRules::default()
        };
        Self {
            client: HttpClient::new(PATIENCE, rules).unwrap(),
            url: format!("http://{}/", listener.local_addr().unwrap()),
            listener,
            server: None,
        }
    }

    /// Asks, and answers with these bytes in one go.
    async fn ask(&mut self, answer: &str) -> Response<AnswerBody> {
        let request = Request::get(&self.url).body(Full::default()).unwrap();
        let answering = async {
            if self.server.is_none() {
                self.server = Some(self.listener.accept().await.unwrap().0);
            }
            let server = self.server.as_mut().unwrap();
            assert_ne!(server.read(&mut [0; 4096]).await.unwrap(), 0);
            server.write_all(answer.as_bytes()).await.unwrap();
        };
        let asking = async { tokio::join!(self.client.request(request), answering).0 };
        timeout(PATIENCE, asking).await.unwrap().unwrap()
    }

    async fn say(&mut self, words: &str) {
        let server = self.server.as_mut().unwrap();
        server.write_all(words.as_bytes()).await.unwrap();
    }
}

fn chunks(texts: &[&str]) -> String {
    let chunk = |text: &&str| format!("{:x}\r\n{text}\r\n", text.len());
    texts.iter().map(chunk).collect()
}

async fn next(body: &mut AnswerBody) -> Option<Bytes> {
    let frame = timeout(PATIENCE, body.frame()).await.unwrap();
    frame.map(|frame| frame.unwrap().into_data().unwrap())
}

#[tokio::test]
async fn pieces_that_came_together_are_read_together() {
    let mut pair = Pair::new().await;
    let answer = format!("{HEAD}{}", chunks(&["a", "b", "c"]));
    let mut body = pair.ask(&answer).await.into_body();
    for expected in ["a", "b", "c"] {
        let Poll::Ready(Some(Ok(frame))) = poll!(body.frame()) else {
            panic!("{expected} is there, and no other task has to run first");
        };
        assert_eq!(frame.into_data().unwrap(), expected);
    }
    assert!(poll!(body.frame()).is_pending());
}

#[tokio::test]
async fn a_reader_that_waits_is_woken_by_each_piece_and_by_the_end() {
    let mut pair = Pair::new().await;
    let mut body = pair.ask(HEAD).await.into_body();
    for text in ["a", "b"] {
        assert!(poll!(body.frame()).is_pending());
        let words = chunks(&[text]);
        let (read, ()) = tokio::join!(next(&mut body), pair.say(&words));
        assert_eq!(read.unwrap(), text);
    }
    assert!(poll!(body.frame()).is_pending());
    let (read, ()) = tokio::join!(next(&mut body), pair.say(END));
    assert_eq!(read, None);
}

#[tokio::test]
async fn a_connection_goes_home_after_its_answer_and_is_used_again() {
    let mut pair = Pair::new().await;
    for _ in 0..3 {
        let answer = format!("{HEAD}{}{END}", chunks(&["a"]));
        let mut body = pair.ask(&answer).await.into_body();
        assert_eq!(next(&mut body).await.unwrap(), "a");
        assert_eq!(next(&mut body).await, None);
        // Still here: that it is over is enough.
        assert!(body.loan.is_none());
    }
}

#[tokio::test]
async fn a_connection_goes_home_when_nobody_wants_the_rest_and_is_closed() {
    let mut pair = Pair::new().await;
    let answer = format!("{HEAD}{}", chunks(&["a"]));
    let mut body = pair.ask(&answer).await.into_body();
    assert_eq!(next(&mut body).await.unwrap(), "a");
    assert!(poll!(body.frame()).is_pending());
    drop(body);
    let server = pair.server.as_mut().unwrap();
    let closed = timeout(PATIENCE, server.read(&mut [0; 16])).await.unwrap();
    assert_eq!(closed.unwrap(), 0);
}

#[tokio::test]
async fn a_body_may_change_its_reader() {
    let mut pair = Pair::new().await;
    let mut body = pair.ask(HEAD).await.into_body();
    assert!(poll!(body.frame()).is_pending());
    let reader = tokio::task::JoinSet::from_iter([async move { next(&mut body).await }]);
    tokio::task::yield_now().await;
    pair.say(&chunks(&["a"])).await;
    let read = timeout(PATIENCE, reader.join_all()).await.unwrap();
    assert_eq!(read, [Some(Bytes::from_static(b"a"))]);
}

#[tokio::test]
async fn many_pieces_in_one_go_leave_room_for_other_tasks_and_none_is_lost() {
    let mut pair = Pair::new().await;
    let texts: Vec<_> = (0..500).map(|number| number.to_string()).collect();
    let texts: Vec<_> = texts.iter().map(String::as_str).collect();
    let answer = format!("{HEAD}{}{END}", chunks(&texts));
    let mut body = pair.ask(&answer).await.into_body();
    let mut expected = VecDeque::from(texts);
    while let Some(text) = next(&mut body).await {
        assert_eq!(Some(str::from_utf8(&text).unwrap()), expected.pop_front());
    }
    assert!(expected.is_empty());
}
