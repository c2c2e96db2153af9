//! Segments without a connection: resets and SYN cookies; and the limits on what a stranger can make us send.

use crate::SeqNum;
use crate::api::{Endpoint, Transmit};
use crate::auth::{Context, Signer};
use crate::counters::Counters;
use std::collections::VecDeque;
use trunkline_core::{Instant, Rng};
use trunkline_wire::tcp::{Flags, Options, Segment, fill_checksum};

/// The most replies that wait to be sent.
const MAX_REPLIES: usize = 1024;

/// A segment that no connection sends.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    pub(crate) sequence: SeqNum,
    pub(crate) acknowledgment: SeqNum,
    pub(crate) flags: Flags,
    pub(crate) window: u16,
    pub(crate) options: Options,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
    pub(crate) signer: Option<Box<(Signer, Context)>>,
}

/// Replies that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Replies(VecDeque<Reply>);

impl Replies {
    pub(crate) fn push(&mut self, reply: Reply, counters: &mut Counters) {
        if self.0.len() < MAX_REPLIES {
            self.0.push_back(reply);
        } else {
            counters.replies_dropped += 1;
        }
    }

    /// Appends the oldest to `buf`.
    pub(super) fn transmit(&mut self, counters: &mut Counters, buf: &mut Vec<u8>) -> Option<Transmit> {
        let Reply { local, remote, sequence, acknowledgment, flags, window, mut options, ttl, tos, signer } =
            self.0.pop_front()?;
        let mut signer = signer;
        if let Some(signer) = &mut signer {
            signer.0.reserve(&mut options);
        }
        let start = buf.len();
        let segment = Segment {
            source_port: local.1,
            destination_port: remote.1,
            sequence,
            acknowledgment,
            flags,
            window,
            urgent_pointer: 0,
            options,
            payload: &[],
        };
        segment.emit(local.0, remote.0, buf);
        if let Some(signer) = &mut signer {
            let octets = &mut buf[start..];
            signer.0.sign(&signer.1, octets);
            fill_checksum(octets, local.0, remote.0);
        }
        counters.out_segs += 1;
        counters.out_rsts += u64::from(flags.contains(Flags::RST));
        Some(Transmit { source: local.0, destination: remote.0, ttl, tos, dont_fragment: true })
    }
}

/// So many per second. Where the limit is random, nobody can count it from outside (RFC 5961 §7 and what was found later).
#[derive(Debug)]
pub(crate) struct Limit {
    per_second: u32,
    rng: Option<Rng>,
    second: u64,
    left: u32,
}

impl Limit {
    pub(crate) fn new(per_second: u32, rng: Option<Rng>) -> Limit {
        Limit { per_second, rng, second: u64::MAX, left: 0 }
    }

    pub(super) fn set(&mut self, per_second: u32) {
        self.per_second = per_second;
    }

    /// Takes one, if there is one.
    pub(crate) fn take(&mut self, now: Instant) -> bool {
        let second = now.as_nanos() / 1_000_000_000;
        if second != self.second {
            self.second = second;
            let most = u64::from(self.per_second);
            self.left = match &mut self.rng {
                Some(rng) => (most / 2 + rng.below(most + 1)).max(most.min(1)) as u32,
                None => self.per_second,
            };
        }
        let some = self.left > 0;
        self.left = self.left.saturating_sub(1);
        some
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_holds_for_each_second() {
        let mut limit = Limit::new(3, None);
        let at = |s| Instant::from_secs(s);
        assert_eq!((0..5).filter(|_| limit.take(at(1))).count(), 3);
        assert_eq!((0..5).filter(|_| limit.take(at(2))).count(), 3);
        let mut random = Limit::new(100, Some(Rng::new(1)));
        let counts: Vec<_> = (0..20).map(|s| (0..1000).filter(|_| random.take(at(s))).count()).collect();
        assert!(counts.iter().all(|n| (50..=150).contains(n)), "{counts:?}");
        assert!(counts.iter().any(|n| n != &counts[0]), "not to be counted: {counts:?}");
    }
}
