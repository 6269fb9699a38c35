//! One real turn with a model of each provider, which costs money and so is asked for with `--ask`.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use nexus_core::{Genesis, Model};
use nexus_llm::{ChatMessage, ChatRequest, Delta, LanguageModel as _, LlmError};
use tokio::time::{Instant, timeout};

use crate::probe::{Probed, Status};
use crate::wire::Client;

use super::report::Report;

/// How long one answer is waited for.
const PATIENCE: Duration = Duration::from_mins(1);
/// How long it may be, in tokens: a model that thinks first needs some for that.
const LENGTH: u32 = 64;

pub(super) async fn look(
    client: &Client,
    genesis: &Genesis,
    probed: &Probed,
    report: &mut Report<'_>,
) {
    let models = genesis.providers().iter().filter_map(|provider| {
        let mut rows = genesis.catalog().iter();
        rows.find(|model| {
            model.provider.name == provider.name && matches!(probed.model(model), Status::Ready(_))
        })
    });
    let models: Vec<_> = models.collect();
    let names: Vec<_> = models.iter().map(|model| &*model.name).collect();
    report.progress(&format!("a few words from {} …", names.join(", ")));
    let answers = join_all(models.iter().map(|model| ask(client, model))).await;
    report.progress_is_over();
    for (model, answer) in models.iter().zip(answers) {
        let (name, provider) = (&model.name, &model.provider.name);
        match answer {
            Ok(took) => report.ok(format!(
                "{name} of {provider} answered a question in {} ms",
                took.as_millis()
            )),
            Err(reason) => report.fail(
                format!("{name} of {provider} did not answer a question: {reason}"),
                "look whether the account there may use this model and is in order, and whether \
                 its row in the catalog is right",
            ),
        }
    }
}

/// How long a whole answer took.
async fn ask(client: &Client, model: &Arc<Model>) -> Result<Duration, String> {
    let since = Instant::now();
    let request = ChatRequest {
        model: Arc::clone(model),
        messages: vec![ChatMessage::User("Say OK.".to_owned())],
        temperature: None,
        max_tokens: Some(LENGTH),
        tools: Arc::new([]),
        fallbacks: Vec::new(),
        client: None,
        is_for_client_only: false,
        requester: nexus_llm::Requester::default(),
    };
    let pieces = client.stream(Arc::new(request)).collect::<Vec<_>>();
    let pieces: Vec<Result<Delta, LlmError>> = timeout(PATIENCE, pieces)
        .await
        .map_err(|_| format!("no answer within {PATIENCE:?}"))?;
    match pieces.into_iter().find_map(Result::err) {
        Some(error) => Err(error.to_string()),
        None => Ok(since.elapsed()),
    }
}
