//! What a bridge counts.

/// What became of the frames that arrived at a port. Each frame is in `received` and in exactly one of the others,
/// but for `octets`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PortCounters {
    /// Frames that arrived.
    pub received: u64,
    /// Octets of all frames that arrived, without frame check sequence.
    pub octets: u64,
    /// Frames for one other port.
    pub forwarded: u64,
    /// Frames for all other ports.
    pub flooded: u64,
    /// Frames for the bridge itself alone.
    pub local: u64,
    /// Dropped: the destination is behind the port that the frame came from (IEEE 802.1D-2004 §7.7).
    pub same_port: u64,
    /// Dropped: this port, or the one that the destination is behind, does not forward.
    pub not_forwarding: u64,
    /// Dropped: the source address is a group or all zeros.
    pub bad_source: u64,
    /// Dropped: shorter than an Ethernet header.
    pub truncated: u64,
}

impl PortCounters {
    /// Each counter with its name.
    pub fn named(&self) -> [(&'static str, u64); 9] {
        [
            ("received", self.received),
            ("octets", self.octets),
            ("forwarded", self.forwarded),
            ("flooded", self.flooded),
            ("local", self.local),
            ("same_port", self.same_port),
            ("not_forwarding", self.not_forwarding),
            ("bad_source", self.bad_source),
            ("truncated", self.truncated),
        ]
    }
}

/// What became of the filtering database.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Stations that were new.
    pub learned: u64,
    /// Stations that were seen at another port than before.
    pub moved: u64,
    /// Stations forgotten because they were silent for the ageing time.
    pub aged: u64,
    /// Stations forgotten by a flush, with their port or because it no longer forwards.
    pub flushed: u64,
    /// Frames whose source was not remembered because the table was full.
    pub full: u64,
    /// Frames that came in with the bridge's own address as source: a loop or a duplicate address.
    pub own_source: u64,
    /// Frames from a station with a static entry for another port.
    pub static_elsewhere: u64,
    /// Frames for a port that the bridge does not have.
    pub unknown_port: u64,
}

impl Counters {
    /// Each counter with its name.
    pub fn named(&self) -> [(&'static str, u64); 8] {
        [
            ("learned", self.learned),
            ("moved", self.moved),
            ("aged", self.aged),
            ("flushed", self.flushed),
            ("full", self.full),
            ("own_source", self.own_source),
            ("static_elsewhere", self.static_elsewhere),
            ("unknown_port", self.unknown_port),
        ]
    }
}
