//! What Cisco added to STP: UplinkFast and BackboneFast.
//!
//! UplinkFast: when the link of the root port goes down, the best blocked port forwards at once. A link that comes up
//! while there is a root port does not take its place for 2 × Forward Delay + 5 s, so that the neighbour forwards by
//! then; then it forwards at once too. Both are safe since a bridge whose information is better than ours, which is why
//! we block, has no way to the root through us.
//!
//! BackboneFast: a designated bridge that suddenly claims to be the root has lost it. We ask by all other ways whether the
//! root is still there, and need not wait for Max Age.

use super::Bridge;
use super::port::Port;
use crate::engine::Said;
use crate::vector::Vector;
use crate::{BridgeId, Event, Fast, Output, PortIdentifier, PortState};
use std::collections::BTreeSet;
use trunkline_core::{Duration, Instant, Outbox, PortId};
use trunkline_wire::stp::{Flags, Message, Priority, RootLinkQuery, Time};

/// What UplinkFast waits beyond 2 × Forward Delay.
const UPLINK_MARGIN: Duration = Duration::from_secs(5);

/// How long answers are waited for. No public source tells; it is longer than any way to the root and back, and the next
/// inferior BPDU asks again.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// How many Root Link Queries a port takes, and how many it sends, in a second: forged ones can neither keep a bridge
/// busy nor go round for ever.
const MAX_QUERIES: u8 = 10;

/// Root Link Queries of one second.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rate {
    since: Option<Instant>,
    count: u8,
}

impl Rate {
    /// Whether there may be one more.
    fn take(&mut self, now: Instant) -> bool {
        if self.since.is_none_or(|since| now.since(since) >= Duration::from_secs(1)) {
            *self = Rate { since: Some(now), count: 0 };
        }
        let free = self.count < MAX_QUERIES;
        self.count += u8::from(free);
        free
    }
}

/// A Root Link Query of ours.
#[derive(Debug)]
pub(super) struct Inquiry {
    /// The root that we ask for.
    pub(super) root: BridgeId,
    /// The port that the inferior BPDU came to.
    inferior: PortId,
    /// Ports that have not answered yet.
    asked: BTreeSet<PortId>,
    /// Whether one answered that the root is there.
    positive: bool,
    /// When answers are no longer waited for.
    pub(super) until: Instant,
}

impl Inquiry {
    /// Whether the port's designated bridge said that it lost the root, and nobody has said more yet.
    pub(super) fn doubts(&self, port: PortId) -> bool {
        self.inferior == port && !self.positive
    }
}

fn event(port: PortId, what: Fast) -> Said {
    Said::Out(Output::Event(Event::Fast { port, what }))
}

impl Bridge {
    pub(super) fn uplink_wait(&self) -> Duration {
        self.forward_delay() * 2 + UPLINK_MARGIN
    }

    /// Whether a port comes after all others that lead to the same root: its link has just come up (UplinkFast), or its
    /// designated bridge says that it lost the root (BackboneFast).
    pub(super) fn waits(&self, id: PortId, port: &Port) -> bool {
        let doubtful = self.inquiry.as_ref().is_some_and(|inquiry| inquiry.doubts(id));
        self.root_port != Some(id) && (port.uplink_delay.is_some() || doubtful)
    }

    /// One of the port's own BPDUs came back: it counts as looped while such a BPDU could be valid.
    pub(super) fn self_looped(&mut self, now: Instant, id: PortId) {
        let until = now + self.max_age();
        if let Some(port) = self.ports.get_mut(&id).filter(|port| port.enabled()) {
            // An edge must end; as nothing can be told here, that is due at once.
            port.looped = Some(if port.edge { now } else { until });
            self.file(id);
        }
    }

    /// The timers of a port that are not the standard's.
    pub(super) fn uplink_timers(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let until = now + self.max_age();
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.looped.is_some_and(|at| at <= now) {
            port.looped = port.edge.then_some(until);
            self.leave_edge(now, id, out);
        }
        let Some(port) = self.ports.get_mut(&id) else { return };
        if port.uplink_delay.is_some_and(|at| at <= now) {
            port.uplink_delay = None;
            if port.is_way(self.bridge_id) {
                self.reselect(now, id, self.root_port, out);
            }
        }
    }

