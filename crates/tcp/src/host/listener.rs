//! Passive opens: listeners, their backlog, SYN cookies (RFC 9293 §3.10.7.2, RFC 4987).

use super::{Tcp, cx};
use crate::SeqNum;
use crate::api::{Endpoint, ListenerId, Options, Output, SynCookies};
use crate::auth::{Context, Key, Signer};
use crate::connection::{Connection, DEFAULT_MSS, Ends, PeerSyn, scale_for};
use crate::cookie::{self, CookieOptions};
use crate::host::Reply;
use std::net::Ipv4Addr;
use trunkline_core::{Instant, Ipv4Prefix, Outbox};
use trunkline_wire::tcp::{self as wire, Flags, Segment, Timestamps};

/// The path MTU of a connection whose way is not known.
const DEFAULT_MTU: u16 = 1500;

/// A passive OPEN.
#[derive(Debug)]
pub(super) struct Listener {
    pub(super) local: Option<Ipv4Addr>,
    pub(super) port: u16,
    pub(super) backlog: usize,
    pub(super) half_open: usize,
    /// Its connections, half-open ones included, but for those in TIME-WAIT.
    pub(super) open: usize,
    pub(super) options: Options,
    /// Keys of peers.
    pub(super) keys: Vec<(Ipv4Prefix, Key)>,
}

impl Listener {
    /// The options of a connection from this peer.
    fn options_for(&self, peer: Ipv4Addr) -> Options {
        let key = self
            .keys
            .iter()
            .filter(|(prefix, _)| prefix.contains(peer))
            .max_by_key(|(prefix, _)| prefix.len());
        let mut options = self.options.clone();
        if let Some((_, key)) = key {
            options.auth = Some(key.clone());
        }
        options
    }
}

/// A segment with what the host knows of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Incoming<'a> {
    pub(super) local: Endpoint,
    pub(super) remote: Endpoint,
    pub(super) ttl: u8,
    pub(super) octets: &'a [u8],
    pub(super) segment: &'a Segment<'a>,
}

impl Incoming<'_> {
    /// For signing an answer without a connection.
    pub(super) fn reply_context(&self) -> Context {
        Context { source: self.local.0, destination: self.remote.0, iss: SeqNum(0), irs: None }
    }
}

impl Tcp {
    /// The listener for a segment to `local`: one for the address goes before one for all.
    pub(super) fn listener_for(&self, local: Endpoint) -> Option<ListenerId> {
        let bound = |address| self.listening.get(&(local.1, address)).copied();
        bound(Some(local.0)).or_else(|| bound(None))
    }

    /// RFC 9293 §3.10.7.2. `after`: a connection in TIME-WAIT with the same ends makes place.
    pub(super) fn in_listen(
        &mut self,
        now: Instant,
        id: ListenerId,
        incoming: &Incoming<'_>,
        after: Option<SeqNum>,
        out: &mut Outbox<Output>,
    ) {
        let flags = incoming.segment.flags;
        let Some(listener) = self.listeners.get(&id) else { return };
        if incoming.ttl < listener.options.min_ttl {
            self.counters.ttl_drops += 1;
            return;
        }
        // First, RST: ignored. Second, ACK: a reset, unless it brings a cookie back. Third, SYN. Else drop.
        if flags.contains(Flags::RST) {
            return;
        }
        let options = listener.options_for(incoming.remote.0);
        if !self.signed_for_listener(&options, incoming) {
            return;
        }
        if flags.contains(Flags::ACK) {
            if flags.contains(Flags::SYN) || !self.cookie_returns(now, id, incoming, &options, out) {
                self.reset_unknown(now, incoming, options.auth.as_ref());
            }
        } else if flags.contains(Flags::SYN) {
            self.syn(now, id, incoming, options, after, out);
        }
    }

    /// Whether a segment for a listener is signed as its key wants.
    fn signed_for_listener(&mut self, options: &Options, incoming: &Incoming<'_>) -> bool {
        let segment = incoming.segment;
        // An ACK that brings a cookie back tells both initial numbers.
        let (iss, irs) = match segment.flags.contains(Flags::ACK) {
            true => (segment.acknowledgment - 1, segment.sequence - 1),
            false => (SeqNum(0), segment.sequence),
        };
        let context =
            Context { source: incoming.remote.0, destination: incoming.local.0, iss, irs: Some(irs) };
        let signed = segment.options.md5.is_some() || segment.options.authentication.is_some();
        let right = match &options.auth {
            Some(key) => Signer::new(key).verify(&context, incoming.octets).is_ok(),
            None => !signed,
        };
        self.counters.auth_failures += u64::from(!right);
        right
    }

    fn syn(
        &mut self,
        now: Instant,
        id: ListenerId,
        incoming: &Incoming<'_>,
        options: Options,
        after: Option<SeqNum>,
        out: &mut Outbox<Output>,
    ) {
        let place = self.has_passive_place();
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        if listener.open >= self.config.max_per_listener {
            self.counters.listen_drops += 1;
            return;
        }
        let full = listener.half_open >= listener.backlog || !place;
        let cookie = match self.config.syn_cookies {
            SynCookies::Never => false,
            SynCookies::UnderPressure => full,
            SynCookies::Always => true,
        };
        if cookie {
            return self.send_cookie(now, incoming, &options);
        }
        if full {
            self.counters.listen_drops += 1;
            return;
        }
        listener.half_open += 1;
        listener.open += 1;
        let iss = self.secret.isn(now, incoming.local, incoming.remote, after);
        let ends = self.ends(incoming, id, iss);
        let syn = PeerSyn::from_segment(incoming.segment);
        let mut connection = Connection::accept(ends, options, &syn, &mut cx!(self, now, out));
        connection.counted = true;
        let index = self.table.insert(connection);
        self.settle(index);
    }

