//! Every byte of a signed request counts (T07).

use super::world::{Request, key, terms};

/// Numbers that are the same each time (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % below
    }

    fn text(&mut self, alphabet: &str, longest: usize) -> String {
        let letters: Vec<char> = alphabet.chars().collect();
        let length = self.next(longest + 1);
        (0..length)
            .map(|_| letters[self.next(letters.len())])
            .collect()
    }
}

const METHODS: [&str; 5] = ["POST", "PUT", "PATCH", "DELETE", "GET"];

fn valid(numbers: &mut Numbers, has_query: bool, has_body: bool) -> Request {
    let path = format!("/api/v1/{}", numbers.text("abcxyz019/-_.~%", 12));
    let query = has_query.then(|| numbers.text("abcxyz019=&-_.~%", 12));
    let body = format!("{{{}}}", numbers.text("\"abc: 019,ä", 24));
    let body = if has_body { &*body } else { "" };
    let mut request = Request::post(&path, query.as_deref(), body);
    if !has_body {
        request.headers.clear();
    }
    METHODS[numbers.next(METHODS.len())].clone_into(&mut request.method);
    let byte = u8::try_from(1 + numbers.next(254)).unwrap();
    request.signed_with(&key(byte), &terms())
}

/// The parts of a request that have bytes. What it has besides (other headers, the spelling of
/// header names) is not covered and means nothing to the verifier.
fn parts(request: &mut Request) -> Vec<(&str, Part<'_>)> {
    let mut parts = vec![
        ("method", Part::Text(&mut request.method)),
        ("authority", Part::Text(&mut request.authority)),
        ("path", Part::Text(&mut request.path)),
        ("body", Part::Bytes(&mut request.body)),
    ];
    if let Some(query) = &mut request.query {
        parts.push(("query", Part::Text(query)));
    }
    for (name, value) in &mut request.headers {
        parts.push((name, Part::Bytes(value)));
    }
    parts
}

enum Part<'a> {
    /// In ASCII, before and after.
    Text(&'a mut String),
    Bytes(&'a mut Vec<u8>),
}

impl Part<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Text(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
        }
    }

    fn change(self, place: usize, numbers: &mut Numbers) {
        match self {
            Self::Text(text) => {
                let mut bytes = std::mem::take(text).into_bytes();
                let change = 1 + numbers.next(127);
                bytes[place] ^= u8::try_from(change).unwrap();
                *text = String::from_utf8(bytes).unwrap();
            }
            Self::Bytes(bytes) => {
                let change = 1 + numbers.next(255);
                bytes[place] ^= u8::try_from(change).unwrap();
            }
        }
    }
}

fn no_changed_byte_is_accepted(seed: u64, has_query: bool, has_body: bool) {
    let mut numbers = Numbers(seed);
    let mut tried = 0;
    for _ in 0..250 {
        let mut request = valid(&mut numbers, has_query, has_body);
        assert!(request.present().is_ok(), "{request:?}");
        let lengths: Vec<_> = parts(&mut request).iter().map(|(_, it)| it.len()).collect();
        for (part, length) in lengths.into_iter().enumerate() {
            for place in 0..length {
                let mut changed = request.clone();
                let (_, bytes) = parts(&mut changed).swap_remove(part);
                bytes.change(place, &mut numbers);
                tried += 1;
                // The one thing that may change: a host has no upper and lower case.
                let is_same_host = changed.authority != request.authority
                    && changed.authority.eq_ignore_ascii_case(&request.authority);
                assert_eq!(changed.present().is_ok(), is_same_host, "{changed:?}");
            }
        }
    }
    assert!(tried > 250 * 250, "{tried}");
}

#[test]
fn t07_every_byte_counts_in_a_request_with_query_and_body() {
    no_changed_byte_is_accepted(1, true, true);
}

#[test]
fn t07_every_byte_counts_in_a_request_with_a_query() {
    no_changed_byte_is_accepted(2, true, false);
}

#[test]
fn t07_every_byte_counts_in_a_request_with_a_body() {
    no_changed_byte_is_accepted(3, false, true);
}

#[test]
fn t07_every_byte_counts_in_a_request_with_neither() {
    no_changed_byte_is_accepted(4, false, false);
}
