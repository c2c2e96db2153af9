//! Every error of RFC 7606 and RFC 4271 §6.3 in path attributes as a row: bytes in; severity, exact subcode and data
//! out.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::{hex, summary};
use trunkline_wire::bgp::*;

const ORIGIN_IGP: &str = "400101 00";
const PATH: &str = "400206 0201 0000fde9";
const HOP: &str = "400304 c0000201";

/// A row of the table of attribute faults: attributes beside a good ORIGIN, AS_PATH and NEXT_HOP unless it has
/// them itself; severity, the NOTIFICATION (as if it were sent) and the section.
type Row = (&'static str, Severity, &'static str, &'static str);

#[test]
fn attribute_errors_rfc_7606() {
    use Severity::*;
    let table: &[Row] = &[
        // §3 c: flags. RFC 4271 §6.3: data is the attribute.
        ("c00101 00", TreatAsWithdraw, "3/4 c0010100", "RFC 7606 §3 c"),
        ("000101 00", TreatAsWithdraw, "3/4 00010100", "RFC 7606 §3 c"),
        ("c00206 0201 0000fde9", TreatAsWithdraw, "3/4 c0020602010000fde9", "RFC 7606 §3 c"),
        ("800304 c0000201", TreatAsWithdraw, "3/4 800304c0000201", "RFC 7606 §3 c"),
        ("c00404 00000001", TreatAsWithdraw, "3/4 c0040400000001", "RFC 7606 §3 c"),
        ("c00600", TreatAsWithdraw, "3/4 c00600", "RFC 7606 §3 c"),
        ("400708 0000fde9 c0000201", TreatAsWithdraw, "3/4 4007080000fde9c0000201", "RFC 7606 §3 c"),
        ("800804 fde90064", TreatAsWithdraw, "3/4 800804fde90064", "RFC 7606 §3 c"),
        (
            "40200c 000000010000000200000003",
            TreatAsWithdraw,
            "3/4 40200c000000010000000200000003",
            "RFC 7606 §3 c",
        ),
        // §3 g: duplicates.
        ("400101 00 400101 01", AttributeDiscard, "3/1", "RFC 7606 §3 g"),
        ("c06300 c06300", AttributeDiscard, "3/1", "RFC 7606 §3 g"),
        ("800f03 000201 800f03 000201", SessionReset, "3/1", "RFC 7606 §3 g"),
        // §4: the list does not fill its field.
        ("40", TreatAsWithdraw, "3/1", "RFC 7606 §4"),
        ("4005", TreatAsWithdraw, "3/1", "RFC 7606 §4"),
        ("500500", TreatAsWithdraw, "3/1", "RFC 7606 §4"),
        ("400504 000000", TreatAsWithdraw, "3/1", "RFC 7606 §4"),
        // §7.1 ORIGIN.
        ("400100", TreatAsWithdraw, "3/5 400100", "RFC 7606 §7.1"),
        ("400102 0000", TreatAsWithdraw, "3/5 4001020000", "RFC 7606 §7.1"),
        ("400101 03", TreatAsWithdraw, "3/6 40010103", "RFC 7606 §7.1"),
        // §7.2 AS_PATH.
        ("400206 0501 0000fde9", TreatAsWithdraw, "3/11", "RFC 7606 §7.2"),
        ("400206 0001 0000fde9", TreatAsWithdraw, "3/11", "RFC 7606 §7.2"),
        ("400206 0202 0000fde9", TreatAsWithdraw, "3/11", "RFC 7606 §7.2"),
        ("400207 0201 0000fde9 02", TreatAsWithdraw, "3/11", "RFC 7606 §7.2"),
        ("400202 0200", TreatAsWithdraw, "3/11", "RFC 7606 §7.2"),
        ("400206 0301 0000fde9", TreatAsWithdraw, "3/11", "RFC 5065 §5"),
        ("400206 0401 0000fde9", TreatAsWithdraw, "3/11", "RFC 5065 §5"),
        ("400206 0201 00000000", TreatAsWithdraw, "3/11", "RFC 7607 §2"),
        // §7.3 NEXT_HOP; §3 e and RFC 4271 §6.3 for its value.
        ("400303 c00002", TreatAsWithdraw, "3/5 400303c00002", "RFC 7606 §7.3"),
        ("400300", TreatAsWithdraw, "3/5 400300", "RFC 7606 §7.3"),
        ("400304 00000000", TreatAsWithdraw, "3/8 40030400000000", "RFC 7606 §3 e"),
        ("400304 e0000001", TreatAsWithdraw, "3/8 400304e0000001", "RFC 7606 §3 e"),
        ("400304 ffffffff", TreatAsWithdraw, "3/8 400304ffffffff", "RFC 7606 §3 e"),
        // §7.4 MULTI_EXIT_DISC.
        ("800403 000001", TreatAsWithdraw, "3/5 800403000001", "RFC 7606 §7.4"),
        // §7.5 LOCAL_PREF (the table is read as from an internal neighbor).
        ("400500", TreatAsWithdraw, "3/5 400500", "RFC 7606 §7.5"),
        // §7.6 ATOMIC_AGGREGATE.
        ("400601 00", AttributeDiscard, "3/5 40060100", "RFC 7606 §7.6"),
        // §7.7 AGGREGATOR.
        ("c00706 fde9 c0000201", AttributeDiscard, "3/5 c00706fde9c0000201", "RFC 7606 §7.7"),
        ("c00700", AttributeDiscard, "3/5 c00700", "RFC 7606 §7.7"),
        ("c00708 00000000 c0000201", AttributeDiscard, "3/9 c0070800000000c0000201", "RFC 7607 §2"),
        // §7.8 Community.
        ("c00800", TreatAsWithdraw, "3/5 c00800", "RFC 7606 §7.8"),
        ("c00805 fde9006400", TreatAsWithdraw, "3/5 c00805fde9006400", "RFC 7606 §7.8"),
        // §7.9, §7.10.
        ("800903 000001", TreatAsWithdraw, "3/5 800903000001", "RFC 7606 §7.9"),
        ("800a00", TreatAsWithdraw, "3/5 800a00", "RFC 7606 §7.10"),
        ("800a03 000001", TreatAsWithdraw, "3/5 800a03000001", "RFC 7606 §7.10"),
        // §5.3, §7.11, §7.12: multiprotocol. RFC 4760 §7: Optional Attribute Error.
        ("800e04 00020110", SessionReset, "3/9 800e0400020110", "RFC 7606 §7.11"),
        ("800e03 000201", SessionReset, "3/9 800e03000201", "RFC 7606 §5.3"),
        ("800e09 000201 04 c0000201 00", SessionReset, "3/9 800e0900020104c000020100", "RFC 7606 §7.11"),
        ("800f02 0002", SessionReset, "3/9 800f020002", "RFC 7606 §5.3"),
        ("c00f03 000201", SessionReset, "3/4 c00f03000201", "RFC 7606 §5.3"),
        // RFC 8950 §4 was not agreed.
        (
            "800e15 000101 10 20010db8000000000000000000000001 00",
            SessionReset,
            "3/9 800e150001011020010db800000000000000000000000100",
            "RFC 7606 §7.11",
        ),
        // §7.14, §7.15.
        ("c01007 00000000000000", TreatAsWithdraw, "3/5 c0100700000000000000", "RFC 7606 §7.14"),
        ("c01000", TreatAsWithdraw, "3/5 c01000", "RFC 7606 §7.14"),
        ("c01901 00", TreatAsWithdraw, "3/5 c0190100", "RFC 7606 §7.15"),
        // RFC 6793 §6: from a speaker of four-octet numbers.
        ("c01106 0201 0000fde9", AttributeDiscard, "3/9 c0110602010000fde9", "RFC 6793 §6"),
        ("c01208 0000fde9 c0000201", AttributeDiscard, "3/9 c012080000fde9c0000201", "RFC 6793 §6"),
        // RFC 8092 §6; RFC 9234 §5.
        ("c02000", TreatAsWithdraw, "3/5 c02000", "RFC 8092 §6"),
        ("c0200b 0000000000000000000000", TreatAsWithdraw, "3/5 c0200b0000000000000000000000", "RFC 8092 §6"),
        ("c02303 00fde9", TreatAsWithdraw, "3/5 c0230300fde9", "RFC 9234 §5"),
        // RFC 4271 §6.3, which RFC 7606 left as it was: unrecognized well-known.
        ("406301 07", SessionReset, "3/2 40630107", "RFC 4271 §6.3"),
        ("006300", SessionReset, "3/2 006300", "RFC 4271 §6.3"),
    ];
    let ctx = ParseContext { four_octet_as: true, ebgp: false, extended_next_hop: false };
    for (row, severity, notification, section) in table {
        let own = hex(row);
        let mut block = Vec::new();
        for (code, good) in [(1, ORIGIN_IGP), (2, PATH), (3, HOP)] {
            if own.get(1) != Some(&code) {
                block.extend(hex(good));
            }
        }
        let offset = block.len();
        block.extend(&own);
        let parsed = parse_attributes(&block, true, &ctx);
        let [fault] = parsed.faults.as_slice() else { panic!("{row}: {:?}", parsed.faults) };
        assert_eq!(fault.severity, *severity, "{row}");
        assert_eq!(summary(&fault.to_notification()), *notification, "{row}");
        assert_eq!(fault.section, *section, "{row}");
        assert!(fault.offset >= offset && fault.offset < block.len(), "{row}");
        assert_eq!(parsed.severity(), Some(*severity));
    }
}

#[test]
fn missing_well_known_attributes() {
    // RFC 7606 §3 d; RFC 4271 §6.3: data is the type code.
    let ctx = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    let reach = "800e19 000201 10 20010db8000000000000000000000001 00 20 20010db8".replace("19", "1a");
    let table = [
        (format!("{PATH}{HOP}"), true, "3/3 01"),
        (format!("{ORIGIN_IGP}{HOP}"), true, "3/3 02"),
        (format!("{ORIGIN_IGP}{PATH}"), true, "3/3 03"),
        (String::new(), true, "3/3 01, 3/3 02, 3/3 03"),
        (format!("{reach}{PATH}"), false, "3/3 01"),
        (format!("{reach}{ORIGIN_IGP}{PATH}"), false, ""),
        (reach.clone(), true, "3/3 01, 3/3 02, 3/3 03"),
        // No routes, no need; LOCAL_PREF is not asked for.
        (String::new(), false, ""),
        (HOP.to_owned(), false, ""),
    ];
    for (block, has_nlri, want) in table {
        let block = hex(&block);
        let parsed = parse_attributes(&block, has_nlri, &ctx);
        let got: Vec<String> = parsed.faults.iter().map(|f| summary(&f.to_notification())).collect();
        assert_eq!(got.join(", "), want, "{block:02x?}");
        assert!(parsed.faults.iter().all(|f| f.severity == Severity::TreatAsWithdraw));
    }
}

#[test]
fn attributes_without_routes_reset_the_session() {
    // RFC 7606 §5.2: whatever is more than attribute discard.
    let ctx = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    let severity = |block: &str, has_nlri| parse_attributes(&hex(block), has_nlri, &ctx).severity();
    assert_eq!(severity("400101 03", false), Some(Severity::SessionReset));
    assert_eq!(severity("800f03 000201 400101 03", false), Some(Severity::SessionReset));
    assert_eq!(severity("400601 00", false), Some(Severity::AttributeDiscard));
    let all = format!("{ORIGIN_IGP}{PATH}{HOP}800403 000001");
    assert_eq!(severity(&all, true), Some(Severity::TreatAsWithdraw));
    assert_eq!(severity(&all, false), Some(Severity::SessionReset));
}

#[test]
fn next_hop_beside_mp_reach_is_ignored() {
    // RFC 4760 §3.
    let ctx = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    let reach = "800e1a 000201 10 20010db8000000000000000000000001 00 20 20010db8";
    let block = hex(&format!("{reach}{ORIGIN_IGP}{PATH}400304 00000000"));
    let parsed = parse_attributes(&block, false, &ctx);
    assert_eq!(parsed.faults, []);
    assert_eq!(parsed.attributes.next_hop, None);
}

#[test]
fn extended_next_hop_rfc_8950() {
    let ctx = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: true };
    let block = hex("800e15 000101 10 20010db8000000000000000000000001 00");
    let parsed = parse_attributes(&block, false, &ctx);
    assert_eq!(parsed.faults, []);
    assert_eq!(parsed.reach.unwrap().next_hop.to_string(), "2001:db8::1");
}

