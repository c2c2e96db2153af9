//! Real tables and updates: everything parses, and what was canonical comes out again byte for byte.
//!
//! What does not is counted by reason; nothing may be left unexplained. Run with `--nocapture` for the counts.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use flate2::read::MultiGzDecoder;
use std::collections::BTreeMap;
use std::io::Read;
use std::path::PathBuf;
use trunkline_core::{Ipv4Prefix, Ipv6Prefix};
use trunkline_wire::bgp::{self, *};
use trunkline_wire::mrt::{self, RecordBody};

/// The decompressed dump; where it is missing, the test fails and says where it belongs.
fn dump(name: &str) -> Vec<u8> {
    let directory = std::env::var_os("TRUNKLINE_DATA")
        .map(PathBuf::from)
        .unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data"));
    let path = directory.join(name);
    let file = std::fs::File::open(&path).unwrap_or_else(|e| {
        panic!("{e}: expected the MRT dump {} (TRUNKLINE_DATA names another directory)", path.display())
    });
    let mut bytes = Vec::new();
    MultiGzDecoder::new(file).read_to_end(&mut bytes).expect("a gzip file");
    bytes
}

/// Counts by name, printed at the end.
#[derive(Default, Debug)]
struct Counts(BTreeMap<String, usize>);

impl Counts {
    fn add(&mut self, what: impl Into<String>) {
        *self.0.entry(what.into()).or_default() += 1;
    }

    fn get(&self, what: &str) -> usize {
        self.0.get(what).copied().unwrap_or_default()
    }

    fn print(&self, title: &str) {
        println!("{title}");
        for (what, n) in &self.0 {
            println!("{n:9} {what}");
        }
    }
}

/// Why an attribute block is not as we would write it; the block as it would be if these were all the reasons.
fn canonical(block: &[u8], parsed: &ParsedAttributes<'_>, has_nlri: bool) -> (Vec<&'static str>, Vec<u8>) {
    let mut reasons = Vec::new();
    let mut kept: Vec<(u8, u8, Vec<u8>)> = Vec::new();
    let mut seen = [false; 256];
    for raw in raw_attributes(block) {
        let raw = raw.expect("a whole attribute");
        let first = !std::mem::replace(&mut seen[usize::from(raw.code)], true);
        if matches!(raw.code, attribute::MP_REACH_NLRI | attribute::MP_UNREACH_NLRI) {
            continue;
        }
        let discarded =
            parsed.faults.iter().any(|f| f.code == raw.code && f.severity == Severity::AttributeDiscard);
        if !first || discarded {
            reasons.push("attribute discarded with a fault");
            continue;
        }
        let known = attribute::name(raw.code).is_some();
        if !known && raw.flags & flag::TRANSITIVE == 0 {
            reasons.push("unknown optional non-transitive attribute dropped");
            continue;
        }
        if raw.code == attribute::NEXT_HOP && !has_nlri && parsed.reach.is_some() {
            reasons.push("NEXT_HOP beside MP_REACH_NLRI ignored");
            continue;
        }
        if raw.flags & flag::EXTENDED_LENGTH != 0 && raw.value.len() <= 255 {
            reasons.push("extended length without need");
        }
        if raw.flags & 0x0f != 0 {
            reasons.push("unused flag bits");
        }
        let mut flags = raw.flags;
        if !known && flags & flag::PARTIAL == 0 {
            reasons.push("Partial bit set on an unknown attribute");
            flags |= flag::PARTIAL;
        }
        kept.push((raw.code, flags, raw.value.to_vec()));
    }
    if !kept.is_sorted_by_key(|(code, ..)| *code) {
        reasons.push("order of type codes");
        kept.sort_by_key(|(code, ..)| *code);
    }
    let mut out = Vec::new();
    for (code, flags, value) in kept {
        emit_attribute(flags, code, &value, &mut out);
    }
    reasons.dedup();
    (reasons, out)
}

/// One block of attributes: no unexplained fault, and out again as it came in.
fn check_block(block: &[u8], has_nlri: bool, ctx: &ParseContext, counts: &mut Counts) -> (Attributes, bool) {
    let parsed = parse_attributes(block, has_nlri, ctx);
    for fault in &parsed.faults {
        counts.add(format!("fault: {fault}"));
    }
    let mut emitted = Vec::new();
    parsed.attributes.emit(ctx.four_octet_as, &mut emitted);
    let (reasons, expected) = canonical(block, &parsed, has_nlri);
    for reason in &reasons {
        counts.add(format!("not canonical: {reason}"));
    }
    if emitted != expected {
        // Confederation-free paths of two-octet speakers are merged with AS4_PATH: not the same bytes, same meaning.
        let has_as4 = raw_attributes(block).flatten().any(|r| r.code == attribute::AS4_PATH);
        counts.add(if has_as4 { "not canonical: AS4_PATH merged" } else { "unexplained" });
        if !has_as4 {
            println!("unexplained: {block:02x?}\n         as: {emitted:02x?}");
        }
    }
    // What we write we read back the same.
    let again = parse_attributes(&emitted, has_nlri, ctx);
    if parsed.attributes != again.attributes {
        counts.add("does not read back");
        println!("read: {:?}\nagain: {:?}", parsed.attributes, again.attributes);
    }
    counts.add("attribute blocks");
    if reasons.is_empty() && emitted == expected {
        counts.add("attribute blocks, canonical");
    }
    let canonical = reasons.is_empty() && emitted == expected;
    (parsed.attributes, canonical)
}

