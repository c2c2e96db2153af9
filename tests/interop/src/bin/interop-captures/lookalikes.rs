//! What looks like a failure and is none: each begins as one of the signatures and ends in a session that is up.

use crate::healthy::{comes_up, unbroken};
use crate::path::{flood, many, small_buffers};
use crate::scenario::{
    self, A as ADDRESS_A, B as ADDRESS_B, KEEPALIVE, NOTIFICATION, OPEN, ROUTES, RST, SYN, SYN_ACK, Scenario,
    from,
};
use crate::script;
use crate::stage::{Net, Side, Stage, nft, nft_clear, own_binary};
use Side::{A, B};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicU32, Ordering};
use trunkline_interop::Daemon;
use trunkline_interop::peer::Kind;

pub(crate) fn scenarios() -> Vec<Scenario> {
    [begins(), ends(), slow()].into_iter().flatten().collect()
}

/// The session is up in the end.
fn recovers(scenario: Scenario) -> Scenario {
    scenario.sees(ROUTES, "UPDATE with a route of each")
}

fn announce_both(s: &mut Stage<'_>) {
    s.announce(A, "203.0.113.0/24");
    s.announce(B, "198.18.0.0/15");
    for side in [A, B] {
        let address = s.address(side);
        s.until(from(address, ROUTES), 1);
    }
}

fn begins() -> Vec<Scenario> {
    vec![
        recovers(unbroken(Scenario::new("look-first-syn-lost-bird-frr", 0, "The first SYN is lost (nftables for a moment), the next is answered.", |s| {
            nft(&s.b, "input", &["tcp dport 179 drop"]);
            s.start(B, Kind::Frr, |_| {});
            s.start(A, Kind::Bird, |_| {});
            s.until(SYN, 1);
            nft_clear(&s.b, "input");
            s.up();
            announce_both(s);
        })))
        .sees(SYN, "SYN and its repetition")
        .sees(SYN_ACK, "SYN-ACK"),
        recovers(Scenario::new("look-late-daemon-bird-frr", 0, "FRR is started some seconds after BIRD: until then SYNs are refused.", |s| {
            s.start(A, Kind::Bird, |_| {});
            s.until(RST, 3);
            s.start(B, Kind::Frr, |_| {});
            s.up();
            announce_both(s);
        }))
        .sees(from(ADDRESS_B, RST), "RST in answer to the first SYNs")
        .sees(SYN_ACK, "SYN-ACK to a later one"),
        recovers(Scenario::new("look-late-host-frr-bird", 0, "The neighbour's host gets its address some seconds later: until then ARP is not answered.", |s| {
            s.b.ip("addr flush dev e0");
            s.start(A, Kind::Frr, |_| {});
            s.until("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.2", 3);
            s.b.address("e0", "192.0.2.2/24");
            s.start(B, Kind::Bird, |_| {});
            s.up();
            announce_both(s);
        }))
        .sees("arp.opcode==1 && arp.dst.proto_ipv4==192.0.2.2", "ARP requests for 192.0.2.2")
        .sees("arp.opcode==2", "ARP reply")
        .never(NOTIFICATION, "NOTIFICATION"),
        recovers(Scenario::new("look-firewall-opened-bird-openbgpd", 0, "nftables rejects port 179 with ICMP until it is told to let it in.", |s| {
            nft(&s.b, "input", &["tcp dport 179 reject with icmp admin-prohibited"]);
            s.start(B, Kind::OpenBgpd, |_| {});
            s.start(A, Kind::Bird, |_| {});
            s.until("icmp.type==3", 2);
            nft_clear(&s.b, "input");
            s.up();
            announce_both(s);
        }))
        .sees("icmp.type==3", "ICMP administratively prohibited")
        .sees(SYN_ACK, "SYN-ACK to a later SYN")
        .never(NOTIFICATION, "NOTIFICATION"),
        recovers(Scenario::new("look-as-corrected-bird-frr", 0, "FRR expects another AS at first, and is then corrected.", |s| {
            s.start(B, Kind::Frr, |spec| spec.sessions[0].remote_asn = 64999);
            s.start(A, Kind::Bird, |_| {});
            s.until(scenario::notification(2, 2), 1);
            s.order(B, &["configure terminal", "router bgp 65002", "neighbor 192.0.2.1 remote-as 65001"]);
            s.up();
            announce_both(s);
        }))
        .sees(scenario::notification(2, 2), "NOTIFICATION 2/2")
        .sees(KEEPALIVE, "KEEPALIVE of both later"),
        Scenario::new("look-old-peer-frr", 0, "A script plays a speaker of before RFC 5492: it refuses an OPEN with capabilities by 2/4 and takes the next, without any.", |s| {
            let calls = AtomicU32::new(0);
            script::start(s, B, move |stream: &mut TcpStream| {
                script::read(stream)?;
                if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                    stream.write_all(&script::notification(2, 4, &[]))?;
                    return script::linger(stream);
                }
                let plain = script::message(1, &[4, 0xfd, 0xea, 0, 30, 192, 0, 2, 2, 0]);
                stream.write_all(&[plain, script::keepalive()].concat())?;
                while script::read(stream)? != 4 {}
                std::thread::sleep(std::time::Duration::from_secs(5));
                stream.write_all(&script::keepalive())?;
                std::thread::sleep(std::time::Duration::from_secs(5));
                Ok(())
            });
            s.start(A, Kind::Frr, |_| {});
            s.announce(A, "203.0.113.0/24");
            s.until(from(ADDRESS_B, KEEPALIVE), 2);
        })
        .sees(from(ADDRESS_B, &scenario::notification(2, 4)), "NOTIFICATION 2/4 of 192.0.2.2")
        .sees(from(ADDRESS_A, "bgp.type==1 && bgp.open.opt.len==0"), "OPEN of 192.0.2.1 without optional parameters")
        .sees(KEEPALIVE, "KEEPALIVE of both"),
    ]
}

