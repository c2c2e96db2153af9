//! A server for iperf3: tests of TCP, one at a time.
//!
//! ```text
//!  client                                   server
//!    │ connects, cookie ───────────────────▶  │ Parameters    somebody else meanwhile: ACCESS_DENIED
//!    │ ◀──────────────────── PARAM_EXCHANGE   │
//!    │ parameters as JSON ─────────────────▶  │ Streams       what we do not do: SERVER_ERROR and why
//!    │ ◀──────────────────── CREATE_STREAMS   │
//!    │ connects, cookie; for each stream ──▶  │
//!    │ ◀────────── TEST_START, TEST_RUNNING   │ Running
//!    │ ═════════════ octets ═══════════════▶  │               or towards the client (`-R`)
//!    │ TEST_END ───────────────────────────▶  │ Results
//!    │ ◀──────── the streams' ends if `-R`,   │
//!    │           EXCHANGE_RESULTS             │
//!    │ results as JSON ────────────────────▶  │ Arriving      until all octets are here that the client has sent
//!    │ ◀──── results as JSON, DISPLAY_RESULTS │ Display
//!    │ IPERF_DONE ─────────────────────────▶  │
//! ```
//!
//! All connections are to one port; those of a test have the same cookie. `protocol` has the octets.

mod protocol;

use super::Stack;
use super::pattern::CHUNK;
use super::sockets::{LastWords, Socket};
use protocol::{
    COOKIE, MAX_JSON, Parameters, Refusal, Results, StreamResults, Theirs, framed, state, stream_id,
    take_json,
};
use std::collections::VecDeque;
use trunkline_core::{Duration, Instant};
use trunkline_tcp::{Options, SocketId};

/// How long a client may take for each step beside the test itself, and a connection to say whose it is.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a test may stand still, how much longer than agreed it may last, and how long a client may read on at its end:
/// a block of each stream may still be under way, over a slow link.
const STANDSTILL: Duration = Duration::from_secs(60);

/// The most connections that have not said whose they are.
const MAX_STRANGERS: usize = 256;

/// What a connection is to the server.
#[derive(Debug)]
pub(super) enum Role {
    /// Not known yet: what came of its cookie.
    Stranger(Vec<u8>),
    /// That of the test which says what is to be done.
    Control,
    /// A stream of the test, by its number.
    Stream(usize),
}

/// The server.
#[derive(Debug, Default)]
pub(super) struct Server {
    test: Option<Test>,
    /// Until when these must have said whose they are, the oldest first.
    strangers: VecDeque<(Instant, SocketId)>,
}

/// How far a test is. See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Parameters,
    Streams,
    Running,
    Results,
    Arriving,
    Display,
}

#[derive(Debug)]
struct Test {
    cookie: Vec<u8>,
    control: SocketId,
    /// What came on `control` and is not read yet.
    inbox: Vec<u8>,
    phase: Phase,
    /// When this phase began; while it runs, when an octet last came or went.
    since: Instant,
    parameters: Parameters,
    streams: Vec<Stream>,
    began: Instant,
    /// What comes at first does not count, and that is not over yet.
    omitting: bool,
    ended: Instant,
    theirs: Option<Theirs>,
}

#[derive(Debug)]
struct Stream {
    id: SocketId,
    open: bool,
    /// Octets received, or given to TCP.
    octets: u64,
    /// What does not count.
    omitted: Mark,
    /// How far it was at the client's TEST_END, where we send.
    ended: Mark,
}

/// How far a stream is.
#[derive(Debug, Clone, Copy, Default)]
struct Mark {
    /// Octets received, or acknowledged.
    octets: u64,
    retransmits: u64,
}

impl Test {
    fn enter(&mut self, now: Instant, phase: Phase) {
        self.phase = phase;
        self.since = now;
    }

