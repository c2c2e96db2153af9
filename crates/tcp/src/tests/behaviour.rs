//! One behaviour each: windows, Nagle, delayed ACK, probes, timestamps, SACK, resets, ICMP.

use super::script::{ACK, FIN_ACK, IRS, LOCAL, REMOTE, RST, SYN, SYN_ACK, Script};
use crate::{Closed, Config, IcmpError, IcmpErrorKind, Keepalive, Options, Output, SeqNum, State};
use trunkline_core::Duration;
use trunkline_wire::tcp::{Flags, Options as WireOptions, SackBlocks, Timestamps};

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// Opened with all options on; the peer's MSS is 1000, its scale 2.
fn modern(options: Options) -> Script {
    let mut s = Script::new(Config::default());
    s.options = WireOptions {
        mss: Some(1000),
        window_scale: Some(2),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 500, echo: 0 }),
        ..WireOptions::NONE
    };
    s.establish(options);
    s
}

#[test]
fn options_are_offered_and_answered() {
    let mut s = Script::new(Config::default());
    s.open(Options::default());
    let syn = s.last.clone().unwrap();
    assert_eq!(syn.flags, SYN);
    assert_eq!(
        (syn.options.mss, syn.options.window_scale, syn.options.sack_permitted),
        (Some(1460), Some(5), true)
    );
    assert_eq!(syn.options.timestamps.map(|t| t.echo), Some(0));
    // A peer without options: none is used (RFC 7323 §2.2, §3.2), the MSS is 536 (RFC 9293 §3.7.1).
    s.peer(0, 1, SYN_ACK, &[]);
    let ack = s.last.clone().unwrap();
    assert_eq!(ack.options, WireOptions::NONE);
    let sent = s.send(&[1; 2000]);
    assert_eq!(sent[0].len, 536);

    let s = modern(Options::default());
    let view = s.tcp.connections(s.now).next().unwrap();
    assert!(view.features.timestamps && view.features.sack);
    assert_eq!(view.features.window_scale, Some((2, 5)));
    assert_eq!(view.snd_wnd, 8000 << 2);
    assert_eq!(view.mss, 988, "RFC 6691: the MSS counts the options");
}

#[test]
fn nagle_holds_small_segments_back() {
    // RFC 9293 §3.7.4
    let mut s = Script::established(Options::default());
    assert_eq!(s.send(b"a").len(), 1);
    assert!(s.send(b"b").is_empty());
    assert!(s.send(b"c").is_empty());
    let sent = s.peer(1, 2, ACK, &[]);
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].payload, b"bc");
    // A full segment does not wait.
    let sent = s.send(&[9; 600]);
    assert_eq!(sent.iter().map(|s| s.len).collect::<Vec<_>>(), [536]);

    let mut s = Script::established(Options { nagle: false, ..Options::default() });
    assert_eq!(s.send(b"a").len() + s.send(b"b").len(), 2);
}

#[test]
fn acknowledgments_are_delayed_after_the_start() {
    // RFC 9293 §3.8.6.3, RFC 5681 §4.2
    let mut s = Script::established(Options::default());
    let mut seq = 1;
    let mut data = |s: &mut Script, len: usize| {
        let sent = s.peer(seq, 1, ACK, &vec![7; len]);
        seq += len as u32;
        sent
    };
    for _ in 0..16 {
        assert_eq!(data(&mut s, 10).len(), 1, "at once at the start");
    }
    assert!(data(&mut s, 10).is_empty());
    let sent = s.wait(ms(39));
    assert!(sent.is_empty());
    let sent = s.wait(ms(1));
    assert_eq!((sent.len(), sent[0].ack), (1, 171));
    // At least every second full segment.
    assert!(data(&mut s, 536).is_empty());
    assert_eq!(data(&mut s, 536).len(), 1);
    // Data of ours carries it.
    assert!(data(&mut s, 10).is_empty());
    let sent = s.send(b"x");
    assert_eq!((sent.len(), sent[0].ack), (1, 171 + 1072 + 10));
    assert!(s.wait(ms(100)).iter().all(|sent| sent.len > 0), "no other ACK");
}

