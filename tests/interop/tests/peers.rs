//! What holds with every daemon.

use crate::pair::*;
use std::net::IpAddr;
use std::time::Duration;
use trunkline_interop::peer::{Announcement, Kind, Peer, Spec};
use trunkline_interop::{
    Capture, Config, Lab, Neighbor, Netns, PATIENCE, POLICY, Test, Trunkline, holds_for, holds_within, rule,
    rule_for_others, wait_until,
};

type Scenario = fn(&Lab, Kind);

/// The longest first, so that none is left alone at the end.
const SCENARIOS: &[(&str, Scenario)] = &[
    ("simultaneous_open_50_times", simultaneous_open),
    ("graceful_restart_helper", graceful_restart),
    ("hold_timer", hold_timer),
    ("killed_and_back", killed_and_back),
    ("md5_wrong_then_right", md5_wrong),
    ("md5_both_directions", md5_right),
    ("peer_connects", peer_connects),
    ("we_connect", we_connect),
    ("routes_and_withdrawals", routes),
    ("route_refresh", refresh),
    ("wrong_as_we_refuse", wrong_as_ours),
    ("wrong_as_they_refuse", wrong_as_theirs),
    ("equal_router_ids_external", equal_ids_external),
    ("equal_router_ids_internal", equal_ids_internal),
    ("unknown_neighbor_is_closed", unknown_neighbor),
    ("unknown_neighbor_is_notified", unknown_neighbor_notified),
];

pub(crate) fn tests() -> Vec<Test> {
    let with_all = |(name, run): &(&'static str, Scenario)| {
        let (name, run) = (*name, *run);
        // OpenBGPD announces no graceful restart but the End-of-RIB marker, and we are a helper only.
        let able = move |kind: &Kind| {
            name != "graceful_restart_helper" || !matches!(kind, Kind::OpenBgpd | Kind::Trunkline)
        };
        Kind::ALL
            .into_iter()
            .filter(able)
            .map(move |kind| Test::new(format!("{kind}::{name}"), move |lab| run(lab, kind)))
            .collect::<Vec<_>>()
    };
    SCENARIOS.iter().flat_map(with_all).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[track_caller]
fn wait_up(tl: &Trunkline, peer: &dyn Peer, ours: &str, theirs: &str) {
    wait_until(PATIENCE, &format!("session {ours} – {theirs} up on both sides"), || {
        tl.established(ip(theirs)) && peer.established(ip(ours))
    });
}

/// Waits until one of the neighbour's errors contains all of `words`.
#[track_caller]
fn wait_error(tl: &Trunkline, theirs: &str, words: &[&str]) {
    let mut errors = String::new();
    let found = holds_within(PATIENCE, || {
        errors = tl.errors(ip(theirs));
        errors.lines().any(|line| words.iter().all(|word| line.contains(word)))
    });
    assert!(found, "no error with {words:?} for {theirs}, but: {errors}");
}

/// GoBGP sends End-of-RIB with graceful restart only.
fn sends_end_of_rib(kind: Kind) -> bool {
    kind != Kind::GoBgp
}

/// A passive node: the peer opens the connections.
fn peer_connects(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us(), "passive", "true"));
    let peer = kind.start(lab, &pair.them, "them", them());
    check_session(&tl, &*peer, kind, "peer");
}

/// A passive peer: we do.
fn we_connect(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us());
    let peer = kind.start(lab, &pair.them, "them", them().passive());
    check_session(&tl, &*peer, kind, "us");
}

fn check_session(tl: &Trunkline, peer: &dyn Peer, kind: Kind, opened_by: &str) {
    for (ours, theirs, family) in [(OURS_4, THEIRS_4, "ipv4-unicast"), (OURS_6, THEIRS_6, "ipv6-unicast")] {
        wait_up(tl, peer, ours, theirs);
        let view = tl.neighbor(ip(theirs));
        assert_eq!(view["opened_by"], opened_by, "{view}");
        assert_eq!(view["router_id"], THEIRS_4);
        assert_eq!(view["hold_time"], 30);
        assert_eq!(view["session_type"], "external");
        assert_eq!(view["families"][0]["family"], family);
        assert_eq!(view["established"], 1);
        assert!(view["capabilities_received"].as_array().is_some_and(|all| !all.is_empty()), "{view}");
        wait_until(PATIENCE, "End-of-RIB both ways", || {
            let family = tl.neighbor(ip(theirs))["families"][0].clone();
            family["end_of_rib_sent"] == true
                && (family["end_of_rib_received"] == true || !sends_end_of_rib(kind))
        });
    }
}

