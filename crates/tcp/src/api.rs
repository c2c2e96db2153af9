//! What users of a [`crate::Tcp`] hand in and get back: options, configuration, outputs, errors, views.

use crate::SeqNum;
use crate::auth::Key;
use crate::connection::State;
use crate::recovery::Algorithm;
use std::fmt;
use std::net::Ipv4Addr;
use trunkline_core::Duration;

/// An address and a port.
pub type Endpoint = (Ipv4Addr, u16);

/// Names a connection. Never used twice: it goes with a generation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId {
    pub(crate) index: u32,
    pub(crate) generation: u32,
}

impl SocketId {
    /// The id as a number, unique in this [`crate::Tcp`].
    pub const fn raw(self) -> u64 {
        (self.generation as u64) << 32 | self.index as u64
    }
}

/// Names a listener. Never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ListenerId(pub(crate) u32);

/// When a listener answers a SYN without keeping state for it (RFC 4987 §3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SynCookies {
    /// Never: a SYN beyond the backlog is dropped.
    Never,
    /// When the backlog of a listener is full.
    #[default]
    UnderPressure,
    /// To every SYN.
    Always,
}

/// What holds for all connections of a host.
#[derive(Debug, Clone)]
pub struct Config {
    /// 2 MSL, how long TIME-WAIT lasts. RFC 9293 §3.4.2 says 4 minutes, Linux does 60 s; default 60 s.
    pub time_wait: Duration,
    /// The most connections at once, TIME-WAIT included; default 65,536.
    pub max_connections: usize,
    /// Of these, how many only active opens get, so that strangers cannot keep us from connecting; at most half. Default
    /// 1,024.
    pub reserved_active: usize,
    /// The most connections of one listener, TIME-WAIT aside; beyond, SYNs are dropped. Default 16,384.
    pub max_per_listener: usize,
    /// The most connections that the user closed and that still have something to bring across; beyond, the one that was
    /// closed first is reset. Default 16,384.
    pub max_orphans: usize,
    /// A connection that the user closed is reset when for so long nothing of what remains was acknowledged, be it that the
    /// peer's window stays closed. RFC 9293 §3.8.3 asks for 100 s at least before one gives up; default 100 s.
    pub orphan_timeout: Duration,
    /// Octets that the queues of all connections may take, as allocated; default 256 MiB. A queue holds at most an eighth of
    /// what is left of this, or 2 KiB where that is more: so in need all shrink alike, and windows with them. What was
    /// announced before and does not fit now is dropped, to be sent again.
    pub max_buffered: usize,
    /// The most connections in TIME-WAIT; beyond, the oldest is forgotten. Default 16,384.
    pub max_time_wait: usize,
    /// SYN cookies; default under pressure.
    pub syn_cookies: SynCookies,
    /// Challenge ACKs per second for the whole host (RFC 5961 §7); each second the limit is drawn anew from 0.5 to 1.5
    /// times this, so that it cannot be counted from outside. Default 100.
    pub challenge_acks_per_second: u32,
    /// RSTs per second to segments for which there is no connection; default 1,000.
    pub resets_per_second: u32,
    /// Give up an active open after this time (RFC 9293 §3.8.3: at least 3 minutes); default 180 s.
    pub connect_timeout: Duration,
    /// Forget a half-open passive connection after this time; default 60 s.
    pub syn_received_timeout: Duration,
    /// How long a connection that the user closed waits in FIN-WAIT-2 for the peer's FIN; default 60 s.
    pub fin_wait_2_timeout: Duration,
    /// How long an acknowledgment may be delayed (RFC 9293 §3.8.6.3: less than 500 ms); default 40 ms.
    pub delayed_ack: Duration,
    /// Whether to offer and accept timestamps (RFC 7323); default yes.
    pub timestamps: bool,
    /// Whether to offer and accept window scaling (RFC 7323); default yes.
    pub window_scaling: bool,
    /// Whether to offer and accept selective acknowledgments (RFC 2018); default yes.
    pub sack: bool,
    /// A path MTU told by ICMP below this is not believed; default 552, as Linux. Range 68..=1500.
    pub min_path_mtu: u16,
    /// The ports that an active open without a port draws from (RFC 6056); default 49152..=65535 (RFC 6335).
    pub ephemeral_ports: std::ops::RangeInclusive<u16>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            time_wait: Duration::from_secs(60),
            max_connections: 65_536,
            reserved_active: 1_024,
            max_per_listener: 16_384,
            max_orphans: 16_384,
            orphan_timeout: Duration::from_secs(100),
            max_buffered: 256 << 20,
            max_time_wait: 16_384,
            syn_cookies: SynCookies::default(),
            challenge_acks_per_second: 100,
            resets_per_second: 1_000,
            connect_timeout: Duration::from_secs(180),
            syn_received_timeout: Duration::from_secs(60),
            fin_wait_2_timeout: Duration::from_secs(60),
            delayed_ack: Duration::from_millis(40),
            timestamps: true,
            window_scaling: true,
            sack: true,
            min_path_mtu: 552,
            ephemeral_ports: 49_152..=65_535,
        }
    }
}

