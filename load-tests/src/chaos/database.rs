//! PostgreSQL is restarted, frozen, taken by others, read-only or full during a batch.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use tokio::time::Instant;

use super::draw::Draw;
use super::kind::Kind;
use super::single::STOP_PATIENCE;
use super::stage::{BATCH_PATIENCE, Run, Stage};
use super::tally::Tally;
use super::verdict::{self, Rule};
use crate::service::{Client, StopMode, programs, wait};

/// Calls a second, so that a batch outlasts the disturbances.
const RATE: u32 = 60;

/// Time in which readiness follows the database, either way.
const TOLD_WITHIN: Duration = Duration::from_secs(20);

/// Size of the file system for the tables whose disk runs full.
const SMALL_DISK: &str = "size=96m";

/// What a server says that can write a file no more: of a table, or of the catalog for a new session.
const FULL: [&str; 2] = ["No space", "could not write init file"];

/// Disturbs the database of a batch.
///
/// # Errors
/// When the run itself cannot go on.
pub async fn run(stage: &mut Stage, kind: Kind, round: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let mut draw = Draw::new(stage.seed, &kind.name(), round);
    let disk = if kind == Kind::PostgresDisk {
        match SmallDisk::mount(stage) {
            Ok(disk) => Some(disk),
            Err(why) => return Ok(Tally::skipped(&format!("{why:#}"))),
        }
    } else {
        None
    };
    let mut run = match &disk {
        None => stage.run(&kind.name()).await?,
        Some(disk) => run_on_disk(stage, &kind.name(), disk).await?,
    };
    run.rate = RATE;
    let mut service = run.start(stage, "all").await?;
    let client = service.client();
    let job = client.submit(&stage.wallets).await?;
    let times = match kind {
        Kind::PostgresRestart => stage.scale.faults.max(if stage.scale.short { 4 } else { 10 }),
        _ => 3,
    };
    for time in 0..times {
        tokio::time::sleep(draw.milliseconds(200, 900)).await;
        let outcome = match kind {
            // The first one lasts, so that in each batch somebody looks while the server is away.
            Kind::PostgresRestart => restart(stage, &client, &mut draw, time == 0).await,
            Kind::PostgresFreeze => freeze(stage, &client).await,
            Kind::PostgresConnections => take_connections(stage, &run, &client).await,
            Kind::PostgresReadOnly => read_only(stage, &run, &client).await,
            _ => match &disk {
                // During the last one no session can begin either.
                Some(disk) => disk.fill_for_a_while(stage, &client, time + 1 < times).await,
                None => Ok(()),
            },
        };
        tally.fault(outcome);
        tally.promise(is_ready(&client, true).await.context("after the disturbance"));
    }
    match client.job_end(&job.job_id, BATCH_PATIENCE).await {
        Ok(_) => {
            verdict::judge(stage, &run.url, &client, &job.job_id, Rule::Free, &mut tally).await?
        }
        Err(error) => tally.violation(format!("{error:#}")),
    }
    if !service.is_alive() {
        tally.violation(format!("the service ended:\n{}", service.log_tail(20)));
    }
    tally.promise(service.stop(STOP_PATIENCE).await);
    if let Some(disk) = disk {
        stage.postgres.psql("postgres", &format!("drop database {}", run.database)).await?;
        stage.postgres.psql("postgres", "drop tablespace small").await?;
        drop(disk);
    }
    Ok(tally)
}

/// Readiness says whether the database can be used, soon.
async fn is_ready(client: &Client, expected: bool) -> anyhow::Result<()> {
    let what = if expected { "readiness" } else { "readiness to say 503" };
    let mut last = String::new();
    let told = wait::until(what, TOLD_WITHIN, async || {
        let answer = client.get("/api/health").await?;
        last = answer.text();
        Ok((answer.status == if expected { 200 } else { 503 }).then_some(()))
    });
    told.await.with_context(|| last.clone())?;
    let alive = client.get("/health").await?;
    ensure!(alive.status == 200, "/health is {}", alive.status);
    Ok(())
}

