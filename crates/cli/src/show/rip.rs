//! `show rip` and `show rip neighbors`.

use super::Style;
use super::table::{Align, Cell, Color, Table};
use super::text::{count, duration};
use std::fmt::Write;
use trunkline_view::RouteSource;
use trunkline_view::rip::{CounterView, InterfaceView, NeighborView, NeighborsView, SummaryView};

const INTERFACES: &[(&str, Align)] = &[
    ("Interface", Align::Left),
    ("State", Align::Left),
    ("Cost", Align::Right),
    ("Send", Align::Left),
    ("Receive", Align::Left),
    ("Split horizon", Align::Left),
    ("Authentication", Align::Left),
];

const NEIGHBORS: &[(&str, Align)] = &[
    ("Neighbor", Align::Left),
    ("Interface", Align::Left),
    ("State", Align::Left),
    ("Version", Align::Right),
    ("Heard", Align::Right),
    ("Routes", Align::Right),
    ("Messages", Align::Right),
    ("BadMsgs", Align::Right),
    ("BadEntries", Align::Right),
];

/// Of what a counter is.
type Noun = (&'static str, &'static str);

const DATAGRAMS: Noun = ("datagram ignored:", "datagrams ignored:");
const ENTRIES: Noun = ("entry ignored:", "entries ignored:");
const CHANGED: Noun = ("entry", "entries");
const REQUESTS: Noun = ("request not answered:", "requests not answered:");
const MESSAGES: Noun = ("message", "messages");

/// What is not as it should be, in words, as RIP's counters have it.
const BAD: [(&str, Noun, &str); 33] = [
    ("not_running", DATAGRAMS, "RIP did not run on the interface"),
    ("not_neighbor", DATAGRAMS, "from outside of the interface's subnets"),
    ("wrong_port", DATAGRAMS, "a response from a port other than 520"),
    ("malformed", DATAGRAMS, "malformed"),
    ("version_zero", DATAGRAMS, "version 0"),
    ("version_refused", DATAGRAMS, "a version that is not heard here"),
    ("must_be_zero", DATAGRAMS, "version 1 with something where zeros must be"),
    ("unknown_command", DATAGRAMS, "neither request nor response"),
    ("auth_missing", DATAGRAMS, "not authenticated, and it should be"),
    ("auth_unexpected", DATAGRAMS, "authenticated, and we have no keys"),
    ("auth_wrong_type", DATAGRAMS, "authenticated in another way than ours"),
    ("auth_unknown_key", DATAGRAMS, "with a key that we do not have"),
    ("auth_expired_key", DATAGRAMS, "with a key that is not valid now"),
    ("auth_mismatch", DATAGRAMS, "the key is another, or someone changed the message"),
    ("auth_old_sequence", DATAGRAMS, "an old sequence number: a replay, or the neighbor lost count"),
    ("auth_version_1", DATAGRAMS, "version 1, which cannot be authenticated"),
    ("neighbors_full", DATAGRAMS, "too many neighbors"),
    ("bad_address_family", ENTRIES, "not IP"),
    ("bad_authentication_entry", ENTRIES, "authentication that is not the first entry"),
    ("bad_metric", ENTRIES, "the metric is not 1 to 16"),
    ("bad_address", ENTRIES, "the address can be no destination"),
    ("bad_subnet_mask", ENTRIES, "the mask has holes"),
    ("bad_host_bits", ENTRIES, "bits beyond the mask"),
    ("next_hop_ignored", CHANGED, "whose next hop is not in our subnets: the neighbor itself was taken"),
    ("next_hop_ourselves", CHANGED, "whose next hop is ourselves: taken as unreachable"),
    ("entries_filtered", CHANGED, "that the filter rejected"),
    ("entries_held_down", CHANGED, "not believed: the destination was held down"),
    ("table_full", CHANGED, "not accepted: too many routes"),
    ("requests_limited", REQUESTS, "too many in a second"),
    ("requests_unanswered", REQUESTS, "we are passive here"),
    ("requests_other_version", REQUESTS, "of a version that we do not send here"),
    ("expired_key_used", MESSAGES, "sent with a key that is out of date"),
    ("no_key", MESSAGES, "not sent: there is no key"),
];

/// What comes before it, the counter, one, many.
type Part = (&'static str, &'static str, &'static str, &'static str);

