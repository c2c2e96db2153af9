//! The algorithms step by step, by the sections of their RFCs.

use crate::SeqNum;
use crate::recovery::congestion::{Acked, Congestion};
use crate::recovery::hystart::HyStart;
use crate::recovery::prr::Prr;
use crate::recovery::rack::{Rack, Tlp};
use crate::recovery::{Algorithm, Phase, Recovery, RecoveryConfig, TimeoutAction};
use trunkline_core::{Duration, Instant};

const MSS: u32 = 1000;
const WINDOW: u32 = 1 << 20;

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

/// A connection after its handshake, with an RTT of 100 ms; segments are counted from 0.
struct Line {
    r: Recovery,
    now: Instant,
    sent: u32,
    una: u32,
    sack: bool,
}

impl Line {
    fn new(sack: bool) -> Line {
        Line::with(RecoveryConfig { algorithm: Algorithm::NewReno, mss: MSS, sack, ..Default::default() })
    }

    fn with(config: RecoveryConfig) -> Line {
        let sack = config.sack;
        let mut r = Recovery::new(config.clone(), SeqNum(u32::MAX));
        r.on_sent(Instant::ZERO, SeqNum(u32::MAX), 1, false, true);
        r.on_negotiated(config.mss, sack, config.timestamps);
        let now = Instant::ZERO + millis(100);
        r.on_ack(now, SeqNum(0), &[], None, WINDOW, false);
        Line { r, now, sent: 0, una: 0, sack }
    }

    fn wait(&mut self, n: u64) -> &mut Line {
        self.now += millis(n);
        self
    }

    /// New segments, with more to come.
    fn send(&mut self, count: u32) -> &mut Line {
        for _ in 0..count {
            self.r.on_sent(self.now, SeqNum(self.sent * MSS), MSS, false, false);
            self.sent += 1;
        }
        self
    }

    /// What may be sent is sent: lost segments, by number, then new ones.
    fn pump(&mut self) -> Vec<u32> {
        let mut out = Vec::new();
        loop {
            if let Some((seq, len)) = self.r.next_retransmission(self.now) {
                assert_eq!(len, MSS);
                out.push(seq.0 / MSS);
                self.r.on_sent(self.now, seq, len, true, false);
            } else if self.r.send_allowance() >= MSS {
                out.push(self.sent);
                self.send(1);
            } else {
                return out;
            }
        }
    }

    fn ack(&mut self, una: u32) -> &mut Line {
        self.ack_with(una, &[], None)
    }

    fn sack(&mut self, blocks: &[(u32, u32)]) -> &mut Line {
        self.ack_with(self.una, blocks, None)
    }

    fn ack_with(&mut self, una: u32, blocks: &[(u32, u32)], rtt: Option<Duration>) -> &mut Line {
        let blocks: Vec<_> = blocks.iter().map(|(l, r)| (SeqNum(l * MSS), SeqNum(r * MSS))).collect();
        let dup = una == self.una;
        self.r.on_ack(self.now, SeqNum(una * MSS), &blocks, rtt, WINDOW, dup);
        self.una = una;
        self
    }

    /// One more duplicate, however the receiver says it: it has all up to `end` but the first segment.
    fn duplicate(&mut self, end: u32) -> &mut Line {
        let una = self.una;
        if self.sack { self.sack(&[(una + 1, end)]) } else { self.ack(una) }
    }

    fn timer(&mut self) -> TimeoutAction {
        self.now = self.r.poll_timeout().unwrap();
        self.r.on_timeout(self.now)
    }

    fn cwnd(&self) -> f64 {
        f64::from(self.r.cwnd()) / f64::from(MSS)
    }
}

#[test]
fn rfc_6928_initial_window() {
    // §2: min(10 MSS, max(2 MSS, 14600)).
    for (mss, window) in [(536, 5360), (1000, 10_000), (1460, 14_600), (2000, 14_600), (9000, 18_000)] {
        let line = Line::with(RecoveryConfig { mss, ..Default::default() });
        assert_eq!(line.r.cwnd(), window, "{mss}");
    }
}