fn ends() -> Vec<Scenario> {
    vec![
        recovers(Scenario::new("look-killed-bird-frr", 0, "The session is up for some time, then FRR is killed with octets unread, so its kernel sends a RST; it is started again and all is well.", |s| {
            s.start(B, Kind::Frr, |spec| spec.hold = 9);
            s.start(A, Kind::Bird, |spec| spec.hold = 9);
            s.up();
            announce_both(s);
            s.wait(8.0);
            s.peer(B).process().stop();
            s.until(from(ADDRESS_A, KEEPALIVE), 5);
            s.peer(B).process().kill();
            s.until(RST, 1);
            s.peer(B).start_again();
            s.up();
            s.until(from(ADDRESS_B, ROUTES), 2);
        }))
        .sees(from(ADDRESS_B, RST), "RST of 192.0.2.2 long after the begin")
        .sees(OPEN, "OPEN, the last on a new connection"),
        recovers(Scenario::new("look-rebooted-openbgpd-bird", 0, "BIRD's host forgets the connection without a word, as in a crash (nftables, ss -K); BIRD is started again, and the next segment on the old connection is answered by RST.", |s| {
            comes_up(s, Kind::OpenBgpd, "", Kind::Bird, "");
            nft(&s.b, "output", &["tcp sport 179 drop"]);
            s.b.sh(&["ss", "-K", "dst", "192.0.2.1"]);
            s.peer(B).process().kill();
            nft_clear(&s.b, "output");
            s.peer(B).start_again();
            s.until(from(ADDRESS_B, RST), 1);
            // OpenBGPD waits 30 s after an error.
            s.order(A, &["neighbor", ADDRESS_B, "down"]);
            s.order(A, &["neighbor", ADDRESS_B, "up"]);
            s.up();
            s.until(from(ADDRESS_B, ROUTES), 2);
        }))
        .sees(from(ADDRESS_B, RST), "RST of 192.0.2.2 to a KEEPALIVE")
        .sees(OPEN, "OPEN, the last on a new connection"),
        recovers(Scenario::new("look-reset-comes-back-bird-frr", 0, "clear bgp at FRR: the session ends with 6/4 and comes back at once.", |s| {
            comes_up(s, Kind::Bird, "", Kind::Frr, "");
            s.order(B, &["clear bgp 192.0.2.1"]);
            s.until(scenario::notification(6, 4), 1);
            s.up();
            s.until(from(ADDRESS_B, ROUTES), 2);
        }))
        .sees(from(ADDRESS_B, &scenario::notification(6, 4)), "NOTIFICATION 6/4")
        .sees(OPEN, "OPEN, the last on a new connection"),
        recovers(Scenario::new("look-restarted-frr-openbgpd", 0, "OpenBGPD is ended and started again: its kernel refuses SYNs in between.", |s| {
            comes_up(s, Kind::Frr, "", Kind::OpenBgpd, "");
            s.peer(B).process().terminate();
            s.peer(B).process().wait();
            s.until(from(ADDRESS_B, RST), 2);
            s.peer(B).start_again();
            s.up();
            s.until(from(ADDRESS_B, ROUTES), 2);
        }))
        .sees(from(ADDRESS_B, RST), "RST to SYNs while it is away")
        .sees(OPEN, "OPEN, the last on a new connection"),
    ]
}

