//! A provider that begins an answer and then waits for as long as the test likes.

use std::io;

use nexus_test_support::provider::{Act, Provider, Request, chunk, models, piece, stream_head};

/// A server that speaks just enough of the protocol.
pub(crate) struct SlowProvider {
    pub(crate) base_url: String,
}

impl SlowProvider {
    pub(crate) fn start() -> Self {
        let Provider { base_url, .. } = Provider::start(reply);
        Self { base_url }
    }

    /// A template with this provider and one model, which is the default.
    pub(crate) fn template(&self) -> String {
        template(
            &self.base_url,
            "slow: { provider: local, id: slow-1 }",
            "slow",
        )
    }
}

/// A template whose provider `local` is at `base_url`.
pub(crate) fn template(base_url: &str, catalog: &str, default: &str) -> String {
    format!(
        "system: {{ log_level: INFO, max_tool_iterations: 5, app_name: Test }}\n\
         llm:\n  providers:\n    local: {{ base_url: \"{base_url}\" }}\n  catalog:\n    \
         {catalog}\n\
         user_defaults:\n  config: {{ model: {default}, max_tokens: 48 }}\n  prompts:\n    \
         persona: {{ content: You are kind., editable: true, order: 1 }}\n\
         ui:\n  editable_fields: [config.model, config.temperature, prompts.persona]\n"
    )
}

/// A list of models, or an answer that never ends by itself.
fn reply(request: Request) -> io::Result<()> {
    if request.line.starts_with("GET") {
        return request.json(200, &models(&["slow-1"]));
    }
    let begun = chunk(piece("one moment ").as_bytes());
    let acts = vec![stream_head(), begun, Act::Hold];
    request.perform(acts).map(|_| ())
}
