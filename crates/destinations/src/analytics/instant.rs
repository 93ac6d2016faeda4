//! Instants as text, UTC whatever the machine's zone.

use model::Micros;

const MICROS_PER_DAY: i64 = 86_400_000_000;

/// How an instant is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `2026-06-01T00:00:37.007001Z`
    Rfc3339,
    /// `2026-06-01T00:00:37.007Z`
    Rfc3339Millis,
    /// `2026-06-01 00:00:37.007001`
    Sql,
    /// `2026-06-01 00:00:37.007`
    SqlMillis,
}

/// Prints instants. Rows come in order of time, so the date is mostly the last one.
pub(crate) struct InstantText {
    form: Form,
    day: i64,
    date: String,
}

impl InstantText {
    pub(crate) fn new(form: Form) -> Self {
        Self { form, day: 0, date: date_of(0) }
    }

    /// Appends the instant without quotes.
    pub(crate) fn write(&mut self, instant: Micros, out: &mut Vec<u8>) {
        let day = instant.0.div_euclid(MICROS_PER_DAY);
        if day != self.day {
            (self.day, self.date) = (day, date_of(day));
        }
        let rest = instant.0.rem_euclid(MICROS_PER_DAY) as u64;
        let (seconds, micros) = (rest / 1_000_000, rest % 1_000_000);
        let [h, m, s] = [seconds / 3_600, seconds / 60 % 60, seconds % 60].map(two_digits);
        let [a, b, c] = [micros / 10_000, micros / 100 % 100, micros % 100].map(two_digits);
        let is_sql = matches!(self.form, Form::Sql | Form::SqlMillis);
        out.extend_from_slice(self.date.as_bytes());
        out.push(if is_sql { b' ' } else { b'T' });
        out.extend_from_slice(&[h[0], h[1], b':', m[0], m[1], b':', s[0], s[1], b'.', a[0], a[1], b[0]]);
        if matches!(self.form, Form::Rfc3339 | Form::Sql) {
            out.extend_from_slice(&[b[1], c[0], c[1]]);
        }
        if !is_sql {
            out.push(b'Z');
        }
    }
}

fn date_of(day: i64) -> String {
    let text = Micros(day.saturating_mul(MICROS_PER_DAY)).to_sql_text();
    text.split(' ').next().unwrap_or_default().to_owned()
}

fn two_digits(number: u64) -> [u8; 2] {
    [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_printed_in_utc_with_the_digits_of_the_form() {
        let print = |form, micros| {
            let mut out = Vec::new();
            InstantText::new(form).write(Micros(micros), &mut out);
            String::from_utf8(out).unwrap()
        };
        let instant = 1_780_272_037_007_001;
        assert_eq!(print(Form::Rfc3339, instant), "2026-06-01T00:00:37.007001Z");
        assert_eq!(print(Form::Rfc3339Millis, instant), "2026-06-01T00:00:37.007Z");
        assert_eq!(print(Form::Sql, instant), "2026-06-01 00:00:37.007001");
        assert_eq!(print(Form::SqlMillis, -1), "1969-12-31 23:59:59.999");
    }

    #[test]
    fn a_day_that_differs_from_the_last_one_is_printed_anew() {
        let mut text = InstantText::new(Form::Sql);
        let mut out = Vec::new();
        for day in [0, -1, 20_000] {
            out.clear();
            text.write(Micros(day * MICROS_PER_DAY + 5), &mut out);
            assert_eq!(String::from_utf8_lossy(&out), Micros(day * MICROS_PER_DAY + 5).to_sql_text());
        }
    }
}
