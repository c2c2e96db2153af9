//! The whole FSM as one table. Reviewed line by line against RFC 4271 §8.2.2 (RFC 9687 for Event 29); the departures
//! are those that `fsm.rs` lists.

use crate::session::State;
use crate::session::event::Event;
use crate::session::fsm::{Attributes, step};
use std::fmt::Write;

const STATES: [State; 6] = [
    State::Idle,
    State::Connect,
    State::Active,
    State::OpenSent,
    State::OpenConfirm,
    State::Established,
];

/// The usual attributes, and what is told of others where they make a difference.
fn variants() -> [(&'static str, Attributes); 5] {
    let usual = Attributes { damp_peer_oscillations: true, ..Attributes::default() };
    let running = Attributes { delay_open: true, delay_open_timer_running: true, ..usual };
    [
        ("", usual),
        ("  without DampPeerOscillations", Attributes::default()),
        ("  DelayOpen", Attributes { delay_open: true, ..usual }),
        ("  DelayOpenTimer runs", running),
        ("  DelayOpenTimer runs, SendNOTIFICATIONwithoutOPEN", Attributes { notification_without_open: true, ..running }),
    ]
}

fn line(state: State, event: Event, attributes: &Attributes) -> String {
    let (next, actions) = step(state, event, attributes);
    let actions: Vec<_> = actions.iter().map(|a| format!("{a:?}")).collect();
    let next = if next == state { "stays".to_owned() } else { format!("→ {next}") };
    if actions.is_empty() { next } else { format!("{next}: {}", actions.join(", ")) }
}

#[test]
fn state_by_event() {
    let mut table = String::new();
    for state in STATES {
        writeln!(table, "== {state}\n").unwrap();
        for event in Event::ALL {
            let mut told: Vec<String> = Vec::new();
            for (name, attributes) in variants() {
                let line = line(state, *event, &attributes);
                if told.is_empty() {
                    writeln!(table, "{event}\n    {line}").unwrap();
                } else if !told.contains(&line) {
                    writeln!(table, "  {name}\n    {line}").unwrap();
                }
                told.push(line);
            }
        }
        table.push('\n');
    }
    insta::assert_snapshot!("fsm", table);
}

#[test]
fn all_events_of_the_rfc_are_there() {
    // RFC 4271 §8.1 numbers 28 events; RFC 9687 §3.1 adds Event 29.
    let numbers: Vec<u8> = Event::ALL.iter().map(|e| *e as u8).collect();
    assert_eq!(numbers, (1..=29).collect::<Vec<u8>>());
}

#[test]
fn nothing_but_a_start_leaves_idle() {
    // RFC 4271 §8.2.2, Idle.
    for (_, attributes) in variants() {
        for event in Event::ALL.iter().filter(|e| !e.is_start()) {
            let (next, actions) = step(State::Idle, *event, &attributes);
            assert_eq!((next, actions.len()), (State::Idle, 0), "{event}");
        }
    }
}

#[test]
fn start_events_change_nothing_later() {
    // RFC 4271 §8.2.2: "The start events (Events 1, 3-7) are ignored" in all other states.
    for (_, attributes) in variants() {
        for state in STATES.into_iter().skip(1) {
            for event in Event::ALL.iter().filter(|e| e.is_start()) {
                let (next, actions) = step(state, *event, &attributes);
                assert_eq!((next, actions.len()), (state, 0), "{state} {event}");
            }
        }
    }
}
