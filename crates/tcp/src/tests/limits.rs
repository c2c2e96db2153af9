//! Floods and numbers: SYN floods, cookies, TIME-WAIT, ten thousand connections.

use super::script::{ACK, SYN};
use super::sim::{A, B, Sim};
use crate::{ApiError, Config, Options, Output, SeqNum, SocketId, State, SynCookies, Tcp};
use std::net::Ipv4Addr;
use trunkline_core::{Duration, Instant, Outbox, Rng};
use trunkline_wire::tcp::{Flags, Options as WireOptions, Segment, Timestamps};

const NOW: Instant = Instant::from_secs(50);

struct Stranger {
    tcp: Tcp,
    now: Instant,
    out: Outbox<Output>,
}

impl Stranger {
    fn new(config: Config, backlog: usize) -> Stranger {
        let mut tcp = Tcp::new(config, Rng::new(1));
        tcp.listen(None, 80, backlog, Options::default()).unwrap();
        Stranger { tcp, now: NOW, out: Outbox::new() }
    }

    /// A segment from a port of B; the answers' octets.
    fn send(
        &mut self,
        port: u16,
        seq: u32,
        ack: u32,
        flags: Flags,
        options: WireOptions,
        payload: &[u8],
    ) -> Vec<Vec<u8>> {
        let segment = Segment {
            source_port: port,
            destination_port: 80,
            sequence: SeqNum(seq),
            acknowledgment: SeqNum(ack),
            flags,
            window: 1000,
            urgent_pointer: 0,
            options,
            payload,
        };
        let mut octets = Vec::new();
        segment.emit(B, A, &mut octets);
        self.tcp.segment(self.now, B, A, 64, 0, &octets, &mut self.out);
        let mut answers = Vec::new();
        let mut buf = Vec::new();
        while self.tcp.poll_transmit(self.now, &mut buf).is_some() {
            answers.push(std::mem::take(&mut buf));
        }
        answers
    }

    /// A connection from a port of B, whose first octet is number 8; our initial number, and its name.
    fn connect(&mut self, port: u16) -> Option<(u32, SocketId)> {
        let answers = self.send(port, 7, 0, SYN, WireOptions::NONE, &[]);
        let iss = parse(answers.first()?).sequence.0;
        self.send(port, 8, iss.wrapping_add(1), ACK, WireOptions::NONE, &[]);
        let told: Vec<Output> = self.out.drain().collect();
        told.into_iter().find_map(|output| match output {
            Output::Incoming { id, .. } => Some((iss, id)),
            _ => None,
        })
    }
}

fn parse(octets: &[u8]) -> Segment<'_> {
    Segment::parse(octets, A, B).unwrap()
}

#[test]
fn a_flood_of_syns_is_bounded() {
    for syn_cookies in [SynCookies::Never, SynCookies::UnderPressure] {
        let mut s = Stranger::new(Config { syn_cookies, ..Config::default() }, 100);
        for port in 1..=50_000 {
            s.send(port, 7, 0, SYN, WireOptions::NONE, &[]);
        }
        assert_eq!(s.tcp.connections(NOW).count(), 100);
        assert_eq!(s.tcp.listeners().next().map(|l| l.half_open), Some(100));
        let counters = *s.tcp.counters();
        let rest =
            if syn_cookies == SynCookies::Never { counters.listen_drops } else { counters.cookies_sent };
        assert_eq!(rest, 49_900);
        // They go away by themselves.
        while let Some(at) = s.tcp.poll_timeout() {
            s.tcp.handle_timeout(at, &mut s.out);
            while s.tcp.poll_transmit(at, &mut Vec::new()).is_some() {}
        }
        assert_eq!(s.tcp.connections(NOW).count(), 0);
        assert_eq!(s.tcp.listeners().next().map(|l| l.half_open), Some(0));
        assert!(s.out.is_empty(), "the user never heard of them");
    }
}

