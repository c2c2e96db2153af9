//! Two peers among themselves, without Trunkline: when this fails, the harness is wrong or a peer is.
//!
//! GoBGP and OpenBGPD are not tried: after a reset each drops its own call when the other's comes in, and they may do
//! so in turns for minutes.

use crate::pair::*;
use std::net::IpAddr;
use trunkline_interop::peer::{Announcement, Kind, Peer, Session};
use trunkline_interop::{Lab, PATIENCE, Test, wait_until};

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("adapters::bird_frr", |lab| adapters(lab, Kind::Bird, Kind::Frr))]
}

fn adapters(lab: &Lab, kind_a: Kind, kind_b: Kind) {
    let pair = Pair::new(lab);
    let (a4, a6): (IpAddr, IpAddr) = (OURS_4.parse().unwrap(), OURS_6.parse().unwrap());
    let (b4, b6): (IpAddr, IpAddr) = (THEIRS_4.parse().unwrap(), THEIRS_6.parse().unwrap());
    let mut spec_b = them();
    spec_b.hold = 6;
    spec_b.sessions[0].password = Some("secret".into());
    spec_b.sessions[1].passive = true;
    let mut spec_a = spec_b.clone();
    (spec_a.asn, spec_a.router_id) = (OUR_AS, OURS_4.into());
    let session = |remote: IpAddr, local: IpAddr| Session {
        local,
        remote,
        remote_asn: THEIR_AS,
        passive: false,
        password: remote.is_ipv4().then(|| "secret".into()),
    };
    spec_a.sessions = vec![session(b4, a4), session(b6, a6)];
    let mut a = kind_a.start(lab, &pair.us, "a", spec_a);
    let mut b = kind_b.start(lab, &pair.them, "b", spec_b);
    let up = |a: &dyn Peer, b: &dyn Peer| {
        a.established(b4) && a.established(b6) && b.established(a4) && b.established(a6)
    };
    wait_until(PATIENCE, "up", || up(&*a, &*b));
    for (prefix, hop_a, hop_b) in [(OUR_NETWORK_4, OURS_4, THEIRS_4), (OUR_NETWORK_6, OURS_6, THEIRS_6)] {
        let (a_, b_): (IpAddr, IpAddr) = (hop_a.parse().unwrap(), hop_b.parse().unwrap());
        a.announce(&Announcement::with(prefix, 77, &["65001:7", "65001:8"]));
        wait_until(PATIENCE, "a's route at b", || b.route(a_, prefix).is_some());
        let route = b.route(a_, prefix).unwrap();
        assert_eq!((route.as_path.as_str(), route.next_hop.as_str()), ("65001", hop_a), "{route:?}");
        assert_eq!((route.med, route.origin.as_str()), (Some(77), "IGP"), "{route:?}");
        assert_eq!(route.communities, ["65001:7", "65001:8"]);
        a.refresh_in(b_);
        b.refresh_in(a_);
        a.withdraw(prefix);
        wait_until(PATIENCE, "withdrawn", || b.route(a_, prefix).is_none());
        b.announce(&Announcement::with(prefix, 77, &["65002:7"]));
        wait_until(PATIENCE, "b's route at a", || a.route(b_, prefix).is_some());
        let route = a.route(b_, prefix).unwrap();
        assert_eq!((route.as_path.as_str(), route.next_hop.as_str()), ("65002", hop_b), "{route:?}");
        assert_eq!((route.med, route.communities), (Some(77), vec!["65002:7".to_owned()]));
    }
    b.process().stop();
    wait_until(PATIENCE, "hold timers expired", || !a.established(b4) && !a.established(b6));
    b.process().cont();
    wait_until(PATIENCE, "up again", || up(&*a, &*b));
    b.process().kill();
    wait_until(PATIENCE, "down", || !a.established(b4));
    b.start_again();
    wait_until(PATIENCE, "back", || up(&*a, &*b));
    wait_until(PATIENCE, "the route is back", || a.route(b4, OUR_NETWORK_4).is_some());
    for _ in 0..2 {
        b.reset(a4);
        wait_until(PATIENCE, "reset", || !a.established(b4));
        wait_until(PATIENCE, "up after a reset", || up(&*a, &*b));
    }
}
