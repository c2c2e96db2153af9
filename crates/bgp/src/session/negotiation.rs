//! What our OPEN says, whether the peer's will do, and what both agree on (RFC 4271 §4.2, §6.2; RFC 5492).

use super::{GracefulRestart, Local, Negotiated};
use crate::config::NeighborConfig;
use std::net::SocketAddr;
use trunkline_core::Asn;
use trunkline_wire::bgp::{
    Afi, Capability, ErrorCode, Family, Notification, Open, OptionalParameter, Role, VERSION,
};

/// The longest host name that fits the FQDN capability beside an empty domain name.
const MAX_HOST_NAME: usize = 253;

/// The capabilities we leave out because the peer refused them; remembered until the operator starts or clears the
/// session, or its configuration changes (RFC 5492 §3).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Suppressed {
    /// Send no capabilities at all.
    all: bool,
    /// Leave out exactly these.
    named: Vec<Capability>,
}

impl Suppressed {
    /// Takes a NOTIFICATION 2/4 or 2/7 as an answer to `sent`; returns whether the next OPEN will differ.
    ///
    /// 2/7 names capabilities (RFC 5492 §5): those of them that we sent are left out from now on. A peer that names
    /// only what we did *not* send misses something that we do not have; then there is nothing to leave out, but what
    /// we had left out for its sake comes back. 2/4, or 2/7 that names nothing: no capabilities at all (RFC 5492 §3).
    pub(crate) fn learn(&mut self, notification: &Notification, sent: &Open) -> bool {
        if sent.capabilities().next().is_none() {
            return false;
        }
        let before = self.clone();
        if notification.is(ErrorCode::UNSUPPORTED_OPTIONAL_PARAMETER) {
            self.all = true;
        } else if notification.is(ErrorCode::UNSUPPORTED_CAPABILITY) {
            let named = parse_capabilities(&notification.data);
            if named.is_empty() {
                self.all = true;
            }
            for ours in sent.capabilities().filter(|ours| named.iter().any(|n| names(n, ours))) {
                if !self.named.contains(ours) {
                    self.named.push(ours.clone());
                }
            }
            self.named.retain(|c| sent.capabilities().any(|s| s == c) || !named.iter().any(|n| names(n, c)));
        }
        *self != before
    }

    /// Offer everything again.
    pub(crate) fn forget(&mut self) {
        *self = Suppressed::default();
    }

    /// What is left out, in words.
    pub(crate) fn describe(&self) -> Vec<String> {
        match self.all {
            true => vec!["all capabilities".to_owned()],
            false => self.named.iter().map(Capability::to_string).collect(),
        }
    }
}

/// Whether a capability in the data of a 2/7 means this one of ours: by code, and for one that may stand several times
/// by value.
fn names(named: &Capability, ours: &Capability) -> bool {
    match (named, ours) {
        (Capability::Multiprotocol(a), Capability::Multiprotocol(b)) => a == b,
        (named, ours) => named.code() == ours.code(),
    }
}

/// Reads capabilities as they stand in the data of a 2/7; what cannot be read ends the list.
fn parse_capabilities(mut data: &[u8]) -> Vec<Capability> {
    let mut found = Vec::new();
    while let [code, length, rest @ ..] = data {
        let Some((value, rest)) = rest.split_at_checked(usize::from(*length)) else { break };
        found.push(Capability::parse(*code, value));
        data = rest;
    }
    found
}

/// Everything our OPEN offers when nothing is left out.
fn offers(local: &Local, config: &NeighborConfig) -> Vec<Capability> {
    let mut offers: Vec<_> = config.families.iter().map(|f| Capability::Multiprotocol(*f)).collect();
    offers.push(Capability::RouteRefresh);
    if config.extended_next_hop && config.families.contains(&Family::IPV4_UNICAST) {
        offers.push(Capability::ExtendedNextHop(vec![(Family::IPV4_UNICAST, Afi::Ipv6)]));
    }
    if config.extended_messages {
        offers.push(Capability::ExtendedMessage);
    }
    if let Some(role) = our_role(local, config) {
        offers.push(Capability::Role(role));
    }
    if config.graceful_restart_helper {
        // RFC 4724 §3: no families, we only help; RFC 8538 §2: and NOTIFICATIONs are covered.
        offers.push(Capability::GracefulRestart {
            restart_state: false,
            notification: true,
            restart_time: 0,
            families: Vec::new(),
        });
    }
    offers.push(Capability::FourOctetAs(local.asn));
    offers.push(Capability::EnhancedRouteRefresh);
    if !local.host_name.is_empty() && local.host_name.len() <= MAX_HOST_NAME {
        offers.push(Capability::Fqdn { host_name: local.host_name.clone(), domain_name: String::new() });
    }
    offers
}

/// Roles are for external sessions (RFC 9234 §4.1).
fn our_role(local: &Local, config: &NeighborConfig) -> Option<Role> {
    config.role.filter(|_| config.asn != local.asn)
}

