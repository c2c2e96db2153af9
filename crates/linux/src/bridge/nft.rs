//! The part of nf_tables' netlink language that the gate speaks (linux/netfilter/nf_tables.h). All of a change goes in
//! one batch, which the kernel carries out whole or not at all, and for every frame at the same moment.

use crate::netlink::requester::Requester;
use crate::netlink::socket::flag;
use crate::netlink::writer::{Writer, attributes};
use netlink_sys::protocols::NETLINK_NETFILTER;
use std::io;

/// NFNL_SUBSYS_NFTABLES
const SUBSYSTEM: u16 = 10;
/// NFNL_MSG_BATCH_BEGIN, NFNL_MSG_BATCH_END
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// NFPROTO_BRIDGE
const FAMILY: u8 = 7;
/// NLM_F_APPEND
const APPEND: u16 = 0x800;

const NEW_TABLE: u16 = SUBSYSTEM << 8;
const GET_TABLE: u16 = NEW_TABLE | 1;
const DEL_TABLE: u16 = NEW_TABLE | 2;
const NEW_CHAIN: u16 = NEW_TABLE | 3;
const NEW_RULE: u16 = NEW_TABLE | 6;
const NEW_SET: u16 = NEW_TABLE | 9;
const NEW_ELEMENT: u16 = NEW_TABLE | 12;
const GET_ELEMENT: u16 = NEW_TABLE | 13;
const DEL_ELEMENT: u16 = NEW_TABLE | 14;

// Every kind of object has its table's name under this number.
const TABLE_NAME: u16 = 1;
const TABLE_USERDATA: u16 = 6;
const CHAIN_NAME: u16 = 3;
const CHAIN_HOOK: u16 = 4;
const CHAIN_TYPE: u16 = 7;
const HOOK_NUMBER: u16 = 1;
const HOOK_PRIORITY: u16 = 2;
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const SET_NAME: u16 = 2;
const SET_FLAGS: u16 = 3;
const SET_KEY_TYPE: u16 = 4;
const SET_KEY_LEN: u16 = 5;
const SET_ID: u16 = 10;
const SET_USERDATA: u16 = 13;
const ELEMENTS_SET: u16 = 2;
const ELEMENTS: u16 = 3;
const LIST_ITEM: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_TIMEOUT: u16 = 4;
const ELEMENT_EXPIRATION: u16 = 5;
const DATA_VALUE: u16 = 1;
const DATA_VERDICT: u16 = 2;
const REGISTER_1: u32 = 1;
/// NFT_SET_TIMEOUT
const WITH_TIMEOUT: u32 = 0x10;

/// A key of a set, by what makes it of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Key {
    /// The index of the interface that it came in at.
    InputInterface,
    /// Of that which it is to leave by.
    OutputInterface,
    /// The family of tables, the same for every frame: a set with this key says yes or no to all of them.
    Always,
}

impl Key {
    /// nft's number of the type, which is for listings alone, and its length.
    const fn kind(self) -> (u32, u32) {
        match self {
            Key::InputInterface | Key::OutputInterface => (20, 4),
            Key::Always => (2, 1),
        }
    }

    /// NFT_META_…
    const fn meta(self) -> u32 {
        match self {
            Key::InputInterface => 4,
            Key::OutputInterface => 5,
            Key::Always => 15,
        }
    }
}

/// What is asked of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) enum Match<'a> {
    /// Whether a key is in a set.
    In(Key, &'a str),
    /// Whether it is not.
    NotIn(Key, &'a str),
    /// Whether it is to this MAC address.
    To([u8; 6]),
}

/// What becomes of a frame.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verdict<'a> {
    Drop,
    Accept,
    Goto(&'a str),
}

/// Where a chain is called from (NF_BR_…).
#[derive(Debug, Clone, Copy)]
pub(super) enum Hook {
    PreRouting = 0,
    Forward = 2,
    LocalOut = 3,
}

/// A batch that changes one table.
pub(super) struct Batch<'a> {
    table: &'a str,
    writer: &'a mut Writer,
    sequence: u32,
    sets: u32,
}

