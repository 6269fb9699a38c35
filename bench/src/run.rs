//! The whole measurement: starts everything, lets the subjects take turns, prints the tables.

mod gateways;
mod measure;
mod nexus;
mod openai;
mod subject;
mod table;

use std::io::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, ensure};
use serde_json::Value;

use self::gateways::Gateway;
use self::measure::Shape;
use self::nexus::Nexus;
use self::subject::{Nginx, Subject};
use crate::process::{Core, Cores, Server, Usage};
use crate::provider;

#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Options {
    /// How many turns to measure, of each subject
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    turns: usize,
    /// In how many rounds; between rounds the subjects take turns
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=99))]
    rounds: u16,
    /// How many streams run at a time
    #[arg(long, value_name = "N", default_value_t = 16)]
    streams: usize,
    /// How many streams run at a time to fill the core; 0 leaves this part out
    #[arg(long, value_name = "N", default_value_t = 256)]
    full_streams: usize,
    /// Only the rows of the OpenAI-compatible API
    #[arg(long)]
    only_openai: bool,
    #[command(flatten)]
    provider: provider::Options,
    /// The program to measure [default: `nexus` beside this program]
    #[arg(long, value_name = "FILE")]
    nexus: Option<PathBuf>,
    /// Where to make the data folder; it should be on a real disk [default: beside this program]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// Shows that something happens.
fn say(text: impl std::fmt::Display) {
    _ = writeln!(std::io::stderr(), "{text}");
}

pub(crate) fn run(options: &Options) -> anyhow::Result<()> {
    let this = std::env::current_exe()?;
    let beside = this.parent().unwrap_or(Path::new("."));
    // Absolute, as Nexus is started in a folder of its own.
    let program = std::path::absolute(options.nexus.clone().unwrap_or(beside.join("nexus")))?;
    ensure!(
        program.is_file(),
        "{} is not there: build it with `cargo build --release -p nexus`",
        program.display()
    );
    let folder = std::path::absolute(options.folder.as_deref().unwrap_or(beside))?;
    let folder = tempfile::Builder::new()
        .prefix("nexus-bench-")
        .tempdir_in(folder)?;
    let before = Usage::now()?;
    let tables = Stage::set(options, &this, &program, folder.path())?.measure(options)?;
    // By now all processes have ended, so that their time is known.
    let others = Usage::now()?.of_others_since(&before) * 100.0;
    let machine = subject::machine(Cores::find(), folder.path());
    writeln!(
        std::io::stdout(),
        "{machine} Other programs used {others:.0} % of the machine meanwhile.\n\n{tables}"
    )?;
    Ok(())
}

/// Everything that has to run.
struct Stage {
    cores: Cores,
    _provider: Server,
    provider: SocketAddr,
    nexus: Nexus,
    nginx: Option<Nginx>,
    proxy: (Server, SocketAddr),
    gateways: Vec<Gateway>,
    /// What Nexus asks the provider.
    asked: Vec<u8>,
}

impl Stage {
    fn set(options: &Options, this: &Path, program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let cores = Cores::find();
        let mut command = cores.command(Core::Others, this);
        command.args(["provider", "--pace", &options.provider.pace.to_string()]);
        let (server, provider) = Server::start_and_listen(command)?;

        say("making members, each with a model, a temperature and a persona of their own");
        let nexus = Nexus::start(cores, program, folder, provider)?;
        say("letting them chat, so that there is a history");
        nexus.seed(cores)?;
        let asked = subject::get(provider, "/asked")?;

        let mut command = cores.command(Core::Measured, this);
        command.args(["proxy", "--upstream", &provider.to_string()]);
        let proxy = Server::start_and_listen(command)?;
        let nginx = Nginx::start(cores, folder, provider)?;
        if nginx.is_none() {
            say("nginx is not there (on Debian: apt install nginx-light): going on without it");
        }
        let gateways = Gateway::start_all(cores, folder, provider)?;
        Ok(Self {
            cores,
            _provider: server,
            provider,
            nexus,
            nginx,
            proxy,
            gateways,
            asked,
        })
    }

