//! The newest full-history result of each wallet, by the default method.

use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use pnl_core::{Address, Chain, Usd, WalletRef};
use sqlx::postgres::PgRow;
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use crate::batches::BatchId;
use crate::convert::{self, from_bigint};
use crate::error::StoreError;
use crate::store::{Store, read, run};
use crate::tenant::Tenant;

/// What the list is sorted by; largest or newest first unless told otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LatestSort {
    /// Time of the analysis.
    AnalyzedAt,
    /// Total profit or loss.
    TotalPnl,
    /// Realized gain.
    RealizedGain,
    /// Unrealized gain.
    UnrealizedGain,
    /// Fees paid.
    Fees,
    /// Number of trades.
    Trades,
    /// Number of transactions.
    Transactions,
}

impl LatestSort {
    /// All sorts.
    pub const ALL: [Self; 7] = [
        Self::AnalyzedAt,
        Self::TotalPnl,
        Self::RealizedGain,
        Self::UnrealizedGain,
        Self::Fees,
        Self::Trades,
        Self::Transactions,
    ];

    /// Those by a figure of the result.
    pub const FIGURES: [Self; 6] = [
        Self::TotalPnl,
        Self::RealizedGain,
        Self::UnrealizedGain,
        Self::Fees,
        Self::Trades,
        Self::Transactions,
    ];

    /// The member of the API's row it sorts by.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AnalyzedAt => "analyzed_at",
            Self::TotalPnl => "total_pnl_usd",
            Self::RealizedGain => "realized_gain_usd",
            Self::UnrealizedGain => "unrealized_gain_usd",
            Self::Fees => "fees_usd",
            Self::Trades => "trades",
            Self::Transactions => "transactions",
        }
    }

    pub(super) const fn column_type(self) -> &'static str {
        match self {
            Self::AnalyzedAt => "timestamptz",
            Self::Trades | Self::Transactions => "bigint",
            Self::TotalPnl | Self::RealizedGain | Self::UnrealizedGain | Self::Fees => "numeric",
        }
    }

    /// `key`, which came from outside, in a form of ours; `None` when it is no value of the sorted column. What
    /// PostgreSQL writes is read, and some more.
    pub fn read_key(self, key: &str) -> Option<String> {
        Some(match self {
            Self::AnalyzedAt => {
                // Sessions are in UTC. Other years need more signs, which no analysis has.
                let text = key.strip_suffix("+00")?;
                let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
                (1..=9999).contains(&time.year()).then(|| time.and_utc().to_rfc3339())?
            }
            Self::Trades | Self::Transactions => key.parse::<i64>().ok()?.to_string(),
            Self::TotalPnl | Self::RealizedGain | Self::UnrealizedGain | Self::Fees => {
                key.parse::<Usd>().ok()?.to_string()
            }
        })
    }
}

/// How long a walk over the list may take: then what it would have to show may be gone.
pub const LONGEST_WALK: Duration = Duration::from_secs(3600);

/// The columns of a row of the list, which both tables have.
const COLUMNS: &str = "l.chain, l.wallet, l.batch_id, l.total_pnl_usd, l.realized_gain_usd, l.unrealized_gain_usd, \
                       l.fees_usd, l.trades, l.transactions, l.token_win_rate, l.complete, l.analyzed_at";

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestCursor {
    /// The sorted column of the last row, as text.
    pub key: String,
    /// The last row's wallet.
    pub wallet: WalletRef,
    /// When the walk began: it shows the list of that moment to its end.
    pub as_of: DateTime<Utc>,
}

impl LatestCursor {
    /// The cursor behind `wallet` in the list by `sort` as it was then; `None` when `key` is no value of the
    /// sorted column.
    pub fn read(
        sort: LatestSort,
        key: &str,
        wallet: WalletRef,
        as_of: DateTime<Utc>,
    ) -> Option<Self> {
        sort.read_key(key).map(|key| Self { key, wallet, as_of })
    }
}

/// The newest figures of one wallet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestRow {
    /// The wallet.
    pub wallet: WalletRef,
    /// The batch they come from.
    pub batch: BatchId,
    /// Total profit or loss.
    pub total_pnl_usd: Usd,
    /// Realized gain.
    pub realized_gain_usd: Usd,
    /// Unrealized gain.
    pub unrealized_gain_usd: Usd,
    /// Fees paid.
    pub fees_usd: Usd,
    /// Number of trades.
    pub trades: u64,
    /// Number of transactions.
    pub transactions: u64,
    /// Share of tokens with a gain, decimal text.
    pub token_win_rate: Option<String>,
    /// Whether the whole history was seen.
    pub complete: bool,
    /// When the result was stored.
    pub analyzed_at: DateTime<Utc>,
}