/// What is as it should be. On a LAN of version 1 we hear our own broadcasts.
const RECEIVED: [Part; 5] = [
    ("received ", "datagrams_received", "datagram", "datagrams"),
    (", ", "requests_received", "request", "requests"),
    (", ", "responses_received", "response", "responses"),
    (" with ", "entries_received", "entry", "entries"),
    (", ", "own_address", "of our own", "of our own"),
];
const SENT: [Part; 5] = [
    ("sent ", "datagrams_sent", "datagram", "datagrams"),
    (", ", "updates_sent", "update", "updates"),
    (", ", "triggered_updates_sent", "triggered update", "triggered updates"),
    (", ", "answers_sent", "answer", "answers"),
    (", ", "requests_sent", "request", "requests"),
];

/// For people.
pub(crate) fn summary(view: &SummaryView, style: Style) -> String {
    let mut text = format!("RIP, distance {}", view.distance);
    if !view.redistribute.is_empty() {
        let sources: Vec<&str> = view.redistribute.iter().copied().map(source).collect();
        let _ = write!(text, ", redistributes {}", sources.join(", "));
    }
    let next = view.next_update.map_or("none is due: RIP runs on no interface".to_owned(), |left| {
        format!("next in {}", seconds(left))
    });
    let after = if view.flush_from == "after-update" { "the last update" } else { "it ceased to be valid" };
    let _ = writeln!(text, "\n  Update     every {}, {next}", seconds(view.update));
    let _ = writeln!(text, "  Invalid    after {}", seconds(view.invalid));
    let _ = match view.hold_down_policy.as_str() {
        "off" => writeln!(text, "  Hold-down  off"),
        policy => writeln!(text, "  Hold-down  for {}, {policy}", seconds(view.hold_down)),
    };
    let _ = writeln!(text, "  Flush      {} after {after}", seconds(view.flush));
    let SummaryView { routes_valid: valid, routes_possibly_down: down, routes_deleted: deleted, .. } = view;
    let total = count(valid + down + deleted, "route", "routes");
    let _ = writeln!(text, "\n{total}: {valid} valid, {down} possibly down, {deleted} deleted");
    if view.changes_pending > 0 {
        let pending = count(view.changes_pending, "change waits", "changes wait");
        let _ = writeln!(text, "{pending} for a triggered update");
    }
    let _ = writeln!(text, "{} heard", count(view.neighbors, "neighbor", "neighbors"));
    text.push('\n');
    if view.interfaces.is_empty() {
        text.push_str("no interfaces\n");
        return text;
    }
    let mut table = Table::new(INTERFACES, style);
    for interface in &view.interfaces {
        table.row(row(interface));
        notes(&interface.counters, style).into_iter().for_each(|note| table.note(note));
    }
    text.push_str(&table.render(0));
    text
}

/// Whole seconds are enough.
fn seconds(time: f64) -> String {
    format!("{} s", time.ceil())
}

fn source(source: RouteSource) -> &'static str {
    match source {
        RouteSource::Connected => "connected",
        RouteSource::Local => "local",
        RouteSource::Static => "static",
        RouteSource::Kernel => "kernel",
        RouteSource::Rip => "rip",
        RouteSource::Bgp => "bgp",
    }
}

fn row(interface: &InterfaceView) -> Vec<Cell> {
    let state = match (interface.running, interface.passive) {
        (true, false) => Cell::colored("runs", Color::Green),
        (true, true) => Cell::colored("runs, passive", Color::Green),
        (false, _) => Cell::colored("down, or no address", Color::Red),
    };
    let authentication = match interface.authentication.as_str() {
        bad if bad.ends_with("valid now") => Cell::colored(bad, Color::Red),
        old if old.ends_with("out of date") => Cell::colored(old, Color::Yellow),
        good => good.into(),
    };
    vec![
        interface.name.as_str().into(),
        state,
        interface.cost.to_string().into(),
        interface.send.as_str().into(),
        interface.receive.as_str().into(),
        interface.split_horizon.as_str().into(),
        authentication,
    ]
}

