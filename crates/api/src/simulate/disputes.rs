//! Disputes: registered on a visit, mediated by a panel of 1+3+N in some sessions, agreed or failed,
//! performed in time or late, followed up; volunteers who helped are rewarded once the peace held.

use chrono::{Duration, NaiveDate};
use domain::Personal;
use domain::dispute::{
    Ask, Command, DisputeKind, Form, Obligation, Panel, Remedy, SessionType, Source,
};
use domain::ids::{AssessmentId, DisputeId, PersonId};

use super::community::{Community, Deed};
use super::people::{self, Login};
use super::rates::{self, Rate};

const SUBJECTS: [&str; 5] = [
    "water comes through the wall",
    "noise at night",
    "rubbish in the stairway",
    "a deposit that was not given back",
    "a parking space",
];
/// Of a thousand, a party of so many does not want mediation.
const REFUSED: usize = 80;
/// Of a thousand that are mediated, so many come to no agreement.
const FAILED: usize = 140;
/// Of a thousand, an expert is asked in so many.
const WITH_EXPERT: usize = 150;
/// Of a thousand obligations, so many are performed late.
const LATE: usize = 120;
/// Of a thousand agreements, so many are by word.
const ORAL: usize = 350;
/// Minutes of a day.
const DAY: i64 = 24 * 60;

/// Who and what a dispute is about.
#[derive(Debug, Clone)]
pub(super) struct Case {
    dispute: DisputeId,
    parties: [PersonId; 2],
    /// The volunteer on the panel.
    helper: Login,
    sessions_left: usize,
    expert: Option<(AssessmentId, PersonId)>,
}

/// A step of a dispute.
pub(super) enum Step {
    Register,
    Consent(Case),
    Panel(Case),
    Session(Case),
    Agree(Case),
    Perform(Case, u32),
    FollowUp(Case),
    Reward(Case),
}

/// What a day brings.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    if day == rates::first_day() {
        return;
    }
    let thousandths = Rate::Disputes.today(c.people.volunteers.len());
    for _ in 0..c.dice.times(thousandths) {
        let minute = c.dice.between(9 * 60, 20 * 60);
        let step = Box::new(Step::Register);
        c.later(super::local(day, minute), Deed::Dispute(step));
    }
}

fn then(c: &mut Community, minutes: i64, step: Step) {
    c.after(minutes, Deed::Dispute(Box::new(step)));
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) {
    match step {
        Step::Register => register(c),
        Step::Consent(case) => consent(c, case),
        Step::Panel(case) => form_panel(c, case),
        Step::Session(case) => hold_session(c, case),
        Step::Agree(case) => agree(c, case),
        Step::Perform(case, obligation) => {
            let performed_at = None;
            let performance = Ask::RecordPerformance {
                obligation,
                performed_at,
            };
            by_officer(c, &case, performance);
        }
        Step::FollowUp(case) => {
            let satisfied = !c.dice.chance(60);
            by_officer(c, &case, Ask::RecordFollowUp { satisfied });
        }
        Step::Reward(case) => {
            let person = case.helper.person;
            ask(c, c.people.captain, &case, Ask::VerifyHelp { person });
        }
    }
}

fn ask(c: &mut Community, by: Option<Login>, case: &Case, ask: Ask) {
    let dispute = case.dispute;
    if let Some(by) = by {
        c.send(by.principal, Command { dispute, ask });
    }
}

fn by_officer(c: &mut Community, case: &Case, what: Ask) {
    ask(c, c.people.officer, case, what);
}

fn register(c: &mut Community) {
    let Some(helper) = c.dice.pick(&c.people.volunteers).copied() else {
        return;
    };
    let parties = [1, 2].map(|n| {
        let number = c.dice.between(1, 9_999);
        people::register(c, format!("party {n} of household {number}"))
    });
    let expert = c.dice.chance(WITH_EXPERT).then(|| {
        let person = people::register(c, "master plumber".to_owned());
        (AssessmentId(c.dice.uuid()), person)
    });
    let case = Case {
        dispute: DisputeId(c.dice.uuid()),
        parties,
        helper,
        sessions_left: 1 + c.dice.below(4),
        expert,
    };
    let kinds = [
        DisputeKind::Neighbour,
        DisputeKind::Neighbour,
        DisputeKind::Consumer,
        DisputeKind::Other,
    ];
    let subject = c.dice.pick(&SUBJECTS).copied().unwrap_or_default();
    let registration = Ask::RegisterDispute {
        community: c.id,
        source: Source::Visit {
            visit: c.dice.uuid(),
        },
        kind: c.dice.pick(&kinds).copied().unwrap_or(DisputeKind::Other),
        parties: parties.to_vec(),
        subject: Personal::new(subject),
        relapse_of: None,
        paper: None,
    };
    c.people
        .keep_busy(helper.person, c.now() + Duration::days(15));
    ask(c, Some(helper), &case, registration);
    let minutes = c.dice.between(60, 3 * DAY);
    then(c, minutes, Step::Consent(case));
}

