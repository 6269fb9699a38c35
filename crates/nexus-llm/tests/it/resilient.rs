//! Retries, breaker, fallbacks and the deadline, with a scripted model and a clock that jumps.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt};
use nexus_core::Model;
use nexus_core::catalog::{Credential, Endpoint, Protocol, Provider, Timeouts};
use nexus_core::profile::Fallback;
use nexus_llm::{
    ChatRequest, Delta, Jitter, LanguageModel, LlmError, Resilient, RetryHint, Timers, Trouble,
};
use nexus_test_support::model::{self as test, Gate, ScriptedModel, Turn as Script};
use tokio::time::{Instant, sleep};
use url::Url;

const PRIMARY: &str = "primary";

fn model(name: &str) -> Arc<Model> {
    let base_url = Url::parse("https://models.test/v1").expect("a URL");
    let endpoint = Endpoint::Remote {
        protocol: Protocol::OpenAi,
        base_url,
        credential: Credential::NotNeeded,
    };
    Arc::new(test::model(
        Arc::new(Provider {
            name: format!("{name}-provider").into(),
            endpoint,
            timeouts: Timeouts::default(),
        }),
        name,
    ))
}

fn request(fallbacks: &[&str]) -> Arc<ChatRequest> {
    let fallbacks = fallbacks.iter().map(|name| Fallback {
        model: model(name),
        temperature: Some(0.5),
        max_tokens: None,
    });
    Arc::new(ChatRequest {
        fallbacks: fallbacks.collect(),
        ..test::asking(model(PRIMARY), "Hello?")
    })
}

fn wrap<M: LanguageModel + 'static>(inner: M) -> Resilient<M> {
    Resilient::new(inner, Timers::default(), Jitter::seeded(7))
}

async fn asked(
    model: &impl LanguageModel,
    request: Arc<ChatRequest>,
) -> Vec<Result<Delta, LlmError>> {
    model.stream(request).collect().await
}

fn text(pieces: &[Result<Delta, LlmError>]) -> String {
    let pieces = pieces.iter().filter_map(|piece| match piece {
        Ok(Delta::Text(text)) => Some(text.as_str()),
        _ => None,
    });
    pieces.collect()
}

fn code(pieces: &[Result<Delta, LlmError>]) -> &'static str {
    match pieces.last() {
        Some(Err(error)) => error.code(),
        other => panic!("an error was expected: {other:?}"),
    }
}

fn provider() -> String {
    "acme".to_owned()
}

fn failed(status: u16) -> LlmError {
    LlmError::Failed {
        provider: provider(),
        status,
        message: "down".to_owned(),
        hint: RetryHint::default(),
    }
}

fn limited(seconds: u64) -> LlmError {
    LlmError::RateLimited {
        provider: provider(),
        hint: RetryHint {
            after: Some(Duration::from_secs(seconds)),
            again: None,
        },
    }
}

fn says(text: &str) -> Script {
    Script::new().text(text)
}

fn fails(error: LlmError) -> Script {
    Script::new().error(error)
}

/// Answers by the model that is asked, and counts.
struct ByName<F>(F, Arc<AtomicUsize>);

impl<F> LanguageModel for ByName<F>
where
    F: Fn(&str) -> Script + Send + Sync,
{
    fn stream(&self, request: Arc<ChatRequest>) -> BoxStream<'static, Result<Delta, LlmError>> {
        if &*request.model.name == PRIMARY {
            self.1.fetch_add(1, Ordering::SeqCst);
        }
        let turn = (self.0)(&request.model.name);
        ScriptedModel::new([turn]).stream(request)
    }
}

