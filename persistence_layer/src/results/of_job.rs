//! The wallets of one batch, filtered and sorted.

use pnl_core::{Chain, Usd};
use sqlx::{FromRow, PgConnection, Postgres, QueryBuilder};

use super::{LatestSort, PAGE_BYTES, ResultRow, StoredRow, push_totals};
use crate::batches::BatchRef;
use crate::error::StoreError;
use crate::store::{Store, run};
use crate::wallet_tasks::TaskState;

/// Which wallets of a batch a list has, and in which order. What is about figures leaves wallets without a
/// result out.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JobList {
    /// In one of these states; empty: in any.
    pub states: Vec<TaskState>,
    /// Ended without a result, with this code.
    pub error_code: Option<String>,
    /// With a total above zero, or with none above it.
    pub profitable: Option<bool>,
    /// With a total of at least this.
    pub min_pnl: Option<Usd>,
    /// With a total of at most this.
    pub max_pnl: Option<Usd>,
    /// A figure that they are sorted by; else they are in the order of the submission.
    pub sort: Option<JobSort>,
}

/// An order by a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobSort {
    /// One of [`LatestSort::FIGURES`].
    pub by: LatestSort,
    /// Smallest first.
    pub ascending: bool,
}

impl JobList {
    /// Whether it is about figures, which wallets without a result do not have.
    pub const fn wants_figures(&self) -> bool {
        self.sort.is_some() || self.has_totals()
    }

    const fn has_totals(&self) -> bool {
        self.profitable.is_some() || self.min_pnl.is_some() || self.max_pnl.is_some()
    }
}

/// Where a page of a list ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobPlace {
    /// The figure of the last wallet, as text; `None` in the order of the submission.
    pub key: Option<String>,
    /// Which of those with this figure it was; without one, its place in the submission.
    pub tie: i64,
}

/// Some wallets of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct JobPage {
    /// In the order of the list.
    pub rows: Vec<ResultRow>,
    /// Behind which row the list goes on; `None`: this was its end.
    pub next: Option<JobPlace>,
}

#[derive(FromRow)]
struct ListedRow {
    #[sqlx(flatten)]
    row: StoredRow,
    key: Option<String>,
    tie: i64,
    has_more: bool,
}

/// Where a page of a list begins.
#[derive(Debug, Clone, Copy)]
pub enum JobStart<'a> {
    /// With the first wallet.
    First,
    /// Behind a wallet.
    Behind(&'a JobPlace),
    /// With the first of these, which are the next ones of its [`order`].
    Next(&'a [i64]),
}

/// The wallets of `list` from `start` on: up to `limit`, and fewer, but at least one, where their reports are large
/// together. Of wallets with equal figures those come together that were stored together; the order is the same on
/// every page. `chain` is that of the batch.
///
/// # Errors
/// As every read.
pub async fn listed(
    store: &Store,
    batch: &BatchRef,
    chain: Chain,
    list: &JobList,
    start: JobStart<'_>,
    limit: u32,
) -> Result<JobPage, StoreError> {
    let rows: Vec<ListedRow> = run!(store, "pnl_results/list", async |tx| {
        let statement = Statement::of(tx, batch, chain, list).await?;
        let mut query = QueryBuilder::new("-- pnl_results/list\n");
        statement.push(&mut query, start, limit);
        Ok(query.build_query_as().fetch_all(tx).await?)
    })?;
    let next = rows
        .last()
        .filter(|row| row.has_more)
        .map(|row| JobPlace { key: row.key.clone(), tie: row.tie });
    let rows =
        rows.into_iter().map(|row| ResultRow::try_from(row.row)).collect::<Result<_, _>>()?;
    Ok(JobPage { rows, next })
}

/// The wallets of a list that is sorted by a figure, all of them, as [`JobPlace::tie`] names them.
///
/// # Errors
/// As every read.
pub async fn order(
    store: &Store,
    batch: &BatchRef,
    chain: Chain,
    list: &JobList,
    sort: JobSort,
) -> Result<Vec<i64>, StoreError> {
    run!(store, "pnl_results/order", async |tx| {
        let statement = Statement::of(tx, batch, chain, list).await?;
        let direction = direction(sort);
        let mut query = QueryBuilder::new("-- pnl_results/order\n");
        query.push(format_args!(
            "select coalesce(array_agg(k.tie order by k.key {direction}, k.tie {direction}), '{{}}') from ("
        ));
        statement.push_figures(&mut query, sort);
        query.push(") k");
        Ok(query.build_query_scalar().fetch_one(tx).await?)
    })
}

struct Statement<'a> {
    batch: &'a BatchRef,
    chain: Chain,
    list: &'a JobList,
    /// Whether the batch has results without figures: then all of them are read from the reports.
    is_older: bool,
}

