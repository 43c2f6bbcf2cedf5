//! The life told here: reported by 3 at 08:00, verified by 4 at 09:00 as yellow, so due a day
//! later, assigned, claimed by 5 at 20:00, re-inspected by 6 at 21:00, closed at 22:00.

mod closed_loop;
mod consequences;
mod import;
mod owners;
mod properties;
mod reinspection;
mod table;
mod upward;

use super::*;
use crate::envelope::Trust;
use crate::ids::HazardId;
use crate::import_batch::{self, BatchFile};
use crate::personal::Personal;
use crate::place::Place;
use crate::testing::{History, at, by, by_system, id, team};
use crate::unit::Imported;

const DUE: &str = "2024-02-02T09:00:00Z";
/// After the deadline.
const LATE: &str = "2024-02-03T00:00:00Z";

fn on_1_february(person: u128, hour: u32) -> Context {
    by(id(person), at(&format!("2024-02-01T{hour:02}:00:00Z")))
}

fn late(person: u128) -> Context {
    by(id(person), at(LATE))
}

fn timer() -> Context {
    by_system(at(LATE))
}

fn report(hazard: u128) -> Command {
    Command::ReportHazard {
        hazard: id(hazard),
        unit: id(101),
        kind: "blocked stairs".to_owned(),
        place: Place::from_degrees(32.5, 120.1),
        description: Some(Personal::new("boxes")),
        photos: vec![[1; 32]],
        seen_at: None,
    }
}

fn verify(level: HazardLevel, urgency: Urgency) -> Command {
    Command::VerifyHazard {
        hazard: id(70),
        level,
        urgency,
    }
}

fn verify_yellow() -> Command {
    verify(HazardLevel::General, Urgency::Yellow)
}

fn reject() -> Command {
    Command::RejectHazard {
        hazard: id(70),
        reason: "nothing there".to_owned(),
    }
}

fn link(master: u128) -> Command {
    Command::LinkDuplicate {
        hazard: id(70),
        master: id(master),
    }
}

fn assign() -> Command {
    Command::AssignOwner {
        hazard: id(70),
        owner: "property company".to_owned(),
    }
}

fn extend(until: &str) -> Command {
    Command::GrantExtension {
        hazard: id(70),
        until: at(until),
        reason: "parts are ordered".to_owned(),
    }
}

fn interim() -> Command {
    Command::TakeInterimMeasure {
        hazard: id(70),
        measure: Personal::new("a fence"),
    }
}

fn report_up_at(reported_at: &str) -> Command {
    Command::ReportUp {
        hazard: id(70),
        to: None,
        authority: "district office".to_owned(),
        reported_at: Some(at(reported_at)),
    }
}

fn report_up() -> Command {
    Command::ReportUp {
        hazard: id(70),
        to: None,
        authority: "district office".to_owned(),
        reported_at: None,
    }
}

fn unclear() -> Command {
    Command::RaiseUnclearBoundary {
        hazard: id(70),
        candidates: vec!["property company".to_owned(), "water works".to_owned()],
        reason: "the pipe runs under both".to_owned(),
    }
}

fn rule() -> Command {
    Command::RuleJointOwner {
        hazard: id(70),
        lead: "property company".to_owned(),
        joint: vec!["water works".to_owned()],
        council_meeting: "week 5 of 2024".to_owned(),
        minutes: Some([5; 32]),
    }
}

fn refer() -> Command {
    Command::ReferHazard {
        hazard: id(70),
        authority: "market supervision".to_owned(),
        external_id: Some("2024-17".to_owned()),
        reason: "theirs by law".to_owned(),
    }
}

fn give_back() -> Command {
    Command::ReturnReferral {
        hazard: id(70),
        reason: "not theirs".to_owned(),
    }
}

fn plan(finish_by: &str) -> Command {
    Command::PlanRectification {
        hazard: id(70),
        plan: Personal::new("clear the stairs, put a rail up"),
        finish_by: at(finish_by),
    }
}

fn claim_done(done_at: Option<&str>) -> Command {
    Command::ClaimRectification {
        hazard: id(70),
        done_at: done_at.map(at),
        photos: vec![[2; 32]],
    }
}

fn pass() -> Command {
    Command::Reinspect {
        hazard: id(70),
        passed: true,
        reason: None,
        inspected_at: None,
    }
}

fn fail() -> Command {
    Command::Reinspect {
        hazard: id(70),
        passed: false,
        reason: Some("still blocked".to_owned()),
        inspected_at: None,
    }
}

