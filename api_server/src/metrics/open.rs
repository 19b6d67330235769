//! The text format of OpenMetrics 1.0: that of Prometheus with units, an end, and exemplars.

use std::fmt::{self, Write};

use axum::http::{HeaderMap, header};
use prometheus::proto::{Metric, MetricFamily, MetricType};

use super::exemplars::Exemplar;

/// Content type of [`write()`].
pub const OPEN_FORMAT: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Units that names end with.
const UNITS: [&str; 2] = ["seconds", "bytes"];

/// Whether a scrape likes this format at least as much as the one of Prometheus.
pub fn is_wanted(headers: &HeaderMap) -> bool {
    // Of what may mean the text, what says most of it.
    let (mut open, mut text) = (0.0, (0, 0.0));
    for value in headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()) {
        for range in value.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut is_ours) = (1.0_f32, true);
            for (key, value) in parts.filter_map(|parameter| parameter.split_once('=')) {
                match &*key.to_ascii_lowercase() {
                    "q" => quality = value.parse().unwrap_or(0.0),
                    "version" => is_ours = value.trim_matches('"') == "1.0.0",
                    _ => {}
                }
            }
            match &*name {
                "application/openmetrics-text" if is_ours => open = quality.max(open),
                "text/plain" if text.0 < 3 => text = (3, quality),
                "text/*" if text.0 < 2 => text = (2, quality),
                "*/*" if text.0 < 1 => text = (1, quality),
                _ => {}
            }
        }
    }
    open > 0.0 && open >= text.1
}

/// Writes families, with the exemplars of the buckets of those that have some.
///
/// # Errors
/// When a family is of a type that no metric here has.
pub(super) fn write(
    families: &[MetricFamily],
    exemplar: impl Fn(&MetricFamily, &Metric, usize) -> Option<Exemplar>,
) -> Result<String, fmt::Error> {
    let mut out = String::new();
    for family in families {
        let kind = family.get_field_type();
        let (name, told) = match (kind, family.name().strip_suffix("_total")) {
            (MetricType::COUNTER, Some(name)) => (name, "counter"),
            // A counter has that end.
            (MetricType::COUNTER, None) => (family.name(), "unknown"),
            (MetricType::GAUGE, _) => (family.name(), "gauge"),
            (MetricType::HISTOGRAM, _) => (family.name(), "histogram"),
            (MetricType::SUMMARY | MetricType::UNTYPED, _) => return Err(fmt::Error),
        };
        writeln!(out, "# TYPE {name} {told}")?;
        let unit = name.rsplit_once('_').map_or("", |(_, unit)| unit);
        if UNITS.contains(&unit) {
            writeln!(out, "# UNIT {name} {unit}")?;
        }
        writeln!(out, "# HELP {name} {}", Escaped(family.help()))?;
        for metric in family.get_metric() {
            match kind {
                MetricType::HISTOGRAM => {
                    let exemplar = |bucket| exemplar(family, metric, bucket);
                    histogram(&mut out, name, metric, exemplar)?;
                }
                MetricType::COUNTER => {
                    let value = Number(metric.get_counter().get_value());
                    writeln!(out, "{}{} {value}", family.name(), Labels(metric, None))?;
                }
                _ => {
                    let value = Number(metric.get_gauge().get_value());
                    writeln!(out, "{name}{} {value}", Labels(metric, None))?;
                }
            }
        }
    }
    out.push_str("# EOF\n");
    Ok(out)
}

fn histogram(
    out: &mut String,
    name: &str,
    metric: &Metric,
    exemplar: impl Fn(usize) -> Option<Exemplar>,
) -> fmt::Result {
    let histogram = metric.get_histogram();
    let count = histogram.get_sample_count();
    let buckets = histogram.get_bucket().iter();
    let buckets = buckets.map(|bucket| (bucket.upper_bound(), bucket.cumulative_count()));
    for (number, (bound, count)) in buckets.chain([(f64::INFINITY, count)]).enumerate() {
        write!(out, "{name}_bucket{} {count}", Labels(metric, Some(bound)))?;
        if let Some(Exemplar { trace_id, seconds, at_ms }) = exemplar(number) {
            let (at, ms) = (at_ms.div_euclid(1000), at_ms.rem_euclid(1000));
            write!(out, " # {{trace_id=\"{trace_id}\"}} {} {at}.{ms:03}", Number(seconds))?;
        }
        out.push('\n');
    }
    let labels = Labels(metric, None);
    writeln!(out, "{name}_sum{labels} {}", Number(histogram.get_sample_sum()))?;
    writeln!(out, "{name}_count{labels} {count}")
}

