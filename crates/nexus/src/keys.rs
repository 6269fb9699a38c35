//! Files with the private key of a person: in the plain form, or encrypted with a passphrase.

mod keystore;

use std::fs::File;
use std::io::{self, IsTerminal as _, Read as _};
use std::path::{Path, PathBuf};

use nexus_core::auth::SigningKey;
use secrecy::{ExposeSecret as _, SecretString};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::{private, settings};

/// How much of a file is read, in bytes. A key file has less than a thousand.
const MAX_READ: u64 = 64 * 1024;

/// Where a passphrase comes from: a file, a variable, or the person at the terminal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passphrases {
    pub(crate) file: Option<PathBuf>,
}

impl Passphrases {
    /// The passphrase of a key that is there.
    fn ask(&self, path: &Path) -> Result<SecretString, Failure> {
        if let Some(given) = self.given()? {
            return Ok(given);
        }
        prompt(&format!("Passphrase of {}: ", path.display()))
    }

    /// The passphrase of a new key. Typed twice: nobody can tell later what was meant.
    pub(crate) fn choose(&self) -> Result<SecretString, Failure> {
        let chosen = match self.given()? {
            Some(given) => given,
            None => {
                let first = prompt("Passphrase for the new key: ")?;
                let second = prompt("The same once more: ")?;
                if first.expose_secret() != second.expose_secret() {
                    return Err(Failure::new("these were two different passphrases")
                        .hint("run the command again"));
                }
                first
            }
        };
        if chosen.expose_secret().is_empty() {
            return Err(Failure::new("the passphrase is empty").hint(
                "choose one, or say --no-passphrase to keep the key in a file that is not encrypted",
            ));
        }
        Ok(chosen)
    }

    fn given(&self) -> Result<Option<SecretString>, Failure> {
        let Some(path) = &self.file else {
            return Ok(settings::passphrase());
        };
        let text = Zeroizing::new(read(path)?);
        let line = text.strip_suffix('\n').unwrap_or(&text);
        Ok(Some(line.strip_suffix('\r').unwrap_or(line).into()))
    }
}

fn prompt(question: &str) -> Result<SecretString, Failure> {
    if !io::stdin().is_terminal() {
        return Err(
            Failure::new("this key has a passphrase, and nobody can be asked here")
                .hint("name a file with --passphrase-file, or set NEXUS_PASSPHRASE"),
        );
    }
    let typed = rpassword::prompt_password(question);
    let typed =
        typed.map_err(|error| Failure::new(format!("the passphrase cannot be read: {error}")))?;
    Ok(typed.into())
}

/// Reads a key, in either form.
pub(crate) fn load(path: &Path, passphrases: &Passphrases) -> Result<SigningKey, Failure> {
    let text = Zeroizing::new(read(path)?);
    let text = text.trim();
    if text.starts_with('{') {
        let passphrase = passphrases.ask(path)?;
        let opened = tokio::task::block_in_place(|| keystore::open(text, &passphrase));
        return opened.map_err(|error| {
            Failure::new(format!(
                "the key in {} stays closed: {error}",
                path.display()
            ))
        });
    }
    let open = private::is_open_to_others(path).map_err(|error| unreadable(path, &error))?;
    if open {
        let message = format!(
            "others on this machine can read the key in {}",
            path.display()
        );
        return Err(Failure::new(message).hint(format!("`chmod 600 {}` ends that", path.display())));
    }
    SigningKey::from_hex(text).map_err(|error| {
        Failure::new(format!("{} is not a key file: {error}", path.display()))
            .hint("a key file has 0x and 64 hexadecimal digits, or is a keystore file of a wallet")
    })
}

/// Makes a key, writes it into `folder`, and tells the file. Without a passphrase it is not
/// encrypted.
pub(crate) fn make(
    folder: &Path,
    passphrase: Option<&SecretString>,
) -> Result<(SigningKey, PathBuf), Failure> {
    let key = SigningKey::generate()
        .map_err(|error| Failure::new(format!("no random numbers: {error}")))?;
    let (ending, text) = match passphrase {
        Some(passphrase) => {
            let sealed = tokio::task::block_in_place(|| keystore::seal(&key, passphrase));
            (
                "json",
                sealed.map_err(|error| Failure::new(error.to_string()))?,
            )
        }
        None => ("key", key.to_hex()),
    };
    let path = folder.join(format!("{}.{ending}", key.public_key()));
    let line = Zeroizing::new(format!("{}\n", text.as_str()));
    private::create(&path, line.as_bytes()).map_err(|error| {
        let message = format!("the key cannot be written to {}: {error}", path.display());
        Failure::new(message)
    })?;
    Ok((key, path))
}

fn read(path: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = File::open(path).and_then(|file| file.take(MAX_READ).read_to_string(&mut text));
    read.map_err(|error| unreadable(path, &error))?;
    Ok(text)
}

fn unreadable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(format!("{} cannot be read: {error}", path.display()))
}