#[test]
fn table_dump_of_2002() {
    let dump = dump("bview.20020722.2337.gz");
    let ctx = ParseContext { four_octet_as: false, ebgp: true, extended_next_hop: false };
    let mut counts = Counts::default();
    for record in mrt::records(&dump) {
        let record = record.expect("a whole record");
        match record.body().expect("a readable record") {
            RecordBody::TableDump(entry) => {
                counts.add("TABLE_DUMP records");
                check_block(entry.attributes, true, &ctx, &mut counts);
            }
            other => panic!("unexpected record at {}: {other:?}", record.offset),
        }
    }
    counts.print("bview.20020722.2337");
    assert_eq!(counts.get("unexplained"), 0);
    // The dump does not change, so neither do the counts.
    assert_eq!(counts.get("TABLE_DUMP records"), 115_521);
    assert_eq!(counts.get("attribute blocks, canonical"), 115_513);
    assert_eq!(counts.get("fault: AGGREGATOR has the AS number 0: attribute discard (RFC 7607 §2)"), 8);
    assert_eq!(counts.get("does not read back"), 0);
}

#[test]
fn updates_of_2019() {
    let dump = dump("updates.20190101.0000.gz");
    let mut counts = Counts::default();
    let mut builder_equal = 0;
    for record in mrt::records(&dump) {
        let record = record.expect("a whole record");
        match record.body().expect("a readable record") {
            RecordBody::StateChange(_) => counts.add("state changes"),
            RecordBody::Message(m) => {
                let frame = bgp::frame(m.message, MAX_MESSAGE_LEN).expect("a good header").expect("whole");
                assert_eq!(frame.message.len(), m.message.len(), "one message a record");
                counts.add(frame.kind.to_string());
                let ctx =
                    ParseContext { four_octet_as: m.four_octet_as, ebgp: true, extended_next_hop: true };
                match frame.kind {
                    MessageType::Update => {
                        builder_equal += usize::from(check_update(&frame, &ctx, &mut counts));
                    }
                    MessageType::Open => check_emit(&frame, Open::parse(frame.body).unwrap(), Open::emit),
                    MessageType::Notification => {
                        check_emit(&frame, Notification::parse(frame.body).unwrap(), Notification::emit);
                    }
                    MessageType::Keepalive => check_emit(&frame, (), |(), out| emit_keepalive(out)),
                    MessageType::RouteRefresh => {
                        check_emit(&frame, RouteRefresh::parse(frame.body).unwrap(), RouteRefresh::emit);
                    }
                }
            }
            other => panic!("unexpected record at {}: {other:?}", record.offset),
        }
    }
    counts.print("updates.20190101.0000");
    println!("{builder_equal:9} UPDATEs that our builder writes byte for byte");
    assert_eq!(counts.get("unexplained"), 0);
    // The dump does not change, so neither do the counts.
    assert_eq!(counts.get("UPDATE"), 54_107);
    assert_eq!(counts.get("attribute blocks, canonical"), 32_392);
    assert_eq!(builder_equal, 24_523);
    assert_eq!(counts.0.keys().filter(|what| what.starts_with("fault")).count(), 0);
    assert_eq!(counts.get("does not read back"), 0);
}

fn check_emit<T>(frame: &Frame<'_>, value: T, emit: impl Fn(&T, &mut Vec<u8>)) {
    let mut out = Vec::new();
    emit(&value, &mut out);
    assert_eq!(out, frame.message);
}

fn v4(field: &[u8], counts: &mut Counts) -> Vec<Ipv4Prefix> {
    let prefixes: Vec<Ipv4Prefix> = ipv4_prefixes(field).map(|p| p.expect("a prefix")).collect();
    let mut out = Vec::new();
    prefixes.iter().for_each(|p| emit_ipv4_prefix(*p, &mut out));
    if out != field {
        counts.add(if out.len() == field.len() {
            "not canonical: host bits in a prefix"
        } else {
            "unexplained"
        });
    }
    prefixes
}

fn v6(field: &[u8], counts: &mut Counts) -> Vec<Ipv6Prefix> {
    let prefixes: Vec<Ipv6Prefix> = ipv6_prefixes(field).map(|p| p.expect("a prefix")).collect();
    let mut out = Vec::new();
    prefixes.iter().for_each(|p| emit_ipv6_prefix(*p, &mut out));
    if out != field {
        counts.add(if out.len() == field.len() {
            "not canonical: host bits in a prefix"
        } else {
            "unexplained"
        });
    }
    prefixes
}

