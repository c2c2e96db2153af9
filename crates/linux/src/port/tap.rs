//! A port on a TAP interface: the kernel is the station at the other end (Documentation/networking/tuntap).

#![allow(unsafe_code, reason = "ioctl with structures of the C library")]

use rustix::io::Errno;
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::sync::Arc;
use trunkline_core::{Frame, MacAddr};

/// The longest frame: the largest MTU of a TAP interface and an Ethernet header with a tag.
const MAX_FRAME: usize = 65_535 + 18;

/// A TAP interface and our end of it.
#[derive(Debug)]
pub(crate) struct TapPort {
    file: Arc<File>,
    interface: u32,
    buffer: Vec<u8>,
}

impl TapPort {
    /// Makes the interface or attaches to it, and brings it up.
    pub(crate) fn open(name: &str) -> io::Result<TapPort> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags(libc::O_NONBLOCK | libc::O_CLOEXEC)
            .open("/dev/net/tun")?;
        let mut request = request(name)?;
        // Frames as they are, without a header in front.
        request.ifr_ifru.ifru_flags = (libc::IFF_TAP | libc::IFF_NO_PI) as i16;
        ioctl(&file, libc::TUNSETIFF, &mut request)?;
        let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None)?;
        ioctl(&socket, libc::SIOCGIFFLAGS, &mut request)?;
        // SAFETY: SIOCGIFFLAGS has just filled in the flags, an integer.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        request.ifr_ifru.ifru_flags = flags | libc::IFF_UP as i16;
        ioctl(&socket, libc::SIOCSIFFLAGS, &mut request)?;
        let interface = rustix::net::netdevice::name_to_index(&socket, name)?;
        Ok(TapPort { file: Arc::new(file), interface, buffer: vec![0; MAX_FRAME] })
    }

    pub(crate) fn interface(&self) -> u32 {
        self.interface
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// Hands over at most `budget` frames; whether nothing is left.
    pub(crate) fn receive(&mut self, budget: usize, take: &mut dyn FnMut(&[u8])) -> io::Result<bool> {
        for _ in 0..budget {
            match rustix::io::read(&self.file, &mut self.buffer) {
                Ok(len) => take(&self.buffer[..len]),
                Err(Errno::AGAIN) => return Ok(true),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(false)
    }

    /// The way out.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }
}

/// Sends the first frame of the queue and takes it out.
pub(super) fn send(file: &File, queue: &mut VecDeque<Frame>) -> io::Result<()> {
    if let Some(frame) = queue.front() {
        // A frame is taken whole or not at all.
        let _ = rustix::io::write(file, frame)?;
        queue.pop_front();
    }
    Ok(())
}

/// The address of our end: the kernel's with one bit turned, since two stations must not have the same.
pub(super) fn our_address(kernel: MacAddr) -> MacAddr {
    let mut octets = kernel.0;
    octets[5] ^= 1;
    MacAddr(octets)
}

fn request(name: &str) -> io::Result<libc::ifreq> {
    let invalid = || io::Error::new(io::ErrorKind::InvalidInput, "an interface's name has 1 to 15 octets");
    // SAFETY: ifreq is a C structure of integers and octets, for which zeros are valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    if name.is_empty() || name.len() >= request.ifr_name.len() {
        return Err(invalid());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    Ok(request)
}

fn ioctl(file: &impl AsRawFd, what: libc::Ioctl, request: &mut libc::ifreq) -> io::Result<()> {
    // SAFETY: each of the requests used here reads and writes one ifreq, which is borrowed for the call.
    let result = unsafe { libc::ioctl(file.as_raw_fd(), what, std::ptr::from_mut(request)) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
