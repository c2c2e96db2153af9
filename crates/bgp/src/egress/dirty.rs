//! A set of destinations as a bitmap of two levels: bounded by the table, whatever happens to it.

use crate::rib::table::RouteIdx;

/// Destinations of which something is to be told.
#[derive(Debug, Default, Clone)]
pub(crate) struct RouteSet {
    words: Vec<u64>,
    /// One bit for each word that is not zero.
    summary: Vec<u64>,
    len: u32,
    /// Where [`RouteSet::take`] goes on, so that low places do not starve high ones.
    cursor: u32,
}

impl RouteSet {
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn len(&self) -> u32 {
        self.len
    }

    pub(crate) fn contains(&self, idx: RouteIdx) -> bool {
        self.words.get(idx.0 as usize / 64).is_some_and(|w| w & (1 << (idx.0 % 64)) != 0)
    }

    #[inline]
    pub(crate) fn insert(&mut self, idx: RouteIdx) {
        let at = idx.0 as usize / 64;
        if at >= self.words.len() {
            let len = (at + 1).next_multiple_of(64);
            self.words.resize(len, 0);
            self.summary.resize(len / 64, 0);
        }
        let bit = 1 << (idx.0 % 64);
        self.len += u32::from(self.words[at] & bit == 0);
        self.words[at] |= bit;
        self.summary[at / 64] |= 1 << (at % 64);
    }

    /// Inserts all below `end`.
    pub(crate) fn fill(&mut self, end: u32) {
        if end == 0 {
            return;
        }
        self.insert(RouteIdx(end - 1));
        let (whole, rest) = (end as usize / 64, end % 64);
        self.words[..whole].fill(!0);
        if rest > 0 {
            self.words[whole] |= (1 << rest) - 1;
        }
        let words = end.div_ceil(64) as usize;
        (0..words).for_each(|at| self.summary[at / 64] |= 1 << (at % 64));
        self.len = self.words.iter().map(|word| word.count_ones()).sum();
    }

    pub(crate) fn remove(&mut self, idx: RouteIdx) {
        let at = idx.0 as usize / 64;
        let Some(word) = self.words.get_mut(at) else { return };
        let bit = 1 << (idx.0 % 64);
        self.len -= u32::from(*word & bit != 0);
        *word &= !bit;
        if *word == 0 {
            self.summary[at / 64] &= !(1 << (at % 64));
        }
    }

    /// Adds or removes.
    pub(crate) fn set(&mut self, idx: RouteIdx, present: bool) {
        if present {
            self.insert(idx);
        } else {
            self.remove(idx);
        }
    }

    /// The first member that is not below `from`.
    pub(crate) fn next(&self, from: u32) -> Option<RouteIdx> {
        let at = from as usize / 64;
        let rest = self.words.get(at)? & !0 << (from % 64);
        let (at, word) = if rest != 0 {
            (at, rest)
        } else {
            let next = at + 1;
            let rest = self.summary.get(next / 64)? & !0 << (next % 64);
            let mut further = self.summary.iter().copied().enumerate().skip(next / 64 + 1);
            let (at, summary) =
                if rest != 0 { (next / 64, rest) } else { further.find(|(_, word)| *word != 0)? };
            let at = at * 64 + summary.trailing_zeros() as usize;
            (at, self.words[at])
        };
        Some(RouteIdx(at as u32 * 64 + word.trailing_zeros()))
    }

    /// The members in order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = RouteIdx> + '_ {
        self.words.iter().enumerate().filter(|(_, w)| **w != 0).flat_map(|(at, word)| {
            let mut rest = *word;
            std::iter::from_fn(move || {
                let bit = (rest != 0).then(|| rest.trailing_zeros())?;
                rest &= rest - 1;
                Some(RouteIdx(at as u32 * 64 + bit))
            })
        })
    }

    /// Moves about `limit` members to `out`, going round.
    pub(crate) fn take(&mut self, limit: usize, out: &mut Vec<RouteIdx>) {
        let words = self.summary.len();
        let mut at = self.cursor as usize / 64;
        for _ in 0..=words {
            if self.len == 0 || out.len() >= limit {
                break;
            }
            if at >= words {
                at = 0;
            }
            while out.len() < limit && self.summary[at] != 0 {
                let word_at = at * 64 + self.summary[at].trailing_zeros() as usize;
                let mut word = std::mem::take(&mut self.words[word_at]);
                self.len -= word.count_ones();
                self.summary[at] &= self.summary[at] - 1;
                while word != 0 {
                    out.push(RouteIdx(word_at as u32 * 64 + word.trailing_zeros()));
                    word &= word - 1;
                }
            }
            if self.summary[at] == 0 {
                at += 1;
            }
        }
        self.cursor = at as u32 * 64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    proptest! {
        #[test]
        fn behaves_like_a_set(ops in prop::collection::vec((0u32..20_000, 0u8..3), 1..400)) {
            let (mut set, mut model) = (RouteSet::default(), BTreeSet::new());
            for (i, op) in ops {
                if i % 50 == 0 {
                    set.fill(i / 10);
                    model.extend(0..i / 10);
                }
                match op {
                    0 => { set.insert(RouteIdx(i)); model.insert(i); }
                    1 => { set.remove(RouteIdx(i)); model.remove(&i); }
                    _ => {
                        let mut taken = Vec::new();
                        set.take((i % 7) as usize, &mut taken);
                        for t in &taken { prop_assert!(model.remove(&t.0)); }
                        prop_assert!(i % 7 == 0 || model.is_empty() || !taken.is_empty());
                    }
                }
                prop_assert_eq!(set.len() as usize, model.len());
                prop_assert_eq!(set.next(i).map(|x| x.0), model.range(i..).next().copied());
                prop_assert!(set.iter().map(|x| x.0).eq(model.iter().copied()));
            }
        }
    }
}
