//! Egress of one family: neighbours with equal export rules share one policy run and one encoding.
//!
//! A group keeps the set of destinations of which something must be told, and turns it into chunks of messages when
//! a member's socket has room; members *in step* take the same chunks. A member that is new, asked for a refresh or
//! reads too slowly is *catching up*: it has a set of its own until that is empty, and then falls in step. So memory
//! is bounded by the table, and a route that flaps while nobody reads is told once.
//!
//! ```text
//!            join, refresh, new rules            own set empty
//!   (none) ─────────────────────────▶ CatchUp ─────────────────▶ InStep
//!                                        ▲    too many chunks behind │
//!                                        └───────────────────────────┘
//! ```

mod dirty;
mod encode;
pub(crate) mod export;
mod journal;
#[cfg(test)]
mod tests;

use crate::rib::Peers;
use crate::rib::attrs::AttrTable;
use crate::rib::table::{Key, PeerId, RouteIdx, Table};
pub(crate) use dirty::RouteSet;
use encode::{Chunk, Scratch, Sent, Source, encode};
use export::ExportRules;
use journal::Journal;
pub(crate) use journal::Told;
use std::collections::VecDeque;
use trunkline_wire::bgp::{Family, RouteRefresh, RouteRefreshSubtype, emit_end_of_rib};

/// Destinations in one chunk. Tests have small ones, so that members are soon far behind.
const CHUNK_ROUTES: usize = if cfg!(test) { 32 } else { 4096 };
/// Chunks made for a member in one go: where nothing of them is for it, it is no octets that end that.
const MAX_CHUNKS: usize = 8;
/// Whole chunks that a member may be behind before it has to catch up on its own.
const MAX_BEHIND: usize = if cfg!(test) { 3 } else { 32 };
/// The same of small ones. With [`MAX_CHUNKS`] more they are counted in an octet ([`Group::queued`]).
const MAX_PIECES: usize = 7 * MAX_BEHIND;
const _: () = assert!(MAX_PIECES + MAX_CHUNKS < u8::MAX as usize);

/// Neighbours with equal rules.
struct Group {
    rules: ExportRules,
    members: Vec<PeerId>,
    in_step: usize,
    adj_rib_out: AdjRibOut,
    dirty: RouteSet,
    chunks: VecDeque<Chunk>,
    /// For each destination how many of `chunks` tell of it.
    queued: Vec<u8>,
    /// The number of the first chunk in `chunks`.
    first: u64,
    /// The chunks that are gone, as far as it remembers.
    journal: Journal,
}

impl Group {
    /// A member that holds `held` is to be told everything. There is no other in step, so that it is so from the start.
    fn begin_with(&mut self, held: &RouteSet, places: u32) -> Position {
        // Whoever gave which: nobody must be passed over.
        held.iter().for_each(|idx| self.adj_rib_out.set(idx, Some(PeerId::LOCAL)));
        self.dirty.fill(places);
        self.in_step = 1;
        Position::InStep(self.first)
    }

    /// One member less is in step, which would have taken this chunk next. Without any there is nothing that all of them hold.
    fn step_out(&mut self, next: u64) {
        self.in_step -= 1;
        let skip = next.saturating_sub(self.first) as usize;
        self.chunks.iter_mut().skip(skip).for_each(|chunk| chunk.waiting -= 1);
        if self.in_step == 0 {
            self.drop_chunks(0, self.chunks.len());
            self.dirty = RouteSet::default();
            self.adj_rib_out = AdjRibOut::default();
            self.journal = Journal::default();
        }
    }

    fn push_chunk(&mut self, chunk: Chunk) {
        for idx in &chunk.routes {
            let at = idx.0 as usize;
            if self.queued.len() <= at {
                self.queued.resize((at + 1).next_power_of_two().max(1024), 0);
            }
            self.queued[at] += 1;
        }
        self.chunks.push_back(chunk);
    }

    /// Drops the first chunks.
    fn drop_chunks(&mut self, now: u32, count: usize) {
        for chunk in self.chunks.drain(..count) {
            chunk.routes.iter().for_each(|idx| self.queued[idx.0 as usize] -= 1);
            self.journal.push(chunk.at, now, chunk.routes);
        }
        self.first += count as u64;
    }

