//! `[bgp]`.

use crate::diagnostic::{Diagnostic, Span};
use crate::neighbor::{Context, groups};
use crate::policy::Policies;
use crate::redistribute::sources;
use crate::section::Section;
use crate::value::Value;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use toml::Spanned;
use trunkline_bgp::config::{Config, ListenRange, NeighborConfig, Redistribute, Reject};
use trunkline_bgp::policy::Policy;
use trunkline_core::{Asn, Prefix};
use trunkline_view::RouteSource;
use trunkline_wire::bgp::PORT;

/// `[bgp]`, what it listens on, and the policies, since they say "our AS" too.
pub(crate) struct Bgp<'a> {
    pub(crate) config: Option<Config>,
    pub(crate) listen: Vec<Spanned<SocketAddr>>,
    pub(crate) policies: Policies<'a>,
}

const SOURCES: [(&str, RouteSource); 4] = [
    ("connected", RouteSource::Connected),
    ("static", RouteSource::Static),
    ("kernel", RouteSource::Kernel),
    ("rip", RouteSource::Rip),
];

/// Reads `[bgp]` and `[[policy.NAME]]`; `rip` is whether the node speaks RIP too. Without the AS number there is no configuration; all else is read still.
pub(crate) fn bgp<'a>(
    mut section: Section<'a>,
    policy: Section<'a>,
    host_name: &str,
    router_id: Option<Ipv4Addr>,
    rip: bool,
) -> Bgp<'a> {
    let asn = section.require("asn", "65001", Value::asn);
    let listen =
        section.read("listen", |v| v.set(Value::text)).unwrap_or_else(|| default_listen(section.span()));
    let policies = Policies::read(policy, asn);
    let groups = groups(section.section("group", "[bgp.group]"), &policies);
    let context = Context { local_asn: asn, policies, groups };
    let neighbors = section.sections("neighbor", "[[bgp.neighbor]]");
    let neighbors: Vec<_> = neighbors.into_iter().filter_map(|s| context.neighbor(s)).collect();
    let ranges = section.sections("listen-range", "[[bgp.listen-range]]");
    let ranges: Vec<_> = ranges.into_iter().filter_map(|s| context.listen_range(s)).collect();
    refuse_duplicates(&section, &neighbors);
    refuse_overlaps(&section, &ranges);
    context.warn_unused(&section);

    let reject = [("close", Reject::Close), ("notify", Reject::Notify)];
    let mut config =
        Config::new(asn.unwrap_or(Asn(0)), router_id.unwrap_or(Ipv4Addr::UNSPECIFIED), host_name);
    config.cluster_id = section.read("cluster-id", Value::text);
    config.networks = section.read("networks", networks).unwrap_or_default();
    config.redistribute =
        section.read("redistribute", |v| redistribute(v, &context.policies, rip)).unwrap_or_default();
    config.neighbors = neighbors.into_iter().map(|n| Arc::new(n.into_inner())).collect();
    config.listen_ranges = ranges.into_iter().map(Spanned::into_inner).collect();
    section.set(&mut config.reject, "reject", |v| v.choice(&reject));
    section.set(&mut config.always_compare_med, "always-compare-med", Value::bool);
    section.set(&mut config.maximum_paths, "maximum-paths", |v| v.integer(1..=64));
    section.set(&mut config.table_shards, "table-shards", |v| v.integer(1..=16));
    section.set(&mut config.multipath_relax, "multipath-relax", Value::bool);
    section.set(&mut config.default_local_pref, "default-local-pref", |v| v.integer(0..=u32::MAX));
    section.set(&mut config.distance_external, "distance-external", |v| v.integer(1..=255));
    section.set(&mut config.distance_internal, "distance-internal", |v| v.integer(1..=255));
    Bgp { config: asn.map(|_| config), listen, policies: context.policies }
}

fn default_listen(span: Span) -> Vec<Spanned<SocketAddr>> {
    let any: [IpAddr; 2] = [Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()];
    any.into_iter().map(|ip| Spanned::new(span.clone(), SocketAddr::new(ip, PORT))).collect()
}

fn networks(value: &Value<'_>) -> Option<Vec<Prefix>> {
    Some(value.set(Value::text)?.into_iter().map(Spanned::into_inner).collect())
}

fn redistribute<'a>(value: &Value<'a>, policies: &Policies<'a>, rip: bool) -> Option<Vec<Redistribute>> {
    let absent = (!rip).then_some(RouteSource::Rip);
    sources(value, "bgp.redistribute", &SOURCES, absent, |source, mut section| {
        let med = section.read("med", |v| v.integer(0..=u32::MAX));
        let policy = section.read("policy", |v| policies.named(v)).unwrap_or(Policy::Accept);
        Redistribute { source, med, policy }
    })
}

fn refuse_duplicates(section: &Section<'_>, neighbors: &[Spanned<NeighborConfig>]) {
    let mut seen = BTreeMap::new();
    for neighbor in neighbors {
        let address = neighbor.get_ref().address;
        let first = seen.entry(address).or_insert_with(|| neighbor.span());
        if *first != neighbor.span() {
            section.reader().push_relation(
                Diagnostic::error(
                    neighbor.span(),
                    format!("neighbor {address} is configured twice"),
                    "again here",
                )
                .related(first.clone(), "first here"),
            );
        }
    }
}

fn refuse_overlaps(section: &Section<'_>, ranges: &[Spanned<ListenRange>]) {
    for (index, range) in ranges.iter().enumerate() {
        let prefix = range.get_ref().prefix;
        let overlaps = |other: Prefix| other.covers(prefix) || prefix.covers(other);
        let earlier = ranges.iter().take(index).find(|earlier| overlaps(earlier.get_ref().prefix));
        if let Some(earlier) = earlier {
            let other = earlier.get_ref().prefix;
            section.reader().push_relation(
                Diagnostic::error(
                    range.span(),
                    format!("listen ranges {other} and {prefix} overlap"),
                    "which of the two a neighbor belongs to must be clear",
                )
                .related(earlier.span(), "the other one"),
            );
        }
    }
}
