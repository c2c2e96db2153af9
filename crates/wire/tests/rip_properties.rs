//! RIP: `parse(emit(x)) == x`; arbitrary octets never panic, and what they parse to survives.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::Index;
use std::net::Ipv4Addr;
use trunkline_core::Ipv4Prefix;
use trunkline_wire::rip::{Authentication, Command, Entry, Fault, Message, digest_range};

/// A destination that RFC 2453 §3.9.2 accepts.
fn prefix() -> impl Strategy<Value = Ipv4Prefix> {
    prop_oneof![
        Just(Ipv4Prefix::from_bits(0, 0)),
        (1u32..224, any::<u32>(), 8u8..=32)
            .prop_filter("net 127", |(first, ..)| *first != 127)
            .prop_map(|(first, rest, len)| Ipv4Prefix::from_bits(first << 24 | rest >> 8, len)),
    ]
}

/// An entry that a response may have.
fn sound() -> impl Strategy<Value = Entry> {
    (prefix(), any::<u16>(), any::<u32>(), 1u8..=16)
        .prop_map(|(prefix, tag, next_hop, metric)| Entry::v2(prefix, tag, Ipv4Addr::from(next_hop), metric))
}

/// Any entry.
fn arbitrary() -> impl Strategy<Value = Entry> {
    (any::<(u16, u16, u32)>(), any::<(u32, u32, u32)>()).prop_map(
        |((family, tag, address), (mask, hop, metric))| Entry {
            address_family: if family == 0xffff { 2 } else { family },
            route_tag: tag,
            address: address.into(),
            subnet_mask: mask.into(),
            next_hop: hop.into(),
            metric,
        },
    )
}

fn authentication() -> impl Strategy<Value = Authentication> {
    prop_oneof![
        any::<[u8; 16]>().prop_map(Authentication::Password),
        (any::<u8>(), any::<u32>(), vec(any::<u8>(), 0..=255)).prop_map(|(key_id, sequence, digest)| {
            Authentication::Cryptographic { key_id, sequence, digest: digest.into() }
        }),
        (4u16.., any::<[u8; 16]>()).prop_map(|(kind, value)| Authentication::Unknown(kind, value)),
    ]
}

proptest! {
    #[test]
    fn version_2_messages(
        authentication in option::of(authentication()),
        response in vec(sound(), 0..=24),
        request in vec(arbitrary(), 0..=24),
        version in 2u8..,
        unused: u16,
        code in 3u8..,
    ) {
        for (command, entries) in
            [(Command::Response, response), (Command::Request, request.clone()), (Command::Unknown(code), request)]
        {
            let message = Message { command, version, unused, authentication: authentication.clone(), entries };
            let mut octets = Vec::new();
            message.emit(&mut octets);
            let parsed = Message::parse(&octets).unwrap();
            prop_assert_eq!(&parsed.message, &message);
            prop_assert_eq!(parsed.faults, vec![]);
            let range = digest_range(&octets).map(|range| octets[range].to_vec());
            match message.authentication {
                Some(Authentication::Cryptographic { digest, .. }) => prop_assert_eq!(range, Some(digest.to_vec())),
                _ => prop_assert_eq!(range, None),
            }
        }
    }

    #[test]
    fn version_1_messages(routes in vec((prefix(), 1u8..=16), 0..=25)) {
        let entries = routes.iter().map(|(prefix, metric)| Entry::v1(prefix.addr(), *metric)).collect();
        let message = Message::new(Command::Response, 1, entries);
        let mut octets = Vec::new();
        message.emit(&mut octets);
        let parsed = Message::parse(&octets).unwrap();
        prop_assert_eq!((parsed.message, parsed.faults), (message, vec![]));
    }

    #[test]
    fn prefixes_survive(prefix in prefix(), metric in 1u8..=16) {
        let entry = Entry::v2(prefix, 0, Ipv4Addr::UNSPECIFIED, metric);
        prop_assert_eq!((entry.prefix(), entry.check(), entry.metric()), (Some(prefix), Ok(()), metric));
    }

    #[test]
    fn what_arbitrary_entries_parse_to_survives(entries in vec(prop_oneof![sound(), arbitrary()], 0..=25), version: u8) {
        let mut octets = Vec::new();
        Message::new(Command::Response, version, entries.clone()).emit(&mut octets);
        let parsed = Message::parse(&octets).unwrap();
        let bad = parsed.faults.iter().filter(|fault| matches!(fault, Fault::Entry(..))).count();
        prop_assert_eq!(parsed.message.entries.len() + bad, entries.len());
        prop_assert!(parsed.message.entries.iter().all(|entry| entry.check().is_ok()));
        let mut again = Vec::new();
        parsed.message.emit(&mut again);
        prop_assert_eq!(Message::parse(&again).unwrap().message, parsed.message);
    }

    #[test]
    fn arbitrary_octets_never_panic(mut octets in vec(any::<u8>(), 0..600), command in 0u8..4, version in 0u8..4) {
        let _ = (Message::parse(&octets), digest_range(&octets));
        if let [c, v, _, _, family @ .., _] = &mut octets[..] {
            (*c, *v) = (command, version);
            if let [f0, f1, k0, k1, ..] = family {
                (*f0, *f1, *k0, *k1) = (0xff, 0xff, 0, 2 + (command & 1));
            }
        }
        let _ = (Message::parse(&octets), digest_range(&octets));
    }

    #[test]
    fn a_damaged_message_never_panics(entries in vec(sound(), 0..=9), at: Index, value: u8, end: Index) {
        let digest = (0..20).collect();
        let authentication = Some(Authentication::Cryptographic { key_id: 1, sequence: 2, digest });
        let mut octets = Vec::new();
        Message { authentication, ..Message::new(Command::Response, 2, entries) }.emit(&mut octets);
        let at = at.index(octets.len());
        octets[at] = value;
        let _ = Message::parse(&octets);
        let _ = Message::parse(&octets[..end.index(octets.len())]);
    }
}
