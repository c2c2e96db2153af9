//! The labs that are built in, run by the binary: all that they expect is so, and tshark reads what they capture.

use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use trunkline_interop::{Lab, Test, trunkline, tshark_with};

pub(crate) fn tests() -> Vec<Test> {
    vec![
        Test::new("labs::all_pass_and_tshark_reads_their_captures", all),
        Test::new("labs::tshark_finds_what_is_damaged", damaged),
        Test::new("labs::comments_tell_what_a_frame_did", comments),
        Test::new("labs::the_same_seed_writes_the_same_captures", same_seed),
        Test::new("labs::what_is_not_as_expected_fails_the_run", failing),
        Test::new("labs::by_hand", repl),
        Test::new("labs::show_at_a_time", show),
        Test::new("labs::every_segment_carries_tcp_ao", tcp_ao),
    ]
}

/// tshark looks at checksums only when it is told to.
const CHECKSUMS: &[&str] = &["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"];

/// Nothing excuses these: a frame that cannot be read, a checksum that is wrong, an expert's error.
const BAD: &str = "_ws.malformed || ip.checksum.status == \"Bad\" || tcp.checksum.status == \"Bad\" \
    || udp.checksum.status == \"Bad\" || icmp.checksum.status == \"Bad\" || _ws.expert.severity >= 8388608";

/// What tshark warns of, and the labs that provoke it on purpose.
const WARNINGS: &[(&str, &[&str])] = &[
    // A gets another network card while B still knows the old one: the second purpose of gratuitous ARP.
    ("Duplicate IP address configured", &["gratuitous-arp"]),
    // A neighbor that is disabled, or waits in Idle after a Bad Peer AS or a change of its configuration, refuses
    // connections; so does a port at which nobody listens.
    ("Connection reset (RST)", &["bgp-messages", "bgp-open-reset", "bgp-tcp-ao", "tcp-states"]),
];

/// The names that `lab list` prints.
fn names() -> Vec<String> {
    let text = succeed(&["lab", "list"], "");
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Runs the program, which must exit with 0; its standard output.
#[track_caller]
fn succeed(arguments: &[&str], input: &str) -> String {
    let output = trunkline(arguments, input);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "trunkline {arguments:?}: {}\n{text}{error}", output.status);
    text
}

/// Runs a built-in lab and returns its captures by name.
#[track_caller]
fn captures(name: &str, dir: &Path, seed: &str) -> Vec<PathBuf> {
    succeed(&["lab", "run", name, "--seed", seed, "--pcap", dir.to_str().unwrap()], "");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty(), "{name} wrote no capture");
    files
}

fn all(lab: &Lab) {
    let names = names();
    assert!(names.len() >= 9, "{names:?}");
    let mut provoked = BTreeSet::new();
    for name in &names {
        for file in captures(name, &lab.dir().join(name), "1") {
            let at = file.display();
            let frames = tshark_with(&file, CHECKSUMS, "frame", &["frame.number"]);
            assert!(!frames.is_empty(), "{at} is empty");
            let bad =
                tshark_with(&file, CHECKSUMS, BAD, &["frame.number", "_ws.expert.message", "_ws.col.info"]);
            assert!(bad.is_empty(), "{at}:\n{}", bad.join("\n"));
            // The messages of one frame stand in one line, comments too; those can say nothing that begins like these.
            let warned = tshark_with(&file, CHECKSUMS, "_ws.expert.severity == 6291456", WARNED);
            for line in warned {
                let of_lab = |(_, labs): &&(&str, &[&str])| labs.contains(&name.as_str());
                let reason = WARNINGS.iter().filter(of_lab).find(|(message, _)| line.contains(message));
                let (message, _) = reason.unwrap_or_else(|| panic!("{at}: not provoked: {line}"));
                let warnings =
                    line.split('\t').nth(1).unwrap().split(',').filter(|s| *s == "6291456").count();
                assert_eq!(warnings, 1, "{at}: more than what was provoked: {line}");
                provoked.insert((*message, name.clone()));
            }
        }
    }
    // An excuse that nobody needs any more would excuse what comes later.
    let excused =
        WARNINGS.iter().flat_map(|(message, labs)| labs.iter().map(move |lab| (*message, (*lab).to_owned())));
    assert_eq!(excused.collect::<BTreeSet<_>>(), provoked);
}