#[test]
fn a_cookie_opens_a_connection_with_its_options() {
    let mut s = Stranger::new(Config { syn_cookies: SynCookies::Always, ..Config::default() }, 1);
    let mut options = WireOptions {
        mss: Some(1400),
        window_scale: Some(6),
        sack_permitted: true,
        timestamps: Some(Timestamps { value: 900, echo: 0 }),
        ..WireOptions::NONE
    };
    let answers = s.send(1, 7, 0, SYN, options, &[]);
    let syn_ack = parse(&answers[0]);
    assert_eq!(s.tcp.connections(NOW).count(), 0, "nothing is kept");
    assert!(syn_ack.options.sack_permitted && syn_ack.options.window_scale.is_some());
    let echo = syn_ack.options.timestamps.unwrap().value;
    options = WireOptions { timestamps: Some(Timestamps { value: 901, echo }), ..WireOptions::NONE };
    // A wrong one is refused.
    let answers = s.send(1, 8, syn_ack.sequence.0 + 2, ACK, options, &[]);
    assert!(parse(&answers[0]).flags.contains(Flags::RST));
    // The first data may come with it.
    s.send(1, 8, syn_ack.sequence.0 + 1, ACK, options, b"hello");
    let view = s.tcp.connections(NOW).next().unwrap();
    assert_eq!((view.state, view.receive_queue), (State::Established, 5));
    assert!(view.features.sack && view.features.timestamps);
    assert_eq!(view.features.window_scale.map(|w| w.0), Some(6));
    assert_eq!(view.mss, 1360 - 12, "the next smaller size of those that a cookie can tell");
    assert_eq!(view.snd_wnd, 1000 << 6);
    let told: Vec<Output> = s.out.drain().collect();
    assert!(matches!(told[..], [Output::Incoming { .. }, Output::Readable(_)]), "{told:?}");
    let counters = s.tcp.counters();
    assert_eq!((counters.cookies_sent, counters.cookies_accepted, counters.cookies_failed), (1, 1, 1));
}

#[test]
fn a_cookie_is_taken_only_while_one_can_be_on_its_way() {
    // Else an ACK at any time is a guess that opens a connection, be it seldom.
    let mut s = Stranger::new(Config { syn_cookies: SynCookies::UnderPressure, ..Config::default() }, 1);
    s.send(1, 7, 0, SYN, WireOptions::NONE, &[]);
    let cookie = s.send(2, 7, 0, SYN, WireOptions::NONE, &[]);
    assert_eq!(s.tcp.counters().cookies_sent, 1);
    let guess = |s: &mut Stranger| {
        s.send(3, 8, parse(&cookie[0]).sequence.0 + 1, ACK, WireOptions::NONE, &[]);
        s.tcp.counters().cookies_failed
    };
    assert_eq!(guess(&mut s), 1, "looked at");
    s.now += Duration::from_secs(127);
    assert_eq!(guess(&mut s), 2);
    s.now += Duration::from_secs(1);
    assert_eq!(guess(&mut s), 2, "not looked at any more");
}

#[test]
fn strangers_leave_places() {
    let config = Config { max_connections: 100, reserved_active: 10, ..Config::default() };
    let mut s = Stranger::new(config, 1000);
    let opened = (1..=200).filter(|&port| s.connect(port).is_some()).count();
    assert_eq!((opened, s.tcp.connections(NOW).count()), (90, 90));
    for _ in 0..10 {
        s.tcp.connect(NOW, (A, 0), (B, 80), Options::default(), 1500, &mut s.out).unwrap();
    }
    let one_more = s.tcp.connect(NOW, (A, 0), (B, 80), Options::default(), 1500, &mut s.out);
    assert_eq!(one_more, Err(ApiError::TooMany));
}

#[test]
fn a_listener_has_a_limit_of_its_own() {
    let config = Config { max_per_listener: 20, ..Config::default() };
    for syn_cookies in [SynCookies::UnderPressure, SynCookies::Always] {
        let mut s = Stranger::new(Config { syn_cookies, ..config.clone() }, 1000);
        s.tcp.listen(None, 81, 10, Options::default()).unwrap();
        let open: Vec<_> = (1..=50).filter_map(|port| s.connect(port)).collect();
        assert_eq!(open.len(), 20);
        // Who goes makes place.
        s.tcp.abort(NOW, open[0].1, &mut s.out).unwrap();
        s.tcp.abort(NOW, open[1].1, &mut s.out).unwrap();
        while s.tcp.poll_transmit(NOW, &mut Vec::new()).is_some() {}
        assert_eq!((60..=70).filter(|&port| s.connect(port).is_some()).count(), 2);
    }
}

