//! From end to end against a real small language model: what leaves Nexus, and what comes back.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

use crate::http::{Event, chat, get, text};
use crate::program::{Home, repository};
use crate::provider::template;

const MODEL: &str = ".tools/model/SmolLM2-135M-Instruct.Q4_1.gguf";
const NOVA: &str = "You are Nova, a cheerful pirate. You talk like a pirate.";
const DR_LEE: &str = "You are Dr. Lee, a strict physician. You talk like a doctor.";

#[test]
#[ignore = "needs the model: make test-model"]
fn two_people_two_models_two_personas_on_a_real_model() {
    let home = Home::new();
    let model = ModelServer::start(&home);
    let proxy = Proxy::before(&model.address);
    let rows = "first: { provider: local, id: smollm2-first }\n    \
                second: { provider: local, id: smollm2-second }";
    let base_url = format!("http://{}/v1", proxy.address);
    let template = template(&base_url, rows, "first");
    // Without a memory, the same question is the same request.
    let template = template.replace("max_tokens: 48", "max_tokens: 48, history_context_size: 0");
    home.write("local.yml", &template);
    home.ok(&["init", "--config", "local.yml"]);
    let server = home.serve();
    let person = |name: &str, persona: &str, temperature: &str| {
        let (key, token) = home.member();
        home.ok(&["config", "set", &key, "model", name]);
        home.ok(&["config", "set", &key, "temperature", temperature]);
        home.ok(&["prompt", "set", &key, "persona", persona]);
        token
    };
    let nova = person("first", NOVA, "0");
    let dr_lee = person("second", DR_LEE, "1.2");
    let ask = |token: &str| {
        chat(
            &server.address,
            token,
            "Who are you, and how are you today?",
        )
    };

    let (of_nova, of_dr_lee) = (ask(&nova), ask(&dr_lee));
    let requests = proxy.requests();
    let [to_first, to_second] = &requests[..] else {
        panic!("two questions are two requests: {requests:#?}");
    };
    let said = |request: &Value| {
        let text = |place: usize| request["messages"][place]["content"].clone();
        (
            request["model"].clone(),
            text(0),
            request["temperature"].as_f64(),
        )
    };
    assert_eq!(
        said(to_first),
        ("smollm2-first".into(), NOVA.into(), Some(0.0))
    );
    assert_eq!(
        said(to_second),
        ("smollm2-second".into(), DR_LEE.into(), Some(1.2))
    );

    for (events, token, name) in [(&of_nova, &nova, "first"), (&of_dr_lee, &dr_lee, "second")] {
        let finished = answered(events, name);
        let (_, page) = get(&server.address, "/api/v1/messages", Some(token));
        let stored: Vec<_> = page["messages"].as_array().unwrap().iter().collect();
        let [answer, question] = stored[..] else {
            panic!("{page:#}");
        };
        assert_eq!(question["content"], "Who are you, and how are you today?");
        assert_eq!(answer["content"], text(events));
        assert_eq!(
            finished["message_ids"],
            serde_json::json!([question["id"], answer["id"]])
        );
    }
    assert_ne!(text(&of_nova), text(&of_dr_lee));
    assert_eq!(
        text(&ask(&nova)),
        text(&of_nova),
        "temperature 0 repeats itself"
    );
}

/// An answer in several pieces, with all that belongs to it.
#[track_caller]
fn answered<'a>(events: &'a [Event], name: &str) -> &'a Value {
    assert_eq!(events[0].name, "run_started");
    assert_eq!(events[0].data["model"], name);
    let chunks = events.iter().filter(|event| event.name == "text_chunk");
    assert!(chunks.count() > 3, "{events:#?}");
    let finished = &events.last().unwrap().data;
    assert_eq!(finished["status"], "completed", "{events:#?}");
    assert_eq!(finished["model"]["name"], name);
    assert!(finished["usage"]["input_tokens"].as_u64().unwrap() > 10);
    let written = finished["usage"]["output_tokens"].as_u64().unwrap();
    assert!((1..=48).contains(&written), "{finished:#}");
    finished
}

/// The model server of the test tools. It ends when its standard input is closed.
struct ModelServer {
    address: String,
    child: Child,
    input: Option<ChildStdin>,
}

impl ModelServer {
    fn start(home: &Home) -> Self {
        assert!(
            repository(MODEL).is_file(),
            "run scripts/install-test-tools model"
        );
        let log = home.path("model.log");
        let mut child = Command::new("python3")
            .args([repository("scripts/serve-model.py"), repository(MODEL)])
            .arg("0")
            .env("PYTHONPATH", repository(".tools/xllamacpp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let mut line = String::new();
        let out = child.stdout.as_mut().unwrap();
        BufReader::new(out).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("ready http://").map(str::to_owned);
        let address = address.unwrap_or_else(|| panic!("{}", fs::read_to_string(&log).unwrap()));
        Self {
            address,
            child,
            input,
        }
    }
}

impl Drop for ModelServer {
    fn drop(&mut self) {
        drop(self.input.take());
        _ = self.child.wait();
    }
}

/// Stands between Nexus and the model server, and keeps every body that goes by.
struct Proxy {
    address: String,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Proxy {
    fn before(upstream: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let bodies = Arc::new(Mutex::new(Vec::new()));
        let (kept, upstream) = (Arc::clone(&bodies), upstream.to_owned());
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, kept) = (client.unwrap(), Arc::clone(&kept));
                let server = TcpStream::connect(&upstream).unwrap();
                let (mut from, mut to) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                thread::spawn(move || {
                    _ = std::io::copy(&mut from, &mut to);
                    _ = to.shutdown(Shutdown::Both);
                });
                thread::spawn(move || forward(client, server, &kept));
            }
        });
        Self { address, bodies }
    }

    fn requests(&self) -> Vec<Value> {
        self.bodies.lock().unwrap().clone()
    }
}

/// Passes requests on, one after the other.
fn forward(client: TcpStream, mut server: TcpStream, kept: &Mutex<Vec<Value>>) {
    let mut client = BufReader::new(client);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if client.read_line(&mut head).unwrap_or(0) == 0 {
                _ = server.shutdown(Shutdown::Both);
                return;
            }
        }
        let head_lower = head.to_ascii_lowercase();
        let length = head_lower
            .lines()
            .find_map(|line| line.strip_prefix("content-length:"))
            .map_or(0, |length| length.trim().parse().unwrap());
        let mut body = vec![0; length];
        client.read_exact(&mut body).unwrap();
        if length > 0 {
            kept.lock()
                .unwrap()
                .push(serde_json::from_slice(&body).unwrap());
        }
        server
            .write_all(&[head.as_bytes(), &body].concat())
            .unwrap();
    }
}
