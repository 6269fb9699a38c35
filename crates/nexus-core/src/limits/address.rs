//! Client addresses as keys of rate limits.

use std::net::{IpAddr, Ipv6Addr};

/// The client addresses that share one rate limit: a single IPv4 address, or an IPv6 /56 prefix, the
/// size that providers usually delegate to one customer. An IPv4-mapped IPv6 address counts as IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AddressBlock(IpAddr);

/// The bits of an IPv6 address that are its holder's to choose.
const PREFIX_FREE: u32 = 128 - 56;

impl From<IpAddr> for AddressBlock {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => {
                let network = address.to_bits() >> PREFIX_FREE << PREFIX_FREE;
                IpAddr::V6(Ipv6Addr::from_bits(network))
            }
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

impl AddressBlock {
    /// 16 bytes that differ for different blocks.
    #[must_use]
    pub const fn to_bytes(self) -> [u8; 16] {
        match self.0 {
            IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
            IpAddr::V6(address) => address.octets(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(text: &str) -> AddressBlock {
        AddressBlock::from(text.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn who_has_an_ipv6_network_counts_once() {
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:2:ffff::9"));
        assert_eq!(block("2001:db8:1:2::1"), block("2001:db8:1:ff::1"));
        assert_ne!(block("2001:db8:1:2::1"), block("2001:db8:1:102::1"));
        assert_eq!(block("::ffff:192.0.2.1"), block("192.0.2.1"));
        assert_ne!(block("192.0.2.1"), block("192.0.2.2"));
        assert_ne!(block("192.0.2.1").to_bytes(), block("::").to_bytes());
    }
}
