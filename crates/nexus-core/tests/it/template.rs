//! What a template may say, and what is answered when it says something else.

use nexus_core::catalog::{Credential, Endpoint, Protocol};
use nexus_core::clients::{OtherFields, OutOfPolicy, SystemText};
use nexus_core::egress::Secrets;
use nexus_core::genesis::GenesisDoc;
use nexus_core::policy::Lock;
use nexus_core::profile::LayerValues;
use nexus_core::{
    ClientRules, CommandName, EffectiveProfile, Field, Genesis, Limit, Limits, Price,
};
use serde_json::{Value, json};

use crate::templates::{check, document, genesis, overrides};

fn problems(document: Value) -> String {
    check(document).map_or_else(|problems| problems.to_string(), |_| "no problem".to_owned())
}

#[test]
fn the_document_of_the_specification_is_a_template() {
    let checked = check(document()).unwrap();
    assert_eq!(checked.warnings, []);
    let genesis = checked.genesis;
    assert_eq!(&*genesis.default_model().name, "gemini-2.5-flash");
    assert_eq!(
        &**genesis.joined_prompts(),
        "You are Nexus.\n\n---\n\nBe honest.\n\n---\n\nUse tools."
    );
    assert_eq!(genesis.system().max_tool_iterations, 5);
    assert!(genesis.needs_signature(CommandName::ConfigSet));
}

#[test]
fn the_emergency_template_is_usable_and_allows_no_changes() {
    let genesis = Genesis::check(&GenesisDoc::minimal(), &Secrets::default())
        .unwrap()
        .genesis;
    assert_eq!(&*genesis.default_model().name, "echo");
    for field in genesis.fields() {
        assert_eq!(genesis.lock(&field), Some(Lock::NotEditable));
    }
}

#[test]
fn a_model_is_found_by_key_then_alias_then_id() {
    let mut document = document();
    // An id that is also the key of another row: the key wins.
    document["llm"]["catalog"]["other"] = json!({ "provider": "builtin", "id": "echo" });
    document["llm"]["catalog"]["tricky"] = json!({ "provider": "builtin", "id": "deepseek-chat" });
    let genesis = genesis(document);
    let name = |asked: &str| genesis.model(asked).map(|model| model.name.to_string());
    assert_eq!(name("deepseek-chat").as_deref(), Some("deepseek-chat"));
    assert_eq!(name("DeepSeek").as_deref(), Some("deepseek-chat"));
    assert_eq!(name("deepseek-v3").as_deref(), Some("deepseek-chat"));
    assert_eq!(name("echo").as_deref(), Some("echo"));
    assert_eq!(name("gpt-4"), None);
}

#[test]
fn the_catalog_keeps_the_order_in_which_it_is_written() {
    let mut document = document();
    let row = json!({ "provider": "builtin", "id": "echo" });
    document["llm"]["catalog"] = json!({ "zebra": row, "ant": row });
    document["user_defaults"]["config"]["model"] = json!("ant");
    let genesis = genesis(document);
    let names: Vec<_> = genesis.catalog().iter().map(|model| &*model.name).collect();
    assert_eq!(names, ["zebra", "ant"]);
}

#[test]
fn a_provider_without_its_key_is_there_and_says_which_variable_to_set() {
    let genesis = genesis(document());
    let unavailable: Vec<_> = genesis
        .providers()
        .iter()
        .filter_map(|provider| provider.unavailable())
        .map(|missing| missing.to_string())
        .collect();
    assert_eq!(
        unavailable,
        ["provider deepseek has no key: set DEEPSEEK_API_KEY and start Nexus again"]
    );
    assert!(matches!(
        &genesis.providers()[0].endpoint,
        Endpoint::Remote {
            credential: Credential::Key(_),
            ..
        }
    ));
    assert!(!format!("{genesis:?}").contains("secret-of-gemini"));
}

