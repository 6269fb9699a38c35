//! Events, however their bytes are cut.

use proptest::prelude::*;

use super::{Decoder, EVENT_LIMIT, LINE_LIMIT, TooLong};

fn events<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<String>, TooLong> {
    let mut decoder = Decoder::new();
    let mut events = Vec::new();
    for chunk in chunks {
        decoder.push(chunk);
        while let Some(data) = decoder.next()? {
            events.push(data.to_owned());
        }
    }
    decoder.end();
    while let Some(data) = decoder.next()? {
        events.push(data.to_owned());
    }
    Ok(events)
}

fn events_of(stream: &[u8]) -> Vec<String> {
    events([stream]).expect("within the limits")
}

#[test]
fn every_line_end_ends_a_line() {
    let expected = ["one", "two"];
    assert_eq!(events_of(b"data: one\n\ndata: two\n\n"), expected);
    assert_eq!(events_of(b"data: one\r\rdata: two\r\r"), expected);
    assert_eq!(events_of(b"data: one\r\n\r\ndata: two\r\n\r\n"), expected);
    assert_eq!(events_of(b"data: one\n\r\ndata: two\r\n\n"), expected);
}

#[test]
fn comments_names_and_ids_are_not_data() {
    let stream =
        b": keep-alive\n\nevent: message\nid: 1\nretry: 5\ndatabase: no\ndata: yes\n\n:\n\n";
    assert_eq!(events_of(stream), ["yes"]);
}

#[test]
fn one_space_after_the_colon_is_not_data() {
    assert_eq!(
        events_of(b"data:a\n\ndata: b\n\ndata:  c\n\ndata\n\n"),
        ["a", "b", " c", ""]
    );
}

#[test]
fn several_data_lines_make_one_event() {
    assert_eq!(events_of(b"data: {\ndata: }\ndata:\n\n"), ["{\n}\n"]);
}

#[test]
fn a_byte_order_mark_counts_only_at_the_start() {
    let stream = b"\xEF\xBB\xBFdata: one\n\n\xEF\xBB\xBFdata: two\n\n";
    assert_eq!(events_of(stream), ["one"]);
}

#[test]
fn the_last_event_needs_no_blank_line() {
    assert_eq!(events_of(b"data: one\n\ndata: two"), ["one", "two"]);
    assert_eq!(events_of(b"data: one\r"), ["one"]);
}

#[test]
fn broken_bytes_are_replaced_and_nothing_else_is_lost() {
    assert_eq!(
        events_of(b"data: a\xFFb\n\ndata: c\n\n"),
        ["a\u{FFFD}b", "c"]
    );
}

#[test]
fn a_line_may_be_as_long_as_the_limit_and_not_longer() {
    let line = |value: usize| [b"data: ".to_vec(), vec![b'x'; value], b"\n\n".to_vec()].concat();
    let fits = LINE_LIMIT - "data: ".len();
    assert_eq!(events_of(&line(fits))[0].len(), fits);
    assert_eq!(events([line(fits + 1).as_slice()]), Err(TooLong::Line));
}

#[test]
fn a_line_that_never_ends_is_refused_before_it_fills_the_memory() {
    let chunk = [b'x'; 1024];
    let mut decoder = Decoder::new();
    let mut pushed = 0;
    let error = loop {
        decoder.push(&chunk);
        pushed += chunk.len();
        if let Err(error) = decoder.next() {
            break error;
        }
    };
    assert_eq!(error, TooLong::Line);
    assert_eq!(pushed, LINE_LIMIT + chunk.len());
}

#[test]
fn an_event_of_many_lines_is_refused_beyond_the_limit() {
    let line = [b"data: ".as_slice(), &vec![b'x'; 64 * 1024], b"\n"].concat();
    let stream = line.repeat(EVENT_LIMIT / (64 * 1024) + 1);
    assert_eq!(events([stream.as_slice()]), Err(TooLong::Event));
}

proptest! {
    #[test]
    fn the_events_are_the_same_however_the_bytes_are_cut(
        stream in proptest::collection::vec(
            prop_oneof![
                Just("data"), Just(":"), Just(" "), Just("\n"), Just("\r"), Just("\r\n"),
                Just("\u{FEFF}"), Just("data: x\n\n"), Just("é漢🦀"), Just("id: 1\n"), Just("{}"),
            ],
            0..40,
        ),
        cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
    ) {
        let stream = stream.concat().into_bytes();
        let whole = events_of(&stream);
        prop_assert_eq!(&events(stream.chunks(1)).unwrap(), &whole);

        let mut cuts: Vec<_> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
        cuts.extend([0, stream.len()]);
        cuts.sort_unstable();
        let chunks = cuts.windows(2).map(|pair| &stream[pair[0]..pair[1]]);
        prop_assert_eq!(&events(chunks).unwrap(), &whole);
    }
}
