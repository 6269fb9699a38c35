//! What each command is. The table is in the order of [`CommandName`].

use super::ArgumentKind::{Count, List, Text, Value};
use super::Audience::{Member, Visitor};
use super::{Argument, ArgumentKind, Audience, CommandName, Spec};

const FIELD: &str = "model, temperature, max_tokens, history_context_size or tools";
const PROMPT: &str = "the name of the prompt, such as persona";

/// Needs a fresh signature, whatever a template says.
const SIGNED: bool = true;
/// Needs one only if the template asks for it.
const FREE: bool = false;

#[rustfmt::skip]
pub(super) static SPECS: [Spec; CommandName::ALL.len()] = [
    spec(CommandName::Ping, Visitor, FREE, "Answer pong.", &[]),
    spec(CommandName::Help, Visitor, FREE, "Describe the commands, or one of them.", &[
        may("command", Text, "the name of a command"),
    ]),
    spec(CommandName::Identity, Visitor, SIGNED, "Register your key here, or find that it is registered.", &[]),
    spec(CommandName::IdentityDelete, Member, SIGNED, "Erase your identity with every setting, message, session and API key. There is no way back.", &[]),
    spec(CommandName::ConfigGet, Member, FREE, "Tell your settings.", &[
        may("field", Text, FIELD),
    ]),
    spec(CommandName::ConfigSet, Member, SIGNED, "Change one of your settings.", &[
        must("field", Text, FIELD),
        must("value", Value, "the new value; for tools a list, such as current_time,files"),
    ]),
    spec(CommandName::ConfigUnset, Member, SIGNED, "Go back to the default of one setting.", &[
        must("field", Text, "model, temperature, max_tokens, history_context_size, tools, or a stored key of another name"),
    ]),
    spec(CommandName::PromptGet, Member, FREE, "Tell your prompts.", &[
        may("name", Text, PROMPT),
    ]),
    spec(CommandName::PromptSet, Member, SIGNED, "Change one of your prompts. An empty text leaves the block out.", &[
        must("name", Text, PROMPT),
        must("content", Text, "the new text"),
    ]),
    spec(CommandName::PromptUnset, Member, SIGNED, "Go back to the default of one prompt.", &[
        must("name", Text, PROMPT),
    ]),
    spec(CommandName::TimeZoneSet, Member, SIGNED, "Say in which time zone you are, for what tells you the time.", &[
        must("value", Text, "a name of the IANA time zone database, such as Europe/Berlin"),
    ]),
    spec(CommandName::TimeZoneUnset, Member, SIGNED, "Go back to UTC.", &[]),
    spec(CommandName::History, Member, FREE, "Tell what was said, newest first.", &[
        may("limit", Count, "how many messages, from 1 to 100; 20 if you do not say"),
    ]),
    spec(CommandName::Models, Visitor, FREE, "List the models that you may choose.", &[]),
    spec(CommandName::Explain, Member, FREE, "Tell where each value in force comes from.", &[
        may("field", Text, "a setting, or prompts.NAME"),
    ]),
    spec(CommandName::KeyCreate, Member, SIGNED, "Make an API key for another program. It is shown once.", &[
        must("name", Text, "what it is for"),
        may("scopes", List, "chat, models.read, history.read, profile.read; chat and models.read if you do not say"),
        may("models", List, "the models that it may ask; every one that you may choose if you do not say"),
        may("days", Count, "how long it lives, from 1 to 365; 90 if you do not say"),
    ]),
    spec(CommandName::KeyList, Member, FREE, "List your API keys, without their secrets.", &[]),
    spec(CommandName::KeyRevoke, Member, SIGNED, "End an API key.", &[
        must("id", Text, "the id that key.list shows"),
    ]),
    spec(CommandName::SessionList, Visitor, FREE, "List where you are signed in.", &[]),
    spec(CommandName::SessionRevoke, Visitor, FREE, "Sign out one of your sessions.", &[
        must("id", Text, "the id that session.list shows"),
    ]),
    spec(CommandName::SessionRevokeAll, Visitor, SIGNED, "Sign out everywhere, here too.", &[]),
    spec(CommandName::Export, Member, FREE, "Give you everything that is stored about you.", &[]),
];

const fn spec(
    name: CommandName,
    audience: Audience,
    is_sovereign: bool,
    description: &'static str,
    arguments: &'static [Argument],
) -> Spec {
    Spec {
        name,
        description,
        arguments,
        audience,
        is_sovereign,
    }
}

const fn must(name: &'static str, kind: ArgumentKind, description: &'static str) -> Argument {
    Argument {
        name,
        kind,
        required: true,
        description,
    }
}

const fn may(name: &'static str, kind: ArgumentKind, description: &'static str) -> Argument {
    Argument {
        name,
        kind,
        required: false,
        description,
    }
}