#[test]
fn those_that_were_closed_are_few() {
    let mut s = Stranger::new(Config { max_orphans: 10, ..Config::default() }, 1000);
    let open: Vec<_> = (1..=15).map(|port| s.connect(port).unwrap()).collect();
    for (n, (_, id)) in open.iter().enumerate() {
        s.now = NOW + Duration::from_millis(n as u64);
        s.tcp.close(s.now, *id, &mut s.out).unwrap();
    }
    let left: Vec<SocketId> = s.tcp.connections(s.now).map(|c| c.id).collect();
    assert_eq!(left, open[5..].iter().map(|(_, id)| *id).collect::<Vec<_>>(), "the oldest went");
    let resets = std::iter::repeat_with(|| {
        let mut buf = Vec::new();
        s.tcp.poll_transmit(s.now, &mut buf).map(|_| parse(&buf).flags.contains(Flags::RST))
    });
    assert_eq!(resets.map_while(|sent| sent).filter(|reset| *reset).count(), 5);
    assert_eq!(s.tcp.counters().orphan_overflow, 5);
    // One whose FIN is acknowledged counts no more: FIN-WAIT-2 has its own time.
    let (iss, id) = s.connect(99).unwrap();
    s.tcp.close(s.now, id, &mut s.out).unwrap();
    while s.tcp.poll_transmit(s.now, &mut Vec::new()).is_some() {}
    assert_eq!(s.tcp.counters().orphan_overflow, 6);
    for port in 7..=15 {
        let iss = open[port as usize - 1].0;
        s.send(port, 8, iss.wrapping_add(2), ACK, WireOptions::NONE, &[]);
    }
    s.send(99, 8, iss.wrapping_add(2), ACK, WireOptions::NONE, &[]);
    let more: Vec<_> = (101..=110).map(|port| s.connect(port).unwrap()).collect();
    more.iter().for_each(|(_, id)| s.tcp.close(s.now, *id, &mut s.out).unwrap());
    assert_eq!(s.tcp.counters().orphan_overflow, 6);
}

#[test]
fn the_memory_of_all_has_a_limit() {
    const MOST: usize = 1 << 20;
    let mut s = Stranger::new(Config { max_buffered: MOST, ..Config::default() }, 1000);
    let open: Vec<_> = (1..=400).map(|port| s.connect(port).unwrap()).collect();
    // All want to send without end.
    let mut first = 0;
    for (n, (_, id)) in open.iter().enumerate() {
        let taken = s.tcp.send(NOW, *id, &[7; 1 << 20], &mut s.out).unwrap();
        first = if n == 0 { taken } else { first };
        assert!((2048..=first).contains(&taken), "{n}: {taken}");
    }
    assert!((MOST / 16..=MOST / 8).contains(&first), "{first}");
    let floor = open.len() * 2048;
    assert!(s.tcp.buffered() <= MOST + floor, "{}", s.tcp.buffered());
    // And all are sent more than their share, in the windows that they announced.
    let before = s.tcp.buffered();
    for (n, (iss, _)) in open.iter().enumerate() {
        for piece in 0..30 {
            s.send(n as u16 + 1, 8 + piece * 1000, iss.wrapping_add(1), ACK, WireOptions::NONE, &[7; 1000]);
        }
    }
    assert!(s.tcp.buffered() <= before.max(MOST) + floor, "{}", s.tcp.buffered());
    assert!(s.tcp.counters().pressure_octets > 0);
    // Each got something: so all go on, if slowly.
    let least = s.tcp.connections(NOW).map(|c| c.receive_queue).min();
    assert!(least.is_some_and(|least| least >= 2000), "{least:?}");
    // What was dropped is taken when there is memory.
    for (_, id) in &open[1..] {
        s.tcp.abort(NOW, *id, &mut s.out).unwrap();
    }
    while s.tcp.poll_transmit(NOW, &mut Vec::new()).is_some() {}
    let (iss, id) = open[0];
    let got = s.tcp.connections(NOW).next().unwrap().receive_queue;
    s.send(1, 8 + got as u32, iss.wrapping_add(1), ACK, WireOptions::NONE, &[7; 1000]);
    assert_eq!(s.tcp.readable(id), got + 1000);
    s.tcp.abort(NOW, id, &mut s.out).unwrap();
    assert_eq!(s.tcp.buffered(), 0, "all given back");
}

#[test]
fn resets_are_limited() {
    let mut s = Stranger::new(Config { resets_per_second: 10, ..Config::default() }, 1);
    let answers: usize = (1..1000).map(|port| s.send(port, 7, 1, ACK, WireOptions::NONE, &[]).len()).sum();
    assert_eq!(answers, 10);
    assert_eq!(s.tcp.counters().resets_limited, 989);
}

