//! What was done, in a chain.

use std::sync::Arc;

use nexus_core::audit::{Actor, AuditHash, verify};
use nexus_core::{AuditEntry, NewAudit, PublicKey};
use nexus_store::Store;
use tokio::task::JoinSet;

use super::Place;
use crate::samples::{audit, key};

pub(crate) async fn entries_are_read_in_pages_as_they_were_recorded(place: &impl Place) {
    let store = place.open().await;
    let mut recorded = Vec::new();
    for number in 0..5 {
        let mut new = audit(key(number));
        if number % 2 == 0 {
            new.signature = None;
            new.details.clear();
        }
        recorded.push(store.append_audit(new).await.unwrap());
        let head = store.audit_head().await.unwrap();
        assert_eq!(head, recorded.last().map(AuditEntry::head));
    }
    assert_eq!(recorded[0].seq, 1);
    assert_eq!(recorded[0].previous, AuditHash::NONE);
    for limit in 0..=6 {
        assert_eq!(walk(&store, limit).await, recorded, "pages of {limit}");
    }
    assert_eq!(verify(&recorded), Ok(()));
    let beyond = store.audit(5, 10).await.unwrap();
    assert!(beyond.entries.is_empty() && beyond.next.is_none());
}

pub(crate) async fn of_fifty_who_record_at_once_each_has_its_place(place: &impl Place) {
    let stores = [place.open().await, place.open().await];
    let mut writers = JoinSet::new();
    for (number, store) in (0..50).zip(stores.iter().cycle()) {
        let store = Arc::clone(store);
        writers.spawn(async move { store.append_audit(audit(key(number))).await.unwrap() });
    }
    let mut recorded = writers.join_all().await;
    recorded.sort_by_key(|entry| entry.seq);
    assert_eq!(verify(&recorded), Ok(()));
    assert_eq!(recorded.last().unwrap().seq, 50);
    assert_eq!(walk(&stores[0], 20).await, recorded);
}

pub(crate) async fn an_empty_audit_has_no_head(place: &impl Place) {
    let store = place.open().await;
    assert_eq!(store.audit_head().await.unwrap(), None);
    let page = store.audit(0, 10).await.unwrap();
    assert!(page.entries.is_empty() && page.next.is_none());
}

pub(crate) async fn what_is_on_record_about_one_person_is_theirs_alone(place: &impl Place) {
    let store = place.open().await;
    let (me, other) = (key(1), key(2));
    let of = |actor: Actor, target: PublicKey| NewAudit {
        actor,
        ..audit(target)
    };
    let system = || Actor::System;
    let mut mine = Vec::new();
    for (new, is_mine) in [
        (of(Actor::Key(me), me), true),
        (of(Actor::Key(other), me), true),
        (of(Actor::Key(other), other), false),
        (of(Actor::Key(me), other), true),
        (of(system(), other), false),
        (of(system(), me), true),
    ] {
        let entry = store.append_audit(new).await.unwrap();
        if is_mine {
            mine.push(entry);
        }
    }
    for limit in 0..=5 {
        let (mut found, mut after) = (Vec::new(), 0);
        loop {
            let page = store.audit_about(me, after, limit).await.unwrap();
            assert!(page.entries.len() <= limit.max(1) as usize);
            found.extend(page.entries);
            after = found.last().map_or(0, |entry: &AuditEntry| entry.seq);
            if page.next.is_none() {
                break;
            }
        }
        assert_eq!(found, mine, "pages of {limit}");
    }
    let nobody = store.audit_about(key(3), 0, 10).await.unwrap();
    assert!(nobody.entries.is_empty() && nobody.next.is_none());
}

/// Every entry, in pages of `limit`.
pub(crate) async fn walk(store: &Arc<dyn Store>, limit: u32) -> Vec<AuditEntry> {
    let mut entries: Vec<AuditEntry> = Vec::new();
    loop {
        let after = entries.last().map_or(0, |entry| entry.seq);
        let mut page = store.audit(after, limit).await.unwrap();
        assert!(page.entries.len() <= limit.max(1) as usize);
        entries.append(&mut page.entries);
        if page.next.is_none() {
            return entries;
        }
    }
}
