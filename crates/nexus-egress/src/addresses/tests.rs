//! T19: addresses, in every spelling.

use std::net::{Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;

use super::*;

/// The address that stands in a URL, after the one parse that there is.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn judge(rules: &AddressRules, text: &str) -> Result<(), AddressRefused> {
    let url = Url::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    let address = literal(&url).unwrap_or_else(|| panic!("{text} holds no address"));
    rules.judge(&url, address)
}

/// As generous as boot configuration can be, for one host.
fn generous(text: &str) -> AddressRules {
    let site = authority(&Url::parse(text).unwrap()).parse().unwrap();
    AddressRules {
        loopback: true,
        private_hosts: vec![site],
    }
}

const NEVER: &[&str] = &[
    "http://0.0.0.0/",
    "http://0/",
    "http://0.1.2.3/",
    "http://169.254.169.254/",
    "http://169.254.169.254./",
    "http://169.254.0.1/",
    "http://2852039166/",
    "http://0xa9fea9fe/",
    "http://0xa9.0xfe.0xa9.0xfe/",
    "http://0251.0376.0251.0376/",
    "http://169.16689662/",
    "http://169.254.43518/",
    "http://me:pw@169.254.169.254/",
    "http://api.openai.com@169.254.169.254/",
    "http://１６９.２５４.１６９.２５４/",
    "http://169。254。169。254/",
    "http://%31%36%39.254.169.254/",
    "http://[::ffff:169.254.169.254]/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[::a9fe:a9fe]/",
    "http://[64:ff9b::a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::10.0.0.1]/",
    "http://[64:ff9b:1::a9fe:a9fe]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:c0a8:101::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:0:127.0.0.1]/",
    "http://[2001:0:4136:e378:8000:63bf:3fff:fdd2]/",
    "http://[fe80::1]/",
    "http://[febf::1]/",
    "http://[fec0::1]/",
    "http://[fd00:ec2::254]/",
    "http://[fd20:ce::254]/",
    "http://[fd00:42::42]/",
    "http://100.100.100.200/",
    "http://192.0.0.192/",
    "http://168.63.129.16/",
    "http://192.0.2.1/",
    "http://198.51.100.7/",
    "http://203.0.113.9/",
    "http://192.88.99.1/",
    "http://224.0.0.1/",
    "http://239.255.255.250/",
    "http://240.0.0.1/",
    "http://255.255.255.255/",
    "http://4294967295/",
    "http://[::]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://[3fff::1]/",
    "http://[100::1]/",
    "http://[5f00::1]/",
    "http://[4000::1]/",
];

const THIS_MACHINE: &[&str] = &[
    "http://127.0.0.1/",
    "http://127.0.0.1:11434/v1",
    "http://127.1/",
    "http://127.0.1/",
    "http://0x7f.1/",
    "http://0x7f000001/",
    "http://017700000001/",
    "http://2130706433/",
    "http://127.255.255.254/",
    "http://user@127.0.0.1/",
    "http://①②⑦.0.0.1/",
    "http://[::1]/",
    "http://[0:0:0:0:0:0:0:1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
];

const PRIVATE: &[&str] = &[
    "http://10.0.0.1/",
    "http://10.255.255.255:8080/",
    "http://167772161/",
    "http://0xa.1/",
    "http://172.16.0.1/",
    "http://172.31.255.255/",
    "http://192.168.1.20:8080/v1",
    "http://3232235777/",
    "http://100.64.0.1/",
    "http://100.127.255.255/",
    "http://198.18.0.1/",
    "http://[fc00::1]/",
    "http://[fd12:3456:789a::1]:8000/",
    "http://[::ffff:10.0.0.1]/",
    "http://[::ffff:c0a8:101]/",
];

const PUBLIC: &[&str] = &[
    "https://8.8.8.8/",
    "https://1.1.1.1/v1",
    "https://172.15.255.255/",
    "https://172.32.0.1/",
    "https://100.63.255.255/",
    "https://100.128.0.1/",
    "https://169.253.255.255/",
    "https://169.255.0.0/",
    "https://192.0.1.1/",
    "https://223.255.255.255/",
    "https://[2606:4700:4700::1111]/",
    "https://[2001:4860:4860::8888]/",
    "https://[::ffff:8.8.8.8]/",
    "https://[64:ff9b::8.8.8.8]/",
    "https://[2002:808:808::1]/",
];

