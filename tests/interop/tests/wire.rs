//! What we send, as tshark sees it.

use crate::pair::*;
use std::net::IpAddr;
use trunkline_interop::peer::{Announcement, Kind};
use trunkline_interop::{
    Capture, Lab, PATIENCE, POLICY, Test, Trunkline, rule, rule_for_others, tshark, wait_until,
};

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("wire::tshark_dissects_every_message_type", dissect)]
}

fn dissect(lab: &Lab) {
    let pair = Pair::new(lab);
    let (them_4_, them_6): (IpAddr, IpAddr) = (THEIRS_4.parse().unwrap(), THEIRS_6.parse().unwrap());
    let (ours_4, ours_6): (IpAddr, IpAddr) = (OURS_4.parse().unwrap(), OURS_6.parse().unwrap());
    let capture = Capture::start(&pair.us, "e0", lab.dir());
    let mut config =
        with_networks(all(us(), "export", &format!("\"{POLICY}\"")), &[OUR_NETWORK_4, OUR_NETWORK_6]);
    config = all(config, "hold-time", "3");
    let communities = ["65001:100".to_owned()];
    config.tables += &(rule(OUR_NETWORK_4, Some(50), &communities)
        + &rule(OUR_NETWORK_6, Some(50), &communities)
        + &rule_for_others());
    let mut tl = Trunkline::start(lab, &pair.us, "us", &config);
    let mut peer = Kind::Bird.start(lab, &pair.them, "them", them());
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    wait_until(PATIENCE, "our routes at the peer, and its at ours", || {
        peer.route(ours_4, OUR_NETWORK_4).is_some()
            && peer.route(ours_6, OUR_NETWORK_6).is_some()
            && tl.received(them_4_, THEIR_NETWORK_4).is_some()
    });
    tl.run(&["clear", "bgp", THEIRS_4, "--soft"]);
    tl.run(&["clear", "bgp", THEIRS_6, "--soft"]);
    let bare = trunkline_interop::Config { networks: Vec::new(), ..config.clone() };
    tl.reload(&bare);
    wait_until(PATIENCE, "withdrawn", || {
        peer.route(ours_4, OUR_NETWORK_4).is_none() && peer.route(ours_6, OUR_NETWORK_6).is_none()
    });
    wait_until(PATIENCE, "a KEEPALIVE after those of the opening", || {
        tl.messages(them_4_, "KEEPALIVE", "sent") >= 3 && tl.messages(them_6, "KEEPALIVE", "sent") >= 3
    });
    tl.run(&["bgp", THEIRS_4, "shutdown", "--message", "maintenance until noon"]);
    tl.process.terminate();
    assert!(tl.process.wait().success());
    let file = capture.finish();

    let ours = "(ip.src==192.0.2.1 || ipv6.src==2001:db8::1) && bgp";
    for (what, filter) in [
        ("OPEN", "bgp.type==1"),
        ("UPDATE with IPv4 routes", "bgp.type==2 && bgp.nlri_prefix==203.0.113.0"),
        ("UPDATE with IPv6 routes", "bgp.type==2 && bgp.mp_reach_nlri_ipv6_prefix==2001:db8:1::"),
        ("UPDATE that withdraws IPv4", "bgp.type==2 && bgp.withdrawn_prefix==203.0.113.0"),
        ("UPDATE that withdraws IPv6", "bgp.type==2 && bgp.mp_unreach_nlri_ipv6_prefix==2001:db8:1::"),
        ("NOTIFICATION with a shutdown message", "bgp.notify.communication==\"maintenance until noon\""),
        ("KEEPALIVE", "bgp.type==4"),
        ("ROUTE-REFRESH", "bgp.type==5"),
    ] {
        let frames = tshark(&file, &format!("{ours} && {filter}"), &["frame.number"]);
        assert!(!frames.is_empty(), "tshark finds no {what}");
    }
    let bad = tshark(
        &file,
        &format!(
            "{ours} && (_ws.malformed || _ws.expert.group==Malformed || _ws.expert.group==Protocol || _ws.expert.group==Undecoded)"
        ),
        &["frame.number", "_ws.expert.message", "_ws.col.Info"],
    );
    assert_eq!(bad, Vec::<String>::new(), "tshark finds fault with what we send");
}
