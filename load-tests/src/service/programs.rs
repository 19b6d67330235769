//! Finding programs and sending signals.

use std::fs::Metadata;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::Context as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The signals that are sent here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// Ends a process at once, wherever it is.
    Kill,
    /// Asks it to end.
    Term,
    /// The fast stop of PostgreSQL, Ctrl-C for others.
    Int,
    /// The immediate stop of PostgreSQL: no checkpoint, recovery at the next start.
    Quit,
    /// Freezes it.
    Stop,
    /// Lets it go on.
    Cont,
}

impl Signal {
    const fn name(self) -> &'static str {
        match self {
            Self::Kill => "KILL",
            Self::Term => "TERM",
            Self::Int => "INT",
            Self::Quit => "QUIT",
            Self::Stop => "STOP",
            Self::Cont => "CONT",
        }
    }

    /// Sends it; false when there is no such process (any more).
    pub fn send(self, pid: u32) -> bool {
        // The shell's own `kill`: it is there on every machine.
        Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", self.name(), &pid.to_string()])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success())
    }
}

/// The processes that `parent` started and that live.
pub fn children(parent: u32) -> Vec<u32> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let is_child = |pid: &u32| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        // `pid (name) state ppid …`; the name may hold anything, also brackets.
        let rest = stat.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
        rest.split_whitespace().nth(1).and_then(|ppid| ppid.parse().ok()) == Some(parent)
    };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(is_child).collect()
}

/// Resident memory of a process in KiB; none when it is gone.
pub fn resident_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

/// The program `name` beside the running one: `target/release` for a release build, else
/// `target/debug`.
///
/// # Errors
/// When it is not there: it has to be built first.
pub fn sibling(name: &str) -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe()?;
    let mut folder = own.parent().context("the program lies in no folder")?;
    // Tests lie one level deeper.
    if folder.ends_with("deps") {
        folder = folder.parent().context("the program lies in no folder")?;
    }
    let program = folder.join(name);
    anyhow::ensure!(program.is_file(), "{} is not there: build it first", program.display());
    Ok(program)
}

/// The folder of the newest PostgreSQL server programs.
///
/// # Errors
/// When none are installed.
pub fn postgres_programs() -> anyhow::Result<PathBuf> {
    let has_server = |folder: &Path| folder.join("postgres").is_file();
    let asked = Command::new("pg_config").arg("--bindir").output().ok();
    let named = asked.map(|out| PathBuf::from(String::from_utf8_lossy(&out.stdout).trim()));
    if let Some(folder) = named.filter(|folder| has_server(folder)) {
        return Ok(folder);
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").context("no PostgreSQL programs")?;
    let installed = versions.flatten().filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin")))
    });
    let newest = installed.filter(|(_, folder)| has_server(folder)).max();
    Ok(newest.context("no PostgreSQL server programs; run scripts/setup.sh --tests")?.1)
}

/// Allows this process, and those that it starts from now on, at least so many open files.
///
/// # Errors
/// When the limit that only the system can raise is below it.
pub fn raise_file_limit(needed: u64) -> anyhow::Result<()> {
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    let raised = Rlimit { current: Some(needed), maximum: limit.maximum };
    setrlimit(Resource::Nofile, raised).with_context(|| {
        let most = limit.maximum.unwrap_or(u64::MAX);
        format!(
            "{needed} open files are needed and {most} are allowed; raise the limit (`ulimit -Hn`)"
        )
    })
}

/// Whether we run as root. PostgreSQL refuses to.
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|own: Metadata| own.uid() == 0)
}

/// A port of 127.0.0.1 that nobody listens on at the moment.
///
/// # Errors
/// When none is to be had.
pub fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_is_found_frozen_and_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().expect("sleep is everywhere");
        let pid = child.id();
        assert!(children(std::process::id()).contains(&pid));
        assert!(resident_kib(pid).is_some());
        assert!(Signal::Stop.send(pid) && Signal::Cont.send(pid) && Signal::Kill.send(pid));
        assert!(!child.wait().expect("it was started here").success());
        assert!(!Signal::Term.send(pid), "there is nobody any more");
        assert!(resident_kib(pid).is_none());
    }
}
