//! What models are shown of a conversation.

mod length;

use std::io;

use serde_json::{Value, json};

use super::provider::{Provider, Request};
use crate::http::{self, Event, finished};
use crate::program::{Home, Server};

/// A server with somebody who chats, and a provider that answers as `reply` says.
pub(super) struct World {
    pub(super) provider: Provider,
    pub(super) server: Server,
    pub(super) token: String,
    home: Home,
}

/// What the provider does with a request.
enum Reply {
    Say(String),
    Refuse(u16, Value),
    /// It hangs up.
    Break,
}

impl World {
    /// The models are `real`, with these facts beside, and `echo`. Twenty messages are shown.
    fn start(facts: &str, reply: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::over(facts, "", move |request| match reply(&request) {
            Reply::Say(text) => {
                let shown = request.messages();
                let sizes = shown.iter().map(|(_, text)| size(text) as u64);
                let prompt = sizes.sum();
                request.say(&text, prompt, size(&text) as u64)
            }
            Reply::Refuse(status, error) => request.json(status, &json!({ "error": error })),
            Reply::Break => Ok(()),
        })
    }

    /// The same with sections of the template beside, and a provider that answers as `answer` does.
    pub(super) fn over(
        facts: &str,
        sections: &str,
        answer: impl Fn(Request) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let provider = Provider::start(move |request| {
            if request.body.is_null() {
                let model = json!({ "id": "real-1", "object": "model" });
                return request.json(200, &json!({ "object": "list", "data": [model] }));
            }
            answer(request)
        });
        let home = Home::new();
        let template = format!(
            "system: {{ max_tool_iterations: 5, app_name: Test }}\n\
             llm:\n  providers:\n    local: {{ base_url: \"{}\" }}\n    \
             builtin: {{ protocol: builtin }}\n  catalog:\n    \
             real: {{ provider: local, id: real-1{facts} }}\n    \
             echo: {{ provider: builtin, id: echo }}\n\
             user_defaults:\n  config: {{ model: real, history_context_size: 20 }}\n  \
             prompts:\n    persona: {{ content: You are kind., editable: true, order: 1 }}\n\
             ui:\n  editable_fields: [config.model, config.max_tokens, config.history_context_size]\n\
             {sections}",
            provider.base_url
        );
        home.write("own.yml", &template);
        home.ok(&["init", "--config", "own.yml"]);
        let (_, token) = home.member();
        let server = home.serve();
        Self {
            provider,
            server,
            token,
            home,
        }
    }

    /// Sends a request of an API client.
    pub(super) fn v1(&self, path: &str, body: &Value) -> (u16, Value) {
        let authorization = format!("Bearer {}", self.token);
        let headers = [
            ("host", self.server.address.as_str()),
            ("authorization", &authorization),
            ("content-type", "application/json"),
        ];
        let line = format!("POST {path}");
        http::call(&self.server.address, &line, &headers, &body.to_string())
    }

    fn chat(&self, question: &str) -> Vec<Event> {
        http::chat(&self.server.address, &self.token, question)
    }

    #[track_caller]
    fn answered(&self, question: &str) -> Vec<Event> {
        let events = self.chat(question);
        assert_eq!(
            finished(&events)["status"],
            "completed",
            "{question}: {events:#?}"
        );
        events
    }

    /// The roles and contents of the newest request.
    fn shown(&self) -> Vec<(String, String)> {
        messages(self.provider.requests().last().unwrap())
    }
}

fn notices<'a>(events: &'a [Event], code: &str) -> Vec<&'a str> {
    let notices = events.iter().filter(|event| event.name == "notice");
    let coded = notices.filter(|event| event.data["code"] == code);
    coded
        .map(|event| event.data["message"].as_str().unwrap())
        .collect()
}

fn messages(body: &Value) -> Vec<(String, String)> {
    let messages = body["messages"].as_array().unwrap().iter();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    messages
        .map(|message| (text(&message["role"]), text(&message["content"])))
        .collect()
}

