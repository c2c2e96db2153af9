//! The FSM of one connection (RFC 4271 §8.2.2) as a pure function: state and event in, state and actions out.
//!
//! What two connections to one peer have to do with each other is in [`super::collision`].
//!
//! Departures from the letter of §8.2.2, each for a reason:
//!
//! | state | event | RFC 4271 | here | why |
//! |---|---|---|---|---|
//! | Connect | 18 | Idle unless the DelayOpenTimer runs | always Active, ConnectRetryTimer restarted | Idle refuses the peer's own connections; a peer that is not up yet is the usual case, not an error |
//! | Active | 18 | restarts the ConnectRetryTimer, then Idle | stops it | no timer but IdleHoldTimer means anything in Idle |
//! | OpenSent | 25 | answers with a NOTIFICATION | no answer | §6.4 forbids to answer one NOTIFICATION with another |
//! | Connect, Active | 23 | "other event" | like 22, without damping | SendNOTIFICATIONwithoutOPEN is for this case too |
//! | OpenSent, OpenConfirm, Established | 23 | damping | none | a collision is no oscillation of the peer |
//! | OpenConfirm, Established | 19 | collision detection | FSM error | an OPEN on this same connection collides with nothing; one on another connection is that FSM's event, and reaches this one as 23 |
//! | Established | 21 | "other event": NOTIFICATION 5 | sends its own error | §6.1 wants 1/x for a header error in any state |
//! | Established | 19 without CollisionDetectEstablishedState | not said | FSM error | as above |

use super::State;
use super::event::Event;
use smallvec::SmallVec;

/// What the FSM wants done, in the words of RFC 4271 §8.2.2. "Continues to listen" is not among them: listeners
/// belong to the speaker, not to a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    /// Initialise BGP resources for the connection.
    InitializeResources,
    /// Release them.
    ReleaseResources,
    /// Set ConnectRetryCounter to zero.
    ZeroConnectRetryCounter,
    /// Increment it.
    IncrementConnectRetryCounter,
    /// Peer oscillation damping.
    DampPeerOscillations,
    /// Start or restart with ConnectRetryTime.
    StartConnectRetryTimer,
    /// Stop, set to zero.
    StopConnectRetryTimer,
    /// Start with DelayOpenTime.
    StartDelayOpenTimer,
    /// Stop, set to zero.
    StopDelayOpenTimer,
    /// Set the HoldTimer to a large value (240 s).
    StartHoldTimerLarge,
    /// Start or restart with the negotiated value; where that is zero, stop.
    StartHoldTimer,
    /// Start or restart with a third of the negotiated value; where that is zero, stop.
    StartKeepaliveTimer,
    /// Initiate a TCP connection.
    Connect,
    /// Drop the TCP connection.
    DropConnection,
    /// Drop it by RST: its buffers will not drain (RFC 9687 §3.1).
    ResetConnection,
    /// Refuse the connection request of Event 15.
    RejectConnection,
    /// Go on with the connection request of Event 14.
    ProcessConnection,
    /// Another connection has come up: it gets its own FSM (§6.8).
    TrackSecondConnection,
    /// Send an OPEN.
    SendOpen,
    /// Send a KEEPALIVE.
    SendKeepalive,
    /// Send a NOTIFICATION.
    SendNotification(Notify),
    /// Process the UPDATE.
    ProcessUpdate,
    /// Delete the peer's routes, or keep them as stale where graceful restart says so.
    DeleteRoutes,
}

/// Which NOTIFICATION.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notify {
    /// Cease; the subcode comes with the event (RFC 4486).
    Cease,
    /// 4/0.
    HoldTimerExpired,
    /// 5/0, or 5/1 to 5/3 where the event is a message (RFC 6608).
    FsmError,
    /// 8/0 (RFC 9687).
    SendHoldTimerExpired,
    /// What checking the message gave.
    MessageError,
}

/// The session attributes and timers that a transition depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Attributes {
    /// DelayOpen.
    pub(crate) delay_open: bool,
    /// DampPeerOscillations.
    pub(crate) damp_peer_oscillations: bool,
    /// SendNOTIFICATIONwithoutOPEN.
    pub(crate) notification_without_open: bool,
    /// Whether the DelayOpenTimer runs.
    pub(crate) delay_open_timer_running: bool,
}

