//! A peer that is a script.

use super::p;
use std::collections::BTreeMap;
use std::net::IpAddr;
use trunkline_core::{ConnId, Prefix};
use trunkline_wire::bgp::{self, *};

/// What a route came with.
pub(crate) type Held = (Attributes, Option<MpNextHop>);

/// A peer that is a script.
pub(crate) struct Peer {
    pub(crate) address: IpAddr,
    pub(crate) local: IpAddr,
    pub(crate) open: Open,
    pub(crate) conn: Option<ConnId>,
    pub(super) rx: Vec<u8>,
    pub(crate) table: BTreeMap<Prefix, Held>,
    /// UPDATEs that said something of this.
    pub(crate) announced: Vec<Prefix>,
    pub(crate) withdrawn: Vec<Prefix>,
    /// Withdrawals of what it did not hold.
    pub(crate) wasteful: usize,
    pub(crate) ends_of_rib: Vec<Family>,
    pub(crate) refreshes: Vec<RouteRefresh>,
    pub(crate) notifications: Vec<Notification>,
    pub(crate) keepalives: usize,
    pub(crate) updates: usize,
    pub(crate) longest: usize,
    pub(crate) established: bool,
    /// Reads nothing.
    pub(crate) stuck: bool,
}

impl Peer {
    pub(crate) fn four_octet_as(&self) -> bool {
        self.open.capabilities().any(|c| matches!(c, Capability::FourOctetAs(_)))
    }

    pub(crate) fn has(&self, prefix: &str) -> bool {
        self.table.contains_key(&p(prefix))
    }

    pub(crate) fn prefixes(&self) -> Vec<String> {
        self.table.keys().map(Prefix::to_string).collect()
    }

    pub(super) fn take(&mut self, octets: &[u8], reply: &mut Vec<u8>) {
        self.rx.extend_from_slice(octets);
        let rx = std::mem::take(&mut self.rx);
        let mut at = 0;
        while let Some(frame) = bgp::frame(&rx[at..], MAX_EXTENDED_MESSAGE_LEN).unwrap() {
            at += frame.message.len();
            self.longest = self.longest.max(frame.message.len());
            match frame.kind {
                MessageType::Open => {
                    self.open.emit(reply);
                    emit_keepalive(reply);
                }
                MessageType::Keepalive => {
                    self.established = true;
                    self.keepalives += 1;
                }
                MessageType::Update => self.update(frame.body),
                MessageType::Notification => {
                    self.notifications.push(Notification::parse(frame.body).unwrap());
                }
                MessageType::RouteRefresh => self.refreshes.push(RouteRefresh::parse(frame.body).unwrap()),
            }
        }
        self.rx = rx[at..].to_vec();
    }

    fn update(&mut self, body: &[u8]) {
        self.updates += 1;
        let update = Update::new_checked(body).unwrap();
        if let Some(family) = update.end_of_rib() {
            self.ends_of_rib.push(family);
            return;
        }
        let ctx = ParseContext { four_octet_as: self.four_octet_as(), ebgp: false, extended_next_hop: true };
        let parsed = parse_attributes(update.path_attributes, !update.nlri.is_empty(), &ctx);
        assert_eq!(parsed.faults, []);
        let v4 = |octets| ipv4_prefixes(octets).map(|p| Prefix::V4(p.unwrap()));
        let v6 = |octets| ipv6_prefixes(octets).map(|p| Prefix::V6(p.unwrap()));
        let mut gone: Vec<Prefix> = v4(update.withdrawn_routes).collect();
        if let Some(unreach) = parsed.unreach {
            match unreach.family {
                Family::IPV4_UNICAST => gone.extend(v4(unreach.withdrawn)),
                _ => gone.extend(v6(unreach.withdrawn)),
            }
        }
        for prefix in gone {
            self.wasteful += usize::from(self.table.remove(&prefix).is_none());
            self.withdrawn.push(prefix);
        }
        let mut here: Vec<(Prefix, Held)> =
            v4(update.nlri).map(|p| (p, (parsed.attributes.clone(), None))).collect();
        if let Some(reach) = parsed.reach {
            let held = (parsed.attributes.clone(), Some(reach.next_hop));
            match reach.family {
                Family::IPV4_UNICAST => here.extend(v4(reach.nlri).map(|p| (p, held.clone()))),
                _ => here.extend(v6(reach.nlri).map(|p| (p, held.clone()))),
            }
        }
        for (prefix, held) in here {
            self.announced.push(prefix);
            self.table.insert(prefix, held);
        }
    }
}
