//! `nexus identity …`: who is registered on this machine or at a server, and registering there.

mod key;
mod own;
pub(crate) mod quarantine;
mod server;
mod standing;
mod time_zone;
mod token;

use std::io::{self, BufRead, IsTerminal};

use nexus_core::{Environment, Identity, PublicKey, Scope};
use nexus_store::{Erased, Store, StoreError, Unreadable};
use serde_json::json;

use self::standing::Decision;
use self::token::NewToken;
use crate::cli::{self, TokenLife};
use crate::failure::Failure;
use crate::output::columns;
use crate::{Shell, here, view, wire};

/// How many identities are read at a time.
const PAGE: u32 = 500;

pub(crate) async fn run(shell: &Shell, command: cli::Identity) -> Result<(), Failure> {
    match command {
        cli::Identity::New { key, life } => {
            let store = wire::open(&shell.settings).await?;
            new(shell, &*store, key, life).await
        }
        cli::Identity::List(at) => match at.remote() {
            Some(remote) => server::list(shell, &remote).await,
            None => list(shell).await,
        },
        cli::Identity::Show { key } => show(shell, key).await,
        cli::Identity::TimeZone { key, zone, unset } => {
            time_zone::run(shell, key, zone, unset).await
        }
        cli::Identity::Delete { key, yes, at } => match at.remote() {
            Some(remote) => server::erase(shell, &remote, key, yes).await,
            None => delete(shell, key, yes).await,
        },
        cli::Identity::Quarantine(command) => quarantine::run(shell, command).await,
        cli::Identity::Approve(person) => standing::decide(shell, person, Decision::Approve).await,
        cli::Identity::Disable(person) => standing::decide(shell, person, Decision::Disable).await,
        cli::Identity::Enable(person) => standing::decide(shell, person, Decision::Enable).await,
        cli::Identity::Register(remote) => own::register(shell, &remote).await,
        cli::Identity::Forget { yes, remote } => own::forget(shell, &remote, yes).await,
        cli::Identity::Token { key, admin, life } => {
            let store = wire::open_existing(&shell.settings).await?;
            let scope = if admin { Scope::Admin } else { Scope::Personal };
            print_token(shell, &*store, key, scope, life).await
        }
    }
}

/// Makes a key, if none is given, and registers its address.
pub(crate) async fn register(
    shell: &Shell,
    store: &dyn Store,
    key: Option<PublicKey>,
) -> Result<Registered, Failure> {
    let (key, file) = match key {
        Some(key) => (key, None),
        None => {
            let (key, file) = key::make(&shell.settings.data)?;
            (key, Some(file))
        }
    };
    let created = here::administration(store).register(key).await?;
    Ok(Registered {
        key,
        file,
        is_new: created.is_new,
    })
}

/// What became of a registration.
pub(crate) struct Registered {
    pub(crate) key: PublicKey,
    /// Where the new key is.
    pub(crate) file: Option<std::path::PathBuf>,
    is_new: bool,
}

async fn new(
    shell: &Shell,
    store: &dyn Store,
    key: Option<PublicKey>,
    life: TokenLife,
) -> Result<(), Failure> {
    let output = &shell.output;
    let registered = register(shell, store, key).await?;
    let token = NewToken::store(store, registered.key, Scope::Personal, life).await?;
    if output.json {
        output.data(&json!({
            "public_key": registered.key,
            "is_new": registered.is_new,
            "key_file": registered.file,
            "token": token.reveal(),
            "expires_at": token.expires_at,
        }));
        return Ok(());
    }
    let mut rows = vec![vec!["address".to_owned(), registered.key.to_string()]];
    if let Some(file) = &registered.file {
        rows.push(vec!["key".to_owned(), file.display().to_string()]);
    }
    rows.push(vec!["token".to_owned(), token.reveal().to_owned()]);
    for line in columns(&rows) {
        output.line(line);
    }
    output.note("");
    if !registered.is_new {
        output.note("This address was registered before; it has one more token now.");
    }
    if registered.file.is_some() {
        output.note("The key file proves that the address is yours. Keep it, and keep it secret.");
    }
    remark(shell, &token);
    Ok(())
}

async fn print_token(
    shell: &Shell,
    store: &dyn Store,
    key: PublicKey,
    scope: Scope,
    life: TokenLife,
) -> Result<(), Failure> {
    let output = &shell.output;
    let is_member = store.identity(key).await?.is_some();
    let token = NewToken::store(store, key, scope, life).await?;
    if output.json {
        output.data(&json!({
            "public_key": key,
            "is_member": is_member,
            "scope": scope.as_str(),
            "token": token.reveal(),
            "expires_at": token.expires_at,
        }));
        return Ok(());
    }
    output.line(token.reveal());
    if !is_member {
        output.note(format_args!(
            "{key} is not registered: whoever shows this token is a visitor. `nexus identity new \
             {key}` registers it."
        ));
    }
    if scope == Scope::Admin {
        output.warn(
            "whoever has this token can look at the template, at who is registered and at the record; \
             with the key of this address they can also change the template, let people in, lock \
             them out and erase them",
        );
    }
    remark(shell, &token);
    Ok(())
}

