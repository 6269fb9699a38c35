//! What a run leaves in the log: one line at INFO, made of facts and never of content; and at DEBUG how
//! its profile came about. The emitter fills it in and writes it.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use nexus_core::event::{RunEvent, RunFinished, Usage};
use nexus_core::profile::{EffectiveProfile, Layer};
use tokio::time::Instant;
use tracing::Level;

use crate::context::RunContext;

/// The facts of one run, as far as they are known.
#[derive(Debug)]
pub(crate) struct Record {
    begun: Instant,
    first_word: Option<Duration>,
    asked: Option<Arc<str>>,
    template_version: Option<u64>,
    overrides: String,
    notices: Vec<Cow<'static, str>>,
    cost_micros: u64,
    error: Option<&'static str>,
}

impl Record {
    /// Of a run that begins now.
    pub(crate) fn new() -> Self {
        Self {
            begun: Instant::now(),
            first_word: None,
            asked: None,
            template_version: None,
            overrides: String::new(),
            notices: Vec::new(),
            cost_micros: 0,
            error: None,
        }
    }

    /// Notes what is asked, and what was in force.
    pub(crate) fn asks(&mut self, run: &RunContext) {
        let profile = &run.profile;
        self.asked = Some(Arc::clone(&profile.model.value.name));
        self.template_version = Some(profile.template_version);
        if tracing::enabled!(Level::INFO) {
            self.overrides = overrides(profile);
            let notices = profile.notices.iter();
            self.notices
                .extend(notices.map(|notice| notice.code().into()));
        }
        if tracing::enabled!(Level::DEBUG) {
            tell_merge(run);
        }
    }

    /// Notes when the first piece of the answer came, and what the client is told beside.
    pub(crate) fn saw(&mut self, event: &RunEvent) {
        match event {
            RunEvent::TextChunk { .. } | RunEvent::Verbatim(_) if self.first_word.is_none() => {
                self.first_word = Some(self.begun.elapsed());
            }
            RunEvent::Notice(notice) => self.notices.push(notice.code.clone()),
            RunEvent::Fallback(fallback) => self.notices.push(fallback.notice.code.clone()),
            _ => {}
        }
    }

    /// Notes what the run cost.
    pub(crate) const fn cost(&mut self, micros: u64) {
        self.cost_micros = micros;
    }

    /// Notes why there is no answer, or not all of it.
    pub(crate) const fn failed(&mut self, code: &'static str) {
        self.error = Some(code);
    }

    /// Writes the line. The span around it names run and owner.
    pub(crate) fn write(&self, finished: &RunFinished) {
        let served = finished.model.as_ref();
        let Usage {
            input_tokens,
            output_tokens,
            ..
        } = finished.usage.unwrap_or_default();
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        tracing::info!(
            status = finished.status.as_str(),
            error = self.error,
            asked = self.asked.as_deref(),
            served = served.map(|it| &*it.name),
            provider = served.map(|it| &*it.provider),
            finish_reason = finished.finish_reason.as_deref(),
            template = self.template_version,
            overrides = self.overrides,
            notices = self.notices.join(" "),
            input_tokens,
            output_tokens,
            estimated = finished.usage_estimated,
            cost_micros = self.cost_micros,
            first_word_ms = self.first_word.map(millis),
            total_ms = millis(self.begun.elapsed()),
            "run finished"
        );
    }
}

/// The settings, by name.
fn settings(profile: &EffectiveProfile) -> [(&'static str, Layer); 5] {
    [
        ("config.model", profile.model.layer),
        ("config.temperature", profile.temperature.layer),
        ("config.max_tokens", profile.max_tokens.layer),
        (
            "config.history_context_size",
            profile.history_context_size.layer,
        ),
        ("config.tools", profile.tools.layer),
    ]
}

/// Which fields differ from the template, and by which layer: `config.model=identity`.
fn overrides(profile: &EffectiveProfile) -> String {
    let mut line = String::new();
    let mut tell = |name: std::fmt::Arguments<'_>, layer: Layer| {
        if layer > Layer::Genesis {
            let space = if line.is_empty() { "" } else { " " };
            // Writing to a text does not fail.
            _ = write!(line, "{space}{name}={}", layer.as_str());
        }
    };
    for (name, layer) in settings(profile) {
        tell(format_args!("{name}"), layer);
    }
    for prompt in &profile.prompts {
        tell(format_args!("prompts.{}", prompt.name), prompt.text.layer);
    }
    line
}

/// How the profile came about. Of prompts their names and sizes.
fn tell_merge(run: &RunContext) {
    let profile = &run.profile;
    let stored = run.identity.overrides.iter();
    let stored: Vec<_> = stored.map(|(field, _)| field.to_string()).collect();
    tracing::debug!(
        stored = stored.join(" "),
        model = %profile.model.value.name,
        provider = %profile.model.value.provider.name,
        temperature = ?profile.temperature.value,
        max_tokens = ?profile.max_tokens.value,
        history = profile.history_context_size.value,
        tools = ?profile.tools.value,
        layers = settings(profile)
            .map(|(name, layer)| format!("{name}={}", layer.as_str()))
            .join(" "),
        "effective profile"
    );
    for prompt in &profile.prompts {
        tracing::debug!(
            block = %prompt.name,
            bytes = prompt.text.value.len(),
            layer = prompt.text.layer.as_str(),
            "prompt block"
        );
    }
    tracing::debug!(
        bytes = profile.system_prompt.len(),
        asks_with_history = run.history_size(),
        "system prompt"
    );
    for notice in &profile.notices {
        let text = notice.to_text();
        tracing::debug!(code = &*text.code, field = text.field, "notice");
    }
}
