//! What a host and a router do with IPv4 options (RFC 791 §3.1, RFC 1122 §3.2.1.8, RFC 1812 §5.3.13).

use std::net::Ipv4Addr;

use smallvec::SmallVec;
use trunkline_core::Instant;
use trunkline_wire::ipv4::{LEN, Opt, Options};

/// The octet of the packet that a Parameter Problem points to.
pub(crate) type Pointer = u8;

/// Whether every option is well formed and there is at most one source route (RFC 1812 §5.2.4.1).
pub(crate) fn check(options: &Options) -> Result<(), Pointer> {
    let mut iter = options.iter();
    let mut source_routes = 0;
    while let Some(opt) = iter.next() {
        let pointer = iter.offset() as Pointer;
        match opt {
            Err(_) => return Err(pointer),
            Ok(Opt::LooseSourceRoute { .. } | Opt::StrictSourceRoute { .. }) => {
                source_routes += 1;
                if source_routes > 1 {
                    return Err(pointer);
                }
            }
            Ok(_) => {}
        }
    }
    Ok(())
}

/// The time of an Internet Timestamp or ICMP Timestamp: milliseconds since the start, marked as not since midnight
/// UT by the high bit (RFC 791 §3.1, RFC 792), as this crate knows no time of day.
pub(crate) const fn timestamp(now: Instant) -> u32 {
    (now.as_nanos() / 1_000_000) as u32 | 1 << 31
}

/// The options of a packet that goes on, or is answered, from `address`: Record Route and Timestamp are filled in
/// (RFC 1812 §5.3.13.5, §5.3.13.6). One without a place is left as it is; one with half a place is an error.
pub(crate) fn record(
    options: &Options,
    address: Ipv4Addr,
    now: Instant,
    is_ours: impl Fn(Ipv4Addr) -> bool,
) -> Result<Options, Pointer> {
    let mut octets = [0; 40];
    let raw = octets.get_mut(..options.len()).unwrap_or_default();
    raw.copy_from_slice(options.raw());
    let mut iter = options.iter();
    while let Some(Ok(opt)) = iter.next() {
        let offset = iter.offset();
        let Some(octets) = raw.get_mut(offset - LEN..) else { break };
        match opt {
            Opt::RecordRoute { pointer, data } => {
                let at = usize::from(pointer) - 1;
                if at < data.len() + 3 {
                    put(octets, at, data.len() + 3, &[address.octets()]).ok_or(offset as Pointer)?;
                    advance(octets, 4);
                }
            }
            Opt::Timestamp { pointer, overflow, flag, data } => {
                let (at, end) = (usize::from(pointer) - 1, data.len() + 4);
                let time = timestamp(now).to_be_bytes();
                if at >= end {
                    if overflow == 15 {
                        return Err(offset as Pointer);
                    }
                    if let Some(place) = octets.get_mut(3) {
                        *place += 1 << 4;
                    }
                    continue;
                }
                let written = match flag {
                    0 => put(octets, at, end, &[time]).map(|()| 4),
                    1 => put(octets, at, end, &[address.octets(), time]).map(|()| 8),
                    3 => match octets.get(at..at + 4).filter(|_| at + 8 <= end) {
                        Some(&[a, b, c, d]) if is_ours(Ipv4Addr::new(a, b, c, d)) => {
                            put(octets, at + 4, end, &[time]).map(|()| 8)
                        }
                        Some(_) => Some(0),
                        None => None,
                    },
                    _ => None,
                };
                advance(octets, written.ok_or(offset as Pointer)?);
            }
            _ => {}
        }
    }
    Ok(Options::from_raw(raw).unwrap_or(*options))
}

/// Writes words into an option that ends at `end`; `None` where they do not fit.
fn put(octets: &mut [u8], at: usize, end: usize, words: &[[u8; 4]]) -> Option<()> {
    let new = words.as_flattened();
    let place = octets.get_mut(at..at + new.len()).filter(|_| at + new.len() <= end)?;
    place.copy_from_slice(new);
    Some(())
}

fn advance(octets: &mut [u8], by: u8) {
    if let Some(pointer) = octets.get_mut(2) {
        *pointer = pointer.saturating_add(by);
    }
}

/// The way back along a source route that a packet from `source` came by: where the answer goes first, and its
/// options (RFC 1122 §3.2.2.6). The other options but Record Route and Timestamp are left out.
pub(crate) fn answer(options: &Options, source: Ipv4Addr) -> (Ipv4Addr, Options) {
    let mut first = source;
    let mut addresses: Vec<u8> = Vec::new();
    if let Some(route) = options.source_route() {
        let passed = route.data.as_chunks::<4>().0.iter().rev();
        for (index, address) in passed.enumerate() {
            match index {
                0 => first = Ipv4Addr::from(*address),
                _ => addresses.extend_from_slice(address),
            }
        }
        if first != source {
            addresses.extend_from_slice(&source.octets());
        }
    }
    let kept = options.iter().map_while(Result::ok).filter_map(|opt| match opt {
        Opt::RecordRoute { .. } | Opt::Timestamp { .. } => Some(opt),
        Opt::LooseSourceRoute { .. } => Some(Opt::LooseSourceRoute { pointer: 4, data: &addresses }),
        Opt::StrictSourceRoute { .. } => Some(Opt::StrictSourceRoute { pointer: 4, data: &addresses }),
        _ => None,
    });
    let kept: SmallVec<[Opt<'_>; 4]> = kept.collect();
    (first, Options::new(&kept).unwrap_or(Options::NONE))
}
