//! Timestamps as text, UTC, without a calendar library in the loop.

use model::TimestampStyle;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// Prints timestamps of one column. Rows come in order of time, so the date is mostly the last one.
pub(crate) struct Clock {
    style: TimestampStyle,
    day: i64,
    /// The date of `day`, and behind it the time printed last.
    text: Vec<u8>,
    date_length: usize,
}

impl Clock {
    /// A clock that prints in this style.
    pub(crate) fn new(style: TimestampStyle) -> Self {
        let mut clock = Self { style, day: 0, text: Vec::with_capacity(32), date_length: 0 };
        clock.turn_to(0);
        clock
    }

    /// Whether CSV wraps the text in JSON quotes.
    pub(crate) fn is_json_in_csv(&self) -> bool {
        self.style == TimestampStyle::IsoMillis
    }

    /// Writes the instant, without quotes.
    pub(crate) fn write(&mut self, micros: i64, out: &mut Vec<u8>) {
        let day = micros.div_euclid(MICROS_PER_DAY);
        if day != self.day {
            self.turn_to(day);
        }
        let rest = micros.rem_euclid(MICROS_PER_DAY) as u64;
        let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
        self.text.truncate(self.date_length);
        let [h, m, s] = [seconds / 3_600, seconds / 60 % 60, seconds % 60].map(two_digits);
        let [a, b, c] = [micros / 10_000, micros / 100 % 100, micros % 100].map(two_digits);
        self.text.extend_from_slice(&[h[0], h[1], b':', m[0], m[1], b':', s[0], s[1], b'.', a[0], a[1], b[0]]);
        match self.style {
            TimestampStyle::SqlMicros => self.text.extend_from_slice(&[b[1], c[0], c[1]]),
            TimestampStyle::SqlMillis => {}
            TimestampStyle::IsoMillis => self.text.push(b'Z'),
        }
        out.extend_from_slice(&self.text);
    }

    fn turn_to(&mut self, day: i64) {
        let (year, month, date) = civil(day);
        self.day = day;
        self.text.clear();
        let year = match (year, self.style) {
            (0..=9_999, _) => format!("{year:04}"),
            // Beyond four digits a year has a sign: six digits in ECMAScript, as many as it takes in SQL.
            (_, TimestampStyle::IsoMillis) => format!("{year:+07}"),
            _ => format!("{year:+05}"),
        };
        let between = if self.style == TimestampStyle::IsoMillis { 'T' } else { ' ' };
        self.text.extend_from_slice(format!("{year}-{month:02}-{date:02}{between}").as_bytes());
        self.date_length = self.text.len();
    }
}

fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

/// Year, month and day of the month of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Counts in eras of 400 years that begin on the 1st of March, so that the leap day comes last.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let date = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, date)
}

#[cfg(test)]
mod tests {
    use model::Micros;
    use proptest::prelude::*;

    use super::*;

    fn printed(style: TimestampStyle, instants: &[i64]) -> Vec<String> {
        let mut clock = Clock::new(style);
        let print = |instant: &i64| {
            let mut out = Vec::new();
            clock.write(*instant, &mut out);
            String::from_utf8(out).unwrap()
        };
        instants.iter().map(print).collect()
    }

    #[test]
    fn each_style_prints_its_form() {
        let instant = 1_780_272_037_007_001;
        assert_eq!(printed(TimestampStyle::SqlMicros, &[instant]), ["2026-06-01 00:00:37.007001"]);
        assert_eq!(printed(TimestampStyle::SqlMillis, &[instant]), ["2026-06-01 00:00:37.007"]);
        assert_eq!(printed(TimestampStyle::IsoMillis, &[instant]), ["2026-06-01T00:00:37.007Z"]);
        assert_eq!(printed(TimestampStyle::IsoMillis, &[-1]), ["1969-12-31T23:59:59.999Z"]);
    }

    #[test]
    fn years_beyond_four_digits_are_signed() {
        let (long_ago, far_away) = (-62_198_755_200_000_000, 253_402_300_800_000_000);
        assert_eq!(printed(TimestampStyle::IsoMillis, &[far_away, long_ago])[0], "+010000-01-01T00:00:00.000Z");
        assert_eq!(printed(TimestampStyle::IsoMillis, &[long_ago]), ["-000001-01-01T00:00:00.000Z"]);
        assert_eq!(printed(TimestampStyle::SqlMicros, &[i64::MIN, i64::MAX])[1], "+294247-01-10 04:00:54.775807");
    }

    proptest! {
        #[test]
        fn any_order_of_instants_prints_as_the_calendar_library_does(
            instants in proptest::collection::vec(-9_000_000_000_000_000..9_000_000_000_000_000_i64, 1..20)
        ) {
            let expected: Vec<_> = instants.iter().map(|instant| Micros(*instant).to_sql_text()).collect();
            prop_assert_eq!(printed(TimestampStyle::SqlMicros, &instants), expected);
        }
    }
}