fn routes(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let mut ours =
        with_networks(all(us(), "export", &format!("\"{POLICY}\"")), &[OUR_NETWORK_4, OUR_NETWORK_6]);
    let communities = ["65001:100".to_owned(), "65001:200".to_owned()];
    ours.tables += &(rule(OUR_NETWORK_4, Some(50), &communities)
        + &rule(OUR_NETWORK_6, Some(60), &communities)
        + &rule_for_others());
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let mut peer = kind.start(lab, &pair.them, "them", them());
    let families = [
        (OURS_4, THEIRS_4, OUR_NETWORK_4, THEIR_NETWORK_4, 50),
        (OURS_6, THEIRS_6, OUR_NETWORK_6, THEIR_NETWORK_6, 60),
    ];
    for (us, them, our_network, their_network, med) in families {
        wait_up(&tl, &*peer, us, them);
        wait_until(PATIENCE, "our route at the peer", || peer.route(ip(us), our_network).is_some());
        let route = peer.route(ip(us), our_network).unwrap();
        assert_eq!(route.as_path, "65001");
        assert_eq!(route.next_hop, us);
        assert_eq!((route.origin.as_str(), route.med), ("IGP", Some(med)));
        assert_eq!(route.communities, communities);

        peer.announce(&Announcement::with(their_network, 77, &["65002:7", "65002:8"]));
        wait_until(PATIENCE, "the peer's route here", || tl.received(ip(them), their_network).is_some());
        let path = tl.received(ip(them), their_network).unwrap();
        assert_eq!(
            (path["as_path"].as_str(), path["next_hop"].as_str()),
            (Some("65002"), Some(them)),
            "{path}"
        );
        assert_eq!((path["med"].as_u64(), path["origin"].as_str()), (Some(77), Some("IGP")), "{path}");
        assert_eq!(path["communities"], serde_json::json!(["65002:7", "65002:8"]), "{path}");
        let best = tl.paths(&[their_network]);
        assert!(best.iter().any(|path| path["best"] == true && path["eligible"] == true), "{best:?}");

        peer.withdraw(their_network);
        wait_until(PATIENCE, "the peer's route gone", || tl.received(ip(them), their_network).is_none());
        assert!(tl.paths(&[their_network]).iter().all(|path| path["prefix"] != their_network));
    }
    // Ours go by a changed configuration, which must not touch the sessions.
    tl.reload(&us_without_networks(&ours));
    for (us, them, our_network, _, _) in families {
        wait_until(PATIENCE, "our route withdrawn", || peer.route(ip(us), our_network).is_none());
        assert_eq!(tl.neighbor(ip(them))["established"], 1, "no session was reset");
    }
}

fn us_without_networks(config: &trunkline_interop::Config) -> trunkline_interop::Config {
    trunkline_interop::Config { networks: Vec::new(), ..config.clone() }
}

