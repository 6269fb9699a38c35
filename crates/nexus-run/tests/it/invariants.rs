//! What always holds of a run. Each test is named after its invariant.

use futures_util::StreamExt;
use nexus_core::event::{Channel, RunEvent, RunStatus};
use nexus_core::{Clock, IdentityWrite, Overrides, Role, Standing};
use nexus_llm::{ChatMessage, LlmError, RetryHint};
use nexus_run::{NewRun, OnDisconnect};
use nexus_store::{IdentityStore, MessageStore};
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use serde_json::json;

use crate::tools::Counter;
use crate::world::{
    ALICE, BOB, Fault, VISITOR, World, answer, error_code, finished, new_run, put_template,
    template,
};

fn says(text: &str) -> Turn {
    Turn::new().text(text)
}

fn outage() -> LlmError {
    LlmError::Failed {
        provider: "scripted".into(),
        status: 503,
        message: "down".into(),
        hint: RetryHint::default(),
    }
}

#[tokio::test]
async fn visitor_leaves_no_trace() {
    let world = World::new(ScriptedModel::new([says("never said")])).await;
    let events = world.ask(VISITOR, "Hello").await;
    assert_eq!(finished(&events).status, RunStatus::VisitorGuidanceSent);
    assert!(matches!(
        &events[1],
        RunEvent::TextChunk {
            channel: Channel::Guidance,
            ..
        }
    ));
    assert_eq!(finished(&events).message_ids, []);
    assert_eq!(world.store.writes(), 0);
    assert_eq!(world.model.requests().len(), 0);
    assert!(world.store.identity(VISITOR).await.unwrap().is_none());
}

#[tokio::test]
async fn who_is_not_let_in_leaves_no_trace_and_is_told_why() {
    let world = World::new(ScriptedModel::new([says("never said")])).await;
    for (standing, word) in [
        (Standing::Pending, "waits"),
        (Standing::Disabled, "disabled"),
    ] {
        let alice = world.store.identity(ALICE).await.unwrap().unwrap();
        let write = IdentityWrite::Standing(standing);
        world.store.write_identity(&alice, write).await.unwrap();
        let writes = world.store.writes();
        let events = world.ask(ALICE, "Hello").await;
        let RunEvent::TextChunk { chunk, channel } = &events[1] else {
            panic!("{events:?}")
        };
        assert!(chunk.contains(word), "{chunk}");
        assert_eq!(*channel, Channel::Guidance);
        assert_eq!(finished(&events).message_ids, []);
        assert_eq!(world.store.writes(), writes);
        assert_eq!(world.stored(ALICE).await, []);
    }
    assert_eq!(world.model.requests().len(), 0);
}

#[tokio::test]
async fn model_is_not_called_when_the_question_cannot_be_stored() {
    let world = World::new(ScriptedModel::new([says("never said")])).await;
    world.store.fail_append(1);
    let events = world.ask(ALICE, "Hello").await;
    assert_eq!(finished(&events).status, RunStatus::Failed);
    assert_eq!(error_code(&events), Some("store_unavailable"));
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, RunEvent::RunStarted(_))),
        "nothing was acknowledged"
    );
    assert_eq!(world.model.requests().len(), 0);
    assert_eq!(world.stored(ALICE).await, []);
}

#[tokio::test]
async fn model_sees_the_question_once() {
    let world = World::new(ScriptedModel::new([
        says("One."),
        says("Two."),
        says("Three."),
    ]))
    .await;
    for question in ["first?", "second?", "third?"] {
        world.ask(ALICE, question).await;
    }
    let last = world.model.requests()[2].messages.clone();
    let questions = last
        .iter()
        .filter(|message| matches!(message, ChatMessage::User(text) if text == "third?"))
        .count();
    assert_eq!(questions, 1);
    assert_eq!(last.last(), Some(&ChatMessage::User("third?".into())));
    // `history_context_size` is 4: two exchanges and no more.
    assert_eq!(last.len(), 1 + 4 + 1);
}

