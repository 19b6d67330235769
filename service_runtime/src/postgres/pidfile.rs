//! `postmaster.pid`: what the server says about itself, and whether that is still true.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use super::layout::socket_name;

/// The state of the server of a cluster, as far as its file and the kernel tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerState {
    /// Its process is there.
    Alive(Postmaster),
    /// It does not run. PostgreSQL itself can deal with what the last one left.
    Down,
    /// It does not run, but PostgreSQL would take what the last one left for a running server: the
    /// process id belongs to another program now, or to a dead process that nobody waited for
    /// (containers often have no such process 1).
    Blocked,
}

/// What a running server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Postmaster {
    /// Process id.
    pub pid: u32,
    /// TCP port.
    pub port: u16,
    /// Folder of its socket.
    pub socket_folder: PathBuf,
    /// Whether it takes connections: not while it recovers or stops.
    pub ready: bool,
}

/// The file in the cluster.
pub(super) fn path(cluster: &Path) -> PathBuf {
    cluster.join("postmaster.pid")
}

/// Looks at the server of a cluster.
pub(super) fn server_state(cluster: &Path) -> ServerState {
    let Ok(text) = fs::read_to_string(path(cluster)) else { return ServerState::Down };
    // Written line by line while the server starts, so later lines may be missing.
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse().ok()) else {
        return ServerState::Down;
    };
    let postmaster = Postmaster {
        pid,
        port: text.lines().nth(3).and_then(|line| line.trim().parse().ok()).unwrap_or_default(),
        socket_folder: PathBuf::from(text.lines().nth(4).unwrap_or_default().trim()),
        ready: text.lines().nth(7).is_some_and(|line| line.trim() == "ready"),
    };
    match process_at(pid, cluster) {
        Process::Server => ServerState::Alive(postmaster),
        // Its process id may be invisible from here (another container), its socket is not.
        _ if answers(&postmaster) => ServerState::Alive(postmaster),
        Process::None => ServerState::Down,
        Process::Other => ServerState::Blocked,
    }
}

/// What a process id stands for.
enum Process {
    None,
    Server,
    Other,
}

fn process_at(pid: u32, cluster: &Path) -> Process {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return Process::None };
    // `pid (name) state …`; the name may hold any character, also a parenthesis.
    let Some((head, tail)) = stat.rsplit_once(')') else { return Process::None };
    let is_dead = matches!(tail.trim_start().chars().next(), Some('Z' | 'X'));
    let name = head.split_once('(').map_or("", |(_, name)| name);
    if is_dead || !matches!(name, "postgres" | "postmaster") {
        return Process::Other;
    }
    // The server changes into its cluster. Where the kernel does not let us look, the name decides.
    match fs::read_link(format!("/proc/{pid}/cwd")) {
        Ok(folder) if folder != cluster => Process::Other,
        _ => Process::Server,
    }
}

fn answers(postmaster: &Postmaster) -> bool {
    let socket = postmaster.socket_folder.join(socket_name(postmaster.port));
    postmaster.port != 0 && UnixStream::connect(socket).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state_with(text: &str) -> ServerState {
        let cluster = tempfile::TempDir::new().unwrap();
        fs::write(path(cluster.path()), text).unwrap();
        server_state(cluster.path())
    }

    #[test]
    fn what_a_dead_server_left_is_told_from_a_running_one() {
        let rest = "/d\n1700000000\n5432\n/nowhere\n127.0.0.1\n 1 2\nready\n";
        let own = std::process::id();
        // This process is none of PostgreSQL: its id was given away.
        assert_eq!(state_with(&format!("{own}\n{rest}")), ServerState::Blocked);
        // Above the largest process id that Linux gives.
        assert_eq!(state_with(&format!("4194999\n{rest}")), ServerState::Down);
        assert_eq!(state_with(""), ServerState::Down);
        assert_eq!(state_with("not a number\n"), ServerState::Down);
        assert_eq!(server_state(Path::new("/nowhere")), ServerState::Down);
    }

    #[test]
    fn a_dead_process_that_nobody_waited_for_is_no_server() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let stat = format!("/proc/{}/stat", child.id());
        while !fs::read_to_string(&stat).unwrap().contains(") Z") {
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        let text = format!("{}\n/d\n1\n5432\n/nowhere\n127.0.0.1\n 1 2\nready\n", child.id());
        assert_eq!(state_with(&text), ServerState::Blocked);
        child.wait().unwrap();
        assert_eq!(state_with(&text), ServerState::Down);
    }
}
