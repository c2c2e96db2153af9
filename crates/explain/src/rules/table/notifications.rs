//! Sessions that end, or never come about, by a NOTIFICATION; a rule for a whole code stands behind those for its subcodes.

use super::{Rule, told};

/// The rules.
pub(super) static NOTIFICATIONS: &[Rule] = &[
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
];