    /// When it is to be looked at again.
    fn due(&self) -> Instant {
        let Parameters { octets, time, omit, reverse, .. } = self.parameters;
        match self.phase {
            Phase::Running => {}
            Phase::Results if reverse => return self.since + STANDSTILL,
            _ => return self.since + PATIENCE,
        }
        let end = match octets {
            None => self.began + omit + time + STANDSTILL,
            Some(_) => self.since + STANDSTILL,
        };
        let due = end.min(self.since + STANDSTILL);
        if self.omitting { due.min(self.began + omit) } else { due }
    }

    /// Octets that may still be sent. Where a part does not count, the client alone knows when it has all that it wants.
    fn left(&self) -> u64 {
        let octets = self.parameters.octets.filter(|_| self.parameters.omit.is_zero());
        octets
            .map_or(u64::MAX, |all| all.saturating_sub(self.streams.iter().map(|stream| stream.octets).sum()))
    }

    /// Whether all is here that the client says to have sent. Where a part does not count, its end is not the same on both
    /// sides.
    fn complete(&self) -> bool {
        let Some(theirs) = self.theirs.as_ref().filter(|_| !self.parameters.reverse) else { return true };
        !self.parameters.omit.is_zero()
            || self.streams.iter().enumerate().all(|(number, stream)| {
                !stream.open || theirs.octets(number).is_none_or(|octets| stream.octets >= octets)
            })
    }
}

impl Server {
    /// When [`Stack::iperf_timeout`] is due.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let stranger = self.strangers.front().map(|(due, _)| *due);
        trunkline_core::earliest([stranger, self.test.as_ref().map(Test::due)])
    }
}

impl Stack {
    /// Somebody has connected.
    pub(super) fn iperf_incoming(&mut self, now: Instant, id: SocketId) {
        if self.sockets.iperf.strangers.len() >= MAX_STRANGERS {
            let _ = self.tcp.abort(now, id, &mut self.tcp_out);
            return;
        }
        self.sockets.sockets.insert(id, Socket::Iperf(Role::Stranger(Vec::new())));
        self.sockets.iperf.strangers.push_back((now + PATIENCE, id));
        self.iperf_ready(now, id);
    }

    /// Something can be done for one of the server's connections.
    pub(super) fn iperf_ready(&mut self, now: Instant, id: SocketId) {
        match self.sockets.sockets.get(&id) {
            Some(Socket::Iperf(Role::Stranger(_))) => self.iperf_cookie(now, id),
            Some(Socket::Iperf(Role::Control)) => self.iperf_control(now),
            Some(Socket::Iperf(Role::Stream(number))) => self.iperf_stream(now, *number),
            _ => {}
        }
        self.note(self.sockets.iperf.poll_timeout());
        self.tcp_touched = true;
    }

    /// A connection says whose it is.
    fn iperf_cookie(&mut self, now: Instant, id: SocketId) {
        let Some(Socket::Iperf(Role::Stranger(cookie))) = self.sockets.sockets.get_mut(&id) else { return };
        let missing = COOKIE - cookie.len();
        match self.tcp.receive(now, id, cookie, missing, &mut self.tcp_out) {
            Ok(received) if received.eof && received.octets < missing => {
                return self.let_linger(now, id, LastWords::default());
            }
            Ok(received) if received.octets == missing => {}
            _ => return,
        }
        let cookie = std::mem::take(cookie);
        self.sockets.iperf.strangers.retain(|(_, stranger)| *stranger != id);
        match &mut self.sockets.iperf.test {
            None => self.iperf_begin(now, id, cookie),
            Some(test) if test.phase == Phase::Streams && test.cookie == cookie => {
                let number = test.streams.len();
                test.streams.push(Stream {
                    id,
                    open: true,
                    octets: 0,
                    omitted: Mark::default(),
                    ended: Mark::default(),
                });
                self.sockets.sockets.insert(id, Socket::Iperf(Role::Stream(number)));
                self.iperf_run(now);
            }
            Some(_) => self.let_linger(now, id, LastWords { octets: vec![state::ACCESS_DENIED], taken: 0 }),
        }
    }

