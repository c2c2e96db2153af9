//! Bridges of a real kernel that change under the driver: ports join and leave, bridges come and go, other spanning
//! trees begin and end. And whole nodes with such bridges.

use super::bridges::{Rig, Stations, bridge, cable, index, kernel_state, tool};
use super::runtime::{node, reconfigure, start};
use super::{eventually, in_namespace, ip};
use crate::clock;
use crate::port::Port;
use std::time::Duration;
use trunkline_core::MacAddr;
use trunkline_node::config::BridgeConfig;
use trunkline_node::{KernelBridgeAction, KernelBridgeInput};
use trunkline_stp::PortState::{Discarding, Forwarding};

fn is_port(input: &KernelBridgeInput<'_>, wanted: &str, wanted_up: bool) -> bool {
    matches!(input, KernelBridgeInput::Port { name, up, .. } if name == wanted && *up == wanted_up)
}

fn is_gone(input: &KernelBridgeInput<'_>, wanted: u32) -> bool {
    matches!(input, KernelBridgeInput::PortGone { index } if *index == wanted)
}

#[test]
fn ports_are_closed_from_their_first_frame_and_followed_till_they_leave() {
    in_namespace(|| {
        bridge("br0");
        cable("a0", "br0", "a1");
        ip("link add b0 type veth peer name b1");
        ip("link set b1 up");
        ip("link set b0 up");
        let mut rig = Rig::new(&["br0"]);
        rig.set("a0", Forwarding);
        let mut stations = Stations::new();
        ip("link set b0 master br0");
        // Not a turn yet: the driver does not know of it.
        assert_eq!(kernel_state("b0"), "forwarding");
        assert!(!stations.pass());
        rig.until("it joined", |rig| rig.told.iter().any(|input| is_port(input, "b0", true)));
        assert!(!stations.pass());
        assert_eq!(kernel_state("b0"), "listening");
        rig.set("b0", Forwarding);
        rig.until_it_passes(&mut stations);

        // Another name changes nothing but the name.
        let b0 = index("b0");
        rig.turn();
        ip("link set b0 name c0");
        rig.until_it_passes(&mut stations);
        rig.until("its name", |rig| rig.told.iter().any(|input| is_port(input, "c0", true)));
        rig.until_it_passes(&mut stations);
        rig.told.clear();
        ip("link set b1 down");
        rig.until("no carrier", |rig| rig.told.iter().any(|input| is_port(input, "c0", false)));
        ip("link set b1 up");
        rig.until("carrier", |rig| rig.told.iter().any(|input| is_port(input, "c0", true)));
        // The bridge itself is down, and so are its ports.
        rig.told.clear();
        ip("link set br0 down");
        rig.until("all down", |rig| {
            rig.told.iter().any(|i| is_port(i, "a0", false))
                && rig.told.iter().any(|i| is_port(i, "c0", false))
        });
        ip("link set br0 up");
        rig.until("all up", |rig| {
            rig.told.iter().any(|i| is_port(i, "a0", true)) && rig.told.iter().any(|i| is_port(i, "c0", true))
        });

        ip("link set c0 nomaster");
        rig.until("it left", |rig| rig.told.iter().any(|input| is_gone(input, b0)));
        let a0 = index("a0");
        ip("link del a0");
        rig.until("deleted", |rig| rig.told.iter().any(|input| is_gone(input, a0)));
        let elements = tool("nft -j list set bridge trunkline-br0 mine")
            + &tool("nft -j list set bridge trunkline-br0 open");
        assert!(!elements.contains("elem"), "{elements}");
    });
}

#[test]
fn a_port_that_goes_to_another_bridge_is_free() {
    in_namespace(|| {
        bridge("br0");
        bridge("br9");
        cable("a0", "br0", "a1");
        cable("b0", "br9", "b1");
        let mut rig = Rig::new(&["br0"]);
        let a0 = index("a0");
        ip("link set a0 master br9");
        rig.until("it left", |rig| rig.told.iter().any(|input| is_gone(input, a0)));
        assert!(Stations::new().pass(), "a bridge that is not ours forwards");
    });
}

#[test]
fn a_bridge_is_waited_for_and_may_be_deleted_and_made_again() {
    in_namespace(|| {
        let mut rig = Rig::new(&["br0"]);
        assert_eq!(rig.refused(), Some("there is no bridge of this name; it is waited for"));
        bridge("br0");
        cable("a0", "br0", "a1");
        rig.until("ready", |rig| rig.is_ready("br0"));
        let a0 = index("a0");
        rig.told.clear();
        ip("link del br0");
        // Made again before the driver has heard that it was gone.
        bridge("br0");
        ip("link set a0 master br0");
        rig.until("ready again", |rig| rig.is_ready("br0"));
        assert!(is_gone(&rig.told[0], a0), "{:?}", rig.told);
        rig.until("its port again", |rig| rig.told.iter().any(|input| is_port(input, "a0", true)));
        rig.told.clear();
        ip("link set br0 name br7");
        rig.until("waited for", |rig| rig.refused().is_some());
        assert_eq!(tool("nft list tables"), "");
        assert_eq!(kernel_state("a0"), "forwarding");
    });
}

