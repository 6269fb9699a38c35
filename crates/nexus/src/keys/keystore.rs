//! A key behind a passphrase, in a file that wallets can import: version 3 of the Web3 Secret
//! Storage, <https://ethereum.org/developers/docs/data-structures-and-encoding/web3-secret-storage>.

use aes::Aes128;
use ctr::Ctr128BE;
use ctr::cipher::{KeyIvInit as _, StreamCipher as _};
use nexus_core::PublicKey;
use nexus_core::auth::SigningKey;
use scrypt::Params;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use sha3::{Digest as _, Keccak256};
use uuid::Uuid;
use zeroize::Zeroizing;

const VERSION: u8 = 3;
const CIPHER: &str = "aes-128-ctr";
const KDF: &str = "scrypt";
const OTHER_KDF: &str = "pbkdf2";
const PRF: &str = "hmac-sha256";

/// What wallets write: 256 MiB of memory and about a second.
const LOG_N: u8 = 18;
const R: u32 = 8;
const P: u32 = 1;
/// The most memory that a file can make us use, in bytes.
const MAX_MEMORY: u64 = 1 << 30;
const MAX_P: u32 = 16;
/// The most rounds of PBKDF2: some seconds.
const MAX_ROUNDS: u32 = 10_000_000;

/// What is derived from the passphrase: the first half encrypts, the second one authenticates.
type Derived = Zeroizing<[[u8; 16]; 2]>;
/// Its length in bytes.
const DERIVED: usize = 32;

#[derive(Debug, Deserialize, Serialize)]
struct File {
    version: u8,
    id: Uuid,
    /// Without `0x`, as wallets write it.
    #[serde(default)]
    address: Option<String>,
    #[serde(alias = "Crypto")]
    crypto: Crypto,
}

#[derive(Debug, Deserialize, Serialize)]
struct Crypto {
    cipher: String,
    cipherparams: CipherParams,
    ciphertext: String,
    kdf: String,
    kdfparams: serde_json::Value,
    mac: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct CipherParams {
    iv: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct ScryptParams {
    dklen: usize,
    n: u64,
    p: u32,
    r: u32,
    salt: String,
}

#[derive(Debug, Deserialize)]
struct Pbkdf2Params {
    dklen: usize,
    c: u32,
    prf: String,
    salt: String,
}

/// How a passphrase becomes a key, as a file says, if we are willing to work that much.
enum Kdf {
    Scrypt(Params, Vec<u8>),
    Pbkdf2 { rounds: u32, salt: Vec<u8> },
}

/// Why a file does not give its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum KeystoreError {
    #[error("the file is not a keystore of version 3")]
    Form,
    #[error(
        "it is encrypted in a way that Nexus does not know; scrypt or pbkdf2 (hmac-sha256) with aes-128-ctr is expected"
    )]
    Unknown,
    #[error("opening it would take too much memory or time")]
    TooHard,
    #[error("the passphrase is wrong, or the file was changed")]
    WrongPassphrase,
    #[error("the operating system has no random numbers")]
    NoRandomness,
}

/// Encrypts a key. The text is JSON.
pub(super) fn seal(
    key: &SigningKey,
    passphrase: &SecretString,
) -> Result<Zeroizing<String>, KeystoreError> {
    let (salt, iv): ([u8; 32], [u8; 16]) = (random()?, random()?);
    let params = Params::new(LOG_N, R, P).map_err(|_| KeystoreError::TooHard)?;
    let derived = Kdf::Scrypt(params, salt.to_vec()).derive(passphrase)?;
    let [encryption, authentication] = &*derived;
    let hex = key.to_hex();
    let hex = hex.strip_prefix("0x").unwrap_or(&hex);
    let mut bytes: Zeroizing<[u8; 32]> = Zeroizing::new(digits(hex)?);
    Ctr128BE::<Aes128>::new(encryption.into(), &iv.into()).apply_keystream(&mut *bytes);
    let params = ScryptParams {
        dklen: DERIVED,
        n: 1 << LOG_N,
        p: P,
        r: R,
        salt: base16ct::lower::encode_string(&salt),
    };
    let address = key.public_key().to_string();
    let file = File {
        version: VERSION,
        id: uuid::Builder::from_random_bytes(random()?).into_uuid(),
        address: Some(address.trim_start_matches("0x").to_owned()),
        crypto: Crypto {
            cipher: CIPHER.to_owned(),
            cipherparams: CipherParams {
                iv: base16ct::lower::encode_string(&iv),
            },
            ciphertext: base16ct::lower::encode_string(&*bytes),
            kdf: KDF.to_owned(),
            kdfparams: serde_json::json!(params),
            mac: base16ct::lower::encode_string(&mac(authentication, &*bytes)),
        },
    };
    Ok(Zeroizing::new(serde_json::json!(file).to_string()))
}