#[test]
fn internal_attributes_from_outside_are_discarded() {
    // RFC 7606 §7.5, §7.9, §7.10: whatever their value.
    let ctx = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    for (row, section) in [
        ("400504 00000064", "RFC 7606 §7.5"),
        ("400503 000064", "RFC 7606 §7.5"),
        ("800904 c0000201", "RFC 7606 §7.9"),
        ("800a04 c0000201", "RFC 7606 §7.10"),
    ] {
        let parsed = parse_attributes(&hex(row), false, &ctx).faults;
        assert_eq!(parsed.len(), 1);
        assert_eq!((parsed[0].severity, parsed[0].section), (Severity::AttributeDiscard, section));
        assert_eq!(parsed[0].what, FaultKind::FromExternal);
    }
    let inside = ParseContext { ebgp: false, ..ctx };
    let parsed =
        parse_attributes(&hex("400504 00000064 800904 c0000201 800a04 c0000201"), false, &inside).attributes;
    assert_eq!(parsed.local_pref, Some(100));
    assert_eq!(parsed.originator_id, Some([192, 0, 2, 1].into()));
    assert_eq!(parsed.cluster_list.len(), 1);
}

#[test]
fn unknown_attributes_rfc_4271_section_5() {
    let ctx = ParseContext { four_octet_as: true, ebgp: true, extended_next_hop: false };
    // Optional non-transitive: dropped quietly. Optional transitive: kept, out with the Partial bit.
    let block = hex("806301 07 d0630001 08 c06401 09");
    let parsed = parse_attributes(&block, false, &ctx);
    let mut out = Vec::new();
    parsed.attributes.emit(true, &mut out);
    // 99 came twice, first as one to drop; the second is a duplicate (RFC 7606 §3 g).
    assert_eq!(parsed.faults.len(), 1);
    assert_eq!(out, hex("e06401 09"));
    let block = hex("d0630001 08");
    let parsed = parse_attributes(&block, false, &ctx);
    let mut out = Vec::new();
    parsed.attributes.emit(true, &mut out);
    assert_eq!(out, hex("e06301 08"));
}

