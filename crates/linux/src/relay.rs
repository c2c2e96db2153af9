//! A relay: a wire between two interfaces that is as bad as one likes.
//!
//! What happens to a frame on the way is a [`Medium`]'s business, a pure machine; here are the ports and the clock.

use crate::clock;
use crate::netlink::links::Links;
use crate::port::Port;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use trunkline_core::{Duration, Frame, Instant};
use trunkline_node::InterfaceChange;

/// Frames taken from a port before the other one gets its turn.
const BUDGET: usize = 64;

/// How soon a request to stop is noticed.
const PATIENCE: Duration = Duration::from_millis(100);

/// What stands between two ports, 0 and 1.
pub trait Medium {
    /// A frame came in at a port.
    fn push(&mut self, now: Instant, from: usize, frame: Frame);

    /// When the next frame comes out.
    fn poll_timeout(&self) -> Option<Instant>;

    /// The next frame that is due, and the port where it comes out.
    fn pop_due(&mut self, now: Instant) -> Option<(usize, Frame)>;
}

/// Carries frames between two interfaces through `medium` until `stop` is set. Both must exist and be up; the kernel
/// should have no address on them.
///
/// # Errors
///
/// An interface is not there or may not be opened, or is gone.
pub fn relay(names: [&str; 2], medium: &mut dyn Medium, stop: &AtomicBool) -> io::Result<()> {
    let mut mtu = [0; 2];
    let links = Links::read()?.all();
    for (mtu, name) in mtu.iter_mut().zip(names) {
        *mtu = links.iter().find_map(|link| mtu_of(link, name)).ok_or_else(|| missing(name))?;
    }
    let open = |name: &str| Port::packet(name).map_err(|error| describe(name, &error));
    let mut ports = [open(names[0])?, open(names[1])?];
    while !stop.load(Ordering::Relaxed) {
        for from in 0..2 {
            let now = clock::now();
            let port = &mut ports[from];
            port.ready = true;
            port.receive(BUDGET, mtu[from], &mut |octets| medium.push(now, from, Frame::from(octets)))
                .map_err(|error| describe(names[from], &error))?;
        }
        while let Some((to, frame)) = medium.pop_due(clock::now()) {
            ports[to].send(frame);
        }
        ports.iter_mut().for_each(Port::flush);
        if !ports.iter().any(|port| port.ready) {
            wait(&mut ports, medium.poll_timeout())?;
        }
    }
    Ok(())
}

/// Sleeps until a frame comes, a port takes frames again or `deadline`.
fn wait(ports: &mut [Port; 2], deadline: Option<Instant>) -> io::Result<()> {
    let delay = deadline.map_or(PATIENCE, |at| at.since(clock::now())).min(PATIENCE);
    let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(delay.subsec_nanos()) };
    let writable = |port: &Port| if port.queued() > 0 { PollFlags::OUT } else { PollFlags::empty() };
    let free = {
        let mut waiting = [&ports[0], &ports[1]]
            .map(|port| PollFd::from_borrowed_fd(port.as_fd(), PollFlags::IN | writable(port)));
        match poll(&mut waiting, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        waiting.map(|fd| fd.revents().contains(PollFlags::OUT))
    };
    ports.iter_mut().zip(free).filter(|(_, free)| *free).for_each(|(port, _)| port.unblock());
    Ok(())
}

fn mtu_of(link: &InterfaceChange, name: &str) -> Option<u32> {
    match link {
        InterfaceChange::Set { interface, .. } if interface.name == name => Some(interface.mtu),
        _ => None,
    }
}

fn missing(name: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("there is no interface {name}"))
}

fn describe(name: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{name}: {error}"))
}
