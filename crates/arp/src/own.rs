//! Our own addresses: probe, announce, defend (RFC 5227), and gratuitous ARP.

use crate::{AddressState, Arp, Defend, Event, Output};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, MacAddr, Outbox};
use trunkline_wire::arp::{self, Operation};

/// Our own addresses on one interface at most; more are ignored.
pub(crate) const MAX_ADDRESSES: usize = 1024;

/// One of our own addresses.
#[derive(Debug)]
pub(crate) struct Own {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix_len: u8,
    pub(crate) phase: Phase,
    /// When the next step of the phase is due; none while the link is down.
    due: Option<Instant>,
    /// When it was last defended.
    defended: Option<Instant>,
}

/// How far we are with an address of our own.
///
/// ```text
///   new, link up ──▶ Probing ── PROBE_NUM probes, ANNOUNCE_WAIT ──▶ Usable ─┐ ANNOUNCE_NUM
///        │              │  ▲                                        ▲  │ ◀───┘ announcements
///        │     conflict ▼  │ RATE_LIMIT_INTERVAL                    │  │ conflict, and the policy
///        │            Conflict ◀────────────────────────────────────┼──┘ is to give up
///        └── without duplicate detection ───────────────────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// RFC 5227 §2.1. So many probes were sent.
    Probing { sent: u8 },
    /// RFC 5227 §2.3 to §2.5. So many announcements are still to be sent.
    Usable { announcements: u8 },
    /// Someone else has it.
    Conflict,
}

impl Own {
    pub(crate) fn contains(&self, address: Ipv4Addr) -> bool {
        (self.address.to_bits() ^ address.to_bits()) & self.mask() == 0
    }

    fn mask(&self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.prefix_len.min(32))).unwrap_or(0)
    }

    pub(crate) fn is_usable(&self) -> bool {
        matches!(self.phase, Phase::Usable { .. })
    }
}

impl Arp {
    /// The link is up or down.
    pub(crate) fn link(&mut self, now: Instant, up: bool, mac: MacAddr, out: &mut Outbox<Output>) {
        let came_up = up && !self.up;
        let moved = up && self.up && mac != self.mac;
        self.up = up;
        self.mac = mac;
        if !up {
            self.clear(None, out);
            self.own.iter_mut().for_each(|own| own.due = None);
            return;
        }
        for at in 0..self.own.len() {
            match self.own[at].phase {
                // RFC 5227 §2.1: also when the link comes up. What was in conflict may not be so on this link.
                Phase::Usable { .. } if came_up && self.config.duplicate_detection => {
                    self.start_probing(now, at, out);
                }
                Phase::Usable { .. } if came_up || moved => self.start_announcing(now, at),
                Phase::Probing { .. } | Phase::Conflict if came_up => self.start_probing(now, at, out),
                _ => {}
            }
        }
        self.own_due(now, out);
    }

    /// These are all our addresses.
    pub(crate) fn addresses(&mut self, now: Instant, addresses: &[(Ipv4Addr, u8)], out: &mut Outbox<Output>) {
        self.own.retain(|own| addresses.iter().any(|(address, _)| *address == own.address));
        for &(address, prefix_len) in addresses {
            if let Some(own) = self.own.iter_mut().find(|own| own.address == address) {
                own.prefix_len = prefix_len;
                continue;
            }
            if self.own.len() >= MAX_ADDRESSES {
                break;
            }
            self.clear(Some(address), out);
            let phase = Phase::Usable { announcements: 0 };
            self.own.push(Own { address, prefix_len, phase, due: None, defended: None });
            let at = self.own.len() - 1;
            if self.config.duplicate_detection {
                self.start_probing(now, at, out);
            } else {
                out.push(Output::Address { address, state: AddressState::Usable });
                self.start_announcing(now, at);
            }
        }
        self.own_due(now, out);
    }

    /// When the next step for one of our addresses is due.
    pub(crate) fn own_deadline(&self) -> Option<Instant> {
        self.own.iter().filter_map(|own| own.due).min()
    }

    /// Does what is due for our addresses.
    pub(crate) fn own_due(&mut self, now: Instant, out: &mut Outbox<Output>) {
        for at in 0..self.own.len() {
            while self.own[at].due.is_some_and(|due| due <= now) {
                self.step(now, at, out);
            }
        }
    }

    fn step(&mut self, now: Instant, at: usize, out: &mut Outbox<Output>) {
        let timing = self.config.timing.clone();
        let address = self.own[at].address;
        match self.own[at].phase {
            Phase::Probing { sent } if sent < timing.probe_num => {
                let sent = sent + 1;
                let pause = if sent < timing.probe_num {
                    self.random(timing.probe_min, timing.probe_max)
                } else {
                    timing.announce_wait
                };
                self.own[at].phase = Phase::Probing { sent };
                self.own[at].due = Some(now + pause);
                self.counters.probes_sent += 1;
                self.tell_all(Ipv4Addr::UNSPECIFIED, address, out);
            }
            Phase::Probing { .. } => {
                self.conflicts = 0;
                // RFC 5227 §2.3: it may be used right after the first announcement.
                self.start_announcing(now, at);
                if matches!(self.own[at].phase, Phase::Usable { announcements: 1.. }) {
                    self.step(now, at, out);
                }
                out.push(Output::Address { address, state: AddressState::Usable });
            }
            Phase::Usable { announcements: 0 } => self.own[at].due = None,
            Phase::Usable { announcements } => {
                self.own[at].phase = Phase::Usable { announcements: announcements - 1 };
                self.own[at].due = (announcements > 1).then(|| now + timing.announce_interval);
                self.announce(address, false, out);
            }
            Phase::Conflict => self.start_probing(now, at, out),
        }
    }

