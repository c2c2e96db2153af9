//! A changed configuration meets a running session.

use super::event::Event;
use super::peer::{Cause, Session, Stopped};
use super::{Input, Output, Restart, State};
use crate::config::NeighborConfig;
use std::sync::Arc;
use trunkline_core::{Applied, Instant, Outbox};
use trunkline_wire::bgp::{ErrorCode, Notification};

impl Session {
    /// Takes a new configuration.
    ///
    /// `Restart`, with Cease 6/6 where the peer has our OPEN: `address`, `port`, `local-address`, `asn`, `families`,
    /// `password`, `tcp-ao`, `multihop`, `ttl-security`, `role`, `role-strict`, `route-reflector-client`, `extended-messages`,
    /// `extended-next-hop`, `graceful-restart-helper`, `enforce-first-as` (what it refuses is not kept, so the peer must
    /// tell it again). With Cease 6/2 and for good: `enabled = false`; `enabled = true`
    /// starts the session.
    ///
    /// `InPlace`: everything else. `hold-time` is for the next OPEN. `passive`, `connect-retry` and `delay-open` are for
    /// the next connection, which is begun anew where none has come as far as an OPEN. Policies, limits and the like
    /// are not the session's: the owner deals with them.
    pub fn reconfigure(
        &mut self,
        now: Instant,
        config: Arc<NeighborConfig>,
        out: &mut Outbox<Output>,
    ) -> Applied {
        let old = self.config.clone();
        if old.enabled != config.enabled {
            return self.enable(now, config, out);
        }
        if needs_restart(&old, &config) {
            let input = Input::AutomaticStop {
                notification: ErrorCode::OTHER_CONFIGURATION_CHANGE.into(),
                reason: "the configuration has changed".to_owned(),
                restart: Restart::Normal,
            };
            self.handle(now, input, out);
            self.config = config;
            return Applied::Restart;
        }
        let connects_differently = (old.passive, old.connect_retry, old.delay_open)
            != (config.passive, config.connect_retry, config.delay_open);
        self.config = config;
        if connects_differently && matches!(self.state(), State::Connect | State::Active) {
            self.begin_anew(now, out);
        }
        Applied::InPlace
    }

    fn enable(&mut self, now: Instant, config: Arc<NeighborConfig>, out: &mut Outbox<Output>) -> Applied {
        if config.enabled {
            self.config = config;
            if self.stopped == Some(Stopped::Disabled) {
                self.stopped = None;
                self.forget_troubles();
                self.automatic_start(now, out);
            }
            return Applied::Restart;
        }
        self.stopped = Some(Stopped::Disabled);
        self.forget_troubles();
        let notification = Notification::new(ErrorCode::ADMINISTRATIVE_SHUTDOWN);
        self.stop_all(now, Event::ManualStop, &notification, "disabled in the configuration", out);
        self.idle_hold = None;
        self.config = config;
        Applied::Restart
    }

    /// From Connect or Active back to the start, without a word.
    fn begin_anew(&mut self, now: Instant, out: &mut Outbox<Output>) {
        let cause = || Cause::text("the configuration has changed");
        for which in [super::peer::Which::Second, super::peer::Which::Primary] {
            if self.machine_ref(which).is_some_and(|m| m.state != State::Idle) {
                self.run(now, which, Event::ManualStop, cause(), out);
            }
        }
        self.idle_hold = None;
        self.automatic_start(now, out);
    }
}

/// Whether the peer must hear of the change, or TCP must.
fn needs_restart(old: &NeighborConfig, new: &NeighborConfig) -> bool {
    let transport =
        |c: &NeighborConfig| (c.address, c.port, c.local_address, c.tcp_key(), c.multihop, c.ttl_security);
    let open = |c: &NeighborConfig| {
        let role = (c.role, c.role_strict, c.route_reflector_client);
        let offers = (c.extended_messages, c.extended_next_hop, c.graceful_restart_helper);
        (c.asn, c.families.clone(), role, offers, c.enforce_first_as)
    };
    transport(old) != transport(new) || open(old) != open(new)
}