/// RFC 2918, both ways.
fn refresh(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &with_networks(us(), &[OUR_NETWORK_4, OUR_NETWORK_6]));
    let mut peer = kind.start(lab, &pair.them, "them", them());
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    peer.announce(&Announcement::new(THEIR_NETWORK_6));
    let families = [
        (OURS_4, THEIRS_4, OUR_NETWORK_4, THEIR_NETWORK_4),
        (OURS_6, THEIRS_6, OUR_NETWORK_6, THEIR_NETWORK_6),
    ];
    for (us, them, our_network, their_network) in families {
        wait_up(&tl, &*peer, us, them);
        wait_until(PATIENCE, "routes both ways", || {
            peer.route(ip(us), our_network).is_some() && tl.received(ip(them), their_network).is_some()
        });
        wait_until(PATIENCE, "End-of-RIB", || {
            tl.neighbor(ip(them))["families"][0]["end_of_rib_received"] == true || !sends_end_of_rib(kind)
        });
        let (asked, came) =
            (tl.messages(ip(them), "ROUTE-REFRESH", "sent"), tl.messages(ip(them), "UPDATE", "received"));
        tl.run(&["clear", "bgp", them, "--soft"]);
        wait_until(PATIENCE, "we ask, and the peer sends again", || {
            tl.messages(ip(them), "ROUTE-REFRESH", "sent") > asked
                && (tl.messages(ip(them), "UPDATE", "received") > came || kind == Kind::OpenBgpd)
        });
        if kind == Kind::OpenBgpd {
            // OpenBGPD 7.7 takes no refresh from anyone: "AID … not negotiated", it says, where it was. 9.3 does.
            wait_until(PATIENCE, "it got the message", || {
                peer.about(ip(us)).contains("route refresh")
                    || tl.messages(ip(them), "UPDATE", "received") > came
            });
        }
        assert!(tl.received(ip(them), their_network).is_some(), "the route is still there");

        let (asked, went) =
            (tl.messages(ip(them), "ROUTE-REFRESH", "received"), tl.messages(ip(them), "UPDATE", "sent"));
        peer.refresh_in(ip(us));
        // GoBGP never asks: it keeps what it was told, and goes through that again.
        let asks = kind != Kind::GoBgp;
        wait_until(PATIENCE, "the peer asks, and we send again", || {
            !asks
                || tl.messages(ip(them), "ROUTE-REFRESH", "received") > asked
                    && tl.messages(ip(them), "UPDATE", "sent") > went
        });
        wait_until(PATIENCE, "our route is still there", || peer.route(ip(us), our_network).is_some());
        assert_eq!(tl.neighbor(ip(them))["established"], 1, "the session stayed");
    }
}

/// The peer stops without a word: RFC 4271 §6.5.
fn hold_timer(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &all(us_4(), "hold-time", "6"));
    let mut spec = them_4();
    spec.hold = 9;
    let mut peer = kind.start(lab, &pair.them, "them", spec);
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
    assert_eq!(tl.neighbor(ip(THEIRS_4))["hold_time"], 6, "the smaller one");
    wait_until(PATIENCE, "route", || tl.received(ip(THEIRS_4), THEIR_NETWORK_4).is_some());
    let capture = Capture::start(&pair.us, "e0", lab.dir());
    peer.process().stop();
    wait_error(&tl, THEIRS_4, &["sent NOTIFICATION 4/0 Hold Timer Expired", "nothing from the peer for 6 s"]);
    wait_until(PATIENCE, "NOTIFICATION 4/0 on the wire", || {
        let filter = "ip.src==192.0.2.1 && bgp.type==3";
        capture.fields(filter, &["bgp.notify.major_error"]).contains(&"4".to_owned())
    });
    assert!(!tl.established(ip(THEIRS_4)));
    assert_eq!(tl.neighbor(ip(THEIRS_4))["flaps"], 1);
    assert!(
        tl.paths(&[THEIR_NETWORK_4]).iter().all(|path| path["stale"] == true),
        "its routes are gone, or kept as stale ones"
    );
    peer.process().cont();
    if kind == Kind::OpenBgpd {
        // It waits half a minute after an error: do not wait with it.
        peer.reset(ip(OURS_4));
    }
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
}

fn killed_and_back(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let ours = all(with_networks(us_4(), &[OUR_NETWORK_4]), "graceful-restart-helper", "false");
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let mut peer = kind.start(lab, &pair.them, "them", them_4());
    peer.announce(&Announcement::new(THEIR_NETWORK_4));
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
    wait_until(PATIENCE, "route", || tl.received(ip(THEIRS_4), THEIR_NETWORK_4).is_some());
    peer.process().kill();
    wait_until(PATIENCE, "we notice", || !tl.established(ip(THEIRS_4)));
    assert!(tl.paths(&[THEIR_NETWORK_4]).is_empty(), "its routes are gone");
    peer.start_again();
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
    wait_until(PATIENCE, "routes again", || {
        tl.received(ip(THEIRS_4), THEIR_NETWORK_4).is_some()
            && peer.route(ip(OURS_4), OUR_NETWORK_4).is_some()
    });
    let view = tl.neighbor(ip(THEIRS_4));
    assert_eq!((view["flaps"].as_u64(), view["established"].as_u64()), (Some(1), Some(2)));
}