#[test]
fn gaps_are_acknowledged_at_once_with_sack() {
    // RFC 2018 §4, RFC 2883 §4
    let mut s = modern(Options::default());
    s.options.timestamps = Some(Timestamps { value: 501, echo: 0 });
    let block = |left: u32, right: u32| (SeqNum(IRS) + left, SeqNum(IRS) + right);
    let sent = s.peer(101, 1, ACK, &[0; 100]);
    assert_eq!((sent[0].ack, &*sent[0].options.sack), (1, &[block(101, 201)][..]));
    let sent = s.peer(301, 1, ACK, &[0; 100]);
    assert_eq!(&*sent[0].options.sack, &[block(301, 401), block(101, 201)]);
    let sent = s.peer(301, 1, ACK, &[0; 50]);
    let dsack = [block(301, 351), block(301, 401), block(101, 201)];
    assert_eq!(&*sent[0].options.sack, &dsack, "what came twice goes first");
    let sent = s.peer(1, 1, ACK, &[0; 100]);
    assert_eq!((sent[0].ack, &*sent[0].options.sack), (201, &[block(301, 401)][..]));
    let sent = s.peer(201, 1, ACK, &[0; 100]);
    assert_eq!((sent[0].ack, sent[0].options.sack), (401, SackBlocks::default()));
}

#[test]
fn a_closed_window_is_probed_until_it_opens() {
    // RFC 9293 §3.8.6.1
    let mut s = Script::established(Options::default());
    s.window = 0;
    s.peer(1, 1, ACK, &[]);
    assert!(s.send(b"hello").is_empty());
    let mut probes = 0;
    for _ in 0..60 {
        let sent = s.wait(secs(60));
        // Always answered: the connection lives, for hours.
        for probe in sent {
            assert_eq!((probe.seq, probe.len), (1, 1), "one octet of new data");
            probes += 1;
            s.peer(1, 1, ACK, &[]);
        }
    }
    assert!((50..100).contains(&probes), "{probes}");
    s.window = 100;
    let sent = s.peer(1, 1, ACK, &[]);
    assert_eq!(sent[0].payload, b"hello");
    // The probe's octet may have been taken.
    let mut s = Script::established(Options::default());
    s.window = 0;
    s.peer(1, 1, ACK, &[]);
    s.send(b"hello");
    s.wait(secs(2));
    s.window = 100;
    let sent = s.peer(1, 2, ACK, &[]);
    assert_eq!((sent[0].seq, &sent[0].payload[..]), (2, &b"ello"[..]));
}

#[test]
fn a_probe_without_answer_ends_at_the_user_timeout() {
    let mut s = Script::established(Options { user_timeout: Some(secs(100)), ..Options::default() });
    s.window = 0;
    s.peer(1, 1, ACK, &[]);
    s.send(b"hello");
    s.wait(secs(300));
    assert!(matches!(s.told[..], [Output::Closed { why: Closed::TimedOut, .. }]), "{:?}", s.told);
}

#[test]
fn our_window_closes_and_opens_without_silly_steps() {
    // RFC 9293 §3.8.6.2.2
    let mut s = Script::established(Options { receive_buffer: 2000, ..Options::default() });
    let first = s.peer(1, 1, ACK, &[1; 500]);
    assert_eq!(first[0].window, 1500);
    s.peer(501, 1, ACK, &[1; 500]);
    s.peer(1001, 1, ACK, &[1; 500]);
    let full = s.peer(1501, 1, ACK, &[1; 500]);
    assert_eq!((full[0].ack, full[0].window), (2001, 0));
    let probe = s.peer(2001, 1, ACK, &[1; 1]);
    assert_eq!((probe[0].ack, probe[0].window), (2001, 0), "a probe is answered, its octet not taken");
    assert_eq!(s.receive(100).0.len(), 100);
    assert!(s.drain().is_empty(), "100 octets are not worth a segment");
    assert_eq!(s.receive(600).0.len(), 600);
    let sent = s.drain();
    assert_eq!((sent.len(), sent[0].window), (1, 700));
    // A window is never taken back.
    let data = s.peer(2001, 1, ACK, &[2; 10]);
    assert_eq!(data[0].window, 690);
}

