//! Bridges of a real kernel under the driver alone, without a spanning tree: what passes, and what happens when the
//! driver dies.

use super::{eventually, in_namespace, ip};
use crate::bridge::Bridges;
use crate::clock;
use crate::netlink::monitor::{KernelEvent, Monitor};
use crate::netlink::socket::BUFFER_LEN;
use crate::port::Port;
use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;
use trunkline_core::Frame;
use trunkline_node::{KernelBridgeAction, KernelBridgeInput};
use trunkline_stp::PortState::{self, Discarding, Forwarding, Learning};

/// The driver, as the event loop has it.
pub(super) struct Rig {
    _poll: mio::Poll,
    monitor: Monitor,
    pub(super) bridges: Bridges,
    pub(super) told: Vec<KernelBridgeInput<'static>>,
}

impl Rig {
    pub(super) fn new(names: &[&str]) -> Rig {
        let poll = mio::Poll::new().unwrap();
        let bridges = Bridges::new(poll.registry().try_clone().unwrap(), 1 << 30);
        let monitor = Monitor::open(254, 0, 1 << 20).unwrap();
        let mut rig = Rig { _poll: poll, monitor, bridges, told: Vec::new() };
        rig.configure(names);
        rig
    }

    pub(super) fn configure(&mut self, names: &[&str]) {
        let wanted: BTreeSet<&str> = names.iter().copied().collect();
        self.bridges.configure(clock::now(), &wanted, &self.monitor.links);
        self.turn();
    }

    pub(super) fn turn(&mut self) {
        let mut events = Vec::new();
        self.monitor.ready = true;
        self.monitor.read(clock::now(), &mut vec![0; BUFFER_LEN], &mut events);
        for event in events {
            if let KernelEvent::Interface(change) = event {
                self.bridges.link_changed(clock::now(), &change, &self.monitor.links);
            }
        }
        self.bridges.handle_timeout(clock::now(), &self.monitor.links);
        while let Some(input) = self.bridges.pop() {
            self.told.push(input);
        }
    }

    /// Turns until it holds.
    pub(super) fn until(&mut self, what: &str, mut holds: impl FnMut(&mut Rig) -> bool) {
        eventually(what, || {
            self.turn();
            holds(self)
        });
    }

    /// Until a broadcast passes: on a slow machine the gate may have been closed for a moment.
    pub(super) fn until_it_passes(&mut self, stations: &mut Stations) {
        self.until("a frame passes", |_| stations.pass());
    }

    pub(super) fn set(&mut self, port: &str, state: PortState) {
        self.bridges.act(clock::now(), KernelBridgeAction::State { index: index(port), state });
    }

    /// The frames that came in at a port of a bridge.
    fn frames(&mut self, port: &str) -> Vec<Vec<u8>> {
        let mut buf = vec![0; BUFFER_LEN];
        let port = index(port);
        std::iter::from_fn(|| self.bridges.receive(port, &mut buf).map(|len| buf[..len].to_vec())).collect()
    }

    pub(super) fn is_ready(&self, name: &str) -> bool {
        self.told
            .iter()
            .any(|input| matches!(input, KernelBridgeInput::Ready { bridge, .. } if bridge == name))
    }

    /// Why a bridge was refused, the last time.
    pub(super) fn refused(&self) -> Option<&str> {
        self.told.iter().rev().find_map(|input| match input {
            KernelBridgeInput::Refused { reason, .. } => Some(reason.as_str()),
            _ => None,
        })
    }
}

/// A bridge in a namespace where nobody sends anything by himself.
pub(super) fn bridge(name: &str) {
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/all/disable_ipv6", "1");
    let _ = std::fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1");
    ip(&format!("link add {name} type bridge mcast_snooping 0"));
    ip(&format!("link set {name} up"));
}

/// A cable between two interfaces, the first of them a port of a bridge.
pub(super) fn cable(port: &str, bridge: &str, far: &str) {
    ip(&format!("link add {port} type veth peer name {far}"));
    ip(&format!("link set {port} up master {bridge}"));
    ip(&format!("link set {far} up"));
}

