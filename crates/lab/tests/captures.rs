//! Captures of the labs that are built in: the same octets for the same seed, in the order of time, with comments.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use trunkline_lab::builtin::LABS;
use trunkline_lab::file::parse;
use trunkline_lab::run::{Options, Run};
use trunkline_wire::pcapng::{Packet, Reader};

fn captures(text: &str, seed: u64) -> Vec<Vec<u8>> {
    let scenario = parse("lab.toml", text).unwrap_or_else(|e| panic!("{}", e.render(false))).scenario;
    let options = Options { seed: Some(seed), capture: true, ..Options::default() };
    let mut run = Run::new(scenario, &options, &mut |_| {}).unwrap();
    run.run(&mut |_| {});
    let links: Vec<_> = run.lab().links().map(|(link, _)| link).collect();
    let files = links.into_iter().map(|link| {
        let mut file = Vec::new();
        run.lab().capture(link).unwrap().write(&mut file).unwrap();
        file
    });
    files.collect()
}

#[test]
fn the_same_octets_in_order_and_with_comments() {
    for lab in LABS {
        let files = captures(lab.text, 7);
        assert_eq!(files, captures(lab.text, 7), "{}", lab.name);
        let mut comments = 0;
        for file in &files {
            let packets: Vec<Packet<'_>> = Reader::new(file).unwrap().map(Result::unwrap).collect();
            assert!(!packets.is_empty() && packets.iter().map(|packet| packet.nanos).is_sorted());
            comments += packets.iter().filter(|packet| packet.comment.is_some()).count();
        }
        assert!(comments > 0, "{}", lab.name);
    }
}
