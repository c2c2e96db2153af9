//! Fragments that arrive (RFC 791 §3.2, RFC 815, RFC 1122 §3.3.2), and attacks with them.

use super::*;
use crate::reassembly::{MAX_HOLES, Reassembly};
use proptest::prelude::*;

fn fragment(offset: u16, more: bool, payload: &[u8]) -> Frame {
    frame(&Header { fragment_offset: offset, more_fragments: more, ..header(A, R0, Protocol::TCP) }, payload)
}

/// The payload of the one datagram that is delivered.
fn delivered(outputs: &[Output]) -> Option<Vec<u8>> {
    match outputs {
        [] => None,
        [Output::Deliver { packet, payload, header, .. }] => {
            assert_eq!(parse(packet), (*header, &packet[payload.clone()]));
            assert!(!header.is_fragment());
            Some(packet[payload.clone()].to_vec())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn fragments_are_put_together() {
    // RFC 791 §3.2
    let mut host = Device::host();
    assert_eq!(host.receive(IF0, fragment(0, true, &[1; 16])), []);
    let whole = delivered(&host.receive(IF0, fragment(16, false, &[2; 5])));
    assert_eq!(whole, Some([&[1; 16][..], &[2; 5]].concat()));
    let counters = host.ip.counters();
    assert_eq!((counters.ip_reasm_reqds, counters.ip_reasm_oks, counters.ip_reasm_fails), (2, 1, 0));
    assert_eq!((host.ip.reassembly.held(), host.ip.poll_timeout()), ((0, 0), None));
}

#[test]
fn the_datagram_has_the_header_and_options_of_its_first_fragment() {
    let mut host = Device::host();
    let opt = trunkline_wire::ipv4::Opt::RecordRoute { pointer: 4, data: &[0; 5] };
    let first = Header { more_fragments: true, tos: 8, ttl: 9, ..header(A, R0, Protocol::TCP) };
    let first = with_options(first, &[opt]);
    assert_eq!(host.receive(IF0, fragment(8, false, &[2; 8])), []);
    let outputs = host.receive(IF0, frame(&first, &[1; 8]));
    let [Output::Deliver { header, .. }] = &outputs[..] else { panic!("{outputs:?}") };
    assert_eq!(*header, Header { more_fragments: false, ..first });
}

#[test]
fn datagrams_are_told_apart() {
    // RFC 791 §3.2: by source, destination, protocol and identification
    let mut host = Device::host();
    let base = Header { more_fragments: true, ..header(A, R0, Protocol::TCP) };
    let others = [
        Header { identification: 8, ..base },
        Header { source: ip("10.0.0.10"), ..base },
        Header { protocol: Protocol::UDP, ..base },
        Header { destination: ip("10.0.0.255"), ..base },
    ];
    assert_eq!(host.receive(IF0, frame(&base, &[1; 8])), []);
    for other in others {
        let last = Header { more_fragments: false, fragment_offset: 8, ..other };
        assert_eq!(host.receive(IF0, frame(&last, &[2; 8])), []);
    }
    assert_eq!(host.ip.reassembly.held().0, 5);
}

#[test]
fn what_is_missing_is_waited_for_a_while() {
    // RFC 1122 §3.3.2; RFC 792: time exceeded only where fragment zero is there
    let mut host = Device::host();
    host.receive(IF0, fragment(0, true, &[1; 600]));
    let other = Header { identification: 8, fragment_offset: 8, ..header(A, R0, Protocol::TCP) };
    host.receive(IF0, frame(&other, &[2; 8]));
    host.now += Duration::from_secs(20);
    host.receive(IF0, fragment(608, true, &[1; 8]));
    assert_eq!(host.pass(Duration::from_secs(9)), []);
    let (_, to, _, packet) = transmitted(host.pass(Duration::from_secs(1)));
    let (header, payload) = parse(&packet);
    assert_eq!((to, header.source), (A, R0));
    let message = Message::parse(payload).unwrap();
    assert_eq!(message.to_string(), "time exceeded, in fragment reassembly");
    // The quoted packet is the first fragment, as far as there is room.
    let expected = &fragment(0, true, &[1; 600])[HEADROOM..][..548];
    assert_eq!(message.original().unwrap(), expected);
    let counters = host.ip.counters();
    assert_eq!((counters.ip_reasm_fails, counters.ip_reasm_timeouts), (2, 2));
    assert_eq!(host.ip.reassembly.held(), (0, 0));
}

#[test]
fn duplicates_do_no_harm() {
    // RFC 815 §6
    let mut host = Device::host();
    for _ in 0..3 {
        assert_eq!(host.receive(IF0, fragment(8, true, &[2; 8])), []);
    }
    assert_eq!(host.receive(IF0, fragment(16, false, &[3; 8])), []);
    assert_eq!(host.receive(IF0, fragment(16, false, &[3; 8])), []);
    assert!(delivered(&host.receive(IF0, fragment(0, true, &[1; 8]))).is_some());
}

#[test]
fn overlaps_are_dropped_with_all_that_came_before() {
    // RFC 1858 §4; teardrop is the second
    let base = [fragment(0, true, &[1; 24]), fragment(32, true, &[1; 8])];
    for (name, evil) in [
        ("part of it new", fragment(16, true, &[1; 16])),
        ("inside, but different", fragment(8, true, &[9; 8])),
        ("over a hole and what is behind", fragment(24, true, &[1; 16])),
        ("last, before what is there", fragment(24, false, &[1; 8])),
        ("over all", fragment(0, true, &[1; 80])),
    ] {
        let mut host = Device::host();
        for packet in &base {
            assert_eq!(host.receive(IF0, packet.clone()), []);
        }
        assert_eq!(host.receive(IF0, evil), [], "{name}");
        assert_eq!(host.dropped(DropReason::FragmentOverlap), 1, "{name}");
        assert_eq!((host.ip.reassembly.held(), host.ip.poll_timeout()), ((0, 0), None), "{name}");
    }
    let mut host = Device::host();
    host.receive(IF0, fragment(8, false, &[1; 8]));
    assert_eq!(host.receive(IF0, fragment(16, false, &[1; 8])), [], "two ends");
    assert_eq!(host.dropped(DropReason::FragmentOverlap), 1);
}

#[test]
fn what_cannot_be_a_fragment() {
    // RFC 791 §3.2: multiples of 8, and 65,535 octets at most ("ping of death")
    let mut host = Device::host();
    for bad in [fragment(0, true, &[1; 9]), fragment(8, false, &[]), fragment(65_528, false, &[1; 8])] {
        assert_eq!(host.receive(IF0, bad), []);
    }
    assert_eq!(host.dropped(DropReason::BadFragment), 3);
    assert_eq!(host.ip.reassembly.held(), (0, 0));
    // The largest there is.
    let size = 65_535 - 20;
    for offset in (0..size).step_by(1480) {
        let end = (offset + 1480).min(size);
        let outputs = host.receive(IF0, fragment(offset as u16, end < size, &vec![5; end - offset]));
        assert_eq!(delivered(&outputs).map(|whole| whole.len()), (end == size).then_some(size));
    }
}

#[test]
fn the_options_of_the_first_fragment_do_not_make_it_too_long() {
    // The fragments fit each for itself, but not behind sixty octets of header.
    let mut host = Device::host();
    let opt = trunkline_wire::ipv4::Opt::RecordRoute { pointer: 4, data: &[0; 37] };
    let first = with_options(Header { more_fragments: true, ..header(A, R0, Protocol::TCP) }, &[opt]);
    let mut seen = Vec::new();
    for offset in (8..65_512u32).step_by(1480) {
        let end = (offset + 1480).min(65_512);
        let part = vec![5; (end - offset) as usize];
        seen.extend(host.receive(IF0, fragment(offset as u16, end < 65_512, &part)));
    }
    seen.extend(host.receive(IF0, frame(&first, &[1; 8])));
    assert_eq!(seen, []);
    assert_eq!(host.dropped(DropReason::BadFragment), 1);
}

#[test]
fn congestion_of_one_fragment_is_congestion_of_all() {
    // RFC 3168 §5.3
    let part = |tos, offset, more| {
        let header =
            Header { tos, fragment_offset: offset, more_fragments: more, ..header(A, R0, Protocol::TCP) };
        frame(&header, &[1; 8])
    };
    for (first, second, expected) in
        [(2, 2, Some(2)), (2, 3, Some(3)), (3, 2, Some(3)), (0, 0, Some(0)), (0, 3, None)]
    {
        let mut host = Device::host();
        host.receive(IF0, part(first, 0, true));
        let outputs = host.receive(IF0, part(second, 8, false));
        let tos = match &outputs[..] {
            [Output::Deliver { header, .. }] => Some(header.tos),
            _ => None,
        };
        assert_eq!(tos, expected, "{first} and {second}");
    }
}

fn storm_of(host: &mut Device, sources: u32, each: u16, offset: u16) {
    for source in 0..sources {
        for identification in 0..each {
            let header = Header {
                identification,
                fragment_offset: offset,
                more_fragments: true,
                ..header(Ipv4Addr::from_bits(0x0a00_0010 + source), R0, Protocol::UDP)
            };
            assert_eq!(host.receive(IF0, frame(&header, &[0; 8])), []);
            let (datagrams, octets) = host.ip.reassembly.held();
            assert!(datagrams <= 256 && octets <= 4 << 20);
        }
    }
}

#[test]
fn one_source_cannot_fill_it() {
    let mut host = Device::host();
    storm_of(&mut host, 1, 1000, 8);
    assert_eq!(host.ip.reassembly.held().0, 64);
    assert_eq!(host.dropped(DropReason::ReassemblyLimit), 936);
    // Another one's datagram comes through.
    host.receive(IF0, fragment(0, true, &[1; 8]));
    assert!(delivered(&host.receive(IF0, fragment(8, false, &[1; 8]))).is_some());
}

#[test]
fn many_sources_displace_the_oldest() {
    let mut host = Device::host();
    storm_of(&mut host, 150, 10, 8);
    assert_eq!(host.ip.reassembly.held().0, 256);
    host.receive(IF0, fragment(0, true, &[1; 8]));
    assert!(delivered(&host.receive(IF0, fragment(8, false, &[1; 8]))).is_some());
    assert_eq!(host.ip.counters().ip_reasm_fails, 1500 - 256 + 1);
}

#[test]
fn octets_are_limited_too() {
    // Each claims nearly 64 KiB with eight octets.
    let mut host = Device::host();
    storm_of(&mut host, 20, 20, 65_000);
    assert!(host.ip.reassembly.held().0 < 70);
    let small = Config { max_reassembly_octets: 1000, ..Config::default() };
    host.ip.reconfigure(host.now, &small, &mut Outbox::new());
    assert_eq!(host.receive(IF0, fragment(0, true, &[1; 1400])), []);
    assert_eq!(host.ip.reassembly.held(), (0, 0));
}

#[test]
fn holes_are_limited() {
    let mut host = Device::host();
    for n in 0..200u16 {
        assert_eq!(host.receive(IF0, fragment(n * 16, true, &[1; 8])), []);
        if n as usize + 1 < MAX_HOLES {
            assert_eq!(host.ip.reassembly.held().0, 1);
        }
    }
    assert_eq!(host.dropped(DropReason::ReassemblyLimit), 1);
}

/// A payload, cut at multiples of eight, and the order in which the pieces arrive, some of them twice.
fn pieces() -> impl Strategy<Value = (Vec<u8>, Vec<(usize, usize)>)> {
    (1usize..4000, proptest::collection::vec(1usize..500, 0..40), any::<u64>()).prop_flat_map(
        |(len, cuts, salt)| {
            let mut at: Vec<usize> = cuts.into_iter().map(|cut| cut * 8).filter(|cut| *cut < len).collect();
            at.extend([0, len]);
            at.sort_unstable();
            at.dedup();
            let parts: Vec<(usize, usize)> = at.windows(2).map(|pair| (pair[0], pair[1])).collect();
            let payload: Vec<u8> = (0..len).map(|i| (i as u64).wrapping_mul(salt | 1) as u8).collect();
            let twice = proptest::sample::subsequence(parts.clone(), 0..=parts.len());
            (
                Just(payload),
                twice.prop_flat_map(move |twice| Just([parts.clone(), twice].concat()).prop_shuffle()),
            )
        },
    )
}

proptest! {
    #[test]
    fn any_split_in_any_order_with_duplicates((payload, order) in pieces()) {
        let mut host = Device::host();
        let mut whole = None;
        for (start, end) in order {
            let packet = fragment(start as u16, end < payload.len(), &payload[start..end]);
            // Duplicates that come after the whole begin a new datagram, which is never whole but where one fragment is.
            whole = whole.or(delivered(&host.receive(IF0, packet)));
        }
        prop_assert_eq!(whole, Some(payload));
        prop_assert_eq!(host.dropped(DropReason::FragmentOverlap), 0);
    }

    #[test]
    fn whatever_comes_memory_is_counted_right(
        fragments in proptest::collection::vec((0u16..4, 0u16..40, any::<bool>(), 0usize..64, any::<bool>()), 0..200),
    ) {
        let config = Config { max_reassemblies: 3, max_reassembly_octets: 2000, ..Config::default() };
        let mut reassembly = Reassembly::new(1);
        let now = Instant::ZERO;
        for (identification, offset, more_fragments, len, one) in fragments {
            let fragment_offset = offset * 8;
            let header = Header { identification, fragment_offset, more_fragments, ..header(A, R0, Protocol::UDP) };
            let added = reassembly.add(now, &config, IF0, &header, &vec![u8::from(one); len]);
            if let Ok(Some(packet)) = added.result {
                Header::parse(&packet[HEADROOM..]).unwrap();
            }
            let (datagrams, octets) = reassembly.held();
            prop_assert!(datagrams <= 3 && octets <= 2000);
        }
        while reassembly.expire(now + config.reassembly_timeout).is_some() {}
        prop_assert_eq!(reassembly.held(), (0, 0));
        prop_assert_eq!(reassembly.poll_timeout(), None);
    }
}
