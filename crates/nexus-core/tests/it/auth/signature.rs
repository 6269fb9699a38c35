//! Which bytes are a signature, and whose.

use nexus_core::NonceId;
use nexus_core::PublicKey;
use nexus_core::auth::{InvalidKey, Purpose, Signature, SignatureError, SigningKey};
use proptest::prelude::*;

use super::world::key;

/// The order of the curve.
const ORDER: &str = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
const HALF_OF_THE_ORDER: &str = "7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0";
const ONE: &str = "0000000000000000000000000000000000000000000000000000000000000001";
const ZERO: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// web3.js, `accounts.sign`: <https://web3js.readthedocs.io/en/v1.2.11/web3-eth-accounts.html#sign>
const SOME_DATA: &str = "0xb91467e570a6466aa9e9876cbcd013baba02900b8979d43fe208a4a4f339f5fd6007e74cd82e037b800186422fc2da167c747ef045e5d18a5f5d4300f8e1a0291c";
const SOME_DATA_KEY: &str = "0x4c0883a69102937d6231471b5dbb6204fe5129617082792ae468d01a3f362318";

fn digits(byte: &str) -> Vec<u8> {
    let pairs = byte.as_bytes().chunks_exact(2);
    pairs
        .map(|pair| u8::from_str_radix(str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn with(r: &str, s: &str, v: &str) -> Result<Signature, SignatureError> {
    Signature::from_hex(&format!("0x{r}{s}{v}"))
}

/// `n - s`, which signs the same with the other v.
fn mirrored(signature: &Signature) -> [u8; 65] {
    let mut bytes = signature.to_bytes();
    let mut borrow = 0;
    for (byte, order) in bytes[32..64].iter_mut().zip(digits(ORDER)).rev() {
        let difference = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = u8::try_from(difference.rem_euclid(256)).unwrap();
    }
    bytes[64] = 27 + 28 - bytes[64];
    bytes
}

#[test]
fn the_example_of_web3js_is_signed_and_recovered() {
    let key = SigningKey::from_hex(SOME_DATA_KEY).unwrap();
    assert_eq!(
        key.public_key().to_checksummed(),
        "0x2c7536E3605D9C16a7a3D7b1898e529396a65c23"
    );
    let signature = Signature::from_hex(SOME_DATA).unwrap();
    assert_eq!(signature.recover(b"Some data"), Ok(key.public_key()));
    assert_eq!(key.sign_message(b"Some data"), signature);
    assert_eq!(signature.to_string(), SOME_DATA);
    assert_eq!(
        Signature::from_base64(&signature.to_base64()),
        Ok(signature)
    );
}

#[test]
fn the_key_one_has_the_address_that_wallets_show() {
    let key = SigningKey::from_hex(&format!("0x{ONE}")).unwrap();
    assert_eq!(
        key.public_key().to_checksummed(),
        "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
    );
}

#[test]
fn a_private_key_is_kept_in_one_spelling_and_cannot_be_printed() {
    let key = SigningKey::from_hex(SOME_DATA_KEY).unwrap();
    assert_eq!(*key.to_hex(), SOME_DATA_KEY);
    assert!(!format!("{key:?}").contains(&SOME_DATA_KEY[2..]));
    for text in [
        "",
        "0x",
        &SOME_DATA_KEY[2..],
        &format!("{SOME_DATA_KEY}0"),
        &format!("{SOME_DATA_KEY}\n"),
        &format!("0x{ZERO}"),
        &format!("0x{ORDER}"),
    ] {
        assert_eq!(
            SigningKey::from_hex(text).unwrap_err(),
            InvalidKey,
            "{text}"
        );
    }
    let [a, b] = [SigningKey::generate(), SigningKey::generate()].map(Result::unwrap);
    assert_ne!(a.public_key(), b.public_key());
}

#[test]
fn t05_only_the_lower_half_of_s_is_a_signature() {
    for byte in 1..=50 {
        let signature = key(byte).sign_message(b"Some data");
        let twin = mirrored(&signature);
        assert_eq!(Signature::from_bytes(&twin), Err(SignatureError::HighS));
        assert!(Signature::from_bytes(&signature.to_bytes()).is_ok());
    }
    assert!(with(ONE, HALF_OF_THE_ORDER, "1b").is_ok());
    let above = HALF_OF_THE_ORDER.replace("20a0", "20a1");
    assert_eq!(with(ONE, &above, "1b"), Err(SignatureError::HighS));
}

#[test]
fn t05_v_has_four_values() {
    let bytes = key(1).sign_message(b"Some data").to_bytes();
    for v in 0..=u8::MAX {
        let mut changed = bytes;
        changed[64] = v;
        let signature = Signature::from_bytes(&changed);
        if [0, 1, 27, 28].contains(&v) {
            assert_eq!(signature.unwrap().to_bytes()[64], 27 + v % 27);
        } else {
            assert_eq!(signature, Err(SignatureError::RecoveryId), "{v}");
        }
    }
}

#[test]
fn t05_numbers_out_of_range_are_no_signature() {
    let above = ORDER.replace("4141", "4142");
    let most = "f".repeat(64);
    for wrong in [ZERO, ORDER, &above, &most] {
        assert_eq!(with(wrong, ONE, "1b"), Err(SignatureError::Range));
        assert_eq!(with(ONE, wrong, "1b"), Err(SignatureError::Range));
    }
    // In range, and on no curve: 5³ + 7 has no square root.
    let five = ONE.replace('1', "5");
    let signature = with(&five, ONE, "1b").unwrap();
    assert_eq!(signature.recover(b""), Err(SignatureError::NoKey));
}

#[test]
fn t05_a_signature_has_65_bytes_and_one_spelling() {
    let signature = key(1).sign_message(b"Some data");
    let hex = signature.to_string();
    for (text, error) in [
        (&hex[..130], SignatureError::Length),
        (&*format!("{hex}00"), SignatureError::Length),
        (&*format!("{hex} "), SignatureError::Length),
        ("", SignatureError::Encoding),
        (&hex[2..], SignatureError::Encoding),
        (&*hex.replace("0x", "0X"), SignatureError::Encoding),
        (&*format!("{}g", &hex[..131]), SignatureError::Encoding),
        (&*format!("{}ａ", &hex[..129]), SignatureError::Encoding),
    ] {
        assert_eq!(Signature::from_hex(text), Err(error), "{text}");
    }
    let base64 = signature.to_base64();
    let spare_bits = format!("{}x=", &base64[..86]);
    for (text, error) in [
        ("", SignatureError::Length),
        (&base64[..84], SignatureError::Length),
        (
            &*format!("{}{base64}", &base64[..4]),
            SignatureError::Length,
        ),
        (&base64[..87], SignatureError::Encoding),
        (&*format!("{base64}="), SignatureError::Encoding),
        (&*format!("{base64}\n"), SignatureError::Encoding),
        (&*format!(" {base64}"), SignatureError::Encoding),
        (&*spare_bits, SignatureError::Encoding),
        (&*"A".repeat(10_000), SignatureError::Length),
    ] {
        assert_eq!(Signature::from_base64(text), Err(error), "{text}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn t05_a_changed_signature_is_refused_or_somebody_elses(
        byte in 1..=u8::MAX,
        message: Vec<u8>,
        place in 0..65_usize,
        change in 1..=u8::MAX,
    ) {
        let key = key(byte.min(254));
        let signature = key.sign_message(&message);
        prop_assert_eq!(signature.recover(&message), Ok(key.public_key()));
        let mut bytes = signature.to_bytes();
        bytes[place] ^= change;
        if let Ok(changed) = Signature::from_bytes(&bytes) {
            // v counted from 0 or from 27 is the same signature, and is recorded as the same.
            let is_respelled = changed.to_bytes() == signature.to_bytes();
            prop_assert!(!is_respelled || place == 64);
            if !is_respelled {
                prop_assert_ne!(changed.recover(&message), Ok(key.public_key()));
            }
        }
    }

    #[test]
    fn any_text_is_read_or_refused(text in "(0x)?[0-9a-fA-F]{128,132}|.{0,200}") {
        if let Ok(signature) = Signature::from_hex(&text) {
            prop_assert_eq!(Signature::from_hex(&signature.to_string()), Ok(signature));
        }
        if let Ok(signature) = Signature::from_base64(&text) {
            prop_assert_eq!(Signature::from_base64(&signature.to_base64()), Ok(signature));
        }
    }
}

#[test]
fn t06_two_spellings_of_an_address_are_one_key_and_others_are_none() {
    let checksummed = "0xC02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2";
    let key: PublicKey = checksummed.parse().unwrap();
    let lower: PublicKey = checksummed.to_lowercase().parse().unwrap();
    assert_eq!(key, lower);
    let id = |key| NonceId::new(Purpose::SignIn, key, "n");
    assert_eq!(id(key), id(lower));
    for wrong in [
        "0xc02aaA39b223FE8D0A0e5C4F27eAD9083C756Cc2",
        "0XC02AAA39B223FE8D0A0E5C4F27EAD9083C756CC2",
        "0xC02AAA39B223FE8D0A0E5C4F27EAD9083C756CC2",
        "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc２",
        "0xc02aaa39b223fe8d0a0e5c4f27ead9083c756\u{200b}cc2",
        " 0xc02aaa39b223fe8d0a0e5c4f27ead9083c756cc2",
    ] {
        assert!(wrong.parse::<PublicKey>().is_err(), "{wrong}");
    }
}

#[test]
fn a_used_nonce_belongs_to_one_key_and_one_purpose() {
    let [a, b] = [key(1), key(2)].map(|key| key.public_key());
    let ids = [
        NonceId::new(Purpose::SignIn, a, "n"),
        NonceId::new(Purpose::SignIn, b, "n"),
        NonceId::new(Purpose::SignIn, a, "m"),
        NonceId::new(Purpose::Request, a, "n"),
    ];
    for (index, id) in ids.iter().enumerate() {
        assert!(!ids[..index].contains(id));
    }
    // SHA-256 of "siwe", 20 bytes of 0x11 and "n": written down, because stores keep it.
    let id = NonceId::new(Purpose::SignIn, PublicKey::from_bytes([0x11; 20]), "n");
    assert_eq!(
        id.as_bytes().map(|byte| format!("{byte:02x}")).concat(),
        "4e78fae3f745fffa060920eb6d5ca5d090228767bcdc1cdbc1a1710e29515e46"
    );
}
