//! A small world for runs: a real store in a temporary folder, a scripted model, a clock.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::StreamExt;
use nexus_core::egress::Secrets;
use nexus_core::event::{Channel, RunEvent, RunFinished};
use nexus_core::{Command, Field, Label, Overrides, PublicKey};
use nexus_llm::LanguageModel;
use nexus_run::saving::Patience;
use nexus_run::tools::ToolServers;
use nexus_run::{
    Authority, CommandFailure, NewRun, OnDisconnect, Order, Outcome, Question, Registration,
    RunStream, Runs, Tool,
};
use nexus_store::StoreError;
use nexus_test_support::app::{App, OneServer, Parts};
use nexus_test_support::model::ScriptedModel;
use nexus_test_support::store::Observer;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use nexus_test_support::app::{ALICE, BOB, VISITOR, put_template};

/// How long a run waits for a store that is told to fail.
const PATIENCE: Duration = Duration::from_millis(300);

pub(crate) fn template() -> Value {
    json!({
        "system": { "max_tool_iterations": 3 },
        "llm": {
            "providers": { "builtin": { "protocol": "builtin" } },
            "catalog": {
                "calm": { "provider": "builtin", "id": "calm-1", "default_params": { "max_tokens": 100 } },
                "wild": { "provider": "builtin", "id": "wild-1" }
            }
        },
        "tools": { "mcp": { "lab": { "stdio": "lab" }, "away": { "stdio": "away" } } },
        "user_defaults": {
            "config": { "model": "calm", "temperature": 0.8, "history_context_size": 4 },
            "prompts": {
                "persona": { "content": "You are Nexus.", "editable": true, "order": 1 },
                "system": { "content": "Be honest.", "editable": false, "order": 2 }
            }
        },
        "ui": { "editable_fields": ["config.model", "config.temperature", "config.history_context_size", "config.tools", "prompts.persona"] }
    })
}

pub(crate) struct World {
    app: App<Watch>,
    pub(crate) model: ScriptedModel,
}

impl Deref for World {
    type Target = App<Watch>;

    fn deref(&self) -> &App<Watch> {
        &self.app
    }
}

impl World {
    /// A world where Alice and Bob are members.
    pub(crate) async fn new(model: ScriptedModel) -> Self {
        Self::with_tools(model, Vec::new()).await
    }

    pub(crate) async fn with_tools(model: ScriptedModel, tools: Vec<Arc<dyn Tool>>) -> Self {
        Self::with_template(model, tools, template()).await
    }

    pub(crate) async fn with_template(
        model: ScriptedModel,
        tools: Vec<Arc<dyn Tool>>,
        template: Value,
    ) -> Self {
        let secrets = Secrets::default();
        let mut world = Self::over(template, Arc::new(model.clone()), tools, secrets).await;
        world.model = model;
        world
    }

    /// A world whose tools come from servers of one's own.
    pub(crate) async fn with_servers(
        model: ScriptedModel,
        servers: Arc<dyn ToolServers>,
        template: Value,
    ) -> Self {
        let secrets = Secrets::default();
        let mut world = Self::build(template, Arc::new(model.clone()), servers, secrets).await;
        world.model = model;
        world
    }

    /// A world with a template, a model and secrets of one's own.
    pub(crate) async fn over(
        template: Value,
        model: Arc<dyn LanguageModel>,
        tools: Vec<Arc<dyn Tool>>,
        secrets: Secrets,
    ) -> Self {
        Self::build(template, model, Arc::new(OneServer(tools)), secrets).await
    }

    async fn build(
        template: Value,
        model: Arc<dyn LanguageModel>,
        tools: Arc<dyn ToolServers>,
        secrets: Secrets,
    ) -> Self {
        let app: App<Watch> = App::start(Parts {
            secrets,
            tools,
            runs: Runs::default().with_patience(Patience {
                question: PATIENCE,
                answer: PATIENCE,
                stopping: PATIENCE,
            }),
            ..Parts::new(model, template)
        })
        .await;
        app.store.forget();
        Self {
            app,
            model: ScriptedModel::default(),
        }
    }

    pub(crate) fn start(&self, owner: PublicKey, question: &str) -> RunStream {
        self.orchestrator.start(new_run(owner, question))
    }

    /// Asks and reads every event to the end.
    pub(crate) async fn ask(&self, owner: PublicKey, question: &str) -> Vec<RunEvent> {
        self.start(owner, question).collect().await
    }

    pub(crate) async fn set(&self, owner: PublicKey, field: &str, value: Value) {
        let command = match field.parse().unwrap() {
            Field::Config(field) => Command::ConfigSet { field, value },
            Field::Prompt(name) => {
                let content = value.as_str().unwrap().to_owned();
                Command::PromptSet { name, content }
            }
        };
        self.execute(owner, command).await.unwrap();
    }

