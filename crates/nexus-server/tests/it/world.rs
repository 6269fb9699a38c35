//! A small world: a server on a port of its own, members and visitors, a model that says what it is
//! told to, a clock that stands still.

mod store;

use std::net::SocketAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use chrono::{DateTime, TimeDelta};
use nexus_core::auth::{Origin, SigningKey};
use nexus_core::egress::Secrets;
use nexus_core::token::TokenKind;
use nexus_core::{Clock, Environment, Overrides, PublicKey, Scope, Session, Standing, Token};
use nexus_run::{Commands, Registration, SignIn};
use nexus_server::{AppState, ConnectionLimits, Origins, TrustedProxies};
use nexus_store::{IdentityStore as _, SessionStore as _, Store as _};
use nexus_test_support::app::{App, Parts};
use nexus_test_support::clock::ManualClock;
use nexus_test_support::model::ScriptedModel;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower_service::Service;

use self::store::Fragility;
use crate::client::{Answer, Call, Client};
pub(crate) use nexus_test_support::app::{ALICE, BOB, VISITOR};

/// The key of the far provider is pinned to it, and not set.
fn secrets() -> Secrets {
    Secrets::default().pin("FAR_KEY", ["far.test".parse().unwrap()])
}

pub(crate) fn template() -> Value {
    json!({
        "system": { "app_name": "Test Nexus", "max_tool_iterations": 3 },
        // The clock stands still, so what is not about limits needs much in one minute.
        "limits": {
            "identity": {
                "requests_per_minute": 100_000,
                "reads_per_minute": 100_000,
                "changes_per_minute": 100_000
            },
            "ip": { "sign_in_per_minute": 100_000, "requests_per_minute": 100_000 }
        },
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

/// Somebody with a key, who is signed in.
pub(crate) struct Person {
    pub(crate) key: SigningKey,
    pub(crate) token: String,
}

impl Person {
    pub(crate) fn address(&self) -> PublicKey {
        self.key.public_key()
    }
}

/// A key that is the same in every run.
pub(crate) fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32]).unwrap()
}

pub(crate) struct World {
    pub(crate) address: SocketAddr,
    app: App<Fragility>,
    pub(crate) commands: Arc<Commands>,
    pub(crate) model: ScriptedModel,
    pub(crate) shutdown: CancellationToken,
    pub(crate) router: Router,
    server: JoinSet<()>,
}

impl Deref for World {
    type Target = App<Fragility>;

    fn deref(&self) -> &App<Fragility> {
        &self.app
    }
}

/// How a world begins.
pub(crate) struct Setup {
    pub(crate) model: ScriptedModel,
    pub(crate) environment: Environment,
    pub(crate) template: Option<Value>,
    pub(crate) registration: Registration,
    pub(crate) admins: Vec<PublicKey>,
    pub(crate) trusted_proxies: Vec<String>,
    pub(crate) limits: ConnectionLimits,
    pub(crate) body_timeout: Duration,
    pub(crate) folder: TempDir,
    pub(crate) now: DateTime<chrono::Utc>,
}

impl Default for Setup {
    /// A template, and everybody may register.
    fn default() -> Self {
        Self {
            model: ScriptedModel::default(),
            environment: Environment::Development,
            template: Some(template()),
            registration: Registration::Open,
            admins: Vec::new(),
            trusted_proxies: Vec::new(),
            limits: ConnectionLimits::default(),
            body_timeout: nexus_server::BODY_TIMEOUT,
            folder: tempfile::tempdir().unwrap(),
            now: ManualClock::default().now(),
        }
    }
}

/// Under which names the server is known. The second one is behind TLS.
pub(crate) const HOST: &str = "nexus.test";
pub(crate) const SECURE_HOST: &str = "nexus.example.org";

