//! Which addresses Nexus connects to. A template says where a server is; boot configuration says how
//! far inside its own network Nexus reaches for it.

mod zone;

use std::fmt;
use std::net::IpAddr;

use nexus_core::egress::{Site, authority, is_this_machine};
use url::{Host, Url};

use self::zone::Zone;

/// What boot configuration allows beside the public internet. The default is nothing.
#[derive(Clone, Debug, Default)]
pub struct AddressRules {
    /// Every port of this machine.
    pub loopback: bool,
    /// Servers that may be on this machine or in a private network.
    pub private_hosts: Vec<Site>,
}

impl AddressRules {
    /// Decides whether the server of `url` may be asked at `address`: one that its name led to, or
    /// the one that stands in `url`.
    ///
    /// # Errors
    /// When it may not, with the reason.
    pub(crate) fn judge(&self, url: &Url, address: IpAddr) -> Result<(), AddressRefused> {
        let zone = Zone::of(address);
        let is_named = || self.private_hosts.iter().any(|site| site.serves(url));
        let is_allowed = match zone {
            Zone::Public => true,
            Zone::Loopback => self.loopback || is_named(),
            Zone::Private => is_named(),
            Zone::Never(_) => false,
        };
        // A name server must not decide what this machine is.
        let is_elsewhere = is_this_machine(url) && zone != Zone::Loopback;
        if is_allowed && !is_elsewhere {
            return Ok(());
        }
        Err(AddressRefused {
            name: match url.host() {
                Some(Host::Domain(name)) => Some(name.to_owned()),
                _ => None,
            },
            site: authority(url),
            address,
            zone,
        })
    }
}

/// Names that stand for this machine or for a network of one's own (RFC 6761, RFC 6762, RFC 8375, the
/// metadata service of Google Cloud).
const LOCAL_NAMES: [&str; 6] = [
    "localhost",
    "local",
    "internal",
    "lan",
    "home.arpa",
    "intranet",
];

/// Whether an address leads to the public internet, as far as its own words say: not an address of
/// this machine, of a private network or of a cloud's metadata in any spelling, and not a local name.
#[must_use]
pub fn is_public(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => Zone::of(address.into()) == Zone::Public,
        Some(Host::Ipv6(address)) => Zone::of(address.into()) == Zone::Public,
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.').to_ascii_lowercase();
            let is_under = |local: &str| {
                let rest = name.strip_suffix(local);
                rest.is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            };
            name.contains('.') && !LOCAL_NAMES.into_iter().any(is_under)
        }
        None => false,
    }
}

/// An address that Nexus does not connect to. Its words are for whoever runs the server: they name
/// addresses inside the network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddressRefused {
    /// The name that led there. `None`: the address itself stands in the template.
    name: Option<String>,
    site: String,
    address: IpAddr,
    zone: Zone,
}

impl std::error::Error for AddressRefused {}

impl fmt::Display for AddressRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} leads to {}, ", self.address)?,
            None => write!(f, "{} is ", self.address)?,
        }
        let what = match self.zone {
            Zone::Loopback => "this machine",
            Zone::Private => "a private address",
            Zone::Public => return f.write_str("which is not this machine"),
            Zone::Never(what) => return write!(f, "{what}: Nexus never connects there"),
        };
        let site = &self.site;
        write!(
            f,
            "{what}: to allow it, write `private_hosts: [\"{site}\"]` in nexus.yml and start Nexus \
             again"
        )
    }
}

#[cfg(test)]
mod tests;
