//! What may be used once.

use std::sync::Arc;

use nexus_core::NonceId;
use tokio::task::JoinSet;

use super::Place;
use crate::samples::far;

pub(crate) async fn of_a_hundred_uses_at_once_one_is_the_first(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    let nonce = NonceId::from_bytes([7; 32]);
    let mut uses = JoinSet::new();
    for number in 0..100 {
        let store = Arc::clone(&stores[number % 2]);
        uses.spawn(async move { store.use_nonce(nonce, far(0), far(5)).await.unwrap() });
    }
    let outcomes = uses.join_all().await;
    assert_eq!(outcomes.iter().filter(|is_first| **is_first).count(), 1);
    let other = NonceId::from_bytes([8; 32]);
    assert!(stores[0].use_nonce(other, far(0), far(5)).await.unwrap());
}

pub(crate) async fn a_used_nonce_is_used_for_another_process_too(place: &impl Place) {
    let nonce = NonceId::from_bytes([7; 32]);
    let store = place.open().await;
    assert!(store.use_nonce(nonce, far(0), far(5)).await.unwrap());
    drop(store);
    let store = place.open().await;
    // Also when it has just expired: the clock of the other one may be behind.
    assert!(!store.use_nonce(nonce, far(6), far(5)).await.unwrap());
    // That it is to be kept for longer now changes nothing.
    assert!(!store.use_nonce(nonce, far(0), far(50)).await.unwrap());
}
