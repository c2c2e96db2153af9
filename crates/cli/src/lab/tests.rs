//! Labs on the command line.

use super::*;
use crate::args::{Cli, Command, LabFile};
use clap::Parser;
use std::path::PathBuf;

const PLAIN: Style = Style { color: false };

/// What a command prints, and whether it fails.
fn lab(line: &str) -> (String, Option<String>) {
    let cli = Cli::try_parse_from(["trunkline", "lab"].into_iter().chain(line.split(' '))).unwrap();
    let Command::Lab(lab) = cli.command else { panic!("{line}") };
    let mut out = Vec::new();
    let failure = execute(lab, cli.json, &mut out).err().map(|failure| match failure {
        Failure::Message(message) => message,
        Failure::Said | Failure::Found => String::new(),
        Failure::Output(error) => panic!("{error}"),
    });
    (String::from_utf8(out).unwrap(), failure)
}

/// A directory of its own, removed at the end.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Dir {
        let dir = std::env::temp_dir().join(format!("trunkline-cli-lab-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        Dir(dir)
    }

    fn file(&self, text: &str) -> String {
        let path = self.0.join("lab.toml");
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The text without its last line, which says how long it really took.
fn timeline(text: &str) -> &str {
    text.trim_end().rsplit_once('\n').unwrap().0
}

#[test]
fn the_list_has_names_and_titles() {
    let (text, failure) = lab("list");
    assert_eq!(failure, None);
    assert!(text.contains("proxy-arp") && text.contains("a host with too wide a mask"), "{text}");
    assert_eq!(text.lines().count(), LABS.len());
}

#[test]
fn a_run_tells_what_happens() {
    let (text, failure) = lab("run arp");
    assert_eq!(failure, None);
    insta::assert_snapshot!(timeline(&text));
    assert!(text.contains("all 5 expectations were met; 10 s in "), "{text}");
}

#[test]
fn a_run_ends_when_it_is_told_to() {
    let (text, failure) = lab("run arp --until 1500ms");
    assert_eq!(failure, None);
    assert!(text.contains("nothing was expected; 2 s in ") && !text.contains("seq 2"), "{text}");
}

#[test]
fn frames_and_json_are_one_object_each() {
    let (text, failure) = lab("run icmp-redirect --frames --json");
    assert_eq!(failure, None);
    let lines: Vec<serde_json::Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let redirect = |line: &&serde_json::Value| line["frame"]["icmp"]["kind"] == "redirect";
    let redirects: Vec<_> = lines.iter().filter(redirect).collect();
    assert_eq!(redirects.len(), 1);
    assert_eq!(redirects[0]["sender"], "r1.eth0");
    assert!(lines.iter().all(|line| line["at"].is_number() && line["told"].is_string()));
    let end = lines.last().unwrap();
    assert_eq!((&end["told"], &end["failed"]), (&"end".into(), &0.into()));
}

#[test]
fn what_is_not_as_expected_is_shown_and_fails() {
    let dir = Dir::new("failing");
    let file = dir.file(
        r#"
        title = "wrong"
        until = "3s"
        [node.a]
        kind = "host"
        [node.a.interface.eth0]
        address = ["192.0.2.1/24"]
        [node.b]
        kind = "host"
        [node.b.interface.eth0]
        address = ["192.0.2.2/24"]
        mac = "02:00:00:00:00:02"
        [[link]]
        name = "wire"
        ends = ["a.eth0", "b.eth0"]
        [[step]]
        at = "1s"
        ping = { from = "a", to = "192.0.2.2", count = 1 }
        [[step]]
        at = "2s"
        note = "who is where?"
        expect = [
            { node = "a", show = "arp", where = { ip = "192.0.2.2" }, has = { mac = "02:00:00:00:00:09" } },
            { node = "a", show = "arp", where = { ip = "192.0.2.9" }, has = { state = "failed" } },
            { link = "wire", where = { icmp = { kind = "redirect" } }, count = ">= 1" },
        ]
        [[step]]
        at = "2500ms"
        close = { node = "a", name = "nothing" }
        "#,
    );
    let (text, failure) = lab(&format!("run {file} --seed 3"));
    assert_eq!(failure.as_deref(), Some(""));
    let shown: Vec<&str> =
        timeline(&text).lines().skip_while(|line| !line.contains("who is where")).collect();
    insta::assert_snapshot!(shown.join("\n"));
    assert!(text.contains("3 of 3 expectations were not met"), "{text}");
}

#[test]
fn captures_are_written_for_each_link() {
    let dir = Dir::new("pcap");
    let target = dir.0.join("captures");
    let (_, failure) = lab(&format!("run proxy-arp --pcap {}", target.display()));
    assert_eq!(failure, None);
    for link in ["hosts", "behind"] {
        let octets = std::fs::read(target.join(format!("{link}.pcapng"))).unwrap();
        // The Section Header Block of pcapng.
        assert!(octets.len() > 1000 && octets.starts_with(&[0x0a, 0x0d, 0x0d, 0x0a]), "{link}");
    }
}

#[test]
fn every_show_works_on_a_simulated_node() {
    let at = |when: &str, what: &str| lab(&format!("show bgp-messages --at {when} {what}")).0;
    insta::assert_snapshot!(at("30s", "r2 routes"));
    assert!(at("30s", "r1 bgp summary").contains("Established"));
    assert!(at("30s", "r2 bgp routes 1.1.1.1").contains("192.168.12.1"));
    assert!(at("30s", "r1 bgp neighbors").contains("HoldTimer"));
    assert!(at("30s", "r1 tcp").contains("ESTABLISHED"));
    assert!(at("30s", "r1 interfaces").contains("lo0"));
    assert!(at("30s", "r1 arp eth0").contains("192.168.12.2"));
    assert!(at("30s", "r1 ip").contains("ipInReceives"));
    assert!(at("30s", "r1 node").contains("1.1.1.1"));
    assert!(at("450s", "r1 bgp summary --json").contains("\"asn\": 1"));
    let (_, failure) = lab("show bgp-messages --at 1s r3 arp");
    assert!(failure.unwrap().contains("r3"));
}

#[test]
fn rip_of_a_simulated_node() {
    let text = r#"
        until = "20s"
        [node.r1.interface]
        eth0.address = ["10.0.12.1/24"]
        [node.r2.interface]
        eth0.address = ["10.0.12.2/24"]
        lan.address = ["10.2.0.1/16"]
        [[link]]
        ends = ["r1.eth0", "r2.eth0"]
        [[link]]
        ends = ["r2.lan", "h.eth0"]
        [node.h]
        kind = "host"
        interface.eth0.address = ["10.2.0.2/16"]
    "#;
    let mut scenario =
        trunkline_lab::file::parse("x", text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    for node in scenario.nodes.iter_mut().filter(|node| node.name != "h") {
        let mut rip = trunkline_node::config::RipConfig::new();
        for interface in &node.interfaces {
            rip.machine.interfaces.insert(interface.name.clone(), Default::default());
        }
        node.rip = Some(rip);
    }
    let mut run = Run::new(scenario, &Options::default(), &mut |_| {}).unwrap();
    run.run_until(Instant::from_secs(10), &mut |_| {});
    let mut seen = |words: &str| {
        let cli = Cli::try_parse_from(["trunkline", "show"].into_iter().chain(words.split(' '))).unwrap();
        let Command::Show(what) = cli.command else { panic!("{words}") };
        let mut out = Vec::new();
        show(&mut run, "r1", what, cli.json, PLAIN, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let all = ["rip", "rip neighbors", "rip routes", "rip routes 10.2.3.4", "routes 10.2.3.4"].map(&mut seen);
    insta::assert_snapshot!(all.join("\n"));
    let json: serde_json::Value = serde_json::from_str(&seen("rip routes --limit 1 --json")).unwrap();
    assert_eq!((&json["routes"][0]["prefix"], &json["total"]), (&"10.0.12.0/24".into(), &2.into()));
}

#[test]
fn names_that_are_not_there_are_explained() {
    assert!(lab("run prox-arp").1.unwrap().contains("did you mean proxy-arp?"));
    assert!(lab("run some/file.toml").1.unwrap().starts_with("cannot read some/file.toml"));
}

#[test]
fn a_lab_by_hand() {
    let script = "\
        # comments and empty lines are passed over\n\
        \n\
        topology\n\
        until 1s\n\
        capture hosts\n\
        ping host-a 10.2.2.100 -c 1\n\
        capture hosts --off\n\
        show host-a arp\n\
        cut behind\n\
        topology\n\
        crash server\n\
        step 2\n\
        run 1s\n\
        until 1s\n\
        restart server\n\
        cut nothing\n\
        show host-a nothing\n\
        quit\n\
        never read\n";
    let mut out = Vec::new();
    let file = LabFile { file: "proxy-arp".into(), seed: None };
    repl::repl(&file, PLAIN, script.as_bytes(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    for words in [
        "node r1 router\n",
        "echo request 1",
        "10.2.2.100: 1 sent, 1 received",
        "10.1.1.254",
        "link behind delay 1µs (cut)",
        "that is past",
        "there is no link nothing",
        "unrecognized subcommand 'nothing'",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
}
