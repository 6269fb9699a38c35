//! One turn with a model, the same for every provider and protocol.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher as _, Hash};
use std::sync::{Arc, LazyLock};

use nexus_core::Model;
use nexus_core::catalog::{Endpoint, Protocol};
use nexus_core::profile::Fallback;
use serde_json::{Map, Value};
use url::Url;

use crate::ClientForm;
use crate::client_message::ClientMessage;

/// What a model is asked.
#[derive(Clone, Debug)]
pub struct ChatRequest {
    /// Who is asked.
    pub model: Arc<Model>,
    /// The conversation, oldest first; the system prompt, if any, is the first message. What is said
    /// in it is read through [`said`](Self::said): here, messages of API clients have another form.
    pub messages: Vec<ChatMessage>,
    /// Sampling temperature. `None` leaves it to the provider.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens. `None` leaves it to the provider.
    pub max_tokens: Option<u32>,
    /// What the model may call.
    pub tools: Arc<[ToolSpec]>,
    /// Who is asked when the model cannot answer, in this order. Only models that this person may
    /// use.
    pub fallbacks: Vec<Fallback>,
    /// What a program asked for that speaks OpenAI's protocol itself.
    pub client: Option<Arc<ClientForm>>,
    /// Whether nothing of the answer is for Nexus alone, so that the program may be shown it as it
    /// came.
    pub is_for_client_only: bool,
    /// On whose behalf it is asked.
    pub requester: Requester,
}

/// An opaque tag: the same for all requests of one person, another one after a restart. It tells
/// whose requests fail, and nothing about anybody.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Requester(u64);

impl Requester {
    /// The tag of whoever has this key.
    pub fn of(key: &impl Hash) -> Self {
        static TAGS: LazyLock<RandomState> = LazyLock::new(RandomState::new);
        Self(TAGS.hash_one(key))
    }
}

impl ChatRequest {
    /// What is said, oldest first, whoever wrote it: never a [`ChatMessage::Client`].
    pub fn said(
        &self,
    ) -> impl DoubleEndedIterator<Item = &ChatMessage> + ExactSizeIterator + use<'_> {
        self.messages.iter().map(ChatMessage::plain)
    }

    /// Whether the answer is to come in pieces.
    #[must_use]
    pub fn streams(&self) -> bool {
        self.model.streams
            && self
                .client
                .as_ref()
                .is_none_or(|client| client.delivery.streams())
    }

    /// Whether the answer is handed on frame by frame: the provider speaks the program's protocol,
    /// in the way in which the program wants to hear it.
    #[must_use]
    pub fn passes_frames(&self) -> bool {
        let hears = |client: &Arc<ClientForm>| {
            client.hears_frames && client.delivery.streams() == self.streams()
        };
        self.is_for_client_only
            && self.client.as_ref().is_some_and(hears)
            && speaks_openai(&self.model)
    }

    /// The same turn with the fallback of this catalog name. The ones before it are not asked again.
    pub fn fall_back(&mut self, name: &str) {
        let named = |fallback: &Fallback| &*fallback.model.name == name;
        let Some(place) = self.fallbacks.iter().position(named) else {
            return;
        };
        let Some(chosen) = self.fallbacks.drain(..=place).next_back() else {
            return;
        };
        self.model = chosen.model;
        self.temperature = chosen.temperature;
        self.max_tokens = chosen.max_tokens;
    }
}

/// Whether a model is reached by OpenAI's protocol.
#[must_use]
pub fn speaks_openai(model: &Model) -> bool {
    matches!(
        model.provider.endpoint,
        Endpoint::Remote {
            protocol: Protocol::OpenAi,
            ..
        }
    )
}

/// One message of the conversation.
#[derive(Clone, Debug, PartialEq)]
pub enum ChatMessage {
    /// The joined prompt blocks. Only the server writes them.
    System(Arc<str>),
    /// The person, in words.
    User(String),
    /// The person, in words and images, in this order.
    UserParts(Vec<UserPart>),
    /// The model.
    Assistant {
        /// What it said; may be empty when it only called tools.
        text: String,
        /// What it thought before it called tools. Some providers want it back with the results.
        /// May be empty; never sent for a message without tool calls.
        reasoning: String,
        /// What it called.
        tool_calls: Vec<ToolCall>,
    },
    /// What a program of OpenAI's protocol wrote. Shared, as it may be long.
    Client(Arc<ClientMessage>),
    /// What a tool said.
    ToolResult {
        /// Which call it answers.
        call_id: String,
        /// The tool.
        name: String,
        /// The result, as text.
        content: String,
    },
}

impl ChatMessage {
    /// A message that a program wrote, and what Nexus reads of it.
    #[must_use]
    pub fn client(form: Map<String, Value>, read: Self) -> Self {
        Self::Client(Arc::new(ClientMessage::new(form, read)))
    }

    /// The message as Nexus reads it.
    #[must_use]
    pub fn plain(&self) -> &Self {
        match self {
            Self::Client(message) => message.read(),
            plain => plain,
        }
    }
}

/// A piece of what a person says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserPart {
    /// Words.
    Text(String),
    /// An image.
    Image(Image),
}

