//! What is counted, for the whole host. Names with `tcp` are those of RFC 4022.

/// Defines the counters once, with their names for `show`.
macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident: $name:literal,)*) => {
        /// Counters of a host's TCP.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)*
        }

        impl Counters {
            /// Every counter with its name, in a fixed order.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                [$(($name, self.$field)),*].into_iter()
            }
        }
    };
}

counters! {
    /// CLOSED → SYN-SENT.
    active_opens: "tcpActiveOpens",
    /// LISTEN → SYN-RECEIVED.
    passive_opens: "tcpPassiveOpens",
    /// SYN-SENT or SYN-RECEIVED → CLOSED, SYN-RECEIVED → LISTEN.
    attempt_fails: "tcpAttemptFails",
    /// ESTABLISHED or CLOSE-WAIT → CLOSED at once.
    estab_resets: "tcpEstabResets",
    /// Segments received, with errors too.
    in_segs: "tcpInSegs",
    /// Segments sent, without those that only retransmit.
    out_segs: "tcpOutSegs",
    /// Segments sent again.
    retrans_segs: "tcpRetransSegs",
    /// Segments received with an error: malformed or with a wrong checksum.
    in_errs: "tcpInErrs",
    /// Segments sent with RST.
    out_rsts: "tcpOutRsts",
    /// Segments with a source or destination that no connection can have (RFC 9293 MUST-57).
    bad_address: "tcpInBadAddress",
    /// Segments outside the receive window.
    out_of_window: "tcpInOutOfWindow",
    /// Segments whose acknowledgment is of something never sent or too old (RFC 5961 §5).
    bad_ack: "tcpInBadAck",
    /// Segments dropped by PAWS (RFC 7323 §5).
    paws_drops: "tcpPawsDrops",
    /// Segments without the timestamp that was agreed on (RFC 7323 §3.2).
    timestamp_missing: "tcpTimestampMissing",
    /// Challenge ACKs sent (RFC 5961).
    challenge_acks: "tcpChallengeAcks",
    /// Challenge ACKs not sent because of the limit.
    challenge_acks_limited: "tcpChallengeAcksLimited",
    /// RSTs not sent because of the limit.
    resets_limited: "tcpResetsLimited",
    /// Segments dropped because their TTL is too low (RFC 5082).
    ttl_drops: "tcpTtlDrops",
    /// Segments whose signature is missing, wrong or not expected.
    auth_failures: "tcpAuthFailures",
    /// SYNs dropped because the backlog or the table is full.
    listen_drops: "tcpListenDrops",
    /// SYN cookies sent.
    cookies_sent: "tcpSynCookiesSent",
    /// Connections opened by a cookie that came back.
    cookies_accepted: "tcpSynCookiesAccepted",
    /// ACKs to a listener that carry no cookie of ours.
    cookies_failed: "tcpSynCookiesFailed",
    /// Octets received twice.
    duplicate_octets: "tcpInDuplicateOctets",
    /// Octets received ahead of a gap.
    out_of_order_octets: "tcpInOutOfOrderOctets",
    /// Octets received that no window allowed, or beyond the limit of gaps.
    dropped_octets: "tcpInDroppedOctets",
    /// Octets received that there was no memory for, though the window allowed them.
    pressure_octets: "tcpInPressureOctets",
    /// Connections reset after the user closed them because there were too many.
    orphan_overflow: "tcpOrphanOverflow",
    /// Connections in TIME-WAIT forgotten early because there were too many.
    time_wait_overflow: "tcpTimeWaitOverflow",
    /// Connections in TIME-WAIT replaced by a new one (RFC 6191).
    time_wait_reused: "tcpTimeWaitReused",
    /// Connections ended by a timeout.
    timeouts: "tcpTimeouts",
    /// Zero-window probes sent.
    window_probes: "tcpWindowProbes",
    /// Keepalive probes sent.
    keepalive_probes: "tcpKeepaliveProbes",
    /// ICMP errors that no connection or sequence number fits (RFC 5927 §4).
    icmp_ignored: "tcpIcmpIgnored",
    /// Replies dropped because too many waited to be sent.
    replies_dropped: "tcpRepliesDropped",
}
