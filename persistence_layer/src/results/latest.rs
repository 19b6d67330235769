//! The newest full-history result of each wallet, by the default method.

use chrono::{DateTime, Datelike, NaiveDateTime, Utc};
use pnl_core::{Address, Chain, Usd, WalletRef};
use sqlx::{Postgres, QueryBuilder, Row};
use uuid::Uuid;

use crate::batches::BatchId;
use crate::convert::{self, from_bigint};
use crate::error::StoreError;
use crate::store::{Store, run};
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

    const fn column_type(self) -> &'static str {
        match self {
            Self::AnalyzedAt => "timestamptz",
            Self::Trades | Self::Transactions => "bigint",
            Self::TotalPnl | Self::RealizedGain | Self::UnrealizedGain | Self::Fees => "numeric",
        }
    }
}

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LatestCursor {
    /// The sorted column of the last row, as text.
    pub key: String,
    /// The last row's wallet.
    pub wallet: WalletRef,
}

impl LatestCursor {
    /// The cursor behind `wallet` in the list by `sort`; `None` when `key` is no value of the sorted
    /// column. What PostgreSQL writes is read, and some more; the key is then in a form of ours.
    pub fn read(sort: LatestSort, key: &str, wallet: WalletRef) -> Option<Self> {
        let key = match sort {
            LatestSort::AnalyzedAt => {
                // Sessions are in UTC. Other years need more signs, which no analysis has.
                let text = key.strip_suffix("+00")?;
                let time = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f").ok()?;
                (1..=9999).contains(&time.year()).then(|| time.and_utc().to_rfc3339())?
            }
            LatestSort::Trades | LatestSort::Transactions => key.parse::<i64>().ok()?.to_string(),
            LatestSort::TotalPnl
            | LatestSort::RealizedGain
            | LatestSort::UnrealizedGain
            | LatestSort::Fees => key.parse::<Usd>().ok()?.to_string(),
        };
        Some(Self { key, wallet })
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
    /// The cursor of the page that begins behind this row.
    pub cursor: LatestCursor,
}

/// Figures over all wallets with a latest result.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    /// Number of wallets.
    pub total_wallets: u64,
    /// Those with a total above zero.
    pub profitable_wallets: u64,
    /// Sum of the totals: exact decimal text in US dollars, trailing zeros cut.
    pub total_pnl_usd: String,
    /// Mean of the totals, 18 places half-even; "0" without wallets.
    pub average_pnl_usd: String,
    /// Sum of the trades.
    pub total_trades: u64,
    /// Profitable wallets of a hundred, 18 places half-even; "0" without wallets.
    pub profitability_rate: String,
    /// When the newest result was stored.
    pub last_updated: Option<DateTime<Utc>>,
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

