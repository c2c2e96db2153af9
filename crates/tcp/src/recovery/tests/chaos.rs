//! Whatever a peer acknowledges, and whenever timers expire, nothing panics and the sums stay right.

use super::sim::{MSS, Setup, run};
use crate::SeqNum;
use crate::recovery::{Algorithm, Recovery, RecoveryConfig, TimeoutAction};
use proptest::prelude::*;
use trunkline_core::{Duration, Instant};

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    Pump,
    /// New data, of any size, whatever the window says.
    Send(u32),
    /// A part of the flight, of 1000; blocks likewise.
    Ack(u32, Vec<(u32, u32)>, Option<u64>, bool),
    /// Anything at all.
    Nonsense(u32, Vec<(u32, u32)>),
    Timer,
    Mss(u32),
    TooBig(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let blocks = || prop::collection::vec((0u32..1100, 0u32..1100), 0..4);
    prop_oneof![
        4 => (0u64..50_000_000).prop_map(Op::Wait),
        6 => Just(Op::Pump),
        1 => (1u32..100_000).prop_map(Op::Send),
        8 => (0u32..1000, blocks(), prop::option::of(0u64..10_000), any::<bool>())
            .prop_map(|(a, b, t, d)| Op::Ack(a, b, t, d)),
        1 => (any::<u32>(), prop::collection::vec((any::<u32>(), any::<u32>()), 0..5))
            .prop_map(|(a, b)| Op::Nonsense(a, b)),
        3 => Just(Op::Timer),
        1 => (1u32..10_000).prop_map(Op::Mss),
        1 => (0u32..1000).prop_map(Op::TooBig),
    ]
}

fn pump(r: &mut Recovery, now: Instant, nxt: &mut SeqNum, mss: u32, probe: bool) {
    for n in 0..200 {
        if let Some((seq, len)) = r.next_retransmission(now) {
            assert!(seq.ge(r.board.una()) && (seq + len).le(*nxt) && len > 0);
            // Options may leave less room than a whole segment.
            r.on_sent(now, seq, if n % 3 == 0 { len.div_ceil(2) } else { len }, true, false);
        } else if r.send_allowance() >= mss || probe && n == 0 {
            r.on_sent(now, *nxt, mss, false, n % 2 == 0);
            *nxt += mss;
        } else {
            break;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics(
        ops in prop::collection::vec(op(), 1..120),
        iss in any::<u32>(),
        (cubic, sack, timestamps) in any::<(bool, bool, bool)>(),
    ) {
        let algorithm = if cubic { Algorithm::Cubic } else { Algorithm::NewReno };
        let config = RecoveryConfig { algorithm, mss: 1000, sack, timestamps, ..Default::default() };
        let mut r = Recovery::new(config, SeqNum(iss));
        let (mut now, mut nxt, mut mss) = (Instant::from_secs(5), SeqNum(iss) + 1, 1000);
        r.on_sent(now, SeqNum(iss), 1, false, true);
        for op in ops {
            let (una, flight) = (r.board.una(), r.board.outstanding());
            let at = |part: u32| una + (u64::from(flight) * u64::from(part) / 1000) as u32;
            match op {
                Op::Wait(nanos) => now += Duration::from_nanos(nanos),
                Op::Pump => pump(&mut r, now, &mut nxt, mss, false),
                Op::Send(len) if flight < 1 << 28 => {
                    r.on_sent(now, nxt, len, false, false);
                    nxt += len;
                }
                Op::Ack(part, blocks, echo, dup) => {
                    let blocks: Vec<_> = blocks.iter().map(|(l, r)| (at(*l), at(*r))).collect();
                    r.on_ack(now, at(part), &blocks, echo.map(Duration::from_millis), 1 << 20, dup);
                }
                Op::Nonsense(ack, blocks) => {
                    let blocks: Vec<_> = blocks.iter().map(|(l, r)| (SeqNum(*l), SeqNum(*r))).collect();
                    // The connection refuses what is not in its window.
                    let ack = if SeqNum(ack).ge(una - (1 << 30)) { SeqNum(ack) } else { una };
                    r.on_ack(now, ack, &blocks, None, u32::MAX, ack == una);
                }
                Op::Timer => {
                    if let Some(due) = r.poll_timeout() {
                        now = now.max(due);
                        let probe = r.on_timeout(now) == TimeoutAction::Probe;
                        pump(&mut r, now, &mut nxt, mss, probe);
                    }
                }
                Op::Mss(new) => {
                    mss = new;
                    r.on_mss_change(mss);
                }
                Op::TooBig(part) => r.on_packet_too_big(now, at(part)),
                Op::Send(_) => {}
            }
            let octets = |f: fn(&crate::recovery::scoreboard::Record) -> bool| {
                r.board.all().filter(|record| f(record)).map(|record| record.len).sum::<u32>()
            };
            prop_assert_eq!(octets(|record| record.sacked), r.board.sacked_octets());
            prop_assert_eq!(octets(|record| record.lost), r.board.lost_octets());
            prop_assert_eq!(octets(|_| true), r.board.outstanding());
            prop_assert_eq!(r.board.nxt(), r.board.una() + r.board.outstanding());
            prop_assert!(r.cwnd() > 0);
            // While something is in flight, a timer runs: nothing is forgotten.
            prop_assert_eq!(r.poll_timeout().is_some(), r.board.outstanding() > 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    /// Any path, any peer: all of it arrives, and what arrives is not sent again without a reason.
    #[test]
    fn everything_arrives(
        (loss, ack_loss, reorder) in (0u64..100_000, 0u64..200_000, 0u64..200_000),
        (delay, late, rate) in (0u64..200, 0u64..100, prop_oneof![Just(0), 50_000u64..20_000_000]),
        (sack, dsack, timestamps, delayed_acks, cubic) in any::<(bool, bool, bool, bool, bool)>(),
        (queue, segments, seed) in (3usize..200, 1u32..300, any::<u64>()),
        window in prop_oneof![Just(2 * MSS), Just(1 << 20)],
    ) {
        let result = run(Setup {
            algorithm: if cubic { Algorithm::Cubic } else { Algorithm::NewReno },
            sack,
            dsack,
            timestamps,
            delay: Duration::from_millis(delay),
            rate,
            queue,
            loss,
            ack_loss,
            reorder,
            late: Duration::from_millis(late),
            octets: segments * MSS - seed as u32 % MSS,
            window,
            delayed_acks,
            seed,
            ..Setup::default()
        });
        prop_assert!(result.took.is_some(), "{:?}", result);
        prop_assert_eq!(result.needless.saturating_sub(result.retransmitted), 0);
    }
}