#[test]
fn rfc_6298_lost_syns() {
    for (lost, window, rto) in [(0, 10_000, 300), (1, 10_000, 3000), (2, 1000, 3000)] {
        let mut r = Recovery::new(RecoveryConfig { mss: MSS, ..Default::default() }, SeqNum(7));
        r.on_sent(Instant::ZERO, SeqNum(7), 1, false, true);
        let mut now = Instant::ZERO;
        for n in 0..lost {
            now = r.poll_timeout().unwrap();
            // §2.1, §5.5: after one second, then two.
            assert_eq!(now, Instant::from_secs((1 << (n + 1)) - 1));
            assert_eq!(r.on_timeout(now), TimeoutAction::Rto);
            assert_eq!(r.next_retransmission(now), Some((SeqNum(7), 1)));
            r.on_sent(now, SeqNum(7), 1, true, true);
        }
        r.on_negotiated(MSS, true, false);
        r.on_ack(now + millis(100), SeqNum(8), &[], None, WINDOW, false);
        // RFC 6928 §2: one lost SYN leaves the window; §5.7: no sample, so three seconds.
        assert_eq!((r.cwnd(), r.rto()), (window, millis(rto)), "{lost}");
        assert_eq!((r.poll_timeout(), r.phase()), (None, Phase::Open));
    }
}

#[test]
fn rfc_5681_slow_start_and_congestion_avoidance() {
    let mut c = Congestion::new(Algorithm::NewReno, 10 * MSS);
    let acked = |octets| Acked { now: Instant::ZERO, octets, mss: MSS, srtt: millis(100) };
    // §3.1: in slow start by what is acknowledged.
    c.on_ack(acked(2 * MSS), 1);
    assert_eq!(c.cwnd, 12 * MSS);
    // An acknowledgment for very much counts as eight segments.
    c.on_ack(acked(50 * MSS), 1);
    assert_eq!(c.cwnd, 20 * MSS);
    // §3.1 (4): ssthresh = max(FlightSize / 2, 2 SMSS).
    c.on_loss(16 * MSS, MSS);
    assert_eq!(c.ssthresh, 8 * MSS);
    c.on_loss(3 * MSS, MSS);
    assert_eq!(c.ssthresh, 2 * MSS);
    // Congestion avoidance: one segment in each window.
    (c.cwnd, c.ssthresh) = (8 * MSS, 8 * MSS);
    for _ in 0..7 {
        c.on_ack(acked(MSS), 1);
        assert_eq!(c.cwnd, 8 * MSS);
    }
    c.on_ack(acked(MSS), 1);
    assert_eq!(c.cwnd, 9 * MSS);
    // Slow start ends at the threshold; what is left over counts for avoidance.
    (c.cwnd, c.ssthresh) = (8 * MSS, 9 * MSS);
    c.on_ack(acked(4 * MSS), 1);
    assert_eq!(c.cwnd, 9 * MSS);
}

#[test]
fn rfc_5681_the_window_grows_only_where_it_is_used() {
    // RFC 7661 §4.1: half of the window in flight, and nothing more to send.
    let mut line = Line::new(true);
    for round in 0..20 {
        for n in 0..5 {
            line.r.on_sent(line.now, SeqNum((round * 5 + n) * MSS), MSS, false, n == 4);
        }
        line.wait(100).ack(round * 5 + 5);
    }
    assert_eq!(line.cwnd(), 10.0);
    // And with all of it in flight it does.
    line.sent = 100;
    line.send(10).wait(100).ack(105);
    assert_eq!(line.cwnd(), 15.0);
}

