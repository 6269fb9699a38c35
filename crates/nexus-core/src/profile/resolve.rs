//! The merge itself. Policy is collected weak to strong; then values are tried strong to weak, and
//! the first admissible one wins.

use std::sync::Arc;

use super::{EffectiveProfile, Layer, LayerValues, Notice, Resolved, ResolvedPrompt};
use crate::genesis::{PromptBlock, join_prompts};
use crate::policy::{Policy, describe_text};
use crate::tools::both;
use crate::{ConfigField, Field, Genesis, Model, Overrides, PromptName, ToolName};

/// How many earlier messages a model is shown when no layer says so.
const DEFAULT_HISTORY: u32 = 20;

pub(super) fn resolve(genesis: &Genesis, layers: &[LayerValues<'_>]) -> EffectiveProfile {
    debug_assert!(
        layers.is_sorted_by_key(|values| values.layer),
        "layers are ordered weak to strong"
    );
    let mut merge = Merge {
        genesis,
        layers,
        notices: Vec::new(),
    };
    merge.note_unusable();
    let model = merge.model();
    let params = model.value.default_params;
    let temperature = merge.number(
        ConfigField::Temperature,
        [
            (Layer::Catalog, params.temperature),
            (Layer::Genesis, genesis.defaults().temperature),
        ],
        |values| values.temperature,
    );
    let max_tokens = merge.number(
        ConfigField::MaxTokens,
        [
            (Layer::Catalog, params.max_tokens.map(f64::from)),
            (Layer::Genesis, genesis.defaults().max_tokens.map(f64::from)),
        ],
        |values| values.max_tokens.map(f64::from),
    );
    let history = merge.number(
        ConfigField::HistoryContextSize,
        [
            (Layer::Builtin, Some(f64::from(DEFAULT_HISTORY))),
            (
                Layer::Genesis,
                genesis.defaults().history_context_size.map(f64::from),
            ),
        ],
        |values| values.history_context_size.map(f64::from),
    );
    let tools = merge.tools();
    merge.note_unknown_prompts();
    let prompts: Vec<_> = genesis
        .prompts()
        .iter()
        .map(|block| merge.prompt(block))
        .collect();
    EffectiveProfile {
        model,
        temperature,
        max_tokens: max_tokens.map(|number| number.map(count)),
        history_context_size: history.map(|number| number.map_or(0, count)),
        tools,
        system_prompt: system_prompt(genesis, &prompts),
        prompts,
        notices: merge.notices,
        template_version: genesis.version(),
    }
}

struct Merge<'a> {
    genesis: &'a Genesis,
    layers: &'a [LayerValues<'a>],
    notices: Vec<Notice>,
}

