//! A peer that follows a script, on the stage of a capture: it is said where one is used.

pub(crate) use trunkline_interop::script::{
    establish, good_open, keepalive, linger, message, notification, open, read,
};

use crate::stage::{Side, Stage};
use std::io::Result;
use std::net::TcpStream;
use trunkline_interop::script;

/// Plays with each connection to port 179 of a side, until the capture has ended; a connection of the script's is closed when it
/// returns.
pub(crate) fn start(
    stage: &mut Stage<'_>,
    side: Side,
    play: impl Fn(&mut TcpStream) -> Result<()> + Send + 'static,
) {
    stage.record();
    stage.tell("a script".into(), side, 0);
    let script = script::Script::start(stage.space(side), stage.address(side), play);
    stage.scripts.push(script);
}