/// The actions of one transition, in the order in which they are to be done.
pub(crate) type Actions = SmallVec<[Action; 8]>;

/// What the FSM does on `event` in `state`: the next state and the actions on the way there.
///
/// ```text
///             start (1,3,6)                    TCP up (16,17), or DelayOpenTimer (12)
///   ┌──────┐ ───────────────► ┌─────────┐ ─────────────────────────────────────┐
///   │ Idle │                  │ Connect │ ◄──┐                                 ▼
///   │      │  start (4,5,7)   └─────────┘    │ ConnectRetryTimer (9)     ┌──────────┐
///   │      │ ───────┐   TCP fails │ (18)     │                           │ OpenSent │
///   └──────┘        ▼             ▼          │     TCP up (16,17), (12)  └──────────┘
///      ▲          ┌─────────────────┐ ───────┘  ┌───────────────────────────▲  │ │
///      │          │     Active      │ ──────────┘                              │ │ BGPOpen (19)
///      │          └─────────────────┘ ◄───────────── TCP fails (18) ───────────┘ ▼
///      │                   │ BGPOpen while DelayOpenTimer runs (20)      ┌─────────────┐
///      │                   └────────────── also from Connect ──────────► │ OpenConfirm │
///      │                                                                 └─────────────┘
///      │  ManualStop (2), AutomaticStop (8), errors (10, 18, 21-25, 28),        │ KeepAliveMsg (26)
///      └─ and what a state does not expect                                      ▼
///                                                                        ┌─────────────┐
///                                                                        │ Established │
///                                                                        └─────────────┘
/// ```
pub(crate) fn step(state: State, event: Event, attributes: &Attributes) -> (State, Actions) {
    match state {
        State::Idle => idle(event),
        State::Connect => connect(event, attributes),
        State::Active => active(event, attributes),
        State::OpenSent => open_sent(event, attributes),
        State::OpenConfirm => open_confirm(event, attributes),
        State::Established => established(event, attributes),
    }
}

use Action::*;
use Event as E;

fn stay(state: State, actions: &[Action]) -> (State, Actions) {
    (state, Actions::from_slice(actions))
}

/// What a way to Idle does to the ConnectRetryCounter.
enum Count {
    Zero,
    Keep,
    Increment,
    IncrementAndDamp,
}

/// The way to Idle that most errors take.
fn to_idle(state: State, notify: Option<Notify>, count: Count, a: &Attributes) -> (State, Actions) {
    let mut actions = Actions::new();
    actions.extend(notify.map(SendNotification));
    actions.push(StopConnectRetryTimer);
    if a.delay_open_timer_running {
        actions.push(StopDelayOpenTimer);
    }
    if state == State::Established {
        actions.push(DeleteRoutes);
    }
    actions.push(ReleaseResources);
    let reset = notify == Some(Notify::SendHoldTimerExpired);
    actions.push(if reset { ResetConnection } else { DropConnection });
    match count {
        Count::Keep => {}
        Count::Zero => actions.push(ZeroConnectRetryCounter),
        Count::Increment => actions.push(IncrementConnectRetryCounter),
        Count::IncrementAndDamp => {
            actions.push(IncrementConnectRetryCounter);
            if a.damp_peer_oscillations {
                actions.push(DampPeerOscillations);
            }
        }
    }
    (State::Idle, actions)
}

/// RFC 4271 §8.2.2, "Idle state".
fn idle(event: Event) -> (State, Actions) {
    match event {
        E::ManualStart | E::AutomaticStart | E::AutomaticStartDamp => stay(
            State::Connect,
            &[InitializeResources, ZeroConnectRetryCounter, StartConnectRetryTimer, Connect],
        ),
        E::ManualStartPassive | E::AutomaticStartPassive | E::AutomaticStartDampPassive => {
            stay(State::Active, &[InitializeResources, ZeroConnectRetryCounter, StartConnectRetryTimer])
        }
        // Event 13 ends the wait; the session answers it with Event 3, 5, 6 or 7. All others: no change.
        _ => stay(State::Idle, &[]),
    }
}