#[test]
fn rfc_5681_restart_after_idle() {
    // §4.1 and RFC 2861: halved for each RTO of idle time, to the initial window.
    let mut line = Line::new(true);
    line.send(10).wait(100).ack(5).ack(10);
    line.send(20).wait(100).ack(18).ack(26).ack(30);
    assert_eq!(line.cwnd(), 40.0);
    let rto = line.r.rto().as_millis() as u64;
    line.wait(rto + rto / 2).send(1);
    assert_eq!(line.cwnd(), 20.0);
    line.wait(100).ack(31).wait(600_000).send(1);
    assert_eq!(line.cwnd(), 10.0);
    // Not below what it was.
    let mut line = Line::new(true);
    line.send(10).wait(100).ack(10).wait(60_000).send(1);
    assert_eq!(line.cwnd(), 10.0);
}

#[test]
fn rfc_3042_limited_transmit_then_fast_retransmit() {
    for sack in [true, false] {
        let mut line = Line::new(sack);
        line.send(10).wait(100);
        // Two duplicates let two new segments go, and the window does not change.
        assert_eq!(line.duplicate(2).pump(), [10], "sack {sack}");
        assert_eq!(line.duplicate(3).pump(), [11]);
        assert_eq!((line.cwnd(), line.r.phase()), (10.0, Phase::Disorder));
        // RFC 5681 §3.2: the third brings the fast retransmit. FlightSize is 12, ssthresh 10 / 2.
        assert_eq!(line.duplicate(4).pump(), [0]);
        assert_eq!((line.r.phase(), line.r.ssthresh()), (Phase::Recovery, 5 * MSS));
        // RFC 6937: then one for about every two that arrive, until half are in flight.
        let out: Vec<u32> = (5..13).flat_map(|end| line.duplicate(end).pump()).collect();
        assert!((3..=4).contains(&out.len()), "sack {sack} {out:?}");
        // The whole: back to Open with the window at the threshold.
        line.wait(100).ack(12);
        assert_eq!((line.r.phase(), line.cwnd()), (Phase::Open, 5.0));
    }
}

#[test]
fn rfc_9438_a_bunch_of_acknowledgments_takes_no_more_of_the_window() {
    // §4.6: 0.7 of the window that was the limit, though one acknowledgment tells of seven segments of ten and of the loss,
    // so that three are in flight when it is found.
    for (algorithm, part) in [(Algorithm::NewReno, 0.5), (Algorithm::Cubic, 0.7)] {
        let mut line = Line::with(RecoveryConfig { algorithm, mss: MSS, sack: true, ..Default::default() });
        assert_eq!(line.pump().len(), 10);
        let cwnd = line.cwnd();
        line.wait(100).ack_with(6, &[(7, 8)], None).sack(&[(7, 9)]).sack(&[(7, 10)]);
        assert_eq!(line.r.phase(), Phase::Recovery);
        let grown = cwnd + 7.0;
        assert!(
            (f64::from(line.r.ssthresh()) / f64::from(MSS) - grown * part).abs() < 1.0,
            "{}",
            line.r.ssthresh()
        );
        // What was not the limit does not count: the application had no more than three segments.
        let mut line = Line::with(RecoveryConfig { algorithm, mss: MSS, sack: true, ..Default::default() });
        for n in 0..4 {
            line.r.on_sent(line.now, SeqNum(n * MSS), MSS, false, n == 3);
        }
        line.wait(100).sack(&[(1, 2)]).sack(&[(1, 3)]).sack(&[(1, 4)]);
        assert_eq!(
            line.r.ssthresh(),
            ((4.0 * part) as u32 * MSS).max(2 * MSS).max((4.0 * part * 1000.0) as u32)
        );
    }
}

