//! Limits, and what a run is said to have used.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta};
use futures_util::{FutureExt as _, StreamExt as _};
use nexus_core::event::{RunEvent, RunStatus, Usage};
use nexus_core::limits::{AddressBlock, Spending};
use nexus_core::{Clock, Limit, LimitReached, Limits, PublicKey, UsageCount};
use nexus_llm::LlmError;
use nexus_run::{Limiter, NewRun, OnDisconnect, Permit, Sharing};
use nexus_store::{EmbeddedStore, IdentityStore as _, UsageStore as _};
use nexus_test_support::clock::ManualClock;
use nexus_test_support::model::{Gate, ScriptedModel, Turn};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::tools::Counter;
use crate::world::{
    ALICE, BOB, Fault, VISITOR, World, error_code, finished, new_run, put_template, template,
};

fn says(text: &str) -> Turn {
    Turn::new().text(text)
}

fn used(input_tokens: u64, output_tokens: u64) -> Usage {
    Usage {
        input_tokens,
        output_tokens,
        ..Usage::default()
    }
}

async fn world(limits: Value, turns: impl IntoIterator<Item = Turn>) -> World {
    let mut template = template();
    template["limits"] = json!({ "identity": limits });
    template["llm"]["catalog"]["calm"]["price"] = json!({ "input": 2, "output": 10 });
    World::with_template(ScriptedModel::new(turns), Vec::new(), template).await
}

/// What is stored of the usage of somebody, over all days.
async fn usage(world: &World, owner: PublicKey) -> Vec<(String, String, UsageCount)> {
    let day = |text: &str| text.parse().unwrap();
    let rows = world
        .store
        .usage(owner, day("2000-01-01"), day("2100-01-01"));
    let rows = rows.await.unwrap().into_iter();
    rows.map(|it| (it.key.day.to_string(), it.key.model, it.count))
        .collect()
}

/// A run of Alice, on one node.
async fn admit(node: &Arc<Limiter>, limits: &Limits) -> Result<Permit, LimitReached> {
    let place = node.place(limits, ALICE).await?;
    node.admit(limits, place, Spending::default()).await
}

/// The one error of a run that never began, in words.
fn refusal(events: &[RunEvent]) -> (String, u64) {
    let Some(RunEvent::Error {
        code: "rate_limited",
        field: Some(field),
        message,
        retry_after: Some(seconds),
        ..
    }) = events.first()
    else {
        panic!("not refused: {events:?}")
    };
    assert!(message.contains(field.as_str()), "{message}");
    assert_eq!(finished(events).message_ids, []);
    (field.clone(), *seconds)
}

#[tokio::test]
async fn t31_requests_are_limited_to_the_one_and_begin_anew_with_the_minute() {
    let world = world(
        json!({ "requests_per_minute": 3 }),
        (0..9).map(|_| says("Hi.")),
    )
    .await;
    let left = 60 - world.clock.now().timestamp().rem_euclid(60);
    for _ in 0..2 {
        for _ in 0..3 {
            assert_eq!(error_code(&world.ask(ALICE, "Hello").await), None);
        }
        let (limit, seconds) = refusal(&world.ask(ALICE, "Hello").await);
        assert_eq!(limit, "limits.identity.requests_per_minute");
        assert!(seconds <= 60);
        // Somebody else is not concerned.
        assert_eq!(error_code(&world.ask(VISITOR, "Hello").await), None);
        world
            .clock
            .advance(TimeDelta::seconds(left) - TimeDelta::milliseconds(1));
        refusal(&world.ask(ALICE, "Hello").await);
        world.clock.advance(TimeDelta::milliseconds(1));
    }
    assert_eq!(world.model.requests().len(), 6, "nobody else asked a model");
    assert_eq!(
        world.stored(ALICE).await.len(),
        12,
        "nothing is stored of a refusal"
    );
}