    /// A test begins.
    fn iperf_begin(&mut self, now: Instant, control: SocketId, cookie: Vec<u8>) {
        self.sockets.iperf.test = Some(Test {
            cookie,
            control,
            inbox: Vec::new(),
            phase: Phase::Parameters,
            since: now,
            parameters: Parameters::default(),
            streams: Vec::new(),
            began: now,
            omitting: false,
            ended: now,
            theirs: None,
        });
        self.sockets.sockets.insert(control, Socket::Iperf(Role::Control));
        // A word need not wait until the one before is acknowledged.
        let _ = self.tcp.set_options(now, control, Options { nagle: false, ..Options::default() });
        self.iperf_say(now, &[state::PARAM_EXCHANGE]);
        self.iperf_control(now);
    }

    /// Says something on the test's control connection. It is little, and the client waits for it: there is room.
    fn iperf_say(&mut self, now: Instant, octets: &[u8]) {
        if let Some(test) = &self.sockets.iperf.test {
            let _ = self.tcp.send(now, test.control, octets, &mut self.tcp_out);
        }
    }

    /// Takes what came on the control connection.
    fn iperf_control(&mut self, now: Instant) {
        let Some(test) = &mut self.sockets.iperf.test else { return };
        let room = (MAX_JSON + 4).saturating_sub(test.inbox.len());
        let received = self.tcp.receive(now, test.control, &mut test.inbox, room, &mut self.tcp_out);
        let gone = received.is_ok_and(|received| received.eof);
        while self.iperf_step(now) {}
        if gone && self.sockets.iperf.test.is_some() {
            self.iperf_finish(now, &[]);
        }
    }

    /// Does what the client says next; whether there may be more.
    fn iperf_step(&mut self, now: Instant) -> bool {
        let Some(test) = &mut self.sockets.iperf.test else { return false };
        match test.phase {
            Phase::Parameters | Phase::Results => {
                let Some(json) = take_json(&mut test.inbox) else { return false };
                let done = if test.phase == Phase::Parameters {
                    json.map_err(|()| Refusal::Parameters).and_then(|json| self.iperf_parameters(now, &json))
                } else {
                    json.map_err(|()| Refusal::Results).and_then(|json| self.iperf_results(now, &json))
                };
                if let Err(why) = done {
                    self.iperf_finish(now, &why.octets());
                }
            }
            phase => {
                if test.inbox.is_empty() {
                    return false;
                }
                match (phase, test.inbox.remove(0)) {
                    (Phase::Running, state::TEST_END) => {
                        test.ended = now;
                        test.enter(now, Phase::Results);
                        self.iperf_stop(now);
                        self.iperf_say(now, &[state::EXCHANGE_RESULTS]);
                    }
                    (Phase::Display, state::IPERF_DONE) | (_, state::CLIENT_TERMINATE) => {
                        self.iperf_finish(now, &[]);
                    }
                    _ => self.iperf_finish(now, &Refusal::Message.octets()),
                }
            }
        }
        true
    }

    fn iperf_parameters(&mut self, now: Instant, json: &[u8]) -> Result<(), Refusal> {
        let parameters = Parameters::parse(json)?;
        if let Some(test) = &mut self.sockets.iperf.test {
            test.parameters = parameters;
            test.enter(now, Phase::Streams);
        }
        self.iperf_say(now, &[state::CREATE_STREAMS]);
        Ok(())
    }

    fn iperf_results(&mut self, now: Instant, json: &[u8]) -> Result<(), Refusal> {
        let results = Theirs::parse(json)?;
        if let Some(test) = &mut self.sockets.iperf.test {
            test.theirs = Some(results);
            test.enter(now, Phase::Arriving);
        }
        self.iperf_answer(now, false);
        Ok(())
    }