    /// Appends the conditions on the rows of a tenant.
    fn push_conditions(&self, tenant: &Tenant, query: &mut QueryBuilder<Postgres>) {
        query.push(" where l.tenant = ").push_bind(tenant.as_str().to_owned());
        if let Some(chain) = self.chain {
            query.push(" and l.chain = ").push_bind(chain.as_str());
        }
        if let Some(profitable) = self.profitable {
            query.push(if profitable {
                " and l.total_pnl_usd > 0"
            } else {
                " and l.total_pnl_usd <= 0"
            });
        }
        if let Some(trades) = self.min_trades {
            // More trades than a bigint can count are more than any wallet has.
            query.push(" and l.trades >= ").push_bind(i64::try_from(trades).unwrap_or(i64::MAX));
        }
        for (bound, comparison) in [(self.min_pnl, ">="), (self.max_pnl, "<=")] {
            if let Some(bound) = bound {
                query.push(format_args!(" and l.total_pnl_usd {comparison} "));
                query.push_bind(bound.to_string()).push("::text::numeric");
            }
        }
        if let Some(since) = self.updated_since {
            query.push(" and l.analyzed_at >= ").push_bind(since);
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

/// A page of a tenant's latest results. Ties are broken by chain and address, so the order is total.
pub async fn latest(
    store: &Store,
    tenant: &Tenant,
    list: &LatestList,
    place: LatestPlace<'_>,
    limit: u32,
) -> Result<Vec<LatestRow>, StoreError> {
    let LatestList { sort, ascending, .. } = *list;
    let column = sort.as_str();
    let rows = run!(store, "latest_results/list", async |tx| {
        let mut query = QueryBuilder::<Postgres>::new(
            "-- latest_results/list\nselect chain, wallet, batch_id, ",
        );
        for money in ["total_pnl_usd", "realized_gain_usd", "unrealized_gain_usd", "fees_usd"] {
            query.push(format_args!("trim_scale(l.{money})::text as {money}, "));
        }
        query
            .push("trades, transactions, trim_scale(token_win_rate)::text as token_win_rate, ")
            .push(format_args!("complete, analyzed_at, l.{column}::text as key "))
            .push("from latest_results l");
        list.push_conditions(tenant, &mut query);
        if let LatestPlace::Behind(after) = place {
            let (beyond, of_type) = (if ascending { ">" } else { "<" }, sort.column_type());
            query.push(format_args!(" and (l.{column} {beyond} "));
            query.push_bind(&after.key).push(format_args!("::text::{of_type}"));
            query.push(format_args!(" or l.{column} = "));
            query.push_bind(&after.key).push(format_args!("::text::{of_type}"));
            query.push(" and (chain, wallet) > (");
            query.push_bind(after.wallet.chain.as_str()).push(", ");
            query.push_bind(after.wallet.address.as_str()).push("))");
        }
        let direction = if ascending { "asc" } else { "desc" };
        query.push(format_args!(" order by l.{column} {direction}, chain, wallet limit "));
        query.push_bind(i64::from(limit));
        if let LatestPlace::Offset(rows @ 1..) = place {
            query.push(" offset ").push_bind(i64::from(rows));
        }
        Ok(query.build().fetch_all(tx).await?)
    })?;
    rows.iter().map(read_row).collect()
}

/// How many wallets a tenant's list has.
pub async fn count_latest(
    store: &Store,
    tenant: &Tenant,
    list: &LatestList,
) -> Result<u64, StoreError> {
    let count: i64 = run!(store, "latest_results/count", async |tx| {
        let mut query = QueryBuilder::<Postgres>::new(
            "-- latest_results/count\nselect count(*) from latest_results l",
        );
        list.push_conditions(tenant, &mut query);
        Ok(query.build_query_scalar().fetch_one(tx).await?)
    })?;
    from_bigint(count, "count")
}

fn read_row(row: &sqlx::postgres::PgRow) -> Result<LatestRow, StoreError> {
    let usd = |column: &str| -> Result<Usd, StoreError> {
        let text: &str = row.try_get(column)?;
        text.parse().map_err(|_| StoreError::Corrupt(format!("{column} is {text:?}")))
    };
    let count = |column: &str| from_bigint(row.try_get(column)?, column);
    let wallet = WalletRef {
        chain: convert::chain(row.try_get("chain")?)?,
        address: Address::from_chain_data(row.try_get("wallet")?),
    };
    Ok(LatestRow {
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
        cursor: LatestCursor { key: row.try_get("key")?, wallet: wallet.clone() },
        wallet,
    })
}

/// Figures over all wallets of a tenant, or those of one chain.
pub async fn summary(
    store: &Store,
    tenant: &Tenant,
    chain: Option<Chain>,
) -> Result<Summary, StoreError> {
    let chain = chain.map(Chain::as_str);
    let row = run!(store, "latest_results/summary", async |tx| {
        Ok(sqlx::query_file!("queries/latest_results/summary.sql", tenant.as_str(), chain)
            .fetch_one(tx)
            .await?)
    })?;
    Ok(Summary {
        total_wallets: from_bigint(row.total_wallets, "total_wallets")?,
        profitable_wallets: from_bigint(row.profitable_wallets, "profitable_wallets")?,
        total_pnl_usd: row.total_pnl_usd,
        average_pnl_usd: row.average_pnl_usd,
        total_trades: from_bigint(row.total_trades, "total_trades")?,
        profitability_rate: row.profitability_rate,
        last_updated: row.last_updated,
    })
}
