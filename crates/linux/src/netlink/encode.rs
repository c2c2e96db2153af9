//! Route requests to the kernel, written by hand: this is what a full table goes through, and the attribute objects
//! of `netlink-packet-route` would cost several allocations for each route. The tests read them back with that crate.

use super::OUR_PROTOCOL;
use super::socket::{HEADER_LEN, flag, kind};
use std::net::IpAddr;
use trunkline_core::Prefix;
use trunkline_node::FibNextHop;

// linux/rtnetlink.h
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PRIORITY: u16 = 6;
const RTA_MULTIPATH: u16 = 9;
const RTA_TABLE: u16 = 15;
const RTA_VIA: u16 = 18;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RT_SCOPE_LINK: u8 = 253;
const RT_SCOPE_NOWHERE: u8 = 255;
const RTN_UNSPEC: u8 = 0;
const RTN_UNICAST: u8 = 1;
const RTN_BLACKHOLE: u8 = 6;

/// Where a route stands besides its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The table.
    pub(crate) table: u32,
    /// The priority.
    pub(crate) metric: u32,
}

/// Appends a request to put a route there, in place of the one with the same destination and metric.
pub(crate) fn replace(buf: &mut Vec<u8>, sequence: u32, prefix: Prefix, hops: &[FibNextHop], place: Place) {
    let kind = if hops.is_empty() { RTN_BLACKHOLE } else { RTN_UNICAST };
    let on_link = !hops.is_empty() && hops.iter().all(|hop| hop.gateway.is_none());
    let scope = if on_link && prefix.is_ipv4() { RT_SCOPE_LINK } else { RT_SCOPE_UNIVERSE };
    let flags = flag::REQUEST | flag::CREATE | flag::REPLACE;
    let start = begin(buf, kind::NEW_ROUTE, flags, sequence, prefix, scope, kind);
    destination(buf, prefix, place);
    match hops {
        [] => {}
        [hop] => {
            gateway(buf, prefix, hop);
            if hop.interface != 0 {
                attribute(buf, RTA_OIF, &hop.interface.to_ne_bytes());
            }
        }
        several => multipath(buf, prefix, several),
    }
    end(buf, start);
}

/// Appends a request to remove our route with this destination and metric, whatever its next hops.
pub(crate) fn remove(buf: &mut Vec<u8>, sequence: u32, prefix: Prefix, place: Place) {
    let start = begin(buf, kind::DEL_ROUTE, flag::REQUEST, sequence, prefix, RT_SCOPE_NOWHERE, RTN_UNSPEC);
    destination(buf, prefix, place);
    end(buf, start);
}

/// `nlmsghdr` and `rtmsg`; returns where they begin.
fn begin(
    buf: &mut Vec<u8>,
    kind: u16,
    flags: u16,
    sequence: u32,
    prefix: Prefix,
    scope: u8,
    rtn: u8,
) -> usize {
    let start = buf.len();
    buf.extend_from_slice(&[0; 4]);
    buf.extend_from_slice(&kind.to_ne_bytes());
    buf.extend_from_slice(&flags.to_ne_bytes());
    buf.extend_from_slice(&sequence.to_ne_bytes());
    buf.extend_from_slice(&[0; 4]);
    let family = if prefix.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
    // family, dst_len, src_len, tos, table (said in RTA_TABLE), protocol, scope, type, flags
    buf.extend_from_slice(&[family, prefix.len(), 0, 0, 0, OUR_PROTOCOL, scope, rtn, 0, 0, 0, 0]);
    debug_assert_eq!(buf.len() - start, HEADER_LEN + 12);
    start
}

/// Fills in the length of the message that begins at `start`.
fn end(buf: &mut [u8], start: usize) {
    let len = (buf.len() - start) as u32;
    buf[start..start + 4].copy_from_slice(&len.to_ne_bytes());
}

fn attribute(buf: &mut Vec<u8>, kind: u16, value: &[u8]) {
    buf.extend_from_slice(&((4 + value.len()) as u16).to_ne_bytes());
    buf.extend_from_slice(&kind.to_ne_bytes());
    buf.extend_from_slice(value);
    buf.resize(buf.len().next_multiple_of(4), 0);
}

