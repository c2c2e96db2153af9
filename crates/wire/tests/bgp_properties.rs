//! `parse(emit(x)) == x` for every format of BGP; arbitrary bytes never panic; builders say what they were given.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test")]

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use std::net::{Ipv4Addr, Ipv6Addr};
use trunkline_core::{Asn, Ipv4Prefix, Ipv6Prefix};
use trunkline_wire::bgp::{self, *};

fn asn() -> impl Strategy<Value = Asn> {
    prop_oneof![1u32..=65535, 1u32..=u32::MAX].prop_map(Asn)
}

fn ipv4() -> impl Strategy<Value = Ipv4Addr> {
    any::<u32>().prop_map(Ipv4Addr::from)
}

/// An address that may be a next hop: neither 0.0.0.0 nor class D or E.
fn host() -> impl Strategy<Value = Ipv4Addr> {
    (1u32..0xe000_0000).prop_map(Ipv4Addr::from)
}

fn ipv6() -> impl Strategy<Value = Ipv6Addr> {
    any::<u128>().prop_map(Ipv6Addr::from)
}

fn prefix4() -> impl Strategy<Value = Ipv4Prefix> {
    (any::<u32>(), 0u8..=32).prop_map(|(bits, len)| Ipv4Prefix::from_bits(bits, len))
}

fn prefix6() -> impl Strategy<Value = Ipv6Prefix> {
    (any::<u128>(), 0u8..=128).prop_map(|(bits, len)| Ipv6Prefix::from_bits(bits, len))
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![
        Just(Family::IPV4_UNICAST),
        Just(Family::IPV6_UNICAST),
        (any::<u16>(), any::<u8>()).prop_map(|(afi, safi)| Family::from_codes(afi, safi)),
    ]
}

fn capability() -> impl Strategy<Value = Capability> {
    let stale =
        (family(), any::<bool>(), 0u32..1 << 24).prop_map(|(family, forwarding_state, stale_time)| {
            LongLivedStaleTime { family, forwarding_state, stale_time }
        });
    let role = (0u8..5).prop_map(|code| Capability::Role(Role::from_code(code).unwrap()));
    let restart = (any::<[bool; 2]>(), 0u16..4096, vec((family(), any::<bool>()), 0..5)).prop_map(
        |([restart_state, notification], restart_time, families)| Capability::GracefulRestart {
            restart_state,
            notification,
            restart_time,
            families,
        },
    );
    prop_oneof![
        family().prop_map(Capability::Multiprotocol),
        Just(Capability::RouteRefresh),
        vec((family(), any::<u16>().prop_map(Afi::from)), 0..5).prop_map(Capability::ExtendedNextHop),
        Just(Capability::ExtendedMessage),
        role,
        restart,
        asn().prop_map(Capability::FourOctetAs),
        vec((family(), any::<u8>()), 0..5).prop_map(Capability::AddPath),
        Just(Capability::EnhancedRouteRefresh),
        vec(stale, 0..5).prop_map(Capability::LongLivedGracefulRestart),
        ("\\PC{0,30}", "\\PC{0,30}")
            .prop_map(|(host_name, domain_name)| Capability::Fqdn { host_name, domain_name }),
        "\\PC{0,60}".prop_map(Capability::SoftwareVersion),
        (76u8.., vec(any::<u8>(), 0..=255)).prop_map(|(code, value)| Capability::Unknown { code, value }),
    ]
}

fn open() -> impl Strategy<Value = Open> {
    let parameter = prop_oneof![
        vec(capability(), 0..8).prop_map(OptionalParameter::Capabilities),
        (3u8..255, vec(any::<u8>(), 0..300))
            .prop_map(|(kind, value)| OptionalParameter::Unknown { kind, value }),
    ];
    let hold_time = prop_oneof![Just(0u16), 3u16..];
    (any::<u16>(), hold_time, 1u32.., vec(parameter, 0..4)).prop_map(|(my_as, hold_time, id, parameters)| {
        Open { version: VERSION, my_as, hold_time, bgp_identifier: id.into(), parameters }
    })
}

