//! What BGP asks of TCP and what TCP tells it: the same in the daemon (kernel sockets) and in the lab.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use trunkline_core::ConnId;

/// Something happened to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpEvent<'a> {
    /// A peer connected to one of our listeners (RFC 4271 §8.1.4 Event 17, TcpConnectionConfirmed). The driver made
    /// up the [`ConnId`] with [`ConnId::incoming`].
    Incoming {
        /// Our end.
        local: SocketAddr,
        /// The peer's end.
        remote: SocketAddr,
    },
    /// A connection we asked for is up (Event 16, Tcp_CR_Acked).
    Connected {
        /// Our end.
        local: SocketAddr,
        /// The peer's end.
        remote: SocketAddr,
    },
    /// A connection we asked for did not come up (Event 18, TcpConnectionFails).
    Failed(TcpError),
    /// Octets arrived.
    Bytes(&'a [u8]),
    /// The driver tried to write what `poll_transmit` gave it. Told only when progress was made or `pending` changed.
    Written {
        /// The socket did not take everything: octets wait in the driver for the peer to read.
        pending: bool,
    },
    /// The connection is gone (Event 18). The id is not used again.
    Closed(TcpError),
}

/// Why a connection failed or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpError {
    /// The peer sent FIN.
    EndOfStream,
    /// The peer sent RST.
    Reset,
    /// SYN was answered by RST.
    Refused,
    /// Nobody answered, or data was not acknowledged in time.
    TimedOut,
    /// ICMP unreachable, or no route.
    Unreachable,
    /// The system has no route, in its words.
    NoRoute(String),
    /// An ICMP error.
    Icmp {
        /// Who sent it.
        by: IpAddr,
        /// What it says.
        what: String,
        /// It is "time exceeded".
        exceeded: bool,
    },
    /// Anything else, in the system's words.
    Other(String),
}

impl fmt::Display for TcpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TcpError::EndOfStream => "the peer closed the connection",
            TcpError::Reset => "the peer reset the connection",
            TcpError::Refused => "connection refused: nobody listens there, or a firewall rejects",
            TcpError::TimedOut => "connection timed out: no answer",
            TcpError::Unreachable => "unreachable: no route, or a router or firewall said so",
            TcpError::NoRoute(why) => return write!(f, "no route: {why}"),
            TcpError::Icmp { by, what, .. } => return write!(f, "{by} says by ICMP: {what}"),
            TcpError::Other(text) => text,
        })
    }
}

/// What to do with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpAction {
    /// Open a connection; answered by `Connected` or `Failed`.
    Connect {
        /// Its id from now on.
        conn: ConnId,
        /// The peer's end.
        remote: SocketAddr,
        /// Our address, where it is set.
        local: Option<IpAddr>,
        /// Socket options.
        options: TcpOptions,
    },
    /// Apply these options to an accepted connection.
    Configure {
        /// The connection.
        conn: ConnId,
        /// Socket options.
        options: TcpOptions,
    },
    /// `poll_transmit` has octets for this connection: pull and write them until it has no more or the socket is full.
    Transmit(ConnId),
    /// Pull and write what `poll_transmit` still has, without waiting for a full socket, then close. No event follows.
    Close {
        /// The connection.
        conn: ConnId,
        /// Send RST instead of FIN.
        reset: bool,
    },
    /// Connections from and to this peer must be signed: set on every listener.
    ListenerKey {
        /// The peer, or all of a prefix.
        peer: trunkline_core::Prefix,
        /// The key; none removes it.
        key: Option<TcpKey>,
    },
}

/// How segments are signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TcpKey {
    /// TCP MD5 (RFC 2385).
    Md5(Md5Key),
    /// The TCP Authentication Option (RFC 5925).
    Ao(AoKeys),
}

/// A TCP MD5 key (RFC 2385), 1..=80 octets. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Md5Key(pub String);

impl fmt::Debug for Md5Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Md5Key(…)")
    }
}

/// How the TCP Authentication Option derives keys and signs (RFC 5926).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AoAlgorithm {
    /// KDF_HMAC_SHA1 and HMAC-SHA-1-96.
    HmacSha1,
    /// KDF_AES_128_CMAC and AES-128-CMAC-96.
    Aes128Cmac,
}

/// A key of the TCP Authentication Option (RFC 5925 §3.1). Its `Debug` does not show the secret.
#[derive(Clone, PartialEq, Eq)]
pub struct AoKey {
    /// SendID: the KeyID of what we sign with it.
    pub send_id: u8,
    /// RecvID: the KeyID of what the peer signs with it.
    pub receive_id: u8,
    /// How.
    pub algorithm: AoAlgorithm,
    /// The secret, 1..=80 octets.
    pub key: String,
    /// Whether TCP's other options are signed too.
    pub include_options: bool,
}

impl fmt::Debug for AoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AoKey({}/{}, {:?}, …)", self.send_id, self.receive_id, self.algorithm)
    }
}

/// All keys of the TCP Authentication Option for a peer. The ids of each side differ (RFC 5925 §3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AoKeys {
    keys: Vec<AoKey>,
    preferred: u8,
}

impl AoKeys {
    /// `preferred` is the SendID of the key to begin with. `None` where there is no such key, or two have the same
    /// SendID or the same RecvID.
    pub fn new(keys: Vec<AoKey>, preferred: u8) -> Option<AoKeys> {
        let unique = |id: fn(&AoKey) -> u8| {
            let ids: BTreeSet<u8> = keys.iter().map(id).collect();
            ids.len() == keys.len()
        };
        let sound = unique(|key| key.send_id)
            && unique(|key| key.receive_id)
            && keys.iter().any(|key| key.send_id == preferred);
        sound.then_some(AoKeys { keys, preferred })
    }

    /// The keys; there is at least one.
    pub fn keys(&self) -> &[AoKey] {
        &self.keys
    }

    /// The SendID of the key to begin with.
    pub fn preferred(&self) -> u8 {
        self.preferred
    }
}

/// Options of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TcpOptions {
    /// Sign and check segments (RFC 2385).
    pub md5: Option<Md5Key>,
    /// Sign and check segments with the Authentication Option (RFC 5925); excludes `md5`.
    pub ao: Option<AoKeys>,
    /// TTL or hop limit of what we send; the system's default where none.
    pub ttl: Option<u8>,
    /// Drop what arrives with less (GTSM, RFC 5082).
    pub min_ttl: Option<u8>,
}
