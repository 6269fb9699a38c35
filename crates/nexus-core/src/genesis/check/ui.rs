//! `ui.editable_fields` and `ui.field_options`: the first locks and bounds.

use std::collections::HashSet;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::tools;
use crate::genesis::PromptBlock;
use crate::genesis::node::Node;
use crate::policy::{Bounds, Lock, Policies, Policy, Step, ceiling};
use crate::{ConfigField, Field, ToolName};

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
        match path.parse::<Field>() {
            Ok(Field::Config(field)) => {
                let bounds = bounds(&options, field, named);
                policies.restrict(&field.into(), &Policy { lock: None, bounds });
            }
            Ok(Field::Prompt(_)) => {}
            Err(_) => options.warn(
                "options of a field that Nexus does not know",
                "config.* or prompts.*; they are kept and have no effect",
            ),
        }
    }
    policies
}

/// `ui.field_options` as it is, for a page that builds a form.
pub(super) fn field_options(root: &Node<'_>) -> Map<String, Value> {
    let options = root.get("ui").get("field_options");
    let options = options.value().and_then(Value::as_object);
    options.cloned().unwrap_or_default()
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
    let known = |kind: &str| {
        matches!(
            kind,
            "select" | "multiselect" | "slider" | "text" | "textarea" | "number"
        )
    };
    node.get("type").optional(
        |value| value.as_str().filter(|kind| known(kind)),
        "select, multiselect, slider, text, textarea or number",
    );
    match field {
        ConfigField::Model => models(&node.get("options"), named),
        ConfigField::Tools => tool_names(&node.get("options"), named),
        _ => numbers(node),
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
        models: None,
        tools: None,
    }
}
