//! The supervisor with the real server programs.
//!
//! Tests that need a process to kill start this test program once more, see [`holder`].

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use service_runtime::postgres::{Stopped, Supervisor, SupervisorOptions};
use tempfile::TempDir;

/// Set in the second process: the data folder of its supervisor.
const HOLDER: &str = "POSTGRES_TEST_DATA_DIR";

/// A data folder whose server and whose cluster elsewhere go with it, however the test ends.
struct DataDir(TempDir);

impl DataDir {
    fn new() -> Self {
        let folder = TempDir::with_prefix("pnl-supervisor-").unwrap();
        // Passable for the user of the server, as a folder of /srv or /var/lib is.
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("data")
    }

    /// The folder of the cluster's files.
    fn home(&self) -> PathBuf {
        let anchor = self.path().join("postgres");
        fs::read_to_string(anchor.join("location")).map_or(anchor, PathBuf::from)
    }

    async fn start(&self) -> Supervisor {
        self.try_start().await.unwrap()
    }

    async fn try_start(&self) -> Result<Supervisor, service_runtime::postgres::PostgresError> {
        Supervisor::start(SupervisorOptions { data_dir: self.path(), bin_dir: None }).await
    }

    fn server_pid(&self) -> Option<String> {
        let text = fs::read_to_string(self.home().join("cluster/postmaster.pid")).ok()?;
        text.lines().next().map(str::to_owned)
    }
}

impl Drop for DataDir {
    fn drop(&mut self) {
        if let Some(pid) = self.server_pid() {
            kill("QUIT", &pid);
        }
        if self.home().starts_with("/var/lib/pnl-tracker") {
            fs::remove_dir_all(self.home()).unwrap();
        }
    }
}

fn kill(signal: &str, pid: &str) {
    // The process may be gone already.
    let _ = Command::new("kill").args(["-s", signal, pid]).stderr(Stdio::null()).status();
}

/// Runs a statement as a client of the URL.
fn sql(supervisor: &Supervisor, statement: &str) -> Result<String, String> {
    let output = Command::new("psql")
        .args(["-XAtqw", "-v", "ON_ERROR_STOP=1", "-c", statement, supervisor.url().expose()])
        .output()
        .unwrap();
    if output.status.success() {
        return Ok(String::from_utf8(output.stdout).unwrap().trim().to_owned());
    }
    Err(String::from_utf8(output.stderr).unwrap())
}

async fn wait_for(what: &str, mut is_true: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_true() {
        assert!(began.elapsed() < Duration::from_secs(90), "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether the server programs are installed. Without them the tests have nothing to test; in
/// continuous integration that is a failure.
fn programs_are_missing() -> bool {
    let missing = Command::new("psql").arg("--version").output().is_err();
    assert!(!missing || std::env::var_os("CI").is_none(), "PostgreSQL is not installed");
    if missing {
        eprintln!("SKIPPED: PostgreSQL is not installed");
    }
    missing
}

/// Runs only in the second process: holds a supervisor until it is killed.
#[tokio::test]
async fn holder() {
    let Some(data_dir) = std::env::var_os(HOLDER) else { return };
    let options = SupervisorOptions { data_dir: data_dir.into(), bin_dir: None };
    let supervisor = Supervisor::start(options).await.unwrap();
    println!("\nholding started_here={}", supervisor.started_here());
    tokio::time::sleep(Duration::from_secs(600)).await;
}

/// A second process with a supervisor of its own.
struct Holder(Child);

impl Holder {
    fn spawn(data_dir: &DataDir) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "holder", "--nocapture"])
            .env(HOLDER, data_dir.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        Self(child)
    }

    /// Waits until its supervisor runs; whether it started the server.
    fn started_here(&mut self) -> bool {
        let output = BufReader::new(self.0.stdout.take().unwrap());
        output
            .lines()
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("holding started_here=").map(|v| v == "true"))
            .expect("the process ended before its supervisor ran")
    }

    fn kill(mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

#[tokio::test]
async fn a_cluster_is_made_used_and_stopped() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let supervisor = data_dir.start().await;
    assert!(supervisor.started_here());
    assert_eq!(sql(&supervisor, "show max_connections").unwrap(), "300");
    assert_eq!(sql(&supervisor, "show server_encoding").unwrap(), "UTF8");
    assert_eq!(sql(&supervisor, "select current_database()").unwrap(), "pnl_tracker");
    assert_eq!(sql(&supervisor, "show listen_addresses").unwrap(), "127.0.0.1");
    sql(&supervisor, "create table kept as select 42 as answer").unwrap();

    // Nobody gets in over TCP without the password, and the password is ours alone.
    let url = supervisor.url().expose().to_owned();
    let password = fs::read_to_string(data_dir.home().join("password")).unwrap();
    assert!(!format!("{supervisor:?}").contains(&password));
    let mode = fs::metadata(data_dir.home().join("password")).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    let port = fs::read_to_string(data_dir.home().join("port")).unwrap();
    let wrong = format!("postgres://pnl:wrong@127.0.0.1:{port}/pnl_tracker");
    assert!(
        !Command::new("psql").args(["-Xwc", "select 1", &wrong]).output().unwrap().status.success()
    );
    let socket = fs::metadata(data_dir.home().join("socket")).unwrap();
    assert_eq!(socket.mode() & 0o777, 0o700);

    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
    assert_eq!(data_dir.server_pid(), None);

    // The next start finds the data, the password and, when it is free, the port.
    let again = data_dir.start().await;
    assert!(again.started_here());
    assert_eq!(again.url().expose(), url);
    assert_eq!(sql(&again, "select answer from kept").unwrap(), "42");
    assert_eq!(again.stop().await.unwrap(), Stopped::Stopped);
}

#[tokio::test]
async fn a_port_that_was_taken_meanwhile_is_replaced_and_a_lost_password_renewed() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    assert_eq!(data_dir.start().await.stop().await.unwrap(), Stopped::Stopped);
    let port: u16 = fs::read_to_string(data_dir.home().join("port")).unwrap().parse().unwrap();
    let _taken = std::net::TcpListener::bind(("127.0.0.1", port)).unwrap();
    let old = fs::read_to_string(data_dir.home().join("password")).unwrap();
    fs::remove_file(data_dir.home().join("password")).unwrap();
    let supervisor = data_dir.start().await;
    assert!(!supervisor.url().expose().contains(&format!(":{port}/")));
    assert!(!supervisor.url().expose().contains(&old));
    assert_eq!(sql(&supervisor, "select 1").unwrap(), "1");
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
}

