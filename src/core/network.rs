//! Addresses of the Internet, and those of anybody's own networks.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A network as `10.0.0.0/8` or `fd00::/8` says it; an address alone is a network of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// Its first address, in 128 bits.
    first: u128,
    /// How many of the 128 bits are the same in all its addresses.
    bits: u32,
}

/// Why a text is not a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadNetwork {
    #[error("not a network such as 10.0.0.0/8, 192.0.2.7 or fd00::/8")]
    Format,
    #[error("the address has bits set beyond the length of the network")]
    Beyond,
}

impl Network {
    pub fn contains(&self, address: IpAddr) -> bool {
        wide(address) & mask(self.bits) == self.first
    }
}

impl FromStr for Network {
    type Err = BadNetwork;

    fn from_str(text: &str) -> Result<Self, BadNetwork> {
        let (address, length) = match text.split_once('/') {
            Some((address, length)) => (address, Some(length.parse::<u32>().map_err(|_| BadNetwork::Format)?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| BadNetwork::Format)?;
        let (size, before) = if address.is_ipv4() { (32, 96) } else { (128, 0) };
        let bits = before + length.unwrap_or(size);
        if bits > before + size {
            return Err(BadNetwork::Format);
        }
        let first = wide(address);
        if first & mask(bits) == first { Ok(Self { first, bits }) } else { Err(BadNetwork::Beyond) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = Ipv6Addr::from(self.first);
        match address.to_ipv4_mapped() {
            Some(address) if self.bits >= 96 => write!(f, "{address}/{}", self.bits - 96),
            _ => write!(f, "{address}/{}", self.bits),
        }
    }
}

/// Addresses of version 4 are those that are mapped into version 6.
fn wide(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().into(),
        IpAddr::V6(address) => address.into(),
    }
}

fn mask(bits: u32) -> u128 {
    u128::MAX.checked_shl(128 - bits).unwrap_or(0)
}

/// Whether an address is one of the Internet's, which anybody may reach: not one of a private or special network, nor one
/// that stands for such an address.
///
/// <https://www.iana.org/assignments/iana-ipv4-special-registry>, <https://www.iana.org/assignments/iana-ipv6-special-registry>
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match a {
        // This network, private, loopback.
        0 | 10 | 127 => true,
        // Shared by carriers.
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        // Private; protocol assignments, documentation, what relayed 6to4.
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)) || (b == 88 && c == 99),
        // Benchmarks, documentation.
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        // Multicast, reserved, broadcast.
        224.. => true,
        _ => false,
    };
    !special
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    // All that is handed out is in 2000::/3; what is beside it is loopback, local, multicast, or translated to version 4.
    let unicast = a & 0xe000 == 0x2000;
    let special = match a {
        // Protocol assignments, Teredo among them; documentation.
        0x2001 => b < 0x0200 || b == 0x0db8,
        // 6to4, which has addresses of version 4 in it.
        0x2002 => true,
        0x3fff => b < 0x1000,
        _ => false,
    };
    unicast && !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn addresses_of_the_internet_are_public() {
        for text in
            ["8.8.8.8", "100.63.255.255", "100.128.0.0", "172.15.0.1", "172.32.0.1", "192.0.1.1", "223.255.255.255"]
        {
            assert!(public(text), "{text}");
        }
        for text in ["2606:4700::1111", "2001:4860:4860::8888", "2a00::1", "::ffff:8.8.8.8"] {
            assert!(public(text), "{text}");
        }
    }

    #[test]
    fn addresses_of_private_and_special_networks_are_not() {
        let v4 = [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
        ];
        let v6 = [
            "::",
            "::1",
            "fe80::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "fec0::1",
            "2001:db8::1",
            "2001::1",
            "2002:7f00:1::",
            "2002:808:808::1",
            "3fff::1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
        ];
        for text in v4.into_iter().chain(v6) {
            assert!(!public(text), "{text}");
        }
    }

    #[test]
    fn a_network_has_its_addresses_and_no_others() {
        let has = |network: &str, address: &str| network.parse::<Network>().unwrap().contains(address.parse().unwrap());
        assert!(
            has("10.0.0.0/8", "10.255.0.1") && has("10.0.0.0/8", "::ffff:10.1.1.1") && !has("10.0.0.0/8", "11.0.0.0")
        );
        assert!(has("192.0.2.7", "192.0.2.7") && !has("192.0.2.7", "192.0.2.8"));
        assert!(has("0.0.0.0/0", "8.8.8.8") && !has("0.0.0.0/0", "2a00::1"));
        assert!(has("fd00::/8", "fdff::1") && !has("fd00::/8", "fe00::1"));
        assert!(has("::/0", "10.0.0.1"));
        for (text, why) in [
            ("10.0.0.1/8", BadNetwork::Beyond),
            ("10.0.0.0/33", BadNetwork::Format),
            ("fd00::/129", BadNetwork::Format),
            ("10.0.0.0/", BadNetwork::Format),
            ("localhost", BadNetwork::Format),
            ("", BadNetwork::Format),
        ] {
            assert_eq!(text.parse::<Network>(), Err(why), "{text}");
        }
        for text in ["10.0.0.0/8", "192.0.2.7/32", "fd00::/8", "::/0"] {
            assert_eq!(text.parse::<Network>().unwrap().to_string(), text);
        }
    }
}
