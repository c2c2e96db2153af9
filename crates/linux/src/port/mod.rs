//! Ports that Trunkline owns: it sends and receives every frame itself, the kernel's stack stays out.
//!
//! | kind | what it is | file |
//! |---|---|---|
//! | packet | an interface that exists, such as one end of a veth, by AF_PACKET with a ring in shared memory | `packet.rs` |
//! | tap | an interface that is made for the purpose; the kernel is the station at its other end | `tap.rs` |
//!
//! Where there is much to send, a thread of its own does it for each port (`writer.rs`).
//!
//! What arrives is made what a wire would have carried before anyone sees it: the kernel leaves checksums and cutting
//! into segments to hardware that a veth does not have (`offload.rs`).

mod offload;
pub(crate) mod packet;
mod tap;
mod writer;

pub(crate) use packet::PacketPort;
pub(crate) use tap::TapPort;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use socket2::Socket;
use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use trunkline_core::{Frame, MacAddr};
use trunkline_node::config::PortKind;
use writer::Writer;

/// Frames that wait to be sent; more are dropped, as a network card's queue does.
const MAX_QUEUE: usize = 8192;

/// How long a thread that sends waits for a device that takes no more before it tries again.
const PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 100_000_000 };

/// As many frames at once are sent by a thread of their own, where there is one.
const MANY: usize = 16;

/// A port, of either kind.
#[derive(Debug)]
pub(crate) struct Port {
    name: String,
    device: Device,
    queue: VecDeque<Frame>,
    /// epoll said that there is something to read, and no read has found otherwise since.
    pub(crate) ready: bool,
    /// The last read left something behind.
    behind: bool,
    /// The device takes no more for now: epoll tells when it does.
    blocked: bool,
    /// Frames that were dropped because the queue was full or the device refused them.
    pub(crate) dropped: u64,
    sending: Sending,
}

/// Who sends.
#[derive(Debug)]
enum Sending {
    /// Whoever calls `flush`.
    Here,
    /// The same, until there is much to do.
    MayBeApart,
    /// A thread of its own, while there is much to do.
    Apart(Writer),
}

#[derive(Debug)]
enum Device {
    Packet(PacketPort),
    Tap(TapPort),
}

impl Port {
    /// Takes over the interface `name`, which must exist.
    pub(crate) fn packet(name: &str) -> io::Result<Port> {
        Ok(Port::new(name, Device::Packet(PacketPort::open(name)?)))
    }

    /// Makes the TAP interface `name`, or attaches to it where it exists and nobody else has; brings it up.
    pub(crate) fn tap(name: &str) -> io::Result<Port> {
        Ok(Port::new(name, Device::Tap(TapPort::open(name)?)))
    }

    fn new(name: &str, device: Device) -> Port {
        Port {
            name: name.to_owned(),
            device,
            queue: VecDeque::new(),
            ready: true,
            behind: false,
            blocked: false,
            dropped: 0,
            sending: Sending::Here,
        }
    }

    /// The interface's name.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Which kind it is.
    pub(crate) fn kind(&self) -> PortKind {
        match &self.device {
            Device::Packet(_) => PortKind::Packet,
            Device::Tap(_) => PortKind::Tap,
        }
    }

    /// The interface's index.
    pub(crate) fn interface(&self) -> u32 {
        match &self.device {
            Device::Packet(port) => port.interface(),
            Device::Tap(port) => port.interface(),
        }
    }

    /// The address that this end of the wire should have, given that of the kernel's interface.
    pub(crate) fn address(&self, kernel: MacAddr) -> MacAddr {
        match &self.device {
            // The interface is ours, and so is its address.
            Device::Packet(_) => kernel,
            // The kernel is the other station.
            Device::Tap(_) => tap::our_address(kernel),
        }
    }

    /// Hands over at most about `budget` frames; clears `ready` when nothing is left. `mtu` is the interface's.
    pub(crate) fn receive(&mut self, budget: usize, mtu: u32, take: &mut dyn FnMut(&[u8])) -> io::Result<()> {
        let drained = match &mut self.device {
            Device::Packet(port) => port.receive(budget, mtu, take)?,
            Device::Tap(port) => port.receive(budget, take)?,
        };
        self.ready &= !drained;
        self.behind = !drained;
        Ok(())
    }