/// Some rows of the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestPage {
    /// In the order of the list.
    pub rows: Vec<LatestRow>,
    /// Behind which row the list goes on; `None`: this was its end.
    pub next: Option<LatestCursor>,
}

/// Which wallets a list has, and in which order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestList {
    /// Of one chain.
    pub chain: Option<Chain>,
    /// With a total above zero, or with none above it.
    pub profitable: Option<bool>,
    /// With at least so many trades.
    pub min_trades: Option<u64>,
    /// With a total of at least this.
    pub min_pnl: Option<Usd>,
    /// With a total of at most this.
    pub max_pnl: Option<Usd>,
    /// Whose result was stored at this time or later.
    pub updated_since: Option<DateTime<Utc>>,
    /// What it is sorted by.
    pub sort: LatestSort,
    /// Smallest or oldest first.
    pub ascending: bool,
}

impl LatestList {
    /// Every wallet, by `sort`.
    pub const fn sorted(sort: LatestSort, ascending: bool) -> Self {
        Self {
            chain: None,
            profitable: None,
            min_trades: None,
            min_pnl: None,
            max_pnl: None,
            updated_since: None,
            sort,
            ascending,
        }
    }

    /// Chains whose wallets it has.
    fn chains(&self) -> &[Chain] {
        self.chain.as_ref().map_or(&Chain::ALL, std::slice::from_ref)
    }

    /// Appends the conditions on the rows of a tenant and a chain.
    fn push_conditions(&self, tenant: &Tenant, chain: Chain, query: &mut QueryBuilder<Postgres>) {
        query.push(" where l.tenant = ").push_bind(tenant.as_str().to_owned());
        query.push(" and l.chain = ").push_bind(chain.as_str());
        if let Some(trades) = self.min_trades {
            // More trades than a bigint can count are more than any wallet has.
            query.push(" and l.trades >= ").push_bind(i64::try_from(trades).unwrap_or(i64::MAX));
        }
        push_totals(query, "l.total_pnl_usd", self.profitable, [self.min_pnl, self.max_pnl]);
        if let Some(since) = self.updated_since {
            query.push(" and l.analyzed_at >= ").push_bind(since);
        }
    }
}

/// Appends the conditions on a total: whether it is above zero, the least and the most of it.
pub(super) fn push_totals(
    query: &mut QueryBuilder<Postgres>,
    total: &str,
    profitable: Option<bool>,
    [least, most]: [Option<Usd>; 2],
) {
    if let Some(profitable) = profitable {
        let comparison = if profitable { ">" } else { "<=" };
        query.push(format_args!(" and {total} {comparison} 0"));
    }
    for (bound, comparison) in [(least, ">="), (most, "<=")] {
        if let Some(bound) = bound {
            query.push(format_args!(" and {total} {comparison} "));
            query.push_bind(bound.to_string()).push("::text::numeric");
        }
    }
}

/// Where a page of the list begins.
#[derive(Debug, Clone, Copy)]
pub enum LatestPlace<'a> {
    /// Behind so many rows.
    Offset(u32),
    /// Behind a row. A cursor that came from outside goes through [`LatestCursor::read`] first.
    Behind(&'a LatestCursor),
}

/// A page of a tenant's latest results. Behind a row it shows the list of the moment when the walk began, whatever was
/// analyzed since; but for results that were being stored in just that moment. What is removed since is missing. Ties are
/// broken by chain and address in the direction of the list, so the order is total.
///
/// # Errors
/// As every read.
pub async fn latest(
    store: &Store,
    tenant: &Tenant,
    list: &LatestList,
    place: LatestPlace<'_>,
    limit: u32,
) -> Result<LatestPage, StoreError> {
    let mut rows = run!(store, "latest_results/list", async |tx| {
        let mut query = QueryBuilder::new("-- latest_results/list\n");
        // One more tells whether the list goes on.
        push_page(&mut query, tenant, list, place, limit.saturating_add(1));
        Ok(query.build().fetch_all(tx).await?)
    })?;
    let goes_on = rows.len() > limit as usize;
    rows.truncate(limit as usize);
    let next = rows.last().filter(|_| goes_on).map(read_cursor).transpose()?;
    let rows = rows.iter().map(read_row).collect::<Result<_, _>>()?;
    Ok(LatestPage { rows, next })
}

