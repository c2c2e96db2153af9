//! A whole message.

use super::{Authentication, ENTRY_LEN, Entry, EntryFault, INFINITY, MAX_ENTRIES};
use crate::Malformed;
use crate::bytes::Reader;
use std::fmt;

/// What a message is for (RFC 2453 §3.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Command {
    /// Asks for all or part of a routing table.
    Request,
    /// Tells all or part of it.
    Response,
    /// Something else: traceon, traceoff and others are obsolete.
    Unknown(u8),
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Message {
    /// What it is for.
    pub command: Command,
    /// 1 or 2. One that is higher is read as 2 (RFC 2453 §5); 0 is to be ignored.
    pub version: u8,
    /// "Must be zero" in version 1, "unused" in 2, the Routing Domain of RFC 1388.
    pub unused: u16,
    /// In version 2 only.
    pub authentication: Option<Authentication>,
    /// At most 25, 24 with authentication.
    pub entries: Vec<Entry>,
}

/// Something in a message that is ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// A field of version 1 that must be zero is not: the whole message is to be ignored (RFC 2453 §5, RFC 1058 §3.4).
    MustBeZero,
    /// An entry of a response that cannot be used, and why.
    Entry(Entry, EntryFault),
}

/// What octets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parsed {
    /// What can be used. In a request all entries are there, as it is answered with them (RFC 2453 §3.9.1).
    pub message: Message,
    /// What cannot.
    pub faults: Vec<Fault>,
}

impl Message {
    /// A message without authentication.
    pub fn new(command: Command, version: u8, entries: Vec<Entry>) -> Message {
        Message { command, version, unused: 0, authentication: None, entries }
    }

    /// Reads the payload of a datagram.
    ///
    /// # Errors
    ///
    /// The octets are no message: they end in the middle of an entry, or there are too many.
    pub fn parse(octets: &[u8]) -> Result<Parsed, Malformed> {
        let mut r = Reader::new(octets);
        let truncated = Malformed::truncated("RIP header");
        let command = Command::from(r.u8().ok_or(truncated)?);
        let version = r.u8().ok_or(truncated)?;
        let unused = r.u16().ok_or(truncated)?;
        // To version 1 authentication is an entry of another family (RFC 2453 §5.2).
        let (authentication, entries) =
            if version >= 2 { Authentication::parse(octets)? } else { (None, r.rest()) };
        let room = MAX_ENTRIES - usize::from(authentication.is_some());
        if entries.len() % ENTRY_LEN != 0 || entries.len() / ENTRY_LEN > room {
            return Err(Malformed::length("RIP entries"));
        }
        let mut faults = Vec::new();
        let mut sound = Vec::with_capacity(entries.len() / ENTRY_LEN);
        let mut r = Reader::new(entries);
        let mut zero = unused == 0;
        while let Some(entry) = Entry::read(&mut r) {
            zero &= entry.is_v1();
            match entry.check() {
                Err(fault) if command == Command::Response => faults.push(Fault::Entry(entry, fault)),
                _ => sound.push(entry),
            }
        }
        if version == 1 && !zero {
            faults.push(Fault::MustBeZero);
        }
        let message = Message { command, version, unused, authentication, entries: sound };
        Ok(Parsed { message, faults })
    }

    /// Appends the message. A digest is as long as it is in `authentication`; to be filled in at
    /// [`digest_range`](super::digest_range).
    pub fn emit(&self, out: &mut Vec<u8>) {
        let room = MAX_ENTRIES - usize::from(self.authentication.is_some());
        debug_assert!(self.entries.len() <= room, "a message of {} entries", self.entries.len());
        out.extend_from_slice(&[self.command.into(), self.version]);
        out.extend_from_slice(&self.unused.to_be_bytes());
        if let Some(authentication) = &self.authentication {
            authentication.emit(self.entries.len(), out);
        }
        self.entries.iter().for_each(|entry| entry.emit(out));
        if let Some(authentication) = &self.authentication {
            authentication.emit_trailer(out);
        }
    }

    /// Whether it asks for the whole table: "exactly one entry in the request, and it has an address family identifier
    /// of zero and a metric of infinity" (RFC 2453 §3.9.1).
    pub fn asks_for_whole_table(&self) -> bool {
        let [entry] = self.entries.as_slice() else { return false };
        self.command == Command::Request && entry.address_family == 0 && entry.metric == INFINITY.into()
    }
}

impl From<u8> for Command {
    fn from(code: u8) -> Command {
        match code {
            1 => Command::Request,
            2 => Command::Response,
            other => Command::Unknown(other),
        }
    }
}

impl From<Command> for u8 {
    fn from(command: Command) -> u8 {
        match command {
            Command::Request => 1,
            Command::Response => 2,
            Command::Unknown(code) => code,
        }
    }
}

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Command::Request => f.write_str("request"),
            Command::Response => f.write_str("response"),
            Command::Unknown(code) => write!(f, "command {code}"),
        }
    }
}
