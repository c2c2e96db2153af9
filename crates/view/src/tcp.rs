//! The node's own TCP.

use crate::device::Counters;
use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddrV4};

/// TCP.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpView {
    /// Connections.
    pub connections: Vec<TcpConnection>,
    /// Listeners.
    pub listeners: Vec<TcpListener>,
    /// Counters (RFC 4022 and more).
    pub counters: Counters,
}

/// A connection.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TcpConnection {
    /// Our end.
    pub local: SocketAddrV4,
    /// The peer's end.
    pub remote: SocketAddrV4,
    /// Its state, by the names of RFC 9293 §3.3.2.
    pub state: String,
    /// Whose it is: bgp, echo, discard, chargen, iperf3, transfer, or the name of a socket that was opened by name; empty for
    /// one that nobody holds any more.
    pub owner: String,
    /// Whether we opened it.
    pub active: bool,
    /// Octets that wait to be sent or acknowledged.
    pub send_queue: u64,
    /// Octets that the user has not taken yet.
    pub receive_queue: u64,
    /// SND.WND, octets.
    pub send_window: u32,
    /// RCV.WND, octets.
    pub receive_window: u32,
    /// The most data octets in a segment that we send.
    pub mss: u32,
    /// Congestion window, octets.
    pub cwnd: u32,
    /// Slow start threshold, octets; none: it was not needed yet.
    pub ssthresh: Option<u32>,
    /// Smoothed round-trip time in seconds, once measured.
    pub rtt: Option<f64>,
    /// Retransmission timeout in seconds.
    pub rto: f64,
    /// Segments sent again.
    pub retransmits: u64,
    /// Data octets sent the first time.
    pub octets_sent: u64,
    /// Data octets received in order.
    pub octets_received: u64,
    /// Whether timestamps are in use (RFC 7323).
    pub timestamps: bool,
    /// Whether selective acknowledgments are in use (RFC 2018).
    pub sack: bool,
    /// Shifts of the windows, the peer's and ours, where window scaling is in use (RFC 7323).
    pub window_scale: Option<(u8, u8)>,
    /// Whether segments are signed (RFC 2385, RFC 5925).
    pub signed: bool,
    /// The timer that runs out next.
    pub timer: Option<String>,
    /// Seconds until it does.
    pub timer_in: Option<f64>,
    /// The last octets that came, as text, of a socket that was opened by name.
    pub received: Option<String>,
}

/// A listener.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpListener {
    /// Its address; none: all.
    pub address: Option<Ipv4Addr>,
    /// Its port.
    pub port: u16,
    /// Whose it is, as in [`TcpConnection`].
    pub owner: String,
    /// Half-open connections.
    pub half_open: u64,
    /// The most of them.
    pub backlog: u64,
}
