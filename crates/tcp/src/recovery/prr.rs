//! Proportional rate reduction (RFC 6937): how much to send on each acknowledgment while in recovery.

/// The state of one recovery. All in octets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Prr {
    /// Delivered since the recovery began.
    delivered: u64,
    /// Sent since the recovery began.
    out: u64,
    /// FlightSize when it began (RecoverFS).
    flight: u64,
}

impl Prr {
    /// A recovery begins with this FlightSize.
    pub(crate) fn new(flight: u32) -> Prr {
        Prr { delivered: 0, out: 0, flight: u64::from(flight.max(1)) }
    }

    /// Octets were sent, new or again.
    pub(crate) fn sent(&mut self, octets: u32) {
        self.out += u64::from(octets);
    }

    /// An acknowledgment delivered octets; how many may be sent now. `safe`: it moved SND.UNA and showed no new loss.
    pub(crate) fn acknowledged(
        &mut self,
        delivered: u32,
        pipe: u32,
        ssthresh: u32,
        mss: u32,
        safe: bool,
    ) -> u32 {
        self.delivered += u64::from(delivered);
        let (pipe, ssthresh, mss) = (u64::from(pipe), u64::from(ssthresh), u64::from(mss));
        let allowed = if pipe > ssthresh {
            // Proportional: in the whole recovery, as much leaves as ssthresh is of the flight.
            (self.delivered * ssthresh).div_ceil(self.flight).saturating_sub(self.out)
        } else {
            // Slow start reduction bound while that is safe, else conservative reduction bound (RFC 6937 §3, §4).
            let limit = self.delivered.saturating_sub(self.out);
            let limit = if safe { limit.max(u64::from(delivered)) + mss } else { limit };
            (ssthresh - pipe).min(limit)
        };
        // The fast retransmit itself.
        let least = if self.out == 0 { mss } else { 0 };
        u32::try_from(allowed.max(least)).unwrap_or(u32::MAX)
    }
}
