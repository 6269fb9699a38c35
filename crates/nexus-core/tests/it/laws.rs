//! The laws of the merge, as properties: 10,000 random templates and overrides each.

use nexus_core::policy::{Bounds, Policies, Policy};
use nexus_core::profile::LayerValues;
use nexus_core::{ConfigField, EffectiveProfile, Field, Genesis, Layer, Overrides};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

use crate::templates::{document, genesis, overrides};

fn any_genesis() -> impl Strategy<Value = Genesis> {
    any_template().prop_map(genesis)
}

/// Which fields are open, and the limits of two of them.
pub(crate) fn any_template() -> impl Strategy<Value = Value> {
    let open = proptest::collection::vec(any::<bool>(), 6);
    let limits = (0_u32..5, 9_u32..20, proptest::option::of(1_u32..4));
    let tools = (any_tools(), any_tools());
    let options = (proptest::option::of(0_usize..3), any_text_limits());
    (open, limits, options, tools).prop_map(
        |(open, (low, high, step), (options, texts), (tools, allowed))| {
            let mut template = document();
            let paths = [
                "config.model",
                "config.temperature",
                "config.max_tokens",
                "config.history_context_size",
                "prompts.persona",
                "config.tools",
            ];
            let editable: Vec<_> = paths
                .iter()
                .zip(&open)
                .filter(|(_, open)| **open)
                .map(|(path, _)| *path)
                .collect();
            template["ui"]["editable_fields"] = json!(editable);
            let mut slider = json!({ "min": f64::from(low) / 10.0, "max": f64::from(high) / 10.0 });
            if let Some(step) = step {
                slider["step"] = json!(f64::from(step) / 10.0);
                template["user_defaults"]["config"]["temperature"] = slider["min"].clone();
            }
            template["ui"]["field_options"]["config.temperature"] = slider;
            if let Some(count) = options {
                let names = ["gemini-2.5-flash", "DeepSeek", "echo"];
                template["ui"]["field_options"]["config.model"] =
                    json!({ "type": "select", "options": &names[..=count] });
            }
            if let Some(texts) = texts {
                template["ui"]["field_options"]["prompts.persona"] = texts;
            }
            if let Some(allowed) = allowed {
                template["ui"]["field_options"]["config.tools"] = json!({ "options": allowed });
            } else if let Some(tools) = tools {
                template["user_defaults"]["config"]["tools"] = json!(tools);
            }
            template
        },
    )
}

/// Limits of `prompts.persona` that its own text keeps to.
fn any_text_limits() -> impl Strategy<Value = Option<Value>> {
    let own = document()["user_defaults"]["prompts"]["persona"]["content"].clone();
    let length = u32::try_from(own.as_str().unwrap().chars().count()).unwrap();
    let options = json!([own, "", "brief", "äöü"]);
    proptest::option::of(prop_oneof![
        Just(json!({ "type": "textarea", "label": "Persona" })),
        (length..30).prop_map(|max| json!({ "type": "text", "max_length": max })),
        (1_usize..5).prop_map(move |count| {
            json!({ "type": "select", "options": options.as_array().unwrap()[..count] })
        }),
    ])
}

fn any_tools() -> impl Strategy<Value = Option<Vec<&'static str>>> {
    let names = ["current_time", "files", "files.read", "web.search"];
    proptest::option::of(proptest::sample::subsequence(names.to_vec(), 0..=4))
}

/// Anything a database may hold, sensible or not.
pub(crate) fn any_overrides() -> impl Strategy<Value = Overrides> {
    let config = proptest::collection::btree_map(
        prop_oneof![
            Just("model"),
            Just("temperature"),
            Just("max_tokens"),
            Just("history_context_size"),
            Just("tools"),
            Just("role")
        ],
        prop_oneof![
            Just(json!("deepseek-chat")),
            Just(json!("Gemini-2.5-Flash")),
            Just(json!("gpt-9")),
            Just(Value::Null),
            (-5_i32..30).prop_map(|tenths| json!(f64::from(tenths) / 10.0)),
            (0_u32..20_000).prop_map(|count| json!(count)),
            any_tools().prop_map(|tools| json!(tools)),
            Just(json!(["web", "files.list", "mail", "web"])),
        ],
        0..6,
    );
    let prompts = proptest::collection::btree_map(
        prop_oneof![
            Just("persona"),
            Just("system"),
            Just("tools"),
            Just("other")
        ],
        prop_oneof![
            Just(json!("")),
            "[a-z ]{1,12}".prop_map(Value::from),
            "[a-zäö ]{12,40}".prop_map(Value::from),
            Just(json!("brief")),
            Just(json!(1))
        ],
        0..4,
    );
    (config, prompts).prop_map(|(config, prompts)| {
        let map = |entries: std::collections::BTreeMap<&str, Value>| {
            Value::Object(
                entries
                    .into_iter()
                    .map(|(key, value)| (key.to_owned(), value))
                    .collect::<Map<_, _>>(),
            )
        };
        overrides(&map(config), &map(prompts))
    })
}