fn slow() -> Vec<Scenario> {
    vec![
        unbroken(Scenario::new("look-slow-reader-bird-openbgpd", 0, "OpenBGPD is stopped for some seconds while BIRD sends thousands of routes: the window closes, and opens again.", |s| {
            small_buffers(s);
            s.start(B, Kind::OpenBgpd, |_| {});
            s.start(A, Kind::Bird, |_| {});
            s.up();
            s.peer(B).process().stop();
            flood(s, Kind::Bird);
            s.until("tcp.analysis.zero_window", 1);
            s.wait(3.0);
            s.peer(B).process().cont();
            s.until("tcp.analysis.window_update", 1);
            s.up();
            s.wait(3.0);
        }))
        .sees("tcp.analysis.zero_window", "window 0 of 192.0.2.2")
        .sees("tcp.analysis.window_update", "the window opens again"),
        unbroken(Scenario::new("look-losses-bird-frr", 0, "A quarter of all packets to FRR are lost (nftables by chance), and all of them sent again.", |s| {
            nft(&s.b, "input", &["meta l4proto tcp numgen random mod 4 == 0 drop"]);
            s.start(B, Kind::Frr, |spec| spec.hold = 9);
            s.start(A, Kind::Bird, |spec| {
                spec.hold = 9;
                spec.global_lines = many(Kind::Bird, 2000);
            });
            s.up();
            s.wait(8.0);
        }))
        .sees("tcp.analysis.retransmission", "repetitions")
        .sees(KEEPALIVE, "KEEPALIVE of both"),
        unbroken(Scenario::new("look-path-mtu-bird-frr", 0, "A link of the path has an MTU of 1000, and the router before it says so by ICMP: segments become smaller, and the session goes on.", |s| {
            s.router().ip("link set e1 mtu 1000");
            s.start(B, Kind::Frr, |spec| spec.session_lines = " neighbor 192.0.2.1 ebgp-multihop 4".into());
            s.start(A, Kind::Bird, |spec| {
                spec.session_lines = "multihop 4;".into();
                spec.global_lines = many(Kind::Bird, 600);
            });
            s.up();
            s.until("icmp.type==3 && icmp.code==4", 1);
            s.wait(5.0);
        })
        .on(Net::Routed))
        .sees("icmp.type==3 && icmp.code==4", "ICMP fragmentation needed")
        .sees("ip.src==192.0.2.1 && ip.len==1000 && !icmp", "segments of 1000 octets after it"),
        Scenario::new("look-bad-wire-bird-bird", 0, "Between the two is a wire that loses 10 % of the frames, delays them, doubles some and lets some overtake others (trunkline relay); 1000 routes of one and 500 of the other go over it all the same.", |s| {
            let argv = [&own_binary(), "relay", "e0", "e1", "--loss", "10%", "--delay", "10ms", "--reorder", "10%", "--duplicate", "3%"];
            let _wire = Daemon::start(s.router(), s.lab.dir(), "relay", &argv, &[]);
            for (side, routes) in [(B, 500), (A, 1000)] {
                s.start(side, Kind::Bird, |spec| {
                    spec.hold = 9;
                    spec.global_lines = many(Kind::Bird, routes);
                });
            }
            s.up();
            s.wait(25.0);
        })
        .on(Net::Apart)
        .never(NOTIFICATION, "NOTIFICATION")
        .sees("tcp.analysis.retransmission || tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order || tcp.analysis.duplicate_ack", "what was lost and sent again, came late or twice")
        .sees(ROUTES, "UPDATE with routes of each"),
    ]
}
