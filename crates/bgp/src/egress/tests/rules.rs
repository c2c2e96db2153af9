//! What leaves, and with which attributes, by section of the standards.

use super::rules;
use crate::egress::export::{ExportRules, local_attributes};
use crate::policy::{Action, Policy, PrefixList, Rule, Verdict};
use crate::rib::PeerFacts;
use crate::rib::attrs::AttrTable;
use crate::rib::table::{Path, PeerId};
use crate::rib::tests::attr_table;
use proptest::prelude::*;
use std::net::Ipv4Addr;
use std::sync::Arc;
use trunkline_core::{Asn, Prefix};
use trunkline_wire::bgp::*;

const OUR_AS: Asn = Asn(65000);

/// A path of neighbour 1 with these attributes.
fn path(attrs: &mut AttrTable, attributes: &Attributes, mp: Option<MpNextHop>) -> Path {
    let id = attrs.intern(attributes, mp);
    attrs.retain(id);
    Path::new(PeerId(1), 0, id, id, 0, 0)
}

fn source(external: bool, client: bool) -> PeerFacts {
    let facts = PeerFacts::new(Ipv4Addr::new(192, 0, 2, 101).into(), external);
    PeerFacts { client, router_id: u32::from_be_bytes([10, 0, 0, 1]), ..facts }
}

fn full() -> Attributes {
    Attributes {
        origin: Some(Origin::Egp),
        as_path: Some(AsPath::sequence([Asn(65001), Asn(400_000)])),
        next_hop: Some(Ipv4Addr::new(192, 0, 2, 101)),
        med: Some(5),
        local_pref: Some(200),
        atomic_aggregate: true,
        aggregator: Some((Asn(400_000), Ipv4Addr::new(1, 2, 3, 4))),
        communities: vec![Community(1), Community(2)],
        originator_id: Some(Ipv4Addr::new(10, 9, 9, 9)),
        cluster_list: vec![Ipv4Addr::new(10, 8, 8, 8)],
        extended_communities: vec![
            ExtendedCommunity([0, 2, 0, 1, 0, 0, 0, 1]),
            ExtendedCommunity([0x40, 2, 0, 1, 0, 0, 0, 1]),
        ],
        ipv6_extended_communities: vec![Ipv6ExtendedCommunity([0; 20]), Ipv6ExtendedCommunity([0x40; 20])],
        large_communities: vec![LargeCommunity::new(1, 2, 3)],
        unknown: vec![UnknownAttribute { flags: 0xc0, code: 99, value: vec![1, 2] }],
        ..Attributes::default()
    }
}

/// What a receiver reads.
fn told(
    rules: &ExportRules,
    attributes: &Attributes,
    mp: Option<MpNextHop>,
    from: PeerFacts,
) -> (Attributes, Option<MpNextHop>) {
    let mut attrs = attr_table();
    let path = path(&mut attrs, attributes, mp);
    let rule =
        rules.permit(|| "10.0.0.0/8".parse::<Prefix>().unwrap(), &path, &from, &attrs).expect("permitted");
    let mut block = Vec::new();
    let mp = rules.block(&path, rule, &from, &attrs, &mut block).expect("it can be said");
    let ctx = ParseContext { four_octet_as: rules.four_octet_as, ebgp: false, extended_next_hop: true };
    let parsed = parse_attributes(&block, mp.is_none(), &ctx);
    assert_eq!(parsed.faults, []);
    (parsed.attributes, mp)
}

fn policy(actions: Vec<Action>) -> Policy {
    let rules = vec![Rule { prefixes: Vec::new(), verdict: Verdict::Accept, actions }];
    Policy::List(Arc::new(PrefixList { name: "x".into(), rules }))
}