#[test]
fn a_small_window_is_used_only_after_a_while() {
    // RFC 9293 §3.8.6.2.1: SWS avoidance of the sender, with its override timeout.
    let mut s = Script::established(Options::default());
    s.window = 50;
    s.peer(1, 1, ACK, &[]);
    assert!(s.send(&[1; 1000]).is_empty());
    let sent = s.wait(secs(2));
    assert_eq!(sent[0].len, 50);
}

#[test]
fn a_shrunken_window_stops_new_data_only() {
    let mut s = Script::established(Options::default());
    s.send(&[1; 2000]);
    s.window = 100;
    assert!(s.peer(1, 537, ACK, &[]).is_empty(), "SND.NXT is beyond the window now");
    s.window = 8000;
    assert!(!s.peer(1, 2001, ACK, &[]).iter().any(|sent| sent.len > 0));
}

#[test]
fn keepalive_probes_and_gives_up() {
    // RFC 9293 §3.8.4
    let keepalive = Keepalive { idle: secs(100), interval: secs(10), probes: 3 };
    let mut s = Script::established(Options { keepalive: Some(keepalive), ..Options::default() });
    assert!(s.wait(secs(99)).is_empty());
    let sent = s.wait(secs(1));
    assert_eq!((sent.len(), sent[0].seq, sent[0].len), (1, 0, 0), "SND.NXT - 1");
    s.peer(1, 1, ACK, &[]);
    assert!(s.wait(secs(99)).is_empty(), "an answer starts it anew");
    let sent = s.wait(secs(60));
    assert_eq!(sent.iter().filter(|s| s.seq == 0).count(), 3);
    assert_eq!(sent.last().unwrap().flags, RST);
    assert!(matches!(s.told[..], [Output::Closed { why: Closed::TimedOut, .. }]));
    let mut quiet = Script::established(Options::default());
    assert!(quiet.wait(secs(100_000)).is_empty(), "off by default (MUST-25)");
}

#[test]
fn a_peers_keepalive_is_answered() {
    // The probe is at RCV.NXT - 1, with or without an octet.
    let mut s = Script::established(Options::default());
    assert_eq!(s.peer(0, 1, ACK, &[]).len(), 1);
    assert_eq!(s.peer(0, 1, ACK, &[0]).len(), 1);
    // A loop of acknowledgments dies.
    assert_eq!((0..10).map(|_| s.peer(0, 1, ACK, &[]).len()).sum::<usize>(), 0);
    s.wait(secs(1));
    assert_eq!(s.peer(0, 1, ACK, &[]).len(), 1);
}

#[test]
fn paws_drops_old_timestamps() {
    // RFC 7323 §5.3
    let mut s = modern(Options::default());
    let stamp = |s: &mut Script, value| s.options.timestamps = Some(Timestamps { value, echo: 0 });
    stamp(&mut s, 600);
    let sent = s.peer(1, 1, ACK, b"new");
    assert_eq!(sent[0].options.timestamps.map(|t| t.echo), Some(600));
    stamp(&mut s, 599);
    let sent = s.peer(4, 1, ACK, b"old");
    assert_eq!((sent[0].ack, s.tcp.counters().paws_drops), (4, 1));
    // A RST is taken whatever its timestamp.
    s.options.timestamps = None;
    assert!(s.peer(4, 1, ACK, b"none").is_empty(), "RFC 7323 §3.2: silently");
    assert_eq!(s.tcp.counters().timestamp_missing, 1);
    stamp(&mut s, 1);
    s.peer(4, 1, RST, &[]);
    assert_eq!(s.state(), State::Listen);
    // TS.Recent is too old to count after 24 days (§5.5).
    let mut s = modern(Options::default());
    stamp(&mut s, 600);
    s.peer(1, 1, ACK, b"x");
    s.wait(secs(25 * 86_400));
    stamp(&mut s, 599);
    assert_eq!(s.peer(2, 1, ACK, b"y").last().unwrap().ack, 3);
}

