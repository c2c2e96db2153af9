//! MRT records of every type this crate reads, and faults (RFC 6396).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

mod common;

use common::hex;
use proptest::prelude::*;
use trunkline_wire::bgp::MpNextHop;
use trunkline_wire::mrt::{MrtFault, MrtFaultKind, RecordBody, records};

/// A dump of one record.
fn record(kind: u16, subtype: u16, message: &str) -> Vec<u8> {
    let message = hex(message);
    let mut dump = hex("5c2aad80");
    dump.extend(kind.to_be_bytes());
    dump.extend(subtype.to_be_bytes());
    dump.extend((message.len() as u32).to_be_bytes());
    dump.extend(message);
    dump
}

fn body(dump: &[u8]) -> Result<RecordBody<'_>, MrtFault> {
    let mut walk = records(dump);
    let record = walk.next().unwrap()?;
    assert!(walk.next().is_none());
    record.body()
}

#[test]
fn table_dump_v2() {
    // §4.3.1: an IPv6 peer of a four-octet AS, and an IPv4 peer of a two-octet one.
    let dump = record(
        13,
        1,
        "c0000201 0002 7631 0002 03 c0000202 20010db8000000000000000000000001 fa56ea01 00 c0000203 c0000204 fde9",
    );
    let Ok(RecordBody::PeerIndexTable(table)) = body(&dump) else { panic!("a peer index table") };
    assert_eq!(table.view_name, "v1");
    let peers: Vec<String> = table.peers.iter().map(|p| format!("{} {}", p.ip, p.asn)).collect();
    assert_eq!(peers, ["2001:db8::1 4200000001", "192.0.2.4 65001"]);

    // §4.3.2, §4.3.4: the MP_REACH_NLRI is only a next hop.
    let attributes = "40010100 800e1110 20010db8000000000000000000000002 4002060201fa56ea01";
    let dump =
        record(13, 4, &format!("00000007 20 20010db8 0001 0001 5c2aad80 {:04x} {attributes}", 4 + 20 + 9));
    let Ok(RecordBody::Rib(rib)) = body(&dump) else { panic!("a RIB: {:?}", body(&dump)) };
    assert_eq!(rib.prefix.to_string(), "2001:db8::/32");
    let entries: Vec<_> = rib.entries.collect();
    let parsed = entries[0].parse();
    assert_eq!((entries.len(), entries[0].peer_index), (1, 1));
    assert_eq!(parsed.faults, []);
    assert_eq!(parsed.attributes.as_path.unwrap().to_string(), "4200000001");
    assert_eq!(parsed.mp_next_hop.as_ref().map(MpNextHop::to_string).as_deref(), Some("2001:db8::2"));

    // §4.3.3: RIB_GENERIC of a family of prefixes, and of another.
    let dump = record(13, 6, "00000007 0001 02 08 e9 0000");
    let Ok(RecordBody::Rib(rib)) = body(&dump) else { panic!("a RIB") };
    assert_eq!(
        (rib.family.to_string(), rib.prefix.to_string()),
        ("ipv4-multicast".into(), "233.0.0.0/8".into())
    );
    assert_eq!(body(&record(13, 6, "00000007 0019 46 00")), Ok(RecordBody::Unknown));
}

#[test]
fn bgp4mp_et_and_state_changes() {
    // RFC 6396 §3, §4.4.4.
    let dump = record(17, 5, "000f4240 0000fde9 0000fdea 0000 0001 c0000201 c0000202 0005 0006");
    let first = records(&dump).next().unwrap().unwrap();
    assert_eq!(first.microseconds, 1_000_000);
    let Ok(RecordBody::StateChange(change)) = first.body() else { panic!("a state change") };
    assert_eq!((change.old_state, change.new_state, change.session.peer_as.0), (5, 6, 65001));
    let dump = record(
        16,
        6,
        "fde9 fdea 0000 0002 20010db8000000000000000000000001 20010db8000000000000000000000002 ff",
    );
    let Ok(RecordBody::Message(m)) = body(&dump) else { panic!("a message") };
    assert!(m.local && !m.four_octet_as);
    assert_eq!(m.message, [0xff]);
}

#[test]
fn faults() {
    use MrtFaultKind::*;
    let table = [
        (record(16, 5, "0000fde9"), FieldCut),
        (record(16, 0, "fde9 fdea 0000 0003 c0000201 c0000202 0005 0006"), AddressFamily),
        (record(16, 0, "fde9 fdea 0000 0001 c0000201 c0000202 0005 0006 00"), Trailing),
        (record(17, 5, "0000"), FieldCut),
        (record(12, 1, "0000 0000 0a000000 21 01 00000000 c0000201 fde9 0000"), PrefixLength),
        (record(12, 1, "0000 0000 0a000000 20 01 00000000 c0000201 fde9 0001"), FieldCut),
        (record(13, 1, "c0000201 0001 ff 0000"), ViewName),
        (record(13, 1, "c0000201 0000 0001"), FieldCut),
        (record(13, 2, "00000000 21 0a000000 00 0000"), PrefixLength),
        (record(13, 2, "00000000 08 0a 0001 0000 00000000 0001"), FieldCut),
        (record(13, 2, "00000000 08 0a 0000 00"), Trailing),
        (hex("5c2aad80 0010 0004"), HeaderCut),
        (hex("5c2aad80 0010 0004 00000001"), RecordCut),
    ];
    for (dump, what) in table {
        assert_eq!(body(&dump), Err(MrtFault { offset: 0, what }), "{dump:02x?}");
    }
    assert_eq!(body(&record(48, 1, "00")), Ok(RecordBody::Unknown));
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(kind in 11u16..19, subtype in 0u16..9, message in proptest::collection::vec(any::<u8>(), 0..300)) {
        let text: String = message.iter().map(|b| format!("{b:02x}")).collect();
        let dump = record(kind, subtype, &text);
        for record in records(&dump).flatten() {
            if let Ok(RecordBody::Rib(rib)) = record.body() {
                rib.entries.for_each(|e| drop(e.parse()));
            }
        }
        let _ = records(&message).count();
    }
}
