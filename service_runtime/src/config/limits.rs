//! `[limits]`: how many requests a client has per minute, and which clients have no limit.

use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// `[limits]`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitSettings {
    /// Requests for results of jobs and wallets per minute and client; 0: no limit.
    pub results_per_minute: u32,
    /// Requests about single wallets per minute and client; 0: no limit.
    pub wallets_per_minute: u32,
    /// Requests for the state of the service per minute and client; 0: no limit.
    pub services_per_minute: u32,
    /// Other requests per minute and client; 0: no limit.
    pub default_per_minute: u32,
    /// Addresses and networks of clients without any limit.
    pub unlimited: Vec<String>,
    /// Addresses and networks of proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for LimitSettings {
    fn default() -> Self {
        Self {
            results_per_minute: 30,
            wallets_per_minute: 10,
            services_per_minute: 5,
            default_per_minute: 100,
            unlimited: vec!["127.0.0.0/8".to_owned(), "::1".to_owned()],
            trusted_proxies: Vec::new(),
        }
    }
}

/// Addresses with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    /// IPv4 addresses in the form that IPv6 has for them.
    base: u128,
    bits: u8,
}

/// The text is no address and no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address and no network such as 10.0.0.0/8 or fd00::/8")]
pub struct NotANetwork(pub String);

/// Bits before an IPv4 address in its IPv6 form.
const MAPPED_BITS: u8 = 96;

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    }
    .to_bits()
}

impl Network {
    /// The addresses that share the first `bits` of the 128 of `address` with it.
    pub fn around(address: IpAddr, bits: u8) -> Self {
        let mask = u128::MAX.checked_shl(u32::from(128 - bits.min(128))).unwrap_or(0);
        Self { base: number(address) & mask, bits: bits.min(128) }
    }

    /// Whether `address` is one of them; an IPv4 address is the same in both of its forms.
    pub fn contains(&self, address: IpAddr) -> bool {
        *self == Self::around(address, self.bits)
    }

    /// Its first address.
    pub fn first(&self) -> IpAddr {
        IpAddr::V6(Ipv6Addr::from_bits(self.base)).to_canonical()
    }
}

impl FromStr for Network {
    type Err = NotANetwork;

    fn from_str(text: &str) -> Result<Self, NotANetwork> {
        let unread = || NotANetwork(text.to_owned());
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().map_err(|_| unread())?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| unread())?;
        let before = if address.is_ipv4() { MAPPED_BITS } else { 0 };
        let bits = bits.unwrap_or(128 - before);
        if bits > 128 - before {
            return Err(unread());
        }
        Ok(Self::around(address, before + bits))
    }
}

/// The networks of a list.
///
/// # Errors
/// The first text that is none.
pub fn networks(list: &[String]) -> Result<Vec<Network>, NotANetwork> {
    list.iter().map(|text| text.parse()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_addresses_in_both_forms() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::a01:203"),
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("2001:db8:1:2::/64", "2001:db8:1:2:ffff::", "2001:db8:1:3::"),
            ("::1", "::1", "127.0.0.1"),
            ("0.0.0.0/0", "8.8.8.8", "2001:db8::1"),
            ("::/0", "8.8.8.8", "none"),
        ] {
            let parsed: Network = network.parse().unwrap();
            assert!(parsed.contains(inside.parse().unwrap()), "{inside} in {network}");
            if let Ok(outside) = outside.parse() {
                assert!(!parsed.contains(outside), "{outside} in {network}");
            }
        }
        assert_eq!("10.1.2.3/8".parse::<Network>().unwrap().first().to_string(), "10.0.0.0");
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for bad in [
            "",
            "10.0.0.0/33",
            "::1/129",
            "example.org",
            "10.0.0/8",
            "10.0.0.0/",
            "/8",
            "10.0.0.1/-1",
        ] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }
}
