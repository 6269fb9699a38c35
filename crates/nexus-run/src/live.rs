//! The template in force: loaded, checked, swapped whole. A run takes one snapshot and keeps it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use nexus_core::audit::Actor;
use nexus_core::egress::Secrets;
use nexus_core::genesis::{Checked, GenesisDoc};
use nexus_core::plan::policy_changes;
use nexus_core::{Clock, Environment, Genesis};
use nexus_store::{ConfigStore, Evictions, NewTemplate, Store, StoreError, StoredTemplate};
use tokio::sync::{Mutex, watch};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::commands::Administration;

/// The author of a version that began as an edit in the database: nobody knows more.
pub const EDITED_BY: &str = "an edit in the database";

/// How often the stored template is looked at although no request comes.
const PERIOD: Duration = Duration::from_millis(500);

const UNREADABLE: &str = "the template could not be read from the store";

/// How many versions are looked at for one that can be used.
const LOOKED_AT: u32 = 100;

/// Hands out the template in force and replaces it when the stored one changes.
pub struct LiveTemplate {
    store: Arc<dyn Store>,
    environment: Environment,
    secrets: Arc<Secrets>,
    evictions: Evictions,
    /// The number of [`Evictions::template`] that the newest look at the store goes back to.
    followed: AtomicU64,
    state: ArcSwap<State>,
    /// Told of each template that comes into force.
    in_force: watch::Sender<()>,
    /// One reload at a time: an older reading never replaces a newer one.
    reloading: Mutex<()>,
}

/// What is in force, and what is wrong with what is stored.
#[derive(Clone)]
struct State {
    genesis: Option<Arc<Genesis>>,
    /// The emergency template stands in.
    is_emergency: bool,
    /// The document that `genesis` was made from. Somebody who edits the database by hand does not
    /// change the version.
    hash: Option<String>,
    /// Somebody edited the document after it was stored.
    is_edited: bool,
    problems: Vec<String>,
}

/// What readiness reports about the template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateHealth {
    /// The version in force. `None`: there is none.
    pub version: Option<u64>,
    /// Whether the emergency template stands in.
    pub is_emergency: bool,
    /// Why the stored template is not the one in force.
    pub problems: Vec<String>,
}

/// There is no template to work with.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "Nexus has no usable template: run `nexus init` for this environment, or see /readyz for what is wrong with it"
)]
pub struct TemplateUnavailable;

impl LiveTemplate {
    /// Loads the stored template. In development the emergency template stands in for a missing or
    /// unusable one; in production nothing does, and [`LiveTemplate::current`] says so.
    pub async fn load(
        store: Arc<dyn Store>,
        environment: Environment,
        secrets: Arc<Secrets>,
    ) -> Self {
        let nothing = State {
            genesis: None,
            is_emergency: false,
            hash: None,
            is_edited: false,
            problems: Vec::new(),
        };
        let live = Self {
            evictions: store.evictions(),
            followed: AtomicU64::new(0),
            in_force: watch::Sender::default(),
            store,
            environment,
            secrets,
            state: ArcSwap::from_pointee(nothing),
            reloading: Mutex::new(()),
        };
        live.reload().await;
        live
    }

    /// The template in force.
    ///
    /// # Errors
    /// In production, when no usable template was ever loaded.
    pub fn current(&self) -> Result<Arc<Genesis>, TemplateUnavailable> {
        self.state.load().genesis.clone().ok_or(TemplateUnavailable)
    }

    /// What the providers of a template may name.
    #[must_use]
    pub fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Which environment this is.
    #[must_use]
    pub const fn environment(&self) -> Environment {
        self.environment
    }

    /// What is in force, and what is wrong with what is stored.
    #[must_use]
    pub fn health(&self) -> TemplateHealth {
        let state = self.state.load();
        TemplateHealth {
            version: state.genesis.as_ref().map(|genesis| genesis.version()),
            is_emergency: state.is_emergency,
            problems: state.problems.clone(),
        }
    }

    /// Tells of each template that comes into force.
    #[must_use]
    pub fn in_force(&self) -> watch::Receiver<()> {
        self.in_force.subscribe()
    }

