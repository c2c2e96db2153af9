//! Port Role Transitions (§17.29): how a port comes into its role, and from there to forwarding.
//!
//! ```text
//!            role != selectedRole, from everywhere:
//!   DISABLE_PORT ─▶ DISABLED_PORT       BLOCK_PORT ─▶ ALTERNATE_PORT      ROOT_PORT      DESIGNATED_PORT
//!                                                       ├─ _PROPOSED       ├─ _PROPOSED    ├─ _PROPOSE
//!                                                       ├─ _AGREED         ├─ _AGREED      ├─ _SYNCED
//!                                                       └─ BACKUP_PORT     ├─ REROOT       ├─ _RETIRED
//!                                                                          ├─ REROOTED     ├─ _DISCARD
//!                                                                          ├─ _LEARN       ├─ _LEARN
//!                                                                          └─ _FORWARD     └─ _FORWARD
//! ```
//!
//! Every transition but those at BEGIN waits for `selected && !updtInfo`.

use super::port::{Context, Effect, Port};
use super::timer::Timer;
use super::transitions::{Machine, Prt};
use crate::{Event, PortRole};

impl Port {
    /// BEGIN: INIT_PORT, then DISABLE_PORT.
    pub(super) fn begin_prt(&mut self, cx: &mut Context<'_>) {
        self.took(cx, Machine::Prt, "BEGIN", "INIT_PORT");
        self.role = PortRole::Disabled;
        (self.learn, self.forward) = (false, false);
        self.synced = false;
        (self.sync, self.re_root) = (true, true);
        self.rr_while.set(cx.now, self.fwd_delay());
        self.fd_while.set(cx.now, self.max_age());
        self.rb_while = Timer::Zero;
        self.prt_state(cx, "INIT_PORT", Prt::Disable);
    }

    /// Takes at most one transition, and the unconditional ones after it.
    pub(super) fn step_prt(&mut self, cx: &mut Context<'_>) -> Option<Effect> {
        if !self.is_settled() {
            return None;
        }
        if self.role != self.selected_role {
            self.change_role(cx);
            return Some(Effect::None);
        }
        match self.prt {
            Prt::Disable if !self.learning && !self.forwarding => {
                self.enter_disabled_port(cx);
                Some(Effect::None)
            }
            Prt::Disabled => {
                let steady = self.fd_while == Timer::Kept(self.max_age());
                if steady && !self.sync && !self.re_root && self.synced {
                    return None;
                }
                self.enter_disabled_port(cx);
                Some(Effect::None)
            }
            Prt::Block if !self.learning && !self.forwarding => {
                self.enter_alternate_port(cx, Prt::Block.name());
                Some(Effect::None)
            }
            Prt::Disable | Prt::Block => None,
            Prt::Root => self.step_root(cx),
            Prt::Designated => self.step_designated(cx),
            Prt::Alternate => self.step_alternate(cx),
        }
    }

    fn prt_state(&mut self, cx: &mut Context<'_>, from: &'static str, to: Prt) {
        self.took(cx, Machine::Prt, from, to.name());
        self.prt = to;
    }

    /// By way of a state that is left at once.
    fn by_way_of(&mut self, cx: &mut Context<'_>, state: &'static str) {
        let stays = self.prt.name();
        self.took(cx, Machine::Prt, stays, state);
        self.took(cx, Machine::Prt, state, stays);
    }

    /// role != selectedRole.
    fn change_role(&mut self, cx: &mut Context<'_>) {
        let from = self.prt.name();
        // What a state kept at its full value counts down from now on.
        for timer in [&mut self.fd_while, &mut self.rr_while, &mut self.rb_while] {
            timer.release(cx.now);
        }
        self.event(cx, Event::Role { port: self.id, from: self.role, to: self.selected_role });
        self.role = self.selected_role;
        match self.role {
            PortRole::Disabled => {
                (self.learn, self.forward) = (false, false);
                self.prt_state(cx, from, Prt::Disable);
            }
            PortRole::Alternate | PortRole::Backup => {
                (self.learn, self.forward) = (false, false);
                self.prt_state(cx, from, Prt::Block);
            }
            PortRole::Root => self.enter_root_port(cx, from),
            PortRole::Designated => self.prt_state(cx, from, Prt::Designated),
        }
    }

    fn enter_disabled_port(&mut self, cx: &mut Context<'_>) {
        self.prt_state(cx, self.prt.name(), Prt::Disabled);
        self.fd_while = Timer::Kept(self.max_age());
        self.synced = true;
        self.rr_while = Timer::Zero;
        (self.sync, self.re_root) = (false, false);
    }

    fn enter_root_port(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.prt_state(cx, from, Prt::Root);
        self.rr_while = Timer::Kept(self.fwd_delay());
    }

