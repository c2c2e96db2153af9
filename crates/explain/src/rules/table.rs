//! All rules, one a row, in tables by what they are about.

mod attempts;
mod lan;
mod live;
mod notifications;
mod sessions;

use super::Rule;
use super::Severity::{self, Error};

/// Those of a running node alone, which no capture can show.
pub fn live_rules() -> impl Iterator<Item = &'static Rule> {
    live::LIVE.iter()
}

/// Every rule.
pub fn rules() -> impl Iterator<Item = &'static Rule> {
    [attempts::ATTEMPTS, sessions::SESSIONS, notifications::NOTIFICATIONS, live::LIVE, lan::LAN]
        .into_iter()
        .flatten()
}

const fn rule(id: &'static str, rank: u8, severity: Severity, title: &'static str) -> Rule {
    Rule {
        id,
        title,
        rests_on: "",
        says: "",
        alternatives: &[],
        next: &[],
        severity,
        notification: None,
        rank,
    }
}

/// A rule about a NOTIFICATION.
const fn told(id: &'static str, code: u8, subcode: Option<u8>, title: &'static str) -> Rule {
    Rule { notification: Some((code, subcode)), ..rule(id, 80, Error, title) }
}
