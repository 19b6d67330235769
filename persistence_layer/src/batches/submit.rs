//! Accepting a batch: idempotency, admission, batch row and all tasks in one transaction.

use sqlx::PgConnection;

use super::admission::{Admission, Place, admit, forget_refusal, note_refusal};
use super::{IdempotencyClaim, NewBatch, Submitted};
use crate::convert::{interval, json_text, to_integer};
use crate::error::StoreError;
use crate::groups;
use crate::store::{Store, run};
use crate::tenant::Tenant;
use crate::wallet_tasks::notify;
use crate::webhooks;

/// Expired answers that each submission with a key removes, so that they cannot pile up.
const REMOVED_WITH_A_SUBMISSION: i64 = 100;

/// Stores a batch with all its tasks, unless `admission` has no place for it. One transaction.
///
/// Without a free place it waits for one, as far as batches may wait; it is accepted all the same.
///
/// A known `Idempotency-Key` is answered before admission is asked, so a replay never depends on
/// free capacity. Of two submissions at once with one key the second is [`Submitted::KeyInFlight`].
pub async fn submit(
    store: &Store,
    new: &NewBatch,
    admission: Admission,
) -> Result<Submitted, StoreError> {
    let group = groups::is_asked_for(&new.request).then(|| groups::name(new.id));
    let wallets: Vec<&str> =
        new.wallets.iter().chain(&group).map(|wallet| wallet.as_str()).collect();
    let total = u32::try_from(wallets.len())
        .map_err(|_| StoreError::OutOfRange("number of wallets"))
        .and_then(|total| to_integer(total, "number of wallets"))?;
    run!(store, "batches/submit", async |tx| {
        if let Some(claim) = &new.idempotency
            && let Some(answer) = known_answer(tx, &new.tenant, claim).await?
        {
            return Ok(answer);
        }
        let waits = match admit(tx, &new.tenant, admission).await? {
            Place::Free => false,
            Place::Waiting => true,
            Place::None => {
                note_refusal(tx, &new.tenant).await?;
                return Ok(Submitted::AtCapacity { limit: admission.max_concurrent });
            }
        };
        forget_refusal(tx, &new.tenant).await?;
        sqlx::query_file!(
            "queries/batches/insert.sql",
            new.id.0,
            new.chain.as_str(),
            json_text(&new.request),
            new.trace_id,
            total,
            new.created_at,
            waits,
            new.tenant.as_str()
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query_file!(
            "queries/wallet_tasks/insert.sql",
            new.id.0,
            new.chain.as_str(),
            &wallets as &[&str],
            waits
        )
        .execute(&mut *tx)
        .await?;
        if let Some(url) = &new.webhook {
            webhooks::insert_in(tx, new.id, &new.tenant, url).await?;
        }
        if let Some(claim) = &new.idempotency {
            remember(tx, claim, new).await?;
        }
        notify(tx).await?;
        Ok(Submitted::Accepted)
    })
}

/// What to answer instead of a new batch. A key that was answered is answered by everybody at once; only
/// where there is none yet, one submission goes on alone.
async fn known_answer(
    tx: &mut PgConnection,
    tenant: &Tenant,
    claim: &IdempotencyClaim,
) -> Result<Option<Submitted>, StoreError> {
    if let Some(known) = remembered(tx, tenant, claim).await? {
        return Ok(Some(known));
    }
    let alone = sqlx::query_file_scalar!(
        "queries/idempotent_requests/try_lock.sql",
        tenant.as_str(),
        claim.key
    )
    .fetch_one(&mut *tx)
    .await?;
    if !alone {
        return Ok(Some(Submitted::KeyInFlight));
    }
    // The one before may have ended since the first look.
    remembered(tx, tenant, claim).await
}

async fn remembered(
    tx: &mut PgConnection,
    tenant: &Tenant,
    claim: &IdempotencyClaim,
) -> Result<Option<Submitted>, StoreError> {
    let known = sqlx::query_file!(
        "queries/idempotent_requests/get.sql",
        tenant.as_str(),
        claim.key,
        interval(claim.keep)? as _
    )
    .fetch_optional(tx)
    .await?;
    Ok(known.map(|row| {
        if row.fingerprint == claim.fingerprint {
            Submitted::Replayed { body: row.response }
        } else {
            Submitted::KeyReused
        }
    }))
}

async fn remember(
    tx: &mut PgConnection,
    claim: &IdempotencyClaim,
    new: &NewBatch,
) -> Result<(), StoreError> {
    sqlx::query_file!(
        "queries/idempotent_requests/upsert.sql",
        new.tenant.as_str(),
        claim.key,
        claim.fingerprint,
        new.id.0,
        json_text(&new.response)
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query_file!(
        "queries/idempotent_requests/delete_expired.sql",
        interval(claim.keep)? as _,
        REMOVED_WITH_A_SUBMISSION
    )
    .execute(tx)
    .await?;
    Ok(())
}