    fn step_root(&mut self, cx: &mut Context<'_>) -> Option<Effect> {
        let re_rooted = cx.others.recent_roots == 0;
        let go = self.fd_while.is_zero() || (re_rooted && self.rb_while.is_zero() && cx.rstp_version);
        let mut effect = Effect::None;
        if self.proposed && !self.agree {
            self.by_way_of(cx, "ROOT_PROPOSED");
            self.proposed = false;
            effect = Effect::SyncTree;
        } else if (!self.agree && self.all_synced(cx)) || (self.proposed && self.agree) {
            self.by_way_of(cx, "ROOT_AGREED");
            (self.proposed, self.sync) = (false, false);
            (self.agree, self.new_info) = (true, true);
        } else if !self.forward && !self.re_root {
            self.by_way_of(cx, "REROOT");
            effect = Effect::ReRootTree;
        } else if self.re_root && self.forward {
            self.by_way_of(cx, "REROOTED");
            self.re_root = false;
        } else if self.rr_while != Timer::Kept(self.fwd_delay()) {
            self.enter_root_port(cx, Prt::Root.name());
        } else if go && !self.learn {
            self.by_way_of(cx, "ROOT_LEARN");
            self.fd_while.set(cx.now, self.forward_delay());
            self.learn = true;
        } else if go && !self.forward {
            self.by_way_of(cx, "ROOT_FORWARD");
            self.fd_while = Timer::Zero;
            self.forward = true;
        } else {
            return None;
        }
        Some(effect)
    }

    fn step_designated(&mut self, cx: &mut Context<'_>) -> Option<Effect> {
        let recent_root = !self.rr_while.is_zero();
        let is_open = self.learn || self.forward;
        let must_discard = (self.sync && !self.synced) || (self.re_root && recent_root) || self.disputed;
        let go = (self.fd_while.is_zero() || self.agreed || self.oper_edge)
            && !(recent_root && self.re_root)
            && !self.sync
            && self.held.is_none();
        if !self.forward && !self.agreed && !self.proposing && !self.oper_edge {
            self.by_way_of(cx, "DESIGNATED_PROPOSE");
            self.proposing = true;
            self.edge_delay_while.set(cx.now, self.edge_delay());
            self.new_info = true;
        } else if (!self.learning && !self.forwarding && !self.synced)
            || (self.agreed && !self.synced)
            || (self.oper_edge && !self.synced)
            || (self.sync && self.synced)
        {
            self.by_way_of(cx, "DESIGNATED_SYNCED");
            self.rr_while = Timer::Zero;
            self.synced = true;
            self.sync = false;
        } else if !recent_root && self.re_root {
            self.by_way_of(cx, "DESIGNATED_RETIRED");
            self.re_root = false;
        } else if is_open && ((must_discard && !self.oper_edge) || self.held.is_some()) {
            self.by_way_of(cx, "DESIGNATED_DISCARD");
            (self.learn, self.forward, self.disputed) = (false, false, false);
            self.fd_while.set(cx.now, self.forward_delay());
        } else if go && !self.learn {
            self.by_way_of(cx, "DESIGNATED_LEARN");
            self.learn = true;
            self.fd_while.set(cx.now, self.forward_delay());
        } else if go && !self.forward {
            self.by_way_of(cx, "DESIGNATED_FORWARD");
            self.forward = true;
            self.fd_while = Timer::Zero;
            self.agreed = self.send_rstp;
        } else {
            return None;
        }
        Some(Effect::None)
    }

    fn enter_alternate_port(&mut self, cx: &mut Context<'_>, from: &'static str) {
        self.prt_state(cx, from, Prt::Alternate);
        self.fd_while = Timer::Kept(self.forward_delay());
        self.synced = true;
        self.rr_while = Timer::Zero;
        (self.sync, self.re_root) = (false, false);
    }

    fn step_alternate(&mut self, cx: &mut Context<'_>) -> Option<Effect> {
        let recent_backup = Timer::Kept(self.hello_time().saturating_mul(2));
        let mut effect = Effect::None;
        if self.proposed && !self.agree {
            self.by_way_of(cx, "ALTERNATE_PROPOSED");
            self.proposed = false;
            effect = Effect::SyncTree;
        } else if (!self.agree && self.all_synced(cx)) || (self.proposed && self.agree) {
            self.by_way_of(cx, "ALTERNATE_AGREED");
            self.proposed = false;
            (self.agree, self.new_info) = (true, true);
        } else if self.fd_while != Timer::Kept(self.forward_delay())
            || self.sync
            || self.re_root
            || !self.synced
        {
            self.enter_alternate_port(cx, Prt::Alternate.name());
        } else if self.role == PortRole::Backup && self.rb_while != recent_backup {
            self.by_way_of(cx, "BACKUP_PORT");
            self.rb_while = recent_backup;
        } else {
            return None;
        }
        Some(effect)
    }
}