#[test]
fn timestamps_echo_the_segment_that_moved_the_window() {
    // RFC 7323 §4.3: with a gap, the echo stays that of the last segment in order.
    let mut s = modern(Options::default());
    let stamp = |s: &mut Script, value| s.options.timestamps = Some(Timestamps { value, echo: 0 });
    stamp(&mut s, 700);
    s.peer(1, 1, ACK, &[0; 10]);
    stamp(&mut s, 800);
    let sent = s.peer(21, 1, ACK, &[0; 10]);
    assert_eq!(sent[0].options.timestamps.map(|t| t.echo), Some(700));
}

#[test]
fn a_reset_in_the_window_is_only_challenged() {
    // RFC 5961 §3: the limit holds for the whole host.
    let mut s = Script::established(Options::default());
    let answers: usize = (0..500).map(|_| s.peer(50, 1, RST, &[]).len()).sum();
    assert_eq!(s.state(), State::Established);
    assert!((50..=150).contains(&answers), "{answers}");
    let counters = s.tcp.counters();
    assert_eq!(counters.challenge_acks + counters.challenge_acks_limited, 500);
}

#[test]
fn time_wait_gives_way_to_a_newer_connection() {
    // RFC 6191 §2
    let reach = || {
        let mut s = modern(Options::default());
        s.shutdown();
        s.peer(1, 2, FIN_ACK, &[]);
        s.receive(10);
        s.drain();
        assert_eq!(s.state(), State::TimeWait);
        (s.options.mss, s.options.sack_permitted) = (Some(1000), true);
        s
    };
    let syn = |value, seq: u32| {
        let mut s = reach();
        s.options.timestamps = Some(Timestamps { value, echo: 0 });
        let old = s.iss;
        s.peer(seq, 0, SYN, &[]);
        (s.state(), s.iss.gt(old + 2))
    };
    assert_eq!(
        syn(501, 0u32.wrapping_sub(5000)),
        (State::SynReceived, true),
        "newer timestamp, old sequence"
    );
    assert_eq!(syn(500, 5000), (State::SynReceived, true), "same timestamp, newer sequence");
    assert_eq!(syn(500, 0u32.wrapping_sub(5000)).0, State::TimeWait);
    assert_eq!(syn(499, 5000).0, State::TimeWait, "older timestamp");
    // Without a listener there is nothing to give way to.
    let mut s = reach();
    let listener = s.listener.unwrap();
    s.tcp.close_listener(s.now, listener, &mut s.out).unwrap();
    s.options.timestamps = Some(Timestamps { value: 900, echo: 0 });
    s.peer(5000, 0, SYN, &[]);
    assert_eq!(s.state(), State::TimeWait);
}

#[test]
fn time_wait_lasts_two_msl_from_the_last_fin() {
    let mut s = Script::established(Options::default());
    s.shutdown();
    s.peer(1, 2, FIN_ACK, &[]);
    s.wait(secs(50));
    assert_eq!(s.peer(1, 2, FIN_ACK, &[]).len(), 1, "the FIN again is acknowledged again");
    s.receive(10);
    s.wait(secs(59));
    assert_eq!(s.state(), State::TimeWait);
    s.wait(secs(1));
    assert_eq!(s.state(), State::Listen);
}

#[test]
fn what_was_not_received_outlives_the_connection() {
    let mut s = Script::established(Options::default());
    s.shutdown();
    s.peer(1, 2, FIN_ACK, b"last words");
    s.wait(secs(100));
    assert!(!s.told.iter().any(|o| matches!(o, Output::Closed { .. })));
    assert_eq!(s.receive(4), (b"last".to_vec(), false));
    assert_eq!(s.receive(100), (b" words".to_vec(), true));
    s.drain();
    assert!(matches!(s.told.last(), Some(Output::Closed { why: Closed::Done, .. })));
    assert_eq!(s.tcp.connections(s.now).count(), 0);
}

