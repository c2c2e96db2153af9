//! One connection: its variables (RFC 9293 §3.3.1) and what all its parts share.
//!
//! | what happens (RFC 9293) | module |
//! |---|---|
//! | SEGMENT ARRIVES (§3.10.7): checks, RST, SYN | `input` |
//! | … the acknowledgment | `ack` |
//! | … data and FIN | `text` |
//! | OPEN, SEND, RECEIVE, CLOSE, ABORT (§3.10.1–5) | `user` |
//! | what is sent next: Nagle, silly windows, probes | `output` |
//! | timeouts (§3.10.8) | `timer` |

mod ack;
mod input;
mod output;
mod state;
mod text;
mod timer;
mod user;
mod view;

pub(crate) use input::Verdict;
pub use state::State;

use crate::SeqNum;
use crate::api::{Cause, Closed, Config, Endpoint, ListenerId, Options, Output, SocketId};
use crate::auth::{Context, Signer};
use crate::buffers::{FLOOR, ReceiveBuffer, SendBuffer};
use crate::counters::Counters;
use crate::host::{Limit, Replies};
use crate::recovery::{Recovery, RecoveryConfig};
use trunkline_core::{Duration, Instant, Outbox};
use trunkline_wire::tcp::Segment;

/// MSS where the peer's SYN has no such option (RFC 9293 §3.7.1).
pub(crate) const DEFAULT_MSS: u16 = 536;

/// A peer that announces less is taken for one that announces this, else one octet per segment could be asked for.
const MIN_MSS: u16 = 64;

/// Octets of the headers that an MSS leaves out: IPv4 and TCP without options (RFC 9293 §3.7.1).
const HEADERS: u16 = 40;

/// So many segments are acknowledged at once at the start, since the sender's window grows with each ACK.
const QUICK_ACKS: u8 = 16;

/// After so long without an update, TS.Recent is not compared with any more (RFC 7323 §5.5): 24 days.
const TS_RECENT_LIFE: Duration = Duration::from_secs(24 * 86_400);

/// At least so long between two answers to empty segments outside the window, so that two ends that both find the other's
/// acknowledgment unacceptable do not answer each other for ever.
const OUT_OF_WINDOW_ACK_INTERVAL: Duration = Duration::from_millis(500);

/// The host hears of progress no more often.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// An empty queue keeps this much memory allocated, or a part of its share where that is less.
const KEPT: usize = 128 << 10;

/// What a connection needs from its host while it does something.
pub(crate) struct Cx<'a> {
    pub(crate) now: Instant,
    pub(crate) config: &'a Config,
    pub(crate) counters: &'a mut Counters,
    pub(crate) out: &'a mut Outbox<Output>,
    pub(crate) watched: bool,
    /// Challenge ACKs.
    pub(crate) challenges: &'a mut Limit,
    /// Segments that go out without a connection: resets.
    pub(crate) replies: &'a mut Replies,
    /// The most octets that a queue may hold now, as memory is left.
    pub(crate) share: usize,
}

impl Cx<'_> {
    /// What an empty queue may keep allocated.
    fn keep(&self) -> usize {
        (self.share / 64).clamp(FLOOR, KEPT)
    }
}

/// What the SYN of an open says, whoever sent it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PeerSyn {
    pub(crate) irs: SeqNum,
    pub(crate) mss: Option<u16>,
    pub(crate) window: u32,
    pub(crate) window_scale: Option<u8>,
    pub(crate) sack: bool,
    /// TSval.
    pub(crate) timestamp: Option<u32>,
}

/// The ends of a connection and how it was opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) id: SocketId,
    pub(crate) local: Endpoint,
    pub(crate) remote: Endpoint,
    /// The listener of a passive open.
    pub(crate) listener: Option<ListenerId>,
    /// Our initial sequence number.
    pub(crate) iss: SeqNum,
    /// What is added to the clock in timestamps.
    pub(crate) timestamp_offset: u32,
    pub(crate) path_mtu: u16,
}

