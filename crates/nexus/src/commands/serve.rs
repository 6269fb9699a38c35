//! `nexus serve`: opens, looks around, listens, reports, and serves until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use nexus_core::Environment;
use nexus_core::genesis::LogLevel;
use nexus_run::LiveTemplate;
use nexus_store::Store;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::{LogFormat, Serve};
use crate::failure::Failure;
use crate::probe::Probed;
use crate::report::{self, Found};
use crate::signals::StopSignals;
use crate::wire::{self, Client, Clock, Outside};
use crate::{Shell, logs, template};

/// How long answers whose reader went away may go on when the server stops.
const LAST_ANSWERS: Duration = Duration::from_secs(30);

pub(crate) async fn run(shell: &Shell, arguments: Serve) -> Result<(), Failure> {
    let settings = &shell.settings;
    let mut signals = StopSignals::listen()?;
    let store = wire::open(settings).await?;
    let listener = bind(&settings.listen(arguments.listen)).await?;
    let address = listener
        .local_addr()
        .map_err(|error| Failure::new(format!("the address to open is not known: {error}")))?;
    let client = wire::client_of_server(settings, &address.to_string())?;
    // A database that is away is waited for; the emergency template stands in meanwhile.
    let is_there = store.ping().await.is_ok();
    if is_there && settings.environment == Environment::Development {
        template::ensure(shell, &store, &client).await?;
    }
    let stored = wire::genesis(settings, &*store).await.ok();
    let level = stored.map_or(LogLevel::Info, |genesis| genesis.system().log_level);
    logs::start(shell, level)?;

    let live = wire::live(settings, &store).await;
    let (tasks, shutdown) = (TaskTracker::new(), CancellationToken::new());
    tasks.spawn(Arc::clone(&live).watch(Arc::new(Clock::default()), shutdown.clone()));
    report(shell, &*store, &live, &client, address).await?;

    let tools = wire::Tools::new(settings, &address.to_string())?;
    let outside = Outside {
        client,
        tools: tools.toolbox.clone(),
    };
    let orchestrator =
        wire::orchestrator(settings, Arc::clone(&store), live, outside, tasks.clone());
    tasks.spawn(Arc::clone(&orchestrator.limiter).keep_up(shutdown.clone()));
    let limiter = Arc::clone(&orchestrator.limiter);
    let app = wire::app(settings, orchestrator, address, shutdown.clone());
    let router = nexus_server::router(app);
    let limits = nexus_server::ConnectionLimits::default();
    let mut server = pin!(nexus_server::serve(
        listener,
        router,
        limits,
        shutdown.clone()
    ));
    tokio::select! {
        () = &mut server => {}
        () = signals.next() => {}
    }
    say(
        shell,
        "stopping: open answers may finish; press Ctrl-C again to stop at once",
    );
    shutdown.cancel();
    tasks.close();
    let finished = async {
        server.await;
        tokio::time::timeout(LAST_ANSWERS, tasks.wait()).await
    };
    let in_time = tokio::select! {
        outcome = finished => outcome.is_ok(),
        () = signals.next() => false,
    };
    limiter.finish().await;
    if !in_time {
        return Err(Failure::new(format!(
            "stopped while {} tasks were still at work: unfinished answers are lost",
            tasks.len()
        )));
    }
    tools.close().await;
    store.close().await;
    say(shell, "stopped");
    Ok(())
}

/// Where programs read the log, there is nothing between its lines.
fn say(shell: &Shell, text: &str) {
    match shell.settings.log_format {
        LogFormat::Text => shell.output.note(text),
        LogFormat::Json => tracing::info!("{text}"),
    }
}

async fn bind(address: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let failure = |reason: &str| Failure::new(format!("cannot listen on {address}: {reason}"));
        match error.kind() {
            io::ErrorKind::AddrInUse => failure("another program listens there already").hint(
                "stop that program, or choose another port with --listen 127.0.0.1:PORT; port 0 \
                 takes a free one",
            ),
            io::ErrorKind::PermissionDenied => failure("this needs more rights than you have")
                .hint("choose a port above 1023 with --listen 127.0.0.1:PORT"),
            io::ErrorKind::AddrNotAvailable => failure("this machine does not have that address")
                .hint("choose 127.0.0.1:PORT, or 0.0.0.0:PORT for every address of this machine"),
            _ => failure(&error.to_string()).hint("write it as HOST:PORT, such as 127.0.0.1:8000"),
        }
    })
}

/// Whether there is an administrator, as far as can be told quickly: whoever has this many people
/// needs no advice.
async fn has_admin(shell: &Shell, store: &dyn Store) -> bool {
    const LOOKED_AT: u32 = 100;
    if !shell.settings.admins.is_empty() {
        return true;
    }
    match store.identities(None, LOOKED_AT).await {
        Ok(page) => page.has_more || page.identities.iter().any(|it| it.is_admin),
        Err(_) => true,
    }
}

async fn report(
    shell: &Shell,
    store: &dyn Store,
    live: &LiveTemplate,
    client: &Client,
    address: SocketAddr,
) -> Result<(), Failure> {
    let genesis = live.current().ok();
    let template = match &genesis {
        Some(genesis) => Some((&**genesis, Probed::ask(client, genesis).await)),
        None => None,
    };
    let host = if address.ip().is_unspecified() {
        format!("127.0.0.1:{}", address.port())
    } else {
        address.to_string()
    };
    let found = Found {
        facts: store.facts().await.ok(),
        health: live.health(),
        template,
        address: format!("http://{host}"),
        is_public: !address.ip().is_loopback(),
        can_sign_in: !shell.settings.origins(address).is_empty(),
        has_admin: has_admin(shell, store).await,
    };
    report::print(shell, &found);
    Ok(())
}
