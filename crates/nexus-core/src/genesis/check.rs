//! From the stored template to the checked one, or to every mistake in it at once.

mod clients;
mod credential;
mod limits;
mod llm;
mod tools;
mod ui;

pub(super) use tools::knows as knows_tool;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use super::node::{Findings, Node, shared};
use super::problem::quoted;
use super::secret::HIDDEN;
use super::{
    Genesis, GenesisDoc, LogLevel, Problem, Problems, PromptBlock, System, index, join_prompts,
};
use crate::egress::Secrets;
use crate::overrides::{FieldValue, whole};
use crate::policy::{self, Bounds};
use crate::text::{self, MAX_PROMPT_BYTES};
use crate::{CommandName, ConfigField, Model, Overrides, PromptName, ToolName};

/// A usable template, and what is odd about it.
#[derive(Debug)]
pub struct Checked {
    /// The template.
    pub genesis: Genesis,
    /// What has no effect or contradicts itself, and is no mistake.
    pub warnings: Vec<Problem>,
}

/// Rounds of tools in one run, whatever a template says.
const MAX_TOOL_ITERATIONS: u32 = 20;

/// The top level of a document: what Nexus reads, and what the original also wrote there.
const SECTIONS: [&str; 9] = [
    "system",
    "security",
    "limits",
    "clients",
    "llm",
    "tools",
    "user_defaults",
    "ui",
    "database",
];

impl Genesis {
    /// Checks a stored template. A variable that `secrets` does not let it use is a mistake. One
    /// that is not set is none: the models of its provider are there and cannot be asked.
    ///
    /// # Errors
    /// Every mistake, each with its place, what was found and what is expected.
    pub fn check(doc: &GenesisDoc, secrets: &Secrets) -> Result<Checked, Problems> {
        let document = Value::Object(doc.as_map().clone());
        let findings = Findings::default();
        let root = Node::root(&document, &findings);
        root.warn_unknown(&SECTIONS);
        look_at_texts(&root, false);

        let system = system(&root.get("system"));
        let signature_required_commands =
            signature_required_commands(&root.get("security").get("signature_required_commands"));
        let rates = limits::limits(&root.get("limits"));
        let client_rules = clients::clients(&root.get("clients"));
        let llm = root.get("llm");
        let providers = llm::providers(&llm.get("providers"), secrets);
        let catalog = llm::catalog(&llm, &providers);
        let index = index(&catalog);
        let tool_servers = tools::servers(&root.get("tools"), secrets);
        let all_tools = tools::all(&root.get("tools"));
        let prompts = prompts(&root.get("user_defaults").get("prompts"));
        let is_tool = |name: &ToolName| tools::knows(&all_tools, name);
        let model_named = |name: &str| {
            let found = index
                .get(name)
                .map(|place| Arc::clone(&catalog[*place].name));
            // A row with mistakes of its own has been reported already.
            found.or_else(|| {
                llm.get("catalog")
                    .get(name)
                    .is_present()
                    .then(|| name.into())
            })
        };
        let named = ui::Named {
            prompts: &prompts,
            model: &model_named,
            is_tool: &is_tool,
        };
        let policies = ui::policies(&root, &named);

        let config = root.get("user_defaults").get("config");
        let limits = |field| {
            policies
                .config(field)
                .map(|policy| policy.bounds.clone())
                .unwrap_or_default()
        };
        let mut defaults = defaults(&config, limits);
        defaults.tools =
            tools::defaults(&config.get("tools"), is_tool, &limits(ConfigField::Tools));
        let default_model = default_model(
            &config.get("model"),
            &llm.get("catalog"),
            |name| index.get(name).map(|place| Arc::clone(&catalog[*place])),
            &limits(ConfigField::Model),
        );
        let field_options = ui::field_options(&root, &named);

        let problems = findings.problems.into_inner();
        let (Some(default_model), true) = (default_model, problems.is_empty()) else {
            return Err(Problems(problems));
        };
        let joined_prompts = join_prompts(prompts.iter().map(|block| &*block.content));
        let genesis = Self {
            version: 0,
            system,
            signature_required_commands,
            limits: rates,
            client_rules,
            index,
            catalog,
            providers,
            tool_servers,
            named_tools: tools::named(&all_tools),
            all_tools,
            default_model,
            defaults,
            prompts,
            joined_prompts,
            policies,
            field_options,
        };
        Ok(Checked {
            genesis,
            warnings: findings.warnings.into_inner(),
        })
    }
}

fn system(node: &Node<'_>) -> System {
    node.warn_unknown(&["log_level", "max_tool_iterations", "app_name"]);
    let rounds =
        |value: &Value| whole(value).filter(|rounds| (1..=MAX_TOOL_ITERATIONS).contains(rounds));
    let level = |value: &Value| match value.as_str()? {
        "DEBUG" => Some(LogLevel::Debug),
        "INFO" => Some(LogLevel::Info),
        "WARNING" => Some(LogLevel::Warning),
        "ERROR" => Some(LogLevel::Error),
        _ => None,
    };
    System {
        app_name: node
            .get("app_name")
            .optional(shared, "a text")
            .unwrap_or_else(|| "Nexus".into()),
        log_level: node
            .get("log_level")
            .optional(level, "DEBUG, INFO, WARNING or ERROR")
            .unwrap_or(LogLevel::Info),
        max_tool_iterations: node
            .get("max_tool_iterations")
            .optional(rounds, "a whole number from 1 to 20")
            .unwrap_or(5),
    }
}

