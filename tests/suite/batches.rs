//! Batches that devices upload late, twice and shuffled: each item is a command of its own, answered
//! by itself and taken in the order in which it happened.

use api::session::timestamp;
use api::wire;
use api::wire::item_answer::Answer;
use chrono::Duration;
use domain::Instant;
use serde_json::Value;
use tonic::Code;

use crate::town::{CAPTAIN, Town, at, refused, tag, volunteer, volunteer_login};

/// Most items of a batch.
const ITEMS_MAX: usize = 200;
/// When the shift begins: 19:00 in Shanghai.
const FROM: &str = "2024-07-01T11:00:00Z";

/// Whether each was taken: `new`, `again`, or the name of its refusal.
fn told(answers: &[wire::ItemAnswer]) -> Vec<&str> {
    let word = |item| match item {
        &Answer::Receipt(wire::Receipt { replayed, .. }) => ["new", "again"][usize::from(replayed)],
        Answer::Refusal(refusal) => refusal.reason.as_str(),
    };
    let answers = answers.iter().map(|item| &item.answer);
    answers
        .map(|answer| word(answer.as_ref().expect("an answer")))
        .collect()
}

fn ids(answers: &[wire::ItemAnswer]) -> Vec<&str> {
    answers.iter().map(|item| item.id.as_str()).collect()
}

/// What a phone without a network notes: its own time now, and when it sends.
fn capture(device: &str, seen: Instant, sent: Instant) -> wire::Capture {
    wire::Capture {
        method: wire::CaptureMethod::Nfc.into(),
        device: device.to_owned(),
        device_at: Some(timestamp(seen)),
        sent_at: Some(timestamp(sent)),
        ..Default::default()
    }
}

fn minutes(count: i64) -> Instant {
    at(FROM) + Duration::minutes(count)
}

/// Scans of the two checkpoints of zone 0 by volunteer 0, from minute 20 on, a quarter apart.
fn scans(
    town: &Town,
    shift_id: &str,
    count: usize,
    sent: Instant,
) -> Vec<wire::ScanCheckpointRequest> {
    let scan = |number: usize| {
        let after = 20 + 15 * i64::try_from(number).expect("few");
        wire::ScanCheckpointRequest {
            command_id: town.id(),
            shift_id: shift_id.to_owned(),
            person_id: volunteer(0).to_string(),
            tag: tag(0, number % 2),
            capture: Some(capture("phone", minutes(after), sent)),
        }
    };
    (0..count).map(scan).collect()
}

/// A shift that volunteers 0 and 1 have begun; the clock stands at its start.
async fn begun(town: &mut Town) -> String {
    let shift_id = town
        .sign_up(0, at(FROM), &[volunteer(0), volunteer(1)])
        .await;
    town.advance(at(FROM)).await;
    let check_in = town.check_in(&shift_id, volunteer(0));
    town.done(CAPTAIN, check_in).await;
    shift_id
}

