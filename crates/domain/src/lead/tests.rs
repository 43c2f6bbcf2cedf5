//! The life told here: volunteer 3 tells on 1 March 2024 of a rental (lead 700). Captain 2 reviews it
//! on the 2nd; 7 is another officer, who has found lead 701 of volunteer 4 valid before: it tells of
//! matter 900. Matter 901 is new.

mod order;
mod properties;
mod secrecy;
mod table;

use super::*;
use crate::claim::{Claim, Kind};
use crate::ids::LeadId;
use crate::lead_source::LeadSource;
use crate::member::MemberKind;
use crate::personal::Personal;
use crate::testing::{History, at, by, id, team};
use order::{open_leads, overtaking};

/// After every period of the policy.
const LATE: &str = "2024-06-01T00:00:00Z";

fn march(person: u128, day: u32, hour: u32) -> Context {
    by(
        id(person),
        at(&format!("2024-03-{day:02}T{hour:02}:00:00Z")),
    )
}

fn late(person: u128) -> Context {
    by(id(person), at(LATE))
}

fn text() -> Personal {
    Personal::new("flat 502 is let to strangers")
}

fn of(lead: u128, ask: Ask) -> Command {
    Command {
        lead: id(lead),
        ask,
    }
}

fn submission(source: Source) -> Ask {
    Ask::SubmitLead {
        community: id(101),
        kind: LeadKind::Rental,
        body: text(),
        source,
        contact: None,
    }
}

fn submit(lead: u128) -> Command {
    of(lead, submission(Source::Oneself))
}

fn triage(lead: u128) -> Command {
    of(lead, Ask::TriageLead)
}

fn access(lead: u128) -> Command {
    of(lead, Ask::AccessLead { purpose: text() })
}

/// What stands for a lead on an account; a caller would make it at random.
fn contribution(lead: u128) -> u128 {
    lead + 50_000
}

fn validate(lead: u128, matter: u128) -> Command {
    of(
        lead,
        Ask::ValidateLead {
            matter: id(matter),
            effect: text(),
            contribution: id(contribution(lead)),
        },
    )
}

fn reject(lead: u128) -> Command {
    of(lead, Ask::RejectLead { reason: text() })
}

fn transfer(lead: u128) -> Command {
    of(
        lead,
        Ask::TransferLead {
            police_case: text(),
        },
    )
}

fn outcome(lead: u128) -> Command {
    of(lead, Ask::RecordLeadOutcome { outcome: text() })
}

fn archive(lead: u128) -> Command {
    of(lead, Ask::ArchiveLead)
}

/// The team with a second officer, and lead 701, valid, about matter 900.
fn base() -> History {
    team()
        .and_member(id(7), MemberKind::CommunityWorker, Some(Role::Officer))
        .then(submit(701), &march(4, 1, 7))
        .then(triage(701), &march(7, 1, 7))
        .then(validate(701, 900), &march(7, 1, 7))
}

fn submitted() -> History {
    base().then(submit(700), &march(3, 1, 8))
}

fn under_review() -> History {
    submitted().then(triage(700), &march(2, 2, 9))
}

fn valid() -> History {
    under_review().then(validate(700, 901), &march(2, 2, 10))
}

fn transferred() -> History {
    under_review().then(transfer(700), &march(2, 2, 10))
}

/// A lead in every state, in the order of [`LeadState::ALL`].
fn states() -> Vec<History> {
    vec![
        base(),
        submitted(),
        under_review(),
        valid(),
        under_review().then(reject(700), &march(2, 2, 10)),
        under_review().then(validate(700, 900), &march(2, 2, 10)),
        transferred(),
        valid().then(outcome(700), &march(2, 20, 9)),
        valid().then(archive(700), &march(2, 2, 10).later(40)),
    ]
}

trait Later {
    /// The same some days on.
    fn later(self, days: i64) -> Self;
}

impl Later for Context {
    fn later(mut self, days: i64) -> Self {
        self.now += chrono::Duration::days(days);
        self
    }
}

fn state(history: &History, lead: u128) -> LeadState {
    history.state::<Lead>(id::<LeadId>(lead)).state
}

#[test]
fn the_tests_know_every_state() {
    let found: Vec<_> = states().iter().map(|it| state(it, 700)).collect();
    assert_eq!(found, LeadState::ALL);
}

