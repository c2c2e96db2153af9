//! A connection as `show` wants it.

use super::Connection;
use crate::api::{ConnectionView, Features};
use trunkline_core::Instant;

impl Connection {
    /// STATUS.
    pub(crate) fn view(&self, now: Instant) -> ConnectionView {
        ConnectionView {
            id: self.ends.id,
            local: self.ends.local,
            remote: self.ends.remote,
            state: self.state,
            active: self.ends.listener.is_none(),
            send_queue: self.send.len(),
            receive_queue: self.receive.readable(),
            snd_una: self.snd_una,
            snd_nxt: self.snd_nxt,
            snd_wnd: self.snd_wnd,
            rcv_nxt: self.rcv_nxt(),
            rcv_wnd: self.rcv_wnd(),
            mss: self.full_payload(),
            cwnd: self.recovery.cwnd(),
            ssthresh: self.recovery.ssthresh(),
            rtt: self.recovery.rtt(),
            rto: self.recovery.rto(),
            retransmits: self.stats.retransmits,
            octets_sent: self.stats.octets_sent,
            octets_received: self.stats.octets_received,
            features: Features {
                timestamps: self.timestamps,
                sack: self.sack,
                window_scale: self.window_scaling.then_some((self.snd_shift, self.rcv_shift)),
                signed: self.signer.is_some(),
            },
            timer: self.next_timer().map(|(at, kind)| (kind, at.since(now))),
        }
    }
}
