//! The Genesis template, checked: what every run reads. Reading it cannot fail.

mod check;
mod doc;
mod node;
mod problem;
mod repair;
pub(crate) mod secret;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::clients::ClientRules;
use crate::overrides::FieldValue;
use crate::policy::{self, Lock, Policies, Policy, Refusal};
use crate::text::{self, MAX_PROMPT_BYTES};
use crate::tools::ToolServer;
use crate::{
    CommandName, ConfigField, Field, Limits, Model, Overrides, PromptName, Provider, ToolName,
};

pub use check::Checked;
pub use doc::{Environment, GenesisDoc, NotADocument};
pub use problem::{Problem, Problems};
pub use repair::ClearKey;
pub use secret::HIDDEN;

pub(crate) use node::escape;
pub(crate) use problem::quoted;

/// What stands between two prompt blocks.
pub const PROMPT_SEPARATOR: &str = "\n\n---\n\n";

/// The checked template of one environment. Made only by [`Genesis::check`], so that every
/// reference in it holds: each model has its provider, the default model exists, names are unique.
#[derive(Debug)]
pub struct Genesis {
    version: u64,
    system: System,
    signature_required_commands: BTreeSet<CommandName>,
    limits: Limits,
    client_rules: ClientRules,
    catalog: Vec<Arc<Model>>,
    /// Catalog key, alias and provider id to the place in `catalog`; keys win over aliases over ids.
    index: HashMap<Arc<str>, usize>,
    providers: Vec<Arc<Provider>>,
    tool_servers: Vec<Arc<ToolServer>>,
    all_tools: Arc<[ToolName]>,
    named_tools: Arc<[ToolName]>,
    default_model: Arc<Model>,
    defaults: Overrides,
    prompts: Vec<PromptBlock>,
    joined_prompts: Arc<str>,
    policies: Policies,
    field_options: Map<String, Value>,
}

/// `system` of the template.
#[derive(Clone, Debug)]
pub struct System {
    /// What the page and the terminal call this installation.
    pub app_name: Arc<str>,
    /// How much is logged.
    pub log_level: LogLevel,
    /// How many rounds of tools a run may take.
    pub max_tool_iterations: u32,
}

/// `system.log_level`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogLevel {
    Debug,
    Info,
    Warning,
    Error,
}

/// A default block of the system prompt.
#[derive(Clone, Debug)]
pub struct PromptBlock {
    /// Its name.
    pub name: PromptName,
    /// Its text, exactly as the template has it.
    pub content: Arc<str>,
    /// Its place: lower comes first, equal goes by name.
    pub order: i64,
}

impl Genesis {
    /// The same template under the version that a store gave it.
    #[must_use]
    pub fn with_version(mut self, version: u64) -> Self {
        self.version = version;
        self
    }

    /// The version in the store. 0: it does not come from a store.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// `system`.
    #[must_use]
    pub const fn system(&self) -> &System {
        &self.system
    }

    /// Whether a person must sign this command anew each time. The template can add to the
    /// built-in list and never shorten it.
    #[must_use]
    pub fn needs_signature(&self, command: CommandName) -> bool {
        command.spec().is_sovereign || self.signature_required_commands.contains(&command)
    }

    /// `limits`.
    #[must_use]
    pub const fn limits(&self) -> &Limits {
        &self.limits
    }

    /// `clients`.
    #[must_use]
    pub const fn client_rules(&self) -> &ClientRules {
        &self.client_rules
    }

    /// All models, in the order of the template.
    #[must_use]
    pub fn catalog(&self) -> &[Arc<Model>] {
        &self.catalog
    }

    /// All providers, in the order of the template.
    #[must_use]
    pub fn providers(&self) -> &[Arc<Provider>] {
        &self.providers
    }

    /// The servers that have tools, in the order of the template.
    #[must_use]
    pub fn tool_servers(&self) -> &[Arc<ToolServer>] {
        &self.tool_servers
    }