/// An interface's index, found without a process that would take its time.
pub(super) fn index(name: &str) -> u32 {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::DGRAM, None).unwrap();
    rustix::net::netdevice::name_to_index(socket, name).unwrap()
}

pub(super) fn tool(line: &str) -> String {
    let mut words = line.split_whitespace();
    let output = Command::new(words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel's own state of a port.
pub(super) fn kernel_state(port: &str) -> String {
    let line = tool(&format!("bridge link show dev {port}"));
    line.split_once(" state ").unwrap().1.split_whitespace().next().unwrap().to_owned()
}

const BROADCAST: [u8; 6] = [0xff; 6];
const BRIDGE_GROUP: [u8; 6] = [1, 0x80, 0xc2, 0, 0, 0];

/// Two stations, each at a cable's far end.
pub(super) struct Stations {
    a: Port,
    b: Port,
    number: u8,
}

impl Stations {
    pub(super) fn new() -> Stations {
        Stations { a: Port::packet("a1").unwrap(), b: Port::packet("b1").unwrap(), number: 0 }
    }

    fn send(&mut self, to: [u8; 6]) -> Vec<u8> {
        self.number = self.number.wrapping_add(1);
        let mut frame = to.to_vec();
        frame.extend([2, 0, 0, 0, 0, 0xa, 0x88, 0xb5, self.number]);
        frame.resize(60, 0);
        self.a.send(Frame::from(frame.clone()));
        self.a.flush();
        frame
    }

    fn got(&mut self, wait: u64) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        for _ in 0..=wait / 10 {
            self.b.ready = true;
            self.b.receive(1000, 1500, &mut |frame| frames.push(frame.to_vec())).unwrap();
            if !frames.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        frames
    }

    /// Whether a broadcast of `a` comes to `b`, as often as it should.
    pub(super) fn pass(&mut self) -> bool {
        self.got(0);
        let sent = self.send(BROADCAST);
        // A veth hands frames over at once: what has not come after this does not come.
        let got = self.got(30);
        assert!(got.is_empty() || got == [sent], "{got:?}");
        !got.is_empty()
    }
}

fn learned(port: &str) -> bool {
    tool(&format!("bridge fdb show dev {port}")).contains("02:00:00:00:00:0a")
}

fn two_ports() {
    bridge("br0");
    cable("a0", "br0", "a1");
    cable("b0", "br0", "b1");
}

#[test]
fn ports_are_closed_until_they_are_opened() {
    in_namespace(|| {
        two_ports();
        let mut stations = Stations::new();
        eventually("the bridge forwards by itself", || stations.pass());
        let mut rig = Rig::new(&["br0"]);
        let KernelBridgeInput::Ready { bridge, address, method } = &rig.told[0] else {
            panic!("{:?}", rig.told)
        };
        assert_eq!((bridge.as_str(), method.as_str()), ("br0", "nftables gate"));
        assert!(ip("link show br0").contains(&address.to_string()));
        let ports = rig.told.iter().filter_map(|input| match input {
            KernelBridgeInput::Port { name, up, speed, full_duplex, .. } => {
                Some((name.as_str(), *up, *speed, *full_duplex))
            }
            _ => None,
        });
        let veth = |name| (name, true, Some(10_000), Some(true));
        assert_eq!(ports.collect::<Vec<_>>(), [veth("a0"), veth("b0")]);

        assert!(!stations.pass() && !learned("a0"));
        rig.set("a0", Learning);
        rig.until("it learns only", |_| {
            assert!(!stations.pass());
            learned("a0")
        });
        assert_eq!(kernel_state("a0"), "learning");
        rig.bridges.act(clock::now(), KernelBridgeAction::Flush { index: index("a0") });
        assert!(!learned("a0"));
        rig.set("a0", Forwarding);
        assert!(!stations.pass(), "the other one is closed");
        rig.set("b0", Learning);
        assert!(!stations.pass());
        rig.set("b0", Forwarding);
        rig.until_it_passes(&mut stations);
        assert_eq!(kernel_state("a0"), "forwarding");
        rig.set("a0", Discarding);
        assert!(!stations.pass());
        assert_eq!(kernel_state("a0"), "listening");

        // What is given back is as it was.
        rig.bridges.end();
        assert!(stations.pass());
        assert_eq!((kernel_state("a0").as_str(), tool("nft list tables").as_str()), ("forwarding", ""));
    });
}

#[test]
fn the_gate_holds_though_the_kernel_opens_a_port_by_itself() {
    in_namespace(|| {
        two_ports();
        let mut rig = Rig::new(&["br0"]);
        rig.set("b0", Forwarding);
        rig.set("a0", Discarding);
        // The driver sleeps meanwhile.
        ip("link set a1 down");
        eventually("no carrier", || kernel_state("a0") == "disabled");
        ip("link set a1 up");
        eventually("the kernel's mind", || kernel_state("a0") == "forwarding");
        let mut stations = Stations::new();
        assert!(!stations.pass() && !learned("a0"));
        rig.until("put right", |_| kernel_state("a0") == "listening");
        rig.set("a0", Forwarding);
        rig.until_it_passes(&mut stations);
    });
}

#[test]
fn bpdus_come_to_us_alone_and_go_by_closed_ports() {
    in_namespace(|| {
        two_ports();
        let mut rig = Rig::new(&["br0"]);
        let mut stations = Stations::new();
        for state in [Discarding, Learning, Forwarding] {
            rig.set("a0", state);
            rig.set("b0", state);
            let sent = stations.send(BRIDGE_GROUP);
            rig.until("a BPDU comes", |rig| {
                let frames = rig.frames("a0");
                assert!(frames.is_empty() || frames == [sent.clone()], "{frames:?}");
                !frames.is_empty()
            });
            assert_eq!(rig.frames("b0"), Vec::<Vec<u8>>::new(), "what is sent is not received");
            assert!(stations.got(30).is_empty(), "it is not forwarded");
        }
        let cisco = stations.send([1, 0, 0x0c, 0xcc, 0xcc, 0xcd]);
        rig.until("a frame to Cisco's group", |rig| rig.frames("a0") == [cisco.clone()]);
        stations.send(BROADCAST);
        stations.send([1, 0x80, 0xc2, 0, 0, 0x0e]);
        std::thread::sleep(Duration::from_millis(30));
        assert!(rig.frames("a0").is_empty(), "nothing else");

        stations.got(0);
        rig.set("b0", Discarding);
        let mut frame = BRIDGE_GROUP.to_vec();
        frame.resize(60, 7);
        rig.bridges.act(clock::now(), KernelBridgeAction::Frame { index: index("b0"), frame: frame.clone() });
        assert_eq!(stations.got(1000), [frame]);
    });
}

#[test]
fn a_driver_that_is_killed_leaves_closed_ports_which_the_next_takes_over_closed() {
    in_namespace(|| {
        two_ports();
        ip("link set br0 type bridge ageing_time 12000");
        let mut stations = Stations::new();
        let mut rig = Rig::new(&["br0"]);
        rig.set("a0", Forwarding);
        rig.set("b0", Forwarding);
        let time = Some(trunkline_core::Duration::from_secs(15));
        rig.bridges.act(clock::now(), KernelBridgeAction::AgeingTime { bridge: "br0".into(), time });
        assert!(ip("-d link show br0").contains("ageing_time 1500 "));
        // Four times as long as it lives without a refresh.
        for _ in 0..16 {
            rig.until_it_passes(&mut stations);
            std::thread::sleep(Duration::from_millis(200));
        }
        // Here it dies: nothing is given back.
        rig.turn();
        let died = clock::now();
        drop(rig);
        eventually("closed", || !stations.pass());
        println!("closed {:?} after death", clock::now().since(died));
        assert_eq!(kernel_state("a0"), "forwarding", "it is the gate that is closed");

        let mut rig = Rig::new(&["br0"]);
        rig.until("taken over", |rig| {
            assert!(!stations.pass());
            rig.is_ready("br0")
        });
        assert!(!stations.pass());
        rig.set("a0", Forwarding);
        rig.set("b0", Forwarding);
        rig.until_it_passes(&mut stations);
        rig.bridges.end();
        assert!(ip("-d link show br0").contains("ageing_time 12000 "), "as before the run that was killed");
    });
}

#[test]
fn a_bridge_that_another_run_has_is_not_taken_from_it() {
    in_namespace(|| {
        two_ports();
        let mut first = Rig::new(&["br0"]);
        let mut second = Rig::new(&["br0"]);
        assert!(second.refused().unwrap().starts_with("another Trunkline runs its spanning tree"));
        first.set("a0", Forwarding);
        first.set("b0", Forwarding);
        first.until_it_passes(&mut Stations::new());
        drop(first);
        second.until("the first is dead", |second| second.is_ready("br0"));
    });
}

#[test]
fn a_driver_that_stands_still_closes_its_ports_and_opens_them_when_it_goes_on() {
    in_namespace(|| {
        two_ports();
        let mut stations = Stations::new();
        let mut rig = Rig::new(&["br0"]);
        rig.set("a0", Forwarding);
        rig.set("b0", Forwarding);
        eventually("closed", || !stations.pass());
        rig.until_it_passes(&mut stations);
        // So long that others have taken over.
        rig.told.clear();
        std::thread::sleep(Duration::from_secs(3));
        rig.turn();
        assert!(!stations.pass());
        let ups = rig.told.iter().map(|input| match input {
            KernelBridgeInput::Port { name, up, .. } => (name.as_str(), *up),
            other => panic!("{other:?}"),
        });
        assert_eq!(ups.collect::<Vec<_>>(), [("a0", false), ("a0", true), ("b0", false), ("b0", true)]);
    });
}

#[test]
fn a_gate_that_another_program_removed_comes_back() {
    in_namespace(|| {
        two_ports();
        let mut stations = Stations::new();
        let mut rig = Rig::new(&["br0"]);
        rig.set("a0", Forwarding);
        tool("nft flush ruleset");
        assert!(!stations.pass(), "the kernel's own state still holds");
        rig.until("back", |_| tool("nft list tables").contains("trunkline-br0"));
        assert!(!stations.pass());
        rig.set("b0", Forwarding);
        rig.until_it_passes(&mut stations);
        tool("nft flush ruleset");
        rig.set("b0", Discarding);
        assert!(tool("nft list tables").contains("trunkline-br0"), "at once where something is to change");
        assert!(!stations.pass());
    });
}

/// Frames that went out of an interface.
fn sent(name: &str) -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/net/dev").unwrap();
    let line = text.lines().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(':')).unwrap();
    line.split_whitespace().nth(9).unwrap().parse().unwrap()
}