#[tokio::test]
async fn tokens_count_when_the_run_ends_and_an_estimate_is_marked() {
    let turns = [
        says("Hi.").usage(used(90, 9)),
        says("12345678"),
        says("never said"),
    ];
    let world = world(json!({ "tokens_per_minute": 105 }), turns).await;
    let first = world.ask(ALICE, "Hello").await;
    assert!(!finished(&first).usage_estimated);
    let second = world.ask(ALICE, "Hello").await;
    assert!(finished(&second).usage_estimated);
    let said = finished(&second).usage.unwrap();
    assert_eq!(said.output_tokens, 2, "eight bytes");
    assert!(said.input_tokens > 5);
    let (limit, _) = refusal(&world.ask(ALICE, "Hello").await);
    assert_eq!(limit, "limits.identity.tokens_per_minute");
    let rows = usage(&world, ALICE).await;
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].2.runs, 2);
    assert_eq!(rows[0].2.output_tokens, 11);
}

#[tokio::test]
async fn as_many_runs_at_a_time_as_there_may_be_also_when_their_readers_leave() {
    let gates = [Gate::new(), Gate::new()];
    let turns = gates.iter().map(|gate| says("a").wait(gate).text("b"));
    let turns: Vec<_> = turns.chain([says("c")]).collect();
    let world = world(json!({ "concurrent_runs": 2 }), turns).await;
    let mut streams = Vec::new();
    for gate in &gates {
        let mut run = world.start(ALICE, "Hello");
        while !matches!(run.next().await, Some(RunEvent::TextChunk { .. })) {}
        _ = run.next().now_or_never();
        gate.reached().await;
        streams.push(run);
    }
    let (limit, seconds) = refusal(&world.ask(ALICE, "Hello").await);
    assert_eq!(
        (limit.as_str(), seconds),
        ("limits.identity.concurrent_runs", 1)
    );
    // The reader goes, the run goes on, and holds its place.
    drop(streams);
    refusal(&world.ask(ALICE, "Hello").await);
    gates.iter().for_each(Gate::open);
    world.settle().await;
    assert_eq!(error_code(&world.ask(ALICE, "Hello").await), None);
    let rows = usage(&world, ALICE).await;
    assert_eq!(rows[0].2.runs, 3, "each run counts once, read or not");
}

#[tokio::test]
async fn a_daily_budget_holds_across_a_restart_and_ends_with_the_day() {
    let turns = (0..4).map(|_| says("Hi.").usage(used(30, 20)));
    let world = world(json!({ "daily_tokens": 100 }), turns).await;
    for _ in 0..2 {
        assert_eq!(error_code(&world.ask(ALICE, "Hello").await), None);
    }
    let (limit, seconds) = refusal(&world.ask(ALICE, "Hello").await);
    assert_eq!(limit, "limits.identity.daily_tokens");
    let midnight = world.clock.now() + TimeDelta::seconds(i64::try_from(seconds).unwrap());
    assert_eq!(midnight.timestamp().rem_euclid(86_400), 0);
    // A process that has just started knows it from the store.
    let store = world.store.clone();
    let fresh = Arc::new(Limiter::new(store, world.clock.clone(), Sharing::Alone));
    let genesis = world.orchestrator.template.current().unwrap();
    let asked = admit(&fresh, genesis.limits());
    assert_eq!(asked.await.err().unwrap().limit, Limit::DailyTokens);
    world
        .clock
        .advance(midnight - world.clock.now() - TimeDelta::milliseconds(1));
    refusal(&world.ask(ALICE, "Hello").await);
    world.clock.advance(TimeDelta::milliseconds(1));
    assert_eq!(error_code(&world.ask(ALICE, "Hello").await), None);
    let days = usage(&world, ALICE).await;
    assert_eq!(days.len(), 2, "{days:?}");
}

