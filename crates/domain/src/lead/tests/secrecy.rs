//! Who tipped stays hidden: from whoever asks, in what is recorded, and on the account.

use super::*;
use crate::account::{self, Account, award_id};
use crate::envelope::Visibility;
use crate::ids::derived;
use crate::reactions;
use crate::testing::by_system;

/// Every command on lead 700 but its submission.
fn asks() -> Vec<Command> {
    vec![
        triage(700),
        access(700),
        validate(700, 901),
        reject(700),
        transfer(700),
        outcome(700),
        archive(700),
    ]
}

/// Somebody of every sort that is no officer: administrator, the source, another volunteer,
/// instructor, mediator, grid worker, and somebody who is no member.
fn outsiders() -> (History, [u128; 7]) {
    let history = base()
        .and_member(id(5), MemberKind::CommunityWorker, Some(Role::Instructor))
        .and_member(id(6), MemberKind::CommunityWorker, Some(Role::Mediator))
        .and_member(id(8), MemberKind::CommunityWorker, Some(Role::GridWorker));
    (history, [1, 3, 4, 5, 6, 8, 99])
}

#[test]
fn who_may_not_know_a_lead_is_answered_as_if_there_were_none() {
    let (base, outsiders) = outsiders();
    let there = base.clone().then(submit(700), &march(3, 1, 8));
    let reviewed = there.clone().then(triage(700), &march(2, 2, 9));
    for history in [&base, &there, &reviewed] {
        for command in asks() {
            for person in outsiders {
                history.refuses(command.clone(), &late(person), Refusal::LeadNotFound);
            }
        }
    }
    // A closed lead is known to its reviewer only, while that one serves: not even to the other officer.
    for history in states().into_iter().skip(3) {
        for command in asks() {
            history.refuses(command, &late(7), Refusal::LeadNotFound);
        }
    }
}

#[test]
fn an_officer_whose_role_has_ended_knows_nothing_any_more() {
    let revoke = crate::member::Command::RevokeRole {
        community: id(101),
        person: id(2),
        role: Role::Captain,
    };
    let history = under_review().then(revoke, &march(1, 3, 8));
    for command in asks() {
        history.refuses(command, &late(2), Refusal::LeadNotFound);
    }
}

#[test]
fn a_closed_lead_whose_reviewer_serves_no_more_is_taken_over_and_settled_by_another() {
    let revoke = crate::member::Command::RevokeRole {
        community: id(101),
        person: id(2),
        role: Role::Captain,
    };
    let gone = |history: History| history.then(revoke.clone(), &march(1, 5, 8));
    let orphan = gone(transferred());
    // Whoever is no officer still finds none.
    for person in [1, 3, 4, 5] {
        orphan.refuses(triage(700), &march(person, 6, 9), Refusal::LeadNotFound);
    }
    orphan.refuses(
        validate(700, 901),
        &march(7, 6, 9),
        Refusal::LeadReviewedByAnother,
    );
    let taken_over = orphan.then(triage(700), &march(7, 6, 9));
    assert_eq!(state(&taken_over, 700), LeadState::Transferred);
    assert_eq!(
        taken_over.outcome(validate(700, 901), &march(7, 6, 10)),
        "LeadValidated + Claimed"
    );
    // A valid one does not hold its matter for ever.
    let taken_over = gone(valid()).then(triage(700), &march(7, 6, 9));
    assert_eq!(state(&taken_over, 700), LeadState::Valid);
    assert_eq!(
        taken_over.outcome(archive(700), &late(7)),
        "LeadArchived + Released"
    );
    // An archived one needs nobody.
    let archived = gone(valid()).then(triage(700), &march(7, 6, 9));
    let archived = archived.then(archive(700), &late(7));
    archived.refuses(triage(700), &late(2), Refusal::LeadNotFound);
}

#[test]
fn who_told_a_lead_never_takes_it_over_though_its_reviewer_is_gone() {
    let revoke = crate::member::Command::RevokeRole {
        community: id(101),
        person: id(2),
        role: Role::Captain,
    };
    let history = base()
        .then(submit(700), &march(7, 1, 8))
        .then(triage(700), &march(2, 2, 9))
        .then(transfer(700), &march(2, 2, 10))
        .then(revoke, &march(1, 5, 8));
    history.refuses(triage(700), &march(7, 6, 9), Refusal::ReviewerIsSource);
}