fn wrong_as_ours(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let mut ours = us_4();
    ours.neighbors[0].asn = 64999;
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let peer = kind.start(lab, &pair.them, "them", them_4());
    wait_error(&tl, THEIRS_4, &["sent NOTIFICATION", "2/2", "Bad Peer AS", "64999", "65002"]);
    assert!(!peer.established(ip(OURS_4)));
}

fn wrong_as_theirs(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.sessions[0].remote_asn = 64999;
    let _peer = kind.start(lab, &pair.them, "them", spec);
    wait_error(&tl, THEIRS_4, &["received NOTIFICATION", "2/2", "Bad Peer AS"]);
}

/// RFC 2385: over IPv4 the peer connects, over IPv6 we do, so that both listeners and both callers sign.
fn md5_right(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let mut ours = all(us(), "password", "\"correct horse\"".replace(' ', "-").as_str());
    ours.neighbors[0] = ours.neighbors[0].clone().set("passive", "true");
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let mut spec = them();
    // The listener of OpenBGPD 7.7 on Linux has no keys, that of 9.3 has: there it may connect both times.
    let able = kind != Kind::OpenBgpd;
    spec.sessions[1].passive = able;
    spec.sessions.iter_mut().for_each(|session| session.password = Some("correct-horse".into()));
    let peer = kind.start(lab, &pair.them, "them", spec);
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
    wait_up(&tl, &*peer, OURS_6, THEIRS_6);
    assert_eq!(tl.neighbor(ip(THEIRS_4))["opened_by"], "peer");
    assert!(tl.neighbor(ip(THEIRS_6))["opened_by"] == "us" || !able);
}

/// Nothing gets through while the keys differ; a reload with the right one is enough.
fn md5_wrong(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    // Without a key OpenBGPD's listener would take us in: there we only listen.
    let ours = all(us_4(), "passive", if kind == Kind::OpenBgpd { "true" } else { "false" });
    let tl = Trunkline::start(lab, &pair.us, "us", &all(ours.clone(), "password", "\"wrong\""));
    let mut spec = them_4();
    spec.sessions[0].password = Some("right".into());
    let peer = kind.start(lab, &pair.them, "them", spec);
    let (wrong, missing) = match kind {
        Kind::OpenBgpd => ((&pair.us, "TCPMD5Failure"), (&pair.us, "TCPMD5Unexpected")),
        _ => ((&pair.them, "TCPMD5Failure"), (&pair.them, "TCPMD5NotFound")),
    };
    wait_until(PATIENCE, "segments with a wrong digest arrive on both sides", || {
        pair.us.counter("TCPMD5Failure") > 0 && wrong.0.counter(wrong.1) > 0
    });
    assert!(!tl.established(ip(THEIRS_4)) && !peer.established(ip(OURS_4)));
    tl.reload(&ours);
    wait_until(PATIENCE, "one side signs, the other does not", || missing.0.counter(missing.1) > 0);
    assert!(!tl.established(ip(THEIRS_4)) && !peer.established(ip(OURS_4)));
    tl.reload(&all(ours, "password", "\"right\""));
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
}

fn equal_ids_external(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.router_id = OURS_4.into();
    let peer = kind.start(lab, &pair.them, "them", spec);
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
}

/// RFC 6286: one AS, one identifier each. Whoever reads the other's OPEN first says so.
fn equal_ids_internal(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let mut ours = us_4();
    ours.neighbors[0].asn = OUR_AS;
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let mut spec = them_4();
    (spec.router_id, spec.asn) = (OURS_4.into(), OUR_AS);
    let peer = kind.start(lab, &pair.them, "them", spec);
    wait_error(&tl, THEIRS_4, &["NOTIFICATION", "2/3", "Bad BGP Identifier"]);
    assert!(!tl.established(ip(THEIRS_4)) && !peer.established(ip(OURS_4)));
}

