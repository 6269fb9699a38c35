//! Sign-in: the way through, and each way out.

use chrono::TimeDelta;
use nexus_core::NonceId;
use nexus_core::auth::{NonceKey, Purpose, SignInRefusal, SignInRules};

use super::world::{STATEMENT, key, now, origin, present, sign_in_rules};

#[test]
fn a_signed_challenge_proves_the_key() {
    let challenge = sign_in_rules().issue(now()).unwrap();
    let message = challenge.message_for(key(1).public_key());
    let signed_in = present(&message, now() + TimeDelta::seconds(299)).unwrap();
    assert_eq!(signed_in.key, key(1).public_key());
    assert_eq!(signed_in.expires_at, now() + TimeDelta::seconds(300));
    let id = NonceId::new(Purpose::SignIn, key(1).public_key(), &challenge.nonce);
    assert_eq!(signed_in.nonce_id, id);
    assert_eq!(challenge.nonce.len(), 64);
}