/// Counters, a line each for what was received, for what was sent, and for each kind of what is bad.
fn notes(counters: &[CounterView], style: Style) -> Vec<String> {
    let value = |name: &str| counters.iter().find(|c| c.name == name).map(|c| c.count);
    let flow = |parts: &[Part]| {
        let words =
            |(before, name, one, many): &Part| Some(format!("{before}{}", count(value(name)?, one, many)));
        let line: String = parts.iter().filter_map(words).collect();
        (!line.is_empty()).then(|| line.replacen(", ", ": ", 1))
    };
    let mut notes = Vec::new();
    notes.extend(flow(&RECEIVED));
    notes.extend(flow(&SENT));
    for counter in counters.iter().filter(|counter| !is_good(&counter.name)) {
        let line = match BAD.iter().find(|(name, ..)| *name == counter.name) {
            Some((_, (one, many), words)) => format!("{} {words}", count(counter.count, one, many)),
            // A node that is newer counts more.
            None => format!("{} {}", counter.count, counter.name),
        };
        notes.push(Color::Yellow.paint(&line, style));
    }
    notes
}

fn is_good(name: &str) -> bool {
    RECEIVED.iter().chain(&SENT).any(|(_, good, ..)| *good == name)
}

/// For people.
pub(crate) fn neighbors(view: &NeighborsView, style: Style) -> String {
    if view.neighbors.is_empty() {
        return "no neighbors\n".to_owned();
    }
    let mut table = Table::new(NEIGHBORS, style);
    for neighbor in &view.neighbors {
        table.row(neighbor_row(neighbor));
        if !neighbor.sequences.is_empty() {
            let keys = neighbor.sequences.iter().map(|(key, number)| format!("{number} with key {key}"));
            table.note(format!("last sequence number {}", keys.collect::<Vec<_>>().join(", ")));
        }
    }
    table.render(0)
}

fn neighbor_row(neighbor: &NeighborView) -> Vec<Cell> {
    let bad = |count: u64| match count {
        0 => "0".into(),
        bad => Cell::colored(bad.to_string(), Color::Yellow),
    };
    vec![
        neighbor.address.to_string().into(),
        neighbor.interface.as_str().into(),
        if neighbor.alive {
            Cell::colored("heard", Color::Green)
        } else {
            Cell::colored("silent", Color::Red)
        },
        neighbor.version.to_string().into(),
        duration(neighbor.heard).into(),
        neighbor.routes.to_string().into(),
        neighbor.packets.to_string().into(),
        bad(neighbor.bad_packets),
        bad(neighbor.bad_entries),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::samples;

    const PLAIN: Style = Style { color: false };

    #[test]
    fn four_timers_and_interfaces_in_every_state() {
        insta::assert_snapshot!(summary(&samples::rip(), PLAIN));
    }

    #[test]
    fn the_rfcs_timers_and_no_interface() {
        let view = SummaryView {
            redistribute: vec![],
            hold_down_policy: "off".into(),
            flush: 120.0,
            flush_from: "after-invalid".into(),
            next_update: None,
            changes_pending: 0,
            interfaces: vec![],
            ..samples::rip()
        };
        insta::assert_snapshot!(summary(&view, PLAIN));
    }

    #[test]
    fn every_counter_of_the_machine_has_words() {
        let names: Vec<&str> = trunkline_rip::Counters::default().named().map(|(name, _)| name).collect();
        for name in &names {
            assert!(is_good(name) != BAD.iter().any(|(bad, ..)| bad == name), "{name}");
        }
        assert_eq!(names.len(), BAD.len() + RECEIVED.len() + SENT.len());
    }

    #[test]
    fn a_counter_that_is_not_known_is_shown_all_the_same() {
        let counter = CounterView { name: "something_new".into(), count: 3 };
        assert_eq!(notes(&[counter], PLAIN), ["3 something_new"]);
    }

    #[test]
    fn neighbors_that_are_heard_and_silent() {
        insta::assert_snapshot!(neighbors(&samples::rip_neighbors(), PLAIN));
        assert_eq!(neighbors(&NeighborsView { neighbors: vec![] }, PLAIN), "no neighbors\n");
    }

    #[test]
    fn what_is_bad_is_colored() {
        let text = summary(&samples::rip(), Style { color: true });
        for bad in
            ["\x1b[31mdown, or no address", "\x1b[31mno key is valid now", "\x1b[33m5 datagrams ignored"]
        {
            assert!(text.contains(bad), "{text}");
        }
    }
}
