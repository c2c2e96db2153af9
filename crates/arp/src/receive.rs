//! What an ARP packet does (RFC 826, "Packet Reception"), and answering for others (RFC 1027).

use crate::limit::Verdict;
use crate::neighbors::can_be_asked_for;
use crate::table::Class;
use crate::{Arp, Event, Output, ProxyRequest, State};
use std::net::Ipv4Addr;
use trunkline_core::{Instant, MacAddr, Outbox};
use trunkline_wire::arp::{self, Operation};

impl Arp {
    /// A packet arrived. RFC 826 looks at the operation last, and merges first; what no station can have said and
    /// what we said ourselves goes before that, and so do conflicts (RFC 5227 §2.4, §2.5).
    pub(crate) fn packet(
        &mut self,
        now: Instant,
        arp: &arp::Arp,
        source: MacAddr,
        to_us: bool,
        out: &mut Outbox<Output>,
    ) {
        if !self.is_sound(arp, source) || self.conflict(now, arp, out) {
            return;
        }
        let request = arp.operation == Operation::Request;
        let sender = arp.sender_protocol;
        let mut known = self.merge(now, arp, to_us, out);
        if self.is_own(arp.target_protocol) {
            // "Am I the target protocol address?"
            if (request || !known) && self.is_allowed(now, source) {
                if !known {
                    self.learn(now, sender, arp.sender_hardware, out);
                }
                if request {
                    self.counters.replies_sent += 1;
                    self.reply(arp.target_protocol, sender, arp.sender_hardware, out);
                }
            }
        } else if arp.is_announcement() {
            if !known && self.config.accept_gratuitous && self.is_allowed(now, source) {
                known = self.learn(now, sender, arp.sender_hardware, out);
            }
            if known {
                self.note(out, Event::Gratuitous { address: sender, mac: arp.sender_hardware });
            }
        } else if request && !arp.is_probe() {
            self.ask_for_proxy(now, arp, source, out);
        }
    }

    /// Whether a packet is one to look at; counts why not.
    fn is_sound(&mut self, arp: &arp::Arp, source: MacAddr) -> bool {
        let sender = arp.sender_protocol;
        // 0.0.0.0 is right in a probe only.
        let sender_is_sound =
            arp.is_probe() || (can_be_asked_for(sender) && !self.is_subnet_broadcast(sender));
        let counters = &mut self.counters;
        let wrong = if !self.up {
            &mut counters.link_down
        } else if matches!(arp.operation, Operation::Unknown(_)) {
            &mut counters.unknown_operation
        } else if !arp.sender_hardware.is_station() {
            &mut counters.bad_sender_hardware
        } else if arp.sender_hardware == self.mac {
            // RFC 5227 §2.1.1: some hubs send back what they get.
            &mut counters.own_echo
        } else if !sender_is_sound {
            &mut counters.bad_sender_protocol
        } else {
            if arp.operation == Operation::Request {
                counters.requests_received += 1;
            } else {
                counters.replies_received += 1;
            }
            counters.announcements_received += u64::from(arp.is_announcement());
            counters.source_mismatch += u64::from(arp.sender_hardware != source);
            return true;
        };
        *wrong += 1;
        false
    }

    /// "If the pair is already in my translation table, update the sender hardware address": whether it is. Only a reply
    /// to us shows that packets reach the neighbour (RFC 4861 §7.2.5, as Linux applies it to ARP).
    fn merge(&mut self, now: Instant, arp: &arp::Arp, to_us: bool, out: &mut Outbox<Output>) -> bool {
        let (address, mac) = (arp.sender_protocol, arp.sender_hardware);
        let Some(neighbor) = self.table.get_mut(address) else { return false };
        let same = neighbor.mac == Some(mac);
        if neighbor.state == State::Permanent {
            self.counters.static_contradicted += u64::from(!same);
            return true;
        }
        neighbor.heard = now;
        if arp.operation == Operation::Reply && to_us {
            self.enter(now, address, State::Reachable, Some(mac), out);
        } else if !same || neighbor.state == State::Stale {
            self.enter(now, address, State::Stale, Some(mac), out);
        }
        self.release(now, address, out);
        true
    }

    /// "If Merge_flag is false, add the triplet to the translation table": whether it is there then. Addresses that are
    /// in none of our subnets would never be used, and make no entry.
    fn learn(&mut self, now: Instant, address: Ipv4Addr, mac: MacAddr, out: &mut Outbox<Output>) -> bool {
        self.table.get(address).is_some()
            || (self.is_on_link(address)
                && !address.is_unspecified()
                && self.create(now, address, State::Stale, Some(mac), Class::Stale, out))
    }

    /// RFC 1027 §2.4: a request for someone behind us. Those who announce or probe ask for themselves and get no answer.
    fn ask_for_proxy(&mut self, now: Instant, arp: &arp::Arp, source: MacAddr, out: &mut Outbox<Output>) {
        let target = arp.target_protocol;
        let mine = self.own.iter().any(|own| own.address == target);
        if mine || !can_be_asked_for(target) || self.is_subnet_broadcast(target) {
            return;
        }
        let request =
            ProxyRequest { requester: arp.sender_protocol, requester_mac: arp.sender_hardware, target };
        let local = self.config.local_proxy && self.is_on_link(target) && self.is_on_link(request.requester);
        if (local || self.config.proxy) && self.is_allowed(now, source) {
            if local {
                self.proxy(now, request, out);
            } else {
                out.push(Output::Proxy(request));
            }
        }
    }

    /// Answers for someone else.
    pub(crate) fn proxy(&mut self, now: Instant, request: ProxyRequest, out: &mut Outbox<Output>) {
        let ProxyRequest { requester, requester_mac, target } = request;
        if self.up && requester_mac.is_station() && !self.own.iter().any(|own| own.address == target) {
            self.learn(now, requester, requester_mac, out);
            self.counters.proxy_replies_sent += 1;
            self.reply(target, requester, requester_mac, out);
        }
    }

    /// "Swap hardware and protocol fields, putting the local hardware and protocol addresses in the sender fields."
    fn reply(&self, address: Ipv4Addr, to: Ipv4Addr, to_mac: MacAddr, out: &mut Outbox<Output>) {
        let arp = arp::Arp {
            operation: Operation::Reply,
            sender_hardware: self.mac,
            sender_protocol: address,
            target_hardware: to_mac,
            target_protocol: to,
        };
        out.push(Output::Arp { destination: to_mac, arp });
    }

    fn is_allowed(&mut self, now: Instant, source: MacAddr) -> bool {
        let (each, all) = (self.config.requests_per_second_per_source, self.config.requests_per_second);
        match self.limiter.check(now, source, each, all) {
            Verdict::Allowed => return true,
            Verdict::SourceTooOften => self.counters.source_limited += 1,
            Verdict::AllTooOften => self.counters.rate_limited += 1,
        }
        false
    }
}
