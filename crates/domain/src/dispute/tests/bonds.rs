//! Rules that a table of states does not show: from the terms to the archive and beyond.

use super::*;

#[test]
fn a_written_agreement_binds_with_all_signatures_and_the_seal() {
    let seal = ask(Ask::SealAgreement);
    let cx = february(2, 5, 12);
    let one = agreed().then(sign(5), &february(5, 5, 10));
    one.refuses(seal.clone(), &cx, Refusal::SignatureMissing);
    let both = one.then(sign(6), &february(6, 5, 10));
    both.refuses(seal.clone(), &cx, Refusal::MediatorSignatureMissing);
    both.refuses(
        ask(Ask::SignAsMediator),
        &february(4, 5, 11),
        Refusal::MediatorNotOnPanel,
    );
    let all = both.then(ask(Ask::SignAsMediator), &february(3, 5, 11));
    all.refuses(seal.clone(), &february(3, 5, 12), Refusal::SealerNotAllowed);
    let dates = " + DeadlineSet + DeadlineSet + DeadlineSet";
    let expected = format!("AgreementSealed + AgreementEffective{dates}");
    assert_eq!(all.outcome(seal, &cx), expected);
}

#[test]
fn an_oral_agreement_binds_with_the_last_word_and_is_performed_if_nothing_is_owed() {
    let oral = agreed_as(Form::Oral, vec![]).then(sign(5), &february(5, 5, 10));
    oral.refuses(
        ask(Ask::SealAgreement),
        &february(2, 5, 10),
        Refusal::OralNeedsNoSeal,
    );
    let oral = oral.then(ask(Ask::SignAsMediator), &february(2, 5, 10));
    assert_eq!(dispute(&oral).state, DisputeState::Agreed);
    let oral = oral.then(sign(6), &february(6, 5, 11));
    assert_eq!(dispute(&oral).state, DisputeState::Performed);
    let unsaid = ask(Ask::ReachAgreement {
        form: Form::Oral,
        terms: None,
        terms_sha256: Some([2; 32]),
        obligations: vec![],
        reached_at: None,
    });
    in_mediation().refuses(unsaid, &february(2, 5, 9), Refusal::TermsMissing);
}

#[test]
fn an_agreement_recorded_late_withdraws_the_breach_it_disproves() {
    let breach = ask(Ask::RecordBreach {
        purpose: Purpose::Mediation,
        due_at: at(MEDIATION_DUE),
    });
    let history = in_mediation().then(breach.clone(), &timer("2024-03-02T09:00:01Z"));
    let again = timer("2024-03-02T09:00:02Z");
    history.refuses(breach, &again, Refusal::BreachAlreadyRecorded);
    let told_late = ask(Ask::ReachAgreement {
        form: Form::Oral,
        terms: Some(text()),
        terms_sha256: None,
        obligations: vec![],
        reached_at: Some(at("2024-03-02T08:00:00Z")),
    });
    let cx = by(id(2), at("2024-03-03T08:00:00Z"));
    let outcome = history.outcome(told_late.clone(), &cx);
    assert_eq!(outcome, "AgreementReached + BreachWithdrawn");
    assert!(dispute(&history.then(told_late, &cx)).breaches.is_empty());
}

#[test]
fn the_debtor_does_not_confirm_its_own_performance() {
    performing().refuses(
        perform(1),
        &february(5, 10, 9),
        Refusal::DebtorCannotConfirm,
    );
    performing().refuses(perform(3), &february(6, 10, 9), Refusal::ObligationNotFound);
    let by_mediator = performing().outcome(perform(1), &february(3, 10, 9));
    assert_eq!(by_mediator, "ObligationPerformed");
}

#[test]
fn performance_in_time_that_is_told_late_withdraws_that_it_was_overdue() {
    let told_late = ask(Ask::RecordPerformance {
        obligation: 1,
        performed_at: Some(at("2024-02-19T00:00:00Z")),
    });
    let history = urged();
    let outcome = history.outcome(told_late.clone(), &february(6, 21, 9));
    assert_eq!(outcome, "ObligationPerformed + OverdueWithdrawn");
    let history = history.then(told_late, &february(6, 21, 9));
    assert_eq!(dispute(&history).state, DisputeState::Performing);
}

