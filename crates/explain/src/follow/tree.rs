//! What bridges say of the spanning tree at the places where the capture was made.

use super::Moment;
use std::collections::BTreeMap;
use trunkline_wire::stp::{Bpdu, BridgeId, Flags, Message, PortIdentifier, Priority, Rst};

/// The most changes, and the most bridges of an interface, that are kept.
const MAX_KEPT: usize = 64;

/// Seconds after which a root of which nobody tells is gone: three times the Hello Time.
const FORGOTTEN: f64 = 6.0;

/// Seconds in which a root falls silent that hears of a better one.
const GIVES_WAY: f64 = 1.0;

/// Seconds for which a root must have been told before another is a change: until then bridges elect.
const ELECTED: f64 = 2.5;

/// The root of a link.
#[derive(Debug, Clone, Copy)]
struct Root {
    id: BridgeId,
    /// When it was told first, and last.
    first: Moment,
    last: Moment,
}

/// A change of the root that a bridge tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RootChange {
    /// When it is first told.
    pub at: Moment,
    /// The bridge that tells it.
    pub bridge: BridgeId,
    /// The root before.
    pub old: BridgeId,
    /// The root now.
    pub new: BridgeId,
}

/// A time during which a bridge tells of a change of the topology.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopologyChange {
    /// The bridge; none for a Topology Change Notification, which does not say who sends it.
    pub bridge: Option<BridgeId>,
    /// Its port.
    pub port: Option<PortIdentifier>,
    /// The first frame with the flag.
    pub first: Moment,
    /// The last one.
    pub last: Moment,
    /// How many.
    pub times: u32,
}

/// A bridge port that is heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker {
    /// The last it said.
    pub said: Priority,
    /// When that was.
    pub at: Moment,
    /// BPDUs in which it says that it is the root itself, since it last said otherwise.
    pub own_root: u32,
    /// When the first of these was.
    pub own_since: Moment,
    /// BPDUs in all.
    pub times: u32,
    /// Whether its last BPDU had the flag of a topology change.
    changing: bool,
}

/// One place: an interface of the capture.
#[derive(Debug, Clone, Default)]
pub struct Place {
    /// By bridge and port.
    pub speakers: BTreeMap<(BridgeId, PortIdentifier), Speaker>,
    /// The root of the link, and when it was told last.
    root: Option<Root>,
    /// When the link came up, where the capture has that, as far as bridges say it.
    came_up: Option<Moment>,
    /// Changes of the root.
    pub roots: Vec<RootChange>,
    /// Changes of the topology.
    pub changes: Vec<TopologyChange>,
}

/// All places.
#[derive(Debug, Default)]
pub struct Trees {
    /// By interface of the capture.
    pub places: BTreeMap<u32, Place>,
}

impl Trees {
    pub(super) fn add(&mut self, at: Moment, message: &Message, interface: u32) {
        if self.places.len() >= MAX_KEPT && !self.places.contains_key(&interface) {
            return;
        }
        let place = self.places.entry(interface).or_default();
        match message {
            Message::Bpdu(Bpdu::Tcn) => place.change(at, None),
            Message::Bpdu(Bpdu::Config(body)) => place.body(at, body, false),
            Message::Bpdu(Bpdu::Rst(Rst { body, .. })) => place.body(at, body, true),
            Message::RootLinkQuery(_) => {}
        }
    }
}

impl Place {
    fn body(&mut self, at: Moment, body: &Priority, rapid: bool) {
        let key = (body.bridge, body.port);
        if self.speakers.len() >= MAX_KEPT && !self.speakers.contains_key(&key) {
            return;
        }
        let changing = body.flags.has(Flags::TOPOLOGY_CHANGE);
        // RSTP says whether a port forwards. With STP a change of the topology is told only once some port does, somewhere.
        let used = if rapid { body.flags.has(Flags::LEARNING) } else { changing };
        let old = self.root.map(|root| root.id);
        if old.is_none() && !used {
            self.came_up = Some(at);
        } else if !rapid && used && old == Some(body.root) {
            self.came_up = None;
        }
        let speaker = self.speakers.entry(key).or_insert(Speaker {
            said: *body,
            at,
            own_root: 0,
            own_since: at,
            times: 0,
            changing: false,
        });
        let was_changing = speaker.changing;
        speaker.own_root = if body.root == body.bridge { speaker.own_root + 1 } else { 0 };
        if speaker.own_root <= 1 {
            speaker.own_since = at;
        }
        (speaker.said, speaker.at, speaker.changing) = (*body, at, changing);
        speaker.times += 1;
        self.root(at, body);
        if changing {
            if was_changing {
                let same =
                    |c: &&mut TopologyChange| c.bridge == Some(body.bridge) && c.port == Some(body.port);
                if let Some(change) = self.changes.iter_mut().rev().find(same) {
                    (change.last, change.times) = (at, change.times + 1);
                    return;
                }
            }
            self.change(at, Some(key));
        }
    }

    /// The root of the link is the best that is told; a worse one takes its place when nobody tells of it any more.
    fn root(&mut self, at: Moment, body: &Priority) {
        let new = Root { id: body.root, first: at, last: at };
        let old = self.root.get_or_insert(new);
        if body.root == old.id {
            old.last = at;
        } else if body.root < old.id || at.since(old.last) > FORGOTTEN {
            let (was, held) = (old.id, old.last.since(old.first));
            self.root = Some(new);
            // While ports of the network listen, it is not made up (IEEE 802.1D-1998 §8.4.2); RSTP and STP together need that, too.
            let listening = f64::from(body.forward_delay.0) / 256.0;
            let election = self.came_up.is_some_and(|came_up| at.since(came_up) < listening);
            if held >= ELECTED && !election && self.roots.len() < MAX_KEPT {
                self.roots.push(RootChange { at, bridge: body.bridge, old: was, new: body.root });
            }
        } else {
            // Somebody goes on to tell of the root before: then it has not changed, there are two.
            self.roots.retain(|change| change.old != body.root || at.since(change.at) < GIVES_WAY);
        }
    }

    fn change(&mut self, at: Moment, who: Option<(BridgeId, PortIdentifier)>) {
        // A Topology Change Notification is sent again until it is answered (IEEE 802.1D-1998 §8.6.6).
        if let Some(last) = self.changes.last_mut().filter(|last| who.is_none() && last.bridge.is_none())
            && at.since(last.last) < 5.0
        {
            (last.last, last.times) = (at, last.times + 1);
            return;
        }
        if self.changes.len() < MAX_KEPT {
            let (bridge, port) = who.unzip();
            self.changes.push(TopologyChange { bridge, port, first: at, last: at, times: 1 });
        }
    }
}
