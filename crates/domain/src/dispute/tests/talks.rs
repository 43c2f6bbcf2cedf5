//! Rules that a table of states does not show: up to the terms.

use super::*;

#[test]
fn a_party_acts_itself_or_on_a_paper_that_a_mediator_enters() {
    let on_paper = |paper| {
        ask(Ask::GiveConsent {
            party: id(5),
            paper,
        })
    };
    let history = registered();
    let own = told(&history, &on_paper(None), &february(5, 1, 8));
    assert_eq!(own[0].2, Trust::SelfStated);
    let entered = told(&history, &on_paper(Some([5; 32])), &february(2, 1, 8));
    assert_eq!(entered[0].2, Trust::Witnessed);
    history.refuses(
        on_paper(None),
        &february(2, 1, 8),
        Refusal::PartyActNotProven,
    );
    // Neither the other party nor a passer-by enters it.
    let paper = on_paper(Some([5; 32]));
    history.refuses(paper.clone(), &february(6, 1, 8), Refusal::MediatorIsParty);
    history.refuses(paper, &february(4, 1, 8), Refusal::ActorDoesNotMediate);
    history.refuses(consent(7), &february(7, 1, 8), Refusal::NotAParty);
    // Whoever may not act for a person is told the same of parties and of others.
    for asked in [5, 8] {
        history.refuses(
            consent(asked),
            &february(4, 1, 8),
            Refusal::PartyActNotProven,
        );
    }
}

#[test]
fn an_application_is_the_applicants_consent() {
    let applies = Source::Application { applicant: id(5) };
    let history = team().then(register_as(600, applies, None), &february(5, 1, 8));
    assert_eq!(dispute(&history).parties[&id(5)].stance, Stance::Consented);
    history.refuses(
        consent(5),
        &february(5, 1, 9),
        Refusal::PartyConsentedAlready,
    );
    let stranger = Source::Application { applicant: id(4) };
    team().refuses(
        register_as(600, stranger, None),
        &february(4, 1, 8),
        Refusal::ApplicantIsNoParty,
    );
}

#[test]
fn an_incident_is_mediated_only_past_both_gates() {
    for (no_illegal_act, mediation_applicable) in [(true, true), (true, false), (false, true)] {
        let source = Source::Incident {
            incident: uuid::Uuid::from_u128(901),
            no_illegal_act,
            mediation_applicable,
        };
        let outcome = team().outcome(register_as(600, source, None), &february(3, 1, 8));
        let expected = if no_illegal_act && mediation_applicable {
            "DisputeRegistered + MediationOffered"
        } else {
            "GATE_NOT_PASSED"
        };
        assert_eq!(outcome, expected);
    }
    team().refuses(register(), &february(8, 1, 8), Refusal::RegistrarNotMember);
}

#[test]
fn mediation_is_accepted_only_with_every_partys_consent() {
    let accept = ask(Ask::AcceptDispute);
    let one = registered().then(consent(5), &february(5, 1, 8));
    one.refuses(accept.clone(), &february(2, 1, 9), Refusal::ConsentMissing);
    let refuse = ask(Ask::RefuseConsent {
        party: id(6),
        paper: None,
    });
    let refused = consented().then(refuse, &february(6, 1, 9));
    refused.refuses(accept.clone(), &february(2, 1, 9), Refusal::ConsentMissing);
    consented().refuses(accept.clone(), &february(5, 1, 9), Refusal::MediatorIsParty);
    consented().refuses(accept, &february(4, 1, 9), Refusal::ActorDoesNotMediate);
}

