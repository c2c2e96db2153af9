//! TCP as a table: state × event → state, segments sent, what the user is told (RFC 9293 §3.10).

use super::script::{ACK, FIN, FIN_ACK, IRS, LOCAL, REMOTE, RST, RST_ACK, SYN, SYN_ACK, Script, Sent, URG};
use crate::{ApiError, Options, Output, State};
use std::fmt::Write;
use trunkline_core::Duration;
use trunkline_wire::tcp::Flags;

/// A state, and how it is reached.
type Row = (&'static str, fn() -> Script);

const ROWS: [Row; 13] = [
    ("CLOSED", Script::plain),
    ("LISTEN", || {
        let mut s = Script::plain();
        s.listen(Options::default());
        s
    }),
    ("SYN-SENT", || {
        let mut s = Script::plain();
        s.open(Options::default());
        s
    }),
    ("SYN-RECEIVED (passive)", || {
        let mut s = Script::plain();
        s.listen(Options::default());
        s.peer(0, 0, SYN, &[]);
        s
    }),
    ("SYN-RECEIVED (active)", || {
        let mut s = Script::plain();
        s.open(Options::default());
        s.peer(0, 0, SYN, &[]);
        s
    }),
    ("ESTABLISHED", established),
    ("ESTABLISHED (data in flight)", || {
        let mut s = established();
        s.send(b"hello");
        s
    }),
    ("FIN-WAIT-1", || {
        let mut s = established();
        s.shutdown();
        s
    }),
    ("FIN-WAIT-2", || {
        let mut s = established();
        s.shutdown();
        s.peer(1, 2, ACK, &[]);
        s
    }),
    ("CLOSE-WAIT", || {
        let mut s = established();
        s.peer(1, 1, FIN_ACK, &[]);
        s
    }),
    ("CLOSING", || {
        let mut s = established();
        s.shutdown();
        s.peer(1, 1, FIN_ACK, &[]);
        s
    }),
    ("LAST-ACK", || {
        let mut s = established();
        s.peer(1, 1, FIN_ACK, &[]);
        s.shutdown();
        s
    }),
    ("TIME-WAIT", || {
        let mut s = established();
        s.shutdown();
        s.peer(1, 2, ACK, &[]);
        s.peer(2 - 1, 2, FIN_ACK, &[]);
        s
    }),
];

fn established() -> Script {
    Script::established(Options { receive_buffer: 10_000, ..Options::default() })
}

/// What is next in the peer's numbers and in ours.
fn next(s: &Script) -> (u32, u32, u32) {
    match s.tcp.connections(s.now).find(|c| (c.local, c.remote) == (LOCAL, REMOTE)) {
        Some(c) if c.state != State::SynSent => {
            let relative = |n: crate::SeqNum| n.0.wrapping_sub(s.iss.0);
            (c.rcv_nxt.0.wrapping_sub(IRS), relative(c.snd_nxt), relative(c.snd_una))
        }
        _ => (1, 1, 0),
    }
}

type Event = fn(&mut Script) -> String;

fn sent(segments: Vec<Sent>) -> String {
    match segments.as_slice() {
        [] => "-".into(),
        [one] => one.to_string(),
        [one, rest @ ..] => format!("{one} and {} more, last {}", rest.len(), rest[rest.len() - 1]),
    }
}

fn result(s: &mut Script, result: Result<String, ApiError>) -> String {
    let segments = sent(s.drain());
    match result {
        Ok(text) if text.is_empty() => segments,
        Ok(text) => format!("{segments} returns {text}"),
        Err(error) => format!("{segments} error: {error}"),
    }
}

/// A segment relative to what is next: sequence, acknowledgment.
fn arrives(s: &mut Script, seq: i32, ack: i32, flags: Flags, payload: &[u8]) -> String {
    let (rcv_nxt, snd_nxt, _) = next(s);
    let seq = rcv_nxt.wrapping_add_signed(seq);
    sent(s.peer(seq, snd_nxt.wrapping_add_signed(ack), flags, payload))
}

const EVENTS: [(&str, Event); 39] = [
    ("SYN, the first again", |s| sent(s.peer(0, 0, SYN, &[]))),
    ("SYN in window", |s| arrives(s, 100, 0, SYN, &[])),
    ("SYN out of window", |s| arrives(s, 100_000, 0, SYN, &[])),
    ("SYN,ACK, the first", |s| sent(s.peer(0, 1, SYN_ACK, &[]))),
    ("SYN,ACK of something not sent", |s| sent(s.peer(0, 1000, SYN_ACK, &[]))),
    ("SYN,ACK in window", |s| arrives(s, 100, 0, SYN_ACK, &[])),
    ("ACK of everything", |s| arrives(s, 0, 0, ACK, &[])),
    ("ACK duplicate", |s| {
        let (seq, _, una) = next(s);
        sent(s.peer(seq, una, ACK, &[]))
    }),
    ("ACK of something not sent", |s| arrives(s, 0, 1000, ACK, &[])),
    ("ACK far too old", |s| arrives(s, 0, -100_000, ACK, &[])),
    ("ACK out of window", |s| arrives(s, 100_000, 0, ACK, &[])),
    ("no ACK, data", |s| arrives(s, 0, 0, Flags::NONE, b"data")),
    ("data in order", |s| arrives(s, 0, 0, ACK, b"data")),
    ("data that acknowledges nothing", |s| {
        let (seq, _, una) = next(s);
        sent(s.peer(seq, una, ACK, b"data"))
    }),
    ("data ahead of a gap", |s| arrives(s, 10, 0, ACK, b"data")),
    ("data partly old", |s| arrives(s, -1, 0, ACK, b"data")),
    ("data old", |s| arrives(s, -4, 0, ACK, b"data")),
    ("data out of window", |s| arrives(s, 100_000, 0, ACK, b"data")),
    ("data, urgent", |s| {
        let (seq, ack, _) = next(s);
        sent(s.peer_urgent(seq, ack, ACK | URG, b"data", 4))
    }),
    ("FIN that acknowledges everything", |s| arrives(s, 0, 0, FIN_ACK, &[])),
    ("FIN that acknowledges nothing", |s| {
        let (seq, _, una) = next(s);
        sent(s.peer(seq, una, FIN_ACK, &[]))
    }),
    ("FIN with data", |s| arrives(s, 0, 0, FIN_ACK, b"data")),
    ("FIN ahead of a gap", |s| arrives(s, 10, 0, FIN_ACK, &[])),
    ("FIN without ACK", |s| arrives(s, 0, 0, FIN, &[])),
    ("FIN again", |s| arrives(s, -1, 0, FIN_ACK, &[])),
    ("RST exact", |s| arrives(s, 0, 0, RST, &[])),
    ("RST,ACK exact", |s| arrives(s, 0, 0, RST_ACK, &[])),
    ("RST in window", |s| arrives(s, 100, 0, RST, &[])),
    ("RST out of window", |s| arrives(s, 100_000, 0, RST, &[])),
    ("user OPEN", |s| {
        let opened = s.tcp.connect(s.now, LOCAL, REMOTE, Options::default(), 1500, &mut s.out);
        result(s, opened.map(|_| String::new()))
    }),
    ("user SEND", |s| call(s, |s, id| s.tcp.send(s.now, id, b"data", &mut s.out).map(|n| n.to_string()))),
    ("user RECEIVE", |s| {
        call(s, |s, id| {
            let got = s.tcp.receive(s.now, id, &mut Vec::new(), 100, &mut s.out)?;
            Ok(format!("{}{}", got.octets, if got.eof { ", end" } else { "" }))
        })
    }),
    ("user CLOSE (half)", |s| {
        call(s, |s, id| s.tcp.shutdown_write(s.now, id, &mut s.out).map(|()| String::new()))
    }),
    ("user CLOSE", |s| match s.listener.filter(|_| s.id.is_none()) {
        Some(listener) => {
            let closed = s.tcp.close_listener(s.now, listener, &mut s.out);
            s.listener = None;
            result(s, closed.map(|()| String::new()))
        }
        None => call(s, |s, id| s.tcp.close(s.now, id, &mut s.out).map(|()| String::new())),
    }),
    ("user ABORT", |s| call(s, |s, id| s.tcp.abort(s.now, id, &mut s.out).map(|()| String::new()))),
    ("user STATUS", |s| call(s, |s, id| Ok(s.tcp.state(id).ok_or(ApiError::NotFound)?.to_string()))),
    ("retransmission timeout", |s| {
        let sent_now = s.wait(Duration::from_millis(1500));
        sent(sent_now.into_iter().take(1).collect())
    }),
    ("2 MSL of silence", |s| {
        let sent_now = s.wait(Duration::from_secs(61));
        sent(sent_now.into_iter().take(1).collect())
    }),
    ("user timeout: 10 minutes of silence", |s| {
        let sent_now = s.wait(Duration::from_secs(600));
        sent(sent_now.into_iter().take(1).collect())
    }),
];

fn call(s: &mut Script, f: impl FnOnce(&mut Script, crate::SocketId) -> Result<String, ApiError>) -> String {
    let Some(id) = s.id else { return "no id to call with".into() };
    let returned = f(s, id);
    result(s, returned)
}

fn told(outputs: &[Output]) -> String {
    let words: Vec<String> = outputs
        .iter()
        .map(|output| match output {
            Output::Incoming { .. } => "incoming".into(),
            Output::Connected(_) => "connected".into(),
            Output::Readable(_) => "readable".into(),
            Output::Writable(_) => "writable".into(),
            Output::Urgent(_) => "urgent".into(),
            Output::Closed { why, .. } => format!("closed: {why:?}"),
            Output::State { .. } => unreachable!("not watched"),
        })
        .collect();
    if words.is_empty() { String::new() } else { format!(" told {}", words.join(", ")) }
}

#[test]
fn every_event_in_every_state() {
    let mut table = String::new();
    for (row, reach) in ROWS {
        writeln!(table, "{row}").unwrap();
        for (event, happen) in EVENTS {
            let mut s = reach();
            let from = s.state();
            assert!(row.starts_with(from.name()), "{row} is {from}");
            s.told.clear();
            let answer = happen(&mut s);
            let to = s.state();
            let to = if to == from { "same" } else { to.name() };
            writeln!(table, "    {event:36} {to:12} {answer}{}", told(&s.told)).unwrap();
        }
    }
    insta::assert_snapshot!(table);
}
