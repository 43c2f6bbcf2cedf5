//! `ImportService`: import batches.

use std::sync::Arc;

use domain::ids::BatchId;
use domain::import_batch::{BatchFile, BatchState, Command, ImportBatch, Refusal};
use tonic::{Request, Response, Status};

use super::service;
use crate::parse::{self, Choice as _, Parsed};
use crate::{status, wire};

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
    others {
        async fn get_batch(
            &self,
            request: Request<wire::GetBatchRequest>,
        ) -> Result<Response<wire::GetBatchResponse>, Status> {
            let request = request.into_inner();
            let id: BatchId = parse::id("batch_id", &request.batch_id)
                .map_err(|why| status::invalid(&why))?;
            let waited = self.backend.wait(request.consistency).await?;
            let executor = &self.backend.executor;
            // Read from its own stream: what a batch is must not lag behind its commands.
            let batch: Arc<ImportBatch> =
                executor.state(id).map_err(|error| status::of_execute(&error))?;
            if batch.state == BatchState::Unknown {
                return Err(status::refused(&Refusal::BatchNotFound.refused()));
            }
            let person = batch.uploaded_by.map_or_else(String::new, |person| person.to_string());
            Ok(Response::new(wire::GetBatchResponse {
                batch: Some(wire::Batch {
                    batch_id: id.to_string(),
                    state: wire::BatchState::of(batch.state).into(),
                    uploaded_by: person,
                    rows_good: batch.rows_good,
                }),
                read_point: Some(waited.at(executor.log().head().position, "log".to_owned())),
            }))
        }
    }
}

/// A file of a batch.
fn file(field: &str, file: &wire::BatchFile) -> Parsed<BatchFile> {
    Ok(BatchFile {
        name: parse::text(&format!("{field}.name"), file.name.clone())?,
        sha256: parse::text(&format!("{field}.sha256"), file.sha256.clone())?,
    })
}
