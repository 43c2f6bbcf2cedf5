//! Bringing records of another system in as one import batch, through the API.
//!
//! Owns the order of an import: announce, check, have it approved by a second person, bring the
//! rows, say that it is applied. Every id follows from the source's own, so that a repeat finds
//! what is there and appends nothing. Never writes past the API.

use std::collections::BTreeSet;
use std::path::PathBuf;

use chrono_tz::America::New_York;
use domain::ids::{derived, hex};
use domain::place::Place;
use sha2::{Digest, Sha256};
use tonic::{Code, Status};
use uuid::Uuid;

use crate::boston_311::{self, BadRow, Row, SOURCE};
use crate::session::{Session, reason, timestamp};
use crate::wire;

/// Key of the city, above all its neighbourhoods.
const CITY: &str = "city";

/// A file to import.
#[derive(Debug, Clone)]
pub struct File {
    /// Its path, for reports.
    pub path: PathBuf,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What came of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// Rows that could go in.
    pub rows_good: usize,
    /// Rows that could not, with file, line and reason.
    pub bad: Vec<BadRow>,
    /// Rows that went in now.
    pub applied: usize,
    /// Rows that were in before.
    pub known: usize,
    /// Rows known before whose closing is new.
    pub closed_since: usize,
    /// Units founded now.
    pub units_founded: usize,
    /// The same files were applied before; nothing was appended.
    pub nothing_new: bool,
}