#[test]
fn rfc_6582_partial_acknowledgments_and_no_second_recovery() {
    let mut line = Line::new(false);
    line.send(10).wait(100);
    line.ack(0).ack(0).ack(0);
    assert_eq!(line.pump()[..1], [0]);
    // §3.2 step 3: a partial one, so the next hole is sent at once.
    line.wait(100).ack(4);
    assert_eq!(line.pump()[..1], [4]);
    let before = line.r.counters().recoveries;
    // A full one: what was sent in recovery is still in flight.
    let end = line.sent;
    line.wait(100).ack(10);
    assert_eq!(line.r.phase(), Phase::Open);
    // §3.2 step 2, §4: duplicates that the retransmissions caused: not above recover.
    line.ack(10).ack(10).ack(10).ack(10);
    assert_eq!((line.r.counters().recoveries, before), (1, 1));
    // Above it they count.
    line.pump();
    line.wait(100).ack(end + 1);
    line.ack(end + 1).ack(end + 1).ack(end + 1);
    assert_eq!(line.r.counters().recoveries, 2);
}

#[test]
fn rfc_6937_halves_over_one_round_trip() {
    // §4, first example: 20 segments in flight, one is lost, ssthresh 10: 19 arrive, of which each second lets one go.
    let mut prr = Prr::new(20 * MSS);
    let (mut pipe, mut out) = (20 * MSS, 0);
    pipe -= 4 * MSS;
    let mut sent = Vec::new();
    let mut delivered = 3;
    while delivered < 19 {
        let n = if delivered == 3 { 3 } else { 1 };
        let more = prr.acknowledged(n * MSS, pipe, 10 * MSS, MSS, false) / MSS * MSS;
        prr.sent(more);
        pipe += more;
        out += more;
        sent.push(more / MSS);
        delivered += 1;
        pipe -= MSS;
    }
    // ceil(19 / 2) with the retransmission.
    assert!((9 * MSS..=10 * MSS).contains(&out), "{out} {sent:?}");
    assert!(sent.windows(2).all(|w| w[0] + w[1] <= 2), "no bursts: {sent:?}");
}

#[test]
fn rfc_6937_after_heavy_losses_it_grows_back_as_slow_start_does() {
    // §3.1: pipe is below ssthresh. PRR-SSRB: one more than what arrived; PRR-CRB: just what arrived.
    let mut safe = Prr::new(100 * MSS);
    safe.sent(MSS);
    assert_eq!(safe.acknowledged(MSS, 10 * MSS, 50 * MSS, MSS, true), 2 * MSS);
    let mut careful = Prr::new(100 * MSS);
    careful.sent(MSS);
    assert_eq!(careful.acknowledged(2 * MSS, 10 * MSS, 50 * MSS, MSS, false), MSS);
    // Never above the threshold.
    let mut near = Prr::new(100 * MSS);
    near.sent(MSS);
    assert_eq!(near.acknowledged(9 * MSS, 49 * MSS, 50 * MSS, MSS, true), MSS);
    // The fast retransmit goes whatever the sums are.
    assert_eq!(Prr::new(100 * MSS).acknowledged(0, 90 * MSS, 50 * MSS, MSS, false), MSS);
}

#[test]
fn rfc_8985_loss_at_the_tail_of_a_flight() {
    // §9.1 example 1: P1 and P3 of three are lost; each left well after the one before.
    let mut line = Line::new(true);
    line.send(1).wait(30).send(1).wait(30).send(1);
    line.wait(70).sack(&[(1, 2)]);
    assert_eq!(line.r.phase(), Phase::Recovery);
    assert_eq!(line.r.next_retransmission(line.now), Some((SeqNum(0), MSS)));
    line.r.on_sent(line.now, SeqNum(0), MSS, true, true);
    // R1 is acknowledged: P3 left before it, so it is lost.
    line.wait(100).ack(2);
    assert_eq!(line.r.next_retransmission(line.now), Some((SeqNum(2 * MSS), MSS)));
    assert_eq!(line.r.counters().timeouts, 0);
}