#[test]
fn the_kernels_own_spanning_tree_is_left_alone() {
    in_namespace(|| {
        bridge("br0");
        cable("a0", "br0", "a1");
        cable("b0", "br0", "b1");
        ip("link set br0 type bridge stp_state 1");
        let mut rig = Rig::new(&["br0"]);
        let reason = rig.refused().unwrap();
        assert!(reason.starts_with("the kernel's own spanning tree runs on it (stp_state 1)"), "{reason}");
        assert!(reason.ends_with("ip link set br0 type bridge stp_state 0"), "{reason}");
        assert_eq!(tool("nft list tables"), "");
        ip("link set br0 type bridge stp_state 0");
        rig.until("ours", |rig| rig.is_ready("br0"));
        rig.set("a0", Forwarding);
        rig.set("b0", Discarding);

        rig.told.clear();
        ip("link set br0 type bridge stp_state 1");
        rig.until("refused again", |rig| rig.refused().is_some());
        let (a0, b0) = (index("a0"), index("b0"));
        assert!(rig.told.iter().any(|i| is_gone(i, a0)) && rig.told.iter().any(|i| is_gone(i, b0)));
        assert_eq!(tool("nft list tables"), "");
        assert!(ip("-d link show br0").contains("stp_state 1"));
        assert_eq!(kernel_state("b0"), "forwarding", "not left in a state that nobody ends");
        rig.told.clear();
        ip("link set br0 type bridge stp_state 0");
        rig.until("ours again", |rig| rig.is_ready("br0"));
    });
}

#[test]
fn what_is_no_bridge_is_refused() {
    in_namespace(|| {
        ip("link add br0 type veth peer name br0-far");
        let mut rig = Rig::new(&["br0"]);
        assert_eq!(rig.refused(), Some("the interface br0 is no bridge"));
        ip("link del br0");
        rig.until("it is missed", |rig| {
            rig.refused() == Some("there is no bridge of this name; it is waited for")
        });
    });
}

#[test]
fn stations_are_announced_by_the_new_root_port() {
    in_namespace(|| {
        bridge("br0");
        cable("a0", "br0", "a1");
        cable("b0", "br0", "b1");
        let mut rig = Rig::new(&["br0"]);
        rig.set("a0", Forwarding);
        rig.set("b0", Forwarding);
        for (port, station) in
            [("a0", "02:00:00:00:00:01"), ("a0", "02:00:00:00:00:02"), ("b0", "02:00:00:00:00:03")]
        {
            tool(&format!("bridge fdb add {station} dev {port} master dynamic"));
        }
        let mut far = Port::packet("b1").unwrap();
        let (a0, b0) = (index("a0"), index("b0"));
        let announce = |lost| KernelBridgeAction::AnnounceStations { bridge: "br0".into(), by: b0, lost };
        rig.bridges.act(clock::now(), announce(u32::MAX));
        let mut sources = Vec::new();
        rig.until("all of them", |_| {
            far.ready = true;
            far.receive(100, 1500, &mut |frame| {
                if frame[..6] == [1, 0, 0x0c, 0xcd, 0xcd, 0xcd] {
                    sources.push(MacAddr(frame[6..12].try_into().unwrap()));
                }
            })
            .unwrap();
            sources.len() == 2
        });
        assert_eq!(sources, [MacAddr([2, 0, 0, 0, 0, 1]), MacAddr([2, 0, 0, 0, 0, 2])]);
        rig.bridges.act(clock::now(), announce(a0));
        std::thread::sleep(Duration::from_millis(30));
        rig.turn();
        far.ready = true;
        far.receive(100, 1500, &mut |frame| assert_ne!(frame[..6], [1, 0, 0x0c, 0xcd, 0xcd, 0xcd])).unwrap();
    });
}

#[test]
fn a_node_without_rights_says_so() {
    in_namespace(|| {
        use rustix::thread::{CapabilitySet, capabilities, set_capabilities};
        bridge("br0");
        cable("a0", "br0", "a1");
        let mut rights = capabilities(None).unwrap();
        rights.effective.remove(CapabilitySet::NET_ADMIN);
        set_capabilities(None, rights).unwrap();
        let rig = Rig::new(&["br0"]);
        let reason = rig.refused().unwrap();
        assert!(reason.contains("give CAP_NET_ADMIN"), "{reason}");
        rights.effective.remove(CapabilitySet::NET_RAW);
        set_capabilities(None, rights).unwrap();
        let rig = Rig::new(&["br0"]);
        let reason = rig.refused().unwrap();
        assert!(reason.contains("give CAP_NET_RAW"), "{reason}");
    });
}

#[test]
fn a_node_takes_its_bridges_and_gives_them_back() {
    in_namespace(|| {
        bridge("br0");
        cable("a0", "br0", "a1");
        let mut config = node("127.0.0.1", 65001, Vec::new());
        let spanning_tree = trunkline_stp::Config::new(trunkline_stp::Protocol::Rstp, MacAddr::default());
        config.bridges = vec![BridgeConfig {
            kernel: true,
            spanning_tree: Some(spanning_tree),
            ..BridgeConfig::new("br0")
        }];
        let node = start(config.clone());
        let tables = || tool("nft list tables");
        assert_eq!(tables().trim(), "table bridge trunkline-br0");
        let alive = || tool("nft list set bridge trunkline-br0 alive").contains("expires");
        // It lives on, and has the rights to take in a port that joins.
        cable("b0", "br0", "b1");
        let b0 = index("b0").to_string();
        eventually("b0 has a socket", || {
            let sockets = std::fs::read_to_string("/proc/thread-self/net/packet").unwrap();
            sockets.lines().any(|line| line.split_whitespace().nth(4) == Some(&b0))
        });
        std::thread::sleep(Duration::from_millis(1700));
        eventually("it lives", alive);

        let without = trunkline_node::config::NodeConfig { bridges: Vec::new(), ..config.clone() };
        assert!(reconfigure(&node, without).applied);
        assert_eq!((tables().as_str(), kernel_state("b0").as_str()), ("", "forwarding"));
        assert!(reconfigure(&node, config).applied);
        eventually("it lives again", alive);
        node.shutdown();
        node.join();
        assert_eq!((tables().as_str(), kernel_state("b0").as_str()), ("", "forwarding"));
    });
}
