//! Keyed hashes of a host: initial sequence numbers (RFC 6528), timestamp offsets (RFC 7323 §5.4), ports (RFC 6056).

use crate::SeqNum;
use crate::api::Endpoint;
use siphasher::sip::SipHasher24;
use std::hash::Hasher;
use std::net::Ipv4Addr;
use trunkline_core::{Instant, Rng};

/// The secret of a host and what is derived from it.
#[derive(Debug, Clone)]
pub(crate) struct Secret {
    key: (u64, u64),
}

impl Secret {
    /// A secret drawn from `rng`.
    pub(crate) fn new(rng: &mut Rng) -> Secret {
        Secret { key: (rng.next_u64(), rng.next_u64()) }
    }

    /// A keyed hash for `purpose` over a pair of endpoints and one more number.
    pub(crate) fn hash(&self, purpose: u8, local: Endpoint, remote: Endpoint, extra: u64) -> u64 {
        let mut hasher = SipHasher24::new_with_keys(self.key.0, self.key.1);
        hasher.write_u8(purpose);
        hasher.write_u32(local.0.to_bits());
        hasher.write_u16(local.1);
        hasher.write_u32(remote.0.to_bits());
        hasher.write_u16(remote.1);
        hasher.write_u64(extra);
        hasher.finish()
    }

    /// An initial sequence number: a clock of 4 µs, plus F of the connection's ends (RFC 6528 §3). Where the same ends had
    /// a connection that is still remembered, a number beyond what it used (RFC 9293 §3.4.1).
    pub(crate) fn isn(
        &self,
        now: Instant,
        local: Endpoint,
        remote: Endpoint,
        after: Option<SeqNum>,
    ) -> SeqNum {
        let clock = (now.as_nanos() / 4_000) as u32;
        let isn = SeqNum(clock.wrapping_add(self.hash(b'i', local, remote, 0) as u32));
        match after {
            Some(last) if isn.le(last) => last + 0x1_0001,
            _ => isn,
        }
    }

    /// What is added to the clock in timestamps towards a host: the same for all connections to it, so that they grow
    /// from one connection to the next (RFC 6191).
    pub(crate) fn timestamp_offset(&self, local: Ipv4Addr, remote: Ipv4Addr) -> u32 {
        self.hash(b't', (local, 0), (remote, 0), 0) as u32
    }

    /// Where to begin looking for a local port (RFC 6056 §3.3.3).
    pub(crate) fn port_offset(&self, local: Ipv4Addr, remote: Endpoint) -> u32 {
        self.hash(b'p', (local, 0), remote, 0) as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn isn_follows_the_clock_and_differs_between_ends() {
        // RFC 6528 §3
        let secret = Secret::new(&mut Rng::new(1));
        let a = (Ipv4Addr::new(192, 0, 2, 1), 80);
        let b = (Ipv4Addr::new(192, 0, 2, 2), 1024);
        let c = (Ipv4Addr::new(192, 0, 2, 2), 1025);
        let isn = |secs, remote| secret.isn(Instant::from_secs(secs), a, remote, None);
        assert_eq!(isn(1, b) - isn(0, b), 250_000);
        assert_ne!(isn(0, b), isn(0, c));
        assert_ne!(isn(0, b), Secret::new(&mut Rng::new(2)).isn(Instant::ZERO, a, b, None));
        let last = isn(0, b) + 10;
        assert!(secret.isn(Instant::ZERO, a, b, Some(last)).gt(last));
    }
}
