//! `doctor`: what is wrong, or soon will be, in one line for each thing and with what to do.
//!
//! Exit code: 0 all ok, 1 something to look at, 2 something that does not work.

mod outside;
mod settings;

use std::fmt::Display;
use std::io::{self, Write};
use std::process::ExitCode;

use service_runtime::config::Settings;

use crate::cli::DoctorArgs;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Ok,
    Warn,
    Fail,
}

/// One line of the report.
#[derive(Debug)]
struct Finding {
    level: Level,
    subject: String,
    text: String,
}

/// What was found so far.
#[derive(Debug, Default)]
struct Findings(Vec<Finding>);

impl Findings {
    fn ok(&mut self, subject: impl Into<String>, text: impl Display) {
        self.add(Level::Ok, subject, text);
    }

    fn warn(&mut self, subject: impl Into<String>, text: impl Display) {
        self.add(Level::Warn, subject, text);
    }

    fn fail(&mut self, subject: impl Into<String>, text: impl Display) {
        self.add(Level::Fail, subject, text);
    }

    fn add(&mut self, level: Level, subject: impl Into<String>, text: impl Display) {
        self.0.push(Finding { level, subject: subject.into(), text: text.to_string() });
    }

    fn worst(&self) -> Level {
        self.0.iter().map(|finding| finding.level).max().unwrap_or(Level::Ok)
    }

    fn print(&self, mut out: impl Write) -> io::Result<()> {
        let width = self.0.iter().map(|finding| finding.subject.len()).max().unwrap_or(0);
        for Finding { level, subject, text } in &self.0 {
            let level = match level {
                Level::Ok => "ok",
                Level::Warn => "warn",
                Level::Fail => "fail",
            };
            writeln!(out, "{level:<4}  {subject:<width$}  {text}")?;
        }
        out.flush()
    }
}

/// Looks at everything and prints what was found.
pub async fn run(args: DoctorArgs) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    match Settings::load(args.config.config.as_deref()) {
        Err(error) => findings.fail("configuration", format!("{error}; correct it first")),
        Ok(mut settings) => {
            settings.service.role = args.role.unwrap_or(settings.service.role);
            settings::check(&settings, &mut findings);
            outside::check(&settings, args.offline, &mut findings).await;
        }
    }
    findings.print(io::stdout().lock())?;
    Ok(match findings.worst() {
        Level::Ok => ExitCode::SUCCESS,
        Level::Warn => ExitCode::from(1),
        Level::Fail => ExitCode::from(2),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_finding_decides_and_columns_are_aligned() {
        let mut findings = Findings::default();
        findings.ok("database", "answers");
        assert_eq!(findings.worst(), Level::Ok);
        findings.fail("port", "taken");
        findings.warn("clock", "late");
        assert_eq!(findings.worst(), Level::Fail);
        let mut text = Vec::new();
        findings.print(&mut text).unwrap();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(text, "ok    database  answers\nfail  port      taken\nwarn  clock     late\n");
    }
}