    /// RFC 5227 §2.1.1, with its limit on attempts.
    fn start_probing(&mut self, now: Instant, at: usize, out: &mut Outbox<Output>) {
        let timing = &self.config.timing;
        let (wait, interval) = (timing.probe_wait, timing.rate_limit_interval);
        let rare = self.conflicts >= timing.max_conflicts;
        let own = &mut self.own[at];
        own.phase = Phase::Probing { sent: 0 };
        own.defended = None;
        own.due = None;
        out.push(Output::Address { address: own.address, state: AddressState::Probing });
        if self.up {
            let mut due = now + self.random(Duration::ZERO, wait);
            if rare {
                due = due.max(self.next_attempt);
            }
            self.next_attempt = due + interval;
            self.own[at].due = Some(due);
        }
    }

    fn start_announcing(&mut self, now: Instant, at: usize) {
        let announcements = if self.config.gratuitous { self.config.timing.announce_num } else { 0 };
        let own = &mut self.own[at];
        own.phase = Phase::Usable { announcements };
        own.due = (announcements > 0 && self.up).then_some(now);
    }

    /// Looks whether a packet of someone else uses one of our addresses (RFC 5227 §2.1.1, §2.4), and does something
    /// about it; whether it is so. What this interface sent itself was dropped before; that the same device has another
    /// interface on this LAN is not known here, and would be a conflict.
    pub(crate) fn conflict(&mut self, now: Instant, arp: &arp::Arp, out: &mut Outbox<Output>) -> bool {
        let with = arp.sender_hardware;
        let Some(at) = self.own.iter().position(|own| match own.phase {
            Phase::Probing { .. } => {
                own.address == arp.sender_protocol || (arp.is_probe() && own.address == arp.target_protocol)
            }
            Phase::Usable { .. } => own.address == arp.sender_protocol,
            Phase::Conflict => false,
        }) else {
            return false;
        };
        self.counters.conflicts += 1;
        let own = &mut self.own[at];
        let interval = self.config.timing.defend_interval;
        let recent = own.defended.is_some_and(|then| now.since(then) < interval);
        match (own.phase, self.config.defend) {
            (Phase::Usable { .. }, Defend::Always | Defend::Once) if !recent => {
                own.defended = Some(now);
                let address = own.address;
                self.counters.defences += 1;
                self.note(out, Event::Conflict { address, with, kept: true });
                self.announce(address, true, out);
            }
            (Phase::Usable { .. }, Defend::Always) => {}
            _ => self.give_up(now, at, with, out),
        }
        true
    }

    fn give_up(&mut self, now: Instant, at: usize, with: MacAddr, out: &mut Outbox<Output>) {
        self.conflicts = self.conflicts.saturating_add(1);
        self.counters.given_up += 1;
        let own = &mut self.own[at];
        own.phase = Phase::Conflict;
        own.due = Some(now + self.config.timing.rate_limit_interval);
        let address = own.address;
        out.push(Output::Address { address, state: AddressState::Conflict { with } });
        self.note(out, Event::Conflict { address, with, kept: false });
    }

    fn announce(&mut self, address: Ipv4Addr, defence: bool, out: &mut Outbox<Output>) {
        self.counters.announcements_sent += 1;
        self.tell_all(address, address, out);
        self.note(out, Event::Announced { address, defence });
    }

    /// Probes and announcements are requests (RFC 5227 §3 says why).
    fn tell_all(&self, sender: Ipv4Addr, target: Ipv4Addr, out: &mut Outbox<Output>) {
        let arp = arp::Arp {
            operation: Operation::Request,
            sender_hardware: self.mac,
            sender_protocol: sender,
            target_hardware: MacAddr::UNSPECIFIED,
            target_protocol: target,
        };
        out.push(Output::Arp { destination: MacAddr::BROADCAST, arp });
    }

    /// Whether an address is ours and we use it.
    pub(crate) fn is_own(&self, address: Ipv4Addr) -> bool {
        self.own.iter().any(|own| own.address == address && own.is_usable())
    }

    /// Whether an address is in one of our subnets.
    pub(crate) fn is_on_link(&self, address: Ipv4Addr) -> bool {
        self.own.iter().any(|own| own.contains(address))
    }

    /// Whether an address is that of all hosts of one of our subnets. There is none with 31 bits (RFC 3021) and 32.
    pub(crate) fn is_subnet_broadcast(&self, address: Ipv4Addr) -> bool {
        self.own.iter().any(|own| {
            own.prefix_len < 31 && own.contains(address) && address.to_bits() | own.mask() == u32::MAX
        })
    }

    /// The address of ours that asks for `target`.
    pub(crate) fn source_for(&self, target: Ipv4Addr) -> Option<Ipv4Addr> {
        let usable = || self.own.iter().filter(|own| own.is_usable());
        usable().find(|own| own.contains(target)).or_else(|| usable().next()).map(|own| own.address)
    }
}
