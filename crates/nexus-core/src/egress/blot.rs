//! Blots a key out of a text that comes in pieces, wherever the pieces were cut. Nothing is held
//! back but an end that is more of the key than what everybody knows of it.

use std::borrow::Cow;

use memchr::memchr;

use super::PinnedKey;

/// What stands in the place of a key, after its first characters.
pub const BLOT: &str = "…";

/// Shorter keys are not searched, in bytes: the texts of people are full of them.
pub const SHORTEST_SECRET: usize = 8;

/// How many bytes of a key are shown, and never more than a quarter of it. They are no secret, such
/// as `sk-`, and a piece of an ordinary text that ends with one of them does not have to wait.
const OPEN: usize = 3;

/// How much of a key may stand at the end of a text, in bytes, and never more than half of it. The
/// keys of vendors begin with what everybody knows, such as `sk-ant-api03-`.
const LONGEST_REST: usize = 15;

/// Blots a key out of one text. Made by [`PinnedKey::blotter`].
#[derive(Clone, Debug)]
pub struct Blotter {
    key: PinnedKey,
    /// With how many bytes of the key the text ends. What is open of them was shown, the rest is
    /// held back: it is known from the key, so only the number is kept.
    matched: usize,
}

impl Blotter {
    /// `None` for a key that is too short to be searched.
    pub(super) fn new(key: &PinnedKey) -> Option<Self> {
        let is_searched = key.exposed().len() >= SHORTEST_SECRET;
        is_searched.then(|| Self {
            key: key.clone(),
            matched: 0,
        })
    }

    /// Takes the next piece, and gives what may be shown now. What comes back borrowed and as long
    /// as the piece is the piece: it can be handed on in whatever it came.
    pub fn push<'a>(&mut self, piece: &'a str) -> Cow<'a, str> {
        let key = self.key.exposed();
        if self.matched == 0 {
            let Scan { shown, matched } = scan(piece, key);
            self.matched = matched;
            let whole = || Cow::Borrowed(visible(piece, key, matched));
            return shown.map_or_else(whole, Cow::Owned);
        }
        let text = [key.get(..self.matched).unwrap_or_default(), piece].concat();
        let known = self.matched.min(open(key));
        let Scan { shown, matched } = scan(&text, key);
        self.matched = matched;
        let shown = shown.as_deref().unwrap_or(visible(&text, key, matched));
        let news = shown.get(known..).unwrap_or_default();
        if piece.starts_with(news) {
            Cow::Borrowed(piece.get(..news.len()).unwrap_or_default())
        } else {
            Cow::Owned(news.to_owned())
        }
    }

    /// The text is over: gives what was held back. A long beginning of the key is a key that was
    /// cut off there, and is blotted out too.
    pub fn end(&mut self) -> Cow<'static, str> {
        let matched = std::mem::take(&mut self.matched);
        let key = self.key.exposed();
        if matched > LONGEST_REST.min(key.len() / 2) {
            return Cow::Borrowed(BLOT);
        }
        match key.get(open(key)..matched) {
            Some("") | None => Cow::Borrowed(""),
            Some(rest) => Cow::Owned(rest.to_owned()),
        }
    }
}

fn open(key: &str) -> usize {
    OPEN.min(key.len() / 4)
}

/// A text without what is held back of its end.
fn visible<'a>(text: &'a str, key: &str, matched: usize) -> &'a str {
    let held = matched.saturating_sub(open(key));
    text.get(..text.len() - held).unwrap_or_default()
}

/// What a text has of a key.
struct Scan {
    /// What may be shown now, if the key was in the text; otherwise its visible part.
    shown: Option<String>,
    /// With how many bytes of the key the text ends.
    matched: usize,
}

