//! TCP as a pure state machine (RFC 9293): one [`Tcp`] is all connections of a host.
//!
//! | part | module |
//! |---|---|
//! | the table of connections, listeners, ports, TIME-WAIT, resets | [`Tcp`] (`host`) |
//! | one connection: states, what arrives, what is sent, timers | `connection` |
//! | what waits to be sent or received | `buffers` |
//! | what is in flight: RTT, loss recovery, congestion control | [`recovery`] |
//! | signatures: MD5, TCP-AO | [`auth`] |
//! | initial sequence numbers, SYN cookies | `isn`, `cookie` |
//!
//! Segments go in by [`Tcp::segment`] and come out by [`Tcp::poll_transmit`]; what users need to know is pushed to the
//! outbox.
//!
//! Left out on purpose: IPv6, ECN (RFC 3168), Fast Open (RFC 7413), Multipath, security/compartment (RFC 9293 App. A.1).

mod api;
pub mod auth;
mod buffers;
mod connection;
mod cookie;
mod counters;
mod host;
mod isn;
pub mod recovery;

pub use api::{
    ApiError, Cause, Closed, Config, ConnectionView, Endpoint, Features, IcmpError, IcmpErrorKind, Keepalive,
    ListenerId, ListenerView, Options, Output, Received, SocketId, SynCookies, TimerKind, Transmit,
};
pub use connection::State;
pub use counters::Counters;
pub use host::Tcp;
pub use recovery::Algorithm;
pub use trunkline_wire::tcp::SeqNum;

#[cfg(test)]
mod tests;
