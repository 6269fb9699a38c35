//! T14: ten thousand bodies of any shape. None of them breaks anything, and nothing is stored that
//! has no place.

use std::fs;

use futures_util::stream::{self, StreamExt as _};
use nexus_core::CommandName;
use nexus_store::{ApiKeyStore as _, IdentityStore as _, Store as _};
use nexus_test_support::model::{ScriptedModel, Turn};
use serde_json::{Map, Value, json};

use super::keys::arguments;
use super::{Place, places};
use crate::client::Call;
use crate::world::{Person, Setup, World, key};

const BODIES: usize = 10_000;
/// In every name that has no place anywhere.
const MARK: &str = "zq9x";

/// Numbers that are the same in every run (`SplitMix64`).
struct Seed(u64);

impl Seed {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut number = self.0;
        number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(end).unwrap()).unwrap()
    }

    fn pick<T: Clone>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len())].clone()
    }

    /// A name that some route knows, or that none knows.
    fn name(&mut self) -> String {
        let known = [
            "content",
            "config",
            "command",
            "arguments",
            "field",
            "value",
            "name",
            "scopes",
            "models",
            "days",
            "id",
            "message",
            "signature",
            "cookie",
            "document",
            "expected_version",
            "model",
            "temperature",
            "limit",
        ];
        let hostile = [
            "__proto__",
            "$where",
            "owner_key",
            "role",
            "a.b",
            "",
            "\u{0}",
            "editable",
        ];
        match self.below(4) {
            0 => format!("{}{MARK}", self.pick(&hostile)),
            _ => self.pick(&known).to_owned(),
        }
    }

    fn value(&mut self, depth: usize) -> Value {
        let texts = [
            "",
            "calm",
            "wild",
            "persona",
            "temperature",
            "prompts.persona",
            "config.model",
            "chat",
            "\u{0}",
            "\u{202e}",
            "${HOME}",
            "0x00",
            "\u{1f600}",
            "c_1",
        ];
        match self.below(if depth == 0 { 5 } else { 8 }) {
            0 => Value::Null,
            1 => json!(self.next().is_multiple_of(2)),
            2 => self.pick(&[
                json!(0),
                json!(-1),
                json!(0.3),
                json!(1e300),
                json!(u64::MAX),
                json!(90),
            ]),
            3 | 4 => json!(self.pick(&texts)),
            5 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => {
                let fields = 0..self.below(4);
                fields
                    .map(|_| (self.name(), self.value(depth - 1)))
                    .collect::<Map<_, _>>()
                    .into()
            }
        }
    }

    /// Something that a route takes, with a part of it changed as often as not.
    fn near_miss(&mut self, place: &Place) -> Value {
        let harmless = [
            CommandName::ConfigSet,
            CommandName::ConfigUnset,
            CommandName::PromptSet,
            CommandName::TimeZoneSet,
            CommandName::KeyCreate,
            CommandName::History,
            CommandName::Explain,
            CommandName::Help,
            CommandName::Identity,
        ];
        let mut body = match place.route {
            "/api/v1/commands/execute" => {
                let name = self.pick(&harmless);
                json!({ "command": name.as_str(), "arguments": arguments(name) })
            }
            "/api/v1/chat" => json!({ "content": "Hi", "config": { "temperature": 0.3 } }),
            "/api/v1/keys" => json!({ "name": "k" }),
            "/api/v1/auth/verify" => json!({ "message": "m", "signature": "0x" }),
            "/api/v1/admin/template" => json!({ "document": {}, "expected_version": 1 }),
            _ => json!({ "value": 0.3 }),
        };
        let inner = ["arguments", "config", "document"];
        for _ in 0..self.below(3) {
            let (name, value) = (self.name(), self.value(3));
            let target = match self.below(2) {
                0 => body
                    .get_mut(self.pick(&inner))
                    .and_then(Value::as_object_mut),
                _ => None,
            };
            match target {
                Some(inside) => inside.insert(name, value),
                None => body.as_object_mut().unwrap().insert(name, value),
            };
        }
        body
    }

    fn body(&mut self, place: &Place) -> Vec<u8> {
        let mut bytes = match self.below(3) {
            0 => self.value(5).to_string().into_bytes(),
            _ => self.near_miss(place).to_string().into_bytes(),
        };
        // One in eight is not even JSON.
        if self.below(8) == 0 {
            let at = self.below(bytes.len());
            match self.below(3) {
                0 => bytes.truncate(at),
                1 => bytes[at] = self.next().to_le_bytes()[0],
                _ => {
                    let noise = 0..self.below(200);
                    bytes = noise.map(|_| self.next().to_le_bytes()[0]).collect();
                }
            }
        }
        // What erases somebody is a request without a body, and is proven elsewhere.
        let says_nothing = matches!(bytes.trim_ascii(), b"" | b"{}");
        if says_nothing { b"[]".to_vec() } else { bytes }
    }
}

fn calls(world: &World, person: &Person) -> Vec<Call> {
    let places: Vec<_> = places().into_iter().filter(Place::is_unsafe).collect();
    // It reads no body.
    let places: Vec<_> = places
        .into_iter()
        .filter(|place| place.route != "/api/v1/auth/session")
        .collect();
    let mut seed = Seed(14);
    let all = 0..BODIES;
    all.map(|number| {
        let place = &places[number % places.len()];
        let call = place.call_with(seed.body(place));
        match seed.below(4) {
            0 => call.token(&person.token),
            1 => call,
            _ => world.signed(person, call),
        }
    })
    .collect()
}

#[tokio::test]
async fn t14_ten_thousand_bodies_break_nothing_and_leave_nothing_that_has_no_place() {
    let world = World::begin(Setup {
        model: ScriptedModel::new((0..BODIES).map(|_| Turn::new().text("Hi."))),
        admins: vec![key(1).public_key()],
        ..Setup::default()
    })
    .await;
    let person = world.member(1).await;
    let answers = stream::iter(calls(&world, &person)).map(|call| world.drive(call));
    let answers: Vec<_> = answers.buffer_unordered(64).collect().await;
    let count = |status: u16| answers.iter().filter(|it| it.status == status).count();
    for answer in &answers {
        assert!(
            answer.status < 500 && answer.status != 408,
            "{}",
            answer.shown()
        );
    }
    let statuses = [200, 400, 401, 403, 404, 409, 422, 429].map(|status| (status, count(status)));
    let known: usize = statuses.iter().map(|(_, count)| count).sum();
    // Some are right, most are not, and everything has one of the answers that it can have.
    assert!(
        known == BODIES && count(200) > 100 && count(422) > 1_000,
        "{statuses:?}"
    );

    let identity = world
        .store
        .identity(person.address())
        .await
        .unwrap()
        .unwrap();
    let prompts: Vec<_> = identity
        .overrides
        .prompts
        .keys()
        .map(ToString::to_string)
        .collect();
    assert!(prompts.is_empty() || prompts == ["persona"], "{prompts:?}");
    for key in world.store.api_keys(person.address()).await.unwrap() {
        assert_eq!(key.owner_key, person.address());
    }
    let folder = world.folder.path().to_owned();
    world.store.close().await;
    for file in fs::read_dir(folder).unwrap() {
        let bytes = fs::read(file.unwrap().path()).unwrap();
        let is_there = bytes.windows(MARK.len()).any(|it| it == MARK.as_bytes());
        assert!(!is_there, "a name that nobody knows was stored");
    }
}