fn origins() -> Origins {
    let names = [format!("http://{HOST}"), format!("https://{SECURE_HOST}")];
    Origins::new(names.map(|name| name.parse::<Origin>().unwrap()).into())
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
        let setup = Setup {
            model,
            environment,
            template,
            ..Setup::default()
        };
        Self::begin(setup).await
    }

    pub(crate) async fn begin(setup: Setup) -> Self {
        let app: App<Fragility> = App::start(Parts {
            folder: setup.folder,
            now: setup.now,
            environment: setup.environment,
            template: setup.template,
            secrets: secrets(),
            ..Parts::new(Arc::new(setup.model.clone()), Value::Null)
        })
        .await;
        let shutdown = CancellationToken::new();
        let origins = origins();
        let known = origins.iter().cloned().collect();
        let commands = Arc::new(app.commands(setup.registration));
        let state = AppState {
            orchestrator: Arc::clone(&app.orchestrator),
            commands: Arc::clone(&commands),
            sign_in: Arc::new(SignIn::new(app.store.clone(), app.clock.clone(), known)),
            origins,
            admins: setup.admins.into(),
            trusted_proxies: TrustedProxies::parse(&setup.trusted_proxies).unwrap(),
            shutdown: shutdown.clone(),
            grace: Duration::from_millis(20),
            body_timeout: setup.body_timeout,
            store_health: nexus_server::StoreHealth::default(),
        };
        let router = nexus_server::router(state);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut server = JoinSet::new();
        let stop = shutdown.clone();
        server.spawn(nexus_server::serve(
            listener,
            router.clone(),
            setup.limits,
            stop,
        ));
        Self {
            app,
            address,
            commands,
            model: setup.model,
            shutdown,
            router,
            server,
        }
    }

    /// The same server, stopped and started again.
    pub(crate) async fn restart(mut self) -> Self {
        self.shutdown.cancel();
        self.stopped().await;
        self.store.close().await;
        Self::begin(Setup {
            now: self.clock.now(),
            model: self.model,
            template: None,
            folder: self.app.folder,
            ..Setup::default()
        })
        .await
    }

    /// Somebody with a key of their own, who has signed in.
    pub(crate) async fn visitor(&self, seed: u8) -> Person {
        let key = key(seed);
        let token = self.sign_in(&key).await;
        Person { key, token }
    }

    /// The same, registered.
    pub(crate) async fn member(&self, seed: u8) -> Person {
        let now = self.clock.now();
        let created = self
            .store
            .create_identity(key(seed).public_key(), Standing::Active, now);
        created.await.unwrap();
        self.visitor(seed).await
    }

    /// Signs in over HTTP, and gives the token.
    pub(crate) async fn sign_in(&self, key: &SigningKey) -> String {
        let (message, signature) = self.signed_challenge(key).await;
        let body = json!({ "message": message, "signature": signature });
        let answer = self
            .send(Call::post("/api/v1/auth/verify", body.to_string()))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["token"].as_str().unwrap().to_owned()
    }

    /// A new challenge, and what the key makes of it.
    pub(crate) async fn signed_challenge(&self, key: &SigningKey) -> (String, String) {
        let challenge = self.send(Call::post("/api/v1/auth/challenge", "")).await;
        let text = challenge.json()["message_template"]
            .as_str()
            .unwrap()
            .replace("{address}", &key.public_key().to_checksummed());
        let signature = key.sign_message(text.as_bytes()).to_string();
        (text, signature)
    }

    /// Sends what a person signed, with their token.
    pub(crate) async fn send_signed(&self, person: &Person, call: Call) -> Answer {
        self.send(self.signed(person, call)).await
    }

    /// A call with the token of a person and a fresh signature.
    pub(crate) fn signed(&self, person: &Person, call: Call) -> Call {
        call.token(&person.token)
            .signed(&person.key, self.clock.now())
    }

    /// Executes a command that is signed, and takes its answer.
    pub(crate) async fn execute(&self, person: &Person, command: &str, arguments: Value) -> Answer {
        let call = Call::command(command, &arguments);
        self.send_signed(person, call).await
    }

    /// The token of a new API key.
    pub(crate) async fn api_key(&self, person: &Person, arguments: Value) -> String {
        let made = self.execute(person, "key.create", arguments).await;
        assert_eq!(made.status, 200, "{}", made.body);
        made.json()["data"]["token"].as_str().unwrap().to_owned()
    }

    /// Answers in this process, without a connection.
    pub(crate) async fn drive(&self, call: Call) -> Answer {
        let mut router = self.router.clone();
        let answer = Service::call(&mut router, call.request()).await.unwrap();
        Answer::collect(answer).await
    }

    /// A token for a key, registered or not. It is valid for an hour.
    pub(crate) async fn token(&self, owner_key: PublicKey) -> String {
        self.token_for(owner_key, Scope::Personal).await
    }

    /// Somebody with a token that reaches the installation. They need not be registered.
    pub(crate) async fn admin(&self) -> Person {
        let key = key(0xad);
        let token = self.token_for(key.public_key(), Scope::Admin).await;
        Person { key, token }
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
        let write = Overrides::set(&genesis, &field, &value).unwrap();
        let identity = self.store.identity(owner).await.unwrap().unwrap();
        let written = self.store.write_override(&identity, &write).await;
        written.unwrap();
    }

    /// The day of the clock, in UTC.
    pub(crate) fn today(&self) -> String {
        self.clock.now().date_naive().to_string()
    }

    /// Waits until the server has stopped.
    pub(crate) async fn stopped(&mut self) {
        while self.server.join_next().await.is_some() {}
    }
}
