//! The wallets of a job as lines of NDJSON with their digests, and a signature at the end.

use axum::body::Bytes;
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use persistence_layer::Tenant;
use persistence_layer::batches::Batch;

use super::{ExportError, Line, wallets};
use crate::app::AppState;
use crate::signing::Signing;

/// The file of a job that has ended, for a process that has a key.
pub fn signed(
    app: AppState,
    tenant: &Tenant,
    batch: &Batch,
) -> BoxStream<'static, Result<Bytes, ExportError>> {
    let pages = wallets::pages(app.file_store.clone(), tenant, batch);
    let lines = wallets::lines(pages, batch.chain);
    let job = batch.id.to_string();
    let begun = (Some(Signing::default()), lines, job, app);
    let all = stream::try_unfold(begun, |(signing, mut lines, job, app)| async move {
        let Some(mut signing) = signing else { return Ok::<_, ExportError>(None) };
        let Some(page) = lines.try_next().await? else {
            let Some(signer) = &app.signer else { return Ok(None) };
            let last = signing.finish(job.clone(), signer)?;
            return Ok(Some((Bytes::from(last), (None, lines, job, app))));
        };
        let (mut text, mut row) = (String::new(), Vec::new());
        for line in &page {
            row.clear();
            line.json(&mut row)?;
            text.push_str(&signing.line(&row)?);
        }
        Ok(Some((Bytes::from(text), (Some(signing), lines, job, app))))
    });
    all.boxed()
}
