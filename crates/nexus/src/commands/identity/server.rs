//! `nexus identity list|delete|approve|disable|enable --server`: the same at a server, for whoever
//! administers it. Every change is signed.

use http::Method;
use nexus_api::identity::{Erased, Identity, IdentityPage};
use nexus_core::PublicKey;
use serde_json::Value;

use super::standing::{self, Decision};
use super::{confirm, quarantine};
use crate::Shell;
use crate::cli;
use crate::failure::Failure;
use crate::output::columns;
use crate::remote::{Call, CallError, Remote, understood};

const PATH: &str = "/api/v1/admin/identities";
/// How many people are read at a time.
const PAGE: u32 = 500;

pub(super) async fn list(shell: &Shell, arguments: &cli::Remote) -> Result<(), Failure> {
    let output = &shell.output;
    let remote = Remote::open(arguments)?;
    let mut all: Vec<Identity> = Vec::new();
    let mut path = format!("{PATH}?limit={PAGE}");
    loop {
        let mut page: IdentityPage = remote.read(&path).await?;
        all.append(&mut page.identities);
        quarantine::name(output, &page.unreadable);
        match page.next_after {
            Some(after) => {
                let after = quarantine::encoded(&after);
                path = format!("{PATH}?limit={PAGE}&after={after}");
            }
            None => break,
        }
    }
    if output.json {
        output.data(&all);
        return Ok(());
    }
    let row = |it: &Identity| {
        vec![
            it.public_key.clone(),
            it.created_at.format("%Y-%m-%d %H:%M").to_string(),
            it.standing.as_str().to_owned(),
            if it.is_admin { "yes" } else { "" }.to_owned(),
        ]
    };
    let heading = ["ADDRESS", "REGISTERED", "STANDING", "ADMIN"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading.to_vec())
        .chain(all.iter().map(row))
        .collect();
    for line in columns(&rows) {
        output.line(line);
    }
    if all.is_empty() {
        output.note("nobody is registered yet");
    }
    Ok(())
}

pub(super) async fn decide(
    shell: &Shell,
    arguments: &cli::Remote,
    key: PublicKey,
    decision: Decision,
) -> Result<(), Failure> {
    let remote = Remote::open(arguments)?;
    let path = format!("{PATH}/{key}");
    let before = find(&remote, &path, key).await?;
    if let Some(objection) = decision.objection(key, before.standing) {
        return Err(objection);
    }
    let body = decision.change();
    let call = Call::new(Method::PUT, &path).json(&body);
    let now: Identity = understood(remote.send_signed(call, &remote.key()?).await?)?;
    if shell.output.json {
        shell.output.data(&now);
    } else {
        standing::tell(shell, key, before.standing, now.standing);
    }
    Ok(())
}

pub(super) async fn erase(
    shell: &Shell,
    arguments: &cli::Remote,
    key: PublicKey,
    yes: bool,
) -> Result<(), Failure> {
    let remote = Remote::open(arguments)?;
    let path = format!("{PATH}/{key}");
    match remote.ask(&path).await {
        // One that cannot be read can still be erased.
        Err(CallError::Refused(refused)) if refused.error.code == "identity_unreadable" => {}
        answer => {
            registered(&remote, key, answer)?;
        }
    }
    let server = &remote.connection.server;
    let question = format!("Erase {key} at {server}, with all messages and tokens?");
    if !yes && !confirm(shell, &question)? {
        shell.output.note("nothing was erased");
        return Ok(());
    }
    let call = Call::new(Method::DELETE, &path);
    let erased: Erased = understood(remote.send_signed(call, &remote.key()?).await?)?;
    super::tell_erased(shell, &erased);
    Ok(())
}

async fn find(remote: &Remote, path: &str, key: PublicKey) -> Result<Identity, Failure> {
    registered(remote, key, remote.ask(path).await)
}

fn registered(
    remote: &Remote,
    key: PublicKey,
    answer: Result<Value, CallError>,
) -> Result<Identity, Failure> {
    match answer {
        Ok(answer) => understood(answer),
        Err(CallError::Refused(refused)) if refused.error.code == "not_found" => {
            let server = &remote.connection.server;
            Err(Failure::new(format!("{key} is not registered at {server}"))
                .hint("`nexus identity list --server` shows who is"))
        }
        Err(error) => Err(error.into()),
    }
}
