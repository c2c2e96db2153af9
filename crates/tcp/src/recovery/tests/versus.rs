//! The scoreboard against a naive model that remembers every octet.

use crate::SeqNum;
use crate::recovery::scoreboard::Scoreboard;
use proptest::prelude::*;
use trunkline_core::Instant;

#[derive(Debug, Clone)]
enum Op {
    Send(u32),
    /// Parts of the flight, of 1000.
    Ack(u32),
    Sack(u32, u32),
    SackRecords(usize, usize),
    Resend(u32, u32),
    ResendLost,
    LoseOldest,
    LoseHead,
    LoseAll,
    Unmark,
    Renege,
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (1u32..40).prop_map(Op::Send),
        3 => (0u32..400).prop_map(Op::Ack),
        2 => (0u32..1000, 0u32..1000).prop_map(|(a, b)| Op::Sack(a, b)),
        5 => (0usize..20, 1usize..5).prop_map(|(a, b)| Op::SackRecords(a, b)),
        1 => (0u32..1000, 1u32..60).prop_map(|(a, b)| Op::Resend(a, b)),
        3 => Just(Op::ResendLost),
        3 => Just(Op::LoseOldest),
        1 => Just(Op::LoseHead),
        1 => Just(Op::LoseAll),
        1 => Just(Op::Unmark),
        1 => Just(Op::Renege),
    ]
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Octet {
    sent: Instant,
    sacked: bool,
    lost: bool,
    retransmitted: bool,
}

/// One entry for each octet from `una`.
#[derive(Default)]
struct Model {
    una: u32,
    octets: Vec<Octet>,
}

fn check(board: &Scoreboard, model: &Model, base: SeqNum) {
    assert_eq!(board.una(), base + model.una);
    assert_eq!(board.outstanding() as usize, model.octets.len());
    let count = |f: fn(&Octet) -> bool| model.octets.iter().filter(|o| f(o)).count() as u32;
    assert_eq!(board.sacked_octets(), count(|o| o.sacked), "sacked");
    assert_eq!(board.lost_octets(), count(|o| o.lost), "lost");
    assert_eq!(board.pipe(), count(|o| !o.sacked && !o.lost));
    assert_eq!(board.sacked_records() as usize, board.all().filter(|r| r.sacked).count());
    let mut at = 0;
    for record in board.all() {
        assert_eq!(record.seq, base + model.una + at, "in order, without gaps");
        for octet in &model.octets[at as usize..][..record.len as usize] {
            let Octet { sent, sacked, lost, retransmitted } = *octet;
            assert_eq!(
                (record.sent, record.sacked, record.lost, record.retransmitted),
                (sent, sacked, lost, retransmitted)
            );
        }
        at += record.len;
    }
    assert_eq!(at, board.outstanding());
    let first = model.octets.iter().position(|o| o.lost);
    assert_eq!(board.first_lost(10).map(|(seq, _)| seq), first.map(|i| base + model.una + i as u32));
    if let (Some((_, len)), Some(first)) = (board.first_lost(10), first) {
        assert!((1..=10).contains(&len));
        assert!(model.octets[first..][..len as usize].iter().all(|o| o.lost), "all of it is lost");
    }
}

/// The whole records in a range of offsets from `una`.
fn whole(board: &Scoreboard, from: u32, to: u32) -> Vec<(usize, usize)> {
    let una = board.una();
    let spans = board.all().map(|r| (((r.seq - una) as usize), r.len as usize));
    spans.filter(|(start, len)| *start >= from as usize && start + len <= to as usize).collect()
}

fn sack(board: &mut Scoreboard, model: &mut Model, from: u32, to: u32) {
    let mut fresh = 0;
    for (start, len) in whole(board, from, to) {
        for octet in &mut model.octets[start..][..len] {
            fresh += u32::from(!octet.sacked);
            octet.sacked = true;
            octet.lost = false;
        }
    }
    let una = board.una();
    let mut seen = 0;
    let octets = board.sack(una + from, una + to, |r| {
        assert!(!r.sacked);
        seen += r.len;
    });
    assert_eq!((octets, seen), (fresh, fresh));
}

