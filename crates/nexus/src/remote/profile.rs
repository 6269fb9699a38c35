//! What `nexus login` remembers, in a file that only its owner can read.

use std::path::PathBuf;
use std::{fs, io};

use nexus_core::auth::Origin;
use nexus_core::{PublicKey, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize, Serializer};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::{private, settings};

/// Who is signed in, and where.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Profile {
    server: String,
    pub(crate) public_key: PublicKey,
    pub(crate) key_file: PathBuf,
    /// What the server puts into what is signed.
    pub(crate) chain_id: u64,
    #[serde(serialize_with = "reveal")]
    pub(crate) token: SecretString,
    pub(crate) expires_at: Timestamp,
}

/// The one place where the token goes out, and it is the file.
fn reveal<S: Serializer>(token: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(token.expose_secret())
}

impl Profile {
    pub(crate) fn new(
        server: &Origin,
        (public_key, key_file): (PublicKey, PathBuf),
        chain_id: u64,
        token: SecretString,
        expires_at: Timestamp,
    ) -> Self {
        Self {
            server: server.to_string(),
            public_key,
            key_file,
            chain_id,
            token,
            expires_at,
        }
    }

    /// Where they are signed in.
    pub(crate) fn server(&self) -> Result<Origin, Failure> {
        self.server.parse().map_err(|error| {
            Failure::new(format!(
                "the server of this profile is {:?}: {error}",
                self.server
            ))
            .hint("sign in again with `nexus login URL`")
        })
    }
}

/// Where a profile is kept.
#[derive(Debug)]
pub(crate) struct ProfileFile(PathBuf);

impl ProfileFile {
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let is_of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_of_a_name) {
            return Err(Failure::new(format!("{name:?} is no name for a profile"))
                .hint("take letters, digits, - and _"));
        }
        let file = folder()?.join("profiles").join(format!("{name}.json"));
        Ok(Self(file))
    }

    /// `None`: there is none.
    pub(crate) fn read(&self) -> Result<Option<Profile>, Failure> {
        let text = match fs::read_to_string(&self.0) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(self.failed("read", &error)),
        };
        // What is wrong with it is not told: the words of the library may repeat parts of it.
        let profile = serde_json::from_str(&text);
        profile.map(Some).map_err(|_| {
            Failure::new(format!("{} was not written by Nexus", self.0.display()))
                .hint("remove it, and sign in again with `nexus login`")
        })
    }

    pub(crate) fn write(&self, profile: &Profile) -> Result<(), Failure> {
        let text = serde_json::to_string_pretty(profile).map(Zeroizing::new);
        let text = text.map_err(|error| self.failed("written", &error.into()))?;
        let written = private::replace(&self.0, text.as_bytes());
        written.map_err(|error| self.failed("written", &error))
    }

    pub(crate) fn remove(&self) -> Result<(), Failure> {
        fs::remove_file(&self.0).map_err(|error| self.failed("removed", &error))
    }

    fn failed(&self, what: &str, error: &io::Error) -> Failure {
        Failure::new(format!("{} cannot be {what}: {error}", self.0.display()))
    }
}

/// Where profiles and new keys are kept.
pub(crate) fn folder() -> Result<PathBuf, Failure> {
    settings::personal_folder().ok_or_else(|| {
        Failure::new(
            "there is no place for personal settings: neither XDG_CONFIG_HOME nor HOME is set",
        )
    })
}
