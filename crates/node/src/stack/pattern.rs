//! Octets that repeat without end, as transfers and the character generator send them: sliced, not made anew.

/// The most octets of a slice.
pub(super) const CHUNK: usize = 64 * 1024;

/// A stream that repeats; made at its first use.
#[derive(Debug)]
pub(super) struct Pattern {
    period: usize,
    octet: fn(usize) -> u8,
    octets: Vec<u8>,
}

impl Pattern {
    /// A stream with a period, and the octet at each place of it.
    pub(super) const fn new(period: usize, octet: fn(usize) -> u8) -> Pattern {
        Pattern { period, octet, octets: Vec::new() }
    }

    /// The octets from a place on; at most `limit`, and at most [`CHUNK`].
    pub(super) fn from(&mut self, at: u64, limit: u64) -> &[u8] {
        if self.octets.is_empty() {
            self.octets = (0..self.period + CHUNK).map(|at| (self.octet)(at % self.period)).collect();
        }
        let start = (at % self.period as u64) as usize;
        let length = limit.min(CHUNK as u64) as usize;
        self.octets.get(start..start + length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_goes_on_where_it_was() {
        let mut pattern = Pattern::new(7, |at| at as u8);
        assert_eq!(pattern.from(5, 4), [5, 6, 0, 1]);
        assert_eq!(pattern.from(u64::MAX, 1), [(u64::MAX % 7) as u8]);
        let all = pattern.from(6, u64::MAX);
        assert_eq!((all.len(), all[0], all[CHUNK - 1]), (CHUNK, 6, ((CHUNK + 5) % 7) as u8));
    }
}
