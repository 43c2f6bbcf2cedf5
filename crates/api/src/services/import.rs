//! `ImportService`: import batches.

use super::service;
use crate::parse::{self, Parsed};
use crate::wire;
use domain::import_batch::{BatchFile, Command};

service! {
    impl import_service_server::ImportService;
    commands {
        upload_batch(r: UploadBatchRequest) -> UploadBatchResponse =
            Command::UploadBatch {
                batch: parse::id("batch_id", &r.batch_id)?,
                source: parse::text("source", r.source)?,
                files: parse::each("files", &r.files, file)?,
            };
        check_batch(r: CheckBatchRequest) -> CheckBatchResponse =
            Command::CheckBatch {
                batch: parse::id("batch_id", &r.batch_id)?,
                rows_good: r.rows_good,
                rows_bad: r.rows_bad,
            };
        approve_batch(r: ApproveBatchRequest) -> ApproveBatchResponse =
            Command::ApproveBatch {
                batch: parse::id("batch_id", &r.batch_id)?,
            };
        apply_batch(r: ApplyBatchRequest) -> ApplyBatchResponse =
            Command::ApplyBatch {
                batch: parse::id("batch_id", &r.batch_id)?,
                rows_applied: r.rows_applied,
                rows_known: r.rows_known,
            };
        reject_batch(r: RejectBatchRequest) -> RejectBatchResponse =
            Command::RejectBatch {
                batch: parse::id("batch_id", &r.batch_id)?,
                reason: parse::text("reason", r.reason)?,
            };
    }
    others {}
}

/// A file of a batch.
fn file(field: &str, file: &wire::BatchFile) -> Parsed<BatchFile> {
    Ok(BatchFile {
        name: parse::text(&format!("{field}.name"), file.name.clone())?,
        sha256: parse::text(&format!("{field}.sha256"), file.sha256.clone())?,
    })
}
