//! What operators want to know of the tables, and the work that keeps them small.
//!
//! Nearly all statements read the server's own catalogs, so nothing of them is checked when the program is built.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Column, ConnectOptions, PgConnection, Row};

use crate::error::StoreError;
use crate::store::{Store, run};

/// One thing that was looked at, as a table of texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// A stable name.
    pub name: &'static str,
    /// What it shows.
    pub title: &'static str,
    /// Names of the columns; none when there is no row.
    pub columns: Vec<String>,
    /// The rows; `None`: unknown.
    pub rows: Vec<Vec<Option<String>>>,
}

/// The server's view of our tables.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpkeepReport {
    /// What needs a human, one sentence each.
    pub attention: Vec<String>,
    /// Everything that was looked at.
    pub sections: Vec<Section>,
}

/// Where extensions put their views differs, and this one is often absent.
const HAS_STATEMENTS: &str = "-- upkeep/has_statements
    select format('%I.pg_stat_statements', n.nspname)
    from pg_extension e join pg_namespace n on n.oid = e.extnamespace
    where e.extname = 'pg_stat_statements'";

const SECTIONS: [(&str, &str, &str); 10] = [
    (
        "tables",
        "Largest tables; those of a chain or tenant are partitions",
        "select c.relname as \"table\", p.inhparent::regclass::text as part_of,
             pg_size_pretty(pg_total_relation_size(c.oid)) as size, pg_size_pretty(pg_indexes_size(c.oid)) as indexes,
             greatest(c.reltuples, 0)::bigint::text as rows, s.n_dead_tup::text as dead_rows,
             to_char(greatest(s.last_vacuum, s.last_autovacuum), 'YYYY-MM-DD HH24:MI') as vacuumed,
             to_char(greatest(s.last_analyze, s.last_autoanalyze), 'YYYY-MM-DD HH24:MI') as analyzed
         from pg_class c
         join pg_stat_user_tables s on s.relid = c.oid
         left join pg_inherits p on p.inhrelid = c.oid
         where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace
         order by pg_total_relation_size(c.oid) desc
         limit 30",
    ),
    (
        "bloat",
        "Estimated space that rows do not need, above 10 MB (from the planner's statistics)",
        "select c.relname as \"table\", pg_size_pretty(pg_relation_size(c.oid)) as size,
             pg_size_pretty(pg_relation_size(c.oid) - needed.bytes) as unneeded
         from pg_class c
         cross join lateral (
             select (c.reltuples * (28 + sum((1 - s.null_frac) * s.avg_width)))::bigint as bytes
             from pg_stats s where s.schemaname = current_schema() and s.tablename = c.relname
         ) as needed
         where c.relkind = 'r' and c.relnamespace = current_schema()::regnamespace and c.reltuples > 0
             and pg_relation_size(c.oid) - needed.bytes > 10000000
         order by pg_relation_size(c.oid) - needed.bytes desc
         limit 10",
    ),
    (
        "unused_indexes",
        "Indexes that nobody has used since the statistics began, above 10 MB",
        "select i.indexrelname as index, i.relname as \"table\", pg_size_pretty(pg_relation_size(i.indexrelid)) as size,
             to_char(d.stats_reset, 'YYYY-MM-DD') as since
         from pg_stat_user_indexes i
         join pg_index x on x.indexrelid = i.indexrelid
         cross join pg_stat_database d
         where d.datname = current_database() and i.idx_scan = 0 and not x.indisunique
             and pg_relation_size(i.indexrelid) > 10000000
         order by pg_relation_size(i.indexrelid) desc
         limit 20",
    ),
    (
        "missing_indexes",
        "Large tables that are often read from end to end",
        "select relname as \"table\", seq_scan::text as whole_reads, (seq_tup_read / seq_scan)::text as rows_each,
             coalesce(idx_scan, 0)::text as by_index
         from pg_stat_user_tables
         where seq_scan > 100 and seq_tup_read / seq_scan > 10000
         order by seq_tup_read desc
         limit 10",
    ),
    (
        "invalid_indexes",
        "Indexes whose build was broken off; db maintain builds them again",
        "select indexrelid::regclass::text as index, indrelid::regclass::text as \"table\"
         from pg_index where not indisvalid order by 1",
    ),
    (
        "partitions",
        "Partitioned tables; none is partitioned by time",
        "select p.partrelid::regclass::text as \"table\", pg_get_partkeydef(p.partrelid) as by,
             count(i.inhrelid)::text as parts,
             string_agg(i.inhrelid::regclass::text, ' ' order by i.inhrelid::regclass::text) as names
         from pg_partitioned_table p
         left join pg_inherits i on i.inhparent = p.partrelid
         group by p.partrelid order by 1",
    ),
    (
        "sessions",
        "Sessions on this database, and how old their oldest transaction is",
        "select coalesce(nullif(application_name, ''), '-') as program, coalesce(state, '-') as state,
             count(*)::text as sessions,
             date_trunc('second', max(clock_timestamp() - xact_start))::text as oldest_transaction
         from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid()
         group by 1, 2 order by 1, 2",
    ),
    (
        "replication",
        "Replicas, and how much of the log they have not replayed",
        "select coalesce(nullif(application_name, ''), '-') as replica, client_addr::text as address, state,
             pg_size_pretty(pg_wal_lsn_diff(
                 case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, replay_lsn))
                 as behind,
             replay_lag::text as lag
         from pg_stat_replication order by 1",
    ),
    (
        "locks",
        "Sessions that wait for a lock",
        "select pid::text as session, array_to_string(pg_blocking_pids(pid), ' ') as waits_for,
             date_trunc('second', clock_timestamp() - state_change)::text as for,
             left(regexp_replace(query, '\\s+', ' ', 'g'), 60) as statement
         from pg_stat_activity
         where datname = current_database() and wait_event_type = 'Lock'
         order by state_change limit 20",
    ),
    (
        "operators",
        "What operators have asked for, the newest first",
        "select to_char(a.asked_at, 'YYYY-MM-DD HH24:MI') as asked, concat_ws(' ', a.action, array_to_string(a.tags[:5], ' ')) as action,
             coalesce(k.name, '-') as key,
             to_char(a.finished_at, 'YYYY-MM-DD HH24:MI') as finished, a.outcome::text as outcome
         from operator_actions a left join api_keys k on k.id = a.key_id
         order by a.id desc limit 10",
    ),
];