fn question(request: &Request) -> String {
    request.messages().pop().unwrap_or_default().1
}

/// Refuses as servers do that use the model's own template.
fn wants_turns(request: &Request) -> Option<Reply> {
    let messages = request.messages();
    let mut turns = messages.iter().filter(|(role, _)| role != "system");
    let mut wanted = ["user", "assistant"].iter().cycle();
    let is_fine = turns.all(|(role, _)| Some(&role.as_str()) == wanted.next());
    let error = json!({ "message": "Conversation roles must alternate user/assistant/user/assistant/...",
        "type": "BadRequestError", "code": 400 });
    (!is_fine).then_some(Reply::Refuse(400, error))
}

/// D5: a failed question does not end the chat at providers that want alternating roles.
#[test]
fn d5_a_failed_question_ends_no_chat() {
    for kind in ["fail", "refuse", "break"] {
        let world = World::start("", |request| {
            let question = question(request);
            wants_turns(request).unwrap_or_else(|| match question.split(' ').next() {
                Some("fail") => Reply::Refuse(500, json!({ "message": "out of memory" })),
                Some("refuse") => Reply::Refuse(422, json!({ "message": "no such thing" })),
                Some("break") => Reply::Break,
                _ => Reply::Say(format!("about {question}")),
            })
        });
        world.answered("one");
        let events = world.chat(&format!("{kind} now"));
        assert_eq!(finished(&events)["status"], "failed", "{events:#?}");
        world.answered("two");
        world.answered("three");
        let shown: Vec<_> = world.shown().into_iter().map(|(_, text)| text).collect();
        assert_eq!(
            shown[1..],
            ["one", "about one", "two", "about two", "three"]
        );
    }
}

/// D5: runs that overlap are shown as turns, each answer after its question.
#[test]
fn d5_overlapping_runs_are_shown_as_turns() {
    let gate = std::sync::Arc::new(std::sync::Barrier::new(2));
    let both = std::sync::Arc::clone(&gate);
    let world = World::start("", move |request| {
        let question = question(request);
        wants_turns(request).unwrap_or_else(|| {
            if question.starts_with("together") {
                both.wait();
            }
            Reply::Say(format!("about {question}"))
        })
    });
    std::thread::scope(|scope| {
        for question in ["together 1", "together 2"] {
            scope.spawn(|| world.answered(question));
        }
    });
    world.answered("after");
    let shown = world.shown();
    for number in 1..=2 {
        let question = format!("together {number}");
        let place = shown
            .iter()
            .position(|(_, text)| *text == question)
            .unwrap();
        assert_eq!(
            shown[place + 1].1,
            format!("about {question}"),
            "{shown:#?}"
        );
    }
    assert_eq!(shown.len(), 6);
}

/// D5: a provider that wants alternating roles also gets them from an API client that sends
/// neighbours of one role.
#[test]
fn d5_neighbours_of_a_client_are_joined_where_the_provider_wants_it() {
    let world = World::start("", |request| {
        wants_turns(request).unwrap_or_else(|| Reply::Say("fine".to_owned()))
    });
    let body = json!({ "model": "real", "messages": [
        { "role": "user", "content": "one" },
        { "role": "user", "content": "two" },
        { "role": "assistant", "content": "three" },
        { "role": "assistant", "content": "four" },
        { "role": "user", "content": "five" },
    ] });
    let (status, answer) = world.v1("/v1/chat/completions", &body);
    assert_eq!(status, 200, "{answer:#}");
    let texts: Vec<_> = world.shown().into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts[1..], ["one\n\ntwo", "three\n\nfour", "five"]);
}

