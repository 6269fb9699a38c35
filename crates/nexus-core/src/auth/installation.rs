//! What all nodes of an installation share and nobody else knows.

use std::fmt;

use hmac::Mac as _;
use zeroize::Zeroizing;

use super::{NonceKey, SigningKey, keyed};

/// 32 random bytes, made once and kept in the store. Each use has a key of its own, derived with
/// HMAC-SHA256, so that one says nothing about another. It cannot be printed.
#[derive(Clone)]
pub struct InstallationSecret(Zeroizing<[u8; 32]>);

impl InstallationSecret {
    /// A new random secret.
    ///
    /// # Errors
    /// When the operating system has no randomness to give.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut bytes = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *bytes)?;
        Ok(Self(bytes))
    }

    /// The secret with these bytes, as a store read them.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for the store.
    #[must_use]
    pub fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// For the nonces of sign-in.
    #[must_use]
    pub fn nonce_key(&self) -> NonceKey {
        NonceKey::from_bytes(self.derive("nexus sign-in nonces", 0))
    }

    /// With which this installation signs what it hands out.
    #[must_use]
    pub fn signing_key(&self) -> SigningKey {
        // All but a handful of the numbers of 32 bytes are keys, so the first try is one.
        let mut attempt = 0;
        loop {
            let bytes = self.derive("nexus installation signature", attempt);
            if let Ok(key) = SigningKey::from_bytes(&bytes) {
                return key;
            }
            attempt += 1;
        }
    }

    fn derive(&self, purpose: &str, attempt: u8) -> [u8; 32] {
        let code = keyed(&self.0).chain_update(purpose).chain_update([attempt]);
        code.finalize().into_bytes().into()
    }
}

impl fmt::Debug for InstallationSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InstallationSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_use_has_its_own_key_and_every_node_has_the_same() {
        let secret = InstallationSecret::from_bytes([7; 32]);
        let again = InstallationSecret::from_bytes(*secret.expose());
        assert_eq!(
            secret.signing_key().public_key(),
            again.signing_key().public_key()
        );
        assert_eq!(secret.nonce_key().expose(), again.nonce_key().expose());
        assert_ne!(secret.nonce_key().expose(), secret.expose());
        assert_eq!(format!("{secret:?}"), "InstallationSecret(…)");
    }
}