impl Batch<'_> {
    fn message(&mut self, kind: u16, flags: u16, fill: impl FnOnce(&mut Writer)) {
        let table = self.table;
        self.sequence = self.sequence.wrapping_add(1);
        self.writer.message(kind, flag::REQUEST | flags, self.sequence, &[FAMILY, 0, 0, 0], |w| {
            w.text(TABLE_NAME, table);
            fill(w);
        });
    }

    /// An empty table, whatever there was before.
    pub(super) fn table(&mut self, comment: &str) {
        // A table that is not there cannot be removed: so it is made first.
        self.message(NEW_TABLE, flag::CREATE, |_| {});
        self.delete_table();
        self.message(NEW_TABLE, flag::CREATE, |w| {
            // NFTNL_UDATA_TABLE_COMMENT, its length, text: nft shows it.
            let mut data = vec![0, comment.len() as u8 + 1];
            data.extend_from_slice(comment.as_bytes());
            data.push(0);
            w.octets_of(TABLE_USERDATA, &data);
        });
    }

    pub(super) fn delete_table(&mut self) {
        self.message(DEL_TABLE, 0, |_| {});
    }

    /// An empty set.
    pub(super) fn set(&mut self, name: &str, key: Key, timeout: bool) {
        self.sets += 1;
        let id = self.sets;
        let (kind, len) = key.kind();
        self.message(NEW_SET, flag::CREATE, |w| {
            w.text(SET_NAME, name);
            w.u32_be(SET_FLAGS, if timeout { WITH_TIMEOUT } else { 0 });
            w.u32_be(SET_KEY_TYPE, kind);
            w.u32_be(SET_KEY_LEN, len);
            w.u32_be(SET_ID, id);
            // NFTNL_UDATA_SET_KEYBYTEORDER: the machine's, for listings.
            w.octets_of(SET_USERDATA, &[0, 4, 1, 0, 0, 0]);
        });
    }

    /// A chain that frames come to by a verdict.
    pub(super) fn chain(&mut self, name: &str) {
        self.message(NEW_CHAIN, flag::CREATE, |w| w.text(CHAIN_NAME, name));
    }

    /// A chain that frames come to by themselves; what it does not decide on is accepted.
    pub(super) fn base_chain(&mut self, name: &str, hook: Hook, priority: i32) {
        self.message(NEW_CHAIN, flag::CREATE, |w| {
            w.text(CHAIN_NAME, name);
            w.text(CHAIN_TYPE, "filter");
            w.nested(CHAIN_HOOK, |w| {
                w.u32_be(HOOK_NUMBER, hook as u32);
                w.u32_be(HOOK_PRIORITY, priority as u32);
            });
        });
    }

    /// Appends a rule: where all of `matches` hold, `verdict`.
    pub(super) fn rule(&mut self, chain: &str, matches: &[Match<'_>], verdict: Verdict<'_>) {
        self.message(NEW_RULE, flag::CREATE | APPEND, |w| {
            w.text(RULE_CHAIN, chain);
            w.nested(RULE_EXPRESSIONS, |w| {
                matches.iter().for_each(|one| one.write(w));
                verdict.write(w);
            });
        });
    }

    /// Adds an element, which goes by itself after `timeout` milliseconds.
    pub(super) fn add(&mut self, set: &str, key: &[u8], timeout: Option<u64>) {
        self.message(NEW_ELEMENT, flag::CREATE, |w| {
            elements(w, set, key, |w| {
                if let Some(timeout) = timeout {
                    w.octets_of(ELEMENT_TIMEOUT, &timeout.to_be_bytes());
                }
            });
        });
    }

    /// Removes an element, which must be there.
    pub(super) fn remove(&mut self, set: &str, key: &[u8]) {
        self.message(DEL_ELEMENT, 0, |w| elements(w, set, key, |_| {}));
    }

    /// Removes all elements.
    pub(super) fn clear(&mut self, set: &str) {
        self.message(DEL_ELEMENT, 0, |w| w.text(ELEMENTS_SET, set));
    }
}

