//! A provider that answers as the question says. It refuses what OpenAI refuses, so that clients can
//! be tried with it alone.

use std::collections::HashSet;
use std::io;
use std::sync::Mutex;

use nexus_test_support::provider::{
    Act, Answer, Protocol, Provider, Received, Request, chunk, models, stream_head, with_headers,
};
use serde_json::{Value, json};

/// The one model that it has.
pub(crate) const MODEL: &str = "lab-1";
/// The one key that it knows.
pub(crate) const KEY: &str = "sk-of-the-lab";

/// The answer to most questions. It is streamed word by word.
const HELLO: &str = "Hello from the lab.";

/// Starts it.
pub(crate) fn start() -> Provider {
    // Questions that are answered only the second time.
    let failed = Mutex::new(HashSet::new());
    Provider::start(move |request| reply(request, &failed))
}

fn reply(request: Request, failed: &Mutex<HashSet<String>>) -> io::Result<()> {
    let bearer = request.header("authorization");
    let bearer = bearer.and_then(|it| it.strip_prefix("bearer "));
    if bearer.or_else(|| request.header("x-api-key")) != Some(KEY) {
        let code = Some("invalid_api_key");
        return request.refuse(401, "Incorrect API key provided.", code);
    }
    if request.line.starts_with("GET /v1/models") {
        let mut models = models(&[MODEL]);
        let is_list = request.line.starts_with("GET /v1/models ");
        let one = models["data"][0].take();
        let list = json!({"object": "list", "data": [one]});
        return request.json(200, if is_list { &list } else { &one });
    }
    let messages = understood(&request);
    let Some(last) = messages.last() else {
        return request.refuse(400, "There are no messages.", None);
    };
    let temperature = request.body.get("temperature");
    if request.body["model"] != MODEL {
        let code = Some("model_not_found");
        return request.refuse(404, "There is no such model.", code);
    }
    if temperature.is_some_and(|it| !it.is_number()) {
        return request.refuse(400, "The temperature is not a number.", None);
    }
    let question = last["content"].as_str().unwrap_or_default();
    let is_first = |question: &str| failed.lock().unwrap().insert(question.to_owned());
    match question {
        "fail once" | "fail once, streaming" if is_first(question) => {
            request.refuse(503, "Not now.", None)
        }
        "be busy once" if is_first(question) => be_busy(request),
        "be down" => request.refuse(503, "Not today.", None),
        "break off" => one_word(request, Act::Close),
        "go on forever" => one_word(request, Act::Hold),
        _ => {
            let answer = answer(&request.body, &messages).usage(12, 4);
            request.answer(&answer)
        }
    }
}

/// A refusal with a `Retry-After` of one second.
fn be_busy(request: Request) -> io::Result<()> {
    let code = Some("rate_limit_exceeded");
    let error = request.protocol().error(429, "Slow down.", code);
    let headers = "content-type: application/json\r\nretry-after: 1\r\nconnection: close\r\n";
    let acts = with_headers("429 It", headers, &error.to_string());
    request.perform(acts).map(|_| ())
}

/// One word of a stream. `connection: close` is not said: with it, Node takes any end for the end.
fn one_word(request: Request, end: Act) -> io::Result<()> {
    let events = Answer::says("Hello ").events(request.protocol(), &request.body);
    let word = chunk((events.begin + &events.pieces[0]).as_bytes());
    let acts = vec![stream_head(), word, end];
    request.perform(acts).map(|_| ())
}

fn answer(request: &Value, messages: &[Value]) -> Answer {
    let results = messages.iter().filter(|it| it["role"] == "tool");
    let results: Vec<_> = results.filter_map(|it| it["content"].as_str()).collect();
    let image = messages
        .last()
        .and_then(|it| it.pointer("/content/1/image_url/url")?.as_str());
    if !results.is_empty() {
        Answer::in_words(&format!("There is {}.", results.join(" and ")))
    } else if request["tools"].is_array() {
        Answer::calls([
            ("call_1", "get_weather", json!({"city": "Paris"})),
            ("call_2", "get_weather", json!({"city": "Rome"})),
        ])
    } else if request["response_format"]["type"] == "json_schema" {
        Answer::in_words(r#"{"city": "Paris", "degrees": 21}"#)
    } else if let Some(url) = image {
        Answer::in_words(&format!("An image: {url}"))
    } else {
        Answer::in_words(HELLO)
    }
}

/// Its messages in OpenAI's form, as far as the answer depends on them.
fn understood(request: &Received) -> Vec<Value> {
    let messages = request.body["messages"].as_array().unwrap();
    match request.protocol() {
        Protocol::Anthropic => messages.iter().flat_map(messages_of_turn).collect(),
        _ => messages.clone(),
    }
}

fn messages_of_turn(turn: &Value) -> Vec<Value> {
    let Some(parts) = turn["content"].as_array() else {
        return vec![turn.clone()];
    };
    let results = parts.iter().filter(|it| it["type"] == "tool_result");
    let results: Vec<_> = results
        .map(|it| json!({"role": "tool", "content": text(&it["content"])}))
        .collect();
    if !results.is_empty() {
        return results;
    }
    let content = match parts.as_slice() {
        [one] => text(&json!([one])),
        parts => parts.iter().map(part).collect(),
    };
    vec![json!({"role": turn["role"], "content": content})]
}

fn text(content: &Value) -> Value {
    content.pointer("/0/text").unwrap_or(content).clone()
}

fn part(part: &Value) -> Value {
    let source = &part["source"];
    let Some(data) = source["data"].as_str() else {
        return part.clone();
    };
    let media_type = source["media_type"].as_str().unwrap();
    let url = format!("data:{media_type};base64,{data}");
    json!({"type": "image_url", "image_url": {"url": url}})
}
