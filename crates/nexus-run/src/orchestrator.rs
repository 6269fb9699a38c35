//! The run: one human message, from arrival to the stored answer.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use nexus_core::event::{Channel, RunEvent, RunStarted, RunStatus};
use nexus_core::{Admission, Clock, Member, Message, Model, Overrides, PublicKey, RunId};
use nexus_llm::LanguageModel;
use nexus_store::{ActiveRun, Store, StoreError};
use tokio::join;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

use crate::again::{self, StoredQuestion};
use crate::context::{self, Ask, ContextWindows, RunContext};
use crate::error::RunError;
use crate::gate::Gate;
use crate::generate::{Asked, Ending, Reply, ask};
use crate::limiter::{Holder, Limiter, Place, Reserved};
use crate::live::LiveTemplate;
use crate::runs::{InProgress, Runs};
use crate::spent::{self, Spent};
use crate::stream::{Emitter, OnDisconnect, RunStream, finish_once};
use crate::tools::{RunTools, ToolBox, ToolResult};

/// What a visitor is told.
pub const GUIDANCE: &str = "Welcome. Your key has no identity here yet, so nothing you write is stored and no \
model is asked. Register it with the command `identity`, which you sign with your key, or ask the person who runs \
this server to run `nexus identity new KEY`; after that, this chat is yours.";

/// What somebody is told whose registration nobody has approved yet.
pub const PENDING: &str = "Welcome. Your key is registered and waits for an administrator of this server to let you \
in. Until then nothing you write is stored and no model is asked.";

/// What somebody is told whom an administrator has locked out.
pub const DISABLED: &str = "An administrator of this server has disabled your identity. Nothing you write is stored \
and no model is asked. What you wrote before is kept: ask the person who runs this server.";

/// Starts runs.
pub struct Orchestrator {
    /// What is kept.
    pub store: Arc<dyn Store>,
    /// Who may.
    pub gate: Arc<Gate>,
    /// The template in force.
    pub template: Arc<LiveTemplate>,
    /// Who answers.
    pub model: Arc<dyn LanguageModel>,
    /// How much the models can read.
    pub windows: ContextWindows,
    /// What models may call.
    pub tools: ToolBox,
    /// Who may have how much.
    pub limiter: Arc<Limiter>,
    /// What time it is.
    pub clock: Arc<dyn Clock>,
    /// Runs whose reader went away.
    pub tasks: TaskTracker,
    /// The server stops when it is cancelled: each run stops reading its provider, stores the part
    /// of its answer that came, and finishes.
    pub stopping: CancellationToken,
    /// The runs in progress here.
    pub runs: Runs,
}

/// A request that is let in before its body is read: counted, and with a place to run.
pub struct Admitted {
    /// Whose it is.
    pub owner: PublicKey,
    /// What its body takes, for as long as its run goes on.
    pub memory: Reserved,
    /// Whether the credential does not reach the prompts of its owner, so that no mirror shows them.
    pub hides_prompts: bool,
    /// `None`: the owner is no member, so there is nothing to run.
    place: Option<Place>,
}

impl Admitted {
    /// Whether a member asks.
    #[must_use]
    pub const fn is_of_a_member(&self) -> bool {
        self.place.is_some()
    }
}

/// A question to answer.
#[derive(Clone, Debug)]
pub struct NewRun {
    /// Who asks, by the credential that was shown.
    pub owner: PublicKey,
    /// What.
    pub ask: Ask,
    /// What this one request sets: the strongest layer.
    pub request: Overrides,
    /// The models that the credential may ask, by catalog name. `None`: all that the person may.
    pub models: Option<BTreeSet<String>>,
    /// Whether the first event says where each value in force came from.
    pub explains: bool,
    /// What becomes of the run when its reader goes away.
    pub on_disconnect: OnDisconnect,
    /// Stops the answer.
    pub cancel: CancellationToken,
}