/// Reads one UPDATE, and writes it again with the builder; whether the bytes were the same.
fn check_update(frame: &Frame<'_>, ctx: &ParseContext, counts: &mut Counts) -> bool {
    let update = Update::new_checked(frame.body).expect("three fields");
    if let Some(family) = update.end_of_rib() {
        counts.add(format!("End-of-RIB {family}"));
        let mut out = Vec::new();
        emit_end_of_rib(family, &mut out);
        let same = out == frame.message;
        if !same {
            counts.add("not canonical: End-of-RIB with extended length");
        }
        return same;
    }
    let (withdrawn, nlri) = (v4(update.withdrawn_routes, counts), v4(update.nlri, counts));
    let (attributes, canonical) = check_block(update.path_attributes, !nlri.is_empty(), ctx, counts);
    let parsed = parse_attributes(update.path_attributes, !nlri.is_empty(), ctx);
    let mut block = Vec::new();
    attributes.emit(ctx.four_octet_as, &mut block);

    let mut out = Vec::new();
    let parts = usize::from(!withdrawn.is_empty())
        + usize::from(!nlri.is_empty())
        + usize::from(parsed.reach.is_some())
        + usize::from(parsed.unreach.is_some());
    if let Some(reach) = parsed.reach {
        let prefixes = v6(reach.nlri, counts);
        assert_eq!(reach.family, Family::IPV6_UNICAST);
        let taken = emit_mp_reach(MAX_MESSAGE_LEN, reach.family, reach.next_hop, &block, &prefixes, &mut out);
        assert_eq!(taken, prefixes.len());
    }
    if let Some(unreach) = parsed.unreach {
        let prefixes = v6(unreach.withdrawn, counts);
        assert_eq!(emit_mp_unreach(MAX_MESSAGE_LEN, unreach.family, &prefixes, &mut out), prefixes.len());
    }
    if !withdrawn.is_empty() {
        assert_eq!(emit_withdraw_ipv4(MAX_MESSAGE_LEN, &withdrawn, &mut out), withdrawn.len());
    }
    if !nlri.is_empty() {
        let taken = emit_update_ipv4(MAX_MESSAGE_LEN, &block, &nlri, &mut out);
        // The Partial bit changes no length; but a route in a full message could grow by AS4_PATH.
        assert_eq!(taken, nlri.len());
    }
    check_rebuilt(&out, ctx, &update, &parsed, counts);
    if out == frame.message {
        return true;
    }
    let mp_first = raw_attributes(update.path_attributes)
        .flatten()
        .next()
        .is_none_or(|r| parsed.reach.is_none() || r.code == attribute::MP_REACH_NLRI);
    let mp_extended = raw_attributes(update.path_attributes)
        .flatten()
        .any(|r| matches!(r.code, 14 | 15) && r.flags & flag::EXTENDED_LENGTH != 0 && r.value.len() <= 255);
    let reason = match () {
        () if parts > 1 => "several kinds of routes in one message",
        () if parts == 0 => "no routes",
        () if !canonical => "attributes not canonical",
        () if !mp_first => "MP_REACH_NLRI not first",
        () if mp_extended => "extended length of a multiprotocol attribute without need",
        () => {
            println!("unexplained: {:02x?}\n         as: {out:02x?}", frame.message);
            "unexplained"
        }
    };
    counts.add(if reason == "unexplained" {
        reason.to_owned()
    } else {
        format!("message rewritten: {reason}")
    });
    false
}

/// The messages that the builder wrote instead say the same as the one received.
fn check_rebuilt(
    mut stream: &[u8],
    ctx: &ParseContext,
    update: &Update<'_>,
    parsed: &ParsedAttributes<'_>,
    counts: &mut Counts,
) {
    let (mut withdrawn, mut nlri, mut reach, mut unreach) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    while let Some(frame) = bgp::frame(stream, MAX_MESSAGE_LEN).expect("a good header") {
        let rebuilt = Update::new_checked(frame.body).expect("three fields");
        let again = parse_attributes(rebuilt.path_attributes, !rebuilt.nlri.is_empty(), ctx);
        assert_eq!(again.faults, []);
        withdrawn.extend(v4(rebuilt.withdrawn_routes, counts));
        nlri.extend(v4(rebuilt.nlri, counts));
        reach.extend(again.reach.map(|r| v6(r.nlri, counts)).unwrap_or_default());
        unreach.extend(again.unreach.map(|u| v6(u.withdrawn, counts)).unwrap_or_default());
        if !rebuilt.nlri.is_empty() || again.reach.is_some() {
            assert_eq!(again.attributes, parsed.attributes);
            assert_eq!(again.reach.map(|r| r.next_hop), parsed.reach.map(|r| r.next_hop));
        }
        stream = &stream[frame.message.len()..];
    }
    assert!(stream.is_empty());
    assert_eq!(withdrawn, v4(update.withdrawn_routes, counts));
    assert_eq!(nlri, v4(update.nlri, counts));
    assert_eq!(reach, parsed.reach.map(|r| v6(r.nlri, counts)).unwrap_or_default());
    assert_eq!(unreach, parsed.unreach.map(|u| v6(u.withdrawn, counts)).unwrap_or_default());
}
