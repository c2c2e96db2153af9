//! All rules, one a row.

use super::Rule;
use super::Severity::{self, Error, Note, Warning};

const fn rule(id: &'static str, rank: u8, severity: Severity, title: &'static str) -> Rule {
    Rule {
        id,
        title,
        rests_on: "",
        says: "",
        alternatives: &[],
        next: &[],
        severity,
        notification: None,
        rank,
    }
}

/// A rule about a NOTIFICATION.
const fn told(id: &'static str, code: u8, subcode: Option<u8>, title: &'static str) -> Rule {
    Rule { notification: Some((code, subcode)), ..rule(id, 80, Error, title) }
}

/// Every rule.
pub static RULES: &[Rule] = &[
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
        says: "{a} refuses the connection: nobody listens there at port 179.",
        alternatives: &[
            "the BGP daemon of {a} does not run",
            "it listens at another address, port or in another VRF",
            "a firewall in between or at {a} answers with a RST",
        ],
        next: &[
            "look at {a} whether something listens at TCP port 179 at this address",
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
        says: "{b} signs its SYNs (TCP MD5) and {a} does not answer them: no password, or another one, is configured at {a}.",
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
        says: "{b} signs its SYNs with TCP-AO and {a} does not answer them: the key ids or the keys differ, or {a} has none.",
        alternatives: &["NAT in between: the signature covers the addresses", "a filter, or no way back"],
        next: &["compare key ids, algorithms and keys of both ends"],
        ..rule("ao-silence", 58, Error, "SYN with TCP-AO unanswered")
    },
    Rule {
        rests_on: "RFC 5082 §3 (GTSM)",
        says: "{a} answers with a TTL too small for {b}, which sends with 255 and, it seems, demands the same: TTL security is on at one end only.",
        alternatives: &["a filter at {b} drops the SYN-ACKs", "more hops in between than are configured"],
        next: &[
            "configure TTL security on both ends, or on neither",
            "compare the number of hops with the configured one",
            "nstat -az TcpExtTCPMinTTLDrop at {b}",
        ],
        ..rule("ttl-security", 56, Error, "SYN-ACK with a small TTL ignored by an end that sends 255")
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
        rests_on: "as closed-before-open, and {a} itself connects to another address of the same station",
        says: "{a} does not want connections from {b}: it knows that router by another address.",
        alternatives: &["two neighbors on the same router, of which this one is not configured"],
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
    Rule {
        rests_on: "RFC 4486 §4, 6/5",
        says: "{a} refuses the connection in so many words: Connection Rejected.",
        alternatives: &[
            "the neighbor is disabled at {a}",
            "a limit of connections or of dynamic neighbors is reached",
        ],
        next: &["look at the log of {a}"],
        ..told("connection-rejected", 6, Some(5), "NOTIFICATION 6/5")
    },
    Rule {
        rests_on: "RFC 4271 §6.2, 2/1",
        says: "{a} does not speak the BGP version that {b} offers.",
        alternatives: &["something else than BGP-4 speaks at {b}"],
        next: &["look at the Version of the OPEN of {b} (trunkline decode -v)"],
        ..told("version", 2, Some(1), "NOTIFICATION 2/1")
    },
    Rule {
        rests_on: "RFC 4271 §6.2, 2/2",
        says: "{a} expects another AS number than {b} says it has.",
        alternatives: &[
            "{b} runs in another AS than was agreed",
            "{a} has a wrong remote AS for {b}",
            "{b} uses a local AS for some neighbors only",
        ],
        next: &["compare the AS in the OPEN of {b} with the remote AS that {a} has configured for it"],
        ..told("bad-peer-as", 2, Some(2), "NOTIFICATION 2/2")
    },
    Rule {
        rests_on: "RFC 6286 §2.2, 2/3",
        says: "{a} does not accept the BGP Identifier of {b}.",
        alternatives: &["it is 0", "it is that of {a} itself, on an internal session"],
        next: &["give each router an identifier of its own"],
        ..told("bad-identifier", 2, Some(3), "NOTIFICATION 2/3")
    },
    Rule {
        rests_on: "RFC 4271 §6.2, 2/6",
        says: "{a} does not accept the hold time that {b} offers.",
        alternatives: &[
            "it is 1 or 2 s, which nobody may offer",
            "it is below a minimum that {a} has configured",
        ],
        next: &["set a hold time of at least 3 s, or what {a} demands"],
        ..told("hold-time", 2, Some(6), "NOTIFICATION 2/6")
    },
    Rule {
        rests_on: "RFC 5492 §5, 2/7",
        says: "{a} demands a capability that {b} has not offered.",
        alternatives: &[
            "an address family is configured on one end only",
            "a strict capability match is configured at {a}",
        ],
        next: &[
            "the data of the NOTIFICATION name the capability (trunkline decode -v)",
            "configure the same families on both ends",
        ],
        ..told("capability", 2, Some(7), "NOTIFICATION 2/7")
    },
    Rule {
        rests_on: "RFC 4271 §6.2, 2/4; RFC 5492 §3",
        says: "{a} does not know an optional parameter of {b}: an old speaker that knows no capabilities.",
        alternatives: &["a parameter other than capabilities"],
        next: &["let {b} try without capabilities, or update {a}"],
        ..told("optional-parameter", 2, Some(4), "NOTIFICATION 2/4")
    },
    Rule {
        rests_on: "RFC 9234 §4.2, 2/11",
        says: "The BGP roles do not fit: what {b} says it is, is not the counterpart of what {a} is.",
        alternatives: &["{a} demands a role and {b} has none (strict mode)"],
        next: &["provider goes with customer, route server with its client, peer with peer"],
        ..told("role", 2, Some(11), "NOTIFICATION 2/11")
    },
    Rule {
        rests_on: "RFC 4271 §6.2",
        says: "{a} does not accept the OPEN of {b}.",
        alternatives: &[],
        next: &["trunkline decode -v shows the OPEN field by field"],
        ..told("open-error", 2, None, "another NOTIFICATION 2/x")
    },
    Rule {
        rests_on: "RFC 4271 §6.8, 6/7",
        says: "{a} ends connections with {b} as collisions, again and again, and none stays.",
        alternatives: &[
            "two routers use the same address or the same BGP Identifier",
            "the two ends disagree which connection is to stay",
        ],
        next: &["compare the BGP Identifiers in the OPENs", "make one end passive"],
        ..told("collision", 6, Some(7), "NOTIFICATION 6/7 repeated, no session")
    },
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
        rests_on: "RFC 9687, 8/0",
        says: "{a} could not send for the length of its send hold timer: {b} does not read.",
        alternatives: &["a path that loses everything in one direction"],
        next: &["look at the CPU use of the daemon at {b}"],
        ..told("send-hold", 8, None, "NOTIFICATION 8/0")
    },
    Rule {
        rests_on: "RFC 4271 §6.5, 4/0",
        says: "{a} has heard nothing of {b} for the hold time.",
        alternatives: &[
            "the daemon of {b} hangs or is overloaded",
            "what {b} sends is lost on the way",
            "the link was down for that long",
        ],
        next: &[
            "look at {b} at that time: CPU, log, link",
            "a capture at the other end shows whether {b} sent KEEPALIVEs",
        ],
        ..told("hold-expired", 4, None, "NOTIFICATION 4/0")
    },
    Rule {
        rests_on: "RFC 4486 §4, 6/1",
        says: "{a} ends the session: {b} announces more prefixes than {a} allows.",
        alternatives: &["{b} leaks routes"],
        next: &["raise the limit at {a}, or filter at {b}"],
        ..told("max-prefix", 6, Some(1), "NOTIFICATION 6/1")
    },
    Rule {
        rests_on: "RFC 4486 §4, RFC 9003, 6/2",
        says: "An operator has shut the session down at {a}.",
        alternatives: &["the daemon of {a} was stopped"],
        next: &["the reason, where one was given, stands in the evidence; ask the operator of {a}"],
        ..told("shutdown", 6, Some(2), "NOTIFICATION 6/2")
    },
    Rule {
        rests_on: "RFC 4486 §4, 6/3",
        says: "{b} is no longer configured as a neighbor at {a}.",
        alternatives: &["the daemon of {a} was stopped: some send this then"],
        next: &["ask the operator of {a}"],
        ..told("deconfigured", 6, Some(3), "NOTIFICATION 6/3")
    },
    Rule {
        rests_on: "RFC 4486 §4, 6/4",
        says: "An operator has reset the session at {a}.",
        alternatives: &[],
        next: &["it should come up again by itself"],
        ..told("reset", 6, Some(4), "NOTIFICATION 6/4")
    },
    Rule {
        rests_on: "RFC 4486 §4, 6/6",
        says: "{a} resets the session for a change of its configuration.",
        alternatives: &[],
        next: &["it should come up again by itself"],
        ..told("config-change", 6, Some(6), "NOTIFICATION 6/6")
    },
    Rule {
        rests_on: "RFC 4486 §4, 6/8",
        says: "{a} is out of resources.",
        alternatives: &[],
        next: &["look at the memory of {a}"],
        ..told("resources", 6, Some(8), "NOTIFICATION 6/8")
    },
    Rule {
        rests_on: "RFC 8538 §3, 6/9",
        says: "{a} ends the session for good (Hard Reset): routes are not kept.",
        alternatives: &[],
        next: &["the reason inside stands in the evidence"],
        ..told("hard-reset", 6, Some(9), "NOTIFICATION 6/9")
    },
    Rule {
        rests_on: "RFC 9384, 6/10",
        says: "{a} ends the session since BFD says that {b} is gone.",
        alternatives: &["the link failed", "BFD is too strict for this path"],
        next: &["look at the BFD session of the two"],
        ..told("bfd", 6, Some(10), "NOTIFICATION 6/10")
    },
    Rule {
        rests_on: "RFC 4271 §6.7",
        says: "{a} ends the session without saying why.",
        alternatives: &["the daemon of {a} was stopped"],
        next: &["look at the log of {a}"],
        ..told("cease", 6, None, "another NOTIFICATION 6/x")
    },
    Rule {
        rests_on: "RFC 4271 §6.3, RFC 7606",
        says: "{a} cannot accept an UPDATE of {b} and resets the session.",
        alternatives: &[
            "{a} is strict where RFC 7606 is not",
            "{b} sends a malformed attribute",
            "a third router made the attribute, and {b} passes it on",
        ],
        next: &[
            "the data of the NOTIFICATION hold the attribute (trunkline decode -v)",
            "filter the route at {b} until one of the two is mended",
        ],
        ..told("update-error", 3, None, "NOTIFICATION 3/x")
    },
    Rule {
        rests_on: "RFC 4271 §6.1, RFC 8654 §4, 1/2",
        says: "{a} does not accept the length of a message of {b}.",
        alternatives: &["a message of more than 4096 octets, which was not agreed", "the stream was damaged"],
        next: &["look at the message (trunkline decode -v)"],
        ..told("bad-length", 1, Some(2), "NOTIFICATION 1/2")
    },
    Rule {
        rests_on: "RFC 4271 §6.1",
        says: "{a} finds no BGP message where one should begin.",
        alternatives: &["{b} does not speak BGP", "a proxy changes the stream", "a fault in one of the two"],
        next: &["look at what {b} sent (trunkline decode -v)"],
        ..told("header-error", 1, None, "another NOTIFICATION 1/x")
    },
    Rule {
        rests_on: "RFC 4271 §6.6, RFC 6608",
        says: "{a} got a message that has no place in its state.",
        alternatives: &[],
        next: &["look at the last messages of {b} in the ladder"],
        ..told("fsm-error", 5, None, "NOTIFICATION 5/x")
    },
    Rule {
        rests_on: "RFC 7313 §5",
        says: "{a} does not accept a ROUTE-REFRESH of {b}.",
        alternatives: &[],
        next: &["look at the message (trunkline decode -v)"],
        ..told("refresh-error", 7, None, "NOTIFICATION 7/x")
    },
    Rule {
        rests_on: "RFC 4271 §6: unknown code",
        says: "{a} ends the session with an error that is not known here.",
        alternatives: &[],
        next: &["look at the message (trunkline decode -v)"],
        ..told("unknown-error", 0, None, "NOTIFICATION of an unknown code")
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