/// The status page names the database.
async fn names_the_database(client: &Client) -> anyhow::Result<()> {
    let page = client.get_json("/api/services/status").await?;
    let rows = page["services"].as_array().cloned().unwrap_or_default();
    let named = rows.iter().any(|row| row["name"] == "database" && row["state"] != "up");
    ensure!(named && page["status"] != "ok", "the status page says {page}");
    Ok(())
}

/// Time without a server in which readiness must have said so: it asks every second and waits two.
const LASTING: Duration = Duration::from_secs(5);

async fn restart(
    stage: &mut Stage,
    client: &Client,
    draw: &mut Draw,
    lasts: bool,
) -> anyhow::Result<()> {
    let mode = [StopMode::Fast, StopMode::Immediate][draw.below(2)];
    let pause = draw.milliseconds(0, 4_000);
    stage.postgres.stop(mode).await?;
    let told = if lasts {
        let until = Instant::now() + LASTING;
        let told = is_ready(client, false).await.and(names_the_database(client).await);
        tokio::time::sleep_until(until).await;
        told
    } else {
        tokio::time::sleep(pause).await;
        Ok(())
    };
    stage.postgres.start_again().await?;
    told
}

async fn freeze(stage: &Stage, client: &Client) -> anyhow::Result<()> {
    let until = Instant::now() + stage.scale.pause(20).max(Duration::from_secs(6));
    stage.postgres.freeze();
    let told = async {
        is_ready(client, false).await?;
        names_the_database(client).await
    };
    let told = told.await;
    tokio::time::sleep_until(until).await;
    stage.postgres.thaw();
    told
}

async fn take_connections(stage: &Stage, run: &Run, client: &Client) -> anyhow::Result<()> {
    let postgres = &stage.postgres;
    let roles = "select count(*) from pg_roles where rolname = 'neighbour'";
    if postgres.number("postgres", roles).await? == 0 {
        postgres.psql("postgres", "create role neighbour login").await?;
    }
    // Nobody of ours comes in while the neighbour moves in.
    postgres.psql("postgres", "alter role pnl connection limit 0").await?;
    // One that was just let in is cut with the next turn, and one that is ending still has its place.
    wait::until("the service's connections to end", Duration::from_secs(20), async || {
        let cut = format!(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{}'",
            run.database
        );
        Ok((postgres.number("postgres", &cut).await? == 0).then_some(()))
    })
    .await?;
    let free = "select current_setting('max_connections')::integer
        - current_setting('superuser_reserved_connections')::integer
        - (select count(*) from pg_stat_activity where backend_type = 'client backend') + 1";
    let free = postgres.number("postgres", free).await?;
    let mut neighbours = Vec::new();
    for _ in 0..free {
        neighbours.push(postgres.idle_session("neighbour", "postgres")?);
    }
    let moved_in =
        wait::until("the connections to be taken", Duration::from_secs(20), async || {
            let there = "select count(*) from pg_stat_activity where usename = 'neighbour'";
            if postgres.number("postgres", there).await? >= free {
                return Ok(Some(()));
            }
            // The question took the place of one of them.
            neighbours.push(postgres.idle_session("neighbour", "postgres")?);
            Ok(None)
        });
    let moved_in = moved_in.await;
    postgres.psql("postgres", "alter role pnl connection limit -1").await?;
    let told = async {
        moved_in?;
        is_ready(client, false).await?;
        names_the_database(client).await
    };
    let told = told.await;
    tokio::time::sleep(stage.scale.pause(10)).await;
    drop(neighbours);
    postgres
        .psql(
            "postgres",
            "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'neighbour'",
        )
        .await?;
    told
}

/// Nothing can be written: stored results can be read, but the process is not ready and a submission is
/// refused as what it is.
async fn read_only(stage: &Stage, run: &Run, client: &Client) -> anyhow::Result<()> {
    let set = async |value: &str| {
        let statement =
            format!("alter database {} set default_transaction_read_only = {value}", run.database);
        stage.postgres.psql("postgres", &statement).await?;
        // Sessions keep what they began with.
        let cut = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = '{}'",
            run.database
        );
        stage.postgres.psql("postgres", &cut).await
    };
    set("on").await?;
    let told = async {
        is_ready(client, false).await?;
        refuses_writes(stage, client).await
    };
    let told = told.await;
    tokio::time::sleep(stage.scale.pause(10)).await;
    set("off").await?;
    told
}