    /// Everything that `config.tools` can turn on: what is built in, then each server.
    #[must_use]
    pub const fn all_tools(&self) -> &Arc<[ToolName]> {
        &self.all_tools
    }

    /// What is on when nobody says anything: each server that the template names. What is built in
    /// is off then, as there are models that refuse every request with tools.
    #[must_use]
    pub const fn named_tools(&self) -> &Arc<[ToolName]> {
        &self.named_tools
    }

    /// Whether a name leads to something built in or to a server. Which tools a server has is known
    /// only when it is asked.
    #[must_use]
    pub fn knows_tool(&self, name: &ToolName) -> bool {
        check::knows_tool(&self.all_tools, name)
    }

    /// The model that goes by `name`: a catalog key, else an alias, else a provider's id.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&Arc<Model>> {
        self.index.get(name).map(|place| &self.catalog[*place])
    }

    /// The model of people who chose none.
    #[must_use]
    pub const fn default_model(&self) -> &Arc<Model> {
        &self.default_model
    }

    /// `user_defaults.config`, as the values of the Genesis layer.
    #[must_use]
    pub const fn defaults(&self) -> &Overrides {
        &self.defaults
    }

    /// The default prompts, in the order in which they are joined.
    #[must_use]
    pub fn prompts(&self) -> &[PromptBlock] {
        &self.prompts
    }

    /// The system prompt of a person without prompt overrides, joined once.
    #[must_use]
    pub const fn joined_prompts(&self) -> &Arc<str> {
        &self.joined_prompts
    }

    /// The locks and bounds of the template.
    #[must_use]
    pub const fn policies(&self) -> &Policies {
        &self.policies
    }

    /// `ui.field_options`, checked, for a page that builds a form from it: by the full path of each
    /// field, and models by their catalog key.
    #[must_use]
    pub const fn field_options(&self) -> &Map<String, Value> {
        &self.field_options
    }

    /// Every field that exists: the settings, then the template's prompts.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        let settings = ConfigField::ALL.into_iter().map(Field::Config);
        settings.chain(
            self.prompts
                .iter()
                .map(|block| Field::Prompt(block.name.clone())),
        )
    }

    /// Why people may not change `field`, if they may not.
    #[must_use]
    pub fn lock(&self, field: &Field) -> Option<Lock> {
        match field {
            Field::Config(field) => self.policy(*field).lock,
            Field::Prompt(name) => self
                .policies
                .prompt(name)
                .map_or(Some(Lock::NoSuchPrompt), |policy| policy.lock),
        }
    }

    /// The lock and the limits of a setting, built-in ceilings included.
    #[must_use]
    pub fn policy(&self, field: ConfigField) -> &Arc<Policy> {
        self.policies
            .config(field)
            .unwrap_or_else(|| unreachable!("check gives every setting a policy"))
    }

    /// Decides whether a person may set `field` to `value`.
    ///
    /// # Errors
    /// When the value could never take effect, with the reason.
    pub fn admit(&self, field: &Field, value: &Value) -> Result<(), Refusal> {
        if let Some(lock) = self.lock(field) {
            return Err(Refusal::Locked {
                field: field.clone(),
                lock,
            });
        }
        match field {
            Field::Prompt(name) => self.admit_text(name, value),
            Field::Config(config) => {
                let wrong_type = || Refusal::WrongType {
                    field: field.clone(),
                    expected: policy::expected_type(*config),
                    found: problem::short(value),
                };
                match FieldValue::read(*config, value).ok_or_else(wrong_type)? {
                    FieldValue::Text(name) => self.choose_model(&name).map(drop),
                    FieldValue::Names(names) => {
                        names.iter().try_for_each(|name| self.admit_tool(name))
                    }
                    number => self.admit_number(*config, number.as_number().unwrap_or(f64::NAN)),
                }
            }
        }
    }

    /// The models that people may choose, by catalog key.
    #[must_use]
    pub fn choosable_models(&self) -> Vec<String> {
        let bounds = &self.policy(ConfigField::Model).bounds;
        self.catalog
            .iter()
            .map(|model| model.name.to_string())
            .filter(|name| bounds.admits_model(name))
            .collect()
    }

    /// The model that a person chooses by a catalog key, an alias or a provider's id.
    ///
    /// # Errors
    /// When there is none, or it may not be chosen.
    pub fn choose_model(&self, name: &str) -> Result<&Arc<Model>, Refusal> {
        let found = || name.chars().take(80).collect();
        let Some(model) = self.model(name) else {
            return Err(Refusal::UnknownModel {
                found: found(),
                known: self.choosable_models(),
            });
        };
        if self
            .policy(ConfigField::Model)
            .bounds
            .admits_model(&model.name)
        {
            Ok(model)
        } else {
            Err(Refusal::ModelNotAllowed {
                found: found(),
                allowed: self.choosable_models(),
            })
        }
    }

    /// What people may turn on.
    #[must_use]
    pub fn choosable_tools(&self) -> Vec<String> {
        let allowed = match &self.policy(ConfigField::Tools).bounds.tools {
            Some(allowed) => allowed,
            None => &*self.all_tools,
        };
        allowed.iter().map(ToString::to_string).collect()
    }

    fn admit_tool(&self, name: &ToolName) -> Result<(), Refusal> {
        let found = || name.as_str().chars().take(80).collect();
        if !self.knows_tool(name) {
            return Err(Refusal::UnknownTool {
                found: found(),
                known: self.choosable_tools(),
            });
        }
        if self.policy(ConfigField::Tools).bounds.admits_tool(name) {
            return Ok(());
        }
        Err(Refusal::ToolNotAllowed {
            found: found(),
            allowed: self.choosable_tools(),
        })
    }

    fn admit_text(&self, name: &PromptName, value: &Value) -> Result<(), Refusal> {
        let field = || Field::Prompt(name.clone());
        let Some(content) = value.as_str() else {
            return Err(Refusal::WrongType {
                field: field(),
                expected: "a text",
                found: problem::short(value),
            });
        };
        text::check(content, MAX_PROMPT_BYTES).map_err(|reason| Refusal::Text {
            field: field(),
            reason,
        })?;
        match self.policies.prompt(name) {
            Some(policy) if !policy.bounds.admits_text(content) => Err(Refusal::TextOutOfBounds {
                field: field(),
                expected: policy::describe_text(&policy.bounds),
                found: content.chars().count(),
            }),
            _ => Ok(()),
        }
    }

    fn admit_number(&self, field: ConfigField, number: f64) -> Result<(), Refusal> {
        let bounds = &self.policy(field).bounds;
        if bounds.admits_number(number) {
            return Ok(());
        }
        Err(Refusal::OutOfBounds {
            field: field.into(),
            expected: policy::describe(field, bounds),
            found: number,
        })
    }
}

/// Joins prompt texts in their order. Blocks that are empty, or only white space, leave no trace.
pub(crate) fn join_prompts<'a>(texts: impl Iterator<Item = &'a str>) -> Arc<str> {
    let parts: Vec<_> = texts
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .collect();
    parts.join(PROMPT_SEPARATOR).into()
}

/// Which names lead to which catalog row. Keys win over aliases, aliases over ids, and among ids
/// the first row wins: two rows may ask for the same id with other defaults.
fn index(catalog: &[Arc<Model>]) -> HashMap<Arc<str>, usize> {
    let mut index = HashMap::new();
    let rows = || catalog.iter().enumerate();
    let names = rows().map(|(place, model)| (&model.name, place));
    let aliases =
        rows().flat_map(|(place, model)| model.aliases.iter().map(move |alias| (alias, place)));
    let ids = rows().map(|(place, model)| (&model.id, place));
    for (name, place) in names.chain(aliases).chain(ids) {
        index.entry(Arc::clone(name)).or_insert(place);
    }
    index
}
