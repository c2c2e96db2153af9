//! What a connection sends next (RFC 9293 §3.7.4 Nagle, §3.8.6 windows and probes), and writing it.

use super::{Connection, Cx, Probe, State};
use crate::SeqNum;
use crate::api::Transmit;
use crate::host::Reply;
use trunkline_core::Instant;
use trunkline_wire::tcp::{Flags, Options, Segment, Timestamps, fill_checksum};

/// Octets of options in a segment.
const OPTIONS: u32 = 40;

/// A segment that is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Plan {
    seq: SeqNum,
    /// Data octets.
    len: u32,
    syn: bool,
    fin: bool,
    kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// SND.NXT moves.
    New,
    /// Was sent before.
    Again,
    /// An acknowledgment or a probe: recovery does not hear of it.
    Bare,
}

impl Connection {
    /// Appends the next segment to `buf`, if there is one to send now.
    pub(crate) fn transmit(&mut self, cx: &mut Cx<'_>, buf: &mut Vec<u8>) -> Option<Transmit> {
        let plan = self.plan(cx)?;
        self.emit(cx, &plan, buf);
        self.sent(cx, &plan);
        Some(Transmit {
            source: self.ends.local.0,
            destination: self.ends.remote.0,
            ttl: self.options.ttl,
            tos: self.options.tos,
            dont_fragment: self.options.path_mtu_discovery,
        })
    }

    fn plan(&mut self, cx: &mut Cx<'_>) -> Option<Plan> {
        let bare = Plan { seq: self.snd_nxt, len: 0, syn: false, fin: false, kind: Kind::Bare };
        let ack = self.ack_now.then_some(bare);
        match self.state {
            State::Closed | State::Listen => return None,
            State::TimeWait => return ack,
            _ => {}
        }
        if self.syn_due {
            let kind = if self.stats.syns == 0 { Kind::New } else { Kind::Again };
            return Some(Plan { seq: self.ends.iss, syn: true, kind, ..bare });
        }
        if self.snd_una == self.ends.iss {
            return ack.filter(|_| self.state != State::SynSent);
        }
        if let Some(plan) = self.retransmission(cx.now) {
            return Some(plan);
        }
        match std::mem::replace(&mut self.probe_due, Probe::None) {
            Probe::None => {}
            Probe::Tail => return Some(self.tail_probe()),
            Probe::Keepalive => {
                cx.counters.keepalive_probes += 1;
                return Some(Plan { seq: self.snd_nxt - 1, ..bare });
            }
            Probe::Window => {
                cx.counters.window_probes += 1;
                self.probed = true;
                let len = self.unsent().min(1);
                return Some(Plan { len, fin: len == 0 && self.fin_pending(), ..bare });
            }
        }
        if let Some(plan) = self.new_data(self.recovery.send_allowance()) {
            return Some(plan);
        }
        if self.persist_at.is_none() && self.nothing_in_flight() && (self.unsent() > 0 || self.fin_pending())
        {
            self.start_persist(cx.now);
        }
        ack
    }

    fn fin_pending(&self) -> bool {
        self.fin_queued && !self.fin_sent()
    }

    /// A range that recovery takes for lost, as one segment.
    fn retransmission(&self, now: Instant) -> Option<Plan> {
        let (seq, len) = self.recovery.next_retransmission(now)?;
        self.again(seq, len)
    }

    fn again(&self, seq: SeqNum, len: u32) -> Option<Plan> {
        if seq.lt(self.send_base) || seq.ge(self.snd_nxt) {
            return None;
        }
        let data = u32::try_from(self.data_end() - seq).unwrap_or(0).min(len);
        let cut = data.min(self.payload_limit());
        // What was sent last may have been less than is queued.
        let cut = cut.min((self.snd_nxt - seq) as u32);
        let fin = self.fin_sent() && cut == data && len > data;
        (cut > 0 || fin).then_some(Plan { seq, len: cut, syn: false, fin, kind: Kind::Again })
    }