/// A name that is not known yet may be one of a newer Nexus.
fn signature_required_commands(node: &Node<'_>) -> BTreeSet<CommandName> {
    let commands = node.optional_elements("a list of command names");
    let name = |command: &Node<'_>| {
        let text = command.text("the name of a command")?;
        let name = text.parse().ok();
        if name.is_none() {
            command.warn(
                quoted(text),
                "the name of a command: `nexus command help` lists them",
            );
        }
        name
    };
    commands.iter().filter_map(name).collect()
}

fn defaults(config: &Node<'_>, limits: impl Fn(ConfigField) -> Bounds) -> Overrides {
    if !config.value().is_some_and(Value::is_object) {
        config.problem("an object with the settings of people who changed none: model, temperature, max_tokens, history_context_size, tools");
    }
    config.warn_unknown(&ConfigField::ALL.map(ConfigField::as_str));
    let number = |field: ConfigField| {
        let node = config.get(field.as_str());
        let bounds = limits(field);
        let read = |value: &Value| {
            FieldValue::read(field, value).filter(|value| {
                value
                    .as_number()
                    .is_some_and(|number| bounds.admits_number(number))
            })
        };
        node.optional(read, &policy::describe(field, &bounds))
    };
    let count = |field| match number(field) {
        Some(FieldValue::Count(count)) => Some(count),
        _ => None,
    };
    Overrides {
        model: config.get("model").value().and_then(shared),
        temperature: number(ConfigField::Temperature).and_then(|value| value.as_number()),
        max_tokens: count(ConfigField::MaxTokens),
        history_context_size: count(ConfigField::HistoryContextSize),
        ..Overrides::default()
    }
}

fn default_model(
    node: &Node<'_>,
    rows: &Node<'_>,
    model: impl Fn(&str) -> Option<Arc<Model>>,
    bounds: &Bounds,
) -> Option<Arc<Model>> {
    let name =
        node.text("the name of a model of llm.catalog: the one for people who chose none")?;
    let Some(model) = model(name) else {
        if !rows.get(name).is_present() {
            node.problem("a key, an alias or an id of llm.catalog");
        }
        return None;
    };
    if !bounds.admits_model(&model.name) {
        node.problem("one of the options that ui.field_options gives for config.model");
    }
    Some(model)
}

fn prompts(node: &Node<'_>) -> Vec<PromptBlock> {
    let mut blocks: Vec<_> = node
        .optional_members("an object of prompts: persona, system, tools")
        .iter()
        .filter_map(prompt)
        .collect();
    blocks.sort_by(|a, b| (a.order, &a.name).cmp(&(b.order, &b.name)));
    blocks
}

/// One prompt: `{content, editable, order}`, or the bare text that the original also accepted.
fn prompt((key, node): &(&str, Node<'_>)) -> Option<PromptBlock> {
    let Ok(name) = key.parse::<PromptName>() else {
        node.problem_with(quoted(key), "a name of lower-case letters, digits, _ and -");
        return None;
    };
    let (content, order) = match node.value() {
        Some(Value::String(_)) => (node.clone(), 0),
        Some(Value::Object(_)) => {
            node.warn_unknown(&["content", "editable", "order"]);
            node.get("editable")
                .optional(Value::as_bool, "true or false");
            (
                node.get("content"),
                node.get("order")
                    .optional(Value::as_i64, "a whole number")
                    .unwrap_or(0),
            )
        }
        _ => {
            node.problem("an object with content, editable and order");
            return None;
        }
    };
    let Some(text) = content.value().and_then(Value::as_str) else {
        content.problem("a text");
        return None;
    };
    if let Err(reason) = text::check(text, MAX_PROMPT_BYTES) {
        content.problem_with(reason.to_string(), "plain text of at most 32 KiB");
    }
    Some(PromptBlock {
        name,
        content: text.into(),
        order,
    })
}

/// `${VAR}` means something in two places only. Elsewhere it is text, and most likely a mistake.
/// What stands for a secret in a document that was shown is no secret.
fn look_at_texts(node: &Node<'_>, may_name_a_variable: bool) {
    match node.value() {
        Some(Value::String(text)) if text == HIDDEN => {
            node.problem_with(
                "the words that stand for a key that is not shown",
                "${VARIABLE}, the environment variable that holds the key",
            );
        }
        Some(Value::String(text)) if text.contains("${") && !may_name_a_variable => {
            node.warn(
                quoted(text),
                "plain text: ${VAR} is resolved only in llm.providers.*.api_key and base_url, and in tools.mcp.*.api_key",
            );
        }
        Some(Value::Object(map)) => {
            for (key, child) in map.keys().map(|key| (key, node.get(key))) {
                let is_read = match key.as_str() {
                    "api_key" => child.is_in_provider() || child.is_in_tool_server(),
                    "base_url" => child.is_in_provider(),
                    _ => false,
                };
                look_at_texts(&child, is_read);
            }
        }
        Some(Value::Array(_)) => node
            .optional_elements("")
            .iter()
            .for_each(|element| look_at_texts(element, false)),
        _ => {}
    }
}