/// The labels of a series; of a bucket with its bound.
struct Labels<'a>(&'a Metric, Option<f64>);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(metric, bound) = self;
        let mut before = '{';
        for label in metric.get_label() {
            write!(f, "{before}{}=\"{}\"", label.name(), Escaped(label.value()))?;
            before = ',';
        }
        if let Some(bound) = bound {
            write!(f, "{before}le=\"")?;
            // Always with a point: `1.0`.
            if bound.is_finite() {
                write!(f, "{bound:?}\"")?
            } else {
                f.write_str("+Inf\"")?
            }
            before = ',';
        }
        if before == ',' { f.write_str("}") } else { Ok(()) }
    }
}

/// Text without quotes and ends of lines.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '\n' => f.write_str("\\n")?,
                '"' | '\\' => write!(f, "\\{letter}")?,
                _ => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

/// A value.
struct Number(f64);

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            f64::INFINITY => f.write_str("+Inf"),
            f64::NEG_INFINITY => f.write_str("-Inf"),
            number => write!(f, "{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use prometheus::{Counter, Gauge, Histogram, HistogramOpts, Registry};

    use super::*;

    #[test]
    fn every_kind_is_written_as_the_standard_says() {
        let registry = Registry::new();
        let counter = Counter::new("things_total", "Things, \"quoted\"\nand broken.").unwrap();
        counter.inc_by(2.5);
        registry.register(Box::new(counter)).unwrap();
        let gauge = Gauge::new("free_bytes", "Room.").unwrap();
        gauge.set(f64::INFINITY);
        registry.register(Box::new(gauge)).unwrap();
        let options = HistogramOpts::new("wait_seconds", "Waits.").buckets(vec![0.5, 1.0]);
        let options = options.const_label("kind", "a\\b");
        let waits = Histogram::with_opts(options).unwrap();
        waits.observe(0.25);
        waits.observe(7.0);
        registry.register(Box::new(waits)).unwrap();
        let exemplar = |family: &MetricFamily, _: &Metric, bucket| {
            let trace_id = "0af7651916cd43dd8448eb211c80319c".parse().unwrap();
            let is_here = family.name() == "wait_seconds" && bucket == 2;
            is_here.then_some(Exemplar { trace_id, seconds: 7.0, at_ms: 1_520_879_607_078 })
        };
        let text = write(&registry.gather(), exemplar).unwrap();
        let expected = r#"# TYPE free_bytes gauge
# UNIT free_bytes bytes
# HELP free_bytes Room.
free_bytes +Inf
# TYPE things counter
# HELP things Things, \"quoted\"\nand broken.
things_total 2.5
# TYPE wait_seconds histogram
# UNIT wait_seconds seconds
# HELP wait_seconds Waits.
wait_seconds_bucket{kind="a\\b",le="0.5"} 1
wait_seconds_bucket{kind="a\\b",le="1.0"} 1
wait_seconds_bucket{kind="a\\b",le="+Inf"} 2 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 7 1520879607.078
wait_seconds_sum{kind="a\\b"} 7.25
wait_seconds_count{kind="a\\b"} 2
# EOF
"#;
        assert_eq!(text, expected);
    }

    #[test]
    fn the_format_is_the_one_that_the_scrape_likes_best() {
        for (accept, expected) in [
            ("", false),
            ("*/*", false),
            ("text/plain", false),
            ("application/openmetrics-text; version=1.0.0", true),
            ("application/openmetrics-text", true),
            ("application/openmetrics-text; version=0.0.1", false),
            ("application/openmetrics-text;version=1.0.0;q=0", false),
            ("text/plain;q=0.9, application/openmetrics-text;version=1.0.0;q=0.5", false),
            // What servers of Prometheus 2 and 3 send.
            (
                "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
                true,
            ),
            (
                "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
                true,
            ),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, HeaderValue::from_static(accept));
            assert_eq!(is_wanted(&headers), expected, "{accept}");
        }
    }
}
