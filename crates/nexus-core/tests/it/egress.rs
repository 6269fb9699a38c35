//! What a template can reach for, and what it cannot. `t16`, `t18` and `t21` are rows of the threat
//! table.

use nexus_core::Genesis;
use nexus_core::catalog::{Credential, Endpoint};
use nexus_core::egress::Secrets;
use nexus_core::genesis::{Checked, GenesisDoc, HIDDEN, Problems};
use proptest::prelude::*;
use serde_json::{Value, json};
use url::Url;

use crate::templates::{check, document};

/// What every variable holds here. It must never be seen.
const CANARY: &str = "canary-7f3a";

fn with_row(row: Value) -> Value {
    let mut document = document();
    document["llm"]["providers"]["google"] = row;
    document
}

fn check_with(document: Value, secrets: &Secrets) -> Result<Checked, Problems> {
    Genesis::check(&GenesisDoc::from_value(document).unwrap(), secrets)
}

/// Every variable is set; some are listed.
fn all_set() -> Secrets {
    let sites = |texts: &[&str]| -> Vec<_> { texts.iter().map(|it| it.parse().unwrap()).collect() };
    Secrets::new(|_| Some(CANARY.to_owned()))
        .pin("DEEPSEEK_API_KEY", sites(&["api.deepseek.com"]))
        .pin(
            "MY_KEY",
            sites(&["llm.example.org", "127.0.0.1:9000", "http://vllm:8000"]),
        )
        .pin("NOBODYS_KEY", [])
        .pin("WEB_KEY", sites(&["web.test"]))
        .address("MY_URL")
}

fn google(checked: &Checked) -> &Endpoint {
    &checked.genesis.providers()[0].endpoint
}

#[test]
fn t16_no_variable_shows_wherever_a_template_names_it() {
    let names = [
        "${MONGO_URI}",
        "${MY_URL}",
        "${MY_KEY}",
        "${DEEPSEEK_API_KEY}",
        "${${MONGO_URI}}",
        "${MY_${X}}",
        "$${MY_KEY}",
        "${MY_KEY}${MY_KEY}",
        "https://evil.test/${MY_KEY}",
        "https://${MY_KEY}.evil.test",
        "${MY_KEY",
        "${}",
        "$MY_KEY",
        "${MY_KEY:-x}",
        "${ MY_KEY }",
    ];
    let places = [
        "/system/app_name",
        "/tools/mcp/web/url",
        "/tools/mcp/web/api_key",
        "/tools/mcp/files/stdio",
        "/security/signature_required_commands/0",
        "/llm/providers/google/base_url",
        "/llm/providers/google/api_key",
        "/llm/providers/builtin/protocol",
        "/llm/catalog/echo/id",
        "/llm/catalog/echo/provider",
        "/llm/catalog/gemini-2.5-flash/aliases/0",
        "/user_defaults/config/model",
        "/user_defaults/config/temperature",
        "/user_defaults/prompts/persona/content",
        "/user_defaults/prompts/system",
        "/ui/editable_fields/0",
        "/ui/field_options/config.temperature/type",
    ];
    for place in places {
        for name in names {
            let mut document = document();
            *document.pointer_mut(place).unwrap() = json!(name);
            let stored = GenesisDoc::from_value(document.clone()).unwrap();
            let said = match check_with(document, &all_set()) {
                Ok(checked) => format!("{checked:?}"),
                Err(problems) => format!("{problems} {problems:?}"),
            };
            assert!(!said.contains(CANARY), "{name} at {place}: {said}");
            let shown = format!("{:?}{stored:?}", stored.without_secrets());
            assert!(!shown.contains(CANARY), "{name} at {place}: {shown}");
        }
    }
    assert!(!format!("{:?}", all_set()).contains(CANARY));
}

