//! Estimates of tokens, where no provider counted them: four bytes of ASCII are a token, and every
//! other character is one. Images, sound and documents go by a table and never by their base64.

use nexus_core::catalog::{Endpoint, Protocol};
use serde_json::{Map, Value};

use crate::request::speaks_openai;
use crate::{ChatMessage, ChatRequest, Image, UserPart};

/// The longest answer that is reckoned with where neither request nor catalog says one.
const USUAL_ANSWER: u64 = 4_096;
/// Bytes of ASCII in a token.
const ASCII_PER_TOKEN: u64 = 4;
/// What a message, a call or a tool costs beside its words.
const FRAME: u64 = 4;
/// An image of which only a small copy is looked at.
/// <https://platform.openai.com/docs/guides/images-vision#calculating-costs>
const SMALL_IMAGE: u64 = 85;
/// A page of a document, in bytes.
const PAGE_BYTES: u64 = 50_000;
/// A second of sound, in bytes: a usual MP3. Uncompressed sound has more and counts as more.
const SECOND_BYTES: u64 = 16_000;

/// What a provider counts for what is no text. Usual sizes, rounded up.
#[derive(Clone, Copy)]
struct Media {
    image: u64,
    page: u64,
    second: u64,
}

impl Media {
    const fn of(endpoint: &Endpoint) -> Self {
        match endpoint {
            // 85 and 170 for each of six tiles; a page is its text and its image.
            Endpoint::Builtin
            | Endpoint::Remote {
                protocol: Protocol::OpenAi,
                ..
            } => Self {
                image: 1_105,
                page: 1_500,
                second: 10,
            },
            // https://platform.claude.com/docs/en/build-with-claude/vision, …/pdf-support
            Endpoint::Remote {
                protocol: Protocol::Anthropic,
                ..
            } => Self {
                image: 1_600,
                page: 3_000,
                second: 32,
            },
            // https://ai.google.dev/gemini-api/docs/tokens#multimodal-tokens: 258 for each of four tiles.
            Endpoint::Remote {
                protocol: Protocol::Gemini,
                ..
            } => Self {
                image: 1_032,
                page: 560,
                second: 32,
            },
        }
    }
}

/// The tokens of a text.
#[must_use]
pub fn of_text(text: &str) -> u64 {
    let mut size = Size::default();
    size.text(text);
    size.tokens()
}

/// The tokens of everything that a request sends: system text, messages, tools with their schemas,
/// and the other fields of an API client.
#[must_use]
pub fn of_request(request: &ChatRequest) -> u64 {
    let mut size = Size::default();
    for message in &request.messages {
        size.message(request, message);
    }
    if let Some(client) = &request.client {
        size.object(&client.fields);
    }
    if !request.client.as_ref().is_some_and(|it| it.has_tools()) {
        for tool in &*request.tools {
            size.text(&tool.name);
            size.text(&tool.description);
            size.json(&tool.parameters);
            size.other += FRAME;
        }
    }
    size.tokens()
}

/// The tokens of one message of a request.
#[must_use]
pub fn of_message(request: &ChatRequest, message: &ChatMessage) -> u64 {
    let mut size = Size::default();
    size.message(request, message);
    size.tokens()
}

/// The longest answer that a request may get: its own limit, else the model's, else a usual one.
#[must_use]
pub fn of_longest_answer(request: &ChatRequest) -> u64 {
    let limit = request.max_tokens.or(request.model.max_output_tokens);
    limit.map_or(USUAL_ANSWER, u64::from)
}

#[derive(Clone, Copy, Default)]
struct Size {
    ascii: u64,
    other: u64,
}

impl Size {
    const fn tokens(self) -> u64 {
        self.ascii
            .div_ceil(ASCII_PER_TOKEN)
            .saturating_add(self.other)
    }

    fn text(&mut self, text: &str) {
        let ascii = text.bytes().filter(u8::is_ascii).count();
        self.ascii += length(ascii);
        if ascii < text.len() {
            self.other += length(text.chars().filter(|c| !c.is_ascii()).count());
        }
    }

    fn message(&mut self, request: &ChatRequest, message: &ChatMessage) {
        let media = Media::of(&request.model.provider.endpoint);
        self.other += FRAME;
        if let ChatMessage::Client(client) = message
            && speaks_openai(&request.model)
        {
            for (key, value) in client.form() {
                self.text(key);
                self.form(value, media);
            }
            for text in client.taken_out() {
                self.text(text);
            }
            return;
        }
        match message.plain() {
            // What was read is never in a program's form.
            ChatMessage::Client(_) => {}
            ChatMessage::System(text) => self.text(text),
            ChatMessage::User(text) => self.text(text),
            ChatMessage::UserParts(parts) => {
                for part in parts {
                    match part {
                        UserPart::Text(text) => self.text(text),
                        UserPart::Image(Image::Address(_) | Image::Inline { .. }) => {
                            self.other += media.image;
                        }
                    }
                }
            }
            ChatMessage::Assistant {
                text,
                reasoning,
                tool_calls,
            } => {
                self.text(text);
                for call in tool_calls {
                    self.other += FRAME;
                    self.text(&call.name);
                    self.text(&call.arguments);
                    self.object(&call.extra);
                }
                // Not sent without the calls that it led to.
                if !tool_calls.is_empty() {
                    self.text(reasoning);
                }
            }
            ChatMessage::ToolResult { name, content, .. } => {
                self.text(name);
                self.text(content);
            }
        }
    }

