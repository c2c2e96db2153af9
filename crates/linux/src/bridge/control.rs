//! Orders to the kernel's bridges and their ports, by rtnetlink.

use crate::netlink::links::BridgeSettings;
use crate::netlink::requester::Requester;
use crate::netlink::socket::{Message, flag, kind, read_u16, read_u32};
use crate::netlink::writer::{Writer, attributes};
use netlink_packet_core::ParseableParametrized;
use netlink_packet_route::RouteNetlinkMessage;
use netlink_sys::protocols::NETLINK_ROUTE;
use std::collections::BTreeSet;
use std::io;
use trunkline_core::MacAddr;

// linux/if_link.h
const IFLA_MASTER: u16 = 10;
const IFLA_PROTINFO: u16 = 12;
const IFLA_LINKINFO: u16 = 18;
const IFLA_INFO_KIND: u16 = 1;
const IFLA_INFO_DATA: u16 = 2;
const IFLA_BR_AGEING_TIME: u16 = 4;
const IFLA_BR_STP_STATE: u16 = 5;
const IFLA_BR_STP_MODE: u16 = 50;
const IFLA_BRPORT_STATE: u16 = 1;
const IFLA_BRPORT_FLUSH: u16 = 24;
// linux/neighbour.h
const NDA_LLADDR: u16 = 2;
const NDA_MASTER: u16 = 9;
const NUD_PERMANENT: u16 = 0x80;

/// What the kernel does with a port's frames (BR_STATE_…).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KernelState {
    Disabled = 0,
    Listening = 1,
    Learning = 2,
    Forwarding = 3,
    Blocking = 4,
}

/// A setting of a bridge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setting {
    /// As in [`BridgeSettings`].
    StpState(u32),
    StpMode(u32),
    AgeingTime(u32),
}

/// The way to the bridges.
#[derive(Debug)]
pub(super) struct Control(Requester);

/// `struct ifinfomsg`.
fn interface(family: i32, index: u32) -> [u8; 16] {
    let mut header = [0; 16];
    header[0] = family as u8;
    header[4..8].copy_from_slice(&index.to_ne_bytes());
    header
}

fn write_setting(w: &mut Writer, setting: Setting) {
    w.nested(IFLA_LINKINFO, |w| {
        w.text(IFLA_INFO_KIND, "bridge");
        w.nested(IFLA_INFO_DATA, |w| match setting {
            Setting::StpState(state) => w.u32(IFLA_BR_STP_STATE, state),
            Setting::StpMode(mode) => w.u32(IFLA_BR_STP_MODE, mode),
            Setting::AgeingTime(time) => w.u32(IFLA_BR_AGEING_TIME, time),
        });
    });
}

impl Control {
    pub(super) fn open() -> io::Result<Control> {
        Requester::open(NETLINK_ROUTE).map(Control)
    }

    /// Changes a setting of a bridge.
    pub(super) fn set(&mut self, bridge: u32, setting: Setting) -> io::Result<()> {
        // RTM_SETLINK does not know IFLA_LINKINFO of a bridge on all kernels; RTM_NEWLINK without NLM_F_CREATE does.
        self.0.order(kind::NEW_LINK, &interface(libc::AF_UNSPEC, bridge), |w| write_setting(w, setting))
    }

    /// How a bridge is set now.
    pub(super) fn settings(&mut self, bridge: u32) -> io::Result<BridgeSettings> {
        let mut found = None;
        let write = |writer: &mut Writer, sequence: u32| {
            let header = interface(libc::AF_UNSPEC, bridge);
            writer.message(kind::GET_LINK, flag::REQUEST | flag::ACK, sequence, &header, |_| {});
            sequence
        };
        self.0.ask(write, &mut |message| {
            if let Ok(RouteNetlinkMessage::NewLink(link)) =
                RouteNetlinkMessage::parse_with_param(message.payload, message.kind)
            {
                found = BridgeSettings::read(&link);
            }
        })?;
        found.ok_or_else(|| io::Error::other("it is no bridge"))
    }

    /// Sets what the kernel does with a port's frames.
    pub(super) fn set_state(&mut self, port: u32, state: KernelState) -> io::Result<()> {
        self.0.order(kind::SET_LINK, &interface(libc::AF_BRIDGE, port), |w| {
            w.nested(IFLA_PROTINFO, |w| w.octets_of(IFLA_BRPORT_STATE, &[state as u8]));
        })
    }