#[test]
fn t16_a_variable_that_is_not_listed_is_refused_with_the_line_to_add() {
    let base_url = "https://api.openai.com/v1";
    let row = json!({ "base_url": base_url, "api_key": "${MONGO_URI}" });
    let problems = check_with(with_row(row), &all_set())
        .unwrap_err()
        .to_string();
    let expected = "/llm/providers/google/api_key: found ${MONGO_URI}, which the settings do not \
                    list";
    assert!(problems.contains(expected), "{problems}");
    let line = "add the line `MONGO_URI: [\"api.openai.com\"]` below `secrets:`";
    assert!(problems.contains(line), "{problems}");

    for name in ["MONGO_URI", "MY_KEY"] {
        let row = json!({ "base_url": format!("${{{name}}}") });
        let problems = check_with(with_row(row), &all_set())
            .unwrap_err()
            .to_string();
        let line = format!("add `addresses: [{name}]`");
        assert!(problems.contains(&line), "{problems}");
    }
    // An address is no key.
    let row = json!({ "base_url": base_url, "api_key": "${MY_URL}" });
    assert!(check_with(with_row(row), &all_set()).is_err());
}

#[test]
fn t18_a_key_of_a_tool_server_is_pinned_like_one_of_a_provider() {
    let problems = |row: Value| {
        let mut document = with_row(json!({ "base_url": "https://llm.example.org/v1" }));
        document["tools"]["mcp"] = json!({ "web": row });
        let checked = check_with(document, &all_set());
        checked.map_or_else(|problems| problems.to_string(), |_| String::new())
    };
    let url = |url: &str| problems(json!({ "url": url, "api_key": "${WEB_KEY}" }));
    assert_eq!(url("https://web.test/mcp"), "");
    let other = url("https://evil.test/mcp");
    assert!(
        other.contains("write the line `WEB_KEY: [\"web.test\", \"evil.test\"]`"),
        "{other}"
    );
    assert!(url("http://web.test/mcp").contains("begins with https://"));
    let unlisted = problems(json!({ "url": "https://web.test/mcp", "api_key": "${MONGO_URI}" }));
    assert!(
        unlisted.contains("which the settings do not list"),
        "{unlisted}"
    );
    let address = problems(json!({ "url": "${MONGO_URI}" }));
    assert!(
        address.contains("add `addresses: [MONGO_URI]`"),
        "{address}"
    );
    for said in [other, unlisted, address] {
        assert!(!said.contains(CANARY), "{said}");
    }
}

#[test]
fn t18_a_key_is_refused_for_every_server_but_its_own() {
    let refused = [
        "https://evil.test/v1",
        "https://api.deepseek.com/v1",
        "https://llm.example.org.evil.test",
        "https://evil.test/llm.example.org",
        "https://evil.test:443/https://llm.example.org",
        "https://llm.example.org:8443",
        "https://llm.example.org./",
        "https://sub.llm.example.org/",
        "https://llm.example.org@evil.test/",
        "https://llm.example.org:x@evil.test/",
        "https://llm.example.org\\@evil.test/",
        "https://evil.test\\.llm.example.org",
        "https://llm.example.org%2eevil.test",
        "https://llm.example.org#@evil.test",
        "https://llm.example.org?@evil.test",
        "http://llm.example.org/v1",
        "http://127.0.0.1:9001/v1",
        "http://127.0.0.1/v1",
        "http://localhost:9000/v1",
        "http://[::1]:9000/v1",
        "http://vllm/v1",
        "http://vllm:8001/v1",
        "ftp://llm.example.org",
        "//llm.example.org",
        "llm.example.org",
    ];
    for base_url in refused {
        let row = json!({ "base_url": base_url, "api_key": "${MY_KEY}" });
        assert!(check_with(with_row(row), &all_set()).is_err(), "{base_url}");
    }
    let allowed = [
        "https://llm.example.org",
        "https://LLM.Example.org:443/any/path/",
        "http://127.0.0.1:9000/v1",
        "http://127.1:9000/v1",
        "https://127.0.0.1:9000/v1",
        "http://vllm:8000/v1",
    ];
    for base_url in allowed {
        let row = json!({ "base_url": base_url, "api_key": "${MY_KEY}" });
        let checked = check_with(with_row(row), &all_set());
        let checked = checked.unwrap_or_else(|problems| panic!("{base_url}: {problems}"));
        let Endpoint::Remote {
            credential: Credential::Key(key),
            base_url,
            ..
        } = google(&checked)
        else {
            panic!("{base_url}: {checked:?}");
        };
        assert_eq!(key.reveal_to(base_url), Some(CANARY));
        let elsewhere = Url::parse("https://evil.test").unwrap();
        assert_eq!(key.reveal_to(&elsewhere), None);
    }
}

