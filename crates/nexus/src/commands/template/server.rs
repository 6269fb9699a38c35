//! Changing the template at a server. It checks and plans; two requests are signed with the key of
//! the administrator: the one for the plan, and the one that stores.

use http::Method;
use nexus_api::Object;
use nexus_api::template::{Template, TemplateChange, TemplateChanged};
use serde::Deserialize as _;
use serde_json::Value;

use super::change::{New, Planned, settle};
use super::place::PATH;
use super::refuse;
use crate::Shell;
use crate::cli::Change;
use crate::failure::Failure;
use crate::remote::{Call, CallError, Refused, Remote, understood};

const DRY_RUN: &str = "/api/v1/admin/template?dry_run=true";

pub(super) async fn put(
    shell: &Shell,
    remote: &Remote,
    new: New,
    change: &Change,
) -> Result<(), Failure> {
    // A mistake is found before anybody is asked for a passphrase.
    if !new.problems.is_empty() {
        return Err(refuse(shell, &new.name, &new.problems));
    }
    let Template {
        environment,
        version,
        ..
    } = remote.read(PATH).await?;
    let key = remote.key()?;
    let body = TemplateChange {
        document: Object(new.doc.as_map().clone()),
        expected_version: version,
    };
    let ask = async |path: &str| {
        let call = Call::new(Method::PUT, path).json(&body);
        match remote.send_signed(call, &key).await {
            Ok(answer) => understood::<TemplateChanged>(answer),
            Err(CallError::Refused(refused)) => Err(explain(shell, refused, &new.name, version)),
            Err(error) => Err(error.into()),
        }
    };
    let TemplateChanged {
        plan,
        warnings,
        unreadable,
        ..
    } = ask(DRY_RUN).await?;
    let planned = Planned {
        environment,
        current: version,
        is_new: !plan.document.is_empty(),
        plan,
        warnings: new
            .is_for_another(environment)
            .into_iter()
            .chain(warnings)
            .collect(),
        unreadable,
        place: format!(" at {}", remote.connection.server),
    };
    settle(shell, planned, change, async || {
        Ok(ask(PATH).await?.version)
    })
    .await
}

/// What a refusal means for whoever wants to change the template.
fn explain(shell: &Shell, refused: Refused, name: &str, expected: u64) -> Failure {
    match &*refused.error.code {
        "invalid_template" => {
            let problems = detail(&refused, "problems").map(Vec::deserialize);
            match problems {
                Some(Ok(problems)) => refuse(shell, name, &problems),
                _ => CallError::Refused(refused).into(),
            }
        }
        "conflict" => {
            let now = detail(&refused, "version").and_then(Value::as_u64);
            let now = now.map_or_else(|| "another one".to_owned(), |now| format!("version {now}"));
            Failure::new(format!(
                "the plan was made for version {expected}, and {now} is stored by now: nothing of \
                 yours was stored"
            ))
            .hint(
                "`nexus template diff --server` shows what changed; run the command again for a \
                 new plan",
            )
        }
        _ => CallError::Refused(refused).into(),
    }
}

fn detail<'a>(refused: &'a Refused, name: &str) -> Option<&'a Value> {
    refused.error.details.as_ref()?.get(name)
}