/// The transmission control block.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) ends: Ends,
    state: State,
    options: Options,
    signer: Option<Signer>,
    recovery: Recovery,

    // Send sequence variables.
    snd_una: SeqNum,
    snd_nxt: SeqNum,
    snd_wnd: u32,
    max_snd_wnd: u32,
    snd_wl1: SeqNum,
    snd_wl2: SeqNum,
    /// The octet after the last urgent one.
    snd_up: Option<SeqNum>,
    snd_shift: u8,
    send: SendBuffer,
    /// Sequence number of the first octet in `send`.
    send_base: SeqNum,
    /// The user has closed: a FIN follows the last octet.
    fin_queued: bool,
    peer_mss: u16,
    /// A zero-window probe with the octet at SND.NXT went out, so SND.NXT + 1 may be acknowledged.
    probed: bool,

    // Receive sequence variables.
    irs: SeqNum,
    receive: ReceiveBuffer,
    /// The right edge of the window as far as we ever announced it: RCV.NXT + RCV.WND.
    rcv_edge: SeqNum,
    rcv_up: Option<SeqNum>,
    rcv_shift: u8,
    /// The FIN came in order.
    fin_received: bool,
    /// A FIN came ahead of a gap, with this sequence number.
    fin_ahead: Option<SeqNum>,
    last_ack_sent: SeqNum,
    duplicate: Option<(SeqNum, SeqNum)>,

    // What was agreed on.
    timestamps: bool,
    ts_recent: u32,
    ts_recent_at: Instant,
    sack: bool,
    window_scaling: bool,

    // What is to be sent.
    syn_due: bool,
    ack_now: bool,
    /// Octets received that no ACK of ours covers.
    unacked_octets: u32,
    quick_acks: u8,
    probe_due: Probe,
    sws_override: bool,

    // Timers.
    delayed_ack_at: Option<Instant>,
    persist_at: Option<Instant>,
    persist_backoff: u32,
    /// When the first of the zero-window probes was due.
    probing_since: Instant,
    time_wait_at: Option<Instant>,
    give_up_at: Option<Instant>,
    /// Since when the user has closed, and how long nothing may move then.
    orphaned: Option<(Instant, Duration)>,
    /// What we sent reached the peer; when the host was last told so.
    progress: bool,
    progress_told: Option<Instant>,
    /// Keepalives sent since the peer was last heard, and when the last was.
    keepalives: u32,
    keepalive_sent: Instant,
    /// Since when something sent is unacknowledged.
    unacked_since: Instant,
    last_heard: Instant,
    out_of_window_ack_at: Option<Instant>,

    // What the user knows.
    user_closed: bool,
    told_readable: bool,
    wants_room: bool,
    told_closed: bool,
    soft_error: bool,
    stats: Stats,

    // What the host keeps here.
    pub(crate) deadline_filed: Option<Instant>,
    pub(crate) queued: bool,
    /// Counted in its listener's backlog.
    pub(crate) half_open: bool,
    /// Counted among its listener's connections.
    pub(crate) counted: bool,
    /// Filed among those in TIME-WAIT.
    pub(crate) time_waits: bool,
    /// Filed among those that the user has closed, by this time.
    pub(crate) orphan_filed: Option<Instant>,
    /// The memory of its queues as the host counts it.
    pub(crate) memory_counted: usize,
}

/// Totals of a connection, for `show`.
#[derive(Debug, Default, Clone, Copy)]
struct Stats {
    syns: u32,
    retransmits: u64,
    octets_sent: u64,
    octets_received: u64,
}

/// A segment that is to go out although nothing new may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    None,
    /// Zero window: the octet at SND.NXT.
    Window,
    /// Keepalive: no octets, at SND.NXT - 1.
    Keepalive,
    /// Tail loss: a new segment, or the last one again.
    Tail,
}

