//! RSTP among bridges: how fast a network settles, and that it ends as the definition says.

mod article;
mod guards;
mod transitions;

use crate::rig::{DELAY, Net, ms};
use trunkline_core::Duration;
use trunkline_stp::{PortRole, PortState, Protocol};

fn rstp(net: &mut Net, count: usize) -> Vec<usize> {
    (0..count).map(|_| net.bridge(Protocol::Rstp, 32768)).collect()
}

#[test]
fn two_bridges_agree_in_milliseconds() {
    // IEEE 802.1D-2004 §17.10: proposal and agreement, no timer
    let mut net = Net::new(1);
    let b = rstp(&mut net, 2);
    let lan = net.lan(&[b[0], b[1]]);
    net.run_until(ms(10));
    net.assert_settled();
    assert_eq!(net.role(net.end(lan, b[0])), PortRole::Designated);
    assert_eq!(net.role(net.end(lan, b[1])), PortRole::Root);
    let since = net.forwards_since(net.end(lan, b[0])).unwrap();
    assert!(since <= ms(0) + DELAY * 4, "{since:?}");
}

#[test]
fn a_ring_heals_at_once() {
    let mut net = Net::new(1);
    let b = rstp(&mut net, 6);
    let lans: Vec<usize> = (0..6).map(|i| net.lan(&[b[i], b[(i + 1) % 6]])).collect();
    net.run_until(ms(5000));
    net.assert_settled();
    assert_eq!(net.loops, []);
    for lan in lans {
        net.cut(lan);
        let at = net.now;
        net.run_for(Duration::from_millis(20));
        net.assert_settled();
        let late = net.events.iter().filter(|(when, ..)| *when > at + DELAY * 20).count();
        assert_eq!(late, 0, "something happened after {:?}", DELAY * 20);
        net.restore(lan);
        net.run_for(Duration::from_secs(20));
        net.assert_settled();
    }
    assert_eq!(net.loops, []);
}

#[test]
fn indirect_failure_needs_no_timer() {
    // The article's square: A is the root, D blocks towards C, the link between C and A fails. RSTP believes the
    // inferior BPDU of the designated bridge at once (IEEE 802.1D-2004 §17.6).
    let mut net = Net::new(1);
    let [a, b, c, d] = [4096, 8192, 12288, 16384].map(|p| net.bridge(Protocol::Rstp, p));
    net.lan(&[a, b]);
    let ac = net.lan(&[a, c]);
    let cd = net.lan(&[c, d]);
    net.lan(&[b, d]);
    net.run_until(ms(5000));
    net.assert_settled();
    assert_eq!(net.state(net.end(cd, d)), PortState::Discarding);
    net.cut(ac);
    net.run_for(Duration::from_millis(100));
    net.assert_settled();
    assert_eq!(net.role(net.end(cd, c)), PortRole::Root);
    assert_eq!(net.loops, []);
}