#[test]
fn a_row_without_a_protocol_speaks_what_its_address_is_known_for() {
    let spoken = |row: Value| {
        let mut document = document();
        document["llm"]["providers"]["google"] = row;
        match &genesis(document).providers()[0].endpoint {
            Endpoint::Remote { protocol, .. } => *protocol,
            Endpoint::Builtin => panic!("it is not built in"),
        }
    };
    let google = "https://generativelanguage.googleapis.com";
    for (base_url, protocol) in [
        // The worked example of the specification.
        ("https://api.anthropic.com", Protocol::Anthropic),
        ("https://api.anthropic.com/v1/", Protocol::Anthropic),
        (&format!("{google}/v1beta"), Protocol::Gemini),
        (&format!("{google}/v1beta/openai/"), Protocol::OpenAi),
        ("https://api.openai.com/v1", Protocol::OpenAi),
        ("https://api.anthropic.com.example.com", Protocol::OpenAi),
    ] {
        assert_eq!(spoken(json!({ "base_url": base_url })), protocol);
    }
    for (name, protocol) in [
        ("openai", Protocol::OpenAi),
        ("anthropic", Protocol::Anthropic),
        ("gemini", Protocol::Gemini),
    ] {
        for base_url in ["https://x.test", "https://api.anthropic.com", google] {
            let row = json!({ "base_url": base_url, "protocol": name });
            assert_eq!(spoken(row), protocol);
        }
    }
}