#[test]
fn to_an_external_peer() {
    let mut want = full();
    // RFC 4271 §5.1.2 b, §5.1.3, §5.1.4, §5.1.5; RFC 4456 §8; RFC 4360 §6; RFC 5701 §2; RFC 4271 §5 (Partial)
    want.as_path = Some(AsPath::sequence([OUR_AS, Asn(65001), Asn(400_000)]));
    want.next_hop = Some(Ipv4Addr::new(192, 0, 2, 1));
    (want.med, want.local_pref, want.originator_id) = (None, None, None);
    want.cluster_list.clear();
    want.extended_communities.pop();
    want.ipv6_extended_communities.pop();
    want.unknown[0].flags = 0xe0;
    for general in [false, true] {
        // A policy that does nothing takes the general way.
        let policy =
            if general { policy(vec![Action::RemoveCommunity(Community(77))]) } else { Policy::Accept };
        let rules = ExportRules { policy, ..rules(true) };
        for from in [source(true, false), source(false, false), source(false, true)] {
            assert_eq!(told(&rules, &full(), None, from), (want.clone(), None), "general: {general}");
        }
        // RFC 6793 §4.2.2
        let old = ExportRules { four_octet_as: false, ..rules };
        assert_eq!(told(&old, &full(), None, source(true, false)).0, want);
    }
}

#[test]
fn to_an_internal_peer() {
    // RFC 4271 §5.1.2 a, §5.1.3, §5.1.4, §5.1.5
    let from_external =
        Attributes { local_pref: None, originator_id: None, cluster_list: Vec::new(), ..full() };
    let mut want = from_external.clone();
    (want.local_pref, want.unknown[0].flags) = (Some(100), 0xe0);
    assert_eq!(told(&rules(false), &from_external, None, source(true, false)), (want.clone(), None));
    let own = ExportRules { next_hop_self: true, ..rules(false) };
    want.next_hop = Some(Ipv4Addr::new(192, 0, 2, 1));
    assert_eq!(told(&own, &from_external, None, source(true, false)), (want, None));
    // Our own
    let mut attrs = attr_table();
    let mut local = path(&mut attrs, &local_attributes(), None);
    local.peer = PeerId::LOCAL;
    let (a, mp) = rules(false).attributes(&local, &[], &source(false, false), &attrs).unwrap();
    assert_eq!((a.next_hop, a.local_pref, mp), (Some(Ipv4Addr::new(192, 0, 2, 1)), Some(100), None));
    assert_eq!((a.originator_id, a.cluster_list.len()), (None, 0));
}

#[test]
fn reflected() {
    // RFC 4456 §6, §8: (from a client, to a client) → told
    let mut attrs = attr_table();
    let plain = Attributes { originator_id: None, cluster_list: Vec::new(), ..full() };
    let path = path(&mut attrs, &plain, None);
    let prefix = || "10.0.0.0/8".parse::<Prefix>().unwrap();
    for (from, to, want) in
        [(false, false, false), (false, true, true), (true, false, true), (true, true, true)]
    {
        let rules = ExportRules { client: to, ..rules(false) };
        assert_eq!(rules.permit(prefix, &path, &source(false, from), &attrs).is_some(), want);
        assert!(rules.permit(prefix, &path, &source(true, false), &attrs).is_some());
    }
    let client = ExportRules { client: true, ..rules(false) };
    let ours = Ipv4Addr::new(192, 0, 2, 1);
    let (a, _) = told(&client, &plain, None, source(false, false));
    assert_eq!((a.originator_id, a.cluster_list), (Some(Ipv4Addr::new(10, 0, 0, 1)), vec![ours]));
    assert_eq!((a.local_pref, a.med, a.next_hop), (Some(200), Some(5), plain.next_hop));
    let (a, _) = told(&client, &full(), None, source(false, false));
    let list = vec![ours, Ipv4Addr::new(10, 8, 8, 8)];
    assert_eq!((a.originator_id, a.cluster_list), (full().originator_id, list), "the originator stays");
}

#[test]
fn only_to_customer_on_the_way_out() {
    // RFC 9234 §5, egress: our role, OTC before → told, OTC after
    use Role::*;
    let other = Some(Asn(7));
    for (role, otc, want) in [
        (None, None, Some(None)),
        (None, other, Some(other)),
        (Some(Provider), None, Some(Some(OUR_AS))),
        (Some(Provider), other, Some(other)),
        (Some(RouteServer), None, Some(Some(OUR_AS))),
        (Some(RouteServer), other, Some(other)),
        (Some(Peer), None, Some(Some(OUR_AS))),
        (Some(Peer), other, None),
        (Some(Customer), None, Some(None)),
        (Some(Customer), other, None),
        (Some(RouteServerClient), None, Some(None)),
        (Some(RouteServerClient), other, None),
    ] {
        let rules = ExportRules { role, ..rules(true) };
        let attributes = Attributes { only_to_customer: otc, ..full() };
        let mut attrs = attr_table();
        let path = path(&mut attrs, &attributes, None);
        let prefix = || "10.0.0.0/8".parse().unwrap();
        let permitted = rules.permit(prefix, &path, &source(true, false), &attrs).is_some();
        assert_eq!(permitted, want.is_some(), "{role:?} {otc:?}");
        if let Some(want) = want {
            assert_eq!(
                told(&rules, &attributes, None, source(true, false)).0.only_to_customer,
                want,
                "{role:?}"
            );
        }
    }
}

