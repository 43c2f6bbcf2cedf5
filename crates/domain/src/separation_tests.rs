//! Separation of duties where it is asked: by persons, by households, as of the day of the deed.

use super::*;
use crate::campaign::{self, DoorResult};
use crate::testing::{History, at, by, id, team};
use crate::{Context, household, person};

const NOW: &str = "2024-02-01T00:00:00Z";
const DEED: &str = "2024-02-03T00:00:00Z";
const AFTER: &str = "2024-02-05T00:00:00Z";

fn admin(now: &str) -> Context {
    by(id(1), at(now))
}

/// Volunteer 3 visited a door on the day of the deed.
fn visited(history: History) -> History {
    let cx = admin(DEED);
    [
        campaign::Command::PlanCampaign {
            campaign: id(700),
            community: id(101),
            name: "door to door".to_owned(),
            wave: 1,
            from: at(NOW),
            until: at("2024-02-20T00:00:00Z"),
        },
        campaign::Command::JoinCampaign {
            campaign: id(700),
            person: id(3),
        },
        campaign::Command::VisitDoor {
            campaign: id(700),
            person: id(3),
            door: "1-101".to_owned(),
            result: DoorResult::Absent,
            visited_at: None,
            sent_at: None,
        },
    ]
    .into_iter()
    .fold(history, |history, command| history.then(command, &cx))
}

fn verify() -> campaign::Command {
    campaign::Command::VerifyParticipation {
        campaign: id(700),
        person: id(3),
        minutes: 60,
    }
}

/// The captain and volunteer 3 live together from February on.
fn together() -> History {
    let form = household::Command::FormHousehold {
        household: id(800),
        community: id(101),
        persons: vec![id(2), id(3)],
        from: None,
    };
    team().then(form, &admin(NOW))
}

fn apart_from(day: &str) -> household::Command {
    household::Command::LeaveHousehold {
        household: id(800),
        person: id(2),
        at: Some(at(day)),
    }
}

#[test]
fn who_shared_the_beneficiarys_household_on_the_day_does_not_verify() {
    let captain = by(id(2), at(AFTER));
    let verified = "ParticipationVerified";
    assert_eq!(visited(team()).outcome(verify(), &captain), verified);
    let history = visited(together());
    history.refuses(verify(), &captain, Refusal::SameHousehold);
    assert_eq!(history.outcome(verify(), &admin(AFTER)), verified);
    // Moved out after the deed: it counts that they lived there on the day.
    let later = history
        .clone()
        .then(apart_from("2024-02-04T00:00:00Z"), &admin(AFTER));
    later.refuses(verify(), &captain, Refusal::SameHousehold);
    // Moved out before it.
    let earlier = history.then(apart_from("2024-02-02T00:00:00Z"), &admin(AFTER));
    assert_eq!(earlier.outcome(verify(), &captain), verified);
}

#[test]
fn who_is_the_beneficiary_under_another_record_does_not_verify() {
    // Person 3 is captain 2 under an older record.
    let merge = person::Command::MergePersons {
        person: id(2),
        duplicate: id(3),
    };
    let history = visited(team()).then(merge, &admin(AFTER));
    let captain = by(id(2), at(AFTER));
    history.refuses(verify(), &captain, campaign::Refusal::VerifierIsBeneficiary);
    assert_eq!(
        history.outcome(verify(), &admin(AFTER)),
        "ParticipationVerified"
    );
}

#[test]
fn a_household_is_that_of_the_person_under_whichever_record() {
    // The duplicate 8 of person 3 lived with the captain on the day.
    let form = household::Command::FormHousehold {
        household: id(800),
        community: id(101),
        persons: vec![id(2), id(8)],
        from: None,
    };
    let leave = household::Command::LeaveHousehold {
        household: id(800),
        person: id(8),
        at: Some(at("2024-02-04T00:00:00Z")),
    };
    let merge = person::Command::MergePersons {
        person: id(3),
        duplicate: id(8),
    };
    let history = visited(team().then(form, &admin(NOW)))
        .then(leave, &admin(AFTER))
        .then(merge, &admin(AFTER));
    history.refuses(verify(), &by(id(2), at(AFTER)), Refusal::SameHousehold);
}

#[test]
fn a_merged_record_joins_nothing() {
    let merge = person::Command::MergePersons {
        person: id(2),
        duplicate: id(4),
    };
    let join = campaign::Command::JoinCampaign {
        campaign: id(700),
        person: id(4),
    };
    let history = visited(team());
    assert_eq!(
        history.outcome(join.clone(), &admin(AFTER)),
        "VolunteerJoined"
    );
    let merged = history.then(merge, &admin(AFTER));
    let refusal = crate::member::Refusal::MemberMerged;
    merged.refuses(join, &admin(AFTER), refusal);
}

#[test]
fn no_award_is_given_for_what_the_household_verified() {
    use crate::account::{Activity, Command};
    let activity = Activity {
        family: crate::policy_set::ActivityFamily::Publicity,
        id: id(700),
        fact: 1,
        occurred_at: at(DEED),
        unit: id(101),
        minutes: 60,
        verified_by: id(2),
    };
    let grant = Command::GrantAward {
        person: id(3),
        activity,
    };
    let system = crate::testing::by_system(at(AFTER));
    together().refuses(grant.clone(), &system, Refusal::SameHousehold);
    assert_eq!(team().outcome(grant, &system), "AwardGranted");
}

#[test]
fn a_hazard_and_a_batch_are_checked_by_another_person_under_whichever_record() {
    use crate::hazard::{Command, HazardLevel, Refusal, Urgency};
    use crate::import_batch::{Command as Batch, Event, ImportBatch, Refusal as BatchRefusal};
    let report = Command::ReportHazard {
        hazard: id(500),
        unit: id(101),
        kind: "blocked exit".to_owned(),
        place: None,
        description: None,
        photos: Vec::new(),
        seen_at: None,
    };
    let merge = person::Command::MergePersons {
        person: id(2),
        duplicate: id(3),
    };
    let verify = Command::VerifyHazard {
        hazard: id(500),
        level: HazardLevel::General,
        urgency: Urgency::Blue,
    };
    let history = team()
        .then(report, &by(id(3), at(NOW)))
        .then(merge, &admin(NOW));
    history.refuses(
        verify.clone(),
        &by(id(2), at(NOW)),
        Refusal::VerifierIsReporter,
    );
    assert_eq!(
        history.outcome(verify, &by(id(4), at(NOW))),
        "HazardVerified + DeadlineSet"
    );
    let uploaded = Event::BatchUploaded {
        source: "elsewhere".to_owned(),
        files: Vec::new(),
        uploaded_by: id(3),
    };
    let checked = Event::BatchChecked {
        rows_good: 1,
        rows_bad: 0,
    };
    let batch: crate::ids::BatchId = id(600);
    let history = history
        .and::<ImportBatch>(batch, uploaded, at(NOW))
        .and::<ImportBatch>(batch, checked, at(NOW));
    let approve = Batch::ApproveBatch { batch };
    history.refuses(
        approve.clone(),
        &by(id(2), at(NOW)),
        BatchRefusal::ApproverIsUploader,
    );
    assert_eq!(
        history.outcome(approve, &by(id(4), at(NOW))),
        "BatchApproved"
    );
}