    /// Whether its place is needed for what members in step hold, or find out that they hold when they fall behind.
    fn needs(&self, idx: RouteIdx) -> bool {
        self.queued.get(idx.0 as usize).is_some_and(|n| *n > 0) || self.adj_rib_out.previous(idx).is_some()
    }
}

/// What members in step hold: for each destination the neighbour whose route they were told.
#[derive(Default)]
struct AdjRibOut {
    source: Vec<PeerId>,
    count: u32,
    by_source: Vec<u32>,
}

impl AdjRibOut {
    fn change_count(&mut self, source: PeerId, by: u32) {
        if self.by_source.len() <= source.index() {
            self.by_source.resize(source.index() + 1, 0);
        }
        let n = &mut self.by_source[source.index()];
        *n = n.wrapping_add(by);
        self.count = self.count.wrapping_add(by);
    }

    /// Routes that `member` holds: all but its own.
    fn held_by(&self, member: PeerId) -> u32 {
        self.count - self.by_source.get(member.index()).copied().unwrap_or(0)
    }
}

impl Sent for AdjRibOut {
    fn previous(&self, idx: RouteIdx) -> Option<PeerId> {
        self.source.get(idx.0 as usize).copied().filter(|p| *p != PeerId::NONE)
    }

    fn set(&mut self, idx: RouteIdx, source: Option<PeerId>) {
        let at = idx.0 as usize;
        if self.source.len() <= at {
            self.source.resize((at + 1).next_power_of_two().max(1024), PeerId::NONE);
        }
        let old = std::mem::replace(&mut self.source[at], source.unwrap_or(PeerId::NONE));
        if old != PeerId::NONE {
            self.change_count(old, u32::MAX);
        }
        if let Some(new) = source {
            self.change_count(new, 1);
        }
    }
}

/// What one member holds that catches up.
#[derive(Default)]
struct CatchUp {
    dirty: RouteSet,
    sent: RouteSet,
    /// Everything is dirty, and nothing of it was told yet: to ask for everything once more changes nothing.
    whole: bool,
}

impl CatchUp {
    /// Marks every destination; the place of one that is not there tells of nothing.
    fn mark_all(&mut self, places: u32) {
        if !std::mem::replace(&mut self.whole, true) {
            self.dirty.fill(places);
        }
    }
}

impl Sent for RouteSet {
    fn previous(&self, idx: RouteIdx) -> Option<PeerId> {
        self.contains(idx).then_some(PeerId::NONE)
    }

    fn set(&mut self, idx: RouteIdx, source: Option<PeerId>) {
        RouteSet::set(self, idx, source.is_some());
    }
}

enum Position {
    /// Takes this chunk next.
    InStep(u64),
    CatchUp(Box<CatchUp>),
}

struct Member {
    group: usize,
    position: Position,
    /// Since when it is in step, in seconds since the start.
    since: u32,
    /// Messages to send once before, and once after all that waits now.
    begin_refresh: bool,
    end_refresh: bool,
    end_of_rib: bool,
    end_of_rib_sent: bool,
}

/// What [`Egress::poll`] appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Polled {
    pub(crate) updates: u64,
    pub(crate) route_refreshes: u64,
    /// There may be more.
    pub(crate) more: bool,
}

/// Egress of one family.
pub(crate) struct Egress {
    family: Family,
    groups: Vec<Option<Group>>,
    members: Vec<Option<Member>>,
    scratch: Scratch,
    chunk: Chunk,
}

impl Egress {
    pub(crate) fn new(family: Family) -> Egress {
        Egress {
            family,
            groups: Vec::new(),
            members: Vec::new(),
            scratch: Scratch::default(),
            chunk: Chunk::default(),
        }
    }

    fn member(&self, peer: PeerId) -> Option<&Member> {
        self.members.get(peer.index())?.as_ref()
    }

