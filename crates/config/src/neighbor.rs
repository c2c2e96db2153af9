//! `[[bgp.neighbor]]`, `[[bgp.listen-range]]` and `[bgp.group.NAME]`: what one neighbour is like.

use crate::diagnostic::{Diagnostic, Span};
use crate::policy::Policies;
use crate::section::{Section, nearest};
use crate::value::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use toml::Spanned;
use toml::de::DeTable;
use trunkline_bgp::config::{ListenRange, MaximumPrefixes, NeighborConfig};
use trunkline_bgp::transport::{AoAlgorithm, AoKey, AoKeys, Md5Key};
use trunkline_core::{Asn, Duration, Prefix};
use trunkline_wire::bgp::{Family, Role};

const AO_ALGORITHMS: [(&str, AoAlgorithm); 2] =
    [("aes-128-cmac", AoAlgorithm::Aes128Cmac), ("hmac-sha1", AoAlgorithm::HmacSha1)];
const FAMILIES: [(&str, Family); 2] =
    [("ipv4-unicast", Family::IPV4_UNICAST), ("ipv6-unicast", Family::IPV6_UNICAST)];
const ROLES: [(&str, Role); 5] = [
    ("provider", Role::Provider),
    ("customer", Role::Customer),
    ("peer", Role::Peer),
    ("route-server", Role::RouteServer),
    ("route-server-client", Role::RouteServerClient),
];
/// Octets of a TCP MD5 key that Linux takes (`TCP_MD5SIG_MAXKEYLEN`).
const MAX_PASSWORD: usize = 80;

/// What neighbours refer to.
pub(crate) struct Context<'a> {
    /// Our AS, where the file says it.
    pub(crate) local_asn: Option<Asn>,
    /// `[[policy.NAME]]`.
    pub(crate) policies: Policies<'a>,
    /// `[bgp.group.NAME]`.
    pub(crate) groups: BTreeMap<&'a str, Group<'a>>,
}

/// `[bgp.group.NAME]`: keys for neighbours that name it and do not set them.
pub(crate) struct Group<'a> {
    table: &'a DeTable<'a>,
    span: Span,
    used: Cell<bool>,
}

/// Reads the groups: each alone, so that what is wrong in one is said even where nobody uses it.
pub(crate) fn groups<'a>(section: Section<'a>, policies: &Policies<'a>) -> BTreeMap<&'a str, Group<'a>> {
    let mut groups = BTreeMap::new();
    for (name, span, value) in section.entries() {
        if let (Some(mut group), Some(table)) = (value.section("[bgp.group.NAME]"), value.table()) {
            group.read("asn", Value::asn);
            let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            settings(&mut group, &mut NeighborConfig::new(any, Asn(0), Asn(0)), policies);
            groups.insert(name, Group { table, span, used: Cell::new(false) });
        }
    }
    section.accept_all();
    groups
}

impl<'a> Context<'a> {
    /// Lets a neighbour or range take from its group what it lacks itself.
    fn join_group(&self, section: &mut Section<'a>) {
        let Some(value) = section.take("group") else { return };
        let Some(name) = value.string() else { return };
        if let Some(group) = self.groups.get(name) {
            group.used.set(true);
            section.inherit(group.table);
            return;
        }
        let problem = value.problem(
            &format!("names a group \"{name}\" that is not defined"),
            "expected the name of a [bgp.group.NAME]",
        );
        let help = match nearest(name, self.groups.keys().copied()) {
            Some(near) => {
                // Most likely it has a member, then, and no warning should say otherwise.
                self.groups.get(near).into_iter().for_each(|group| group.used.set(true));
                format!("did you mean \"{near}\"?")
            }
            None => format!("define it with [bgp.group.{name}]"),
        };
        value.refuse_relation::<()>(problem.help(help));
    }

    /// Warns of groups without use.
    pub(crate) fn warn_unused(&self, section: &Section<'_>) {
        for (name, group) in self.groups.iter().filter(|(_, group)| !group.used.get()) {
            let message = format!("group `{name}` has no members");
            section.reader().push_relation(
                Diagnostic::warning(group.span.clone(), message, "no neighbor names it")
                    .help(format!("write `group = \"{name}\"` at a neighbor")),
            );
        }
    }

    /// Reads a `[[bgp.neighbor]]`; its span is that of the address.
    pub(crate) fn neighbor(&self, mut section: Section<'a>) -> Option<Spanned<NeighborConfig>> {
        self.join_group(&mut section);
        let address = section.require("address", "\"192.0.2.1\"", peer_address);
        let asn = section.require("asn", "65001", Value::asn);
        let config = self.peer(&mut section, address, asn);
        // With an error elsewhere in it, it still counts where neighbours are compared.
        let config = config.or_else(|| Some(NeighborConfig::new(address?, Asn(0), Asn(0))))?;
        Some(Spanned::new(section.span_of("address"), config))
    }