#[test]
fn close_with_unread_data_resets() {
    // RFC 9293 §3.6.1, RFC 2525 §2.17
    let mut s = Script::established(Options::default());
    s.peer(1, 1, ACK, b"unread");
    let sent = s.close();
    assert_eq!((sent[0].flags, sent[0].seq), (RST, 1));
    let mut s = Script::established(Options::default());
    s.close();
    let sent = s.peer(1, 2, ACK, b"too late");
    assert_eq!((sent[0].flags, sent[0].seq), (RST, 2));
    assert_eq!(s.state(), State::Listen);
}

#[test]
fn linger_aborts_what_takes_too_long() {
    let options = |linger| Options { linger: Some(secs(linger)), ..Options::default() };
    let mut s = Script::established(options(0));
    s.send(b"data");
    assert_eq!(s.close()[0].flags, RST);
    let mut s = Script::established(options(5));
    s.send(b"data");
    s.close();
    s.wait(secs(4));
    assert_eq!(s.state(), State::FinWait1);
    let sent = s.wait(secs(1));
    assert_eq!(sent.last().unwrap().flags, RST);
    assert_eq!(s.state(), State::Listen);
}

#[test]
fn a_closed_socket_waits_for_the_peers_fin_for_a_while() {
    let mut s = Script::established(Options::default());
    s.close();
    s.peer(1, 2, ACK, &[]);
    s.wait(secs(59));
    assert_eq!(s.state(), State::FinWait2);
    s.wait(secs(1));
    assert_eq!(s.state(), State::Listen);
}

#[test]
fn segments_from_too_far_are_dropped() {
    // GTSM, RFC 5082
    let mut s = Script::plain();
    s.ttl = 255;
    s.establish(Options { min_ttl: 255, ..Options::default() });
    s.ttl = 254;
    assert!(s.peer(1, 1, RST, &[]).is_empty());
    assert_eq!((s.state(), s.tcp.counters().ttl_drops), (State::Established, 1));
    s.ttl = 255;
    s.peer(1, 1, RST, &[]);
    assert_eq!(s.state(), State::Listen);
}

#[test]
fn icmp_errors_must_quote_what_is_in_flight() {
    // RFC 5927 §4.1, §5, §7
    let mut s = Script::established(Options::default());
    s.send(&[1; 536]);
    let error = |s: &mut Script, seq: u32, kind| {
        let error = IcmpError { local: LOCAL, remote: REMOTE, sequence: s.iss + seq, kind };
        s.tcp.icmp_error(s.now, &error, &mut s.out);
        s.drain();
    };
    error(&mut s, 0, IcmpErrorKind::FragmentationNeeded(560));
    error(&mut s, 537, IcmpErrorKind::FragmentationNeeded(560));
    assert_eq!(s.tcp.counters().icmp_ignored, 2);
    error(&mut s, 1, IcmpErrorKind::Hard);
    assert_eq!(s.state(), State::Established, "soft once open");
    error(&mut s, 1, IcmpErrorKind::FragmentationNeeded(68));
    let view = s.tcp.connections(s.now).next().unwrap();
    assert_eq!(view.mss, 552 - 40, "never below the least that is believed");

    let mut s = Script::plain();
    s.open(Options::default());
    error(&mut s, 0, IcmpErrorKind::Soft);
    assert_eq!(s.state(), State::SynSent);
    s.wait(secs(200));
    assert!(matches!(s.told[..], [Output::Closed { why: Closed::Unreachable, .. }]));
    let mut s = Script::plain();
    s.open(Options::default());
    error(&mut s, 0, IcmpErrorKind::Hard);
    assert!(matches!(s.told[..], [Output::Closed { why: Closed::Refused, .. }]));
}

