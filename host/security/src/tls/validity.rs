//! From when until when a certificate may be used.
//!
//! Enters: a certificate as DER. Leaves: its [`Validity`], and a warning in time before it ends. Guarantees: no
//! input panics; of a certificate only what leads to this field is looked at, and whoever connects checks the rest.

use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How long before its end a warning is due.
const NOTICE: Duration = Duration::from_secs(14 * DAY);
const DAY: u64 = 24 * 60 * 60;

const INTEGER: u8 = 0x02;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;

/// A period, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// When it begins.
    pub not_before: Moment,
    /// When it ends.
    pub not_after: Moment,
}

/// Whether this is a certificate of version 1, which has no extensions and so names no host in the way of today.
pub(super) fn is_version_1(certificate: &[u8]) -> bool {
    let signed = element(SEQUENCE, certificate).and_then(|(outer, _)| element(SEQUENCE, outer));
    signed.is_some_and(|(signed, _)| element(INTEGER, signed).is_some())
}

impl Validity {
    /// That of a certificate; `None` when this is none.
    pub fn of(certificate: &[u8]) -> Option<Validity> {
        let (outer, _) = element(SEQUENCE, certificate)?;
        let (signed, _) = element(SEQUENCE, outer)?;
        // Certificates of version 1 do not say so.
        let rest = element(VERSION, signed).map_or(signed, |(_, rest)| rest);
        let (_serial_number, rest) = element(INTEGER, rest)?;
        let (_signature_algorithm, rest) = element(SEQUENCE, rest)?;
        let (_issuer, rest) = element(SEQUENCE, rest)?;
        let (validity, _) = element(SEQUENCE, rest)?;
        let (not_before, rest) = moment(validity)?;
        let (not_after, _) = moment(rest)?;
        Some(Validity {
            not_before,
            not_after,
        })
    }

    /// The warning for an operator at this time.
    pub fn warning(&self, now: SystemTime) -> Option<String> {
        if now < self.not_before.time() {
            return Some(format!("it is not valid before {}", self.not_before));
        }
        let end = self.not_after;
        match end.time().duration_since(now) {
            Err(_) => Some(format!("it has expired on {end}")),
            Ok(left) if left < NOTICE => {
                let days = left.as_secs() / DAY;
                Some(format!("it expires in {days} days, on {end}"))
            }
            Ok(_) => None,
        }
    }
}

impl fmt::Display for Validity {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "valid until {}", self.not_after)
    }
}

/// A moment in UTC, to the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    year: u64,
    month: u64,
    day: u64,
    hour: u64,
    minute: u64,
    second: u64,
}

impl Moment {
    /// Reads `YYMMDDhhmmssZ` or `YYYYMMDDhhmmssZ`.
    fn read(text: &[u8], year_digits: usize) -> Option<Moment> {
        let digits = text.strip_suffix(b"Z")?;
        if digits.len() != year_digits + 10 || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let number = |from: usize, to: usize| {
            let digits = digits.get(from..to).unwrap_or_default();
            let value = |sum: u64, digit: &u8| 10 * sum + u64::from(digit - b'0');
            digits.iter().fold(0, value)
        };
        let year = match number(0, year_digits) {
            // Two digits mean 1950 to 2049.
            short if year_digits == 2 && short < 50 => 2000 + short,
            short if year_digits == 2 => 1900 + short,
            whole => whole,
        };
        let pair = |index: usize| number(year_digits + 2 * index, year_digits + 2 * index + 2);
        let moment = Moment {
            year,
            month: pair(0),
            day: pair(1),
            hour: pair(2),
            minute: pair(3),
            second: pair(4),
        };
        let is_right = (1..=12).contains(&moment.month)
            && (1..=31).contains(&moment.day)
            && moment.hour < 24
            && moment.minute < 60
            && moment.second < 61;
        is_right.then_some(moment)
    }

