//! Points of the calendar: `2026-01-01T00:00:00Z`, as seconds since 1970.

use crate::value::Value;
use toml::de::DeValue;
use toml::value::{Date, Datetime, Offset, Time};

const DAY: i64 = 86_400;

/// A date and time with its offset from UTC, in quotes or without; seconds since 1970-01-01 00:00 UTC.
pub(crate) fn date(value: &Value<'_>) -> Option<u64> {
    let written = match value.raw() {
        DeValue::Datetime(written) => Some(*written),
        DeValue::String(text) => text.parse().ok(),
        _ => None,
    };
    let seconds = match written {
        Some(Datetime { date: Some(date), time: Some(time), offset: Some(offset) }) => {
            seconds(date, time, offset)
        }
        _ => {
            let help = match written {
                Some(Datetime { date: Some(date), time: None, .. }) => {
                    Some(format!("add the time, as in {date}T00:00:00Z"))
                }
                Some(Datetime { date: Some(_), time: Some(_), offset: None }) => {
                    Some("add `Z` for UTC, or the offset of a time zone, as in `+01:00`".to_owned())
                }
                _ => None,
            };
            let allowed = "expected a date, time and offset, as in 2026-01-01T00:00:00Z";
            let mut problem = value.problem("is no point of time", allowed);
            problem.help = help;
            return value.refuse(problem);
        }
    };
    let seconds = u64::try_from(seconds).ok();
    seconds.or_else(|| value.refuse(value.problem("is too early", "expected 1970-01-01T00:00:00Z or later")))
}

fn seconds(date: Date, time: Time, offset: Offset) -> i64 {
    let minutes = match offset {
        Offset::Z => 0,
        Offset::Custom { minutes } => i64::from(minutes),
    };
    let of_day = i64::from(time.hour) * 3600
        + i64::from(time.minute) * 60
        + i64::from(time.second.unwrap_or_default());
    days(i64::from(date.year), i64::from(date.month), i64::from(date.day)) * DAY + of_day - minutes * 60
}

/// Days from 1970-01-01 to a date of the Gregorian calendar.
fn days(year: i64, month: i64, day: i64) -> i64 {
    /// From the first of March of year 0 to 1970-01-01.
    const TO_1970: i64 = 719_468;
    // A leap day is the last day of a year that begins in March.
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    // From March on the months have 31, 30, 31, 30, 31 days, and so on again.
    let day_of_year = (153 * month + 2) / 5 + day - 1;
    year * 365 + leap_days + day_of_year - TO_1970
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        let known = [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-03-01T00:00:00Z", 5_097_600),
            ("1999-12-31T23:59:59Z", 946_684_799),
            ("2000-02-29T12:00:00Z", 951_825_600),
            ("2000-03-01T00:00:00Z", 951_868_800),
            ("2024-02-29T00:00:00Z", 1_709_164_800),
            ("2026-01-01T00:00:00Z", 1_767_225_600),
            ("2026-01-01T01:00:00+01:00", 1_767_225_600),
            ("2025-12-31T18:30:00-05:30", 1_767_225_600),
            ("2100-03-01T00:00:00Z", 4_107_542_400),
            ("9999-12-31T23:59:59Z", 253_402_300_799),
            ("1969-12-31T23:59:59Z", -1),
        ];
        for (text, expected) in known {
            let Datetime { date, time, offset } = text.parse().unwrap();
            assert_eq!(seconds(date.unwrap(), time.unwrap(), offset.unwrap()), expected, "{text}");
        }
    }

    #[test]
    fn each_day_follows_the_one_before() {
        let mut expected = days(1896, 1, 1);
        for year in 1896..2404 {
            let leap = year % 4 == 0 && year % 100 != 0 || year % 400 == 0;
            let lengths = [31, if leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
            for (month, length) in (1..).zip(lengths) {
                for day in 1..=length {
                    assert_eq!(days(year, month, day), expected, "{year}-{month}-{day}");
                    expected += 1;
                }
            }
        }
    }
}
