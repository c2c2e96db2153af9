//! Why a node cannot start, in words that help.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use trunkline_node::config::PortKind;

/// Why a node cannot start.
#[derive(Debug)]
pub enum StartError {
    /// A listener cannot be opened.
    Listen {
        /// Where.
        address: SocketAddr,
        /// Why.
        error: io::Error,
    },
    /// The node itself says no.
    Node(trunkline_node::StartError),
    /// `fib.install` is true, but the kernel does not let us change routes.
    FibPermission,
    /// Another node of this process has its routes in the same table.
    TableInUse {
        /// The table.
        table: u32,
    },
    /// A port of the node's own cannot be opened.
    Port {
        /// Its interface.
        name: String,
        /// What it should be.
        kind: PortKind,
        /// Why not.
        error: io::Error,
    },
    /// RIP's port cannot be opened.
    Rip(io::Error),
    /// Something of the system does not work: epoll, netlink, threads.
    System {
        /// What was being done.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

impl StartError {
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> StartError {
        move |error| StartError::System { what, error }
    }
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::Listen { address, error } => write!(f, "{}", listen_problem(*address, error)),
            StartError::Node(error) => error.fmt(f),
            StartError::FibPermission => f.write_str(
                "cannot install routes: permission denied; run as root, give CAP_NET_ADMIN or set fib.install = false",
            ),
            StartError::TableInUse { table } => write!(
                f,
                "another node of this process installs its routes in table {table} already; give each node a \
                 fib.table of its own",
            ),
            StartError::Port { name, kind, error } => f.write_str(&port_problem(name, *kind, error)),
            StartError::Rip(error) => f.write_str(&rip_problem(error)),
            StartError::System { what, error } => write!(f, "cannot {what}: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

/// Says why a port cannot be opened, and what helps.
fn port_problem(name: &str, kind: PortKind, error: &io::Error) -> String {
    let hint = match (error.kind(), kind) {
        (io::ErrorKind::PermissionDenied, PortKind::Tap) => "; run as root or give CAP_NET_ADMIN",
        (io::ErrorKind::PermissionDenied, _) => "; run as root or give CAP_NET_RAW",
        (io::ErrorKind::NotFound, PortKind::Packet) => "; make it first, as in `ip link add`",
        (io::ErrorKind::NotFound, PortKind::Tap) => "; is /dev/net/tun there?",
        (io::ErrorKind::ResourceBusy, _) => "; another program has it",
        _ => "",
    };
    format!("cannot open the port {name}: {error}{hint}")
}

/// Says why a listener cannot be opened, and what helps.
pub(crate) fn listen_problem(address: SocketAddr, error: &io::Error) -> String {
    let (text, hint) = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ("permission denied", "; run as root, give CAP_NET_BIND_SERVICE or choose a port above 1023")
        }
        io::ErrorKind::AddrInUse => {
            ("the address is in use", "; does another BGP daemon run here? stop it or choose another port")
        }
        io::ErrorKind::AddrNotAvailable => {
            ("no interface has this address", "; add it to an interface or listen on another")
        }
        _ => return format!("cannot listen on {address}: {error}"),
    };
    format!("cannot listen on {address}: {text}{hint}")
}

/// Says why RIP's port cannot be opened, and what helps.
pub(crate) fn rip_problem(error: &io::Error) -> String {
    let (text, hint) = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            ("permission denied", "; run as root, give CAP_NET_BIND_SERVICE or leave out [rip]")
        }
        io::ErrorKind::AddrInUse => ("the port is in use", "; another RIP daemon runs here: stop it"),
        _ => return format!("cannot open UDP port 520 for RIP: {error}"),
    };
    format!("cannot open UDP port 520 for RIP: {text}{hint}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_low_port_without_root_gets_a_hint() {
        let error = StartError::Listen {
            address: "0.0.0.0:179".parse().unwrap(),
            error: io::Error::from_raw_os_error(libc::EACCES),
        };
        assert_eq!(
            error.to_string(),
            "cannot listen on 0.0.0.0:179: permission denied; run as root, give CAP_NET_BIND_SERVICE or choose a \
             port above 1023"
        );
    }
}
