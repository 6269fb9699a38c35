//! The fuzz targets without a fuzzer: the corpus, and random changes of it.

use std::fs;
use std::path::Path;

/// Changes of each corpus.
const CHANGES: usize = 5_000;

/// Numbers that are the same each time (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }
}

fn replay(name: &str, target: fn(&[u8])) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("corpus")
        .join(name);
    let mut files: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let seeds: Vec<_> = files.iter().map(|file| fs::read(file).unwrap()).collect();
    assert!(seeds.len() >= 3, "{} has too few files", folder.display());
    seeds.iter().for_each(|seed| target(seed));
    let mut numbers = Numbers(0x6e65_7875_7300);
    for _ in 0..CHANGES {
        let mut bytes = seeds[numbers.below(seeds.len())].clone();
        for _ in 0..=numbers.below(3) {
            change(&mut bytes, &seeds, &mut numbers);
        }
        target(&bytes);
    }
}

fn change(bytes: &mut Vec<u8>, seeds: &[Vec<u8>], numbers: &mut Numbers) {
    let place = numbers.below(bytes.len() + 1);
    let other = &seeds[numbers.below(seeds.len())];
    match numbers.below(6) {
        0 => bytes.insert(place, numbers.byte()),
        1 => bytes.truncate(place),
        2 if place < bytes.len() => bytes[place] ^= 1 << numbers.below(8),
        3 if place < bytes.len() => bytes[place] = b"0\"\\,;=:() \n\r\tz\xff"[numbers.below(15)],
        4 if place < bytes.len() => {
            let end = (place + 1 + numbers.below(8)).min(bytes.len());
            bytes.drain(place..end);
        }
        _ => {
            let start = numbers.below(other.len() + 1);
            let end = (start + numbers.below(40)).min(other.len());
            bytes.splice(place..place, other[start..end].iter().copied());
        }
    }
}

#[test]
fn sign_in_texts() {
    replay("siwe_parse", nexus_fuzz::siwe_parse);
}

#[test]
fn signed_requests() {
    replay("sig_headers", nexus_fuzz::sig_headers);
}

#[test]
fn bearer_tokens() {
    replay("token_parse", nexus_fuzz::token_parse);
}

#[test]
fn event_streams() {
    replay("sse_decoder", nexus_fuzz::sse_decoder);
}

/// Without these, a corpus of which nothing is accepted would pass as well.
#[test]
fn the_corpus_has_what_is_accepted() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    let read = |file: &str| fs::read(corpus.join(file)).unwrap();
    let now = chrono::DateTime::from_timestamp(nexus_fuzz::MADE_AT, 0).unwrap();
    let text = read("siwe_parse/valid");
    let signature = nexus_fuzz::key().sign_message(&text);
    let text = str::from_utf8(&text).unwrap();
    let signed_in = nexus_fuzz::sign_in_rules().verify(text, &signature.to_string(), now);
    assert!(signed_in.is_ok() && nexus_fuzz::accepts_sign_in(text, &signature));
    for number in 0..8 {
        let bytes = read(&format!("sig_headers/library-{number}"));
        let request = nexus_fuzz::Request::parse(&bytes).unwrap();
        let signed = request.verify(now).unwrap();
        let theirs = nexus_fuzz::accepts_request(&request, nexus_fuzz::MADE_AT);
        assert_eq!(theirs, Some(*signed.key.as_bytes()));
    }
}