#[test]
fn rfc_8985_the_reordering_timer() {
    // §3.3.2: one SACK is no proof within a quarter of the least RTT; the timer decides (early retransmit).
    let mut line = Line::new(true);
    line.send(4).wait(100).sack(&[(1, 2)]);
    assert_eq!(line.r.next_retransmission(line.now), None);
    let at = line.now;
    assert_eq!(line.timer(), TimeoutAction::Reorder);
    assert_eq!(
        line.now.since(at).as_millis(),
        24,
        "25, from when the SACKed one was sent, a nanosecond later"
    );
    assert_eq!(line.r.phase(), Phase::Recovery);
    assert_eq!(line.pump()[0], 0);
    // What left after the one that arrived is not touched.
    assert_eq!(line.r.next_retransmission(line.now), None);
}

#[test]
fn rfc_8985_reordering_is_remembered() {
    // §6.2 step 3: what was never sent again arrives below what arrived.
    let mut line = Line::new(true);
    line.send(10).wait(100).sack(&[(2, 3)]);
    line.wait(5).ack(3);
    assert_eq!(line.r.phase(), Phase::Open);
    // Now three SACKs are no proof any more: step 4.
    line.sack(&[(4, 7)]);
    assert_eq!((line.r.phase(), line.r.next_retransmission(line.now)), (Phase::Disorder, None));
    assert_eq!(line.timer(), TimeoutAction::Reorder);
    assert_eq!(line.r.phase(), Phase::Recovery);
}

#[test]
fn rfc_8985_the_window_widens_with_dsacks() {
    // §6.2 step 4.
    let mut board = crate::recovery::scoreboard::Scoreboard::new(SeqNum(0));
    board.push(Instant::ZERO, 1000);
    let mut rack = Rack::new(SeqNum(0));
    let window = |rack: &Rack| rack.window(false, 0, millis(100), millis(300)).as_millis();
    assert_eq!(window(&rack), 25);
    rack.dsack(&board);
    assert_eq!(window(&rack), 50);
    // Once in a round trip.
    rack.dsack(&board);
    assert_eq!(window(&rack), 50);
    board.acknowledge(SeqNum(1000), |_| {});
    rack.dsack(&board);
    assert_eq!(window(&rack), 75);
    // At most SRTT.
    for n in 0..20 {
        board.push(Instant::from_secs(n), 1000);
        board.acknowledge(board.nxt(), |_| {});
        rack.dsack(&board);
    }
    assert_eq!(window(&rack), 300);
    // After 16 recoveries it is the first one again.
    (0..15).for_each(|_| rack.recovered());
    assert_eq!(window(&rack), 300);
    rack.recovered();
    assert_eq!(window(&rack), 25);
    // Three SACKs or a recovery, and no reordering seen: no window.
    assert_eq!(rack.window(false, 3, millis(100), millis(300)), Duration::ZERO);
    assert_eq!(rack.window(true, 0, millis(100), millis(300)), Duration::ZERO);
    rack.reordered();
    assert_eq!(rack.window(true, 3, millis(100), millis(300)).as_millis(), 25);
}

#[test]
fn rfc_8985_when_a_probe_is_due() {
    // §7.2: two smoothed RTTs; with one segment in flight, the delay of an acknowledgment more, but not beyond the RTO.
    let mut line = Line::new(true);
    line.send(2);
    assert_eq!(line.r.poll_timeout(), Some(line.now + millis(200)));
    let mut line = Line::new(true);
    line.send(1);
    assert_eq!(line.r.poll_timeout(), Some(line.now + millis(300)));
    assert_eq!(line.r.rto(), millis(300));
    assert_eq!(line.timer(), TimeoutAction::Probe);
    // §7.3: then the RTO runs; a second probe needs an RTT sample.
    line.r.on_sent(line.now, SeqNum(0), MSS, true, true);
    assert_eq!(line.r.poll_timeout(), Some(line.now + millis(300)));
    assert_eq!(line.timer(), TimeoutAction::Rto);
    // Not without SACK.
    let mut line = Line::new(false);
    line.send(2);
    assert_eq!(line.timer(), TimeoutAction::Rto);
}