fn of_type(events: &[Value], name: &str) -> Vec<Value> {
    let events = events.iter().filter(|event| event["type"] == name);
    events.cloned().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn scans_uploaded_late_shuffled_and_twice_stand_once_in_the_order_they_happened() {
    let mut town = Town::with_volunteers(2).await;
    let shift_id = begun(&mut town).await;
    let sent = minutes(300);
    town.advance(sent).await;
    let mut batch = scans(&town, &shift_id, 6, sent);
    batch.swap(0, 4);
    batch.swap(1, 5);
    batch.swap(2, 3);
    let expected: Vec<_> = batch.iter().map(|scan| scan.command_id.clone()).collect();
    let request = wire::UploadScansRequest { scans: batch };
    let first = town.done(CAPTAIN, request.clone()).await.answers;
    assert_eq!(told(&first), ["new"; 6]);
    assert_eq!(ids(&first), expected, "answered in the order as sent");
    let before = town.log().await;
    let mut again = request.clone();
    again.scans.reverse();
    let second = town.done(CAPTAIN, again).await.answers;
    assert_eq!(told(&second), ["again"; 6]);
    assert_eq!(town.log().await.position, before.position, "nothing new");
    for (one, other) in first.iter().zip(second.iter().rev()) {
        let (Some(Answer::Receipt(one)), Some(Answer::Receipt(other))) =
            (&one.answer, &other.answer)
        else {
            panic!("receipts");
        };
        assert_eq!(
            (one.position, &one.commit_hash),
            (other.position, &other.commit_hash)
        );
    }
    // Sent again later, with one more: when a device sends is no part of what it says.
    town.advance(minutes(330)).await;
    let mut again = request;
    for scan in &mut again.scans {
        let capture = scan.capture.as_mut().expect("a capture");
        capture.sent_at = Some(timestamp(minutes(330)));
    }
    let one_more = scans(&town, &shift_id, 7, minutes(330)).pop();
    again.scans.extend(one_more);
    let third = town.done(CAPTAIN, again).await.answers;
    let expected = ["again", "again", "again", "again", "again", "again", "new"];
    assert_eq!(told(&third), expected);
    // The shift had ended by itself when they came: they are kept as late scans, by their own time.
    let stream = format!("patrol_shift/{shift_id}");
    let events = town.folder.replay(&["--stream", &stream]);
    let late = of_type(&events, "LateScanRecorded");
    let seen: Vec<Instant> = late
        .iter()
        .map(|event| at(text(&event["occurred_at"])))
        .collect();
    let in_order: Vec<_> = (0..7).map(|number| minutes(20 + 15 * number)).collect();
    assert_eq!(seen, in_order);
    for (number, event) in late.iter().enumerate() {
        let sent = if number < 6 { sent } else { minutes(330) };
        let capture = &event["payload"]["capture"];
        // Three clocks, kept apart.
        assert_eq!(at(text(&capture["sent_at"])), sent);
        assert_ne!(capture["device_at"], capture["sent_at"]);
        assert!(at(text(&event["recorded_at"])) >= sent);
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wrong_item_is_refused_by_name_and_the_others_are_taken() {
    let mut town = Town::with_volunteers(2).await;
    let shift_id = begun(&mut town).await;
    let sent = minutes(100);
    town.advance(sent).await;
    let mut batch = scans(&town, &shift_id, 7, sent);
    batch[0].command_id = "no id".to_owned();
    batch[1].tag = "TAG-OF-NOBODY".to_owned();
    batch[2].capture = None;
    batch[3].person_id = volunteer(1).to_string();
    // The same command twice in one batch, and its id for something else.
    batch[5] = batch[4].clone();
    batch[6].command_id = batch[4].command_id.clone();
    let request = wire::UploadScansRequest { scans: batch };
    let answers = town.done(CAPTAIN, request.clone()).await.answers;
    let expected = [
        "FIELD_MALFORMED",
        "TAG_UNKNOWN",
        "FIELD_MALFORMED",
        "PERSON_NOT_CHECKED_IN",
        "new",
        "again",
        "COMMAND_ID_REUSED",
    ];
    assert_eq!(told(&answers), expected);
    let Some(Answer::Refusal(malformed)) = &answers[0].answer else {
        panic!("a refusal");
    };
    assert_eq!(malformed.code, i32::from(Code::InvalidArgument));
    assert_eq!(malformed.field, "command_id");
    assert!(!malformed.message.is_empty());
    let Some(Answer::Refusal(unknown)) = &answers[1].answer else {
        panic!("a refusal");
    };
    assert_eq!(unknown.code, i32::from(Code::NotFound));
    // A refusal leaves the id free: what was wrong is set right under it.
    let mut mended = request;
    mended.scans[1].tag = tag(0, 1);
    let answers = town.done(CAPTAIN, mended).await.answers;
    assert_eq!(told(&answers)[1], "new");
    assert_eq!(told(&answers)[4..6], ["again", "again"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_do_not_depend_on_how_a_batch_is_shuffled() {
    // Two stops of a zone within a second: too fast, and it is the later scan that is marked.
    let mut marks = Vec::new();
    for reversed in [false, true] {
        let mut town = Town::with_volunteers(2).await;
        let shift_id = begun(&mut town).await;
        town.advance(minutes(60)).await;
        let mut batch = Vec::new();
        for stop in 0..2 {
            let seen = minutes(30) + Duration::seconds(i64::try_from(stop).expect("few"));
            let mut capture = capture("phone", seen, minutes(60));
            capture.place = Some(town.place(0, stop));
            batch.push(wire::ScanCheckpointRequest {
                command_id: town.id(),
                shift_id: shift_id.clone(),
                person_id: volunteer(0).to_string(),
                tag: tag(0, stop),
                capture: Some(capture),
            });
        }
        if reversed {
            batch.reverse();
        }
        let request = wire::UploadScansRequest { scans: batch };
        assert_eq!(told(&town.done(CAPTAIN, request).await.answers), ["new"; 2]);
        let scanned = town.folder.replay(&["--type", "CheckpointScanned"]);
        let mark = |event: &Value| {
            let payload = &event["payload"];
            (payload["tag"].clone(), payload["anomalies"].clone())
        };
        marks.push(scanned.iter().map(mark).collect::<Vec<_>>());
    }
    assert_eq!(marks[0], marks[1]);
    let (_, last) = &marks[0][1];
    let anomalies = last.as_array().expect("marks");
    assert!(
        anomalies.contains(&Value::from("impossible_speed")),
        "{last}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn check_ins_of_a_crew_are_taken_by_their_time_and_the_first_one_starts_the_shift() {
    let mut town = Town::with_volunteers(3).await;
    let crew = [volunteer(0), volunteer(1)];
    let shift_id = town.sign_up(0, at(FROM), &crew).await;
    // The network comes back before the shift counts as missed.
    let sent = minutes(20);
    town.advance(sent).await;
    let check_in = |person: usize, seen: Instant| wire::CheckInRequest {
        command_id: town.id(),
        shift_id: shift_id.clone(),
        person_id: volunteer(person).to_string(),
        capture: Some(capture("one phone", seen, sent)),
    };
    let batch = vec![
        check_in(1, minutes(5)),
        check_in(2, minutes(1)),
        check_in(0, minutes(2)),
    ];
    let request = wire::UploadCheckInsRequest { check_ins: batch };
    let answers = town.done(CAPTAIN, request.clone()).await.answers;
    assert_eq!(told(&answers), ["new", "PERSON_NOT_SIGNED_UP", "new"]);
    let answers = town.done(CAPTAIN, request).await.answers;
    assert_eq!(told(&answers), ["again", "PERSON_NOT_SIGNED_UP", "again"]);
    let stream = format!("patrol_shift/{shift_id}");
    let events = town.folder.replay(&["--stream", &stream]);
    let checked_in = of_type(&events, "PatrollerCheckedIn");
    let people: Vec<_> = checked_in
        .iter()
        .map(|it| text(&it["payload"]["person"]))
        .collect();
    assert_eq!(people, [volunteer(0).to_string(), volunteer(1).to_string()]);
    let started = of_type(&events, "ShiftStarted");
    assert_eq!(at(text(&started[0]["occurred_at"])), minutes(2));
    // One phone for two: the second is marked, by time and not by its place in the batch.
    let marked: Vec<_> = checked_in
        .iter()
        .map(|it| {
            it["payload"]["anomalies"]
                .to_string()
                .contains("same_device_two_people")
        })
        .collect();
    assert_eq!(marked, [false, true]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_visits_to_a_door_in_one_batch_the_earlier_counts() {
    let mut town = Town::with_volunteers(2).await;
    let campaign_id = town.id();
    let (from, until) = (at(FROM), minutes(120));
    let request = wire::PlanCampaignRequest {
        command_id: town.id(),
        campaign_id: campaign_id.clone(),
        community_id: crate::town::community().to_string(),
        name: "Door-to-door against fraud".to_owned(),
        wave: 1,
        from: Some(timestamp(from)),
        until: Some(timestamp(until)),
    };
    town.done(CAPTAIN, request).await;
    for person in 0..2 {
        let request = wire::JoinCampaignRequest {
            command_id: town.id(),
            campaign_id: campaign_id.clone(),
            person_id: volunteer(person).to_string(),
        };
        town.done(&volunteer_login(person), request).await;
    }
    let sent = minutes(600);
    town.advance(sent).await;
    let visit = |person: usize, door: &str, seen: Instant| wire::VisitDoorRequest {
        command_id: town.id(),
        campaign_id: campaign_id.clone(),
        person_id: volunteer(person).to_string(),
        door: door.to_owned(),
        result: wire::DoorResult::Absent.into(),
        visited_at: Some(timestamp(seen)),
        sent_at: Some(timestamp(sent)),
    };
    let visits = vec![
        visit(1, "3-101", minutes(50)),
        visit(0, "3-101", minutes(10)),
        visit(0, "3-102", minutes(200)),
        visit(1, "3-103", minutes(15)),
    ];
    let request = wire::UploadDoorVisitsRequest { visits };
    let expected = [
        "DOOR_ALREADY_VISITED",
        "new",
        "OUTSIDE_OF_THE_CAMPAIGN",
        "new",
    ];
    let answers = town.done(CAPTAIN, request.clone()).await.answers;
    assert_eq!(told(&answers), expected);
    // Sent again later, the clock of the sending has gone on.
    let mut request = request;
    for visit in &mut request.visits {
        visit.sent_at = Some(timestamp(town.now() + Duration::seconds(1)));
    }
    let answers = town.done(CAPTAIN, request).await.answers;
    assert_eq!(
        told(&answers),
        expected.map(|it| if it == "new" { "again" } else { it })
    );
    let visited = town.folder.replay(&["--type", "DoorVisited"]);
    let doors: Vec<_> = visited
        .iter()
        .map(|it| text(&it["payload"]["door"]))
        .collect();
    assert_eq!(doors, ["3-101", "3-103"]);
    assert_eq!(visited[0]["payload"]["person"], volunteer(0).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_bounded_and_one_out_of_bounds_takes_nothing() {
    let mut town = Town::with_volunteers(2).await;
    let shift_id = begun(&mut town).await;
    town.advance(minutes(30)).await;
    let before = town.log().await;
    let one_too_many = scans(&town, &shift_id, ITEMS_MAX + 1, minutes(30));
    for scans in [Vec::new(), one_too_many] {
        let answer = town
            .by(CAPTAIN)
            .call(wire::UploadScansRequest { scans })
            .await;
        refused(answer, Code::InvalidArgument, "FIELD_MALFORMED");
    }
    assert_eq!(town.log().await.position, before.position);
    // The longest batch there may be goes through in one call.
    let mut longest = scans(&town, &shift_id, ITEMS_MAX, minutes(30));
    for (number, scan) in longest.iter_mut().enumerate() {
        let seen = minutes(1) + Duration::seconds(5 * i64::try_from(number).expect("few"));
        scan.capture = Some(capture("phone", seen, minutes(30)));
    }
    let request = wire::UploadScansRequest { scans: longest };
    let answers = town.done(CAPTAIN, request).await.answers;
    assert_eq!(told(&answers), ["new"; ITEMS_MAX]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_cut_off_by_a_crash_is_sent_again_and_nothing_counts_twice() {
    let mut town = Town::with_volunteers(2).await;
    let shift_id = begun(&mut town).await;
    town.advance(minutes(60)).await;
    let mut batch = scans(&town, &shift_id, 40, minutes(60));
    for (number, scan) in batch.iter_mut().enumerate() {
        let seen = minutes(1) + Duration::minutes(i64::try_from(number).expect("few"));
        scan.capture = Some(capture("phone", seen, minutes(60)));
    }
    let request = wire::UploadScansRequest { scans: batch };
    // The first half is acknowledged, then the service is killed.
    let half = wire::UploadScansRequest {
        scans: request.scans[..20].to_vec(),
    };
    let acknowledged = town.done(CAPTAIN, half).await.answers;
    assert_eq!(told(&acknowledged), ["new"; 20]);
    town.stop().kill();
    town.start().await;
    let answers = town.done(CAPTAIN, request).await.answers;
    assert_eq!(told(&answers)[..20], ["again"; 20]);
    assert_eq!(told(&answers)[20..], ["new"; 20]);
    let scanned = town.folder.replay(&["--type", "CheckpointScanned"]);
    assert_eq!(scanned.len(), 40);
}
