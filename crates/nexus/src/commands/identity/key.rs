//! A new secp256k1 key, as Ethereum wallets have. It goes into a file of its own, which only its
//! owner can read, and nowhere else.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use k256::SecretKey;
use k256::elliptic_curve::sec1::ToSec1Point;
use nexus_core::PublicKey;

use crate::failure::Failure;

/// Makes a key and writes it below the data folder.
pub(super) fn make(data: &Path) -> Result<(PublicKey, PathBuf), Failure> {
    let secret = generate()?;
    let address = address_of(&secret)
        .ok_or_else(|| Failure::new("the new key has no address: nothing was stored"))?;
    let folder = data.join("keys");
    let file = folder.join(format!("{address}.key"));
    write(&folder, &file, &secret).map_err(|error| {
        Failure::new(format!(
            "the key cannot be written to {}: {error}",
            file.display()
        ))
    })?;
    Ok((address, file))
}

fn generate() -> Result<SecretKey, Failure> {
    let mut bytes = [0; 32];
    loop {
        getrandom::fill(&mut bytes)
            .map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
        // All but a handful of the numbers of 32 bytes are keys.
        if let Ok(secret) = SecretKey::from_slice(&bytes) {
            return Ok(secret);
        }
    }
}

fn address_of(secret: &SecretKey) -> Option<PublicKey> {
    let point = secret.public_key().to_sec1_point(false);
    let (_, coordinates) = point.as_bytes().split_first()?;
    Some(PublicKey::of_point(coordinates.try_into().ok()?))
}

/// Never overwrites: a key that is gone is gone.
fn write(folder: &Path, file: &Path, secret: &SecretKey) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    }
    builder.create(folder)?;
    let mut digits = String::from("0x");
    for byte in secret.to_bytes() {
        // Writing to a string does not fail.
        _ = write!(digits, "{byte:02x}");
    }
    digits.push('\n');
    let mut file = options.open(file)?;
    file.write_all(digits.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_is_the_one_that_wallets_show() {
        let secret = SecretKey::from_slice(&{
            let mut bytes = [0; 32];
            bytes[31] = 1;
            bytes
        });
        let address = address_of(&secret.unwrap()).unwrap();
        assert_eq!(
            address.to_checksummed(),
            "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
        );
    }

    #[test]
    fn a_key_is_never_overwritten_and_nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let (_, path) = make(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let secret = generate().unwrap();
        let again = write(path.parent().unwrap(), &path, &secret).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