/// TCP is up in Connect or Active: an OPEN goes out, at once or after DelayOpenTime.
fn tcp_up(state: State, a: &Attributes) -> (State, Actions) {
    match a.delay_open {
        true => stay(state, &[StopConnectRetryTimer, StartDelayOpenTimer]),
        false => stay(
            State::OpenSent,
            &[StopConnectRetryTimer, InitializeResources, SendOpen, StartHoldTimerLarge],
        ),
    }
}

/// The peer's OPEN came before ours (Event 20).
fn open_before_ours() -> (State, Actions) {
    stay(
        State::OpenConfirm,
        &[
            StopConnectRetryTimer,
            InitializeResources,
            StopDelayOpenTimer,
            SendOpen,
            SendKeepalive,
            StartKeepaliveTimer,
            StartHoldTimer,
        ],
    )
}

/// What Connect and Active have in common.
fn before_open(state: State, event: Event, a: &Attributes) -> (State, Actions) {
    match event {
        e if e.is_start() => stay(state, &[]),
        E::DelayOpenTimerExpires => stay(
            State::OpenSent,
            &[StopConnectRetryTimer, StopDelayOpenTimer, InitializeResources, SendOpen, StartHoldTimerLarge],
        ),
        E::TcpConnectionValid => stay(state, &[ProcessConnection]),
        E::TcpCrInvalid => stay(state, &[RejectConnection]),
        E::TcpCrAcked | E::TcpConnectionConfirmed => tcp_up(state, a),
        E::BgpOpenWithDelayOpenTimerRunning => open_before_ours(),
        E::BgpHeaderErr | E::BgpOpenMsgErr => {
            let notify = a.notification_without_open.then_some(Notify::MessageError);
            to_idle(state, notify, Count::IncrementAndDamp, a)
        }
        E::OpenCollisionDump => {
            let notify = a.notification_without_open.then_some(Notify::Cease);
            to_idle(state, notify, Count::Increment, a)
        }
        E::NotifMsgVerErr if a.delay_open_timer_running => to_idle(state, None, Count::Keep, a),
        // Events 8, 10, 11, 13, 19, 24, 25 to 28.
        _ => to_idle(state, None, Count::IncrementAndDamp, a),
    }
}

/// RFC 4271 §8.2.2, "Connect State".
fn connect(event: Event, a: &Attributes) -> (State, Actions) {
    match event {
        E::ManualStop => to_idle(State::Connect, None, Count::Zero, a),
        E::ConnectRetryTimerExpires => {
            stay(State::Connect, &[DropConnection, StartConnectRetryTimer, StopDelayOpenTimer, Connect])
        }
        E::TcpConnectionFails => {
            stay(State::Active, &[StartConnectRetryTimer, StopDelayOpenTimer, DropConnection])
        }
        _ => before_open(State::Connect, event, a),
    }
}

/// RFC 4271 §8.2.2, "Active State".
fn active(event: Event, a: &Attributes) -> (State, Actions) {
    match event {
        E::ManualStop => {
            let say = a.delay_open_timer_running && a.notification_without_open;
            to_idle(State::Active, say.then_some(Notify::Cease), Count::Zero, a)
        }
        E::ConnectRetryTimerExpires => stay(State::Connect, &[StartConnectRetryTimer, Connect]),
        _ => before_open(State::Active, event, a),
    }
}

/// RFC 4271 §8.2.2, "OpenSent".
fn open_sent(event: Event, a: &Attributes) -> (State, Actions) {
    let down = |notify, count| to_idle(State::OpenSent, notify, count, a);
    match event {
        e if e.is_start() => stay(State::OpenSent, &[]),
        E::ManualStop => down(Some(Notify::Cease), Count::Zero),
        E::AutomaticStop => down(Some(Notify::Cease), Count::IncrementAndDamp),
        E::HoldTimerExpires => down(Some(Notify::HoldTimerExpired), Count::IncrementAndDamp),
        E::TcpConnectionValid | E::TcpCrAcked | E::TcpConnectionConfirmed => {
            stay(State::OpenSent, &[TrackSecondConnection])
        }
        E::TcpCrInvalid => stay(State::OpenSent, &[]),
        E::TcpConnectionFails => {
            stay(State::Active, &[ReleaseResources, DropConnection, StartConnectRetryTimer])
        }
        E::BgpOpen => stay(
            State::OpenConfirm,
            &[StopDelayOpenTimer, StopConnectRetryTimer, SendKeepalive, StartKeepaliveTimer, StartHoldTimer],
        ),
        E::BgpHeaderErr | E::BgpOpenMsgErr => down(Some(Notify::MessageError), Count::IncrementAndDamp),
        E::OpenCollisionDump => down(Some(Notify::Cease), Count::Increment),
        E::NotifMsgVerErr => down(None, Count::Keep),
        E::NotifMsg => down(None, Count::IncrementAndDamp),
        E::SendHoldTimerExpires => down(Some(Notify::SendHoldTimerExpired), Count::IncrementAndDamp),
        // Events 9, 11 to 13, 20, 26 to 28.
        _ => down(Some(Notify::FsmError), Count::IncrementAndDamp),
    }
}