    /// A neighbour is to be told all routes; one that was a member before keeps what it holds (a change of rules).
    pub(crate) fn join<K: Key>(&mut self, peer: PeerId, rules: ExportRules, table: &Table<K>) {
        self.fall_behind(peer);
        let owed = self.member(peer).map(|m| (m.begin_refresh, m.end_refresh, m.end_of_rib));
        let held = self.leave(peer);
        let group = self.group_for(rules);
        if self.members.len() <= peer.index() {
            self.members.resize_with(peer.index() + 1, || None);
        }
        // Marks that wait still are owed.
        let (begin_refresh, end_refresh, end_of_rib) = owed.unwrap_or((false, false, true));
        let held = held.unwrap_or_default();
        let Some(members) = self.groups[group].as_mut() else { return };
        members.members.push(peer);
        let position = if members.in_step == 0 {
            members.begin_with(&held, table.places())
        } else {
            let mut catch_up = CatchUp { sent: held, ..CatchUp::default() };
            catch_up.mark_all(table.places());
            Position::CatchUp(Box::new(catch_up))
        };
        self.members[peer.index()] = Some(Member {
            group,
            position,
            since: 0,
            begin_refresh,
            end_refresh,
            end_of_rib,
            end_of_rib_sent: !end_of_rib,
        });
    }

    fn group_for(&mut self, rules: ExportRules) -> usize {
        let same = |g: &Option<Group>| g.as_ref().is_some_and(|g| g.rules == rules);
        if let Some(at) = self.groups.iter().position(same) {
            return at;
        }
        let group = Group {
            rules,
            members: Vec::new(),
            in_step: 0,
            adj_rib_out: AdjRibOut::default(),
            dirty: RouteSet::default(),
            chunks: VecDeque::new(),
            queued: Vec::new(),
            first: 0,
            journal: Journal::default(),
        };
        match self.groups.iter().position(Option::is_none) {
            Some(at) => {
                self.groups[at] = Some(group);
                at
            }
            None => {
                self.groups.push(Some(group));
                self.groups.len() - 1
            }
        }
    }

    /// A neighbour is gone. What it held, where it had a set of its own.
    pub(crate) fn leave(&mut self, peer: PeerId) -> Option<RouteSet> {
        let member = self.members.get_mut(peer.index())?.take()?;
        if let Some(group) = self.groups[member.group].as_mut() {
            group.members.retain(|p| *p != peer);
            if let Position::InStep(next) = member.position {
                group.step_out(next);
            }
            if group.members.is_empty() {
                self.groups[member.group] = None;
            }
        }
        match member.position {
            Position::CatchUp(catch_up) => Some(catch_up.sent),
            Position::InStep(_) => None,
        }
    }

    /// Something must be told of this destination.
    #[inline]
    pub(crate) fn mark(&mut self, idx: RouteIdx) {
        for group in self.groups.iter_mut().flatten() {
            if group.in_step > 0 {
                group.dirty.insert(idx);
            }
            if group.in_step < group.members.len() {
                for peer in &group.members {
                    if let Some(Member { position: Position::CatchUp(c), .. }) =
                        self.members[peer.index()].as_mut()
                    {
                        c.dirty.insert(idx);
                    }
                }
            }
        }
    }

    /// Tell a neighbour everything again (RFC 2918; with RFC 7313 between two marks).
    pub(crate) fn refresh<K: Key>(&mut self, peer: PeerId, enhanced: bool, table: &Table<K>) {
        self.fall_behind(peer);
        if let Some(Some(member)) = self.members.get_mut(peer.index()) {
            if let Position::CatchUp(catch_up) = &mut member.position {
                catch_up.mark_all(table.places());
            }
            member.begin_refresh |= enhanced;
            member.end_refresh |= enhanced;
        }
    }

    /// Takes a member out of step: it gets a set of its own.
    fn fall_behind(&mut self, peer: PeerId) {
        let Some(Some(member)) = self.members.get_mut(peer.index()) else { return };
        let (Position::InStep(next), Some(group)) = (&member.position, self.groups[member.group].as_mut())
        else {
            return;
        };
        let next = *next;
        let skip = next.saturating_sub(group.first) as usize;
        let mut catch_up = CatchUp { dirty: group.dirty.clone(), ..CatchUp::default() };
        for (at, source) in group.adj_rib_out.source.iter().enumerate() {
            if *source != PeerId::NONE && *source != peer {
                catch_up.sent.insert(RouteIdx(at as u32));
            }
        }
        // What stands in chunks that it did not take it may hold still in an older form.
        for idx in group.chunks.iter().skip(skip).flat_map(|c| &c.routes) {
            catch_up.dirty.insert(*idx);
            catch_up.sent.insert(*idx);
        }
        member.position = Position::CatchUp(Box::new(catch_up));
        group.step_out(next);
    }

