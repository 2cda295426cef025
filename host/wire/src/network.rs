//! The addresses that one client can have.
//!
//! Enters: an address. Leaves: the address that stands for all of a client's. Guarantees: an address of IPv4 is the
//! same when it is written as one of IPv6. Of IPv6 a whole network is one client, since each customer of a provider
//! has one.

use std::net::{IpAddr, Ipv6Addr};

/// Bits of an address of IPv6 that a client chooses by itself.
const CHOSEN: u32 = 64;

/// The address that stands for a client in limits and shares.
pub fn network_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> CHOSEN << CHOSEN).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_of_ipv6_is_one_client_and_each_address_of_ipv4_is_one() {
        let of = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(of("2001:db8:1:2::1"), of("2001:db8:1:2:ffff::9"));
        assert_ne!(of("2001:db8:1:2::1"), of("2001:db8:1:3::1"));
        assert_eq!(of("::ffff:10.0.0.1"), of("10.0.0.1"));
        assert_ne!(of("10.0.0.1"), of("10.0.0.2"));
    }
}