#[tokio::test]
async fn a_port_whose_starter_was_killed_before_it_noted_it_is_noted_by_the_next() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let killed = data_dir.start().await;
    let note = data_dir.home().join("port");
    let port = fs::read_to_string(&note).unwrap();
    fs::remove_file(&note).unwrap();
    let next = data_dir.start().await;
    assert!(!next.started_here());
    assert_eq!(fs::read_to_string(&note).unwrap(), port);
    next.stop().await.unwrap();
    killed.stop().await.unwrap();
}

#[tokio::test]
async fn the_server_is_not_in_our_process_group_and_not_root() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let supervisor = data_dir.start().await;
    let pid = supervisor.server_pid().unwrap();
    // A signal of the terminal, such as Ctrl-C, goes to a process group.
    let group = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(2).unwrap().to_owned()
    };
    assert_ne!(group(pid), group(std::process::id()));
    assert_ne!(fs::metadata(format!("/proc/{pid}")).unwrap().uid(), 0);
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
}

#[tokio::test]
async fn processes_with_one_data_dir_share_the_server() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let first = data_dir.start().await;
    let mut other = Holder::spawn(&data_dir);
    assert!(!other.started_here());
    let second = data_dir.start().await;
    assert!(!second.started_here());
    assert_eq!(second.url(), first.url());

    let left = |reason: &str| Stopped::LeftRunning { reason: reason.to_owned() };
    assert_eq!(second.stop().await.unwrap(), left("another process started it"));
    assert_eq!(first.stop().await.unwrap(), left("another process of the service uses it"));
    assert!(data_dir.server_pid().is_some());
    other.kill();
}

#[tokio::test]
async fn of_processes_that_start_at_once_one_starts_the_server() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let mut holders: Vec<Holder> = (0..3).map(|_| Holder::spawn(&data_dir)).collect();
    let here = data_dir.start().await;
    let mut started: Vec<bool> = holders.iter_mut().map(Holder::started_here).collect();
    started.push(here.started_here());
    assert_eq!(started.iter().filter(|&&started| started).count(), 1, "{started:?}");
    holders.into_iter().for_each(Holder::kill);
}

#[tokio::test]
async fn the_server_outlives_a_killed_process_and_is_found_again() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let mut other = Holder::spawn(&data_dir);
    assert!(other.started_here());
    let pid = data_dir.server_pid();
    other.kill();
    let supervisor = data_dir.start().await;
    assert!(!supervisor.started_here());
    assert_eq!(data_dir.server_pid(), pid);
    assert_eq!(sql(&supervisor, "select 1").unwrap(), "1");
}