#[test]
fn only_an_officer_validates_and_only_after_taking_it_under_review() {
    let open = submitted();
    open.refuses(validate(700, 901), &march(2, 2, 9), Refusal::LeadNotTriaged);
    let reviewed = under_review();
    let by_other = march(7, 2, 10);
    reviewed.refuses(
        validate(700, 901),
        &by_other,
        Refusal::LeadReviewedByAnother,
    );
    for person in [1, 3, 4, 5] {
        reviewed.refuses(
            validate(700, 901),
            &march(person, 2, 10),
            Refusal::LeadNotFound,
        );
    }
    let taken_over = reviewed.then(triage(700), &march(7, 2, 10));
    assert_eq!(
        taken_over.outcome(validate(700, 901), &march(7, 2, 11)),
        "LeadValidated + Claimed + OpenLeadSettled"
    );
    taken_over.refuses(
        validate(700, 901),
        &march(2, 2, 11),
        Refusal::LeadReviewedByAnother,
    );
}

#[test]
fn the_first_valid_lead_about_a_matter_wins_and_others_are_its_duplicates() {
    let history = under_review();
    let [Event::LeadLinkedAsDuplicate { first, .. }] = &decided(&history, validate(700, 900))[..]
    else {
        panic!("a duplicate");
    };
    assert_eq!(*first, id(701));
    // A duplicate earns nothing: nothing that a reaction answers.
    let duplicate = history.then(validate(700, 900), &march(2, 2, 10));
    let holder = duplicate.state::<Claim>(Kind::LeadMatter.key(id::<MatterId>(900)));
    assert_eq!(holder.holder, Some(id::<LeadId>(701).0));
}

/// What captain 2 brings about on 2 March at 10.
#[track_caller]
fn decided(history: &History, command: Command) -> Vec<Event> {
    let events = history.when(command, &march(2, 2, 10)).expect("allowed");
    let mine = events.into_iter().filter_map(|event| match event {
        crate::Event::Lead(event) => Some(event),
        _ => None,
    });
    mine.collect()
}

#[test]
fn a_matter_is_free_again_when_its_lead_is_archived_but_not_at_once() {
    let told = valid();
    let too_early = march(2, 31, 10);
    told.refuses(archive(700), &too_early, Refusal::ArchivedTooEarly);
    let archived = told.then(archive(700), &late(2));
    let again = archived
        .then(submit(702), &late(4))
        .then(triage(702), &late(2));
    assert_eq!(
        again.outcome(validate(702, 901), &late(2)),
        "LeadValidated + Claimed + OpenLeadSettled"
    );
}

#[test]
fn nobody_reviews_what_they_told_or_entered_themselves() {
    let own = base().then(submit(700), &march(2, 1, 8));
    own.refuses(triage(700), &march(2, 1, 9), Refusal::ReviewerIsSource);
    let entered = of(700, submission(Source::Person(id(3))));
    let entered = base().then(entered, &march(2, 1, 8));
    entered.refuses(triage(700), &march(2, 1, 9), Refusal::ReviewerEnteredIt);
    assert_eq!(entered.outcome(triage(700), &march(7, 1, 9)), "LeadTriaged");
}

#[test]
fn only_officers_enter_what_others_told_and_only_of_persons_there_are() {
    let history = base();
    for source in [
        Source::Person(id(4)),
        Source::Person(id(99)),
        Source::Nobody,
    ] {
        // The answer says nothing about the person named.
        let entry = of(700, submission(source));
        history.refuses(entry, &march(3, 1, 8), Refusal::EntryNotAllowed);
    }
    let stranger = of(700, submission(Source::Person(id(99))));
    history.refuses(stranger, &march(2, 1, 8), Refusal::SourceNotFound);
    let nobody = of(700, submission(Source::Nobody));
    let nobody = history
        .then(nobody, &march(2, 1, 8))
        .then(triage(700), &march(7, 1, 9));
    let events = nobody.when(validate(700, 901), &march(7, 1, 10));
    let Some(crate::Event::Lead(Event::LeadValidated { reward, .. })) =
        events.expect("allowed").into_iter().next()
    else {
        panic!("validated");
    };
    assert_eq!(reward, None, "nobody is rewarded who is not named");
}

