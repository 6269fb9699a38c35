//! `ui.editable_fields` and `ui.field_options`: the first locks and bounds.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::tools;
use crate::genesis::PromptBlock;
use crate::genesis::node::Node;
use crate::overrides::whole;
use crate::policy::{Bounds, Lock, Policies, Policy, Step, ceiling, describe_text};
use crate::text::{self, MAX_PROMPT_BYTES};
use crate::{ConfigField, Field, ToolName};

/// The longest label or description, in bytes.
const MAX_LABEL_BYTES: usize = 2048;

/// What the rest of the template has, by name.
pub(super) struct Named<'a> {
    pub(super) prompts: &'a [PromptBlock],
    /// The catalog key of a model that goes by some name.
    pub(super) model: &'a dyn Fn(&str) -> Option<Arc<str>>,
    pub(super) is_tool: &'a dyn Fn(&ToolName) -> bool,
}

/// The policies of the template, the built-in ceilings included. Every field of it gets one.
pub(super) fn policies(root: &Node<'_>, named: &Named<'_>) -> Policies {
    let prompts = named.prompts;
    let ui = root.get("ui");
    ui.warn_unknown(&["editable_fields", "field_options"]);
    let editable = editable_fields(&ui.get("editable_fields"), prompts);
    let mut policies = Policies::default();
    for field in ConfigField::ALL {
        let lock = (!editable.contains(&field.into())).then_some(Lock::NotEditable);
        policies.restrict(
            &field.into(),
            &Policy {
                lock,
                bounds: ceiling(field),
            },
        );
    }
    for name in prompts.iter().map(|block| &block.name) {
        let field = Field::Prompt(name.clone());
        let says_no = !root
            .get("user_defaults")
            .get("prompts")
            .get(name.as_str())
            .get("editable")
            .value()
            .is_some_and(|editable| *editable == Value::Bool(true));
        let lock = match (says_no, editable.contains(&field)) {
            (true, _) => Some(Lock::PromptNotEditable),
            (false, false) => Some(Lock::NotEditable),
            (false, true) => None,
        };
        policies.restrict(
            &field,
            &Policy {
                lock,
                bounds: Bounds::default(),
            },
        );
    }
    for (path, options) in ui
        .get("field_options")
        .optional_members("an object of options, by field")
    {
        let Ok(field) = path.parse::<Field>() else {
            options.warn(
                "options of a field that Nexus does not know",
                "config.* or prompts.*; they are kept and have no effect",
            );
            continue;
        };
        let bounds = match &field {
            Field::Config(field) => bounds(&options, *field, named),
            Field::Prompt(name) if prompts.iter().any(|block| block.name == *name) => {
                texts(&options)
            }
            Field::Prompt(_) => {
                options.warn(
                    "options of a prompt that the template does not have",
                    "a prompt of user_defaults.prompts; they are kept and have no effect",
                );
                continue;
            }
        };
        policies.restrict(&field, &Policy { lock: None, bounds });
    }
    check_defaults(root, prompts, &policies);
    policies
}

/// The template's own texts keep to its limits.
fn check_defaults(root: &Node<'_>, prompts: &[PromptBlock], policies: &Policies) {
    let texts = root.get("user_defaults").get("prompts");
    for block in prompts {
        let Some(policy) = policies.prompt(&block.name) else {
            continue;
        };
        if !policy.bounds.admits_text(&block.content) {
            let node = texts.get(block.name.as_str());
            let content = node.get("content");
            let node = if content.is_present() { content } else { node };
            let limits = describe_text(&policy.bounds);
            node.problem(format!("{limits}, as ui.field_options has it"));
        }
    }
}

/// `ui.field_options` for a page that builds a form: each field by its full path, each model by its
/// catalog key. Options of fields that do not exist are left out.
pub(super) fn field_options(root: &Node<'_>, named: &Named<'_>) -> Map<String, Value> {
    let options = root.get("ui").get("field_options");
    let options = options.value().and_then(Value::as_object);
    let mut shown = Map::new();
    for (path, options) in options.into_iter().flatten() {
        let Ok(field) = path.parse::<Field>() else {
            continue;
        };
        let mut options = options.clone();
        if field == ConfigField::Model.into()
            && let Some(Value::Array(models)) = options.get_mut("options")
        {
            for model in models {
                let key = model.as_str().and_then(named.model);
                *model = key.as_deref().into();
            }
        }
        shown.insert(field.to_string(), options);
    }
    shown
}