    /// Reads a `[[bgp.listen-range]]`; its span is that of the prefix.
    pub(crate) fn listen_range(&self, mut section: Section<'a>) -> Option<Spanned<ListenRange>> {
        self.join_group(&mut section);
        let prefix: Option<Prefix> = section.require("prefix", "\"192.0.2.0/24\"", Value::text);
        let asn = section.require("asn", "65001", Value::asn);
        let limit = section.read("limit", |v| v.integer(1..=100_000)).unwrap_or(100);
        for key in ["port", "passive"].into_iter().filter(|key| section.has_itself(key)) {
            let message = format!("`{key}` has no effect on a listen range");
            let label = "its neighbors always connect to us, from whatever port";
            section.reader().push(Diagnostic::warning(section.span_of(key), message, label));
        }
        let config = self.peer(&mut section, prefix.map(Prefix::addr), asn)?;
        let template = Arc::new(NeighborConfig { passive: true, ..config });
        Some(Spanned::new(section.span_of("prefix"), ListenRange { prefix: prefix?, limit, template }))
    }

    /// What neighbours and ranges have in common.
    fn peer(
        &self,
        section: &mut Section<'a>,
        address: Option<IpAddr>,
        asn: Option<Asn>,
    ) -> Option<NeighborConfig> {
        let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        // Without an AS nothing can be said about internal and external.
        let unknown = Asn(0);
        let (peer, local) = (asn.unwrap_or(unknown), self.local_asn.unwrap_or(unknown));
        let mut config = NeighborConfig::new(address.unwrap_or(any), peer, local);
        settings(section, &mut config, &self.policies);
        let check = Check { section, config: &config };
        if address.is_some() {
            check.addresses();
        }
        check.timers_and_hops();
        check.signatures(address);
        if let (Some(asn), Some(local)) = (asn, self.local_asn) {
            check.internal_or_external(asn == local);
        }
        (address.is_some() && asn.is_some()).then_some(config)
    }
}

/// The keys that neighbours, ranges and groups share.
fn settings<'a>(section: &mut Section<'a>, config: &mut NeighborConfig, policies: &Policies<'a>) {
    let c = config;
    section.set(&mut c.port, "port", |v| v.integer(1..=65535));
    c.local_address = section.read("local-address", Value::text);
    c.description = section.read("description", |v| v.string().map(str::to_owned));
    section.set(&mut c.enabled, "enabled", Value::bool);
    section.set(&mut c.passive, "passive", Value::bool);
    section.set(&mut c.families, "families", families);
    section.set(&mut c.hold_time, "hold-time", hold_time);
    // RFC 9687 §4: eight minutes, or twice the hold time where that is more.
    c.send_hold_time = c.hold_time.saturating_mul(2).max(480);
    section.set(&mut c.send_hold_time, "send-hold-time", |v| v.integer(0..=65535));
    section.set(&mut c.connect_retry, "connect-retry", |v| v.integer(1..=65535));
    section.set(&mut c.delay_open, "delay-open", |v| v.integer(0..=65535));
    section.set(&mut c.idle_hold, "idle-hold", |v| v.integer(0..=3600));
    section.set(&mut c.damp_peer_oscillations, "damp-peer-oscillations", Value::bool);
    section.set(&mut c.collision_detect_established, "collision-detect-established", Value::bool);
    section.set(&mut c.notification_without_open, "notification-without-open", Value::bool);
    section.set(&mut c.track_tcp_state, "track-tcp-state", Value::bool);
    c.multihop = section.read("multihop", |v| v.integer(1..=255));
    c.ttl_security = section.read("ttl-security", |v| v.integer(1..=254));
    c.password = section.read("password", password);
    c.tcp_ao = section.read("tcp-ao", tcp_ao);
    c.role = section.read("role", |v| v.choice(&ROLES));
    section.set(&mut c.role_strict, "role-strict", Value::bool);
    section.set(&mut c.route_reflector_client, "route-reflector-client", Value::bool);
    section.set(&mut c.next_hop_self, "next-hop-self", Value::bool);
    section.set(&mut c.allow_own_as, "allow-own-as", |v| v.integer(0..=10));
    section.set(&mut c.enforce_first_as, "enforce-first-as", Value::bool);
    section.set(&mut c.extended_messages, "extended-messages", Value::bool);
    section.set(&mut c.extended_next_hop, "extended-next-hop", Value::bool);
    section.set(&mut c.graceful_restart_helper, "graceful-restart-helper", Value::bool);
    section.set(&mut c.stale_time, "stale-time", |v| v.integer(1..=4095));
    c.maximum_prefixes = section.read("maximum-prefixes", maximum_prefixes);
    section.set(&mut c.import, "import", |v| policies.named(v));
    section.set(&mut c.export, "export", |v| policies.named(v));
}

