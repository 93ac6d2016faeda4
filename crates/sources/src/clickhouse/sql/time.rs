//! Comparisons of stored times with instants.
//!
//! Tables are sorted by the minute or the day of a time, which a server holds in 32 or 16 bits from 1970 on. From a
//! comparison it tells which of them may be passed over, and some (seen with 26.1) take the minute of an
//! instant that has no such number for one in the middle: everything since 1900 was nothing. So a time is compared
//! with such an instant by its number, from which no server tells anything.

use std::ops::RangeInclusive;

use model::Micros;

use super::Parameters;

const DAY: i64 = 86_400 * Micros::PER_SECOND;

/// Instants that have a minute in 32 bits wherever the server is: two days off both ends, of 1970 and of 2106.
const WITH_A_MINUTE: RangeInclusive<i64> = (2 * DAY)..=(u32::MAX as i64 * Micros::PER_SECOND - 2 * DAY);

/// A DateTime64 as microseconds since 1970.
pub(in crate::clickhouse) fn micros_of(time: &str) -> String {
    format!("toUnixTimestamp64Micro(toDateTime64({time}, 6, 'UTC'))")
}

/// The condition that a stored time stands so to an instant that the text of a query does not have yet; `micros` is
/// an expression of its microseconds.
pub(in crate::clickhouse) fn compared(time: &str, operator: &str, micros: &str) -> String {
    let (first, last) = WITH_A_MINUTE.into_inner();
    format!(
        "(({micros} BETWEEN {first} AND {last} AND {time} {operator} fromUnixTimestamp64Micro({micros}, 'UTC')) OR \
         ({micros} NOT BETWEEN {first} AND {last} AND {} {operator} {micros}))",
        micros_of(time)
    )
}

/// Whether a stored time can be compared with an instant as it is.
pub(super) fn has_a_minute(instant: Micros) -> bool {
    WITH_A_MINUTE.contains(&instant.0)
}

impl Parameters {
    /// The condition that a stored time stands so to an instant.
    pub(in crate::clickhouse) fn compared(&mut self, time: &str, operator: &str, instant: Micros) -> String {
        match has_a_minute(instant) {
            true => format!("{time} {operator} {}", self.instant(instant)),
            false => format!("{} {operator} {}", micros_of(time), self.int(instant.0)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_compared_by_its_number_with_instants_without_a_minute() {
        let mut parameters = Parameters::default();
        let mut compared = |micros: i64| parameters.compared("t.c", ">=", Micros(micros));
        assert_eq!(compared(1_700_000_000_000_000), "t.c >= fromUnixTimestamp64Micro({p0:Int64}, 'UTC')");
        let by_number = "toUnixTimestamp64Micro(toDateTime64(t.c, 6, 'UTC')) >= ";
        // 1900, the start of 1970, 2106, 2299
        for (place, micros) in
            [-2_208_988_800_000_000, 0, 4_294_967_296_000_000, 10_413_791_999_999_999].into_iter().enumerate()
        {
            assert_eq!(compared(micros), format!("{by_number}{{p{}:Int64}}", place + 1), "{micros}");
        }
    }
}