fn as_path() -> impl Strategy<Value = AsPath> {
    let kind = prop_oneof![3 => Just(SegmentKind::Sequence), 1 => Just(SegmentKind::Set)];
    let segment = (kind, vec(asn(), 1..20)).prop_map(|(kind, asns)| AsPathSegment { kind, asns });
    vec(segment, 0..4).prop_map(|segments| AsPath { segments })
}

prop_compose! {
    fn lists()(
        communities in vec(any::<u32>().prop_map(Community), 0..100),
        cluster_list in vec(ipv4(), 0..5),
        extended_communities in vec(any::<[u8; 8]>().prop_map(ExtendedCommunity), 0..40),
        ipv6_extended_communities in vec(any::<[u8; 20]>().prop_map(Ipv6ExtendedCommunity), 0..20),
        large in proptest::collection::btree_set(any::<[u8; 12]>(), 0..40),
        unknown in proptest::collection::btree_map(
            prop_oneof![11u8..14, 19u8..25, 36u8..], vec(any::<u8>(), 0..300), 0..3),
    ) -> Attributes {
        let unknown = unknown.into_iter().map(|(code, value)| {
            let flags = flag::OPTIONAL | flag::TRANSITIVE | flag::PARTIAL;
            UnknownAttribute { flags, code, value }
        });
        Attributes {
            communities,
            cluster_list,
            extended_communities,
            ipv6_extended_communities,
            large_communities: large.into_iter().map(LargeCommunity::from_octets).collect(),
            unknown: unknown.collect(),
            ..Attributes::default()
        }
    }
}

prop_compose! {
    fn attributes()(
        origin in (0u8..3).prop_map(Origin::from_code),
        as_path in as_path().prop_map(Some),
        next_hop in option::of(host()),
        med in option::of(any::<u32>()),
        local_pref in option::of(any::<u32>()),
        atomic_aggregate: bool,
        aggregator in option::of((asn(), ipv4())),
        originator_id in option::of(ipv4()),
        only_to_customer in option::of(asn()),
        lists in lists(),
        partial: [bool; 6],
    ) -> Attributes {
        let mut attributes = Attributes {
            origin, as_path, next_hop, med, local_pref, atomic_aggregate, aggregator, originator_id,
            only_to_customer, ..lists
        };
        let present = [
            (7, attributes.aggregator.is_some()),
            (8, !attributes.communities.is_empty()),
            (16, !attributes.extended_communities.is_empty()),
            (25, !attributes.ipv6_extended_communities.is_empty()),
            (32, !attributes.large_communities.is_empty()),
            (35, attributes.only_to_customer.is_some()),
        ];
        for ((code, present), partial) in present.into_iter().zip(partial) {
            if present && partial {
                attributes.partial.set(code);
            }
        }
        attributes
    }
}

/// The body of the one whole message in `out`.
fn body(out: &[u8], kind: MessageType) -> &[u8] {
    let frame = bgp::frame(out, MAX_EXTENDED_MESSAGE_LEN).unwrap().unwrap();
    assert_eq!((frame.kind, frame.message.len()), (kind, out.len()));
    frame.body
}

const INTERNAL: ParseContext = ParseContext { four_octet_as: true, ebgp: false, extended_next_hop: true };