fn elements(w: &mut Writer, set: &str, key: &[u8], more: impl FnOnce(&mut Writer)) {
    w.text(ELEMENTS_SET, set);
    w.nested(ELEMENTS, |w| {
        w.nested(LIST_ITEM, |w| {
            w.nested(ELEMENT_KEY, |w| w.octets_of(DATA_VALUE, key));
            more(w);
        });
    });
}

/// An expression, NFTA_EXPR_NAME and NFTA_EXPR_DATA.
fn expression(w: &mut Writer, name: &str, fill: impl FnOnce(&mut Writer)) {
    w.nested(LIST_ITEM, |w| {
        w.text(1, name);
        w.nested(2, fill);
    });
}

impl Match<'_> {
    fn write(self, w: &mut Writer) {
        match self {
            Match::In(key, set) => lookup(w, key, set, false),
            Match::NotIn(key, set) => lookup(w, key, set, true),
            Match::To(address) => {
                expression(w, "payload", |w| {
                    // Into register 1, from the Ethernet header, offset 0, six octets.
                    for (kind, value) in [(1, REGISTER_1), (2, 0), (3, 0), (4, 6)] {
                        w.u32_be(kind, value);
                    }
                });
                expression(w, "cmp", |w| {
                    w.u32_be(1, REGISTER_1);
                    w.u32_be(2, 0); // NFT_CMP_EQ
                    w.nested(3, |w| w.octets_of(DATA_VALUE, &address));
                });
            }
        }
    }
}

fn lookup(w: &mut Writer, key: Key, set: &str, invert: bool) {
    expression(w, "meta", |w| {
        w.u32_be(2, key.meta());
        w.u32_be(1, REGISTER_1);
    });
    expression(w, "lookup", |w| {
        w.text(1, set);
        w.u32_be(2, REGISTER_1);
        if invert {
            w.u32_be(5, 1); // NFT_LOOKUP_F_INV
        }
    });
}

impl Verdict<'_> {
    fn write(self, w: &mut Writer) {
        expression(w, "immediate", |w| {
            w.u32_be(1, 0); // into the verdict register
            w.nested(2, |w| {
                w.nested(DATA_VERDICT, |w| match self {
                    Verdict::Drop => w.u32_be(1, 0),
                    Verdict::Accept => w.u32_be(1, 1),
                    Verdict::Goto(chain) => {
                        w.u32_be(1, -4_i32 as u32); // NFT_GOTO
                        w.text(2, chain);
                    }
                });
            });
        });
    }
}

/// The way to nf_tables.
#[derive(Debug)]
pub(super) struct Nft(Requester);

impl Nft {
    pub(super) fn open() -> io::Result<Nft> {
        Requester::open(NETLINK_NETFILTER).map(Nft)
    }

