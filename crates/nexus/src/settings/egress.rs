//! What may leave this server, and for where: `secrets`, `addresses` and `private_hosts` of the
//! settings file, and what holds without them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use nexus_core::Environment;
use nexus_core::egress::{Secrets, Site, is_variable_name};
use nexus_llm::AddressRules;

use super::key_file::KeyFile;
use super::variable;

/// The variables that vendors name in their own documentation, and where those vendors are.
const VENDORS: [(&str, &str); 10] = [
    ("ANTHROPIC_API_KEY", "api.anthropic.com"),
    ("DEEPSEEK_API_KEY", "api.deepseek.com"),
    ("GEMINI_API_KEY", "generativelanguage.googleapis.com"),
    ("GOOGLE_API_KEY", "generativelanguage.googleapis.com"),
    ("GROQ_API_KEY", "api.groq.com"),
    ("MISTRAL_API_KEY", "api.mistral.ai"),
    ("OPENAI_API_KEY", "api.openai.com"),
    ("OPENROUTER_API_KEY", "openrouter.ai"),
    ("TOGETHER_API_KEY", "api.together.xyz"),
    ("XAI_API_KEY", "api.x.ai"),
];

/// What the settings file says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Egress {
    secrets: BTreeMap<String, Vec<Site>>,
    addresses: Vec<String>,
    private_hosts: Vec<Site>,
}

impl Egress {
    /// `Err`: what is wrong with it, for people.
    pub(super) fn new(
        secrets: BTreeMap<String, Vec<Site>>,
        addresses: Vec<String>,
        private_hosts: Vec<Site>,
    ) -> Result<Self, String> {
        let mut names = secrets.keys().chain(&addresses);
        if let Some(name) = names.find(|name| !is_variable_name(name)) {
            return Err(format!(
                "{name:?} is not the name of a variable, which has letters, digits and _ only"
            ));
        }
        let is_secret =
            |name: &&String| secrets.contains_key(*name) || VENDORS.iter().any(|it| it.0 == *name);
        if let Some(name) = addresses.iter().find(is_secret) {
            return Err(format!(
                "{name} holds a key, so it cannot be one of the addresses"
            ));
        }
        Ok(Self {
            secrets,
            addresses,
            private_hosts,
        })
    }

    /// What a template may name. A line of the settings file replaces one of the key file, and that
    /// the vendor's one of the same name.
    pub(crate) fn secrets(&self, environment: Environment, keys: &KeyFile) -> Secrets {
        let vendors = VENDORS
            .into_iter()
            .map(|(name, host)| (name.to_owned(), host.parse().into_iter().collect()));
        let mut pins: BTreeMap<String, Vec<Site>> = vendors.collect();
        pins.extend(keys.pins());
        pins.extend(self.secrets.clone());
        let keys = keys.clone();
        let mut secrets = Secrets::new(move |name| variable(name).or_else(|| keys.key(name)));
        for (name, sites) in pins {
            secrets = secrets.pin(name, sites);
        }
        for name in &self.addresses {
            secrets = secrets.address(name);
        }
        match environment {
            Environment::Production => secrets.without_clear_keys(),
            Environment::Development => secrets,
        }
    }

    /// Where connections may go. A server that only this machine reaches may reach this machine.
    pub(super) fn rules(&self, listen: &str) -> AddressRules {
        AddressRules {
            loopback: is_loopback(listen),
            private_hosts: self.private_hosts.clone(),
        }
    }
}

pub(super) fn is_loopback(listen: &str) -> bool {
    match listen.parse::<SocketAddr>() {
        Ok(address) => address.ip().to_canonical().is_loopback(),
        Err(_) => listen
            .rsplit_once(':')
            .is_some_and(|(host, _)| host.eq_ignore_ascii_case("localhost")),
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    #[test]
    fn every_vendor_has_one_server() {
        let secrets = Egress::default().secrets(Environment::Production, &KeyFile::none());
        for (name, host) in VENDORS {
            let url = |text: &str| Url::parse(text).unwrap();
            let key = |address: &str| secrets.key(name, &url(address));
            assert!(key(&format!("https://{host}/v1")).is_ok(), "{name}");
            assert!(key(&format!("http://{host}/v1")).is_err(), "{name}");
            assert!(key("https://evil.test").is_err(), "{name}");
        }
    }

    #[test]
    fn a_line_of_the_file_replaces_the_vendors() {
        let sites = vec!["proxy.test".parse().unwrap()];
        let egress = Egress {
            secrets: BTreeMap::from([("OPENAI_API_KEY".to_owned(), sites)]),
            ..Egress::default()
        };
        let secrets = egress.secrets(Environment::Development, &KeyFile::none());
        let may_go = |url: &str| {
            secrets
                .key("OPENAI_API_KEY", &Url::parse(url).unwrap())
                .is_ok()
        };
        assert!(may_go("https://proxy.test"));
        assert!(!may_go("https://api.openai.com"));
    }

    #[test]
    fn only_a_server_that_this_machine_alone_reaches_may_reach_this_machine() {
        let reaches = |listen: &str| Egress::default().rules(listen).loopback;
        for near in [
            "127.0.0.1:8000",
            "[::1]:8000",
            "localhost:8000",
            "127.3.2.1:0",
        ] {
            assert!(reaches(near), "{near}");
        }
        for far in [
            "0.0.0.0:8000",
            "[::]:8000",
            "192.168.1.2:80",
            "nexus.test:80",
            "",
            "localhost.evil:80",
        ] {
            assert!(!reaches(far), "{far}");
        }
    }
}