/// M6: a history window begins with a question, and never with half a turn.
#[test]
fn m6_a_window_begins_with_a_question() {
    let world = World::start("", |request| {
        Reply::Say(format!("about {}", question(request)))
    });
    for question in ["one", "two", "three"] {
        world.answered(question);
    }
    for (size, shown) in [(1, 0), (2, 2), (3, 2), (4, 4), (5, 4)] {
        let body = json!({ "content": "now", "config": { "history_context_size": size } });
        let answer = http::post(&world.server.address, "/api/v1/chat", &world.token, &body);
        answer.rest();
        let messages = world.shown();
        assert_eq!(messages.len(), 1 + shown + 1, "{size}: {messages:#?}");
        assert_eq!(messages[1].0, "user", "{size}");
    }
}

/// D4: a conversation that outgrew its model goes on by itself, and the person is told.
#[test]
fn d4_a_conversation_recovers_from_too_long() {
    for error in [
        json!({ "code": "context_length_exceeded",
            "message": "This model's maximum context length is 2000 tokens. Reduce the length." }),
        json!({ "type": "exceed_context_size_error", "message": "it is too big" }),
        json!({ "message": "prompt is too long: 9000 tokens > 500 maximum" }),
    ] {
        let world = World::start("", move |request| {
            let messages = request.messages();
            let all: usize = messages.iter().map(|(_, text)| text.len()).sum();
            if all > 2000 {
                Reply::Refuse(400, error.clone())
            } else {
                Reply::Say("a".repeat(200))
            }
        });
        let mut told = 0;
        for number in 0..14 {
            let question = format!("{number:0>160}");
            let events = world.answered(&question);
            told += notices(&events, "history_shortened").len();
        }
        assert!(told > 0, "nobody was told");
        let requests = world.provider.requests();
        // What it refused once is not tried again with every question.
        assert!(requests.len() <= 16, "{} requests", requests.len());
        let shown = world.shown();
        assert!(shown.len() > 2, "some history stays");
        assert_eq!(shown[1].0, "user");
        assert_eq!(shown.last().unwrap().1, format!("{:0>160}", 13));
    }
}

/// D4: what a provider quotes of one person's words shortens no history of others.
#[test]
fn d4_one_persons_words_shorten_no_history_of_others() {
    const QUOTED: &str = "This model's maximum context length is 60 tokens";
    let world = World::start("", |request| {
        let asked = request.messages().pop().unwrap_or_default().1;
        if asked == QUOTED {
            let message = format!("1 validation error: input was '{asked}'");
            Reply::Refuse(400, json!({ "message": message }))
        } else {
            Reply::Say("b".repeat(200))
        }
    });
    for number in 0..4 {
        world.answered(&format!("question {number}"));
    }
    let (_, other) = world.home.member();
    http::chat(&world.server.address, &other, QUOTED);
    let events = world.answered("and now?");
    assert_eq!(notices(&events, "history_shortened").len(), 0);
    let questions = world.shown().into_iter().filter(|it| it.0 == "user");
    assert_eq!(questions.count(), 5);
}

/// D4: history is cut to what the catalog says that the model can read, in steps, before it is
/// refused.
#[test]
fn d4_history_is_cut_by_the_models_context_length() {
    let world = World::start(", context_length: 1000, max_output_tokens: 64", |_| {
        Reply::Say("b".repeat(400))
    });
    let (mut told, mut beginnings) = (0, Vec::new());
    for number in 0..20 {
        // 200 characters that are a token each, or 400 that are four to a token.
        let question = if number % 2 == 0 {
            "好".repeat(50)
        } else {
            "c".repeat(200)
        };
        let events = world.answered(&format!("{number} {question}"));
        told += notices(&events, "history_shortened").len();
        let shown = world.shown();
        let tokens: usize = shown.iter().map(|(_, text)| size(text)).sum();
        assert!(tokens <= 1000 - 64, "{tokens} tokens");
        assert_eq!(shown[0].1, "You are kind.");
        assert_eq!(shown[1].0, "user");
        beginnings.push(shown[1].1.clone());
    }
    assert!(told > 3, "{told}");
    let steps = beginnings.windows(2).filter(|it| it[0] != it[1]).count();
    assert!(
        steps <= 14,
        "the beginning changed {steps} times in 20 questions"
    );
}