/// A key is of ASCII: where it begins and ends is never in the middle of a character.
fn scan(text: &str, key: &str) -> Scan {
    let bytes = text.as_bytes();
    let first = key.bytes().next().unwrap_or_default();
    let (mut shown, mut matched) = (None::<String>, 0);
    // What is before `kept` is in `shown` already. No key begins before `at`.
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = bytes.get(at..).and_then(|rest| memchr(first, rest)) {
        let begin = at + found;
        let rest = bytes.get(begin..).unwrap_or_default();
        if rest.starts_with(key.as_bytes()) {
            let shown = shown.get_or_insert_default();
            shown.push_str(text.get(kept..begin + open(key)).unwrap_or_default());
            shown.push_str(BLOT);
            at = begin + key.len();
            kept = at;
        } else if key.as_bytes().starts_with(rest) {
            matched = rest.len();
            break;
        } else {
            at = begin + 1;
        }
    }
    if let Some(shown) = &mut shown {
        let rest = text.get(kept..).unwrap_or_default();
        shown.push_str(visible(rest, key, matched));
    }
    Scan { shown, matched }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn pinned(key: &str) -> PinnedKey {
        PinnedKey::new(key, &Url::parse("https://api.test").unwrap()).unwrap()
    }

    /// What is shown of these pieces, one by one, and at the end.
    fn shown(key: &str, pieces: &[&str]) -> Vec<String> {
        let mut blotter = pinned(key).blotter().unwrap();
        let mut shown: Vec<_> = pieces
            .iter()
            .map(|piece| blotter.push(piece).into_owned())
            .collect();
        shown.push(blotter.end().into_owned());
        shown
    }

    #[test]
    fn t17_a_key_in_pieces_is_blotted_out() {
        let key = "sk-0123456789";
        let whole = ["the key is sk-0123456789, and sk-0123456789sk-0123456789."];
        assert_eq!(
            shown(key, &whole).concat(),
            "the key is sk-…, and sk-…sk-…."
        );
        let pieces = ["is s", "", "k-01234", "56789 or sk", "-x", "sk-0123"];
        assert_eq!(
            shown(key, &pieces),
            ["is s", "", "k-", "… or sk", "-x", "sk-", "…"]
        );
    }

    #[test]
    fn only_what_could_be_the_key_waits() {
        let key = "sk-ant-api03-0123456789abcdef";
        let mut blotter = pinned(key).blotter().unwrap();
        for piece in ["Grüße", "wants", " s", "ky", "ask-", "sk -ant", "🔑", ""] {
            assert!(matches!(blotter.push(piece), Cow::Borrowed(same) if same == piece));
        }
        assert_eq!(
            blotter.push("They begin with sk-ant-api03-"),
            "They begin with sk-"
        );
        assert_eq!(blotter.end(), "ant-api03-");
        assert_eq!(blotter.push("sk-ant-api03-0123"), "sk-");
        assert_eq!(blotter.end(), BLOT, "a key that was cut off");
        assert_eq!(blotter.end(), "");
    }

    #[test]
    fn a_short_key_is_not_searched() {
        assert!(pinned("ollama7").blotter().is_none());
        assert!(pinned("ollama78").blotter().is_some());
        assert_eq!(pinned("none").blot("there is none"), "there is none");
    }

    /// What is shown of a whole text, found in the slowest way.
    fn expected(key: &str, text: &str) -> String {
        let blotted = format!("{}{BLOT}", &key[..open(key)]);
        let text = text.replace(key, &blotted);
        let rest = (1..key.len())
            .rev()
            .find(|length| text.ends_with(&key[..*length]));
        match rest {
            Some(length) if length > LONGEST_REST.min(key.len() / 2) => {
                format!("{}{blotted}", &text[..text.len() - length])
            }
            _ => text,
        }
    }

    /// Keys that repeat themselves, so that one can begin inside the other.
    fn keys() -> impl Strategy<Value = String> {
        prop_oneof!["[ab]{8,12}", "a{8,20}b", "(ab){4,9}", "[a-z0-9-]{8,40}"]
    }

    /// A key, and pieces of a text that is full of it.
    fn cases() -> impl Strategy<Value = (String, Vec<String>)> {
        keys().prop_flat_map(|key| {
            let length = key.len();
            let whole = key.clone();
            let part = (0..=length, 0..=length);
            let part = part.prop_map(move |(a, b)| whole[a.min(b)..a.max(b)].to_owned());
            let piece = prop_oneof![part, Just(key.clone()), "[ab é…🔑]{0,6}", "[a-z ]{0,30}"];
            (Just(key), proptest::collection::vec(piece, 0..20))
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn t17_however_a_text_is_cut_the_same_is_shown(
            (key, pieces) in cases(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..12),
        ) {
            let text = pieces.concat();
            let expected = expected(&key, &text);
            prop_assert!(!expected.contains(&key));
            let pieces: Vec<_> = pieces.iter().map(String::as_str).collect();
            prop_assert_eq!(&shown(&key, &pieces).concat(), &expected);
            prop_assert_eq!(&*pinned(&key).blot(&text), &expected);

            let mut places: Vec<_> = cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
            places.extend([0, text.len()]);
            places.sort_unstable();
            let cut: Vec<_> = places.windows(2).map(|pair| &text[pair[0]..pair[1]]).collect();
            prop_assert_eq!(shown(&key, &cut).concat(), expected);
        }

        #[test]
        fn what_cannot_be_the_key_is_never_delayed(
            key in keys(),
            pieces in proptest::collection::vec("[ab é…🔑]{0,6}|[a-z ]{0,30}", 0..20),
        ) {
            let mut blotter = pinned(&key).blotter().unwrap();
            let (mut text, mut out) = (String::new(), String::new());
            for piece in &pieces {
                text.push_str(piece);
                let given = blotter.push(piece);
                let could_begin = (open(&key) + 1..key.len()).any(|length| text.ends_with(&key[..length]));
                if !could_begin && !text.contains(&key) && out.len() + piece.len() == text.len() {
                    prop_assert!(matches!(given, Cow::Borrowed(_)), "nothing is copied");
                }
                out.push_str(&given);
                if !could_begin && !text.contains(&key) {
                    prop_assert_eq!(&out, &text);
                }
            }
        }
    }
}
