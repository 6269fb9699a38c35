//! What it costs to resolve an effective profile, and to check the template that ships.

#![expect(clippy::unwrap_used, reason = "a benchmark ends where it cannot go on")]

use divan::{Bencher, black_box};
use nexus_core::egress::Secrets;
use nexus_core::genesis::GenesisDoc;
use nexus_core::profile::LayerValues;
use nexus_core::{EffectiveProfile, Genesis, Overrides};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn document() -> Value {
    let model = |number: usize| {
        let row = json!({"provider": "local", "id": format!("m-{number}"),
                         "default_params": {"temperature": 0.7, "max_tokens": 8192}});
        (format!("model-{number}"), row)
    };
    let catalog: serde_json::Map<_, _> = (0..20).map(model).collect();
    json!({
        "llm": {
            "providers": {"local": {"base_url": "http://127.0.0.1:9/v1"}},
            "catalog": catalog,
        },
        "user_defaults": {
            "config": {"model": "model-3", "temperature": 0.8, "max_tokens": 4096},
            "prompts": {
                "persona": {"content": "You are kind. ".repeat(50), "editable": true, "order": 1},
                "system": {"content": "Be honest. ".repeat(100), "editable": false, "order": 2},
            },
        },
        "ui": {
            "editable_fields": ["config.model", "config.temperature", "prompts.persona"],
            "field_options": {"config.temperature": {"min": 0, "max": 2, "step": 0.1}},
        },
    })
}

fn genesis() -> Genesis {
    let document = GenesisDoc::from_value(document()).unwrap();
    let checked = Genesis::check(&document, &Secrets::new(|_| None));
    checked.unwrap().genesis
}

fn overrides(config: &Value, prompts: &Value) -> Overrides {
    Overrides::from_stored(config.as_object().unwrap(), prompts.as_object().unwrap())
}

/// A person who changed nothing.
#[divan::bench]
fn a_person_with_defaults(bencher: Bencher<'_, '_>) {
    let (genesis, none) = (genesis(), Overrides::default());
    bencher.bench(|| {
        let layers = [LayerValues::identity(&none), LayerValues::request(&none)];
        EffectiveProfile::resolve(black_box(&genesis), &layers)
    });
}

/// A person with a model, a temperature and a persona, and a request with a temperature of its own.
#[divan::bench]
fn a_person_with_overrides(bencher: Bencher<'_, '_>) {
    let genesis = genesis();
    let identity = overrides(
        &json!({"model": "model-7", "temperature": 0.3}),
        &json!({"persona": "You are Captain Nova, a cheerful pirate. ".repeat(20)}),
    );
    let request = overrides(&json!({"temperature": 1.1}), &json!({}));
    bencher.bench(|| {
        let layers = [
            LayerValues::identity(&identity),
            LayerValues::request(&request),
        ];
        EffectiveProfile::resolve(black_box(&genesis), &layers)
    });
}

/// All the checks of a template, as before it is stored.
#[divan::bench]
fn check_a_template(bencher: Bencher<'_, '_>) {
    let document = GenesisDoc::from_value(document()).unwrap();
    let secrets = Secrets::new(|_| None);
    bencher.bench(|| Genesis::check(black_box(&document), &secrets).is_ok());
}