#[test]
fn ten_mistakes_are_reported_at_once_each_with_its_place() {
    let mut document = document();
    document["system"]["max_tool_iterations"] = json!(900);
    document["system"]["log_level"] = json!("chatty");
    document["llm"]["providers"]["google"]["base_url"] = json!("ftp://example.com");
    document["llm"]["providers"]["deepseek"]["protocol"] = json!("smoke-signals");
    document["llm"]["catalog"]["echo"]["provider"] = json!("nobody");
    document["llm"]["catalog"]["echo"]["aliases"] = json!(["Gemini-2.5-Flash"]);
    document["llm"]["catalog"]["deepseek-chat"]["default_params"]["temperature"] = json!("hot");
    document["user_defaults"]["config"]["temperature"] = json!(1.9);
    document["user_defaults"]["prompts"]["system"]["content"] = json!(["not", "text"]);
    document["ui"]["field_options"]["config.max_tokens"]["min"] = json!(9000);
    insta::assert_snapshot!(problems(document), @r#"
    the template has 10 mistakes
      /system/log_level: found "chatty", expected DEBUG, INFO, WARNING or ERROR
      /system/max_tool_iterations: found 900, expected a whole number from 1 to 20
      /llm/providers/google/base_url: found "ftp://example.com", expected an address that begins with https:// or http://, without ? or #
      /llm/providers/deepseek/protocol: found "smoke-signals", expected openai (any OpenAI-compatible server), anthropic, gemini or builtin
      /llm/catalog/echo/aliases/0: found "Gemini-2.5-Flash", expected a name that the model gemini-2.5-flash does not have already
      /llm/catalog/deepseek-chat/default_params/temperature: found "hot", expected a number from 0 to 2
      /llm/catalog/echo/provider: found "nobody", expected a key of llm.providers
      /user_defaults/prompts/system/content: found a list of 2, expected a text
      /ui/field_options/config.max_tokens: found min 9000 above max 8192, expected min at most as large as max
      /user_defaults/config/temperature: found 1.9, expected a number from 0 to 1.5 in steps of 0.1
    "#);
}

#[test]
fn options_of_prompts_are_checked_as_those_of_settings_are() {
    let mut document = document();
    let options = &mut document["ui"]["field_options"];
    options["prompts.persona"] =
        json!({ "type": "banana", "max_length": 0, "label": 7, "description": "a\u{7}" });
    options["prompts.system"] = json!({ "type": "select" });
    options["prompts.tools"] = json!({ "type": "select", "options": ["brief", 3] });
    options["config.model"] = json!({ "type": "select", "label": ["Model"] });
    insta::assert_snapshot!(problems(document.clone()), @r#"
    the template has 8 mistakes
      /ui/field_options/prompts.persona/label: found 7, expected plain text of at most 2 KiB, for people
      /ui/field_options/prompts.persona/description: found "a\u{7}", expected plain text of at most 2 KiB, for people
      /ui/field_options/prompts.persona/type: found "banana", expected text, textarea or select
      /ui/field_options/prompts.persona/max_length: found 0, expected a whole number of characters above 0
      /ui/field_options/prompts.system/options: found nothing, expected a list of the texts that may be chosen
      /ui/field_options/prompts.tools/options/1: found 3, expected plain text of at most 32 KiB
      /ui/field_options/config.model/label: found a list of 1, expected plain text of at most 2 KiB, for people
      /user_defaults/prompts/tools/content: found "Use tools.", expected one of the texts "brief", as ui.field_options has it
    "#);

    document["ui"]["field_options"] = json!({
        "prompts.persona": { "type": "text", "max_length": 5 },
        "prompts.system": "textarea",
        "prompts.tools": { "type": "select", "options": ["brief"] },
    });
    insta::assert_snapshot!(problems(document), @r#"
    the template has 3 mistakes
      /ui/field_options/prompts.system: found "textarea", expected an object with type, label, description, options or max_length
      /user_defaults/prompts/persona/content: found "You are Nexus.", expected a text of at most 5 characters, as ui.field_options has it
      /user_defaults/prompts/tools/content: found "Use tools.", expected one of the texts "brief", as ui.field_options has it
    "#);
}

#[test]
fn options_are_shown_by_the_full_path_and_models_by_their_key() {
    let mut document = document();
    document["ui"]["field_options"] = json!({
        "model": { "type": "select", "label": "Model", "options": ["DeepSeek", "gemini-2.5-flash"] },
        "prompts.persona": { "type": "textarea", "max_length": 2000 },
    });
    assert_eq!(
        Value::Object(genesis(document).field_options().clone()),
        json!({
            "config.model": { "type": "select", "label": "Model", "options": ["deepseek-chat", "gemini-2.5-flash"] },
            "prompts.persona": { "type": "textarea", "max_length": 2000 },
        })
    );
}

#[test]
fn a_text_outside_the_limits_of_its_prompt_is_refused_and_ignored_where_it_is_stored() {
    for (options, good, bad) in [
        (
            json!({ "type": "select", "options": ["You are Nexus.", "Be brief.", ""] }),
            "Be brief.",
            "Be long.",
        ),
        (
            json!({ "type": "text", "max_length": 14 }),
            "äöüäöüäöüäöüäö",
            "fifteen letters",
        ),
        (
            json!({ "options": ["You are Nexus.", "Be brief."] }),
            "Be brief.",
            "",
        ),
    ] {
        let mut document = document();
        document["ui"]["field_options"]["prompts.persona"] = options;
        let genesis = genesis(document);
        let field = "prompts.persona".parse().unwrap();
        assert!(genesis.admit(&field, &json!(good)).is_ok(), "{good}");
        let refused = genesis.admit(&field, &json!(bad)).unwrap_err();
        assert_eq!((refused.code(), refused.field()), ("out_of_bounds", field));
        let stored = overrides(&json!({}), &json!({ "persona": bad }));
        let layers = [LayerValues::identity(&stored)];
        let profile = EffectiveProfile::resolve(&genesis, &layers);
        assert_eq!(&*profile.prompts[0].text.value, "You are Nexus.");
        assert_eq!(profile.notices[0].code(), "out_of_bounds");
    }
}

#[test]
fn an_empty_document_says_what_a_template_needs() {
    insta::assert_snapshot!(problems(json!({})), @r#"
    the template has 4 mistakes
      /llm/providers: found nothing, expected an object of providers, each with base_url and, where one is needed, api_key
      /llm/catalog: found nothing, expected an object of models, each with provider and id
      /user_defaults/config: found nothing, expected an object with the settings of people who changed none: model, temperature, max_tokens, history_context_size, tools
      /user_defaults/config/model: found nothing, expected the name of a model of llm.catalog: the one for people who chose none
    "#);
}

#[test]
fn a_key_in_a_template_is_never_repeated() {
    let mut document = document();
    document["llm"]["providers"]["google"]["api_key"] = json!("sk-very-secret${");
    document["llm"]["providers"]["deepseek"]["api_key"] = json!("sk-very-secret");
    document["llm"]["providers"]["deepseek"]["base_url"] =
        json!("https://user:sk-very-secret@example.com");
    let text = problems(document.clone());
    assert!(!text.contains("sk-very-secret"), "{text}");
    document["llm"]["providers"]["google"]["api_key"] = json!("sk-very-secret");
    document["llm"]["providers"]["deepseek"]["base_url"] = json!("https://example.com");
    let checked = check(document).unwrap();
    assert!(
        checked
            .warnings
            .iter()
            .any(|warning| warning.found == "a key in clear")
    );
    assert!(!format!("{checked:?}").contains("sk-very-secret"));
}

#[test]
fn variables_are_resolved_in_two_places_only() {
    let mut document = document();
    document["user_defaults"]["prompts"]["persona"]["content"] =
        json!("My key is ${GEMINI_API_KEY}");
    document["system"]["app_name"] = json!("${GEMINI_API_KEY}");
    document["llm"]["providers"]["local"] = json!({ "base_url": "${LOCAL_URL}" });
    let checked = check(document).unwrap();
    assert_eq!(
        &*checked.genesis.prompts()[0].content,
        "My key is ${GEMINI_API_KEY}"
    );
    assert_eq!(&*checked.genesis.system().app_name, "${GEMINI_API_KEY}");
    let pointers: Vec<_> = checked
        .warnings
        .iter()
        .map(|warning| &*warning.pointer)
        .collect();
    assert_eq!(
        pointers,
        ["/system/app_name", "/user_defaults/prompts/persona/content"]
    );
    let local = checked
        .genesis
        .providers()
        .iter()
        .find(|provider| &*provider.name == "local")
        .unwrap();
    assert_eq!(local.unavailable().unwrap().variable, "LOCAL_URL");
}

#[test]
fn what_nexus_does_not_know_is_kept_and_warned_of() {
    let mut document = document();
    document["memory"] = json!({ "learning": true });
    document["user_defaults"]["config"]["voice"] = json!(["web"]);
    document["ui"]["editable_fields"]
        .as_array_mut()
        .unwrap()
        .push(json!("config.voice"));
    let doc = GenesisDoc::from_value(document.clone()).unwrap();
    assert_eq!(doc.as_map()["memory"]["learning"], true);
    let pointers: Vec<_> = check(document)
        .unwrap()
        .warnings
        .into_iter()
        .map(|warning| warning.pointer)
        .collect();
    assert_eq!(
        pointers,
        [
            "/memory",
            "/ui/editable_fields/4",
            "/user_defaults/config/voice"
        ]
    );
}

#[test]
fn a_write_that_could_never_take_effect_is_refused_with_the_reason() {
    let genesis = genesis(document());
    let refused = |field: &str, value: Value| {
        let field: Field = field.parse().unwrap();
        genesis.admit(&field, &value).map_or_else(
            |refusal| format!("{}: {refusal}", refusal.code()),
            |()| "admitted".to_owned(),
        )
    };
    let answers = [
        refused("temperature", json!(0.5)),
        refused("temperature", json!(1.9)),
        refused("temperature", json!(0.55)),
        refused("temperature", json!("hot")),
        refused("max_tokens", json!(300.5)),
        refused("model", json!("DeepSeek")),
        refused("model", json!("gpt-4")),
        refused("history_context_size", json!(5)),
        refused("prompts.persona", json!("")),
        refused("prompts.persona", json!("a\u{0}b")),
        refused("prompts.system", json!("I am root")),
        refused("prompts.other", json!("x")),
    ];
    insta::assert_snapshot!(answers.join("\n"), @r#"
    admitted
    out_of_bounds: config.temperature must be a number from 0 to 1.5 in steps of 0.1, not 1.9
    out_of_bounds: config.temperature must be a number from 0 to 1.5 in steps of 0.1, not 0.55
    wrong_type: config.temperature must be a number, not "hot"
    wrong_type: config.max_tokens must be a whole number, not 300.5
    admitted
    unknown_model: there is no model "gpt-4": choose one of gemini-2.5-flash, deepseek-chat, echo
    field_locked: config.history_context_size cannot be changed: the template does not list it in ui.editable_fields
    admitted
    invalid_text: prompts.persona: control character U+0000 at character 1: remove it
    field_locked: prompts.system cannot be changed: the template says editable: false for this prompt
    field_locked: prompts.other cannot be changed: the template has no prompt of this name
    "#);
}

#[test]
fn a_model_has_fallbacks_that_exist_and_a_provider_has_its_limits() {
    let mut document = document();
    document["llm"]["catalog"]["echo"]["fallbacks"] = json!(["DeepSeek", "gemini-2.5-flash"]);
    document["llm"]["catalog"]["deepseek-chat"]["fallbacks"] = json!(["echo"]);
    document["llm"]["catalog"]["deepseek-chat"]["reasoning"] = json!(true);
    document["llm"]["providers"]["google"]["timeouts"] = json!({ "first_token": 90, "total": 900 });
    let checked = check(document).unwrap();
    assert_eq!(checked.warnings, []);
    let model = |name| checked.genesis.model(name).unwrap();
    let names: Vec<_> = model("echo").fallbacks.iter().map(|it| &**it).collect();
    assert_eq!(names, ["deepseek-chat", "gemini-2.5-flash"]);
    assert!(model("deepseek-chat").reasons && !model("echo").reasons);
    let timeouts = model("gemini-2.5-flash").provider.timeouts;
    assert_eq!(timeouts.first_token.map(|it| it.as_secs()), Some(90));
    assert_eq!(timeouts.total.map(|it| it.as_secs()), Some(900));
    assert_eq!(timeouts.idle, None);
}

#[test]
fn a_chain_that_leads_nowhere_or_back_is_a_mistake() {
    let mut document = document();
    let catalog = &mut document["llm"]["catalog"];
    catalog["echo"]["fallbacks"] = json!(["nobody", "echo"]);
    catalog["gemini-2.5-flash"]["fallbacks"] = json!(["deepseek-chat", "DeepSeek", 7]);
    catalog["deepseek-chat"]["fallbacks"] = json!("echo");
    document["llm"]["providers"]["google"]["timeouts"] = json!({ "idle": 0, "total": "long" });
    insta::assert_snapshot!(problems(document), @r#"
    the template has 8 mistakes
      /llm/providers/google/timeouts/idle: found 0, expected a whole number of seconds from 1 to 3600
      /llm/providers/google/timeouts/total: found "long", expected a whole number of seconds from 1 to 3600
      /llm/catalog/gemini-2.5-flash/fallbacks: found a list of 3, expected at most 2 models
      /llm/catalog/gemini-2.5-flash/fallbacks/1: found "DeepSeek", expected a model that the list does not have already
      /llm/catalog/gemini-2.5-flash/fallbacks/2: found 7, expected the name of another model of llm.catalog
      /llm/catalog/deepseek-chat/fallbacks: found "echo", expected a list of names of other models of llm.catalog
      /llm/catalog/echo/fallbacks/0: found "nobody", expected a key or an alias of llm.catalog
      /llm/catalog/echo/fallbacks/1: found "echo", expected another model than the one that it stands in for
    "#);
}

#[test]
fn limits_that_a_template_does_not_name_are_as_usual() {
    assert_eq!(*genesis(document()).limits(), Limits::default());
    let mut document = document();
    document["limits"] = json!({
        "identity": { "requests_per_minute": 7, "daily_cost": 2.5 },
        "ip": { "sign_in_per_minute": 3 }
    });
    let limits = *genesis(document).limits();
    assert_eq!(limits.get(Limit::Requests), Some(7));
    assert_eq!(limits.get(Limit::DailyCost), Some(2_500_000));
    assert_eq!(limits.get(Limit::SignIns), Some(3));
    assert_eq!(limits.get(Limit::ConcurrentRuns), Some(4));
    assert_eq!(limits.get(Limit::AnonymousRequests), Some(1_200));
}

#[test]
fn t15_limits_and_prices_have_ceilings() {
    let mut document = document();
    document["limits"] = json!({
        "identity": {
            "requests_per_minute": 0,
            "tokens_per_minute": 1e300,
            "concurrent_runs": -1,
            "daily_tokens": "many",
            "daily_cost": -0.5,
            "per_second": 1
        },
        "ip": [1]
    });
    document["llm"]["catalog"]["echo"]["price"] =
        json!({ "input": -1, "output": 1e12, "cached_input": null });
    insta::assert_snapshot!(problems(document), @r#"
    the template has 9 mistakes
      /limits/ip: found a list of 1, expected an object of limits
      /limits/identity/requests_per_minute: found 0, expected a whole number from 1 to 1000000
      /limits/identity/tokens_per_minute: found 1e+300, expected a whole number from 1 to 10000000000
      /limits/identity/concurrent_runs: found -1, expected a whole number from 1 to 1000
      /limits/identity/daily_tokens: found "many", expected a whole number from 1 to 1000000000000
      /limits/identity/daily_cost: found -0.5, expected an amount above 0 and up to 1000000, in the currency of the catalog
      /llm/catalog/echo/price/input: found -1, expected a number from 0 to 1000000: the price of a million tokens
      /llm/catalog/echo/price/output: found 1000000000000.0, expected a number from 0 to 1000000: the price of a million tokens
      /llm/catalog/echo/price/cached_input: found null, expected a number from 0 to 1000000: the price of a million tokens
    "#);
}

#[test]
fn a_price_is_kept_in_millionths_and_none_is_none() {
    let mut document = document();
    document["llm"]["catalog"]["echo"]["price"] = json!({ "input": 0.3, "output": 2.5 });
    let genesis = genesis(document);
    let price = |name: &str| genesis.model(name).unwrap().price;
    let expected = Price {
        input: 300_000,
        output: 2_500_000,
        cached_input: 300_000,
    };
    assert_eq!(price("echo"), Some(expected));
    assert_eq!(price("deepseek-chat"), None);
}

#[test]
fn rules_for_programs_that_a_template_does_not_name_are_as_usual() {
    assert_eq!(*genesis(document()).client_rules(), ClientRules::default());
    let mut document = document();
    document["clients"] = json!({
        "system_text": "refuse", "fields": ["seed"], "other_fields": "ignore",
        "provider_tools": ["web_search"], "store": false
    });
    let expected = ClientRules {
        system_text: SystemText::Refuse,
        out_of_policy: OutOfPolicy::Adjust,
        fields: ["seed".to_owned()].into(),
        other_fields: OtherFields::Ignore,
        provider_tools: ["web_search".to_owned()].into(),
        store: false,
    };
    assert_eq!(*genesis(document).client_rules(), expected);
}

#[test]
fn rules_for_programs_are_checked() {
    let mut document = document();
    document["clients"] = json!({
        "system_text": "maybe", "out_of_policy": 1, "fields": ["seed", "model", 7], "store": "no"
    });
    insta::assert_snapshot!(problems(document), @r#"
    the template has 5 mistakes
      /clients/system_text: found "maybe", expected keep, replace_persona, refuse
      /clients/out_of_policy: found 1, expected adjust, refuse
      /clients/fields/1: found "model", expected a field that Nexus does not read or write itself
      /clients/fields/2: found 7, expected the name of a field, such as seed
      /clients/store: found "no", expected true or false
    "#);
}