#[tokio::test]
async fn finished_means_saved() {
    let world = World::new(ScriptedModel::new([says("Hi Alice.")])).await;
    let mut run = world.start(ALICE, "Hello");
    while let Some(event) = run.next().await {
        if let RunEvent::RunFinished(finished) = event {
            assert_eq!(finished.status, RunStatus::Completed);
            assert_eq!(finished.message_ids.len(), 2);
            assert_eq!(
                world.stored(ALICE).await,
                [("human", "Hello".into()), ("ai", "Hi Alice.".into())]
            );
        }
    }

    // And an answer that cannot be stored is not called finished.
    let world = World::new(ScriptedModel::new([says("Lost.")])).await;
    world.store.fail_append(2);
    let events = world.ask(ALICE, "Hello").await;
    assert_eq!(finished(&events).status, RunStatus::Failed);
    assert_eq!(finished(&events).message_ids.len(), 1);
    assert_eq!(world.stored(ALICE).await, [("human", "Hello".into())]);
}

#[tokio::test]
async fn answer_is_saved_when_the_client_leaves() {
    let gate = Gate::new();
    let world = World::new(ScriptedModel::new([says("Half")
        .wait(&gate)
        .text(" and half.")]))
    .await;
    let mut run = world.start(ALICE, "Hello");
    let seen = (run.next().await, run.next().await);
    assert!(matches!(
        seen,
        (
            Some(RunEvent::RunStarted(_)),
            Some(RunEvent::TextChunk { .. })
        )
    ));
    drop(run);
    gate.open();
    world.settle().await;
    assert_eq!(
        world.stored(ALICE).await[1],
        ("ai", "Half and half.".into())
    );
}

#[tokio::test]
async fn answer_is_marked_when_a_leaving_client_cancels_it() {
    let gate = Gate::new();
    let world = World::new(ScriptedModel::new([says("Half")
        .wait(&gate)
        .text(" and half.")]))
    .await;
    let mut run = world.orchestrator.start(NewRun {
        on_disconnect: OnDisconnect::Cancel,
        ..new_run(ALICE, "Hello")
    });
    run.next().await;
    run.next().await;
    drop(run);
    world.settle().await;
    let identity = world.store.identity(ALICE).await.unwrap().unwrap();
    let newest = world
        .store
        .messages(&identity, 1, None)
        .await
        .unwrap()
        .messages
        .remove(0);
    assert_eq!((newest.role, &*newest.content), (Role::Ai, "Half"));
    assert_eq!(newest.metadata.to_map()["interrupted"], "cancelled");
    assert_eq!(
        world.model.abandoned(),
        1,
        "the provider's stream was dropped"
    );
}

