//! Whether a process is large enough: gates beyond which it is time to move up, and how many instances a load wants.

use std::time::Duration;

use serde::Serialize;
use utoipa::ToSchema;

use super::ratio::Share;

/// Requests that one instance has in hand at a time, unless it has found that it can do fewer in time.
pub const AT_A_TIME: u64 = 100;

/// Memory that an instance wants, in bytes.
pub const MEMORY_BYTES: u64 = 2_000_000_000;

/// Cores that an instance wants.
pub const CORES: u64 = 1;

/// Gates of each figure: the first says to plan, the last that users notice.
const OF_CPU: [Share; 3] = [Share::percent(70), Share::percent(75), Share::percent(80)];
const OF_POOL: [Share; 3] = [Share::percent(80), Share::percent(85), Share::percent(90)];
const OF_P95_SECONDS: [Share; 3] =
    [Share::permille(300), Share::permille(500), Share::permille(800)];
const OF_ERRORS: [Share; 3] = [Share::permille(5), Share::permille(10), Share::permille(20)];

/// What was measured of a process; none: not enough has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Share of all cores that the process has used.
    pub cpu: Option<Share>,
    /// Share of the connections to the database in use.
    pub pool: Option<Share>,
    /// 95 % of the answers with a target came within this.
    pub p95: Option<Duration>,
    /// Share of the answers that were 5xx.
    pub errors: Option<Share>,
}

/// A figure and how far it has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Gate {
    /// `cpu`, `database_pool`, `p95`, `errors`.
    pub measure: &'static str,
    /// `ratio` or `seconds`.
    pub unit: &'static str,
    /// Decimal text.
    #[schema(value_type = Option<String>)]
    pub value: Option<Share>,
    /// What is to be reached for gates 1, 2 and 3.
    #[schema(value_type = Vec<String>)]
    pub gates: [Share; 3],
    /// The highest gate that is reached; 0: none.
    pub reached: u8,
}

/// The gates of what was measured.
pub fn gates(measured: &Measured) -> [Gate; 4] {
    let p95 = measured.p95.map(|p95| Share(u64::try_from(p95.as_micros()).unwrap_or(u64::MAX)));
    [
        gate("cpu", "ratio", measured.cpu, OF_CPU),
        gate("database_pool", "ratio", measured.pool, OF_POOL),
        gate("p95", "seconds", p95, OF_P95_SECONDS),
        gate("errors", "ratio", measured.errors, OF_ERRORS),
    ]
}

fn gate(measure: &'static str, unit: &'static str, value: Option<Share>, of: [Share; 3]) -> Gate {
    let reached = value.map_or(0, |value| of.iter().filter(|gate| value >= **gate).count());
    Gate { measure, unit, value, gates: of, reached: u8::try_from(reached).unwrap_or(u8::MAX) }
}

impl Gate {
    /// In words, when a gate is reached.
    pub fn story(&self) -> Option<String> {
        let gate = self.gates.get(usize::from(self.reached.checked_sub(1)?))?;
        let unit = if self.unit == "seconds" { " s" } else { "" };
        let value = self.value?;
        Some(format!("{} is {value}{unit}, gate {} is {gate}{unit}", self.measure, self.reached))
    }
}

/// Instances for so many thousandths of a request a second, each of which takes so long, when an instance has
/// `at_a_time` of them in hand: ceil(rate × time / at a time), and never none.
pub fn instances(rate_thousandths: u64, took: Duration, at_a_time: u64) -> u64 {
    let in_hand = u128::from(rate_thousandths).saturating_mul(took.as_micros());
    let of_one = u128::from(at_a_time.max(1)) * 1_000_000_000;
    u64::try_from(in_hand.div_ceil(of_one)).unwrap_or(u64::MAX).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gate_is_reached_at_its_threshold_and_not_just_below() {
        let below = |share: Share| Share(share.0 - 1);
        for (at, of) in [(0, OF_CPU), (1, OF_POOL), (2, OF_P95_SECONDS), (3, OF_ERRORS)] {
            let reached = |share: Share| {
                let measured = Measured {
                    cpu: Some(share),
                    pool: Some(share),
                    p95: Some(Duration::from_micros(share.0)),
                    errors: Some(share),
                };
                gates(&measured)[at].reached
            };
            assert_eq!(reached(below(of[0])), 0, "{at}");
            for (number, gate) in (1u8..).zip(of) {
                assert_eq!(reached(gate), number, "{at}");
                assert_eq!(reached(below(gate)), number - 1, "{at}");
            }
        }
        let thresholds = [OF_CPU, OF_POOL, OF_P95_SECONDS, OF_ERRORS]
            .map(|gates| gates.map(|gate| gate.to_string()).join(" "));
        assert_eq!(thresholds, ["0.7 0.75 0.8", "0.8 0.85 0.9", "0.3 0.5 0.8", "0.005 0.01 0.02"]);
    }

    #[test]
    fn a_gate_is_named_with_what_reached_it() {
        let measured = Measured {
            pool: Some(Share::percent(86)),
            p95: Some(Duration::from_millis(900)),
            ..Measured::default()
        };
        let stories: Vec<_> = gates(&measured).iter().filter_map(Gate::story).collect();
        assert_eq!(
            stories,
            ["database_pool is 0.86, gate 2 is 0.85", "p95 is 0.9 s, gate 3 is 0.8 s"]
        );
        assert!(gates(&Measured::default()).iter().all(|gate| gate.reached == 0));
    }

    #[test]
    fn instances_are_the_requests_in_hand_by_those_of_one() {
        for (rate, milliseconds, expected) in [
            (1, 1, 1),
            (0, 0, 1),
            (1000, 100, 1),
            (1001, 100, 2),
            (5000, 200, 10),
            (5000, 201, 11),
            (1_000_000, 600_000, 6_000_000),
        ] {
            let took = Duration::from_millis(milliseconds);
            assert_eq!(instances(rate * 1000, took, AT_A_TIME), expected, "{rate} {milliseconds}");
        }
        assert_eq!(instances(u64::MAX, Duration::MAX, 0), u64::MAX);
    }
}
