//! What address resolution counts.

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What address resolution on an interface has seen and done.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Each counter with its name.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }
        }
    };
}

counters! {
    /// Requests that arrived, probes and announcements included.
    requests_received,
    /// Replies that arrived.
    replies_received,
    /// Announcements of others that arrived (sender and target are the same address).
    announcements_received,
    /// Dropped: neither request nor reply.
    unknown_operation,
    /// Dropped: the sender's MAC address is a group or all zeros.
    bad_sender_hardware,
    /// Dropped: the sender's IP address is one that no station can have.
    bad_sender_protocol,
    /// Dropped: our own packet came back.
    own_echo,
    /// Dropped: the link is down.
    link_down,
    /// Accepted, but the frame's source is not the sender's MAC address.
    source_mismatch,
    /// Not answered: the source asks too often.
    source_limited,
    /// Not answered: all sources together ask too often.
    rate_limited,
    /// Packets that contradict a static entry.
    static_contradicted,
    /// Neighbours whose MAC address changed.
    address_changed,
    /// Requests sent by broadcast.
    requests_sent,
    /// Requests sent to the neighbour alone.
    unicast_requests_sent,
    /// Replies sent for our own addresses.
    replies_sent,
    /// Replies sent for others, by proxy.
    proxy_replies_sent,
    /// Probes sent.
    probes_sent,
    /// Announcements sent, for defence too.
    announcements_sent,
    /// Packets of others that use one of our addresses.
    conflicts,
    /// Announcements sent in defence.
    defences,
    /// Addresses given up because of a conflict.
    given_up,
    /// Neighbours that did not answer.
    failed,
    /// Neighbours forgotten because nobody used them.
    aged,
    /// Neighbours forgotten to make room.
    evicted,
    /// Neighbours not remembered because there was no room.
    table_full,
    /// Packets that had to wait.
    packets_queued,
    /// Packets dropped because too many waited.
    packets_dropped,
    /// Packets given back as unreachable.
    packets_unreachable,
}