async fn refuses_writes(stage: &Stage, client: &Client) -> anyhow::Result<()> {
    let answer = client.try_submit(&stage.wallets[..1], None).await?;
    ensure!(
        answer.status == 503 && answer.text().contains("database-unavailable"),
        "a submission is answered {}: {}",
        answer.status,
        answer.text()
    );
    names_the_database(client).await
}

async fn run_on_disk(stage: &mut Stage, name: &str, disk: &SmallDisk) -> anyhow::Result<Run> {
    let postgres = &stage.postgres;
    let place = disk.folder.display();
    postgres.psql("postgres", &format!("create tablespace small location '{place}'")).await?;
    let database = "run_small".to_owned();
    let url = postgres.create_database(&database).await?;
    postgres.psql("postgres", &format!("alter database {database} set tablespace small")).await?;
    stage.run_on(name, database, url)
}

/// A small file system for the tables; the log of the database lies elsewhere.
#[derive(Debug)]
struct SmallDisk {
    folder: PathBuf,
}

impl SmallDisk {
    fn mount(stage: &Stage) -> anyhow::Result<Self> {
        ensure!(programs::is_root(), "a small file system can be mounted by root only");
        let folder = stage.postgres.make_folder("small-disk")?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", SMALL_DISK, "tmpfs"])
            .arg(&folder)
            .output()?;
        if !mounted.status.success() {
            std::fs::remove_dir(&folder)?;
            anyhow::bail!("mount: {}", String::from_utf8_lossy(&mounted.stderr).trim());
        }
        let disk = Self { folder };
        stage.postgres.hand_over(&disk.folder)?;
        Ok(disk)
    }

    fn ballast(&self) -> PathBuf {
        self.folder.join("ballast")
    }

    /// Removes what PostgreSQL keeps of its catalog for new sessions, as each change to the catalog does:
    /// the next session writes it again, or does not begin.
    fn forget_catalog(&self) -> anyhow::Result<()> {
        let below = |folder: &Path| -> std::io::Result<Vec<PathBuf>> {
            let entries = std::fs::read_dir(folder)?.map(|entry| entry.map(|entry| entry.path()));
            entries.filter(|path| path.as_ref().map_or(true, |path| path.is_dir())).collect()
        };
        for version in below(&self.folder)? {
            for database in below(&version)? {
                match std::fs::remove_file(database.join("pg_internal.init")) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(error.into());
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Takes all that is left of the disk, and gives it back after a while. Without `sessions`, no session
    /// can begin in this time, while those that are there go on.
    async fn fill_for_a_while(
        &self,
        stage: &Stage,
        client: &Client,
        sessions: bool,
    ) -> anyhow::Result<()> {
        fill(&self.ballast())?;
        let full = wait::until("a write to fail for want of space", TOLD_WITHIN, async || {
            let tried = "create table probe as
                select repeat(md5(i::text), 100) from generate_series(1, 2000) i;
                drop table probe";
            match stage.postgres.psql("run_small", tried).await {
                // The server has given something back since.
                Ok(_) => fill(&self.ballast()).map(|()| None),
                Err(error) if FULL.iter().any(|said| error.to_string().contains(said)) => {
                    Ok(Some(()))
                }
                Err(error) => Err(error.context("the disk was to be full")),
            }
        });
        let told = async {
            full.await?;
            if !sessions {
                self.forget_catalog()?;
                fill(&self.ballast())?;
            }
            is_ready(client, false).await?;
            names_the_database(client).await?;
            tokio::time::sleep(stage.scale.pause(10)).await;
            Ok(())
        };
        let told = told.await;
        std::fs::remove_file(self.ballast())?;
        told
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily: the server may still hold a file of a dropped table.
        let _ = Command::new("umount").arg("-l").arg(&self.folder).status();
        let _ = std::fs::remove_dir(&self.folder);
    }
}

/// Writes zeros at the end of a file until the disk is full.
fn fill(file: &Path) -> anyhow::Result<()> {
    use std::io::Write as _;
    let mut file = std::fs::File::options().create(true).append(true).open(file)?;
    for size in [1 << 20, 1 << 12] {
        let zeros = vec![0; size];
        while file.write_all(&zeros).is_ok() {}
    }
    Ok(())
}
