//! A port on an interface that exists: AF_PACKET, received through a ring in shared memory (packet(7), TPACKET_V2),
//! sent with `sendmmsg`.
//!
//! TPACKET_V2 hands over each frame as it comes; V3 holds frames back until a block of them is full or a timer of
//! several milliseconds runs out, which TCP would feel.

#![allow(unsafe_code, reason = "memory shared with the kernel and system calls that no crate wraps")]

use super::offload;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use socket2::{Domain, Protocol, Socket, Type};
use std::collections::VecDeque;
use std::ffi::c_void;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering, fence};
use trunkline_core::Frame;

/// Octets of a slot: a frame of 64 KiB, which the kernel hands over uncut on a veth, and its header.
const SLOT: usize = 65_536 + 4096;
const SLOTS: usize = 512;

/// Frames given to one system call.
const BATCH: usize = 128;

/// A raw socket on one interface, with its ring.
#[derive(Debug)]
pub(crate) struct PacketPort {
    socket: Arc<Socket>,
    interface: u32,
    ring: Ring,
    segments: Vec<u8>,
}

impl PacketPort {
    /// Opens it and sees every frame that arrives there, to whomever it is.
    pub(crate) fn open(name: &str) -> io::Result<PacketPort> {
        let index = rustix::net::netdevice::name_to_index(fd()?, name).map_err(|error| match error {
            rustix::io::Errno::NODEV => io::Error::new(io::ErrorKind::NotFound, "there is no such interface"),
            error => error.into(),
        })?;
        // Bound to no protocol at first: nothing is received before the ring is there.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>)?;
        socket.set_nonblocking(true)?;
        set(&socket, libc::PACKET_VERSION, &libc::tpacket_versions::TPACKET_V2)?;
        // What this machine's other programs send there is not ours to receive (Linux 4.20).
        set(&socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        // Traffic control is for the kernel's stack; older kernels lack this, and it is only for speed.
        let _ = set(&socket, libc::PACKET_QDISC_BYPASS, &1_i32);
        let request = libc::tpacket_req {
            tp_block_size: SLOT as u32,
            tp_block_nr: SLOTS as u32,
            tp_frame_size: SLOT as u32,
            tp_frame_nr: SLOTS as u32,
        };
        set(&socket, libc::PACKET_RX_RING, &request)?;
        let ring = Ring::map(&socket)?;
        let member = libc::packet_mreq {
            mr_ifindex: index as i32,
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&socket, libc::PACKET_ADD_MEMBERSHIP, &member)?;
        bind(&socket, libc::ETH_P_ALL, index)?;
        Ok(PacketPort { socket: Arc::new(socket), interface: index, ring, segments: Vec::new() })
    }

    pub(crate) fn interface(&self) -> u32 {
        self.interface
    }

    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Hands over at most about `budget` frames; whether nothing is left.
    pub(crate) fn receive(
        &mut self,
        budget: usize,
        mtu: u32,
        take: &mut dyn FnMut(&[u8]),
    ) -> io::Result<bool> {
        for _ in 0..budget {
            let Some(slot) = self.ring.next() else {
                // An interface that went down leaves an error on the socket, which epoll would report for ever.
                return match self.socket.take_error()? {
                    Some(error) if error.raw_os_error() != Some(libc::ENETDOWN) => Err(error),
                    _ => Ok(true),
                };
            };
            let frame =
                offload::Received { octets: slot.octets, tag: slot.tag, checksum_missing: slot.partial };
            offload::deliver(&frame, mtu, &mut self.segments, take);
            self.ring.release();
        }
        Ok(false)
    }

    /// The way out.
    pub(super) fn socket(&self) -> Arc<Socket> {
        Arc::clone(&self.socket)
    }
}

/// Sends frames from the front of the queue and takes those out that were sent.
pub(super) fn send(socket: &Socket, queue: &mut VecDeque<Frame>) -> io::Result<()> {
    let mut vectors = [libc::iovec { iov_base: std::ptr::null_mut(), iov_len: 0 }; BATCH];
    let mut headers = [EMPTY; BATCH];
    let count = queue.len().min(BATCH);
    for ((vector, header), frame) in vectors.iter_mut().zip(&mut headers).zip(queue.iter()) {
        vector.iov_base = frame.as_ptr().cast_mut().cast::<c_void>();
        vector.iov_len = frame.len();
        header.msg_hdr.msg_iov = vector;
        header.msg_hdr.msg_iovlen = 1;
    }
    // SAFETY: the first `count` headers point to vectors of this function's stack, which point to frames that the
    // queue keeps for the time of the call; the kernel only reads the frames. The descriptor is the socket's own.
    let sent =
        unsafe { libc::sendmmsg(socket.as_raw_fd(), headers.as_mut_ptr(), count as u32, libc::MSG_DONTWAIT) };
    match usize::try_from(sent) {
        Ok(sent) => {
            queue.drain(..sent.min(count));
            Ok(())
        }
        Err(_) => Err(io::Error::last_os_error()),
    }
}

const EMPTY: libc::mmsghdr = libc::mmsghdr {
    msg_hdr: libc::msghdr {
        msg_name: std::ptr::null_mut(),
        msg_namelen: 0,
        msg_iov: std::ptr::null_mut(),
        msg_iovlen: 0,
        msg_control: std::ptr::null_mut(),
        msg_controllen: 0,
        msg_flags: 0,
    },
    msg_len: 0,
};

/// A socket to ask the kernel about interfaces with.
fn fd() -> io::Result<Socket> {
    Socket::new(Domain::IPV4, Type::DGRAM, None)
}

/// Sets an option of a packet socket (packet(7)), whose C type is `T`.
pub(crate) fn set<T>(socket: &Socket, name: libc::c_int, value: &T) -> io::Result<()> {
    let len = size_of::<T>() as libc::socklen_t;
    // SAFETY: `value` is a live reference to a C integer or structure, of which the kernel reads `len` octets during the
    // call and keeps nothing. The descriptor is the socket's own.
    let result = unsafe {
        libc::setsockopt(socket.as_raw_fd(), libc::SOL_PACKET, name, std::ptr::from_ref(value).cast(), len)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Every frame of this protocol of the interface comes to the socket from now on; 0: of all interfaces.
pub(crate) fn bind(socket: &Socket, protocol: libc::c_int, index: u32) -> io::Result<()> {
    let address = libc::sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: (protocol as u16).to_be(),
        sll_ifindex: index as i32,
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    };
    let len = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
    // SAFETY: `address` is a complete sockaddr_ll on the stack, read during the call.
    let result = unsafe { libc::bind(socket.as_raw_fd(), std::ptr::from_ref(&address).cast(), len) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// A frame in the ring.
struct Slot<'a> {
    octets: &'a [u8],
    /// The VLAN tag that the kernel took out: its protocol and its control information.
    tag: Option<(u16, u16)>,
    /// The checksum of TCP or UDP is not filled in.
    partial: bool,
}

/// The ring: slots that the kernel fills and hands over one by one, in order, by their status word.
#[derive(Debug)]
struct Ring {
    memory: NonNull<u8>,
    /// The slot that comes next.
    at: usize,
}

// SAFETY: the mapping belongs to this value alone and may be read from any thread; it is moved to the node's thread.
unsafe impl Send for Ring {}

impl Ring {
    const LEN: usize = SLOT * SLOTS;

    fn map(socket: &Socket) -> io::Result<Ring> {
        // SAFETY: a fresh mapping chosen by the kernel; nothing else lies there. It lives until `drop`.
        let memory = unsafe {
            mmap(
                std::ptr::null_mut(),
                Ring::LEN,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::SHARED,
                socket,
                0,
            )?
        };
        let memory = NonNull::new(memory.cast()).ok_or_else(|| io::Error::other("mmap gave no memory"))?;
        Ok(Ring { memory, at: 0 })
    }

    /// The status word of the next slot.
    fn status(&self) -> &AtomicU32 {
        // SAFETY: `at` is below SLOTS, so the slot lies in the mapping; a slot begins with the 32-bit `tp_status`
        // (struct tpacket2_hdr), is aligned to 16, and both sides only touch that word atomically.
        unsafe { AtomicU32::from_ptr(self.memory.add(self.at * SLOT).as_ptr().cast()) }
    }

    /// The next frame, if the kernel has handed it over; `release` gives it back.
    fn next(&self) -> Option<Slot<'_>> {
        let status = self.status().load(Ordering::Acquire);
        if status & libc::TP_STATUS_USER == 0 {
            return None;
        }
        fence(Ordering::Acquire);
        let slot = self.at * SLOT;
        // SAFETY: the slot is ours until its status is set back (packet(7)), so nobody writes to it; it lies in the mapping
        // and is aligned. tpacket2_hdr is a C structure of integers, valid with any content.
        let header = unsafe { self.memory.add(slot).cast::<libc::tpacket2_hdr>().as_ref() };
        let begin = usize::from(header.tp_mac).min(SLOT);
        let len = (header.tp_snaplen as usize).min(SLOT - begin);
        // SAFETY: `begin + len` is at most SLOT, so the octets lie in this slot of the mapping, which is ours for now.
        let octets = unsafe { std::slice::from_raw_parts(self.memory.add(slot + begin).as_ptr(), len) };
        let tagged = status & libc::TP_STATUS_VLAN_VALID != 0;
        let protocol =
            if status & libc::TP_STATUS_VLAN_TPID_VALID != 0 { header.tp_vlan_tpid } else { 0x8100 };
        Some(Slot {
            octets,
            tag: tagged.then_some((protocol, header.tp_vlan_tci)),
            partial: status & libc::TP_STATUS_CSUMNOTREADY != 0,
        })
    }

    /// Gives the next slot back to the kernel and goes on to the one after it.
    fn release(&mut self) {
        self.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.at = (self.at + 1) % SLOTS;
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the mapping was made with this address and length, and no reference into it outlives `self`.
        let _ = unsafe { munmap(self.memory.as_ptr().cast(), Ring::LEN) };
    }
}