#[tokio::test(start_paused = true)]
async fn what_may_help_is_tried_twice_more_and_no_more() {
    let inner = ScriptedModel::new([fails(failed(503)), fails(failed(529)), says("Hi.")]);
    let pieces = asked(&wrap(inner.clone()), request(&[])).await;
    assert_eq!(text(&pieces), "Hi.");

    let inner = ScriptedModel::new((0..5).map(|_| fails(failed(500))));
    let started = Instant::now();
    let pieces = asked(&wrap(inner.clone()), request(&[])).await;
    assert_eq!((pieces.len(), code(&pieces)), (1, "provider_failed"));
    assert_eq!(inner.requests().len(), 3);
    assert!(started.elapsed() <= Duration::from_millis(250 + 500));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_help_is_not_tried_again() {
    let rejected = |status| LlmError::Rejected {
        provider: provider(),
        status,
        message: "no".to_owned(),
    };
    let unauthorized = |status| LlmError::Unauthorized {
        provider: provider(),
        status,
    };
    let told_not_to = LlmError::Failed {
        provider: provider(),
        status: 503,
        message: "no".to_owned(),
        hint: RetryHint {
            after: None,
            again: Some(false),
        },
    };
    let silent = LlmError::TimedOut {
        provider: provider(),
        waited: Duration::from_secs(30),
    };
    let mut errors = vec![failed(501), told_not_to, silent];
    errors.extend([400, 404, 413, 422].map(rejected));
    errors.extend([401, 403].map(unauthorized));
    for error in errors {
        let shown = format!("{error:?}");
        let inner = ScriptedModel::new([fails(error), says("never said")]);
        let pieces = asked(&wrap(inner.clone()), request(&[])).await;
        assert_eq!(pieces.len(), 1, "{shown}");
        assert_eq!(inner.requests().len(), 1, "{shown}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_provider_that_asks_for_time_gets_it() {
    let inner = ScriptedModel::new([fails(limited(3)), fails(limited(4)), says("Hi.")]);
    let started = Instant::now();
    let pieces = asked(&wrap(inner), request(&[])).await;
    assert_eq!(text(&pieces), "Hi.");
    let waited = started.elapsed();
    assert!(waited >= Duration::from_secs(7) && waited < Duration::from_secs(8));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_more_than_twenty_seconds_because_a_provider_asks() {
    for waits in [vec![21], vec![3600], vec![15, 6]] {
        let turns: Vec<_> = waits.iter().map(|wait| fails(limited(*wait))).collect();
        let inner = ScriptedModel::new(turns);
        let started = Instant::now();
        let pieces = asked(&wrap(inner), request(&[])).await;
        let Some(Err(error)) = pieces.first() else {
            panic!("{pieces:?}")
        };
        let last = waits.last().copied().map(Duration::from_secs);
        assert_eq!(error.retry_after(), last, "it is passed on");
        assert!(started.elapsed() < Duration::from_secs(20));
    }
    let inner = ScriptedModel::new([fails(limited(3600)), says("Here I am.")]);
    let pieces = asked(&wrap(inner), request(&["second"])).await;
    assert_eq!(text(&pieces), "Here I am.");
}

#[tokio::test(start_paused = true)]
async fn others_leave_a_limiting_provider_alone_too() {
    let inner = ScriptedModel::new([fails(limited(40)), says("Hi.")]);
    let resilient = wrap(inner.clone());
    asked(&resilient, request(&[])).await;
    let pieces = asked(&resilient, request(&[])).await;
    assert_eq!(code(&pieces), "provider_rate_limited");
    assert_eq!(inner.requests().len(), 1);
    let trouble = resilient.trouble(&model(PRIMARY));
    assert!(matches!(trouble, Some(Trouble::Cooling(_))), "{trouble:?}");
    tokio::time::advance(Duration::from_secs(40)).await;
    assert_eq!(text(&asked(&resilient, request(&[])).await), "Hi.");
}

#[tokio::test(start_paused = true)]
async fn a_fallback_answers_and_says_so_first() {
    let inner = ScriptedModel::new([
        fails(failed(501)),
        fails(failed(501)),
        says("I am the third."),
    ]);
    let pieces = asked(&wrap(inner.clone()), request(&["second", "third"])).await;
    let first = pieces.first().and_then(|piece| piece.as_ref().ok());
    assert_eq!(first, Some(&Delta::Fallback("third".into())));
    assert_eq!(text(&pieces), "I am the third.");
    let asked: Vec<_> = inner.requests();
    let names: Vec<_> = asked.iter().map(|it| it.model.name.to_string()).collect();
    assert_eq!(names, [PRIMARY, "second", "third"]);
    assert_eq!(asked[2].temperature, Some(0.5));
    assert_eq!(asked[2].messages, asked[0].messages);
}

#[tokio::test(start_paused = true)]
async fn when_nobody_answers_the_error_is_about_the_model_that_was_asked() {
    let inner = ScriptedModel::new([fails(limited(900)), fails(failed(501))]);
    let pieces = asked(&wrap(inner), request(&["second"])).await;
    assert_eq!((pieces.len(), code(&pieces)), (1, "provider_rate_limited"));
}

#[tokio::test(start_paused = true)]
async fn a_wrong_request_is_taken_to_nobody_else() {
    let error = LlmError::Rejected {
        provider: provider(),
        status: 400,
        message: "max_tokens is too large".to_owned(),
    };
    let inner = ScriptedModel::new([fails(error), says("never said")]);
    let pieces = asked(&wrap(inner.clone()), request(&["second"])).await;
    assert_eq!(code(&pieces), "provider_rejected");
    assert_eq!(inner.requests().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_answer_is_never_joined_to_a_first() {
    let broken = LlmError::Interrupted {
        provider: provider(),
        reason: "reset".to_owned(),
    };
    let begun = [
        says("Half"),
        Script::new().reasoning("Hm"),
        Script::new().tool_call("call_1", "clock", "{}"),
    ];
    for turn in begun {
        let inner = ScriptedModel::new([turn.error(broken.clone()), says("never said")]);
        let pieces = asked(&wrap(inner.clone()), request(&["second"])).await;
        assert_eq!((pieces.len(), code(&pieces)), (2, "provider_interrupted"));
        assert_eq!(inner.requests().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn one_deadline_holds_over_everything() {
    let gate = Gate::new();
    // The first asks for time, the second is silent: together they get what one gets.
    let inner = ScriptedModel::new([fails(limited(15)), Script::new().wait(&gate)]);
    let started = Instant::now();
    let pieces = asked(&wrap(inner.clone()), request(&["second"])).await;
    assert_eq!(code(&pieces), "provider_timed_out");
    assert_eq!(started.elapsed().as_secs(), 600);
    assert_eq!(inner.abandoned(), 1);
    assert_eq!(
        inner.requests().len(),
        2,
        "there is no time for another model"
    );

    let inner = ScriptedModel::new([says("Half").wait(&gate)]);
    let started = Instant::now();
    let pieces = asked(&wrap(inner.clone()), request(&["second"])).await;
    assert_eq!(text(&pieces), "Half");
    assert_eq!(code(&pieces), "provider_interrupted");
    assert_eq!(started.elapsed().as_secs(), 600);
    assert_eq!(inner.abandoned(), 1);
}

#[tokio::test(start_paused = true)]
async fn whoever_leaves_takes_the_request_with_them() {
    let gate = Gate::new();
    let inner = ScriptedModel::new([Script::new().wait(&gate), says("never said")]);
    let resilient = wrap(inner.clone());
    let mut pieces = resilient.stream(request(&[]));
    tokio::select! {
        _ = pieces.next() => panic!("nothing is said"),
        () = gate.reached() => {}
    }
    drop(pieces);
    assert_eq!(inner.abandoned(), 1);
    assert_eq!(resilient.trouble(&model(PRIMARY)), None);

    // Nor does anybody go on trying for a person who has left.
    let inner = ScriptedModel::new([fails(limited(9)), says("never said")]);
    let resilient = wrap(inner.clone());
    let mut pieces = resilient.stream(request(&[]));
    let leaving = tokio::time::timeout(Duration::from_secs(1), pieces.next());
    assert!(leaving.await.is_err());
    drop(pieces);
    tokio::time::advance(Duration::from_mins(1)).await;
    assert_eq!(inner.requests().len(), 1);
}

/// A model that fails every third time, which opens no breaker, and how often it was asked.
fn fails_every_third() -> (impl LanguageModel + 'static, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let turns = AtomicUsize::new(0);
    let inner = ByName(
        move |_: &str| match turns.fetch_add(1, Ordering::SeqCst) % 3 {
            0 => fails(failed(503)),
            _ => says("Hi."),
        },
        Arc::clone(&count),
    );
    (inner, count)
}

#[tokio::test(start_paused = true)]
async fn retries_for_everybody_stay_within_the_budget() {
    let (inner, count) = fails_every_third();
    let resilient = wrap(inner);
    let requests = 300;
    for _ in 0..requests {
        asked(&resilient, request(&[])).await;
    }
    let retries = count.load(Ordering::SeqCst) - requests;
    assert!(retries > 0);
    // 10 are saved up, and a request is over in no time, so the seconds add little.
    assert!(retries <= 10 + requests / 5 + 60, "{retries}");
}

#[tokio::test(start_paused = true)]
async fn a_provider_gets_retries_again_after_a_while() {
    let (inner, count) = fails_every_third();
    let resilient = wrap(inner);
    for round in 0..3 {
        let before = count.load(Ordering::SeqCst);
        let mut requests = 0;
        while text(&asked(&resilient, request(&[])).await) == "Hi." {
            requests += 1;
            assert!(requests < 1000, "its retries never end");
        }
        let retries = count.load(Ordering::SeqCst) - before - requests - 1;
        // The floor of ten seconds, and what the requests pay for.
        assert!(retries >= 10, "round {round}: {retries}");
        tokio::time::advance(Duration::from_secs(11)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_given_up_lets_the_next_one_through() {
    let gate = Gate::new();
    let unreachable = || LlmError::Unreachable {
        provider: provider(),
        reason: "nothing listens".to_owned(),
    };
    let inner = ScriptedModel::new((0..5).map(|_| fails(unreachable())));
    let resilient = wrap(inner.clone());
    for _ in 0..3 {
        asked(&resilient, request(&[])).await;
    }
    assert_eq!(inner.requests().len(), 5);
    assert_eq!(
        code(&asked(&resilient, request(&[])).await),
        "provider_unavailable"
    );
    tokio::time::advance(Duration::from_secs(15)).await;

    inner.push(Script::new().wait(&gate));
    inner.push(says("Back."));
    let mut probe = resilient.stream(request(&[]));
    tokio::select! {
        _ = probe.next() => panic!("nothing is said"),
        () = gate.reached() => {}
    }
    assert_eq!(
        code(&asked(&resilient, request(&[])).await),
        "provider_unavailable"
    );
    drop(probe);
    assert_eq!(text(&asked(&resilient, request(&[])).await), "Back.");
    assert_eq!(resilient.trouble(&model(PRIMARY)), None);
}

#[tokio::test(start_paused = true)]
async fn f17_a_dead_primary_costs_ten_failures_and_is_found_again_in_twenty_seconds() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let recovered = Arc::new(AtomicUsize::new(0));
    let is_back = Arc::clone(&recovered);
    let inner = ByName(
        move |name: &str| match name {
            PRIMARY if is_back.load(Ordering::SeqCst) == 0 => fails(LlmError::Unreachable {
                provider: provider(),
                reason: "nothing listens".to_owned(),
            }),
            name => says(name),
        },
        Arc::clone(&attempts),
    );
    let resilient = wrap(inner);
    let ask_at = |delay: u64| {
        let resilient = resilient.clone();
        async move {
            sleep(Duration::from_millis(delay)).await;
            let started = Instant::now();
            let pieces = asked(&resilient, request(&["second"])).await;
            (text(&pieces), started.elapsed())
        }
    };
    // 200 requests in one second.
    let answers = futures_util::future::join_all((0..200).map(|n| ask_at(n * 5))).await;
    assert!(answers.iter().all(|(text, _)| text == "second"));
    assert!(attempts.load(Ordering::SeqCst) <= 10);
    let once_open = &answers[20..];
    assert!(
        once_open
            .iter()
            .all(|(_, took)| *took <= Duration::from_millis(50))
    );

    recovered.store(1, Ordering::SeqCst);
    let found_after = async {
        let started = Instant::now();
        while ask_at(100).await.0 != PRIMARY {}
        started.elapsed()
    };
    assert!(found_after.await <= Duration::from_secs(20));
}
