//! Who did something.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{Label, PublicKey};

/// Who did something. Written as an address, `local:` and the name of a user, or `system`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Actor {
    /// Whoever has this key.
    Key(PublicKey),
    /// A person at the machine, by the name of their user there.
    Local(Label),
    /// Nexus by itself.
    System,
}

/// The text does not name an [`Actor`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected an address, local: and the name of a user, or system")]
pub struct ActorError;

impl FromStr for Actor {
    type Err = ActorError;

    fn from_str(text: &str) -> Result<Self, ActorError> {
        if text == "system" {
            return Ok(Self::System);
        }
        match text.strip_prefix("local:") {
            Some(user) => Label::try_from(user.to_owned())
                .map(Self::Local)
                .map_err(|_| ActorError),
            None => text.parse().map(Self::Key).map_err(|_| ActorError),
        }
    }
}

impl TryFrom<String> for Actor {
    type Error = ActorError;

    fn try_from(text: String) -> Result<Self, ActorError> {
        text.parse()
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => fmt::Display::fmt(key, f),
            Self::Local(user) => write!(f, "local:{user}"),
            Self::System => f.write_str("system"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_reads_as_it_is_written() {
        for actor in [
            Actor::Key(PublicKey::from_bytes([0xab; 20])),
            Actor::Local(Label::cut("zoë")),
            Actor::Local(Label::cut("system")),
            Actor::System,
        ] {
            assert_eq!(actor.to_string().parse(), Ok(actor));
        }
        for text in ["", "System", "root", "0x12"] {
            assert_eq!(text.parse::<Actor>(), Err(ActorError), "{text}");
        }
    }
}
