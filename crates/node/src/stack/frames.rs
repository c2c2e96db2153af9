//! The way in: what an Ethernet frame carries, and to whom.

use super::Stack;
use super::links::Role;
use crate::NodeOutput;
use trunkline_arp as arp;
use trunkline_core::{Frame, Instant, MacAddr, Outbox, PortId};
use trunkline_ip as ip;
use trunkline_wire::arp::Arp;
use trunkline_wire::ethernet::{self, EtherType};

/// What became of frames that came to an interface.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct FrameCounters {
    /// To another station, or to a group that nobody here is in.
    pub(super) not_ours: u64,
    /// With a VLAN tag other than a priority tag.
    pub(super) tagged: u64,
    /// With a protocol that nobody here speaks.
    pub(super) unknown_type: u64,
    /// Shorter than an Ethernet header, or with ARP that is none.
    pub(super) malformed: u64,
    /// While the interface was down.
    pub(super) down: u64,
}

impl FrameCounters {
    /// Each counter with its name.
    pub(super) fn named(&self) -> [(&'static str, u64); 5] {
        [
            ("not_ours", self.not_ours),
            ("tagged", self.tagged),
            ("unknown_type", self.unknown_type),
            ("malformed", self.malformed),
            ("down", self.down),
        ]
    }
}

impl Stack {
    /// A frame came in at a port.
    #[inline]
    pub(crate) fn frame(&mut self, now: Instant, number: PortId, frame: Frame, out: &mut Outbox<NodeOutput>) {
        let Some(port) = self.ports.get_mut(number.index()) else { return };
        if !port.up {
            port.dropped_down += 1;
            return;
        }
        port.frames_in += 1;
        port.octets_in += frame.len() as u64;
        match port.role {
            Role::Bridge(bridge) => self.bridged(now, bridge, number, frame, out),
            Role::Interface(interface) => self.arrived(now, interface, frame, out),
        }
    }

    /// Several frames came in at a port at once.
    pub(crate) fn frames(
        &mut self,
        now: Instant,
        number: PortId,
        frames: &mut Vec<Frame>,
        out: &mut Outbox<NodeOutput>,
    ) {
        self.more_follows = true;
        for frame in frames.drain(..) {
            self.frame(now, number, frame, out);
        }
        self.more_follows = false;
        self.work(now, out);
    }

    /// A frame came to an interface.
    pub(super) fn arrived(
        &mut self,
        now: Instant,
        number: usize,
        frame: Frame,
        out: &mut Outbox<NodeOutput>,
    ) {
        let Some(Some(interface)) = self.interfaces.get_mut(number) else { return };
        let (own, counters) = (interface.mac(), &mut interface.counters);
        if !interface.up {
            counters.down += 1;
            return;
        }
        let Some(header) = frame.first_chunk::<{ ethernet::LEN }>() else {
            counters.malformed += 1;
            return;
        };
        let &[d0, d1, d2, d3, d4, d5, _, _, _, _, _, _, t0, t1] = header;
        let destination = MacAddr([d0, d1, d2, d3, d4, d5]);
        if destination != own && !is_group_of_ours(destination) {
            counters.not_ours += 1;
            return;
        }
        match EtherType(u16::from_be_bytes([t0, t1])) {
            EtherType::IPV4 => {
                let packet = trimmed(frame);
                let link_broadcast = destination.is_group();
                let interface = PortId(number as u32);
                self.ip.handle(
                    now,
                    ip::Input::Packet { interface, packet, link_broadcast },
                    &mut self.ip_out,
                );
                self.work(now, out);
            }
            EtherType::ARP => {
                self.arp_arrived(now, number, &frame, out);
                self.work(now, out);
            }
            EtherType::VLAN => match untagged(&frame) {
                // A priority tag: the frame is of no VLAN (IEEE 802.1Q-2018 §6.9.1). What it carries has no tag.
                Some(frame) => self.arrived(now, number, frame, out),
                None => counters.tagged += 1,
            },
            _ => counters.unknown_type += 1,
        }
    }

    fn arp_arrived(&mut self, now: Instant, number: usize, frame: &Frame, out: &mut Outbox<NodeOutput>) {
        let Some(Some(interface)) = self.interfaces.get_mut(number) else { return };
        let source = ethernet::source(frame).unwrap_or_default();
        let to_us = ethernet::destination(frame) == Some(interface.mac());
        let Some(arp) = &mut interface.arp else { return };
        match Arp::parse(frame.get(ethernet::LEN..).unwrap_or_default()) {
            Ok(packet) => {
                arp.handle(now, arp::Input::Packet { arp: &packet, source, to_us }, &mut self.arp_out);
                self.arp_outputs(now, number, out);
            }
            Err(_) => interface.counters.malformed += 1,
        }
    }
}

/// Broadcast, and IPv4 multicast (RFC 1112 §6.4), which `ip` filters.
fn is_group_of_ours(destination: MacAddr) -> bool {
    destination.is_broadcast() || destination.0.starts_with(&[0x01, 0x00, 0x5e])
}

/// The frame without what follows the packet, where that is more than padding: it must not travel on.
fn trimmed(frame: Frame) -> Frame {
    if frame.len() <= ethernet::MIN_LEN {
        return frame;
    }
    let length = frame.get(ethernet::LEN + 2..).and_then(|rest| rest.first_chunk()).copied();
    let end = ethernet::LEN + usize::from(u16::from_be_bytes(length.unwrap_or_default()));
    match frame.get(..end) {
        Some(packet) if end < frame.len() && end > ethernet::LEN => Frame::from(packet),
        _ => frame,
    }
}

/// The frame without its VLAN tag, where that has a priority only, and is the only one.
fn untagged(frame: &[u8]) -> Option<Frame> {
    let (addresses, rest) = frame.split_at_checked(12)?;
    let (&[_, _, t0, t1], rest) = rest.split_first_chunk()?;
    let inner: EtherType = EtherType(u16::from_be_bytes(*rest.first_chunk()?));
    let is_priority = u16::from_be_bytes([t0, t1]) & 0x0fff == 0 && inner != EtherType::VLAN;
    is_priority.then(|| Frame::from([addresses, rest].concat()))
}