/// What to do with a token.
fn remark(shell: &Shell, token: &NewToken) {
    let output = &shell.output;
    output.note(format_args!(
        "The token is valid until {} and is shown only this once. Try it while `nexus serve` runs:\n\n  \
         curl -N {}/api/v1/chat -H 'Content-Type: application/json' \\\n    \
         -H 'Authorization: Bearer {}' -d '{{\"content\": \"Hello\"}}'\n",
        token.expires_at.format("%Y-%m-%d"),
        shell.settings.reached_at(),
        token.reveal()
    ));
    if shell.settings.environment == Environment::Production {
        output.warn("this is a development token: whoever has it speaks for this address");
    }
}

/// Everybody who is registered, in the order of their keys, and those who cannot be read.
pub(crate) async fn everybody(
    store: &dyn Store,
) -> Result<(Vec<Identity>, Vec<Unreadable>), Failure> {
    let (mut all, mut unreadable, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let mut page = store.identities(after, PAGE).await?;
        all.append(&mut page.identities);
        unreadable.append(&mut page.unreadable);
        after = page.next;
        if after.is_none() {
            return Ok((all, unreadable));
        }
    }
}

async fn list(shell: &Shell) -> Result<(), Failure> {
    let output = &shell.output;
    let store = wire::open_existing(&shell.settings).await?;
    let (all, unreadable) = everybody(&*store).await?;
    quarantine::name(output, &unreadable);
    if output.json {
        output.data(&all.iter().map(Identity::to_json).collect::<Vec<_>>());
        return Ok(());
    }
    let is_admin = |it: &Identity| it.is_admin || shell.settings.admins.contains(&it.public_key);
    let row = |identity: &Identity| {
        let changed: Vec<_> = identity
            .overrides
            .iter()
            .map(|(field, _)| field.to_string())
            .collect();
        vec![
            identity.public_key.to_string(),
            identity.created_at.format("%Y-%m-%d %H:%M").to_string(),
            identity.standing.as_str().to_owned(),
            if is_admin(identity) { "yes" } else { "" }.to_owned(),
            changed.join(", "),
        ]
    };
    let heading = ["ADDRESS", "REGISTERED", "STANDING", "ADMIN", "CHANGED"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(heading.to_vec())
        .chain(all.iter().map(row))
        .collect();
    for line in columns(&rows) {
        output.line(line);
    }
    if all.is_empty() {
        output.note("nobody is registered yet: `nexus identity new` makes the first");
    }
    Ok(())
}

async fn show(shell: &Shell, key: PublicKey) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let identity = find(&*store, key).await?;
    if shell.output.json {
        shell.output.data(&identity.to_json());
        return Ok(());
    }
    let mut rows = vec![
        vec!["address".to_owned(), identity.public_key.to_checksummed()],
        vec!["registered".to_owned(), identity.created_at.to_string()],
        vec!["standing".to_owned(), identity.standing.as_str().to_owned()],
    ];
    if let Some(zone) = identity.time_zone() {
        rows.push(vec!["time zone".to_owned(), zone.name().to_owned()]);
    }
    rows.extend(
        identity
            .overrides
            .iter()
            .map(|(field, value)| vec![field.to_string(), view::short(&value)]),
    );
    for line in columns(&rows) {
        shell.output.line(line);
    }
    Ok(())
}

async fn delete(shell: &Shell, key: PublicKey, yes: bool) -> Result<(), Failure> {
    let output = &shell.output;
    let store = wire::open_existing(&shell.settings).await?;
    // One that cannot be read can still be erased.
    match store.identity(key).await {
        Err(StoreError::Corrupt { .. }) => {}
        found => drop(found?.ok_or_else(|| unknown(key))?),
    }
    if !yes && !confirm(shell, &format!("Erase {key} with all messages and tokens?"))? {
        output.note("nothing was erased");
        return Ok(());
    }
    let erased = here::administration(&*store).erase(key).await?;
    tell_erased(shell, &erased);
    Ok(())
}

fn tell_erased(shell: &Shell, erased: &Erased) {
    let output = &shell.output;
    if output.json {
        output.data(erased);
    } else {
        output.note(format_args!(
            "erased: {} identity, {} messages, {} tokens, {} API keys",
            erased.identities, erased.messages, erased.sessions, erased.api_keys
        ));
    }
}

/// Asks, and takes only a clear yes for one.
pub(crate) fn confirm(shell: &Shell, question: &str) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::new("this needs a yes, and nobody can be asked here")
                .hint("add --yes, if you are sure"),
        );
    }
    shell.output.note(format_args!("{question} Type yes:"));
    let mut answer = String::new();
    let read = io::stdin().lock().read_line(&mut answer);
    read.map_err(|error| Failure::new(format!("the answer cannot be read: {error}")))?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}

async fn find(store: &dyn Store, key: PublicKey) -> Result<Identity, Failure> {
    match store.identity(key).await {
        Err(error @ StoreError::Corrupt { .. }) => Err(Failure::new(error.to_string()).hint(
            "correct it in the database, or delete it: `nexus identity quarantine list` shows its id",
        )),
        found => found?.ok_or_else(|| unknown(key)),
    }
}

fn unknown(key: PublicKey) -> Failure {
    Failure::new(format!("{key} is not registered"))
        .hint(format!("`nexus identity new {key}` registers it"))
}
