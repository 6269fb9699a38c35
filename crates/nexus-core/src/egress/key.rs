//! The key of a provider or of a tool server that knows where it may go.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use url::{Origin, Url};

use super::blot::{BLOT, Blotter, SHORTEST_SECRET};

/// The shortest beginning of a key that is blotted out where a text was cut.
const SHORTEST_REST: usize = 4;

/// A key, and the one server that may receive it. Outside of this module there is no other way to
/// read it than [`PinnedKey::reveal_to`]; it is made by [`Secrets`](super::Secrets) and by the check of a
/// template, and never changes.
#[derive(Clone)]
pub struct PinnedKey(Arc<Pinned>);

struct Pinned {
    key: SecretString,
    origin: Origin,
}

impl PinnedKey {
    /// `None` for a key that no HTTP header can carry: it is empty, or not printable ASCII.
    pub(crate) fn new(key: &str, base_url: &Url) -> Option<Self> {
        let key = key.trim();
        let is_sendable = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_graphic());
        is_sendable.then(|| {
            Self(Arc::new(Pinned {
                key: key.to_owned().into(),
                origin: base_url.origin(),
            }))
        })
    }

    /// The key, for a request to `url`. `None` when that is not the server that it is for: scheme,
    /// host and port have to be the same.
    #[must_use]
    pub fn reveal_to(&self, url: &Url) -> Option<&str> {
        (url.origin() == self.0.origin).then(|| self.0.key.expose_secret())
    }

    /// The key, to look for it.
    pub(super) fn exposed(&self) -> &str {
        self.0.key.expose_secret()
    }

    /// Blots the key out of a text that comes in pieces. `None`: it is shorter than
    /// [`SHORTEST_SECRET`], and not searched.
    #[must_use]
    pub fn blotter(&self) -> Option<Blotter> {
        Blotter::new(self)
    }

    /// A whole text, without the key in it; the same as its pieces come out of a [`Blotter`].
    #[must_use]
    pub fn blot<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let Some(mut blotter) = self.blotter() else {
            return Cow::Borrowed(text);
        };
        let shown = blotter.push(text);
        match (&*blotter.end(), shown) {
            ("", shown) => shown,
            (BLOT, shown) => Cow::Owned(shown.into_owned() + BLOT),
            // What was held back is harmless.
            (_, Cow::Borrowed(_)) => Cow::Borrowed(text),
            (rest, Cow::Owned(shown)) => Cow::Owned(shown + rest),
        }
    }

    /// The same for every text and every name in a JSON value. Says whether the key was in it.
    pub fn blot_json(&self, value: &mut Value) -> bool {
        match value {
            Value::String(text) => {
                let shown = self.blot(text).into_owned();
                let was_in = shown != *text;
                *text = shown;
                was_in
            }
            Value::Array(items) => items
                .iter_mut()
                .fold(false, |any, item| self.blot_json(item) | any),
            Value::Object(map) => {
                let mut any = false;
                for (name, mut member) in std::mem::take(map) {
                    any |= self.blot_json(&mut member);
                    let shown = self.blot(&name);
                    any |= shown != name;
                    map.insert(shown.into_owned(), member);
                }
                any
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => false,
        }
    }

    /// The words of a server that went wrong, without the key in them. They may have been cut
    /// anywhere, so even a short beginning of the key at the end goes too. A key shorter than
    /// [`SHORTEST_SECRET`] is not searched.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        let key = self.exposed();
        if key.len() < SHORTEST_SECRET {
            return text.to_owned();
        }
        let mut text = text.replace(key, BLOT);
        let rest = (SHORTEST_REST..key.len())
            .rev()
            .filter_map(|length| key.get(..length))
            .find(|beginning| text.ends_with(beginning));
        if let Some(rest) = rest {
            text.truncate(text.len() - rest.len());
            text.push_str(BLOT);
        }
        text
    }
}

impl PartialEq for PinnedKey {
    fn eq(&self, other: &Self) -> bool {
        self.0.origin == other.0.origin && self.exposed() == other.exposed()
    }
}

impl Eq for PinnedKey {}

impl fmt::Debug for PinnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let origin = self.0.origin.ascii_serialization();
        write!(f, "PinnedKey(for {origin})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn t18_a_key_is_revealed_to_its_server_only() {
        let key = PinnedKey::new(" sk-1 ", &url("https://api.test/v1")).unwrap();
        assert_eq!(key.reveal_to(&url("https://api.test:443/x")), Some("sk-1"));
        for other in [
            "http://api.test/v1",
            "https://api.test:8443/v1",
            "https://api.test./v1",
            "https://evil.test/v1",
            "https://api.test@evil.test/v1",
            "data:api.test",
        ] {
            assert_eq!(key.reveal_to(&url(other)), None, "{other}");
        }
    }

    #[test]
    fn t17_a_key_is_blotted_out_whole_and_cut() {
        let key = PinnedKey::new("sk-0123456789", &url("https://api.test")).unwrap();
        assert_eq!(key.redact("no sk-0123456789, no"), "no …, no");
        assert_eq!(key.redact("cut: sk-01234"), "cut: …");
        assert_eq!(key.redact("it says sk-"), "it says sk-");
        assert!(!format!("{key:?}").contains("0123"));
    }

    #[test]
    fn t21_a_key_that_no_header_can_carry_is_none() {
        for key in [
            "",
            "  ",
            "a b",
            "a\nb",
            "a\r\nx: y",
            "a\0b",
            "clé",
            "\u{7f}",
        ] {
            assert!(
                PinnedKey::new(key, &url("https://api.test")).is_none(),
                "{key:?}"
            );
        }
    }
}
