//! The environment variables that a template may name, and who may receive what is in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use url::Url;

use super::{PinnedKey, Site, is_this_machine};

type Lookup = Arc<dyn Fn(&str) -> Option<String> + Send + Sync>;

/// What boot configuration lets a template name. [`Secrets::default`] is nothing at all.
#[derive(Clone)]
pub struct Secrets {
    lookup: Lookup,
    pins: BTreeMap<String, Vec<Site>>,
    addresses: BTreeSet<String>,
    refuses_clear_keys: bool,
}

/// Why a template may not use a variable as it does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// Boot configuration does not list it.
    NotListed,
    /// It is for other servers.
    ForOthers {
        /// Those that may receive it.
        sites: Vec<Site>,
    },
    /// It would travel without encryption.
    InClear,
    /// What is in it cannot be sent in a header.
    Unusable,
}

impl Secrets {
    /// Lists nothing yet. `lookup` reads an environment variable.
    pub fn new(lookup: impl Fn(&str) -> Option<String> + Send + Sync + 'static) -> Self {
        Self {
            lookup: Arc::new(lookup),
            pins: BTreeMap::new(),
            addresses: BTreeSet::new(),
            refuses_clear_keys: false,
        }
    }

    /// A variable with a key, and all servers that may receive it.
    #[must_use]
    pub fn pin(mut self, name: impl Into<String>, sites: impl IntoIterator<Item = Site>) -> Self {
        self.pins.insert(name.into(), sites.into_iter().collect());
        self
    }

    /// A variable with the address of a provider, which is no secret.
    #[must_use]
    pub fn address(mut self, name: impl Into<String>) -> Self {
        self.addresses.insert(name.into());
        self
    }

    /// Keys that are written into the template itself are mistakes.
    #[must_use]
    pub const fn without_clear_keys(mut self) -> Self {
        self.refuses_clear_keys = true;
        self
    }

    /// The key in a variable, for the provider at `base_url`. `Ok(None)`: it may have it, and the
    /// variable is not set.
    ///
    /// # Errors
    /// When that provider may not have it, set or not.
    pub fn key(&self, name: &str, base_url: &Url) -> Result<Option<PinnedKey>, Refused> {
        let sites = self.pins.get(name).ok_or(Refused::NotListed)?;
        let mut serving = sites.iter().filter(|site| site.serves(base_url)).peekable();
        if serving.peek().is_none() {
            return Err(Refused::ForOthers {
                sites: sites.clone(),
            });
        }
        let is_encrypted = base_url.scheme() == "https" || is_this_machine(base_url);
        if !is_encrypted && !serving.any(Site::is_plain) {
            return Err(Refused::InClear);
        }
        match self.value(name) {
            Some(value) => PinnedKey::new(&value, base_url)
                .map(Some)
                .ok_or(Refused::Unusable),
            None => Ok(None),
        }
    }

    /// The servers that may receive the key in a variable. None, if it is not listed.
    #[must_use]
    pub fn sites(&self, name: &str) -> &[Site] {
        self.pins.get(name).map_or(&[], Vec::as_slice)
    }

    /// Whether a template may name this variable as a key, for whichever server.
    pub(crate) fn lists(&self, name: &str) -> bool {
        self.pins.contains_key(name)
    }

    /// The address in a variable. `Ok(None)`: it is not set.
    pub(crate) fn address_in(&self, name: &str) -> Result<Option<String>, Refused> {
        if self.addresses.contains(name) {
            Ok(self.value(name))
        } else {
            Err(Refused::NotListed)
        }
    }

    pub(crate) const fn refuses_clear_keys(&self) -> bool {
        self.refuses_clear_keys
    }

    fn value(&self, name: &str) -> Option<String> {
        let value = (self.lookup)(name)?;
        let value = value.trim();
        (!value.is_empty()).then(|| value.to_owned())
    }
}

impl Default for Secrets {
    fn default() -> Self {
        Self::new(|_| None)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secrets")
            .field("pins", &self.pins)
            .field("addresses", &self.addresses)
            .field("refuses_clear_keys", &self.refuses_clear_keys)
            .finish_non_exhaustive()
    }
}

/// Whether a text can be the name of a variable that a template names: letters, digits and `_`, at
/// most 128 of them.
#[must_use]
pub fn is_variable_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
