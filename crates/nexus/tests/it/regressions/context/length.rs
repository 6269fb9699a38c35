//! How much a model reads, where its server says it and the catalog does not.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{notices, size};
use crate::http::{self, Event, finished};
use crate::program::{Home, Server};
use crate::regressions::provider::{Provider, Request};

/// What a server answers on which routes, and who asked.
#[derive(Clone, Default)]
struct Routes {
    answers: HashMap<&'static str, Value>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Routes {
    fn new(answers: &[(&'static str, Value)]) -> Self {
        Self {
            answers: answers.iter().cloned().collect(),
            asked: Arc::default(),
        }
    }

    fn serve(&self, request: Request) -> io::Result<()> {
        if request.body["messages"].is_array() {
            return answer(request);
        }
        let route = request.line.split(['?', ' ']).take(2);
        let route = route.collect::<Vec<_>>().join(" ");
        self.asked.lock().unwrap().push(route.clone());
        match self.answers.get(&*route) {
            Some(answer) => request.json(200, answer),
            None => request.json(404, &json!({"error": "no such route"})),
        }
    }

    /// How often a route was asked.
    fn count(&self, route: &str) -> usize {
        let asked = self.asked.lock().unwrap();
        asked.iter().filter(|it| *it == route).count()
    }
}

/// Says some 400 tokens, and counts what it was sent.
fn answer(request: Request) -> io::Result<()> {
    let shown = request.messages();
    let prompt = shown.iter().map(|(_, text)| size(text) as u64).sum();
    request.say(&"b".repeat(1_600), prompt, 400)
}

struct World {
    provider: Provider,
    server: Server,
    token: String,
    _home: Home,
}

impl World {
    fn start(routes: &Routes, facts: &str) -> Self {
        let routes = routes.clone();
        let provider = Provider::start(move |request| routes.serve(request));
        let base_url = provider.base_url.clone();
        Self::at(provider, &base_url, facts)
    }

    fn at(provider: Provider, base_url: &str, facts: &str) -> Self {
        let home = Home::new();
        let template = format!(
            "llm:\n  providers:\n    local: {{ base_url: \"{base_url}\" }}\n  catalog:\n    \
             real: {{ provider: local, id: real-1, max_output_tokens: 512{facts} }}\n\
             user_defaults:\n  config: {{ model: real, history_context_size: 100 }}\n  \
             prompts:\n    persona: {{ content: You are kind., editable: true, order: 1 }}\n"
        );
        home.write("own.yml", &template);
        home.ok(&["init", "--config", "own.yml"]);
        let (_, token) = home.member();
        let server = home.serve_with(&["--log", "debug"]);
        Self {
            provider,
            server,
            token,
            _home: home,
        }
    }

    /// Asks so many questions of some 400 tokens, each with an answer of as many. Gives the notices.
    fn talk(&self, questions: usize) -> Vec<String> {
        let mut told = Vec::new();
        for number in 0..questions {
            let question = format!("{number:0>1600}");
            let events: Vec<Event> = http::chat(&self.server.address, &self.token, &question);
            assert_eq!(
                finished(&events)["status"],
                "completed",
                "{number}: {events:#?}"
            );
            let notices = notices(&events, "history_shortened");
            told.extend(notices.into_iter().map(str::to_owned));
        }
        told
    }

    /// The tokens of the longest request.
    fn longest(&self) -> usize {
        let requests = self.provider.requests();
        let chats = requests.iter().filter(|it| it["messages"].is_array());
        let tokens = chats.map(|it| {
            let messages = it["messages"].as_array().unwrap().iter();
            messages
                .map(|it| size(it["content"].as_str().unwrap()))
                .sum()
        });
        tokens.max().unwrap()
    }
}

/// D4: a server of one's own is asked how much its models read, in the words of each kind, once; and
/// history is cut to it.
#[test]
fn d4_history_is_cut_to_what_a_server_of_ones_own_says() {
    let list = json!({"object": "list", "data": [{"id": "real-1", "object": "model"}]});
    let vllm = json!({"data": [{"id": "real-1", "object": "model", "max_model_len": 3000}]});
    let props = json!({"default_generation_settings": {"n_ctx": 3000}, "total_slots": 2});
    let studio = json!({"data": [{"id": "real-1", "loaded_context_length": 3000,
        "max_context_length": 100_000}]});
    let running = json!({"models": [{"model": "real-1:latest", "context_length": 3000}]});
    let idle = json!({"models": []});
    let shown = json!({"parameters": "num_ctx 3000\nstop \"x\"",
        "model_info": {"llama.context_length": 100_000}});
    let list = ("GET /v1/models", list);
    for (kind, answers) in [
        ("vLLM", vec![("GET /v1/models", vllm)]),
        ("llama.cpp", vec![list.clone(), ("GET /props", props)]),
        (
            "LM Studio",
            vec![list.clone(), ("GET /api/v0/models", studio)],
        ),
        (
            "Ollama, loaded",
            vec![list.clone(), ("GET /api/ps", running)],
        ),
        (
            "Ollama, idle",
            vec![list, ("GET /api/ps", idle), ("POST /api/show", shown)],
        ),
    ] {
        let routes = Routes::new(&answers);
        let world = World::start(&routes, "");
        let told = world.talk(6);
        assert!(!told.is_empty(), "{kind}: nothing was cut");
        assert!(told[0].contains("real can read at once"), "{told:?}");
        let longest = world.longest();
        assert!(
            (1_500..=3_000 - 512).contains(&longest),
            "{kind}: {longest}"
        );
        let route = answers.last().unwrap().0;
        // The list is asked for other reasons too.
        let is_own = route != "GET /v1/models";
        assert!(!is_own || routes.count(route) == 1, "{kind}");
        let log = world.server.log();
        assert_eq!(log.matches("context length").count(), 1, "{kind}: {log}");
    }
}

/// D4: a server of one's own that does not say it is taken for one of 4,096 tokens, and people are told
/// so; what the catalog says is not asked for.
#[test]
fn d4_a_server_of_ones_own_that_says_nothing_reads_4096_tokens() {
    let silent = Routes::default();
    let world = World::start(&silent, "");
    let told = world.talk(8);
    assert!(told[0].contains("4096 tokens"), "{told:?}");
    assert!(told[0].contains("context_length"), "{told:?}");
    let longest = world.longest();
    assert!((2_500..=4_096 - 512).contains(&longest), "{longest}");
    assert_eq!(silent.count("GET /props"), 1);
    assert_eq!(silent.count("POST /api/show"), 0);

    let declared = Routes::default();
    let world = World::start(&declared, ", context_length: 100000");
    assert_eq!(world.talk(8), [""; 0]);
    assert_eq!(declared.count("GET /props"), 0);
}

/// D4: many questions at once ask a server once, and one that does not answer there holds up no chat.
#[test]
fn d4_a_server_is_asked_once_and_holds_up_no_chat() {
    let props = json!({"default_generation_settings": {"n_ctx": 3000}});
    let list = json!({"data": [{"id": "real-1"}]});
    let routes = Routes::new(&[("GET /v1/models", list), ("GET /props", props)]);
    let world = World::start(&routes, "");
    // Too short to be asked for.
    world.talk(1);
    assert_eq!(routes.count("GET /props"), 0);
    world.talk(1);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| world.talk(1));
        }
    });
    assert_eq!(routes.count("GET /props"), 1);

    // It takes connections and says nothing, but to chats.
    let deaf = Provider::start(move |request: Request| {
        if request.body["messages"].is_array() {
            return answer(request);
        }
        request.hold()
    });
    let base_url = deaf.base_url.clone();
    let world = World::at(deaf, &base_url, "");
    let told = world.talk(6);
    assert!(told[0].contains("4096 tokens"), "{told:?}");
}
