//! T19: names, judged by what they lead to.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Mutex;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http_body_util::BodyExt as _;
use hyper_util::client::legacy::connect::dns::Name;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// A name server with an answer for each question.
#[derive(Default)]
struct Script {
    answers: Mutex<VecDeque<Vec<IpAddr>>>,
    asked: Mutex<Vec<String>>,
}

impl Script {
    fn new<const N: usize>(answers: [&[&str]; N]) -> Arc<Self> {
        let parse = |answer: &[&str]| answer.iter().map(|it| it.parse().unwrap()).collect();
        Arc::new(Self {
            answers: Mutex::new(answers.into_iter().map(parse).collect()),
            asked: Mutex::default(),
        })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

impl Lookup for Script {
    fn lookup(&self, name: Name) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> {
        self.asked.lock().unwrap().push(name.as_str().to_owned());
        let answer = self.answers.lock().unwrap().pop_front();
        async { Ok(answer.expect("nobody should have asked")) }.boxed()
    }
}

/// A server on this machine that answers and closes; gives its port.
async fn server(tasks: &mut JoinSet<()>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tasks.spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n";
            let _ = stream.read(&mut [0; 1024]).await;
            let _ = stream.write_all(answer).await;
        }
    });
    port
}

fn client(rules: AddressRules, lookup: &Arc<Script>) -> HttpClient {
    let lookup = Arc::clone(lookup) as Arc<dyn Lookup>;
    HttpClient::with_lookup(Duration::from_secs(5), rules, lookup).unwrap()
}

async fn get(client: &HttpClient, url: &str) -> Result<(), String> {
    let url = url::Url::parse(url).unwrap();
    let request = Request::get(url.as_str()).body(Full::default()).unwrap();
    match client.request(request).await {
        Ok(response) => {
            response.into_body().collect().await.unwrap();
            Ok(())
        }
        Err(error) => Err(error
            .refused_address()
            .map_or("not refused".into(), ToString::to_string)),
    }
}

#[tokio::test]
async fn t19_a_name_that_leads_inside_is_refused_whatever_it_led_to_before() {
    let mut tasks = JoinSet::new();
    let port = server(&mut tasks).await;
    let rules = AddressRules {
        loopback: true,
        ..AddressRules::default()
    };
    // What is allowed here stands for what is public: a test reaches no other machine.
    let names = Script::new([&["127.0.0.1"], &["10.0.0.7"], &["169.254.169.254"]]);
    let client = client(rules, &names);
    let url = format!("http://rebinding.test:{port}/");
    assert_eq!(get(&client, &url).await, Ok(()));
    assert_eq!(names.asked(), 1, "one connection is one look-up");
    let refused = get(&client, &url).await.unwrap_err();
    assert!(
        refused.contains("rebinding.test leads to 10.0.0.7"),
        "{refused}"
    );
    let refused = get(&client, &url).await.unwrap_err();
    assert!(refused.contains("credentials"), "{refused}");
    assert_eq!(names.asked(), 3);
}

#[tokio::test]
async fn t19_of_several_addresses_only_allowed_ones_are_connected_to() {
    let mut tasks = JoinSet::new();
    let port = server(&mut tasks).await;
    let site = format!("studio.lan:{port}").parse().unwrap();
    let rules = AddressRules {
        loopback: false,
        private_hosts: vec![site],
    };
    let names = Script::new([&["fe80::1", "169.254.1.1", "127.0.0.1"], &["fe80::1"], &[]]);
    let client = client(rules, &names);
    let url = format!("http://studio.lan:{port}/");
    assert_eq!(get(&client, &url).await, Ok(()));
    assert!(get(&client, &url).await.unwrap_err().contains("link-local"));
    assert_eq!(get(&client, &url).await.unwrap_err(), "not refused");
}

#[tokio::test]
async fn t19_an_address_is_judged_although_no_resolver_is_asked() {
    let names = Script::new([]);
    let client = client(AddressRules::default(), &names);
    for url in [
        "http://127.0.0.1:1/",
        "http://0x7f.1:1/",
        "http://2130706433:1/",
        "http://[::ffff:7f00:1]:1/",
        "https://10.0.0.1/",
        "https://[fe80::1]/",
        "http://169.254.169.254/latest/meta-data",
    ] {
        let refused = get(&client, url).await.unwrap_err();
        assert!(refused.contains(" is "), "{url}: {refused}");
    }
    assert_eq!(names.asked(), 0);
}

#[tokio::test]
async fn t19_localhost_may_not_be_sent_elsewhere_by_a_name_server() {
    let rules = AddressRules {
        loopback: true,
        ..AddressRules::default()
    };
    let names = Script::new([&["93.184.215.14"], &["127.0.0.1"]]);
    let client = client(rules, &names);
    let refused = get(&client, "http://localhost.:1/").await.unwrap_err();
    assert!(refused.contains("not this machine"), "{refused}");
    assert_eq!(
        get(&client, "http://localhost:1/").await.unwrap_err(),
        "not refused"
    );
}
