//! How often ICMP errors and redirects may go (RFC 1812 §4.3.2.8).

use std::net::Ipv4Addr;

use trunkline_core::{Duration, Instant};

use crate::cache::Cache;
use crate::config::Config;

/// A rate with a burst, as the time at which the next one would be due if all came evenly (GCRA).
#[derive(Debug, Clone, Copy, Default)]
struct Rate(Instant);

impl Rate {
    /// Whether one more may go now, at one each `interval` and `burst` at once.
    fn allow(&mut self, now: Instant, interval: Duration, burst: u32) -> bool {
        let next = self.0.max(now) + interval;
        let allowed = next.since(now) <= interval.saturating_mul(burst.max(1));
        if allowed {
            self.0 = next;
        }
        allowed
    }
}

/// The limits of what is sent on others' account.
#[derive(Debug)]
pub(crate) struct Limits {
    all: Rate,
    hosts: Cache<Ipv4Addr, Rate>,
    redirects: Cache<(Ipv4Addr, Ipv4Addr), Backoff>,
}

/// Redirects about one destination that one host seems to ignore.
#[derive(Debug, Clone, Copy)]
struct Backoff {
    sent: u32,
    next: Instant,
}

impl Limits {
    pub(crate) fn new(config: &Config, seed: u64) -> Limits {
        let limit = config.max_icmp_hosts;
        Limits { all: Rate::default(), hosts: Cache::new(limit, seed), redirects: Cache::new(limit, seed) }
    }

    pub(crate) fn reconfigure(&mut self, config: &Config) {
        self.hosts.set_limit(config.max_icmp_hosts);
        self.redirects.set_limit(config.max_icmp_hosts);
    }

    /// Whether an ICMP error may go to a host. The host's own limit is asked first, so that one host cannot use up
    /// what there is for all.
    pub(crate) fn allow_error(
        &mut self,
        now: Instant,
        config: &Config,
        host: Ipv4Addr,
        exempt: bool,
    ) -> bool {
        if !exempt && !config.icmp_host_interval.is_zero() {
            let interval = config.icmp_host_interval;
            let mut rate = self.hosts.get(now, host).copied().unwrap_or_default();
            if !rate.allow(now, interval, config.icmp_host_burst) {
                return false;
            }
            // After this time it is as if it had never been.
            self.hosts.insert(now, host, rate, rate.0.since(now));
        }
        config.icmp_rate != 0
            && self.all.allow(now, Duration::from_secs(1) / config.icmp_rate, config.icmp_burst)
    }

    /// Whether a redirect about `destination` may go to a host: each pause is twice the one before, and a host that
    /// ignores too many gets none until it has sent nothing for a while that would need one.
    pub(crate) fn allow_redirect(
        &mut self,
        now: Instant,
        config: &Config,
        host: Ipv4Addr,
        destination: Ipv4Addr,
    ) -> bool {
        let key = (host, destination);
        let mut state = self.redirects.get(now, key).copied().unwrap_or(Backoff { sent: 0, next: now });
        let allowed = state.sent < config.max_ignored_redirects && now >= state.next;
        if allowed {
            state.next = now + config.redirect_pause.saturating_mul(1 << state.sent.min(31));
            state.sent += 1;
        }
        let lifetime = config.redirect_silence.max(state.next.since(now));
        self.redirects.insert(now, key, state, lifetime);
        allowed
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        trunkline_core::earliest([self.hosts.poll_timeout(), self.redirects.poll_timeout()])
    }

    pub(crate) fn expire(&mut self, now: Instant) {
        while self.hosts.expire(now).is_some() {}
        while self.redirects.expire(now).is_some() {}
    }

    #[cfg(test)]
    pub(crate) fn remembered(&self) -> usize {
        self.hosts.len().max(self.redirects.len())
    }
}