#[tokio::test]
async fn a_killed_server_is_started_again_on_its_port_with_its_data() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let supervisor = data_dir.start().await;
    sql(&supervisor, "create table kept as select n from generate_series(1, 100000) n").unwrap();
    let pid = supervisor.server_pid().unwrap().to_string();
    kill("KILL", &pid);
    wait_for("the server to come back", || {
        data_dir.server_pid().is_some_and(|now| now != pid)
            && sql(&supervisor, "select count(*) from kept") == Ok("100000".to_owned())
    })
    .await;
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
}

#[tokio::test]
async fn a_start_after_process_and_server_were_killed_recovers() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let mut other = Holder::spawn(&data_dir);
    assert!(other.started_here());
    let pid = data_dir.server_pid().unwrap();
    other.kill();
    kill("KILL", &pid);
    let supervisor = data_dir.start().await;
    assert!(supervisor.started_here());
    assert_eq!(sql(&supervisor, "select 1").unwrap(), "1");
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
}

#[tokio::test]
async fn a_process_killed_while_it_makes_the_cluster_leaves_nothing_half_made() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let anchor = data_dir.path().join("postgres");
    let drafts = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .filter(|e| e.file_name().to_string_lossy().starts_with("draft-"))
            .filter(|e| e.path().join("base").exists())
            .count()
    };
    let other = Holder::spawn(&data_dir);
    wait_for("a cluster in the making", || drafts(&anchor) > 0).await;
    other.kill();
    assert!(!anchor.join("cluster").exists());

    let supervisor = data_dir.start().await;
    assert!(supervisor.started_here());
    assert_eq!(sql(&supervisor, "select 1").unwrap(), "1");
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
}

#[tokio::test]
async fn the_server_is_left_running_while_another_session_is_connected() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    let supervisor = data_dir.start().await;
    let mut session = Command::new("psql")
        .args(["-XAtqw", supervisor.url().expose()])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    wait_for("the session", || {
        let count =
            "select count(*) > 1 from pg_stat_activity where backend_type = 'client backend'";
        sql(&supervisor, count) == Ok("t".to_owned())
    })
    .await;
    let reason = "another session is connected".to_owned();
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::LeftRunning { reason });
    assert!(data_dir.server_pid().is_some());
    session.kill().unwrap();
    session.wait().unwrap();
}

#[tokio::test]
async fn a_long_path_gets_its_socket_elsewhere() {
    if programs_are_missing() {
        return;
    }
    let parent = DataDir::new();
    let long = parent.0.path().join("x".repeat(120));
    fs::create_dir(&long).unwrap();
    let data_dir = DataDir(TempDir::new_in(long).unwrap());
    fs::set_permissions(data_dir.0.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let supervisor = data_dir.start().await;
    let folder = sql(&supervisor, "show unix_socket_directories").unwrap();
    assert!(folder.starts_with("/tmp/pnl-tracker-"), "{folder}");
    assert_eq!(fs::metadata(&folder).unwrap().mode() & 0o777, 0o700);
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);
    fs::remove_dir_all(folder).unwrap();
}

#[tokio::test]
async fn a_folder_that_the_servers_user_may_not_enter_gets_its_cluster_elsewhere() {
    let is_root = fs::metadata("/proc/self").unwrap().uid() == 0;
    if programs_are_missing() || !is_root {
        return;
    }
    let data_dir = DataDir::new();
    fs::set_permissions(data_dir.0.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let supervisor = data_dir.start().await;
    let home = data_dir.home();
    assert!(home.starts_with("/var/lib/pnl-tracker"), "{}", home.display());
    sql(&supervisor, "create table kept as select 42 as answer").unwrap();
    assert_eq!(supervisor.stop().await.unwrap(), Stopped::Stopped);

    let again = data_dir.start().await;
    assert_eq!(data_dir.home(), home);
    assert_eq!(sql(&again, "select answer from kept").unwrap(), "42");
    assert_eq!(again.stop().await.unwrap(), Stopped::Stopped);

    // A cluster that was reachable and is not any more is not replaced by an empty one.
    fs::set_permissions(&home, fs::Permissions::from_mode(0o700)).unwrap();
    let error = data_dir.try_start().await.unwrap_err();
    assert_eq!(error.code(), "postgres-unreachable");
}

#[tokio::test]
async fn a_start_that_is_given_up_leaves_no_server_running() {
    if programs_are_missing() {
        return;
    }
    let data_dir = DataDir::new();
    {
        let mut start = Box::pin(data_dir.try_start());
        // Given up between the birth of the server and its first answer.
        loop {
            let pause = tokio::time::sleep(Duration::from_millis(5));
            tokio::select! {
                started = &mut start => panic!("too late to give up: {started:?}"),
                () = pause => {}
            }
            if data_dir.server_pid().is_some() {
                break;
            }
        }
    }
    wait_for("the server to stop", || data_dir.server_pid().is_none()).await;
}