/// What must not be found is found where it is.
fn damaged(lab: &Lab) {
    let file = captures("arp", lab.dir(), "1").remove(0);
    let mut octets = std::fs::read(&file).unwrap();
    // From A to B, as it stands in the IP headers of the echo requests; the ICMP header follows.
    let ends = [192, 168, 0, 84, 192, 168, 0, 122];
    let starts: Vec<usize> = (0..octets.len() - 8).filter(|at| octets[*at..at + 8] == ends).collect();
    assert_eq!(starts.len(), 3, "three echo requests");
    octets[starts[0] + 3] ^= 1;
    octets[starts[1] + 10] ^= 1;
    std::fs::write(&file, octets).unwrap();
    let bad = tshark_with(&file, CHECKSUMS, BAD, &["ip.checksum.status", "icmp.checksum.status"]);
    assert_eq!(bad, ["0\t1", "1\t0"]);
}

const WARNED: &[&str] = &["frame.number", "_ws.expert.severity", "_ws.expert.message"];

fn comments(lab: &Lab) {
    let files = captures("bgp-messages", lab.dir(), "1");
    let opened =
        tshark_with(&files[0], &[], "frame.comment contains \"Established\"", &["bgp.type", "frame.comment"]);
    let says = |words: &str| opened.iter().any(|line| line.starts_with("4\t") && line.contains(words));
    // It is a KEEPALIVE that ends OpenConfirm (RFC 4271 §8.2.2).
    for words in [
        "r1: BGP 192.168.12.2: OpenConfirm -> Established: KEEPALIVE from the peer",
        "r2: BGP 192.168.12.1: OpenConfirm -> Established: KEEPALIVE from the peer",
    ] {
        assert!(says(words), "{words}: {opened:#?}");
    }
    let files = captures("tcp-states", &lab.dir().join("tcp"), "1");
    let closing = tshark_with(&files[0], &[], "frame.comment contains \"-> CLOSING\"", &["tcp.flags.fin"]);
    assert_eq!(closing, ["1", "1"], "FINs that cross");
}

fn same_seed(lab: &Lab) {
    for name in names() {
        let read = |run: &str, seed: &str| -> Vec<(PathBuf, Vec<u8>)> {
            let files = captures(&name, &lab.dir().join(run).join(&name), seed);
            files
                .iter()
                .map(|file| (file.file_name().unwrap().into(), std::fs::read(file).unwrap()))
                .collect()
        };
        let first = read("first", "7");
        assert!(first == read("second", "7"), "{name}: two runs with seed 7 differ");
        // Else the seed would mean nothing, and the comparison neither.
        assert!(name != "bgp-messages" || first != read("third", "8"), "{name}: seeds 7 and 8 do the same");
    }
}

