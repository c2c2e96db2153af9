//! The frames of spanning tree at one port of a bridge: AF_PACKET, which sees them before the bridge does and sends by
//! the port whatever its state. Each port has a socket of its own, so that a port that is flooded loses its own frames.

use crate::port::packet::{bind, set};
use crate::sockopt;
use socket2::{Domain, Protocol, SockFilter, Socket, Type};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use trunkline_wire::stp::{BRIDGE_GROUP, CISCO_GROUP};

/// Room for a frame; those of spanning tree are far shorter.
pub(super) const MAX_FRAME: usize = 2048;

/// What goes first (IEEE 802.1Q-2018 table I-2: network control).
const PRIORITY: i32 = 7;

/// One port's socket.
#[derive(Debug)]
pub(super) struct PortSocket(Socket);

impl PortSocket {
    /// Finds out whether we may have such sockets at all.
    pub(super) fn probe() -> io::Result<()> {
        Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>).map(drop)
    }

    /// Opens it at the interface with this index.
    pub(super) fn open(interface: u32) -> io::Result<PortSocket> {
        // Bound to no protocol at first: nothing is received before the filter is there.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>)?;
        socket.set_nonblocking(true)?;
        socket.attach_filter(&filter())?;
        set(&socket, libc::PACKET_IGNORE_OUTGOING, &1_i32)?;
        sockopt::set_priority(&socket, PRIORITY)?;
        bind(&socket, libc::ETH_P_ALL, interface)?;
        // A network card shall let these groups in, though the bridge may have asked it for nothing.
        for group in [BRIDGE_GROUP, CISCO_GROUP] {
            let mut member = libc::packet_mreq {
                mr_ifindex: interface as i32,
                mr_type: libc::PACKET_MR_MULTICAST as u16,
                mr_alen: 6,
                mr_address: [0; 8],
            };
            member.mr_address[..6].copy_from_slice(&group.0);
            set(&socket, libc::PACKET_ADD_MEMBERSHIP, &member)?;
        }
        Ok(PortSocket(socket))
    }

    pub(super) fn raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }

    /// The next frame; its length. `None`: there is none.
    pub(super) fn receive(&self, buf: &mut [u8]) -> io::Result<Option<usize>> {
        loop {
            match (&self.0).read(buf) {
                Ok(len) => return Ok(Some(len)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // An interface that went down leaves an error once.
                Err(error) if error.kind() == io::ErrorKind::Interrupted || is_down(&error) => {}
                Err(error) => return Err(error),
            }
        }
    }

    pub(super) fn send(&self, frame: &[u8]) -> io::Result<()> {
        self.0.send(frame).map(drop)
    }
}

fn is_down(error: &io::Error) -> bool {
    error.raw_os_error() == Some(libc::ENETDOWN)
}

/// A socket filter (classic BPF) that lets in what is to one of the two groups and has no VLAN tag: a spanning tree of
/// one VLAN is not ours, and the kernel has taken its tag out of the frame.
fn filter() -> [SockFilter; 11] {
    const LOAD_WORD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
    const LOAD_HALF: u16 = 0x28; // BPF_LD | BPF_H | BPF_ABS
    const LOAD_BYTE: u16 = 0x30; // BPF_LD | BPF_B | BPF_ABS
    const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
    const RETURN: u16 = 0x06; // BPF_RET | BPF_K
    const TAG_PRESENT: u32 = (libc::SKF_AD_OFF + libc::SKF_AD_VLAN_TAG_PRESENT) as u32;
    let word = |[a, b, c, d, _, _]: [u8; 6]| u32::from_be_bytes([a, b, c, d]);
    let half = |[_, _, _, _, e, f]: [u8; 6]| u32::from(u16::from_be_bytes([e, f]));
    let (one, two) = (BRIDGE_GROUP.0, CISCO_GROUP.0);
    [
        SockFilter::new(LOAD_BYTE, 0, 0, TAG_PRESENT),
        SockFilter::new(JUMP_EQUAL, 0, 7, 0), // tagged: to the end
        SockFilter::new(LOAD_WORD, 0, 0, 0),
        SockFilter::new(JUMP_EQUAL, 3, 0, word(one)),
        SockFilter::new(JUMP_EQUAL, 0, 4, word(two)),
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(JUMP_EQUAL, 3, 2, half(two)),
        SockFilter::new(LOAD_HALF, 0, 0, 4),
        SockFilter::new(JUMP_EQUAL, 1, 0, half(one)),
        SockFilter::new(RETURN, 0, 0, 0),
        SockFilter::new(RETURN, 0, 0, u32::MAX),
    ]
}
