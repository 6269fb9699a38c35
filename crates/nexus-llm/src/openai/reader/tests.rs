//! What is read by comparing frames is what the full reader reads.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::*;
use crate::sse::Decoder;
use crate::{answer, protocol};
use nexus_core::catalog::Protocol;

/// The frames of every recorded stream.
fn recorded() -> Vec<Vec<String>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/exchanges/openai");
    let cases = fs::read_dir(folder).expect("the recorded exchanges");
    let streams = cases.filter_map(|case| {
        let bytes = fs::read(case.expect("a case").path().join("response.sse")).ok()?;
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        decoder.end();
        let mut frames = Vec::new();
        while let Ok(Some(data)) = decoder.next() {
            frames.push(data.trim().to_owned());
        }
        frames.retain(|frame| frame.starts_with('{'));
        Some(frames)
    });
    let streams: Vec<_> = streams.collect();
    assert!(streams.len() >= 4, "only {} were found", streams.len());
    streams
}

fn reader() -> Reader {
    match answer::tests::reader(Protocol::OpenAi) {
        protocol::Reader::OpenAi(reader) => reader,
        other => panic!("{other:?}"),
    }
}

/// Everything that an answer leaves behind.
type Outcome = (VecDeque<Delta>, Result<(), Fault>, String);

fn read(
    frames: &[String],
    one: fn(&mut Reader, &str, &mut VecDeque<Delta>) -> Result<(), Fault>,
) -> Outcome {
    let mut reader = reader();
    let mut out = VecDeque::new();
    let read = frames
        .iter()
        .try_for_each(|frame| one(&mut reader, frame, &mut out));
    let Reader {
        alike: _,
        passing: _,
        open_answers,
        calls,
        model_id,
        usage,
        reason,
    } = reader;
    (
        out,
        read,
        format!("{calls:?} {model_id:?} {usage:?} {reason:?} {open_answers}"),
    )
}

#[track_caller]
fn assert_both_read_the_same(frames: &[String]) {
    let compared = read(frames, |reader, frame, out| {
        reader.frame(frame, out).map(drop)
    });
    let in_full = read(frames, |reader, frame, out| {
        reader.read(frame, out).map(drop)
    });
    assert_eq!(compared, in_full, "{frames:#?}");
}

#[test]
fn recorded_frames_read_the_same_and_some_by_comparing_only() {
    let mut compared = 0;
    for frames in recorded() {
        assert_both_read_the_same(&frames);
        let (mut reader, mut out) = (reader(), VecDeque::new());
        for frame in &frames {
            compared += usize::from(reader.alike.read(frame).is_some());
            if reader.read(frame, &mut out).is_err() {
                break;
            }
        }
    }
    assert!(
        compared >= 5,
        "only {compared} frames were like the one before"
    );
}

#[test]
fn a_frame_that_says_more_than_the_one_before_is_read_in_full() {
    let frame = |text: &str, more: &str| {
        format!(r#"{{"model":"m","choices":[{{"delta":{{"content":{text}}}{more}}}]}}"#)
    };
    let usage = r#"}],"usage":{"prompt_tokens":1,"completion_tokens":2},"x":[{"y":{}"#;
    for frames in [
        [frame("\"a\"", ""), frame(r#""b","content":"c""#, "")],
        [frame("\"a\"", ""), frame(r#""b\"c\n""#, "")],
        [frame("\"a\"", ""), frame("\"b\n\"", "")],
        [frame("\"a\"", ""), frame("\"\"", "")],
        [
            frame("\"a\"", ""),
            frame(r#""b","tool_calls":[{"index":0,"id":"c""#, ""),
        ],
        [frame("\"a\"", usage), frame("\"b\"", usage)],
        [
            frame("\"a\"", r#","finish_reason":"stop""#),
            frame("\"b\"", ""),
        ],
        [
            frame(r#""a","reasoning":"r""#, ""),
            frame(r#""b","reasoning":"r""#, ""),
        ],
    ] {
        assert_both_read_the_same(&frames);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn mutated_frames_read_the_same(
        frames in select(recorded()),
        changes in proptest::collection::vec(
            (any::<Index>(), any::<Index>(), 0_usize..12, "[ -~\n]{0,12}"),
            0..6,
        ),
        repeat in any::<Index>(),
    ) {
        let mut frames = frames;
        // So that there is something to compare with, and something like it.
        let again = frames[repeat.index(frames.len())].clone();
        frames.insert(0, again);
        for (which, at, length, instead) in changes {
            let which = which.index(frames.len());
            let mut changed: Vec<char> = frames[which].chars().collect();
            let from = at.index(changed.len() + 1);
            let to = (from + length).min(changed.len());
            changed.splice(from..to, instead.chars());
            frames[which] = changed.into_iter().collect();
        }
        frames.retain(|frame| frame.trim() == frame && !frame.is_empty() && frame != "[DONE]");
        assert_both_read_the_same(&frames);
    }
}