#[test]
fn the_next_date_follows_the_life_of_the_dispute() {
    let next = |history: &History| {
        let due = dispute(history).next_due(id(600));
        due.map(|(due_at, command)| (due_at, command.ask))
    };
    let breach = |purpose, due_at: &str| {
        let due_at = at(due_at);
        Some((due_at, Ask::RecordBreach { purpose, due_at }))
    };
    let overdue = |obligation, due_at| Some((at(due_at), Ask::RecordOverdue { obligation }));
    assert_eq!(next(&registered()), None);
    assert_eq!(next(&accepted()), breach(Purpose::Mediation, MEDIATION_DUE));
    assert_eq!(next(&agreed()), None);
    assert_eq!(next(&performing()), breach(Purpose::FollowUp, WEEK_AFTER));
    let asked = ask(Ask::RecordFollowUp { satisfied: true });
    let followed = performing().then(asked, &february(2, 10, 9));
    // The next follow-up is at the next due date, as the obligation is.
    let due = next(&followed).expect("something is due").0;
    assert_eq!(due, at(FIRST_DUE));
    let asked_and_performed = followed.then(perform(1), &february(6, 11, 9));
    let asked = ask(Ask::RecordFollowUp { satisfied: true });
    let asked_again = asked_and_performed.then(asked, &february(2, 12, 9));
    let due = next(&asked_again).expect("something is due").0;
    assert_eq!(due, at(SECOND_DUE));
    let late = ask(Ask::RecordBreach {
        purpose: Purpose::FollowUp,
        due_at: at(WEEK_AFTER),
    });
    let breached = performing().then(late, &timer("2024-02-12T12:00:01Z"));
    assert_eq!(next(&breached), overdue(1, FIRST_DUE));
    let withdrawn = accepted().then(withdraw(5), &february(5, 2, 9));
    let archive = Some((at("2024-02-09T09:00:00Z"), Ask::ArchiveDispute));
    assert_eq!(next(&withdrawn), archive);
    assert_eq!(next(&archived(withdrawn)), None);
}

#[test]
fn an_archive_names_registration_sessions_and_agreement() {
    let history = performed();
    let early = february(2, 10, 10);
    history.refuses(ask(Ask::ArchiveDispute), &early, Refusal::CoolingNotOver);
    let kept = dispute(&history);
    let events = history.when(ask(Ask::ArchiveDispute), &late(2));
    let expected = Event::DisputeArchived {
        registration: kept.registration,
        sessions: kept.sessions.clone(),
        agreement: kept.agreement.as_ref().map(|it| it.position),
    };
    assert_eq!(events.expect("archived"), [expected.into()]);
    assert!(kept.registration > 0 && kept.sessions.len() == 1 && kept.agreement.is_some());
}

#[test]
fn the_record_stays_open_until_the_court_has_decided() {
    let confirm = |party| {
        ask(Ask::RequestConfirmation {
            party: id(party),
            paper: None,
        })
    };
    let one = performed().then(confirm(5), &february(5, 11, 9));
    one.refuses(
        confirm(5),
        &february(5, 11, 9),
        Refusal::ConfirmationAlreadyRequested,
    );
    let too_late = by(id(6), at("2024-03-07T00:00:00Z"));
    one.refuses(confirm(6), &too_late, Refusal::ConfirmationTooLate);
    let both = one.then(confirm(6), &february(6, 11, 10));
    let archive = ask(Ask::ArchiveDispute);
    both.refuses(archive.clone(), &late(2), Refusal::CourtHasNotDecided);
    assert!(!matches!(
        dispute(&both).next_due(id(600)),
        Some((
            _,
            Command {
                ask: Ask::ArchiveDispute,
                ..
            }
        ))
    ));
    let decided = ask(Ask::RecordCourtDecision {
        decision: CourtDecision::Confirmed,
        document: [3; 32],
    });
    let decided = both.then(decided, &late(2));
    assert_eq!(decided.outcome(archive, &late(2)), "DisputeArchived");
}

#[test]
fn a_reopened_dispute_asks_the_parties_anew() {
    let reopen = ask(Ask::ReopenDispute { reason: reason() });
    let history = archived(performed()).then(reopen, &late(2));
    let again = dispute(&history);
    assert_eq!(again.state, DisputeState::Registered);
    assert!(
        again
            .parties
            .values()
            .all(|party| *party == Party::default())
    );
    assert!(again.agreement.is_none() && again.panel.is_none());
    history.refuses(ask(Ask::AcceptDispute), &late(2), Refusal::ConsentMissing);
}

#[test]
fn a_relapse_is_linked_from_both_sides_and_undoes_the_help() {
    let again = register_as(602, visit(), Some(600));
    let before_notice = february(3, 11, 9);
    let outcome = performed().outcome(again.clone(), &before_notice);
    let linked = "DisputeRegistered + MediationOffered + RelapseLinked";
    assert_eq!(outcome, linked);
    let history = performed().then(again.clone(), &before_notice);
    let help = ask(Ask::VerifyHelp { person: id(3) });
    history.refuses(help.clone(), &late(2), Refusal::PeaceNotHeld);
    // One that comes after the notice period is another story.
    let history = performed().then(again.clone(), &late(3));
    assert_eq!(history.outcome(help, &late(2)), "HelpVerified");
    let link = ask(Ask::LinkRelapse { relapse: id(602) });
    history.refuses(link, &late(2), Refusal::RelapseAlreadyLinked);
    in_mediation().refuses(again, &late(3), Refusal::NothingToRelapse);
    let itself = ask(Ask::LinkRelapse { relapse: id(600) });
    performed().refuses(itself, &late(2), Refusal::RelapseIsItself);
}