impl Orchestrator {
    /// Lets a request in, by what is known before its body is read: the template, the request count
    /// and the standing of its owner, and a place to run.
    ///
    /// # Errors
    /// When a limit of the owner is reached, or it cannot be known.
    pub async fn admit(&self, owner: PublicKey) -> Result<Admitted, RunError> {
        let genesis = self.template.current()?;
        let limits = genesis.limits();
        self.limiter.count_request(limits, owner)?;
        let (place, holder) = match self.gate.admit(owner).await? {
            Admission::Member(_) => (
                Some(self.limiter.place(limits, owner).await?),
                Holder::Member(owner),
            ),
            _ => (None, Holder::Strangers),
        };
        let memory = self.limiter.memory.reserve(holder);
        Ok(Admitted {
            owner,
            memory,
            hides_prompts: false,
            place,
        })
    }

    /// Starts a run, which is [admitted](Self::admit) as its first step. It moves as its events are
    /// read, and finishes also when nobody reads them.
    #[must_use]
    pub fn start(self: &Arc<Self>, new: NewRun) -> RunStream {
        self.begin(None, new)
    }

    /// Starts the run of a request that was let in.
    #[must_use]
    pub fn start_admitted(self: &Arc<Self>, admitted: Admitted, new: NewRun) -> RunStream {
        self.begin(Some(admitted), new)
    }

    fn begin(self: &Arc<Self>, admitted: Option<Admitted>, new: NewRun) -> RunStream {
        let this = Arc::clone(self);
        let run_id = match &new.ask {
            Ask::Again(run_id) => run_id.clone(),
            Ask::Question(_) | Ask::Client(_) => RunId::new(self.clock.now()),
        };
        let span = tracing::info_span!("runs.new", run = %run_id, owner = %new.owner);
        RunStream::new(
            new.on_disconnect,
            new.cancel.clone(),
            &self.tasks,
            |outlet| {
                let events = Emitter::new(run_id.clone(), outlet);
                finish_once(events, move |events| {
                    async move { this.run(run_id, admitted, new, events).await }.boxed()
                })
                .instrument(span)
                .boxed()
            },
        )
    }

    /// Why a model cannot answer at the moment, for people, as far as that is known without asking.
    #[must_use]
    pub fn unavailable(&self, model: &Model) -> Option<String> {
        let missing = model.provider.unavailable().map(|key| key.to_string());
        missing.or_else(|| self.model.trouble(model).map(|trouble| trouble.to_string()))
    }

    /// One run, in the order in which it happens.
    async fn run(
        &self,
        run_id: RunId,
        admitted: Option<Admitted>,
        new: NewRun,
        events: &mut Emitter,
    ) -> Result<RunStatus, RunError> {
        let Admitted {
            place,
            memory,
            hides_prompts,
            ..
        } = match admitted {
            Some(admitted) => admitted,
            None => self.admit(new.owner).await?,
        };
        let _held_until_the_end = memory;
        let genesis = self.template.current()?;
        // Since the request was let in, its owner may have been locked out or may have changed
        // something.
        let identity = match self.gate.admit(new.owner).await? {
            Admission::Member(identity) => identity,
            Admission::Visitor => return Ok(guide(run_id, new.owner, GUIDANCE, events).await),
            Admission::Pending => return Ok(guide(run_id, new.owner, PENDING, events).await),
            Admission::Disabled => return Ok(guide(run_id, new.owner, DISABLED, events).await),
            Admission::Unreadable => return Err(RunError::IdentityUnreadable),
        };
        let begun = ActiveRun {
            run_id: run_id.clone(),
            owner: new.owner,
            message_id: None,
            started_at: self.clock.now(),
        };
        let in_progress = self.runs.begin(begun, events.canceller())?;
        let asked = self.asked_again(&new.ask, &identity, &in_progress).await?;
        let run = RunContext::new(run_id, new, identity, genesis, self.clock.now())?
            .stopped_by(self.stopping.clone())
            .hiding_prompts(hides_prompts);
        let run = match &asked {
            Some(asked) => run.asks_again(asked),
            None => run,
        };

        let limits = run.genesis.limits();
        let place = match place {
            Some(place) => place,
            // A member since the request was let in.
            None => self.limiter.place(limits, run.identity.public_key).await?,
        };
        let permit = self.limiter.admit(limits, place, spent::estimate(&run));
        let permit = permit.await?;

        // No model is asked before the question is safe on disk.
        let history = self.append_and_recall(&run, asked, &in_progress, events);
        let history = history.await?;
        events.record.asks(&run);
        events.emit(RunEvent::RunStarted(run.started())).await;

        let mut spent = Spent::default();
        let talk = self.converse(&run, history, &mut spent, events);
        let outcome = AssertUnwindSafe(talk).catch_unwind().await;
        // What was used is on record however the run ended.
        // One that is asked again is counted again.
        let attempt = RunId::new(self.clock.now());
        let costs = spent.by_model().map(|(_, count)| count.cost_micros);
        events.record.cost(costs.fold(0, u64::saturating_add));
        let settle = async {
            for (model, count) in spent.by_model() {
                let run = (&attempt, run.identity.created_at);
                permit.settle(run, &model.name, count).await;
            }
        };
        match outcome {
            // Both at once: the store may write them in one go.
            Ok(Ok(reply)) => {
                let ((), stored) = join!(settle, self.append_reply(&run, &reply, events));
                stored?;
                if !reply.is_empty() {
                    self.remove_replaced(&run).await;
                }
                conclude(&run, reply, events).await
            }
            Ok(Err(error)) => {
                join!(settle, self.note_error(&run, &error));
                Err(error)
            }
            Err(panic) => {
                join!(settle, self.note_error(&run, &RunError::Internal));
                resume_unwind(panic)
            }
        }
    }