/// Keepalive (RFC 9293 §3.8.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keepalive {
    /// Probe after this long without a segment from the peer; RFC: at least 2 hours by default.
    pub idle: Duration,
    /// Time between probes.
    pub interval: Duration,
    /// Give up after so many unanswered probes.
    pub probes: u32,
}

impl Default for Keepalive {
    fn default() -> Keepalive {
        Keepalive { idle: Duration::from_secs(7_200), interval: Duration::from_secs(75), probes: 9 }
    }
}

/// What can be chosen for one connection, or for those of a listener.
#[derive(Debug, Clone)]
pub struct Options {
    /// Nagle's algorithm (RFC 9293 §3.7.4); default on.
    pub nagle: bool,
    /// Keepalive; default off.
    pub keepalive: Option<Keepalive>,
    /// Time to live of what we send; default 64.
    pub ttl: u8,
    /// Drop segments that arrive with a lower TTL (GTSM, RFC 5082); default 0: none.
    pub min_ttl: u8,
    /// Type of service octet of what we send; default 0.
    pub tos: u8,
    /// Congestion control.
    pub congestion: Algorithm,
    /// The most octets that wait in the send queue, unacknowledged ones included; default 1 MiB.
    pub send_buffer: usize,
    /// Up to how many octets the send queue grows beyond `send_buffer`, so that it holds twice the congestion window: what is
    /// in flight and what goes next. So a path with much in flight is filled, and a peer that reads nothing costs no more than
    /// `send_buffer`. Default none: it does not grow.
    pub send_buffer_growth: Option<usize>,
    /// The most octets that wait for the user, out-of-order ones included; default 1 MiB, at most 1 GiB.
    pub receive_buffer: usize,
    /// The key that every segment is signed with; a listener may have others per peer.
    pub auth: Option<Key>,
    /// Give up when sent data is not acknowledged for so long (RFC 9293 §3.9.1.1: default 5 minutes). `None`: never.
    pub user_timeout: Option<Duration>,
    /// What `close` does with data not yet acknowledged: `None`: goes on in the background; zero: the connection is
    /// aborted; else it is aborted after that time.
    pub linger: Option<Duration>,
    /// Whether packets carry "don't fragment" and the path MTU is found (RFC 1191); default yes.
    pub path_mtu_discovery: bool,
    /// The most data octets in a segment that we announce and send, below what the path allows; default none.
    pub mss: Option<u16>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            nagle: true,
            keepalive: None,
            ttl: 64,
            min_ttl: 0,
            tos: 0,
            congestion: Algorithm::default(),
            send_buffer: 1 << 20,
            send_buffer_growth: None,
            receive_buffer: 1 << 20,
            auth: None,
            user_timeout: Some(Duration::from_secs(300)),
            linger: None,
            path_mtu_discovery: true,
            mss: None,
        }
    }
}