#[tokio::test]
async fn every_run_finishes_once() {
    type Failure = (&'static str, fn(&World), RunStatus);
    let failures: [Failure; 8] = [
        ("nothing fails", |_| {}, RunStatus::Completed),
        (
            "the gate fails",
            |world| world.store.fail(Fault::Identity),
            RunStatus::Failed,
        ),
        (
            "history fails",
            |world| world.store.fail(Fault::History),
            RunStatus::Failed,
        ),
        (
            "something panics",
            |world| world.store.fail(Fault::Panic),
            RunStatus::Failed,
        ),
        (
            "the question is not stored",
            |world| world.store.fail_append(1),
            RunStatus::Failed,
        ),
        (
            "the answer is not stored",
            |world| world.store.fail_append(2),
            RunStatus::Failed,
        ),
        (
            "the model fails at once",
            |world| world.model.push(Turn::new().error(outage())),
            RunStatus::Failed,
        ),
        (
            "the model fails in the middle",
            |world| world.model.push(says("Well").error(outage())),
            RunStatus::Interrupted,
        ),
    ];
    for (what, fail, status) in failures {
        let world = World::new(ScriptedModel::default()).await;
        fail(&world);
        world.model.push(says("Hi."));
        let events = world.ask(ALICE, "Hello").await;
        assert_eq!(finished(&events).status, status, "{what}");
        let failed = matches!(status, RunStatus::Failed | RunStatus::Interrupted);
        assert_eq!(error_code(&events).is_some(), failed, "{what}");
        assert_eq!(world.orchestrator.tasks.len(), 0, "{what}");
    }
}

#[tokio::test]
async fn reload_does_not_change_a_running_run() {
    let gate = Gate::new();
    let model = ScriptedModel::new([
        Turn::new().tool_call("1", "count", "{}").wait(&gate),
        says("Done."),
        says("New."),
    ]);
    let world = World::with_tools(model, vec![Counter::shared()]).await;
    let mut run = world.start(ALICE, "Count");
    assert!(matches!(run.next().await, Some(RunEvent::RunStarted(_))));
    let rest = world.orchestrator.tasks.spawn(run.collect::<Vec<_>>());
    gate.reached().await;

    let mut changed = template();
    changed["user_defaults"]["prompts"]["persona"]["content"] = json!("You are somebody else.");
    changed["user_defaults"]["config"]["model"] = json!("wild");
    put_template(&*world.store, changed, Some(1)).await;
    world.orchestrator.template.reload().await;
    gate.open();

    assert_eq!(answer(&rest.await.unwrap()), "Done.");
    world.ask(ALICE, "Again").await;
    let [first, second, after] = &world.model.requests()[..] else {
        panic!("three requests")
    };
    assert_eq!(
        (&*first.model.name, &*second.model.name, &*after.model.name),
        ("calm", "calm", "wild")
    );
    assert_eq!(first.messages[0], second.messages[0]);
    assert_eq!(
        after.messages[0],
        ChatMessage::System("You are somebody else.\n\n---\n\nBe honest.".into())
    );
}

#[tokio::test]
async fn persona_survives_the_tool_loop() {
    let model = ScriptedModel::new([
        says("Let me count. ")
            .tool_call("1", "count", "{}")
            .tool_call("2", "count", "{}"),
        Turn::new().tool_call("3", "count", "{}"),
        says("Three times."),
    ]);
    let world = World::with_tools(model, vec![Counter::shared()]).await;
    world
        .set(ALICE, "prompts.persona", json!("You are a pirate."))
        .await;
    world.set(ALICE, "temperature", json!(0.1)).await;
    let events = world.ask(ALICE, "Count").await;
    assert_eq!(finished(&events).status, RunStatus::Completed);
    assert_eq!(answer(&events), "Let me count. Three times.");
    let requests = world.model.requests();
    assert_eq!(requests.len(), 3);
    for request in &requests {
        assert_eq!(
            request.messages[0],
            ChatMessage::System("You are a pirate.\n\n---\n\nBe honest.".into())
        );
        assert_eq!(request.messages[1], ChatMessage::User("Count".into()));
        assert_eq!(request.temperature, Some(0.1));
    }
    let results: Vec<_> = requests[2]
        .messages
        .iter()
        .filter_map(|message| match message {
            ChatMessage::ToolResult {
                call_id, content, ..
            } => Some((call_id.as_str(), content.as_str())),
            _ => None,
        })
        .collect();
    assert_eq!(
        results.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        ["1", "2", "3"]
    );
}

#[tokio::test]
async fn two_users_two_models_two_personas() {
    let world = World::new(ScriptedModel::new([says("Arr."), says("Good day.")])).await;
    world.set(ALICE, "model", json!("wild")).await;
    world
        .set(ALICE, "prompts.persona", json!("You are a pirate."))
        .await;
    world.set(ALICE, "temperature", json!(1.4)).await;
    let alice = world.ask(ALICE, "Who are you?").await;
    let bob = world.ask(BOB, "Who are you?").await;
    let [to_alice, to_bob] = &world.model.requests()[..] else {
        panic!("two requests")
    };
    assert_eq!(
        (
            &*to_alice.model.id,
            to_alice.temperature,
            to_alice.max_tokens
        ),
        ("wild-1", Some(1.4), None)
    );
    assert_eq!(
        (&*to_bob.model.id, to_bob.temperature, to_bob.max_tokens),
        ("calm-1", Some(0.8), Some(100))
    );
    assert_eq!(
        to_alice.messages[0],
        ChatMessage::System("You are a pirate.\n\n---\n\nBe honest.".into())
    );
    assert_eq!(
        to_bob.messages[0],
        ChatMessage::System("You are Nexus.\n\n---\n\nBe honest.".into())
    );
    assert_eq!(&*finished(&alice).model.as_ref().unwrap().name, "wild");
    assert_eq!(&*finished(&bob).model.as_ref().unwrap().name, "calm");
    assert_eq!(world.stored(ALICE).await.len(), 2);
    assert_eq!(world.stored(BOB).await.len(), 2);
}

#[tokio::test]
async fn a_request_is_the_strongest_layer_and_keeps_to_policy() {
    let world = World::new(ScriptedModel::new([says("Hi.")])).await;
    let ask = |request: Overrides| {
        world
            .orchestrator
            .start(NewRun {
                request,
                ..new_run(ALICE, "Hello")
            })
            .collect::<Vec<_>>()
    };
    let events = ask(Overrides {
        model: Some("gpt-9".into()),
        ..Overrides::default()
    })
    .await;
    assert_eq!(error_code(&events), Some("unknown_model"));
    let events = ask(Overrides {
        max_tokens: Some(5),
        ..Overrides::default()
    })
    .await;
    assert_eq!(error_code(&events), Some("field_locked"));
    assert_eq!(
        world.stored(ALICE).await,
        [],
        "a refused request leaves nothing"
    );
    let events = ask(Overrides {
        model: Some("wild".into()),
        ..Overrides::default()
    })
    .await;
    assert_eq!(&*finished(&events).model.as_ref().unwrap().name, "wild");
}

#[tokio::test]
async fn a_question_of_an_erased_identity_is_not_stored() {
    let gate = Gate::new();
    let world = World::new(ScriptedModel::new([says("Half").wait(&gate).text(".")])).await;
    let mut run = world.start(ALICE, "Hello");
    run.next().await;
    run.next().await;
    world.store.erase_identity(ALICE).await.unwrap();
    gate.open();
    let events: Vec<_> = run.collect().await;
    assert_eq!(finished(&events).status, RunStatus::Failed);
    assert_eq!(error_code(&events), Some("conflict"));
    let again = world
        .store
        .create_identity(ALICE, Standing::Active, world.clock.now())
        .await
        .unwrap();
    assert!(again.is_new);
    assert_eq!(world.stored(ALICE).await, []);
}

#[tokio::test]
async fn a_warm_member_costs_no_identity_read() {
    const ATTEMPTS: usize = 20;
    let world = World::new(ScriptedModel::new((0..=ATTEMPTS).map(|_| says("1")))).await;
    // On a busy machine, the store may stop vouching for what was read for a moment.
    let costs_nothing = async || {
        let reads = world.store.identity_reads();
        world.ask(ALICE, "again").await;
        world.store.identity_reads() == reads
    };
    let mut attempts = 1;
    while !costs_nothing().await {
        attempts += 1;
        assert!(attempts < ATTEMPTS);
    }
    world.set(ALICE, "prompts.persona", json!("New.")).await;
    world.ask(ALICE, "three").await;
    assert!(
        world.shown(attempts)[0].contains("New."),
        "an own write is seen by the next request"
    );
}

/// D1: a stop stores the part of each answer that came, and says so.
#[tokio::test]
async fn a_stop_stores_the_part_that_came() {
    let gate = Gate::new();
    let model = ScriptedModel::new([says("Half").wait(&gate).text(" never said")]);
    let world = World::new(model).await;
    let mut run = world.start(ALICE, "Hello");
    assert!(matches!(run.next().await, Some(RunEvent::RunStarted(_))));
    assert!(matches!(run.next().await, Some(RunEvent::TextChunk { .. })));
    world.orchestrator.stopping.cancel();
    let events: Vec<_> = run.collect().await;
    assert_eq!(finished(&events).status, RunStatus::Interrupted);
    assert!(finished(&events).usage_estimated);
    let alice = world.store.identity(ALICE).await.unwrap().unwrap();
    let page = world.store.messages(&alice, 1, None).await.unwrap();
    assert_eq!(page.messages[0].content, "Half");
    let facts = page.messages[0].metadata.to_map();
    assert_eq!(facts["interrupted"], "shutdown");
}