#[test]
fn policy_has_the_last_word_but_for_what_must_not_be() {
    let actions = vec![
        Action::SetMed(9),
        Action::SetLocalPref(7),
        Action::Prepend(OUR_AS, 2),
        Action::AddCommunity(Community(3)),
        Action::RemoveCommunity(Community(1)),
        Action::AddLargeCommunity(LargeCommunity::new(4, 5, 6)),
        Action::RemoveLargeCommunity(LargeCommunity::new(1, 2, 3)),
    ];
    for external in [true, false] {
        let rules = ExportRules { policy: policy(actions.clone()), ..rules(external) };
        let (a, _) = told(&rules, &full(), None, source(true, false));
        assert_eq!(a.med, Some(9));
        assert_eq!(a.local_pref, (!external).then_some(7), "RFC 4271 §5.1.5");
        assert_eq!(a.as_path.unwrap().path_length(), if external { 5 } else { 4 });
        assert_eq!(a.communities, [Community(2), Community(3)]);
        assert_eq!(a.large_communities, [LargeCommunity::new(4, 5, 6)]);
    }
}

#[test]
fn a_segment_of_255_numbers_gets_a_new_one_in_front() {
    // RFC 4271 §5.1.2 b 1
    let long = Attributes { as_path: Some(AsPath::sequence((1..256).map(Asn))), ..full() };
    for rules in [rules(true), ExportRules { policy: policy(vec![Action::SetMed(1)]), ..rules(true) }] {
        let (a, _) = told(&rules, &long, None, source(true, false));
        let lengths: Vec<_> = a.as_path.unwrap().segments.iter().map(|s| s.asns.len()).collect();
        assert_eq!(lengths, [1, 255]);
    }
    let set = AsPath { segments: vec![AsPathSegment { kind: SegmentKind::Set, asns: vec![Asn(1)] }] };
    let (a, _) = told(&rules(true), &Attributes { as_path: Some(set), ..full() }, None, source(true, false));
    assert_eq!(a.as_path.unwrap().to_string(), "65000 {1}");
}

#[test]
fn next_hops() {
    let v6 = |global: &str, link_local: Option<&str>| MpNextHop::V6 {
        global: global.parse().unwrap(),
        link_local: link_local.map(|l| l.parse().unwrap()),
    };
    let bare = Attributes { next_hop: None, ..full() };
    let own = v6("2001:db8::1", Some("fe80::1"));
    let six = |external| ExportRules { family: Family::IPV6_UNICAST, own_next_hop: own, ..rules(external) };
    // RFC 2545 §3
    let received = Some(v6("2001:db8::9", Some("fe80::9")));
    assert_eq!(told(&six(true), &bare, received, source(true, false)).1, Some(own));
    assert_eq!(told(&six(false), &bare, received, source(true, false)).1, Some(v6("2001:db8::9", None)));
    let (a, _) = told(&six(true), &bare, received, source(true, false));
    assert_eq!(a.next_hop, None);
    // RFC 8950: an IPv4 route with an IPv6 next hop, to who can and who cannot take it as it is.
    let extended = ExportRules { extended_next_hop: true, ..rules(false) };
    assert_eq!(told(&extended, &bare, received, source(true, false)).1, Some(v6("2001:db8::9", None)));
    let mut attrs = attr_table();
    let path = path(&mut attrs, &bare, received);
    let mut block = Vec::new();
    assert_eq!(rules(false).block(&path, 0, &source(true, false), &attrs, &mut block), None);
    // To an external one it is ourselves anyway.
    let (a, mp) = told(&rules(true), &bare, received, source(true, false));
    assert_eq!((a.next_hop, mp), (Some(Ipv4Addr::new(192, 0, 2, 1)), None));
    // An IPv4 next hop in MP_REACH_NLRI leaves in NEXT_HOP.
    let four = Some(MpNextHop::V4(Ipv4Addr::new(192, 0, 2, 7)));
    let (a, mp) = told(&rules(false), &bare, four, source(true, false));
    assert_eq!((a.next_hop, mp), (Some(Ipv4Addr::new(192, 0, 2, 7)), None));
}

