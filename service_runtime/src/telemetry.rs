//! Log lines on stderr: text for people or one JSON object per line.
//!
//! Standard output belongs to results (and to the two address lines of `serve`), so nothing here
//! writes to it. Every line passes the [`redaction guard`](redact) before it is written, and may be
//! [held] for a moment.

mod chain;
mod held;
mod json;
mod redact;

use std::borrow::Cow;
use std::io::{self, IsTerminal, Stderr, Write};
use std::sync::{Arc, OnceLock};

use tracing::Metadata;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

pub use chain::Chain;

use crate::config::{LogFormat, LogSettings, Settings};
use held::Held;
use redact::Redactor;

/// The lines of this process.
static LINES: OnceLock<Held<Stderr>> = OnceLock::new();

/// Why log lines could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// The filter does not parse. Validated settings never lead here.
    #[error("log.filter is no filter")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// The process has log lines set up already.
    #[error("log lines are set up already")]
    AlreadySet(#[from] tracing_subscriber::util::TryInitError),
    /// There is no thread for them.
    #[error("the thread that writes log lines cannot be started")]
    Thread(#[from] io::Error),
}

impl TelemetryError {
    /// The stable code, for logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Filter(_) => "log-filter-invalid",
            Self::AlreadySet(_) => "log-already-set",
            Self::Thread(_) => "log-thread",
        }
    }
}

/// Sends the log lines of this process to stderr, as `[log]` of the settings says, with every
/// secret of the settings masked.
///
/// # Errors
///
/// The filter does not parse, the process called this before, or it gets no thread.
pub fn init(settings: &Settings) -> Result<(), TelemetryError> {
    let is_terminal = io::stderr().is_terminal();
    let lines = Held::start(io::stderr())?;
    let writer = Guarded::new(lines.clone(), settings.secrets());
    subscriber(&settings.log, writer, is_terminal)?.try_init()?;
    // Set once, as the subscriber is.
    let _ = LINES.set(lines.clone());
    // The lines before a panic tell why it came.
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        lines.try_flush();
        report(panic);
    }));
    Ok(())
}

/// Writes the lines that are held; for whoever is about to end the process.
pub fn flush() {
    if let Some(lines) = LINES.get() {
        // Nobody is there to be told that the log cannot be written.
        let _ = lines.flush();
    }
}

/// The subscriber of [`init`] over any writer.
fn subscriber<W>(
    settings: &LogSettings,
    writer: Guarded<W>,
    colors: bool,
) -> Result<impl SubscriberExt + SubscriberInitExt + Send + Sync + 'static, TelemetryError>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let filter = EnvFilter::try_new(&settings.filter)?;
    let lines = tracing_subscriber::fmt::layer().with_writer(writer);
    let lines = match settings.format {
        LogFormat::Text => lines.with_ansi(colors).boxed(),
        LogFormat::Json => {
            lines.fmt_fields(json::Fields).event_format(json::OneObject).with_ansi(false).boxed()
        }
    };
    Ok(Registry::default().with(lines.with_filter(filter)))
}

/// A writer that masks secrets. The formatter hands over each line in one call.
struct Guarded<W> {
    inner: W,
    redactor: Arc<Redactor>,
}

impl<W> Guarded<W> {
    fn new(inner: W, secrets: Vec<String>) -> Self {
        Self { inner, redactor: Arc::new(Redactor::new(secrets)) }
    }
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Guarded<W> {
    type Writer = GuardedWriter<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        GuardedWriter { inner: self.inner.make_writer(), redactor: Arc::clone(&self.redactor) }
    }

    fn make_writer_for(&'w self, line: &Metadata<'_>) -> Self::Writer {
        let inner = self.inner.make_writer_for(line);
        GuardedWriter { inner, redactor: Arc::clone(&self.redactor) }
    }
}

struct GuardedWriter<W> {
    inner: W,
    redactor: Arc<Redactor>,
}

impl<W: Write> Write for GuardedWriter<W> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        // The check of a text without faults is several times as fast as its repair.
        let text =
            std::str::from_utf8(line).map_or_else(|_| String::from_utf8_lossy(line), Cow::Borrowed);
        self.inner.write_all(self.redactor.redact(&text).as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    /// What the lines of `work` look like.
    fn lines_of(format: LogFormat, secrets: &[&str], work: impl FnOnce()) -> String {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&buffer);
        let writer = move || Sink(Arc::clone(&sink));
        let settings = LogSettings { format, filter: "info".to_owned() };
        let secrets = secrets.iter().map(|&s| s.to_owned()).collect();
        let subscriber = subscriber(&settings, Guarded::new(writer, secrets), false).unwrap();
        {
            let _guard = subscriber.set_default();
            work();
        }
        String::from_utf8(buffer.lock().unwrap().clone()).unwrap()
    }

    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn one_wallet_line() {
        let batch = tracing::info_span!("batch", trace_id = "4bf9", batch.id = 7);
        let _batch = batch.enter();
        let wallet = tracing::info_span!("wallet", wallet = "W1", attempt = tracing::field::Empty);
        let _wallet = wallet.enter();
        wallet.record("attempt", 2);
        tracing::info!(rows = 3, ok = true, "stored with key s3cret");
        tracing::debug!("below the filter");
    }

    #[test]
    fn a_json_line_carries_the_fields_of_all_its_spans() {
        let text = lines_of(LogFormat::Json, &["s3cret"], one_wallet_line);
        assert_eq!(text.lines().count(), 1);
        let line: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (key, expected) in [
            ("level", serde_json::json!("INFO")),
            ("message", serde_json::json!("stored with key ***")),
            ("trace_id", serde_json::json!("4bf9")),
            ("batch.id", serde_json::json!(7)),
            ("wallet", serde_json::json!("W1")),
            ("attempt", serde_json::json!(2)),
            ("rows", serde_json::json!(3)),
            ("ok", serde_json::json!(true)),
            ("span", serde_json::json!("batch:wallet")),
        ] {
            assert_eq!(line[key], expected, "{key} in {text}");
        }
        assert!(chrono::DateTime::parse_from_rfc3339(line["timestamp"].as_str().unwrap()).is_ok());
        assert!(line["target"].as_str().unwrap().starts_with("service_runtime"));
    }

    #[test]
    fn a_text_line_carries_them_too() {
        let text = lines_of(LogFormat::Text, &["s3cret"], one_wallet_line);
        assert_eq!(text.lines().count(), 1);
        for part in
            ["INFO", "trace_id=\"4bf9\"", "wallet=\"W1\"", "attempt=2", "stored with key ***"]
        {
            assert!(text.contains(part), "{part} in {text}");
        }
    }

    #[test]
    fn a_line_break_in_a_field_makes_no_second_json_line() {
        let text = lines_of(LogFormat::Json, &[], || tracing::info!(detail = "a\nb", "c\nd"));
        assert_eq!(text.lines().count(), 1, "{text}");
    }
}