#[test]
fn t18_what_is_refused_says_what_to_write_where() {
    let problems = |base_url: &str, key: &str| {
        let row = json!({ "base_url": base_url, "api_key": key });
        check_with(with_row(row), &all_set()).unwrap_err().0[0].to_string()
    };
    let said = [
        problems("https://evil.test/v1", "${MY_KEY}"),
        problems("http://llm.example.org/v1", "${MY_KEY}"),
        problems("https://evil.test/v1", "${NOBODYS_KEY}"),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    /llm/providers/google/api_key: found ${MY_KEY} for evil.test, expected "llm.example.org", "127.0.0.1:9000", "http://vllm:8000", for which this key is: if evil.test may have it too, write the line `MY_KEY: ["llm.example.org", "127.0.0.1:9000", "http://vllm:8000", "evil.test"]` below `secrets:` in nexus.yml and start Nexus again
    /llm/providers/google/api_key: found ${MY_KEY} for http://llm.example.org, expected an address that begins with https://: anybody on the way could read the key; if the way is safe, write the line `MY_KEY: ["http://llm.example.org"]` below `secrets:` in nexus.yml and start Nexus again
    /llm/providers/google/api_key: found ${NOBODYS_KEY} for evil.test, expected another variable: nexus.yml lets nobody have NOBODYS_KEY
    "#);
}

#[test]
fn t18_whether_a_key_is_set_changes_nothing() {
    let unset = Secrets::new(|_| None).pin("MY_KEY", ["llm.example.org".parse().unwrap()]);
    let row = |host: &str| json!({ "base_url": host, "api_key": "${MY_KEY}" });
    let mut document = with_row(row("https://evil.test"));
    document["llm"]["providers"]["deepseek"] = json!({ "base_url": "https://d.test" });
    assert!(check_with(document.clone(), &unset).is_err());
    document["llm"]["providers"]["google"] = row("https://llm.example.org");
    let checked = check_with(document, &unset).unwrap();
    assert_eq!(
        checked.genesis.providers()[0]
            .unavailable()
            .unwrap()
            .variable,
        "MY_KEY"
    );
}

#[test]
fn t18_an_address_from_a_variable_is_held_to_the_pin_too() {
    let secrets = |address: &'static str| {
        Secrets::new(move |name| Some(if name == "MY_URL" { address } else { CANARY }.to_owned()))
            .pin("MY_KEY", ["llm.example.org".parse().unwrap()])
            .pin("DEEPSEEK_API_KEY", ["api.deepseek.com".parse().unwrap()])
            .address("MY_URL")
    };
    let row = json!({ "base_url": "${MY_URL}", "api_key": "${MY_KEY}" });
    assert!(
        check_with(
            with_row(row.clone()),
            &secrets("https://llm.example.org/v1\n")
        )
        .is_ok()
    );
    for address in [
        "https://evil.test",
        "http://me:hunter2@llm.example.org",
        "nonsense hunter2",
    ] {
        let problems = check_with(with_row(row.clone()), &secrets(address)).unwrap_err();
        assert!(!problems.to_string().contains("hunter2"), "{problems}");
    }
}

#[test]
fn t18_a_key_in_clear_is_pinned_where_it_stands_and_a_mistake_in_production() {
    let row = json!({ "base_url": "https://llm.example.org/v1", "api_key": "sk-in-clear" });
    let checked = check(with_row(row.clone())).unwrap();
    assert!(
        checked.warnings[0].expected.contains("not pinned"),
        "{checked:?}"
    );
    let Endpoint::Remote {
        credential: Credential::Key(key),
        ..
    } = google(&checked)
    else {
        panic!("{checked:?}");
    };
    let elsewhere = Url::parse("https://evil.test").unwrap();
    assert_eq!(key.reveal_to(&elsewhere), None);
    let strict = all_set().without_clear_keys();
    let problems = check_with(with_row(row), &strict).unwrap_err().to_string();
    assert!(problems.contains("a key in clear"), "{problems}");
    assert!(!problems.contains("sk-in-clear"), "{problems}");
}

