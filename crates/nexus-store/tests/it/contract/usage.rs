//! How much was used.

use std::sync::Arc;

use nexus_core::{Identity, PublicKey, RunId, Standing, UsageCount};
use nexus_store::{RECENT_RUNS, Store, StoreError};
use tokio::task::JoinSet;

use super::{Place, member};
use crate::samples::{at, key, new_run, used};

fn count(number: u64) -> UsageCount {
    UsageCount {
        runs: 1,
        input_tokens: number,
        output_tokens: number * 2,
        cached_input_tokens: number * 3,
        reasoning_tokens: number * 4,
        cost_micros: number * 5,
        estimated_runs: number * 6,
    }
}

/// Days, models and counts.
async fn read(
    store: &Arc<dyn Store>,
    owner: PublicKey,
    from: &str,
    to: &str,
) -> Vec<(String, String, UsageCount)> {
    let (from, to) = (from.parse().unwrap(), to.parse().unwrap());
    let found = store.usage(owner, from, to).await.unwrap().into_iter();
    found
        .map(|usage| {
            assert_eq!(usage.key.owner, owner);
            (usage.key.day.to_string(), usage.key.model, usage.count)
        })
        .collect()
}

pub(crate) async fn what_was_used_adds_up_by_day_and_model(place: &impl Place) {
    let store = place.open().await;
    for number in [1, 2] {
        member(&store, number).await;
    }
    for (owner, day, model, number) in [
        (1, "2026-01-31", "wild", 1),
        (1, "2026-01-31", "gpt-4.1 $calm", 10),
        (1, "2026-02-01", "wild", 100),
        (1, "2026-01-31", "wild", 1000),
        (1, "2025-12-31", "wild", 7),
        (2, "2026-01-31", "wild", 5),
    ] {
        let used = used(key(owner), day, model);
        store
            .add_usage(at(0), &new_run(), used, count(number))
            .await
            .unwrap();
    }
    let row = |day: &str, model: &str, count| (day.to_owned(), model.to_owned(), count);
    let both = count(1).saturating_add(count(1000));
    let expected = [
        row("2026-01-31", "gpt-4.1 $calm", count(10)),
        row("2026-01-31", "wild", both),
        row("2026-02-01", "wild", count(100)),
    ];
    let found = read(&store, key(1), "2026-01-01", "2026-02-01").await;
    assert_eq!(found, expected);
    let one_day = read(&store, key(1), "2026-01-31", "2026-01-31").await;
    assert_eq!(one_day, expected[..2]);
    let backwards = read(&store, key(1), "2026-02-01", "2026-01-01").await;
    assert!(backwards.is_empty());
    assert_eq!(
        read(&store, key(2), "2026-01-01", "2026-12-31").await.len(),
        1
    );
}

pub(crate) async fn parallel_adds_are_exact(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    member(&stores[0], 1).await;
    let mut adds = JoinSet::new();
    for number in 0..50 {
        let store = Arc::clone(&stores[number % 2]);
        let used = used(key(1), "2026-01-31", "calm");
        adds.spawn(async move {
            store
                .add_usage(at(0), &new_run(), used, count(7))
                .await
                .unwrap();
        });
    }
    adds.join_all().await;
    let found = read(&stores[1], key(1), "2026-01-31", "2026-01-31").await;
    let expected = UsageCount {
        runs: 50,
        ..count(350)
    };
    assert_eq!(found[0].2, expected);

    let most = UsageCount {
        input_tokens: u64::MAX,
        ..UsageCount::default()
    };
    for _ in 0..2 {
        let used = used(key(1), "2026-01-31", "calm");
        stores[0]
            .add_usage(at(0), &new_run(), used, most)
            .await
            .unwrap();
    }
    let found = read(&stores[1], key(1), "2026-01-31", "2026-01-31").await;
    let expected = UsageCount {
        input_tokens: i64::MAX.cast_unsigned(),
        ..expected
    };
    assert_eq!(found[0].2, expected);
}

pub(crate) async fn nothing_of_a_former_life_is_counted_for_the_new_one(place: &impl Place) {
    let store = place.open().await;
    let former = member(&store, 1).await;
    store.erase_identity(key(1)).await.unwrap();
    let created = store.create_identity(key(1), Standing::Active, at(60_000));
    let now = created.await.unwrap().identity;
    let add = async |life: &Identity, number| {
        let used = used(key(1), "2026-01-31", "calm");
        store
            .add_usage(life.created_at, &new_run(), used, count(number))
            .await
    };
    add(&now, 1).await.unwrap();
    let refused = add(&former, 1000).await.unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    add(&now, 2).await.unwrap();
    let found = read(&store, key(1), "2026-01-31", "2026-01-31").await;
    assert_eq!(found[0].2, count(1).saturating_add(count(2)));
}

pub(crate) async fn nothing_is_counted_for_who_is_not_registered(place: &impl Place) {
    let store = place.open().await;
    let used = used(key(1), "2026-01-31", "calm");
    let refused = store
        .add_usage(at(0), &new_run(), used, count(1))
        .await
        .unwrap_err();
    assert!(matches!(refused, StoreError::Conflict { .. }), "{refused}");
    let found = read(&store, key(1), "2026-01-01", "2026-12-31").await;
    assert!(found.is_empty());
}

pub(crate) async fn what_is_added_again_counts_once(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    member(&stores[0], 1).await;
    let add = async |node: usize, run: &RunId, model: &str, number| {
        let used = used(key(1), "2026-01-31", model);
        let added = stores[node].add_usage(at(0), run, used, count(number));
        added.await.unwrap();
    };
    let runs: Vec<_> = (0..RECENT_RUNS).map(|_| new_run()).collect();
    for run in &runs {
        add(0, run, "calm", 1).await;
    }
    // Each again, on either node, and in another place too.
    for (number, run) in runs.iter().enumerate() {
        add(number % 2, run, "calm", 1).await;
        add(0, run, "wild", 1).await;
        add(1, run, "wild", 1).await;
    }
    let found = read(&stores[1], key(1), "2026-01-31", "2026-01-31").await;
    let once = runs
        .iter()
        .fold(UsageCount::default(), |sum, _| sum.saturating_add(count(1)));
    let counts: Vec<_> = found.iter().map(|it| it.2).collect();
    assert_eq!(counts, [once, once]);
}
