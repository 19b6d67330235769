//! What was measured, against what it must be.

use std::fmt::Display;
use std::io::Write as _;

use anyhow::ensure;

/// Prints figures as they come and remembers whether one missed its limit.
#[derive(Debug, Default)]
pub struct Figures {
    missed: Vec<String>,
}

impl Figures {
    /// Begins a group.
    pub fn title(&self, text: impl Display) {
        line(format_args!("\n{text}"));
    }

    /// A figure without a limit.
    pub fn note(&self, name: &str, value: impl Display) {
        line(format_args!("       {name:<48} {value}"));
    }

    /// A figure that has to hold; `limit` says what would.
    pub fn judge(&mut self, name: &str, value: impl Display, limit: impl Display, holds: bool) {
        let verdict = if holds { "ok    " } else { "MISSED" };
        line(format_args!("{verdict} {name:<48} {value} (limit: {limit})"));
        if !holds {
            self.missed.push(name.to_owned());
        }
    }

    /// A figure that must not be above a limit.
    pub fn at_most(&mut self, name: &str, value: u64, limit: u64, unit: &str) {
        self.judge(
            name,
            format_args!("{value} {unit}"),
            format_args!("≤ {limit} {unit}"),
            value <= limit,
        );
    }

    /// A figure that must not be below a limit.
    pub fn at_least(&mut self, name: &str, value: u64, limit: u64, unit: &str) {
        self.judge(
            name,
            format_args!("{value} {unit}"),
            format_args!("≥ {limit} {unit}"),
            value >= limit,
        );
    }

    /// The end of a command.
    ///
    /// # Errors
    /// When a limit was missed; the error names which.
    pub fn conclude(self) -> anyhow::Result<()> {
        ensure!(self.missed.is_empty(), "missed: {}", self.missed.join(", "));
        Ok(())
    }
}

/// A line on stdout, at once, also into a file or a pipe.
fn line(text: std::fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    // Nobody reads the figures any more: the exit status still tells.
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// Things per second, rounded down.
pub fn per_second(count: u64, milliseconds: u64) -> u64 {
    count * 1000 / milliseconds.max(1)
}

/// Milliseconds as seconds with one decimal.
pub fn seconds(milliseconds: u64) -> String {
    format!("{}.{} s", milliseconds / 1000, milliseconds % 1000 / 100)
}

/// KiB as whole MiB, rounded up.
pub const fn mib(kib: u64) -> u64 {
    kib.div_ceil(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missed_limit_fails_the_command_and_is_named() {
        let mut figures = Figures::default();
        figures.at_most("memory", 400, 400, "MiB");
        figures.at_least("rate", 400, 400, "/s");
        assert!(figures.conclude().is_ok());
        let mut figures = Figures::default();
        figures.at_least("rate", 399, 400, "/s");
        figures.at_most("memory", 401, 400, "MiB");
        assert_eq!(figures.conclude().unwrap_err().to_string(), "missed: rate, memory");
    }

    #[test]
    fn figures_are_rounded_against_us() {
        assert_eq!((per_second(1999, 1000), mib(1025)), (1999, 2));
        assert_eq!(seconds(61_250), "61.2 s");
    }
}