    /// A stream more is there: the test runs when all are.
    fn iperf_run(&mut self, now: Instant) {
        let Some(test) = &mut self.sockets.iperf.test else { return };
        if test.streams.len() < test.parameters.streams as usize {
            return;
        }
        test.enter(now, Phase::Running);
        (test.began, test.omitting) = (now, !test.parameters.omit.is_zero());
        self.iperf_say(now, &[state::TEST_START, state::TEST_RUNNING]);
        for number in 0..self.sockets.iperf.test.as_ref().map_or(0, |test| test.streams.len()) {
            self.iperf_stream(now, number);
        }
    }

    /// Sends or takes what can be on a stream.
    fn iperf_stream(&mut self, now: Instant, number: usize) {
        let mut octets = std::mem::take(&mut self.octets);
        while self.iperf_move(now, number, &mut octets) {}
        self.octets = octets;
        self.iperf_answer(now, false);
    }

    /// A bounded piece of it; whether there may be more.
    fn iperf_move(&mut self, now: Instant, number: usize, octets: &mut Vec<u8>) -> bool {
        let Some(test) = &mut self.sockets.iperf.test else { return false };
        let (running, left, reverse) = (test.phase == Phase::Running, test.left(), test.parameters.reverse);
        let Some(stream) = test.streams.get_mut(number) else { return false };
        let out = &mut self.tcp_out;
        if reverse && !running {
            // Nothing is to come but the end, which is heard by receiving it.
            let _ = self.tcp.receive(now, stream.id, octets, CHUNK, out);
            return false;
        }
        let moved = if reverse {
            let characters = self.characters.from(stream.octets, left);
            if characters.is_empty() {
                return false;
            }
            self.tcp.send(now, stream.id, characters, out).unwrap_or(0)
        } else {
            octets.clear();
            self.tcp.receive(now, stream.id, octets, CHUNK, out).map_or(0, |received| received.octets)
        };
        stream.octets += moved as u64;
        if moved > 0 && running {
            test.since = now;
        }
        moved == CHUNK
    }

    /// Where we send: nothing more is sent, and the streams say so. For iperf3 reads on after its TEST_END, waits each time for
    /// as much as a block or the end of the stream, and hears nothing else meanwhile. Where its blocks begin we do not know: as
    /// long as the test ran it took what there was.
    fn iperf_stop(&mut self, now: Instant) {
        let marks = self.iperf_marks(now);
        let Some(test) = self.sockets.iperf.test.as_mut().filter(|test| test.parameters.reverse) else {
            return;
        };
        for (stream, mark) in test.streams.iter_mut().zip(marks) {
            stream.ended = mark;
            let _ = self.tcp.shutdown_write(now, stream.id, &mut self.tcp_out);
        }
    }

    /// How far each stream of the test is.
    fn iperf_marks(&self, now: Instant) -> Vec<Mark> {
        let Some(test) = &self.sockets.iperf.test else { return Vec::new() };
        let mut marks: Vec<_> =
            test.streams.iter().map(|stream| Mark { octets: stream.octets, retransmits: 0 }).collect();
        for connection in self.tcp.connections(now).filter(|_| test.parameters.reverse) {
            if let Some(number) = test.streams.iter().position(|stream| stream.id == connection.id)
                && let Some(mark) = marks.get_mut(number)
            {
                mark.octets = mark.octets.saturating_sub(connection.send_queue as u64);
                mark.retransmits = connection.retransmits;
            }
        }
        marks
    }

    /// Gives the results, once all is here or there is no more time to wait.
    fn iperf_answer(&mut self, now: Instant, at_once: bool) {
        let Some(test) = &self.sockets.iperf.test else { return };
        if test.phase != Phase::Arriving || !(at_once || test.complete()) {
            return;
        }
        let results = self.iperf_our_results();
        let mut octets = framed(&results);
        octets.push(state::DISPLAY_RESULTS);
        self.iperf_say(now, &octets);
        if let Some(test) = &mut self.sockets.iperf.test {
            test.enter(now, Phase::Display);
        }
    }

