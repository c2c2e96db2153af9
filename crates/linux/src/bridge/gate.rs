//! The gate of one bridge: an nftables table that lets frames pass only between ports that were opened, and only while
//! someone says so again and again.
//!
//! | set | holds |
//! |---|---|
//! | `mine` | the bridge's ports |
//! | `open` | those that forward |
//! | `learn` | those that learn |
//! | `alive` | one element that goes after [`TIMEOUT`]: the dead man's switch |
//!
//! Ports are known by interface index, so that a new name changes nothing. A port that has just joined and is in no set
//! can exchange frames with no port of `mine`, since both ends of a passage must be open: it is closed before we have
//! heard of it.

use super::nft::{Batch, Hook, Key, Match, Nft, Verdict};
use super::restore::Before;
use std::collections::BTreeMap;
use std::io;
use trunkline_core::Duration;
use trunkline_wire::stp::BRIDGE_GROUP;

/// All ports are closed when nothing was heard for so long. A neighbour takes over for a bridge that is silent after
/// three seconds at the earliest (three times the shortest hello time, IEEE 802.1D-2004 §17.14).
pub(super) const TIMEOUT: Duration = Duration::from_millis(800);

/// How often the gate is told that we live.
pub(super) const REFRESH: Duration = Duration::from_millis(250);

/// Before others look at the frames: bridge's own hooks begin at -300 (NF_BR_PRI_NAT_DST_BRIDGED).
const PRIORITY: i32 = -300;

/// The one element of `alive`: NFPROTO_BRIDGE.
const ALWAYS: [u8; 1] = [7];

/// What a port may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Passage {
    Closed,
    Learn,
    Open,
}

impl Passage {
    const fn set(self) -> Option<&'static str> {
        match self {
            Passage::Closed => None,
            Passage::Learn => Some("learn"),
            Passage::Open => Some("open"),
        }
    }
}

/// A gate, as it should be in the kernel.
#[derive(Debug)]
pub(super) struct Gate {
    table: String,
    comment: String,
    ports: BTreeMap<u32, Passage>,
    /// It may not be as it should.
    broken: bool,
}

/// What an earlier run has left behind.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    Nothing,
    /// It lives, or did within [`TIMEOUT`].
    Alive,
    /// It is dead. How the bridge was before it came, where it says so.
    Dead(Option<Before>),
}

/// The name of a bridge's table.
fn table(bridge: &str) -> String {
    format!("trunkline-{bridge}")
}

/// What there is of a bridge's gate.
pub(super) fn leftover(nft: &mut Nft, bridge: &str) -> io::Result<Leftover> {
    let table = table(bridge);
    let Some(comment) = nft.comment(&table)? else { return Ok(Leftover::Nothing) };
    if nft.has_elements(&table, "alive").unwrap_or(false) {
        return Ok(Leftover::Alive);
    }
    Ok(Leftover::Dead(Before::parse(&comment)))
}

/// Removes what is there of a bridge's gate.
pub(super) fn remove(nft: &mut Nft, bridge: &str) -> io::Result<()> {
    nft.change(&table(bridge), |batch| batch.delete_table())
}

impl Gate {
    /// Puts it up with these ports, all closed, in place of what may be left of an earlier run: at no moment is one open.
    pub(super) fn close(nft: &mut Nft, bridge: &str, before: &Before, ports: &[u32]) -> io::Result<Gate> {
        let mut gate = Gate {
            table: table(bridge),
            comment: before.to_string(),
            ports: ports.iter().map(|&port| (port, Passage::Closed)).collect(),
            broken: false,
        };
        gate.put_up(nft)?;
        Ok(gate)
    }

    fn put_up(&mut self, nft: &mut Nft) -> io::Result<()> {
        let result = nft.change(&self.table, |batch| {
            batch.table(&self.comment);
            rules(batch);
            batch.add("alive", &ALWAYS, Some(TIMEOUT.as_millis() as u64));
            for (port, passage) in &self.ports {
                batch.add("mine", &port.to_ne_bytes(), None);
                if let Some(set) = passage.set() {
                    batch.add(set, &port.to_ne_bytes(), None);
                }
            }
        });
        self.broken = result.is_err();
        result
    }