impl Merge<'_> {
    /// The lock and limits of a setting, from all layers.
    fn policy(&self, field: ConfigField) -> Arc<Policy> {
        let of_layers = self
            .layers
            .iter()
            .filter_map(|values| values.policies?.config(field));
        of_layers.fold(Arc::clone(self.genesis.policy(field)), |all, policy| {
            Arc::new(all.restricted_by(policy))
        })
    }

    fn prompt_policy(&self, name: &PromptName) -> Arc<Policy> {
        let of_template = self
            .genesis
            .policies()
            .prompt(name)
            .cloned()
            .unwrap_or_default();
        let of_layers = self
            .layers
            .iter()
            .filter_map(|values| values.policies?.prompt(name));
        of_layers.fold(of_template, |all, policy| {
            Arc::new(all.restricted_by(policy))
        })
    }

    fn model(&mut self) -> Resolved<Arc<Model>> {
        let policy = self.policy(ConfigField::Model);
        let default = self.genesis.default_model();
        let mut ignored = Vec::new();
        let mut winner: Option<Resolved<Arc<Model>>> = None;
        for (layer, asked) in self
            .layers
            .iter()
            .rev()
            .filter_map(|values| Some((values.layer, values.values.model.as_ref()?)))
        {
            let model = self.genesis.model(asked);
            if let (Some(winner), Some(model)) = (&mut winner, model) {
                winner.shadowed.push((layer, Arc::clone(model)));
                continue;
            }
            match model {
                _ if winner.is_some() => {}
                _ if layer.is_personal() && policy.lock.is_some() => {
                    self.note_locked(layer, ConfigField::Model.into(), &policy);
                }
                None => ignored.push((layer, asked, false)),
                Some(model) if !policy.bounds.admits_model(&model.name) => {
                    ignored.push((layer, asked, true));
                }
                Some(model) => winner = Some(Resolved::new(Arc::clone(model), layer, &policy)),
            }
        }
        let resolved = match winner {
            Some(mut winner) => {
                winner.shadowed.push((Layer::Genesis, Arc::clone(default)));
                winner
            }
            None => Resolved::new(Arc::clone(self.fallback(&policy)), Layer::Genesis, &policy),
        };
        for (layer, asked, exists) in ignored {
            let (asked, used) = (Arc::clone(asked), Arc::clone(&resolved.value.name));
            self.notices.push(if exists {
                Notice::ModelNotAllowed { layer, asked, used }
            } else {
                Notice::UnknownModel { layer, asked, used }
            });
        }
        resolved
    }

    /// The template's model, or, where a group's limits exclude it, the first one that they allow.
    fn fallback(&mut self, policy: &Policy) -> &'_ Arc<Model> {
        let default = self.genesis.default_model();
        if policy.bounds.admits_model(&default.name) {
            return default;
        }
        let used = self
            .genesis
            .catalog()
            .iter()
            .find(|model| policy.bounds.admits_model(&model.name))
            .unwrap_or(default);
        let (asked, used_name) = (Arc::clone(&default.name), Arc::clone(&used.name));
        self.notices.push(Notice::ModelNotAllowed {
            layer: Layer::Genesis,
            asked,
            used: used_name,
        });
        used
    }

    fn number(
        &mut self,
        field: ConfigField,
        base: [(Layer, Option<f64>); 2],
        read: fn(&Overrides) -> Option<f64>,
    ) -> Resolved<Option<f64>> {
        let policy = self.policy(field);
        let above = self
            .layers
            .iter()
            .rev()
            .map(|values| (values.layer, read(values.values)));
        let mut winner: Option<Resolved<Option<f64>>> = None;
        for (layer, number) in above.chain(base.into_iter().rev()) {
            let Some(number) = number else { continue };
            if let Some(winner) = &mut winner {
                winner.shadowed.push((layer, Some(number)));
            } else if layer.is_personal() && policy.lock.is_some() {
                self.note_locked(layer, field.into(), &policy);
            } else if policy.bounds.admits_number(number) {
                winner = Some(Resolved::new(Some(number), layer, &policy));
            } else if let Some(nearest) = policy.bounds.nearest(number) {
                self.notices.push(Notice::Clamped {
                    layer,
                    field,
                    from: number,
                    to: nearest,
                });
                winner = Some(Resolved::new(Some(nearest), layer, &policy));
            } else {
                self.notices.push(Notice::NoneAdmissible {
                    layer,
                    field,
                    from: number,
                });
            }
        }
        winner.unwrap_or_else(|| Resolved::new(None, Layer::Builtin, &policy))
    }

    /// The strongest list, without the names that lead nowhere or are not allowed.
    fn tools(&mut self) -> Resolved<Arc<[ToolName]>> {
        let policy = self.policy(ConfigField::Tools);
        let of_layers = self
            .layers
            .iter()
            .rev()
            .filter_map(|values| Some((values.layer, values.values.tools.as_ref()?)));
        let of_template = self.genesis.defaults().tools.as_ref();
        let of_template = of_template.map(|tools| (Layer::Genesis, tools));
        let named = (Layer::Builtin, self.genesis.named_tools());
        let mut winner: Option<Resolved<Arc<[ToolName]>>> = None;
        for (layer, asked) in of_layers.chain(of_template).chain([named]) {
            if let Some(winner) = &mut winner {
                winner.shadowed.push((layer, Arc::clone(asked)));
            } else if layer.is_personal() && policy.lock.is_some() {
                self.notices
                    .extend(locked(layer, ConfigField::Tools.into(), &policy));
            } else {
                let (usable, notices) = usable(self.genesis, &policy, layer, asked);
                self.notices.extend(notices);
                winner = Some(Resolved::new(usable, layer, &policy));
            }
        }
        winner.unwrap_or_else(|| Resolved::new(Arc::default(), Layer::Builtin, &policy))
    }

    fn prompt(&mut self, block: &PromptBlock) -> ResolvedPrompt {
        let policy = self.prompt_policy(&block.name);
        let mut winner: Option<Resolved<Arc<str>>> = None;
        for values in self.layers.iter().rev() {
            let Some(text) = values.values.prompts.get(&block.name) else {
                continue;
            };
            if let Some(winner) = &mut winner {
                winner.shadowed.push((values.layer, Arc::clone(text)));
            } else if values.layer.is_personal() && policy.lock.is_some() {
                self.note_locked(values.layer, block.name.clone().into(), &policy);
            } else if policy.bounds.admits_text(text) {
                winner = Some(Resolved::new(Arc::clone(text), values.layer, &policy));
            } else {
                self.notices.push(Notice::TextOutOfBounds {
                    layer: values.layer,
                    field: block.name.clone().into(),
                    expected: describe_text(&policy.bounds),
                });
            }
        }
        let text = match winner {
            Some(mut winner) => {
                winner
                    .shadowed
                    .push((Layer::Genesis, Arc::clone(&block.content)));
                winner
            }
            None => Resolved::new(Arc::clone(&block.content), Layer::Genesis, &policy),
        };
        ResolvedPrompt {
            name: block.name.clone(),
            text,
        }
    }

    fn note_locked(&mut self, layer: Layer, field: Field, policy: &Policy) {
        self.notices.extend(locked(layer, field, policy));
    }

    fn note_unusable(&mut self) {
        for values in self.layers {
            let unusable = values.values.unusable.iter();
            self.notices
                .extend(unusable.map(|(field, expected)| Notice::Unusable {
                    layer: values.layer,
                    field: field.clone(),
                    expected,
                }));
            let unknown = values.values.unknown.iter();
            self.notices.extend(unknown.map(|key| Notice::UnknownKey {
                layer: values.layer,
                key: key.to_string().into(),
            }));
        }
    }

    fn note_unknown_prompts(&mut self) {
        for values in self.layers {
            for name in values.values.prompts.keys() {
                let field = Field::Prompt(name.clone());
                if let Some(lock @ crate::policy::Lock::NoSuchPrompt) = self.genesis.lock(&field) {
                    self.notices.push(Notice::Locked {
                        layer: values.layer,
                        field,
                        lock,
                    });
                }
            }
        }
    }
}

