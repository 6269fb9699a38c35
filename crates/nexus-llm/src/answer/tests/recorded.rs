//! The recorded answers of every protocol, cut, broken and mutated.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::{Value, json};

use super::*;

/// A recorded answer.
#[derive(Clone, Debug)]
struct Recorded {
    protocol: Protocol,
    file: PathBuf,
    bytes: Vec<u8>,
}

impl Recorded {
    fn all(name: &str) -> Vec<Self> {
        let folders = [
            (Protocol::OpenAi, "openai"),
            (Protocol::Anthropic, "anthropic"),
            (Protocol::Gemini, "gemini"),
        ];
        let cases = folders.into_iter().flat_map(|(protocol, folder)| {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("tests/it/exchanges")
                .join(folder);
            let cases = fs::read_dir(folder).expect("the recorded exchanges");
            cases.map(move |case| (protocol, case.expect("a case").path().join(name)))
        });
        let recorded = cases.filter_map(|(protocol, file)| {
            let bytes = fs::read(&file).ok()?;
            Some(Self {
                protocol,
                file,
                bytes,
            })
        });
        let recorded: Vec<_> = recorded.collect();
        assert!(recorded.len() >= 7, "only {} were found", recorded.len());
        recorded
    }

    /// Reads it as it came, in these chunks.
    async fn replay(&self, chunks: impl IntoIterator<Item = &[u8]>) -> Pieces {
        let chunks: Vec<_> = chunks.into_iter().map(|chunk| Ok(bytes(chunk))).collect();
        let (body, failures) = (
            body(stream::iter(chunks)),
            Failures::new("acme".into(), None),
        );
        let reader = reader(self.protocol);
        if self.file.ends_with("response.json") {
            Answer::whole(body, reader, failures, clock())
                .collect()
                .await
        } else {
            Answer::events(body, reader, failures, clock())
                .collect()
                .await
        }
    }

    /// Reads other bytes in its place.
    fn replay_as(&self, bytes: &[u8]) -> Pieces {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .expect("a runtime");
        runtime.block_on(self.replay([bytes]))
    }

    /// Its events, each with the blank line after it.
    fn events(&self) -> Vec<&str> {
        let text = str::from_utf8(&self.bytes).expect("text");
        let end = if text.contains("\r\n\r\n") {
            "\r\n\r\n"
        } else {
            "\n\n"
        };
        text.split_inclusive(end).collect()
    }
}

fn is_end(piece: &Piece) -> bool {
    matches!(piece, Err(_) | Ok(Delta::Finished(_)))
}

/// There is one end, and nothing after it.
#[track_caller]
fn assert_one_end(pieces: &Pieces, context: impl std::fmt::Display) {
    let ends = pieces.iter().filter(|piece| is_end(piece)).count();
    assert_eq!(ends, 1, "{context}: {pieces:?}");
    assert!(pieces.last().is_some_and(is_end), "{context}: {pieces:?}");
}

#[tokio::test]
async fn recorded_streams_read_the_same_at_every_cut() {
    for recorded in Recorded::all("response.sse") {
        let file = recorded.file.display();
        let stream = recorded.bytes.as_slice();
        let whole = format!("{:?}", recorded.replay([stream]).await);
        let bytewise = format!("{:?}", recorded.replay(stream.chunks(1)).await);
        assert_eq!(bytewise, whole, "{file}");
        for cut in 1..stream.len() {
            let (head, tail) = stream.split_at(cut);
            let pieces = format!("{:?}", recorded.replay([head, tail]).await);
            assert_eq!(pieces, whole, "{file} cut at byte {cut}");
        }
    }
}

#[tokio::test]
async fn a_recorded_answer_that_breaks_off_anywhere_ends_in_exactly_one_end() {
    let streams = Recorded::all("response.sse").into_iter();
    for recorded in streams.chain(Recorded::all("response.json")) {
        let whole = text(&recorded.replay([recorded.bytes.as_slice()]).await);
        for cut in 0..recorded.bytes.len() {
            let pieces = recorded.replay([&recorded.bytes[..cut]]).await;
            let context = format!("{} cut at byte {cut}", recorded.file.display());
            assert_one_end(&pieces, &context);
            assert!(whole.starts_with(&text(&pieces)), "{context}");
        }
    }
}