const ATTENTION: &str = "-- upkeep/attention
    select format('the index %s is not valid: run pnl-tracker db maintain', indexrelid::regclass)
    from pg_index where not indisvalid
    union all
    select format('%s of %s rows of %s are dead: run pnl-tracker db maintain, and look why autovacuum does not',
        n_dead_tup, n_live_tup + n_dead_tup, relname)
    from pg_stat_user_tables where n_dead_tup > 100000 and n_dead_tup > n_live_tup / 3
    union all
    select format('session %s has had a transaction open for %s, which keeps dead rows from being removed', pid,
        date_trunc('second', clock_timestamp() - xact_start))
    from pg_stat_activity
    where datname = current_database() and xact_start < clock_timestamp() - interval '1 hour'
    union all
    select format('%s has no partition for %s, so its wallets cannot be stored', 'raw_transactions', chain)
    from unnest(array['solana', 'ethereum', 'base', 'binance-smart-chain']) as chain
    where to_regclass('raw_transactions') is not null and not exists (
        select from pg_inherits i join pg_class c on c.oid = i.inhrelid
        where i.inhparent = to_regclass('raw_transactions')
            and pg_get_expr(c.relpartbound, c.oid) like '%''' || chain || '''%')";

/// Looks at everything once.
///
/// # Errors
/// As every read.
pub async fn report(store: &Store) -> Result<UpkeepReport, StoreError> {
    run!(store, "upkeep/report", async |tx| {
        let attention = sqlx::query_scalar(ATTENTION).fetch_all(&mut *tx).await?;
        let mut sections = Vec::with_capacity(SECTIONS.len() + 1);
        for (name, title, sql) in SECTIONS {
            sections
                .push(section(&mut *tx, name, title, format!("-- upkeep/{name}\n{sql}")).await?);
        }
        sections.push(slow_statements(tx).await?);
        Ok(UpkeepReport { attention, sections })
    })
}

async fn slow_statements(tx: &mut PgConnection) -> Result<Section, StoreError> {
    let view: Option<String> = sqlx::query_scalar(HAS_STATEMENTS).fetch_optional(&mut *tx).await?;
    let Some(view) = view else {
        return Ok(Section {
            name: "slow_statements",
            title: "Slowest statements: unknown, the extension pg_stat_statements is not there",
            columns: Vec::new(),
            rows: Vec::new(),
        });
    };
    let sql = format!(
        "-- upkeep/slow_statements
         select calls::text, round(mean_exec_time::numeric, 1)::text as mean_ms,
             round(max_exec_time::numeric, 1)::text as max_ms,
             left(regexp_replace(query, '\\s+', ' ', 'g'), 80) as statement
         from {view} s join pg_database d on d.oid = s.dbid
         where d.datname = current_database() and calls > 1
         order by mean_exec_time desc limit 10"
    );
    section(tx, "slow_statements", "Slowest statements by their mean time", sql).await
}

async fn section(
    tx: &mut PgConnection,
    name: &'static str,
    title: &'static str,
    sql: String,
) -> Result<Section, StoreError> {
    // The texts are ours; the name of a schema in one comes quoted from the server.
    let found = sqlx::query(AssertSqlSafe(sql)).fetch_all(tx).await?;
    let columns = found
        .first()
        .map(|row| row.columns().iter().map(|column| column.name().to_owned()).collect());
    let cells = |row: &PgRow| (0..row.len()).map(|n| row.try_get(n)).collect();
    let rows = found.iter().map(cells).collect::<Result<_, sqlx::Error>>()?;
    Ok(Section { name, title, columns: columns.unwrap_or_default(), rows })
}

/// The statements that keep the tables small and the planner informed: broken indexes built again, every table
/// vacuumed and analyzed. None of them shuts out readers or writers.
///
/// # Errors
/// As every read.
pub async fn maintenance(store: &Store) -> Result<Vec<String>, StoreError> {
    let sql = "-- upkeep/maintenance
        -- A rebuilding that was broken off leaves a copy of the index, which is not needed.
        select format(
            case when i.relname ~ '_cc(new|old)[0-9]*$' then 'drop index concurrently if exists %s'
                else 'reindex index concurrently %s' end, i.oid::regclass)
        from pg_index x join pg_class i on i.oid = x.indexrelid
        where not x.indisvalid and i.relnamespace = current_schema()::regnamespace and pg_has_role(i.relowner, 'usage')
        union all
        select * from (
            select format('vacuum (analyze) %I.%I', n.nspname, c.relname)
            from pg_class c join pg_namespace n on n.oid = c.relnamespace
            where c.relkind = 'r' and n.nspname = current_schema() and pg_has_role(c.relowner, 'usage')
            order by pg_total_relation_size(c.oid)
        ) as tables";
    run!(store, "upkeep/maintenance", async |tx| {
        Ok(sqlx::query_scalar(sql).fetch_all(tx).await?)
    })
}

/// Carries out `statements`, one after the other, without a limit of time, on a connection of its own; `on_begin` is
/// told each before.
///
/// # Errors
/// The first one that failed; those before it stand.
pub async fn maintain(
    store: &Store,
    statements: &[String],
    mut on_begin: impl FnMut(&str) + Send,
) -> Result<(), StoreError> {
    let mut connection = store.direct().connect().await.map_err(StoreError::of_session)?;
    for statement in statements {
        on_begin(statement);
        // Made by `maintenance`, with names as the server quotes them. Not prepared: these run outside of a
        // transaction.
        sqlx::raw_sql(AssertSqlSafe(statement.clone())).execute(&mut connection).await?;
    }
    sqlx::Connection::close(connection).await?;
    Ok(())
}
