//! The variables with keys that the template names: whether they are set, and where they may go.
//! What is in them is never shown.

use nexus_core::Genesis;
use nexus_core::catalog::{Credential, Endpoint};
use nexus_core::tools::Reach;
use serde_json::Value;

use super::report::{Area, Report};
use super::template::Template;

/// Where the rows with keys are, and what a row is called.
const PLACES: [(&str, &str, &str); 2] = [
    ("llm", "/providers", "provider"),
    ("tools", "/mcp", "tool server"),
];

pub(super) fn look(template: &Template, report: &mut Report<'_>) {
    report.area(Area::Secrets);
    let mut any = false;
    for (section, place, kind) in PLACES {
        let section = template.doc.as_map().get(section);
        let rows = section.and_then(|section| section.pointer(place)?.as_object());
        for (name, row) in rows.into_iter().flatten() {
            let Some(written) = row.get("api_key").and_then(Value::as_str) else {
                continue;
            };
            any = true;
            let who = format!("the {kind} {name}");
            let is_set = credential(&template.genesis, kind, name)
                .is_some_and(|credential| matches!(credential, Credential::Key(_)));
            match variable(written) {
                Some(variable) if is_set => {
                    let sites = template.secrets.sites(variable).iter();
                    let sites: Vec<_> = sites.map(ToString::to_string).collect();
                    report.ok(format!(
                        "{variable} is set, for {who}; it goes to {} and nowhere else",
                        sites.join(", ")
                    ));
                }
                Some(variable) => report.warn(
                    format!("{variable} is not set, so {who} cannot be asked"),
                    format!(
                        "set {variable} where the server is started, and start it again; or take \
                         the row out of the template"
                    ),
                ),
                None => report.warn(
                    format!("the key of {who} is written into the template"),
                    "put it into an environment variable, and write `${NAME}` in its place",
                ),
            }
        }
    }
    if any {
        report.skip("as this terminal has them; a server may have been started with others");
    } else {
        report.ok("the template names no keys");
    }
}

fn credential<'a>(genesis: &'a Genesis, kind: &str, name: &str) -> Option<&'a Credential> {
    if kind == "provider" {
        let provider = genesis.providers().iter().find(|it| &*it.name == name)?;
        return match &provider.endpoint {
            Endpoint::Remote { credential, .. } => Some(credential),
            Endpoint::Builtin => None,
        };
    }
    let server = genesis.tool_servers().iter().find(|it| &*it.name == name)?;
    match &server.reach {
        Reach::Http { credential, .. } => Some(credential),
        Reach::Stdio { .. } => None,
    }
}

fn variable(written: &str) -> Option<&str> {
    written.trim().strip_prefix("${")?.strip_suffix('}')
}