    /// Looks at the stored template again and again, also when no request comes, until `stop`. A
    /// usable edit in the database becomes a version of its own.
    pub async fn watch(self: Arc<Self>, clock: Arc<dyn Clock>, stop: CancellationToken) {
        let mut in_force = self.in_force();
        let mut adopted = None;
        loop {
            if self.state.load().is_edited {
                self.adopt_edit(&*clock, &mut adopted).await;
                _ = self.follow().await;
            }
            tokio::select! {
                () = stop.cancelled() => return,
                // The sender is here.
                _ = in_force.changed() => {}
                () = sleep(PERIOD) => self.reload().await,
            }
        }
    }

    /// Puts in force what is stored, as of the lease that the store has just given.
    ///
    /// # Errors
    /// When it may have changed and the store cannot be asked.
    pub async fn follow(&self) -> Result<(), StoreError> {
        let wanted = self.evictions.template();
        if self.followed.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        let _alone = self.reloading.lock().await;
        if self.followed.load(Ordering::Acquire) >= wanted {
            return Ok(());
        }
        self.look().await
    }

    /// Reads the stored template again. An unusable one never replaces a usable one.
    pub async fn reload(&self) {
        let _alone = self.reloading.lock().await;
        // What is wrong is told, and the next request finds out for itself.
        _ = self.look().await;
    }

