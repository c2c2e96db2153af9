//! Autonomous system numbers (RFC 6793: four octets; written asplain, RFC 5396).

use std::fmt;
use std::str::FromStr;

/// An autonomous system number, 0..=4294967295. 0 is reserved (RFC 7607), 23456 is AS_TRANS (RFC 6793 §9).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Asn(pub u32);

impl Asn {
    /// AS_TRANS, which stands for a four-octet number where only two octets fit (RFC 6793 §9).
    pub const TRANS: Asn = Asn(23456);

    /// The two-octet form: the number itself where it fits, AS_TRANS where it does not (RFC 6793 §4.2.2).
    pub fn to_two_octet(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

/// The text is no AS number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseAsnError;

impl fmt::Display for ParseAsnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an AS number is 0 to 4294967295, or two such halves as in 64512.1")
    }
}

impl std::error::Error for ParseAsnError {}

impl FromStr for Asn {
    type Err = ParseAsnError;

    /// Reads asplain ("4200000001"), asdot ("64086.59905") and an "AS" before either.
    fn from_str(s: &str) -> Result<Asn, ParseAsnError> {
        let s = s.strip_prefix("AS").or_else(|| s.strip_prefix("as")).unwrap_or(s);
        let number = match s.split_once('.') {
            Some((high, low)) => {
                let half = |t: &str| t.parse::<u16>().map(u32::from).map_err(|_| ParseAsnError);
                (half(high)? << 16) | half(low)?
            }
            None => s.parse().map_err(|_| ParseAsnError)?,
        };
        Ok(Asn(number))
    }
}

impl serde::Serialize for Asn {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_u32(self.0)
    }
}

impl<'de> serde::Deserialize<'de> for Asn {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Asn, D::Error> {
        u32::deserialize(d).map(Asn)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_notations() {
        assert_eq!("65001".parse(), Ok(Asn(65001)));
        assert_eq!("AS4200000001".parse(), Ok(Asn(4_200_000_001)));
        assert_eq!("64086.59905".parse(), Ok(Asn(4_200_000_001)));
        assert_eq!("4294967296".parse::<Asn>(), Err(ParseAsnError));
        assert_eq!("1.65536".parse::<Asn>(), Err(ParseAsnError));
    }

    #[test]
    fn two_octet_form_is_as_trans_where_it_does_not_fit() {
        // RFC 6793 §4.2.2
        assert_eq!(Asn(65535).to_two_octet(), 65535);
        assert_eq!(Asn(65536).to_two_octet(), 23456);
    }
}
