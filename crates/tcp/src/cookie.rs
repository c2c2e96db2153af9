//! SYN cookies (RFC 4987 §3.6): a connection's beginnings kept in its initial sequence number, not in memory.
//!
//! ```text
//! 31    27 26  24 23                      0
//! +-------+------+-------------------------+      the lowest 6 bits of the timestamp of the SYN,ACK:
//! | minute| MSS  | keyed hash              |      1 bit SACK permitted, 1 bit spare, 4 bits window scale (15: none)
//! +-------+------+-------------------------+
//! ```

use crate::SeqNum;
use crate::api::Endpoint;
use crate::isn::Secret;
use trunkline_core::{Duration, Instant};

/// The segment sizes that a cookie can tell; the largest one that is not above the peer's is taken.
const SIZES: [u16; 8] = [64, 536, 966, 1220, 1360, 1440, 1460, 8960];

/// How long a number of the clock lasts, seconds. A cookie lives one to two of these.
const TICK_SECONDS: u64 = 64;

/// After this time no cookie is good any more.
pub(crate) const LIFETIME: Duration = Duration::from_secs(2 * TICK_SECONDS);

/// Bits of the timestamp that carry options.
const OPTION_BITS: u32 = 6;

/// What a cookie remembers of a SYN's options, in a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CookieOptions {
    /// SACK-Permitted.
    pub(crate) sack: bool,
    /// Window scale.
    pub(crate) window_scale: Option<u8>,
}

impl CookieOptions {
    /// The latest timestamp not after `clock` that carries these.
    pub(crate) fn stamp(self, clock: u32) -> u32 {
        let bits = u32::from(self.window_scale.unwrap_or(15) & 15) | u32::from(self.sack) << 5;
        let stamp = clock & !((1 << OPTION_BITS) - 1) | bits;
        if stamp > clock { stamp.wrapping_sub(1 << OPTION_BITS) } else { stamp }
    }

    /// What an echoed timestamp carries.
    pub(crate) fn from_stamp(stamp: u32) -> CookieOptions {
        let shift = (stamp & 15) as u8;
        CookieOptions { sack: stamp >> 5 & 1 == 1, window_scale: (shift < 15).then_some(shift) }
    }
}

fn tick(now: Instant) -> u64 {
    now.as_nanos() / 1_000_000_000 / TICK_SECONDS
}

fn hash(secret: &Secret, local: Endpoint, remote: Endpoint, irs: SeqNum, tick: u64, size: u32) -> u32 {
    let extra = u64::from(irs.0) << 32 | (tick & 0x00ff_ffff) << 8 | u64::from(size);
    secret.hash(b'c', local, remote, extra) as u32 & 0x00ff_ffff
}

/// The cookie for a SYN with sequence number `irs` and MSS option `mss`.
pub(crate) fn encode(
    secret: &Secret,
    now: Instant,
    local: Endpoint,
    remote: Endpoint,
    irs: SeqNum,
    mss: u16,
) -> SeqNum {
    let size = SIZES.iter().rposition(|&size| size <= mss).unwrap_or(0) as u32;
    let tick = tick(now);
    SeqNum((tick as u32 & 31) << 27 | size << 24 | hash(secret, local, remote, irs, tick, size))
}

/// The MSS that a cookie remembers; `None` where it is none of ours, or too old.
pub(crate) fn decode(
    secret: &Secret,
    now: Instant,
    local: Endpoint,
    remote: Endpoint,
    irs: SeqNum,
    cookie: SeqNum,
) -> Option<u16> {
    let size = cookie.0 >> 24 & 7;
    let now = tick(now);
    let age = (now as u32).wrapping_sub(cookie.0 >> 27) & 31;
    let tick = now.checked_sub(u64::from(age)).filter(|_| age <= 1)?;
    let valid = cookie.0 & 0x00ff_ffff == hash(secret, local, remote, irs, tick, size);
    SIZES.get(size as usize).copied().filter(|_| valid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;
    use trunkline_core::Rng;

    #[test]
    fn a_cookie_is_good_for_its_ends_and_two_ticks() {
        let secret = Secret::new(&mut Rng::new(1));
        let a = (Ipv4Addr::new(192, 0, 2, 1), 80);
        let b = (Ipv4Addr::new(192, 0, 2, 2), 1024);
        let irs = SeqNum(77);
        let at = Instant::from_secs;
        for (mss, kept) in [(1460, 1460), (1459, 1440), (1, 64), (9000, 8960), (536, 536)] {
            let cookie = encode(&secret, at(100), a, b, irs, mss);
            assert_eq!(decode(&secret, at(100), a, b, irs, cookie), Some(kept));
            assert_eq!(decode(&secret, at(164), a, b, irs, cookie), Some(kept));
            assert_eq!(decode(&secret, at(192), a, b, irs, cookie), None, "too old");
            assert_eq!(decode(&secret, at(10), a, b, irs, cookie), None, "from the future");
            assert_eq!(decode(&secret, at(100), a, b, irs + 1, cookie), None);
            assert_eq!(decode(&secret, at(100), b, a, irs, cookie), None);
            assert_eq!(decode(&secret, at(100), a, b, irs, cookie + 1), None);
        }
    }

    #[test]
    fn options_travel_in_the_timestamp() {
        for clock in [0, 63, 64, 1_000_003, u32::MAX] {
            for sack in [false, true] {
                for window_scale in [None, Some(0), Some(7), Some(14)] {
                    let options = CookieOptions { sack, window_scale };
                    let stamp = options.stamp(clock);
                    assert!(clock.wrapping_sub(stamp) < 64, "not after the clock");
                    assert_eq!(CookieOptions::from_stamp(stamp), options);
                }
            }
        }
    }
}