#[test]
fn rfc_8985_what_the_acknowledgment_of_a_probe_says() {
    // §7.4.2, TLP_process_ack.
    let end = SeqNum(1000);
    let probe = |again| {
        let mut tlp = Tlp::default();
        tlp.sent(end, again);
        tlp
    };
    for (again, ack, dsack, plain_dup, repaired, left) in [
        (false, 1000, None, false, false, false),
        (true, 999, None, false, false, true),
        (true, 1000, None, false, false, true),
        (true, 1000, Some(end), false, false, false),
        (true, 1000, None, true, false, false),
        (true, 2000, None, false, true, false),
        (true, 2000, Some(end), false, false, false),
        (true, 2000, Some(SeqNum(500)), false, true, false),
    ] {
        let mut tlp = probe(again);
        assert_eq!(tlp.acknowledged(SeqNum(ack), dsack, plain_dup), repaired, "{again} {ack} {dsack:?}");
        assert_eq!(tlp.end.is_some(), left, "{again} {ack} {dsack:?} {plain_dup}");
    }
}

#[test]
fn rfc_8985_a_repaired_loss_lowers_the_window() {
    let mut line = Line::new(true);
    line.send(10).wait(100).ack(8);
    assert_eq!(line.timer(), TimeoutAction::Probe);
    line.r.on_sent(line.now, SeqNum(9 * MSS), MSS, true, true);
    let window = line.r.cwnd();
    // The probe alone was missing.
    line.wait(100).ack(10);
    assert!(line.r.cwnd() >= window);
    line.send(10).wait(100).ack(12);
    assert_eq!(line.r.counters().probes_repaired, 1);
    assert!(line.r.cwnd() < window, "{} {window}", line.r.cwnd());
}

#[test]
fn rfc_6298_a_timeout_backs_off_and_the_window_is_one() {
    for sack in [true, false] {
        let mut line = Line::new(sack);
        line.send(10);
        if sack {
            assert_eq!(line.timer(), TimeoutAction::Probe);
        }
        assert_eq!(line.timer(), TimeoutAction::Rto);
        assert_eq!((line.r.phase(), line.cwnd(), line.r.ssthresh()), (Phase::Loss, 1.0, 5 * MSS));
        assert_eq!(line.pump(), [0]);
        let first = line.r.rto();
        assert_eq!(line.timer(), TimeoutAction::Rto);
        assert_eq!(line.r.rto(), first * 2);
        // RFC 5681 §3.1: the threshold stays when the same is sent again.
        assert_eq!((line.pump(), line.r.ssthresh()), (vec![0], 5 * MSS));
        // Two round trips of slow start: a duplicate-free acknowledgment of the first could be F-RTO's, so new data first.
        line.wait(100).ack(1);
        let out = line.pump();
        assert_eq!(out, [10, 11], "RFC 5682 §2.1 step 2b");
        // They are SACKed (or not): the first were lost after all.
        if sack {
            line.wait(100).sack(&[(10, 11)])
        } else {
            line.wait(100).ack(1)
        };
        assert_eq!(line.pump()[0], 1);
        assert_eq!(line.r.counters().undone, 0);
    }
}

#[test]
fn rfc_5682_a_spurious_timeout_is_undone() {
    // §2.1 step 3b: the second acknowledgment covers what was not sent again.
    for sack in [true, false] {
        let mut line = Line::new(sack);
        line.send(10);
        let before = (line.r.cwnd(), line.r.ssthresh());
        while line.timer() != TimeoutAction::Rto {}
        assert_eq!(line.pump(), [0]);
        line.wait(50).ack(1);
        line.pump();
        line.ack(2);
        assert_eq!(line.r.counters().undone, 1);
        assert_eq!(line.r.phase(), Phase::Open);
        assert!(line.r.cwnd() >= before.0 && line.r.ssthresh() == before.1);
        assert_eq!(line.r.next_retransmission(line.now), None);
    }
}

