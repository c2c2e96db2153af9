//! What only a running node can tell of itself.

use super::{Rule, rule};
use crate::rules::Severity::{Error, Note, Warning};

/// The rules.
pub(super) static LIVE: &[Rule] = &[
    Rule {
        rests_on: "the node's own configuration and orders",
        says: "This node does not want the session with {a}: it is disabled in the configuration, or was shut down.",
        alternatives: &[],
        next: &["trunkline bgp {a} start, or enabled = true in the file"],
        ..rule("disabled-here", 99, Warning, "disabled or shut down here")
    },
    Rule {
        rests_on: "the node's own configuration and orders",
        says: "This node has ended the session with {a} and does not start it again by itself.",
        alternatives: &[],
        next: &["mend what the reason names, then trunkline bgp {a} start"],
        ..rule("stopped-here", 98, Error, "ended here until started by hand")
    },
    Rule {
        rests_on: "the node's addresses",
        says: "The local address that is configured for {a} is not an address of this node: {b}.",
        alternatives: &["the interface that has it is not there yet"],
        next: &["correct local-address of the neighbor, or give the address to an interface"],
        ..rule("local-address", 97, Error, "the local address is not here")
    },
    Rule {
        rests_on: "the node's addresses",
        says: "The address of the neighbor {a} is one of this node's own.",
        alternatives: &[],
        next: &["correct the address of the neighbor"],
        ..rule("own-address", 96, Error, "the neighbor's address is our own")
    },
    Rule {
        rests_on: "the routing table: the system's answer to where packets to {a} go",
        says: "This node has no route to {a}.",
        alternatives: &["a route to it came and went meanwhile"],
        next: &[
            "compare address and mask of the interface towards {a} with those of {a}",
            "trunkline show routes {a}, or give it a static route",
        ],
        ..rule("no-route", 95, Error, "no route to the neighbor")
    },
    Rule {
        rests_on: "the state of the interface",
        says: "The interface that leads to {a} is down: {b}.",
        alternatives: &[],
        next: &["look at the cable, at the other end of it and at what has switched the interface off"],
        ..rule("interface-down", 94, Error, "interface down")
    },
    Rule {
        rests_on: "RFC 4271 §8.2.1: a passive speaker waits for the other to connect",
        says: "This node is passive towards {a} and waits for it to connect, which it has not done.",
        alternatives: &[
            "{a} is passive too",
            "this node is not configured at {a}, or is disabled there",
            "{a} has no route to this node, or connects to another address of it",
            "a filter drops its SYNs",
        ],
        next: &[
            "make one of the two ends active",
            "trunkline explain bgp {a} --probe shows whether {a} listens",
            "capture with the filter 'tcp port 179': do SYNs of {a} arrive?",
        ],
        ..rule("passive-here", 35, Error, "passive here, and the peer does not connect")
    },
    Rule {
        rests_on: "RFC 4271 §5.1.3 and practice: to external neighbors TTL is 1 unless multihop is configured",
        says: "{a} is not directly connected, and this node sends to it with a TTL of 1: multihop is missing.",
        alternatives: &[],
        next: &[
            "configure multihop (or ttl-security with the right number of hops) on both ends",
            "or use addresses of a common link",
        ],
        ..rule("multihop", 93, Error, "external neighbor behind a router, no multihop")
    },
    Rule {
        rests_on: "RFC 9293 §3.8.1: what is not acknowledged is sent again. On Linux TTL security is a thing of the accepted socket (observed): the handshake passes, and the rest is dropped",
        says: "{a} accepts the connection of {b}, but then acknowledges nothing, or nothing more, that {b} sends.",
        alternatives: &[
            "{a} demands a TTL that the packets of {b} have not (ttl-security at {a} only; its counter TCPMinTTLDrop rises)",
            "a filter that lets the handshake pass and not the data",
            "the path takes no packet of this size, or broke just then",
        ],
        next: &[
            "compare ttl-security of both ends",
            "nstat -az TcpExtTCPMinTTLDrop at {a}",
            "capture at {a}: do the segments arrive?",
        ],
        ..rule("unacknowledged", 69, Error, "connection open, data never acknowledged")
    },
    Rule {
        rests_on: "RFC 5082 §3; TCPMinTTLDrop counts what came with less",
        says: "{b} drops what {a} sends, since it comes with a smaller TTL than ttl-security allows: {a} has no TTL security, or is more hops away.",
        alternatives: &["another sender's segments were dropped, and {a} sends none"],
        next: &[
            "configure ttl-security on both ends, or on neither",
            "compare the number of hops with the configured one",
        ],
        ..rule("ttl-dropped", 57, Error, "segments dropped here for their TTL")
    },
    Rule {
        rests_on: "ListenOverflows and TCPReqQFullDrop count SYNs that found no room",
        says: "This node's queue of new connections is full: it cannot take that of {a}.",
        alternatives: &["another program of this network namespace has a full queue"],
        next: &["ss -ltn: Recv-Q and Send-Q of port 179", "look at what opens so many connections"],
        ..rule("listen-queue", 54, Error, "listen queue full here")
    },
    Rule {
        rests_on: "the system's answer to the order to connect",
        says: "This node cannot open a connection to {a}: {b}.",
        alternatives: &[],
        next: &["the reason is the system's own"],
        ..rule("cannot-connect", 53, Error, "the system refuses to connect")
    },
    Rule {
        rests_on: "RFC 8212; the decisions of this node's own table",
        says: "This node uses none of the routes that {a} announces.",
        alternatives: &[],
        next: &["trunkline explain route PREFIX --from {a} tells it for each"],
        ..rule("none-used", 61, Warning, "up, all received routes unused")
    },
    Rule {
        rests_on: "RFC 8212: without an import policy an external session takes no route",
        says: "This node refuses all routes of {a}: no import policy is configured, or one that refuses everything.",
        alternatives: &[],
        next: &["configure import for the neighbor"],
        ..rule("import-refuses", 62, Warning, "up, import refuses everything")
    },
    Rule {
        rests_on: "RFC 8212: without an export policy an external session announces no route",
        says: "This node announces nothing to {a}: no export policy is configured, or one that refuses everything.",
        alternatives: &[],
        next: &["configure export for the neighbor, if it shall hear of routes"],
        ..rule("export-refuses", 11, Note, "up, export refuses everything")
    },
    Rule {
        rests_on: "connections that were turned away, since their address is no neighbor's",
        says: "{b} connects to this node and is no neighbor of it; it may be {a} with another address.",
        alternatives: &["another router, or a scanner"],
        next: &["set the update source of {a} to the address that is configured here, or configure {b} here"],
        ..rule("stranger", 20, Note, "connections from an address that is no neighbor's")
    },
];
