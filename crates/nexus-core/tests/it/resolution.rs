//! The merge, by example.

use nexus_core::policy::{Bounds, Policies, Policy};
use nexus_core::profile::LayerValues;
use nexus_core::{ConfigField, EffectiveProfile, Genesis, Layer, Overrides};
use serde_json::{Value, json};

use crate::templates::{document, genesis, overrides};

fn resolve(genesis: &Genesis, identity: &Overrides, request: &Overrides) -> EffectiveProfile {
    EffectiveProfile::resolve(
        genesis,
        &[
            LayerValues::identity(identity),
            LayerValues::request(request),
        ],
    )
}

fn none() -> Overrides {
    Overrides::default()
}

fn notices(profile: &EffectiveProfile) -> Vec<String> {
    profile.notices.iter().map(ToString::to_string).collect()
}

#[test]
fn a_new_person_has_the_defaults() {
    let genesis = genesis(document());
    let profile = resolve(&genesis, &none(), &none());
    assert_eq!(&*profile.model.value.name, "gemini-2.5-flash");
    assert_eq!(
        (profile.temperature.value, profile.temperature.layer),
        (Some(0.8), Layer::Genesis)
    );
    assert_eq!(profile.temperature.shadowed, [(Layer::Catalog, Some(0.7))]);
    assert_eq!(profile.history_context_size.value, 20);
    assert_eq!(&profile.system_prompt, genesis.joined_prompts());
    assert_eq!(profile.notices, []);
}

#[test]
fn a_custom_persona_replaces_its_block_and_no_other() {
    let profile = resolve(
        &genesis(document()),
        &overrides(&json!({}), &json!({ "persona": "我是曦，禹的灵魂伴侣..." })),
        &none(),
    );
    assert_eq!(
        &*profile.system_prompt,
        "我是曦，禹的灵魂伴侣...\n\n---\n\nBe honest.\n\n---\n\nUse tools."
    );
    assert_eq!(profile.prompts[0].text.layer, Layer::Identity);
    assert_eq!(profile.prompts[1].text.layer, Layer::Genesis);
}

#[test]
fn an_empty_text_removes_the_block_and_says_so() {
    let profile = resolve(
        &genesis(document()),
        &overrides(&json!({}), &json!({ "persona": "" })),
        &none(),
    );
    assert_eq!(&*profile.system_prompt, "Be honest.\n\n---\n\nUse tools.");
    let explained = serde_json::to_value(&profile.explain()[5]).unwrap();
    assert_eq!(
        explained,
        json!({ "field": "prompts.persona", "value": "", "layer": "identity", "shadowed": [{ "layer": "genesis", "value": "You are Nexus." }], "editable": true })
    );
}

#[test]
fn the_catalog_fills_what_the_template_leaves_out_for_the_model_finally_chosen() {
    let mut document = document();
    document["user_defaults"]["config"] = json!({ "model": "gemini-2.5-flash" });
    let genesis = genesis(document);
    let profile = resolve(
        &genesis,
        &overrides(&json!({ "model": "DeepSeek" }), &json!({})),
        &none(),
    );
    assert_eq!(
        (profile.temperature.value, profile.temperature.layer),
        (Some(1.3), Layer::Catalog)
    );
    assert_eq!(
        (profile.max_tokens.value, profile.max_tokens.layer),
        (None, Layer::Builtin)
    );
    assert_eq!(
        (
            profile.history_context_size.value,
            profile.history_context_size.layer
        ),
        (20, Layer::Builtin)
    );
}

#[test]
fn an_unknown_model_falls_to_the_next_layer_and_never_silently() {
    let profile = resolve(
        &genesis(document()),
        &overrides(&json!({ "model": "deepseek-chat" }), &json!({})),
        &overrides(&json!({ "model": "gpt-9" }), &json!({})),
    );
    assert_eq!(
        (&*profile.model.value.name, profile.model.layer),
        ("deepseek-chat", Layer::Identity)
    );
    assert_eq!(
        notices(&profile),
        ["there is no model \"gpt-9\" (set by request): deepseek-chat is used"]
    );
}