    fn object(&mut self, object: &Map<String, Value>) {
        for (key, value) in object {
            self.text(key);
            self.ascii += 4;
            self.json(value);
        }
    }

    /// JSON as it is written, without its escapes.
    fn json(&mut self, value: &Value) {
        match value {
            Value::String(text) => {
                self.text(text);
                self.ascii += 2;
            }
            Value::Array(elements) => {
                self.ascii += 2;
                for element in elements {
                    self.json(element);
                    self.ascii += 1;
                }
            }
            Value::Object(object) => {
                self.ascii += 2;
                self.object(object);
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => self.ascii += 4,
        }
    }

    /// The content of a message in a program's form, whose parts may be no text.
    fn form(&mut self, value: &Value, media: Media) {
        match value {
            Value::Array(elements) => elements.iter().for_each(|it| self.form(it, media)),
            Value::Object(part) => match part.get("type").and_then(Value::as_str) {
                Some("image_url" | "input_image" | "image") => {
                    let is_small = |it: &Value| it.get("detail") == Some(&"low".into());
                    let is_small = is_small(value) || part.values().any(is_small);
                    self.other += if is_small { SMALL_IMAGE } else { media.image };
                    self.beside_data(value);
                }
                Some("input_audio") => {
                    let bytes = self.beside_data(value);
                    self.other += bytes.div_ceil(SECOND_BYTES).max(1) * media.second;
                }
                Some("file" | "input_file") => {
                    let bytes = self.beside_data(value);
                    self.other += bytes.div_ceil(PAGE_BYTES).max(1) * media.page;
                }
                _ => {
                    for (key, value) in part {
                        self.text(key);
                        self.form(value, media);
                    }
                }
            },
            plain => self.json(plain),
        }
    }

    /// Counts the words of a part that is no text, and gives how many bytes its base64 stands for.
    fn beside_data(&mut self, value: &Value) -> u64 {
        let Value::Object(part) = value else {
            self.json(value);
            return 0;
        };
        let mut bytes = 0;
        for (key, value) in part {
            match value {
                Value::Object(_) => bytes += self.beside_data(value),
                Value::String(text) if key.ends_with("data") || text.starts_with("data:") => {
                    bytes += length(text.len()) / 4 * 3;
                }
                other => self.json(other),
            }
        }
        bytes
    }
}

fn length(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parts(parts: &Value) -> u64 {
        let mut size = Size::default();
        let media = Media::of(&Endpoint::Builtin);
        size.form(parts, media);
        size.tokens()
    }

    #[test]
    fn four_bytes_of_ascii_are_a_token_and_so_is_every_other_character() {
        for (text, tokens) in [
            ("", 0),
            ("abcd", 1),
            ("abcde", 2),
            ("你好吗", 3),
            ("é a", 2),
        ] {
            assert_eq!(of_text(text), tokens, "{text:?}");
        }
    }

    #[test]
    fn pictures_sound_and_documents_go_by_a_table_and_never_by_base64() {
        let data = "A".repeat(1_200_000);
        let image = |detail: &str| {
            let url = format!("data:image/png;base64,{data}");
            parts(&json!([{"type": "image_url", "image_url": {"url": url, "detail": detail}}]))
        };
        assert!((85..200).contains(&image("low")), "{}", image("low"));
        assert!((1_105..1_200).contains(&image("high")));
        // 900,000 bytes: 18 pages, 57 seconds.
        let file = json!([{"type": "file", "file": {"filename": "a.pdf", "file_data": data}}]);
        assert!((27_000..27_100).contains(&parts(&file)), "{}", parts(&file));
        let sound =
            json!([{"type": "input_audio", "input_audio": {"data": data, "format": "mp3"}}]);
        assert!((570..670).contains(&parts(&sound)), "{}", parts(&sound));
    }

    #[test]
    fn text_beside_a_picture_and_text_that_looks_like_one_count_as_text() {
        let long = "word".repeat(10_000);
        for cheat in [
            json!([{"type": "text", "text": long}]),
            json!([{"type": "text", "text": format!("data:{long}")}]),
            json!([{"type": "image_url", "image_url": {"url": "https://x.test"}, "note": long}]),
            json!([{"type": "other", "data": long}]),
        ] {
            assert!(parts(&cheat) >= 10_000, "{cheat:.60}");
        }
    }
}
