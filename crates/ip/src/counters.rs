//! What is counted: the objects of the SNMP groups ip, icmp and udp (RFC 4293, RFC 2011, RFC 4113), and why packets
//! were dropped.

use std::fmt;

macro_rules! counters {
    ($($(#[$doc:meta])* $field:ident $name:literal,)*) => {
        /// Counts since the start.
        #[derive(Debug, Clone, PartialEq, Eq, Default)]
        pub struct Counters {
            $($(#[$doc])* pub $field: u64,)*
            /// Packets dropped, by reason.
            pub dropped: [u64; DropReason::ALL.len()],
        }

        impl Counters {
            /// Every counter with its name, those of the SNMP groups first.
            pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
                let named = [$(($name, self.$field),)*];
                named.into_iter().chain(DropReason::ALL.into_iter().map(|reason| (reason.name(), self.dropped(reason))))
            }
        }
    };
}

counters! {
    /// Packets that arrived.
    ip_in_receives "ipInReceives",
    /// Packets with a header that is wrong, or whose TTL ran out.
    ip_in_hdr_errors "ipInHdrErrors",
    /// Packets whose source or destination cannot be, or that are not for this host.
    ip_in_addr_errors "ipInAddrErrors",
    /// Packets whose octets end before Total Length.
    ip_in_truncated_pkts "ipInTruncatedPkts",
    /// Packets for a protocol that nobody here speaks.
    ip_in_unknown_protos "ipInUnknownProtos",
    /// Datagrams dropped for lack of room.
    ip_in_discards "ipInDiscards",
    /// Datagrams given to a protocol here, ICMP included.
    ip_in_delivers "ipInDelivers",
    /// Packets that were to be forwarded but had no route.
    ip_in_no_routes "ipInNoRoutes",
    /// Packets forwarded.
    ip_forw_datagrams "ipForwDatagrams",
    /// Packets from here.
    ip_out_requests "ipOutRequests",
    /// Packets from here that were not sent, though there was a route.
    ip_out_discards "ipOutDiscards",
    /// Packets from here without a route.
    ip_out_no_routes "ipOutNoRoutes",
    /// Packets given to the link layer.
    ip_out_transmits "ipOutTransmits",
    /// Fragments that arrived for this device.
    ip_reasm_reqds "ipReasmReqds",
    /// Datagrams put together.
    ip_reasm_oks "ipReasmOKs",
    /// Datagrams whose fragments were given up.
    ip_reasm_fails "ipReasmFails",
    /// Of those, the ones whose time ran out.
    ip_reasm_timeouts "ipReasmTimeouts",
    /// Packets cut into fragments.
    ip_frag_oks "ipFragOKs",
    /// Packets that had to be cut and must not.
    ip_frag_fails "ipFragFails",
    /// Fragments made.
    ip_frag_creates "ipFragCreates",
    /// ICMP messages that arrived.
    icmp_in_msgs "icmpInMsgs",
    /// Of those, the ones that are wrong.
    icmp_in_errors "icmpInErrors",
    /// Destination unreachable.
    icmp_in_dest_unreachs "icmpInDestUnreachs",
    /// Time exceeded.
    icmp_in_time_excds "icmpInTimeExcds",
    /// Parameter problem.
    icmp_in_parm_probs "icmpInParmProbs",
    /// Source quench; ignored (RFC 6633).
    icmp_in_src_quenchs "icmpInSrcQuenchs",
    /// Redirects.
    icmp_in_redirects "icmpInRedirects",
    /// Echo requests.
    icmp_in_echos "icmpInEchos",
    /// Echo replies.
    icmp_in_echo_reps "icmpInEchoReps",
    /// Timestamp requests.
    icmp_in_timestamps "icmpInTimestamps",
    /// Timestamp replies.
    icmp_in_timestamp_reps "icmpInTimestampReps",
    /// ICMP messages from here, made by this crate or given to it.
    icmp_out_msgs "icmpOutMsgs",
    /// ICMP errors that the limits held back.
    icmp_out_rate_limited "icmpOutRateLimited",
    /// Destination unreachable.
    icmp_out_dest_unreachs "icmpOutDestUnreachs",
    /// Time exceeded.
    icmp_out_time_excds "icmpOutTimeExcds",
    /// Parameter problem.
    icmp_out_parm_probs "icmpOutParmProbs",
    /// Redirects.
    icmp_out_redirects "icmpOutRedirects",
    /// Echo requests.
    icmp_out_echos "icmpOutEchos",
    /// Echo replies.
    icmp_out_echo_reps "icmpOutEchoReps",
    /// Timestamp replies.
    icmp_out_timestamp_reps "icmpOutTimestampReps",
    /// Redirects that were believed.
    redirects_accepted "redirectsAccepted",
    /// Redirects that were not.
    redirects_refused "redirectsRefused",
    /// Path MTUs that became smaller.
    path_mtu_lowered "pathMtuLowered",
    /// UDP datagrams for a bound port.
    udp_in_datagrams "udpInDatagrams",
    /// UDP datagrams for a port where nobody listens.
    udp_no_ports "udpNoPorts",
    /// UDP datagrams that are wrong.
    udp_in_errors "udpInErrors",
    /// UDP datagrams from here.
    udp_out_datagrams "udpOutDatagrams",
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident $name:literal $text:literal,)*) => {
        /// Why a packet was dropped.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum DropReason {
            $($(#[$doc])* $variant,)*
        }

        impl DropReason {
            /// All of them, in order.
            pub const ALL: [DropReason; [$($name),*].len()] = [$(DropReason::$variant),*];

            /// Its counter's name.
            pub const fn name(self) -> &'static str {
                match self { $(DropReason::$variant => $name,)* }
            }
        }

        impl fmt::Display for DropReason {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $(DropReason::$variant => $text,)* })
            }
        }
    };
}

