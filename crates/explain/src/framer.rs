//! The messages in a stream of BGP, wherever one begins to listen.

use trunkline_wire::bgp::{self, MAX_EXTENDED_MESSAGE_LEN, Notification};

/// The Marker field (RFC 4271 §4.1).
const MARKER: [u8; 16] = [0xff; 16];

/// Something in a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece<'a> {
    /// A message.
    Message {
        /// It.
        frame: bgp::Frame<'a>,
        /// Where in the octets that were just handed in it begins; none where it began before.
        at: Option<usize>,
    },
    /// No message can begin with these octets; what follows is passed over up to the next marker.
    Fault {
        /// What a speaker answers to them (RFC 4271 §6.1).
        error: Notification,
        /// The octets.
        octets: &'a [u8],
    },
}

/// Cuts a stream into messages.
#[derive(Debug, Clone, Default)]
pub struct Framer {
    /// The beginning of a message.
    partial: Vec<u8>,
    /// Whether the place where a message begins is not known.
    searching: bool,
}

impl Framer {
    /// One that begins in the middle of a stream.
    pub fn in_the_middle() -> Framer {
        Framer { partial: Vec::new(), searching: true }
    }

    /// Octets are missing: where the next message begins is not known.
    pub fn lose(&mut self) {
        *self = Framer::in_the_middle();
    }

    /// Whether it stands between two messages.
    pub fn is_between(&self) -> bool {
        self.partial.is_empty() && !self.searching
    }

    /// Octets of a message that is not whole.
    pub fn pending(&self) -> usize {
        self.partial.len()
    }

    /// Adds octets.
    #[inline]
    pub fn feed(&mut self, octets: &[u8], each: &mut impl FnMut(Piece<'_>)) {
        if self.partial.is_empty() {
            let used = self.cut(octets, 0, each);
            self.partial.extend_from_slice(octets.get(used..).unwrap_or_default());
        } else {
            let before = self.partial.len();
            let mut all = std::mem::take(&mut self.partial);
            all.extend_from_slice(octets);
            let used = self.cut(&all, before, each);
            all.drain(..used);
            self.partial = all;
        }
    }

    /// Octets that are done with; the first `old` of them came before.
    #[inline]
    fn cut(&mut self, octets: &[u8], old: usize, each: &mut impl FnMut(Piece<'_>)) -> usize {
        let mut used = 0;
        loop {
            let rest = octets.get(used..).unwrap_or_default();
            if self.searching {
                let Some(marker) = rest.windows(MARKER.len()).position(|window| window == MARKER) else {
                    // The last octets may be the beginning of one.
                    let ones = rest.iter().rev().take_while(|octet| **octet == 0xff).count();
                    return octets.len() - ones;
                };
                used += marker;
            }
            let rest = octets.get(used..).unwrap_or_default();
            match bgp::frame(rest, MAX_EXTENDED_MESSAGE_LEN) {
                Ok(Some(frame)) => {
                    self.searching = false;
                    let len = frame.message.len();
                    each(Piece::Message { frame, at: used.checked_sub(old) });
                    used += len;
                }
                Ok(None) => return used,
                Err(_) if self.searching => used += 1,
                Err(error) => {
                    each(Piece::Fault { error, octets: rest });
                    self.searching = true;
                    used += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stream(messages: &[Vec<u8>]) -> Vec<u8> {
        let mut stream = Vec::new();
        for body in messages {
            stream.extend_from_slice(&MARKER);
            stream.extend_from_slice(&(body.len() as u16 + 23).to_be_bytes());
            stream.push(2);
            stream.extend_from_slice(&[0; 4]);
            stream.extend_from_slice(body);
        }
        stream
    }

    fn lengths(framer: &mut Framer, octets: &[u8]) -> (Vec<usize>, usize) {
        let (mut lengths, mut faults) = (Vec::new(), 0);
        framer.feed(octets, &mut |piece| match piece {
            Piece::Message { frame, at } => {
                lengths.push(frame.message.len());
                if let Some(at) = at {
                    assert_eq!(&octets[at..at + 16], MARKER);
                }
            }
            Piece::Fault { .. } => faults += 1,
        });
        (lengths, faults)
    }

    proptest! {
        #[test]
        fn messages_come_out_however_they_are_cut(
            bodies in prop::collection::vec(prop::collection::vec(0u8..255, 0..60), 1..20),
            cut in 1usize..90,
        ) {
            let octets = stream(&bodies);
            let mut framer = Framer::default();
            let mut got = Vec::new();
            for piece in octets.chunks(cut) {
                let (lengths, faults) = lengths(&mut framer, piece);
                prop_assert_eq!(faults, 0);
                got.extend(lengths);
            }
            let expected: Vec<usize> = bodies.iter().map(|body| body.len() + 23).collect();
            prop_assert_eq!(&got, &expected);
            prop_assert!(framer.is_between());
            // From the middle of the first message on: all others.
            let mut framer = Framer::in_the_middle();
            let got: Vec<usize> = octets[1..].chunks(cut).flat_map(|piece| lengths(&mut framer, piece).0).collect();
            prop_assert_eq!(&got[..], &expected[1..]);
        }

        #[test]
        fn nothing_makes_it_panic_or_keep_more_than_a_message(
            pieces in prop::collection::vec(prop::collection::vec(prop::sample::select(vec![0xffu8, 0xff, 0xff, 0xff, 0, 19, 4, 2]), 0..99), 0..20),
        ) {
            let mut framer = Framer::default();
            for piece in pieces {
                let _ = lengths(&mut framer, &piece);
                prop_assert!(framer.pending() <= MAX_EXTENDED_MESSAGE_LEN);
            }
        }
    }

    #[test]
    fn what_is_no_message_is_told_once_and_passed_over() {
        // RFC 4271 §6.1
        let mut octets = b"SSH-2.0-OpenSSH_9.2p1\r\n".to_vec();
        octets.extend(stream(&[vec![1, 2, 3]]));
        let mut framer = Framer::default();
        assert_eq!(lengths(&mut framer, &octets), (vec![26], 1));
        // A length that cannot be, and then a good message.
        let mut wrong = stream(&[vec![]]);
        wrong[17] = 5;
        wrong.extend(stream(&[vec![]]));
        assert_eq!(lengths(&mut framer, &wrong), (vec![23], 1));
    }
}
