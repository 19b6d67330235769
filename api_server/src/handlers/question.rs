//! What all questions about one wallet begin with.

use axum::RequestPartsExt;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::http::request::Parts;
use job_orchestrator::TimeRange;
use job_orchestrator::wallets::{LedgerPlace, View, Wallets};
use persistence_layer::Tenant;
use pnl_core::{Chain, Method, WalletRef};

use super::wallets::{chain, method, time_range, view, wallet_ref};
use crate::app::App;
use crate::cursor;
use crate::error::ApiError;
use crate::extract::{Params, check_accept, not_utf8};
use crate::keys::Caller;

/// A question `GET /api/v2/wallets/{wallet}/…` that is answered as JSON: the wallet, and parameters
/// still to be read. The last of them is followed by [`Question::finish`].
pub struct Question {
    tenant: Tenant,
    wallet: String,
    chain: Option<Chain>,
    /// What the query says beside the chain.
    pub params: Params,
}

impl<S: Send + Sync> FromRequestParts<S> for Question {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        let named: RawPathParams = parts.extract().await.map_err(|_| not_utf8())?;
        let wallet = named.iter().find(|(name, _)| *name == "wallet").map(|(_, text)| text);
        let wallet = wallet.ok_or_else(ApiError::internal)?.to_owned();
        let Caller { tenant, .. } = parts.extract().await?;
        check_accept(&parts.headers, "application/json")?;
        let mut params: Params = parts.extract().await?;
        let chain = chain(&mut params);
        Ok(Self { tenant, wallet, chain, params })
    }
}

impl Question {
    /// `method`, `time_range` and `as_of` or `as_of_block`.
    pub fn view(&mut self) -> View {
        view(&mut self.params)
    }

    /// `time_range` and `as_of` or `as_of_block`.
    pub fn time_range(&mut self) -> TimeRange {
        time_range(&mut self.params)
    }

    /// `method`.
    pub fn method(&mut self) -> Method {
        method(&mut self.params)
    }

    /// `limit` and `cursor`.
    pub fn page(&mut self) -> Page {
        Page { limit: self.params.limit() as usize, cursor: self.params.text("cursor") }
    }

    /// The chain, when it is known.
    pub const fn chain(&self) -> Option<Chain> {
        self.chain
    }

    /// Whose jobs are to answer.
    pub const fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// The wallet, when everything that was asked is understood, and the ledgers of who asks.
    ///
    /// # Errors
    /// Those of [`Params::finish`], and an address that is none of the chain.
    pub fn finish(self, app: &App) -> Result<(Wallets, WalletRef), ApiError> {
        self.params.finish()?;
        let wallet = wallet_ref(self.chain, &self.wallet)?;
        Ok((app.wallets.of(self.tenant), wallet))
    }
}

/// Which part of a list is asked for.
pub struct Page {
    /// The most rows of it.
    pub limit: usize,
    cursor: Option<String>,
}

impl Page {
    /// The place that the cursor names in the list called `scope`; `None` without a cursor.
    ///
    /// # Errors
    /// [`crate::problems::BAD_CURSOR`] when it is none of this list.
    pub fn place(&self, scope: &str) -> Result<Option<LedgerPlace>, ApiError> {
        let Some(cursor) = &self.cursor else { return Ok(None) };
        let position = cursor::decode(scope, cursor)?;
        let place = position.split_once(' ').and_then(|(ledger_id, number)| {
            Some(LedgerPlace { ledger_id: ledger_id.parse().ok()?, number: number.parse().ok()? })
        });
        place.map(Some).ok_or_else(|| cursor::names_no("place"))
    }
}

/// The cursor of a place in the list called `scope`.
pub fn cursor_of(scope: &str, place: Option<LedgerPlace>) -> Option<String> {
    let LedgerPlace { ledger_id, number } = place?;
    Some(cursor::encode(scope, &format!("{ledger_id} {number}")))
}
