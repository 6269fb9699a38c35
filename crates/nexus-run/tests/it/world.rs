//! A small world for runs: a real store in a temporary folder, a scripted model, a clock.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use futures_util::StreamExt;
use nexus_core::egress::Secrets;
use nexus_core::event::{Channel, RunEvent, RunFinished};
use nexus_core::genesis::GenesisDoc;
use nexus_core::tools::ToolServer;
use nexus_core::{Clock, Command, Environment, Field, Label, Overrides, PublicKey, Standing};
use nexus_llm::LanguageModel;
use nexus_llm::scripted::ScriptedModel;
use nexus_run::saving::Patience;
use nexus_run::tools::{Away, Offered, ToolServers};
use nexus_run::{
    Authority, CommandFailure, Commands, CurrentTime, Gate, Limiter, LiveTemplate, NewRun,
    OnDisconnect, Orchestrator, Order, Outcome, Question, Registration, RunStream, Runs, Sharing,
    Tool, ToolBox,
};
use nexus_store::{
    EmbeddedStore, IdentityStore as _, MessageStore as _, NewTemplate, Store, StoreError,
};
use nexus_test_support::clock::ManualClock;
use nexus_test_support::store::{Observed, Observer};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) const ALICE: PublicKey = PublicKey::from_bytes([0xa1; 20]);
pub(crate) const BOB: PublicKey = PublicKey::from_bytes([0xb0; 20]);
pub(crate) const VISITOR: PublicKey = PublicKey::from_bytes([0xff; 20]);

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
    pub(crate) orchestrator: Arc<Orchestrator>,
    pub(crate) store: Arc<WatchedStore>,
    pub(crate) model: ScriptedModel,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
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
        let secrets = Arc::default();
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
        let secrets = Arc::default();
        let mut world = Self::build(template, Arc::new(model.clone()), servers, secrets).await;
        world.model = model;
        world
    }

    /// A world with a template, a model and secrets of one's own.
    pub(crate) async fn over(
        template: Value,
        model: Arc<dyn LanguageModel>,
        tools: Vec<Arc<dyn Tool>>,
        secrets: Arc<Secrets>,
    ) -> Self {
        Self::build(template, model, Arc::new(OneServer(tools)), secrets).await
    }

    async fn build(
        template: Value,
        model: Arc<dyn LanguageModel>,
        servers: Arc<dyn ToolServers>,
        secrets: Arc<Secrets>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = Arc::<ManualClock>::default();
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let store = Arc::new(Observed::new(store, Watch::default()));
        put_template(&*store, template, None).await;
        for key in [ALICE, BOB] {
            store
                .create_identity(key, Standing::Active, clock.now())
                .await
                .unwrap();
        }
        let template = LiveTemplate::load(store.clone(), Environment::Development, secrets).await;
        let orchestrator = Arc::new(Orchestrator {
            store: store.clone(),
            gate: Arc::new(Gate::new(store.clone(), clock.clone())),
            template: Arc::new(template),
            model,
            windows: nexus_run::context::ContextWindows::default(),
            tools: ToolBox::new(Arc::new(CurrentTime::new(clock.clone())), servers),
            limiter: Arc::new(Limiter::new(store.clone(), clock.clone(), Sharing::Alone)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            runs: Runs::default().with_patience(Patience {
                question: PATIENCE,
                answer: PATIENCE,
                stopping: PATIENCE,
            }),
        });
        store.forget();
        Self {
            orchestrator,
            store,
            model: ScriptedModel::default(),
            clock,
            folder,
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
        let commands = Commands {
            store: self.store.clone(),
            gate: self.orchestrator.gate.clone(),
            template: self.orchestrator.template.clone(),
            clock: self.clock.clone(),
            registration: Registration::Closed,
        };
        let order = Order {
            subject,
            authority: Authority::Operator(Label::cut("test")),
            command,
        };
        commands.execute(order).await
    }

    /// What is stored of somebody, oldest first: role and text.
    pub(crate) async fn stored(&self, owner: PublicKey) -> Vec<(&'static str, String)> {
        let identity = self.store.identity(owner).await.unwrap().unwrap();
        let page = self.store.messages(&identity, 100, None).await.unwrap();
        page.messages
            .into_iter()
            .rev()
            .map(|message| (message.role.as_str(), message.content))
            .collect()
    }

    /// The texts of the messages that the model was shown in request `number`.
    pub(crate) fn shown(&self, number: usize) -> Vec<String> {
        self.model.requests()[number]
            .messages
            .iter()
            .map(|message| format!("{message:?}"))
            .collect()
    }

    /// Waits until every run whose reader went away has ended.
    pub(crate) async fn settle(&self) {
        self.orchestrator.tasks.close();
        self.orchestrator.tasks.wait().await;
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

pub(crate) async fn put_template(store: &dyn Store, document: Value, expected: Option<u64>) {
    let new = NewTemplate {
        environment: Environment::Development,
        doc: GenesisDoc::from_value(document).unwrap(),
        author: "test".into(),
        created_at: DateTime::from_timestamp_millis(0).unwrap(),
    };
    store.put_template(new, expected).await.unwrap();
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

/// A server named `lab` with some tools; every other one is away.
struct OneServer(Vec<Arc<dyn Tool>>);

#[async_trait]
impl ToolServers for OneServer {
    async fn offered(&self, server: &Arc<ToolServer>) -> Result<Vec<Offered>, Away> {
        if &*server.name != "lab" {
            return Err(Away {
                reason: "nothing listens at its address".to_owned(),
                advice: None,
            });
        }
        let offered = |tool: &Arc<dyn Tool>| Offered {
            name: tool.spec().name.into(),
            tool: Arc::clone(tool),
        };
        Ok(self.0.iter().map(offered).collect())
    }
}

/// A real store that counts writes and can be told to fail.
pub(crate) type WatchedStore = Observed<Watch>;

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