impl Connection {
    /// A connection in CLOSED with nothing known of the peer.
    fn new(ends: Ends, options: Options, config: &Config, now: Instant) -> Connection {
        let send = SendBuffer::new(options.send_buffer);
        let receive = ReceiveBuffer::new(options.receive_buffer, SeqNum(0));
        let signer = options.auth.as_ref().map(Signer::new);
        let mss = u32::from(ends.path_mtu.saturating_sub(HEADERS).max(MIN_MSS));
        let recovery = RecoveryConfig {
            algorithm: options.congestion,
            mss,
            sack: config.sack,
            timestamps: config.timestamps,
            ..RecoveryConfig::default()
        };
        Connection {
            ends,
            state: State::Closed,
            signer,
            recovery: Recovery::new(recovery, ends.iss),
            snd_una: ends.iss,
            snd_nxt: ends.iss + 1,
            snd_wnd: 0,
            max_snd_wnd: 0,
            snd_wl1: SeqNum(0),
            snd_wl2: SeqNum(0),
            snd_up: None,
            snd_shift: 0,
            send,
            send_base: ends.iss + 1,
            fin_queued: false,
            peer_mss: DEFAULT_MSS,
            probed: false,
            irs: SeqNum(0),
            rcv_edge: SeqNum(0),
            rcv_up: None,
            rcv_shift: scale_for(receive.limit()),
            receive,
            fin_received: false,
            fin_ahead: None,
            last_ack_sent: SeqNum(0),
            duplicate: None,
            timestamps: config.timestamps,
            ts_recent: 0,
            ts_recent_at: now,
            sack: config.sack,
            window_scaling: config.window_scaling,
            syn_due: true,
            ack_now: false,
            unacked_octets: 0,
            quick_acks: QUICK_ACKS,
            probe_due: Probe::None,
            sws_override: false,
            delayed_ack_at: None,
            persist_at: None,
            persist_backoff: 0,
            probing_since: now,
            time_wait_at: None,
            give_up_at: None,
            orphaned: None,
            progress: false,
            progress_told: None,
            keepalives: 0,
            keepalive_sent: now,
            unacked_since: now,
            last_heard: now,
            out_of_window_ack_at: None,
            user_closed: false,
            told_readable: false,
            wants_room: false,
            told_closed: false,
            soft_error: false,
            stats: Stats::default(),
            deadline_filed: None,
            queued: false,
            half_open: false,
            counted: false,
            time_waits: false,
            orphan_filed: None,
            memory_counted: 0,
            options,
        }
    }

    /// An active OPEN: goes to SYN-SENT.
    pub(crate) fn open(ends: Ends, options: Options, cx: &mut Cx<'_>) -> Connection {
        let mut connection = Connection::new(ends, options, cx.config, cx.now);
        cx.counters.active_opens += 1;
        connection.give_up_at = Some(cx.now + cx.config.connect_timeout);
        connection.enter(cx, State::SynSent, Cause::Open);
        connection
    }

    /// A SYN came to a listener: goes to SYN-RECEIVED (RFC 9293 §3.10.7.2).
    pub(crate) fn accept(ends: Ends, options: Options, syn: &PeerSyn, cx: &mut Cx<'_>) -> Connection {
        let mut connection = Connection::new(ends, options, cx.config, cx.now);
        cx.counters.passive_opens += 1;
        connection.state = State::Listen;
        connection.take_syn(cx, syn);
        connection.half_open = true;
        connection.give_up_at = Some(cx.now + cx.config.syn_received_timeout);
        connection.enter(cx, State::SynReceived, Cause::Syn);
        connection
    }

    /// The SYN,ACK of this connection was a cookie and has left already.
    pub(crate) fn syn_was_sent(&mut self, now: Instant) {
        self.syn_due = false;
        self.stats.syns = 1;
        self.half_open = false;
        self.last_ack_sent = self.rcv_nxt();
        self.rcv_edge = self.rcv_nxt() + self.syn_window();
        self.recovery.on_sent(now, self.ends.iss, 1, false, true);
    }

