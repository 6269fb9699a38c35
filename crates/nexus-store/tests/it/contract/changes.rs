//! What may be used of what was read earlier.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nexus_core::{Environment, IdentityWrite, NonceId, Role, Standing, UsageCount};
use nexus_store::lease::LIFE;
use nexus_store::{AsOf, Evictions, Purpose, Store, Subject};
use tokio::time::{Instant, sleep, timeout};

use super::{Place, member};
use crate::samples::{
    api_key, at, audit, counter, far, key, message, new_run, session, set, template, used,
};

pub(crate) async fn own_changes_are_known_when_the_write_returns(place: &impl Place) {
    let store = place.open().await;
    let evictions = store.evictions();
    let templates = evictions.template();
    store
        .put_template(template(Environment::Development), None)
        .await
        .unwrap();
    assert!(evictions.template() > templates);

    let mut as_of = leased(&store).await;
    let mut are_known = async |subjects: &[Subject], what| {
        for subject in subjects {
            assert!(!evictions.allow(*subject, as_of), "{what}");
        }
        as_of = leased(&store).await;
    };
    let (identity, session_of) = (key(1).into(), session(1, key(1)).digest.into());
    let owner = member(&store, 1).await;
    are_known(&[identity], "an identity").await;
    store
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    are_known(&[identity], "an override").await;
    store.create_session(session(1, key(1))).await.unwrap();
    are_known(&[session_of], "a session").await;
    let owner = store.identity(key(1)).await.unwrap().unwrap();
    let admin = IdentityWrite::Admin(true);
    let owner = store.write_identity(&owner, admin).await.unwrap();
    are_known(&[identity], "an administrator").await;
    let disabled = IdentityWrite::Standing(Standing::Disabled);
    let owner = store.write_identity(&owner, disabled).await.unwrap();
    are_known(&[identity], "a standing").await;
    let id = api_key(1, key(1)).id;
    store
        .create_api_key(&owner, api_key(1, key(1)))
        .await
        .unwrap();
    are_known(&[id.into()], "an API key").await;
    store.revoke_api_key(key(1), id, far(2)).await.unwrap();
    are_known(&[id.into()], "a revoked API key").await;
    let name = session(1, key(1)).id();
    assert!(store.revoke_session(key(1), name).await.unwrap());
    are_known(&[session_of], "a revoked session").await;
    let two = [2, 3].map(|number| session(number, key(1)));
    let both = two.each_ref().map(|session| session.digest.into());
    for session in two {
        store.create_session(session).await.unwrap();
    }
    are_known(&both, "other sessions").await;
    assert_eq!(store.revoke_sessions(key(1), None).await.unwrap(), 2);
    are_known(&both, "revoked sessions").await;
    store.create_session(session(1, key(1))).await.unwrap();
    are_known(&[session_of], "a session again").await;
    store.erase_identity(key(1)).await.unwrap();
    are_known(&[identity, session_of, id.into()], "an erasure").await;
}

pub(crate) async fn a_reading_that_began_before_an_own_change_is_not_kept(place: &impl Place) {
    let store = place.open().await;
    let evictions = store.evictions();
    let owner = member(&store, 1).await;
    let before = leased(&store).await;
    let read = store.identity(key(1)).await.unwrap();
    let changed = store
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    assert_ne!(read, Some(changed.clone()));
    assert!(!evictions.allow(key(1), before));
    let _after = leased(&store).await;
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(changed));
}

pub(crate) async fn a_change_evicts_its_own_subject_and_no_other(place: &impl Place) {
    let store = &place.open().await;
    let all = |number| {
        let somebody = key(number + 1);
        let digest = session(number + 1, somebody).digest;
        [
            somebody.into(),
            digest.into(),
            api_key(9, somebody).id.into(),
        ]
    };
    evicts_nothing(store, all, async |number| {
        member(store, number).await;
    })
    .await;
    evicts_nothing(store, all, async |number| {
        let owner = member(store, number).await;
        let changed = store.write_override(&owner, &set("temperature", 0.5)).await;
        let waits = IdentityWrite::Standing(Standing::Pending);
        store
            .write_identity(&changed.unwrap(), waits)
            .await
            .unwrap();
    })
    .await;
    evicts_nothing(store, all, async |number| {
        let opened = session(number, key(number));
        store.create_session(opened.clone()).await.unwrap();
        let revoked = store.revoke_session(key(number), opened.id()).await;
        assert!(revoked.unwrap());
    })
    .await;
    evicts_nothing(store, all, async |number| {
        let opened = session(number, key(number));
        store.create_session(opened).await.unwrap();
        let revoked = store.revoke_sessions(key(number), None).await;
        assert_eq!(revoked.unwrap(), 1);
    })
    .await;
    evicts_nothing(store, all, async |number| {
        let owner = member(store, number).await;
        let new = api_key(u8::try_from(number).unwrap(), owner.public_key);
        let id = new.id;
        store.create_api_key(&owner, new).await.unwrap();
        let revoked = store.revoke_api_key(owner.public_key, id, far(2));
        assert!(revoked.await.unwrap());
    })
    .await;
}