impl<'a> Statement<'a> {
    async fn of(
        tx: &mut PgConnection,
        batch: &'a BatchRef,
        chain: Chain,
        list: &'a JobList,
    ) -> Result<Self, StoreError> {
        let is_older = list.wants_figures()
            && sqlx::query_file_scalar!(
                "queries/pnl_results/any_without_figures.sql",
                batch.id.0,
                chain.as_str()
            )
            .fetch_one(tx)
            .await?;
        Ok(Self { batch, chain, list, is_older })
    }

    /// Appends the statement of a page: one row more is looked up than the page has, and no report of it.
    fn push(&self, query: &mut QueryBuilder<Postgres>, start: JobStart<'_>, limit: u32) {
        let direction = self.list.sort.map_or("asc", direction);
        query
            .push("select p.* from (select l.*, l.no < l.listed as has_more, r.report::text as report, ")
            .push("sum(octet_length(r.report::text)) over (")
            .push("order by l.no rows between unbounded preceding and 1 preceding) as bytes_before from (")
            .push("select t.ordinal, t.wallet, t.state, t.error, t.fence, t.started_at, t.finished_at, t.calls, ")
            .push("k.key::text as key, k.tie, count(*) over () as listed, row_number() over (")
            .push(format_args!("order by k.key {direction}, k.tie {direction}) as no from ("));
        let after = match start {
            JobStart::Behind(place) => Some(place),
            JobStart::First | JobStart::Next(_) => None,
        };
        match (self.list.sort, start) {
            (Some(sort), JobStart::Next(tasks)) => self.push_next(query, sort, tasks, limit),
            (Some(sort), _) => self.push_sorted(query, sort, after, limit),
            (None, _) => self.push_in_order(query, after, limit),
        }
        query
            .push(") k join wallet_tasks t on t.id = k.task) l left join pnl_results r on l.state = 'done'")
            .push(" and r.wallet = l.wallet");
        self.push_batch(query, "r");
        query.push(" where l.no <= ").push_bind(i64::from(limit));
        query.push(") p where coalesce(p.bytes_before, 0) <= ").push_bind(PAGE_BYTES);
        query.push(" order by p.no");
    }

    /// Appends a range of the index by the total, or of all results, read and sorted, by another figure.
    fn push_sorted(
        &self,
        query: &mut QueryBuilder<Postgres>,
        sort: JobSort,
        after: Option<&JobPlace>,
        limit: u32,
    ) {
        let key = self.figure(sort.by);
        let direction = direction(sort);
        self.push_figures(query, sort);
        if let Some(JobPlace { key: Some(last), tie }) = after {
            let beyond = if sort.ascending { ">" } else { "<" };
            query.push(format_args!(" and ({key}, r.task) {beyond} ("));
            query.push_bind(last.clone());
            query.push(format_args!("::text::{}, ", sort.by.column_type()));
            query.push_bind(*tie).push(")");
        }
        query.push(format_args!(" order by {key} {direction}, r.task {direction} limit "));
        query.push_bind(i64::from(limit) + 1);
    }

