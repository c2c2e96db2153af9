//! ARP, ICMP, RIP and spanning tree.

use super::{Rule, rule};
use crate::rules::Severity::{Error, Note, Warning};

/// The rules.
pub(super) static LAN: &[Rule] = &[
    Rule {
        rests_on: "RFC 5227 §1.1",
        says: "Two stations use the address {a}: {b}.",
        alternatives: &[
            "a protocol that moves an address between routers, if it flaps",
            "one router with two interfaces on the same network",
        ],
        next: &["find both stations in the switches' MAC tables"],
        ..rule("arp-duplicate", 70, Error, "duplicate address")
    },
    Rule {
        rests_on: "RFC 1027",
        says: "{a} answers ARP for addresses of others: {b}.",
        alternatives: &["these are all its own addresses"],
        next: &["look whether proxy ARP is wanted there"],
        ..rule("arp-proxy", 10, Note, "proxy ARP")
    },
    Rule {
        rests_on: "RFC 1812 §5.2.7.2: a packet would leave by the interface by which it came",
        says: "{a} redirects {b}: there is a better first hop on the same network.",
        alternatives: &["the redirect is forged"],
        next: &["give {b} a route by that gateway", "or let it believe redirects"],
        ..rule("icmp-redirect", 10, Note, "ICMP redirect")
    },
    Rule {
        rests_on: "RFC 792, RFC 4443",
        says: "{a} reports errors to {b}.",
        alternatives: &[],
        next: &["the evidence names destination and reason"],
        ..rule("icmp-error", 20, Note, "ICMP errors")
    },
    Rule {
        rests_on: "RFC 2453 §3.8: an update every 30 s, a route is gone after 180 s",
        says: "{a} has stopped to send RIP updates.",
        alternatives: &["it is down, or RIP was switched off", "a filter, or the link"],
        next: &["look at {a}"],
        ..rule("rip-silent", 60, Error, "RIP router silent for its neighbors' timeout")
    },
    Rule {
        rests_on: "RFC 2453 §3.9.2, §3.10.1",
        says: "{a} has lost routes and tells so (metric 16).",
        alternatives: &["the route now leads by who receives this: poisoned reverse"],
        next: &["look at {a} why: an interface, or a neighbor"],
        ..rule("rip-lost", 40, Warning, "RIP routes lost")
    },
    Rule {
        rests_on: "RFC 2453 §4.1, RFC 4822 §2",
        says: "{a} and {b} authenticate RIP differently: they will not accept each other's updates.",
        alternatives: &["they are on different networks that the capture mixes"],
        next: &["configure the same authentication on both"],
        ..rule("rip-authentication", 70, Error, "RIP authentication differs")
    },
    Rule {
        rests_on: "RFC 2453 §4.6",
        says: "{a} and {b} send different versions of RIP.",
        alternatives: &["both receive both versions"],
        next: &["configure the same version on both"],
        ..rule("rip-version", 50, Warning, "RIP versions differ")
    },
    Rule {
        rests_on: "RFC 2453 §3.9.2",
        says: "{a} sends RIP messages that cannot be used.",
        alternatives: &[],
        next: &["trunkline decode -v shows the message"],
        ..rule("rip-malformed", 45, Warning, "malformed RIP")
    },
    Rule {
        rests_on: "IEEE 802.1D-2004 §17.6",
        says: "The root of the spanning tree has changed from {a} to {b}.",
        alternatives: &[
            "the old root or the way to it failed",
            "a bridge with a better priority was connected",
        ],
        next: &[
            "look at the old root and at what was connected at that time",
            "give the bridge that should be root the best priority, and guard edge ports",
        ],
        ..rule("stp-root", 40, Warning, "root change")
    },
    Rule {
        rests_on: "IEEE 802.1D-2004 §17.11",
        says: "The topology of the spanning tree changes; {a} tells it here first.",
        alternatives: &["{a} only passes on what it heard from bridges behind it"],
        next: &[
            "follow the change behind {a} to the port that went up",
            "make ports to end stations edge ports",
        ],
        ..rule("stp-change", 30, Note, "topology change")
    },
    Rule {
        rests_on: "IEEE 802.1D-2004 §17.6: on a link one bridge is designated",
        says: "{a} and {b} both go on to say that they are the root: neither hears the other.",
        alternatives: &["BPDUs are lost or filtered in one direction", "the capture mixes two networks"],
        next: &["look for BPDU filters and for a fault of one direction"],
        ..rule("stp-two-roots", 60, Error, "two roots on one link")
    },
];
