//! One bridge in our hands: how it is taken, how its ports are opened and closed, how it is given back.

use super::announce::Announcer;
use super::control::{Control, KernelState, Setting};
use super::frames::PortSocket;
use super::gate::{self, Gate, Leftover, Passage, REFRESH};
use super::nft::Nft;
use super::restore::Before;
use crate::netlink::links::{BridgeSettings, Link};
use std::io;
use std::path::Path;
use trunkline_core::Instant;
use trunkline_stp::PortState;

/// The kernel asks this program, in the initial network namespace alone, whether spanning tree is for user space.
const HELPER: &str = "/sbin/bridge-stp";

/// A file of sysctl that only the initial network namespace has.
const INITIAL_NAMESPACE: &str = "/proc/sys/net/core/dev_weight";

/// BR_KERNEL_STP, BR_USER_STP, and BR_STP_MODE_USER.
const KERNEL_STP: u32 = 1;
const USER_STP: u32 = 2;
const USER_MODE: u32 = 1;

/// The ways to the kernel.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) control: Control,
    pub(super) nft: Nft,
}

impl Kernel {
    pub(super) fn open() -> io::Result<Kernel> {
        Ok(Kernel { control: Control::open()?, nft: Nft::open()? })
    }
}

/// Why a bridge cannot be had.
#[derive(Debug)]
pub(super) struct Refusal {
    pub(super) reason: String,
    /// It may be had a little later, though nobody would tell.
    pub(super) again: bool,
}

impl From<String> for Refusal {
    fn from(reason: String) -> Refusal {
        Refusal { reason, again: false }
    }
}

/// A bridge that was taken.
#[derive(Debug)]
pub(super) struct Held {
    name: String,
    pub(super) index: u32,
    /// It is up, administratively.
    pub(super) up: bool,
    /// The kernel is in user-space STP mode, in which a port that joins is blocked.
    user_mode: bool,
    /// Its gate; none only in user-space STP mode on a kernel without nftables.
    gate: Option<Gate>,
    before: Before,
    /// When the gate was last told that we live.
    pub(super) refreshed: Instant,
    pub(super) announcer: Announcer,
}

impl Held {
    /// Takes a bridge: all its ports are closed then.
    pub(super) fn take(
        kernel: &mut Kernel,
        now: Instant,
        link: &Link,
        ports: &[u32],
    ) -> Result<Held, Refusal> {
        let (name, index) = (link.interface.name.clone(), link.interface.index);
        PortSocket::probe().map_err(|error| no_frames(&error))?;
        let settings = kernel.control.settings(index).map_err(|error| format!("cannot read it: {error}"))?;
        let leftover = gate::leftover(&mut kernel.nft, &name);
        if matches!(leftover, Ok(Leftover::Alive)) {
            let reason = "another Trunkline runs its spanning tree, or one that was killed did a moment ago";
            return Err(Refusal { reason: reason.to_owned(), again: true });
        }
        let dead = match &leftover {
            Ok(Leftover::Dead(before)) => Some(*before),
            _ => None,
        };
        check_stp(kernel, &name, &settings, dead.is_some())?;
        let mut before = dead.flatten().unwrap_or(Before::new(&settings));
        if dead.is_some() {
            tracing::warn!("bridge {name}: took over the closed gate of an earlier run that was killed");
            before.stp_state = if before.stp_state == USER_STP { 0 } else { before.stp_state };
        }
        let gate = Gate::close(&mut kernel.nft, &name, &before, ports);
        let user_mode = settings.stp_state == USER_STP || user_mode(kernel, index, &settings);
        let gate = match gate {
            Ok(gate) => Some(gate),
            Err(error) if !user_mode => return Err(Refusal { reason: no_gate(&error), again: true }),
            Err(error) => {
                tracing::warn!(
                    "bridge {name}: {}; its ports stay as they are if this program is killed",
                    no_gate(&error)
                );
                None
            }
        };
        let up = link.interface.admin == trunkline_view::AdminState::Up;
        let announcer = Announcer::default();
        Ok(Held { name, index, up, user_mode, gate, before, refreshed: now, announcer })
    }

