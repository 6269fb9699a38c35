//! `nexus models`: what can be asked, and whether it answers now.

use std::sync::Arc;

use nexus_core::{Genesis, Model};
use serde_json::{Value, json};

use crate::Shell;
use crate::failure::Failure;
use crate::output::columns;
use crate::probe::{Probed, Status};
use crate::wire;

pub(crate) async fn run(shell: &Shell) -> Result<(), Failure> {
    let store = wire::open_existing(&shell.settings).await?;
    let genesis = wire::genesis(&shell.settings, &*store).await?;
    let probed = Probed::ask(&wire::client(&shell.settings)?, &genesis).await;
    if shell.output.json {
        let models = genesis.catalog().iter();
        let models: Vec<_> = models
            .map(|model| as_json(&genesis, model, &probed.model(model)))
            .collect();
        shell.output.data(&models);
        return Ok(());
    }
    let heading = [
        "",
        "MODEL",
        "PROVIDER",
        "PROTOCOL",
        "ID",
        "OTHER NAMES",
        "PRICE",
        "NOW",
    ];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    for model in genesis.catalog() {
        rows.push(vec![
            if is_default(&genesis, model) {
                "*"
            } else {
                " "
            }
            .to_owned(),
            model.name.to_string(),
            model.provider.name.to_string(),
            model.provider.protocol().to_owned(),
            model.id.to_string(),
            model.aliases.join(", "),
            price(model),
            probed.model(model).to_string(),
        ]);
    }
    let paint = shell.output.paint;
    for (place, line) in columns(&rows).iter().enumerate() {
        let status = place
            .checked_sub(1)
            .map(|place| probed.model(&genesis.catalog()[place]));
        shell.output.line(match status {
            None => paint.bold(line),
            Some(Status::Ready(_)) => line.clone(),
            Some(Status::NeedsKey(_) | Status::Refused(_) | Status::Unreachable(_)) => {
                paint.dim(line)
            }
        });
    }
    shell.output.note(
        "* is the model of people who chose none; prices are for a million tokens, sent / written",
    );
    Ok(())
}

fn is_default(genesis: &Genesis, model: &Arc<Model>) -> bool {
    genesis.default_model().name == model.name
}

/// What a million tokens cost, sent and written.
fn price(model: &Model) -> String {
    let unit = |micros: u64| {
        let text = format!("{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let kept = text.trim_end_matches('0').trim_end_matches('.');
        kept.to_owned()
    };
    model.price.map_or_else(
        || "counts as free".to_owned(),
        |price| format!("{} / {}", unit(price.input), unit(price.output)),
    )
}

fn as_json(genesis: &Genesis, model: &Arc<Model>, status: &Status) -> Value {
    let mut row = json!({
        "name": model.name,
        "provider": model.provider.name,
        "protocol": model.provider.protocol(),
        "id": model.id,
        "aliases": model.aliases,
        "default": is_default(genesis, model),
        "price_micros": model.price.map(|price| json!({
            "input": price.input,
            "output": price.output,
            "cached_input": price.cached_input,
        })),
        "reachable": matches!(status, Status::Ready(_)),
    });
    if !matches!(status, Status::Ready(_)) {
        row["reason"] = status.to_string().into();
    }
    row
}