#[test]
fn rfc_3522_timestamps_tell_of_a_spurious_retransmission() {
    let mut line = Line::with(RecoveryConfig {
        algorithm: Algorithm::NewReno,
        mss: MSS,
        sack: true,
        timestamps: true,
        ..Default::default()
    });
    line.send(10).wait(100).sack(&[(1, 2)]).sack(&[(1, 3)]).sack(&[(1, 4)]);
    assert_eq!(line.r.phase(), Phase::Recovery);
    assert_eq!(line.pump()[0], 0);
    // The original arrives late: the echo is older than the retransmission.
    line.wait(30).ack_with(10, &[], Some(millis(130)));
    assert_eq!((line.r.phase(), line.r.ssthresh()), (Phase::Open, u32::MAX));
    assert_eq!(line.r.counters().undone, 1);
    // An echo of the retransmission undoes nothing.
    let n = line.sent;
    line.pump();
    line.wait(100).ack(n);
    line.pump();
    let una = line.una;
    line.wait(100).sack(&[(una + 1, una + 8)]);
    line.timer();
    assert_eq!((line.r.phase(), line.pump()[0]), (Phase::Recovery, una));
    let end = line.sent;
    line.wait(100).ack_with(end, &[], Some(millis(100)));
    assert_eq!(line.r.counters().undone, 1);
    assert!(line.r.ssthresh() < u32::MAX);
}

#[test]
fn rfc_3708_dsacks_undo_and_network_duplicates_do_not() {
    let mut line = Line::new(true);
    line.send(10).wait(100).sack(&[(1, 4)]);
    assert_eq!((line.r.phase(), line.pump()[0]), (Phase::Recovery, 0));
    line.wait(30).ack(10);
    assert_eq!((line.r.phase(), line.r.counters().undone), (Phase::Open, 0));
    let low = line.r.ssthresh();
    // The retransmission arrives as well.
    line.wait(70).ack_with(10, &[(0, 1)], None);
    assert_eq!((line.r.counters().undone, line.r.counters().dsacks), (1, 1));
    assert!(line.r.ssthresh() > low);
    // Nothing else was sent twice.
    line.ack_with(10, &[(3, 4)], None);
    assert_eq!(line.r.counters().dsacks, 1);
}

#[test]
fn rfc_2018_a_receiver_may_renege() {
    // §8: all that is in flight is sent again after a timeout when the first SACKed segment is not acknowledged.
    let mut line = Line::new(true);
    line.send(10).wait(100).sack(&[(2, 10)]);
    assert_eq!(line.pump(), [0, 1, 10, 11, 12], "the holes, then new data");
    // It acknowledges the holes, and has forgotten the rest.
    line.wait(100).ack(2);
    assert_eq!(line.r.phase(), Phase::Recovery);
    while line.timer() != TimeoutAction::Rto {}
    assert_eq!(line.pump(), [2]);
    line.wait(100).ack(3);
    assert_eq!(line.pump()[..2], [3, 4]);
}

#[test]
fn rfc_1191_too_big_is_no_congestion() {
    // §6.5. Three segments of 1000 octets; the path takes 400.
    let mut line = Line::new(true);
    line.send(3);
    let before = (line.r.cwnd(), line.r.ssthresh(), line.r.phase());
    line.r.on_mss_change(400);
    line.r.on_packet_too_big(line.now, SeqNum(MSS + 7));
    let mut out = Vec::new();
    while let Some((seq, len)) = line.r.next_retransmission(line.now) {
        out.push((seq.0, len));
        line.r.on_sent(line.now, seq, len, true, true);
    }
    let expected = (0..3).flat_map(|n| [(n * 1000, 400), (n * 1000 + 400, 400), (n * 1000 + 800, 200)]);
    assert_eq!(out, expected.collect::<Vec<_>>());
    assert_eq!((line.r.cwnd(), line.r.ssthresh(), line.r.phase()), before);
}