    /// A message that is worse than what a root or blocked port holds. Of its designated bridge, which claims to be the
    /// root: that bridge lost the root.
    pub(super) fn inferior_bpdu(
        &mut self,
        now: Instant,
        id: PortId,
        message: &Vector,
        out: &mut Outbox<Said>,
    ) {
        let Some(port) = self.ports.get(&id) else { return };
        let lost = message.root == message.bridge && message.bridge == port.designated.bridge;
        let may_ask = self.backbone_fast && !self.is_root() && self.inquiry.is_none();
        if !lost || !may_ask || message.bridge == self.bridge_id {
            return;
        }
        out.push(event(id, Fast::InferiorBpdu { claims: message.root }));
        let may_lead = |(other, port): &(&PortId, &Port)| {
            **other != id && port.is_way(self.bridge_id) && !port.is_designated(self.bridge_id)
        };
        let usable = |(_, port): &(&PortId, &Port)| port.looped.is_none() && port.guard.is_none();
        let alternates: BTreeSet<PortId> =
            self.ports.iter().filter(may_lead).filter(usable).map(|(id, _)| *id).collect();
        if alternates.is_empty() {
            // It was the only way.
            if self.root_port == Some(id) {
                self.expire(now, &[id], out);
            }
            return;
        }
        let body = self.query_body(self.bridge_id);
        for port in &alternates {
            if self.send_query(now, *port, RootLinkQuery { response: false, body }, out) {
                out.push(event(*port, Fast::Asked));
            }
        }
        let until = now + ANSWER_TIME;
        let root = self.designated_root;
        self.inquiry = Some(Inquiry { root, inferior: id, asked: alternates, positive: false, until });
    }

    /// A Root Link Query of this bridge, or an answer of it to `bridge`.
    fn query_body(&self, bridge: BridgeId) -> Priority {
        let mut body = Priority {
            flags: Flags::default(),
            root: self.designated_root,
            root_path_cost: self.root_path_cost,
            bridge,
            port: PortIdentifier(0),
            message_age: Time::default(),
            max_age: Time::default(),
            hello_time: Time::default(),
            forward_delay: Time::default(),
        };
        self.times.put(&mut body);
        body
    }

    fn send_query(&mut self, now: Instant, id: PortId, query: RootLinkQuery, out: &mut Outbox<Said>) -> bool {
        let Some(port) = self.ports.get_mut(&id) else { return false };
        let may = port.enabled() && port.asked.take(now);
        if may {
            let body = Priority { port: port.id(), ..query.body };
            out.push(Said::Send(id, Message::RootLinkQuery(RootLinkQuery { body, ..query })));
        }
        may
    }

    /// A Root Link Query came: a request where we are designated, or an answer from where the root is or may be.
    pub(super) fn root_link_query(
        &mut self,
        now: Instant,
        id: PortId,
        query: &RootLinkQuery,
        out: &mut Outbox<Said>,
    ) {
        let bridge_id = self.bridge_id;
        let Some(port) = self.ports.get_mut(&id).filter(|port| port.enabled()) else { return };
        if !self.backbone_fast || !port.heard.take(now) {
            return;
        }
        let (designated, mine) = (port.is_designated(bridge_id), query.body.bridge == bridge_id);
        match (query.response, designated, mine) {
            (false, true, false) => self.request(now, id, query, out),
            (true, false, true) => self.answer(now, id, query.body.root, out),
            // The tree alone carries answers, so that each goes by each port once.
            (true, false, false) if self.root_port == Some(id) => self.flood(now, query.body, out),
            _ => {}
        }
    }

    fn request(&mut self, now: Instant, id: PortId, query: &RootLinkQuery, out: &mut Outbox<Said>) {
        let same = query.body.root == self.designated_root;
        match self.root_port {
            Some(root_port) if same => {
                if self.send_query(now, root_port, *query, out) {
                    out.push(event(root_port, Fast::Relayed));
                }
            }
            _ => {
                out.push(event(id, Fast::Answered { positive: same }));
                self.flood(now, self.query_body(query.body.bridge), out);
            }
        }
    }