    /// Appends all results with the figure that they are sorted by.
    fn push_figures(&self, query: &mut QueryBuilder<Postgres>, sort: JobSort) {
        let key = self.figure(sort.by);
        query.push(format_args!(
            "select r.task, {key} as key, r.task as tie from pnl_results r where {key} is not null"
        ));
        self.push_batch(query, "r");
        self.push_wallets(query, "r");
        self.push_totals(query);
    }

    /// Appends the results of the first of these tasks.
    fn push_next(
        &self,
        query: &mut QueryBuilder<Postgres>,
        sort: JobSort,
        tasks: &[i64],
        limit: u32,
    ) {
        let key = self.figure(sort.by);
        query.push(format_args!(
            "select r.task, {key} as key, r.task as tie from wallet_tasks n \
             join pnl_results r on r.wallet = n.wallet where n.id = any ("
        ));
        let first = tasks.len().min(limit as usize + 1);
        query.push_bind(tasks[..first].to_vec()).push(")");
        self.push_batch(query, "n");
        self.push_batch(query, "r");
        self.push_wallets(query, "r");
    }

    /// Appends the wallets in the order of the submission.
    fn push_in_order(
        &self,
        query: &mut QueryBuilder<Postgres>,
        after: Option<&JobPlace>,
        limit: u32,
    ) {
        let JobList { states, error_code, .. } = self.list;
        query
            .push("select t.id as task, null as key, t.ordinal::bigint as tie from wallet_tasks t");
        if self.list.has_totals() {
            query.push(" join pnl_results r on r.wallet = t.wallet");
            self.push_batch(query, "r");
        }
        query.push(" where t.ordinal > ").push_bind(after.map_or(-1, |place| place.tie));
        self.push_batch(query, "t");
        self.push_wallets(query, "t");
        self.push_totals(query);
        // Spelled out, so that the planner sees which index has them.
        if !states.is_empty() {
            let names: Vec<_> = states.iter().map(|state| state.as_str()).collect();
            query.push(format_args!(" and t.state in ('{}')", names.join("', '")));
            if !states.iter().any(|state| state.is_terminal()) {
                query.push(" and t.finished_at is null");
            }
        }
        if let Some(code) = error_code {
            query.push(
                " and t.state in ('failed', 'timed_out', 'cancelled') and t.error ->> 'code' = ",
            );
            query.push_bind(code.clone());
        }
        query.push(" order by t.ordinal limit ").push_bind(i64::from(limit) + 1);
    }

    /// Appends that a row of `table` is of the batch. Its chain is spelled out, so that the planner sees which table
    /// has it.
    fn push_batch(&self, query: &mut QueryBuilder<Postgres>, table: &str) {
        query.push(format_args!(" and {table}.chain = '{}' and {table}.batch_id = ", self.chain));
        query.push_bind(self.batch.id.0);
    }

    /// Appends that a row of `table` is a wallet's - the group of a batch has its own result - and that the batch is
    /// the tenant's.
    fn push_wallets(&self, query: &mut QueryBuilder<Postgres>, table: &str) {
        query.push(format_args!(" and {table}.wallet <> "));
        query.push_bind(format!("group:{}", self.batch.id));
        query.push(" and exists (select from batches b where b.id = ").push_bind(self.batch.id.0);
        query.push(" and b.tenant = ").push_bind(self.batch.tenant.as_str().to_owned()).push(")");
    }

    fn push_totals(&self, query: &mut QueryBuilder<Postgres>) {
        let JobList { profitable, min_pnl, max_pnl, .. } = *self.list;
        let total = self.figure(LatestSort::TotalPnl);
        push_totals(query, &total, profitable, [min_pnl, max_pnl]);
    }

    fn figure(&self, figure: LatestSort) -> String {
        let name = figure.as_str();
        if self.is_older {
            let of_type = figure.column_type();
            format!("coalesce(r.{name}, (r.report ->> '{name}')::{of_type})")
        } else {
            format!("r.{name}")
        }
    }
}

