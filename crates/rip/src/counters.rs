//! What RIP counts.

use crate::auth::AuthFailure;
use crate::io::Refusal;
use trunkline_wire::rip::EntryFault;

macro_rules! counters {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What RIP has seen and done on an interface, or on all.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct Counters {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        impl Counters {
            /// Each counter with its name.
            pub fn named(&self) -> impl Iterator<Item = (&'static str, u64)> + use<> {
                [$((stringify!($name), self.$name)),+].into_iter()
            }

            /// Adds those of another.
            pub(crate) fn add(&mut self, other: &Counters) {
                $(self.$name += other.$name;)+
            }
        }
    };
}

counters! {
    /// Datagrams that arrived.
    datagrams_received,
    /// Requests among them that passed all checks.
    requests_received,
    /// Responses among them that passed all checks.
    responses_received,
    /// Entries of these responses that passed their checks.
    entries_received,
    /// Ignored: RIP does not run on the interface.
    not_running,
    /// Ignored: from one of our own addresses.
    own_address,
    /// Ignored: from outside of the interface's subnets.
    not_neighbor,
    /// Ignored: a response from a port other than 520.
    wrong_port,
    /// Ignored: no message.
    malformed,
    /// Ignored: version 0.
    version_zero,
    /// Ignored: a version that is not heard on the interface.
    version_refused,
    /// Ignored: version 1 with something where zeros must be.
    must_be_zero,
    /// Ignored: neither request nor response.
    unknown_command,
    /// Ignored: not authenticated, and it should be.
    auth_missing,
    /// Ignored: authenticated, and we have no keys.
    auth_unexpected,
    /// Ignored: authenticated in another way than ours.
    auth_wrong_type,
    /// Ignored: with a key that we do not have.
    auth_unknown_key,
    /// Ignored: with a key that is not valid now.
    auth_expired_key,
    /// Ignored: the digest or password is another.
    auth_mismatch,
    /// Ignored: a sequence number lower than one before, so most likely a replay.
    auth_old_sequence,
    /// Ignored: version 1, which cannot be authenticated.
    auth_version_1,
    /// Ignored: from one neighbour too many.
    neighbors_full,
    /// Entries ignored: not IP.
    bad_address_family,
    /// Entries ignored: authentication that is not the first entry.
    bad_authentication_entry,
    /// Entries ignored: the metric is not 1 to 16.
    bad_metric,
    /// Entries ignored: the address can be no destination.
    bad_address,
    /// Entries ignored: the mask has holes.
    bad_subnet_mask,
    /// Entries ignored: bits beyond the mask.
    bad_host_bits,
    /// Entries whose next hop is in none of our subnets there; the neighbour itself is used (RFC 2453 §4.4).
    next_hop_ignored,
    /// Entries whose next hop is ourselves; taken as unreachable.
    next_hop_ourselves,
    /// Entries that the filter rejected; taken as unreachable.
    entries_filtered,
    /// Entries not believed because their destination is held down.
    entries_held_down,
    /// Entries not accepted because there are too many routes.
    table_full,
    /// Requests not answered: too many in a second.
    requests_limited,
    /// Requests not answered: we are passive there.
    requests_unanswered,
    /// Requests not answered: of a version that we do not send there.
    requests_other_version,
    /// Regular updates sent.
    updates_sent,
    /// Triggered updates sent.
    triggered_updates_sent,
    /// Requests sent.
    requests_sent,
    /// Answers sent.
    answers_sent,
    /// Datagrams of these four.
    datagrams_sent,
    /// Messages sent with a key that is out of date.
    expired_key_used,
    /// Messages not sent because there is no key.
    no_key,
}

impl Counters {
    pub(crate) fn refused(&mut self, refusal: Refusal) {
        *match refusal {
            Refusal::NotRunning => &mut self.not_running,
            Refusal::OwnAddress => &mut self.own_address,
            Refusal::NotNeighbor => &mut self.not_neighbor,
            Refusal::WrongPort => &mut self.wrong_port,
            Refusal::Malformed(_) => &mut self.malformed,
            Refusal::VersionZero => &mut self.version_zero,
            Refusal::VersionRefused(_) => &mut self.version_refused,
            Refusal::MustBeZero => &mut self.must_be_zero,
            Refusal::UnknownCommand(_) => &mut self.unknown_command,
            Refusal::NeighborsFull => &mut self.neighbors_full,
            Refusal::Auth(AuthFailure::Missing) => &mut self.auth_missing,
            Refusal::Auth(AuthFailure::Unexpected) => &mut self.auth_unexpected,
            Refusal::Auth(AuthFailure::WrongType) => &mut self.auth_wrong_type,
            Refusal::Auth(AuthFailure::UnknownKey(_)) => &mut self.auth_unknown_key,
            Refusal::Auth(AuthFailure::ExpiredKey(_)) => &mut self.auth_expired_key,
            Refusal::Auth(AuthFailure::Mismatch) => &mut self.auth_mismatch,
            Refusal::Auth(AuthFailure::OldSequence { .. }) => &mut self.auth_old_sequence,
            Refusal::Auth(AuthFailure::Version1) => &mut self.auth_version_1,
        } += 1;
    }

    pub(crate) fn bad_entry(&mut self, fault: EntryFault) {
        *match fault {
            EntryFault::AddressFamily => &mut self.bad_address_family,
            EntryFault::Authentication => &mut self.bad_authentication_entry,
            EntryFault::Metric => &mut self.bad_metric,
            EntryFault::Address => &mut self.bad_address,
            EntryFault::SubnetMask => &mut self.bad_subnet_mask,
            EntryFault::HostBits => &mut self.bad_host_bits,
        } += 1;
    }
}
