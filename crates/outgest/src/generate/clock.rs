//! When traces begin: more by day than by night.

use model::Micros;

/// How busy each hour of a day is.
const HOURS: [u64; 24] = [2, 2, 1, 1, 1, 2, 4, 7, 11, 14, 15, 15, 13, 14, 15, 15, 14, 12, 10, 8, 7, 6, 4, 3];
/// Sub-steps of one unit of busyness, so that a day has more instants than events.
const STEPS: u64 = 1_000_000;
/// Traces begin before the last day's last half hour, so that their events start before the end.
const LAST_MICROS: i64 = 1_800 * Micros::PER_SECOND;

/// The instant that lies `done` / `all` through the days before `end`.
pub(super) fn instant(done: u64, all: u64, days: u32, end: Micros) -> Micros {
    let day_steps = HOURS.iter().sum::<u64>() * STEPS;
    let step = u128::from(done) * u128::from(day_steps) * u128::from(days) / u128::from(all.max(1));
    let day = (step / u128::from(day_steps)) as i64;
    let mut rest = (step % u128::from(day_steps)) as u64;
    let mut hour = 0;
    while rest >= HOURS[hour] * STEPS {
        rest -= HOURS[hour] * STEPS;
        hour += 1;
    }
    let hour_micros = 3_600 * Micros::PER_SECOND;
    let within = (u128::from(rest) * hour_micros as u128 / u128::from(HOURS[hour] * STEPS)) as i64;
    let first = end.0 - i64::from(days) * 24 * hour_micros;
    let instant = first + (day * 24 + hour as i64) * hour_micros + within;
    Micros(instant.min(end.0 - LAST_MICROS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_moves_forward_and_stays_inside_the_days() {
        let end = Micros(1_782_864_000_000_000);
        let instants: Vec<i64> = (0..10_000).map(|done| instant(done, 10_000, 3, end).0).collect();
        assert!(instants.is_sorted());
        assert_eq!(instants[0], end.0 - 3 * 86_400 * Micros::PER_SECOND);
        assert!(instants.iter().all(|instant| *instant < end.0));
        let noon = |instant: &&i64| (**instant / 3_600_000_000) % 24 == 12;
        let night = |instant: &&i64| (**instant / 3_600_000_000) % 24 == 3;
        assert!(instants.iter().filter(noon).count() > 5 * instants.iter().filter(night).count());
    }
}
