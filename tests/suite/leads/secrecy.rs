//! Who tipped stays hidden: by each role over each call, list, statement, replay, question of the
//! command line, and in what a service writes of itself.

use super::*;

/// Everybody but the officer who reviews: administrator, another officer, instructor, staff without
/// a role, the source, another volunteer, mediator, grid worker.
fn everybody_else() -> Vec<String> {
    let staff = [ADMIN, CAPTAIN, INSTRUCTOR, RECTIFIER, INSPECTOR].map(str::to_owned);
    let volunteers = [TIPSTER, OTHER, MEDIATOR, GRID_WORKER].map(volunteer_login);
    staff.into_iter().chain(volunteers).collect()
}

/// Every answer that a login gets about a lead, asked in every way there is.
async fn asked_in_every_way(town: &Town, subject: &str, lead_id: &str) -> Vec<Status> {
    let session = town.by(subject);
    let mut refusals = Vec::new();
    let lead = || lead_id.to_owned();
    let id = || town.id();
    macro_rules! refused {
        ($($request:expr),+ $(,)?) => {
            $( refusals.push(session.call($request).await.expect_err(subject)); )+
        };
    }
    refused!(
        wire::GetLeadRequest {
            lead_id: lead(),
            consistency: Some(consequences()),
        },
        triage(town, lead_id),
        access(town, lead_id),
        validation(town, lead_id, &town.id()),
        rejection(town, lead_id),
        wire::TransferLeadRequest {
            command_id: id(),
            lead_id: lead(),
            police_case: "A-1".to_owned(),
        },
        wire::RecordLeadOutcomeRequest {
            command_id: id(),
            lead_id: lead(),
            outcome: "nothing".to_owned(),
        },
        wire::ArchiveLeadRequest {
            command_id: id(),
            lead_id: lead(),
        },
    );
    refusals
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_its_reviewer_learns_of_a_closed_lead_by_any_call() {
    let town = town().await;
    let told = valid(&town).await;
    let none = town.id();
    for subject in everybody_else() {
        let about_it = asked_in_every_way(&town, &subject, &told.lead_id).await;
        let about_none = asked_in_every_way(&town, &subject, &none).await;
        // Word for word what is said of a lead that does not exist.
        let words = |refusals: &[Status]| -> Vec<_> {
            let words = |it: &Status| (it.code(), reason(it), it.message().to_owned());
            refusals.iter().map(words).collect()
        };
        assert_eq!(words(&about_it), words(&about_none), "{subject}");
        for status in about_it {
            assert_eq!(
                reason(&status).as_deref(),
                Some("LEAD_NOT_FOUND"),
                "{subject}"
            );
        }
        assert_eq!(listed(&town.by(&subject)).await, [], "{subject}");
    }
    // The command line is answered no otherwise.
    for subject in everybody_else() {
        let ran = run(&[
            "case",
            &told.lead_id,
            "--server",
            town.url(),
            "--as",
            &subject,
        ])
        .exits(3);
        let said = ran.stdout + &ran.stderr;
        assert!(!said.contains(&volunteer(TIPSTER).to_string()), "{said}");
        assert!(!said.to_lowercase().contains("lead"), "{subject}: {said}");
    }
    let [known] = &listed(&town.by(OFFICER)).await[..] else {
        panic!("its reviewer knows it");
    };
    assert_eq!(known.lead_id, told.lead_id);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_open_lead_is_known_to_officers_and_its_source_to_none_before_access() {
    let town = town().await;
    let told = submit(&town, &volunteer_login(TIPSTER)).await;
    let officers = [CAPTAIN, OFFICER].map(str::to_owned);
    let hidden = [volunteer(TIPSTER).to_string(), BODY.to_owned()];
    for subject in &officers {
        let answer = shown(&town, subject, &told.lead_id).await.expect("open");
        let list = listed(&town.by(subject)).await;
        assert_eq!(list.len(), 1, "{subject}");
        for text in [format!("{answer:?}"), format!("{list:?}")] {
            assert!(!hidden.iter().any(|it| text.contains(it)), "{text}");
        }
        // Whoever would read it takes it under review first.
        let read = town.by(subject).call(access(&town, &told.lead_id)).await;
        refused(read, Code::FailedPrecondition, "LEAD_NOT_TRIAGED");
    }
    for subject in everybody_else() {
        if officers.contains(&subject) {
            continue;
        }
        for status in asked_in_every_way(&town, &subject, &told.lead_id).await {
            assert_eq!(
                reason(&status).as_deref(),
                Some("LEAD_NOT_FOUND"),
                "{subject}"
            );
        }
        assert_eq!(listed(&town.by(&subject)).await, [], "{subject}");
    }
    town.done(OFFICER, triage(&town, &told.lead_id)).await;
    let read = town.by(CAPTAIN).call(access(&town, &told.lead_id)).await;
    refused(read, Code::PermissionDenied, "LEAD_REVIEWED_BY_ANOTHER");
    let reading = access(&town, &told.lead_id);
    let content = town.done(OFFICER, reading.clone()).await;
    assert_eq!(content.source_id, hidden[0]);
    // What is recorded is one reading: a repeat gets its receipt and no more.
    let again = town.done(OFFICER, reading.clone()).await;
    assert!(again.receipt.as_ref().is_some_and(|it| it.replayed));
    let receipt = again.receipt.clone();
    let bare = wire::AccessLeadResponse {
        receipt,
        ..Default::default()
    };
    assert_eq!(again, bare);
    // Taken over: the same command, repeated, reads nothing out any more.
    town.done(CAPTAIN, triage(&town, &told.lead_id)).await;
    let again = town.by(OFFICER).call(reading).await;
    refused(again, Code::NotFound, "LEAD_NOT_FOUND");
    let content = town.done(CAPTAIN, access(&town, &told.lead_id)).await;
    assert_eq!(content.source_id, hidden[0]);
}

/// All texts of a JSON value.
fn texts(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(items) => items.iter().for_each(|item| texts(item, found)),
        Value::Object(members) => members.values().for_each(|item| texts(item, found)),
        _ => {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_on_an_account_leads_to_a_lead_whoever_looks() {
    let town = town().await;
    let told = valid(&town).await;
    let everything = town.folder.replay(&["--reveal"]);
    let of_lead = |event: &&Value| {
        let stream = event["stream"].as_str().expect("a stream");
        stream.starts_with("lead") || stream.starts_with("claim/lead")
    };
    let positions: Vec<_> = everything
        .iter()
        .filter(of_lead)
        .map(|event| event["position"].as_u64().expect("a position"))
        .collect();
    assert_eq!(
        positions.len(),
        7,
        "four steps, the claim, and the open lead counted on and off"
    );
    let award = everything
        .iter()
        .find(|event| event["type"] == "AwardGranted")
        .expect("an award");
    let log_id = town.log().await.log_id;
    let members: Vec<Uuid> = (0..4)
        .map(volunteer)
        .chain([CAPTAIN, OFFICER, INSTRUCTOR, RECTIFIER, INSPECTOR].map(staff))
        .collect();
    // Whatever could be reckoned from a lead's ids and places by trying every member and rule.
    let mut reckoned: Vec<String> = told.command_ids.clone();
    let known = [&told.lead_id, &told.matter_id, &told.command_ids[3]]
        .map(|it| Uuid::parse_str(it).expect("an id"));
    for known in known {
        reckoned.push(known.to_string());
        for person in &members {
            for rule in ["LEAD_VALID", "PATROL", "PUBLICITY", "MEDIATION_HELP"] {
                reckoned.push(award_id(known, (*person).into(), rule).to_string());
            }
            reckoned.push(derived("award", &[&known, person]).to_string());
            reckoned.push(derived("contribution", &[&known, person]).to_string());
        }
    }
    for position in &positions {
        for n in 0_usize..3 {
            let parts: [&dyn std::fmt::Display; 4] = [&log_id, position, &"award_points", &n];
            reckoned.push(derived("consequence", &parts).to_string());
        }
    }
    // What stands on the account as stored, but for the header of its commit, which is withheld.
    let mut stored = Vec::new();
    texts(&award["payload"], &mut stored);
    for id in &reckoned {
        assert!(!stored.contains(id), "{id} in {stored:?}");
    }
    assert_eq!(award["payload"]["activity"]["fact"], 0);
    // The header does name its cause: so nobody is shown it.
    let cause = award["command_id"].as_str().expect("an id").to_owned();
    assert!(reckoned.contains(&cause));
    let everybody = everybody_else().into_iter().chain([OFFICER.to_owned()]);
    for subject in everybody {
        let mut texts = vec![format!("{:?}", statement(&town, &subject, TIPSTER).await)];
        let request = wire::GetBalanceRequest {
            person_id: volunteer(TIPSTER).to_string(),
            ..Default::default()
        };
        texts.push(format!("{:?}", town.done(&subject, request).await));
        let request = wire::ListReactionsRequest::default();
        texts.push(format!("{:?}", town.done(&subject, request).await));
        for text in &texts {
            for id in &reckoned {
                assert!(!text.contains(id), "{subject}: {id} in {text}");
            }
            assert!(
                !text.contains(&staff(OFFICER).to_string()),
                "{subject}: {text}"
            );
        }
    }
}

/// What a login is told of the tipster's points, as of an instant and as known on one.
async fn points_of_the_tipster(
    town: &Town,
    subject: &str,
    as_of: Option<prost_types::Timestamp>,
    as_known_on: Option<prost_types::Timestamp>,
) -> (wire::Balance, Vec<wire::StatementLine>) {
    let person_id = volunteer(TIPSTER).to_string();
    let consistency = Some(consequences());
    let request = wire::GetBalanceRequest {
        person_id: person_id.clone(),
        as_of,
        as_known_on,
        consistency,
    };
    let balance = town.done(subject, request).await.balance;
    let request = wire::GetStatementRequest {
        person_id,
        as_of,
        as_known_on,
        consistency,
        ..Default::default()
    };
    let answer = town.done(subject, request).await;
    let balance = balance.expect("a balance");
    assert_eq!(answer.balance.as_ref(), Some(&balance));
    (balance, answer.lines)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_but_the_source_sees_an_account_change_by_a_lead_at_any_instant() {
    let mut town = town().await;
    let source = volunteer_login(TIPSTER);
    let others: Vec<_> = everybody_else()
        .into_iter()
        .chain([OFFICER.to_owned()])
        .filter(|subject| *subject != source)
        .collect();
    let mut before = Vec::new();
    for subject in &others {
        before.push(points_of_the_tipster(&town, subject, None, None).await);
    }
    let told = valid(&town).await;
    let validated = town.now();
    town.balance(volunteer(TIPSTER)).await;
    let (own, lines) = points_of_the_tipster(&town, &source, None, None).await;
    assert_eq!((own.granted, lines.len()), (50, 1));
    let later = |days| validated + chrono::Duration::days(days);
    let instants = [0, 1, 7, 8, 9].map(|days| Some(timestamp(later(days))));
    for (subject, before) in others.iter().zip(&before) {
        for at in instants.into_iter().chain([None]) {
            for (as_of, known_on) in [(at, None), (None, at), (at, at)] {
                let seen = points_of_the_tipster(&town, subject, as_of, known_on).await;
                assert_eq!(seen, *before, "{subject} {as_of:?} {known_on:?}");
            }
        }
    }
    // Taken back by one whom the source tells which award it is: that shows nothing either.
    let award_id = &lines[0].award_id;
    town.advance(later(1)).await;
    let reversal = |town: &Town| wire::ReverseAwardRequest {
        command_id: town.id(),
        person_id: volunteer(TIPSTER).to_string(),
        award_id: award_id.clone(),
        reason: "an error".to_owned(),
        mode: wire::ReversalMode::PendingOnly.into(),
    };
    for subject in [OFFICER.to_owned(), volunteer_login(OTHER)] {
        let answer = town.by(&subject).call(reversal(&town)).await;
        refused(answer, Code::NotFound, "AWARD_NOT_FOUND");
    }
    town.done(CAPTAIN, reversal(&town)).await;
    for (subject, before) in others.iter().zip(&before) {
        let seen = points_of_the_tipster(&town, subject, None, None).await;
        assert_eq!(seen, *before, "{subject}");
    }
    let reversed = town.folder.replay(&["--type", "AwardReversed"]);
    assert_eq!(reversed, [Value::Null; 0]);
    let person = volunteer(TIPSTER).to_string();
    let open = town
        .folder
        .replay(&["--stream", &format!("account/{person}")]);
    assert_eq!(open, [Value::Null; 0]);
    let revealed = town.folder.replay(&["--reveal", "--type", "AwardReversed"]);
    assert_eq!(revealed.len(), 1);
    // Nothing that the source is shown has the time of day of what happened to the lead.
    let lead = shown(&town, OFFICER, &told.lead_id).await.expect("known");
    let happened: Vec<_> = lead.steps.iter().filter_map(|it| it.occurred_at).collect();
    let (own, lines) = points_of_the_tipster(&town, &source, None, None).await;
    assert_eq!((own.granted, own.reversed, lines.len()), (50, 50, 2));
    for line in &lines {
        for at in [line.value_date, line.vests_at].into_iter().flatten() {
            for it in &happened {
                assert_ne!((at.seconds - it.seconds) % 86_400, 0, "{line:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_receipt_about_a_lead_names_who_told_it() {
    let town = town().await;
    let mut receipts = Vec::new();
    for is_true in [true, false] {
        let told = submit(&town, &volunteer_login(TIPSTER)).await;
        let answer = town.done(OFFICER, triage(&town, &told.lead_id)).await;
        receipts.push((told.lead_id.clone(), answer.receipt));
        if is_true {
            let request = validation(&town, &told.lead_id, &told.matter_id);
            let answer = town.done(OFFICER, request).await;
            receipts.push((told.lead_id, answer.receipt));
            continue;
        }
        let request = rejection(&town, &told.lead_id);
        for _ in 0..2 {
            let answer = town.done(OFFICER, request.clone()).await;
            receipts.push((told.lead_id.clone(), answer.receipt));
        }
    }
    assert_eq!(receipts.len(), 5);
    for (lead_id, receipt) in receipts {
        let versions = receipt.expect("a receipt").stream_versions;
        let streams: Vec<_> = versions.iter().map(|it| it.stream.as_str()).collect();
        assert_eq!(streams, [format!("lead/{lead_id}")]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transferred_lead_whose_reviewer_has_left_is_found_and_settled_by_another() {
    let town = town().await;
    let told = submit(&town, &volunteer_login(TIPSTER)).await;
    town.done(OFFICER, triage(&town, &told.lead_id)).await;
    let transfer = wire::TransferLeadRequest {
        command_id: town.id(),
        lead_id: told.lead_id.clone(),
        police_case: "A-1".to_owned(),
    };
    town.done(OFFICER, transfer).await;
    assert_eq!(listed(&town.by(CAPTAIN)).await, []);
    let revocation = wire::RevokeRoleRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        person_id: staff(OFFICER).to_string(),
        role: wire::Role::Officer.into(),
    };
    town.done(ADMIN, revocation).await;
    assert_eq!(listed(&town.by(CAPTAIN)).await.len(), 1);
    assert_eq!(listed(&town.by(OFFICER)).await, []);
    town.done(CAPTAIN, triage(&town, &told.lead_id)).await;
    let validation = validation(&town, &told.lead_id, &told.matter_id);
    town.done(CAPTAIN, validation).await;
    assert_eq!(own_balance(&town, TIPSTER).await.granted, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replay_shows_withheld_items_as_position_and_hash_unless_told_to_reveal() {
    let town = town().await;
    let told = valid(&town).await;
    town.balance(volunteer(TIPSTER)).await;
    let secret = [
        told.lead_id.clone(),
        told.matter_id.clone(),
        BODY.to_owned(),
        // The policy set is no secret: it names the rule, too.
        "\"rule\":\"LEAD_VALID\"".to_owned(),
        "lead_matter".to_owned(),
    ];
    let withheld = |lines: &[Value]| -> Vec<Value> {
        let withheld = |line: &&Value| line.get("stream").is_none();
        lines.iter().filter(withheld).cloned().collect()
    };
    let check = |lines: &[Value], expected: usize| {
        let found = withheld(lines);
        assert_eq!(found.len(), expected, "{found:?}");
        for line in found {
            let members: Vec<_> = line.as_object().expect("an object").keys().collect();
            assert_eq!(members, ["hash", "position"]);
            assert_eq!(line["hash"].as_str().map(str::len), Some(64));
        }
        for line in lines {
            let text = line.to_string();
            assert!(!secret.iter().any(|it| text.contains(it)), "{text}");
        }
    };
    let person = volunteer(TIPSTER).to_string();
    let account = format!("account/{person}");
    let lead = format!("lead/{}", told.lead_id);
    let unit = community().to_string();
    let replay = |args: &[&str]| town.folder.replay(args);
    // Four steps, the open lead counted on and off, the claim, the award; and positions without a gap.
    let all = replay(&[]);
    check(&all, 8);
    let positions: Vec<_> = all.iter().map(|line| line["position"].as_u64()).collect();
    let gapless: Vec<_> = (1..).map(Some).take(positions.len()).collect();
    assert_eq!(positions, gapless);
    // Asked by its own name, the lead's steps; what somebody else would ask by finds nothing.
    check(&replay(&["--case", &told.lead_id]), 4);
    check(&replay(&["--stream", &lead]), 4);
    for asked in [
        ["--person", &person],
        ["--person", &staff(OFFICER).to_string()],
        ["--person", &told.lead_id],
        ["--stream", &account],
        ["--stream", &format!("claim/lead_matter/{}", told.matter_id)],
        ["--type", "LeadSubmitted"],
        ["--type", "AwardGranted"],
        ["--unit", &unit],
        ["--as-of", "2030-01-01T00:00:00Z"],
    ] {
        check(&replay(&asked), 0);
    }
    let last = all.len().to_string();
    check(&replay(&["--from", &last, "--type", "AwardGranted"]), 0);
    // Revealed, the same items stand whole, under the same hashes' positions.
    let revealed = replay(&["--reveal", "--case", &told.lead_id]);
    let types: Vec<_> = revealed.iter().map(|line| line["type"].clone()).collect();
    assert_eq!(
        types,
        [
            "LeadSubmitted",
            "LeadTriaged",
            "LeadAccessed",
            "LeadValidated"
        ]
    );
    assert_eq!(revealed[0]["payload"]["body"]["clear"], BODY);
    assert_eq!(revealed[0]["payload"]["source"], person.as_str());
    let award = replay(&["--reveal", "--stream", &account]);
    assert_eq!(award[0]["payload"]["rule"], "LEAD_VALID");
    // Questions on the folder say no more than those to the service.
    let ran = town.folder.run(&["case", &told.lead_id], &[]).exits(0);
    let balance = town.folder.run(&["balance", &person], &["--json"]).exits(0);
    let table = town.folder.run(&["balance", &person], &[]).exits(0);
    for said in [&ran.stdout, &balance.stdout, &table.stdout] {
        assert!(!said.contains(BODY), "{said}");
        assert!(!said.contains(&staff(OFFICER).to_string()) || *said == ran.stdout);
        assert!(!said.contains("safety contribution"), "{said}");
        assert!(!said.contains("50"), "{said}");
    }
    assert!(!ran.stdout.contains(&person), "{}", ran.stdout);
    assert!(ran.stdout.contains("valid"), "{}", ran.stdout);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_writes_of_itself_names_neither_source_nor_lead() {
    let mut town = town().await;
    let told = valid(&town).await;
    for subject in everybody_else() {
        asked_in_every_way(&town, &subject, &told.lead_id).await;
    }
    town.balance(volunteer(TIPSTER)).await;
    let ended = town.stop().terminate().exits(0);
    let said = ended.stdout + &ended.stderr;
    for hidden in [&volunteer(TIPSTER).to_string(), &told.lead_id, BODY] {
        assert!(!said.contains(hidden), "{said}");
    }
    // Started again, the award still stands.
    town.start().await;
    assert_eq!(own_balance(&town, TIPSTER).await.granted, 50);
}
