//! Ports, and what becomes of a frame.

use crate::database::{Database, Heard};
use crate::{Config, Counters, Entry, PortCounters};
use trunkline_core::{Duration, Instant, MacAddr, PortId};
use trunkline_wire::ethernet;

/// Numbers of ports are below this.
pub const MAX_PORTS: usize = 65_536;

/// Stations forgotten in one call of [`Bridge::handle_timeout`] at most, so that frames do not wait long.
const AGED_AT_ONCE: usize = 256;

/// Stations forgotten with one frame at most. Two, so that the table shrinks even when each frame brings a station.
const AGED_BY_FRAME: usize = 2;

/// What a port does with frames (IEEE 802.1D-2004 §7.4). Spanning tree decides.
///
/// ```text
/// Discarding ──▶ Learning ──▶ Forwarding
///     ▲             │             │
///     └─────────────┴─────────────┘
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PortState {
    /// It takes in only frames to the bridge group addresses.
    Discarding,
    /// It also learns where stations are.
    Learning,
    /// It also takes in and sends out all other frames.
    Forwarding,
}

/// What is to be done with a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Decision {
    /// Nothing.
    Drop(DropReason),
    /// It is for the bridge itself alone.
    Local,
    /// It goes out of this port alone.
    Port(PortId),
    /// It goes out of all ports of [`Bridge::flood`], and where `local` is set to the bridge itself.
    Flood {
        /// Whether the bridge itself gets it too: it is to a group.
        local: bool,
    },
}

/// Why a frame goes nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DropReason {
    /// The bridge has no such port.
    UnknownPort,
    /// It is shorter than an Ethernet header.
    Truncated,
    /// The source is a group or all zeros.
    BadSource,
    /// The port it came from, or the one it would go to, does not forward.
    NotForwarding,
    /// The destination is behind the port it came from.
    SamePort,
}

/// Why there is no such static entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum StaticError {
    /// The address is a group or all zeros.
    NotAStation,
    /// The address is the bridge's own.
    OwnAddress,
    /// The bridge has no such port.
    UnknownPort,
    /// The filtering database is full of static entries.
    Full,
}

impl std::fmt::Display for StaticError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            StaticError::NotAStation => {
                "a static entry is for a single station, not for a group or all zeros"
            }
            StaticError::OwnAddress => "this is the bridge's own address",
            StaticError::UnknownPort => "the bridge has no such port",
            StaticError::Full => "the filtering database is full of static entries",
        })
    }
}

impl std::error::Error for StaticError {}

#[derive(Debug)]
struct Port {
    state: PortState,
    counters: PortCounters,
}

/// A transparent learning bridge.
#[derive(Debug)]
pub struct Bridge {
    address: MacAddr,
    ports: Vec<Option<Port>>,
    /// In ascending order.
    forwarding: Vec<PortId>,
    database: Database,
    counters: Counters,
}

impl Bridge {
    /// A bridge without ports. `address` is its own, `seed` is for the hashes of the table.
    pub fn new(config: Config, address: MacAddr, seed: u64) -> Bridge {
        let ageing = config.ageing_time.clamp(Config::MIN_AGEING_TIME, Config::MAX_AGEING_TIME);
        Bridge {
            address,
            ports: Vec::new(),
            forwarding: Vec::new(),
            database: Database::new(config.max_entries, ageing, seed),
            counters: Counters::default(),
        }
    }

    /// The bridge's own address.
    pub fn address(&self) -> MacAddr {
        self.address
    }

    /// Gives the bridge another address of its own. An entry for it is removed.
    pub fn set_address(&mut self, address: MacAddr) {
        self.address = address;
        self.database.remove(address);
    }

    /// Adds a port; false where its number is not below [`MAX_PORTS`]. One that is there gets the state.
    pub fn add_port(&mut self, id: PortId, state: PortState) -> bool {
        if id.index() >= MAX_PORTS {
            return false;
        }
        if self.ports.len() <= id.index() {
            self.ports.resize_with(id.index() + 1, || None);
        }
        match &mut self.ports[id.index()] {
            Some(port) => port.state = state,
            empty => *empty = Some(Port { state, counters: PortCounters::default() }),
        }
        self.apply_state(id, state);
        true
    }

    /// Removes a port with its stations, static ones included.
    pub fn remove_port(&mut self, id: PortId) {
        if let Some(port) = self.ports.get_mut(id.index()) {
            *port = None;
            self.forwarding.retain(|&other| other != id);
            self.counters.flushed += self.database.flush(|port| port == id, true) as u64;
        }
    }