    /// An answer goes out of all designated ports.
    fn flood(&mut self, now: Instant, body: Priority, out: &mut Outbox<Said>) {
        let designated = |port: &Port| port.enabled() && port.is_designated(self.bridge_id);
        let ids: Vec<PortId> =
            self.ports.iter().filter(|(_, port)| designated(port)).map(|(id, _)| *id).collect();
        for id in ids {
            self.send_query(now, id, RootLinkQuery { response: true, body }, out);
        }
    }

    /// An answer to our own query.
    fn answer(&mut self, now: Instant, id: PortId, root: BridgeId, out: &mut Outbox<Said>) {
        let Some(inquiry) = self.inquiry.as_mut().filter(|inquiry| inquiry.asked.contains(&id)) else {
            return;
        };
        inquiry.asked.remove(&id);
        let positive = root == inquiry.root;
        out.push(event(id, if positive { Fast::Positive } else { Fast::Negative }));
        if positive {
            let inferior = (!inquiry.positive).then_some(inquiry.inferior);
            inquiry.positive = true;
            self.finish_inquiry(now, &[], out);
            if let Some(inferior) = inferior {
                self.expire(now, &[inferior], out);
                // So that who lost the root learns of it without waiting for a hello.
                let is_ours = |port: &Port| port.is_designated(self.bridge_id);
                if !self.is_root() && self.ports.get(&inferior).is_some_and(is_ours) {
                    self.transmit_config(now, inferior, out);
                }
            }
        } else {
            // Its information is invalid, so a root port that forwards begins anew too.
            let forwards = |port: &Port| matches!(port.state, PortState::Learning | PortState::Forwarding);
            let forwarded = self.ports.get(&id).is_some_and(forwards);
            if forwarded {
                self.listen(now, id, out);
            }
            self.finish_inquiry(now, &[id], out);
            // That the bridge became the root is a change already.
            if forwarded && !self.is_root() {
                self.topology_change_detection(now, id, true, out);
            }
        }
    }

    /// Expires the information of ports, and of all where none of those asked still reaches the root.
    fn finish_inquiry(&mut self, now: Instant, gone: &[PortId], out: &mut Outbox<Said>) {
        let Some(inquiry) = &self.inquiry else { return };
        if !inquiry.asked.is_empty() {
            self.expire(now, gone, out);
            return;
        }
        let positive = inquiry.positive;
        self.inquiry = None;
        if positive {
            self.expire(now, gone, out);
            return;
        }
        let is_way = |port: &Port| port.is_way(self.bridge_id) && !port.is_designated(self.bridge_id);
        let all: Vec<PortId> =
            self.ports.iter().filter(|(_, port)| is_way(port)).map(|(id, _)| *id).collect();
        self.expire(now, &all, out);
    }

    /// What ports hold counts as expired now (§8.7.4).
    fn expire(&mut self, now: Instant, ids: &[PortId], out: &mut Outbox<Said>) {
        let mut cause = None;
        for id in ids {
            let held = |port: &Port| port.enabled() && port.message_age.is_some();
            if self.ports.get(id).is_some_and(held) {
                self.become_designated(*id);
                out.push(event(*id, Fast::Expired));
                cause = Some(*id);
            }
        }
        if let Some(cause) = cause {
            self.reselect(now, cause, None, out);
        }
    }

    /// A port went down: what was asked there is answered by that.
    pub(super) fn inquiry_lost(&mut self, now: Instant, id: PortId, out: &mut Outbox<Said>) {
        let Some(inquiry) = &mut self.inquiry else { return };
        if inquiry.inferior == id {
            self.inquiry = None;
        } else if inquiry.asked.remove(&id) {
            self.finish_inquiry(now, &[], out);
        }
    }

    /// Answers that did not come: Max Age decides.
    pub(super) fn unanswered(&mut self, now: Instant, out: &mut Outbox<Said>) {
        if let Some(inquiry) = self.inquiry.take_if(|inquiry| inquiry.until <= now) {
            inquiry.asked.into_iter().for_each(|port| out.push(event(port, Fast::Unanswered)));
        }
    }
}