#[test]
fn one_hole_in_the_path_is_told_of_many_segments() {
    // RFC 1191 §3: each segment in flight that is too big brings an error of its own, with the same MTU.
    let mut s = modern(Options::default());
    let sent = s.send(&[1; 1976]);
    assert_eq!(sent.iter().map(|sent| sent.len).collect::<Vec<_>>(), [988, 988]);
    let mut again = Vec::new();
    for (seq, mtu) in [(1, 800), (989, 800), (989, 1400), (989, 0)] {
        let kind = IcmpErrorKind::FragmentationNeeded(mtu);
        let error = IcmpError { local: LOCAL, remote: REMOTE, sequence: s.iss + seq, kind };
        assert_eq!(s.tcp.icmp_error(s.now, &error, &mut s.out), mtu > 0, "what is in flight is believed");
        again.extend(s.drain().iter().map(|sent| (sent.seq, sent.len)));
    }
    assert_eq!(s.tcp.connections(s.now).next().unwrap().mss, 800 - 52);
    assert_eq!(again.iter().map(|sent| sent.1).sum::<usize>(), 1976, "all of it again, once: {again:?}");
}

#[test]
fn what_did_not_leave_goes_again_at_once() {
    let mut s = modern(Options::default());
    let sent = s.send(&[1; 1500]);
    assert_eq!((sent[0].seq, sent[0].len), (1, 988));
    s.tcp.too_big(s.now, LOCAL, REMOTE, s.iss + 1, 700);
    let again = s.drain();
    assert_eq!((again[0].seq, again[0].len), (1, 700 - 52), "no timeout is waited for");
    // The same again is no news, so that nobody goes in circles.
    s.tcp.too_big(s.now, LOCAL, REMOTE, s.iss + 1, 700);
    assert!(s.drain().is_empty());
}

#[test]
fn a_path_that_takes_more_is_used() {
    // The window must hold a segment, else a full one never goes.
    let mut s = Script::plain();
    s.options.mss = Some(60_000);
    s.window = 65_000;
    s.establish(Options::default());
    s.tcp.path_mtu(s.now, LOCAL, REMOTE, u16::MAX);
    let sent = s.send(&[1; 100_000]);
    assert_eq!(sent.first().map(|sent| sent.len), Some(60_000));
}

#[test]
fn progress_is_told_once_a_second() {
    // RFC 4861 §7.3.1
    let mut s = Script::established(Options::default());
    let data = |s: &mut Script, seq: u32| {
        let segment = trunkline_wire::tcp::Segment {
            source_port: REMOTE.1,
            destination_port: LOCAL.1,
            sequence: SeqNum(IRS) + seq,
            acknowledgment: s.iss + 1,
            flags: ACK,
            window: 8000,
            urgent_pointer: 0,
            options: WireOptions::NONE,
            payload: b"x",
        };
        let mut octets = Vec::new();
        segment.emit(REMOTE.0, LOCAL.0, &mut octets);
        s.tcp.segment(s.now, REMOTE.0, LOCAL.0, 64, 0, &octets, &mut s.out)
    };
    s.wait(secs(1));
    assert!(data(&mut s, 1));
    assert!(!data(&mut s, 2), "so soon");
    s.wait(secs(1));
    assert!(data(&mut s, 3));
    s.wait(secs(1));
    assert!(!data(&mut s, 3), "nothing new");
}

#[test]
fn who_was_closed_does_not_wait_for_a_window_for_ever() {
    let mut s = Script::established(Options::default());
    s.window = 0;
    s.peer(1, 1, ACK, &[]);
    s.send(b"hello");
    s.close();
    let mut last = Vec::new();
    for _ in 0..99 {
        last = s.wait(secs(1));
        s.peer(1, 1, ACK, &[]);
    }
    assert_eq!(s.state(), State::FinWait1);
    last.extend(s.wait(secs(2)));
    assert_eq!(last.last().map(|sent| sent.flags), Some(RST));
    assert!(matches!(s.told.last(), Some(Output::Closed { why: Closed::TimedOut, .. })), "{:?}", s.told);
    assert_eq!(s.tcp.connections(s.now).count(), 0);
    // As long as something moves, it may take its time.
    let mut s = Script::established(Options::default());
    s.window = 0;
    s.peer(1, 1, ACK, &[]);
    s.send(b"hello");
    s.close();
    for taken in 1..=4 {
        s.wait(secs(90));
        s.peer(1, 1 + taken, ACK, &[]);
        assert_eq!(s.state(), State::FinWait1, "{taken}");
    }
}

