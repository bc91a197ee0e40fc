//! Which addresses are globally routable, after the special-purpose registries of IANA, and what the others
//! are called when a call to them is refused.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Why an address is not an ordinary one on the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AddressClass {
    /// `0.0.0.0/8` and `::`: "this network", which many systems take for this machine.
    ThisNetwork,
    /// Private use: `10/8`, `172.16/12`, `192.168/16`.
    Private,
    /// Shared space behind carrier-grade NAT, `100.64/10`; some clouds keep their metadata there.
    CarrierNat,
    /// This machine: `127/8`, `::1`.
    Loopback,
    /// Link-local: `169.254/16`, `fe80::/10`; most clouds keep their metadata there.
    LinkLocal,
    /// IETF protocol assignments: `192.0.0.0/24`, `2001::/23`.
    ProtocolAssignment,
    /// Documentation: `192.0.2/24`, `198.51.100/24`, `203.0.113/24`, `2001:db8::/32`, `3fff::/20`.
    Documentation,
    /// Benchmarks: `198.18/15`, `2001:2::/48`.
    Benchmark,
    /// Multicast: `224/4`, `ff00::/8`.
    Multicast,
    /// Reserved or never allocated, among them all of IPv6 outside `2000::/3`.
    Reserved,
    /// `255.255.255.255`.
    Broadcast,
    /// 6to4, and the relays that once served it: `192.88.99/24`, `2002::/16`.
    SixToFour,
    /// A metadata service that lives on an otherwise public address.
    CloudMetadata,
    /// An IPv4 address inside an IPv6 one: `::ffff:0:0/96`, `::ffff:0:0:0/96`.
    MappedV4,
    /// An IPv4 address inside an IPv6 one, the old way: `::/96`.
    CompatibleV4,
    /// NAT64: `64:ff9b::/96`, `64:ff9b:1::/48`.
    Nat64,
    /// Teredo: `2001::/32`.
    Teredo,
    /// Hashes that look like addresses: `2001:10::/28`, `2001:20::/28`.
    Orchid,
    /// Unique local addresses, `fc00::/7`.
    UniqueLocal,
    /// Site-local addresses, `fec0::/10`.
    SiteLocal,
    /// Discard-only and dummy prefixes, `100::/64` and `100:0:0:1::/64`.
    Discard,
    /// Segment routing identifiers, `5f00::/16`.
    SegmentRouting,
}

impl AddressClass {
    /// The class as a stable word, as in `spec/egress_addresses.json`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ThisNetwork => "this_network",
            Self::Private => "private",
            Self::CarrierNat => "carrier_nat",
            Self::Loopback => "loopback",
            Self::LinkLocal => "link_local",
            Self::ProtocolAssignment => "protocol_assignment",
            Self::Documentation => "documentation",
            Self::Benchmark => "benchmark",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved",
            Self::Broadcast => "broadcast",
            Self::SixToFour => "6to4",
            Self::CloudMetadata => "cloud_metadata",
            Self::MappedV4 => "mapped_v4",
            Self::CompatibleV4 => "compatible_v4",
            Self::Nat64 => "nat64",
            Self::Teredo => "teredo",
            Self::Orchid => "orchid",
            Self::UniqueLocal => "unique_local",
            Self::SiteLocal => "site_local",
            Self::Discard => "discard",
            Self::SegmentRouting => "segment_routing",
        }
    }
}

impl fmt::Display for AddressClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The first row that contains the address names it, so the narrower row comes first.
const V4: &[([u8; 4], u32, AddressClass)] = &[
    ([0, 0, 0, 0], 8, AddressClass::ThisNetwork),
    ([10, 0, 0, 0], 8, AddressClass::Private),
    ([100, 64, 0, 0], 10, AddressClass::CarrierNat),
    ([127, 0, 0, 0], 8, AddressClass::Loopback),
    // The platform service of Azure: public by its number, this machine's host by its meaning.
    ([168, 63, 129, 16], 32, AddressClass::CloudMetadata),
    ([169, 254, 0, 0], 16, AddressClass::LinkLocal),
    ([172, 16, 0, 0], 12, AddressClass::Private),
    ([192, 0, 0, 0], 24, AddressClass::ProtocolAssignment),
    ([192, 0, 2, 0], 24, AddressClass::Documentation),
    ([192, 88, 99, 0], 24, AddressClass::SixToFour),
    ([192, 168, 0, 0], 16, AddressClass::Private),
    ([198, 18, 0, 0], 15, AddressClass::Benchmark),
    ([198, 51, 100, 0], 24, AddressClass::Documentation),
    ([203, 0, 113, 0], 24, AddressClass::Documentation),
    ([224, 0, 0, 0], 4, AddressClass::Multicast),
    ([255, 255, 255, 255], 32, AddressClass::Broadcast),
    ([240, 0, 0, 0], 4, AddressClass::Reserved),
];