#[test]
fn a_relapse_is_told_at_registration_by_a_party_or_whoever_mediates_there() {
    let again = register_as(602, visit(), Some(600));
    let applies = register_as(602, Source::Application { applicant: id(5) }, Some(600));
    let outcome = performed().outcome(applies, &late(5));
    assert!(outcome.ends_with("RelapseLinked"), "{outcome}");
    performed().refuses(again, &late(4), Refusal::ActorDoesNotMediate);
}

#[test]
fn nobody_is_held_in_a_dispute_because_the_rules_of_mediation_are_gone() {
    let pilot = include_str!("../../../../../policies/pilot.toml");
    let (before, section) = pilot.split_once("[mediation]").unwrap();
    let (_, behind) = section.split_once("\n[").unwrap();
    let without = crate::policy_set::Command::AdoptPolicySet {
        unit: id(100),
        text: format!("{before}[{behind}").replace("version = 1", "version = 2"),
        effective_from: None,
    };
    let changed = |history: History| history.then(without.clone(), &february(1, 5, 13));
    let withdraw = ask(Ask::WithdrawFromMediation {
        party: id(5),
        paper: None,
    });
    let outcome = changed(registered()).outcome(withdraw, &february(5, 5, 14));
    assert_eq!(outcome, "MediationWithdrawn");
    let terminate = ask(Ask::TerminateDispute {
        reason: "a crime after all".to_owned(),
    });
    let outcome = changed(in_mediation()).outcome(terminate, &february(2, 5, 14));
    assert!(outcome.starts_with("DisputeTerminated"), "{outcome}");
}

#[test]
fn help_is_verified_once_by_another_after_the_notice_period() {
    let help = |person| ask(Ask::VerifyHelp { person: id(person) });
    let history = performed();
    let early = february(2, 12, 12);
    history.refuses(help(3), &early, Refusal::NoticeRuns);
    history.refuses(help(2), &late(2), Refusal::VerifierIsBeneficiary);
    history.refuses(help(7), &late(2), Refusal::HelperTookNoPart);
    history.refuses(help(3), &late(4), Refusal::VerifierNotAllowed);
    // The help counts for the day on which the agreement came to bind.
    let told = told(&history, &help(3), &late(2));
    assert_eq!(told[0].1, at("2024-02-05T12:00:00Z"));
    let verified = history.then(help(3), &late(2));
    verified.refuses(help(3), &late(2), Refusal::HelpAlreadyVerified);
    archived(void()).refuses(help(3), &late(2), Refusal::PeaceNotHeld);
}

/// One person turns out to be another.
fn merged(history: History, person: u128, duplicate: u128, cx: &Context) -> History {
    let merge = crate::person::Command::MergePersons {
        person: id(person),
        duplicate: id(duplicate),
    };
    history.then(merge, cx)
}

#[test]
fn a_party_under_another_record_is_no_mediator_and_no_expert() {
    let admin = february(1, 1, 9);
    let form = ask(Ask::FormPanel { panel: panel() });
    let accept = ask(Ask::AcceptDispute);
    let before = consented().then(accept, &february(2, 1, 9));
    assert_eq!(
        before.outcome(form.clone(), &february(2, 1, 10)),
        "PanelFormed"
    );
    let history = merged(before.clone(), 7, 5, &admin);
    history.refuses(form.clone(), &february(2, 1, 10), Refusal::MediatorIsParty);
    // Nor sits anybody there twice.
    let twice = merged(before, 8, 7, &admin);
    twice.refuses(form, &february(2, 1, 10), Refusal::PanelNotAllowed);
    let question = ask(Ask::RequestAssessment {
        assessment: id(650),
        expert: id(4),
        question: text(),
    });
    let cx = february(2, 1, 10);
    assert_eq!(
        accepted().outcome(question.clone(), &cx),
        "ExpertAssessmentRequested"
    );
    let history = merged(accepted(), 4, 5, &admin);
    history.refuses(question, &cx, Refusal::ExpertNotAllowed);
}

#[test]
fn help_is_verified_once_for_a_person_and_never_for_a_party() {
    let help = |person| ask(Ask::VerifyHelp { person: id(person) });
    let history = performed().then(help(3), &late(1));
    assert_eq!(history.outcome(help(2), &late(1)), "HelpVerified");
    let history = merged(history, 3, 2, &late(1));
    history.refuses(help(2), &late(1), Refusal::HelpAlreadyVerified);
    let party = merged(performed(), 3, 5, &late(1));
    party.refuses(help(3), &late(1), Refusal::MediatorIsParty);
}

#[test]
fn a_relapse_is_between_the_same_persons_under_whichever_record() {
    let history = merged(performed(), 4, 5, &february(1, 11, 8));
    let mut again = register_as(602, visit(), Some(600));
    if let Ask::RegisterDispute { parties, .. } = &mut again.ask {
        *parties = vec![id(4), id(6)];
    }
    let outcome = history.outcome(again.clone(), &february(3, 11, 9));
    assert!(outcome.ends_with("RelapseLinked"), "{outcome}");
    performed().refuses(again, &february(3, 11, 9), Refusal::RelapseOfOthers);
}