    /// What we have seen of the test. Of what we sent counts what was acknowledged when the client ended it, and what it says
    /// to have: it need not have acknowledged that yet.
    fn iperf_our_results(&self) -> Option<Results> {
        let test = self.sockets.iperf.test.as_ref()?;
        let (reverse, theirs) = (test.parameters.reverse, test.theirs.as_ref());
        let seconds = test.ended.since(test.began + test.parameters.omit).as_secs_f64();
        let results = |(number, stream): (usize, &Stream)| {
            let Mark { octets, retransmits } =
                if reverse { stream.ended } else { Mark { octets: stream.octets, retransmits: 0 } };
            let bytes = octets.saturating_sub(stream.omitted.octets);
            let taken = theirs.filter(|_| reverse).and_then(|theirs| theirs.octets(number)).unwrap_or(0);
            StreamResults {
                id: stream_id(number),
                bytes: bytes.max(taken.min(stream.octets)),
                retransmits: retransmits.saturating_sub(stream.omitted.retransmits),
                jitter: 0,
                errors: 0,
                packets: 0,
                start_time: 0.0,
                end_time: seconds,
            }
        };
        Some(Results {
            cpu_util_total: 0.0,
            cpu_util_user: 0.0,
            cpu_util_system: 0.0,
            sender_has_retransmits: u32::from(reverse),
            congestion_used: "cubic",
            streams: test.streams.iter().enumerate().map(results).collect(),
        })
    }

    /// The test is over: the last words, and all its connections go.
    fn iperf_finish(&mut self, now: Instant, words: &[u8]) {
        let Some(test) = self.sockets.iperf.test.take() else { return };
        for stream in test.streams.iter().filter(|stream| stream.open) {
            if test.parameters.reverse {
                // What it has not taken by now it does not want.
                self.sockets.sockets.remove(&stream.id);
                let _ = self.tcp.abort(now, stream.id, &mut self.tcp_out);
            } else {
                self.let_linger(now, stream.id, LastWords::default());
            }
        }
        if self.sockets.sockets.contains_key(&test.control) {
            self.let_linger(now, test.control, LastWords { octets: words.to_vec(), taken: 0 });
        }
        self.tcp_touched = true;
    }

    /// A connection of the server's is gone.
    pub(super) fn iperf_closed(&mut self, now: Instant, id: SocketId, role: &Role) {
        match role {
            Role::Stranger(_) => self.sockets.iperf.strangers.retain(|(_, stranger)| *stranger != id),
            Role::Control => self.iperf_finish(now, &[]),
            Role::Stream(number) => {
                if let Some(test) = &mut self.sockets.iperf.test
                    && let Some(stream) = test.streams.get_mut(*number).filter(|stream| stream.id == id)
                {
                    stream.open = false;
                    self.iperf_answer(now, false);
                }
            }
        }
    }

    /// What is due.
    pub(super) fn iperf_timeout(&mut self, now: Instant) {
        while let Some((_, id)) = self.sockets.iperf.strangers.pop_front_if(|(due, _)| *due <= now) {
            self.sockets.sockets.remove(&id);
            let _ = self.tcp.abort(now, id, &mut self.tcp_out);
        }
        let Some(test) = self.sockets.iperf.test.as_mut().filter(|test| test.due() <= now) else { return };
        if test.phase == Phase::Arriving {
            self.iperf_answer(now, true);
        } else if test.omitting && test.began + test.parameters.omit <= now {
            test.omitting = false;
            let marks = self.iperf_marks(now);
            let streams = self.sockets.iperf.test.iter_mut().flat_map(|test| &mut test.streams);
            streams.zip(marks).for_each(|(stream, mark)| stream.omitted = mark);
        } else {
            self.iperf_finish(now, &[]);
        }
    }
}
