//! The table that is printed.

/// Prints rows and remembers whether a limit was broken.
#[derive(Default)]
pub struct Table {
    /// How many limits were broken.
    pub broken: usize,
}

impl Table {
    pub fn row(&mut self, what: &str, figure: f64, unit: &str, limit: Option<(&str, bool)>) {
        let verdict = match limit {
            None => String::new(),
            Some((limit, true)) => format!("{limit}: kept"),
            Some((limit, false)) => {
                self.broken += 1;
                format!("{limit}: BROKEN")
            }
        };
        println!("{what:<52} {figure:>9.2} {unit:<10} {verdict}");
    }

    /// A time per event, as events per second, at least `millions`.
    pub fn rate(&mut self, what: &str, ns: f64, millions: f64) {
        let rate = 1000.0 / ns;
        self.row(what, ns, "ns/event", None);
        self.row("", rate, "M events/s", Some((&format!("at least {millions}"), rate >= millions)));
    }

    pub fn at_most(&mut self, what: &str, figure: f64, unit: &str, limit: f64) {
        self.row(what, figure, unit, Some((&format!("at most {limit}"), figure <= limit)));
    }
}
