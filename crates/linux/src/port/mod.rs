//! Ports that Trunkline owns: it sends and receives every frame itself, the kernel's stack stays out.
//!
//! | kind | what it is | file |
//! |---|---|---|
//! | packet | an interface that exists, such as one end of a veth, by AF_PACKET with a ring in shared memory | `packet.rs` |
//! | tap | an interface that is made for the purpose; the kernel is the station at its other end | `tap.rs` |
//!
//! What arrives is made what a wire would have carried before anyone sees it: the kernel leaves checksums and cutting
//! into segments to hardware that a veth does not have (`offload.rs`).

mod offload;
pub(crate) mod packet;
mod tap;

pub(crate) use packet::PacketPort;
pub(crate) use tap::TapPort;

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use trunkline_core::{Frame, MacAddr};
use trunkline_node::config::PortKind;

/// Frames that wait to be sent; more are dropped, as a network card's queue does.
const MAX_QUEUE: usize = 8192;

/// A port, of either kind.
#[derive(Debug)]
pub(crate) struct Port {
    name: String,
    device: Device,
    queue: VecDeque<Frame>,
    /// epoll said that there is something to read, and no read has found otherwise since.
    pub(crate) ready: bool,
    /// The device takes no more for now: epoll tells when it does.
    blocked: bool,
    /// Frames that were dropped because the queue was full or the device refused them.
    pub(crate) dropped: u64,
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
            blocked: false,
            dropped: 0,
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

    /// Sends what waits, until the device takes no more. A frame that it refuses is dropped and counted: its interface
    /// may be down or its MTU smaller.
    pub(crate) fn flush(&mut self) {
        while !self.queue.is_empty() && !self.blocked {
            let result = match &mut self.device {
                Device::Packet(port) => port.send(&mut self.queue),
                Device::Tap(port) => port.send(&mut self.queue),
            };
            match result {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => self.blocked = true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {
                    // The receiver's queue is full: what a wire would have lost.
                    self.queue.pop_front();
                    self.dropped += 1;
                }
                Err(error) => {
                    self.queue.pop_front();
                    self.dropped += 1;
                    tracing::debug!("{}: a frame was not sent: {error}", self.name);
                }
            }
        }
    }
}

impl AsFd for Port {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.device {
            Device::Packet(port) => port.as_fd(),
            Device::Tap(port) => port.as_fd(),
        }
    }
}
