//! Socket options that neither the standard library nor socket2 offers.

#![allow(unsafe_code, reason = "setsockopt with structures of our own; the only unsafe code of Trunkline")]

use libc::{
    IP_BIND_ADDRESS_NO_PORT, IP_MINTTL, IPV6_MINHOPCOUNT, TCP_MD5SIG, TCP_MD5SIG_EXT, TCP_MD5SIG_MAXKEYLEN,
    c_int, socklen_t,
};
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd};
use trunkline_bgp::transport::Md5Key;
use trunkline_core::Prefix;

// include/uapi/linux/tcp.h; not in libc.
const TCP_MD5SIG_FLAG_PREFIX: u8 = 1;

/// `struct tcp_md5sig`.
#[repr(C)]
struct TcpMd5Sig {
    address: socket2::SockAddrStorage,
    flags: u8,
    prefix_len: u8,
    key_len: u16,
    interface: c_int,
    key: [u8; TCP_MD5SIG_MAXKEYLEN],
}

/// Sets an option whose C type is `T`.
fn set<T>(socket: &impl AsFd, level: c_int, name: c_int, value: &T) -> io::Result<()> {
    let len = socklen_t::try_from(size_of::<T>()).map_err(io::Error::other)?;
    // SAFETY: `value` is a live reference, so `len` octets can be read from it for the time of the call, and the
    // kernel only reads them. `T` is an integer or a `repr(C)` structure without padding that matters: the kernel
    // looks at named fields only. The descriptor is open as long as `socket` is borrowed.
    let result = unsafe {
        libc::setsockopt(socket.as_fd().as_raw_fd(), level, name, std::ptr::from_ref(value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The TTL or hop limit of what we send.
pub(crate) fn set_ttl(socket: &impl AsFd, v4: bool, ttl: u8) -> io::Result<()> {
    match v4 {
        true => set(socket, libc::IPPROTO_IP, libc::IP_TTL, &c_int::from(ttl)),
        false => set(socket, libc::IPPROTO_IPV6, libc::IPV6_UNICAST_HOPS, &c_int::from(ttl)),
    }
}

/// Drops what arrives with less (GTSM, RFC 5082).
pub(crate) fn set_min_ttl(socket: &impl AsFd, v4: bool, ttl: u8) -> io::Result<()> {
    match v4 {
        true => set(socket, libc::IPPROTO_IP, IP_MINTTL, &c_int::from(ttl)),
        false => set(socket, libc::IPPROTO_IPV6, IPV6_MINHOPCOUNT, &c_int::from(ttl)),
    }
}

/// ICMP errors come to the error queue (see `icmp`), and end what is being opened; or do not.
pub(crate) fn set_receive_errors(socket: &impl AsFd, v4: bool, on: bool) -> io::Result<()> {
    match v4 {
        true => set(socket, libc::IPPROTO_IP, libc::IP_RECVERR, &c_int::from(on)),
        false => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVERR, &c_int::from(on)),
    }
}

/// The TTL of what arrives is told with it.
pub(crate) fn set_receive_ttl(socket: &impl AsFd, v4: bool) -> io::Result<()> {
    match v4 {
        true => set(socket, libc::IPPROTO_IP, libc::IP_RECVTTL, &c_int::from(true)),
        false => set(socket, libc::IPPROTO_IPV6, libc::IPV6_RECVHOPLIMIT, &c_int::from(true)),
    }
}

/// It is readable once so many octets have come, or the end.
pub(crate) fn set_receive_at_least(socket: &impl AsFd, octets: c_int) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_RCVLOWAT, &octets)
}

/// What is sent is never taken apart, whatever is known of the path.
pub(crate) fn set_never_fragment(socket: &impl AsFd, v4: bool) -> io::Result<()> {
    match v4 {
        true => set(socket, libc::IPPROTO_IP, libc::IP_MTU_DISCOVER, &libc::IP_PMTUDISC_PROBE),
        false => set(socket, libc::IPPROTO_IPV6, libc::IPV6_MTU_DISCOVER, &libc::IP_PMTUDISC_PROBE),
    }
}

/// Fills in the start of `struct tcp_info`; how many octets of it the kernel has.
pub(crate) fn tcp_info(socket: &impl AsFd, info: &mut [u8]) -> io::Result<usize> {
    get(socket, libc::IPPROTO_TCP, libc::TCP_INFO, info)
}

/// Reads an option into `value`; how many octets of it the kernel has filled in.
fn get(socket: &impl AsFd, level: c_int, name: c_int, value: &mut [u8]) -> io::Result<usize> {
    let mut length = socklen_t::try_from(value.len()).map_err(io::Error::other)?;
    // SAFETY: `value` is borrowed alone, and `length` says how long it is, so the kernel writes within it during the call and
    // keeps nothing; octets have no invalid values. The descriptor is open as long as `socket` is borrowed.
    let result = unsafe {
        libc::getsockopt(socket.as_fd().as_raw_fd(), level, name, value.as_mut_ptr().cast(), &mut length)
    };
    if result == 0 { Ok((length as usize).min(value.len())) } else { Err(io::Error::last_os_error()) }
}

/// Octets of memory that what has come takes up.
pub(crate) fn receive_memory(socket: &impl AsFd) -> io::Result<u32> {
    // SK_MEMINFO_RMEM_ALLOC is the first of the words of linux/sock_diag.h.
    let mut words = [0_u8; 64];
    let length = get(socket, libc::SOL_SOCKET, libc::SO_MEMINFO, &mut words)?;
    let first = words.get(..length).and_then(|words| words.first_chunk::<4>());
    first.map(|word| u32::from_ne_bytes(*word)).ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))
}

