//! Values to store.

use std::sync::atomic::{AtomicU64, Ordering};

use nexus_core::audit::{Actor, Change};
use nexus_core::egress::Secrets;
use nexus_core::genesis::GenesisDoc;
use nexus_core::token::TokenKind;
use nexus_core::{
    ApiKey, ApiScope, CounterId, Environment, Genesis, Identity, Label, Message, MessageId,
    Metadata, NewAudit, OverrideWrite, Overrides, PublicKey, Role, RunId, Scope, Session,
    Timestamp, Token, TokenDigest, UsageKey,
};
use nexus_store::{Counter, NewTemplate};
use serde_json::{Value, json};

/// A key like no other `number`'s. Larger numbers sort later.
pub(crate) fn key(number: u64) -> PublicKey {
    let mut bytes = [0xab; 20];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    PublicKey::from_bytes(bytes)
}

/// A moment, with more precision than is kept.
pub(crate) fn at(milliseconds: i64) -> Timestamp {
    let micros = (1_700_000_000_000 + milliseconds) * 1000 + 7;
    Timestamp::from_timestamp_micros(micros).unwrap()
}

pub(crate) fn run(name: &str) -> RunId {
    format!("run_{name}").try_into().unwrap()
}

/// A message with an id of its own. All of them have the same timestamp: order must not need it.
pub(crate) fn message(owner: &Identity, role: Role, content: &str) -> Message {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    Message {
        id: MessageId::try_from(format!("msg_{}-{number}", std::process::id())).unwrap(),
        run_id: run("some"),
        owner_key: owner.public_key,
        role,
        content: content.to_owned(),
        timestamp: at(0),
        metadata: Metadata::empty(),
    }
}

pub(crate) fn session(number: u64, owner_key: PublicKey) -> Session {
    let mut digest = [0xcd; 32];
    digest[..8].copy_from_slice(&number.to_be_bytes());
    // Whole milliseconds: what is read back must be equal.
    let moment = |hours: i64| Timestamp::from_timestamp_millis(hours * 3_600_000).unwrap();
    let digest = TokenDigest::from_bytes(digest);
    // Long enough: a store may remove what has ended.
    let expires_at = moment(2_000_000);
    Session::new(digest, owner_key, Scope::Personal, moment(1), expires_at)
}

/// A moment that no database takes for the past, so that it removes nothing by itself.
pub(crate) fn far(minutes: i64) -> Timestamp {
    Timestamp::from_timestamp_millis(4_000_000_000_000 + minutes * 60_000).unwrap()
}

pub(crate) fn token() -> Token {
    Token::generate(TokenKind::Development).unwrap()
}

/// A key that may chat. Larger numbers were made later.
pub(crate) fn api_key(number: u8, owner_key: PublicKey) -> ApiKey {
    ApiKey {
        id: format!("key{number:09}").parse().unwrap(),
        digest: TokenDigest::from_bytes([number; 32]),
        owner_key,
        name: Label::cut("Zoë's editor"),
        scopes: [ApiScope::Chat, ApiScope::ModelsRead].into_iter().collect(),
        models: Some(["calm".to_owned(), "gpt-4.1".to_owned()].into()),
        created_at: far(number.into()),
        expires_at: far(1000),
        last_used_at: None,
        revoked_at: None,
    }
}

/// Something that was done to `target`.
pub(crate) fn audit(target: PublicKey) -> NewAudit {
    let change = Change::new(Some(&json!(0.5)), Some(&json!(0.7)));
    NewAudit {
        at: far(0),
        actor: Actor::Key(target),
        action: Label::cut("config.set"),
        target: Label::cut(&target.to_string()),
        details: [("config.temperature".to_owned(), change)].into(),
        signature: Some("sig1=:AAECAw==:".to_owned()),
    }
}

pub(crate) fn used(owner: PublicKey, day: &str, model: &str) -> UsageKey {
    UsageKey {
        owner,
        day: day.parse().unwrap(),
        model: model.to_owned(),
    }
}

/// A name like no other's, for what a run used.
pub(crate) fn new_run() -> RunId {
    RunId::new(at(0))
}

pub(crate) fn counter(number: u8, owner: Option<PublicKey>) -> Counter {
    Counter {
        id: CounterId::from_bytes([number; 32]),
        owner,
        expires_at: far(1),
    }
}

/// A usable template in which everything may be changed.
pub(crate) fn document() -> GenesisDoc {
    let block = |order: u32| json!({"content": "text", "order": order, "editable": true});
    GenesisDoc::from_value(json!({
        "system": {"app_name": "Nexus"},
        "security": {"signature_required_commands": []},
        "llm": {
            "providers": {"builtin": {"protocol": "builtin"}},
            "catalog": {"echo": {"provider": "builtin", "id": "echo"}}
        },
        "user_defaults": {
            "config": {"model": "echo"},
            "prompts": {"persona": block(1), "2nd-block_x": block(2)}
        },
        "ui": {
            "editable_fields": [
                "config.model", "config.temperature", "config.max_tokens",
                "config.history_context_size", "prompts.persona", "prompts.2nd-block_x"
            ],
            "field_options": {}
        },
        "later": {"zebra": 1, "ant": [1.50, null]}
    }))
    .unwrap()
}

pub(crate) fn template(environment: Environment) -> NewTemplate {
    NewTemplate {
        environment,
        doc: document(),
        author: "somebody".to_owned(),
        created_at: at(0),
    }
}

pub(crate) fn set(field: &str, value: impl Into<Value>) -> OverrideWrite {
    let checked = Genesis::check(&document(), &Secrets::default()).unwrap();
    Overrides::set(&checked.genesis, &field.parse().unwrap(), &value.into()).unwrap()
}

pub(crate) fn unset(field: &str) -> OverrideWrite {
    Overrides::unset(&field.parse().unwrap())
}

/// Keys that name no field, with everything in them that paths and operators of databases know.
pub(crate) fn unknown_keys() -> serde_json::Map<String, serde_json::Value> {
    let names = [
        "Temprature",
        "Persona",
        "",
        "a.b",
        "$where",
        "$$ROOT",
        "a\"b",
        "a\\b",
        "a'); DROP TABLE identities;--",
        "[0]",
        "#-1",
        "\u{1f600} é",
        "a\u{1b}\nb",
    ];
    let entry = |name: &str| (name.to_owned(), serde_json::json!({"a.b": [name]}));
    names.map(entry).into_iter().collect()
}