/// Lead after lead of volunteer 3, each found invalid on its day of March.
fn invalid_on(days: &[u32]) -> History {
    days.iter().fold(base(), |history, day| {
        let lead = 800 + u128::from(*day);
        history
            .then(submit(lead), &march(3, *day, 8))
            .then(triage(lead), &march(2, *day, 9))
            .then(reject(lead), &march(2, *day, 10))
    })
}

#[test]
fn who_told_three_untrue_leads_in_a_month_waits_until_one_is_a_month_old() {
    let twice = invalid_on(&[1, 5]);
    assert_eq!(
        twice.outcome(submit(700), &march(3, 6, 8)),
        "LeadSubmitted + OpenLeadCounted"
    );
    let thrice = invalid_on(&[1, 5, 6]);
    thrice.refuses(submit(700), &march(3, 6, 11), Refusal::LeadsThrottled);
    thrice.refuses(submit(700), &march(3, 31, 10), Refusal::LeadsThrottled);
    assert_eq!(
        thrice.outcome(submit(700), &march(3, 31, 11)),
        "LeadSubmitted + OpenLeadCounted"
    );
    // Others are not concerned, and nothing about the source is told to whoever enters for them.
    assert_eq!(
        thrice.outcome(submit(700), &march(4, 6, 11)),
        "LeadSubmitted + OpenLeadCounted"
    );
    let entered = of(700, submission(Source::Person(id(3))));
    assert_eq!(thrice.outcome(entered, &march(2, 6, 11)), "LeadSubmitted");
}

#[test]
fn what_an_officer_entered_is_not_held_against_the_person_named() {
    let entered = of(700, submission(Source::Person(id(3))));
    let history = base()
        .then(entered, &march(2, 1, 8))
        .then(triage(700), &march(7, 1, 9))
        .then(reject(700), &march(7, 1, 10));
    let source = history.state::<LeadSource>(id::<PersonId>(3));
    assert_eq!(source.invalid.len(), 0);
}

#[test]
fn a_community_whose_policy_says_nothing_of_leads_throttles_nobody() {
    let silent = include_str!("../../../../policies/pilot.toml")
        .replace("version = 1", "version = 2")
        .replace("[leads]", "")
        .replace("invalid_max = 3", "")
        .replace("invalid_days = 30", "")
        .replace("archive_days = 30\n", "");
    let adopt = crate::policy_set::Command::AdoptPolicySet {
        unit: id(100),
        text: silent,
        effective_from: None,
    };
    let history = invalid_on(&[1, 5, 6]).then(adopt, &march(1, 7, 8));
    assert_eq!(
        history.outcome(submit(700), &march(3, 7, 9)),
        "LeadSubmitted + OpenLeadCounted"
    );
}

#[test]
fn the_police_may_still_find_a_transferred_lead_true_or_not() {
    let history = transferred();
    let later = march(2, 20, 9);
    for (command, expected) in [
        (validate(700, 901), "LeadValidated + Claimed"),
        (validate(700, 900), "LeadLinkedAsDuplicate"),
        (reject(700), "LeadRejected + InvalidLeadCounted"),
        (outcome(700), "LeadOutcomeRecorded"),
    ] {
        assert_eq!(history.outcome(command, &later), expected);
    }
}

#[test]
fn texts_must_say_something_and_fit() {
    let history = under_review();
    let long = Personal::new("x".repeat(crate::personal::PERSONAL_BYTES_MAX + 1));
    for text in [Personal::new(" "), long] {
        for ask in [
            Ask::AccessLead {
                purpose: text.clone(),
            },
            Ask::RejectLead {
                reason: text.clone(),
            },
            Ask::TransferLead {
                police_case: text.clone(),
            },
            Ask::ValidateLead {
                matter: id(901),
                effect: text.clone(),
                contribution: id(1),
            },
        ] {
            history.refuses(of(700, ask), &march(2, 2, 10), Refusal::TextNotAllowed);
        }
        let submission = Ask::SubmitLead {
            community: id(101),
            kind: LeadKind::Case,
            body: text.clone(),
            source: Source::Oneself,
            contact: None,
        };
        history.refuses(
            of(705, submission),
            &march(3, 2, 10),
            Refusal::TextNotAllowed,
        );
    }
}
