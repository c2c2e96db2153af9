//! Durations, counts and names in words.

use super::table::Color;

/// A duration as network engineers read it: "01:02:03", beyond a day "3d04h", beyond a year "1y003d".
pub(crate) fn duration(seconds: f64) -> String {
    // Negative or not a number cannot be: it would be shown as zero.
    let s = seconds.max(0.0) as u64;
    let (days, hours) = (s / 86_400, s / 3600 % 24);
    match days {
        0 => format!("{hours:02}:{:02}:{:02}", s / 60 % 60, s % 60),
        1..365 => format!("{days}d{hours:02}h"),
        _ => format!("{}y{:03}d", days / 365, days % 365),
    }
}

/// "1 prefix", "2 prefixes".
pub(crate) fn count(n: u64, one: &str, many: &str) -> String {
    format!("{n} {}", if n == 1 { one } else { many })
}

/// A value, or "-" where there is none.
pub(crate) fn or_dash<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |v| v.to_string())
}

/// The colour of a BGP state.
pub(crate) fn state_color(state: &str) -> Color {
    match state {
        "Established" => Color::Green,
        "OpenSent" | "OpenConfirm" => Color::Yellow,
        _ => Color::Red,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let cases = [
            (0.4, "00:00:00"),
            (3723.9, "01:02:03"),
            (86_399.0, "23:59:59"),
            (86_400.0, "1d00h"),
            (3.0 * 86_400.0 + 4.5 * 3600.0, "3d04h"),
            (368.0 * 86_400.0, "1y003d"),
            (f64::NAN, "00:00:00"),
        ];
        for (seconds, text) in cases {
            assert_eq!(duration(seconds), text);
        }
    }
}