    /// Appends messages for a member: whole ones, until `buf` holds about `limit` octets or all is told. `at`: now, in
    /// seconds since the start.
    pub(crate) fn poll<K: Key>(
        &mut self,
        at: u32,
        peer: PeerId,
        limit: usize,
        buf: &mut Vec<u8>,
        (table, attrs, peers): (&Table<K>, &AttrTable, &Peers),
    ) -> Polled {
        let mut polled = Polled::default();
        let source = Source { family: self.family, table, attrs, peers };
        let Some(Some(member)) = self.members.get_mut(peer.index()) else { return polled };
        let Some(group) = self.groups[member.group].as_mut() else { return polled };
        if std::mem::take(&mut member.begin_refresh) {
            emit_refresh(self.family, RouteRefreshSubtype::BoRR, buf);
            polled.route_refreshes += 1;
        }
        for made in 0.. {
            if buf.len() >= limit || made == MAX_CHUNKS {
                polled.more = true;
                break;
            }
            match &mut member.position {
                Position::CatchUp(own) if own.dirty.is_empty() => {
                    let sent = std::mem::take(&mut own.sent);
                    member.position = fall_in_step(group, peer, &sent, table);
                    member.since = at;
                }
                Position::CatchUp(own) => {
                    self.scratch.routes.clear();
                    own.dirty.take(CHUNK_ROUTES, &mut self.scratch.routes);
                    own.whole = false;
                    self.chunk.clear();
                    encode(
                        &group.rules,
                        &source,
                        Some(peer),
                        &mut self.scratch,
                        &mut own.sent,
                        &mut self.chunk,
                    );
                    polled.updates += self.chunk.copy_for(peer, buf);
                }
                Position::InStep(next) => {
                    let skip = next.saturating_sub(group.first) as usize;
                    if skip == group.chunks.len() && !encode_chunk(at, group, &source, &mut self.scratch) {
                        break;
                    }
                    if let Some(chunk) = group.chunks.get_mut(skip) {
                        polled.updates += chunk.copy_for(peer, buf);
                        chunk.waiting -= 1;
                    }
                    *next += 1;
                }
            }
        }
        if !polled.more {
            if std::mem::take(&mut member.end_of_rib) {
                emit_end_of_rib(self.family, buf);
                member.end_of_rib_sent = true;
                polled.updates += 1;
            }
            if std::mem::take(&mut member.end_refresh) {
                emit_refresh(self.family, RouteRefreshSubtype::EoRR, buf);
                polled.route_refreshes += 1;
            }
        }
        let group = member.group;
        self.drop_taken_chunks(at, group);
        polled
    }

    /// Forgets chunks that all have taken; puts out of step who is too far behind.
    fn drop_taken_chunks(&mut self, now: u32, group: usize) {
        let Some(g) = self.groups[group].as_mut() else { return };
        let taken = g.chunks.iter().take_while(|chunk| chunk.waiting == 0).count();
        g.drop_chunks(now, taken);
        let routes = || g.chunks.iter().map(|chunk| chunk.routes.len()).sum::<usize>();
        let pieces = g.chunks.len();
        if pieces <= MAX_BEHIND || pieces <= MAX_PIECES && routes() <= MAX_BEHIND * CHUNK_ROUTES {
            return;
        }
        let position = |p: &PeerId| match self.members.get(p.index()) {
            Some(Some(Member { position: Position::InStep(next), .. })) => Some((*next, *p)),
            _ => None,
        };
        if let Some((_, slowest)) = g.members.iter().filter_map(position).min() {
            self.fall_behind(slowest);
            self.drop_taken_chunks(now, group);
        }
    }

    /// Whether something waits for this neighbour.
    pub(crate) fn has_work(&self, peer: PeerId) -> bool {
        let Some(member) = self.member(peer) else { return false };
        let Some(group) = self.groups.get(member.group).and_then(Option::as_ref) else { return false };
        member.end_of_rib
            || member.begin_refresh
            || member.end_refresh
            || match &member.position {
                Position::CatchUp(_) => true,
                Position::InStep(next) => {
                    !group.dirty.is_empty() || *next < group.first + group.chunks.len() as u64
                }
            }
    }