pub(crate) async fn messages_are_no_change(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    evicts_nothing(
        &store,
        |number| [key(number).into(), owner.public_key.into()],
        async |_| {
            for store in [&store, &other] {
                store
                    .append(&owner, message(&owner, Role::Human, "hello"))
                    .await
                    .unwrap();
            }
        },
    )
    .await;
}

pub(crate) async fn that_something_was_used_is_no_change(place: &impl Place) {
    let (store, other) = (&place.open().await, &place.open().await);
    let owner = &member(store, 1).await;
    let digest = session(1, key(1)).digest;
    store.create_session(session(1, key(1))).await.unwrap();
    let id = api_key(1, key(1)).id;
    store
        .create_api_key(owner, api_key(1, key(1)))
        .await
        .unwrap();
    let both = |_| [digest.into(), id.into()];
    for (store_that_uses, turn) in [(store, 0), (other, 1)] {
        let that = store_that_uses;
        let unique = |number: u64| u8::try_from(number + turn).unwrap();
        evicts_nothing(store, both, async |number| {
            let at = far(unique(number).into());
            that.touch_session(digest, at).await.unwrap();
            that.touch_api_key(id, at).await.unwrap();
        })
        .await;
        evicts_nothing(store, both, async |number| {
            let nonce = NonceId::from_bytes([unique(number); 32]);
            assert!(that.use_nonce(nonce, far(0), far(1)).await.unwrap());
            that.append_audit(audit(key(1))).await.unwrap();
        })
        .await;
        evicts_nothing(store, both, async |_| {
            let used = used(key(1), "2026-01-31", "calm");
            that.add_usage(owner.created_at, &new_run(), used, UsageCount::default())
                .await
                .unwrap();
            let counter = counter(1, Some(key(1)));
            that.add_to_counter(counter, 1, far(0)).await.unwrap();
        })
        .await;
    }
}

pub(crate) async fn another_process_is_noticed_within_a_second(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    other.lease(Purpose::Recall).await.unwrap();
    let known = other.evictions().template();
    store
        .put_template(template(Environment::Development), None)
        .await
        .unwrap();
    noticed(async || {
        other.lease(Purpose::Recall).await.unwrap();
        other.evictions().template() > known
    })
    .await;

    let mut identity = Kept::new(&other, key(1));
    let read = async || other.identity(key(1)).await.unwrap();
    assert_eq!(identity.ask(read).await, None);
    let owner = member(&store, 1).await;
    noticed(async || identity.ask(read).await.as_ref() == Some(&owner)).await;
    let changed = store.write_override(&owner, &set("temperature", 0.5)).await;
    let owner = changed.unwrap();
    noticed(async || identity.ask(read).await.as_ref() == Some(&owner)).await;
    let disabled = IdentityWrite::Standing(Standing::Disabled);
    let owner = store.write_identity(&owner, disabled).await.unwrap();
    noticed(async || identity.ask(read).await.as_ref() == Some(&owner)).await;

    let new = session(1, key(1));
    let mut opened = Kept::new(&other, new.digest);
    let read = async || other.session(session(1, key(1)).digest).await.unwrap();
    assert_eq!(opened.ask(read).await, None);
    store.create_session(new.clone()).await.unwrap();
    noticed(async || opened.ask(read).await.as_ref() == Some(&new)).await;
    assert_eq!(store.revoke_sessions(key(1), None).await.unwrap(), 1);
    noticed(async || opened.ask(read).await.is_none()).await;

    let new = api_key(1, key(1));
    let mut program = Kept::new(&other, new.id);
    let read = async || other.api_key(api_key(1, key(1)).id).await.unwrap();
    store.create_api_key(&owner, new.clone()).await.unwrap();
    noticed(async || program.ask(read).await.as_ref() == Some(&new)).await;
    assert!(store.revoke_api_key(key(1), new.id, far(2)).await.unwrap());
    noticed(async || program.ask(read).await.unwrap().revoked_at.is_some()).await;
    store.erase_identity(key(1)).await.unwrap();
    noticed(async || program.ask(read).await.is_none()).await;
    let read = async || other.identity(key(1)).await.unwrap();
    noticed(async || identity.ask(read).await.is_none()).await;
}

