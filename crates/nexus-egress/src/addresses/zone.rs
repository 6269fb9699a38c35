//! What kind of place an address is, after the registries of IANA for special purposes:
//! <https://www.iana.org/assignments/iana-ipv4-special-registry> and
//! <https://www.iana.org/assignments/iana-ipv6-special-registry>.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// What kind of place an address is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// The internet.
    Public,
    /// This machine.
    Loopback,
    /// A network of one's own.
    Private,
    /// No place for a provider, with what it is.
    Never(&'static str),
}

const METADATA: Zone = Zone::Never("where a cloud keeps the credentials of its machines");
const LINK_LOCAL: Zone = Zone::Never("a link-local address");
const RESERVED: Zone = Zone::Never("a reserved address");
const DOCUMENTATION: Zone = Zone::Never("an address for documentation");
const MULTICAST: Zone = Zone::Never("an address of many machines");
const UNSPECIFIED: Zone = Zone::Never("no address");
const TRANSLATED: Zone = Zone::Never("another spelling of an address that is not public");

/// Services of clouds outside the link-local range: Alibaba Cloud, Oracle Cloud, Azure.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// AWS, Google Cloud, Scaleway.
const METADATA_V6: [Ipv6Addr; 3] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

impl Zone {
    pub(super) fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => of_v4(address),
            IpAddr::V6(address) => of_v6(address),
        }
    }
}

fn of_v4(address: Ipv4Addr) -> Zone {
    if METADATA_V4.contains(&address) {
        return METADATA;
    }
    match address.octets() {
        [0, ..] => UNSPECIFIED,
        [127, ..] => Zone::Loopback,
        [169, 254, 169, 254] => METADATA,
        [169, 254, ..] => LINK_LOCAL,
        // RFC 1918; RFC 6598, between a provider and its customers; RFC 2544, for measurements,
        // where some proxies map every name.
        [10, ..]
        | [172, 16..=31, ..]
        | [192, 168, ..]
        | [100, 64..=127, ..]
        | [198, 18..=19, ..] => Zone::Private,
        [192, 0, 2, _] | [198, 51, 100, _] | [203, 0, 113, _] => DOCUMENTATION,
        [192, 0, 0, _] | [192, 88, 99, _] | [240..=255, ..] => RESERVED,
        [224..=239, ..] => MULTICAST,
        _ => Zone::Public,
    }
}

fn of_v6(address: Ipv6Addr) -> Zone {
    if METADATA_V6.contains(&address) {
        return METADATA;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => UNSPECIFIED,
        [0, 0, 0, 0, 0, 0, 0, 1] => Zone::Loopback,
        // RFC 4291, section 2.5.5.2: the same machine, written as IPv6.
        [0, 0, 0, 0, 0, 0xffff, high, low] => of_v4(join(high, low)),
        // RFC 4291, section 2.5.5.1; RFC 6052; RFC 3056: an IPv4 address on its way through
        // somebody else.
        [0, 0, 0, 0, 0, 0, high, low]
        | [0x64, 0xff9b, 0, 0, 0, 0, high, low]
        | [0x2002, high, low, ..] => match of_v4(join(high, low)) {
            Zone::Public => Zone::Public,
            Zone::Loopback | Zone::Private => TRANSLATED,
            never @ Zone::Never(_) => never,
        },
        [0xfe80..=0xfebf, ..] => LINK_LOCAL,
        [0xfc00..=0xfdff, ..] => Zone::Private,
        [0xff00..=0xffff, ..] => MULTICAST,
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0xfff, ..] => DOCUMENTATION,
        // RFC 2928: tunnels and experiments, Teredo among them.
        [0x2001, 0..=0x1ff, ..] => RESERVED,
        [0x2000..=0x3fff, ..] => Zone::Public,
        _ => RESERVED,
    }
}

const fn join(high: u16, low: u16) -> Ipv4Addr {
    let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
    Ipv4Addr::new(a, b, c, d)
}
