//! Daemons that speak RIP: FRR's ripd, with its zebra, and BIRD. They advertise the subnets of their interfaces whose name
//! begins with `stub`, and install what they learn in the kernel.

use crate::lab::{Lab, Netns};
use crate::peer::Place;
use crate::peer::frr::{own_by_frr, zebra};
use crate::process::Daemon;
use std::fmt::Write;

/// Which daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RipKind {
    /// FRR's ripd.
    Frr,
    /// BIRD 2.
    Bird,
}

/// How it authenticates: the name of a mode, and the secret; the key has number 7.
pub type RipKey<'a> = Option<(&'a str, &'a str)>;

/// What it shall be.
#[derive(Debug, Clone)]
pub struct RipSpec<'a> {
    /// 1 or 2.
    pub version: u8,
    /// The interfaces that it runs on.
    pub interfaces: &'a [&'a str],
    /// Keys on all of them.
    pub key: RipKey<'a>,
    /// Seconds: update, timeout, garbage collection.
    pub timers: (u16, u16, u16),
    /// Further lines for each interface, in the daemon's own language.
    pub interface_lines: &'a str,
}

impl RipSpec<'_> {
    /// Version 2 on `e0`, with the shortest timers that all allow.
    pub fn new() -> RipSpec<'static> {
        RipSpec { version: 2, interfaces: &["e0"], key: None, timers: (5, 15, 10), interface_lines: "" }
    }
}

impl Default for RipSpec<'_> {
    fn default() -> Self {
        RipSpec::new()
    }
}

/// A running (or ended) daemon.
#[derive(Debug)]
pub struct RipDaemon {
    /// The process that speaks RIP.
    pub process: Daemon,
    /// FRR's other process, which speaks to the kernel.
    pub zebra: Option<Daemon>,
    kind: RipKind,
    place: Place,
}

impl RipDaemon {
    /// Starts one in a namespace.
    pub fn start(kind: RipKind, lab: &Lab, space: &Netns, name: &str, spec: &RipSpec<'_>) -> RipDaemon {
        let dir = lab.dir().join(name);
        std::fs::create_dir_all(&dir).unwrap();
        let place = Place { space: space.clone(), dir, name: name.into() };
        match kind {
            RipKind::Frr => {
                place.write("ripd.conf", &frr(&place, spec));
                place.write("zebra.conf", "");
                own_by_frr(&place, &["zebra.conf", "ripd.conf"]);
                let zebra = zebra(&place);
                let process = ripd(&place);
                RipDaemon { process, zebra: Some(zebra), kind, place }
            }
            RipKind::Bird => {
                place.write("bird.conf", &bird(&place, spec));
                let process = crate::peer::bird::spawn(&place, false);
                RipDaemon { process, zebra: None, kind, place }
            }
        }
    }

    /// Starts it again after its end.
    pub fn start_again(&mut self) {
        self.process = match self.kind {
            RipKind::Frr => ripd(&self.place),
            RipKind::Bird => crate::peer::bird::spawn(&self.place, false),
        };
    }

    /// What it says of its RIP, as text.
    pub fn about(&self) -> String {
        match self.kind {
            RipKind::Frr => {
                let dir = self.place.dir.to_str().unwrap();
                let ask = |command| self.place.ask(&["vtysh", "--vty_socket", dir, "-c", command]);
                format!("{}\n{}", ask("show ip rip"), ask("show ip rip status"))
            }
            RipKind::Bird => {
                let control = self.place.path("bird.ctl");
                let ask = |command| self.place.ask(&["birdc", "-s", &control, command]);
                format!("{}\n{}", ask("show route all"), ask("show rip neighbors"))
            }
        }
    }
}

fn ripd(place: &Place) -> Daemon {
    let (conf, pid, api) = (place.path("ripd.conf"), place.path("ripd.pid"), place.path("zserv.api"));
    let dir = place.path("");
    let dir = dir.trim_end_matches('/');
    let _ = std::fs::remove_file(place.dir.join("ripd.vty"));
    let argv = ["/usr/lib/frr/ripd", "-f", &conf, "-i", &pid, "-z", &api, "--vty_socket", dir, "-P", "0"];
    let process = place.spawn("ripd", &argv);
    crate::wait_until(crate::PATIENCE, "ripd answers", || {
        let argv = ["vtysh", "--vty_socket", dir, "-d", "ripd", "-c", "show ip rip status"];
        place.ask(&argv).contains("Routing Protocol")
    });
    process
}

fn frr(place: &Place, spec: &RipSpec<'_>) -> String {
    let mut text = format!("log file {} debugging\n", place.path("ripd.log"));
    if let Some((_, secret)) = spec.key {
        let _ = write!(text, "key chain k\n key 7\n  key-string {secret}\n exit\nexit\n");
    }
    for name in spec.interfaces {
        let _ = writeln!(text, "interface {name}");
        if let Some((mode, _)) = spec.key {
            let _ = write!(text, " ip rip authentication mode {mode}\n ip rip authentication key-chain k\n");
        }
        let _ = write!(text, "{}\nexit\n", spec.interface_lines);
    }
    let (update, timeout, garbage) = spec.timers;
    let _ = write!(
        text,
        "router rip\n version {}\n timers basic {update} {timeout} {garbage}\n redistribute connected\n",
        spec.version
    );
    for name in spec.interfaces {
        let _ = writeln!(text, " network {name}");
    }
    text + "exit\n"
}

fn bird(place: &Place, spec: &RipSpec<'_>) -> String {
    let (update, timeout, garbage) = spec.timers;
    let mut text = format!(
        "router id 10.0.0.99;\nlog \"{}\" all;\nprotocol device {{ scan time 2; }}\n\
         protocol direct {{ ipv4; interface \"stub*\"; }}\n\
         protocol kernel {{ ipv4 {{ export where source = RTS_RIP; }}; }}\n\
         protocol rip r {{\n  ipv4 {{ import all; export where source ~ [ RTS_DEVICE, RTS_RIP ]; }};\n",
        place.path("bird.log")
    );
    for name in spec.interfaces {
        let _ = write!(
            text,
            "  interface \"{name}\" {{\n    version {};\n    update time {update};\n    timeout time {timeout};\n    \
             garbage time {garbage};\n    {}\n",
            spec.version, spec.interface_lines
        );
        match spec.key {
            None => {}
            Some(("text", secret)) => {
                let _ =
                    write!(text, "    authentication plaintext;\n    password \"{secret}\" {{ id 7; }};\n");
            }
            Some((algorithm, secret)) => {
                let _ = write!(
                    text,
                    "    authentication cryptographic;\n    password \"{secret}\" {{ id 7; algorithm {algorithm}; }};\n"
                );
            }
        }
        text += "  };\n";
    }
    text + "}\n"
}