/// An image, which the provider reads. Nexus never fetches it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Image {
    /// Where it is.
    Address(Url),
    /// What it is.
    Inline {
        /// Its media type, such as `image/png`.
        media_type: String,
        /// Its bytes in base64.
        base64: String,
    },
}

impl Image {
    /// Reads an address of the public internet that begins with `https:` or `http:` and names no
    /// user, or one that holds the image itself, `data:image/png;base64,…` (RFC 2397). `None` for
    /// every other: the provider would fetch it, from where it stands.
    #[must_use]
    pub fn parse(address: &str) -> Option<Self> {
        let Some(inline) = address.strip_prefix("data:") else {
            // Others read these characters in other ways than we do: `http://a\\@b/` has two hosts.
            let is_odd = |byte: u8| byte <= b' ' || byte == b'\\' || byte == 0x7f;
            if address.bytes().any(is_odd) {
                return None;
            }
            let url = Url::parse(address).ok()?;
            let is_web = matches!(url.scheme(), "https" | "http");
            let names_user = !url.username().is_empty() || url.password().is_some();
            let is_fit = is_web && !names_user && nexus_egress::is_public(&url);
            return is_fit.then_some(Self::Address(url));
        };
        let (media_type, base64) = inline.split_once(";base64,")?;
        let is_word = |text: &str| {
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || b".+-".contains(&byte);
            !text.is_empty() && text.bytes().all(is_fit)
        };
        let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte);
        let is_image = media_type.strip_prefix("image/").is_some_and(is_word);
        (is_image && !base64.is_empty() && base64.bytes().all(is_base64)).then(|| Self::Inline {
            media_type: media_type.to_owned(),
            base64: base64.to_owned(),
        })
    }
}

/// A model asks for a tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolCall {
    /// Names the call. Made by us when the provider gave none.
    pub id: String,
    /// The tool.
    pub name: String,
    /// The arguments, as the JSON text that the model wrote. It may be invalid.
    pub arguments: String,
    /// What the provider wants back with the call in the next round: keys of the call that we do
    /// not know, and the signed thoughts that led to it. It says nothing to another protocol.
    pub extra: Map<String, Value>,
}

/// A tool that a model may call.
#[derive(Clone, Debug, PartialEq)]
pub struct ToolSpec {
    /// Its name: 1 to 64 of `a-zA-Z0-9_-`.
    pub name: String,
    /// What it does, for the model.
    pub description: String,
    /// A JSON Schema of its arguments.
    pub parameters: Value,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s8_an_image_is_on_the_public_internet() {
        for address in [
            "https://user@x.test/a.png",
            "https://user:pw@x.test/a.png",
            "https://:pw@x.test/a.png",
            "http://127.0.0.1/a",
            "http://127.1/a",
            "http://2130706433/a",
            "http://0x7f.0.0.1/a",
            "http://0177.0.0.1/a",
            "http://127.0.0.1./a",
            "http://１２７.０.０.１/a",
            "http://0/a",
            "http://10.0.0.1/a",
            "http://172.16.3.4/a",
            "http://192.168.1.1/a",
            "http://100.64.0.1/a",
            "http://169.254.169.254/latest/meta-data",
            "http://168.63.129.16/a",
            "http://[::1]/a",
            "http://[::]/a",
            "http://[::ffff:127.0.0.1]/a",
            "http://[::ffff:a9fe:a9fe]/a",
            "http://[64:ff9b::7f00:1]/a",
            "http://[2002:7f00:1::]/a",
            "http://[fe80::1]/a",
            "http://[fd00:ec2::254]/a",
            "http://localhost/a",
            "http://LOCALHOST./a",
            "http://a.localhost/a",
            "http://printer.local/a",
            "http://metadata.google.internal/a",
            "http://router/a",
            "http://nas.lan/a",
            "ftp://x.test/a",
            "file:///etc/passwd",
        ] {
            assert_eq!(Image::parse(address), None, "{address}");
        }
        for address in [
            "https://x.test/a.png?user@b",
            "http://8.8.8.8/a",
            "https://[2606:4700::1111]/a",
            "https://localhost.example.com/a",
        ] {
            assert!(Image::parse(address).is_some(), "{address}");
        }
    }

    #[test]
    fn an_image_has_a_web_address_or_holds_itself() {
        let inline = Image::Inline {
            media_type: "image/svg+xml".to_owned(),
            base64: "aGk=".to_owned(),
        };
        assert_eq!(Image::parse("data:image/svg+xml;base64,aGk="), Some(inline));
        assert!(matches!(
            Image::parse("https://x.test/a.png"),
            Some(Image::Address(_))
        ));
        for odd in [
            "",
            "a.png",
            "file:///etc/passwd",
            "data:image/png,raw",
            "data:text/html;base64,aGk=",
            "data:image/;base64,aGk=",
            "data:image/png;charset=x;base64,aGk=",
            "data:image/png;base64,",
            "data:image/png;base64,a b",
        ] {
            assert_eq!(Image::parse(odd), None, "{odd}");
        }
    }
}