/// Our OPEN (RFC 4271 §4.2). All capabilities stand in one parameter, as RFC 5492 §4 asks.
pub(crate) fn our_open(local: &Local, config: &NeighborConfig, suppressed: &Suppressed) -> Open {
    let mut offers = offers(local, config);
    offers.retain(|c| !suppressed.all && !suppressed.named.contains(c));
    let parameters =
        if offers.is_empty() { Vec::new() } else { vec![OptionalParameter::Capabilities(offers)] };
    Open {
        version: VERSION,
        my_as: local.asn.to_two_octet(),
        hold_time: config.hold_time,
        bgp_identifier: local.router_id,
        parameters,
    }
}

/// Why the peer's OPEN will not do: what to answer (Event 22), and in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the peer is told.
    pub(crate) notification: Notification,
    /// What is wrong, in words.
    pub(crate) text: String,
}

fn refuse<T>(notification: impl Into<Notification>, text: String) -> Result<T, Refusal> {
    Err(Refusal { notification: notification.into(), text })
}

/// Reads an OPEN and says in words what is wrong with it.
pub(crate) fn parse_open(body: &[u8]) -> Result<Open, Refusal> {
    Open::parse(body).map_err(|notification| {
        let text = match (notification.error(), body) {
            (ErrorCode::UNSUPPORTED_VERSION_NUMBER, [version, ..]) => {
                format!("the peer speaks BGP version {version}")
            }
            (ErrorCode::UNACCEPTABLE_HOLD_TIME, [_, _, _, h0, h1, ..]) => {
                format!("the peer says {} s", u16::from_be_bytes([*h0, *h1]))
            }
            (ErrorCode::BAD_BGP_IDENTIFIER, _) => "the peer says 0.0.0.0".to_owned(),
            _ => "the peer's OPEN is malformed".to_owned(),
        };
        Refusal { notification, text }
    })
}

/// The peer's AS as its OPEN says it (RFC 6793 §4.1), and whether by the capability.
fn peer_asn(theirs: &Open) -> (Asn, bool) {
    let four = theirs.capabilities().find_map(|c| match c {
        Capability::FourOctetAs(asn) => Some(*asn),
        _ => None,
    });
    (four.unwrap_or(Asn(u32::from(theirs.my_as))), four.is_some())
}

/// Whether the peer is the AS we expect (RFC 4271 §6.2). The data of the 2/2, of which no RFC says anything, is the AS
/// number that we do not want, in four octets.
fn check_asn(config: &NeighborConfig, ours: &Open, theirs: &Open) -> Result<Asn, Refusal> {
    let (said, four_octet) = peer_asn(theirs);
    // A new speaker to which we may send no capabilities sends none either: AS_TRANS is all it can say.
    let bare = !four_octet && said == Asn::TRANS && ours.capabilities().next().is_none();
    if said == config.asn && said.0 != 0 || bare && config.asn.0 > u32::from(u16::MAX) {
        return Ok(config.asn);
    }
    let hint = match said {
        Asn::TRANS if !four_octet => " (AS_TRANS, without the four-octet AS capability)",
        _ => "",
    };
    refuse(
        Notification::with_data(ErrorCode::BAD_PEER_AS, said.0.to_be_bytes()),
        format!("we expect {}, the peer says {said}{hint}", config.asn),
    )
}

/// RFC 9234 §4.2.
fn check_role(local: &Local, config: &NeighborConfig, theirs: &Open) -> Result<(), Refusal> {
    let Some(ours) = our_role(local, config) else { return Ok(()) };
    let mut said = theirs.capabilities().filter_map(|c| match c {
        Capability::Role(role) => Some(*role),
        _ => None,
    });
    match said.next() {
        None if config.role_strict => {
            refuse(ErrorCode::ROLE_MISMATCH, format!("we are its {ours}, the peer says no role"))
        }
        None => Ok(()),
        Some(first) => match said.find(|other| *other != first) {
            Some(other) => {
                refuse(ErrorCode::ROLE_MISMATCH, format!("the peer says two roles, {first} and {other}"))
            }
            None if first == ours.counterpart() => Ok(()),
            None => refuse(
                ErrorCode::ROLE_MISMATCH,
                format!("our role is {ours}, the peer's is {first} and should be {}", ours.counterpart()),
            ),
        },
    }
}

/// The families an OPEN offers: IPv4 unicast where it has no multiprotocol capability (RFC 4760 §8).
fn families(open: &Open) -> Vec<Family> {
    let mut families = Vec::new();
    for capability in open.capabilities() {
        if let Capability::Multiprotocol(family) = capability
            && !families.contains(family)
        {
            families.push(*family);
        }
    }
    if families.is_empty() {
        families.push(Family::IPV4_UNICAST);
    }
    families
}

fn list(families: &[Family]) -> String {
    families.iter().map(Family::to_string).collect::<Vec<_>>().join(", ")
}