fn editable_fields(node: &Node<'_>, prompts: &[PromptBlock]) -> HashSet<Field> {
    let mut fields = HashSet::new();
    for element in node.optional_elements("a list of fields, such as config.model") {
        let Some(path) = element.text("a field, such as config.model") else {
            continue;
        };
        match path.parse::<Field>() {
            Ok(Field::Prompt(name)) if !prompts.iter().any(|block| block.name == name) => {
                element.warn(
                    format!("{path:?}"),
                    "a prompt that the template has; it has no effect",
                );
            }
            Ok(field) => _ = fields.insert(field),
            Err(_) => element.warn(
                format!("{path:?}"),
                "a field that Nexus knows; it is kept and has no effect",
            ),
        }
    }
    fields
}

fn bounds(node: &Node<'_>, field: ConfigField, named: &Named<'_>) -> Bounds {
    node.warn_unknown(&[
        "type",
        "options",
        "min",
        "max",
        "step",
        "label",
        "description",
    ]);
    control(
        node,
        &[
            "select",
            "multiselect",
            "slider",
            "text",
            "textarea",
            "number",
        ],
    );
    match field {
        ConfigField::Model => models(&node.get("options"), named),
        ConfigField::Tools => tool_names(&node.get("options"), named),
        _ => numbers(node),
    }
}

/// The presentation of a field on the page: the kind of control, and its texts.
fn control<'a>(node: &Node<'a>, kinds: &[&str]) -> Option<&'a str> {
    for key in ["label", "description"] {
        let read = |value: &'a Value| {
            let text = value.as_str()?;
            text::check(text, MAX_LABEL_BYTES).is_ok().then_some(text)
        };
        node.get(key)
            .optional(read, "plain text of at most 2 KiB, for people");
    }
    let known = |value: &'a Value| value.as_str().filter(|kind| kinds.contains(kind));
    let (last, first) = kinds.split_last()?;
    let expected = format!("{} or {last}", first.join(", "));
    node.get("type").optional(known, &expected)
}

/// The limits of a prompt.
fn texts(node: &Node<'_>) -> Bounds {
    let (options, max_length) = (node.get("options"), node.get("max_length"));
    if node.value().is_none_or(|value| !value.is_object()) {
        node.problem("an object with type, label, description, options or max_length");
        return Bounds::default();
    }
    node.warn_unknown(&["type", "options", "max_length", "label", "description"]);
    let kind = control(node, &["text", "textarea", "select"]);
    if kind == Some("select") && !options.is_present() {
        options.problem("a list of the texts that may be chosen");
    }
    let elements = options.optional_elements("a list of the texts that may be chosen");
    let text = |element: &Node<'_>| {
        let text = element.value().and_then(Value::as_str);
        let text = text.filter(|text| text::check(text, MAX_PROMPT_BYTES).is_ok());
        if text.is_none() {
            element.problem("plain text of at most 32 KiB");
        }
        text.map(Arc::from)
    };
    let length = |value: &Value| whole(value).filter(|length| *length > 0);
    Bounds {
        texts: options
            .is_present()
            .then(|| elements.iter().filter_map(text).collect()),
        max_length: max_length.optional(length, "a whole number of characters above 0"),
        ..Bounds::default()
    }
}

fn models(options: &Node<'_>, named: &Named<'_>) -> Bounds {
    let elements = options.optional_elements("a list");
    let model = |element: &Node<'_>| {
        let name = element
            .value()
            .and_then(Value::as_str)
            .and_then(named.model);
        if name.is_none() {
            element.problem("a key, an alias or an id of llm.catalog");
        }
        name
    };
    Bounds {
        models: options
            .is_present()
            .then(|| elements.iter().filter_map(model).collect()),
        ..Bounds::default()
    }
}

fn tool_names(options: &Node<'_>, named: &Named<'_>) -> Bounds {
    let elements = options.optional_elements("a list");
    let name = |element: &Node<'_>| tools::name(element, named.is_tool);
    Bounds {
        tools: options
            .is_present()
            .then(|| elements.iter().filter_map(name).collect()),
        ..Bounds::default()
    }
}

fn numbers(node: &Node<'_>) -> Bounds {
    let options = node.get("options");
    let elements = options.optional_elements("a list");
    let number = |element: &Node<'_>| {
        let number = element.value().and_then(Value::as_f64);
        if number.is_none() {
            element.problem("a number");
        }
        number
    };
    let limit = |key: &str| node.get(key).optional(Value::as_f64, "a number");
    let (min, max) = (limit("min"), limit("max"));
    if let (Some(min), Some(max)) = (min, max)
        && min > max
    {
        node.problem_with(
            format!("min {min} above max {max}"),
            "min at most as large as max",
        );
        return Bounds::default();
    }
    let size = node.get("step").optional(
        |value| value.as_f64().filter(|step| *step > 0.0),
        "a number above 0",
    );
    Bounds {
        min,
        max,
        steps: size
            .map(|size| Step {
                size,
                origin: min.unwrap_or(0.0),
            })
            .into_iter()
            .collect(),
        numbers: options
            .is_present()
            .then(|| elements.iter().filter_map(number).collect()),
        ..Bounds::default()
    }
}