/// A caller's mistake, or a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ApiError {
    /// No such connection or listener (any more): "connection does not exist" (RFC 9293 §3.9.1).
    NotFound,
    /// Another listener or connection uses this address and port.
    InUse,
    /// No ephemeral port is free.
    NoPort,
    /// As many connections as the configuration allows.
    TooMany,
    /// The remote address or port cannot be connected to: unspecified, broadcast, multicast or port 0.
    BadAddress,
    /// The connection is closing: nothing can be sent any more.
    Closing,
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            ApiError::NotFound => "connection does not exist",
            ApiError::InUse => "address already in use",
            ApiError::NoPort => "no ephemeral port is free",
            ApiError::TooMany => "too many connections",
            ApiError::BadAddress => "address cannot be connected to",
            ApiError::Closing => "connection closing",
        })
    }
}

impl std::error::Error for ApiError {}

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// Both sides closed; all data was delivered.
    Done,
    /// The peer reset it.
    Reset,
    /// The peer refused the open: a RST answered our SYN.
    Refused,
    /// The peer did not answer: our SYN, our data, a keepalive or a zero-window probe.
    TimedOut,
    /// The network said that the peer cannot be reached, while we connected.
    Unreachable,
    /// We reset it: `abort`, or `close` with unread data.
    Aborted,
}

/// What made a connection change its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// OPEN call.
    Open,
    /// CLOSE call.
    Close,
    /// ABORT call.
    Abort,
    /// A SYN arrived.
    Syn,
    /// A SYN with an ACK of ours arrived.
    SynAck,
    /// An acknowledgment of our SYN arrived.
    AckOfSyn,
    /// An acknowledgment of our FIN arrived.
    AckOfFin,
    /// A FIN arrived.
    Fin,
    /// A FIN with the acknowledgment of ours arrived.
    FinAck,
    /// A RST arrived.
    Rst,
    /// A timer ran out: of the user, of retransmission, of TIME-WAIT, of keepalive.
    Timeout,
    /// The network reported an error.
    Icmp,
    /// Something arrived that cannot be delivered or accepted; we reset.
    Refused,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Open => "OPEN call",
            Cause::Close => "CLOSE call",
            Cause::Abort => "ABORT call",
            Cause::Syn => "SYN received",
            Cause::SynAck => "SYN,ACK received",
            Cause::AckOfSyn => "ACK of SYN received",
            Cause::AckOfFin => "ACK of FIN received",
            Cause::Fin => "FIN received",
            Cause::FinAck => "FIN,ACK received",
            Cause::Rst => "RST received",
            Cause::Timeout => "timeout",
            Cause::Icmp => "ICMP error",
            Cause::Refused => "segment refused",
        })
    }
}

/// What a [`crate::Tcp`] tells its user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A peer has connected to a listener; the connection is ESTABLISHED.
    Incoming {
        /// The listener.
        listener: ListenerId,
        /// The new connection.
        id: SocketId,
        /// Our side.
        local: Endpoint,
        /// The peer.
        remote: Endpoint,
    },
    /// An active open succeeded.
    Connected(SocketId),
    /// There is more to `receive`: octets, or the end of the stream. Told once until the next `receive`.
    Readable(SocketId),
    /// `send` took less than it was given, and now there is room.
    Writable(SocketId),
    /// The peer has sent urgent data (RFC 9293 §3.8.5); it comes in line.
    Urgent(SocketId),
    /// The connection is over and its id means nothing any more. Always the last output of an id. On `Done`, all that
    /// the peer sent has been received by the user (or the user had closed).
    Closed {
        /// The connection.
        id: SocketId,
        /// How it ended.
        why: Closed,
    },
    /// A connection changed its state; only after `watch(true)`.
    State {
        /// The connection.
        id: SocketId,
        /// Our side.
        local: Endpoint,
        /// The peer.
        remote: Endpoint,
        /// From this state …
        from: State,
        /// … to this one …
        to: State,
        /// … because of this.
        why: Cause,
    },
}