    /// Carries out a batch.
    pub(super) fn change(&mut self, table: &str, fill: impl FnOnce(&mut Batch<'_>)) -> io::Result<()> {
        let write = |writer: &mut Writer, first: u32| write_batch(writer, first, table, fill);
        self.0.ask(write, &mut |_| {})
    }

    /// The comment of a table; `None`: there is no such table.
    pub(super) fn comment(&mut self, table: &str) -> io::Result<Option<String>> {
        let mut comment = String::new();
        let write = |writer: &mut Writer, sequence: u32| {
            let flags = flag::REQUEST | flag::ACK;
            writer.message(GET_TABLE, flags, sequence, &[FAMILY, 0, 0, 0], |w| w.text(TABLE_NAME, table));
            sequence
        };
        let result = self.0.ask(write, &mut |message| {
            let data = attributes(message.payload.get(4..).unwrap_or_default());
            let data = data.filter(|(kind, _)| *kind == TABLE_USERDATA).find_map(|(_, data)| data.get(2..));
            comment = String::from_utf8_lossy(data.unwrap_or_default()).trim_end_matches('\0').to_owned();
        });
        match result {
            Ok(()) => Ok(Some(comment)),
            Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Whether a set has an element whose time is not over.
    pub(super) fn has_elements(&mut self, table: &str, set: &str) -> io::Result<bool> {
        let mut found = false;
        let write = |writer: &mut Writer, sequence: u32| {
            let flags = flag::REQUEST | flag::DUMP;
            writer.message(GET_ELEMENT, flags, sequence, &[FAMILY, 0, 0, 0], |w| {
                w.text(TABLE_NAME, table);
                w.text(ELEMENTS_SET, set);
            });
            sequence
        };
        self.0.ask(write, &mut |message| {
            let lists = attributes(message.payload.get(4..).unwrap_or_default());
            for (_, list) in lists.filter(|(kind, _)| *kind == ELEMENTS) {
                found |= attributes(list).any(|(_, element)| {
                    attributes(element).any(|(kind, left)| kind == ELEMENT_EXPIRATION && left != [0; 8])
                });
            }
        })?;
        Ok(found)
    }
}

/// Returns the last sequence number, of a message that is acknowledged.
fn write_batch(writer: &mut Writer, first: u32, table: &str, fill: impl FnOnce(&mut Batch<'_>)) -> u32 {
    let [high, low] = SUBSYSTEM.to_be_bytes();
    writer.message(BATCH_BEGIN, flag::REQUEST, first, &[0, 0, high, low], |_| {});
    let mut batch = Batch { table, writer, sequence: first, sets: 0 };
    fill(&mut batch);
    let last = batch.sequence;
    // Answered when all is done, after the errors of others.
    writer.set_flags(flag::ACK);
    writer.message(BATCH_END, flag::REQUEST, last.wrapping_add(1), &[0, 0, high, low], |_| {});
    last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::netlink::socket::messages;

    /// The octets that nft 1.0.6 sends for `iif != @mine drop` in a chain `both`, after the names.
    #[test]
    fn a_rule_is_written_as_nft_writes_it() {
        let mut writer = Writer::default();
        write_batch(&mut writer, 1, "t", |batch| {
            batch.rule("both", &[Match::NotIn(Key::InputInterface, "mine")], Verdict::Drop);
        });
        let all: Vec<_> = messages(writer.octets()).collect();
        assert_eq!(all.iter().map(|m| m.kind).collect::<Vec<_>>(), [BATCH_BEGIN, NEW_RULE, BATCH_END]);
        let parts: Vec<_> = attributes(&all[1].payload[4..]).collect();
        assert_eq!(parts[0], (1, &b"t\0"[..]));
        assert_eq!(parts[1], (2, &b"both\0"[..]));
        let expressions: Vec<_> = attributes(parts[2].1).map(|(_, e)| e).collect();
        let names = expressions.iter().map(|e| attributes(e).next().unwrap().1);
        assert_eq!(names.collect::<Vec<_>>(), [&b"meta\0"[..], b"lookup\0", b"immediate\0"]);
        // [ meta load iif => reg 1 ]
        let meta = b"\x14\x00\x02\x80\x08\x00\x02\x00\x00\x00\x00\x04\x08\x00\x01\x00\x00\x00\x00\x01";
        assert!(expressions[0].ends_with(meta));
        // [ immediate reg 0 drop ]
        let drop = b"\x1c\x00\x02\x80\x08\x00\x01\x00\x00\x00\x00\x00\x10\x00\x02\x80\x0c\x00\x02\x80\
                     \x08\x00\x01\x00\x00\x00\x00\x00";
        assert!(expressions[2].ends_with(drop));
        let lookup: Vec<_> = attributes(attributes(expressions[1]).nth(1).unwrap().1).collect();
        assert_eq!(lookup, [(1, &b"mine\0"[..]), (2, &[0, 0, 0, 1]), (5, &[0, 0, 0, 1])]);
    }

    #[test]
    fn an_element_has_its_timeout_in_network_order() {
        let mut writer = Writer::default();
        let last = write_batch(&mut writer, 5, "t", |batch| batch.add("alive", &[7], Some(800)));
        let all: Vec<_> = messages(writer.octets()).collect();
        assert_eq!((all[1].sequence, all[1].flags & flag::ACK, last), (6, flag::ACK, 6));
        let (_, list) = attributes(&all[1].payload[4..]).find(|(kind, _)| *kind == ELEMENTS).unwrap();
        let element: Vec<_> = attributes(attributes(list).next().unwrap().1).collect();
        assert_eq!(element[1], (ELEMENT_TIMEOUT, &[0, 0, 0, 0, 0, 0, 3, 32][..]));
    }
}
