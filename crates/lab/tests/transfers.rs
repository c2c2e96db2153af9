//! Octets by TCP over links that lose, double, delay and damage frames: what arrives is what was sent, with any seed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use trunkline_core::Instant;
use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Run};
use trunkline_view::probe::{TransferQuery, TransferView};
use trunkline_view::{Answer, Query};

/// A host, a router and a host that echoes, over two links of which the second is slow and bad.
fn lab(bad: &str) -> String {
    format!(
        "until = '600s'
        [node.a]
        kind = 'host'
        gateway = '10.0.1.254'
        interface.eth0.address = ['10.0.1.1/24']
        [node.r]
        interface.eth0.address = ['10.0.1.254/24']
        interface.eth1.address = ['10.0.2.254/24']
        [node.b]
        kind = 'host'
        gateway = '10.0.2.254'
        interface.eth0.address = ['10.0.2.1/24']
        service = [{{ kind = 'echo' }}]
        [[link]]
        ends = ['a.eth0', 'r.eth0']
        [[link]]
        ends = ['r.eth1', 'b.eth0']
        delay = '5ms'
        rate = '20Mbit'
        queue = 50
        {bad}"
    )
}

fn transfer(bad: &str, seed: u64, octets: u64) -> TransferView {
    let scenario = parse("lab.toml", &lab(bad)).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let options = Options { seed: Some(seed), ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).unwrap();
    run.run_until(Instant::from_secs(1), &mut |_| {});
    let remote = "10.0.2.1:7".parse().unwrap();
    let query = TransferQuery { receive: Some(octets), ..TransferQuery::new(remote, octets) };
    match run.ask("a", Query::TcpTransfer(query), &mut |_| {}) {
        Answer::Transfer(view) => view,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_echoed_is_what_was_sent() {
    let cases = [
        ("", 1_000_000),
        ("loss = '1%'", 300_000),
        ("loss = '5%'", 100_000),
        ("duplicate = '10%'", 300_000),
        ("reorder = '10%'", 300_000),
        ("corrupt = '2%'", 100_000),
        ("loss = '1%'\nduplicate = '1%'\nreorder = '5%'\ncorrupt = '1%'", 100_000),
    ];
    for (bad, octets) in cases {
        for seed in 1..=4 {
            let view = transfer(bad, seed, octets);
            let expected = (octets, octets, true, None);
            let seen = (view.sent, view.received, view.echoed, view.error.clone());
            assert_eq!(seen, expected, "{bad} seed {seed}: {view:?}");
        }
    }
}

#[test]
fn a_clean_link_is_filled() {
    let view = transfer("", 1, 5_000_000);
    // 20 Mbit/s each way are 2.5 MB/s with all headers; there and back overlap.
    assert!(view.seconds < 2.6, "{view:?}");
}
