//! The daemon as an operator handles it: reload, bad files, commands.

use crate::pair::*;
use std::net::IpAddr;
use trunkline_interop::peer::{Announcement, Kind};
use trunkline_interop::{Lab, PATIENCE, Test, Trunkline, wait_until};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("daemon::sighup_changes_one_neighbor_only", sighup),
        Test::new("daemon::bad_file_leaves_it_running", bad_file),
        Test::new("daemon::sample_of_the_documentation_is_valid", sample),
        Test::new("daemon::neighbors_come_and_go_by_reload", come_and_go),
    ]
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn sighup(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us());
    let peer = Kind::Bird.start(lab, &pair.them, "them", them());
    wait_until(PATIENCE, "up", || {
        [(OURS_4, THEIRS_4), (OURS_6, THEIRS_6)]
            .iter()
            .all(|(us, them)| tl.established(ip(them)) && peer.established(ip(us)))
    });
    // Another family is said in the OPEN, so that session must start anew.
    let mut changed = us();
    let families = "[\"ipv4-unicast\", \"ipv6-unicast\"]";
    changed.neighbors[1] = changed.neighbors[1].clone().set("families", families);
    tl.write(&changed);
    tl.process.hangup();
    wait_until(PATIENCE, "the changed session was reset and is up again", || {
        let view = tl.neighbor(ip(THEIRS_6));
        view["state"] == "Established" && view["established"] == 2
    });
    let view = tl.neighbor(ip(THEIRS_4));
    assert_eq!(
        (&view["state"], &view["established"], &view["flaps"]),
        (&"Established".into(), &1.into(), &0.into())
    );
    // A description touches nothing.
    changed.neighbors[0] = changed.neighbors[0].clone().set("description", "\"the other side\"");
    let answer = tl.reload(&changed);
    assert_eq!(answer["reset"], serde_json::json!([]), "{answer}");
    let view = tl.neighbor(ip(THEIRS_4));
    assert_eq!((&view["description"], &view["flaps"]), (&"the other side".into(), &0.into()));
}

fn bad_file(lab: &Lab) {
    let pair = Pair::new(lab);
    let mut tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let peer = Kind::Bird.start(lab, &pair.them, "them", them_4());
    wait_until(PATIENCE, "up", || tl.established(ip(THEIRS_4)) && peer.established(ip(OURS_4)));
    let file = tl.file.to_str().unwrap().to_owned();
    let bad = all(all(us_4(), "hold-time", "2"), "colour", "\"green\"");
    tl.write(&bad);
    let check = tl.program(&["check", &file]);
    let said =
        format!("{}{}", String::from_utf8_lossy(&check.stdout), String::from_utf8_lossy(&check.stderr));
    assert_eq!(check.status.code(), Some(1), "{said}");
    assert!(said.contains("hold-time") && said.contains("colour"), "both problems are told: {said}");
    let reload = tl.cli(&["reload"]);
    assert!(!reload.status.success(), "a bad file is not applied");
    tl.process.hangup();
    tl.write_text("this is [ not TOML");
    tl.process.hangup();
    assert!(!tl.cli(&["reload"]).status.success());
    let view = tl.neighbor(ip(THEIRS_4));
    assert_eq!((&view["state"], &view["established"]), (&"Established".into(), &1.into()), "{view}");
    assert!(tl.process.running());
}

fn come_and_go(lab: &Lab) {
    let pair = Pair::new(lab);
    let tl = Trunkline::start(lab, &pair.us, "us", &us_4());
    let mut peer = Kind::Bird.start(lab, &pair.them, "them", them());
    peer.announce(&Announcement::new(THEIR_NETWORK_6));
    wait_until(PATIENCE, "the first is up", || tl.established(ip(THEIRS_4)));
    tl.reload(&us());
    wait_until(PATIENCE, "the second is up, with its route", || {
        tl.established(ip(THEIRS_6)) && tl.received(ip(THEIRS_6), THEIR_NETWORK_6).is_some()
    });
    tl.reload(&us_4());
    wait_until(PATIENCE, "the second is gone: Cease 6/3", || {
        peer.about(ip(OURS_6)).contains("Peer de-configured")
    });
    assert!(tl.paths(&[THEIR_NETWORK_6]).is_empty(), "and its route with it");
    assert_eq!(tl.neighbor(ip(THEIRS_4))["established"], 1);
}

/// The file that the documentation shows is valid as it stands.
fn sample(lab: &Lab) {
    let space = lab.space("us");
    let tl = Trunkline::start(lab, &space, "us", &us_4());
    let file = lab.dir().join("sample.toml");
    std::fs::write(&file, include_str!("sample.toml")).unwrap();
    let output = tl.program(&["check", file.to_str().unwrap()]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
