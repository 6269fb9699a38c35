//! Development tokens: made here, shown once, stored as a digest.

use chrono::TimeDelta;
use nexus_core::token::TokenKind;
use nexus_core::{PublicKey, Scope, Session, Timestamp, Token};
use nexus_store::Store;

use crate::cli::TokenLife;
use crate::failure::Failure;
use crate::here;

/// A token whose digest is stored.
pub(super) struct NewToken {
    token: Token,
    pub(super) expires_at: Timestamp,
}

impl NewToken {
    pub(super) async fn store(
        store: &dyn Store,
        key: PublicKey,
        scope: Scope,
        life: TokenLife,
    ) -> Result<Self, Failure> {
        let token = Token::generate(TokenKind::Development)
            .map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
        let administration = here::administration(store);
        let created_at = administration.at;
        let expires_at = created_at + TimeDelta::days(life.days.into());
        let session = Session::new(token.digest(), key, scope, created_at, expires_at);
        administration.create_session(session).await?;
        Ok(Self { token, expires_at })
    }

    /// The text, for showing it once.
    pub(super) fn reveal(&self) -> &str {
        self.token.reveal()
    }
}
