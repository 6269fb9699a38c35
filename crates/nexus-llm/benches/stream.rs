//! What it costs to read a streamed answer of a thousand events from a loopback connection, in each
//! protocol: HTTP, Server-Sent Events, JSON, deltas.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use divan::Bencher;
use divan::counter::ItemsCount;
use futures_util::StreamExt as _;
use nexus_core::catalog::{Credential, Endpoint, Protocol, Provider, Timeouts};
use nexus_llm::{AddressRules, ChatRequest, LanguageModel as _, LlmClient, Timers};
use nexus_test_support::model::{asking, model};
use url::Url;

const EVENTS: usize = 1000;

fn main() {
    divan::main();
}

/// A provider that answers every request with the same bytes, and its address.
fn provider(events: &str) -> String {
    let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
    let answer = format!("{head}content-length: {}\r\n\r\n{events}", events.len());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}/v1", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            serve(stream.unwrap(), answer.as_bytes());
        }
    });
    address
}

/// Requests are small: one arrives whole, and ends with its body.
fn serve(mut stream: TcpStream, answer: &[u8]) {
    let mut request = [0; 16 * 1024];
    while let Ok(1..) = stream.read(&mut request) {
        if stream.write_all(answer).is_err() {
            return;
        }
    }
}

fn request(protocol: Protocol, base_url: &str) -> Arc<ChatRequest> {
    let endpoint = Endpoint::Remote {
        protocol,
        base_url: Url::parse(base_url).unwrap(),
        credential: Credential::NotNeeded,
    };
    let provider = Provider {
        name: "local".into(),
        endpoint,
        timeouts: Timeouts::default(),
    };
    Arc::new(asking(model(Arc::new(provider), "model"), "Hello"))
}

fn read(bencher: Bencher<'_, '_>, protocol: Protocol, events: &str) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let rules = AddressRules {
        loopback: true,
        ..AddressRules::default()
    };
    let client = LlmClient::new(Timers::default(), rules).unwrap();
    let request = request(protocol, &provider(events));
    bencher.counter(ItemsCount::new(EVENTS)).bench_local(|| {
        let deltas = client.stream(Arc::clone(&request));
        let count = deltas.fold(0, async |count, delta| count + usize::from(delta.is_ok()));
        let count = runtime.block_on(count);
        assert!(count >= EVENTS, "{count}");
    });
}

#[divan::bench]
fn openai(bencher: Bencher<'_, '_>) {
    let mut events = String::new();
    for number in 0..EVENTS {
        _ = write!(
            events,
            "data: {{\"id\":\"c\",\"object\":\"chat.completion.chunk\",\"created\":1,\"model\":\"m\",\
             \"choices\":[{{\"index\":0,\"delta\":{{\"content\":\"word {number} \"}},\
             \"finish_reason\":null}}]}}\n\n"
        );
    }
    events.push_str(
        "data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
    );
    events.push_str("data: [DONE]\n\n");
    read(bencher, Protocol::OpenAi, &events);
}

#[divan::bench]
fn anthropic(bencher: Bencher<'_, '_>) {
    let mut events = String::from(
        "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\
         \"model\":\"m\",\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\n\
         event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\
         \"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
    );
    for number in 0..EVENTS {
        _ = write!(
            events,
            "event: content_block_delta\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\
             \"delta\":{{\"type\":\"text_delta\",\"text\":\"word {number} \"}}}}\n\n"
        );
    }
    events.push_str(
        "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n\
         event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\
         \"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n\
         event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
    );
    read(bencher, Protocol::Anthropic, &events);
}

#[divan::bench]
fn gemini(bencher: Bencher<'_, '_>) {
    let mut events = String::new();
    for number in 0..EVENTS {
        _ = write!(
            events,
            "data: {{\"candidates\":[{{\"content\":{{\"role\":\"model\",\
             \"parts\":[{{\"text\":\"word {number} \"}}]}}}}]}}\r\n\r\n"
        );
    }
    events.push_str(
        "data: {\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[{\"text\":\"\"}]},\
         \"finishReason\":\"STOP\"}]}\r\n\r\n",
    );
    read(bencher, Protocol::Gemini, &events);
}