fn resolve(genesis: &Genesis, identity: &Overrides, request: &Overrides) -> EffectiveProfile {
    EffectiveProfile::resolve(
        genesis,
        &[
            LayerValues::identity(identity),
            LayerValues::request(request),
        ],
    )
}

/// What is in force, by field, without where it came from.
fn values(profile: &EffectiveProfile) -> Vec<(String, Value)> {
    profile
        .explain()
        .into_iter()
        .map(|explained| (explained.field, explained.value))
        .collect()
}

fn none() -> Overrides {
    Overrides::default()
}

fn without(mut overrides: Overrides, field: &Field) -> Overrides {
    overrides.unusable.retain(|(unusable, _)| unusable != field);
    match field {
        Field::Config(ConfigField::Model) => overrides.model = None,
        Field::Config(ConfigField::Temperature) => overrides.temperature = None,
        Field::Config(ConfigField::MaxTokens) => overrides.max_tokens = None,
        Field::Config(ConfigField::HistoryContextSize) => overrides.history_context_size = None,
        Field::Config(ConfigField::Tools) => overrides.tools = None,
        Field::Prompt(name) => _ = overrides.prompts.remove(name),
    }
    overrides
}

fn with(mut overrides: Overrides, field: &Field, from: &Overrides) -> Overrides {
    match field {
        Field::Config(ConfigField::Model) => overrides.model.clone_from(&from.model),
        Field::Config(ConfigField::Temperature) => overrides.temperature = from.temperature,
        Field::Config(ConfigField::MaxTokens) => overrides.max_tokens = from.max_tokens,
        Field::Config(ConfigField::HistoryContextSize) => {
            overrides.history_context_size = from.history_context_size;
        }
        Field::Config(ConfigField::Tools) => overrides.tools.clone_from(&from.tools),
        Field::Prompt(name) => match from.prompts.get(name) {
            Some(text) => _ = overrides.prompts.insert(name.clone(), text.clone()),
            None => _ = overrides.prompts.remove(name),
        },
    }
    overrides
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn no_overrides_is_the_defaults(genesis in any_genesis()) {
        let profile = resolve(&genesis, &none(), &none());
        prop_assert_eq!(&profile.model.value.name, &genesis.default_model().name);
        prop_assert_eq!(profile.temperature.value, genesis.defaults().temperature);
        prop_assert_eq!(profile.max_tokens.value, genesis.defaults().max_tokens);
        prop_assert_eq!(&profile.system_prompt, genesis.joined_prompts());
        prop_assert_eq!(genesis.defaults().tools.as_ref().is_none_or(|tools| *tools == profile.tools.value), true);
        prop_assert!(profile.notices.is_empty());
    }

    #[test]
    fn an_override_that_may_be_written_wins(genesis in any_genesis(), identity in any_overrides()) {
        let profile = resolve(&genesis, &identity, &none());
        for explained in profile.explain() {
            let field: Field = explained.field.parse().unwrap();
            let Some(asked) = identity.get(&field) else { continue };
            if genesis.admit(&field, &asked).is_ok() {
                let asked = match &asked {
                    Value::String(name) if field == ConfigField::Model.into() => json!(&*genesis.model(name).unwrap().name),
                    other => other.clone(),
                };
                prop_assert_eq!(&explained.value, &asked);
                prop_assert_eq!(explained.layer, Layer::Identity);
            }
        }
    }

    #[test]
    fn the_request_is_stronger_than_the_identity(genesis in any_genesis(), identity in any_overrides(), request in any_overrides()) {
        let alone = resolve(&genesis, &none(), &request);
        let both = resolve(&genesis, &identity, &request);
        for (alone, both) in alone.explain().into_iter().zip(both.explain()) {
            if alone.layer == Layer::Request {
                prop_assert_eq!(alone.value, both.value);
                prop_assert_eq!(both.layer, Layer::Request);
            }
        }
    }

    #[test]
    fn a_locked_field_is_invariant(genesis in any_genesis(), identity in any_overrides(), request in any_overrides()) {
        let plain = resolve(&genesis, &none(), &none());
        let wishful = resolve(&genesis, &identity, &request);
        for (plain, wishful) in plain.explain().into_iter().zip(wishful.explain()) {
            if genesis.lock(&plain.field.parse().unwrap()).is_some() {
                prop_assert_eq!(plain.value, wishful.value);
                prop_assert!(!wishful.layer.is_personal());
            }
        }
    }

    #[test]
    fn changing_one_field_changes_that_field_only(genesis in any_genesis(), before in any_overrides(), other in any_overrides(), place in 0_usize..8) {
        let field = genesis.fields().nth(place).unwrap();
        let after = with(before.clone(), &field, &other);
        let (before, after) = (values(&resolve(&genesis, &before, &none())), values(&resolve(&genesis, &after, &none())));
        // The model brings its own catalog defaults; the template of these tests hides them all.
        for (before, after) in before.into_iter().zip(after) {
            prop_assert!(before == after || before.0 == field.to_string(), "{} changed {}", field, before.0);
        }
    }

    #[test]
    fn unset_after_set_restores(genesis in any_genesis(), identity in any_overrides(), other in any_overrides(), place in 0_usize..8) {
        let field = genesis.fields().nth(place).unwrap();
        let original = without(identity, &field);
        let restored = without(with(original.clone(), &field, &other), &field);
        prop_assert_eq!(values(&resolve(&genesis, &original, &none())), values(&resolve(&genesis, &restored, &none())));
    }

    #[test]
    fn what_is_in_force_keeps_to_every_limit(genesis in any_genesis(), identity in any_overrides(), request in any_overrides()) {
        let profile = resolve(&genesis, &identity, &request);
        let bounds = |field| &genesis.policy(field).bounds;
        prop_assert!(bounds(ConfigField::Model).admits_model(&profile.model.value.name));
        prop_assert!(profile.temperature.value.is_none_or(|number| bounds(ConfigField::Temperature).admits_number(number)));
        prop_assert!(profile.max_tokens.value.is_none_or(|count| bounds(ConfigField::MaxTokens).admits_number(f64::from(count))));
        prop_assert!(profile.tools.value.iter().all(|name| bounds(ConfigField::Tools).admits_tool(name)));
        prop_assert!(profile.tools.value.iter().all(|name| genesis.knows_tool(name)));
        let admits = |prompt: &nexus_core::profile::ResolvedPrompt| {
            genesis.policies().prompt(&prompt.name).is_none_or(|policy| policy.bounds.admits_text(&prompt.text.value))
        };
        prop_assert!(profile.prompts.iter().all(admits));
        prop_assert!(bounds(ConfigField::HistoryContextSize).admits_number(f64::from(profile.history_context_size.value)));
    }

    #[test]
    fn a_group_never_widens_a_limit(genesis in any_genesis(), low in 0_u32..30, width in 0_u32..30, identity in any_overrides()) {
        let mut policies = Policies::default();
        let wide = Bounds::between(f64::from(low) / 10.0, f64::from(low + width) / 10.0);
        policies.restrict(&ConfigField::Temperature.into(), &Policy { lock: None, bounds: wide });
        let nothing = none();
        let group = LayerValues { layer: Layer::Group, values: &nothing, policies: Some(&policies) };
        let profile = EffectiveProfile::resolve(&genesis, &[group, LayerValues::identity(&identity)]);
        if let Some(number) = profile.temperature.value {
            prop_assert!(genesis.policy(ConfigField::Temperature).bounds.admits_number(number));
        }
    }

    #[test]
    fn a_group_never_adds_a_tool(genesis in any_genesis(), allowed in any_tools(), identity in any_overrides()) {
        let mut policies = Policies::default();
        let names = |names: Vec<&str>| names.into_iter().map(|name| name.parse().unwrap()).collect();
        let only = Bounds { tools: allowed.map(names), ..Bounds::default() };
        policies.restrict(&ConfigField::Tools.into(), &Policy { lock: None, bounds: only.clone() });
        let nothing = none();
        let group = LayerValues { layer: Layer::Group, values: &nothing, policies: Some(&policies) };
        let profile = EffectiveProfile::resolve(&genesis, &[group, LayerValues::identity(&identity)]);
        let of_template = &genesis.policy(ConfigField::Tools).bounds;
        prop_assert!(profile.tools.value.iter().all(|name| only.admits_tool(name) && of_template.admits_tool(name)));
    }

    #[test]
    fn the_merge_is_deterministic_and_idempotent(genesis in any_genesis(), identity in any_overrides(), request in any_overrides()) {
        let profile = resolve(&genesis, &identity, &request);
        let text = |profile: &EffectiveProfile| serde_json::to_string(&profile.explain()).unwrap();
        prop_assert_eq!(text(&profile), text(&resolve(&genesis, &identity, &request)));
        prop_assert_eq!(values(&resolve(&genesis, &identity, &none())), values(&resolve(&genesis, &identity, &identity)));
    }

    #[test]
    fn one_person_is_independent_of_another(genesis in any_genesis(), a in any_overrides(), b in any_overrides()) {
        let before = values(&resolve(&genesis, &a, &none()));
        resolve(&genesis, &b, &none());
        prop_assert_eq!(before, values(&resolve(&genesis, &a, &none())));
    }

    #[test]
    fn what_was_not_honoured_is_said(genesis in any_genesis(), identity in any_overrides()) {
        let profile = resolve(&genesis, &identity, &none());
        for explained in profile.explain() {
            let field: Field = explained.field.parse().unwrap();
            let Some(asked) = identity.get(&field) else { continue };
            let honoured = genesis.admit(&field, &asked).is_ok();
            let said = profile.notices.iter().any(|notice| notice.field().as_ref() == Some(&field));
            prop_assert_eq!(honoured, !said, "{}: asked {}, in force {}", explained.field, asked, explained.value);
        }
    }
}