    /// How its ports are opened and closed, in words.
    pub(super) fn method(&self) -> &'static str {
        if self.user_mode { "user-space STP mode" } else { "nftables gate" }
    }

    /// Whether another spanning tree has begun on it, or someone has ended the mode in which it is ours. `settings` are
    /// those that netlink told of, which may be from before we took it: then the kernel is asked.
    pub(super) fn is_lost(&self, kernel: &mut Kernel, settings: Option<&BridgeSettings>) -> bool {
        let ours = if self.user_mode { USER_STP } else { 0 };
        let differs = |settings: &BridgeSettings| settings.stp_state != ours;
        settings.is_none_or(differs) && kernel.control.settings(self.index).as_ref().map_or(true, differs)
    }

    /// A port joined: closes it, forgets what was learned there before.
    pub(super) fn take_in(&mut self, kernel: &mut Kernel, port: u32) {
        self.set(kernel, port, PortState::Discarding);
        self.log("forget stations", kernel.control.flush(port));
    }

    /// A port left.
    pub(super) fn forget(&mut self, kernel: &mut Kernel, port: u32) {
        if let Some(gate) = &mut self.gate {
            let result = gate.forget(&mut kernel.nft, port);
            self.log("remove a port from the gate", result);
        }
    }

    /// Opens or closes a port.
    pub(super) fn set(&mut self, kernel: &mut Kernel, port: u32, state: PortState) {
        let passage = match state {
            PortState::Forwarding => Passage::Open,
            PortState::Learning => Passage::Learn,
            _ => Passage::Closed,
        };
        // Where it is both closed and opened, the kernel's own state is the inner door.
        if passage == Passage::Closed {
            self.set_gate(kernel, port, passage);
        }
        let result = kernel.control.set_state(port, self.kernel_state(state));
        self.log("set a port's state", result.or_else(without_link));
        if passage != Passage::Closed {
            self.set_gate(kernel, port, passage);
        }
    }

    fn set_gate(&mut self, kernel: &mut Kernel, port: u32, passage: Passage) {
        if let Some(gate) = &mut self.gate {
            let result = gate.set(&mut kernel.nft, port, passage);
            self.log("change the gate", result);
        }
    }

    /// Without user-space STP mode, the kernel makes "blocking" into "forwarding" at once.
    const fn kernel_state(&self, state: PortState) -> KernelState {
        match state {
            PortState::Disabled => KernelState::Disabled,
            PortState::Discarding | PortState::Blocking if self.user_mode => KernelState::Blocking,
            PortState::Discarding | PortState::Blocking | PortState::Listening => KernelState::Listening,
            PortState::Learning => KernelState::Learning,
            PortState::Forwarding => KernelState::Forwarding,
        }
    }

    /// When the gate is to be told that we live.
    pub(super) fn refresh_at(&self) -> Option<Instant> {
        self.gate.is_some().then(|| self.refreshed + REFRESH)
    }

    /// Tells it.
    pub(super) fn refresh(&mut self, kernel: &mut Kernel, now: Instant) {
        let Some(gate) = &mut self.gate else { return };
        self.refreshed = now;
        match gate.refresh(&mut kernel.nft) {
            Ok(true) => {}
            Ok(false) => tracing::warn!(
                "bridge {}: another program removed its gate from nftables (`nft flush ruleset`?): it is back",
                self.name
            ),
            Err(error) => tracing::error!("bridge {}: {}", self.name, no_gate(&error)),
        }
    }

    /// Another time until stations are forgotten, hundredths of a second; none: as before we came.
    pub(super) fn set_ageing_time(&mut self, kernel: &mut Kernel, time: Option<u32>) {
        let setting = Setting::AgeingTime(time.unwrap_or(self.before.ageing_time));
        self.log("set the ageing time", kernel.control.set(self.index, setting));
    }

    /// Gives the bridge back as it was, with these ports, all of them open.
    pub(super) fn let_go(mut self, kernel: &mut Kernel, ports: &[u32]) {
        // Where it is gone, so is all but the gate.
        if let Ok(settings) = kernel.control.settings(self.index) {
            // Someone may have turned the kernel's spanning tree on, under which we may not touch ports.
            let after = if settings.stp_state == KERNEL_STP { KERNEL_STP } else { self.before.stp_state };
            let index = self.index;
            let mut set = |setting| kernel.control.set(index, setting);
            let mut results = vec![set(Setting::AgeingTime(self.before.ageing_time))];
            if settings.stp_state != 0 {
                results.push(set(Setting::StpState(0)));
            }
            if self.user_mode && settings.stp_mode == Some(USER_MODE) {
                results.push(set(Setting::StpMode(0)));
            }
            for &port in ports {
                let result = kernel.control.set_state(port, KernelState::Forwarding);
                results.push(result.or_else(without_link));
            }
            if after != 0 {
                results.push(kernel.control.set(index, Setting::StpState(after)));
            }
            results.into_iter().for_each(|result| self.log("put the bridge back", result));
        }
        if let Some(gate) = self.gate.take() {
            let result = gate.take_down(&mut kernel.nft);
            self.log("remove the gate: run `nft delete table bridge` on it", result);
        }
    }

    fn log(&self, what: &str, result: io::Result<()>) {
        if let Err(error) = result {
            tracing::error!("bridge {}: cannot {what}: {error}", self.name);
        }
    }
}