/// Decrypts a key.
pub(super) fn open(text: &str, passphrase: &SecretString) -> Result<SigningKey, KeystoreError> {
    let file: File = serde_json::from_str(text).map_err(|_| KeystoreError::Form)?;
    let crypto = &file.crypto;
    if file.version != VERSION {
        return Err(KeystoreError::Form);
    }
    if crypto.cipher != CIPHER {
        return Err(KeystoreError::Unknown);
    }
    let kdf = Kdf::of(crypto)?;
    let iv: [u8; 16] = digits(&crypto.cipherparams.iv)?;
    let mut bytes: Zeroizing<[u8; 32]> = Zeroizing::new(digits(&crypto.ciphertext)?);
    let expected: [u8; 32] = digits(&crypto.mac)?;
    let derived = kdf.derive(passphrase)?;
    let [encryption, authentication] = &*derived;
    if mac(authentication, &*bytes) != expected {
        return Err(KeystoreError::WrongPassphrase);
    }
    Ctr128BE::<Aes128>::new(encryption.into(), &iv.into()).apply_keystream(&mut *bytes);
    let key = SigningKey::from_bytes(&bytes).map_err(|_| KeystoreError::Form)?;
    match &file.address {
        Some(address) if !is_of(address, key.public_key()) => Err(KeystoreError::Form),
        _ => Ok(key),
    }
}

impl ScryptParams {
    /// The parameters, if we are willing to work that much.
    fn check(&self) -> Result<Params, KeystoreError> {
        if self.dklen != DERIVED || !self.n.is_power_of_two() {
            return Err(KeystoreError::Unknown);
        }
        let memory = self.n.checked_mul(128 * u64::from(self.r));
        if memory.is_none_or(|memory| memory > MAX_MEMORY) || self.p > MAX_P {
            return Err(KeystoreError::TooHard);
        }
        let log_n = u8::try_from(self.n.ilog2()).map_err(|_| KeystoreError::TooHard)?;
        Params::new(log_n, self.r, self.p).map_err(|_| KeystoreError::Unknown)
    }
}

impl Pbkdf2Params {
    fn check(&self) -> Result<u32, KeystoreError> {
        if self.dklen != DERIVED || self.prf != PRF || self.c == 0 {
            return Err(KeystoreError::Unknown);
        }
        if self.c > MAX_ROUNDS {
            return Err(KeystoreError::TooHard);
        }
        Ok(self.c)
    }
}

impl Kdf {
    fn of(crypto: &Crypto) -> Result<Self, KeystoreError> {
        let params = crypto.kdfparams.clone();
        let salt = |salt| base16ct::mixed::decode_vec(salt).map_err(|_| KeystoreError::Form);
        match &*crypto.kdf {
            KDF => {
                let given: ScryptParams =
                    serde_json::from_value(params).map_err(|_| KeystoreError::Form)?;
                Ok(Self::Scrypt(given.check()?, salt(&given.salt)?))
            }
            OTHER_KDF => {
                let given: Pbkdf2Params =
                    serde_json::from_value(params).map_err(|_| KeystoreError::Form)?;
                Ok(Self::Pbkdf2 {
                    rounds: given.check()?,
                    salt: salt(&given.salt)?,
                })
            }
            _ => Err(KeystoreError::Unknown),
        }
    }

    fn derive(&self, passphrase: &SecretString) -> Result<Derived, KeystoreError> {
        let mut derived = Derived::default();
        let text = passphrase.expose_secret().as_bytes();
        match self {
            Self::Scrypt(params, salt) => {
                scrypt::scrypt(text, salt, params, derived.as_flattened_mut())
                    .map_err(|_| KeystoreError::Unknown)?;
            }
            Self::Pbkdf2 { rounds, salt } => {
                pbkdf2::pbkdf2_hmac::<Sha256>(text, salt, *rounds, derived.as_flattened_mut());
            }
        }
        Ok(derived)
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeystoreError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|_| KeystoreError::NoRandomness)?;
    Ok(bytes)
}

fn mac(authentication: &[u8; 16], ciphertext: &[u8]) -> [u8; 32] {
    let hash = Keccak256::new()
        .chain_update(authentication)
        .chain_update(ciphertext);
    hash.finalize().into()
}

fn digits<const N: usize>(text: &str) -> Result<[u8; N], KeystoreError> {
    let bytes = base16ct::mixed::decode_vec(text).map_err(|_| KeystoreError::Form)?;
    bytes.try_into().map_err(|_| KeystoreError::Form)
}