    /// Asks the model, and carries out what it asks for, until it has said everything. Gives its
    /// last reply, which is not stored yet.
    async fn converse(
        &self,
        run: &RunContext,
        history: Vec<Message>,
        spent: &mut Spent,
        events: &mut Emitter,
    ) -> Result<Reply, RunError> {
        let mut tools = self.tools_of(run).await;
        let mut prompt = context::build(run, history, tools.specs());
        let rounds = run.genesis.system().max_tool_iterations;
        let mut round = 0;
        loop {
            let span =
                tracing::debug_span!("llm.requests", round, model = %prompt.request().model.name);
            let asked = Asked {
                model: &*self.model,
                windows: &self.windows,
                run,
                deadline: tools.deadline(),
            };
            let mut reply = ask(asked, &mut prompt, events).instrument(span).await;
            reply.used = spent::of_turn(prompt.request(), &reply);
            if let Some(turn) = reply.used {
                spent.add(&reply.model, turn);
                events.used(turn);
            }
            if round == rounds || !run.calls_tools_of(&reply) {
                return Ok(reply);
            }
            self.append_reply(run, &reply, events).await?;
            let results = tools.call_all(run, &reply.tool_calls, events).await;
            self.append_results(run, &results, events).await?;
            prompt.add_round(reply, results);
            round += 1;
        }
    }

    /// What is stored of a question that is asked again. Of several who ask it again at once, one
    /// gets through.
    async fn asked_again(
        &self,
        ask: &Ask,
        owner: &Member,
        in_progress: &InProgress<'_>,
    ) -> Result<Option<StoredQuestion>, RunError> {
        let Ask::Again(run_id) = ask else {
            return Ok(None);
        };
        in_progress.claim(&*self.store).await?;
        let asked = again::find(&*self.store, owner, run_id).await?;
        if asked.is_answered() {
            return Err(RunError::AlreadyAnswered);
        }
        Ok(Some(asked))
    }

    /// Stores the question, unless it is stored, and reads what came before it.
    async fn append_and_recall(
        &self,
        run: &RunContext,
        asked: Option<StoredQuestion>,
        in_progress: &InProgress<'_>,
        events: &mut Emitter,
    ) -> Result<Vec<Message>, RunError> {
        let (owner, size) = (&run.identity, run.history_to_read());
        if let Some(asked) = asked {
            let id = asked.question.id.clone();
            in_progress.answers(&id);
            events.stored(id);
            return asked.history(&*self.store, owner, size).await;
        }
        let Some(human) = &run.human else {
            return match size {
                0 => Ok(Vec::new()),
                size => Ok(self.store.history(owner, size, &run.run_id).await?),
            };
        };
        in_progress.answers(&human.id);
        let asked = self.store.append_and_recall(owner, human.clone(), size);
        let (stored, ()) = join!(asked, in_progress.announce(&*self.store));
        let history = match stored {
            Err(StoreError::Unavailable { .. }) => None,
            stored => Some(stored?),
        };
        if history.is_none() {
            let patience = self.runs.patience.question;
            let saved = self.save(run, human, patience, true).await;
            saved.map_err(RunError::of_question)?;
        }
        events.stored(human.id.clone());
        match history {
            Some(history) => Ok(history),
            None => Ok(self.store.history(owner, size, &run.run_id).await?),
        }
    }

