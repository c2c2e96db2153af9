//! Connections that do not come about.

use super::{Rule, rule};
use crate::rules::Severity::{Error, Warning};

/// The rules.
pub(super) static ATTEMPTS: &[Rule] = &[
    Rule {
        rests_on: "RFC 4271 §8.2.1: a speaker connects unless it is passive, disabled, or has no route",
        says: "Nobody opens a BGP connection to or from {a}.",
        alternatives: &[
            "both ends are passive",
            "the neighbor is shut down or not configured",
            "there is no route to it",
            "the capture was made where its packets do not pass",
        ],
        next: &[
            "look whether the neighbor is enabled and not passive on at least one end",
            "look for a route to it",
            "capture with the filter 'tcp port 179' on the interface towards it",
        ],
        ..rule("no-attempt", 10, Error, "no SYN in either direction")
    },
    Rule {
        rests_on: "RFC 826; Linux asks three times, a second apart, before it gives up (observed)",
        says: "Nobody answers ARP for {a}, for which {b} asks.",
        alternatives: &[
            "{a} is down",
            "{a} is in another VLAN or another subnet",
            "the answer takes another way than the capture sees",
        ],
        next: &["look at address, mask and VLAN of both ends", "look whether {a} has its link up"],
        ..rule("arp-unanswered", 20, Error, "ARP or neighbor discovery unanswered")
    },
    Rule {
        rests_on: "RFC 9293 §3.10.7.1: a closed port answers a SYN with a RST whose sequence number is 0",
        says: "{a} refuses the connection: nobody listens there at the port of BGP.",
        alternatives: &[
            "the BGP daemon of {a} does not run",
            "it listens at another address, port or in another VRF",
            "a firewall in between or at {a} answers with a RST",
        ],
        next: &[
            "look at {a} whether something listens at this address and TCP port (179 unless configured)",
            "look for reject rules of firewalls",
        ],
        ..rule("refused", 40, Error, "SYN answered by a RST")
    },
    Rule {
        rests_on: "RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1",
        says: "The connection to {a} cannot be made: an ICMP error says that {a} cannot be reached.",
        alternatives: &[
            "a router on the way has no route",
            "a firewall forbids it",
            "the last router gets no answer by ARP or neighbor discovery",
        ],
        next: &["ask the router that sent the error: it is named in the evidence", "trace the route to {a}"],
        ..rule("unreachable", 45, Error, "SYN answered by ICMP unreachable")
    },
    Rule {
        rests_on: "RFC 792; RFC 4271 §5.1.3 and practice: to external neighbors TTL is 1 unless multihop is configured",
        says: "The TTL of packets from {b} to {a} runs out on the way: {a} is not directly connected, and {b} does not know.",
        alternatives: &["a routing loop between the two: then the TTL that {b} sends is large"],
        next: &[
            "configure multihop (or ttl-security with the right number of hops) on both ends",
            "or use addresses of a common link",
        ],
        ..rule("ttl-exceeded", 46, Error, "SYN answered by ICMP time exceeded")
    },
    Rule {
        rests_on: "RFC 9293 §3.8.1: who gets no answer sends again; so {b} had none",
        says: "{a} does not answer the connection attempts of {b} at all.",
        alternatives: &[
            "a filter drops the SYN or the answer",
            "the way back from {a} leads elsewhere or nowhere",
            "{a} is not the right address, or is down",
            "{a} demands a TCP signature (its counter TCPMD5NotFound rises)",
            "{a} demands a TTL that the SYN has not (its counter TCPMinTTLDrop rises)",
            "the listen queue of {a} is full (its counter TCPReqQFullDrop or ListenOverflows rises)",
        ],
        next: &[
            "capture at {a}: does the SYN arrive?",
            "if it does: nstat -az at {a}, look at the counters named here",
            "if not: look at filters on the way",
        ],
        ..rule("silence", 30, Error, "SYN unanswered")
    },
    Rule {
        rests_on: "RFC 2385 §2: a segment without a valid signature is dropped without an answer",
        says: "{a} signs its segments (TCP MD5), {b} does not: each drops what the other sends.",
        alternatives: &["something in between strips or adds TCP options"],
        next: &["configure the same password on both ends, or on neither"],
        ..rule("md5-one-side", 60, Error, "one end signs with MD5, the other does not")
    },
    Rule {
        rests_on: "RFC 2385 §2",
        says: "{a} does not answer the SYNs of {b}, which are signed (TCP MD5): so it does where it has no password for {b}, or another one.",
        alternatives: &[
            "{a} has no password for {b} (its counter TCPMD5Unexpected rises)",
            "the passwords differ (its counter TCPMD5Failure rises)",
            "NAT in between: the signature covers the addresses",
            "a filter, or no way back: as for SYNs without a signature",
        ],
        next: &["compare the passwords, also for blanks at their ends", "nstat -az TcpExtTCPMD5* at {a}"],
        ..rule("md5-silence", 58, Error, "SYN with an MD5 signature unanswered")
    },
    Rule {
        rests_on: "RFC 2385 §2",
        says: "{a} and {b} both sign (TCP MD5), and neither accepts what the other sends: their passwords differ.",
        alternatives: &[
            "NAT in between: the signature covers the addresses",
            "a filter drops both directions",
        ],
        next: &[
            "compare the passwords, also for blanks at their ends",
            "nstat -az TcpExtTCPMD5Failure at either end",
        ],
        ..rule("md5-differs", 62, Error, "both ends sign with MD5, and neither answers")
    },
    Rule {
        rests_on: "RFC 5925 §7.3: a segment whose MAC does not fit is dropped without an answer",
        says: "{a} does not answer the SYNs of {b}, which are signed (TCP-AO): so it does where key ids or keys differ, or it has none.",
        alternatives: &["NAT in between: the signature covers the addresses", "a filter, or no way back"],
        next: &["compare key ids, algorithms and keys of both ends"],
        ..rule("ao-silence", 58, Error, "SYN with TCP-AO unanswered")
    },
    Rule {
        rests_on: "RFC 5082 §3 (GTSM)",
        says: "{a} sends with a TTL too small for {b}, which sends with 255 and, it seems, demands the same: TTL security is on at one end only.",
        alternatives: &[
            "a filter at {b} drops what {a} sends",
            "more hops in between than are configured",
            "{b} sends with 255 without demanding it, as some do with multihop, and does not answer for another reason",
        ],
        next: &[
            "configure TTL security on both ends, or on neither",
            "compare the number of hops with the configured one",
            "nstat -az TcpExtTCPMinTTLDrop at {b}",
        ],
        ..rule("ttl-security", 56, Error, "what has a small TTL ignored by an end that sends 255")
    },
    Rule {
        rests_on: "RFC 9293 §3.8.1: a SYN-ACK is sent again until it is acknowledged",
        says: "{a} answers the SYN, but {b} does not go on: the answer does not reach {b}, or {b} drops it.",
        alternatives: &[
            "a filter on the way back, or one that saw only one direction",
            "TCP signatures that differ",
            "TTL security at {b}",
            "{b} has no route back through the interface that {a} uses (reverse path filter)",
        ],
        next: &["capture at {b}: does the SYN-ACK arrive?", "if it does: nstat -az at {b}"],
        ..rule("syn-ack-unanswered", 50, Error, "SYN-ACK sent again and again")
    },
    Rule {
        rests_on: "BIRD 2.0.12, FRR 8.4, GoBGP 3.10 and OpenBGPD 7.7 all do this (observed); whether FIN or RST comes first is timing",
        says: "BGP runs at {a}, but it does not want {b}: no such neighbor is configured there, or it is disabled. On the wire these two look the same.",
        alternatives: &[
            "{a} holds the neighbor down: too many prefixes, damping, start-up",
            "it is no BGP that listens at port 179 of {a}, but another service, or a proxy with nothing behind it",
            "{a} knows {b} by another address",
            "the listen range of {a} does not cover {b}",
        ],
        next: &[
            "look at {a} whether {b} is configured as a neighbor by exactly this address, and is enabled",
            "compare the source address of {b} with what {a} has configured",
        ],
        ..rule(
            "closed-before-open",
            70,
            Error,
            "connection closed before any BGP message of the accepting end",
        )
    },
    Rule {
        rests_on: "RFC 4271 §8.1.1 (DampPeerOscillations, IdleHoldTimer); OpenBGPD 7.7 after too many prefixes (observed)",
        says: "{a} knows {b}, since it has exchanged OPENs with it, but takes no connection of it now: it holds the neighbor down, or the neighbor was disabled meanwhile.",
        alternatives: &[
            "{a} holds it down after an error: that is the verdict to look at",
            "{a} waits before it connects by itself",
            "an operator has disabled the neighbor at {a} meanwhile",
        ],
        next: &["look at {a} at the state of the neighbor, and when it is to be tried again"],
        ..rule("held-down", 48, Warning, "connection closed by an end that has exchanged OPENs before")
    },
    Rule {
        rests_on: "as closed-before-open, and {a} itself connects to another address of the same station, or takes a connection from there",
        says: "{a} does not want connections from {b}: it seems to know that router by another address.",
        alternatives: &[
            "the other address is that of another router behind the same station",
            "two neighbors on the same router, of which this one is not configured",
        ],
        next: &[
            "set the update source of {b} to the address that {a} has configured, or configure {b} at {a}",
        ],
        ..rule("update-source", 72, Error, "connection from an address that was not agreed")
    },
    Rule {
        rests_on: "RFC 4271 §8.2.2: a connection whose session is not wanted is dropped",
        says: "{a} opens the connection and closes it before its OPEN.",
        alternatives: &[
            "its session was disabled or reconfigured just then",
            "it saw a connection collision and chose the other connection",
            "it is a port scanner or a health check of a load balancer",
        ],
        next: &["look at the log of {a}"],
        ..rule("gave-up", 52, Warning, "the connecting end closes before its OPEN")
    },
];
