//! The providers: each is asked for its list of models, with its key, all at the same time.

use std::sync::Arc;
use std::time::Duration;

use chrono::TimeDelta;
use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use nexus_core::catalog::{Credential, Endpoint};
use nexus_core::egress::authority;
use nexus_core::{Genesis, Model, Provider, Timestamp};
use nexus_llm::{Broken, Diagnosis, Obstacle, Reachability};

use crate::cli::Doctor;
use crate::probe::{Probed, Status};
use crate::wire::{self, Client};

use super::ask;
use super::report::{Area, Level, Report};

/// How long one provider is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// How many names of a list are told.
const EXAMPLES: usize = 5;

/// What asking one showed.
struct Seen {
    provider: Arc<Provider>,
    diagnosis: Diagnosis,
    /// By how much its clock is ahead of ours, if it tells.
    ahead: Option<TimeDelta>,
}

/// Says what was found, and returns the clocks of those that told the time.
pub(super) async fn look(
    client: &Client,
    genesis: &Genesis,
    arguments: Doctor,
    report: &mut Report<'_>,
) -> Vec<(String, TimeDelta)> {
    report.area(Area::Providers);
    let seen = ask_all(client, genesis, report).await;
    let reached = seen
        .iter()
        .map(|it| (Arc::clone(&it.provider.name), it.diagnosis.reach.clone()));
    let probed: Probed = reached.collect();
    for one in &seen {
        provider(one, genesis, report);
        models(one, genesis, &probed, report);
    }
    default_model(genesis, &probed, report);
    if arguments.ask {
        ask::look(client, genesis, &probed, report).await;
    }
    let clock = |one: Seen| Some((one.provider.name.to_string(), one.ahead?));
    seen.into_iter().filter_map(clock).collect()
}

async fn ask_all(client: &Client, genesis: &Genesis, report: &Report<'_>) -> Vec<Seen> {
    let ask = async |(place, provider): (usize, &Arc<Provider>)| {
        let diagnosis = client.diagnose(provider, PATIENCE).await;
        let time = diagnosis.server_time.map(Timestamp::from);
        let ahead = time.map(|time| time - wire::now());
        let provider = Arc::clone(provider);
        let seen = Seen {
            provider,
            diagnosis,
            ahead,
        };
        (place, seen)
    };
    let mut open: FuturesUnordered<_> = genesis.providers().iter().enumerate().map(ask).collect();
    let mut waiting: Vec<_> = genesis.providers().iter().map(|it| &*it.name).collect();
    let mut seen = Vec::new();
    report.progress(&format!("asking {} …", waiting.join(", ")));
    while let Some((place, one)) = open.next().await {
        waiting.retain(|name| *name != &*one.provider.name);
        seen.push((place, one));
        report.progress(&format!("waiting for {} …", waiting.join(", ")));
    }
    report.progress_is_over();
    seen.sort_by_key(|(place, _)| *place);
    seen.into_iter().map(|(_, one)| one).collect()
}

fn provider(seen: &Seen, genesis: &Genesis, report: &mut Report<'_>) {
    let name = &seen.provider.name;
    let took = seen.diagnosis.took.as_millis();
    match &seen.diagnosis.reach {
        Reachability::Builtin => report.ok(format!("{name} is in this program")),
        Reachability::Ready { models } if models.is_empty() => report.ok(format!(
            "{name} answers in {took} ms, and keeps the list of its models to itself; --ask tells \
             more"
        )),
        Reachability::Ready { models } => report.ok(format!(
            "{name} answers in {took} ms; models: {}",
            models.len()
        )),
        // It is among the findings about secrets.
        Reachability::MissingKey { .. } => {
            report.skip(&format!("{name} is not asked: it has no key"));
        }
        Reachability::Refused { reason } => report.find(
            weight(&seen.provider, genesis),
            format!("{name} is at an address that Nexus does not connect to"),
            reason.as_str(),
        ),
        Reachability::Silent { reason } => report.find(
            weight(&seen.provider, genesis),
            format!("{name} does not answer: {reason}"),
            advice(&seen.provider, seen.diagnosis.obstacle),
        ),
    }
}