fn close() -> Command {
    Command::CloseOut { hazard: id(70) }
}

fn recur() -> Command {
    Command::RecordRecurrence {
        hazard: id(70),
        seen_at: None,
    }
}

fn breach(due_at: &str) -> Command {
    Command::RecordBreach {
        hazard: id(70),
        purpose: Purpose::Rectification,
        due_at: at(due_at),
    }
}

fn breach_up() -> Command {
    Command::RecordBreach {
        hazard: id(70),
        purpose: Purpose::ReportUp,
        due_at: at("2024-02-01T11:00:00Z"),
    }
}

fn closing(closed_at: &str) -> SourceClosing {
    SourceClosing {
        closed_at: at(closed_at),
        status: "closed".to_owned(),
        reason: Some(Personal::new("case resolved")),
    }
}

fn import(due_at: Option<&str>, closed_at: Option<&str>) -> Command {
    Command::ImportHazard {
        hazard: id(70),
        imported: Imported {
            batch: id(80),
            source: "source".to_owned(),
            external_id: "1".to_owned(),
        },
        unit: id(101),
        kind: "pothole".to_owned(),
        place: None,
        opened_at: at("2024-02-01T08:00:00Z"),
        owner: "works".to_owned(),
        due_at: due_at.map(at),
        closed: closed_at.map(closing),
    }
}

fn close_by_source(closed_at: &str) -> Command {
    Command::CloseBySource {
        hazard: id(70),
        batch: id(80),
        closed: closing(closed_at),
    }
}

/// A team with an approved batch and another hazard, 71, to be a master.
fn base() -> History {
    use import_batch::Command as Batch;
    let start = at("2024-02-01T07:00:00Z");
    let (uploader, approver) = (by(id(7), start), by(id(8), start));
    let upload = Batch::UploadBatch {
        batch: id(80),
        source: "source".to_owned(),
        files: vec![BatchFile {
            name: "rows.csv".to_owned(),
            sha256: "0".repeat(64),
        }],
    };
    let check = Batch::CheckBatch {
        batch: id(80),
        rows_good: 9,
        rows_bad: 0,
    };
    team()
        .then(upload, &uploader)
        .then(check, &uploader)
        .then(Batch::ApproveBatch { batch: id(80) }, &approver)
        .then(report(71), &by(id(3), start))
}

fn applied(history: History) -> History {
    let apply = import_batch::Command::ApplyBatch {
        batch: id(80),
        rows_applied: 1,
        rows_known: 0,
    };
    history.then(apply, &late(7))
}

fn reported() -> History {
    base().then(report(70), &on_1_february(3, 8))
}

fn verified() -> History {
    reported().then(verify_yellow(), &on_1_february(4, 9))
}

/// Verified at 09:00 as major and red.
fn major() -> History {
    let command = verify(HazardLevel::Major, Urgency::Red);
    reported().then(command, &on_1_february(4, 9))
}

fn rectifying() -> History {
    verified().then(assign(), &on_1_february(4, 10))
}

fn rectified() -> History {
    rectifying().then(claim_done(None), &on_1_february(5, 20))
}

fn reinspected() -> History {
    rectified().then(pass(), &on_1_february(6, 21))
}

fn closed_out() -> History {
    reinspected().then(close(), &on_1_february(4, 22))
}

fn hazard(history: &History) -> std::sync::Arc<Hazard> {
    history.state(id::<HazardId>(70))
}

/// A hazard in every state.
fn states() -> Vec<History> {
    let imported = import(Some(DUE), Some("2024-02-01T20:00:00Z"));
    vec![
        base(),
        reported(),
        verified(),
        rectifying(),
        rectified(),
        reinspected(),
        closed_out(),
        reported().then(reject(), &on_1_february(4, 9)),
        reported().then(link(71), &on_1_february(4, 9)),
        base().then(imported, &late(7)),
        verified().then(unclear(), &on_1_february(4, 10)),
        verified().then(refer(), &on_1_february(4, 10)),
    ]
}

/// Events with their times, as decided.
#[track_caller]
fn told(history: &History, command: &Command, cx: &Context) -> Vec<(String, Instant, Trust)> {
    let decision = Hazard::decide(command, &history.world(), cx).expect("allowed");
    let events = decision.events.into_iter();
    events
        .map(|event| {
            let envelope = &event.envelope;
            let name = event.event.encode().0;
            (name, envelope.occurred_at, envelope.trust)
        })
        .collect()
}