    /// Measures everything, and gives the tables.
    fn measure(self, options: &Options) -> anyhow::Result<String> {
        let mut tables = vec![facts(&self.asked)?];
        if !options.only_openai {
            tables.extend(self.own(options)?);
        }
        tables.extend(self.openai().measure(options)?);
        tables.push(self.memory()?);
        Ok(tables.join("\n\n"))
    }

    /// The chat of Nexus itself.
    fn own(&self, options: &Options) -> anyhow::Result<Vec<String>> {
        let turns = self.turns();
        let each = (options.turns / usize::from(options.rounds)).max(1);
        let measure = |subjects: &[Subject<'_>], streams, turns| {
            let shape = Shape { streams, turns };
            measure::in_turns(self.cores, subjects, shape, options.rounds)
        };
        let calm = measure(&turns, options.streams, each)?;
        let mut tables = vec![table::turns(options, &calm)];
        if options.full_streams > 0 {
            let full = measure(&turns[1..], options.full_streams, each)?;
            tables.push(table::full(options.full_streams, &full));
        }
        let short = measure(&self.reads(), options.streams, each * 10)?;
        tables.push(table::short(options.streams, &short));
        Ok(tables)
    }

    fn openai(&self) -> openai::Field<'_> {
        openai::Field {
            cores: self.cores,
            nexus: &self.nexus,
            nginx: self.nginx.as_ref(),
            proxy: (&self.proxy.0, self.proxy.1),
            gateways: &self.gateways,
            asked: &self.asked,
        }
    }

    /// Streamed answers: the bare stream first, a turn of Nexus last.
    fn turns(&self) -> Vec<Subject<'_>> {
        let question = subject::post("/v1/chat/completions", "", &self.asked);
        let question: Arc<[String]> = [question].into();
        let bare = |name, server, address| Subject::bare(name, server, address, &question);
        let mut turns = vec![bare("the provider itself", None, self.provider)];
        if let Some(Nginx { server, address }) = &self.nginx {
            turns.push(bare(subject::NGINX, Some(server), *address));
        }
        turns.push(bare(subject::PROXY, Some(&self.proxy.0), self.proxy.1));
        turns.push(self.nexus.turn());
        turns
    }

    /// Requests that no model is asked for.
    fn reads(&self) -> Vec<Subject<'_>> {
        let mut reads = vec![self.nexus.livez(), self.nexus.profile(), self.nexus.visit()];
        reads.extend(self.nginx.as_ref().map(Nginx::fixed));
        reads
    }

    fn memory(&self) -> anyhow::Result<String> {
        let mut peaks = Vec::new();
        if let Some(nginx) = &self.nginx {
            peaks.push((subject::NGINX, nginx.server.peak_memory()?));
        }
        peaks.push((subject::PROXY, self.proxy.0.peak_memory()?));
        peaks.push((nexus::NAME, self.nexus.server.peak_memory()?));
        for gateway in &self.gateways {
            peaks.push((gateway.name, gateway.server.peak_memory()?));
        }
        Ok(table::memory(&peaks))
    }
}

/// What Nexus asks the provider, in words; that it is what was meant is checked.
fn facts(asked: &[u8]) -> anyhow::Result<String> {
    let request: Value = serde_json::from_slice(asked)?;
    let messages = request["messages"].as_array().context("nobody was asked")?;
    let of = |role| messages.iter().filter(|it| it["role"] == role).count();
    let (system, earlier) = (of("system"), messages.len() - of("system") - 1);
    ensure!(
        system == 1 && earlier == nexus::HISTORY,
        "{earlier} earlier messages were sent, expected {}",
        nexus::HISTORY
    );
    Ok(format!(
        "Each question leaves Nexus with {earlier} earlier messages ({} bytes in all); the bare \
         stream is asked for with the same bytes. Each answer has {} pieces.",
        asked.len(),
        provider::PIECES
    ))
}