#[test]
fn replies_wait_in_a_bounded_queue() {
    let config = Config { syn_cookies: SynCookies::Always, ..Config::default() };
    let mut tcp = Tcp::new(config, Rng::new(1));
    tcp.listen(None, 80, 1, Options::default()).unwrap();
    let mut out = Outbox::new();
    for port in 1..=5000 {
        let segment = Segment {
            source_port: port,
            destination_port: 80,
            sequence: SeqNum(1),
            acknowledgment: SeqNum(0),
            flags: SYN,
            window: 0,
            urgent_pointer: 0,
            options: WireOptions::NONE,
            payload: &[],
        };
        let mut octets = Vec::new();
        segment.emit(B, A, &mut octets);
        tcp.segment(NOW, B, A, 64, 0, &octets, &mut out);
    }
    let mut sent = 0;
    while tcp.poll_transmit(NOW, &mut Vec::new()).is_some() {
        sent += 1;
    }
    assert_eq!((sent, tcp.counters().replies_dropped), (1024, 5000 - 1024));
}

#[test]
fn ephemeral_ports_run_out_and_come_back() {
    // RFC 6056
    let config = Config { ephemeral_ports: 50_000..=50_009, ..Config::default() };
    let mut tcp = Tcp::new(config, Rng::new(1));
    let mut out = Outbox::new();
    let connect = |tcp: &mut Tcp, out: &mut Outbox<Output>, last| {
        let remote = (Ipv4Addr::new(198, 51, 100, last), 80);
        tcp.connect(NOW, (A, 0), remote, Options::default(), 1500, out)
    };
    let ids: Vec<SocketId> = (0..10).map(|_| connect(&mut tcp, &mut out, 1).unwrap()).collect();
    assert_eq!(connect(&mut tcp, &mut out, 1), Err(ApiError::NoPort));
    assert!(connect(&mut tcp, &mut out, 2).is_ok(), "another peer, the same ports");
    tcp.abort(NOW, ids[3], &mut out).unwrap();
    assert!(connect(&mut tcp, &mut out, 1).is_ok());
    assert_eq!(tcp.abort(NOW, ids[3], &mut out), Err(ApiError::NotFound), "an id is never used twice");
}

#[test]
fn ten_thousand_connections_open_and_close() {
    let config = Config { max_time_wait: 500, ..Config::default() };
    let mut sim = Sim::with(1, [config.clone(), config]);
    let mut out = [Outbox::new(), Outbox::new()];
    sim.hosts[1].listen(None, 80, 1000, Options::default()).unwrap();
    let mut done = [0, 0];
    for _ in 0..20 {
        for _ in 0..500 {
            sim.connect(0, (B, 80), Options::default(), &mut out[0]);
        }
        let until = sim.now + Duration::from_secs(1);
        while sim.next_event().is_some_and(|at| at <= until) {
            sim.step(&mut out).unwrap();
            for host in 0..2 {
                while let Some(output) = out[host].pop() {
                    let now = sim.now;
                    let tcp = &mut sim.hosts[host];
                    let mut more = Outbox::new();
                    match output {
                        Output::Connected(id) => {
                            tcp.send(now, id, b"ping", &mut more).unwrap();
                            tcp.shutdown_write(now, id, &mut more).unwrap();
                        }
                        Output::Readable(id) => {
                            let got = tcp.receive(now, id, &mut Vec::new(), 100, &mut more).unwrap();
                            if got.eof && host == 1 {
                                tcp.close(now, id, &mut more).unwrap();
                            }
                        }
                        Output::Closed { why, .. } => {
                            assert_eq!(why, crate::Closed::Done);
                            done[host] += 1;
                        }
                        _ => {}
                    }
                    more.drain().for_each(|output| out[host].push(output));
                }
            }
        }
        sim.now = until;
    }
    assert_eq!(done, [10_000, 10_000]);
    assert_eq!(sim.states(0), [State::TimeWait; 500], "bounded; the oldest went early");
    assert_eq!(sim.states(1), []);
    assert_eq!(sim.hosts[0].counters().time_wait_overflow, 9_500);
    let until = sim.now + Duration::from_secs(100);
    sim.run(until, &mut out);
    assert_eq!(sim.states(0), []);
}