/// RFC 4271 §8.2.2, "OpenConfirm State".
fn open_confirm(event: Event, a: &Attributes) -> (State, Actions) {
    let down = |notify, count| to_idle(State::OpenConfirm, notify, count, a);
    match event {
        e if e.is_start() => stay(State::OpenConfirm, &[]),
        E::ManualStop => down(Some(Notify::Cease), Count::Zero),
        E::AutomaticStop => down(Some(Notify::Cease), Count::IncrementAndDamp),
        E::HoldTimerExpires => down(Some(Notify::HoldTimerExpired), Count::IncrementAndDamp),
        E::KeepaliveTimerExpires => stay(State::OpenConfirm, &[SendKeepalive, StartKeepaliveTimer]),
        E::TcpConnectionValid | E::TcpCrAcked | E::TcpConnectionConfirmed => {
            stay(State::OpenConfirm, &[TrackSecondConnection])
        }
        E::TcpCrInvalid => stay(State::OpenConfirm, &[]),
        E::TcpConnectionFails | E::NotifMsg => down(None, Count::IncrementAndDamp),
        E::BgpHeaderErr | E::BgpOpenMsgErr => down(Some(Notify::MessageError), Count::IncrementAndDamp),
        E::OpenCollisionDump => down(Some(Notify::Cease), Count::Increment),
        E::NotifMsgVerErr => down(None, Count::Keep),
        E::KeepAliveMsg => stay(State::Established, &[StartHoldTimer]),
        E::SendHoldTimerExpires => down(Some(Notify::SendHoldTimerExpired), Count::IncrementAndDamp),
        // Events 9, 12, 13, 19, 20, 27, 28.
        _ => down(Some(Notify::FsmError), Count::IncrementAndDamp),
    }
}

/// RFC 4271 §8.2.2, "Established State".
fn established(event: Event, a: &Attributes) -> (State, Actions) {
    let down = |notify, count| to_idle(State::Established, notify, count, a);
    match event {
        e if e.is_start() => stay(State::Established, &[]),
        E::ManualStop => down(Some(Notify::Cease), Count::Zero),
        E::AutomaticStop => down(Some(Notify::Cease), Count::IncrementAndDamp),
        E::HoldTimerExpires => down(Some(Notify::HoldTimerExpired), Count::IncrementAndDamp),
        E::KeepaliveTimerExpires => stay(State::Established, &[SendKeepalive, StartKeepaliveTimer]),
        E::TcpConnectionValid | E::TcpCrAcked | E::TcpConnectionConfirmed => {
            stay(State::Established, &[TrackSecondConnection])
        }
        E::TcpCrInvalid => stay(State::Established, &[]),
        E::OpenCollisionDump => down(Some(Notify::Cease), Count::Increment),
        E::NotifMsgVerErr | E::NotifMsg | E::TcpConnectionFails => down(None, Count::Increment),
        E::KeepAliveMsg => stay(State::Established, &[StartHoldTimer]),
        E::UpdateMsg => stay(State::Established, &[ProcessUpdate, StartHoldTimer]),
        E::UpdateMsgErr | E::BgpHeaderErr => down(Some(Notify::MessageError), Count::IncrementAndDamp),
        E::SendHoldTimerExpires => down(Some(Notify::SendHoldTimerExpired), Count::IncrementAndDamp),
        // Events 9, 12, 13, 19, 20, 22.
        _ => down(Some(Notify::FsmError), Count::IncrementAndDamp),
    }
}