/// The socket's filter stays as it is, whoever has the socket.
pub(crate) fn lock_filter(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_LOCK_FILTER, &c_int::from(true))
}

/// The kernel's priority of what we send, which queues and tags of VLANs may be made of: 0..=7.
pub(crate) fn set_priority(socket: &impl AsFd, priority: c_int) -> io::Result<()> {
    set(socket, libc::SOL_SOCKET, libc::SO_PRIORITY, &priority)
}

/// Says with each datagram by which interface it came, as `IP_PKTINFO`.
pub(crate) fn set_packet_info(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, libc::IP_PKTINFO, &c_int::from(true))
}

/// `bind` with port 0 leaves the choice of the port to `connect`, so one port can serve many peers.
pub(crate) fn set_bind_address_no_port(socket: &impl AsFd) -> io::Result<()> {
    set(socket, libc::IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &c_int::from(true))
}

/// Signs and checks segments from and to `peer` (RFC 2385), or does so no more.
pub(crate) fn set_md5(socket: &impl AsFd, peer: Prefix, key: Option<&Md5Key>) -> io::Result<()> {
    let text = key.map_or(&[][..], |key| key.0.as_bytes());
    if text.len() > TCP_MD5SIG_MAXKEYLEN {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "a TCP MD5 key has at most 80 octets"));
    }
    let mut value = TcpMd5Sig {
        address: socket2::SockAddr::from(SocketAddr::new(peer.addr(), 0)).as_storage(),
        flags: 0,
        prefix_len: 0,
        key_len: u16::try_from(text.len()).map_err(io::Error::other)?,
        interface: 0,
        key: [0; TCP_MD5SIG_MAXKEYLEN],
    };
    value.key[..text.len()].copy_from_slice(text);
    // For a single address the plain option does, and kernels before 4.13 have no other.
    let name = if Prefix::host(peer.addr()) == peer {
        TCP_MD5SIG
    } else {
        value.flags = TCP_MD5SIG_FLAG_PREFIX;
        value.prefix_len = peer.len();
        TCP_MD5SIG_EXT
    };
    match set(socket, libc::IPPROTO_TCP, name, &value) {
        Err(error) if key.is_none() && error.raw_os_error() == Some(libc::ENOENT) => Ok(()),
        result => result,
    }
}

/// Moves the calling thread into a network namespace of its own: tests only, as root.
#[cfg(test)]
pub(crate) fn unshare_network() -> io::Result<()> {
    // SAFETY: CLONE_NEWNET changes only which network the calling thread sees; no memory is touched.
    let result = unsafe { libc::unshare(libc::CLONE_NEWNET) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sets the calendar's clock by so many nanoseconds, less than a second: tests only, as root.
#[cfg(test)]
pub(crate) fn step_clock(nanoseconds: i64) -> io::Result<()> {
    // SAFETY: timex is a C structure of integers, for which zeros are values.
    let mut change: libc::timex = unsafe { std::mem::zeroed() };
    change.modes = libc::ADJ_SETOFFSET | libc::ADJ_NANO;
    // The fraction counts upwards from the second before.
    change.time.tv_sec = nanoseconds.div_euclid(1_000_000_000);
    change.time.tv_usec = nanoseconds.rem_euclid(1_000_000_000);
    // SAFETY: `change` is alive during the call and of the kernel's layout; the kernel reads and fills it.
    let result = unsafe { libc::adjtimex(&mut change) };
    if result >= 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