/// The address of a neighbour: of one machine, and without an interface.
fn peer_address(value: &Value<'_>) -> Option<IpAddr> {
    let address: IpAddr = value.text()?;
    let (what, allowed) = match address {
        a if a.is_unspecified() => ("is no neighbor's address", "stands for any address"),
        a if a.is_multicast() => ("is no neighbor's address", "is a multicast address"),
        IpAddr::V4(Ipv4Addr::BROADCAST) => ("is no neighbor's address", "is the broadcast address"),
        IpAddr::V6(a) if a.is_unicast_link_local() => {
            ("is a link-local address", "would need an interface, which a neighbor cannot name yet")
        }
        _ => return Some(address),
    };
    value.refuse(value.problem(what, allowed))
}

fn families(value: &Value<'_>) -> Option<Vec<Family>> {
    let list = value.set(|item| item.choice(&FAMILIES))?;
    if value.is_empty_list() {
        let problem = value.problem("is empty", "expected \"ipv4-unicast\", \"ipv6-unicast\" or both");
        return value.refuse(problem.help("to keep the neighbor down, write `enabled = false`"));
    }
    Some(list.into_iter().map(Spanned::into_inner).collect())
}

/// RFC 4271 §4.2: zero or at least three seconds.
fn hold_time(value: &Value<'_>) -> Option<u16> {
    match value.integer(0..=65535)? {
        1 | 2 => value.refuse(value.problem(
            "cannot be 1 or 2 seconds",
            "expected 3 to 65535, or 0 for a session without keepalives (RFC 4271 §4.2)",
        )),
        seconds => Some(seconds),
    }
}

fn password(value: &Value<'_>) -> Option<Md5Key> {
    value.secret(MAX_PASSWORD, Some("leave `password` out for none")).map(Md5Key)
}

/// RFC 5925: at least one key, and which of them to begin with.
fn tcp_ao(value: &Value<'_>) -> Option<AoKeys> {
    let mut section = value.section("tcp-ao")?;
    let keys = section.require("keys", "[{ send-id = 1, receive-id = 1, key = \"…\" }]", |keys| {
        let sections = keys.sections("[[tcp-ao.keys]]");
        let count = sections.len();
        let read: Vec<AoKey> = sections.into_iter().filter_map(ao_key).collect();
        match read.len() {
            0 if keys.is_empty_list() => keys.refuse(keys.problem("is empty", "expected at least one key")),
            valid => (valid == count && count > 0).then_some(read),
        }
    });
    let used = section.read("use", |v| v.integer(0..=255));
    let keys = keys?;
    let preferred = used.or_else(|| keys.first().map(|key| key.send_id))?;
    AoKeys::new(keys, preferred).or_else(|| {
        let problem = value.problem("has keys that do not go together", "see the ids");
        value.refuse(problem.help(
            "the `send-id`s must differ, and so must the `receive-id`s (RFC 5925 §3.1); `use` is one of the `send-id`s",
        ))
    })
}

fn ao_key(mut section: Section<'_>) -> Option<AoKey> {
    let send_id = section.require("send-id", "1", |v| v.integer(0..=255));
    let receive_id = section.require("receive-id", "1", |v| v.integer(0..=255));
    let algorithm = section.read("algorithm", |v| v.choice(&AO_ALGORITHMS));
    let key = section.require("key", "\"a secret\"", |v| v.secret(MAX_PASSWORD, None));
    let include_options = section.read("include-options", Value::bool).unwrap_or(true);
    let algorithm = algorithm.unwrap_or(AoAlgorithm::Aes128Cmac);
    Some(AoKey { send_id: send_id?, receive_id: receive_id?, algorithm, key: key?, include_options })
}

fn maximum_prefixes(value: &Value<'_>) -> Option<MaximumPrefixes> {
    if !value.is_table() {
        return Some(MaximumPrefixes { limit: value.integer(1..=u32::MAX)?, warning: 75, restart: None });
    }
    let mut section = value.section("maximum-prefixes")?;
    let limit = section.require("limit", "1000", |v| v.integer(1..=u32::MAX));
    let warning = section.read("warning", |v| v.integer(1..=100)).unwrap_or(75);
    let restart = section.read("restart", |v| v.integer(1..=u32::MAX));
    Some(MaximumPrefixes { limit: limit?, warning, restart: restart.map(|s| Duration::from_secs(s.into())) })
}

/// What must agree between the keys of one neighbour.
struct Check<'c, 'a> {
    section: &'c Section<'a>,
    config: &'c NeighborConfig,
}

impl Check<'_, '_> {
    fn error(&self, key: &str, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::error(self.section.span_of(key), message, label)
    }