#[test]
fn two_octet_speakers_rfc_6793() {
    let ctx = ParseContext { four_octet_as: false, ebgp: true, extended_next_hop: false };
    let path = |block: &str| {
        let block = hex(block);
        let parsed = parse_attributes(&block, false, &ctx);
        (parsed.attributes.as_path.unwrap().to_string(), parsed.attributes.aggregator, parsed.faults.len())
    };
    let four: std::net::Ipv4Addr = [192, 0, 2, 1].into();
    // 1 AS_TRANS 3 with AS4_PATH 4200000001 3.
    let as_path = "400208 0203 0001 5ba0 0003";
    let as4 = "c0110a 0202 fa56ea01 00000003";
    assert_eq!(path(&format!("{as_path}{as4}")), ("1 4200000001 3".to_owned(), None, 0));
    // AGGREGATOR not AS_TRANS: AS4_PATH and AS4_AGGREGATOR are stale.
    let stale = format!("{as_path}c00706 0009 c0000201 {as4} c01208 fa56ea01 c0000202");
    assert_eq!(path(&stale), ("1 23456 3".to_owned(), Some((trunkline_core::Asn(9), four)), 0));
    // AS_TRANS: AS4_AGGREGATOR is the one.
    let fresh = format!("{as_path}c00706 5ba0 c0000201 {as4} c01208 fa56ea01 c0000202");
    let (text, aggregator, faults) = path(&fresh);
    assert_eq!((text.as_str(), faults), ("1 4200000001 3", 0));
    assert_eq!(aggregator.unwrap().0, trunkline_core::Asn(4_200_000_001));
    // Malformed AS4_PATH: discarded. Confederation segments in it: only these are (§6).
    for bad in [
        "c01105 0201 0000fd",
        "c01100",
        "c01106 0202 0000fde9",
        "c01106 0901 0000fde9",
        "c01106 0201 00000000",
    ] {
        assert_eq!(path(&format!("{as_path}{bad}")), ("1 23456 3".to_owned(), None, 1), "{bad}");
    }
    let confed = "c01110 0301 0000fde8 0202 fa56ea01 00000003";
    assert_eq!(path(&format!("{as_path}{confed}")), ("1 4200000001 3".to_owned(), None, 1));
}
