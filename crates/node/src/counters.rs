//! Counters before and after: what rose while a neighbour's connections were tried.

use std::collections::BTreeMap;
use std::net::IpAddr;
use trunkline_core::{Duration, Instant};
use trunkline_view::facts::Counters;

/// What rose is told for a time between this and thrice this.
const SPAN: Duration = Duration::from_secs(30);

/// Neighbours of which something is remembered; beyond, all is forgotten and begun anew.
const MAX_NEIGHBORS: usize = 16 * 1024;

/// Counters at a time, by name.
type Sample = BTreeMap<String, u64>;

/// For each neighbour the counters at two times before now.
#[derive(Debug, Default)]
pub struct CounterHistory(BTreeMap<IpAddr, [(Instant, Sample); 2]>);

impl CounterHistory {
    /// A connection with a neighbour begins, or its end is looked at: keeps what the counters are now.
    pub fn note(&mut self, now: Instant, neighbor: IpAddr, current: &Sample) {
        if self.0.len() >= MAX_NEIGHBORS && !self.0.contains_key(&neighbor) {
            self.0.clear();
        }
        let new = || (now, current.clone());
        let kept = self.0.entry(neighbor).or_insert_with(|| [new(), new()]);
        let age = now.since(kept[1].0);
        if age > SPAN * 2 {
            *kept = [new(), new()];
        } else if age > SPAN {
            kept.swap(0, 1);
            kept[1] = new();
        }
    }

    /// What rose since the earlier time; nothing where there is none.
    pub fn rose(&mut self, now: Instant, neighbor: IpAddr, current: &Sample, whose: &str) -> Counters {
        self.note(now, neighbor, current);
        let Some([(since, before), _]) = self.0.get(&neighbor) else { return Counters::default() };
        let rise = |(name, count): (&String, &u64)| {
            let by = count.saturating_sub(before.get(name).copied().unwrap_or(0));
            (by > 0).then(|| (name.clone(), by))
        };
        Counters {
            seconds: now.since(*since).as_secs_f64(),
            whose: whose.to_owned(),
            rose: current.iter().filter_map(rise).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(count: u64) -> Sample {
        Sample::from([("TCPMD5NotFound".to_owned(), count), ("ListenOverflows".to_owned(), 7)])
    }

    #[test]
    fn what_rose_since_the_connections_before() {
        let (peer, at) = (IpAddr::from([192, 0, 2, 2]), |s| Instant::ZERO + Duration::from_secs(s));
        let mut history = CounterHistory::default();
        history.note(at(0), peer, &sample(5));
        let rose = history.rose(at(10), peer, &sample(8), "this node");
        assert_eq!((rose.seconds, rose.rose("TCPMD5NotFound"), rose.rose("ListenOverflows")), (10.0, 3, 0));
        history.note(at(31), peer, &sample(9));
        assert_eq!(history.rose(at(32), peer, &sample(9), "").rose("TCPMD5NotFound"), 4, "still since 0");
        history.note(at(62), peer, &sample(9));
        let rose = history.rose(at(63), peer, &sample(9), "");
        assert_eq!((rose.seconds, rose.rose.len()), (32.0, 0), "now since 31");
        assert_eq!(
            history.rose(at(500), peer, &sample(99), "").rose.len(),
            0,
            "nothing is known of long ago"
        );
    }
}
