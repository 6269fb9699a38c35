//! `provider-keys.yml` in the data folder: keys of providers that `nexus migrate` took out of a
//! template, each with the server that it is for.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nexus_core::egress::{Site, is_variable_name};
use nexus_core::genesis::ClearKey;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde_json::Value;

use crate::failure::Failure;
use crate::private;

const NAME: &str = "provider-keys.yml";

const HEADING: &str = "\
# Keys of providers. Nexus reads this file when it starts. A template names a key as ${NAME}; it is
# sent to the servers listed with it and to no others.
";

/// What the file says, by the name that a template uses. Like variables of the environment, which
/// are stronger.
#[derive(Clone, Debug)]
pub(crate) struct KeyFile {
    path: PathBuf,
    kept: Arc<BTreeMap<String, Kept>>,
}

/// One key.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    /// The only servers that receive it.
    servers: Vec<String>,
    key: SecretString,
}

impl KeyFile {
    /// Reads the file of a data folder, if it is there.
    pub(super) fn read(data: &Path) -> Result<Self, Failure> {
        let path = data.join(NAME);
        let refuse = |reason: String| {
            Failure::new(format!("{} cannot be used: {reason}", path.display()))
                .hint("it holds names, each with `servers` (a list) and `key`")
        };
        let kept = match std::fs::read_to_string(&path) {
            // The message of the parser may repeat a key.
            Ok(text) => serde_saphyr::from_str::<Option<BTreeMap<String, Kept>>>(&text)
                .map_err(|_| refuse("it is not in its form".to_owned()))?
                .unwrap_or_default(),
            Err(error) if is_absent(&error) => BTreeMap::new(),
            Err(error) => return Err(refuse(error.to_string())),
        };
        for (name, kept) in &kept {
            if !is_variable_name(name) {
                return Err(refuse(format!("{name:?} is not the name of a variable")));
            }
            for server in &kept.servers {
                let site = server.parse::<Site>();
                site.map_err(|error| refuse(format!("{name}: {error}")))?;
            }
        }
        Ok(Self {
            path,
            kept: Arc::new(kept),
        })
    }

    /// No keys at all.
    #[cfg(test)]
    pub(crate) fn none() -> Self {
        Self {
            path: PathBuf::from(NAME),
            kept: Arc::default(),
        }
    }

    /// Where it is, or would be.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The key under a name.
    pub(super) fn key(&self, name: &str) -> Option<String> {
        let kept = self.kept.get(name)?;
        Some(kept.key.expose_secret().to_owned())
    }

    /// Each name, and the servers that may receive its key.
    pub(super) fn pins(&self) -> impl Iterator<Item = (String, Vec<Site>)> {
        self.kept.iter().map(|(name, kept)| {
            let sites = kept.servers.iter().filter_map(|server| server.parse().ok());
            (name.clone(), sites.collect())
        })
    }

    /// Adds a key, and gives the name that it has now. One that is there already keeps its name.
    pub(crate) fn add(&mut self, new: &ClearKey) -> String {
        let upper = |c: char| match c.to_ascii_uppercase() {
            c if c.is_ascii_alphanumeric() => c,
            _ => '_',
        };
        let provider: String = new.provider.chars().take(64).map(upper).collect();
        let first = format!("NEXUS_KEY_{provider}");
        let mut name = first.clone();
        let mut number = 1;
        while let Some(kept) = self.kept.get(&name) {
            if kept.key.expose_secret() == new.key && kept.servers == [new.site.as_str()] {
                return name;
            }
            number += 1;
            name = format!("{first}_{number}");
        }
        let kept = Kept {
            servers: vec![new.site.clone()],
            key: SecretString::from(new.key.clone()),
        };
        Arc::make_mut(&mut self.kept).insert(name.clone(), kept);
        name
    }

    /// Writes it, for its owner only.
    pub(crate) fn write(&self) -> Result<(), Failure> {
        let mut text = HEADING.to_owned();
        for (name, kept) in &*self.kept {
            // JSON is YAML, and quotes whatever a key may have in it.
            let servers = Value::from(kept.servers.clone());
            let key = Value::from(kept.key.expose_secret());
            // Writing to a string does not fail.
            _ = writeln!(text, "{name}:\n  servers: {servers}\n  key: {key}");
        }
        private::replace(&self.path, text.as_bytes()).map_err(|error| {
            Failure::new(format!(
                "{} cannot be written: {error}",
                self.path.display()
            ))
            .hint("name a folder that you can write to with --data DIR")
        })
    }
}

/// Whether there is no such file, also where the folder is none or can have no such name.
fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory | io::ErrorKind::InvalidFilename
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(provider: &str, site: &str, key: &str) -> ClearKey {
        ClearKey {
            provider: provider.to_owned(),
            site: site.to_owned(),
            key: key.to_owned(),
        }
    }

    #[test]
    fn what_is_written_is_read_again_and_each_key_has_a_name_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut file = KeyFile::read(&data).unwrap();
        let odd = "sk-\"x\": 1 # \\ ä";
        let first = file.add(&key("my-p", "127.0.0.1:9900", odd));
        let same = file.add(&key("my-p", "127.0.0.1:9900", odd));
        let other = file.add(&key("my_p", "p.test", "sk-y"));
        assert_eq!(first, "NEXUS_KEY_MY_P");
        assert_eq!((same, other.as_str()), (first.clone(), "NEXUS_KEY_MY_P_2"));
        file.write().unwrap();
        assert!(!private::is_open_to_others(file.path()).unwrap());
        let read = KeyFile::read(&data).unwrap();
        assert_eq!(read.key(&first).as_deref(), Some(odd));
        assert_eq!(read.key(&other).as_deref(), Some("sk-y"));
        assert!(read.pins().all(|(_, sites)| sites.len() == 1));
        assert!(!format!("{read:?}").contains("sk-"), "{read:?}");
    }

    #[test]
    fn a_file_that_is_damaged_is_refused_without_repeating_it() {
        let folder = tempfile::tempdir().unwrap();
        for text in [
            "A: sk-secret",
            "A: {key: sk-secret}",
            "A B: {servers: [], key: sk-secret}",
        ] {
            std::fs::write(folder.path().join(NAME), text).unwrap();
            let refused = KeyFile::read(folder.path()).unwrap_err();
            assert!(!format!("{refused:?}").contains("sk-secret"), "{refused:?}");
        }
    }
}
