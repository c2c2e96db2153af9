//! How packets get to an address, as the kernel would send them, and whether the next hop has answered ARP or neighbor discovery.

use crate::netlink::links::Links;
use crate::netlink::requester::Requester;
use crate::netlink::socket::{Message, flag, kind, read_u16, read_u32};
use crate::netlink::writer::{Writer, attributes};
use std::net::IpAddr;
use trunkline_view::facts::{Reach, Way};

/// `struct rtmsg` and `struct ndmsg`.
const HEADER: usize = 12;

// linux/rtnetlink.h, linux/neighbour.h
const RTA_DST: u16 = 1;
const RTA_OIF: u16 = 4;
const RTA_GATEWAY: u16 = 5;
const RTA_PREFSRC: u16 = 7;
const RTA_VIA: u16 = 18;
const RTN_LOCAL: u8 = 2;
const RTN_BLACKHOLE: u8 = 6;
const RTN_UNREACHABLE: u8 = 7;
const RTN_PROHIBIT: u8 = 8;
const NDA_DST: u16 = 1;
const NUD: &[(u16, &str)] = &[
    (0x01, "incomplete"),
    (0x02, "reachable"),
    (0x04, "stale"),
    (0x08, "delay"),
    (0x10, "probe"),
    (0x20, "failed"),
    (0x80, "permanent"),
];

/// Asks the kernel; none where it does not answer. A link-local address is one of a link that the question does not name.
pub(crate) fn find(requester: &mut Requester, address: IpAddr, links: &Links) -> Option<Way> {
    if matches!(address, IpAddr::V6(v6) if v6.is_unicast_link_local()) {
        return None;
    }
    let family = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
    let length = if address.is_ipv4() { 32 } else { 128 };
    let mut route = None;
    let asked = ask(
        requester,
        kind::GET_ROUTE,
        &[family, length, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
        address,
        RTA_DST,
        |m| {
            route = route.take().or_else(|| read_route(m));
        },
    );
    let nowhere = |why: String| {
        Some(Way { reach: Reach::Nowhere(why), interface: None, up: true, source: None, next_hop: None })
    };
    if let Err(error) = asked {
        return match error.raw_os_error() {
            Some(libc::ENETUNREACH) => nowhere("the system has no route to it".to_owned()),
            Some(libc::EHOSTUNREACH) => nowhere("an unreachable route covers it".to_owned()),
            Some(libc::EACCES) => nowhere("a prohibit route covers it".to_owned()),
            Some(libc::EINVAL) => nowhere("a blackhole route covers it".to_owned()),
            _ => None,
        };
    }
    let Found { how, interface, gateway, source } = route?;
    if matches!(how, RTN_BLACKHOLE | RTN_UNREACHABLE | RTN_PROHIBIT) {
        return nowhere("a route covers it that leads nowhere".to_owned());
    }
    let link = links.get(interface).map(|link| &link.interface);
    let hop = gateway.unwrap_or(address);
    let next_hop = if how == RTN_LOCAL { None } else { next_hop(requester, interface, hop) };
    Some(Way {
        reach: match (how, gateway) {
            (RTN_LOCAL, _) => Reach::Here,
            (_, Some(gateway)) => Reach::Via(gateway),
            (_, None) => Reach::Direct,
        },
        interface: link.map(|link| link.name.clone()),
        up: how == RTN_LOCAL || link.is_none_or(|link| link.up),
        source,
        next_hop,
    })
}

/// A route that the kernel names.
#[derive(Debug, PartialEq, Eq)]
struct Found {
    how: u8,
    interface: u32,
    gateway: Option<IpAddr>,
    source: Option<IpAddr>,
}

fn read_route(message: Message<'_>) -> Option<Found> {
    if message.kind != kind::NEW_ROUTE {
        return None;
    }
    let mut found = Found { how: *message.payload.get(7)?, interface: 0, gateway: None, source: None };
    for (kind, value) in attributes(message.payload.get(HEADER..)?) {
        match kind {
            RTA_OIF => found.interface = read_u32(value, 0)?,
            RTA_GATEWAY => found.gateway = ip(value),
            // The family stands before it.
            RTA_VIA => found.gateway = ip(value.get(2..)?),
            RTA_PREFSRC => found.source = ip(value),
            _ => {}
        }
    }
    Some(found)
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(octets) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(octets).ok().map(IpAddr::from)
}

/// The state of a next hop; none: it has no entry.
fn next_hop(requester: &mut Requester, interface: u32, address: IpAddr) -> Option<String> {
    let mut header = [0; HEADER];
    header[0] = if address.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 } as u8;
    header[4..8].copy_from_slice(&interface.to_ne_bytes());
    let mut state = None;
    let asked = ask(requester, kind::GET_NEIGHBOR, &header, address, NDA_DST, |message| {
        if message.kind == kind::NEW_NEIGHBOR {
            state = read_u16(message.payload, 8);
        }
    });
    asked.ok()?;
    let state = state?;
    NUD.iter().find(|(bit, _)| state & bit != 0).map(|(_, name)| (*name).to_owned())
}

fn ask(
    requester: &mut Requester,
    kind: u16,
    header: &[u8],
    address: IpAddr,
    attribute: u16,
    mut found: impl FnMut(Message<'_>),
) -> std::io::Result<()> {
    let write = |writer: &mut Writer, sequence| {
        writer.message(kind, flag::REQUEST | flag::ACK, sequence, header, |writer| match address {
            IpAddr::V4(v4) => writer.octets_of(attribute, &v4.octets()),
            IpAddr::V6(v6) => writer.octets_of(attribute, &v6.octets()),
        });
        sequence
    };
    requester.ask(write, &mut found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::socket::messages;
    use netlink_sys::protocols::NETLINK_ROUTE;

    #[test]
    fn the_loopback_is_here() {
        let mut requester = Requester::open(NETLINK_ROUTE).unwrap();
        let way = find(&mut requester, "127.0.0.1".parse().unwrap(), &Links::default()).unwrap();
        assert_eq!((way.reach, way.up), (Reach::Here, true));
        assert_eq!(find(&mut requester, "fe80::1".parse().unwrap(), &Links::default()), None);
    }

    #[test]
    fn a_route_by_a_router() {
        let mut writer = Writer::default();
        writer.message(kind::NEW_ROUTE, 0, 1, &[2, 32, 0, 0, 254, 0, 0, 1, 0, 0, 0, 0], |w| {
            w.u32(RTA_OIF, 7);
            w.octets_of(RTA_GATEWAY, &[192, 0, 2, 254]);
            w.octets_of(RTA_PREFSRC, &[192, 0, 2, 1]);
        });
        let message = messages(writer.octets()).next().unwrap();
        let address = |last| Some(IpAddr::from([192, 0, 2, last]));
        let found = Found { how: 1, interface: 7, gateway: address(254), source: address(1) };
        assert_eq!(read_route(message), Some(found));
    }
}