    fn warning(&self, key: &str, message: impl Into<String>, label: impl Into<String>) -> Diagnostic {
        Diagnostic::warning(self.section.span_of(key), message, label)
    }

    fn push(&self, problem: Diagnostic) {
        self.section.reader().push_relation(problem);
    }

    fn addresses(&self) {
        let Some(local) = self.config.local_address else { return };
        let remote = self.config.address;
        if local.is_ipv4() != remote.is_ipv4() {
            let other = if self.section.has("prefix") { "prefix" } else { "address" };
            let family = if remote.is_ipv4() { "an IPv4" } else { "an IPv6" };
            self.push(
                self.error(
                    "local-address",
                    "`local-address` is of another family than the neighbor",
                    format!("expected {family} address"),
                )
                .related(self.section.span_of(other), "because of this"),
            );
        } else if local == remote && self.section.has("address") {
            self.push(
                self.error(
                    "local-address",
                    "`local-address` is the neighbor's own",
                    "expected an address of ours",
                )
                .related(self.section.span_of("address"), "the neighbor"),
            );
        }
    }

    /// Of a group's own, none is known to be wrong before it has members.
    fn signatures(&self, address: Option<IpAddr>) {
        if self.config.tcp_ao.is_none() {
            return;
        }
        if self.config.password.is_some() {
            self.push(
                self.error("tcp-ao", "`tcp-ao` and `password` exclude each other", "signs instead of MD5")
                    .related(self.section.span_of("password"), "has no place beside it"),
            );
        }
        if address.is_some_and(|address| address.is_ipv6()) {
            self.push(
                self.error("tcp-ao", "`tcp-ao` at an IPv6 neighbor", "is for IPv4 only")
                    .help("the node's own TCP signs, and that speaks IPv4 today"),
            );
        }
    }

    fn timers_and_hops(&self) {
        let c = self.config;
        if let (Some(_), Some(hops)) = (c.multihop, c.ttl_security) {
            self.push(
                self.error(
                    "ttl-security",
                    "`ttl-security` and `multihop` exclude each other",
                    "counts the hops itself",
                )
                .related(self.section.span_of("multihop"), "has no place beside it")
                .help(format!("leave out `multihop`: `ttl-security = {hops}` says how far away it may be")),
            );
        }
        let set = self.section.has("send-hold-time") && c.send_hold_time != 0;
        if set && c.send_hold_time <= c.hold_time {
            self.push(
                self.warning(
                    "send-hold-time",
                    "`send-hold-time` is not longer than the hold time",
                    format!("expected more than {} (RFC 9687 §4)", c.hold_time),
                )
                .help("a neighbor that is slow to read would be dropped before it could be thought dead"),
            );
        }
        if c.role_strict && c.role.is_none() {
            self.push(
                self.error("role-strict", "`role-strict` needs a `role`", "there is no role to insist on")
                    .help("write for example `role = \"customer\"`: what we are to the neighbor"),
            );
        }
    }

    fn internal_or_external(&self, internal: bool) {
        let c = self.config;
        let asn = self.section.span_of("asn");
        if internal {
            if c.role.is_some() {
                self.push(
                    self.error("role", "`role` at an internal neighbor", "roles are between ASes (RFC 9234)")
                        .related(asn.clone(), "this is our own AS"),
                );
            }
            if c.multihop.is_some() {
                self.push(
                    self.warning(
                        "multihop",
                        "`multihop` at an internal neighbor",
                        "internal ones always are",
                    )
                    .related(asn, "this is our own AS"),
                );
            }
            return;
        }
        if c.route_reflector_client {
            self.push(
                self.error(
                    "route-reflector-client",
                    "`route-reflector-client` at an external neighbor",
                    "routes are reflected inside one AS only (RFC 4456)",
                )
                .related(asn, "this is not our AS"),
            );
        }
        self.needs_policy();
    }

    /// RFC 8212: valid, and most likely not what was meant.
    fn needs_policy(&self) {
        let missing: Vec<&str> =
            ["import", "export"].into_iter().filter(|key| !self.section.has(key)).collect();
        if missing.is_empty() {
            return;
        }
        let (what, label) = match *missing.as_slice() {
            ["import"] => ("`import`", "takes no route from it (RFC 8212)"),
            ["export"] => ("`export`", "sends no route to it (RFC 8212)"),
            _ => ("`import` and `export`", "takes no route from it and sends none (RFC 8212)"),
        };
        let lines: Vec<String> = missing.iter().map(|key| format!("`{key} = \"accept\"`")).collect();
        let message = format!("external neighbor without {what}");
        let place = if self.section.has("prefix") { "prefix" } else { "address" };
        self.push(self.warning(place, message, label).help(format!(
            "write {}, or the name of a policy; \"reject\" makes this warning go away",
            lines.join(" and ")
        )));
    }
}
