//! Who somebody is, proven with a key: sign-in and signed requests. Pure: time and secrets come in
//! as arguments, nothing is stored here.
//!
//! An address is a name and never a credential. The formats, with vectors, are in `docs/signing.md`.
//!
//! | type | what it is |
//! |---|---|
//! | [`Origin`] | where the server is reached: it fixes the domain and the URI that are signed |
//! | [`InstallationSecret`] | what all nodes of an installation share and nobody else knows |
//! | [`SigningKey`], [`Signature`] | a secp256k1 key, and what it makes of a text (EIP-191) |
//! | [`SignInRules`] | hands out challenges and accepts them, signed (EIP-4361) |
//! | [`RequestRules`] | accepts requests that carry a signature (RFC 9421, profile of ERC-8128) |
//! | [`NonceId`](crate::NonceId) | what is stored of a number that was used, so that it is used once |

mod installation;
mod key;
mod nonce;
mod origin;
pub mod request;
pub mod sign_in;
mod signature;

use chrono::TimeDelta;
use hmac::{Hmac, KeyInit as _};
use sha2::Sha256;
use zeroize::Zeroizing;

pub use installation::InstallationSecret;
pub use key::{InvalidKey, SigningKey};
pub use nonce::{NonceKey, Purpose};
pub use origin::{InvalidOrigin, Origin};
pub use request::{RequestRefusal, RequestRules, RequestToVerify, SignedRequest};
pub use sign_in::{Challenge, SignInRefusal, SignInRules, SignedIn};
pub use signature::{Signature, SignatureError};

/// The longest time between the start and the end of what a signature is good for.
pub const LONGEST_VALIDITY: TimeDelta = TimeDelta::seconds(300);

/// How far the clock of a client may be ahead. A used nonce is kept this much longer than the
/// signature is valid, so that a node whose clock is behind does not take it for a new one.
pub const CLOCK_SKEW: TimeDelta = TimeDelta::seconds(60);

/// HMAC-SHA256 under a key of 32 bytes.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    // A key shorter than a block is filled up with zeros: so says HMAC (RFC 2104).
    let mut block = Zeroizing::new([0; 64]);
    let (start, _) = block.split_at_mut(key.len());
    start.copy_from_slice(key);
    Hmac::new((&*block).into())
}