fn locked(layer: Layer, field: Field, policy: &Policy) -> Option<Notice> {
    let lock = policy.lock?;
    Some(Notice::Locked { layer, field, lock })
}

/// What is left of a list of tools, and why not everything is. What nobody asked for is left out
/// without a word.
fn usable(
    genesis: &Genesis,
    policy: &Policy,
    layer: Layer,
    asked: &Arc<[ToolName]>,
) -> (Arc<[ToolName]>, Vec<Notice>) {
    let is_allowed = |name: &ToolName| policy.bounds.admits_tool(name);
    if asked
        .iter()
        .all(|name| genesis.knows_tool(name) && is_allowed(name))
    {
        return (Arc::clone(asked), Vec::new());
    }
    let refused = |name: &ToolName| {
        let asked = name.clone();
        match (genesis.knows_tool(name), is_allowed(name)) {
            (true, true) => None,
            (true, false) => Some(Notice::ToolNotAllowed { layer, asked }),
            (false, _) => Some(Notice::UnknownTool { layer, asked }),
        }
    };
    let notices = match layer {
        Layer::Builtin => Vec::new(),
        _ => asked.iter().filter_map(refused).collect(),
    };
    let known: Vec<_> = asked
        .iter()
        .filter(|name| genesis.knows_tool(name))
        .cloned()
        .collect();
    let kept = match &policy.bounds.tools {
        Some(allowed) => both(&known, allowed),
        None => known,
    };
    (kept.into(), notices)
}

/// The template's own joined prompt where nothing differs from it, else a new one.
fn system_prompt(genesis: &Genesis, prompts: &[ResolvedPrompt]) -> Arc<str> {
    if prompts
        .iter()
        .all(|prompt| prompt.text.layer == Layer::Genesis)
    {
        return Arc::clone(genesis.joined_prompts());
    }
    join_prompts(prompts.iter().map(|prompt| &*prompt.text.value))
}

/// A number that its limits have made a whole number of 32 bits.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and limits keep it in range"
)]
pub(super) fn count(number: f64) -> u32 {
    number.round() as u32
}

impl<T> Resolved<T> {
    fn new(value: T, layer: Layer, policy: &Arc<Policy>) -> Self {
        Self {
            value,
            layer,
            shadowed: Vec::new(),
            policy: Arc::clone(policy),
        }
    }

    fn map<U>(self, change: impl Fn(T) -> U) -> Resolved<U> {
        let shadowed = self
            .shadowed
            .into_iter()
            .map(|(layer, value)| (layer, change(value)))
            .collect();
        Resolved {
            value: change(self.value),
            layer: self.layer,
            shadowed,
            policy: self.policy,
        }
    }
}
