//! A new key for somebody who is registered on this machine, in a file below the data folder. It is
//! not encrypted: whoever can read that folder has everything anyway.

use std::path::{Path, PathBuf};

use nexus_core::PublicKey;

use crate::failure::Failure;
use crate::keys;

/// Makes a key and writes it below the data folder.
pub(super) fn make(data: &Path) -> Result<(PublicKey, PathBuf), Failure> {
    let (key, file) = keys::make(&data.join("keys"), None)?;
    Ok((key.public_key(), file))
}
