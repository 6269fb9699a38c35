//! Nexus in this process, without HTTP: a real store in a folder of its own, a clock that stands
//! still, and a model of the test.

use std::sync::Arc;

use async_trait::async_trait;
use nexus_core::egress::Secrets;
use nexus_core::genesis::GenesisDoc;
use nexus_core::tools::ToolServer;
use nexus_core::{Clock as _, Environment, PublicKey, Standing, Timestamp};
use nexus_llm::LanguageModel;
use nexus_run::context::ContextWindows;
use nexus_run::tools::{Away, Offered, ToolServers};
use nexus_run::{
    Commands, CurrentTime, Gate, Limiter, LiveTemplate, Orchestrator, Registration, Runs, Sharing,
    Tool, ToolBox,
};
use nexus_store::{EmbeddedStore, IdentityStore as _, MessageStore as _, NewTemplate, Store};
use serde_json::Value;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::ManualClock;
use crate::store::{Observed, Observer};

/// A member.
pub const ALICE: PublicKey = PublicKey::from_bytes([0xa1; 20]);
/// Another member.
pub const BOB: PublicKey = PublicKey::from_bytes([0xb0; 20]);
/// A key without an identity.
pub const VISITOR: PublicKey = PublicKey::from_bytes([0xff; 20]);

/// What an [`App`] is made of.
pub struct Parts<O> {
    /// Sees every call of the store.
    pub observer: O,
    /// Where the store is.
    pub folder: TempDir,
    /// Where the clock stands.
    pub now: Timestamp,
    /// Which template is used.
    pub environment: Environment,
    /// It is put in force, if there is one.
    pub template: Option<Value>,
    /// What providers' keys are.
    pub secrets: Secrets,
    /// What is asked.
    pub model: Arc<dyn LanguageModel>,
    /// What tools there are, beside those of Nexus itself.
    pub tools: Arc<dyn ToolServers>,
    /// How runs are kept.
    pub runs: Runs,
}

/// The running parts.
pub struct App<O> {
    /// Answers questions.
    pub orchestrator: Arc<Orchestrator>,
    /// What is kept.
    pub store: Arc<Observed<O>>,
    /// What time it is.
    pub clock: Arc<ManualClock>,
    /// Where the store is.
    pub folder: TempDir,
}

impl<O: Observer + Default> Parts<O> {
    /// A store that is empty but for this template, and no tools.
    pub fn new(model: Arc<dyn LanguageModel>, template: Value) -> Self {
        Self {
            observer: O::default(),
            folder: tempfile::tempdir().unwrap(),
            now: ManualClock::default().now(),
            environment: Environment::Development,
            template: Some(template),
            secrets: Secrets::default(),
            model,
            tools: Arc::new(OneServer::default()),
            runs: Runs::default(),
        }
    }
}

impl<O: Observer> App<O> {
    /// An app where Alice and Bob are members.
    pub async fn start(parts: Parts<O>) -> Self {
        let clock = Arc::new(ManualClock::new(parts.now));
        let store = EmbeddedStore::open(parts.folder.path()).unwrap();
        let store = Arc::new(Observed::new(store, parts.observer));
        let environment = parts.environment;
        if let Some(template) = parts.template {
            put(&*store, environment, template, None).await;
        }
        for key in [ALICE, BOB] {
            let made = store.create_identity(key, Standing::Active, clock.now());
            made.await.unwrap();
        }
        let secrets = Arc::new(parts.secrets);
        let template = LiveTemplate::load(store.clone(), environment, secrets).await;
        let template = Arc::new(template);
        let gate = Gate::new(store.clone(), template.clone(), clock.clone());
        let orchestrator = Arc::new(Orchestrator {
            store: store.clone(),
            gate: Arc::new(gate),
            template,
            model: parts.model,
            windows: ContextWindows::default(),
            tools: ToolBox::new(Arc::new(CurrentTime::new(clock.clone())), parts.tools),
            limiter: Arc::new(Limiter::new(store.clone(), clock.clone(), Sharing::Alone)),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
            runs: parts.runs,
        });
        Self {
            orchestrator,
            store,
            clock,
            folder: parts.folder,
        }
    }

    /// What executes commands.
    #[must_use]
    pub fn commands(&self, registration: Registration) -> Commands {
        Commands {
            store: self.store.clone(),
            gate: self.orchestrator.gate.clone(),
            template: self.orchestrator.template.clone(),
            clock: self.clock.clone(),
            registration,
        }
    }

    /// What is stored of a member, oldest first: role and text.
    pub async fn stored(&self, owner: PublicKey) -> Vec<(&'static str, String)> {
        let identity = self.store.identity(owner).await.unwrap().unwrap();
        let mut page = self.store.messages(&identity, 100, None).await.unwrap();
        let mut messages = page.messages;
        // Pages end early where messages are long.
        while let Some(next) = page.next {
            let more = self.store.messages(&identity, 100, Some(next));
            page = more.await.unwrap();
            messages.append(&mut page.messages);
        }
        let messages = messages.into_iter().rev();
        messages
            .map(|message| (message.role.as_str(), message.content))
            .collect()
    }

    /// Waits until every run whose reader went away has ended.
    pub async fn settle(&self) {
        self.orchestrator.tasks.close();
        self.orchestrator.tasks.wait().await;
    }
}

/// Puts a template in force for development, in place of the version that is expected.
pub async fn put_template(store: &dyn Store, document: Value, expected: Option<u64>) {
    put(store, Environment::Development, document, expected).await;
}

async fn put(store: &dyn Store, environment: Environment, document: Value, expected: Option<u64>) {
    let new = NewTemplate {
        environment,
        doc: GenesisDoc::from_value(document).unwrap(),
        author: "test".into(),
        created_at: ManualClock::default().now(),
    };
    store.put_template(new, expected).await.unwrap();
}

/// A tool server named `lab` with some tools, if there are any; every other one is away.
#[derive(Default)]
pub struct OneServer(pub Vec<Arc<dyn Tool>>);

#[async_trait]
impl ToolServers for OneServer {
    async fn offered(&self, server: &Arc<ToolServer>) -> Result<Vec<Offered>, Away> {
        if &*server.name != "lab" {
            return Err(Away {
                reason: "nothing listens at its address".to_owned(),
                advice: Some("only for whoever runs the server".to_owned()),
            });
        }
        let offered = |tool: &Arc<dyn Tool>| Offered {
            name: tool.spec().name.into(),
            tool: Arc::clone(tool),
        };
        Ok(self.0.iter().map(offered).collect())
    }
}