/// What the IP layer needs to know of a segment that `poll_transmit` wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transmit {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Time to live.
    pub ttl: u8,
    /// Type of service.
    pub tos: u8,
    /// Whether the packet may not be fragmented.
    pub dont_fragment: bool,
}

/// What `receive` gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received {
    /// So many octets were appended.
    pub octets: usize,
    /// The peer will send no more, and everything has been received.
    pub eof: bool,
}

/// An ICMP error about a segment of ours (RFC 5927). The sequence number is that of the quoted header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IcmpError {
    /// Our side: source of the quoted segment.
    pub local: Endpoint,
    /// The peer.
    pub remote: Endpoint,
    /// Sequence number of the quoted segment.
    pub sequence: SeqNum,
    /// What is wrong.
    pub kind: IcmpErrorKind,
}

/// Kinds of ICMP errors as TCP sees them (RFC 5461, RFC 9293 §3.9.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IcmpErrorKind {
    /// Host or network unreachable, time exceeded: may go by. Remembered as the reason should the connection time out.
    Soft,
    /// Protocol or port unreachable: ends a connection that is being opened; soft in others (RFC 5927 §5.2).
    Hard,
    /// Fragmentation needed: the MTU of the next hop.
    FragmentationNeeded(u16),
}

/// A connection as `show` wants it.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionView {
    /// Its name. In TIME-WAIT the user may have been told `Closed` already, then it is good for nothing.
    pub id: SocketId,
    /// Our side.
    pub local: Endpoint,
    /// The peer.
    pub remote: Endpoint,
    /// State.
    pub state: State,
    /// Whether we opened it.
    pub active: bool,
    /// Octets in the send queue, unacknowledged ones included.
    pub send_queue: usize,
    /// Octets the user has not received yet.
    pub receive_queue: usize,
    /// SND.UNA.
    pub snd_una: SeqNum,
    /// SND.NXT.
    pub snd_nxt: SeqNum,
    /// SND.WND, octets.
    pub snd_wnd: u32,
    /// RCV.NXT.
    pub rcv_nxt: SeqNum,
    /// RCV.WND, octets.
    pub rcv_wnd: u32,
    /// The most data octets in a segment we send.
    pub mss: u32,
    /// Congestion window, octets.
    pub cwnd: u32,
    /// Slow start threshold, octets.
    pub ssthresh: u32,
    /// Smoothed round-trip time, once measured.
    pub rtt: Option<Duration>,
    /// Retransmission timeout.
    pub rto: Duration,
    /// Segments sent again.
    pub retransmits: u64,
    /// Data octets sent first time.
    pub octets_sent: u64,
    /// Data octets received in order.
    pub octets_received: u64,
    /// What both sides agreed on.
    pub features: Features,
    /// Which timer runs out next, and in what time.
    pub timer: Option<(TimerKind, Duration)>,
}

/// What both sides agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Features {
    /// Timestamps (RFC 7323 §3).
    pub timestamps: bool,
    /// Selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// Shift of the windows that the peer announces, of those that we announce (RFC 7323 §2).
    pub window_scale: Option<(u8, u8)>,
    /// Segments are signed.
    pub signed: bool,
}

/// The timers of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimerKind {
    /// Retransmission, tail loss probe or reordering.
    Retransmission,
    /// Delayed acknowledgment.
    DelayedAck,
    /// Zero-window probe.
    Persist,
    /// Keepalive.
    Keepalive,
    /// 2 MSL.
    TimeWait,
    /// FIN-WAIT-2, linger, opening: the connection ends when it runs out.
    GiveUp,
}

/// A listener as `show` wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerView {
    /// Its name.
    pub id: ListenerId,
    /// Address it is bound to; `None`: all.
    pub local: Option<Ipv4Addr>,
    /// Port.
    pub port: u16,
    /// The most half-open connections.
    pub backlog: usize,
    /// Half-open connections now.
    pub half_open: usize,
}