/// Whoever set a key for a provider, or made it the one that everybody asks, wants it to work. One
/// without a key may be a row that nobody uses.
fn weight(provider: &Provider, genesis: &Genesis) -> Level {
    let has_key = matches!(
        &provider.endpoint,
        Endpoint::Remote {
            credential: Credential::Key(_),
            ..
        }
    );
    if has_key || genesis.default_model().provider.name == provider.name {
        Level::Failure
    } else {
        Level::Warning
    }
}

fn advice(provider: &Provider, obstacle: Option<Obstacle>) -> String {
    let place = match &provider.endpoint {
        Endpoint::Remote { base_url, .. } => authority(base_url),
        Endpoint::Builtin => String::new(),
    };
    match obstacle {
        Some(Obstacle::Connection(broken)) => match broken {
            Broken::Local => {
                "look whether this machine has a network, and how many files a program \
                              may open (`ulimit -n`)"
                    .to_owned()
            }
            Broken::UnknownName => format!(
                "look whether {place} is written right in its `base_url`, and whether this \
                 machine can look up names (DNS)"
            ),
            Broken::NobodyListens => {
                format!("start the server at {place}, or correct `base_url` in the template")
            }
            Broken::Unanswered => {
                format!("look whether a firewall is in the way to {place}")
            }
            Broken::Untrusted => "look whether the clock of this machine is right, and whether \
                                  its certificates are current (the package ca-certificates)"
                .to_owned(),
            Broken::NoTls => {
                "look whether its `base_url` should begin with http: in place of https:".to_owned()
            }
            Broken::NotHttp => format!("look what listens at {place}: it is no web server"),
            Broken::Reset | Broken::Closed => {
                format!("look whether something on the way to {place} ends connections")
            }
        },
        Some(Obstacle::Silence) => {
            format!("look whether {place} is busy, or a firewall is in the way")
        }
        Some(Obstacle::Key) => "the key is wrong, or not valid any more: make a new one there, \
                                set it in its variable, and start the server again"
            .to_owned(),
        Some(Obstacle::Trouble) => format!(
            "wait, look at the status page of {place}, and whether the account there is in order"
        ),
        Some(Obstacle::Answer) | None => "look whether its `base_url` is right: what comes after \
                                          it is /models and /chat/completions, or what its \
                                          `protocol` has in their place"
            .to_owned(),
    }
}

/// Which of the models in the catalog the provider serves.
fn models(seen: &Seen, genesis: &Genesis, probed: &Probed, report: &mut Report<'_>) {
    let Reachability::Ready { models: listed } = &seen.diagnosis.reach else {
        return;
    };
    let rows = genesis.catalog().iter();
    for model in rows.filter(|model| model.provider.name == seen.provider.name) {
        if let Status::Unreachable(reason) = probed.model(model) {
            report.warn(
                format!("the model {} cannot be asked: {reason}", model.name),
                alternatives(model, listed),
            );
        }
    }
}

fn alternatives(model: &Model, listed: &[String]) -> String {
    let beginning: String = model.id.chars().take(4).collect();
    let alike = listed.iter().filter(|id| id.contains(&beginning));
    let mut names: Vec<_> = alike.take(EXAMPLES).map(String::as_str).collect();
    if names.is_empty() {
        names.extend(listed.iter().take(EXAMPLES).map(String::as_str));
    }
    if names.is_empty() {
        return "load a model there".to_owned();
    }
    format!(
        "correct `id` of that row, or take the row out of the catalog; the provider lists {}",
        names.join(", ")
    )
}

fn default_model(genesis: &Genesis, probed: &Probed, report: &mut Report<'_>) {
    let model = genesis.default_model();
    match probed.model(model) {
        Status::Ready(_) => report.ok(format!(
            "the default model, {}, can be asked",
            model.name
        )),
        status => report.fail(
            format!(
                "the default model, {}, cannot be asked ({status}), so people who chose none get no answer",
                model.name
            ),
            match probed.first_reachable(genesis) {
                Some(other) => format!(
                    "make it work, or choose another one, such as {}, with \
                     user_defaults.config.model",
                    other.name
                ),
                None => "make it work: no other model can be asked either".to_owned(),
            },
        ),
    }
}