fn consent(c: &mut Community, case: Case) {
    let paper = Some(c.dice.paper());
    if c.dice.chance(REFUSED) {
        let party = case.parties[1];
        return by_officer(c, &case, Ask::RefuseConsent { party, paper });
    }
    for party in case.parties {
        by_officer(c, &case, Ask::GiveConsent { party, paper });
    }
    ask(c, c.people.captain, &case, Ask::AcceptDispute);
    let minutes = c.dice.between(60, DAY);
    then(c, minutes, Step::Panel(case));
}

fn form_panel(c: &mut Community, case: Case) {
    let (Some(instructor), Some(officer)) = (c.people.instructor, c.people.officer) else {
        return;
    };
    let [justice_office, legal_service] = c.people.offices[..] else {
        return;
    };
    let panel = Panel {
        lead: instructor.person,
        lead_office: "community".to_owned(),
        officer: officer.person,
        justice_office,
        legal_service,
        members: vec![case.helper.person],
    };
    ask(c, c.people.captain, &case, Ask::FormPanel { panel });
    by_officer(c, &case, Ask::NotifyRights);
    if let Some((assessment, expert)) = case.expert {
        let question = Personal::new("where the water comes from");
        let request = Ask::RequestAssessment {
            assessment,
            expert,
            question,
        };
        by_officer(c, &case, request);
    }
    schedule(c, case);
}

fn schedule(c: &mut Community, case: Case) {
    let minutes = c.dice.between(8 * 60, 4 * DAY);
    let starts_at = c.now() + Duration::minutes(minutes);
    by_officer(c, &case, Ask::ScheduleSession { starts_at });
    then(c, minutes + 45, Step::Session(case));
}

fn hold_session(c: &mut Community, mut case: Case) {
    let last = case.sessions_left <= 1;
    let session_type = if last {
        SessionType::Joint
    } else if c.dice.chance(500) {
        SessionType::Persuasion
    } else {
        SessionType::Separate
    };
    let parties = if last {
        case.parties.to_vec()
    } else {
        vec![case.parties[case.sessions_left % 2]]
    };
    let officer = c.people.officer.map(|officer| officer.person);
    let mediators = [Some(case.helper.person), officer].into_iter().flatten();
    let session = Ask::HoldSession {
        session_type,
        parties,
        mediators: mediators.collect(),
        minutes: c.dice.paper(),
        held_at: None,
    };
    by_officer(c, &case, session);
    if let Some((assessment, _)) = case.expert.take() {
        let finding = Personal::new("a joint under the bath upstairs has opened");
        let report = Some(c.dice.paper());
        let record = Ask::RecordAssessment {
            assessment,
            finding,
            report,
        };
        by_officer(c, &case, record);
    }
    if !last {
        case.sessions_left -= 1;
        return schedule(c, case);
    }
    if c.dice.chance(FAILED) {
        let reason = "they could not agree on who pays".to_owned();
        let remedies = vec![Remedy::Court];
        return by_officer(c, &case, Ask::FailMediation { reason, remedies });
    }
    then(c, 20, Step::Agree(case));
}

fn agree(c: &mut Community, case: Case) {
    let oral = c.dice.chance(ORAL);
    let [debtor, creditor] = case.parties;
    let count = 1 + u32::from(c.dice.chance(400));
    let due_days: Vec<i64> = (0..count).map(|_| c.dice.between(4, 25)).collect();
    let obligations = due_days.iter().zip(1..).map(|(days, number)| Obligation {
        number,
        debtor,
        creditor,
        what: Personal::new("put right what was done, and say so"),
        due_at: c.now() + Duration::days(*days),
    });
    let agreement = Ask::ReachAgreement {
        form: if oral { Form::Oral } else { Form::Written },
        terms: Some(Personal::new(
            "it is put right; both greet each other again",
        )),
        terms_sha256: (!oral).then(|| c.dice.paper()),
        obligations: obligations.collect(),
        reached_at: None,
    };
    by_officer(c, &case, agreement);
    for party in case.parties {
        let paper = Some(c.dice.paper());
        by_officer(c, &case, Ask::SignAgreement { party, paper });
    }
    by_officer(c, &case, Ask::SignAsMediator);
    if !oral {
        ask(c, c.people.captain, &case, Ask::SealAgreement);
    }
    let mut kept = true;
    for (days, number) in due_days.into_iter().zip(1..) {
        let late = c.dice.chance(LATE);
        kept &= !late;
        let minutes = if late {
            days * DAY + c.dice.between(60, 6 * DAY)
        } else {
            c.dice.between(DAY, days * DAY - 60)
        };
        then(c, minutes, Step::Perform(case.clone(), number));
    }
    let minutes = c.dice.between(3 * DAY, 7 * DAY);
    then(c, minutes, Step::FollowUp(case.clone()));
    if kept {
        // After the notice of a week, in which the peace must hold.
        then(c, 7 * DAY + 90, Step::Reward(case));
    }
}
