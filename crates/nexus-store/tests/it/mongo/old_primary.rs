//! A primary that is not the primary any more, and does not know it. While it is asked, sessions end
//! elsewhere, and none may be accepted a second after that.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::TryStreamExt;
use mongodb::bson::{Document, doc};
use mongodb::options::ReadConcern;
use nexus_core::{Session, Standing, TokenDigest};
use nexus_store::{MongoOptions, MongoStore, Purpose, Store};
use tokio::sync::watch;
use tokio::time::{Instant, interval, sleep, timeout};

use super::failover::{connect, deadline, started};
use super::load::Load;
use crate::contract::changes::leased;
use crate::samples::{at, key, session};

const SESSIONS: u64 = 24;
const OWNERS: u64 = 1000;

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_freezes_loses_nothing_and_lets_nobody_in() {
    let set = started(3).await;
    let (store, other) = (connect(&set).await, connect(&set).await);
    let load = Load::start(Arc::clone(&store)).await;
    let watched = Watched::new(&store, &other).await;
    let door = watched.stand_at(Arc::clone(&store)).await;
    let frozen = set.primary().await;
    set.freeze(frozen);
    let since = Instant::now();
    watched.end_all(&other).await;
    println!("goes on after {:.1?}", load.goes_on().await);
    sleep(Duration::from_secs(15).saturating_sub(since.elapsed())).await;
    set.thaw(frozen);
    println!("goes on after {:.1?}", load.goes_on().await);
    leased(&store).await;
    door.leave().await.check();
    load.finish().await.check(deadline());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_cut_off_lets_nobody_in_whose_session_has_ended() {
    let set = started(3).await;
    let old = set.primary().await;
    let options = MongoOptions {
        deadline: Duration::from_secs(2),
        ..MongoOptions::default()
    };
    let store = MongoStore::connect(&set.uri_of(old), "faults", options).await;
    let (store, other): (Arc<dyn Store>, _) = (Arc::new(store.unwrap()), connect(&set).await);
    let watched = Watched::new(&store, &other).await;
    let member = set.member(old).await;
    let deaf = |mode: &str| doc! {"configureFailPoint": "blockHeartbeatStepdown", "mode": mode};
    member.run_command(deaf("alwaysOn")).await.unwrap();
    let door = watched.stand_at(Arc::clone(&store)).await;
    // While it is frozen, the others find a new primary. Then it goes on, and does not step down.
    set.freeze(old);
    let another = key(OWNERS + SESSIONS);
    while other
        .create_identity(another, Standing::Active, at(0))
        .await
        .is_err()
    {}
    set.thaw(old);
    watched.end_all(&other).await;
    // It still answers whoever does not want a proof.
    let sessions = member
        .client()
        .database("faults")
        .collection::<Document>("sessions");
    let found = sessions.find(doc! {}).read_concern(ReadConcern::majority());
    let found: Vec<_> = found.await.unwrap().try_collect().await.unwrap();
    assert_eq!(found.len() as u64, SESSIONS);
    let answers = door.leave().await;
    answers.check();
    assert!(answers.failed > 0, "{answers:?}");
    member.run_command(deaf("off")).await.unwrap();
}

/// Sessions, and when their end was acknowledged.
struct Watched {
    sessions: Vec<Session>,
    ended: Arc<Mutex<HashMap<TokenDigest, Instant>>>,
}

/// Somebody who asks for every session again and again.
struct Door {
    asking: tokio::task::JoinHandle<Answers>,
    stop: watch::Sender<bool>,
}

#[derive(Debug, Default)]
struct Answers {
    remembered: u64,
    read: u64,
    refused: u64,
    failed: u64,
    /// Accepted more than a second after their end was acknowledged.
    stale: u64,
}

impl Watched {
    async fn new(store: &Arc<dyn Store>, other: &Arc<dyn Store>) -> Self {
        let sessions = (0..SESSIONS).map(|number| session(OWNERS + number, key(OWNERS + number)));
        let sessions: Vec<_> = sessions.collect();
        for session in &sessions {
            other.create_session(session.clone()).await.unwrap();
        }
        leased(store).await;
        Self {
            sessions,
            ended: Arc::default(),
        }
    }

    /// One after the other, in five seconds or more.
    async fn end_all(&self, other: &Arc<dyn Store>) {
        let mut pace = interval(Duration::from_millis(200));
        let ending = async {
            for session in &self.sessions {
                pace.tick().await;
                while other.erase_identity(session.owner_key).await.is_err() {}
                let mut ended = self.ended.lock().unwrap();
                ended.insert(session.digest, Instant::now());
            }
        };
        timeout(Duration::from_mins(1), ending).await.unwrap();
    }

    /// Keeps as the gate does.
    async fn stand_at(&self, store: Arc<dyn Store>) -> Door {
        let mut memory = HashMap::new();
        for session in &self.sessions {
            let as_of = leased(&store).await;
            if store.session(session.digest).await.unwrap().is_some() {
                memory.insert(session.digest, as_of);
            }
        }
        let (stop, stopped) = watch::channel(false);
        let (sessions, ended) = (self.sessions.clone(), Arc::clone(&self.ended));
        let asking = async move {
            let mut answers = Answers::default();
            let evictions = store.evictions();
            for session in sessions.iter().cycle() {
                if *stopped.borrow() {
                    break;
                }
                let begun = Instant::now();
                let digest = session.digest;
                let kept = memory.get(&digest).copied();
                let lease = store.lease(Purpose::Recall).await;
                let is_kept = kept.is_some_and(|as_of| evictions.allow(digest, as_of));
                if lease.is_ok() && is_kept {
                    answers.remembered += 1;
                } else {
                    memory.remove(&digest);
                    let found = match store.lease(Purpose::Read).await {
                        Ok(lease) => {
                            let as_of = evictions.as_of(lease);
                            store
                                .session(digest)
                                .await
                                .map(|found| found.map(|_| as_of))
                        }
                        Err(error) => Err(error),
                    };
                    match found {
                        Ok(Some(as_of)) => _ = memory.insert(digest, as_of),
                        Ok(None) => answers.refused += 1,
                        Err(_) => answers.failed += 1,
                    }
                    answers.read += 1;
                }
                let ended = ended.lock().unwrap().get(&digest).copied();
                let too_late = ended.is_some_and(|at| at + Duration::from_secs(1) < begun);
                if memory.contains_key(&digest) && too_late {
                    answers.stale += 1;
                }
                tokio::task::yield_now().await;
            }
            answers
        };
        #[expect(clippy::disallowed_methods, reason = "the test waits for it")]
        let asking = tokio::spawn(asking);
        Door { asking, stop }
    }
}

impl Door {
    async fn leave(self) -> Answers {
        self.stop.send_replace(true);
        self.asking.await.unwrap()
    }
}

impl Answers {
    #[expect(clippy::print_stdout, reason = "the counts are wanted")]
    fn check(&self) {
        println!("{self:?}");
        assert_eq!(self.stale, 0, "{self:?}");
        assert!(self.remembered > 0 && self.read > 0, "{self:?}");
    }
}
