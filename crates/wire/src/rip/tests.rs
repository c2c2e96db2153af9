//! Messages octet by octet, and each fault.

use super::*;

fn octets(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

fn emitted(message: &Message) -> Vec<u8> {
    let mut out = Vec::new();
    message.emit(&mut out);
    out
}

/// The octets are this message, both ways.
fn check(text: &str, message: &Message) {
    let octets = octets(text);
    assert_eq!(emitted(message), octets);
    assert_eq!(Message::parse(&octets), Ok(Parsed { message: message.clone(), faults: Vec::new() }));
}

fn prefix(text: &str) -> trunkline_core::Ipv4Prefix {
    match text.parse().unwrap() {
        trunkline_core::Prefix::V4(prefix) => prefix,
        trunkline_core::Prefix::V6(_) => unreachable!("an IPv6 prefix"),
    }
}

#[test]
fn a_request_for_the_whole_table() {
    // RFC 2453 §3.9.1
    let message = Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE]);
    check("01 02 0000  0000 0000 00000000 00000000 00000000 00000010", &message);
    assert!(message.asks_for_whole_table());
    let two = Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE; 2]);
    assert!(!two.asks_for_whole_table());
    assert!(!Message::new(Command::Response, 2, vec![Entry::WHOLE_TABLE]).asks_for_whole_table());
    // "If there are no entries, no response is given": it is a message all the same.
    check("01 01 0000", &Message::new(Command::Request, 1, vec![]));
}

#[test]
fn responses_of_both_versions() {
    // RFC 2453 §3.6
    let v1 = Message::new(
        Command::Response,
        1,
        vec![Entry::v1([128, 6, 4, 0].into(), 3), Entry::v1([0, 0, 0, 0].into(), 16)],
    );
    check(
        "02 01 0000  0002 0000 80060400 00000000 00000000 00000003
                     0002 0000 00000000 00000000 00000000 00000010",
        &v1,
    );
    // RFC 2453 §4
    let v2 = Message::new(
        Command::Response,
        2,
        vec![Entry::v2(prefix("198.51.100.64/26"), 0xfde8, [192, 0, 2, 7].into(), 1)],
    );
    check("02 02 0000  0002 fde8 c6336440 ffffffc0 c0000207 00000001", &v2);
    assert_eq!(v2.entries[0].prefix(), Some(prefix("198.51.100.64/26")));
    assert_eq!(v1.entries[0].prefix(), None, "no mask");
    assert_eq!(v1.entries[1].prefix(), Some(prefix("0.0.0.0/0")));
}

#[test]
fn a_password() {
    // RFC 2453 §4.1: "left-justified and padded to the right with nulls"
    let mut message = Message::new(Command::Request, 2, vec![Entry::WHOLE_TABLE]);
    message.authentication = Some(Authentication::Password(*b"secret\0\0\0\0\0\0\0\0\0\0"));
    check(
        "01 02 0000  ffff 0002 73656372 65740000 00000000 00000000
                     0000 0000 00000000 00000000 00000000 00000010",
        &message,
    );
    assert!(message.asks_for_whole_table());
    assert!(!format!("{message:?}").contains("secret") && !format!("{message:?}").contains("115"));
}

#[test]
fn a_digest() {
    // RFC 4822 §2.1: packet length 44 (0x2c), key 5, 16 octets of data, sequence 256
    let digest: Digest = (0xa0..0xb0).collect();
    let mut message =
        Message::new(Command::Response, 2, vec![Entry::v2(prefix("10.0.0.0/8"), 0, [0; 4].into(), 2)]);
    message.authentication = Some(Authentication::Cryptographic { key_id: 5, sequence: 256, digest });
    let text = "02 02 0000  ffff 0003 002c 05 10 00000100 00000000 00000000
                            0002 0000 0a000000 ff000000 00000000 00000002
                ffff 0001 a0a1a2a3 a4a5a6a7 a8a9aaab acadaeaf";
    check(text, &message);
    assert_eq!(digest_range(&octets(text)), Some(48..64));
    assert_eq!(digest_range(&emitted(&Message::new(Command::Response, 2, vec![]))), None);
}