const fn direction(sort: JobSort) -> &'static str {
    if sort.ascending { "asc" } else { "desc" }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batches::BatchId;
    use crate::tenant::Tenant;
    use crate::test_util::TestDatabase;

    /// Wallets of each of two batches: every hundredth failed, figures have many ties, nothing is open.
    const FILL: &str = "
        insert into batches (id, chain, request, trace_id, total)
        select ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'solana', '{}', repeat('0', 32), 4000
        from generate_series(1, 2) n;
        insert into wallet_tasks (batch_id, chain, wallet, ordinal, vtime, state, finished_at, error)
        select b.id, b.chain, md5(n::text), n, n, case when n % 100 = 7 then 'failed' else 'done' end, now(),
            case when n % 100 = 7 then '{\"code\": \"internal\"}'::json end
        from batches b, generate_series(0, 3999) n;
        insert into pnl_results (chain, batch_id, wallet, task, fence, report, total_pnl_usd, realized_gain_usd,
            unrealized_gain_usd, fees_usd, trades, transactions)
        select t.chain, t.batch_id, t.wallet, t.id, 1, '{}', n, n, n, n, n, n
        from wallet_tasks t, lateral (select t.ordinal % 5 as n) figures
        where t.state = 'done';
        analyze wallet_tasks, pnl_results, pnl_results_solana";

    #[tokio::test]
    async fn a_page_by_total_by_state_or_of_a_known_order_is_read_by_indexes_wherever_it_begins() {
        let database = TestDatabase::create().await;
        for statement in FILL.split(';') {
            database.execute(statement).await;
        }
        let id = "00000000-0000-0000-0000-000000000001".parse::<BatchId>().expect("an id");
        let batch = BatchRef { tenant: Tenant::default(), id };
        let sorted =
            |by, ascending| JobList { sort: Some(JobSort { by, ascending }), ..JobList::default() };
        let total = LatestSort::TotalPnl;
        let in_state = |state| JobList { states: vec![state], ..JobList::default() };
        let coded = JobList { error_code: Some("internal".to_owned()), ..JobList::default() };
        let deep = |key: Option<&str>| JobPlace { key: key.map(str::to_owned), tie: 2_000 };
        let (by_total, by_place) = (deep(Some("2")), deep(None));
        let tasks: Vec<i64> = (2_000..2_100).collect();
        for (list, start) in [
            (sorted(total, true), JobStart::Behind(&by_total)),
            (sorted(total, false), JobStart::Behind(&by_total)),
            (in_state(TaskState::Failed), JobStart::Behind(&by_place)),
            (in_state(TaskState::Queued), JobStart::Behind(&by_place)),
            (coded, JobStart::Behind(&by_place)),
            (sorted(LatestSort::Trades, true), JobStart::Next(&tasks)),
        ] {
            let is_next = matches!(start, JobStart::Next(_));
            let first = if is_next { start } else { JobStart::First };
            for start in [first, start] {
                let mut query =
                    QueryBuilder::new("explain (analyze, costs off, timing off, summary off) ");
                let statement =
                    Statement { batch: &batch, chain: Chain::Solana, list: &list, is_older: false };
                statement.push(&mut query, start, 20);
                let mut tx = database.store().begin().await.expect("a transaction");
                let plan: Vec<String> =
                    query.build_query_scalar().fetch_all(&mut *tx).await.expect("a plan");
                let plan = plan.join("\n");
                for scan in plan.lines().filter(|line| {
                    line.contains(" on pnl_results_") || line.contains(" on wallet_tasks")
                }) {
                    assert!(scan.contains("Index Scan"), "{list:?}\n{plan}");
                    if scan.contains("never executed") {
                        continue;
                    }
                    // Of all loops together.
                    let number = |name: &str| {
                        let number = scan.split(name).nth(1)?.split([' ', ')']).next()?;
                        number.parse::<u32>().ok()
                    };
                    let rows = number("actual rows=").zip(number("loops="));
                    assert!(rows.is_some_and(|(rows, loops)| rows * loops <= 21), "{scan}\n{plan}");
                }
            }
        }
    }
}