/// Four bytes of ASCII are a token, and every other character.
fn size(text: &str) -> usize {
    let ascii = text.chars().filter(char::is_ascii).count();
    ascii.div_ceil(4) + text.chars().count() - ascii
}

/// D4: what a question alone is too long for is said with the code that API clients know.
#[test]
fn d4_a_question_that_is_too_long_alone_is_refused_by_its_name() {
    let world = World::start("", |request| {
        if question(request).len() > 100 {
            let error = json!({ "code": "context_length_exceeded", "message": "too many" });
            Reply::Refuse(400, error)
        } else {
            Reply::Say("fine".to_owned())
        }
    });
    let long = "x".repeat(200);
    let events = world.chat(&long);
    assert_eq!(finished(&events)["status"], "failed");
    let error = events.iter().find(|event| event.name == "error").unwrap();
    assert_eq!(error.data["code"], "context_length_exceeded", "{error:?}");
    world.answered("short");
    let body = json!({ "model": "real", "messages": [{ "role": "user", "content": long }] });
    let (status, answer) = world.v1("/v1/chat/completions", &body);
    assert_eq!(
        (status, &answer["error"]["code"]),
        (400, &json!("context_length_exceeded"))
    );
}

/// M5: what `echo` said is never shown to a real model as its own past.
#[test]
fn m5_a_real_model_is_not_shown_what_a_builtin_one_said() {
    let world = World::start("", |request| {
        Reply::Say(format!("about {}", question(request)))
    });
    let by = |model: &str, question: &str| {
        let body = json!({ "content": question, "config": { "model": model } });
        let answer = http::post(&world.server.address, "/api/v1/chat", &world.token, &body);
        let events = answer.rest();
        assert_eq!(finished(&events)["status"], "completed");
        http::text(&events)
    };
    by("echo", "who are you?");
    by("real", "one");
    by("echo", "and you?");
    by("real", "two");
    let shown: Vec<_> = world.shown().into_iter().map(|(_, text)| text).collect();
    assert_eq!(shown[1..], ["one", "about one", "two"]);
    // A mirror may show all of it: four questions with their answers came before.
    assert!(by("echo", "three").contains("8 earlier messages"));
}

/// W3: `echo` shows an API client its question and what came before, in every form of content.
#[test]
fn w3_echo_shows_a_client_its_question_and_the_past() {
    let world = World::start("", |_| Reply::Say("never".to_owned()));
    let past = |question: Value| {
        json!([
            { "role": "user", "content": "first" },
            { "role": "assistant", "content": "second" },
            { "role": "user", "content": question },
        ])
    };
    let image =
        json!({ "type": "image_url", "image_url": { "url": "data:image/png;base64,aGk=" } });
    let parts = json!([{ "type": "text", "text": "What is it?" }, image]);
    let chat = |messages: Value| json!({ "model": "echo", "messages": messages });
    let text = |answer: &Value| answer["choices"][0]["message"]["content"].to_string();
    for question in [json!("What is it?"), parts] {
        let (status, answer) = world.v1("/v1/chat/completions", &chat(past(question)));
        assert_eq!(status, 200, "{answer:#}");
        let text = text(&answer);
        assert!(text.contains("> What is it?"), "{text}");
        assert!(text.contains("2 earlier messages"), "{text}");
    }
    let body = json!({ "model": "echo", "input": past("What is it?".into()) });
    let (status, answer) = world.v1("/v1/responses", &body);
    assert_eq!(status, 200, "{answer:#}");
    let text = answer["output"].to_string();
    assert!(
        text.contains("> What is it?") && text.contains("2 earlier messages"),
        "{text}"
    );
}
