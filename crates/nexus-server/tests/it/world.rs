//! A small world: a server on a port of its own, members and visitors, a model that says what it is
//! told to, a clock that stands still.

mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, TimeDelta};
use nexus_core::clock::ManualClock;
use nexus_core::egress::Secrets;
use nexus_core::genesis::GenesisDoc;
use nexus_core::token::TokenKind;
use nexus_core::{Clock, Environment, PublicKey, Scope, Session, Standing, Token};
use nexus_llm::scripted::ScriptedModel;
use nexus_run::tools::{Away, Offered, ToolServers};
use nexus_run::{CurrentTime, Gate, LiveTemplate, Orchestrator, ToolBox, personal};
use nexus_server::AppState;
use nexus_store::{
    ConfigStore as _, EmbeddedStore, IdentityStore as _, MessageStore as _, NewTemplate,
    SessionStore as _,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use self::store::FragileStore;
use self::store::fragile;
use crate::client::{Answer, Call, Client};

pub(crate) const ALICE: PublicKey = PublicKey::from_bytes([0xa1; 20]);
pub(crate) const BOB: PublicKey = PublicKey::from_bytes([0xb0; 20]);
pub(crate) const VISITOR: PublicKey = PublicKey::from_bytes([0xff; 20]);

/// The key of the far provider is pinned to it, and not set.
fn secrets() -> Secrets {
    Secrets::default().pin("FAR_KEY", ["far.test".parse().unwrap()])
}

pub(crate) fn template() -> Value {
    json!({
        "system": { "app_name": "Test Nexus", "max_tool_iterations": 3 },
        "llm": {
            "providers": {
                "builtin": { "protocol": "builtin" },
                "far": { "base_url": "https://far.test/v1", "api_key": "${FAR_KEY}" }
            },
            "catalog": {
                "calm": { "provider": "builtin", "id": "calm-1", "aliases": ["Calm"], "default_params": { "max_tokens": 100 } },
                "wild": { "provider": "far", "id": "wild-1" }
            }
        },
        "tools": { "mcp": { "far": { "url": "https://far.test/mcp" } } },
        "user_defaults": {
            "config": { "model": "calm", "temperature": 0.8, "history_context_size": 4 },
            "prompts": { "persona": { "content": "You are Nexus.", "editable": true, "order": 1 } }
        },
        "ui": {
            "editable_fields": ["config.model", "config.temperature", "prompts.persona"],
            "field_options": { "config.temperature": { "type": "slider", "min": 0.0, "max": 1.5 } }
        }
    })
}

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    pub(crate) orchestrator: Arc<Orchestrator>,
    pub(crate) store: Arc<FragileStore>,
    pub(crate) model: ScriptedModel,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) shutdown: CancellationToken,
    server: JoinSet<()>,
    _folder: TempDir,
}

impl World {
    /// A server with a template, where Alice and Bob are members.
    pub(crate) async fn new(model: ScriptedModel) -> Self {
        Self::with_template(model, Environment::Development, Some(template())).await
    }

    pub(crate) async fn with_template(
        model: ScriptedModel,
        environment: Environment,
        template: Option<Value>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let start = DateTime::from_timestamp_millis(1_760_000_000_000).unwrap();
        let clock = Arc::new(ManualClock::new(start));
        let store = EmbeddedStore::open(folder.path()).unwrap();
        let store = Arc::new(fragile(store));
        if let Some(template) = template {
            let new = NewTemplate {
                environment,
                doc: GenesisDoc::from_value(template).unwrap(),
                author: "test".into(),
                created_at: start,
            };
            store.put_template(new, None).await.unwrap();
        }
        for key in [ALICE, BOB] {
            store
                .create_identity(key, Standing::Active, start)
                .await
                .unwrap();
        }
        let live = LiveTemplate::load(store.clone(), environment, Arc::new(secrets())).await;
        let orchestrator = Arc::new(Orchestrator {
            store: store.clone(),
            gate: Arc::new(Gate::new(store.clone(), clock.clone())),
            template: Arc::new(live),
            model: Arc::new(model.clone()),
            tools: ToolBox::new(
                Arc::new(CurrentTime::new(clock.clone())),
                Arc::new(NoServers),
            ),
            clock: clock.clone(),
            tasks: TaskTracker::new(),
        });
        let shutdown = CancellationToken::new();
        let state = AppState {
            grace: Duration::from_millis(20),
            ..AppState::new(Arc::clone(&orchestrator), shutdown.clone())
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        server.spawn(nexus_server::serve(
            listener,
            nexus_server::router(state),
            shutdown.clone(),
        ));
        Self {
            address,
            orchestrator,
            store,
            model,
            clock,
            shutdown,
            server,
            _folder: folder,
        }
    }

    /// A token for a key, registered or not. It is valid for an hour.
    pub(crate) async fn token(&self, owner_key: PublicKey) -> String {
        self.token_for(owner_key, Scope::Personal).await
    }

    /// A token that reaches the installation.
    pub(crate) async fn admin_token(&self) -> String {
        self.token_for(ALICE, Scope::Admin).await
    }

    async fn token_for(&self, owner_key: PublicKey, scope: Scope) -> String {
        let token = Token::generate(TokenKind::Development).unwrap();
        let now = self.clock.now();
        let end = now + TimeDelta::hours(1);
        let session = Session::new(token.digest(), owner_key, scope, now, end);
        self.store.create_session(session).await.unwrap();
        token.reveal().to_owned()
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address).await
    }

    /// Sends one request over a connection of its own.
    pub(crate) async fn send(&self, call: Call) -> Answer {
        self.client().await.send(call).await
    }

    /// Asks with a token, and takes the whole answer.
    pub(crate) async fn chat(&self, token: &str, body: Value) -> Answer {
        self.send(Call::post("/api/v1/chat", body.to_string()).token(token))
            .await
    }

    pub(crate) async fn set(&self, owner: PublicKey, field: &str, value: Value) {
        let genesis = self.orchestrator.template.current().unwrap();
        let field = field.parse().unwrap();
        personal::set(&*self.store, &genesis, owner, &field, &value)
            .await
            .unwrap();
    }

    /// What is stored of somebody, oldest first: role and text.
    pub(crate) async fn stored(&self, owner: PublicKey) -> Vec<(&'static str, String)> {
        let identity = self.store.identity(owner).await.unwrap().unwrap();
        let page = self.store.messages(&identity, 100, None).await.unwrap();
        let messages = page.messages.into_iter().rev();
        messages
            .map(|message| (message.role.as_str(), message.content))
            .collect()
    }

    /// Waits until every run whose reader went away has ended.
    pub(crate) async fn settle(&self) {
        self.orchestrator.tasks.close();
        self.orchestrator.tasks.wait().await;
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(&mut self) {
        while self.server.join_next().await.is_some() {}
    }
}

/// No tool server can be reached.
struct NoServers;

#[async_trait]
impl ToolServers for NoServers {
    async fn offered(&self, _: &Arc<nexus_core::tools::ToolServer>) -> Result<Vec<Offered>, Away> {
        Err(Away {
            reason: "nothing listens at its address".to_owned(),
            advice: Some("only for whoever runs the server".to_owned()),
        })
    }
}