    /// Has a bridge forget the stations behind a port.
    pub(super) fn flush(&mut self, port: u32) -> io::Result<()> {
        self.0.order(kind::SET_LINK, &interface(libc::AF_BRIDGE, port), |w| {
            w.nested(IFLA_PROTINFO, |w| w.octets_of(IFLA_BRPORT_FLUSH, &[]));
        })
    }

    /// The stations that a bridge has heard behind ports for which `wanted` holds, at most `limit`.
    pub(super) fn stations(
        &mut self,
        bridge: u32,
        limit: usize,
        wanted: impl Fn(u32) -> bool,
    ) -> io::Result<BTreeSet<MacAddr>> {
        let mut found = BTreeSet::new();
        let write = |writer: &mut Writer, sequence: u32| {
            // Kernels take `struct ifinfomsg` for a list of stations, newer ones `struct ndmsg` too.
            let header = interface(libc::AF_BRIDGE, 0);
            writer.message(kind::GET_NEIGHBOR, flag::REQUEST | flag::DUMP, sequence, &header, |w| {
                w.u32(IFLA_MASTER, bridge);
            });
            sequence
        };
        self.0.ask(write, &mut |message| {
            if found.len() < limit
                && let Some((address, port)) = station(message, bridge)
                && wanted(port)
            {
                found.insert(address);
            }
        })?;
        Ok(found)
    }
}

/// A station that was heard, and behind which port; not one of the bridge's own addresses.
fn station(message: Message<'_>, bridge: u32) -> Option<(MacAddr, u32)> {
    // struct ndmsg: family, 3 octets, ifindex, state, flags, type
    let body = message.payload;
    let (port, state) = (read_u32(body, 4)?, read_u16(body, 8)?);
    let family = i32::from(*body.first()?);
    if message.kind != kind::NEW_NEIGHBOR || family != libc::AF_BRIDGE || state & NUD_PERMANENT != 0 {
        return None;
    }
    let find = |wanted| attributes(body.get(12..)?).find(|(kind, _)| *kind == wanted).map(|(_, value)| value);
    if read_u32(find(NDA_MASTER)?, 0)? != bridge {
        return None;
    }
    Some((MacAddr(find(NDA_LLADDR)?.try_into().ok()?), port))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::socket::messages;
    use netlink_packet_route::link::{InfoBridge, InfoData, LinkAttribute, LinkInfo, LinkMessage};

    fn read_back(setting: Setting) -> LinkMessage {
        let mut writer = Writer::default();
        let header = interface(libc::AF_UNSPEC, 7);
        writer.message(kind::NEW_LINK, flag::REQUEST, 1, &header, |w| write_setting(w, setting));
        let message = messages(writer.octets()).next().unwrap();
        match RouteNetlinkMessage::parse_with_param(message.payload, message.kind).unwrap() {
            RouteNetlinkMessage::NewLink(link) => link,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn settings_are_what_the_crate_reads() {
        let link = read_back(Setting::AgeingTime(1500));
        assert_eq!(link.header.index, 7);
        assert_eq!(
            link.attributes,
            [LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(netlink_packet_route::link::InfoKind::Bridge),
                LinkInfo::Data(InfoData::Bridge(vec![InfoBridge::AgeingTime(1500)])),
            ])]
        );
        assert_eq!(BridgeSettings::read(&read_back(Setting::StpState(2))).unwrap().stp_state, 2);
        assert_eq!(BridgeSettings::read(&read_back(Setting::StpMode(1))).unwrap().stp_mode, Some(1));
    }

    #[test]
    fn a_station_is_read_and_an_address_of_the_bridge_is_not() {
        let entry = |state: u16, master: u32| {
            let mut writer = Writer::default();
            let mut header = [0; 12];
            header[0] = libc::AF_BRIDGE as u8;
            header[4..8].copy_from_slice(&5_u32.to_ne_bytes());
            header[8..10].copy_from_slice(&state.to_ne_bytes());
            writer.message(kind::NEW_NEIGHBOR, 0, 1, &header, |w| {
                w.octets_of(NDA_LLADDR, &[2, 0, 0, 0, 0, 1]);
                w.u32(NDA_MASTER, master);
            });
            station(messages(writer.octets()).next().unwrap(), 9)
        };
        assert_eq!(entry(2, 9), Some((MacAddr([2, 0, 0, 0, 0, 1]), 5)));
        assert_eq!(entry(2, 8), None);
        assert_eq!(entry(NUD_PERMANENT, 9), None);
    }
}
