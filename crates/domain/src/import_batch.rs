//! `ImportBatch`: records from elsewhere, taken over as a whole that a second person approves.
//!
//! ```text
//! Uploaded ──Checked──> Checked ──Approved──> Approved ──Applied──> Applied
//!     └──────────────Rejected───┴────Rejected────┘
//! ```
//! Owns the batch's state. An approved batch carries back-dating; while it is not yet applied or
//! rejected, timers hold still for what it created.

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::ids::{BatchId, PersonId};
use crate::refusal::{Stop, refusals};
use crate::separation;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// State of a batch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BatchState {
    /// There is none.
    #[default]
    Unknown,
    /// Its files are known by digest.
    Uploaded,
    /// Its rows were parsed and counted.
    Checked,
    /// A second person approved it.
    Approved,
    /// Its rows are in.
    Applied,
    /// It will not be applied.
    Rejected,
}

/// State of the aggregate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportBatch {
    /// Where it stands.
    pub state: BatchState,
    /// Who uploaded it.
    pub uploaded_by: Option<PersonId>,
    /// How many good rows the check counted.
    pub rows_good: u32,
}

/// A file of a batch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchFile {
    /// Its name, without folders.
    pub name: String,
    /// SHA-256 of its bytes, in hexadecimal.
    pub sha256: String,
}

/// What can be asked.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub enum Command {
    /// Announce files to be imported.
    UploadBatch {
        /// Follows from the source and the digests of the files, so a repeat is the same batch.
        batch: BatchId,
        /// Name of the source (`boston-311`).
        source: String,
        /// The files, 1..=100.
        files: Vec<BatchFile>,
    },
    /// State what a check of the rows found.
    CheckBatch {
        /// Which batch.
        batch: BatchId,
        /// Rows that can go in.
        rows_good: u32,
        /// Rows that cannot.
        rows_bad: u32,
    },
    /// Approve it; not by who uploaded it.
    ApproveBatch {
        /// Which batch.
        batch: BatchId,
    },
    /// State that all its rows are in.
    ApplyBatch {
        /// Which batch.
        batch: BatchId,
        /// Rows that went in with this run.
        rows_applied: u32,
        /// Rows that an earlier batch had brought.
        rows_known: u32,
    },
    /// Give it up.
    RejectBatch {
        /// Which batch.
        batch: BatchId,
        /// Why, 1..=500 bytes.
        reason: String,
    },
}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// Files were announced.
    BatchUploaded {
        /// Name of the source.
        source: String,
        /// The files.
        files: Vec<BatchFile>,
        /// Who did it.
        uploaded_by: PersonId,
    },
    /// Rows were parsed and counted.
    BatchChecked {
        /// Rows that can go in.
        rows_good: u32,
        /// Rows that cannot.
        rows_bad: u32,
    },
    /// A second person approved it.
    BatchApproved {
        /// Who did it.
        approved_by: PersonId,
    },
    /// All its rows are in.
    BatchApplied {
        /// Rows that went in.
        rows_applied: u32,
        /// Rows known before.
        rows_known: u32,
    },
    /// It was given up.
    BatchRejected {
        /// Why.
        reason: String,
    },
}

refusals! {
    /// Why it is refused.
    BatchAlreadyUploaded = AlreadyExists, "batch_id", "This batch is uploaded already.";
    BatchNotFound = NotFound, "batch_id", "There is no import batch with this id.";
    BatchFilesNotAllowed = Invalid, "files", "A batch has a source and 1 to 100 files, each with a name and a SHA-256.";
    BatchNotUploaded = WrongState, "batch_id", "Only a batch that was uploaded and not yet checked can be checked.";
    BatchNotChecked = WrongState, "batch_id", "Only a checked batch can be approved.";
    BatchNotApproved = WrongState, "batch_id", "This needs an import batch that is approved and not yet applied.";
    BatchAlreadyEnded = WrongState, "batch_id", "This batch is applied or rejected already.";
    ApproverIsUploader = NotAllowed, "batch_id", "A batch is approved by another person than the one who uploaded it.";
    RowsMoreThanChecked = Invalid, "rows_applied", "More rows than the check counted as good cannot have gone in.";
    ReasonNotAllowed = Invalid, "reason", "A reason is 1 to 500 bytes.";
}