#[test]
fn a_loop_of_two_bridges_storms_only_when_it_is_opened_and_no_longer_than_its_driver_lives() {
    in_namespace(|| {
        bridge("br0");
        bridge("br1");
        for (one, other) in [("x0", "x1"), ("y0", "y1")] {
            ip(&format!("link add {one} type veth peer name {other}"));
        }
        let mut rig = Rig::new(&["br0", "br1"]);
        assert!(rig.is_ready("br0") && rig.is_ready("br1"));
        cable("a0", "br0", "a1");
        cable("b0", "br1", "b1");
        for (port, bridge) in [("x0", "br0"), ("x1", "br1"), ("y0", "br0"), ("y1", "br1")] {
            ip(&format!("link set {port} up master {bridge}"));
            rig.turn();
        }
        let mut stations = Stations::new();
        rig.set("a0", Forwarding);
        rig.set("b0", Forwarding);
        let before = sent("x0") + sent("y0");
        assert!(!stations.pass());
        assert_eq!(sent("x0") + sent("y0"), before);
        for port in ["x0", "x1", "y1"] {
            rig.set(port, Forwarding);
        }
        // One way, one copy.
        rig.until_it_passes(&mut stations);
        rig.turn();
        assert!(sent("x0") + sent("y0") < before + 100);

        // The loop: the driver dies just now.
        rig.set("y0", Forwarding);
        stations.send(BROADCAST);
        drop(rig);
        eventually("a storm", || sent("x0") + sent("y0") > before + 1000);
        let mut last = 0;
        eventually("its end", || {
            std::thread::sleep(Duration::from_millis(50));
            let now = sent("x0") + sent("y0");
            std::mem::replace(&mut last, now) == now
        });
        ip("link set x0 down");
        ip("link set y0 down");
    });
}