#[test]
fn urgent_data_goes_both_ways() {
    // RFC 9293 §3.8.5
    let mut s = Script::established(Options::default());
    s.peer_urgent(1, 1, ACK | Flags::URG, b"look!", 5);
    assert!(matches!(s.told[..], [Output::Urgent(_), Output::Readable(_)]), "{:?}", s.told);
    assert_eq!(s.receive(10).0, b"look!", "in line");
    s.told.clear();
    let id = s.id.unwrap();
    s.tcp.send_urgent(s.now, id, b"now", &mut s.out).unwrap();
    let sent = s.drain();
    assert!(sent[0].flags.contains(Flags::URG));
    assert_eq!((sent[0].urgent, &sent[0].payload[..]), (3, &b"now"[..]));
    s.peer(6, 4, ACK, &[]);
    assert!(!s.send(b"later")[0].flags.contains(Flags::URG));
}

#[test]
fn segments_to_nobody_in_particular_are_ignored() {
    // RFC 9293 §3.9.2.3 (MUST-57)
    let mut s = Script::plain();
    s.listen(Options::default());
    for (source, destination) in [
        ([224, 0, 0, 1], LOCAL.0.octets()),
        ([255; 4], LOCAL.0.octets()),
        ([0; 4], LOCAL.0.octets()),
        (REMOTE.0.octets(), [224, 0, 0, 5]),
    ] {
        let segment = trunkline_wire::tcp::Segment {
            source_port: 1,
            destination_port: 80,
            sequence: SeqNum(0),
            acknowledgment: SeqNum(0),
            flags: SYN,
            window: 0,
            urgent_pointer: 0,
            options: WireOptions::NONE,
            payload: &[],
        };
        let mut octets = Vec::new();
        segment.emit(source.into(), destination.into(), &mut octets);
        s.tcp.segment(s.now, source.into(), destination.into(), 64, 0, &octets, &mut s.out);
        octets[4] ^= 1;
        s.tcp.segment(s.now, source.into(), destination.into(), 64, 0, &octets, &mut s.out);
        assert!(s.drain().is_empty());
    }
    let counters = s.tcp.counters();
    assert_eq!((counters.bad_address, counters.in_errs), (4, 4));
}

#[test]
fn writable_tells_once_there_is_room() {
    let mut s = Script::established(Options { send_buffer: 1000, ..Options::default() });
    let id = s.id.unwrap();
    assert_eq!(s.tcp.send(s.now, id, &[1; 1500], &mut s.out), Ok(1000));
    s.drain();
    s.peer(1, 101, ACK, &[]);
    assert!(s.told.is_empty());
    s.peer(1, 537, ACK, &[]);
    assert!(matches!(s.told[..], [Output::Writable(_)]));
    s.wait(secs(5));
    s.peer(1, 1001, ACK, &[]);
    assert_eq!(s.told.len(), 1, "once");
}

#[test]
fn nothing_comes_after_a_fin() {
    let mut s = Script::established(Options::default());
    s.peer(11, 1, FIN_ACK, b"end");
    assert!(s.peer(14, 1, ACK, b"more").iter().all(|sent| sent.ack == 1));
    s.peer(8, 1, ACK, b"and more");
    let sent = s.peer(1, 1, ACK, b"before ");
    assert_eq!(sent.last().unwrap().ack, 15, "data up to the FIN, and the FIN");
    assert_eq!(s.state(), State::CloseWait);
    assert_eq!(s.receive(100), (b"before and mo".to_vec(), true));
}
