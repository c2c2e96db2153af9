//! The whole FSM as one table. Reviewed line by line against RFC 4271 §8.2.2 (RFC 9687 for Event 29); the departures
//! are those that `fsm.rs` lists.

use crate::session::State;
use crate::session::event::Event;
use crate::session::fsm::{Action, Attributes, step};
use std::fmt::Write;

const STATES: [State; 6] =
    [State::Idle, State::Connect, State::Active, State::OpenSent, State::OpenConfirm, State::Established];

/// The usual attributes, and others that make a difference in a state. The DelayOpenTimer runs in Connect and Active
/// only.
fn variants(state: State) -> Vec<(&'static str, Attributes)> {
    let usual = Attributes { damp_peer_oscillations: true, ..Attributes::default() };
    let running = Attributes { delay_open: true, delay_open_timer_running: true, ..usual };
    let silent = Attributes { notification_without_open: true, ..usual };
    let both = Attributes { notification_without_open: true, ..running };
    let all = vec![
        ("", usual),
        ("DelayOpen", Attributes { delay_open: true, ..usual }),
        ("DelayOpenTimer runs", running),
        ("SendNOTIFICATIONwithoutOPEN", silent),
        ("DelayOpenTimer runs, SendNOTIFICATIONwithoutOPEN", both),
    ];
    let before_open = matches!(state, State::Connect | State::Active);
    all.into_iter().take(if before_open { 5 } else { 1 }).collect()
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
            for (name, attributes) in variants(state) {
                let line = line(state, *event, &attributes);
                if told.is_empty() {
                    writeln!(table, "{event} {line}").unwrap();
                } else if !told.contains(&line) {
                    writeln!(table, "   {name}: {line}").unwrap();
                }
                told.push(line);
            }
        }
        table.push('\n');
    }
    insta::assert_snapshot!("fsm", table);
}

#[test]
fn damping_is_only_left_out() {
    // RFC 4271 §8.2.2: "(optionally) performs peer oscillation damping"; nothing else depends on it.
    for (state, event) in STATES.into_iter().flat_map(|s| Event::ALL.iter().map(move |e| (s, *e))) {
        for (_, attributes) in variants(state) {
            let (next, mut actions) = step(state, event, &attributes);
            let without = Attributes { damp_peer_oscillations: false, ..attributes };
            actions.retain(|a| *a != Action::DampPeerOscillations);
            assert_eq!(step(state, event, &without), (next, actions), "{state} {event}");
        }
    }
}

#[test]
fn what_goes_to_idle_cleans_up() {
    // RFC 4271 §8.2.2: each way to Idle stops the ConnectRetryTimer, releases resources and drops the connection;
    // from Established it deletes the routes, elsewhere there are none.
    for (state, event) in STATES.into_iter().skip(1).flat_map(|s| Event::ALL.iter().map(move |e| (s, *e))) {
        for (_, attributes) in variants(state) {
            let (next, actions) = step(state, event, &attributes);
            let idle = next == State::Idle;
            let dropped =
                actions.contains(&Action::DropConnection) || actions.contains(&Action::ResetConnection);
            assert!(!idle || actions.contains(&Action::ReleaseResources), "{state} {event}");
            assert!(!idle || dropped && actions.contains(&Action::StopConnectRetryTimer), "{state} {event}");
            let routes = idle && state == State::Established;
            assert_eq!(actions.contains(&Action::DeleteRoutes), routes, "{state} {event}");
        }
    }
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
    for (_, attributes) in variants(State::Connect) {
        for event in Event::ALL.iter().filter(|e| !e.is_start()) {
            let (next, actions) = step(State::Idle, *event, &attributes);
            assert_eq!((next, actions.len()), (State::Idle, 0), "{event}");
        }
    }
}

#[test]
fn start_events_change_nothing_later() {
    // RFC 4271 §8.2.2: "The start events (Events 1, 3-7) are ignored" in all other states.
    for state in STATES.into_iter().skip(1) {
        for (_, attributes) in variants(state) {
            for event in Event::ALL.iter().filter(|e| e.is_start()) {
                let (next, actions) = step(state, *event, &attributes);
                assert_eq!((next, actions.len()), (state, 0), "{state} {event}");
            }
        }
    }
}