fn any_stream() -> impl Strategy<Value = Recorded> {
    proptest::sample::select(Recorded::all("response.sse"))
}

fn any_answer() -> impl Strategy<Value = Recorded> {
    prop_oneof![
        4 => any_stream(),
        1 => proptest::sample::select(Recorded::all("response.json")),
    ]
}

/// Every place of a JSON value, as JSON Pointers.
fn places(value: &Value, at: &str, into: &mut Vec<String>) {
    into.push(at.to_owned());
    match value {
        Value::Array(list) => {
            for (number, value) in list.iter().enumerate() {
                places(value, &format!("{at}/{number}"), into);
            }
        }
        Value::Object(object) => {
            for (key, value) in object {
                places(value, &format!("{at}/{key}"), into);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_that_are_changed_anywhere_never_cost_more_than_the_answer(
        recorded in any_answer(),
        changes in proptest::collection::vec(
            (any::<Index>(), 0_usize..40, proptest::collection::vec(any::<u8>(), 0..20)),
            1..4,
        ),
    ) {
        let mut bytes = recorded.bytes.clone();
        for (at, length, instead) in changes {
            let from = at.index(bytes.len() + 1);
            let to = (from + length).min(bytes.len());
            bytes.splice(from..to, instead);
        }
        assert_one_end(&recorded.replay_as(&bytes), recorded.file.display());
    }

    #[test]
    fn a_stream_that_turns_into_garbage_keeps_what_had_come(
        recorded in any_stream(),
        cut in any::<Index>(),
        garbage in proptest::sample::select(vec![
            "", "\n\n", "\n\ndata: {\"broken\n\n", "\u{0}\r\n\r\n", "\n\n<html>\n\n", "\n\ndata: 7\n\n",
        ]),
    ) {
        let whole = text(&recorded.replay_as(&recorded.bytes));
        let cut = cut.index(recorded.bytes.len());
        let bytes = [&recorded.bytes[..cut], garbage.as_bytes()].concat();
        let pieces = recorded.replay_as(&bytes);
        assert_one_end(&pieces, recorded.file.display());
        prop_assert!(whole.starts_with(&text(&pieces)), "{pieces:?}");
    }

    #[test]
    fn what_says_nothing_changes_nothing(
        recorded in any_stream(),
        at in any::<Index>(),
        nothing in proptest::sample::select(vec![
            ": keep-alive\n\n", "data:\n\n", "data: {}\n\n", "\n\n\n", "id: 7\nretry: 10\n\n",
            "event: ping\ndata: {\"type\": \"ping\"}\n\n",
            "event: new\ndata: {\"type\": \"something_new\", \"value\": [1]}\n\n",
        ]),
    ) {
        let mut events = recorded.events();
        let at = at.index(events.len());
        events.insert(at, nothing);
        let pieces = recorded.replay_as(events.concat().as_bytes());
        let whole = recorded.replay_as(&recorded.bytes);
        prop_assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    }

    #[test]
    fn a_field_of_any_type_in_any_place_never_costs_more_than_the_answer(
        recorded in any_stream(),
        event in any::<Index>(),
        place in any::<Index>(),
        odd in proptest::sample::select(vec![
            json!(null), json!(true), json!(-1), json!(1e300), json!(u64::MAX), json!(""),
            json!("odd"), json!([]), json!([null, [], {}, 7]), json!({}), json!({"": {"type": "x"}}),
        ]),
    ) {
        let mut events: Vec<_> = recorded.events().into_iter().map(str::to_owned).collect();
        let at = event.index(events.len());
        let data = events[at].split_once("data: ").map(|(_, data)| data.trim().to_owned());
        if let Some(Ok(mut frame)) = data.map(|data| serde_json::from_str::<Value>(&data)) {
            let mut all = Vec::new();
            places(&frame, "", &mut all);
            let place = &all[place.index(all.len())];
            *frame.pointer_mut(place).expect("a place") = odd;
            events[at] = format!("data: {frame}\n\n");
        }
        let pieces = recorded.replay_as(events.concat().as_bytes());
        assert_one_end(&pieces, recorded.file.display());
    }
}
