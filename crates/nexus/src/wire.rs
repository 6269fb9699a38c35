//! The only place that names the concrete store and the concrete model client.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use nexus_core::{Clock as _, Environment, Genesis, SystemClock, Timestamp};
use nexus_llm::{Jitter, LlmClient, Resilient, Timers};
use nexus_mcp::McpClient;
use nexus_run::live::{self, LiveTemplate};
use nexus_run::{
    Commands, CurrentTime, Gate, Limiter, McpTools, Orchestrator, Registration, Runs, Sharing,
    SignIn, ToolBox,
};
use nexus_server::AppState;
use nexus_store::installation::{Installation, Nowhere};
use nexus_store::{
    ConnectError, EmbeddedStore, MongoInstallation, MongoOptions, MongoStore, OpenError, Original,
    Store,
};
use secrecy::{ExposeSecret, SecretString};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Place;
use crate::failure::Failure;
use crate::settings::{self, Settings};

/// Asks models, and finds out whether they can be asked.
pub(crate) type Client = LlmClient;

/// The time of this machine.
pub(crate) type Clock = SystemClock;

/// What it says.
pub(crate) fn now() -> Timestamp {
    SystemClock.now()
}

/// The file of the embedded store. It is looked for, so that a command that only reads leaves no
/// empty one behind.
const DATABASE: &str = "nexus.db";

/// Opens the store; what is missing is created. A database that does not answer is no failure: the
/// store says so when it is used, and comes back by itself.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn Store>, Failure> {
    if let Some(address) = &settings.database {
        let address = address.expose_secret();
        let store = MongoStore::connect(address, database(settings), MongoOptions::default());
        return match store.await {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => Err(cannot_connect(&error)),
        };
    }
    Ok(Arc::new(open_embedded(settings)?))
}

/// Opens the store for a command that would find nothing in an empty one.
pub(crate) async fn open_existing(settings: &Settings) -> Result<Arc<dyn Store>, Failure> {
    let is_embedded = settings.database.is_none();
    // A file in place of the folder is for the store to complain about.
    if is_embedded && !settings.data.is_file() && !settings.data.join(DATABASE).exists() {
        let message = format!("there is nothing in {} yet", settings.data.display());
        let hint = "start with `nexus serve` or `nexus init`, or name the right folder with --data";
        return Err(Failure::new(message).hint(hint));
    }
    open(settings).await
}

/// The database of the settings, as one that the original Python NEXUS may have written.
pub(crate) async fn original(settings: &Settings) -> Result<Original, Failure> {
    let address = address(settings)?.expose_secret();
    let original = Original::connect(address, database(settings), MongoOptions::default());
    original.await.map_err(|error| cannot_connect(&error))
}

/// A store to move everything from or to. To open it changes nothing; what is missing is `Nowhere`.
pub(crate) async fn installation(
    settings: &Settings,
    place: &Place,
) -> Result<Box<dyn Installation>, Failure> {
    let address = match place {
        Place::Embedded if settings.data.is_file() || settings.data.join(DATABASE).exists() => {
            return Ok(Box::new(open_embedded(settings)?));
        }
        Place::Embedded => {
            let location = settings.data.join(DATABASE).display().to_string();
            return Ok(Box::new(Nowhere { location }));
        }
        Place::Database => address(settings)?,
        Place::Address(address) => address,
    };
    let address = address.expose_secret();
    let opened = MongoInstallation::connect(address, database(settings), MongoOptions::default());
    match opened.await {
        Ok(installation) => Ok(Box::new(installation)),
        Err(error) => Err(cannot_connect(&error)),
    }
}

/// The same, made if it is missing.
pub(crate) async fn new_installation(
    settings: &Settings,
    place: &Place,
) -> Result<Box<dyn Installation>, Failure> {
    match place {
        Place::Embedded => Ok(Box::new(open_embedded(settings)?)),
        Place::Database | Place::Address(_) => installation(settings, place).await,
    }
}

fn open_embedded(settings: &Settings) -> Result<EmbeddedStore, Failure> {
    let opened = tokio::task::block_in_place(|| EmbeddedStore::open(&settings.data));
    opened.map_err(|error| cannot_open(&error))
}

fn address(settings: &Settings) -> Result<&SecretString, Failure> {
    settings.database.as_ref().ok_or_else(|| {
        Failure::new("no MongoDB database is named")
            .hint("name it with --database mongodb://HOST:27017, or with the variable MONGO_URI")
    })
}

/// What the database is called when its address does not say.
fn database(settings: &Settings) -> &'static str {
    match settings.environment {
        Environment::Development => "NEXUS_DB_DEV",
        Environment::Production => "NEXUS_DB_PROD",
    }
}

fn cannot_connect(error: &ConnectError) -> Failure {
    Failure::new(error.to_string()).hint("it is set by --database, MONGO_URI or the settings file")
}

fn cannot_open(error: &OpenError) -> Failure {
    let failure = Failure::new(error.to_string());
    match error {
        OpenError::Folder { .. } | OpenError::NotAFolder { .. } | OpenError::ReadOnly { .. } => {
            failure.hint("name the data folder with --data DIR, or with the variable NEXUS_DATA")
        }
        _ => failure,
    }
}

/// The template in force; in development the emergency one stands in for a missing one.
pub(crate) async fn live(settings: &Settings, store: &Arc<dyn Store>) -> Arc<LiveTemplate> {
    let secrets = Arc::new(settings.secrets());
    let live = LiveTemplate::load(Arc::clone(store), settings.environment, secrets);
    Arc::new(live.await)
}

