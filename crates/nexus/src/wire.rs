//! The only place that names the concrete store and the concrete model client.

use std::net::SocketAddr;
use std::sync::Arc;

use nexus_core::{Environment, Genesis, SystemClock};
use nexus_llm::{LlmClient, Timers};
use nexus_run::live::{self, LiveTemplate};
use nexus_run::{Commands, Gate, Limiter, Orchestrator, Registration, Sharing, SignIn, ToolBox};
use nexus_server::AppState;
use nexus_store::{EmbeddedStore, MongoOptions, MongoStore, OpenError, Store};
use secrecy::ExposeSecret;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::failure::Failure;
use crate::settings::Settings;

/// Asks models, and finds out whether they can be asked.
pub(crate) type Client = LlmClient;

/// The time of this machine.
pub(crate) type Clock = SystemClock;

/// The file of the embedded store. It is looked for, so that a command that only reads leaves no
/// empty one behind.
const DATABASE: &str = "nexus.db";

/// Opens the store; what is missing is created. A database that does not answer is no failure: the
/// store says so when it is used, and comes back by itself.
pub(crate) async fn open(settings: &Settings) -> Result<Arc<dyn Store>, Failure> {
    if let Some(address) = &settings.database {
        let database = match settings.environment {
            Environment::Development => "NEXUS_DB_DEV",
            Environment::Production => "NEXUS_DB_PROD",
        };
        let options = MongoOptions::default();
        let store = MongoStore::connect(address.expose_secret(), database, options).await;
        return match store {
            Ok(store) => Ok(Arc::new(store)),
            Err(error) => Err(Failure::new(error.to_string())
                .hint("it is set by --database, MONGO_URI or the settings file")),
        };
    }
    let opened = tokio::task::block_in_place(|| EmbeddedStore::open(&settings.data));
    Ok(Arc::new(opened.map_err(|error| cannot_open(&error))?))
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

/// Everything that a server needs.
pub(crate) fn app(
    settings: &Settings,
    orchestrator: Arc<Orchestrator>,
    listens_on: SocketAddr,
    shutdown: CancellationToken,
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
        grace: nexus_server::GRACE,
        orchestrator,
        shutdown,
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

/// Everything that a chat needs.
pub(crate) fn orchestrator(
    settings: &Settings,
    store: Arc<dyn Store>,
    template: Arc<LiveTemplate>,
    client: Client,
    tasks: TaskTracker,
) -> Arc<Orchestrator> {
    let clock: Arc<dyn nexus_core::Clock> = Arc::new(SystemClock);
    // One file is for one server.
    let sharing = match settings.database {
        Some(_) => Sharing::Shared,
        None => Sharing::Alone,
    };
    let limiter = Limiter::new(Arc::clone(&store), Arc::clone(&clock), sharing);
    Arc::new(Orchestrator {
        gate: Arc::new(Gate::new(Arc::clone(&store), Arc::clone(&clock))),
        limiter: Arc::new(limiter),
        store,
        template,
        model: Arc::new(client),
        tools: ToolBox::new(Vec::new()),
        clock,
        tasks,
    })
}