const V6: &[([u16; 8], u32, AddressClass)] = &[
    ([0, 0, 0, 0, 0, 0, 0, 0], 128, AddressClass::ThisNetwork),
    ([0, 0, 0, 0, 0, 0, 0, 1], 128, AddressClass::Loopback),
    ([0, 0, 0, 0, 0, 0xffff, 0, 0], 96, AddressClass::MappedV4),
    ([0, 0, 0, 0, 0xffff, 0, 0, 0], 96, AddressClass::MappedV4),
    ([0, 0, 0, 0, 0, 0, 0, 0], 96, AddressClass::CompatibleV4),
    ([0x64, 0xff9b, 0, 0, 0, 0, 0, 0], 96, AddressClass::Nat64),
    ([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48, AddressClass::Nat64),
    ([0x100, 0, 0, 0, 0, 0, 0, 0], 64, AddressClass::Discard),
    ([0x100, 0, 0, 1, 0, 0, 0, 0], 64, AddressClass::Discard),
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 32, AddressClass::Teredo),
    ([0x2001, 2, 0, 0, 0, 0, 0, 0], 48, AddressClass::Benchmark),
    ([0x2001, 0x10, 0, 0, 0, 0, 0, 0], 28, AddressClass::Orchid),
    ([0x2001, 0x20, 0, 0, 0, 0, 0, 0], 28, AddressClass::Orchid),
    (
        [0x2001, 0, 0, 0, 0, 0, 0, 0],
        23,
        AddressClass::ProtocolAssignment,
    ),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32, AddressClass::Documentation),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16, AddressClass::SixToFour),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20, AddressClass::Documentation),
    ([0x5f00, 0, 0, 0, 0, 0, 0, 0], 16, AddressClass::SegmentRouting),
    ([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7, AddressClass::UniqueLocal),
    ([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10, AddressClass::LinkLocal),
    ([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10, AddressClass::SiteLocal),
    ([0xff00, 0, 0, 0, 0, 0, 0, 0], 8, AddressClass::Multicast),
];

/// What keeps this address from being an ordinary public one; `None` for one that may be called.
pub(crate) fn classify(address: IpAddr) -> Option<AddressClass> {
    match address {
        IpAddr::V4(v4) => classify_v4(v4),
        IpAddr::V6(v6) => classify_v6(v6),
    }
}

fn classify_v4(address: Ipv4Addr) -> Option<AddressClass> {
    let bits = address.to_bits();
    V4.iter()
        .find(|(net, length, _)| {
            let distance = bits ^ Ipv4Addr::from(*net).to_bits();
            distance.leading_zeros() >= *length
        })
        .map(|(_, _, class)| *class)
}

fn classify_v6(address: Ipv6Addr) -> Option<AddressClass> {
    let bits = address.to_bits();
    let listed = V6.iter().find(|(net, length, _)| {
        let distance = bits ^ Ipv6Addr::from(*net).to_bits();
        distance.leading_zeros() >= *length
    });
    match listed {
        Some((_, _, class)) => Some(*class),
        // Only 2000::/3 was ever handed out for unicast; a list of what is forbidden elsewhere would age.
        None if bits >> 125 != 0b001 => Some(AddressClass::Reserved),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<AddressClass> {
        classify(text.parse().expect("a literal address"))
    }

    /// Both ends of every listed range are inside it: a wrong prefix length shows here.
    #[test]
    fn every_range_holds_from_its_first_to_its_last_address() {
        for (net, length, expected) in V4 {
            let first = Ipv4Addr::from(*net).to_bits();
            let last = first | u32::MAX.checked_shr(*length).unwrap_or(0);
            assert!(
                classify_v4(Ipv4Addr::from_bits(first)).is_some(),
                "{expected} first"
            );
            assert!(
                classify_v4(Ipv4Addr::from_bits(last)).is_some(),
                "{expected} last"
            );
        }
        for (net, length, expected) in V6 {
            let first = Ipv6Addr::from(*net).to_bits();
            let last = first | u128::MAX.checked_shr(*length).unwrap_or(0);
            assert!(
                classify_v6(Ipv6Addr::from_bits(first)).is_some(),
                "{expected} first"
            );
            assert!(
                classify_v6(Ipv6Addr::from_bits(last)).is_some(),
                "{expected} last"
            );
        }
    }

    /// The neighbours just outside a range are ordinary: the guard must not eat public space.
    #[test]
    fn public_neighbours_of_special_ranges_are_ordinary() {
        for text in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2001:200::",
            "2001:db7::1",
            "2001:db9::1",
            "2003::1",
            "2606:4700::1111",
            "3ffe::1",
        ] {
            assert_eq!(class(text), None, "{text}");
        }
    }

    #[test]
    fn the_narrower_row_names_the_address() {
        assert_eq!(class("255.255.255.255"), Some(AddressClass::Broadcast));
        assert_eq!(class("255.255.255.254"), Some(AddressClass::Reserved));
        assert_eq!(class("::1"), Some(AddressClass::Loopback));
        assert_eq!(class("::2"), Some(AddressClass::CompatibleV4));
        assert_eq!(class("2001:1::1"), Some(AddressClass::ProtocolAssignment));
        assert_eq!(class("4000::1"), Some(AddressClass::Reserved));
    }
}