/// The stored template, for a command that needs a usable one.
pub(crate) async fn genesis(settings: &Settings, store: &dyn Store) -> Result<Genesis, Failure> {
    let environment = settings.environment;
    let init = format!("`nexus init --environment {environment}`");
    let stored = live::stored_template(store, environment, &settings.secrets()).await;
    match stored {
        Ok(Some((_, checked))) => Ok(checked.genesis),
        Ok(None) => {
            let place = settings.place();
            let message = format!("there is no template for {environment} in {place}");
            Err(Failure::new(message).hint(format!("store one with {init}")))
        }
        Err(problem) => Err(
            Failure::new(format!("the stored template cannot be used: {problem}")).hint(format!(
                "look at it with `nexus template show`; {init} --force replaces it"
            )),
        ),
    }
}

/// A client for models. It reaches what the server would reach.
pub(crate) fn client(settings: &Settings) -> Result<Client, Failure> {
    client_of_server(settings, &settings.listen(None))
}

/// A client for the models of a server that listens at `listen`.
pub(crate) fn client_of_server(settings: &Settings, listen: &str) -> Result<Client, Failure> {
    LlmClient::new(Timers::default(), settings.address_rules(listen))
        .map_err(|error| Failure::new(error.to_string()))
}

/// How the server comes to its end.
pub(crate) struct Stop {
    /// Cancelled when it begins.
    pub(crate) begins: CancellationToken,
    /// How long streams may go on after that.
    pub(crate) grace: Duration,
}

/// Everything that a server needs.
pub(crate) fn app(
    settings: &Settings,
    orchestrator: Arc<Orchestrator>,
    listens_on: SocketAddr,
    stop: Stop,
) -> AppState {
    let origins = settings.origins(listens_on);
    let sign_in = SignIn::new(
        Arc::clone(&orchestrator.store),
        Arc::clone(&orchestrator.clock),
        origins.iter().cloned().collect(),
    );
    let commands = commands(&orchestrator, settings.registration(listens_on));
    AppState {
        commands: Arc::new(commands),
        sign_in: Arc::new(sign_in),
        origins,
        admins: settings.admins.clone().into(),
        trusted_proxies: settings.trusted_proxies.clone(),
        grace: stop.grace,
        body_timeout: nexus_server::BODY_TIMEOUT,
        store_health: nexus_server::StoreHealth::default(),
        orchestrator,
        shutdown: stop.begins,
    }
}

/// What executes commands.
pub(crate) fn commands(orchestrator: &Orchestrator, registration: Registration) -> Commands {
    Commands {
        store: Arc::clone(&orchestrator.store),
        gate: Arc::clone(&orchestrator.gate),
        template: Arc::clone(&orchestrator.template),
        clock: Arc::clone(&orchestrator.clock),
        registration,
    }
}

/// What executes commands on this machine, beside a server or without one.
pub(crate) async fn commands_here(settings: &Settings, store: &Arc<dyn Store>) -> Commands {
    let clock: Arc<dyn nexus_core::Clock> = Arc::new(SystemClock);
    let template = live(settings, store).await;
    let gate = Gate::new(Arc::clone(store), Arc::clone(&template), Arc::clone(&clock));
    Commands {
        store: Arc::clone(store),
        gate: Arc::new(gate),
        template,
        clock,
        // Whoever is at the machine registers whom they like.
        registration: Registration::Open,
    }
}

/// The tools, and their connections.
pub(crate) struct Tools {
    pub(crate) toolbox: ToolBox,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Tools {
    /// For a server that listens at `listen`. Connected when they are needed.
    pub(crate) fn new(settings: &Settings, listen: &str) -> Result<Self, Failure> {
        let commands = nexus_mcp::Commands {
            programs: settings.mcp_commands.clone(),
            environment: settings::environment_of_programs(),
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let rules = settings.address_rules(listen);
        let client = McpClient::new(commands, rules, tasks.clone(), stop.clone())
            .map_err(|error| Failure::new(error.to_string()))?;
        Ok(Self {
            toolbox: ToolBox::new(
                Arc::new(CurrentTime::new(Arc::new(SystemClock))),
                Arc::new(McpTools::new(client)),
            ),
            tasks,
            stop,
        })
    }

    /// Closes all connections. A program that does not go is ended.
    pub(crate) async fn close(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Whom a run asks.
pub(crate) struct Outside {
    pub(crate) client: Client,
    pub(crate) tools: ToolBox,
}

/// Everything that a chat needs.
pub(crate) fn orchestrator(
    settings: &Settings,
    store: Arc<dyn Store>,
    template: Arc<LiveTemplate>,
    outside: Outside,
    tasks: TaskTracker,
) -> Arc<Orchestrator> {
    let clock: Arc<dyn nexus_core::Clock> = Arc::new(SystemClock);
    let model = Resilient::new(outside.client, Timers::default(), Jitter::random());
    // One file is for one server.
    let sharing = match settings.database {
        Some(_) => Sharing::Shared,
        None => Sharing::Alone,
    };
    let limiter = Limiter::new(Arc::clone(&store), Arc::clone(&clock), sharing);
    let gate = Gate::new(
        Arc::clone(&store),
        Arc::clone(&template),
        Arc::clone(&clock),
    );
    Arc::new(Orchestrator {
        gate: Arc::new(gate),
        limiter: Arc::new(limiter),
        store,
        template,
        model: Arc::new(model),
        windows: nexus_run::context::ContextWindows::default(),
        tools: outside.tools,
        clock,
        tasks,
        stopping: CancellationToken::new(),
        runs: Runs::new(sharing),
    })
}