    /// Routes that a neighbour holds from us.
    pub(crate) fn advertised(&self, peer: PeerId) -> u64 {
        let Some(member) = self.member(peer) else { return 0 };
        let held = match (&member.position, self.groups.get(member.group)) {
            (Position::CatchUp(own), _) => own.sent.len(),
            (Position::InStep(_), Some(Some(group))) => group.adj_rib_out.held_by(peer),
            (Position::InStep(_), _) => 0,
        };
        u64::from(held)
    }

    /// The rules for a neighbour, where it is a member.
    pub(crate) fn rules(&self, peer: PeerId) -> Option<&ExportRules> {
        let member = self.member(peer)?;
        self.groups.get(member.group)?.as_ref().map(|g| &g.rules)
    }

    /// When a neighbour was told last of a destination of which it was told.
    pub(crate) fn told(&self, now: u32, peer: PeerId, idx: RouteIdx) -> Option<Told> {
        let member = self.member(peer)?;
        let group = self.groups.get(member.group)?.as_ref()?;
        let next = match &member.position {
            Position::CatchUp(own) if own.dirty.contains(idx) => return Some(Told::Waits),
            Position::CatchUp(_) => return None,
            Position::InStep(_) if group.dirty.contains(idx) => return Some(Told::Waits),
            Position::InStep(next) => next.saturating_sub(group.first) as usize,
        };
        let chunk = group.chunks.iter().enumerate().rev().find(|(_, chunk)| chunk.routes.contains(&idx));
        Some(match chunk {
            Some((number, _)) if number >= next => Told::Waits,
            Some((_, chunk)) if chunk.at == now => Told::At(now),
            Some(_) => Told::Until(now),
            _ => group.journal.told(idx, member.since),
        })
    }

    /// Whether End-of-RIB was sent.
    pub(crate) fn end_of_rib_sent(&self, peer: PeerId) -> bool {
        self.member(peer).is_some_and(|m| m.end_of_rib_sent)
    }

    /// Whether nobody holds a destination that has no paths. Who was never told of it, and was to be, needs no word:
    /// a mark that stays on a place tells of nothing, or of what stands there then.
    pub(crate) fn unused(&self, idx: RouteIdx) -> bool {
        let holds = |peer: &PeerId| match self.member(*peer).map(|m| &m.position) {
            Some(Position::CatchUp(own)) => own.sent.contains(idx),
            _ => false,
        };
        let needs = |g: &Group| g.needs(idx) || g.in_step < g.members.len() && g.members.iter().any(holds);
        !self.groups.iter().flatten().any(needs)
    }
}

/// Encodes the group's next chunk; whether there was anything to tell.
fn encode_chunk<K: Key>(at: u32, group: &mut Group, source: &Source<'_, K>, scratch: &mut Scratch) -> bool {
    if group.dirty.is_empty() {
        return false;
    }
    scratch.routes.clear();
    group.dirty.take(CHUNK_ROUTES, &mut scratch.routes);
    let mut chunk = Chunk::new(at, group.in_step);
    encode(&group.rules, source, None, scratch, &mut group.adj_rib_out, &mut chunk);
    group.push_chunk(chunk);
    true
}

/// A member that holds `sent` and has nothing to catch up any more falls in step.
fn fall_in_step<K: Key>(group: &mut Group, peer: PeerId, sent: &RouteSet, table: &Table<K>) -> Position {
    let source = |idx| table.best(idx).map_or(PeerId::LOCAL, |best| best.peer);
    for idx in sent.iter() {
        match group.adj_rib_out.previous(idx) {
            // The others do not hold it: it is theirs, or they have not been told yet.
            None => group.adj_rib_out.set(idx, Some(source(idx))),
            // The others hold the route of this very member, and have not been told of the better one that it holds.
            // Whoever gave which: nobody must be passed over.
            Some(told) if told == peer => group.adj_rib_out.set(idx, Some(PeerId::LOCAL)),
            Some(_) => {}
        }
    }
    group.in_step += 1;
    Position::InStep(group.first + group.chunks.len() as u64)
}

fn emit_refresh(family: Family, subtype: RouteRefreshSubtype, buf: &mut Vec<u8>) {
    RouteRefresh { family, subtype }.emit(buf);
}