    fn ends(&self, incoming: &Incoming<'_>, listener: ListenerId, iss: SeqNum) -> Ends {
        let Incoming { local, remote, .. } = *incoming;
        Ends {
            id: self.table.next_id(),
            local,
            remote,
            listener: Some(listener),
            iss,
            timestamp_offset: self.secret.timestamp_offset(local.0, remote.0),
            path_mtu: self.interface_mtu(local.0),
        }
    }

    pub(super) fn interface_mtu(&self, local: Ipv4Addr) -> u16 {
        self.interface_mtus.get(&local).copied().unwrap_or(DEFAULT_MTU)
    }

    /// Answers a SYN and keeps nothing.
    fn send_cookie(&mut self, now: Instant, incoming: &Incoming<'_>, options: &Options) {
        let Incoming { local, remote, segment, .. } = *incoming;
        let mss = segment.options.mss.unwrap_or(DEFAULT_MSS);
        let iss = cookie::encode(&self.secret, now, local, remote, segment.sequence, mss);
        let path = self.interface_mtu(local.0).saturating_sub(40);
        let mut answer =
            wire::Options { mss: Some(options.mss.unwrap_or(u16::MAX).min(path)), ..wire::Options::NONE };
        // Without timestamps there is no place for the other options.
        if let Some(theirs) = segment.options.timestamps.filter(|_| self.config.timestamps) {
            let kept = CookieOptions {
                sack: segment.options.sack_permitted && self.config.sack,
                window_scale: segment
                    .options
                    .window_scale
                    .filter(|_| self.config.window_scaling)
                    .map(|s| s.min(14)),
            };
            let clock = self.cookie_clock(now, incoming);
            answer.timestamps = Some(Timestamps { value: kept.stamp(clock), echo: theirs.value });
            answer.sack_permitted = kept.sack;
            answer.window_scale = kept.window_scale.map(|_| scale_for(options.receive_buffer));
        }
        let signer = options.auth.as_ref().map(|key| {
            let context = Context { iss, irs: Some(segment.sequence), ..incoming.reply_context() };
            Box::new((Signer::new(key), context))
        });
        self.counters.cookies_sent += 1;
        self.cookie_sent = Some(now);
        let reply = Reply {
            local,
            remote,
            sequence: iss,
            acknowledgment: segment.sequence + 1,
            flags: Flags::SYN | Flags::ACK,
            window: options.receive_buffer.min(0xffff) as u16,
            options: answer,
            ttl: options.ttl,
            tos: options.tos,
            signer,
        };
        self.replies.push(reply, &mut self.counters);
    }

    fn cookie_clock(&self, now: Instant, incoming: &Incoming<'_>) -> u32 {
        let offset = self.secret.timestamp_offset(incoming.local.0, incoming.remote.0);
        ((now.as_nanos() / 1_000_000) as u32).wrapping_add(offset)
    }

    /// An ACK to a listener: opens a connection where it brings one of our cookies back.
    fn cookie_returns(
        &mut self,
        now: Instant,
        id: ListenerId,
        incoming: &Incoming<'_>,
        options: &Options,
        out: &mut Outbox<Output>,
    ) -> bool {
        // Where none can be on its way, an ACK is no cookie: a guess would be right once in four million times.
        let awaited = self.cookie_sent.is_some_and(|sent| now.since(sent) < cookie::LIFETIME);
        if self.config.syn_cookies == SynCookies::Never || !awaited {
            return false;
        }
        let Incoming { local, remote, segment, .. } = *incoming;
        let (iss, irs) = (segment.acknowledgment - 1, segment.sequence - 1);
        let Some(mss) = cookie::decode(&self.secret, now, local, remote, irs, iss) else {
            self.counters.cookies_failed += 1;
            return false;
        };
        let place = self.has_passive_place();
        let Some(listener) = self.listeners.get_mut(&id) else { return false };
        if !place || listener.open >= self.config.max_per_listener {
            self.counters.listen_drops += 1;
            return true;
        }
        listener.open += 1;
        self.counters.cookies_accepted += 1;
        let kept = segment.options.timestamps.map(|t| CookieOptions::from_stamp(t.echo));
        let syn = PeerSyn {
            irs,
            mss: Some(mss),
            window: u32::from(segment.window),
            window_scale: kept.and_then(|k| k.window_scale),
            sack: kept.is_some_and(|k| k.sack),
            timestamp: segment.options.timestamps.map(|t| t.value),
        };
        let ends = self.ends(incoming, id, iss);
        let mut connection = Connection::accept(ends, options.clone(), &syn, &mut cx!(self, now, out));
        connection.counted = true;
        connection.syn_was_sent(now);
        connection.segment(&mut cx!(self, now, out), segment, true);
        let index = self.table.insert(connection);
        self.settle(index);
        true
    }
}
