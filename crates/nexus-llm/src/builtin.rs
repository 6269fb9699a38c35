//! The `echo` model: no AI, but a mirror. It tells what a model would have received, so that a
//! newcomer without keys sees personalisation work.

use std::fmt::Write as _;

use futures_util::{Stream, StreamExt, stream};

use crate::{ChatMessage, ChatRequest, Delta, Finish, FinishReason, LlmError, UserPart};

/// How much of the persona is shown, in lines and in characters.
const PERSONA_LINES: usize = 4;
const PERSONA_CHARACTERS: usize = 320;
/// How much of the question is shown, in characters.
const QUESTION_CHARACTERS: usize = 600;

/// Answers word by word.
pub(crate) fn echo(
    request: &ChatRequest,
) -> impl Stream<Item = Result<Delta, LlmError>> + Send + use<> {
    let finish = Delta::Finished(Finish {
        reason: FinishReason::Stop,
        model_id: Some(request.model.id.clone()),
        usage: None,
    });
    let answer = answer(request);
    let words: Vec<_> = answer
        .split_inclusive(' ')
        .map(|word| Delta::Text(word.into()))
        .collect();
    stream::iter(words.into_iter().chain([finish])).then(async |delta| {
        tokio::task::yield_now().await;
        Ok(delta)
    })
}

fn answer(request: &ChatRequest) -> String {
    let mut text = String::from(
        "I am **echo**, a mirror and not an AI: I cannot think about what you say. \
         I only show what Nexus would have sent to a real model, just for you.\n\n",
    );
    if let Some(question) = question(request) {
        text.push_str("**You said**\n\n");
        quote(&mut text, &shortened(question, QUESTION_CHARACTERS), "");
        text.push('\n');
    }
    text.push_str("**What came with it**\n\n");
    describe(&mut text, request);
    text.push_str(
        "\nChange your model, your temperature or your persona, ask again, and you will see the \
         change here.\n\n\
         **To talk to a real model**, choose another one. If there is none, the person who runs \
         this server sets the key of a provider, such as `GEMINI_API_KEY`, and starts Nexus \
         again, or starts a model with Ollama or llama.cpp: that needs no key.\n",
    );
    text
}

/// The list of what was received.
fn describe(text: &mut String, request: &ChatRequest) {
    let model = &request.model;
    item(text, "Model", &format!("`{}`", model.name));
    match request.temperature {
        Some(temperature) => item(text, "Temperature", &temperature.to_string()),
        None => item(text, "Temperature", "not set, the provider decides"),
    }
    match request.max_tokens {
        Some(limit) => item(text, "Longest answer", &format!("{limit} tokens")),
        None => item(text, "Longest answer", "not set, the provider decides"),
    }
    match persona(request) {
        Some(persona) => {
            let size = format!(
                "{}, which begin:",
                count(persona.chars().count(), "character")
            );
            item(text, "Persona and rules", &size);
            text.push('\n');
            quote(text, &beginning(persona), "  ");
            text.push('\n');
        }
        None => item(text, "Persona and rules", "none"),
    }
    match earlier_messages(request) {
        0 => item(text, "Memory", "no earlier message, this is where we begin"),
        number => {
            item(
                text,
                "Memory",
                &format!("{} of our conversation", count(number, "earlier message")),
            );
        }
    }
    let tools: Vec<_> = request
        .tools
        .iter()
        .map(|tool| format!("`{}`", tool.name))
        .collect();
    let tools = if tools.is_empty() {
        "none".to_owned()
    } else {
        tools.join(", ")
    };
    item(text, "Tools", &tools);
}

fn item(text: &mut String, name: &str, value: &str) {
    // Writing to a string does not fail.
    let _ = writeln!(text, "- **{name}:** {value}");
}

fn quote(text: &mut String, quoted: &str, indent: &str) {
    for line in quoted.lines() {
        let _ = writeln!(
            text,
            "{}",
            format_args!("{indent}> {line}").to_string().trim_end()
        );
    }
}

fn question(request: &ChatRequest) -> Option<&str> {
    request.said().rev().find_map(|message| match message {
        ChatMessage::User(text) => Some(text.as_str()),
        ChatMessage::UserParts(parts) => parts.iter().find_map(|part| match part {
            UserPart::Text(text) => Some(text.as_str()),
            UserPart::Image(_) => None,
        }),
        _ => None,
    })
}

fn persona(request: &ChatRequest) -> Option<&str> {
    match request.said().next() {
        Some(ChatMessage::System(text)) if !text.trim().is_empty() => Some(text),
        _ => None,
    }
}

/// How many messages were shown besides the question and the persona.
fn earlier_messages(request: &ChatRequest) -> usize {
    let is_persons =
        |message| matches!(message, &ChatMessage::User(_) | &ChatMessage::UserParts(_));
    let question = request.said().rposition(is_persons).unwrap_or(0);
    let earlier = request.said().take(question);
    earlier
        .filter(|message| !matches!(message, ChatMessage::System(_)))
        .count()
}

/// The first lines that say something.
fn beginning(persona: &str) -> String {
    let mut lines = persona
        .lines()
        .map(str::trim_end)
        .filter(|line| !line.is_empty());
    let mut first = lines
        .by_ref()
        .take(PERSONA_LINES)
        .collect::<Vec<_>>()
        .join("\n");
    if lines.next().is_some() {
        first.push_str(" …");
    }
    shortened(&first, PERSONA_CHARACTERS)
}

fn shortened(text: &str, limit: usize) -> String {
    match text.char_indices().nth(limit) {
        Some((cut, _)) => format!("{} …", text[..cut].trim_end()),
        None => text.to_owned(),
    }
}

fn count(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{ending}")
}