#[test]
fn what_is_no_message() {
    use crate::Malformed;
    let digest = "02 02 0000  ffff 0003 0018 05 10 00000100 00000000 00000000
                  ffff 0001 a0a1a2a3 a4a5a6a7 a8a9aaab acadaeaf";
    assert!(Message::parse(&octets(digest)).is_ok());
    // Some count the trailer's first four octets too.
    let counted = digest.replace("0018 05 10", "0018 05 14");
    assert_eq!(Message::parse(&octets(&counted)), Message::parse(&octets(digest)));
    let change = |at: usize, to: u8| {
        let mut octets = octets(digest);
        octets[at] = to;
        octets
    };
    for (octets, problem) in [
        (octets("02 02 00"), Malformed::truncated("RIP header")),
        (octets("02 02 0000 0002"), Malformed::length("RIP entries")),
        (octets("02 02 0000 ffff 0002 00"), Malformed::truncated("RIP authentication")),
        (change(9, 200), Malformed::truncated("RIP packet length")),
        (change(9, 23), Malformed::length("RIP packet length")),
        (change(9, 25), Malformed::value("RIP authentication trailer")),
        (change(11, 15), Malformed::length("RIP authentication data length")),
    ] {
        assert_eq!(Message::parse(&octets), Err(problem), "{octets:02x?}");
    }
    // RFC 2453 §3.6, §4.1: 25 entries, authentication is one of them.
    for (authentication, most) in [(None, 25), (Some(Authentication::Password([1; 16])), 24)] {
        let full = Message { authentication, ..Message::new(Command::Response, 2, vec![entry(); most]) };
        let mut octets = emitted(&full);
        assert_eq!(Message::parse(&octets).map(|parsed| parsed.message), Ok(full));
        octets.extend_from_slice(&[0; ENTRY_LEN]);
        assert_eq!(Message::parse(&octets), Err(Malformed::length("RIP entries")));
    }
}

fn entry() -> Entry {
    Entry::v2(prefix("10.1.0.0/16"), 0, [0; 4].into(), 1)
}

#[test]
fn a_bad_entry_is_ignored_and_the_others_are_used() {
    // RFC 2453 §3.9.2
    let good = entry();
    let with = |change: fn(&mut Entry)| {
        let mut entry = good;
        change(&mut entry);
        entry
    };
    for (bad, fault) in [
        (with(|e| e.address_family = 10), EntryFault::AddressFamily),
        (with(|e| e.address_family = 0xffff), EntryFault::Authentication),
        (with(|e| e.metric = 0), EntryFault::Metric),
        (with(|e| e.metric = 17), EntryFault::Metric),
        (with(|e| e.metric = 0x0100_0001), EntryFault::Metric),
        (with(|e| e.address = [127, 0, 0, 0].into()), EntryFault::Address),
        (with(|e| e.address = [0, 1, 0, 0].into()), EntryFault::Address),
        (with(|e| e.address = [0, 0, 0, 0].into()), EntryFault::Address),
        (with(|e| e.address = [224, 0, 0, 0].into()), EntryFault::Address),
        (with(|e| e.address = [240, 0, 0, 0].into()), EntryFault::Address),
        (with(|e| e.subnet_mask = [255, 0, 255, 0].into()), EntryFault::SubnetMask),
        (with(|e| e.subnet_mask = [255, 0, 0, 0].into()), EntryFault::HostBits),
    ] {
        let octets = emitted(&Message::new(Command::Response, 2, vec![good, bad, good]));
        let parsed = Message::parse(&octets).unwrap();
        assert_eq!(parsed.message.entries, [good, good]);
        assert_eq!(parsed.faults, [Fault::Entry(bad, fault)], "{fault}");
        // A request is answered entry by entry (RFC 2453 §3.9.1): all are there.
        let octets = emitted(&Message::new(Command::Request, 2, vec![good, bad, good]));
        let parsed = Message::parse(&octets).unwrap();
        assert_eq!((parsed.message.entries.len(), parsed.faults.len()), (3, 0));
    }
}

#[test]
fn version_1_has_fields_that_must_be_zero() {
    // RFC 1058 §3.4, RFC 2453 §5
    let clean = emitted(&Message::new(Command::Response, 1, vec![Entry::v1([10, 0, 0, 0].into(), 1)]));
    assert_eq!(Message::parse(&clean).map(|parsed| parsed.faults), Ok(vec![]));
    for at in [2, 3, 6, 7, 12, 15, 16, 19] {
        let mut octets = clean.clone();
        octets[at] = 128;
        let parsed = Message::parse(&octets).unwrap();
        assert!(parsed.faults.contains(&Fault::MustBeZero), "octet {at}");
        // "RIP messages of any version greater than 1 should not be discarded"
        octets[1] = 3;
        assert!(!Message::parse(&octets).unwrap().faults.contains(&Fault::MustBeZero));
    }
}

#[test]
fn networks_have_classes() {
    for (first, length) in [
        (0, None),
        (1, Some(8)),
        (126, Some(8)),
        (127, None),
        (128, Some(16)),
        (191, Some(16)),
        (192, Some(24)),
        (223, Some(24)),
        (224, None),
        (255, None),
    ] {
        assert_eq!(natural_len([first, 1, 1, 1].into()), length, "{first}");
    }
}
