//! What `nexus serve` says when it has started.

use nexus_core::Genesis;
use nexus_run::TemplateHealth;
use nexus_store::StoreFacts;

use crate::Shell;
use crate::output::{columns, printable};
use crate::probe::{Probed, Status};

/// What was found.
pub(crate) struct Found<'a> {
    /// `None`: the database does not answer.
    pub(crate) facts: Option<StoreFacts>,
    pub(crate) health: TemplateHealth,
    /// The template in force, and what asking its providers gave.
    pub(crate) template: Option<(&'a Genesis, Probed)>,
    /// Where people open it.
    pub(crate) address: String,
    /// Where it listens, if people open another address.
    pub(crate) listens_on: Option<String>,
    pub(crate) is_public: bool,
    /// Whether the server knows a name of its own, to which signatures are bound.
    pub(crate) can_sign_in: bool,
    pub(crate) has_admin: bool,
}

pub(crate) fn print(shell: &Shell, found: &Found<'_>) {
    let output = &shell.output;
    let paint = output.paint;
    let environment = shell.settings.environment;
    let title = format!("Nexus {}", env!("CARGO_PKG_VERSION"));
    output.line(format_args!("{}, {environment}\n", paint.bold(&title)));
    let mut rows: Vec<_> = store(shell, found.facts.as_ref())
        .into_iter()
        .zip(["store"].into_iter().chain(std::iter::repeat("")))
        .map(|(line, name)| vec![name.to_owned(), line])
        .collect();
    let mut row = |name: &str, text: String| rows.push(vec![name.to_owned(), text]);
    row("template", template(shell, found));
    if let Some((genesis, probed)) = &found.template {
        for (place, line) in providers(genesis, probed).into_iter().enumerate() {
            row(if place == 0 { "providers" } else { "" }, line);
        }
    }
    for line in columns(&rows) {
        output.line(format_args!("  {line}"));
    }
    output.line("");
    for problem in &found.health.problems {
        output.line(format_args!(
            "{} {}",
            paint.yellow("problem:"),
            printable(problem)
        ));
    }
    if found
        .facts
        .as_ref()
        .is_some_and(|facts| facts.identities == 0)
    {
        output.line("Nobody is registered yet. Make the first identity: nexus identity new");
    }
    if !found.has_admin {
        output.line(
            "Nobody is an administrator yet: `nexus admin grant KEY`, or `admins:` in nexus.yml",
        );
    }
    if !found.can_sign_in {
        output.line(format_args!(
            "{} nobody can sign in until `public_origin` says where people reach this server, such \
             as https://nexus.example.org",
            paint.yellow("note:")
        ));
    }
    if found.is_public {
        output.line(format_args!(
            "{} other machines can reach this address, and nothing is encrypted on the way: put a \
             proxy with TLS in front",
            paint.yellow("note:")
        ));
    }
    if let Some(address) = &found.listens_on {
        output.line(format_args!("Listening on {address}"));
    }
    output.line(format_args!("Open {}", paint.bold(&found.address)));
}

fn store(shell: &Shell, facts: Option<&StoreFacts>) -> Vec<String> {
    let named_by = shell.settings.named_by.as_ref();
    let named_by = named_by.map_or_else(String::new, |it| format!(" (from {})", printable(it)));
    let Some(facts) = facts else {
        return vec![format!(
            "does not answer{named_by}: Nexus keeps trying, and /readyz says how it goes"
        )];
    };
    let identities = count(facts.identities, "identity", "identities");
    let messages = count(facts.messages, "message", "messages");
    vec![
        facts.kind.clone(),
        format!("{}{named_by}", facts.location),
        format!("{identities}, {messages}"),
    ]
}

fn template(shell: &Shell, found: &Found<'_>) -> String {
    let Some((genesis, _)) = &found.template else {
        let environment = shell.settings.environment;
        return format!("none: `nexus init --environment {environment}` stores one");
    };
    let what = if found.health.is_emergency {
        "emergency template, built in".to_owned()
    } else {
        format!("version {}", genesis.version())
    };
    let (name, model) = (&genesis.system().app_name, &genesis.default_model().name);
    format!("{what}, named {name}, default model {model}")
}

fn providers(genesis: &Genesis, probed: &Probed) -> Vec<String> {
    let row = |provider: &std::sync::Arc<nexus_core::Provider>| {
        let status = probed.provider(provider);
        let advice = match &status {
            Status::Unreachable(_) if provider.name.as_ref() == "local" => {
                " (start Ollama, llama.cpp or LM Studio to use it)"
            }
            _ => "",
        };
        let status = printable(&status.to_string()).into_owned();
        vec![provider.name.to_string(), status + advice]
    };
    let rows: Vec<_> = genesis.providers().iter().map(row).collect();
    columns(&rows)
}

fn count(number: u64, one: &str, many: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {many}"),
    }
}