/// TCP takes the connection, and we close it without a word, as other daemons do.
fn unknown_neighbor(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let mut ours = us_4();
    ours.neighbors[0].address = "192.0.2.99".into();
    let tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let capture = Capture::start(&pair.us, "e0", lab.dir());
    let peer = kind.start(lab, &pair.them, "them", them_4());
    wait_until(PATIENCE, "a connection taken and closed", || {
        let taken =
            capture.fields("ip.src==192.0.2.1 && tcp.flags.syn==1 && tcp.flags.ack==1", &["frame.number"]);
        let closed = capture
            .fields("ip.src==192.0.2.1 && (tcp.flags.fin==1 || tcp.flags.reset==1)", &["frame.number"]);
        !taken.is_empty() && !closed.is_empty()
    });
    let said = capture.fields("ip.src==192.0.2.1 && tcp.len>0", &["frame.number"]);
    assert_eq!(said, Vec::<String>::new(), "we say nothing");
    assert!(!peer.established(ip(OURS_4)));
    drop(tl);
}

fn unknown_neighbor_notified(lab: &Lab, kind: Kind) {
    let pair = Pair::new(lab);
    let mut ours = us_4();
    ours.neighbors[0].address = "192.0.2.99".into();
    ours.bgp = "reject = \"notify\"".into();
    let _tl = Trunkline::start(lab, &pair.us, "us", &ours);
    let capture = Capture::start(&pair.us, "e0", lab.dir());
    let peer = kind.start(lab, &pair.them, "them", them_4());
    wait_until(PATIENCE, "NOTIFICATION 6/5", || {
        let codes = ["bgp.notify.major_error", "bgp.notify.minor_error_cease"];
        capture.fields("ip.src==192.0.2.1 && bgp.type==3", &codes).contains(&"6\t5".to_owned())
    });
    assert!(!peer.established(ip(OURS_4)));
}

/// RFC 4724 §4.2: a peer that says it keeps forwarding dies and comes back with one route less.
fn graceful_restart(lab: &Lab, kind: Kind) {
    let (kept, lost) = (THEIR_NETWORK_4, "198.18.0.0/15");
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut spec = them_4();
    spec.graceful_restart = true;
    let mut peer = kind.start(lab, &pair.them, "them", spec);
    peer.announce(&Announcement::new(kept));
    peer.announce(&Announcement::new(lost));
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
    wait_until(PATIENCE, "two routes", || {
        [kept, lost].iter().all(|prefix| tl.received(ip(THEIRS_4), prefix).is_some())
    });
    wait_until(PATIENCE, "End-of-RIB", || {
        tl.neighbor(ip(THEIRS_4))["families"][0]["end_of_rib_received"] == true
    });
    peer.process().kill();
    wait_until(PATIENCE, "we notice", || !tl.established(ip(THEIRS_4)));
    for prefix in [kept, lost] {
        let paths = tl.paths(&[prefix]);
        assert!(
            paths.iter().any(|path| path["stale"] == true && path["best"] == true),
            "{prefix} is kept as stale: {paths:?}"
        );
    }
    assert!(tl.neighbor(ip(THEIRS_4))["graceful_restart"].is_number(), "{}", tl.neighbor(ip(THEIRS_4)));
    peer.withdraw(lost);
    peer.start_again();
    wait_up(&tl, &*peer, OURS_4, THEIRS_4);
    wait_until(PATIENCE, "the lost route is swept, the other is fresh", || {
        tl.paths(&[lost]).iter().all(|path| path["prefix"] != lost)
            && tl.paths(&[kept]).iter().any(|path| path["stale"] == false && path["best"] == true)
    });
    wait_until(PATIENCE, "no longer restarting", || tl.neighbor(ip(THEIRS_4))["graceful_restart"].is_null());
}