    /// Executes a command as somebody at the machine.
    pub(crate) async fn execute(
        &self,
        subject: PublicKey,
        command: Command,
    ) -> Result<Outcome, CommandFailure> {
        let commands = self.commands(Registration::Closed);
        let order = Order {
            subject,
            authority: Authority::Operator(Label::cut("test")),
            command,
        };
        commands.execute(order).await
    }

    /// The texts of the messages that the model was shown in request `number`.
    pub(crate) fn shown(&self, number: usize) -> Vec<String> {
        self.model.requests()[number]
            .messages
            .iter()
            .map(|message| format!("{message:?}"))
            .collect()
    }
}

pub(crate) fn new_run(owner: PublicKey, question: &str) -> NewRun {
    NewRun {
        owner,
        ask: Question::parse(question.to_owned()).unwrap().into(),
        request: Overrides::default(),
        models: None,
        explains: false,
        on_disconnect: OnDisconnect::Finish,
        cancel: CancellationToken::new(),
    }
}

pub(crate) fn answer(events: &[RunEvent]) -> String {
    let texts = events.iter().filter_map(|event| match event {
        RunEvent::TextChunk {
            chunk,
            channel: Channel::Answer,
        } => Some(chunk.as_str()),
        _ => None,
    });
    texts.collect()
}

/// The one `run_finished`, which is the last event.
pub(crate) fn finished(events: &[RunEvent]) -> &RunFinished {
    let ends = events
        .iter()
        .filter(|event| matches!(event, RunEvent::RunFinished(_)))
        .count();
    assert_eq!(ends, 1, "a run ends exactly once: {events:?}");
    let Some(RunEvent::RunFinished(finished)) = events.last() else {
        panic!("it ends last: {events:?}")
    };
    finished
}

/// The code of the first error, if there is one.
pub(crate) fn error_code(events: &[RunEvent]) -> Option<&'static str> {
    events.iter().find_map(|event| match event {
        RunEvent::Error { code, .. } => Some(*code),
        _ => None,
    })
}

/// Counts what is asked of the store, and can be told to fail.
#[derive(Default)]
pub(crate) struct Watch {
    writes: AtomicUsize,
    identity_reads: AtomicUsize,
    session_reads: AtomicUsize,
    api_key_reads: AtomicUsize,
    /// What limits ask of the store before a run.
    usage_reads: AtomicUsize,
    /// The first append that fails, counted from 1. 0: none.
    failing_append: AtomicU32,
    appends: AtomicU32,
    failing: Mutex<Option<Fault>>,
}

/// What fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    Identity,
    Usage,
    AddUsage,
    History,
    Panic,
}

impl Watch {
    pub(crate) fn usage_reads(&self) -> usize {
        self.usage_reads.load(Ordering::SeqCst)
    }

    fn forget(&self) {
        self.writes.store(0, Ordering::SeqCst);
    }

    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::SeqCst)
    }

    pub(crate) fn identity_reads(&self) -> usize {
        self.identity_reads.load(Ordering::SeqCst)
    }

    pub(crate) fn session_reads(&self) -> usize {
        self.session_reads.load(Ordering::SeqCst)
    }

    pub(crate) fn api_key_reads(&self) -> usize {
        self.api_key_reads.load(Ordering::SeqCst)
    }

    pub(crate) fn fail_append(&self, number: u32) {
        self.failing_append.store(number, Ordering::SeqCst);
    }

    pub(crate) fn fail(&self, fault: Fault) {
        *self.failing.lock().unwrap() = Some(fault);
    }

    pub(crate) fn heal(&self) {
        *self.failing.lock().unwrap() = None;
    }
}

impl Observer for Watch {
    fn before(&self, call: &'static str) -> Result<(), StoreError> {
        let failing = *self.failing.lock().unwrap();
        let fails = match call {
            "identity" => {
                self.identity_reads.fetch_add(1, Ordering::SeqCst);
                failing == Some(Fault::Identity)
            }
            "session" => {
                self.session_reads.fetch_add(1, Ordering::SeqCst);
                false
            }
            "api_key" => {
                self.api_key_reads.fetch_add(1, Ordering::SeqCst);
                false
            }
            "usage" | "add_to_counter" | "tell_running" => {
                self.usage_reads.fetch_add(1, Ordering::SeqCst);
                failing == Some(Fault::Usage)
            }
            "add_usage" => failing == Some(Fault::AddUsage),
            "history" => {
                assert_ne!(failing, Some(Fault::Panic), "told to panic");
                failing == Some(Fault::History)
            }
            "append" => {
                let number = self.appends.fetch_add(1, Ordering::SeqCst) + 1;
                let first = self.failing_append.load(Ordering::SeqCst);
                first > 0 && number >= first
            }
            _ => false,
        };
        if fails {
            let reason = "told to fail".to_owned();
            return Err(StoreError::Unavailable { reason });
        }
        let writes = [
            "append",
            "create_identity",
            "write_identity",
            "write_override",
        ];
        if writes.contains(&call) {
            self.writes.fetch_add(1, Ordering::SeqCst);
        }
        Ok(())
    }
}