/// The latest results of a tenant for these wallets of a chain, as far as there are any, in no order.
///
/// # Errors
/// As every read.
pub async fn latest_of(
    store: &Store,
    tenant: &Tenant,
    chain: Chain,
    wallets: &[Address],
) -> Result<Vec<LatestRow>, StoreError> {
    let wallets: Vec<_> = wallets.iter().map(|wallet| wallet.as_str().to_owned()).collect();
    let rows = run!(store, "latest_results/of_wallets", async |tx| {
        let mut query = QueryBuilder::new("-- latest_results/of_wallets\nselect ");
        push_row(&mut query);
        query.push(" from latest_results l where l.tenant = ");
        query.push_bind(tenant.as_str().to_owned()).push(" and l.chain = ");
        query.push_bind(chain.as_str()).push(" and l.wallet = any (").push_bind(&wallets).push(")");
        Ok(query.build().fetch_all(tx).await?)
    })?;
    rows.iter().map(read_row).collect()
}

/// Appends what is shown of a row of `l`.
fn push_row(query: &mut QueryBuilder<Postgres>) {
    query.push("chain, wallet, batch_id, ");
    for money in ["total_pnl_usd", "realized_gain_usd", "unrealized_gain_usd", "fees_usd"] {
        query.push(format_args!("trim_scale(l.{money})::text as {money}, "));
    }
    query.push("trades, transactions, trim_scale(token_win_rate)::text as token_win_rate, ");
    query.push("complete, analyzed_at");
}

/// Appends the statement of a page: of each chain so many rows as the page may have, and the first of them all.
fn push_page(
    query: &mut QueryBuilder<Postgres>,
    tenant: &Tenant,
    list: &LatestList,
    place: LatestPlace<'_>,
    limit: u32,
) {
    let LatestList { sort, ascending, .. } = *list;
    let column = sort.as_str();
    let direction = if ascending { "asc" } else { "desc" };
    let skipped = match place {
        LatestPlace::Offset(rows) => i64::from(rows),
        LatestPlace::Behind(_) => 0,
    };
    query.push("select ");
    push_row(query);
    query.push(format_args!(", l.{column}::text as key, "));
    match place {
        LatestPlace::Offset(_) => push_now(query, tenant, list),
        LatestPlace::Behind(after) => _ = query.push_bind(after.as_of),
    }
    query.push(" as as_of from (");
    let tables = match place {
        LatestPlace::Offset(_) => &["latest_results"][..],
        LatestPlace::Behind(_) => &["latest_results", "replaced_results"],
    };
    let parts =
        tables.iter().flat_map(|table| list.chains().iter().map(move |chain| (table, *chain)));
    for (number, (table, chain)) in parts.enumerate() {
        query.push(if number == 0 { "(" } else { " union all (" });
        query.push(format_args!("select {COLUMNS} from {table} l"));
        list.push_conditions(tenant, chain, query);
        if let LatestPlace::Behind(after) = place {
            push_behind(query, sort, ascending, chain, after);
            query.push(" and l.analyzed_at <= ").push_bind(after.as_of);
            if *table == "replaced_results" {
                query.push(" and l.replaced_at > ").push_bind(after.as_of);
            }
        }
        query.push(format_args!(" order by l.{column} {direction}, l.wallet {direction}"));
        query.push(" limit ").push_bind(skipped + i64::from(limit)).push(")");
    }
    query.push(format_args!(
        ") l order by l.{column} {direction}, chain {direction}, wallet {direction} limit "
    ));
    query.push_bind(i64::from(limit)).push(" offset ").push_bind(skipped);
}

/// Appends the moment of which a walk that begins now shows the list. What is being stored has a time already and is not
/// seen yet, so it is that of the newest row that is seen; of old rows it is a minute ago, by which everything has been seen.
fn push_now(query: &mut QueryBuilder<Postgres>, tenant: &Tenant, list: &LatestList) {
    query.push("greatest(clock_timestamp() - interval '1 minute'");
    for chain in list.chains() {
        query.push(", (select max(n.analyzed_at) from latest_results n where n.tenant = ");
        query.push_bind(tenant.as_str().to_owned()).push(" and n.chain = ");
        query.push_bind(chain.as_str()).push(")");
    }
    query.push(")");
}