    /// Tail loss probe (RFC 8985 §7.3): new data if there is some and the window allows it, else the last segment.
    fn tail_probe(&mut self) -> Plan {
        self.sws_override = true;
        let new = self.new_data(self.payload_limit());
        self.sws_override = false;
        let last =
            self.snd_una.max(self.snd_nxt - self.payload_limit().min((self.snd_nxt - self.snd_una) as u32));
        new.or_else(|| self.again(last, u32::MAX >> 1)).unwrap_or(Plan {
            seq: self.snd_nxt,
            len: 0,
            syn: false,
            fin: false,
            kind: Kind::Bare,
        })
    }

    /// The next segment of new data that windows, Nagle's algorithm (RFC 9293 §3.7.4) and the avoidance of silly windows
    /// (§3.8.6.2.1) let go.
    fn new_data(&self, allowance: u32) -> Option<Plan> {
        let unsent = self.unsent();
        let fin_pending = self.fin_pending();
        if unsent == 0 && !fin_pending {
            return None;
        }
        let window = u32::try_from(self.snd_una + self.snd_wnd - self.snd_nxt).unwrap_or(0);
        let limit = self.payload_limit();
        let len = unsent.min(window).min(allowance).min(limit);
        let last = len == unsent;
        let fin = fin_pending && last && window > len;
        if len == 0 && !fin {
            return None;
        }
        let idle = !self.options.nagle || self.nothing_in_flight();
        let go = len == limit
            || fin
            || last && idle
            || len > 0 && idle && len >= self.max_snd_wnd / 2
            || self.sws_override;
        go.then_some(Plan { seq: self.snd_nxt, len, syn: false, fin, kind: Kind::New })
    }

    /// Blocks that a SACK option would have now.
    fn sack_blocks(&self) -> usize {
        if !self.sack || !(self.receive.has_gap() || self.duplicate.is_some()) {
            return 0;
        }
        let room = OPTIONS.saturating_sub(self.fixed_options()).saturating_sub(4) / 8;
        (self.receive.blocks() + usize::from(self.duplicate.is_some())).min(room as usize)
    }

    /// The most data octets of the next segment.
    fn payload_limit(&self) -> u32 {
        let sack = match self.sack_blocks() as u32 {
            0 => 0,
            n => 4 + 8 * n,
        };
        self.room_in_segment().saturating_sub(self.fixed_options() + sack).max(8)
    }

    fn emit(&mut self, cx: &Cx<'_>, plan: &Plan, buf: &mut Vec<u8>) {
        let start = buf.len();
        let mut options =
            Options { sack: self.receive.sack(self.duplicate, self.sack_blocks()), ..Options::NONE };
        if self.timestamps {
            let echo = if self.state == State::SynSent { 0 } else { self.ts_recent };
            options.timestamps = Some(Timestamps { value: self.timestamp(cx.now), echo });
        }
        if plan.syn {
            options.mss = Some(self.announced_mss());
            options.window_scale = self.window_scaling.then_some(self.rcv_shift);
            options.sack_permitted = self.sack;
        }
        if let Some(signer) = &mut self.signer {
            signer.reserve(&mut options);
        }
        let offset = (plan.seq - self.send_base).max(0) as usize;
        let (first, second) = self.send.slices(offset, plan.len as usize);
        let mut segment = Segment {
            source_port: self.ends.local.1,
            destination_port: self.ends.remote.1,
            sequence: plan.seq,
            acknowledgment: self.rcv_nxt(),
            flags: Flags::ACK,
            window: 0,
            urgent_pointer: 0,
            options,
            payload: first,
        };
        if plan.syn {
            segment.flags |= Flags::SYN;
        }
        if self.state == State::SynSent {
            segment.flags = Flags::SYN;
            segment.acknowledgment = SeqNum(0);
        }
        if plan.fin {
            segment.flags |= Flags::FIN;
        }
        if plan.len > 0 && offset + plan.len as usize == self.send.len() {
            segment.flags |= Flags::PSH;
        }
        if let Some(up) = self.snd_up.filter(|up| up.gt(plan.seq) && !plan.syn) {
            segment.flags |= Flags::URG;
            segment.urgent_pointer = u16::try_from(up - plan.seq).unwrap_or(u16::MAX);
        }
        segment.window = if plan.syn { self.syn_window() as u16 } else { self.window_field(cx) };
        let (source, destination) = (self.ends.local.0, self.ends.remote.0);
        segment.emit(source, destination, buf);
        buf.extend_from_slice(second);
        let edge = self.rcv_nxt()
            + if plan.syn { self.syn_window() } else { u32::from(segment.window) << self.rcv_shift };
        let context = self.auth_context();
        let octets = &mut buf[start..];
        if let Some(signer) = &mut self.signer {
            signer.sign(&context, octets);
            fill_checksum(octets, source, destination);
        } else if !second.is_empty() {
            fill_checksum(octets, source, destination);
        }
        if self.state != State::SynSent {
            self.rcv_edge = self.rcv_edge.max(edge);
        }
    }