/// Both sides open at once, again and again: RFC 4271 §6.8 must leave one session, the same on both sides. Ten sessions
/// five times, since some daemons take their time before they connect.
///
/// The collision is made, not hoped for: SYNs are dropped until both sides have sent one, then all that carries data
/// until both connections stand (or one side gave its own up), then everything passes.
fn simultaneous_open(lab: &Lab, kind: Kind) {
    const SESSIONS: usize = 10;
    const ROUNDS: u64 = 5;
    let pair = Pair::new(lab);
    let ends: Vec<(String, String)> =
        (0..SESSIONS).map(|i| (format!("192.0.2.{}", 10 + i), format!("192.0.2.{}", 20 + i))).collect();
    let (mut config, mut spec) = (Config::new(OUR_AS, OURS_4), Spec::new(THEIR_AS, THEIRS_4));
    for (us, them) in &ends {
        pair.us.address("e0", &format!("{us}/24"));
        pair.them.address("e0", &format!("{them}/24"));
        let neighbor =
            Neighbor::new(them, THEIR_AS).set("local-address", &format!("\"{us}\"")).set("idle-hold", "0");
        config = config.neighbor(neighbor);
        spec = spec.session(them, us, OUR_AS);
    }
    let tl = Trunkline::start(lab, &pair.us, "us", &config);
    let peer = kind.start(lab, &pair.them, "them", spec);
    let spaces = [&pair.us, &pair.them];
    for space in spaces {
        space.sh(&["nft", "add table inet t; add chain inet t c { type filter hook input priority 0; }"]);
    }
    let all_up = || ends.iter().all(|(us, them)| tl.established(ip(them)) && peer.established(ip(us)));
    let stayed = |rounds: u64| ends.iter().all(|(_, them)| tl.neighbor(ip(them))["established"] == rounds);
    let connections = || {
        let argv = ["ss", "-Htn", "state", "established", "( sport = :179 or dport = :179 )"];
        pair.us.sh(&argv).lines().count()
    };
    wait_until(PATIENCE, "all sessions up", all_up);
    let (mut simultaneous, mut collisions) = (0, 0);
    for round in 1..=ROUNDS {
        assert!(stayed(round), "round {round}: a session of the round before was lost");
        for (space, mine) in [(&pair.us, 0), (&pair.them, 1)] {
            let syn = |(us, them): &(String, String)| {
                let to = if mine == 0 { us } else { them };
                format!(
                    "add rule inet t c ip daddr {to} tcp dport 179 tcp flags & (syn | ack) == syn counter drop; "
                )
            };
            space.sh(&["nft", &ends.iter().map(syn).collect::<String>()]);
        }
        for (us, them) in &ends {
            peer.reset(ip(us));
            tl.run(&["clear", "bgp", them]);
        }
        let all_tried = |space: &Netns| !space.sh(&["nft", "list chain inet t c"]).contains("packets 0 ");
        simultaneous +=
            u64::from(holds_within(Duration::from_secs(20), || spaces.iter().all(|space| all_tried(space))));
        for space in spaces {
            let data = "add rule inet t c meta l4proto tcp tcp flags & psh == psh counter drop";
            space.sh(&["nft", &format!("flush chain inet t c; {data}")]);
        }
        holds_within(Duration::from_secs(2), || connections() >= 2 * SESSIONS);
        collisions += connections().saturating_sub(SESSIONS);
        spaces.iter().for_each(|space| drop(space.sh(&["nft", "flush chain inet t c"])));
        wait_until(PATIENCE, &format!("round {round}: all sessions up on both sides"), all_up);
    }
    println!("    {kind}: both sides called in {simultaneous} of {ROUNDS} rounds, {collisions} collisions");
    assert!(simultaneous > 0, "never did both sides call at once: this test tests nothing");
    // These two drop their own call when one comes in, so no two connections ever stand.
    let gives_up = matches!(kind, Kind::OpenBgpd | Kind::GoBgp);
    assert!(collisions > 0 || gives_up, "not one collision: this test tests nothing");
    holds_for(Duration::from_secs(3), "the last sessions stay", || stayed(ROUNDS + 1) && all_up());
}
