//! ICMP errors about what a socket sent: its error queue (`IP_RECVERR` of ip(7)), which no crate of ours reads.

#![allow(unsafe_code, reason = "recvmsg with control messages that no crate reads")]

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::{AsFd, AsRawFd};

/// `size_t` of a control message's length.
const WORD: usize = size_of::<usize>();
/// `struct cmsghdr` of the kernel: length, level, type.
const HEADER: usize = (WORD + 8).next_multiple_of(WORD);
/// `struct sock_extended_err` of linux/errqueue.h; the address of who sent the error follows.
const EXTENDED: usize = 16;
/// Where it came from: SO_EE_ORIGIN_ICMP, SO_EE_ORIGIN_ICMP6.
const ICMP: u8 = 2;
const ICMP6: u8 = 3;

/// An ICMP error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IcmpError {
    /// Who sent it.
    pub(crate) by: IpAddr,
    /// Type and code.
    pub(crate) kind: (u8, u8),
    /// The TTL that it came with, where the socket asked for it.
    pub(crate) ttl: Option<u8>,
}

impl IcmpError {
    /// In words.
    pub(crate) fn words(&self) -> String {
        let known = match (self.by.is_ipv4(), self.kind) {
            (true, (3, 0)) => "net unreachable",
            (true, (3, 1)) => "host unreachable",
            (true, (3, 2)) => "protocol unreachable",
            (true, (3, 3)) | (false, (1, 4)) => "port unreachable",
            (true, (3, 4)) | (false, (2, _)) => "packet too big",
            (true, (3, 9 | 10 | 13)) | (false, (1, 1)) => "administratively prohibited",
            (true, (11, _)) | (false, (3, _)) => "time exceeded: the TTL ran out",
            (false, (1, 0)) => "no route to the destination",
            (false, (1, 3)) => "address unreachable",
            (false, (1, 5 | 6)) => "rejected by a policy",
            (_, (kind, code)) => return format!("type {kind} code {code}"),
        };
        known.to_owned()
    }

    /// Whether it is "time exceeded".
    pub(crate) fn exceeded(&self) -> bool {
        self.kind.0 == if self.by.is_ipv4() { 11 } else { 3 }
    }

    /// Whether it is "port unreachable".
    pub(crate) fn is_port(&self) -> bool {
        self.kind == if self.by.is_ipv4() { (3, 3) } else { (1, 4) }
    }
}

/// The next ICMP error in a socket's queue; errors of other origins are passed over.
pub(crate) fn next_error(socket: &impl AsFd) -> Option<IcmpError> {
    loop {
        let mut control = [0_u8; 512];
        let length = receive(socket, &mut control).ok()?;
        if let Some(error) = read(control.get(..length).unwrap_or_default()) {
            return Some(error);
        }
    }
}

/// Takes a message from the error queue; how many octets of control messages came with it.
fn receive(socket: &impl AsFd, control: &mut [u8]) -> io::Result<usize> {
    let mut payload = [0_u8; 128];
    let mut vector = libc::iovec { iov_base: payload.as_mut_ptr().cast(), iov_len: payload.len() };
    let mut header = libc::msghdr {
        msg_name: std::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: &mut vector,
        msg_iovlen: 1,
        msg_control: control.as_mut_ptr().cast(),
        msg_controllen: control.len() as _,
        msg_flags: 0,
    };
    let flags = libc::MSG_ERRQUEUE | libc::MSG_DONTWAIT;
    // SAFETY: the header points to one vector, whose buffer is of this function's stack, and to `control`, which is borrowed
    // alone, with their lengths; the kernel writes within these lengths during the call and keeps nothing. All are plain
    // octets, so that whatever is written is valid. The descriptor is open as long as `socket` is borrowed.
    let received = unsafe { libc::recvmsg(socket.as_fd().as_raw_fd(), &mut header, flags) };
    if received < 0 { Err(io::Error::last_os_error()) } else { Ok(header.msg_controllen as usize) }
}

/// Reads the control messages of one.
fn read(mut control: &[u8]) -> Option<IcmpError> {
    let (mut error, mut ttl) = (None, None);
    while let Some(octets) = control.get(..HEADER) {
        let word = |at: usize, octets: &[u8]| -> Option<i32> {
            Some(i32::from_ne_bytes(octets.get(at..at + 4)?.try_into().ok()?))
        };
        let length = usize::from_ne_bytes(octets.get(..WORD)?.try_into().ok()?);
        let value = control.get(HEADER..length)?;
        match (word(WORD, octets)?, word(WORD + 4, octets)?) {
            (libc::IPPROTO_IP, libc::IP_TTL) | (libc::IPPROTO_IPV6, libc::IPV6_HOPLIMIT) => {
                ttl = word(0, value).and_then(|ttl| u8::try_from(ttl).ok());
            }
            (libc::IPPROTO_IP, libc::IP_RECVERR) | (libc::IPPROTO_IPV6, libc::IPV6_RECVERR) => {
                error = extended(value);
            }
            _ => {}
        }
        control = control.get(length.next_multiple_of(WORD)..).unwrap_or_default();
    }
    error.map(|(by, kind)| IcmpError { by, kind, ttl })
}

/// `sock_extended_err` with the address behind it.
fn extended(value: &[u8]) -> Option<(IpAddr, (u8, u8))> {
    let &[origin, kind, code] = value.get(4..7)? else { return None };
    let address = value.get(EXTENDED..)?;
    let by: IpAddr = match origin {
        ICMP => Ipv4Addr::from(<[u8; 4]>::try_from(address.get(4..8)?).ok()?).into(),
        ICMP6 => Ipv6Addr::from(<[u8; 16]>::try_from(address.get(8..24)?).ok()?).into(),
        _ => return None,
    };
    Some((by.to_canonical(), (kind, code)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(level: i32, kind: i32, value: &[u8]) -> Vec<u8> {
        let mut octets = (HEADER + value.len()).to_ne_bytes().to_vec();
        octets.extend(level.to_ne_bytes());
        octets.extend(kind.to_ne_bytes());
        octets.resize(HEADER, 0);
        octets.extend(value);
        octets.resize(octets.len().next_multiple_of(WORD), 0);
        octets
    }

    #[test]
    fn who_sent_the_error_and_what_it_says() {
        let mut value = vec![113, 0, 0, 0, ICMP, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        value.extend([2, 0, 0, 0, 192, 0, 2, 254, 0, 0, 0, 0, 0, 0, 0, 0]);
        let control = [
            message(libc::IPPROTO_IP, libc::IP_TTL, &63_i32.to_ne_bytes()),
            message(libc::IPPROTO_IP, libc::IP_RECVERR, &value),
        ]
        .concat();
        let error = read(&control).unwrap();
        assert_eq!((error.by, error.kind, error.ttl), ("192.0.2.254".parse().unwrap(), (11, 0), Some(63)));
        assert!(error.exceeded() && error.words().starts_with("time exceeded"));
        // Cut anywhere, it is no error, and no panic.
        for end in 0..control.len() - 8 {
            assert_eq!(read(&control[..end]), None, "{end}");
        }
        value[4] = 1;
        assert_eq!(read(&message(libc::IPPROTO_IP, libc::IP_RECVERR, &value)), None, "of the system itself");
    }
}