#[tokio::test]
async fn a_run_counts_for_the_day_on_which_it_began() {
    let gate = Gate::new();
    let turn = says("a").wait(&gate).text("b").usage(used(1, 1));
    let world = world(json!({ "daily_tokens": 1_000 }), [turn]).await;
    let day = world.clock.now().date_naive().to_string();
    let mut run = world.start(ALICE, "Hello");
    while !matches!(run.next().await, Some(RunEvent::TextChunk { .. })) {}
    world.clock.advance(TimeDelta::days(1));
    gate.open();
    let events: Vec<_> = run.collect().await;
    assert_eq!(finished(&events).status, RunStatus::Completed);
    assert_eq!(usage(&world, ALICE).await[0].0, day);
}

#[tokio::test]
async fn a_budget_in_money_follows_the_prices_of_the_catalog() {
    let turns = (0..3).map(|_| says("Hi.").usage(used(100, 20)));
    // 100 × 2 + 20 × 10 = 400 millionths.
    let world = world(json!({ "daily_cost": 0.0008 }), turns).await;
    world.ask(ALICE, "Hello").await;
    assert_eq!(error_code(&world.ask(ALICE, "Hello").await), None);
    let (limit, _) = refusal(&world.ask(ALICE, "Hello").await);
    assert_eq!(limit, "limits.identity.daily_cost");
    assert_eq!(usage(&world, ALICE).await[0].2.cost_micros, 800);
    assert_eq!(error_code(&world.ask(BOB, "Hello").await), None);
}

#[tokio::test]
async fn rounds_of_tools_add_up_to_one_run() {
    let tool = Arc::new(Counter::default());
    let model = ScriptedModel::new([
        Turn::new()
            .tool_call("call_1", "counter", "{}")
            .usage(used(10, 1)),
        Turn::new()
            .tool_call("call_2", "counter", "{}")
            .usage(used(20, 2)),
        says("Done.").usage(used(30, 3)),
    ]);
    let world = World::with_tools(model, vec![tool]).await;
    world.ask(ALICE, "Count").await;
    let rows = usage(&world, ALICE).await;
    let count = UsageCount {
        runs: 1,
        input_tokens: 60,
        output_tokens: 6,
        ..UsageCount::default()
    };
    assert_eq!(rows.len(), 1);
    assert_eq!((rows[0].1.as_str(), rows[0].2), ("calm", count));
}

#[tokio::test]
async fn usage_is_stored_exactly_once_however_a_run_ends() {
    let broken = LlmError::Interrupted {
        provider: "scripted".into(),
        reason: "cut".into(),
    };
    let unreachable = LlmError::Unreachable {
        provider: "scripted".into(),
        reason: "no connection".into(),
    };
    let gate = Gate::new();
    let world = world(
        json!({}),
        [
            Turn::new().error(unreachable),
            says("half").error(broken),
            says("a").wait(&gate).text("b"),
            says("c").wait(&gate).text("d"),
        ],
    )
    .await;
    let runs = async || {
        usage(&world, ALICE)
            .await
            .iter()
            .map(|it| it.2.runs)
            .sum::<u64>()
    };
    world.ask(ALICE, "Hello").await;
    assert_eq!(runs().await, 0, "no model was reached");
    let events = world.ask(ALICE, "Hello").await;
    assert_eq!(finished(&events).status, RunStatus::Interrupted);
    assert_eq!(runs().await, 1);
    for on_disconnect in [OnDisconnect::Cancel, OnDisconnect::Finish] {
        let mut run = world.orchestrator.start(NewRun {
            on_disconnect,
            ..new_run(ALICE, "Hello")
        });
        while !matches!(run.next().await, Some(RunEvent::TextChunk { .. })) {}
        drop(run);
    }
    gate.open();
    gate.open();
    world.settle().await;
    assert_eq!(runs().await, 3);
}

#[tokio::test]
async fn an_erasure_in_the_middle_of_a_run_breaks_nothing_and_leaves_no_count() {
    let gate = Gate::new();
    let world = world(json!({}), [says("a").wait(&gate).text("b")]).await;
    let mut run = world.start(ALICE, "Hello");
    while !matches!(run.next().await, Some(RunEvent::TextChunk { .. })) {}
    world.store.erase_identity(ALICE).await.unwrap();
    gate.open();
    let events: Vec<_> = run.collect().await;
    assert_eq!(finished(&events).status, RunStatus::Failed);
    assert_eq!(usage(&world, ALICE).await, []);
}