impl ImportBatch {
    /// Refuses unless the batch is approved and open.
    pub fn approved(world: &World, batch: BatchId) -> Result<(), Stop> {
        match world.state::<Self>(batch)?.state {
            BatchState::Approved => Ok(()),
            BatchState::Unknown => Err(Refusal::BatchNotFound.into()),
            _ => Err(Refusal::BatchNotApproved.into()),
        }
    }

    /// True while timers hold still for what the batch created.
    pub fn is_open(&self) -> bool {
        matches!(
            self.state,
            BatchState::Uploaded | BatchState::Checked | BatchState::Approved
        )
    }
}

impl Aggregate for ImportBatch {
    const CATEGORY: &'static str = "import_batch";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match command {
            Command::UploadBatch { batch, .. }
            | Command::CheckBatch { batch, .. }
            | Command::ApproveBatch { batch }
            | Command::ApplyBatch { batch, .. }
            | Command::RejectBatch { batch, .. } => Self::stream(batch),
        }
    }

    fn decide(command: &Command, world: &World, cx: &Context) -> Result<Decision, Stop> {
        use BatchState::{Applied, Approved, Checked, Rejected, Unknown, Uploaded};
        let primary = Self::primary(command);
        let key = primary.key();
        let batch = world.state::<Self>(key)?;
        let person = cx.person()?;
        let event = match (batch.state, command) {
            (Unknown, Command::UploadBatch { source, files, .. }) => {
                let good = (1..=100).contains(&files.len())
                    && (1..=100).contains(&source.len())
                    && files.iter().all(|file| {
                        (1..=200).contains(&file.name.len()) && file.sha256.len() == 64
                    });
                if !good {
                    return Err(Refusal::BatchFilesNotAllowed.into());
                }
                Event::BatchUploaded {
                    source: source.clone(),
                    files: files.clone(),
                    uploaded_by: person,
                }
            }
            (_, Command::UploadBatch { .. }) => return Err(Refusal::BatchAlreadyUploaded.into()),
            (Unknown, _) => return Err(Refusal::BatchNotFound.into()),
            (Applied | Rejected, _) => return Err(Refusal::BatchAlreadyEnded.into()),
            (
                Uploaded,
                Command::CheckBatch {
                    rows_good,
                    rows_bad,
                    ..
                },
            ) => Event::BatchChecked {
                rows_good: *rows_good,
                rows_bad: *rows_bad,
            },
            (_, Command::CheckBatch { .. }) => return Err(Refusal::BatchNotUploaded.into()),
            (Checked, Command::ApproveBatch { .. }) => {
                if let Some(uploader) = batch.uploaded_by {
                    separation::not_same(world, person, uploader, Refusal::ApproverIsUploader)?;
                }
                Event::BatchApproved {
                    approved_by: person,
                }
            }
            (_, Command::ApproveBatch { .. }) => return Err(Refusal::BatchNotChecked.into()),
            (
                Approved,
                Command::ApplyBatch {
                    rows_applied,
                    rows_known,
                    ..
                },
            ) => {
                if rows_applied.saturating_add(*rows_known) > batch.rows_good {
                    return Err(Refusal::RowsMoreThanChecked.into());
                }
                Event::BatchApplied {
                    rows_applied: *rows_applied,
                    rows_known: *rows_known,
                }
            }
            (_, Command::ApplyBatch { .. }) => return Err(Refusal::BatchNotApproved.into()),
            (_, Command::RejectBatch { reason, .. }) => {
                if !(1..=500).contains(&reason.len()) {
                    return Err(Refusal::ReasonNotAllowed.into());
                }
                Event::BatchRejected {
                    reason: reason.clone(),
                }
            }
        };
        Ok(Decision::new().with::<Self>(key, event, Envelope::at(cx.now)))
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::BatchUploaded { uploaded_by, .. } => {
                self.state = BatchState::Uploaded;
                self.uploaded_by = Some(*uploaded_by);
            }
            Event::BatchChecked { rows_good, .. } => {
                self.state = BatchState::Checked;
                self.rows_good = *rows_good;
            }
            Event::BatchApproved { .. } => self.state = BatchState::Approved,
            Event::BatchApplied { .. } => self.state = BatchState::Applied,
            Event::BatchRejected { .. } => self.state = BatchState::Rejected,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::listing;
    use crate::state_table::{check, row};
    use crate::testing::{History, at, by, id, team};

    fn on_1_february(person: u128) -> Context {
        by(id(person), at("2024-02-01T08:00:00Z"))
    }

    fn upload(files: Vec<BatchFile>) -> Command {
        Command::UploadBatch {
            batch: id(80),
            source: "source".to_owned(),
            files,
        }
    }

    fn one_file() -> Vec<BatchFile> {
        vec![BatchFile {
            name: "rows.csv".to_owned(),
            sha256: "0".repeat(64),
        }]
    }

    fn ask_check() -> Command {
        Command::CheckBatch {
            batch: id(80),
            rows_good: 9,
            rows_bad: 1,
        }
    }

    fn approve() -> Command {
        Command::ApproveBatch { batch: id(80) }
    }

    fn apply(rows_applied: u32, rows_known: u32) -> Command {
        Command::ApplyBatch {
            batch: id(80),
            rows_applied,
            rows_known,
        }
    }

    fn reject(reason: &str) -> Command {
        Command::RejectBatch {
            batch: id(80),
            reason: reason.to_owned(),
        }
    }

    #[test]
    fn the_table_of_every_command_in_every_state_of_a_batch() {
        let (first, second) = (on_1_february(7), on_1_february(8));
        let base = team();
        let uploaded = base.clone().then(upload(one_file()), &first);
        let checked = uploaded.clone().then(ask_check(), &first);
        let approved = checked.clone().then(approve(), &second);
        let applied = approved.clone().then(apply(8, 1), &first);
        let rejected = approved.clone().then(reject("not ours"), &first);
        let states = [base, uploaded, checked, approved, applied, rejected];
        let place = |history: &History| {
            listing::name(history.state::<ImportBatch>(id::<BatchId>(80)).state)
        };
        let (found, ended) = ("BATCH_NOT_FOUND", "BATCH_ALREADY_ENDED");
        let (known, early) = ("BATCH_ALREADY_UPLOADED", "BATCH_NOT_APPROVED");
        let (unsure, sure) = ("BATCH_NOT_CHECKED", "BATCH_NOT_UPLOADED");
        #[rustfmt::skip]
        let rows = [
            row(upload(one_file()), first, ["BatchUploaded", known, known, known, known, known]),
            row(upload(Vec::new()), first, ["BATCH_FILES_NOT_ALLOWED", known, known, known, known, known]),
            row(ask_check(), first, [found, "BatchChecked", sure, sure, ended, ended]),
            row(approve(), second, [found, unsure, "BatchApproved", unsure, ended, ended]),
            row(approve(), first, [found, unsure, "APPROVER_IS_UPLOADER", unsure, ended, ended]),
            row(apply(8, 1), first, [found, early, early, "BatchApplied", ended, ended]),
            row(apply(9, 1), first, [found, early, early, "ROWS_MORE_THAN_CHECKED", ended, ended]),
            row(reject("not ours"), first, [found, "BatchRejected", "BatchRejected", "BatchRejected", ended, ended]),
            row(reject(""), first, [found, "REASON_NOT_ALLOWED", "REASON_NOT_ALLOWED", "REASON_NOT_ALLOWED", ended, ended]),
        ];
        let given = "A batch of 9 good rows. Several rows of one command are: with a file and without \
            any; approved by another person and by who uploaded it; as many rows as are good and one \
            more; rejected with a reason and without.";
        let source = include_str!("import_batch.rs");
        check("Import batch", given, source, &states, &rows, place);
    }
}
