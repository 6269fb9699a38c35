//! Each example of `docs/api.md` is of the shape that the comment before it names.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use nexus_api::auth::{Challenge, SignedIn};
use nexus_api::command::Outcome;
use nexus_api::error::ErrorBody;
use nexus_api::event::ChatEvent;
use nexus_api::health::Readiness;
use nexus_api::message::MessagePage;
use nexus_api::profile::{FieldOptions, ProfileField};
use nexus_api::run::ActiveRuns;
use nexus_api::template::{TemplateChanged, VersionPage};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const PAGE: &str = include_str!("../../../docs/api.md");

/// A block of the page: the name in the comment before it, and its text.
fn examples(language: &str) -> Vec<(String, String)> {
    let fence = format!("```{language}\n");
    let blocks = PAGE.split(&fence).collect::<Vec<_>>();
    let pairs = blocks.windows(2).map(|pair| {
        let before = pair[0].lines().last().unwrap_or_default();
        let name = before
            .strip_prefix("<!-- ")
            .and_then(|it| it.strip_suffix(" -->"));
        let text = pair[1].split("```").next().unwrap();
        (name.unwrap_or_default().to_owned(), text.to_owned())
    });
    pairs.collect()
}

/// Reads an example, and finds each of its names and values in what was read.
fn check<T: DeserializeOwned + Serialize>(example: &Value) {
    let read: T = serde_json::from_value(example.clone())
        .unwrap_or_else(|error| panic!("{error}: {example:#}"));
    let written = serde_json::to_value(&read).unwrap();
    assert!(
        covers(&written, example),
        "{example:#}\nis read as\n{written:#}"
    );
}

fn covers(written: &Value, example: &Value) -> bool {
    match (written, example) {
        (Value::Object(written), Value::Object(example)) => {
            let mut names = example.iter();
            names.all(|(name, value)| written.get(name).is_some_and(|it| covers(it, value)))
        }
        (Value::Array(written), Value::Array(example)) => {
            let pairs = written.iter().zip(example);
            written.len() == example.len() && pairs.fold(true, |fits, (a, b)| fits && covers(a, b))
        }
        _ => written == example,
    }
}

#[test]
fn each_example_is_of_the_shape_that_it_names() {
    let examples = examples("json");
    assert!(examples.len() >= 11, "{}", examples.len());
    for (name, text) in examples {
        let example: Value =
            serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        match &*name {
            "Challenge" => check::<Challenge>(&example),
            "SignedIn" => check::<SignedIn>(&example),
            "Outcome" => check::<Outcome<Vec<ProfileField>>>(&example),
            "ActiveRuns" => check::<ActiveRuns>(&example),
            "MessagePage" => check::<MessagePage>(&example),
            "ProfileField" => check::<ProfileField>(&example),
            "FieldOptions" => check::<FieldOptions>(&example),
            "TemplateChanged" => check::<TemplateChanged>(&example),
            "VersionPage" => check::<VersionPage>(&example),
            "Readiness" => check::<Readiness>(&example),
            "ErrorBody" => check::<ErrorBody>(&example),
            other => panic!("which type is this? {other:?}: {text}"),
        }
    }
}

#[test]
fn the_example_of_a_stream_is_made_of_events() {
    let (_, stream) = examples("text")
        .into_iter()
        .find(|(name, _)| name == "ChatEvent")
        .unwrap();
    let events: Vec<_> = stream.trim_end().split("\n\n").collect();
    assert_eq!(events.len(), 4);
    for event in events {
        let (name, data) = event.split_once('\n').unwrap();
        let name = name.strip_prefix("event: ").unwrap();
        let data: Value = serde_json::from_str(data.strip_prefix("data: ").unwrap()).unwrap();
        check::<ChatEvent<'static>>(&json!({ "event": name, "data": data }));
    }
}