fn is_of(address: &str, key: PublicKey) -> bool {
    let digits = address.strip_prefix("0x").unwrap_or(address);
    digits.eq_ignore_ascii_case(key.to_string().trim_start_matches("0x"))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// The test vector of the definition, for scrypt.
    const PUBLISHED: &str = r#"{
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": "83dbcc02d8ccb40e466191a123791e0e" },
            "ciphertext": "d172bf743a674da9cdad04534d56926ef8358534d458fffccd4e6ad2fbde479c",
            "kdf": "scrypt",
            "kdfparams": {
                "dklen": 32, "n": 262144, "p": 8, "r": 1,
                "salt": "ab0c7876052600dd703518d6fc3fe8984592145b591fc8fb5c6d43190334ba19"
            },
            "mac": "2103ac29920d71da29f15d75b4a16dbe95cfd7ff8faea1056c33131d846e3097"
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3
    }"#;

    /// The test vector of the definition, for PBKDF2. Its key is the same.
    const PUBLISHED_PBKDF2: &str = r#"{
        "crypto": {
            "cipher": "aes-128-ctr",
            "cipherparams": { "iv": "6087dab2f9fdbbfaddc31a909735c1e6" },
            "ciphertext": "5318b4d5bcd28de64ee5559e671353e16f075ecae9f99c7a79a38af5f869aa46",
            "kdf": "pbkdf2",
            "kdfparams": {
                "c": 262144, "dklen": 32, "prf": "hmac-sha256",
                "salt": "ae3cd4e7013836a3df6bd7241b12db061dbe2c6785853cce422d148a624ce0bd"
            },
            "mac": "517ead924a9d0dc3124507e3393d175ce3ff7c1e96529c6c555ce9e51205e9b2"
        },
        "id": "3198bc9c-6672-5ab3-d995-4942343ae5b6",
        "version": 3
    }"#;

    fn changed(published: &str, pointer: &str, value: Value) -> String {
        let mut file: Value = serde_json::from_str(published).unwrap();
        *file.pointer_mut(pointer).unwrap() = value;
        file.to_string()
    }

    #[test]
    fn the_published_vectors_open_with_their_passphrase_and_with_no_other() {
        for published in [PUBLISHED, PUBLISHED_PBKDF2] {
            let key = open(published, &"testpassword".into()).unwrap();
            assert_eq!(
                *key.to_hex(),
                "0x7a28b5ba57c53603b0b07b56bba752f7784bf506fa95edc395f5cf6c7514fe9d"
            );
            let wrong = open(published, &"testpassword ".into()).unwrap_err();
            assert_eq!(wrong, KeystoreError::WrongPassphrase);
        }
    }

    #[test]
    fn what_is_sealed_opens_again_and_does_not_hold_the_key() {
        let key = SigningKey::from_bytes(&[7; 32]).unwrap();
        let sealed = seal(&key, &"höchst geheim".into()).unwrap();
        assert!(!sealed.contains("0707070707"));
        let file: Value = serde_json::from_str(&sealed).unwrap();
        assert_eq!(file["version"], 3);
        assert_eq!(file["crypto"]["kdfparams"]["n"], 262_144);
        let opened = open(&sealed, &"höchst geheim".into()).unwrap();
        assert_eq!(opened.to_hex(), key.to_hex());
    }

    #[test]
    fn a_file_cannot_make_us_work_without_end_or_guess() {
        for (pointer, value, expected) in [
            ("/version", json!(1), KeystoreError::Form),
            ("/crypto/kdf", json!("argon2"), KeystoreError::Unknown),
            // With the parameters of the other one.
            ("/crypto/kdf", json!("pbkdf2"), KeystoreError::Form),
            (
                "/crypto/kdfparams/n",
                json!(1_u64 << 40),
                KeystoreError::TooHard,
            ),
            ("/crypto/kdfparams/n", json!(1000), KeystoreError::Unknown),
            (
                "/crypto/kdfparams/r",
                json!(1 << 20),
                KeystoreError::TooHard,
            ),
            ("/crypto/kdfparams/p", json!(1000), KeystoreError::TooHard),
            ("/crypto/ciphertext", json!("00"), KeystoreError::Form),
        ] {
            let text = changed(PUBLISHED, pointer, value);
            let error = open(&text, &"testpassword".into()).unwrap_err();
            assert_eq!(error, expected, "{pointer}");
        }
        for (name, value, expected) in [
            ("c", json!(0), KeystoreError::Unknown),
            ("c", json!(MAX_ROUNDS + 1), KeystoreError::TooHard),
            ("c", json!(1_u64 << 40), KeystoreError::Form),
            ("prf", json!("hmac-sha512"), KeystoreError::Unknown),
            ("dklen", json!(64), KeystoreError::Unknown),
            ("salt", json!("zz"), KeystoreError::Form),
        ] {
            let text = changed(
                PUBLISHED_PBKDF2,
                &format!("/crypto/kdfparams/{name}"),
                value,
            );
            let error = open(&text, &"testpassword".into()).unwrap_err();
            assert_eq!(error, expected, "{name}");
        }
    }
}
