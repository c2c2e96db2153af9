//! What came of a failure, as plain data.

use super::Failure;
use trunkline_core::{Duration, Instant};

/// What came of a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// What failed.
    pub failure: Failure,
    /// Frames multiplied without end: the run was given up so long after the failure.
    pub storm: Option<Duration>,
    /// By pair, as in [`Survey::pairs`](super::Survey::pairs).
    pub pairs: Vec<PairOutcome>,
    /// Probes that came round.
    pub loops: Loops,
    /// How long after the failure the last port of a spanning tree changed its role or state, or a bridge its root; or
    /// BGP a session or best route. None: nothing changed.
    pub settled: Option<Duration>,
    /// Roots that are gone and still counted: an entry for each.
    pub counting: Vec<Counting>,
}

/// What a failure did to a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PairOutcome {
    /// In a word.
    pub state: State,
    /// The longest time from which nothing arrived.
    pub longest: Duration,
    /// All such times together.
    pub total: Duration,
    /// Probes that arrived again.
    pub duplicates: u64,
}

/// How a pair fared, the better the higher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Nothing arrives any more, though a way is left.
    Never,
    /// Nothing arrived for a time.
    Interrupted,
    /// All arrived.
    Unharmed,
    /// No way is left.
    CutOff,
    /// It did not work before.
    NotMeasured,
}

/// Probes that went into the same direction of a link more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loops {
    /// How many probes.
    pub frames: u64,
    /// How often they did.
    pub crossings: u64,
}

/// Count to infinity: bridges told one another of a root that none of them can reach any more, at ever higher costs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counting {
    /// The node that was the root.
    pub root: String,
    /// BPDUs of a bridge that names it at a higher cost than the bridge did before the failure.
    pub bpdus: u64,
    /// The highest cost.
    pub cost: u32,
    /// When the first was sent.
    pub first: Instant,
    /// When the last was sent.
    pub last: Instant,
}

impl Outcome {
    /// The pair that fared worst, and its index; none where nobody was interrupted.
    pub fn worst(&self) -> Option<(usize, &PairOutcome)> {
        let hurt = self
            .pairs
            .iter()
            .enumerate()
            .filter(|(_, p)| matches!(p.state, State::Never | State::Interrupted));
        // Of equals the first.
        hurt.min_by_key(|(_, pair)| (pair.state, std::cmp::Reverse((pair.longest, pair.total))))
    }

    /// How many pairs fared so.
    pub fn count(&self, state: State) -> usize {
        self.pairs.iter().filter(|pair| pair.state == state).count()
    }

    /// Whether the network did not do what it should: heal where there is a way, without a storm.
    pub fn is_bad(&self) -> bool {
        self.storm.is_some() || self.count(State::Never) > 0
    }

    /// The higher, the worse: a storm, pairs that never come back, the longest outage, all outages, loops, count to
    /// infinity, the time to settle.
    pub fn badness(&self) -> impl Ord + use<> {
        let outages = self.pairs.iter().filter(|pair| pair.state == State::Interrupted);
        (
            self.storm.is_some(),
            self.count(State::Never),
            outages.clone().map(|pair| pair.longest).max(),
            outages.map(|pair| pair.total).sum::<Duration>(),
            self.loops.crossings,
            self.counting.iter().map(|counting| counting.bpdus).sum::<u64>(),
            self.settled,
        )
    }
}
