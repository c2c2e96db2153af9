//! AS_PATH and AS4_PATH put together (RFC 6793 §4.2.3).

use super::{AsPath, AsPathSegment, SegmentKind};
use trunkline_core::Asn;

/// The most AS numbers that one path segment holds.
const MAX_SEGMENT: usize = 255;

/// The exact path: as much of the front of `as_path` as `as4_path` is short of, and then `as4_path`. Where `as4_path`
/// is the longer one it is ignored. Both without confederation segments in `as4_path` (RFC 6793 §6).
pub(super) fn merge(as_path: AsPath, as4_path: AsPath) -> AsPath {
    let Some(mut missing) = as_path.path_length().checked_sub(as4_path.path_length()) else { return as_path };
    let mut segments: Vec<AsPathSegment> = Vec::new();
    for mut segment in as_path.segments {
        match segment.kind {
            // Kept where it leads or follows one that is kept.
            SegmentKind::ConfedSequence | SegmentKind::ConfedSet => {}
            _ if missing == 0 => break,
            SegmentKind::Set => missing -= 1,
            SegmentKind::Sequence if segment.asns.len() > missing => {
                segment.asns.truncate(missing);
                segments.push(segment);
                break;
            }
            SegmentKind::Sequence => missing -= segment.asns.len(),
        }
        segments.push(segment);
    }
    for segment in as4_path.segments {
        match segments.last_mut().filter(|last| joins(last, &segment)) {
            Some(last) => last.asns.extend_from_slice(&segment.asns),
            None => segments.push(segment),
        }
    }
    AsPath { segments }
}

/// Whether two neighbouring segments say the same as one.
fn joins(a: &AsPathSegment, b: &AsPathSegment) -> bool {
    let sequences = a.kind == SegmentKind::Sequence && b.kind == SegmentKind::Sequence;
    sequences && a.asns.len() + b.asns.len() <= MAX_SEGMENT
}

/// Whether the AGGREGATOR shows that AS4_AGGREGATOR and AS4_PATH are stale: its AS is not AS_TRANS.
pub(super) fn as4_is_stale(aggregator: Asn) -> bool {
    aggregator != Asn::TRANS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_6793_section_4_2_3() {
        // AS_PATH, AS4_PATH, the path.
        let table = [
            ("1 23456 3", "4200000001 3", "1 4200000001 3"),
            ("1 2 3", "", "1 2 3"),
            ("23456", "4200000001", "4200000001"),
            // AS4_PATH longer: ignored.
            ("1 23456", "7 4200000001 3", "1 23456"),
            // A set counts one.
            ("1 {2 3} 23456", "4200000001", "1 {2 3} 4200000001"),
            ("1 2 {23456 3}", "2 {4200000001 3}", "1 2 {4200000001 3}"),
            // Confederation segments that lead, or follow what is taken.
            ("(9 8) 1 23456", "4200000001", "(9 8) 1 4200000001"),
            ("(9) 23456", "4200000001", "(9) 4200000001"),
            ("1 (9) 23456", "4200000001", "1 (9) 4200000001"),
            ("1 23456 (9)", "4200000001", "1 4200000001"),
        ];
        for (as_path, as4_path, want) in table {
            let merged = merge(as_path.parse().unwrap(), as4_path.parse().unwrap());
            assert_eq!(merged.to_string(), want, "{as_path} with {as4_path}");
        }
    }
}