fn destination(buf: &mut Vec<u8>, prefix: Prefix, place: Place) {
    match prefix.addr() {
        IpAddr::V4(a) => attribute(buf, RTA_DST, &a.octets()),
        IpAddr::V6(a) => attribute(buf, RTA_DST, &a.octets()),
    }
    attribute(buf, RTA_TABLE, &place.table.to_ne_bytes());
    attribute(buf, RTA_PRIORITY, &place.metric.to_ne_bytes());
}

fn gateway(buf: &mut Vec<u8>, prefix: Prefix, hop: &FibNextHop) {
    match hop.gateway {
        None => {}
        Some(IpAddr::V4(a)) => attribute(buf, RTA_GATEWAY, &a.octets()),
        // RFC 8950: an IPv4 destination by an IPv6 gateway: struct rtvia, the family first.
        Some(IpAddr::V6(a)) if prefix.is_ipv4() => {
            let mut via = [0; 18];
            via[..2].copy_from_slice(&(libc::AF_INET6 as u16).to_ne_bytes());
            via[2..].copy_from_slice(&a.octets());
            attribute(buf, RTA_VIA, &via);
        }
        Some(IpAddr::V6(a)) => attribute(buf, RTA_GATEWAY, &a.octets()),
    }
}

/// RTA_MULTIPATH: for each next hop `struct rtnexthop` and attributes.
fn multipath(buf: &mut Vec<u8>, prefix: Prefix, hops: &[FibNextHop]) {
    let start = buf.len();
    buf.extend_from_slice(&[0; 2]);
    buf.extend_from_slice(&RTA_MULTIPATH.to_ne_bytes());
    for hop in hops {
        let hop_start = buf.len();
        // len, flags, hops (weight - 1)
        buf.extend_from_slice(&[0; 4]);
        buf.extend_from_slice(&hop.interface.to_ne_bytes());
        gateway(buf, prefix, hop);
        let len = (buf.len() - hop_start) as u16;
        buf[hop_start..hop_start + 2].copy_from_slice(&len.to_ne_bytes());
    }
    let len = (buf.len() - start) as u16;
    buf[start..start + 2].copy_from_slice(&len.to_ne_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
    use netlink_packet_route::RouteNetlinkMessage;
    use netlink_packet_route::route::{RouteAttribute, RouteMessage, RouteType};

    const PLACE: Place = Place { table: 1000, metric: 32 };

    fn hop(gateway: &str, interface: u32) -> FibNextHop {
        FibNextHop { gateway: gateway.parse().ok(), interface }
    }

    fn read_back(prefix: &str, hops: &[FibNextHop]) -> RouteMessage {
        let mut buf = Vec::new();
        replace(&mut buf, 7, prefix.parse().unwrap(), hops, PLACE);
        let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(&buf).unwrap();
        assert_eq!(message.header.length as usize, buf.len());
        match message.payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewRoute(route)) => route,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_single_next_hop_has_no_multipath() {
        let route = read_back("192.0.2.0/24", &[hop("10.0.0.1", 3)]);
        assert_eq!(route.header.destination_prefix_length, 24);
        assert_eq!(u8::from(route.header.protocol), OUR_PROTOCOL);
        assert!(route.attributes.contains(&RouteAttribute::Oif(3)));
        assert!(route.attributes.contains(&RouteAttribute::Table(1000)));
        assert!(route.attributes.contains(&RouteAttribute::Priority(32)));
        let gateway = RouteAttribute::Gateway(std::net::Ipv4Addr::new(10, 0, 0, 1).into());
        assert!(route.attributes.contains(&gateway));
    }

    #[test]
    fn no_next_hop_is_a_blackhole() {
        assert_eq!(read_back("2001:db8::/32", &[]).header.kind, RouteType::BlackHole);
    }

    #[test]
    fn an_ipv4_route_by_an_ipv6_gateway_is_said_with_via() {
        let route = read_back("192.0.2.0/24", &[hop("fe80::1", 3)]);
        let via = RouteAttribute::Via("fe80::1".parse::<IpAddr>().unwrap().into());
        assert!(route.attributes.contains(&via));
    }

    #[test]
    fn several_next_hops_share_the_load() {
        let route = read_back("2001:db8::/32", &[hop("fe80::1", 3), hop("fe80::2", 4)]);
        let hops = route.attributes.iter().find_map(|a| match a {
            RouteAttribute::MultiPath(hops) => Some(hops),
            _ => None,
        });
        let interfaces: Vec<_> = hops.unwrap().iter().map(|hop| hop.interface_index).collect();
        assert_eq!(interfaces, [3, 4]);
    }
}
