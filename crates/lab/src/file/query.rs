//! What a step asks of a node: pings, traceroutes, TCP connections, orders to spanning tree and RIP.

use super::units;
use std::net::{Ipv4Addr, SocketAddrV4};
use toml::de::DeValue;
use trunkline_config::{Section, Value};
use trunkline_core::Prefix;
use trunkline_node::config::DEFAULT_BRIDGE;
use trunkline_view::Query;
use trunkline_view::probe::{ConnectQuery, PingQuery, TracerouteQuery, TransferQuery};

/// The most octets of one `send`.
const MAX_TEXT: usize = 65_536;

/// `ping`.
pub(super) fn ping(section: &mut Section<'_>) -> Option<Query> {
    let destination = section.require("to", "\"192.0.2.1\"", Value::text::<Ipv4Addr>);
    let mut ping = PingQuery::new(Ipv4Addr::UNSPECIFIED);
    ping.source = section.read("source", Value::text);
    section.set(&mut ping.count, "count", |v| v.integer(1..=1000));
    section.set(&mut ping.interval_ms, "interval", milliseconds);
    section.set(&mut ping.size, "size", |v| v.integer(0..=65_507));
    ping.ttl = section.read("ttl", |v| v.integer(1..=255));
    section.set(&mut ping.dont_fragment, "dont-fragment", Value::bool);
    section.set(&mut ping.timeout_ms, "timeout", milliseconds);
    Some(Query::Ping(PingQuery { destination: destination?, ..ping }))
}

/// `traceroute`.
pub(super) fn traceroute(section: &mut Section<'_>) -> Option<Query> {
    let destination = section.require("to", "\"192.0.2.1\"", Value::text::<Ipv4Addr>);
    let mut way = TracerouteQuery::new(Ipv4Addr::UNSPECIFIED);
    way.source = section.read("source", Value::text);
    section.set(&mut way.max_hops, "max-hops", |v| v.integer(1..=255));
    section.set(&mut way.probes, "probes", |v| v.integer(1..=10));
    section.set(&mut way.timeout_ms, "timeout", milliseconds);
    Some(Query::Traceroute(TracerouteQuery { destination: destination?, ..way }))
}

/// `transfer`.
pub(super) fn transfer(section: &mut Section<'_>) -> Option<Query> {
    let remote = remote(section);
    let send = section.require("octets", "1_000_000", |v| v.integer(0..=1 << 40));
    let source = section.read("source", Value::text);
    let receive = section.read("receive", |v| v.integer(1..=1 << 40));
    let timeout_ms = section.read("timeout", milliseconds);
    Some(Query::TcpTransfer(TransferQuery { remote: remote?, source, send: send?, receive, timeout_ms }))
}

/// `connect`.
pub(super) fn connect(section: &mut Section<'_>) -> Option<Query> {
    let remote = remote(section);
    let source = section.read("source", Value::text);
    let local_port = section.read("local-port", |v| v.integer(1..=65_535));
    let name = section.require("name", "\"c1\"", name);
    Some(Query::TcpConnect(ConnectQuery { name: name?, remote: remote?, source, local_port }))
}

/// `listen`.
pub(super) fn listen(section: &mut Section<'_>) -> Option<Query> {
    let port = section.require("port", "80", |v| v.integer(1..=65_535));
    let name = section.require("name", "\"s1\"", name);
    Some(Query::TcpListen { port: port?, name: name? })
}

/// `send`.
pub(super) fn send(section: &mut Section<'_>) -> Option<Query> {
    let name = section.require("name", "\"c1\"", name);
    let text = section.require("text", "\"hello\"", |v| {
        let text = v.string()?;
        if text.len() > MAX_TEXT {
            return v.refuse(v.problem("is too long", format!("expected at most {MAX_TEXT} octets")));
        }
        Some(text.to_owned())
    });
    Some(Query::TcpSend { name: name?, text: text? })
}

/// `close`.
pub(super) fn close(section: &mut Section<'_>) -> Option<Query> {
    let name = section.require("name", "\"c1\"", name);
    Some(Query::TcpClose { name: name? })
}

/// `abort`.
pub(super) fn abort(section: &mut Section<'_>) -> Option<Query> {
    let name = section.require("name", "\"c1\"", name);
    Some(Query::TcpAbort { name: name? })
}

/// `mcheck`.
pub(super) fn mcheck(section: &mut Section<'_>) -> Option<Query> {
    let (bridge, port) = bridge_port(section)?;
    Some(Query::SpanningTreeMcheck { bridge, port })
}

/// `recover`.
pub(super) fn recover(section: &mut Section<'_>) -> Option<Query> {
    let (bridge, port) = bridge_port(section)?;
    Some(Query::SpanningTreeRecover { bridge, port })
}

/// `clear-rip`.
pub(super) fn clear_rip(section: &mut Section<'_>) -> Option<Query> {
    let prefix = section.read("prefix", |v| match v.text()? {
        Prefix::V4(prefix) => Some(Prefix::V4(prefix)),
        Prefix::V6(_) => v.refuse(v.problem("is an IPv6 prefix", "expected an IPv4 prefix")),
    });
    Some(Query::RipClear { prefix })
}

/// A port of a bridge: of `br0`, unless another is named.
fn bridge_port(section: &mut Section<'_>) -> Option<(String, String)> {
    let bridge = section.read("bridge", name).unwrap_or_else(|| DEFAULT_BRIDGE.to_owned());
    Some((bridge, section.require("port", "\"eth1\"", name)?))
}

/// 1 ms to a minute.
fn milliseconds(value: &Value<'_>) -> Option<u32> {
    let time = units::time(value)?.as_millis();
    let fits = u32::try_from(time).ok().filter(|ms| (1..=60_000).contains(ms));
    fits.or_else(|| value.refuse(value.problem("is out of range", "expected 1ms to 60s")))
}

fn remote(section: &mut Section<'_>) -> Option<SocketAddrV4> {
    let address = section.require("to", "\"192.0.2.1\"", Value::text::<Ipv4Addr>);
    let port = section.require("port", "80", |v| v.integer(1..=65_535_u16));
    Some(SocketAddrV4::new(address?, port?))
}

fn name(value: &Value<'_>) -> Option<String> {
    let name = value.string()?;
    if name.is_empty() || name.len() > 64 {
        return value.refuse(value.problem("is no name", "expected 1 to 64 octets"));
    }
    Some(name.to_owned())
}

/// A value in one line.
pub(super) fn value_words(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{text}\""),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(value) => value.to_string(),
        DeValue::Datetime(time) => time.to_string(),
        DeValue::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| value_words(item.get_ref())).collect();
            format!("[{}]", items.join(", "))
        }
        DeValue::Table(table) => {
            let words =
                |(key, value): (&toml::Spanned<toml::de::DeString<'_>>, &toml::Spanned<DeValue<'_>>)| {
                    let name: &str = key.get_ref();
                    match name {
                        "password" | "key" => format!("{name} = …"),
                        _ => format!("{name} = {}", value_words(value.get_ref())),
                    }
                };
            let items: Vec<String> = table.iter().map(words).collect();
            format!("{{ {} }}", items.join(", "))
        }
    }
}