    /// Carries out a change of what is wanted; where that fails, since someone touched the table, puts it up anew.
    fn change(&mut self, nft: &mut Nft, fill: impl FnOnce(&mut Batch<'_>)) -> io::Result<()> {
        if !self.broken && nft.change(&self.table, fill).is_ok() {
            return Ok(());
        }
        self.put_up(nft)
    }

    /// What a port may do from now on; one that is new is taken in.
    pub(super) fn set(&mut self, nft: &mut Nft, port: u32, passage: Passage) -> io::Result<()> {
        let before = self.ports.insert(port, passage);
        if before == Some(passage) {
            return Ok(());
        }
        let key = port.to_ne_bytes();
        self.change(nft, |batch| {
            if before.is_none() {
                batch.add("mine", &key, None);
            }
            if let Some(set) = before.and_then(Passage::set) {
                batch.remove(set, &key);
            }
            if let Some(set) = passage.set() {
                batch.add(set, &key, None);
            }
        })
    }

    /// A port is none of the bridge's any more.
    pub(super) fn forget(&mut self, nft: &mut Nft, port: u32) -> io::Result<()> {
        let Some(before) = self.ports.remove(&port) else { return Ok(()) };
        let key = port.to_ne_bytes();
        self.change(nft, |batch| {
            batch.remove("mine", &key);
            if let Some(set) = before.set() {
                batch.remove(set, &key);
            }
        })
    }

    /// Says that we live. Whether all was as it should be; otherwise it is again now.
    pub(super) fn refresh(&mut self, nft: &mut Nft) -> io::Result<bool> {
        let alive = |batch: &mut Batch<'_>| {
            // Before Linux 6.12 the time of an element that is there does not change.
            batch.clear("alive");
            batch.add("alive", &ALWAYS, Some(TIMEOUT.as_millis() as u64));
        };
        if !self.broken && nft.change(&self.table, alive).is_ok() {
            return Ok(true);
        }
        self.put_up(nft).map(|()| false)
    }

    /// Takes it away: all ports are open.
    pub(super) fn take_down(self, nft: &mut Nft) -> io::Result<()> {
        match nft.change(&self.table, |batch| batch.delete_table()) {
            Err(error) if error.raw_os_error() != Some(libc::ENOENT) => Err(error),
            _ => Ok(()),
        }
    }
}

fn rules(batch: &mut Batch<'_>) {
    use Key::{Always, InputInterface, OutputInterface};
    for (set, timeout) in [("mine", false), ("open", false), ("learn", false), ("alive", true)] {
        let key = if timeout { Always } else { InputInterface };
        batch.set(set, key, timeout);
    }
    batch.chain("both");
    batch.base_chain("prerouting", Hook::PreRouting, PRIORITY);
    batch.base_chain("forward", Hook::Forward, PRIORITY);
    batch.base_chain("output", Hook::LocalOut, PRIORITY);

    // What comes in: a port that discards learns nothing, and BPDUs never go on to other ports.
    let mut rule = |matches: &[Match<'_>], verdict| batch.rule("prerouting", matches, verdict);
    rule(&[Match::NotIn(InputInterface, "mine")], Verdict::Accept);
    rule(&[Match::To(BRIDGE_GROUP.0)], Verdict::Drop);
    rule(&[Match::NotIn(Always, "alive")], Verdict::Drop);
    rule(&[Match::In(InputInterface, "open")], Verdict::Accept);
    rule(&[Match::In(InputInterface, "learn")], Verdict::Accept);
    rule(&[], Verdict::Drop);

    // What goes through.
    batch.rule("forward", &[Match::In(InputInterface, "mine")], Verdict::Goto("both"));
    batch.rule("forward", &[Match::In(OutputInterface, "mine")], Verdict::Goto("both"));
    let mut rule = |matches: &[Match<'_>], verdict| batch.rule("both", matches, verdict);
    rule(&[Match::NotIn(Always, "alive")], Verdict::Drop);
    rule(&[Match::NotIn(InputInterface, "open")], Verdict::Drop);
    rule(&[Match::NotIn(OutputInterface, "open")], Verdict::Drop);

    // What this machine itself sends.
    let mut rule = |matches: &[Match<'_>], verdict| batch.rule("output", matches, verdict);
    rule(&[Match::NotIn(OutputInterface, "mine")], Verdict::Accept);
    rule(&[Match::NotIn(Always, "alive")], Verdict::Drop);
    rule(&[Match::NotIn(OutputInterface, "open")], Verdict::Drop);
}
