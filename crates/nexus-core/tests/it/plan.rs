//! What a new template would change: nothing is left out, and nothing is made up.

use insta::assert_snapshot;
use nexus_core::genesis::{GenesisDoc, HIDDEN};
use nexus_core::plan::{EXAMPLES, People, Plan, Planner, document_changes, policy_changes};
use nexus_core::profile::LayerValues;
use nexus_core::{EffectiveProfile, Genesis, Overrides, PublicKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::laws::{any_overrides, any_template};
use crate::templates::{check, document, genesis, overrides};

fn key(number: usize) -> PublicKey {
    let mut bytes = [0xab; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PublicKey::from_bytes(bytes)
}

fn doc(document: Value) -> GenesisDoc {
    GenesisDoc::from_value(document).unwrap()
}

fn people(before: &Genesis, after: &Genesis, everybody: &[Overrides]) -> People {
    let mut planner = Planner::new(before, after);
    for (number, overrides) in everybody.iter().enumerate() {
        planner.add(key(number), overrides);
    }
    planner.finish(false)
}

fn plan(before: Value, after: Value, everybody: &[Overrides]) -> Plan {
    let document = document_changes(&doc(before.clone()), &doc(after.clone()));
    let (before, after) = (genesis(before), genesis(after));
    Plan {
        document,
        policy: policy_changes(&before, &after),
        people: Some(people(&before, &after, everybody)),
    }
}

/// Everything that a plan says, a line each.
fn told(plan: &Plan) -> String {
    let lines = |values: Value| {
        let values = values.as_array().unwrap().iter();
        values.map(ToString::to_string).collect::<Vec<_>>()
    };
    let people = plan.people.as_ref().unwrap();
    let mut told = lines(json!(plan.document));
    told.extend(lines(json!(plan.policy)));
    told.push(format!(
        "{} of {}: {:?}",
        people.changed, people.read, people.changed_fields
    ));
    told.extend(lines(json!(people.changed_examples)));
    told.push(format!("{} refused", people.refused));
    told.extend(lines(json!(people.refused_examples)));
    told.join("\n").replace(&"ab".repeat(11), "")
}

#[test]
fn a_plan_tells_what_changes_for_whom_and_what_loses_its_effect() {
    let mut after = document();
    after["user_defaults"]["config"]["temperature"] = json!(0.5);
    after["user_defaults"]["prompts"]["persona"]["editable"] = json!(false);
    after["llm"]["catalog"]
        .as_object_mut()
        .unwrap()
        .remove("deepseek-chat");
    after["ui"]["field_options"]["config.max_tokens"]["max"] = json!(5000);
    let everybody = [
        overrides(&json!({}), &json!({})),
        overrides(
            &json!({ "temperature": 0.3 }),
            &json!({ "persona": "I am private." }),
        ),
        overrides(
            &json!({ "model": "DeepSeek", "max_tokens": 6000 }),
            &json!({ "other": "x" }),
        ),
        overrides(&json!({ "temperature": 0.3 }), &json!({})),
    ];
    assert_snapshot!(told(&plan(document(), after, &everybody)), @r#"
    {"pointer":"/llm/catalog/deepseek-chat","before":"{\"provider\":\"deepseek\",\"id\":\"deepseek-v3\",\"aliases\":[\"DeepSeek\"],\"default_params…"}
    {"pointer":"/user_defaults/config/temperature","before":0.8,"after":0.5}
    {"pointer":"/user_defaults/prompts/persona/editable","before":true,"after":false}
    {"pointer":"/ui/field_options/config.max_tokens/max","before":8192,"after":5000}
    {"rule":"locked","field":"prompts.persona","lock":"prompt_not_editable"}
    {"rule":"bounds","field":"config.model","before":"one of gemini-2.5-flash, deepseek-chat, echo","after":"one of gemini-2.5-flash, echo"}
    {"rule":"bounds","field":"config.max_tokens","before":"a whole number from 256 to 8192","after":"a whole number from 256 to 5000"}
    3 of 4: {"config.max_tokens": 1, "config.model": 1, "config.temperature": 2, "prompts.persona": 1}
    {"public_key":"0x0000000000000000ab","changes":[{"field":"config.temperature","before":0.8,"after":0.5}]}
    {"public_key":"0x0000000000000001ab","changes":[{"field":"prompts.persona","before":"(a text of their own, 13 characters)","after":"You are Nexus."}]}
    {"public_key":"0x0000000000000002ab","changes":[{"field":"config.model","before":"deepseek-chat","after":"gemini-2.5-flash"},{"field":"config.temperature","before":0.8,"after":0.5},{"field":"config.max_tokens","before":6000,"after":5000}]}
    3 refused
    {"public_key":"0x0000000000000001ab","field":"prompts.persona","code":"field_locked","reason":"prompts.persona cannot be changed: the template says editable: false for this prompt"}
    {"public_key":"0x0000000000000002ab","field":"config.model","value":"DeepSeek","code":"unknown_model","reason":"there is no model \"DeepSeek\": choose one of gemini-2.5-flash, echo"}
    {"public_key":"0x0000000000000002ab","field":"config.max_tokens","value":6000,"code":"out_of_bounds","reason":"config.max_tokens must be a whole number from 256 to 5000, not 6000"}
    "#);
}

#[test]
fn rules_that_come_and_go_are_told_and_the_built_in_ones_do_not_go() {
    let mut strict = document();
    strict["security"]["signature_required_commands"] = json!(["identity", "config.set", "export"]);
    let mut loose = strict.clone();
    loose["security"]["signature_required_commands"] = json!(["key.list"]);
    loose["user_defaults"]["prompts"]["system"]["editable"] = json!(true);
    loose["ui"]["editable_fields"] = json!(["config.model", "prompts.persona", "prompts.system"]);
    let rules = |before: &Value, after: &Value| {
        let changes = policy_changes(&genesis(before.clone()), &genesis(after.clone()));
        let told = changes.iter().map(ToString::to_string);
        told.collect::<Vec<_>>().join("\n")
    };
    assert_snapshot!(rules(&strict, &loose), @r"
    config.temperature: people may not change it any more; the template does not list it in ui.editable_fields
    config.max_tokens: people may not change it any more; the template does not list it in ui.editable_fields
    prompts.system: people may change it from then on
    key.list: needs a signature
    export: needs no signature any more
    ");
    assert_snapshot!(rules(&loose, &strict), @r"
    config.temperature: people may change it from then on
    config.max_tokens: people may change it from then on
    prompts.system: people may not change it any more; the template says editable: false for this prompt
    key.list: needs no signature any more
    export: needs a signature
    ");
    assert_eq!(rules(&strict, &strict), "");
}

#[test]
fn prompts_that_come_go_and_move_are_told() {
    let mut before = document();
    before["user_defaults"]["prompts"]
        .as_object_mut()
        .unwrap()
        .remove("tools");
    let mut after = document();
    after["user_defaults"]["prompts"]["persona"]["order"] = json!(9);
    after["llm"]["catalog"]["gemini-2.5-flash"]["id"] = json!("gemini-3");
    let nobody = [Overrides::default()];
    assert_snapshot!(told(&plan(before.clone(), after.clone(), &nobody)), @r#"
    {"pointer":"/llm/catalog/gemini-2.5-flash/id","before":"gemini-2.5-flash","after":"gemini-3"}
    {"pointer":"/user_defaults/prompts/persona/order","before":1,"after":9}
    {"pointer":"/user_defaults/prompts/tools","after":{"content":"Use tools.","editable":false,"order":3}}
    1 of 1: {"config.model": 1, "prompts": 1, "prompts.tools": 1}
    {"public_key":"0x0000000000000000ab","changes":[{"field":"config.model","before":"gemini-2.5-flash (gemini-2.5-flash at google)","after":"gemini-2.5-flash (gemini-3 at google)"},{"field":"prompts.tools","after":"Use tools."},{"field":"prompts","before":"persona, system","after":"system, persona"}]}
    0 refused
    "#);
    let back = plan(after, before, &nobody).people.unwrap();
    assert_eq!(
        back.changed_fields.keys().collect::<Vec<_>>(),
        ["config.model", "prompts", "prompts.tools"]
    );
}

#[test]
fn a_key_in_clear_that_changes_is_told_and_not_shown() {
    let with_key = |key: &str| {
        let mut document = document();
        document["llm"]["providers"]["deepseek"]["api_key"] = json!(key);
        doc(document)
    };
    let changes = document_changes(&with_key("sk-old-secret"), &with_key("sk-new-secret"));
    let [change] = &changes[..] else {
        panic!("{changes:?}")
    };
    assert_eq!(change.pointer, "/llm/providers/deepseek/api_key");
    assert_eq!(change.before, Some(json!(HIDDEN)));
    assert!(!format!("{changes:?}").contains("secret"));

    let mut without = document();
    without["llm"]["providers"]
        .as_object_mut()
        .unwrap()
        .remove("deepseek");
    let changes = document_changes(&doc(without), &with_key("sk-new-secret"));
    assert!(!format!("{changes:?}").contains("secret"), "{changes:?}");
}

#[test]
fn what_stands_for_a_key_is_not_a_key() {
    let mut document = document();
    document["llm"]["providers"]["deepseek"]["api_key"] = json!(HIDDEN);
    let problems = check(document).unwrap_err().to_string();
    assert!(
        problems.contains("/llm/providers/deepseek/api_key"),
        "{problems}"
    );
}

#[test]
fn examples_are_few_however_many_people_there_are() {
    let mut after = document();
    after["user_defaults"]["config"]["temperature"] = json!(0.5);
    after["ui"]["editable_fields"] = json!([]);
    let everybody = vec![overrides(&json!({ "max_tokens": 300 }), &json!({})); 1000];
    let people = plan(document(), after, &everybody).people.unwrap();
    assert_eq!(
        (people.read, people.changed, people.refused),
        (1000, 1000, 1000)
    );
    assert_eq!(
        (people.changed_examples.len(), people.refused_examples.len()),
        (EXAMPLES, EXAMPLES)
    );
}

/// Templates that also differ in models, prompts and their order.
fn any_variant() -> impl Strategy<Value = Value> {
    let more = (any::<[bool; 4]>(), 0_i64..4, "[a-z]{0,3}");
    (any_template(), more).prop_map(|(mut template, (with, order, text))| {
        let [deepseek, tools, rename, known] = with;
        let uses_deepseek = template["ui"]["field_options"]["config.model"]["options"].is_array();
        if !deepseek && !uses_deepseek {
            template["llm"]["catalog"]
                .as_object_mut()
                .unwrap()
                .remove("deepseek-chat");
        }
        if !tools {
            template["user_defaults"]["prompts"]
                .as_object_mut()
                .unwrap()
                .remove("tools");
        }
        if rename {
            template["llm"]["catalog"]["gemini-2.5-flash"]["id"] = json!("gemini-3");
        }
        if known {
            template["later"] = json!({ "a/b~c": [1, text] });
        }
        template["user_defaults"]["prompts"]["persona"]["order"] = json!(order);
        // Its own text keeps to its own limits.
        if let Some(limits) = template["ui"]["field_options"].get_mut("prompts.persona") {
            match limits.get_mut("options") {
                Some(options) => options.as_array_mut().unwrap().push(json!(text)),
                None => limits["max_length"] = json!(20),
            }
        }
        template["user_defaults"]["prompts"]["persona"]["content"] = json!(text);
        template
    })
}

fn profile(genesis: &Genesis, overrides: &Overrides) -> EffectiveProfile {
    EffectiveProfile::resolve(genesis, &[LayerValues::identity(overrides)])
}

/// What a model is asked for: everything that a profile decides.
fn asked(profile: &EffectiveProfile) -> impl PartialEq + std::fmt::Debug + use<> {
    let model = &profile.model.value;
    let prompts: Vec<_> = profile
        .prompts
        .iter()
        .map(|it| (it.name.clone(), it.text.value.clone()))
        .collect();
    (
        (
            model.name.clone(),
            model.provider.name.clone(),
            model.id.clone(),
        ),
        (
            profile.temperature.value,
            profile.max_tokens.value,
            profile.history_context_size.value,
            profile.tools.value.clone(),
        ),
        prompts,
    )
}

/// The value of one field, and `None` when there is no such field.
fn value(profile: &EffectiveProfile, field: &str) -> Option<Value> {
    let explained = profile.explain().into_iter();
    explained
        .map(|it| (it.field, it.value))
        .find_map(|(name, value)| (name == field).then_some(value))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn from_a_template_to_itself_nothing_changes(template in any_variant(), everybody in proptest::collection::vec(any_overrides(), 0..6)) {
        prop_assert!(plan(template.clone(), template, &everybody).is_empty());
    }

    #[test]
    fn every_place_that_is_told_differs_and_no_other_does(before in any_variant(), after in any_variant()) {
        let changes = document_changes(&doc(before.clone()), &doc(after.clone()));
        let mut patched = before.clone();
        for change in &changes {
            let (old, new) = (before.pointer(&change.pointer), after.pointer(&change.pointer));
            prop_assert_ne!(old, new, "{}", change.pointer);
            prop_assert_eq!((old.is_some(), new.is_some()), (change.before.is_some(), change.after.is_some()));
            put(&mut patched, &change.pointer, new.cloned());
        }
        prop_assert_eq!(patched, after);
    }

    #[test]
    fn a_plan_that_was_sent_says_the_same_where_it_arrives(before in any_variant(), after in any_variant(), everybody in proptest::collection::vec(any_overrides(), 0..6)) {
        let plan = plan(before, after, &everybody);
        let sent = serde_json::to_string(&plan).unwrap();
        prop_assert_eq!(serde_json::from_str::<Plan>(&sent).unwrap(), plan);
    }

    #[test]
    fn everybody_who_is_told_gets_another_profile_and_nobody_else(before in any_variant(), after in any_variant(), everybody in proptest::collection::vec(any_overrides(), 0..6)) {
        let (before, after) = (genesis(before), genesis(after));
        let people = people(&before, &after, &everybody);
        let differs = |overrides: &&Overrides| asked(&profile(&before, overrides)) != asked(&profile(&after, overrides));
        prop_assert_eq!(people.changed, everybody.iter().filter(differs).count() as u64);
        for example in &people.changed_examples {
            let number = (0..everybody.len()).find(|number| key(*number).to_string() == example.public_key).unwrap();
            let (old, new) = (profile(&before, &everybody[number]), profile(&after, &everybody[number]));
            for change in &example.changes {
                prop_assert_ne!(&change.before, &change.after, "{}", change.field);
                let differs = value(&old, &change.field) != value(&new, &change.field);
                // Another model of the same name, and another order, are not the value of a field.
                prop_assert!(differs || ["prompts", "config.model"].contains(&&*change.field));
            }
        }
    }

    #[test]
    fn what_is_told_to_lose_its_effect_had_one(before in any_variant(), after in any_variant(), person in any_overrides()) {
        let (before, after) = (genesis(before), genesis(after));
        let people = people(&before, &after, std::slice::from_ref(&person));
        for example in &people.refused_examples {
            let field = example.field.parse().unwrap();
            let asked = person.get(&field).unwrap();
            prop_assert!(before.admit(&field, &asked).is_ok());
            prop_assert_eq!(after.admit(&field, &asked).unwrap_err().code(), &*example.code);
        }
        prop_assert_eq!(people.refused_examples.len() as u64, people.refused.min(EXAMPLES as u64));
        let lost = before.fields().chain(after.fields()).collect::<std::collections::BTreeSet<_>>();
        let lost = lost.iter().filter(|field| person.get(field).is_some_and(|it| before.admit(field, &it).is_ok() && after.admit(field, &it).is_err()));
        prop_assert_eq!(people.refused, lost.count() as u64);
    }
}

/// Puts a value at a place, or takes it away.
fn put(document: &mut Value, pointer: &str, value: Option<Value>) {
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    match (document.pointer_mut(parent).unwrap(), value) {
        (Value::Object(map), Some(value)) => _ = map.insert(name, value),
        (Value::Object(map), None) => _ = map.remove(&name),
        (Value::Array(items), Some(value)) => items[name.parse::<usize>().unwrap()] = value,
        (other, _) => panic!("{other}"),
    }
}