#[test]
fn rfc_9406_leaves_slow_start_when_the_rtt_grows() {
    let mut hystart = HyStart::default();
    let mut round = |rtt: u64, n: u32| {
        (0..10)
            .map(|i| hystart.on_ack(SeqNum(n * 10 + i), SeqNum(n * 10 + 10), Some(millis(rtt))))
            .last()
            .unwrap()
    };
    // §4.2: 40 ms, threshold 40 / 8 = 5 ms.
    assert_eq!(round(40, 0), Some(1));
    assert_eq!(round(44, 1), Some(1));
    assert_eq!(round(50, 2), Some(4), "conservative");
    // A lower RTT than that which began it: it was nothing.
    assert_eq!(round(45, 3), Some(1));
    assert_eq!(round(60, 4), Some(4));
    // CSS_ROUNDS.
    for n in 5..9 {
        assert_eq!(round(60, n), Some(4), "{n}");
    }
    assert_eq!(hystart.on_ack(SeqNum(90), SeqNum(100), Some(millis(60))), None);
}

#[test]
fn acknowledgments_of_nothing_known_change_nothing() {
    let mut line = Line::new(true);
    line.send(3).wait(100);
    let before = format!("{:?}", line.r);
    line.r.on_ack(line.now, SeqNum(3 * MSS + 1), &[(SeqNum(0), SeqNum(MSS))], None, WINDOW, false);
    assert_eq!(format!("{:?}", line.r), before);
    // An old one does no harm either.
    line.ack(2);
    line.r.on_ack(line.now, SeqNum(MSS), &[], None, WINDOW, false);
    assert_eq!(line.r.send_allowance(), line.r.cwnd() - MSS);
}

#[test]
fn sequence_numbers_wrap_twice() {
    // Gigaoctets after an event, it does not look as if it were to come.
    for sack in [true, false] {
        let mut line = Line::new(sack);
        line.send(10).wait(100).ack(10);
        assert!(line.cwnd() > 10.0, "the window was used");
        line.r.congestion.cwnd = 1 << 24;
        for gigaoctet in 0..9 {
            let una = line.r.board.una();
            for n in 0..10 {
                line.r.on_sent(line.now, una + n * MSS, MSS, false, true);
            }
            line.wait(100);
            for n in 2..5 {
                line.r.on_ack(line.now, una, &[(una + MSS, una + n * MSS)], None, WINDOW, true);
            }
            assert_eq!(line.r.phase(), Phase::Recovery, "sack {sack}, {gigaoctet}");
            line.r.on_sent(line.now, una, MSS, true, true);
            line.wait(100);
            let mut una = una + 10 * MSS;
            line.r.on_ack(line.now, una, &[], None, WINDOW, false);
            assert_eq!(line.r.phase(), Phase::Open);
            line.r.congestion.cwnd = 1 << 24;
            for _ in 0..1 << 10 {
                line.r.on_sent(line.now, una, 1 << 20, false, true);
                una += 1 << 20;
                line.wait(1);
                line.r.on_ack(line.now, una, &[], None, WINDOW, false);
                assert_eq!(line.r.cwnd(), 1 << 24, "not used");
            }
        }
    }
}

#[test]
fn rfc_8985_a_second_probe_needs_a_sample() {
    // §7.3, second condition: without timestamps, what acknowledges a retransmission is no sample.
    let mut line = Line::new(true);
    line.send(2);
    assert_eq!(line.timer(), TimeoutAction::Probe);
    line.r.on_sent(line.now, SeqNum(MSS), MSS, true, true);
    line.wait(100).ack(2).send(2);
    assert_eq!(line.timer(), TimeoutAction::None);
    assert_eq!(line.timer(), TimeoutAction::Rto);
    // With a sample there is one again.
    line.pump();
    line.wait(100).ack(4).send(2).wait(100).ack(6).send(2);
    assert_eq!(line.timer(), TimeoutAction::Probe);
}
