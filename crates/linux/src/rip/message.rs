//! Datagrams with the interface that they come by or leave by: `IP_PKTINFO` of ip(7), which no crate of ours knows.

#![allow(unsafe_code, reason = "recvmsg with a control message that no crate reads")]

use socket2::{MsgHdr, SockAddr, Socket};
use std::io::{self, IoSlice};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::AsRawFd;

/// `size_t` of a control message's length.
const WORD: usize = size_of::<usize>();
/// `struct cmsghdr` of the kernel: length, level, type.
const HEADER: usize = (WORD + 8).next_multiple_of(WORD);
/// `struct in_pktinfo`: interface, local address, destination.
const INFO: usize = 12;
/// One control message with `in_pktinfo`, as `CMSG_SPACE` counts it.
const CONTROL: usize = HEADER + INFO.next_multiple_of(WORD);

/// What came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Arrival {
    /// Index of the interface; 0: the kernel did not say.
    pub(crate) interface: u32,
    pub(crate) source: Ipv4Addr,
    pub(crate) source_port: u16,
    /// Octets in the buffer.
    pub(crate) len: usize,
}

/// Sends a datagram out of an interface, from an address of ours.
pub(super) fn send(
    socket: &Socket,
    (interface, source): (u32, Ipv4Addr),
    destination: SocketAddrV4,
    octets: &[u8],
) -> io::Result<()> {
    let address = SockAddr::from(destination);
    let (buffers, control) = ([IoSlice::new(octets)], control(interface, source));
    let message = MsgHdr::new().with_addr(&address).with_buffers(&buffers).with_control(&control);
    loop {
        match socket.sendmsg(&message, libc::MSG_DONTWAIT) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result.map(drop),
        }
    }
}

/// Takes a datagram from the socket, which must have been told to say the interface.
pub(super) fn receive(socket: &Socket, buffer: &mut [u8]) -> io::Result<Arrival> {
    let mut name = libc::sockaddr_in {
        sin_family: 0,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: 0 },
        sin_zero: [0; 8],
    };
    let mut control = [0_u8; CONTROL];
    let mut vector = libc::iovec { iov_base: buffer.as_mut_ptr().cast(), iov_len: buffer.len() };
    let mut header = libc::msghdr {
        msg_name: std::ptr::from_mut(&mut name).cast(),
        msg_namelen: size_of::<libc::sockaddr_in>() as libc::socklen_t,
        msg_iov: &mut vector,
        msg_iovlen: 1,
        msg_control: control.as_mut_ptr().cast(),
        msg_controllen: CONTROL,
        msg_flags: 0,
    };
    // SAFETY: the header points to a sockaddr_in, to one vector and to a control buffer of this function's stack, with their
    // lengths, and the vector to `buffer`, which is borrowed alone; the kernel writes within these lengths during the call
    // and keeps nothing. All are plain octets or integers, so that whatever is written is valid. The descriptor is the
    // socket's own.
    let received = unsafe { libc::recvmsg(socket.as_raw_fd(), &mut header, libc::MSG_DONTWAIT) };
    let Ok(len) = usize::try_from(received) else { return Err(io::Error::last_os_error()) };
    Ok(Arrival {
        interface: interface_of(control.get(..header.msg_controllen).unwrap_or_default()),
        source: Ipv4Addr::from(u32::from_be(name.sin_addr.s_addr)),
        source_port: u16::from_be(name.sin_port),
        len: len.min(buffer.len()),
    })
}

/// The control message that names interface and source.
fn control(interface: u32, source: Ipv4Addr) -> [u8; CONTROL] {
    let mut octets = [0; CONTROL];
    octets[..WORD].copy_from_slice(&(HEADER + INFO).to_ne_bytes());
    octets[WORD..WORD + 4].copy_from_slice(&libc::IPPROTO_IP.to_ne_bytes());
    octets[WORD + 4..WORD + 8].copy_from_slice(&libc::IP_PKTINFO.to_ne_bytes());
    octets[HEADER..HEADER + 4].copy_from_slice(&interface.to_ne_bytes());
    octets[HEADER + 4..HEADER + 8].copy_from_slice(&source.octets());
    octets
}

/// The interface of a control message like that.
fn interface_of(octets: &[u8]) -> u32 {
    let int = |at: usize| octets.get(at..at + 4).and_then(|octets| octets.try_into().ok());
    let is_info = int(WORD).map(i32::from_ne_bytes) == Some(libc::IPPROTO_IP)
        && int(WORD + 4).map(i32::from_ne_bytes) == Some(libc::IP_PKTINFO);
    int(HEADER).filter(|_| is_info).map_or(0, u32::from_ne_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_control_message_is_laid_out_as_the_c_library_has_it() {
        // SAFETY: these macros only compute with their argument.
        let (space, len) = unsafe { (libc::CMSG_SPACE(INFO as u32), libc::CMSG_LEN(INFO as u32)) };
        assert_eq!((space as usize, len as usize), (CONTROL, HEADER + INFO));
        assert_eq!(size_of::<libc::in_pktinfo>(), INFO);
        assert_eq!(std::mem::offset_of!(libc::in_pktinfo, ipi_spec_dst), 4);
        let octets = control(7, Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(octets[..WORD], (len as usize).to_ne_bytes());
        assert_eq!(interface_of(&octets), 7);
    }

    #[test]
    fn what_is_no_such_control_message_names_no_interface() {
        let good = control(7, Ipv4Addr::LOCALHOST);
        assert_eq!(interface_of(&good[..HEADER + 3]), 0);
        assert_eq!(interface_of(&[]), 0);
        let mut other = good;
        other[WORD + 4] ^= 1;
        assert_eq!(interface_of(&other), 0);
    }
}