    /// A program that brings tools along carries them out itself: then there are no others.
    async fn tools_of(&self, run: &RunContext) -> RunTools {
        if run.client_has_tools() {
            RunTools::new(Vec::new())
        } else {
            self.tools.open(run).await
        }
    }

    /// Stores what the model said. Of a model that said nothing, the question keeps how that came.
    async fn append_reply(
        &self,
        run: &RunContext,
        reply: &Reply,
        events: &mut Emitter,
    ) -> Result<(), RunError> {
        if let Ending::Finished(finish) = &reply.ending {
            events.stopped(&finish.reason);
        }
        if reply.is_empty() {
            self.note(run, reply.facts(run)).await;
            return Ok(());
        }
        if run.stores {
            self.append(run, reply.to_message(run, self.clock.now()), events)
                .await?;
        }
        events.answered(reply.answered_by());
        Ok(())
    }

    /// Removes what an earlier attempt left of the answer that is stored now.
    async fn remove_replaced(&self, run: &RunContext) {
        self.forget_failure(run).await;
        if run.replaces.is_empty() {
            return;
        }
        let removed = self.store.remove_messages(&run.identity, &run.replaces);
        if let Err(error) = removed.await {
            tracing::warn!(%error, "an answer is stored beside the part that it should replace");
        }
    }

    async fn append_results(
        &self,
        run: &RunContext,
        results: &[ToolResult],
        events: &mut Emitter,
    ) -> Result<(), RunError> {
        for result in results.iter().filter(|_| run.stores) {
            self.append(run, result.to_message(run, self.clock.now()), events)
                .await?;
        }
        Ok(())
    }

    async fn append(
        &self,
        run: &RunContext,
        message: Message,
        events: &mut Emitter,
    ) -> Result<(), RunError> {
        let patience = self.runs.patience.answer;
        let saved = self.save(run, &message, patience, false).await;
        saved.map_err(|error| {
            self.runs.count_unsaved();
            RunError::of_answer(error)
        })?;
        events.stored(message.id);
        Ok(())
    }
}

/// How a run ended whose last reply this was.
async fn conclude(
    run: &RunContext,
    reply: Reply,
    events: &mut Emitter,
) -> Result<RunStatus, RunError> {
    let (is_empty, wants_tools) = (reply.is_empty(), run.calls_tools_of(&reply));
    match reply.ending {
        Ending::Finished(_) if wants_tools => Ok(RunStatus::ToolLimit),
        Ending::Finished(_) => Ok(RunStatus::Completed),
        Ending::Stopped(cause) => {
            events.interrupted(cause);
            Ok(RunStatus::Interrupted)
        }
        Ending::OutOfTime => Ok(RunStatus::ToolLimit),
        Ending::Broken(error) if is_empty => Err(error.into()),
        Ending::Broken(error) => {
            let error = RunError::from(error);
            events.record.failed(error.code());
            events.emit(error.to_event()).await;
            Ok(RunStatus::Interrupted)
        }
    }
}

async fn guide(run_id: RunId, owner: PublicKey, words: &str, events: &mut Emitter) -> RunStatus {
    let started = RunStarted {
        run_id,
        owner_key: owner,
        message_id: None,
        model: None,
        template_version: None,
        notices: Vec::new(),
        explanation: None,
    };
    events.emit(RunEvent::RunStarted(started)).await;
    events.say(words.to_owned(), Channel::Guidance).await;
    RunStatus::VisitorGuidanceSent
}
