//! Whole runs against a provider that misbehaves on a real socket. Every run, whatever happens to
//! it, ends in time, exactly once, and shows the provider's key nowhere.

mod answers;
mod fallbacks;
mod good;
mod refusals;
mod sockets;

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use nexus_core::egress::{Secrets, Site, authority};
use nexus_core::event::{RunEvent, RunStatus};
use nexus_core::{Overrides, PublicKey};
use nexus_llm::{AddressRules, Jitter, LlmClient, Resilient, Timers};
use nexus_run::{NewRun, Tool};
use nexus_store::{IdentityStore, MessageStore};
use nexus_test_support::log::Log;
use nexus_test_support::provider::{Act, Received};
use serde_json::{Value, json};
use tracing::Level;

use crate::world::{ALICE, World, answer, error_code, finished, new_run};

/// The key of every provider. It must turn up nowhere.
const KEY: &str = "sk-canary-0123456789";
/// What a provider says when all is well.
const ANSWER: &str = "Grüß dich, Nexus. ✓";
/// No test waits for longer.
const PATIENCE: Duration = Duration::from_secs(10);
const TOTAL: Duration = Duration::from_secs(4);
const SILENCE: Duration = Duration::from_millis(300);

/// Whether the model is asked for a stream.
const BOTH: [&str; 2] = ["streaming", "whole"];

fn timers(silence: Duration) -> Timers {
    Timers {
        // Clearly less than what the first event gets, which is counted from the same moment.
        connect: silence / 2,
        first_event: silence,
        slow_first_event: silence,
        byte_idle: silence,
        progress_idle: silence * 2,
        trailing: silence,
        whole_turn: TOTAL,
        whole_answer: TOTAL,
    }
}

/// A world whose models are at `primary`, and whose fallback is at `spare`.
struct Chaos {
    world: World,
    log: Log,
    _logging: Option<tracing::subscriber::DefaultGuard>,
}

/// How a run went.
struct Outcome {
    events: Vec<RunEvent>,
    took: Duration,
    /// The stored answer, and its metadata.
    stored: Option<(String, Value)>,
}

impl Chaos {
    async fn new(primary: &str) -> Self {
        Self::with(primary, "http://127.0.0.1:9/v1", Vec::new()).await
    }

    async fn with(primary: &str, spare: &str, tools: Vec<Arc<dyn Tool>>) -> Self {
        let (log, logging) = Log::of_thread(Level::TRACE);
        Self {
            world: world(primary, spare, tools, SILENCE).await,
            log,
            _logging: Some(logging),
        }
    }

    /// One more world, for a test that runs several at the same time: they share the log, and are
    /// patient with a busy machine.
    async fn beside(&self, primary: &str) -> Self {
        Self {
            world: world(primary, "http://127.0.0.1:9/v1", Vec::new(), TOTAL).await,
            log: self.log.clone(),
            _logging: None,
        }
    }

    /// Asks a model and sees the run to its end.
    async fn ask(&self, model: &str) -> Outcome {
        self.ask_as(ALICE, model).await
    }

    async fn ask_as(&self, owner: PublicKey, model: &str) -> Outcome {
        let started = Instant::now();
        let run = self.world.orchestrator.start(asking(owner, model));
        let events: Vec<_> = tokio::time::timeout(PATIENCE, run.collect())
            .await
            .expect("no run hangs");
        let took = started.elapsed();
        assert!(
            took <= TOTAL + Duration::from_secs(1),
            "{took:?}: {events:?}"
        );
        let status = finished(&events).status;
        let errors = events
            .iter()
            .filter(|event| matches!(event, RunEvent::Error { .. }))
            .count();
        let is_whole = matches!(status, RunStatus::Completed | RunStatus::ToolLimit);
        assert_eq!(errors, usize::from(!is_whole), "{events:?}");
        let stored = self.last_answer(owner).await;
        let shown = format!("{events:?}");
        for place in [shown, format!("{stored:?}"), self.log.text()] {
            assert!(!place.contains("canary"), "{place}");
        }
        Outcome {
            events,
            took,
            stored,
        }
    }

    async fn last_answer(&self, owner: PublicKey) -> Option<(String, Value)> {
        let store = &self.world.store;
        let identity = store.identity(owner).await.unwrap().unwrap();
        let page = store.messages(&identity, 1, None).await.unwrap();
        let last = page.messages.into_iter().next()?;
        let is_answer = last.role == nexus_core::Role::Ai;
        let metadata = Value::Object(last.metadata.to_map());
        is_answer.then_some((last.content, metadata))
    }
}