#[test]
fn officers_take_a_lead_over_from_each_other_only_so_often_and_each_reads_by_their_own_count() {
    let mut history = submitted();
    for turn in 0..TRIAGES_MAX {
        let officer = if turn % 2 == 0 { 2 } else { 7 };
        history = history.then(triage(700), &march(officer, 2, 9));
    }
    history.refuses(triage(700), &march(2, 2, 9), Refusal::TooManyTriages);
    let mut lead = Lead::default();
    let stamp = Stamp {
        position: 1,
        version: 1,
        occurred_at: at(LATE),
        recorded_at: at(LATE),
    };
    let triaged = |officer| Event::LeadTriaged {
        officer: id(officer),
    };
    let accessed = Event::LeadAccessed {
        officer: id(2),
        purpose: text(),
    };
    lead.evolve(&triaged(2), &stamp);
    for _ in 0..ACCESSES_MAX {
        lead.evolve(&accessed, &stamp);
    }
    assert_eq!(lead.accesses, ACCESSES_MAX);
    lead.evolve(&triaged(7), &stamp);
    assert_eq!(lead.accesses, 0, "the next one reads anew");
}

#[test]
fn everything_recorded_of_a_lead_is_withheld_with_its_header() {
    let mut seen = 0;
    for history in states() {
        let mut commands = asks();
        commands.push(submit(702));
        for command in commands {
            let person = if command.lead == id(700) { 2 } else { 3 };
            let Ok(decision) = Lead::decide(&command, &history.world(), &late(person)) else {
                continue;
            };
            assert_eq!(decision.visibility, Visibility::Withheld, "{command:?}");
            for event in decision.events {
                let visibility = event.envelope.visibility;
                assert_eq!(visibility, Visibility::Withheld, "{:?}", event.event);
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "only {seen} events");
}

/// The award that the reaction asks for when lead 700 is valid, as decided.
fn award() -> (History, Decision) {
    let cx = march(2, 2, 10);
    let before = under_review();
    let validated = Lead::decide(&validate(700, 901), &before.world(), &cx).expect("allowed");
    let event = &validated.events[0];
    let stamp = Stamp {
        position: 77,
        version: 3,
        occurred_at: event.envelope.occurred_at,
        recorded_at: cx.now,
    };
    let reaction = reactions::ALL.iter().find(|it| it.name == "award_points");
    let react = reaction.expect("it awards points").react;
    let answer = react(&event.stream, &event.event, &stamp);
    let [crate::Command::Account(grant)] = &answer[..] else {
        panic!("one award, not {answer:?}");
    };
    let history = before.then(validate(700, 901), &cx);
    let granted = Account::decide(grant, &history.world(), &by_system(cx.now));
    let history = history.then(grant.clone(), &by_system(cx.now));
    (history, granted.expect("allowed"))
}

#[test]
fn taking_a_leads_award_back_is_withheld_too_and_tells_nobody_that_there_is_one() {
    let (history, _) = award();
    let reversal = |reason: &str| account::Command::ReverseAward {
        person: id(3),
        award: award_id(id(contribution(700)), id(3), "LEAD_VALID"),
        reason: Personal::new(reason),
        mode: account::ReversalMode::PendingOnly,
    };
    let by_captain = march(2, 2, 11);
    let decision = Account::decide(&reversal("an error"), &history.world(), &by_captain);
    let decision = decision.expect("allowed");
    assert_eq!(decision.visibility, Visibility::Withheld);
    assert!(!decision.events.is_empty());
    for event in &decision.events {
        assert_eq!(event.envelope.visibility, Visibility::Withheld);
    }
    // An account that has nothing else is answered as none, also to those who might freeze it.
    for (person, reason) in [(3, "an error"), (98, "an error"), (3, ""), (98, "")] {
        let freeze = account::Command::FreezeAccount {
            person: id(person),
            reason: Personal::new(reason),
        };
        history.refuses(freeze, &by_captain, account::Refusal::AccountNotFound);
    }
    let reversed = history.clone().then(reversal("an error"), &by_captain);
    for history in [history, reversed] {
        // Nothing by which a guess could be told from a hit, whatever else is wrong with it.
        for person in [4, 5, 7, 99] {
            for reason in ["an error", ""] {
                history.refuses(
                    reversal(reason),
                    &march(person, 2, 12),
                    account::Refusal::AwardNotFound,
                );
            }
        }
    }
}

#[test]
fn work_that_stands_stuck_for_a_lead_is_recorded_withheld_with_its_header() {
    use crate::reaction::{Command, Reaction};
    let name = || "award_points".to_owned();
    let enable = Command::EnableReaction {
        name: name(),
        from: 1,
    };
    let cx = by_system(at(LATE));
    for visibility in [Visibility::Open, Visibility::Withheld] {
        let stuck = Command::RecordStuck {
            name: name(),
            cause: 77,
            n: 0,
            refusal: "NO_POLICY_SET".to_owned(),
            message: "None is in force.".to_owned(),
            visibility,
        };
        let resolved = Command::RecordResolved {
            name: name(),
            cause: 77,
            n: 0,
            visibility,
        };
        let mut history = base().then(enable.clone(), &cx);
        for command in [stuck, resolved] {
            let decision = Reaction::decide(&command, &history.world(), &cx).expect("allowed");
            assert_eq!(decision.visibility, visibility);
            assert_eq!(decision.events[0].envelope.visibility, visibility);
            history = history.then(command, &cx);
        }
    }
}

#[test]
fn a_valid_lead_brings_the_source_its_award_withheld_with_its_header() {
    let (_, decision) = award();
    assert_eq!(decision.visibility, Visibility::Withheld);
    let [event] = &decision.events[..] else {
        panic!("one event");
    };
    assert_eq!(event.envelope.visibility, Visibility::Withheld);
    let crate::Event::Account(account::Event::AwardGranted {
        person,
        activity,
        granted,
        rule,
        ..
    }) = &event.event
    else {
        panic!("an award");
    };
    assert_eq!((*person, *granted), (id(3), 50));
    assert_eq!((rule.as_str(), activity.verified_by), ("LEAD_VALID", id(2)));
    assert_eq!(activity.id, id::<uuid::Uuid>(contribution(700)));
    assert_eq!(activity.fact, 0, "its place in the log is that of the lead");
}

#[test]
fn no_id_on_an_account_follows_from_a_leads_id_whoever_is_tried() {
    let (_, decision) = award();
    let (_, payload) = decision.events[0].event.encode();
    let payload = String::from_utf8(payload).expect("JSON");
    let lead: uuid::Uuid = id(700);
    assert!(!payload.contains(&lead.to_string()));
    // What anybody could reckon from what they know of the lead: its id, what it tells of, where it
    // stands; for every person there is and every rule of the policy set.
    let matter: uuid::Uuid = id(901);
    for known in [lead, matter, id(77)] {
        for person in 1..=99 {
            for rule in ["LEAD_VALID", "PATROL", "PUBLICITY", "MEDIATION_HELP"] {
                let reckoned = award_id(known, id(person), rule);
                assert!(!payload.contains(&reckoned.to_string()));
            }
            for kind in ["award", "contribution", "lead", "consequence"] {
                let person: PersonId = id(person);
                for parts in [
                    &[&known as &dyn std::fmt::Display, &person],
                    &[&person, &known],
                ] {
                    let reckoned = derived(kind, &parts[..]);
                    assert!(!payload.contains(&reckoned.to_string()));
                }
            }
        }
    }
    // It follows from the contribution, which stands in the lead's withheld item alone.
    let award = award_id(id(contribution(700)), id(3), "LEAD_VALID");
    assert!(payload.contains(&award.to_string()));
}

#[test]
fn the_contribution_is_no_part_of_what_was_asked() {
    let ask = |contribution| {
        let mut command = validate(700, 901);
        if let Ask::ValidateLead {
            contribution: place,
            ..
        } = &mut command.ask
        {
            *place = id(contribution);
        }
        serde_json::to_string(&crate::Command::from(command)).expect("JSON")
    };
    assert_eq!(ask(1), ask(2), "a repeat is the same command");
}
