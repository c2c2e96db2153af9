//! Destinations → UPDATE messages: one policy run and one encoding for all neighbours of a group.

use super::export::ExportRules;
use crate::rib::Peers;
use crate::rib::attrs::{AttrId, AttrTable};
use crate::rib::table::{Key, PeerId, RouteIdx, Table};
use trunkline_wire::bgp::{Family, MpNextHop, emit_mp_reach};

/// What the receivers hold.
pub(crate) trait Sent {
    /// Whether they hold a route to it, and who gave it to us ([`PeerId::LOCAL`] where that is not known).
    fn previous(&self, idx: RouteIdx) -> Option<PeerId>;
    /// They now hold one that came from `source`, or none.
    fn set(&mut self, idx: RouteIdx, source: Option<PeerId>);
}

/// Messages for a group, each part with the neighbour whose routes it tells and who therefore must not get it.
#[derive(Debug, Default)]
pub(crate) struct Chunk {
    bytes: Vec<u8>,
    updates: u32,
    parts: Vec<Part>,
    /// What the source of a part gets in its place: withdrawals of routes that it had from us before.
    instead: Vec<u8>,
    instead_updates: u32,
    /// When it was made, in seconds since the start.
    pub(crate) at: u32,
    /// Members in step that have not taken it.
    pub(crate) waiting: usize,
    /// The destinations told of.
    pub(crate) routes: Vec<RouteIdx>,
}

#[derive(Debug)]
struct Part {
    source: PeerId,
    /// Where the part ends in `bytes`, and its substitute in `instead`.
    end: usize,
    instead_end: usize,
    /// UPDATE messages up to there, from the start of the chunk.
    updates: u32,
    instead_updates: u32,
}

impl Chunk {
    pub(crate) fn new(at: u32, waiting: usize) -> Chunk {
        Chunk { at, waiting, ..Chunk::default() }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.parts.clear();
        self.instead.clear();
        self.routes.clear();
        (self.updates, self.instead_updates) = (0, 0);
    }

    fn end_part(&mut self, source: PeerId) {
        if self.parts.last().is_some_and(|last| last.source == source) {
            self.parts.pop();
        }
        self.parts.push(Part {
            source,
            end: self.bytes.len(),
            instead_end: self.instead.len(),
            updates: self.updates,
            instead_updates: self.instead_updates,
        });
    }

    /// Appends what `receiver` gets; how many UPDATE messages that is.
    pub(crate) fn copy_for(&self, receiver: PeerId, out: &mut Vec<u8>) -> u64 {
        if self.parts.iter().all(|p| p.source != receiver) {
            out.extend_from_slice(&self.bytes);
            return self.updates.into();
        }
        let start = Part { source: PeerId::NONE, end: 0, instead_end: 0, updates: 0, instead_updates: 0 };
        let mut count = 0;
        for (before, part) in std::iter::once(&start).chain(&self.parts).zip(&self.parts) {
            let own = part.source == receiver;
            out.extend_from_slice(if own {
                self.instead.get(before.instead_end..part.instead_end).unwrap_or_default()
            } else {
                self.bytes.get(before.end..part.end).unwrap_or_default()
            });
            count += u64::from(if own {
                part.instead_updates - before.instead_updates
            } else {
                part.updates - before.updates
            });
        }
        count
    }
}

/// What encoding reads.
pub(crate) struct Source<'a, K> {
    pub(crate) family: Family,
    pub(crate) table: &'a Table<K>,
    pub(crate) attrs: &'a AttrTable,
    pub(crate) peers: &'a Peers,
}

/// One destination, in an order that brings equal attributes together; withdrawals last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Item {
    attrs: AttrId,
    source: PeerId,
    rule: u16,
    idx: RouteIdx,
}

/// Buffers that are used again.
#[derive(Default)]
pub(crate) struct Scratch {
    items: Vec<Item>,
    block: Vec<u8>,
    pub(crate) routes: Vec<RouteIdx>,
}

