//! An interface's speed and duplex (ethtool's oldest request, which every driver answers by way of the newer one).

#![allow(unsafe_code, reason = "ioctl with structures of our own")]

use socket2::{Domain, Socket, Type};
use std::io;
use std::os::fd::AsRawFd;

/// ETHTOOL_GSET
const GET_SETTINGS: u32 = 1;

/// `struct ethtool_cmd` (linux/ethtool.h).
#[repr(C)]
#[derive(Default)]
struct Settings {
    command: u32,
    supported: u32,
    advertising: u32,
    speed: u16,
    duplex: u8,
    port: u8,
    phy_address: u8,
    transceiver: u8,
    autoneg: u8,
    mdio_support: u8,
    max_tx: u32,
    max_rx: u32,
    speed_high: u16,
    crossover: u8,
    crossover_control: u8,
    partner: u32,
    reserved: [u32; 2],
}

/// Speed in Mbit/s and whether both ends may send at once, as far as they are known.
pub(crate) fn speed(name: &str) -> (Option<u32>, Option<bool>) {
    read(name).map_or((None, None), |settings| {
        let speed = u32::from(settings.speed_high) << 16 | u32::from(settings.speed);
        let full_duplex = match settings.duplex {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        };
        // SPEED_UNKNOWN is -1; drivers without a carrier also say 0.
        (Some(speed).filter(|&speed| !matches!(speed, 0 | u32::MAX | 0xffff)), full_duplex)
    })
}

fn read(name: &str) -> io::Result<Settings> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, None)?;
    let mut settings = Settings { command: GET_SETTINGS, ..Settings::default() };
    let mut request = libc::ifreq {
        ifr_name: [0; libc::IFNAMSIZ],
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: std::ptr::from_mut(&mut settings).cast() },
    };
    if name.len() >= libc::IFNAMSIZ {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as libc::c_char;
    }
    // SAFETY: SIOCETHTOOL takes an ifreq whose name ends with a NUL, which it does since it is shorter than the array of
    // zeros, and whose data point to the structure of the command, which is alive and of the kernel's layout; the kernel
    // writes no more than that. The descriptor is the socket's own.
    let result =
        unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL, std::ptr::from_mut(&mut request)) };
    if result == 0 { Ok(settings) } else { Err(io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_structure_is_as_long_as_the_kernels() {
        assert_eq!(size_of::<Settings>(), 44);
        assert_eq!(std::mem::offset_of!(Settings, speed_high), 28);
    }

    #[test]
    fn what_has_no_speed_is_unknown() {
        assert_eq!(speed("lo"), (None, None));
        assert_eq!(speed("no-such-interface-at-all"), (None, None));
    }
}
