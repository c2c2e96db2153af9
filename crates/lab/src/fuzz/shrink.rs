//! Delta debugging: the few of many that matter.

/// The most tries.
const MAX_TRIES: usize = 200;

/// Leaves out as much as it can of what is still bad: first halves, then smaller parts, at last single items. (Zeller and
/// Hildebrandt, "Simplifying and isolating failure-inducing input", 2002.)
pub(super) fn shrink<T: Clone>(all: &[T], is_bad: &dyn Fn(&[T]) -> bool) -> Vec<T> {
    let mut left = all.to_vec();
    let mut part = left.len().div_ceil(2);
    let mut tries = 0;
    while part > 0 && !left.is_empty() && tries < MAX_TRIES {
        let mut start = 0;
        let before = left.len();
        while start < left.len() && tries < MAX_TRIES {
            let end = (start + part).min(left.len());
            let without: Vec<T> = left[..start].iter().chain(&left[end..]).cloned().collect();
            tries += 1;
            if is_bad(&without) {
                left = without;
            } else {
                start = end;
            }
        }
        // Once more with single items, as long as that helps.
        part = if part == 1 && left.len() == before { 0 } else { (part / 2).max(1) };
    }
    left
}