/// Appends what tells the rows of `chain` behind `after` from those before it: a range of the index by `sort`, wherever
/// the page begins. Per chain, since no index goes over the chains.
fn push_behind(
    query: &mut QueryBuilder<Postgres>,
    sort: LatestSort,
    ascending: bool,
    chain: Chain,
    after: &LatestCursor,
) {
    let (column, of_type) = (sort.as_str(), sort.column_type());
    let beyond = if ascending { ">" } else { "<" };
    let key = |query: &mut QueryBuilder<Postgres>| {
        query.push_bind(after.key.clone()).push(format_args!("::text::{of_type}"));
    };
    let order = chain.as_str().cmp(after.wallet.chain.as_str());
    if order.is_eq() {
        query.push(format_args!(" and (l.{column}, l.wallet) {beyond} ("));
        key(query);
        query.push(", ").push_bind(after.wallet.address.to_string()).push(")");
    } else {
        // Of equal keys those of the chains that come later in the list.
        let comes_later = order.is_gt() == ascending;
        let or_equal = if comes_later { "=" } else { "" };
        query.push(format_args!(" and l.{column} {beyond}{or_equal} "));
        key(query);
    }
}

/// When a tenant's list changed last, as far as its rows tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Newest {
    /// `analyzed_at` of its newest row; 1970 while it has none.
    pub at: DateTime<Utc>,
    /// How long ago that is by the clock of the database, in seconds; less than zero by a clock that was set back.
    pub age_seconds: i64,
}

/// The newest row of a tenant's latest results. What is stored gets a newer time; but of two that are stored at once, the
/// older one may be seen later, and a row that is removed leaves no time.
///
/// # Errors
/// As every read.
pub async fn newest(store: &Store, tenant: &Tenant) -> Result<Newest, StoreError> {
    let chains = Chain::ALL.map(|chain| chain.as_str().to_owned());
    let row = read!(store, async |connection| sqlx::query_file!(
        "queries/latest_results/newest.sql",
        tenant.as_str(),
        &chains[..]
    )
    .fetch_one(connection))?;
    Ok(Newest { at: row.newest, age_seconds: row.seconds })
}

/// How many wallets a tenant's list has.
///
/// # Errors
/// As every read.
pub async fn count_latest(
    store: &Store,
    tenant: &Tenant,
    list: &LatestList,
) -> Result<u64, StoreError> {
    let count: i64 = run!(store, "latest_results/count", async |tx| {
        let mut query = QueryBuilder::<Postgres>::new("-- latest_results/count\nselect ");
        for (number, chain) in list.chains().iter().enumerate() {
            query.push(if number == 0 { "(" } else { " + (" });
            query.push("select count(*) from latest_results l");
            list.push_conditions(tenant, *chain, &mut query);
            query.push(")");
        }
        Ok(query.build_query_scalar().fetch_one(tx).await?)
    })?;
    from_bigint(count, "count")
}

fn read_row(row: &PgRow) -> Result<LatestRow, StoreError> {
    let usd = |column: &str| -> Result<Usd, StoreError> {
        let text: &str = row.try_get(column)?;
        text.parse().map_err(|_| StoreError::Corrupt(format!("{column} is {text:?}")))
    };
    let count = |column: &str| from_bigint(row.try_get(column)?, column);
    Ok(LatestRow {
        wallet: read_wallet(row)?,
        batch: BatchId(row.try_get::<Uuid, _>("batch_id")?),
        total_pnl_usd: usd("total_pnl_usd")?,
        realized_gain_usd: usd("realized_gain_usd")?,
        unrealized_gain_usd: usd("unrealized_gain_usd")?,
        fees_usd: usd("fees_usd")?,
        trades: count("trades")?,
        transactions: count("transactions")?,
        token_win_rate: row.try_get("token_win_rate")?,
        complete: row.try_get("complete")?,
        analyzed_at: row.try_get("analyzed_at")?,
    })
}

fn read_wallet(row: &PgRow) -> Result<WalletRef, StoreError> {
    Ok(WalletRef {
        chain: convert::chain(row.try_get("chain")?)?,
        address: Address::from_chain_data(row.try_get("wallet")?),
    })
}

