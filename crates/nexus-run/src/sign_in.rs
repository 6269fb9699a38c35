//! Signing in with a key, and proving with it that one request is meant.

use std::sync::Arc;

use chrono::TimeDelta;
use nexus_core::auth::{
    Challenge, InstallationSecret, Origin, RequestRefusal, RequestRules, RequestToVerify,
    SignInRefusal, SignInRules, SigningKey,
};
use nexus_core::token::TokenKind;
use nexus_core::{Clock, Label, PublicKey, Scope, Session, Timestamp, Token};
use nexus_store::{Store, StoreError};
use tokio::sync::OnceCell;

use crate::error::RunError;

/// What people read in the text that they sign.
const STATEMENT: &str = "Sign in to Nexus. This does not cost anything and authorizes no change.";
/// A label that both sides compare. It names the main Ethereum network, which nothing here asks.
const CHAIN_ID: u64 = 1;
/// How long a session may go unused.
const IDLE: TimeDelta = TimeDelta::hours(12);
/// How long a session lives, however much it is used.
const LIFE: TimeDelta = TimeDelta::days(30);

/// How many sessions a key may have that it signed in for: keys are free to make, and so are
/// sessions.
pub const MAX_SESSIONS: usize = 20;
/// How many are ended at a time, where there are far more from before this was so.
const ENDED_AT_ONCE: usize = 200;

/// Signs people in, and checks what they sign. What was used once is refused the second time, on
/// every node.
pub struct SignIn {
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    origins: Vec<Origin>,
    requests: RequestRules,
    /// Read from the store when it is first needed: a server starts before its database does.
    installation: OnceCell<Installation>,
}

/// What follows from the secret of the installation.
struct Installation {
    /// In the order of the origins.
    doors: Vec<SignInRules>,
    signing_key: SigningKey,
}

/// What somebody signed, and where they keep the session that they get for it.
#[derive(Clone, Debug)]
pub struct SignedChallenge<'a> {
    /// The text.
    pub message: &'a str,
    /// The signature over it.
    pub signature: &'a str,
    /// What the client calls itself.
    pub client: Label,
    /// [`TokenKind::Session`], or [`TokenKind::Browser`] for a cookie.
    pub kind: TokenKind,
}

/// Somebody who has just signed in.
#[derive(Debug)]
pub struct NewSession {
    /// What the client shows from now on.
    pub token: Token,
    /// What is stored of it.
    pub session: Session,
}

/// Why nobody was signed in.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SignInError {
    /// The server does not know under which address it is reached.
    #[error("nobody can sign in here yet: whoever runs this server has to set `public_origin`")]
    NoOrigin,
    /// What was signed is not accepted. The reason is for the log.
    #[error("the sign-in was not accepted: ask for a new challenge and sign that one")]
    Refused(SignInRefusal),
    /// It was used before.
    #[error("the sign-in was not accepted: ask for a new challenge and sign that one")]
    Replayed,
    /// Something below failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

/// A signature over exactly one request.
#[derive(Clone, Debug)]
pub struct Proof {
    /// Whose it is.
    pub key: PublicKey,
    /// As it was sent, for the record.
    pub signature: String,
}

/// Why a signature over a request proves nothing.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProofError {
    /// It is not accepted.
    #[error("the signature of this request is not accepted: {}", .0.code())]
    Refused(RequestRefusal),
    /// It was used before.
    #[error("the signature of this request was used before: sign it again with another nonce")]
    Replayed,
    /// Something below failed.
    #[error(transparent)]
    Run(#[from] RunError),
}

impl From<StoreError> for ProofError {
    fn from(error: StoreError) -> Self {
        Self::Run(error.into())
    }
}

impl SignIn {
    /// Signs people in at these origins. None: nobody can.
    #[must_use]
    pub fn new(store: Arc<dyn Store>, clock: Arc<dyn Clock>, origins: Vec<Origin>) -> Self {
        Self {
            store,
            clock,
            requests: RequestRules::new(&origins, CHAIN_ID),
            origins,
            installation: OnceCell::new(),
        }
    }