#[tokio::test]
async fn a_healthy_request_asks_the_store_nothing_for_limits() {
    let world = world(json!({}), (0..3).map(|_| says("Hi."))).await;
    world.ask(ALICE, "Hello").await;
    assert_eq!(world.store.usage_reads(), 1, "once for the day");
    world.ask(ALICE, "Hello").await;
    world.ask(ALICE, "Hello").await;
    assert_eq!(world.store.usage_reads(), 1);
}

#[tokio::test]
async fn a_template_that_changes_its_limits_counts_at_once() {
    let world = world(
        json!({ "requests_per_minute": 1 }),
        (0..2).map(|_| says("Hi.")),
    )
    .await;
    world.ask(ALICE, "Hello").await;
    refusal(&world.ask(ALICE, "Hello").await);
    put_template(&*world.store, template(), Some(1)).await;
    world.orchestrator.template.reload().await;
    assert_eq!(error_code(&world.ask(ALICE, "Hello").await), None);
}

/// Two nodes on one store, without a network between.
struct Cluster {
    nodes: [Arc<Limiter>; 2],
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

fn cluster() -> Cluster {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(EmbeddedStore::open(folder.path()).unwrap());
    let start = DateTime::from_timestamp_millis(1_760_000_040_000).unwrap();
    let clock = Arc::new(ManualClock::new(start));
    let node = || {
        let node = Limiter::new(store.clone(), clock.clone(), Sharing::Shared);
        Arc::new(node)
    };
    Cluster {
        nodes: [node(), node()],
        clock,
        _folder: folder,
    }
}

#[tokio::test]
async fn t31_two_nodes_stay_within_what_the_other_admitted_since_they_last_talked() {
    let cluster = cluster();
    let limits = Limits::default().with(Limit::Requests, 100);
    let mut admitted = 0;
    // Ten requests a second on each node, for a minute.
    for _ in 0..60 {
        for node in &cluster.nodes {
            for _ in 0..10 {
                admitted += u32::from(node.count_request(&limits, ALICE).is_ok());
            }
        }
        for node in &cluster.nodes {
            node.exchange().await;
        }
        cluster.clock.advance(TimeDelta::seconds(1));
    }
    assert!((100..=110).contains(&admitted), "{admitted}");
}

#[tokio::test]
async fn t31_runs_at_the_same_time_are_shared_and_a_node_that_dies_holds_no_place() {
    let cluster = cluster();
    let limits = Limits::default().with(Limit::ConcurrentRuns, 3);
    let admit = async |node: &Arc<Limiter>| {
        let admitted = admit(node, &limits).await;
        admitted.map_err(|reached| reached.limit)
    };
    let [first, second] = &cluster.nodes;
    let _two = (admit(first).await.unwrap(), admit(first).await.unwrap());
    first.exchange().await;
    let one = admit(second).await.unwrap();
    second.exchange().await;
    assert_eq!(admit(second).await.err(), Some(Limit::ConcurrentRuns));
    // The first hears of it when it says something itself.
    cluster.clock.advance(TimeDelta::seconds(3));
    first.exchange().await;
    assert_eq!(admit(first).await.err(), Some(Limit::ConcurrentRuns));

    // Whoever would be refused for a run that has ended elsewhere is not.
    drop(one);
    second.exchange().await;
    drop(admit(first).await.unwrap());
    let _one = admit(second).await.unwrap();
    second.exchange().await;
    assert_eq!(admit(second).await.err(), Some(Limit::ConcurrentRuns));

    // From here on the first says nothing more.
    cluster.clock.advance(TimeDelta::seconds(10));
    second.exchange().await;
    let _three = (admit(second).await.unwrap(), admit(second).await.unwrap());
    assert_eq!(admit(second).await.err(), Some(Limit::ConcurrentRuns));
}

#[tokio::test]
async fn t31_many_addresses_of_one_network_are_one_and_idle_ones_are_forgotten() {
    let cluster = cluster();
    let limits = Limits::default().with(Limit::Registrations, 5);
    let node = &cluster.nodes[0];
    let mut admitted = 0;
    for host in 0..1_000_u128 {
        let address = std::net::Ipv6Addr::from_bits(0x2001_0db8 << 96 | host);
        let block = AddressBlock::from(std::net::IpAddr::from(address));
        admitted += u32::from(
            node.count_address(&limits, Limit::Registrations, block)
                .is_ok(),
        );
    }
    assert_eq!(admitted, 5);
    assert_eq!(node.remembered(), 1);
    cluster.clock.advance(TimeDelta::hours(1));
    node.exchange().await;
    assert_eq!(node.remembered(), 0);
}

#[tokio::test]
async fn a_store_that_does_not_answer_stops_no_counting() {
    let world = world(json!({}), []).await;
    world.store.fail(Fault::Usage);
    let node = Arc::new(Limiter::new(
        world.store.clone(),
        world.clock.clone(),
        Sharing::Shared,
    ));
    let limits = Limits::default().with(Limit::Requests, 2);
    assert!(node.count_request(&limits, ALICE).is_ok());
    node.exchange().await;
    assert!(node.count_request(&limits, ALICE).is_ok());
    node.exchange().await;
    assert!(node.count_request(&limits, ALICE).is_err());
    let limits = limits.with(Limit::ConcurrentRuns, 1);
    assert!(admit(&node, &limits).await.is_ok());
}

#[tokio::test]
async fn usage_that_cannot_be_stored_is_stored_later_once_and_counts_meanwhile() {
    let turns = (0..3).map(|_| says("Hi.").usage(used(100, 20)));
    let world = world(json!({ "daily_tokens": 240 }), turns).await;
    let limiter = &world.orchestrator.limiter;
    world.store.fail(Fault::AddUsage);
    for _ in 0..2 {
        let events = world.ask(ALICE, "Hello").await;
        assert_eq!(finished(&events).status, RunStatus::Completed);
        limiter.exchange().await;
    }
    assert_eq!(usage(&world, ALICE).await, []);
    assert!(limiter.settle_rest().await.is_err());
    let (limit, _) = refusal(&world.ask(ALICE, "Hello").await);
    assert_eq!(limit, "limits.identity.daily_tokens");
    world.store.heal();
    for _ in 0..2 {
        limiter.exchange().await;
        let rows = usage(&world, ALICE).await;
        assert_eq!((rows[0].2.runs, rows[0].2.input_tokens), (2, 200));
    }
}

#[tokio::test]
async fn usage_that_waits_is_stored_before_the_program_ends_and_not_for_who_is_gone() {
    let turns = (0..2).map(|_| says("Hi.").usage(used(100, 20)));
    let world = world(json!({}), turns).await;
    world.store.fail(Fault::AddUsage);
    for owner in [BOB, ALICE] {
        world.ask(owner, "Hello").await;
    }
    world.store.erase_identity(BOB).await.unwrap();
    let limiter = &world.orchestrator.limiter;
    // The first attempt fails, and the store is back for the second.
    tokio::join!(limiter.finish(), async { world.store.heal() });
    assert_eq!(usage(&world, ALICE).await[0].2.runs, 1);
    assert_eq!(usage(&world, BOB).await, []);
    assert!(limiter.settle_rest().await.is_ok());
}

#[tokio::test]
async fn what_is_stored_tells_how_many_runs_are_estimates() {
    let turns = [says("Hi.").usage(used(100, 20)), says("Hi.")];
    let world = world(json!({}), turns).await;
    for expected in [0, 1] {
        world.ask(ALICE, "Hello").await;
        let rows = usage(&world, ALICE).await;
        assert_eq!(rows[0].2.estimated_runs, expected);
    }
    assert_eq!(usage(&world, ALICE).await[0].2.runs, 2);
}
