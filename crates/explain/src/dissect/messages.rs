//! The BGP messages that a frame completes, in words and as data.

use super::line::{number, put};
use super::update::{Field, Looked, Wrong};
use crate::framer::Piece;
use serde_json::{Value, json};
use std::fmt::Write;
use trunkline_wire::bgp::{self, Capability, MessageType, Notification, Open};

/// The most messages of a frame that are told one by one.
const MAX_TOLD: u32 = 4;

/// The most prefixes of an UPDATE that are told.
const MAX_PREFIXES: usize = 4;

/// The messages of a frame in words: the first ones each, the others by number.
#[derive(Debug, Default)]
pub(super) struct Summary {
    words: String,
    count: u32,
    /// By type, of those that are not told one by one.
    more: [u32; 6],
    prefixes: u32,
}

impl Summary {
    pub(super) fn clear(&mut self) {
        self.words.clear();
        (self.count, self.more, self.prefixes) = (0, [0; 6], 0);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Adds what was found in the stream.
    #[inline]
    pub(super) fn add(&mut self, piece: &Piece<'_>) {
        self.count += 1;
        let told = self.count <= MAX_TOLD;
        if told && self.count > 1 {
            self.words.push_str("; ");
        }
        match piece {
            Piece::Message { frame, .. } if told => words(frame, &mut self.words),
            Piece::Message { frame, .. } => self.count_only(frame),
            // There can be one in a frame at most that is new: after it a marker is looked for.
            Piece::Fault { error, octets } => fault(error, octets, &mut self.words),
        }
    }

    fn count_only(&mut self, frame: &bgp::Frame<'_>) {
        let sound = match frame.kind {
            MessageType::Open | MessageType::Notification => false,
            MessageType::Keepalive | MessageType::RouteRefresh => true,
            MessageType::Update => match Looked::at(frame.body) {
                Some(looked) if looked.wrong().is_none() => {
                    self.prefixes += looked.new.map(Field::count).iter().sum::<u32>();
                    true
                }
                _ => false,
            },
        };
        match self.more.get_mut(usize::from(frame.kind.code())) {
            Some(more) if sound => *more += 1,
            // What is rare or wrong is always told.
            _ => {
                self.words.push_str("; ");
                words(frame, &mut self.words);
            }
        }
    }

    /// Appends it.
    pub(super) fn end(&self, out: &mut String) {
        out.push_str(&self.words);
        if self.more.iter().all(|more| *more == 0) {
            return;
        }
        out.push_str("; and ");
        let mut separator = "";
        for (code, more) in self.more.iter().enumerate().filter(|(_, more)| **more > 0) {
            let kind = MessageType::from_code(code as u8).unwrap_or(MessageType::Keepalive);
            put!(out, "{separator}{more} {kind}");
            separator = ", ";
        }
        if self.prefixes > 0 {
            put!(out, " with {} prefixes", self.prefixes);
        }
    }
}

/// Says that octets are no message.
pub(crate) fn fault(error: &Notification, octets: &[u8], out: &mut String) {
    let shown = octets.get(..octets.len().min(24)).unwrap_or(octets);
    put!(out, "malformed: {} instead of a message, as it begins with ", error.error());
    match str::from_utf8(shown) {
        Ok(text) if text.chars().all(|c| !c.is_control() || c.is_whitespace()) => put!(out, "{text:?}"),
        _ => shown.iter().for_each(|octet| put!(out, "{octet:02x}")),
    }
}

/// Appends a message in words.
pub(crate) fn words(frame: &bgp::Frame<'_>, out: &mut String) {
    put!(out, "{}", frame.kind);
    match frame.kind {
        MessageType::Open => match Open::parse(frame.body) {
            Ok(open) => put!(out, ", AS {}", asn(&open)),
            Err(error) => put!(out, ", malformed: {error}"),
        },
        MessageType::Update => return update(frame, out),
        MessageType::Notification => {
            if let Ok(notification) = Notification::parse(frame.body) {
                put!(out, " {notification}");
            }
            return;
        }
        MessageType::RouteRefresh => match bgp::RouteRefresh::parse(frame.body) {
            Ok(refresh) => put!(out, ", {refresh}"),
            Err(error) => put!(out, ", malformed: {}", error.error()),
        },
        MessageType::Keepalive => {}
    }
    length(frame, out);
}

fn length(frame: &bgp::Frame<'_>, out: &mut String) {
    out.push_str(", ");
    number(frame.message.len() as u64, out);
    out.push_str(" octets");
}

fn update(frame: &bgp::Frame<'_>, out: &mut String) {
    let Some(looked) = Looked::at(frame.body) else {
        put!(out, ", malformed: {}", Wrong::Lengths);
        return length(frame, out);
    };
    if let Some(family) = looked.update.end_of_rib() {
        out.push_str(" End-of-RIB");
        if family != bgp::Family::IPV4_UNICAST {
            put!(out, " of {family}");
        }
        return length(frame, out);
    }
    let before = out.len();
    prefixes(looked.withdrawn, " withdrawn", out);
    let both = out.len() > before && looked.new.iter().any(|field| field.count() > 0);
    prefixes(looked.new, if both { ", new" } else { "" }, out);
    if looked.other_family {
        out.push_str(" of another family");
    }
    if let Some(wrong) = looked.wrong() {
        put!(out, ", malformed: {wrong}");
    }
    length(frame, out);
}

fn prefixes(fields: [Field<'_>; 2], before: &str, out: &mut String) {
    let count = fields.map(Field::count).iter().sum::<u32>() as usize;
    if count == 0 {
        return;
    }
    out.push_str(before);
    for prefix in fields.into_iter().flat_map(Field::prefixes).take(MAX_PREFIXES) {
        out.push(' ');
        prefix.push(out);
    }
    if count > MAX_PREFIXES {
        put!(out, " and {} more", count - MAX_PREFIXES);
    }
}

/// The AS number, also where it needs four octets.
pub(crate) fn asn(open: &Open) -> u32 {
    let four = open.capabilities().find_map(|capability| match capability {
        Capability::FourOctetAs(asn) => Some(asn.0),
        _ => None,
    });
    four.unwrap_or(open.my_as.into())
}

/// A message as data.
pub(super) fn json(piece: &Piece<'_>) -> Value {
    let frame = match piece {
        Piece::Message { frame, .. } => frame,
        Piece::Fault { error, octets } => {
            let mut text = String::new();
            fault(error, octets, &mut text);
            return json!({"type": "none", "malformed": text});
        }
    };
    let mut text = String::new();
    words(frame, &mut text);
    let mut message = json!({"type": frame.kind.to_string(), "length": frame.message.len(), "message": text});
    match frame.kind {
        MessageType::Open => {
            if let Ok(open) = Open::parse(frame.body) {
                message["version"] = json!(open.version);
                message["asn"] = json!(asn(&open));
                message["hold-time"] = json!(open.hold_time);
                message["identifier"] = json!(open.bgp_identifier.to_string());
                let capabilities: Vec<String> = open.capabilities().map(Capability::to_string).collect();
                message["capabilities"] = json!(capabilities);
            }
        }
        MessageType::Update => {
            let Some(looked) = Looked::at(frame.body) else { return message };
            let all = |fields: [Field<'_>; 2]| -> Vec<String> {
                let prefixes = fields.into_iter().flat_map(Field::prefixes);
                prefixes
                    .map(|prefix| {
                        let mut text = String::new();
                        prefix.push(&mut text);
                        text
                    })
                    .collect()
            };
            message["withdrawn-length"] = json!(looked.update.withdrawn_routes.len());
            message["withdrawn"] = json!(all(looked.withdrawn));
            message["nlri"] = json!(all(looked.new));
            if let Some(wrong) = looked.wrong() {
                message["malformed"] = json!(wrong.to_string());
            }
        }
        MessageType::Notification => {
            if let Ok(notification) = Notification::parse(frame.body) {
                message["code"] = json!(notification.code);
                message["subcode"] = json!(notification.subcode);
            }
        }
        MessageType::Keepalive | MessageType::RouteRefresh => {}
    }
    message
}