impl Outcome {
    fn status(&self) -> RunStatus {
        finished(&self.events).status
    }

    fn text(&self) -> String {
        answer(&self.events)
    }

    fn code(&self) -> Option<&'static str> {
        error_code(&self.events)
    }

    /// It was answered as if nothing had happened.
    #[track_caller]
    fn is_fine(&self) {
        assert_eq!(self.status(), RunStatus::Completed, "{:?}", self.events);
        assert_eq!(self.text(), ANSWER);
        let stored = self.stored.as_ref().expect("a stored answer");
        assert_eq!(stored.0, ANSWER);
        assert_eq!(stored.1.get("interrupted"), None);
    }

    /// There is no answer, and one clean error.
    #[track_caller]
    fn is_failed(&self, code: &str) {
        assert_eq!(self.status(), RunStatus::Failed, "{:?}", self.events);
        assert_eq!(self.code(), Some(code), "{:?}", self.events);
        assert!(self.stored.is_none());
    }

    /// It broke off after `text`, which is stored and marked.
    #[track_caller]
    fn is_interrupted(&self, text: &str, code: &str) {
        assert_eq!(self.status(), RunStatus::Interrupted, "{:?}", self.events);
        assert_eq!(self.code(), Some(code));
        assert_eq!(self.text(), text);
        let (stored, metadata) = self.stored.as_ref().expect("a stored part");
        assert_eq!(
            (stored.as_str(), &metadata["interrupted"]),
            (text, &json!(code))
        );
    }
}

async fn world(primary: &str, spare: &str, tools: Vec<Arc<dyn Tool>>, silence: Duration) -> World {
    let rules = AddressRules {
        loopback: true,
        ..AddressRules::default()
    };
    let client = LlmClient::new(timers(silence), rules).unwrap();
    let model = Resilient::new(client, timers(silence), Jitter::seeded(1));
    let secrets = Secrets::new(|_| Some(KEY.to_owned()))
        .pin("PRIMARY_KEY", [site(primary)])
        .pin("SECOND_KEY", [site(spare)]);
    let template = template(primary, spare);
    World::over(template, Arc::new(model), tools, secrets).await
}

fn site(base_url: &str) -> Site {
    let url = base_url.parse().unwrap();
    authority(&url).parse().unwrap()
}

fn asking(owner: PublicKey, model: &str) -> NewRun {
    NewRun {
        request: Overrides {
            model: Some(model.into()),
            ..Overrides::default()
        },
        ..new_run(owner, "Who are you?")
    }
}

fn template(primary: &str, spare: &str) -> Value {
    let fallbacks = json!(["spare"]);
    json!({
        "system": { "max_tool_iterations": 3 },
        "tools": { "mcp": { "lab": { "stdio": "lab" } } },
        "llm": {
            "providers": {
                "primary": { "base_url": primary, "api_key": "${PRIMARY_KEY}" },
                "second": { "base_url": spare, "api_key": "${SECOND_KEY}" }
            },
            "catalog": {
                "streaming": { "provider": "primary", "id": "streaming-1" },
                "whole": { "provider": "primary", "id": "whole-1", "stream": false },
                "safe": { "provider": "primary", "id": "safe-1", "fallbacks": fallbacks },
                "safe-whole": {
                    "provider": "primary", "id": "safe-2", "stream": false, "fallbacks": fallbacks
                },
                "spare": { "provider": "second", "id": "spare-1" }
            }
        },
        "user_defaults": {
            "config": { "model": "streaming", "history_context_size": 0 },
            "prompts": { "persona": { "content": "You are Nexus.", "editable": true, "order": 1 } }
        },
        "ui": { "editable_fields": ["config.model"] }
    })
}

/// Does as told for the first requests, and then answers well.
fn first(acts: impl IntoIterator<Item = Vec<Act>>) -> impl Fn(&Received) -> Vec<Act> + Send + Sync {
    let acts: Vec<_> = acts.into_iter().collect();
    move |asked| {
        let told = acts.get(asked.number).cloned();
        told.unwrap_or_else(|| good::answers_well(asked))
    }
}

/// Does the same for every request.
fn always(acts: Vec<Act>) -> impl Fn(&Received) -> Vec<Act> + Send + Sync {
    move |_| acts.clone()
}