#[test]
fn t19_addresses_are_judged_in_every_spelling() {
    let count = NEVER.len() + THIS_MACHINE.len() + PRIVATE.len() + PUBLIC.len();
    assert!(count >= 60, "{count}");
    let nothing = AddressRules::default();
    let loopback = AddressRules {
        loopback: true,
        ..AddressRules::default()
    };
    for url in NEVER {
        assert!(judge(&nothing, url).is_err(), "{url}");
        assert!(judge(&generous(url), url).is_err(), "{url}");
    }
    for url in THIS_MACHINE {
        assert!(judge(&nothing, url).is_err(), "{url}");
        assert_eq!(judge(&loopback, url), Ok(()), "{url}");
        assert_eq!(judge(&generous(url), url), Ok(()), "{url}");
    }
    for url in PRIVATE {
        assert!(judge(&loopback, url).is_err(), "{url}");
        assert_eq!(judge(&generous(url), url), Ok(()), "{url}");
    }
    for url in PUBLIC {
        assert_eq!(judge(&nothing, url), Ok(()), "{url}");
    }
}

#[test]
fn t19_a_private_host_is_allowed_with_its_port_and_for_itself_only() {
    let rules = AddressRules {
        loopback: false,
        private_hosts: vec!["ollama:11434".parse().unwrap()],
    };
    let at = |url: &str, address: [u8; 4]| rules.judge(&Url::parse(url).unwrap(), address.into());
    assert_eq!(at("http://ollama:11434/v1", [172, 18, 0, 2]), Ok(()));
    assert_eq!(at("http://ollama:11434/v1", [127, 0, 0, 1]), Ok(()));
    assert!(at("http://ollama:11434/v1", [169, 254, 169, 254]).is_err());
    assert!(at("http://ollama:6379/v1", [172, 18, 0, 2]).is_err());
    assert!(at("http://redis:11434/v1", [172, 18, 0, 2]).is_err());
    assert!(at("http://172.18.0.2:11434/v1", [172, 18, 0, 2]).is_err());
}

#[test]
fn t19_localhost_is_this_machine_and_nothing_else() {
    let url = |text: &str| Url::parse(text).unwrap();
    for name in [
        "localhost",
        "localhost.",
        "LOCALHOST",
        "a.localhost",
        "a.localhost.",
    ] {
        let url = url(&format!("http://{name}:8080/"));
        let rules = generous(url.as_str());
        assert_eq!(rules.judge(&url, Ipv4Addr::LOCALHOST.into()), Ok(()));
        assert_eq!(rules.judge(&url, Ipv6Addr::LOCALHOST.into()), Ok(()));
        for elsewhere in [[10, 0, 0, 1], [8, 8, 8, 8]] {
            assert!(rules.judge(&url, elsewhere.into()).is_err(), "{url}");
        }
    }
}

#[test]
fn t19_a_refusal_says_what_to_write() {
    let refusal = |url: &str, address: [u8; 4]| {
        let url = Url::parse(url).unwrap();
        let refused = AddressRules::default().judge(&url, address.into());
        refused.unwrap_err().to_string()
    };
    let said = [
        refusal("http://127.1:11434/v1", [127, 0, 0, 1]),
        refusal("http://studio.lan:8080/v1", [192, 168, 1, 20]),
        refusal("https://api.test/v1", [10, 0, 0, 1]),
        refusal("http://169.254.169.254/v1", [169, 254, 169, 254]),
        refusal("https://metadata.test/v1", [169, 254, 169, 254]),
        refusal("http://localhost/", [8, 8, 8, 8]),
    ];
    insta::assert_snapshot!(said.join("\n"), @r#"
    127.0.0.1 is this machine: to allow it, write `private_hosts: ["127.0.0.1:11434"]` in nexus.yml and start Nexus again
    studio.lan leads to 192.168.1.20, a private address: to allow it, write `private_hosts: ["studio.lan:8080"]` in nexus.yml and start Nexus again
    api.test leads to 10.0.0.1, a private address: to allow it, write `private_hosts: ["api.test"]` in nexus.yml and start Nexus again
    169.254.169.254 is where a cloud keeps the credentials of its machines: Nexus never connects there
    metadata.test leads to 169.254.169.254, where a cloud keeps the credentials of its machines: Nexus never connects there
    localhost leads to 8.8.8.8, which is not this machine
    "#);
}

proptest! {
    #[test]
    fn t19_an_ipv4_address_is_never_more_welcome_in_another_spelling(bits: u32) {
        let plain = Ipv4Addr::from(bits);
        let [a, b, c, d] = plain.octets();
        let zone = Zone::of(plain.into());
        let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
        prop_assert_eq!(Zone::of(plain.to_ipv6_mapped().into()), zone);
        for other in [
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        ] {
            let other = Zone::of(other.into());
            prop_assert_eq!(other == Zone::Public, zone == Zone::Public);
            prop_assert!(!matches!(other, Zone::Loopback | Zone::Private));
        }
        for text in [
            format!("http://{bits}/"),
            format!("http://{bits:#x}/"),
            format!("http://0{bits:o}/"),
            format!("http://{a}.{:#x}/", bits & 0x00ff_ffff),
        ] {
            prop_assert_eq!(literal(&Url::parse(&text).unwrap()), Some(plain.into()));
        }
    }
}
