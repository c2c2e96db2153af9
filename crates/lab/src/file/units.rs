//! Durations, rates and shares as a lab file writes them: "50us", "10Mbit", "1%".

use std::time::Duration;
use trunkline_config::{Misread, Text, Value, misread};

/// A duration with its unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Time(pub(crate) Duration);

/// The longest duration of a file: 1000 days.
const LONGEST: f64 = 86_400_000.0;

const TIMES: [(&str, f64); 6] =
    [("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("h", 3600.0)];

impl Text for Time {
    const NAME: &'static str = "a duration";

    fn read(text: &str) -> Result<Time, Misread> {
        let allowed = "expected a number with a unit: ns, us, ms, s, m or h, as in \"50us\" or \"1.5s\"";
        let (number, unit) = split(text).ok_or_else(|| misread(allowed))?;
        let Some((_, factor)) = TIMES.iter().find(|(name, _)| *name == unit) else {
            let help = unit.is_empty().then(|| format!("for seconds, write \"{text}s\""));
            return Err(Misread { allowed: allowed.to_owned(), help });
        };
        let seconds = number * factor;
        if seconds > LONGEST {
            return Err(misread("expected at most 24000h"));
        }
        // Through nanoseconds, so that "0.1s" is exactly that.
        Ok(Time(Duration::from_nanos((seconds * 1e9).round() as u64)))
    }
}

/// A duration with its unit, as a lab file writes it.
///
/// # Errors
///
/// What is allowed, in words.
pub fn parse_time(text: &str) -> Result<Duration, String> {
    Time::read(text).map(|time| time.0).map_err(in_words)
}

/// Bits a second with a unit, as a lab file writes them.
///
/// # Errors
///
/// What is allowed, in words.
pub fn parse_rate(text: &str) -> Result<u64, String> {
    Rate::read(text).map(|rate| rate.0).map_err(in_words)
}

/// A percentage, as a lab file writes it; a share, 0..=1.
///
/// # Errors
///
/// What is allowed, in words.
pub fn parse_share(text: &str) -> Result<f64, String> {
    Share::read(text).map(|share| share.0).map_err(in_words)
}

fn in_words(wrong: Misread) -> String {
    let Misread { allowed, help } = wrong;
    help.map_or(allowed.clone(), |help| format!("{allowed}; {help}"))
}

/// Bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate(pub(crate) u64);

const RATES: [(&str, f64); 4] = [("bit", 1.0), ("kbit", 1e3), ("Mbit", 1e6), ("Gbit", 1e9)];

impl Text for Rate {
    const NAME: &'static str = "a rate";

    fn read(text: &str) -> Result<Rate, Misread> {
        let allowed = "expected bits a second with a unit: bit, kbit, Mbit or Gbit, as in \"10Mbit\"";
        let (number, unit) = split(text).ok_or_else(|| misread(allowed))?;
        let known = RATES.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit));
        let (_, factor) = known.ok_or_else(|| misread(allowed))?;
        let bits = (number * factor).round();
        if !(1000.0..=1e12).contains(&bits) {
            return Err(misread("expected 1kbit to 1000Gbit"));
        }
        Ok(Rate(bits as u64))
    }
}

/// A share of frames, 0..=1: a percentage as text.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Share(pub(crate) f64);

impl Text for Share {
    const NAME: &'static str = "a share";

    fn read(text: &str) -> Result<Share, Misread> {
        let allowed = "expected a percentage, as in \"1%\" or \"0.1%\"";
        match split(text) {
            Some((percent, "%")) if percent <= 100.0 => Ok(Share(percent / 100.0)),
            Some((_, "%")) => Err(misread("expected at most 100%")),
            Some((number, "")) if number <= 1.0 => Err(Misread {
                allowed: allowed.to_owned(),
                help: Some(format!("write \"{}%\"", number * 100.0)),
            }),
            _ => Err(misread(allowed)),
        }
    }
}

/// The number in front and what follows it; none where there is no number, or one that is negative.
fn split(text: &str) -> Option<(f64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let number = text[..end].parse().ok()?;
    Some((number, text[end..].trim()))
}

pub(crate) fn time(value: &Value<'_>) -> Option<Duration> {
    value.text::<Time>().map(|time| time.0)
}

/// Time until something happens; not nothing.
pub(crate) fn interval(value: &Value<'_>) -> Option<Duration> {
    match time(value)? {
        Duration::ZERO => value.refuse(value.problem("is 0", "expected some time")),
        time => Some(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_units() {
        let read = |text| Time::read(text).map(|time| time.0);
        assert_eq!(read("50us"), Ok(Duration::from_micros(50)));
        assert_eq!(read("0.1s"), Ok(Duration::from_millis(100)));
        assert_eq!(read("1.5 h"), Ok(Duration::from_secs(5400)));
        assert_eq!(read("20").unwrap_err().help.as_deref(), Some("for seconds, write \"20s\""));
        for wrong in ["", "s", "-1s", "1 day", "1.2.3s", "99999999999h"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn rates_and_shares() {
        assert_eq!(Rate::read("10Mbit").map(|r| r.0), Ok(10_000_000));
        assert_eq!(Rate::read("64kbit").map(|r| r.0), Ok(64_000));
        assert!(Rate::read("10").is_err() && Rate::read("1bit").is_err());
        assert_eq!(Share::read("0.1%").map(|s| s.0), Ok(0.001));
        assert_eq!(Share::read("0.01").unwrap_err().help.as_deref(), Some("write \"1%\""));
        assert!(Share::read("101%").is_err());
    }
}