/// A port without a link has no state but "disabled", and one that has left none at all: netlink tells of both.
fn without_link(error: io::Error) -> io::Result<()> {
    match error.raw_os_error() {
        Some(libc::ENETDOWN | libc::ENODEV | libc::EOPNOTSUPP | libc::EINVAL) => Ok(()),
        _ => Err(error),
    }
}

/// Whether another spanning tree runs on it.
fn check_stp(
    kernel: &mut Kernel,
    name: &str,
    settings: &BridgeSettings,
    leftover: bool,
) -> Result<(), Refusal> {
    let off =
        format!("turn it off to hand the bridge to Trunkline: ip link set {name} type bridge stp_state 0");
    match settings.stp_state {
        KERNEL_STP => {
            // The gate of a run that was killed would keep it closed.
            if leftover && let Err(error) = gate::remove(&mut kernel.nft, name) {
                tracing::error!("bridge {name}: cannot remove the gate of an earlier run: {error}");
            }
            Err(format!("the kernel's own spanning tree runs on it (stp_state 1); {off}").into())
        }
        USER_STP if !leftover => Err(format!(
            "another program runs its spanning tree (stp_state 2), or did and was killed; stop it and {off}"
        )
        .into()),
        _ => Ok(()),
    }
}

/// Tries to have the kernel leave port states to us; whether it does.
fn user_mode(kernel: &mut Kernel, index: u32, settings: &BridgeSettings) -> bool {
    let helper = || Path::new(HELPER).exists() && Path::new(INITIAL_NAMESPACE).exists();
    if settings.stp_mode.is_none() && !helper() {
        return false;
    }
    let mut set = |setting| kernel.control.set(index, setting);
    if settings.stp_mode.is_some() && set(Setting::StpMode(USER_MODE)).is_err() {
        return false;
    }
    if set(Setting::StpState(1)).is_ok()
        && kernel.control.settings(index).is_ok_and(|settings| settings.stp_state == USER_STP)
    {
        return true;
    }
    // It has started its own instead.
    let mut undo = vec![Setting::StpState(0)];
    undo.extend(settings.stp_mode.map(Setting::StpMode));
    for setting in undo {
        if let Err(error) = kernel.control.set(index, setting) {
            tracing::error!("cannot turn off the kernel's spanning tree: {error}");
        }
    }
    false
}

fn no_frames(error: &io::Error) -> String {
    let hint = match error.kind() {
        io::ErrorKind::PermissionDenied => {
            "; run as root or give CAP_NET_RAW, which a node that has no such bridge at its start gives up: restart it"
        }
        _ => "",
    };
    format!("cannot receive its BPDUs: {error}{hint}")
}

fn no_gate(error: &io::Error) -> String {
    let hint = match error.raw_os_error() {
        Some(libc::EPERM) => "; run as root or give CAP_NET_ADMIN",
        Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EINVAL | libc::ENOENT) => {
            "; the kernel needs nftables for bridges (CONFIG_NF_TABLES, CONFIG_NF_TABLES_BRIDGE)"
        }
        _ => "",
    };
    format!("cannot close its ports by nftables: {error}{hint}")
}