prop_compose! {
    fn attributes()(
        origin in 0u8..3,
        segments in prop::collection::vec((any::<bool>(), prop::collection::vec(1u32..100_000, 1..6)), 0..4),
        long in prop::option::weighted(0.1, 250u32..256),
        numbers in prop::collection::vec(any::<u32>(), 0..5),
        octets in prop::collection::vec(any::<u8>(), 0..300),
        bits in any::<u16>(),
    ) -> Attributes {
        let on = |bit: u32| bits & (1 << bit) != 0;
        let kind = |set: &bool| if *set { SegmentKind::Set } else { SegmentKind::Sequence };
        let mut segments: Vec<AsPathSegment> = segments
            .iter()
            .map(|(set, asns)| AsPathSegment { kind: kind(set), asns: asns.iter().map(|n| Asn(*n)).collect() })
            .collect();
        if let Some(long) = long {
            segments.insert(0, AsPathSegment { kind: SegmentKind::Sequence, asns: (1..=long).map(Asn).collect() });
        }
        let mut partial = PartialBits::default();
        for code in [7, 8, 16, 25, 32] {
            if on(u32::from(code) % 3) { partial.set(code); }
        }
        let number = |n: usize| numbers.get(n).copied();
        Attributes {
            origin: Origin::from_code(origin),
            as_path: Some(AsPath { segments }),
            next_hop: on(10).then_some(Ipv4Addr::new(192, 0, 2, 9)),
            med: number(0),
            local_pref: number(1),
            atomic_aggregate: on(0),
            aggregator: number(2).map(|n| (Asn(n | 1), Ipv4Addr::from(n))),
            communities: numbers.iter().map(|n| Community(*n & !0x8000_0000)).collect(),
            originator_id: number(3).map(Ipv4Addr::from),
            cluster_list: numbers.iter().skip(2).map(|n| Ipv4Addr::from(*n)).collect(),
            extended_communities: octets.as_chunks().0.iter().map(|c| ExtendedCommunity(*c)).collect(),
            ipv6_extended_communities: octets.as_chunks().0.iter().take(2).map(|c| Ipv6ExtendedCommunity(*c)).collect(),
            large_communities: number(4).map(|n| LargeCommunity::new(n, 1, 2)).into_iter().collect(),
            only_to_customer: on(1).then_some(Asn(7)),
            unknown: [20, 33, 99].into_iter().filter(|c| on(*c as u32 % 7)).map(|code| UnknownAttribute {
                flags: 0xe0, code, value: octets.clone(),
            }).collect(),
            partial,
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_hot_path_says_what_the_general_one_does(attributes in attributes(), six in any::<bool>()) {
        let mut attrs = attr_table();
        let mp = six.then_some(MpNextHop::V6 { global: "2001:db8::9".parse().unwrap(), link_local: None });
        let path = path(&mut attrs, &Attributes { next_hop: attributes.next_hop.filter(|_| !six), ..attributes }, mp);
        let own = MpNextHop::V6 { global: "2001:db8::1".parse().unwrap(), link_local: None };
        let rules = if six {
            ExportRules { family: Family::IPV6_UNICAST, own_next_hop: own, ..rules(true) }
        } else {
            rules(true)
        };
        let mut fast = Vec::new();
        let hop = rules.block(&path, 0, &source(true, false), &attrs, &mut fast);
        let (general, general_hop) = rules.attributes(&path, &[], &source(true, false), &attrs).unwrap();
        let mut slow = Vec::new();
        general.emit(true, &mut slow);
        prop_assert_eq!(hop, Some(general_hop));
        prop_assert_eq!(fast, slow);
    }
}
