//! Leads in confidence: told by volunteers themselves or by telephone, reviewed by the officer,
//! found true, known already, untrue, or handed to the police; archived when their time is over.

use chrono::NaiveDate;
use domain::Personal;
use domain::ids::{ContributionId, LeadId, MatterId};
use domain::lead::{Ask, Command, LeadKind, Source};

use super::community::{Community, Deed};
use super::rates::{self, Rate};

/// Of a thousand, so many come by telephone from somebody who is not named.
const UNNAMED: usize = 200;
/// Of a thousand under review, so many are found true.
const VALID: usize = 560;
/// Of a thousand, so many are handed to the police.
const TRANSFERRED: usize = 90;
/// Of a thousand that are true, so many tell what another one told.
const TOLD_BEFORE: usize = 80;
/// Of a thousand that were of use, so many bring an outcome that is recorded.
const WITH_OUTCOME: usize = 600;
/// Days after which a closed lead is archived; the pilot's policy set asks for 30.
const ARCHIVED_AFTER_DAYS: i64 = 31;

/// A step of a lead.
#[derive(Clone, Copy)]
pub(super) enum Step {
    Tell,
    Review(LeadId),
    Decide(LeadId),
    Outcome(LeadId),
    Archive(LeadId),
}

/// What a day brings.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    if day == rates::first_day() {
        return;
    }
    let thousandths = Rate::Leads.today(c.people.volunteers.len());
    for _ in 0..c.dice.times(thousandths) {
        let minute = c.dice.between(8 * 60, 23 * 60);
        c.later(super::local(day, minute), Deed::Lead(Step::Tell));
    }
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) {
    match step {
        Step::Tell => tell(c),
        Step::Review(lead) => {
            ask(c, lead, Ask::TriageLead);
            let purpose = Personal::new("to look into it");
            ask(c, lead, Ask::AccessLead { purpose });
            let minutes = c.dice.between(60, 3 * 24 * 60);
            c.after(minutes, Deed::Lead(Step::Decide(lead)));
        }
        Step::Decide(lead) => decide(c, lead),
        Step::Outcome(lead) => {
            let outcome = Personal::new("the flat is on the list of monthly visits");
            ask(c, lead, Ask::RecordLeadOutcome { outcome });
        }
        Step::Archive(lead) => ask(c, lead, Ask::ArchiveLead),
    }
}

/// Asked by the officer.
fn ask(c: &mut Community, lead: LeadId, ask: Ask) {
    if let Some(officer) = c.people.officer {
        c.send(officer.principal, Command { lead, ask });
    }
}

fn tell(c: &mut Community) {
    let unnamed = c.dice.chance(UNNAMED);
    let teller = if unnamed {
        c.people.captain
    } else {
        c.dice.pick(&c.people.volunteers).copied()
    };
    let Some(teller) = teller else { return };
    let kinds = [
        LeadKind::Rental,
        LeadKind::Rental,
        LeadKind::FloatingPopulation,
        LeadKind::Case,
    ];
    let (building, flat) = (c.dice.between(1, 40), c.dice.between(101, 604));
    let lead = LeadId(c.dice.uuid());
    let submit = Ask::SubmitLead {
        community: c.id,
        kind: c.dice.pick(&kinds).copied().unwrap_or(LeadKind::Rental),
        body: Personal::new(format!(
            "flat {flat} of building {building} is let to people whom nobody has registered"
        )),
        source: if unnamed {
            Source::Nobody
        } else {
            Source::Oneself
        },
        contact: None,
    };
    c.send(teller.principal, Command { lead, ask: submit });
    let minutes = c.dice.between(30, 20 * 60);
    c.after(minutes, Deed::Lead(Step::Review(lead)));
}

fn decide(c: &mut Community, lead: LeadId) {
    let chance = c.dice.below(1_000);
    // One that turns out to be known already has no outcome.
    let mut useful = chance < VALID + TRANSFERRED;
    if chance < VALID {
        let known = c.known_matter.filter(|_| c.dice.chance(TOLD_BEFORE));
        useful &= known.is_none();
        let matter = known.unwrap_or_else(|| MatterId(c.dice.uuid()));
        c.known_matter = Some(matter);
        let validate = Ask::ValidateLead {
            matter,
            effect: Personal::new("the tenants are registered, the landlord told of his duties"),
            contribution: ContributionId(c.dice.uuid()),
        };
        ask(c, lead, validate);
    } else if useful {
        let police_case = Personal::new(format!("case {}", c.dice.between(1_000, 9_999)));
        ask(c, lead, Ask::TransferLead { police_case });
    } else {
        let reason = Personal::new("the owner is back from a journey");
        ask(c, lead, Ask::RejectLead { reason });
    }
    if useful && c.dice.chance(WITH_OUTCOME) {
        let minutes = c.dice.between(2, 20) * 24 * 60;
        c.after(minutes, Deed::Lead(Step::Outcome(lead)));
    }
    let minutes = ARCHIVED_AFTER_DAYS * 24 * 60 + c.dice.between(0, 24 * 60);
    c.after(minutes, Deed::Lead(Step::Archive(lead)));
}