/// The cursor of the page that begins behind a row of a page.
fn read_cursor(row: &PgRow) -> Result<LatestCursor, StoreError> {
    Ok(LatestCursor {
        key: row.try_get("key")?,
        wallet: read_wallet(row)?,
        as_of: row.try_get("as_of")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_util::TestDatabase;

    /// Rows of each of two chains; many of them with equal figures.
    const ROWS: u32 = 4_000;

    /// Wallets of them that were analyzed again since the walk began.
    const AGAIN: u32 = 30;

    /// The scans of tables in a plan, each with the rows that it has read: those that it gave, and those that it left out.
    fn scanned(plan: &str) -> Vec<(&str, u32)> {
        let number = |line: &str, name: &str| -> Option<u32> {
            line.split(name).nth(1)?.split([' ', ')']).next()?.parse().ok()
        };
        let mut scans: Vec<(&str, u32)> = Vec::new();
        for line in plan.lines() {
            if line.contains(" Scan ") {
                let rows = number(line, "actual rows=").expect("each ran");
                scans.push((line, rows));
            } else if let (Some(removed), Some((_, rows))) =
                (number(line, "Rows Removed by Filter: "), scans.last_mut())
            {
                *rows += removed;
            }
        }
        assert!(!scans.is_empty(), "{plan}");
        scans
    }

    #[tokio::test]
    async fn a_page_of_every_sort_reads_ranges_of_indexes_and_what_was_analyzed_again_since_its_walk_began()
     {
        let database = TestDatabase::create().await;
        database
            .execute(
                "insert into batches (id, chain, request, trace_id, total)
             values ('00000000-0000-0000-0000-000000000001', 'solana', '{}', repeat('0', 32), 1)",
            )
            .await;
        for tenant in ["default", "acme"] {
            let rows = format!(
                "insert into latest_results (chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd,
                     unrealized_gain_usd, fees_usd, trades, transactions, complete, analyzed_at, tenant)
                 select chain, md5(n::text), '00000000-0000-0000-0000-000000000001', 1, n % 5, n % 5, n % 5, n % 5,
                     n % 5, n % 5, true, timestamptz '2026-01-01 00:00:00+00' + n % 5 * interval '1 s', '{tenant}'
                 from unnest(array['solana', 'base']) chain, generate_series(1, {ROWS}) n"
            );
            database.execute(&rows).await;
            // All of them have replaced another result before the walk began, some of them again since.
            let replaced = format!(
                "insert into replaced_results (chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd,
                     unrealized_gain_usd, fees_usd, trades, transactions, complete, analyzed_at, tenant, replaced_at)
                 select chain, wallet, batch_id, pin_block, total_pnl_usd, realized_gain_usd, unrealized_gain_usd, fees_usd,
                     trades, transactions, complete, analyzed_at, tenant, timestamptz '2026-01-01 00:00:04+00'
                 from latest_results where tenant = '{tenant}'"
            );
            database.execute(&replaced).await;
            let again = format!(
                "update latest_results set analyzed_at = timestamptz '2026-01-01 00:00:06+00'
                 where tenant = '{tenant}' and wallet in (select md5(n::text) from generate_series(1, {AGAIN}) n)"
            );
            assert_eq!(database.execute(&again).await, u64::from(2 * AGAIN));
        }
        database.execute("analyze latest_results, replaced_results").await;
        for tenant in ["default", "acme"] {
            for (sort, key) in LatestSort::ALL.into_iter().zip(
                // In the middle of the rows that are equal to it.
                std::iter::once("2026-01-01 00:00:02+00").chain(std::iter::repeat("2")),
            ) {
                let wallet =
                    WalletRef { chain: Chain::Solana, address: Address::from_chain_data("8000") };
                let as_of = "2026-01-01T00:00:05Z".parse().expect("a time");
                let deep = LatestCursor { key: key.to_owned(), wallet, as_of };
                for ascending in [true, false] {
                    for place in [LatestPlace::Offset(0), LatestPlace::Behind(&deep)] {
                        let mut query = QueryBuilder::new(
                            "explain (analyze, costs off, timing off, summary off) ",
                        );
                        let tenant = tenant.parse().expect("a tenant");
                        let list = LatestList::sorted(sort, ascending);
                        push_page(&mut query, &tenant, &list, place, 50);
                        let mut tx = database.store().begin().await.expect("a transaction");
                        let plan: Vec<String> =
                            query.build_query_scalar().fetch_all(&mut *tx).await.expect("a plan");
                        let plan = plan.join("\n");
                        assert!(!plan.contains("Seq Scan"), "{sort:?} {place:?}\n{plan}");
                        for (scan, rows) in scanned(&plan) {
                            let most = match place {
                                LatestPlace::Offset(_) => 51,
                                // Of two tenants and two chains, since an index by time alone may do.
                                _ if scan.contains(" on replaced_results ") => 4 * AGAIN,
                                LatestPlace::Behind(_) => 51 + AGAIN,
                            };
                            assert!(rows <= most, "{rows}: {scan}\n{plan}");
                        }
                    }
                }
            }
        }
    }
}
