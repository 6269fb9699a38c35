//! A new secp256k1 key, as Ethereum wallets have. It goes into a file of its own, which only its
//! owner can read, and nowhere else.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nexus_core::PublicKey;
use nexus_core::auth::SigningKey;

use crate::failure::Failure;

/// Makes a key and writes it below the data folder.
pub(super) fn make(data: &Path) -> Result<(PublicKey, PathBuf), Failure> {
    let key = SigningKey::generate()
        .map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let address = key.public_key();
    let folder = data.join("keys");
    let file = folder.join(format!("{address}.key"));
    write(&folder, &file, &key).map_err(|error| {
        Failure::new(format!(
            "the key cannot be written to {}: {error}",
            file.display()
        ))
    })?;
    Ok((address, file))
}

/// Never overwrites: a key that is gone is gone.
fn write(folder: &Path, file: &Path, key: &SigningKey) -> io::Result<()> {
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
    let mut file = options.open(file)?;
    file.write_all(key.to_hex().as_bytes())?;
    file.write_all(b"\n")?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_overwritten_and_nobody_else_can_read_it() {
        use std::os::unix::fs::PermissionsExt;

        let folder = tempfile::tempdir().unwrap();
        let (address, path) = make(folder.path()).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o600);
        assert_eq!(mode(path.parent().unwrap()), 0o700);
        let written = fs::read_to_string(&path).unwrap();
        let key = SigningKey::from_hex(written.strip_suffix('\n').unwrap()).unwrap();
        assert_eq!(key.public_key(), address);
        let again = write(path.parent().unwrap(), &path, &key).unwrap_err();
        assert_eq!(again.kind(), io::ErrorKind::AlreadyExists);
    }
}
