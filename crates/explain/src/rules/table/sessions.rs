//! What goes wrong once a connection is open.

use super::{Rule, rule};
use crate::rules::Severity::{Error, Note, Warning};

/// The rules.
pub(super) static SESSIONS: &[Rule] = &[
    Rule {
        rests_on: "RFC 9293 §3.10.7.4: {a} has acknowledged the OPEN, so its TCP has it",
        says: "Something accepts connections at {a} and takes the OPEN, but no BGP answers.",
        alternatives: &[
            "a proxy or load balancer accepts for {a}, and nobody is behind it",
            "the BGP daemon of {a} hangs",
            "port 179 of {a} belongs to something else",
        ],
        next: &[
            "look at {a} which program has the connection (ss -tnp)",
            "compare the TTL and the timestamps of its segments with those of a ping to {a}",
        ],
        ..rule("open-unanswered", 68, Error, "OPEN acknowledged and never answered")
    },
    Rule {
        rests_on: "RFC 4271 §4.1: a message begins with sixteen octets of ones",
        says: "What answers at port 179 of {a} does not speak BGP.",
        alternatives: &["another service listens there", "a proxy forwards to the wrong place"],
        next: &["the first octets stand in the evidence: they may name the service"],
        ..rule("foreign", 74, Error, "octets that are no BGP")
    },
    Rule {
        rests_on: "RFC 4271 §8.2.2, OpenConfirm: an OPEN that is accepted is answered with a KEEPALIVE",
        says: "OPENs were exchanged, but {a} never confirms with a KEEPALIVE.",
        alternatives: &[
            "the daemon of {a} hangs",
            "a filter or an MTU problem lets the first packets pass and not the later ones",
            "{a} waits for something, such as its own routing table",
        ],
        next: &["look at the state of the session at {a}", "capture at {a}: does it send a KEEPALIVE?"],
        ..rule("stuck-after-open", 76, Error, "no KEEPALIVE after the OPEN")
    },
    Rule {
        rests_on: "RFC 2923 §2.1; RFC 4271 §6.5",
        says: "Large packets from {a} to {b} do not arrive, small ones do: a link on the way has a smaller MTU, and the ICMP messages that would say so are lost.",
        alternatives: &[
            "the window of {b} has room, but {b} drops large packets itself",
            "a link that loses nearly everything",
        ],
        next: &[
            "ping -M do -s 1472 from {a} to {b}, and smaller ones until they pass",
            "let ICMP 'fragmentation needed' and 'packet too big' through",
            "clamp the MSS, or set net.ipv4.tcp_mtu_probing",
        ],
        ..rule("mtu-black-hole", 90, Error, "full-size segments sent again and again while small ones pass")
    },
    Rule {
        rests_on: "RFC 9293 §3.8.6; RFC 9687",
        says: "{a} does not read: its receive window stays closed, so {b} cannot send anything, KEEPALIVEs included.",
        alternatives: &["the daemon of {a} is overloaded or hangs", "{a} is out of memory"],
        next: &[
            "look at the CPU use of the daemon at {a}, and at the receive queue of the connection (ss -tn)",
        ],
        ..rule("zero-window", 88, Error, "zero window for long")
    },
    Rule {
        rests_on: "RFC 4271 §4.4: KEEPALIVEs must not be sent more often than once a second; §6.2: a hold time of 1 or 2 s is not \
                   acceptable; OpenBGPD 7.7 takes it and floods (observed)",
        says: "{a} sends KEEPALIVEs to {b} without a pause.",
        alternatives: &[
            "a hold time of 1 or 2 s, a third of which is rounded to nothing",
            "the timers of {a} are broken",
        ],
        next: &["look at the hold times of both ends: 0, or at least 3 s"],
        ..rule("keepalive-flood", 62, Error, "KEEPALIVEs without end")
    },
    Rule {
        rests_on: "RFC 4724 §4: a connection that ends without a NOTIFICATION is what a restarting speaker leaves",
        says: "The session was up, and {a} broke it off without a NOTIFICATION.",
        alternatives: &[
            "the daemon of {a} crashed or was killed",
            "{a} restarts gracefully",
            "something in between broke the connection off in the name of {a}",
        ],
        next: &[
            "look at {a}: did the daemon or the router restart at that time?",
            "compare the TTL of the last segment with those before",
        ],
        ..rule("broken-off", 66, Error, "an established session ends by FIN or RST alone")
    },
    Rule {
        rests_on: "RFC 4271 §6: errors are told by NOTIFICATION; this one was not",
        says: "{a} breaks the connection off after the OPENs, without a NOTIFICATION.",
        alternatives: &[
            "{a} does not accept the OPEN and does not say so",
            "a collision with another connection that the capture does not have",
            "something in between",
        ],
        next: &["look at the log of {a}"],
        ..rule("dropped-after-open", 64, Error, "connection dropped after the OPEN without a NOTIFICATION")
    },
    Rule {
        rests_on: "RFC 4760 §8",
        says: "The session is up, but {a} and {b} have no address family in common: no route can be exchanged.",
        alternatives: &[],
        next: &["configure the same address families on both ends"],
        ..rule("no-common-family", 60, Error, "up, no common family")
    },
    Rule {
        rests_on: "RFC 4271 §9.1.2: a route with one's own AS in its path is not used",
        says: "The routes of {a} carry the AS of {b} in their path: {b} will not use them.",
        alternatives: &["{b} allows its own AS"],
        next: &["two sites with one AS: allow the own AS at {b}, or override it at {a}"],
        ..rule("own-as", 58, Warning, "up, own AS in the path")
    },
    Rule {
        rests_on: "RFC 8212: an external session without a policy exchanges no route",
        says: "The session is up, but neither {a} nor {b} announces a route.",
        alternatives: &[
            "both demand a policy for external neighbors and have none",
            "neither has a route to announce",
            "routes were announced before the capture began",
        ],
        next: &["look at the export policy of both ends", "look whether there are routes to announce"],
        ..rule("no-routes", 54, Warning, "up, no route in either direction")
    },
    Rule {
        rests_on: "RFC 8212",
        says: "{a} announces no route to {b}.",
        alternatives: &["it has none, or its export policy lets none pass"],
        next: &["look at the export policy of {a}, if there should be routes"],
        ..rule("nothing-announced", 12, Note, "up, no route in one direction")
    },
    Rule {
        rests_on: "RFC 7606",
        says: "UPDATEs of {a} are malformed; {b} has not complained in this capture.",
        alternatives: &["{b} treats the routes as withdrawn, silently"],
        next: &["look for the routes at {b}", "trunkline decode -v shows the attribute"],
        ..rule("malformed-update", 57, Warning, "malformed UPDATE without consequence")
    },
    Rule {
        rests_on: "TCP's numbers show what was sent, and the capture has not all of it",
        says: "Cannot tell why: what decides is missing in the capture.",
        alternatives: &["any of the reasons for which a session ends"],
        next: &["capture again, with a larger buffer (tcpdump -B) and the whole packet (tcpdump -s 0)"],
        ..rule("cannot-tell", 5, Warning, "the capture is incomplete")
    },
];