    /// Takes over what the peer's SYN says.
    fn take_syn(&mut self, cx: &mut Cx<'_>, syn: &PeerSyn) {
        self.irs = syn.irs;
        self.receive = ReceiveBuffer::new(self.options.receive_buffer, syn.irs + 1);
        // A SYN that went out before announced this much.
        self.rcv_edge = self.rcv_nxt() + if self.state == State::SynSent { self.syn_window() } else { 0 };
        self.last_ack_sent = self.rcv_nxt();
        self.peer_mss = syn.mss.unwrap_or(DEFAULT_MSS).max(MIN_MSS);
        self.timestamps &= syn.timestamp.is_some();
        self.ts_recent = syn.timestamp.unwrap_or(0);
        self.ts_recent_at = cx.now;
        self.sack &= syn.sack;
        self.window_scaling &= syn.window_scale.is_some();
        // RFC 7323 §2.3: a shift above 14 counts as 14.
        self.snd_shift = if self.window_scaling { syn.window_scale.unwrap_or(0).min(14) } else { 0 };
        if !self.window_scaling {
            self.rcv_shift = 0;
        }
        self.set_send_window(syn.window, syn.irs, self.ends.iss);
        self.recovery.on_negotiated(self.full_payload(), self.sack, self.timestamps);
    }

    fn set_send_window(&mut self, window: u32, seq: SeqNum, ack: SeqNum) {
        self.snd_wnd = window;
        self.max_snd_wnd = self.max_snd_wnd.max(window);
        self.snd_wl1 = seq;
        self.snd_wl2 = ack;
    }

    /// The state.
    pub(crate) fn state(&self) -> State {
        self.state
    }

    /// Whether the peer was seen to get what we send since the host was last told, a second ago or more.
    pub(crate) fn take_progress(&mut self, now: Instant) -> bool {
        let due = self.progress_told.is_none_or(|told| now.since(told) >= PROGRESS_INTERVAL);
        if due && std::mem::replace(&mut self.progress, false) {
            self.progress_told = Some(now);
            return true;
        }
        false
    }

    /// Octets that the queues have allocated.
    pub(crate) fn memory(&self) -> usize {
        self.send.capacity() + self.receive.capacity()
    }

    /// Since when the user has closed a connection that has something to bring across still; FIN-WAIT-2 and TIME-WAIT have
    /// their own times.
    pub(crate) fn orphaned_since(&self) -> Option<Instant> {
        let over = matches!(self.state, State::Closed | State::FinWait2 | State::TimeWait);
        self.orphaned.filter(|_| !over).map(|(since, _)| since)
    }

    /// SND.NXT.
    pub(crate) fn snd_nxt(&self) -> SeqNum {
        self.snd_nxt
    }

    /// In TIME-WAIT, and a new connection of ours would not be mixed up with it: its timestamps would be larger (RFC 6191).
    pub(crate) fn may_be_reopened(&self, now: Instant) -> bool {
        let entered = self.last_heard;
        self.state == State::TimeWait && self.timestamps && now.since(entered) > Duration::from_secs(1)
    }

    /// The peer's MAC on this segment is right, or none is wanted and there is none.
    pub(crate) fn verify(&mut self, octets: &[u8], segment: &Segment<'_>) -> bool {
        let signed = segment.options.md5.is_some() || segment.options.authentication.is_some();
        let Context { source, destination, iss, irs } = self.auth_context();
        let context = Context { source: destination, destination: source, iss, irs };
        match &mut self.signer {
            Some(signer) => signer.verify(&context, octets).is_ok(),
            None => !signed,
        }
    }

    /// Changes the state and tells it.
    fn enter(&mut self, cx: &mut Cx<'_>, to: State, why: Cause) {
        let from = std::mem::replace(&mut self.state, to);
        if cx.watched && from != to {
            let Ends { id, local, remote, .. } = self.ends;
            cx.out.push(Output::State { id, local, remote, from, to, why });
        }
    }

    /// Enters CLOSED at once: queues are flushed, timers stop, the user is told (RFC 9293 §3.10: "delete the TCB").
    fn die(&mut self, cx: &mut Cx<'_>, why: Cause, how: Closed) {
        match self.state {
            State::SynSent | State::SynReceived => cx.counters.attempt_fails += 1,
            State::Established | State::CloseWait => cx.counters.estab_resets += 1,
            _ => {}
        }
        // A half-open connection of a listener goes back to LISTEN (RFC 9293 §3.10.7.4); its user never knew it.
        let to = if self.is_half_open_passive() { State::Listen } else { State::Closed };
        if to == State::Listen {
            self.told_closed = true;
        }
        self.enter(cx, to, why);
        self.state = State::Closed;
        self.stop();
        self.receive.take(&mut Vec::new(), usize::MAX);
        self.receive.forget_ahead();
        self.tell_closed(cx, how);
    }