#[test]
fn t18_a_hidden_key_stays_behind_when_its_provider_moves() {
    let row = json!({ "base_url": "https://llm.example.org/v1", "api_key": "sk-in-clear" });
    let stored = GenesisDoc::from_value(with_row(row)).unwrap();
    let row = json!({ "base_url": "https://evil.test/v1", "api_key": HIDDEN });
    let mut moved = GenesisDoc::from_value(with_row(row)).unwrap();
    moved.restore_secrets(&stored);
    let problems = Genesis::check(&moved, &all_set()).unwrap_err().to_string();
    assert!(
        problems.contains("/llm/providers/google/api_key"),
        "{problems}"
    );
}

/// Texts that break things: control characters, line ends, what URLs and `${…}` are made of.
fn nasty() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[\\x00-\\x20\\x7f-\\xa0a:/@#?%${}\\[\\]\\\\.0-9x-]{0,40}",
        "https?://[\\x00-\\x7f]{0,30}",
        "\\$\\{[\\x00-\\x7f]{0,20}\\}?",
        "https://[a-z\\[\\]:.%@\\p{L}]{0,20}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn t21_no_text_makes_the_check_panic(
        base_url in nasty(), api_key in nasty(), id in nasty(), value in nasty(),
    ) {
        let mut document = with_row(json!({ "base_url": base_url, "api_key": api_key }));
        document["llm"]["catalog"]["gemini-2.5-flash"]["id"] = json!(id);
        let secrets = Secrets::new(move |_| Some(value.clone()))
            .pin("A", ["a".parse().unwrap()])
            .pin("DEEPSEEK_API_KEY", ["api.deepseek.com".parse().unwrap()])
            .address("B");
        if let Ok(checked) = check_with(document, &secrets) {
            let model = &checked.genesis.catalog()[0];
            prop_assert!(!model.id.contains(char::is_control));
            if let Endpoint::Remote { base_url, credential, .. } = google(&checked) {
                prop_assert!(base_url.username().is_empty() && base_url.password().is_none());
                if let Credential::Key(key) = credential {
                    let key = key.reveal_to(base_url).unwrap();
                    prop_assert!(key.bytes().all(|byte| byte.is_ascii_graphic()));
                }
            }
        }
    }
}

#[test]
fn t21_what_no_header_can_carry_is_a_mistake() {
    for value in [
        "a\r\nx-evil: 1",
        "a\nb",
        "a\0b",
        "a b",
        "schlüssel",
        "\u{200b}",
    ] {
        let secrets = Secrets::new(move |_| Some(value.to_owned()))
            .pin("MY_KEY", ["llm.example.org".parse().unwrap()])
            .pin("DEEPSEEK_API_KEY", ["api.deepseek.com".parse().unwrap()]);
        for api_key in ["${MY_KEY}", value] {
            let base_url = "https://llm.example.org";
            let mut document = with_row(json!({ "base_url": base_url, "api_key": api_key }));
            document["llm"]["providers"]["deepseek"] = json!({ "base_url": "https://d.test" });
            let problems = check_with(document, &secrets).unwrap_err();
            assert_eq!(problems.0.len(), 1, "{value:?}: {problems}");
            assert_eq!(problems.0[0].pointer, "/llm/providers/google/api_key");
        }
    }
    for id in ["a\nb", "a\u{0}b", "a\u{7f}", &"x".repeat(257)] {
        let mut document = document();
        document["llm"]["catalog"]["echo"]["id"] = json!(id);
        assert!(check(document).is_err(), "{id:?}");
    }
    for base_url in [
        "https://a\n.test",
        "https://a.test/\r\nx: y",
        "https://a.te\0st",
        " https://a.test",
        "https://a b.test",
    ] {
        assert!(
            check(with_row(json!({ "base_url": base_url }))).is_err(),
            "{base_url:?}"
        );
    }
}
