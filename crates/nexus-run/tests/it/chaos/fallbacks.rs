//! Another model answers (F17), and everybody can see that it did.

use nexus_core::Clock as _;
use nexus_core::event::{Fallback, RunEvent, RunStatus};
use nexus_store::UsageStore as _;
use nexus_test_support::provider::{Provider, status};
use serde_json::json;

use super::good::{answers_well, events};
use super::{Chaos, always};
use crate::tools::Counter;
use crate::world::{ALICE, BOB, finished};

const DEAD: &str = "http://127.0.0.1:9/v1";

#[tokio::test]
async fn f17_a_dead_primary_is_not_noticed() {
    for model in ["safe", "safe-whole"] {
        let spare = Provider::acting(answers_well);
        let chaos = Chaos::with(DEAD, &spare.base_url, Vec::new()).await;
        for owner in [ALICE, BOB].repeat(10) {
            chaos.ask_as(owner, model).await.is_fine();
        }
        assert_eq!(spare.asked(), 20);
        let genesis = chaos.world.orchestrator.template.current().unwrap();
        let asked = genesis.model(model).unwrap();
        let reason = chaos.world.orchestrator.unavailable(asked).unwrap();
        assert!(reason.contains("failed too often"), "{reason}");
        let log = chaos.log.text();
        let opened = log.matches("fails too often and is left alone").count();
        assert_eq!(opened, 1, "{log}");
    }
}

#[tokio::test]
async fn people_see_who_answered() {
    let primary = Provider::acting(always(status("501 Oh")));
    let spare = Provider::acting(answers_well);
    let chaos = Chaos::with(&primary.base_url, &spare.base_url, Vec::new()).await;
    let outcome = chaos.ask("safe").await;
    outcome.is_fine();
    let notices: Vec<_> = outcome
        .events
        .iter()
        .filter_map(|event| match event {
            RunEvent::Fallback(Fallback { notice, .. }) => {
                Some((&*notice.code, notice.message.as_str()))
            }
            _ => None,
        })
        .collect();
    let message = "safe cannot answer at the moment: spare answers in its place";
    assert_eq!(notices, [("fallback", message)]);
    let Some(RunEvent::RunStarted(started)) = outcome.events.first() else {
        panic!("{:?}", outcome.events)
    };
    assert_eq!(started.model.as_deref(), Some("safe"));
    let answered = finished(&outcome.events).model.clone().unwrap();
    assert_eq!((&*answered.name, &*answered.provider), ("spare", "second"));
    let (_, metadata) = outcome.stored.unwrap();
    assert_eq!(metadata["model"]["name"], "spare");
    assert_eq!(metadata["fallback_for"], "safe");
}

#[tokio::test]
async fn a_run_stays_with_the_fallback_through_its_rounds() {
    let call = json!({"index": 0, "id": "a", "function": {"name": "count", "arguments": "{}"}});
    let call =
        json!({"choices": [{"delta": {"tool_calls": [call]}, "finish_reason": "tool_calls"}]});
    let calls = events(&format!("data: {call}\n\ndata: [DONE]\n\n"));
    let primary = Provider::acting(always(status("501 Oh")));
    let spare = Provider::acting(move |asked| match asked.number {
        0 => calls.clone(),
        _ => answers_well(asked),
    });
    let tools = vec![Counter::shared()];
    let chaos = Chaos::with(&primary.base_url, &spare.base_url, tools).await;
    let outcome = chaos.ask("safe").await;
    outcome.is_fine();
    assert_eq!((primary.asked(), spare.asked()), (1, 2));
    assert_eq!(outcome.status(), RunStatus::Completed);
    // Whoever answered is paid, and both rounds are one run.
    let today = chaos.world.clock.now().date_naive();
    let used = chaos.world.store.usage(ALICE, today, today).await.unwrap();
    let used: Vec<_> = used
        .iter()
        .map(|it| (&*it.key.model, it.count.runs))
        .collect();
    assert_eq!(used, [("spare", 1)]);
}

#[tokio::test]
async fn a_fallback_that_this_person_may_not_use_is_not_asked() {
    let primary = Provider::acting(always(status("501 Oh")));
    let spare = Provider::acting(answers_well);
    let chaos = Chaos::with(&primary.base_url, &spare.base_url, Vec::new()).await;
    let mut template = super::template(&primary.base_url, &spare.base_url);
    template["ui"]["field_options"] = json!({"config.model": {"options": ["safe", "streaming"]}});
    crate::world::put_template(&*chaos.world.store, template, Some(1)).await;
    chaos.world.orchestrator.template.reload().await;
    chaos.ask("safe").await.is_failed("provider_failed");
    assert_eq!(spare.asked(), 0);
}