    /// Nothing is sent or awaited any more.
    fn stop(&mut self) {
        self.send.clear();
        self.receive.forget_ahead();
        (self.syn_due, self.ack_now, self.probe_due) = (false, false, Probe::None);
        (self.delayed_ack_at, self.persist_at) = (None, None);
        (self.time_wait_at, self.give_up_at) = (None, None);
    }

    fn tell_closed(&mut self, cx: &mut Cx<'_>, why: Closed) {
        if !std::mem::replace(&mut self.told_closed, true) {
            cx.out.push(Output::Closed { id: self.ends.id, why });
        }
    }

    /// Both sides have closed: tells the user once everything was received.
    fn tell_done(&mut self, cx: &mut Cx<'_>) {
        let ended = matches!(self.state, State::TimeWait | State::Closed);
        if ended && (self.user_closed || self.receive.readable() == 0 && !self.told_readable) {
            self.tell_closed(cx, Closed::Done);
        }
    }

    /// The user knows that it is over: its id means nothing any more.
    pub(crate) fn is_told_closed(&self) -> bool {
        self.told_closed
    }

    fn is_half_open_passive(&self) -> bool {
        self.state == State::SynReceived && self.ends.listener.is_some()
    }

    /// RCV.NXT.
    fn rcv_nxt(&self) -> SeqNum {
        self.receive.next() + u32::from(self.fin_received)
    }

    /// RCV.WND: what is left of what was announced.
    fn rcv_wnd(&self) -> u32 {
        u32::try_from(self.rcv_edge - self.rcv_nxt()).unwrap_or(0)
    }

    /// Sequence number after the last octet in the send queue: that of the FIN.
    fn data_end(&self) -> SeqNum {
        self.send_base + self.send.len() as u32
    }

    fn fin_sent(&self) -> bool {
        self.fin_queued && self.snd_nxt.gt(self.data_end())
    }

    fn fin_acked(&self) -> bool {
        self.fin_queued && self.snd_una.gt(self.data_end())
    }

    /// Octets queued and never sent.
    fn unsent(&self) -> u32 {
        u32::try_from(self.data_end() - self.snd_nxt).unwrap_or(0)
    }

    fn nothing_in_flight(&self) -> bool {
        self.snd_una == self.snd_nxt
    }

    /// The clock of our timestamps, milliseconds.
    fn timestamp(&self, now: Instant) -> u32 {
        ((now.as_nanos() / 1_000_000) as u32).wrapping_add(self.ends.timestamp_offset)
    }

    /// Octets that a segment without data, SACK and options of SYN has in its options.
    fn fixed_options(&self) -> u32 {
        let signature = self.signer.as_ref().map_or(0, Signer::option_len) as u32;
        signature + if self.timestamps { 12 } else { 0 }
    }

    /// The most octets of a segment after the TCP header of 20: options and data (RFC 6691).
    fn room_in_segment(&self) -> u32 {
        let path = self.ends.path_mtu.saturating_sub(HEADERS).max(MIN_MSS);
        let own = self.options.mss.unwrap_or(u16::MAX).max(MIN_MSS);
        u32::from(self.peer_mss.min(path).min(own))
    }

    /// Eff.snd.MSS: the most data octets in a segment without SACK blocks.
    fn full_payload(&self) -> u32 {
        self.room_in_segment().saturating_sub(self.fixed_options()).max(8)
    }

    /// What signatures are over, besides a segment that we send.
    fn auth_context(&self) -> Context {
        let irs = (self.state != State::SynSent).then_some(self.irs);
        Context { source: self.ends.local.0, destination: self.ends.remote.0, iss: self.ends.iss, irs }
    }
}

/// The least shift with which a window field can tell `limit` octets (RFC 7323 §2).
pub(crate) fn scale_for(limit: usize) -> u8 {
    (0..14).find(|&shift| limit >> shift <= 0xffff).unwrap_or(14)
}