    /// The same for the machine's clock. Moments before 1970 are the beginning of 1970.
    pub fn time(self) -> SystemTime {
        const BEFORE_MONTH: [u64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        // Leap years before a year, counted from year 1.
        let leap_years = |year: u64| {
            let past = year.saturating_sub(1);
            past / 4 - past / 100 + past / 400
        };
        let is_leap = leap_years(self.year + 1) > leap_years(self.year);
        let leap_day = u64::from(is_leap && self.month > 2);
        let month = usize::try_from(self.month - 1).unwrap_or(0);
        let before_month = BEFORE_MONTH.get(month).copied().unwrap_or(0);
        let since_1970 =
            |year: u64| (year * 365 + leap_years(year)).checked_sub(1970 * 365 + leap_years(1970));
        let Some(days_of_years) = since_1970(self.year) else {
            return UNIX_EPOCH;
        };
        let days = days_of_years + before_month + leap_day + self.day - 1;
        UNIX_EPOCH + Duration::from_secs(days * DAY + self.hour * 3600 + self.minute * 60 + self.second)
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        write!(
            formatter,
            "{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC"
        )
    }
}

/// The content of the element of this kind that `der` begins with, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&first, rest) = der.split_first()?;
    if first != tag {
        return None;
    }
    let (&length, rest) = rest.split_first()?;
    let (length, rest) = if length < 0x80 {
        (usize::from(length), rest)
    } else {
        // So many bytes of length follow; more than four are no certificate.
        let count = usize::from(length & 0x7f);
        let (bytes, rest) = rest.split_at_checked(count)?;
        if count == 0 || count > 4 {
            return None;
        }
        let value = bytes.iter().fold(0, |sum, byte| sum << 8 | usize::from(*byte));
        (value, rest)
    };
    rest.split_at_checked(length)
}

fn moment(der: &[u8]) -> Option<(Moment, &[u8])> {
    if let Some((text, rest)) = element(UTC_TIME, der) {
        return Some((Moment::read(text, 2)?, rest));
    }
    let (text, rest) = element(GENERALIZED_TIME, der)?;
    Some((Moment::read(text, 4)?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn certificate(from: (i32, u8, u8), to: (i32, u8, u8)) -> Vec<u8> {
        let mut parameters = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        parameters.not_before = date_time_ymd(from.0, from.1, from.2);
        parameters.not_after = date_time_ymd(to.0, to.1, to.2);
        let key = KeyPair::generate().unwrap();
        parameters.self_signed(&key).unwrap().der().to_vec()
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    #[test]
    fn both_ends_are_read_on_either_side_of_2050() {
        let validity = Validity::of(&certificate((1999, 12, 31), (2051, 2, 3))).unwrap();
        assert_eq!(validity.not_before.to_string(), "1999-12-31 00:00:00 UTC");
        assert_eq!(validity.to_string(), "valid until 2051-02-03 00:00:00 UTC");
        assert_eq!(validity.not_before.time(), at(946_598_400));
        assert_eq!(validity.not_after.time(), at(2_558_995_200));
    }

    #[test]
    fn moments_are_those_of_the_clock() {
        for (text, seconds) in [
            ("700101000000Z", 0),
            ("000229235959Z", 951_868_799),
            ("000301000000Z", 951_868_800),
            ("240229000000Z", 1_709_164_800),
            ("261231235960Z", 1_798_761_600),
            ("500101000000Z", 0),
        ] {
            assert_eq!(
                Moment::read(text.as_bytes(), 2).unwrap().time(),
                at(seconds),
                "{text}"
            );
        }
        let century = Moment::read(b"21000301000000Z", 4).unwrap();
        assert_eq!(century.time(), at(4_107_542_400), "2100 is no leap year");
        for wrong in [
            "",
            "Z",
            "700101000000",
            "7001010000Z",
            "701301000000Z",
            "70010100000xZ",
        ] {
            assert_eq!(Moment::read(wrong.as_bytes(), 2), None, "{wrong}");
        }
    }

    #[test]
    fn a_warning_comes_two_weeks_before_the_end() {
        let validity = Validity::of(&certificate((2026, 1, 1), (2026, 12, 31))).unwrap();
        let end = validity.not_after.time();
        let before = |days: u64| validity.warning(end - Duration::from_secs(days * DAY));
        assert_eq!(before(15), None);
        assert_eq!(
            before(13).unwrap(),
            "it expires in 13 days, on 2026-12-31 00:00:00 UTC"
        );
        let later = validity.warning(end + Duration::from_secs(1)).unwrap();
        assert!(later.contains("has expired"), "{later}");
        assert!(validity.warning(at(0)).unwrap().contains("not valid before"));
    }

    #[test]
    fn damaged_certificates_are_never_read_past_their_end() {
        let whole = certificate((2020, 1, 1), (2030, 1, 1));
        for length in 0..whole.len() {
            assert_eq!(Validity::of(&whole[..length]), None, "{length}");
        }
        for place in 0..whole.len().min(200) {
            for value in [0, 0x7f, 0x80, 0x84, 0x85, 0xff] {
                let mut changed = whole.clone();
                changed[place] = value;
                let _ = Validity::of(&changed).map(|validity| validity.warning(SystemTime::now()));
            }
        }
    }
}