/// Families of both; 2/7 that names ours where there is none (RFC 5492 §3: without a common family the session could
/// carry nothing; a silent session of no families would hide the mistake).
fn agree_families(config: &NeighborConfig, ours: &Open, theirs: &Open) -> Result<Vec<Family>, Refusal> {
    let (offered, theirs) = (families(ours), families(theirs));
    if offered.iter().any(|f| theirs.contains(f)) {
        return Ok(config
            .families
            .iter()
            .filter(|f| offered.contains(f) && theirs.contains(f))
            .copied()
            .collect());
    }
    let mut data = Vec::new();
    offered.iter().for_each(|f| Capability::Multiprotocol(*f).emit(&mut data));
    refuse(
        Notification::with_data(ErrorCode::UNSUPPORTED_CAPABILITY, data),
        format!("no family in common: we offer {}, the peer {}", list(&offered), list(&theirs)),
    )
}

/// The two ends of a connection: ours, the peer's.
pub(crate) type Ends = (SocketAddr, SocketAddr);

/// Checks the peer's OPEN against the configuration (RFC 4271 §6.2 and its successors) and finds what is agreed.
pub(crate) fn agree(
    local: &Local,
    config: &NeighborConfig,
    ours: &Open,
    theirs: &Open,
    (local_end, remote_end): Ends,
) -> Result<Negotiated, Refusal> {
    let peer_asn = check_asn(config, ours, theirs)?;
    // RFC 6286 §2.2: equal identifiers are an error on internal sessions only.
    if theirs.bgp_identifier == local.router_id && peer_asn == local.asn {
        let text = format!("the peer has our identifier {}", local.router_id);
        return refuse(ErrorCode::BAD_BGP_IDENTIFIER, text);
    }
    if let Some(OptionalParameter::Unknown { kind, .. }) = theirs.unsupported_parameter() {
        let text = format!("the peer sends optional parameter {kind}");
        return refuse(ErrorCode::UNSUPPORTED_OPTIONAL_PARAMETER, text);
    }
    check_role(local, config, theirs)?;
    let families = agree_families(config, ours, theirs)?;
    let both = |wanted: fn(&Capability) -> bool| {
        ours.capabilities().any(wanted) && theirs.capabilities().any(wanted)
    };
    Ok(Negotiated {
        peer_asn,
        peer_router_id: theirs.bgp_identifier,
        hold_time: ours.hold_time.min(theirs.hold_time),
        four_octet_as: both(|c| matches!(c, Capability::FourOctetAs(_))),
        extended_message: both(|c| matches!(c, Capability::ExtendedMessage)),
        route_refresh: both(|c| matches!(c, Capability::RouteRefresh)),
        enhanced_route_refresh: both(|c| matches!(c, Capability::EnhancedRouteRefresh)),
        extended_next_hop: families.contains(&Family::IPV4_UNICAST) && both(offers_ipv6_next_hop),
        graceful_restart: graceful_restart(ours, theirs),
        families,
        local: local_end,
        remote: remote_end,
    })
}

fn offers_ipv6_next_hop(capability: &Capability) -> bool {
    matches!(capability, Capability::ExtendedNextHop(entries)
        if entries.contains(&(Family::IPV4_UNICAST, Afi::Ipv6)))
}

/// The peer's graceful restart capability, where we sent ours; of several the last (RFC 4724 §3).
fn graceful_restart(ours: &Open, theirs: &Open) -> Option<GracefulRestart> {
    let find = |open: &Open| {
        open.capabilities().filter(|c| matches!(c, Capability::GracefulRestart { .. })).last().cloned()
    };
    let Some(Capability::GracefulRestart { notification: ours, .. }) = find(ours) else { return None };
    match find(theirs) {
        Some(Capability::GracefulRestart { restart_state, notification, restart_time, families }) => {
            Some(GracefulRestart {
                restart_state,
                notification: ours && notification,
                restart_time,
                families,
            })
        }
        _ => None,
    }
}

/// What was agreed, in words; in the order in which OPENs list capabilities.
pub(crate) fn describe_agreed(negotiated: &Negotiated) -> Vec<String> {
    let mut words: Vec<_> = negotiated.families.iter().map(|f| format!("multiprotocol {f}")).collect();
    let features = [
        (negotiated.route_refresh, "route refresh"),
        (negotiated.enhanced_route_refresh, "enhanced route refresh"),
        (negotiated.four_octet_as, "four-octet AS number"),
        (negotiated.extended_message, "extended message"),
        (negotiated.extended_next_hop, "extended next hop"),
    ];
    words.extend(features.iter().filter(|(agreed, _)| *agreed).map(|(_, name)| (*name).to_owned()));
    if let Some(gr) = &negotiated.graceful_restart {
        let what = if gr.families.is_empty() { "the peer keeps nothing" } else { "we help the peer" };
        let notification = if gr.notification { ", notifications covered" } else { "" };
        words.push(format!("graceful restart ({what}{notification})"));
    }
    words
}