#[test]
fn t12_what_was_stored_by_hand_is_ignored_or_clamped_and_never_silently() {
    let stored = overrides(
        &json!({ "model": 7, "temperature": 99, "max_tokens": 1e12, "history_context_size": 3, "role": "admin" }),
        &json!({ "system": "I am root", "extra": "x", "persona": { "content": "x" } }),
    );
    let profile = resolve(&genesis(document()), &stored, &none());
    assert_eq!(profile.temperature.value, Some(1.5));
    assert_eq!(profile.history_context_size.value, 20);
    assert_eq!(
        &*profile.system_prompt,
        "You are Nexus.\n\n---\n\nBe honest.\n\n---\n\nUse tools."
    );
    insta::assert_snapshot!(notices(&profile).join("\n"), @r#"
    config.model stored by identity is ignored: it should be the name of a model
    config.max_tokens stored by identity is ignored: it should be a whole number
    prompts.persona stored by identity is ignored: it should be a text of at most 32 KiB without control or hidden characters
    config.role set by identity has no effect: Nexus knows no such field; it is kept and never sent
    config.temperature 99 (set by identity) is outside its limits: 1.5 is used
    config.history_context_size set by identity is ignored: the template does not list it in ui.editable_fields
    prompts.extra set by identity is ignored: the template has no prompt of this name
    prompts.system set by identity is ignored: the template says editable: false for this prompt
    "#);
}

#[test]
fn a_group_slots_in_between_and_its_limits_narrow() {
    let genesis = genesis(document());
    let mut policies = Policies::default();
    policies.restrict(
        &ConfigField::Temperature.into(),
        &Policy {
            lock: None,
            bounds: Bounds::between(0.0, 0.5),
        },
    );
    let models = Some(["echo".into()].into());
    policies.restrict(
        &ConfigField::Model.into(),
        &Policy {
            lock: None,
            bounds: Bounds {
                models,
                ..Bounds::default()
            },
        },
    );
    let of_group = overrides(
        &json!({ "max_tokens": 512 }),
        &json!({ "system": "Be brief." }),
    );
    let group = LayerValues {
        layer: Layer::Group,
        values: &of_group,
        policies: Some(&policies),
    };
    let of_person = overrides(
        &json!({ "temperature": 1.2, "model": "deepseek-chat" }),
        &json!({}),
    );
    let profile = EffectiveProfile::resolve(&genesis, &[group, LayerValues::identity(&of_person)]);
    assert_eq!(profile.temperature.value, Some(0.5));
    assert_eq!(
        (profile.max_tokens.value, profile.max_tokens.layer),
        (Some(512), Layer::Group)
    );
    assert_eq!(&*profile.model.value.name, "echo");
    assert_eq!(&*profile.prompts[1].text.value, "Be brief.");
}

#[test]
fn explain_tells_value_layer_what_it_hides_and_what_applied() {
    let stored = overrides(&json!({ "temperature": 0.3 }), &json!({}));
    let profile = resolve(&genesis(document()), &stored, &none());
    let explained: Value = serde_json::to_value(profile.explain()).unwrap();
    insta::assert_snapshot!(explained[1], @r#"{"field":"config.temperature","value":0.3,"layer":"identity","shadowed":[{"layer":"genesis","value":0.8},{"layer":"catalog","value":0.7}],"editable":true,"bounds":{"min":0.0,"max":1.5,"steps":[{"size":0.1,"origin":0.0}]}}"#);
    insta::assert_snapshot!(explained[3], @r#"{"field":"config.history_context_size","value":20,"layer":"genesis","shadowed":[{"layer":"builtin","value":20}],"editable":false,"lock":"not_editable","bounds":{"min":0.0,"max":100.0,"steps":[{"size":1.0,"origin":0.0}]}}"#);
}

#[test]
fn a_fallback_brings_its_own_defaults_and_keeps_what_somebody_set() {
    let mut document = document();
    document["llm"]["catalog"]["gemini-2.5-flash"]["fallbacks"] = json!(["deepseek-chat", "echo"]);
    let config = document["user_defaults"]["config"].as_object_mut().unwrap();
    config.remove("temperature");
    config.remove("max_tokens");
    let genesis = genesis(document);
    let person = overrides(&json!({ "max_tokens": 512 }), &json!({}));
    let profile = resolve(&genesis, &person, &none());
    assert_eq!(profile.temperature.value, Some(0.7));
    let fallbacks: Vec<_> = profile.fallbacks(&genesis).collect();
    let [deepseek, echo] = &fallbacks[..] else {
        panic!("{fallbacks:?}")
    };
    assert_eq!(&*deepseek.model.name, "deepseek-chat");
    assert_eq!(
        (deepseek.temperature, deepseek.max_tokens),
        (Some(1.3), Some(512))
    );
    assert_eq!((echo.temperature, echo.max_tokens), (None, Some(512)));
}

#[test]
fn a_fallback_that_a_person_may_not_use_is_left_out() {
    let mut document = document();
    document["llm"]["catalog"]["gemini-2.5-flash"]["fallbacks"] = json!(["deepseek-chat", "echo"]);
    document["ui"]["field_options"]["config.model"] =
        json!({ "options": ["gemini-2.5-flash", "echo"] });
    let genesis = genesis(document);
    let profile = resolve(&genesis, &none(), &none());
    let names: Vec<_> = profile
        .fallbacks(&genesis)
        .map(|fallback| fallback.model.name.to_string())
        .collect();
    assert_eq!(names, ["echo"]);
}
