//! Times as text.

/// Seconds of a UTC day.
pub(crate) const DAY_SECONDS: i64 = 86_400;
/// Days of 400 years.
const ERA_DAYS: i64 = 146_097;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH: i64 = 719_468;

/// Unix seconds as RFC 3339 in UTC: `2024-03-14T12:00:00Z`.
pub fn rfc3339(unix_seconds: i64) -> String {
    let (year, month, day) = civil(unix_seconds.div_euclid(DAY_SECONDS));
    let second = unix_seconds.rem_euclid(DAY_SECONDS);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Counted in years that begin on 1 March, so that the leap day is the last of its year, and in
/// eras of 400 years, which all have the same number of days.
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let day = day.saturating_add(EPOCH);
    let of_era = day.rem_euclid(ERA_DAYS);
    // Every 4th year has a leap day, but not every 100th, but every 400th: taking these days out
    // leaves years of 365 days. The last day of an era is one of them.
    let leap_days = of_era / 1_460 - of_era / 36_524 + of_era / (ERA_DAYS - 1);
    let year_of_era = (of_era - leap_days) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // From March on, five months in a row always have 153 days.
    let month_from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * month_from_march + 2) / 5 + 1;
    let (month, next_year) = match month_from_march {
        0..=9 => (month_from_march + 3, 0),
        _ => (month_from_march - 9, 1),
    };
    (day.div_euclid(ERA_DAYS) * 400 + year_of_era + next_year, month, day_of_month)
}

/// The day, counted from 1970-01-01, of a date; [`civil`] backwards. A month beyond 12 is one of the
/// years that follow.
pub(crate) fn day_of(year: i64, month: i64, day: i64) -> i64 {
    let year = year + (month - 1).div_euclid(12);
    let month = (month - 1).rem_euclid(12) + 1;
    // The year begins in March.
    let (year, from_march) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let leap_days = of_era / 4 - of_era / 100;
    era * ERA_DAYS + of_era * 365 + leap_days + (153 * from_march + 2) / 5 + day - 1 - EPOCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_have_their_dates() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (-1, "1969-12-31T23:59:59Z"),
            (951_782_399, "2000-02-28T23:59:59Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_078_012_800, "2004-02-29T00:00:00Z"),
            (1_710_417_600, "2024-03-14T12:00:00Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(seconds), text);
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
        let mut expected = (1970, 1, 1);
        for day in 0..146_097 {
            assert_eq!(civil(day), expected);
            let (year, month, date) = expected;
            assert_eq!(day_of(year, month, date), day);
            assert_eq!(day_of(year - 1, month + 12, date), day);
            let last = match month {
                2 if leap(year) => 29,
                2 => 28,
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (month, date) {
                (12, 31) => (year + 1, 1, 1),
                (_, date) if date == last => (year, month + 1, 1),
                _ => (year, month, date + 1),
            };
        }
    }
}