pub(crate) async fn what_another_process_wrote_is_read_at_once(place: &impl Place) {
    let (store, other) = (place.open().await, place.open().await);
    let owner = member(&store, 1).await;
    assert_eq!(other.identity(key(1)).await.unwrap(), Some(owner.clone()));
    other
        .append(&owner, message(&owner, Role::Human, "from there"))
        .await
        .unwrap();
    let page = store.messages(&owner, 10, None).await.unwrap();
    assert_eq!(page.messages[0].content, "from there");
    let changed = other
        .write_override(&owner, &set("temperature", 0.5))
        .await
        .unwrap();
    assert_eq!(store.identity(key(1)).await.unwrap(), Some(changed));
}

pub(crate) async fn a_store_says_what_it_is(place: &impl Place) {
    let store = place.open().await;
    store.ping().await.unwrap();
    for number in 0..3 {
        let owner = store
            .create_identity(key(number), Standing::Active, at(0))
            .await
            .unwrap()
            .identity;
        store
            .append(&owner, message(&owner, Role::Human, "hello"))
            .await
            .unwrap();
    }
    let facts = store.facts().await.unwrap();
    assert_eq!((facts.identities, facts.messages), (3, 3));
    assert!(!facts.kind.is_empty() && !facts.location.is_empty());
}

/// The tests are about what happens, not about how busy their machine is.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known before a reading, under a lease that is live.
pub(crate) async fn leased(store: &Arc<dyn Store>) -> AsOf {
    let evictions = store.evictions();
    let leased = async {
        loop {
            let lease = store.lease(Purpose::Read).await;
            let as_of = lease.map(|lease| evictions.as_of(lease));
            match as_of {
                Ok(as_of) if evictions.allow(key(u64::MAX), as_of) => return as_of,
                _ => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(3 * PATIENCE, leased).await.expect("soon")
}

/// One thing that is kept as a node keeps it.
pub(crate) struct Kept<'a, T> {
    store: &'a Arc<dyn Store>,
    evictions: Evictions,
    subject: Subject,
    entry: Option<(T, AsOf)>,
}

impl<'a, T: Clone> Kept<'a, T> {
    pub(crate) fn new(store: &'a Arc<dyn Store>, subject: impl Into<Subject>) -> Self {
        Self {
            evictions: store.evictions(),
            store,
            subject: subject.into(),
            entry: None,
        }
    }

    /// What is kept, or else what `read` gives.
    pub(crate) async fn ask(&mut self, read: impl AsyncFn() -> Option<T>) -> Option<T> {
        self.store.lease(Purpose::Recall).await.unwrap();
        if let Some((value, as_of)) = &self.entry
            && self.evictions.allow(self.subject, *as_of)
        {
            return Some(value.clone());
        }
        let as_of = self.store.lease(Purpose::Read).await.unwrap();
        let as_of = self.evictions.as_of(as_of);
        let found = read().await;
        self.entry = found.clone().map(|value| (value, as_of));
        found
    }
}

/// Asks until a change that has just been acknowledged is seen: who asks a second after it, or
/// later, must see it.
pub(crate) async fn noticed(mut is_seen: impl AsyncFnMut() -> bool) {
    let acknowledged = Instant::now();
    loop {
        let asked = Instant::now();
        if is_seen().await {
            return;
        }
        assert!(asked < acknowledged + LIFE, "not seen after a second");
        sleep(Duration::from_millis(10)).await;
    }
}

/// What is kept of these subjects stays through `change`, which is given a number that was not used
/// before. On a busy machine a lease may end in the middle of it, and then it is tried again.
pub(crate) async fn evicts_nothing<const N: usize>(
    store: &Arc<dyn Store>,
    subjects: impl Fn(u64) -> [Subject; N],
    change: impl AsyncFn(u64),
) {
    static NEXT: AtomicU64 = AtomicU64::new(100);
    let evictions = store.evictions();
    let stays = async {
        loop {
            let number = NEXT.fetch_add(2, Ordering::Relaxed);
            let number = 100 + number % 150;
            let as_of = leased(store).await;
            change(number).await;
            // It has looked at what happened since.
            store.lease(Purpose::Recall).await.unwrap();
            let is_kept = |subject: &Subject| evictions.allow(*subject, as_of);
            if subjects(number).iter().all(is_kept) {
                return;
            }
        }
    };
    timeout(PATIENCE, stays).await.expect("soon");
}