fn failing(lab: &Lab) {
    let file = lab.dir().join("wrong.toml");
    let arp = lab_file("arp");
    let wrong = arp.replace("has = { received = 3 }", "has = { received = 4 }");
    assert_ne!(arp, wrong);
    std::fs::write(&file, wrong).unwrap();
    let output = trunkline(&["lab", "run", file.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8_lossy(&output.stdout);
    let words = |key: &str| text.lines().find_map(|line| line.trim().strip_prefix(key)).map(str::trim);
    assert_eq!(words("expected "), Some("a ping has { received = 4 }"), "{text}");
    assert_eq!(words("seen "), Some("{\"received\":3}"), "{text}");
    assert!(text.contains("1 of 5 expectations were not met"), "{text}");

    std::fs::write(&file, arp.replace("192.168.0.84/24", "192.168.0.84/33")).unwrap();
    let output = trunkline(&["lab", "run", file.to_str().unwrap()], "");
    assert_eq!(output.status.code(), Some(1));
    let error = String::from_utf8_lossy(&output.stderr);
    let line = arp.lines().position(|line| line.contains("192.168.0.84/24")).unwrap() + 1;
    assert!(error.contains(&format!("wrong.toml:{line}:")), "the line is not said: {error}");
}

/// A lab's file as it stands in the sources.
fn lab_file(name: &str) -> String {
    let labs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../labs");
    std::fs::read_to_string(labs.join(name).with_extension("toml")).unwrap()
}

fn repl(_: &Lab) {
    let script = "until 500ms\nping a 192.168.0.122 --count 1\nshow a arp\ncut lan\nping b 192.168.0.84 --count 1\n\
                  show a interfaces\ncut nothing\nquit\nshow b arp\n";
    let text = succeed(&["lab", "repl", "arp"], script);
    let order = [
        "0.500000  now",
        "192.168.0.122: 1 sent, 1 received",
        "192.168.0.122",
        "no carrier",
        "192.168.0.84: 1 sent, 0 received",
        "there is no link nothing",
    ];
    let mut rest = text.as_str();
    for words in order {
        let (_, after) =
            rest.split_once(words).unwrap_or_else(|| panic!("no {words:?} where it belongs:\n{text}"));
        rest = after;
    }
    assert!(!rest.contains("192.168.0"), "it went on after `quit`:\n{text}");
}

fn show(_: &Lab) {
    let json = |arguments: &[&str]| -> Value {
        let text =
            succeed(&[&["lab", "show", "proxy-arp", "--at", "15s"], arguments, &["--json"]].concat(), "");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    };
    let by_name = |list: &Value, key: &str, value: &str| {
        let found = list.as_array().and_then(|list| list.iter().find(|entry| entry[key] == value));
        found.cloned().unwrap_or_else(|| panic!("no {key} {value}: {list}"))
    };
    let router = by_name(&json(&["r1", "interfaces"])["interfaces"], "name", "eth0")["mac"].clone();
    assert!(router.is_string());
    // The server's address has the router's MAC address: that is what proxy ARP is.
    assert_eq!(by_name(&json(&["host-b", "arp"])["entries"], "ip", "10.2.2.100")["mac"], router);
    // A lab and a node may be called like something that can be shown.
    let text = succeed(&["lab", "show", "arp", "--at", "5s", "a", "arp"], "");
    assert!(text.contains("192.168.0.122"), "{text}");
}

fn tcp_ao(lab: &Lab) {
    let files = captures("bgp-tcp-ao", lab.dir(), "1");
    let of = |filter: &str| tshark_with(&files[0], &[], filter, &["frame.number", "tcp.options.ao.mac"]);
    assert_eq!(of("tcp && !tcp.options.ao"), [""; 0], "segments without the option");
    let signed = of("tcp.options.ao");
    assert!(signed.len() > 30, "{signed:#?}");
    // 96 bits, and never what they were when they were reserved.
    let zeros = "000000000000000000000000";
    let mac = |line: &String| line.split('\t').nth(1).unwrap().replace(':', "");
    assert!(signed.iter().all(|line| mac(line).len() == 24 && mac(line) != zeros), "{signed:#?}");
    let failures = |at: &str| {
        let text = succeed(&["lab", "show", "bgp-tcp-ao", "--at", at, "r1", "tcp", "--json"], "");
        let view: Value = serde_json::from_str(&text).unwrap();
        view["counters"]["tcpAuthFailures"].as_u64().unwrap()
    };
    // All that r3 sends with the wrong key is counted, and nothing after it has the right one.
    assert!(failures("60s") >= 5, "{}", failures("60s"));
    assert_eq!(failures("71s"), failures("115s"));
}