/// Imports files of Boston's 311 line as one batch: `importer` announces and brings it, `approver`,
/// another person, approves it. `progress` is told (rows done, rows in all).
///
/// # Errors
/// The first status that stands in the way; a repeat goes on from there.
pub async fn boston_311(
    importer: &Session,
    approver: &Session,
    files: &[File],
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Report, Status> {
    let (importer, approver) = (
        &importer.clone().through("import"),
        &approver.clone().through("import"),
    );
    let mut report = Report::default();
    let mut rows = Vec::new();
    let mut batch_files = Vec::new();
    let mut digests = Vec::new();
    for file in files {
        let mut parsed = boston_311::parse(&file.path, &file.bytes);
        rows.append(&mut parsed.rows);
        report.bad.append(&mut parsed.bad);
        let sha256 = hex(&Sha256::digest(&file.bytes));
        let name = file
            .path
            .file_name()
            .map_or_else(String::new, |n| n.to_string_lossy().into());
        digests.push(sha256.clone());
        batch_files.push(wire::BatchFile { name, sha256 });
    }
    report.rows_good = rows.len();
    digests.sort_unstable();
    let batch = Batch {
        id: derived("import batch", &[&SOURCE, &digests.join(" ")]),
    };
    if batch.state(importer).await? == wire::BatchState::Applied {
        report.known = rows.len();
        report.nothing_new = true;
        return Ok(report);
    }
    batch
        .announce(importer, approver, batch_files, &report)
        .await?;
    report.units_founded = batch.found_units(importer, &rows).await?;
    for (done, row) in rows.iter().enumerate() {
        match batch.bring(importer, row).await? {
            Brought::New => report.applied += 1,
            Brought::Known => report.known += 1,
            Brought::ClosedSince => report.closed_since += 1,
        }
        progress(done + 1, rows.len());
    }
    let request = wire::ApplyBatchRequest {
        command_id: batch.command("apply"),
        batch_id: batch.id.to_string(),
        rows_applied: count(report.applied),
        rows_known: count(report.known + report.closed_since),
    };
    importer.call(request).await?;
    Ok(report)
}

/// What became of a row.
enum Brought {
    New,
    Known,
    ClosedSince,
}

struct Batch {
    id: Uuid,
}

impl Batch {
    /// The command id of a step of this batch.
    fn command(&self, step: &str) -> String {
        derived("import command", &[&self.id, &step]).to_string()
    }

    async fn state(&self, importer: &Session) -> Result<wire::BatchState, Status> {
        let request = wire::GetBatchRequest {
            batch_id: self.id.to_string(),
            ..Default::default()
        };
        match importer.call(request).await {
            Ok(answer) => Ok(answer
                .batch
                .map_or(wire::BatchState::Unspecified, |b| b.state())),
            Err(status) if status.code() == Code::NotFound => Ok(wire::BatchState::Unspecified),
            Err(status) => Err(status),
        }
    }

    /// Announces, checks and has it approved; steps done before answer with their first receipt.
    async fn announce(
        &self,
        importer: &Session,
        approver: &Session,
        files: Vec<wire::BatchFile>,
        report: &Report,
    ) -> Result<(), Status> {
        importer
            .call(wire::UploadBatchRequest {
                command_id: self.command("upload"),
                batch_id: self.id.to_string(),
                source: SOURCE.to_owned(),
                files,
            })
            .await?;
        importer
            .call(wire::CheckBatchRequest {
                command_id: self.command("check"),
                batch_id: self.id.to_string(),
                rows_good: count(report.rows_good),
                rows_bad: count(report.bad.len()),
            })
            .await?;
        approver
            .call(wire::ApproveBatchRequest {
                command_id: self.command("approve"),
                batch_id: self.id.to_string(),
            })
            .await?;
        Ok(())
    }

    fn imported(&self, external_id: &str) -> wire::Imported {
        wire::Imported {
            batch_id: self.id.to_string(),
            source: SOURCE.to_owned(),
            external_id: external_id.to_owned(),
        }
    }

    /// Founds the city and a unit for each neighbourhood, the blank one included.
    async fn found_units(&self, importer: &Session, rows: &[Row]) -> Result<usize, Status> {
        let neighbourhoods: BTreeSet<_> = rows.iter().map(|row| &row.neighbourhood).collect();
        let mut founded = self.found(importer, CITY, "Boston", None).await?;
        for name in neighbourhoods {
            founded += self
                .found(importer, &neighbourhood_key(name), name, Some(CITY))
                .await?;
        }
        Ok(founded)
    }

    async fn found(
        &self,
        importer: &Session,
        key: &str,
        name: &str,
        parent: Option<&str>,
    ) -> Result<usize, Status> {
        let level = match parent {
            None => wire::UnitLevel::City,
            Some(_) => wire::UnitLevel::Community,
        };
        let request = wire::FoundUnitRequest {
            command_id: self.command(&format!("unit {key}")),
            unit_id: unit_id(key).to_string(),
            level: level.into(),
            name: name.to_owned(),
            parent_id: parent.map_or_else(String::new, |key| unit_id(key).to_string()),
            time_zone: parent.map_or_else(|| New_York.name().to_owned(), |_| String::new()),
            imported: Some(self.imported(key)),
        };
        match importer.call(request).await {
            Ok(answer) => Ok(usize::from(!answer.receipt.is_some_and(|r| r.replayed))),
            Err(status) if status.code() == Code::AlreadyExists => Ok(0),
            Err(status) => Err(status),
        }
    }

    async fn bring(&self, importer: &Session, row: &Row) -> Result<Brought, Status> {
        let hazard_id = hazard_id(&row.external_id).to_string();
        let closed = row.closed_at.map(|closed_at| wire::SourceClosing {
            closed_at: Some(timestamp(closed_at)),
            status: row.status.clone(),
            reason: row.closure_reason.clone(),
        });
        let request = wire::ImportHazardRequest {
            command_id: self.command(&format!("hazard {}", row.external_id)),
            hazard_id: hazard_id.clone(),
            imported: Some(self.imported(&row.external_id)),
            unit_id: unit_id(&neighbourhood_key(&row.neighbourhood)).to_string(),
            kind: row.kind.clone(),
            place: Some(place(row.place)),
            opened_at: Some(timestamp(row.opened_at)),
            owner: row.department.clone(),
            due_at: row.due_at.map(timestamp),
            closed: closed.clone(),
        };
        let status = match importer.call(request).await {
            Ok(answer)
                if answer
                    .receipt
                    .as_ref()
                    .is_some_and(|receipt| receipt.replayed) =>
            {
                return Ok(Brought::Known);
            }
            Ok(_) => return Ok(Brought::New),
            Err(status) => status,
        };
        if status.code() != Code::AlreadyExists {
            return Err(status);
        }
        if closed.is_none() {
            return Ok(Brought::Known);
        }
        let request = wire::CloseBySourceRequest {
            command_id: self.command(&format!("close {}", row.external_id)),
            hazard_id,
            batch_id: self.id.to_string(),
            closed,
        };
        match importer.call(request).await {
            Ok(answer)
                if answer
                    .receipt
                    .as_ref()
                    .is_some_and(|receipt| receipt.replayed) =>
            {
                Ok(Brought::Known)
            }
            Ok(_) => Ok(Brought::ClosedSince),
            Err(status) if reason(&status).as_deref() == Some("HAZARD_NOT_OPEN") => {
                Ok(Brought::Known)
            }
            Err(status) => Err(status),
        }
    }
}

/// The unit of a key of this source.
pub fn unit_id(key: &str) -> Uuid {
    derived("imported unit", &[&SOURCE, &key])
}

/// The hazard of an id of this source.
pub fn hazard_id(external_id: &str) -> Uuid {
    derived("imported hazard", &[&SOURCE, &external_id])
}

fn neighbourhood_key(name: &str) -> String {
    format!("neighbourhood/{name}")
}

fn place(place: Place) -> wire::Place {
    wire::Place {
        lat_e7: place.lat_e7,
        lon_e7: place.lon_e7,
    }
}

fn count(rows: usize) -> u32 {
    u32::try_from(rows).unwrap_or(u32::MAX)
}
