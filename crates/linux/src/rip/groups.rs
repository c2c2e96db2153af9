//! Membership of 224.0.0.9 on any number of interfaces.
//!
//! A socket may have so many memberships as `net.ipv4.igmp_max_memberships` says, which is 20 unless someone changed it.
//! So they are held by sockets that do nothing else, as many as it takes. That which receives hears what is for any group
//! on its port (`IP_MULTICAST_ALL` of ip(7), which is on), and RIP ignores what comes by interfaces it does not run on.

use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use std::collections::BTreeMap;
use std::io;
use trunkline_wire::rip::MULTICAST;

/// Sockets at most.
const MAX_HOLDERS: usize = 256;

/// The memberships.
#[derive(Debug, Default)]
pub(super) struct Groups {
    holders: Vec<Socket>,
    /// Which holder has which interface's.
    members: BTreeMap<u32, usize>,
}

impl Groups {
    /// Becomes a member on an interface.
    pub(super) fn join(&mut self, interface: u32) -> io::Result<()> {
        if self.members.contains_key(&interface) {
            return Ok(());
        }
        // Those in front have room when they have left somewhere.
        for (number, holder) in self.holders.iter().enumerate() {
            match holder.join_multicast_v4_n(&MULTICAST, &InterfaceIndexOrAddress::Index(interface)) {
                Err(error) if error.raw_os_error() == Some(libc::ENOBUFS) => {}
                Err(error) => return Err(error),
                Ok(()) => {
                    self.members.insert(interface, number);
                    return Ok(());
                }
            }
        }
        if self.holders.len() >= MAX_HOLDERS {
            return Err(io::Error::from_raw_os_error(libc::ENOBUFS));
        }
        let holder = Socket::new(Domain::IPV4, Type::DGRAM.cloexec(), Some(Protocol::UDP))?;
        holder.join_multicast_v4_n(&MULTICAST, &InterfaceIndexOrAddress::Index(interface))?;
        self.members.insert(interface, self.holders.len());
        self.holders.push(holder);
        Ok(())
    }

    /// Is a member there no more. Of an interface that is gone the socket keeps a membership, which counts, until it is
    /// told.
    pub(super) fn leave(&mut self, interface: u32) {
        let Some(holder) = self.members.remove(&interface).and_then(|number| self.holders.get(number)) else {
            return;
        };
        let left = holder.leave_multicast_v4_n(&MULTICAST, &InterfaceIndexOrAddress::Index(interface));
        if let Err(error) = left {
            tracing::debug!("RIP: leaving {MULTICAST} on interface {interface}: {error}");
        }
    }

    #[cfg(test)]
    pub(super) fn holders(&self) -> usize {
        self.holders.len()
    }
}
