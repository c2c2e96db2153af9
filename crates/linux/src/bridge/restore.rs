//! How a bridge was before we came. It is written as the comment of the gate's table, so that the next run knows it where
//! this one is killed.

use crate::netlink::links::BridgeSettings;
use std::fmt;

/// What is put back at the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Before {
    /// IFLA_BR_STP_STATE.
    pub(super) stp_state: u32,
    /// IFLA_BR_AGEING_TIME, hundredths of a second.
    pub(super) ageing_time: u32,
}

impl Before {
    pub(super) const fn new(settings: &BridgeSettings) -> Before {
        Before { stp_state: settings.stp_state, ageing_time: settings.ageing_time }
    }

    /// Reads what `Display` wrote.
    pub(super) fn parse(comment: &str) -> Option<Before> {
        let number = |name: &str| comment.split_once(name)?.1.split_whitespace().next()?.parse().ok();
        Some(Before { stp_state: number("stp_state ")?, ageing_time: number("ageing_time ")? })
    }
}

impl fmt::Display for Before {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "before: stp_state {} ageing_time {}", self.stp_state, self.ageing_time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let before = Before { stp_state: 0, ageing_time: 30_000 };
        assert_eq!(before.to_string(), "before: stp_state 0 ageing_time 30000");
        assert_eq!(Before::parse(&before.to_string()), Some(before));
        assert_eq!(Before::parse("before: stp_state 0 ageing_time"), None);
        assert_eq!(Before::parse(""), None);
    }
}
