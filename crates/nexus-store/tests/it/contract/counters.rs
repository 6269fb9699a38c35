//! What is counted against limits.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use nexus_core::NodeId;
use nexus_store::Running;
use tokio::task::JoinSet;

use super::{Place, holding};
use crate::samples::{counter, far, key};

pub(crate) async fn parallel_adds_are_exact_and_each_sees_another_total(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    let mut adds = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&stores[number % 2]);
        let counted = counter(1, Some(key(1)));
        adds.spawn(async move { store.add_to_counter(counted, 3, far(0)).await.unwrap() });
    }
    let totals: BTreeSet<_> = adds.join_all().await.into_iter().collect();
    assert_eq!(totals, (1..=100).map(|adds| adds * 3).collect());
    let read = async |number| {
        let counted = counter(number, None);
        stores[0].add_to_counter(counted, 0, far(0)).await.unwrap()
    };
    assert_eq!(read(1).await, 300);
    assert_eq!(read(2).await, 0);
}

pub(crate) async fn a_total_stays_at_the_largest_number(place: &impl Place) {
    let store = place.open().await;
    let add = async |by| {
        let counted = counter(1, None);
        store.add_to_counter(counted, by, far(0)).await.unwrap()
    };
    let largest = i64::MAX.cast_unsigned();
    assert_eq!(add(largest - 2).await, largest - 2);
    assert_eq!(add(2).await, largest);
    assert_eq!(add(1).await, largest);
    assert_eq!(add(u64::MAX).await, largest);
}

pub(crate) async fn runs_are_told_to_other_nodes_and_forgotten_when_a_node_is_silent(
    place: &impl Place,
) {
    let store = place.open().await;
    let nodes = [1, 2, 3].map(|number| NodeId::new(far(number)));
    let tell = async |owner, node: usize, runs, holds| {
        let running = Running {
            owner: key(owner),
            node: nodes[node].clone(),
            runs,
            holds,
        };
        store.tell_running(running, far(0)).await.unwrap()
    };
    let (long, over) = (TimeDelta::minutes(1), TimeDelta::zero());
    assert_eq!(tell(1, 0, 2, long).await, 0);
    assert_eq!(tell(1, 1, 3, long).await, 2);
    assert_eq!(tell(1, 2, 0, long).await, 5);
    assert_eq!(tell(2, 2, 1, long).await, 0, "somebody else");
    // The last word of a node counts, and none of one that is silent for too long.
    assert_eq!(tell(1, 0, 1, long).await, 3);
    assert_eq!(tell(1, 2, 0, long).await, 4);
    assert_eq!(tell(1, 1, 7, over).await, 1);
    assert_eq!(tell(1, 2, 0, long).await, 1);
    assert_eq!(tell(1, 0, 0, long).await, 0);
    assert_eq!(tell(1, 2, 0, long).await, 0);
    store.erase_identity(key(2)).await.unwrap();
    assert!(holding(place, &key(2).to_string()).await.is_empty());
}