    async fn look(&self) -> Result<(), StoreError> {
        let number = self.evictions.template();
        let before = self.state.load_full();
        let read = self.store.template(self.environment).await;
        match &read {
            Ok(Some(stored)) => self.compare(&before, stored).await,
            Ok(None) => {
                let problem = format!("there is no template for {}", self.environment);
                self.keep_or_fall_back(&before, problem, None);
            }
            // It is looked at again and again, and told once.
            Err(_) if before.problems.first().is_some_and(|it| it == UNREADABLE) => {}
            Err(error) => self.fail(&before, unreadable(error)).await,
        }
        match read {
            // A document that is spoiled stays so until it is changed.
            Ok(_) | Err(StoreError::Corrupt { .. }) => {
                self.followed.fetch_max(number, Ordering::AcqRel);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    async fn compare(&self, before: &State, stored: &StoredTemplate) {
        let hash = stored.doc.hash();
        let in_force = before.genesis.as_ref().map(|genesis| genesis.version());
        let is_known = in_force == Some(stored.version) && before.hash.as_ref() == Some(&hash);
        if is_known && before.problems.is_empty() {
            return;
        }
        match check(stored, &self.secrets) {
            Ok(checked) => self.put_in_force(before, stored, checked, hash),
            Err(problem) => self.fail(before, problem).await,
        }
    }

    async fn fail(&self, before: &State, problem: String) {
        let good = self.last_good(before, &problem).await;
        self.keep_or_fall_back(before, problem, good);
    }

    fn replace(&self, state: State) {
        self.state.store(Arc::new(state));
        self.in_force.send_replace(());
    }

    /// Stores an edited document as a new version, so that a version says which document it is.
    /// `adopted`: the last one. It is not stored twice, even if a store gave back something else
    /// than it was given.
    async fn adopt_edit(&self, clock: &dyn Clock, adopted: &mut Option<String>) {
        let read = stored_template(&*self.store, self.environment, &self.secrets).await;
        let Ok(Some((stored, _))) = read else { return };
        let hash = stored.doc.hash();
        if hash == stored.hash || adopted.as_ref() == Some(&hash) {
            return;
        }
        let new = NewTemplate {
            environment: self.environment,
            doc: stored.doc,
            author: EDITED_BY.to_owned(),
            created_at: clock.now(),
        };
        let administration = Administration {
            store: &*self.store,
            at: new.created_at,
            // Whoever made the edit did not tell.
            actor: Actor::System,
            signature: None,
        };
        // The document before the edit is gone; its hash is not.
        let before = stored.hash.parse().ok();
        let put = administration.put_template(new, Some(stored.version), before);
        match put.await {
            Ok(now) => {
                tracing::info!(
                    version = now.version,
                    hash,
                    "an edit in the database was stored as a version"
                );
                *adopted = Some(hash);
            }
            // Another node was faster.
            Err(StoreError::Conflict { .. }) => {}
            Err(error) => {
                tracing::warn!(%error, "an edit in the database could not be stored as a version");
            }
        }
    }

    fn put_in_force(
        &self,
        before: &State,
        stored: &StoredTemplate,
        checked: Checked,
        hash: String,
    ) {
        for warning in &checked.warnings {
            tracing::warn!(%warning, "the template has an oddity");
        }
        let is_edited = hash != stored.hash;
        if is_edited {
            tracing::warn!(
                version = stored.version,
                "the template was edited in the database after it was stored"
            );
        }
        tracing::info!(
            version = stored.version,
            environment = %self.environment,
            author = ?stored.author,
            hash,
            "template in force"
        );
        if let (Some(genesis), false) = (&before.genesis, before.is_emergency) {
            for change in policy_changes(genesis, &checked.genesis) {
                tracing::info!(version = stored.version, %change, "a rule for people changed");
            }
        }
        self.replace(State {
            genesis: Some(Arc::new(checked.genesis)),
            is_emergency: false,
            hash: Some(hash),
            is_edited,
            problems: Vec::new(),
        });
    }

    /// The newest stored version that can be used, for a server that was started with one that
    /// cannot.
    async fn last_good(&self, before: &State, problem: &String) -> Option<Checked> {
        let has_good = before.genesis.is_some() && !before.is_emergency;
        if has_good || before.problems.first() == Some(problem) {
            return None;
        }
        let versions = self
            .store
            .template_versions(self.environment, None, LOOKED_AT);
        for version in versions.await.ok()? {
            let stored = self
                .store
                .template_version(self.environment, version.version);
            if let Ok(Some(stored)) = stored.await
                && let Ok(checked) = Genesis::check(&stored.doc, &self.secrets)
            {
                return Some(with_version(checked, stored.version));
            }
        }
        None
    }

    fn keep_or_fall_back(&self, before: &State, problem: String, good: Option<Checked>) {
        if before.problems.first() == Some(&problem) {
            return;
        }
        let mut problems = vec![problem];
        let problem = &problems[0];
        if let Some(good) = good {
            let version = good.genesis.version();
            tracing::error!(%problem, version, "the stored template cannot be used: the last good version is in force");
            problems.push(format!("version {version}, the last good one, is in force"));
            self.replace(State {
                genesis: Some(Arc::new(good.genesis)),
                is_emergency: false,
                hash: None,
                is_edited: false,
                problems,
            });
            return;
        }
        let (genesis, is_emergency) = match (&before.genesis, self.environment) {
            (Some(genesis), _) => {
                tracing::error!(%problem, "the stored template cannot be used: the last good one stays in force");
                (Some(Arc::clone(genesis)), before.is_emergency)
            }
            (None, Environment::Development) => {
                tracing::warn!(%problem, "Loading minimal emergency fallback configuration");
                (emergency(), true)
            }
            (None, Environment::Production) => {
                tracing::error!(%problem, "no usable template: not ready");
                (None, false)
            }
        };
        self.replace(State {
            genesis,
            is_emergency,
            hash: before.hash.clone(),
            is_edited: false,
            problems,
        });
    }
}

/// Reads and checks the stored template.
///
/// # Errors
/// When the store cannot be read or the template cannot be used, in words for people.
pub async fn stored_template(
    store: &(impl ConfigStore + ?Sized),
    environment: Environment,
    secrets: &Secrets,
) -> Result<Option<(StoredTemplate, Checked)>, String> {
    let stored = store.template(environment).await;
    let Some(stored) = stored.map_err(|error| unreadable(&error))? else {
        return Ok(None);
    };
    let checked = check(&stored, secrets)?;
    Ok(Some((stored, checked)))
}

/// Readiness is open to every client, so the cause goes to the log only.
fn unreadable(error: &StoreError) -> String {
    tracing::error!(%error, "the template could not be read");
    UNREADABLE.to_owned()
}

fn check(stored: &StoredTemplate, secrets: &Secrets) -> Result<Checked, String> {
    let checked = Genesis::check(&stored.doc, secrets).map_err(|problems| problems.to_string())?;
    Ok(with_version(checked, stored.version))
}

fn with_version(checked: Checked, version: u64) -> Checked {
    Checked {
        genesis: checked.genesis.with_version(version),
        ..checked
    }
}

fn emergency() -> Option<Arc<Genesis>> {
    let checked = Genesis::check(&GenesisDoc::minimal(), &Secrets::default());
    checked.ok().map(|checked| Arc::new(checked.genesis))
}