reasons! {
    /// The header is wrong: length, version or checksum (RFC 1812 §5.2.2).
    Header "dropHeader" "malformed header",
    /// The octets end before Total Length.
    Truncated "dropTruncated" "shorter than its total length",
    /// An option is wrong.
    Options "dropOptions" "malformed option",
    /// It has a source route, and those are not taken.
    SourceRoute "dropSourceRoute" "source routes are not accepted",
    /// Its source route cannot be followed.
    SourceRouteFailed "dropSourceRouteFailed" "source route failed",
    /// Its source cannot be a source (RFC 1812 §5.3.7).
    MartianSource "dropMartianSource" "martian source",
    /// Its destination cannot be a destination (RFC 1812 §5.3.7).
    MartianDestination "dropMartianDestination" "martian destination",
    /// Its source is not routed back (RFC 1812 §5.3.8).
    ReversePath "dropReversePath" "source not routed back",
    /// It came by link-layer broadcast, but is for one (RFC 1812 §5.3.4).
    LinkBroadcast "dropLinkBroadcast" "unicast in a link-layer broadcast",
    /// It is for another, and this is a host (RFC 1122 §3.2.1.3).
    NotForUs "dropNotForUs" "not for this host",
    /// Its interface is unknown or down.
    InterfaceDown "dropInterfaceDown" "interface down",
    /// A group that nobody here is in.
    Multicast "dropMulticast" "no member of the group",
    /// A broadcast to a subnet that takes none from outside (RFC 2644).
    DirectedBroadcast "dropDirectedBroadcast" "directed broadcast",
    /// No route.
    NoRoute "dropNoRoute" "no route",
    /// The route is a blackhole.
    Blackhole "dropBlackhole" "blackhole route",
    /// The route says unreachable.
    Unreachable "dropUnreachable" "unreachable by route",
    /// The route says prohibited.
    Prohibited "dropProhibited" "prohibited by route",
    /// The next hop has no link-layer address.
    NoNeighbor "dropNoNeighbor" "next hop does not answer",
    /// TTL ran out.
    TtlExceeded "dropTtlExceeded" "time to live exceeded",
    /// Too large for the link, and Don't Fragment is set.
    TooBig "dropTooBig" "too big and must not be fragmented",
    /// A fragment that cannot be one.
    BadFragment "dropBadFragment" "impossible fragment",
    /// Fragments overlap.
    FragmentOverlap "dropFragmentOverlap" "overlapping fragments",
    /// A limit of reassembly.
    ReassemblyLimit "dropReassemblyLimit" "too many fragments wait",
    /// Fragments were missing when the time ran out.
    ReassemblyTimeout "dropReassemblyTimeout" "fragments missing",
    /// Nobody here speaks the protocol.
    Protocol "dropProtocol" "unknown protocol",
    /// Nobody listens at the port.
    Port "dropPort" "no one at the port",
    /// What it carries is wrong: ICMP or UDP.
    Payload "dropPayload" "malformed payload",
    /// An ICMP message that is not for us to act on.
    Icmp "dropIcmp" "ignored ICMP message",
}

impl Counters {
    /// Packets dropped for this reason.
    pub fn dropped(&self, reason: DropReason) -> u64 {
        self.dropped.get(reason as usize).copied().unwrap_or_default()
    }

    pub(crate) fn count_drop(&mut self, reason: DropReason) {
        if let Some(count) = self.dropped.get_mut(reason as usize) {
            *count += 1;
        }
        match reason {
            DropReason::Header
            | DropReason::Options
            | DropReason::SourceRouteFailed
            | DropReason::TtlExceeded => {
                self.ip_in_hdr_errors += 1;
            }
            DropReason::Truncated => self.ip_in_truncated_pkts += 1,
            DropReason::MartianSource
            | DropReason::MartianDestination
            | DropReason::ReversePath
            | DropReason::LinkBroadcast
            | DropReason::NotForUs => self.ip_in_addr_errors += 1,
            DropReason::NoRoute => self.ip_in_no_routes += 1,
            DropReason::Protocol => self.ip_in_unknown_protos += 1,
            DropReason::ReassemblyLimit | DropReason::FragmentOverlap | DropReason::ReassemblyTimeout => {
                self.ip_reasm_fails += 1;
            }
            _ => {}
        }
    }
}