    /// Sets what a port does. One that discards has its dynamic stations forgotten: they may be elsewhere by the
    /// time it forwards, and until then frames for them would go nowhere.
    pub fn set_port_state(&mut self, now: Instant, id: PortId, state: PortState) {
        if let Some(Some(port)) = self.ports.get_mut(id.index()) {
            port.state = state;
            self.age(now, usize::MAX);
            self.apply_state(id, state);
        }
    }

    /// What a port does, where there is such a port.
    pub fn port_state(&self, id: PortId) -> Option<PortState> {
        self.port(id).map(|port| port.state)
    }

    /// The ports, in ascending order.
    pub fn ports(&self) -> impl Iterator<Item = PortId> + '_ {
        (0u32..).zip(&self.ports).filter(|(_, port)| port.is_some()).map(|(id, _)| PortId(id))
    }

    /// Sets the ageing time, for what is there too (IEEE 802.1D-2004 §17.19.1: spanning tree shortens it for a while
    /// when the topology changes, below the limits of a configuration). With zero nothing is remembered.
    pub fn set_ageing_time(&mut self, now: Instant, ageing_time: Duration) {
        self.age(now, usize::MAX);
        self.database.set_ageing(ageing_time.min(Config::MAX_AGEING_TIME));
        self.age(now, usize::MAX);
    }

    /// The ageing time in force.
    pub fn ageing_time(&self) -> Duration {
        self.database.ageing()
    }

    /// Forgets the dynamic stations behind a port.
    pub fn flush(&mut self, id: PortId) {
        self.counters.flushed += self.database.flush(|port| port == id, false) as u64;
    }

    /// Forgets all dynamic stations.
    pub fn flush_all(&mut self) {
        self.counters.flushed += self.database.flush(|_| true, false) as u64;
    }

    /// Makes a static entry (IEEE 802.1D-2004 §7.9.1): `station` is behind `port`, whatever is heard from it.
    pub fn add_static(&mut self, station: MacAddr, port: PortId) -> Result<(), StaticError> {
        if !station.is_station() {
            return Err(StaticError::NotAStation);
        }
        if station == self.address {
            return Err(StaticError::OwnAddress);
        }
        if self.port(port).is_none() {
            return Err(StaticError::UnknownPort);
        }
        if self.database.add_static(station, port) { Ok(()) } else { Err(StaticError::Full) }
    }

    /// Removes a static entry; whether there was one.
    pub fn remove_static(&mut self, station: MacAddr) -> bool {
        self.database.remove_static(station)
    }

    /// A frame, destination address first, arrived at `ingress`.
    #[inline]
    pub fn receive(&mut self, now: Instant, ingress: PortId, frame: &[u8]) -> Decision {
        self.age(now, AGED_BY_FRAME);
        let decision = self.decide(now, ingress, frame);
        let Some(Some(port)) = self.ports.get_mut(ingress.index()) else {
            self.counters.unknown_port += 1;
            return decision;
        };
        let counters = &mut port.counters;
        counters.received += 1;
        counters.octets += frame.len() as u64;
        let counter = match decision {
            Decision::Port(_) => &mut counters.forwarded,
            Decision::Flood { .. } => &mut counters.flooded,
            Decision::Local => &mut counters.local,
            Decision::Drop(DropReason::SamePort) => &mut counters.same_port,
            Decision::Drop(DropReason::BadSource) => &mut counters.bad_source,
            Decision::Drop(DropReason::Truncated) => &mut counters.truncated,
            Decision::Drop(DropReason::NotForwarding | DropReason::UnknownPort) => {
                &mut counters.not_forwarding
            }
        };
        *counter += 1;
        decision
    }

    /// Where a frame goes that the bridge's own interface sends. Never [`Decision::Local`].
    pub fn send(&mut self, now: Instant, frame: &[u8]) -> Decision {
        self.age(now, AGED_BY_FRAME);
        let Some(destination) = ethernet::destination(frame).filter(|_| frame.len() >= ethernet::LEN) else {
            return Decision::Drop(DropReason::Truncated);
        };
        if destination.is_group() {
            return Decision::Flood { local: false };
        }
        if destination == self.address {
            return Decision::Drop(DropReason::SamePort);
        }
        self.toward(now, destination)
    }

    /// The ports that a flooded frame goes out of: those that forward, but the one it came from. In ascending order.
    #[inline]
    pub fn flood(&self, ingress: Option<PortId>) -> impl Iterator<Item = PortId> + '_ {
        self.forwarding.iter().copied().filter(move |&port| Some(port) != ingress)
    }

    /// When to call [`Bridge::handle_timeout`].
    #[inline]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.database.deadline()
    }

    /// Forgets stations that were silent for the ageing time, some hundreds at once; then [`Bridge::poll_timeout`]
    /// says whether there are more.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.age(now, AGED_AT_ONCE);
    }

    /// The filtering database at `now`, sorted by address.
    pub fn entries(&self, now: Instant) -> impl Iterator<Item = Entry> + use<> {
        self.database.entries(now)
    }

    /// How many stations are held, including such as are about to be forgotten.
    pub fn len(&self) -> usize {
        self.database.len()
    }

    /// Whether no station is held.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What became of the frames that arrived at a port, where there is such a port.
    pub fn port_counters(&self, id: PortId) -> Option<PortCounters> {
        self.port(id).map(|port| port.counters)
    }

    /// What became of the filtering database.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// The order of the steps is that of IEEE 802.1D-2004 §7.5 to §7.8, and of the Linux bridge where that leaves
    /// a choice: a port that does not forward hears nothing but the bridge group addresses.
    #[inline]
    fn decide(&mut self, now: Instant, ingress: PortId, frame: &[u8]) -> Decision {
        let Some(state) = self.port_state(ingress) else { return Decision::Drop(DropReason::UnknownPort) };
        let Some(header) = frame.first_chunk::<{ ethernet::LEN }>() else {
            return Decision::Drop(DropReason::Truncated);
        };
        let [d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, ..] = *header;
        let destination = MacAddr([d0, d1, d2, d3, d4, d5]);
        let source = MacAddr([s0, s1, s2, s3, s4, s5]);
        if !source.is_station() {
            return Decision::Drop(DropReason::BadSource);
        }
        if state != PortState::Discarding {
            self.learn(now, source, ingress); // §7.8
        }
        if destination.is_group() {
            // §7.12.6: what is to one of these never passes a bridge, and reaches it in every port state.
            if destination.is_bridge_filtered() {
                return Decision::Local;
            }
            return match state {
                PortState::Forwarding => Decision::Flood { local: true },
                _ => Decision::Drop(DropReason::NotForwarding),
            };
        }
        if state != PortState::Forwarding {
            return Decision::Drop(DropReason::NotForwarding); // §7.7.1
        }
        if destination == self.address {
            return Decision::Local;
        }
        match self.toward(now, destination) {
            Decision::Port(port) if port == ingress => Decision::Drop(DropReason::SamePort), // §7.7.2
            decision => decision,
        }
    }

    #[inline]
    fn learn(&mut self, now: Instant, source: MacAddr, ingress: PortId) {
        if source == self.address {
            self.counters.own_source += 1;
            return;
        }
        match self.database.hear(now, source, ingress) {
            Heard::Known => {}
            Heard::New => self.counters.learned += 1,
            Heard::Moved => self.counters.moved += 1,
            Heard::StaticElsewhere => self.counters.static_elsewhere += 1,
            Heard::Renewed => {
                self.counters.aged += 1;
                self.counters.learned += 1;
            }
            Heard::Full => self.counters.full += 1,
        }
    }

    /// Toward a single station.
    #[inline]
    fn toward(&self, now: Instant, station: MacAddr) -> Decision {
        match self.database.port_of(now, station) {
            None => Decision::Flood { local: false },
            Some(port) if self.port_state(port) == Some(PortState::Forwarding) => Decision::Port(port),
            Some(_) => Decision::Drop(DropReason::NotForwarding),
        }
    }

    #[inline]
    fn port(&self, id: PortId) -> Option<&Port> {
        self.ports.get(id.index())?.as_ref()
    }

    #[inline]
    fn age(&mut self, now: Instant, most: usize) {
        self.counters.aged += self.database.age(now, most) as u64;
    }

    fn apply_state(&mut self, id: PortId, state: PortState) {
        match (self.forwarding.binary_search(&id), state) {
            (Err(at), PortState::Forwarding) => self.forwarding.insert(at, id),
            (Ok(at), PortState::Discarding | PortState::Learning) => {
                self.forwarding.remove(at);
            }
            _ => {}
        }
        if state == PortState::Discarding {
            self.flush(id);
        }
    }
}