    /// Something to sign, for whoever asks at this authority. Nothing is stored.
    ///
    /// # Errors
    /// When the server does not go by this name, or the store cannot be asked.
    pub async fn challenge(&self, authority: &str) -> Result<Challenge, SignInError> {
        let challenge = self.rules(authority).await?.issue(self.clock.now());
        challenge.map_err(|error| no_randomness(error).into())
    }

    /// With which this installation signs what it hands out.
    ///
    /// # Errors
    /// When the store cannot be asked.
    pub async fn signing_key(&self) -> Result<SigningKey, RunError> {
        Ok(self.installation().await?.signing_key.clone())
    }

    /// Signs in whoever signed a challenge. The key need not be registered.
    ///
    /// # Errors
    /// The first check that fails; a client is told the same whichever it is.
    pub async fn verify(
        &self,
        authority: &str,
        given: SignedChallenge<'_>,
    ) -> Result<NewSession, SignInError> {
        let now = self.clock.now();
        let rules = self.rules(authority).await?;
        let signed = rules
            .verify(given.message, given.signature, now)
            .map_err(SignInError::Refused)?;
        let is_first = self
            .store
            .use_nonce(signed.nonce_id, now, signed.expires_at);
        if !is_first.await? {
            return Err(SignInError::Replayed);
        }
        self.make_room(signed.key, now).await?;
        let token = Token::generate(given.kind).map_err(no_randomness)?;
        let session = Session {
            last_seen_at: now,
            idle: Some(IDLE),
            client: given.client,
            ..Session::new(token.digest(), signed.key, Scope::Personal, now, now + LIFE)
        };
        self.store.create_session(session.clone()).await?;
        Ok(NewSession { token, session })
    }

    /// Ends sessions of a key that are over and, of the others, those that were used least lately, so
    /// that with the next one there are as many as there may be. What was made at the machine stays.
    async fn make_room(&self, key: PublicKey, now: Timestamp) -> Result<(), StoreError> {
        let sessions = self.store.sessions(key).await?.into_iter();
        let signed_in = sessions.filter(|session| session.idle.is_some());
        let (mut live, over): (Vec<_>, Vec<_>) = signed_in.partition(|it| it.is_live(now));
        live.sort_by_key(|session| session.last_seen_at);
        let too_many = (live.len() + 1).saturating_sub(MAX_SESSIONS);
        let ended = over.iter().chain(live.iter().take(too_many));
        for session in ended.take(ENDED_AT_ONCE) {
            self.store.revoke_session(key, session.id()).await?;
        }
        Ok(())
    }

    /// Whose signature a request carries. It is good for this once.
    ///
    /// # Errors
    /// When there is something about it that is not accepted, or it was used before.
    pub async fn prove(&self, request: &RequestToVerify<'_>) -> Result<Proof, ProofError> {
        let now = self.clock.now();
        let signed = self
            .requests
            .verify(request, now)
            .map_err(ProofError::Refused)?;
        let is_first = self
            .store
            .use_nonce(signed.nonce_id, now, signed.expires_at);
        if !is_first.await? {
            return Err(ProofError::Replayed);
        }
        Ok(Proof {
            key: signed.key,
            signature: signed.signature.to_base64(),
        })
    }

    async fn rules(&self, authority: &str) -> Result<&SignInRules, SignInError> {
        let is_named = |origin: &Origin| origin.authority().eq_ignore_ascii_case(authority);
        let place = self.origins.iter().position(is_named);
        let place = place.ok_or(SignInError::NoOrigin)?;
        let doors = &self.installation().await?.doors;
        doors.get(place).ok_or(SignInError::NoOrigin)
    }

    async fn installation(&self) -> Result<&Installation, RunError> {
        let read = async || {
            let candidate = InstallationSecret::generate().map_err(no_randomness)?;
            let secret = self.store.installation_secret(candidate).await?;
            let door = |origin| {
                SignInRules::new(origin, CHAIN_ID, STATEMENT, secret.nonce_key())
                    .map_err(|_| RunError::Internal)
            };
            let doors = self.origins.iter().map(door);
            Ok(Installation {
                doors: doors.collect::<Result<_, _>>()?,
                signing_key: secret.signing_key(),
            })
        };
        self.installation.get_or_try_init(read).await
    }
}

fn no_randomness(error: getrandom::Error) -> RunError {
    tracing::error!(%error, "the operating system has no random numbers");
    RunError::Internal
}
