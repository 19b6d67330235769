//! Who sends a request: the unit that limits count by.

use std::net::IpAddr;

use axum::http::HeaderMap;
use service_runtime::config::Network;
use uuid::Uuid;

const FORWARDED_FOR: &str = "x-forwarded-for";

/// Bits of an IPv6 address that one customer of a network gets, so one client is all of them.
const IPV6_BITS: u8 = 64;

/// The other end of the connection; the listener puts it into each request.
#[derive(Debug, Clone, Copy)]
pub struct Peer(pub IpAddr);

/// One client.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Client {
    /// An IPv4 address, or the first one of the network of an IPv6 address.
    Address(IpAddr),
    /// All who hold the key with this id.
    Key(Uuid),
}

impl Client {
    /// The client that `address` belongs to.
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::Address(address.into()),
            address @ IpAddr::V6(_) => Self::Address(Network::around(address, IPV6_BITS).first()),
        }
    }
}

impl std::fmt::Display for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            // No address is written so.
            Self::Key(key) => write!(f, "key:{key}"),
        }
    }
}

/// The address that a request is from: that of the peer, or, behind proxies of ours, the last hop that is
/// none of them. What a client wrote into the header itself stands further left and is not looked at.
pub fn address(peer: IpAddr, headers: &HeaderMap, proxies: &[Network]) -> IpAddr {
    let is_ours = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(address));
    let mut address = peer;
    // Proxies append to what came, whatever bytes those are.
    let lists = headers.get_all(FORWARDED_FOR).iter();
    let lists: Vec<_> = lists.map(|list| String::from_utf8_lossy(list.as_bytes())).collect();
    let hops = lists.iter().rev();
    for hop in hops.flat_map(|list| list.rsplit(',')) {
        if !is_ours(address) {
            break;
        }
        // A hop that cannot be read was not written by a proxy of ours.
        let Some(next) = read(hop.trim()) else { break };
        address = next;
    }
    address
}

/// An address, also with a port.
fn read(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|rest| rest.split_once(']')).map(|(bare, _)| bare);
    let with_port = || hop.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    bare.unwrap_or(hop).parse().ok().or_else(with_port)
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_what_our_proxies_say_is_believed() {
        let proxies: Vec<Network> =
            ["10.0.0.0/8", "fd00::/8"].iter().map(|text| text.parse().unwrap()).collect();
        for (peer, lists, expected) in [
            ("203.0.113.7", &[][..], "203.0.113.7"),
            ("203.0.113.7", &["198.51.100.1"], "203.0.113.7"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["é, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["1.2.3.4", "198.51.100.1, 10.0.0.9"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, fd00::5"], "198.51.100.1"),
            ("::ffff:10.0.0.1", &["198.51.100.1:4711"], "198.51.100.1"),
            ("fd00::1", &["[2001:db8::7]:80"], "2001:db8::7"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("10.0.0.1", &["", "10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[], "10.0.0.1"),
        ] {
            let mut headers = HeaderMap::new();
            for list in lists {
                let list = HeaderValue::from_bytes(list.as_bytes()).unwrap();
                headers.append(FORWARDED_FOR, list);
            }
            let found = address(peer.parse().unwrap(), &headers, &proxies);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{peer} {lists:?}");
        }
    }

    #[test]
    fn one_client_is_an_ipv4_address_or_an_ipv6_network() {
        let client = |text: &str| Client::of(text.parse().unwrap());
        assert_eq!(client("2001:db8:1:2::1"), client("2001:db8:1:2:ffff::9"));
        assert_ne!(client("2001:db8:1:2::1"), client("2001:db8:1:3::1"));
        assert_eq!(client("::ffff:192.0.2.1"), client("192.0.2.1"));
        assert_ne!(client("192.0.2.1"), client("192.0.2.2"));
    }
}