fn apply(board: &mut Scoreboard, model: &mut Model, op: &Op, now: Instant) {
    let (una, flight) = (board.una(), board.outstanding());
    match *op {
        Op::Send(len) => {
            board.push(now, len);
            let octet = Octet { sent: now, sacked: false, lost: false, retransmitted: false };
            model.octets.extend((0..len).map(|_| octet));
        }
        Op::Ack(part) => {
            let octets = flight * part / 1000;
            let fresh = model.octets.drain(..octets as usize).filter(|o| !o.sacked).count() as u32;
            model.una += octets;
            assert_eq!(board.acknowledge(una + octets, |_| {}), fresh);
        }
        Op::Sack(a, b) => sack(board, model, flight * a.min(b) / 1000, flight * a.max(b) / 1000),
        Op::SackRecords(first, count) => {
            let spans: Vec<_> = board.all().skip(first).take(count).map(|r| (r.seq, r.end())).collect();
            if let (Some(first), Some(last)) = (spans.first(), spans.last()) {
                sack(board, model, (first.0 - una) as u32, (last.1 - una) as u32);
            }
        }
        Op::Resend(part, len) => resend(board, model, flight * part / 1000, len, now),
        Op::ResendLost => {
            if let Some((seq, len)) = board.first_lost(10) {
                resend(board, model, (seq - una) as u32, len, now);
            }
        }
        Op::LoseOldest => {
            // The oldest of what is in flight, and what left with it.
            let live = |o: &&Octet| !o.sacked && !o.lost;
            let oldest = model.octets.iter().filter(live).map(|o| o.sent).min();
            let found = board.oldest_transmission();
            assert_eq!(found.map(|t| t.sent), oldest);
            let mut lost = 0;
            while board.oldest_transmission().is_some_and(|t| Some(t.sent) == oldest) {
                lost += board.lose_oldest_transmission();
            }
            let mut expected = 0;
            for octet in model.octets.iter_mut().filter(|o| Some(o.sent) == oldest && !o.sacked && !o.lost) {
                octet.lost = true;
                expected += 1;
            }
            assert_eq!(lost, expected);
        }
        Op::LoseHead => {
            board.mark_head_lost();
            let len = board.head().map_or(0, |r| r.len as usize);
            model.octets[..len].iter_mut().filter(|o| !o.sacked).for_each(|o| o.lost = true);
        }
        Op::LoseAll => {
            board.mark_lost_where(|_| true);
            model.octets.iter_mut().filter(|o| !o.sacked).for_each(|o| o.lost = true);
        }
        Op::Unmark => {
            board.unmark_lost();
            model.octets.iter_mut().for_each(|o| o.lost = false);
        }
        Op::Renege => {
            board.forget_sacked();
            model.octets.iter_mut().for_each(|o| o.sacked = false);
            board.mark_lost_where(|_| true);
            model.octets.iter_mut().for_each(|o| o.lost = true);
        }
    }
}

fn resend(board: &mut Scoreboard, model: &mut Model, from: u32, len: u32, now: Instant) {
    board.retransmitted(now, board.una() + from, len);
    let to = (from + len).min(model.octets.len() as u32);
    for octet in model.octets[from.min(to) as usize..to as usize].iter_mut().filter(|o| !o.sacked) {
        *octet = Octet { sent: now, lost: false, retransmitted: true, ..*octet };
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn the_scoreboard_is_what_the_octets_are(
        ops in prop::collection::vec(op(), 1..60),
        base in prop_oneof![Just(0u32), Just(u32::MAX - 100), any::<u32>()],
    ) {
        let base = SeqNum(base);
        let mut board = Scoreboard::new(base);
        let mut model = Model::default();
        for (n, op) in ops.iter().enumerate() {
            apply(&mut board, &mut model, op, Instant::from_nanos(n as u64 + 1));
            check(&board, &model, base);
        }
    }

    /// Blocks outside what is in flight change nothing, whatever they are.
    #[test]
    fn nonsense_changes_nothing(blocks in prop::collection::vec((any::<u32>(), any::<u32>()), 1..50)) {
        let mut board = Scoreboard::new(SeqNum(1000));
        for _ in 0..10 {
            board.push(Instant::ZERO, 100);
        }
        for (left, right) in blocks {
            if (left.wrapping_sub(1000) > 900 || right.wrapping_sub(1000) > 1000 || right < left)
                && board.sack(SeqNum(left), SeqNum(right), |_| {}) > 0
            {
                // What begins before and ends inside counts from the beginning.
                prop_assert!(SeqNum(left).lt(SeqNum(1000)) && SeqNum(right).le(SeqNum(2000)));
            }
            prop_assert_eq!(board.pipe() + board.sacked_octets(), 1000);
        }
    }
}

#[test]
fn memory_is_bounded() {
    use crate::recovery::scoreboard::MAX_RECORDS;
    let mut board = Scoreboard::new(SeqNum(0));
    for n in 0..MAX_RECORDS as u64 + 1000 {
        board.push(Instant::from_nanos(n), 1);
    }
    assert_eq!(board.records(), MAX_RECORDS);
    assert_eq!(board.outstanding() as usize, MAX_RECORDS + 1000);
    // The same sent again and again: the ring of transmissions sheds what is stale.
    for n in 0..10 * MAX_RECORDS as u64 {
        board.retransmitted(Instant::from_nanos(1 << 40 | n), SeqNum(1), 1);
        assert!(board.transmissions() <= 4 * MAX_RECORDS + 1);
    }
    // What joined the last record is acknowledged with it.
    assert_eq!(board.sack(SeqNum(MAX_RECORDS as u32 - 1), board.nxt(), |_| {}), 1001);
}
