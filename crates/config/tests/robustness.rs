//! No text makes the parser panic, and what it says can always be rendered.

use proptest::prelude::*;
use proptest::sample::select;
use trunkline_config::{Diagnostics, Environment, keys, parse, quick_start};

fn check(text: &str) {
    let env = Environment { host_name: "host".to_owned(), default_socket_dir: "/run/trunkline".into() };
    let rendered = |problems: &Diagnostics| {
        let everything = [problems.render(false), problems.render(true), problems.to_string()];
        assert!(everything.iter().all(|text| text.is_empty() == problems.is_empty()));
    };
    match parse("any.toml", text, &env) {
        Ok(parsed) => {
            assert_eq!(parsed.warnings.error_count(), 0);
            rendered(&parsed.warnings);
        }
        Err(problems) => {
            assert!(problems.error_count() > 0, "refused without a reason");
            rendered(&problems);
        }
    }
}

fn key() -> impl Strategy<Value = String> {
    let known: Vec<&str> = keys().into_values().flatten().collect();
    prop_oneof![9 => select(known).prop_map(str::to_owned), 1 => "[a-z-]{1,12}"]
}

fn value() -> impl Strategy<Value = String> {
    let known = [
        "true",
        "0",
        "2",
        "-1",
        "65001",
        "4294967296",
        "1.5",
        "1979-05-27",
        "\"\"",
        "\"accept\"",
        "\"p\"",
        "\"g\"",
        "\"192.0.2.1\"",
        "\"2001:db8::1\"",
        "\"10.0.0.0/8\"",
        "\"10.0.0.1/8\"",
        "\"10.0.0.0/8 ge 9 le 12\"",
        "\"127.0.0.1:179\"",
        "\"65001:1\"",
        "\"ipv4-unicast\"",
        "\"peer\"",
        "\"host\"",
        "\"tap\"",
        "\"rstp\"",
        "\"auto\"",
        "\"never\"",
        "4096",
        "\"192.0.2.1/24\"",
        "\"eth0\"",
        "\"02:00:00:00:00:01\"",
        "{ \"192.0.2.9\" = \"02:00:00:00:00:01\" }",
        "{ limit = 1, times = 1 }",
        "2026-01-01T00:00:00Z",
        "\"2026-01-01T00:00:00+01:00\"",
        "\"four\"",
        "\"bgp\"",
        "\"k\"",
        "{ mode = \"md5\", key-chain = \"k\" }",
        "{ mode = \"text\", key = \"a secret\", key-id = 1 }",
        "{ source = \"static\", metric = 1, med = 1, policy = \"p\" }",
        "{ prefixes = \"10.0.0.0/8\", metric = 16 }",
        "{ update = 1, flush = 1 }",
    ];
    let leaf = prop_oneof![9 => select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,8}"];
    prop_oneof![
        3 => leaf.clone(),
        1 => proptest::collection::vec(leaf, 0..4).prop_map(|items| format!("[{}]", items.join(", "))),
    ]
}

fn line() -> impl Strategy<Value = String> {
    let headers = [
        "[node]",
        "[api]",
        "[fib]",
        "[[static]]",
        "[bgp]",
        "[[bgp.neighbor]]",
        "[[bgp.listen-range]]",
        "[bgp.group.g]",
        "[[policy.p]]",
        "[interface.eth0]",
        "[interface.lo0]",
        "[bridge.br0]",
        "[bridge.br0.port.eth0]",
        "[[service]]",
        "[rip]",
        "[rip.interface.eth0]",
        "[[key-chain.k]]",
        "[key-chain]",
        "[policy]",
        "[bgp.neighbor]",
        "[[bgp]]",
        "[[node",
        "\"\"\"",
    ];
    prop_oneof![
        2 => select(headers.to_vec()).prop_map(str::to_owned),
        6 => (key(), value()).prop_map(|(key, value)| format!("{key} = {value}")),
        1 => "\\PC{0,20}",
    ]
}

proptest! {
    #[test]
    fn arbitrary_text_does_not_panic(text in "(?s).{0,200}") {
        check(&text);
    }

    #[test]
    fn arbitrary_lines_do_not_panic(lines in proptest::collection::vec(line(), 0..40)) {
        check(&lines.join("\n"));
    }

    #[test]
    fn a_damaged_file_does_not_panic(from: prop::sample::Index, length in 0usize..8, instead in "\\PC{0,4}") {
        let [(_, text), _] = quick_start();
        let start = from.index(text.len());
        let end = (start + length).min(text.len());
        let mut damaged = text.as_bytes().to_vec();
        damaged.splice(start..end, instead.bytes());
        check(&String::from_utf8_lossy(&damaged));
    }
}