    /// Notes that a segment went out.
    fn sent(&mut self, cx: &mut Cx<'_>, plan: &Plan) {
        let len = plan.len + u32::from(plan.syn) + u32::from(plan.fin);
        match plan.kind {
            Kind::New => {
                if self.nothing_in_flight() || plan.syn {
                    self.unacked_since = cx.now;
                }
                if !plan.syn {
                    self.snd_nxt += len;
                    self.stats.octets_sent += u64::from(plan.len);
                }
                (self.probed, self.sws_override, self.persist_at) = (false, false, None);
                self.recovery.on_sent(cx.now, plan.seq, len, false, self.unsent() == 0);
                cx.counters.out_segs += 1;
            }
            Kind::Again => {
                self.stats.retransmits += 1;
                cx.counters.retrans_segs += 1;
                self.recovery.on_sent(cx.now, plan.seq, len, true, false);
            }
            Kind::Bare => cx.counters.out_segs += 1,
        }
        if plan.syn {
            self.syn_due = false;
            self.stats.syns += 1;
        }
        if self.state != State::SynSent {
            self.ack_now = false;
            self.delayed_ack_at = None;
            self.unacked_octets = 0;
            self.duplicate = None;
            self.last_ack_sent = self.rcv_nxt();
        }
    }

    /// The window of a SYN, which is not scaled (RFC 7323 §2.2).
    pub(super) fn syn_window(&self) -> u32 {
        self.receive.limit().min(0xffff) as u32
    }

    /// The right edge of the window to announce: moved only where it moves by a segment or half the queue (RFC 9293
    /// §3.8.6.2.2), never back.
    pub(super) fn next_edge(&self, cx: &Cx<'_>) -> SeqNum {
        let most = 0xffff_usize << self.rcv_shift;
        let edge = self.receive.next() + self.receive.room(cx.share).min(most) as u32;
        let step = (self.receive.limit().min(cx.share) / 2).min(self.full_payload() as usize).max(1);
        if edge - self.rcv_edge >= step as i32 { edge } else { self.rcv_edge }
    }

    fn window_field(&self, cx: &Cx<'_>) -> u16 {
        let window = u32::try_from(self.next_edge(cx) - self.rcv_nxt()).unwrap_or(0);
        u16::try_from(window >> self.rcv_shift).unwrap_or(u16::MAX)
    }

    /// Lets the host send a RST with this sequence number, which is in the peer's window.
    pub(super) fn reply_reset(&mut self, cx: &mut Cx<'_>, sequence: SeqNum) {
        let reply = Reply {
            local: self.ends.local,
            remote: self.ends.remote,
            sequence,
            acknowledgment: SeqNum(0),
            flags: Flags::RST,
            window: 0,
            options: Options::NONE,
            ttl: self.options.ttl,
            tos: self.options.tos,
            signer: self.signer.clone().map(|signer| Box::new((signer, self.auth_context()))),
        };
        cx.replies.push(reply, cx.counters);
    }
}
