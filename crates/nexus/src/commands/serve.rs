//! `nexus serve`: opens, looks around, listens, reports, and serves until it is told to stop.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use nexus_core::Environment;
use nexus_core::genesis::LogLevel;
use nexus_run::{LiveTemplate, Orchestrator};
use nexus_server::ConnectionLimits;
use nexus_store::Store;
use tokio::net::TcpListener;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::cli::Serve;
use crate::failure::Failure;
use crate::probe::Probed;
use crate::report::{self, Found};
use crate::signals::StopSignals;
use crate::wire::{self, Client, Clock, Outside};
use crate::{Shell, files, logs, template};

/// A server that listens.
struct Running {
    server: BoxFuture<'static, ()>,
    orchestrator: Arc<Orchestrator>,
    tools: wire::Tools,
    /// What goes on beside the runs.
    background: TaskTracker,
    /// Nothing new is accepted any more.
    shutdown: CancellationToken,
}

/// When the steps of a stop are over, in eighths of the time that it may take. Answers may end by
/// themselves until then; after that, they are told to, and the part that came is stored.
const END_BY_THEMSELVES: u32 = 3;
/// When a stream that has not ended is cut off. Its run goes on.
const STREAMS: f64 = 0.45;
/// When connections are cut off.
const CONNECTIONS: f64 = 0.5;
/// When the last part of an answer has to be stored. What was used, and the store itself, come then.
const STORED: u32 = 7;

pub(crate) async fn run(shell: &Shell, arguments: Serve) -> Result<(), Failure> {
    let mut signals = StopSignals::listen()?;
    let timeout = shell.settings.stop_timeout(arguments.stop_timeout);
    let mut running = tokio::select! {
        started = start(shell, arguments, timeout) => started?,
        // Nothing has begun.
        () = signals.next() => return Ok(()),
    };
    tokio::select! {
        () = &mut running.server => {}
        () = signals.next() => {}
    }
    let seconds = timeout.as_secs();
    logs::say(
        shell,
        &format!(
            "stopping: open answers may finish, and what there is of them is stored, within \
             {seconds} s; press Ctrl-C again to stop at once"
        ),
    );
    running.stop(&mut signals, timeout).await?;
    logs::say(shell, "stopped");
    Ok(())
}

async fn start(shell: &Shell, arguments: Serve, stop: Duration) -> Result<Running, Failure> {
    let settings = &shell.settings;
    let files = files::raise_limit();
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
    let log = logs::start(shell, level)?;

    let live = wire::live(settings, &store).await;
    let (background, shutdown) = (TaskTracker::new(), CancellationToken::new());
    background.spawn(Arc::clone(&live).watch(Arc::new(Clock::default()), shutdown.clone()));
    let followed = Arc::clone(&live);
    let end = shutdown.clone();
    background.spawn(async move { log.follow(&followed, end).await });
    report(shell, &*store, &live, &client, address).await?;

    let tools = wire::Tools::new(settings, &address.to_string())?;
    let outside = Outside {
        client,
        tools: tools.toolbox.clone(),
    };
    let orchestrator = wire::orchestrator(settings, store, live, outside, TaskTracker::new());
    background.spawn(Arc::clone(&orchestrator.limiter).keep_up(shutdown.clone()));
    background.spawn(nexus_run::keep_purging(
        Arc::clone(&orchestrator.store),
        Arc::clone(&orchestrator.clock),
        shutdown.clone(),
    ));
    background.spawn(Arc::clone(&orchestrator).share_runs(shutdown.clone()));
    let limits = ConnectionLimits {
        exempt: settings.trusted_proxies.clone(),
        shutdown: stop.mul_f64(CONNECTIONS),
        ..ConnectionLimits::for_files(files)
    };
    tracing::info!(
        files,
        connections = limits.connections,
        "listening on {address}"
    );
    let ends = wire::Stop {
        begins: shutdown.clone(),
        grace: stop.mul_f64(STREAMS),
    };
    let app = wire::app(settings, Arc::clone(&orchestrator), address, ends);
    let router = nexus_server::router(app);
    let server = nexus_server::serve(listener, router, limits, shutdown.clone());
    Ok(Running {
        server: Box::pin(server),
        orchestrator,
        tools,
        background,
        shutdown,
    })
}

impl Running {
    /// Lets answers end, stores what there is of the others, and closes everything, in this time.
    async fn stop(self, signals: &mut StopSignals, timeout: Duration) -> Result<(), Failure> {
        let begun = Instant::now();
        let at = |eighths: u32| begun + timeout * eighths / 8;
        let Orchestrator {
            tasks,
            stopping,
            runs,
            limiter,
            store,
            ..
        } = &*self.orchestrator;
        let lost_before = runs.unsaved();
        self.shutdown.cancel();
        for tracker in [tasks, &self.background] {
            tracker.close();
        }
        let answers = async {
            let mut ended = pin!(async {
                self.server.await;
                tasks.wait().await;
            });
            if timeout_at(at(END_BY_THEMSELVES), &mut ended).await.is_err() {
                stopping.cancel();
                _ = timeout_at(at(STORED), &mut ended).await;
            }
        };
        let is_told_again = tokio::select! {
            () = answers => false,
            () = signals.next() => true,
        };
        let lost = u64::try_from(tasks.len()).unwrap_or(u64::MAX) + runs.unsaved() - lost_before;
        let closed = async {
            limiter.finish().await;
            self.background.wait().await;
            self.tools.close().await;
            store.close().await;
        };
        let is_closed = !is_told_again
            && tokio::select! {
                closed = timeout_at(at(8), closed) => closed.is_ok(),
                () = signals.next() => false,
            };
        match lost {
            0 if is_closed => Ok(()),
            0 => Err(Failure::new(
                "stopped before everything was closed: every answer is stored; what was used last \
                 may not be counted",
            )),
            1 => Err(Failure::new(
                "stopped: 1 answer could not be stored and is lost",
            )),
            _ => Err(Failure::new(format!(
                "stopped: {lost} answers could not be stored and are lost"
            ))),
        }
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
        Ok(page) => page.next.is_some() || page.identities.iter().any(|it| it.is_admin),
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
    let public = shell.settings.public_origin().map(ToString::to_string);
    let found = Found {
        facts: store.facts().await.ok(),
        health: live.health(),
        template,
        address: public.clone().unwrap_or_else(|| format!("http://{host}")),
        listens_on: public.is_some().then(|| format!("http://{address}")),
        is_public: !address.ip().is_loopback(),
        can_sign_in: !shell.settings.origins(address).is_empty(),
        has_admin: has_admin(shell, store).await,
    };
    report::print(shell, &found);
    Ok(())
}