proptest! {
    #[test]
    fn open_round_trips(open in open()) {
        let mut out = Vec::new();
        for emit in [Open::emit, Open::emit_extended] {
            out.clear();
            emit(&open, &mut out);
            if out.len() <= MAX_MESSAGE_LEN {
                prop_assert_eq!(&Open::parse(body(&out, MessageType::Open)), &Ok(open.clone()));
            }
        }
    }

    #[test]
    fn capability_round_trips(capability in capability()) {
        let mut out = Vec::new();
        capability.emit(&mut out);
        prop_assert_eq!(out.len(), 2 + usize::from(out[1]));
        prop_assert_eq!(&Capability::parse(out[0], &out[2..]), &capability);
        prop_assert!(!capability.is_malformed());
        prop_assert!(!capability.to_string().is_empty());
    }

    #[test]
    fn notification_round_trips(code: u8, subcode: u8, data in vec(any::<u8>(), 0..4075)) {
        let n = Notification { code, subcode, data };
        let mut out = Vec::new();
        n.emit(&mut out);
        prop_assert_eq!(&Notification::parse(body(&out, MessageType::Notification)), &Ok(n.clone()));
        prop_assert_eq!(Notification::hard_reset(&n).encapsulated(), Some(n));
    }

    #[test]
    fn communication_round_trips(text in "\\PC{1,80}") {
        let n = Notification::with_communication(ErrorCode::ADMINISTRATIVE_RESET, &text);
        let said = n.communication().unwrap();
        prop_assert!(text.starts_with(said) && (said.len() == text.len() || said.len() > 251));
    }

    #[test]
    fn route_refresh_round_trips(family in family(), subtype: u8) {
        let refresh = RouteRefresh { family, subtype: RouteRefreshSubtype::from(subtype) };
        let mut out = Vec::new();
        refresh.emit(&mut out);
        prop_assert_eq!(RouteRefresh::parse(body(&out, MessageType::RouteRefresh)), Ok(refresh));
    }

    #[test]
    fn texts_round_trip(
        family in family(), community: u32, extended: [u8; 8], target in (asn(), any::<u16>()),
        large: [u8; 12], path in as_path(),
    ) {
        prop_assert_eq!(family.to_string().parse(), Ok(family));
        let community = Community(community);
        prop_assert_eq!(community.to_string().parse(), Ok(community));
        let extended = ExtendedCommunity(extended);
        prop_assert_eq!(extended.to_string().parse(), Ok(extended));
        let target = ExtendedCommunity::route_target(target.0, target.1.into()).unwrap();
        prop_assert_eq!(target.to_string().parse(), Ok(target));
        let large = LargeCommunity::from_octets(large);
        prop_assert_eq!(large.to_string().parse(), Ok(large));
        let text = path.to_string();
        prop_assert_eq!(text.parse::<AsPath>().unwrap().to_string(), text);
    }

    #[test]
    fn attributes_round_trip(attributes in attributes()) {
        let mut out = Vec::new();
        attributes.emit(true, &mut out);
        let parsed = parse_attributes(&out, false, &INTERNAL);
        prop_assert_eq!(&parsed.faults, &[]);
        prop_assert_eq!(parsed.attributes, attributes);
        let codes: Vec<u8> = raw_attributes(&out).map(|r| r.unwrap().code).collect();
        prop_assert!(codes.is_sorted());
    }

    // RFC 6793 §4.2.2 and §4.2.3: what goes through a two-octet speaker comes out the same, but for how sequences
    // are cut into segments.
    #[test]
    fn attributes_survive_two_octet_speakers(mut attributes in attributes()) {
        let mut out = Vec::new();
        attributes.emit(false, &mut out);
        let ctx = ParseContext { four_octet_as: false, ..INTERNAL };
        let mut parsed = parse_attributes(&out, false, &ctx);
        prop_assert_eq!(&parsed.faults, &[]);
        let text = |a: &mut Attributes| a.as_path.take().map(|p| p.to_string());
        prop_assert_eq!(text(&mut parsed.attributes), text(&mut attributes));
        prop_assert_eq!(parsed.attributes, attributes);
    }

    #[test]
    fn as_path_prepends(path in as_path(), asn in asn(), n in 0usize..600) {
        let mut longer = path.clone();
        longer.prepend(asn, n);
        prop_assert_eq!(longer.path_length(), path.path_length() + n);
        prop_assert!(longer.segments.iter().all(|s| s.asns.len() <= 255));
        if n > 0 {
            prop_assert_eq!(longer.first_as(), Some(asn));
            prop_assert_eq!(longer.neighbor_as(), Some(asn));
        }
        prop_assert!(longer.asns().skip(n).eq(path.asns()));
    }

    #[test]
    fn frames_are_found_in_a_stream(bodies in vec((1u8..=5, vec(any::<u8>(), 10..100)), 0..10), cut: usize) {
        let mut stream = Vec::new();
        for (kind, body) in &bodies {
            match kind {
                4 => emit_keepalive(&mut stream),
                kind => {
                    stream.extend([0xff; 16]);
                    stream.extend((HEADER_LEN as u16 + body.len() as u16).to_be_bytes());
                    stream.push(*kind);
                    stream.extend(body);
                }
            }
        }
        let mut rest = stream.as_slice();
        for (kind, body) in &bodies {
            let f = bgp::frame(rest, MAX_MESSAGE_LEN).unwrap().unwrap();
            prop_assert_eq!(f.kind.code(), *kind);
            if *kind != 4 {
                prop_assert_eq!(f.body, body.as_slice());
            }
            // A message that is not all there yet is waited for.
            let part = &f.message[..cut % f.message.len()];
            prop_assert_eq!(bgp::frame(part, MAX_MESSAGE_LEN), Ok(None));
            rest = &rest[f.message.len()..];
        }
        prop_assert_eq!(bgp::frame(rest, MAX_MESSAGE_LEN), Ok(None));
    }

    #[test]
    fn ipv4_updates_say_what_they_were_given(
        prefixes in vec(prefix4(), 0..3000), attributes in attributes(), max_len in 23usize..5000,
    ) {
        let attributes = Attributes { next_hop: Some([192, 0, 2, 1].into()), ..attributes };
        let mut block = Vec::new();
        attributes.emit(true, &mut block);
        let (mut rest, mut announced, mut out) = (prefixes.as_slice(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            out.clear();
            let n = emit_update_ipv4(max_len, &block, rest, &mut out);
            if n == 0 {
                prop_assert!(out.is_empty());
                // No room for the attributes and a prefix of at most five octets.
                prop_assert!(23 + block.len() + 5 > max_len);
                return Ok(());
            }
            prop_assert!(out.len() <= max_len);
            prop_assert!(n == rest.len() || out.len() + 5 > max_len, "not full: {} of {max_len}", out.len());
            let update = Update::new_checked(body(&out, MessageType::Update)).unwrap();
            prop_assert_eq!((update.withdrawn_routes, update.path_attributes), (&[][..], block.as_slice()));
            announced.extend(ipv4_prefixes(update.nlri).map(Result::unwrap));
            prop_assert_eq!(parse_attributes(update.path_attributes, true, &INTERNAL).attributes, attributes.clone());
            rest = &rest[n..];
        }
        prop_assert_eq!(announced, prefixes);
    }

    #[test]
    fn ipv4_withdrawals_say_what_they_were_given(prefixes in vec(prefix4(), 0..3000), max_len in 28usize..5000) {
        let (mut rest, mut withdrawn, mut out) = (prefixes.as_slice(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            out.clear();
            let n = emit_withdraw_ipv4(max_len, rest, &mut out);
            prop_assert!(n > 0 && out.len() <= max_len);
            let update = Update::new_checked(body(&out, MessageType::Update)).unwrap();
            prop_assert!(update.path_attributes.is_empty() && update.nlri.is_empty());
            withdrawn.extend(ipv4_prefixes(update.withdrawn_routes).map(Result::unwrap));
            rest = &rest[n..];
        }
        prop_assert_eq!(withdrawn, prefixes);
    }

    #[test]
    fn multiprotocol_updates_say_what_they_were_given(
        prefixes in vec(prefix6(), 0..1000), attributes in attributes(), max_len in 23usize..70000,
        global in ipv6(), link_local in option::of(ipv6()),
    ) {
        let max_len = max_len.min(MAX_EXTENDED_MESSAGE_LEN);
        let attributes = Attributes { next_hop: None, ..attributes };
        let next_hop = MpNextHop::V6 { global, link_local };
        let mut block = Vec::new();
        attributes.emit(true, &mut block);
        let (mut rest, mut announced, mut out) = (prefixes.as_slice(), Vec::new(), Vec::new());
        while !rest.is_empty() {
            out.clear();
            let n = emit_mp_reach(max_len, Family::IPV6_UNICAST, next_hop, &block, rest, &mut out);
            if n == 0 {
                prop_assert!(23 + block.len() + 9 + next_hop.len() + 17 > max_len);
                break;
            }
            prop_assert!(out.len() <= max_len);
            let update = Update::new_checked(body(&out, MessageType::Update)).unwrap();
            let parsed = parse_attributes(update.path_attributes, false, &INTERNAL);
            prop_assert_eq!(&parsed.faults, &[]);
            prop_assert_eq!(&parsed.attributes, &attributes);
            let reach = parsed.reach.unwrap();
            prop_assert_eq!((reach.family, reach.next_hop), (Family::IPV6_UNICAST, next_hop));
            // RFC 7606 §5.1: it comes first.
            prop_assert_eq!(update.raw_attributes().next().unwrap().unwrap().code, attribute::MP_REACH_NLRI);
            announced.extend(ipv6_prefixes(reach.nlri).map(Result::unwrap));
            rest = &rest[n..];
        }
        prop_assert_eq!(&announced, &prefixes[..announced.len()]);

        let (mut rest, mut withdrawn) = (prefixes.as_slice(), Vec::new());
        while !rest.is_empty() && max_len > 60 {
            out.clear();
            let n = emit_mp_unreach(max_len, Family::IPV6_UNICAST, rest, &mut out);
            prop_assert!(n > 0 && out.len() <= max_len);
            let update = Update::new_checked(body(&out, MessageType::Update)).unwrap();
            let unreach = parse_attributes(update.path_attributes, false, &INTERNAL).unreach.unwrap();
            withdrawn.extend(ipv6_prefixes(unreach.withdrawn).map(Result::unwrap));
            rest = &rest[n..];
        }
        prop_assert!(max_len <= 60 || withdrawn == prefixes);
    }

    #[test]
    fn end_of_rib_is_recognised(family in family()) {
        let mut out = Vec::new();
        emit_end_of_rib(family, &mut out);
        let update = Update::new_checked(body(&out, MessageType::Update)).unwrap();
        prop_assert_eq!(update.end_of_rib(), Some(family));
    }

    #[test]
    fn arbitrary_bytes_never_panic(
        bytes in vec(any::<u8>(), 0..600), four_octet_as: bool, ebgp: bool, extended_next_hop: bool, nlri: bool,
    ) {
        let ctx = ParseContext { four_octet_as, ebgp, extended_next_hop };
        let _ = bgp::frame(&bytes, MAX_MESSAGE_LEN);
        let _ = Open::parse(&bytes).map(|o| o.capabilities().map(ToString::to_string).count());
        let _ = Notification::parse(&bytes).map(|n| n.to_string());
        let _ = RouteRefresh::parse(&bytes);
        let _ = Update::new_checked(&bytes).map(|u| u.end_of_rib());
        prop_assert!(ipv4_prefixes(&bytes).filter(Result::is_err).count() <= 1);
        prop_assert!(ipv6_prefixes(&bytes).filter(Result::is_err).count() <= 1);
        let parsed = parse_attributes(&bytes, nlri, &ctx);
        for fault in &parsed.faults {
            prop_assert!(!fault.to_string().is_empty() && fault.to_notification().code == 3);
        }
    }
}
