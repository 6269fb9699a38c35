//! Values to store.

use std::sync::atomic::{AtomicU64, Ordering};

use nexus_core::genesis::GenesisDoc;
use nexus_core::{
    Environment, Genesis, Identity, Message, MessageId, Metadata, OverrideWrite, Overrides,
    PublicKey, Role, RunId, Scope, Session, Timestamp, TokenDigest,
};
use nexus_store::NewTemplate;
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
    Session {
        digest: TokenDigest::from_bytes(digest),
        owner_key,
        scope: Scope::Personal,
        created_at: moment(1),
        // Long enough: a store may remove what has ended.
        expires_at: moment(2_000_000),
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
    let checked = Genesis::check(&document(), &|_| None).unwrap();
    Overrides::set(&checked.genesis, &field.parse().unwrap(), &value.into()).unwrap()
}

pub(crate) fn unset(field: &str) -> OverrideWrite {
    Overrides::unset(&field.parse().unwrap())
}