#[test]
fn the_lead_is_chosen_among_the_offices_of_the_policy_set() {
    let accepted = consented().then(ask(Ask::AcceptDispute), &february(2, 1, 9));
    let form = |panel| ask(Ask::FormPanel { panel });
    let cx = february(2, 1, 10);
    let hub = Panel {
        lead: id(4),
        lead_office: "command hub".to_owned(),
        ..panel()
    };
    assert_eq!(accepted.outcome(form(hub.clone()), &cx), "PanelFormed");
    for (panel, refusal) in [
        (
            Panel {
                lead_office: "nobody".to_owned(),
                ..panel()
            },
            Refusal::LeadOfficeNotAllowed,
        ),
        (
            Panel {
                justice_office: id(2),
                ..panel()
            },
            Refusal::PanelNotAllowed,
        ),
        (
            Panel {
                members: vec![id(4)],
                ..hub
            },
            Refusal::PanelNotAllowed,
        ),
        (
            Panel {
                legal_service: id(5),
                ..panel()
            },
            Refusal::MediatorIsParty,
        ),
        (
            Panel {
                legal_service: id(77),
                ..panel()
            },
            Refusal::PanelistNotFound,
        ),
        (
            Panel {
                lead: id(4),
                officer: id(4),
                ..panel()
            },
            Refusal::OfficerNotAllowed,
        ),
    ] {
        accepted.refuses(form(panel), &cx, refusal);
    }
    let outsider = Panel {
        members: vec![id(7)],
        justice_office: id(4),
        ..panel()
    };
    accepted.refuses(form(outsider), &cx, crate::member::Refusal::MemberNotActive);
}

#[test]
fn nothing_goes_on_while_a_mediator_is_challenged() {
    let challenge = ask(Ask::ChallengeMediator {
        mediator: id(3),
        party: id(6),
        reason: text(),
        paper: None,
    });
    let history = in_mediation().then(challenge, &february(6, 3, 9));
    let session = hold(SessionType::Joint, &[5, 6]);
    let cx = february(2, 3, 10);
    history.refuses(session.clone(), &cx, Refusal::ChallengeStands);
    history.refuses(agree(Form::Oral, vec![]), &cx, Refusal::ChallengeStands);
    let replace = ask(Ask::ReplaceMediator {
        mediator: id(3),
        replacement: id(4),
    });
    let history = history.then(replace, &cx);
    // Who was replaced is at no session any more.
    history.refuses(session, &cx, Refusal::MediatorNotOnPanel);
    assert!(dispute(&history).challenged.is_empty());
}

#[test]
fn an_expert_and_persuasion_go_on_side_by_side() {
    let asked = ask(Ask::RequestAssessment {
        assessment: id(700),
        expert: id(4),
        question: text(),
    });
    let answer = |report| {
        ask(Ask::RecordAssessment {
            assessment: id(700),
            finding: text(),
            report,
        })
    };
    let history = in_mediation()
        .then(asked, &february(2, 3, 9))
        .then(hold(SessionType::Persuasion, &[5]), &february(3, 3, 10))
        .then(hold(SessionType::Persuasion, &[6]), &february(3, 3, 11));
    history.refuses(answer(None), &february(2, 4, 9), Refusal::PartyActNotProven);
    let history = history.then(answer(Some([6; 32])), &february(2, 4, 9));
    let again = answer(None);
    history.refuses(
        again,
        &february(4, 4, 10),
        Refusal::AssessmentAlreadyRecorded,
    );
    assert_eq!(dispute(&history).sessions.len(), 3);
    assert_eq!(dispute(&history).state, DisputeState::InMediation);
}

#[test]
fn the_deadline_moves_only_when_all_parties_are_willing() {
    let extend = |party, until: &str| {
        ask(Ask::ConsentToExtension {
            party: id(party),
            until: at(until),
            paper: None,
        })
    };
    let (april, may) = ("2024-04-01T00:00:00Z", "2024-05-01T00:00:00Z");
    let history = accepted().then(extend(5, april), &february(5, 3, 9));
    history.refuses(
        extend(5, april),
        &february(5, 3, 9),
        Refusal::ExtensionAlreadyConsented,
    );
    history.refuses(
        extend(6, MEDIATION_DUE),
        &february(6, 3, 9),
        Refusal::ExtensionNotLater,
    );
    // Another date asks everybody anew.
    let history = history.then(extend(6, may), &february(6, 3, 10));
    assert_eq!(
        dispute(&history).dates[&Purpose::Mediation],
        at(MEDIATION_DUE)
    );
    let history = history.then(extend(5, may), &february(5, 3, 11));
    assert_eq!(dispute(&history).dates[&Purpose::Mediation], at(may));
}
