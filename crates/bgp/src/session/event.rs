//! The events of RFC 4271 §8.1, and the one that RFC 9687 added.

use std::fmt;

macro_rules! events {
    ($($(#[$doc:meta])* $name:ident = $number:literal, $text:literal;)*) => {
        /// An event of the FSM. Numbers and names are those of RFC 4271 §8.1.2 to §8.1.5.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(dead_code, reason = "Events 14 and 15 need a TCP that tells of SYNs; the table has them all the same")]
        pub(crate) enum Event {
            $($(#[$doc])* $name = $number,)*
        }

        impl Event {
            /// All of them, in the order of their numbers.
            #[cfg(test)]
            pub(crate) const ALL: &'static [Event] = &[$(Event::$name),*];

            /// The name as the RFC writes it.
            pub(crate) const fn name(self) -> &'static str {
                match self {
                    $(Event::$name => $text,)*
                }
            }
        }
    };
}

events! {
    /// The operator starts the session. Mandatory.
    ManualStart = 1, "ManualStart";
    /// The operator stops it. Mandatory.
    ManualStop = 2, "ManualStop";
    /// The system starts it. Optional: AllowAutomaticStart, which is always on here.
    AutomaticStart = 3, "AutomaticStart";
    /// Optional: PassiveTcpEstablishment (`passive`).
    ManualStartPassive = 4, "ManualStart_with_PassiveTcpEstablishment";
    /// Optional: AllowAutomaticStart, PassiveTcpEstablishment.
    AutomaticStartPassive = 5, "AutomaticStart_with_PassiveTcpEstablishment";
    /// Optional: AllowAutomaticStart, DampPeerOscillations.
    AutomaticStartDamp = 6, "AutomaticStart_with_DampPeerOscillations";
    /// Optional: all three.
    AutomaticStartDampPassive = 7, "AutomaticStart_with_DampPeerOscillations_and_PassiveTcpEstablishment";
    /// The system stops it. Optional: AllowAutomaticStop, which is always on here.
    AutomaticStop = 8, "AutomaticStop";
    /// Mandatory.
    ConnectRetryTimerExpires = 9, "ConnectRetryTimer_Expires";
    /// Mandatory.
    HoldTimerExpires = 10, "HoldTimer_Expires";
    /// Mandatory.
    KeepaliveTimerExpires = 11, "KeepaliveTimer_Expires";
    /// Optional: DelayOpen (`delay-open`).
    DelayOpenTimerExpires = 12, "DelayOpenTimer_Expires";
    /// Optional: DampPeerOscillations.
    IdleHoldTimerExpires = 13, "IdleHoldTimer_Expires";
    /// A SYN came to a valid port. Optional: TrackTcpState. Kernel sockets do not tell of it.
    TcpConnectionValid = 14, "TcpConnection_Valid";
    /// A SYN came to or from an invalid address or port. Optional: TrackTcpState. Kernel sockets do not tell of it.
    TcpCrInvalid = 15, "Tcp_CR_Invalid";
    /// The connection we asked for is up. Mandatory.
    TcpCrAcked = 16, "Tcp_CR_Acked";
    /// A connection that the peer asked for is up. Mandatory.
    TcpConnectionConfirmed = 17, "TcpConnectionConfirmed";
    /// The connection failed or ended. Mandatory.
    TcpConnectionFails = 18, "TcpConnectionFails";
    /// A valid OPEN. Mandatory.
    BgpOpen = 19, "BGPOpen";
    /// A valid OPEN while we wait for it. Optional: DelayOpen.
    BgpOpenWithDelayOpenTimerRunning = 20, "BGPOpen with DelayOpenTimer running";
    /// A bad message header. Mandatory.
    BgpHeaderErr = 21, "BGPHeaderErr";
    /// An OPEN with an error. Mandatory.
    BgpOpenMsgErr = 22, "BGPOpenMsgErr";
    /// This connection lost against another one (§6.8). Optional: CollisionDetectEstablishedState, in Established.
    OpenCollisionDump = 23, "OpenCollisionDump";
    /// A NOTIFICATION with a version error. Mandatory.
    NotifMsgVerErr = 24, "NotifMsgVerErr";
    /// Any other NOTIFICATION. Mandatory.
    NotifMsg = 25, "NotifMsg";
    /// A KEEPALIVE. Mandatory.
    KeepAliveMsg = 26, "KeepAliveMsg";
    /// A valid UPDATE; outside Established also a ROUTE-REFRESH, which RFC 2918 gives no event. Mandatory.
    UpdateMsg = 27, "UpdateMsg";
    /// An UPDATE with an error that RFC 7606 does not let us live with. Mandatory.
    UpdateMsgErr = 28, "UpdateMsgErr";
    /// The peer does not read (RFC 9687 §3.1).
    SendHoldTimerExpires = 29, "SendHoldTimer_Expires";
}

impl Event {
    /// The start events: 1 and 3 to 7.
    pub(crate) const fn is_start(self) -> bool {
        matches!(self as u8, 1 | 3..=7)
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", *self as u8, self.name())
    }
}
