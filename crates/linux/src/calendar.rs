//! Whether someone has set the calendar's clock, CLOCK_REALTIME: a timer that the kernel cancels then (timerfd_create(2)).
//! Clocks that are only slowed down or hurried do so together, so that nothing else has to be watched.

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::io::Errno;
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

/// The timer.
#[derive(Debug)]
pub(crate) struct Calendar {
    timer: OwnedFd,
    ready: bool,
}

impl Calendar {
    /// Begins to watch.
    pub(crate) fn watch(registry: &Registry, token: Token) -> io::Result<Calendar> {
        let timer = timerfd_create(TimerfdClockId::Realtime, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        let never = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec { tv_sec: i64::MAX, tv_nsec: 0 },
        };
        timerfd_settime(&timer, TimerfdTimerFlags::ABSTIME | TimerfdTimerFlags::CANCEL_ON_SET, &never)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Calendar { timer, ready: false })
    }

    /// epoll says that there is something.
    pub(crate) fn set_ready(&mut self) {
        self.ready = true;
    }

    /// Whether the clock was set since this was asked last; the timer goes on by itself.
    pub(crate) fn was_set(&mut self) -> bool {
        std::mem::take(&mut self.ready)
            && matches!(rustix::io::read(&self.timer, &mut [0; 8]), Err(Errno::CANCELED))
    }
}
