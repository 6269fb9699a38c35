//! Tool calls put together from what providers send of them.

use proptest::prelude::*;
use serde_json::json;

use super::{CALL_LIMIT, CallIds, Calls, ToolCall, Value};

fn calls(lists: impl IntoIterator<Item = Value>) -> Result<Vec<ToolCall>, String> {
    let mut calls = Calls {
        pieces: Vec::new(),
        own_ids: CallIds::default(),
    };
    for list in lists {
        calls.add(list)?;
    }
    calls.take()
}

/// `id name arguments` of each call.
fn shown(lists: impl IntoIterator<Item = Value>) -> Vec<String> {
    let calls = calls(lists).expect("calls");
    calls
        .iter()
        .map(|call| format!("{} {} {}", call.id, call.name, call.arguments))
        .collect()
}

#[test]
fn pieces_find_their_call_by_index() {
    let lists = [
        json!([{"index": 0, "id": "a", "function": {"name": "clock"}},
               {"index": 1, "id": "b", "function": {"name": "news"}}]),
        json!([{"index": 1, "function": {"arguments": "{\"n\":"}}]),
        json!([{"index": 0, "function": {"arguments": "{}"}}]),
        json!([{"index": 1, "function": {"arguments": "2}"}}]),
    ];
    assert_eq!(shown(lists), ["a clock {}", "b news {\"n\":2}"]);
}

#[test]
fn pieces_without_an_index_find_their_call_by_id_or_continue_the_open_one() {
    let lists = [
        json!([{"id": "a", "function": {"name": "clock", "arguments": "{\"x\""}}]),
        json!([{"function": {"arguments": ":1}"}}]),
        json!([{"id": "b", "function": {"name": "news", "arguments": "["}}]),
        json!([{"id": "b", "function": {"arguments": "]"}}]),
    ];
    assert_eq!(shown(lists), ["a clock {\"x\":1}", "b news []"]);
}

#[test]
fn empty_names_and_ids_wipe_nothing() {
    let lists = [
        json!([{"index": 0, "id": "", "function": {"name": ""}}]),
        json!([{"index": 0, "id": "a", "function": {"name": "clock", "arguments": ""}}]),
        json!([{"index": 0, "id": null, "function": {"name": null, "arguments": "{"}}]),
        json!([{"index": 0, "id": "", "function": {"name": "", "arguments": "}"}}]),
    ];
    assert_eq!(shown(lists), ["a clock {}"]);
}

#[test]
fn calls_that_all_have_index_0_are_told_apart_by_id_and_name() {
    let lists = [
        json!([{"index": 0, "id": "a", "function": {"name": "clock", "arguments": "{}"}}]),
        json!([{"index": 0, "id": "b", "function": {"name": "clock", "arguments": "["}}]),
        json!([{"index": 0, "function": {"arguments": "]"}}]),
    ];
    assert_eq!(shown(lists), ["a clock {}", "b clock []"]);
}

#[test]
fn whole_calls_without_index_and_id_are_told_apart() {
    let call = |city: &str| json!({"id": "", "function": {"name": "clock", "arguments": city}});
    let expected = ["nexus_call_1 clock {}", "nexus_call_2 clock []"];
    assert_eq!(shown([json!([call("{}")]), json!([call("[]")])]), expected);
    assert_eq!(shown([json!([call("{}"), call("[]")])]), expected);
}

#[test]
fn unknown_keys_are_kept_even_when_they_come_alone() {
    let lists = [
        json!([{"index": 0, "id": "a", "type": "function", "function": {"name": "clock"}}]),
        json!([{"extra_content": {"google": {"thought_signature": "s"}}, "more": null}]),
    ];
    let calls = calls(lists).expect("calls");
    let expected = json!({"extra_content": {"google": {"thought_signature": "s"}}});
    assert_eq!(Value::Object(calls[0].extra.clone()), expected);
}

#[test]
fn arguments_may_come_as_they_are_meant() {
    let lists = [json!([{"id": "a", "function": {"name": "clock", "arguments": {"x": 1}}}])];
    assert_eq!(shown(lists), ["a clock {\"x\":1}"]);
}

#[test]
fn a_call_without_a_name_is_an_error_and_an_empty_one_is_nothing() {
    assert_eq!(
        shown([json!([{"index": 0}]), json!([null, 7, {}]), json!("none")]),
        [""; 0]
    );
    assert!(calls([json!([{"index": 0, "function": {"arguments": "{}"}}])]).is_err());
}

#[test]
fn too_many_calls_are_refused() {
    let list = |number: usize| {
        json!(
            (0..number)
                .map(|index| json!({"index": index, "function": {"name": "f"}}))
                .collect::<Vec<_>>()
        )
    };
    assert!(calls([list(CALL_LIMIT)]).is_ok());
    assert!(calls([list(CALL_LIMIT + 1)]).is_err());
}

proptest! {
    #[test]
    fn arguments_are_the_same_however_they_are_cut(
        arguments in "[a-z{}\\[\\]\":,é🦀]{0,30}",
        with_index in any::<bool>(),
        repeats_the_name in any::<bool>(),
    ) {
        let index = if with_index { json!(0) } else { Value::Null };
        let repeated = if repeats_the_name && with_index { "f" } else { "" };
        let first = json!([{"index": index, "id": "a", "function": {"name": "f"}}]);
        let pieces = arguments.chars().map(|piece| {
            let function = json!({"name": repeated, "arguments": piece.to_string()});
            json!([{"index": index, "id": "", "function": function}])
        });
        let lists: Vec<_> = std::iter::once(first).chain(pieces).collect();
        prop_assert_eq!(shown(lists), [format!("a f {arguments}")]);
    }
}