    /// Queues a frame; `flush` sends it.
    pub(crate) fn send(&mut self, frame: Frame) {
        if self.queue.len() >= MAX_QUEUE {
            self.dropped += 1;
        } else {
            self.queue.push_back(frame);
        }
    }

    /// How many frames wait.
    pub(crate) fn queued(&self) -> usize {
        self.queue.len()
    }

    /// epoll says that the device takes frames again.
    pub(crate) fn unblock(&mut self) {
        self.blocked = false;
    }

    /// Whether frames wait that the device would take.
    pub(crate) fn has_work(&self) -> bool {
        self.ready || (!self.queue.is_empty() && !self.blocked)
    }

    /// Lets a thread of its own send while there is much to do; it begins when that is first so.
    pub(crate) fn send_apart(&mut self) {
        self.sending = Sending::MayBeApart;
    }

    /// Sends what waits, until the device takes no more. A frame that it refuses is dropped and counted: its interface
    /// may be down or its MTU smaller.
    pub(crate) fn flush(&mut self) {
        if self.queue.is_empty() || self.hand_over() {
            return;
        }
        let exit = self.exit();
        while !self.queue.is_empty() && !self.blocked {
            match exit.send(&mut self.queue) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) => self.dropped += refused(&mut self.queue, &error),
            }
        }
    }

    fn exit(&self) -> Exit {
        match &self.device {
            Device::Packet(port) => Exit::Packet(port.socket()),
            Device::Tap(port) => Exit::Tap(port.file()),
        }
    }

    /// Gives what waits to the thread that sends, where that is of use: there is much of it, or the node is behind with
    /// what comes in, or the thread still has what must go first.
    fn hand_over(&mut self) -> bool {
        let much = self.queue.len() >= MANY || self.behind;
        if much && matches!(self.sending, Sending::MayBeApart) {
            self.sending = match Writer::start(&self.name, self.exit()) {
                Ok(writer) => Sending::Apart(writer),
                Err(error) => {
                    tracing::warn!("{}: cannot start a thread that sends: {error}", self.name);
                    Sending::Here
                }
            };
        }
        let Sending::Apart(writer) = &self.sending else { return false };
        let (pending, dropped) = writer.pending();
        self.dropped += dropped;
        if !much && pending == 0 {
            return false;
        }
        let room = MAX_QUEUE.saturating_sub(pending);
        self.dropped += self.queue.len().saturating_sub(room) as u64;
        self.queue.truncate(room);
        writer.hand_over(&mut self.queue);
        true
    }
}

/// The way out of a device.
#[derive(Debug, Clone)]
enum Exit {
    Packet(Arc<Socket>),
    Tap(Arc<File>),
}

impl Exit {
    /// Sends one frame or more from the front of the queue and takes them out.
    fn send(&self, queue: &mut VecDeque<Frame>) -> io::Result<()> {
        match self {
            Exit::Packet(socket) => packet::send(socket, queue),
            Exit::Tap(file) => tap::send(file, queue),
        }
    }

    /// Sends all, and waits where the device takes no more, unless it is time to stop; how many were not sent.
    fn send_all(&self, queue: &mut VecDeque<Frame>, stop: impl Fn() -> bool) -> u64 {
        let mut dropped = 0;
        while !queue.is_empty() {
            match self.send(queue) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if stop() {
                        return dropped + queue.len() as u64;
                    }
                    let fd = match self {
                        Exit::Packet(socket) => socket.as_fd(),
                        Exit::Tap(file) => file.as_fd(),
                    };
                    let _ = poll(&mut [PollFd::from_borrowed_fd(fd, PollFlags::OUT)], Some(&PATIENCE));
                }
                Err(error) => dropped += refused(queue, &error),
            }
        }
        dropped
    }
}

/// Deals with the first frame after an error; 1: it was dropped.
fn refused(queue: &mut VecDeque<Frame>, error: &io::Error) -> u64 {
    if error.kind() == io::ErrorKind::Interrupted {
        return 0;
    }
    // ENOBUFS: the receiver's queue is full, what a wire would have lost.
    if error.raw_os_error() != Some(libc::ENOBUFS) {
        tracing::debug!("a frame was not sent: {error}");
    }
    queue.pop_front();
    1
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.device {
            Device::Packet(port) => port.as_fd(),
            Device::Tap(port) => port.as_fd(),
        }
    }
}