/// Appends to `chunk` what is to be said of `routes`; `receiver` is the only one who gets it, where that is so.
pub(crate) fn encode<K: Key>(
    rules: &ExportRules,
    from: &Source<'_, K>,
    receiver: Option<PeerId>,
    scratch: &mut Scratch,
    sent: &mut impl Sent,
    chunk: &mut Chunk,
) {
    let Scratch { items, block, routes } = scratch;
    items.clear();
    for &idx in routes.iter() {
        let best = from.table.best(idx).filter(|best| Some(best.peer) != receiver);
        let permitted = best.and_then(|best| {
            let prefix = || from.table.prefix(idx);
            let rule = rules.permit(prefix, best, from.peers.get(best.peer), from.attrs)?;
            Some(Item { attrs: best.used, source: best.peer, rule, idx })
        });
        match (permitted, sent.previous(idx)) {
            (Some(item), _) => items.push(item),
            (None, Some(source)) => items.push(Item { attrs: AttrId::NONE, source, rule: 0, idx }),
            (None, None) => {}
        }
    }
    items.sort_unstable();
    let mut prefixes: Vec<K::Wire> = Vec::new();
    let mut instead: Vec<K::Wire> = Vec::new();
    let mut unsaid: Vec<(PeerId, K::Wire)> = Vec::new();
    for run in items.chunk_by(|a, b| (a.attrs, a.source, a.rule) == (b.attrs, b.source, b.rule)) {
        let Some(first) = run.first() else { continue };
        prefixes.clear();
        prefixes.extend(run.iter().map(|item| from.table.key(item.idx).wire()));
        chunk.routes.extend(run.iter().map(|item| item.idx));
        let told = if first.attrs == AttrId::NONE {
            0
        } else {
            announce(rules, from, first, block, &prefixes, chunk)
        };
        instead.clear();
        unsaid.clear();
        for (i, (item, prefix)) in run.iter().zip(&prefixes).enumerate() {
            let previous = sent.previous(item.idx);
            if i >= told {
                unsaid.extend(previous.map(|source| (source, *prefix)));
            } else if previous.is_some_and(|p| p != item.source) {
                instead.push(*prefix);
            }
            sent.set(item.idx, (i < told).then_some(item.source));
        }
        chunk.instead_updates += withdraw::<K>(rules, &instead, &mut chunk.instead);
        chunk.end_part(first.source);
        // Routes that are gone, or whose attributes fit no message (RFC 8654 §4). Who gave the route that the others
        // hold never had it from us.
        for gone in unsaid.chunk_by(|a, b| a.0 == b.0) {
            instead.clear();
            instead.extend(gone.iter().map(|(_, prefix)| *prefix));
            chunk.updates += withdraw::<K>(rules, &instead, &mut chunk.bytes);
            chunk.end_part(gone.first().map_or(PeerId::NONE, |(source, _)| *source));
        }
    }
}

/// Appends announcements of `prefixes` with the attributes of `item`; returns how many could be made.
fn announce<K: Key>(
    rules: &ExportRules,
    from: &Source<'_, K>,
    item: &Item,
    block: &mut Vec<u8>,
    prefixes: &[K::Wire],
    chunk: &mut Chunk,
) -> usize {
    let Some(best) = from.table.best(item.idx) else { return 0 };
    let Some(mp) = rules.block(best, item.rule, from.peers.get(best.peer), from.attrs, block) else {
        return 0;
    };
    let mut told = 0;
    while let Some(rest) = prefixes.get(told..).filter(|rest| !rest.is_empty()) {
        let count = one_update::<K>(rules, from.family, mp, block, rest, &mut chunk.bytes);
        if count == 0 {
            break;
        }
        told += count;
        chunk.updates += 1;
    }
    told
}

fn one_update<K: Key>(
    rules: &ExportRules,
    family: Family,
    mp: Option<MpNextHop>,
    block: &[u8],
    prefixes: &[K::Wire],
    out: &mut Vec<u8>,
) -> usize {
    // 4096 octets are enough for nearly all, and friendly to the peer; longer ones only for attributes that need it.
    let normal = rules.max_len.min(trunkline_wire::bgp::MAX_MESSAGE_LEN);
    let mut one = |max_len| match mp {
        Some(hop) => emit_mp_reach(max_len, family, hop, block, prefixes, out),
        None => K::emit_update(max_len, block, prefixes, out),
    };
    match one(normal) {
        0 if rules.max_len > normal => one(rules.max_len),
        count => count,
    }
}

/// Appends withdrawals; returns how many messages.
fn withdraw<K: Key>(rules: &ExportRules, mut prefixes: &[K::Wire], out: &mut Vec<u8>) -> u32 {
    let max_len = rules.max_len.min(trunkline_wire::bgp::MAX_MESSAGE_LEN);
    let mut messages = 0;
    while !prefixes.is_empty() {
        let count = K::emit_withdraw(max_len, prefixes, out);
        messages += 1;
        match prefixes.get(count..) {
            Some(rest) if count > 0 => prefixes = rest,
            _ => break,
        }
    }
    messages
}
