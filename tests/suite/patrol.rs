//! Patrols beyond the plain walk, over the API: handed over with what is open, disputed once
//! verified and settled again, and walked while zones are redrawn.

use api::session::timestamp;
use api::wire;
use chrono::Duration;
use domain::Instant;
use tonic::Code;

use crate::harness::{repository, run};
use crate::town::{
    CAPTAIN, INSTRUCTOR, OFFICER, SHIFT_MINUTES, Town, at, community, refused, volunteer,
    volunteer_login,
};

const CONSEQUENCES: Option<wire::ReadConsistency> = Some(wire::ReadConsistency {
    at_least: None,
    with_consequences: true,
});

async fn shown(town: &Town, shift_id: &str) -> wire::Shift {
    let request = wire::GetShiftRequest {
        shift_id: shift_id.to_owned(),
        consistency: CONSEQUENCES,
    };
    let answer = town.done(CAPTAIN, request).await;
    answer.shift.expect("a shift")
}

/// Planned, done and verified minutes, checkpoints hit and missed, by zone of the town.
async fn coverage(town: &Town, zone: usize) -> (u64, u64, u64, u32, u32) {
    let request = wire::GetPatrolCoverageRequest {
        zone_id: town.zone(zone).to_owned(),
        consistency: CONSEQUENCES,
        ..Default::default()
    };
    let cells = town.done(CAPTAIN, request).await.cells;
    let minutes = |of: fn(&wire::CoverageCell) -> u64| cells.iter().map(of).sum::<u64>() / 60;
    (
        minutes(|cell| cell.planned_seconds),
        minutes(|cell| cell.done_seconds),
        minutes(|cell| cell.verified_seconds),
        cells.iter().map(|cell| cell.checkpoints_hit).sum(),
        cells.iter().map(|cell| cell.checkpoints_missed).sum(),
    )
}

fn accept(town: &Town, shift_id: &str, person: usize) -> wire::AcceptHandoverRequest {
    wire::AcceptHandoverRequest {
        command_id: town.id(),
        shift_id: shift_id.to_owned(),
        capture: Some(town.capture(volunteer(person), None)),
    }
}

/// Shifts in a state that somebody is on, or shall take over.
async fn listed(town: &Town, state: wire::ShiftState, person: usize) -> Vec<String> {
    let request = wire::ListShiftsRequest {
        unit_id: community().to_string(),
        state: state.into(),
        person_id: volunteer(person).to_string(),
        consistency: CONSEQUENCES,
        ..Default::default()
    };
    let shifts = town.done(CAPTAIN, request).await.shifts;
    shifts.into_iter().map(|shift| shift.shift_id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_is_handed_over_with_what_is_open_and_each_earns_for_their_own_time() {
    let mut town = Town::with_volunteers(3).await;
    let (first, second) = (volunteer(0), volunteer(1));
    let from = at("2024-07-01T11:00:00Z");
    let shift = town.sign_up(0, from, &[first]).await;
    town.advance(from).await;
    town.done(CAPTAIN, town.check_in(&shift, first)).await;
    town.scan(&shift, first, 0, 0).await;
    let hazard = town.report().await;
    let request = wire::RaiseFindingRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        person_id: first.to_string(),
        hazard_id: hazard.clone(),
    };
    town.done(CAPTAIN, request).await;
    town.advance(from + Duration::minutes(60)).await;
    let hand_over = |open_items: Vec<String>| wire::HandOverRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        from_id: first.to_string(),
        to_id: second.to_string(),
        open_items,
    };
    let walker = volunteer_login(0);
    let unheard = town.by(&walker).call(hand_over(vec![town.id()])).await;
    refused(unheard, Code::FailedPrecondition, "ITEM_NOT_OPEN");
    let stranger = town.by(&volunteer_login(2)).call(hand_over(vec![])).await;
    refused(stranger, Code::PermissionDenied, "HANDOVER_NOT_ALLOWED");
    town.done(&walker, hand_over(vec![hazard.clone()])).await;
    let offered = shown(&town, &shift).await;
    assert_eq!(offered.state(), wire::ShiftState::HandedOver);
    assert_eq!(offered.findings, std::slice::from_ref(&hazard));
    let pending = offered.handover.expect("it waits for the successor");
    assert_eq!(
        (&pending.to_id, &pending.open_items),
        (&second.to_string(), &vec![hazard.clone()])
    );

    for person in [0, 1] {
        let waits = listed(&town, wire::ShiftState::HandedOver, person).await;
        assert_eq!(
            waits,
            std::slice::from_ref(&shift),
            "who goes and who comes find it"
        );
    }
    let other = town
        .by(&volunteer_login(2))
        .call(accept(&town, &shift, 2))
        .await;
    refused(other, Code::PermissionDenied, "HANDOVER_NOT_YOURS");
    town.done(&volunteer_login(1), accept(&town, &shift, 1))
        .await;
    // Who went is free for another shift; who took over is not.
    let next = town
        .sign_up(1, from + Duration::minutes(60), &[first, second])
        .await;
    let busy = town.by(CAPTAIN).call(town.check_in(&next, second)).await;
    refused(busy, Code::FailedPrecondition, "PERSON_HAS_OPEN_SHIFT");
    town.done(CAPTAIN, town.check_in(&next, first)).await;

    town.scan(&shift, second, 0, 1).await;
    town.advance(from + Duration::minutes(SHIFT_MINUTES)).await;
    town.check_out(&shift, second).await;
    town.verify(&shift, first).await;
    town.verify(&shift, second).await;
    let settled = shown(&town, &shift).await;
    assert_eq!(settled.state(), wire::ShiftState::Verified);
    let minutes: Vec<_> = settled.parts.iter().map(|part| part.minutes).collect();
    assert_eq!(minutes, [60, 60]);
    assert_eq!(settled.handovers.len(), 1);
    assert_eq!(settled.handover, None);
    for person in [first, second] {
        assert_eq!(town.balance(person).await.granted, 50);
    }
    assert_eq!(coverage(&town, 0).await, (240, 120, 120, 2, 0));

    let server = ["case", &shift, "--server", town.url()];
    let told = run(&server).exits(0).stdout;
    assert!(told.contains("open items: 1"), "{told}");
    let of_service = run(&[&server[..], &["--json"]].concat()).exits(0).json();
    let of_folder = town
        .folder
        .run(&["case", &shift], &["--json"])
        .exits(0)
        .json();
    assert_eq!(of_folder, of_service);
    let steps = town.folder.replay(&["--case", &shift]);
    assert!(steps.iter().any(|step| step["type"] == "HandoverAccepted"));
}

fn dispute(town: &Town, shift_id: &str) -> wire::DisputeShiftRequest {
    wire::DisputeShiftRequest {
        command_id: town.id(),
        shift_id: shift_id.to_owned(),
        reason: "went home after twenty minutes".to_owned(),
    }
}

fn found(person: usize, until: Option<Instant>) -> wire::ReverifiedPart {
    wire::ReverifiedPart {
        person_id: volunteer(person).to_string(),
        accepted: true,
        until: until.map(timestamp),
        ..Default::default()
    }
}

fn reverify(
    town: &Town,
    shift_id: &str,
    parts: Vec<wire::ReverifiedPart>,
) -> wire::ReverifyShiftRequest {
    wire::ReverifyShiftRequest {
        command_id: town.id(),
        shift_id: shift_id.to_owned(),
        parts,
    }
}

/// Kind and points of each line of a person's statement; a revision that takes points off is
/// negative.
async fn statement(town: &Town, person: usize) -> Vec<(wire::StatementLineKind, i64)> {
    let request = wire::GetStatementRequest {
        person_id: volunteer(person).to_string(),
        consistency: CONSEQUENCES,
        ..Default::default()
    };
    let lines = town.done(CAPTAIN, request).await.lines;
    lines
        .iter()
        .map(|line| {
            let points = i64::try_from(line.points).expect("few points");
            (line.kind(), if line.is_less { -points } else { points })
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_verified_shift_is_disputed_settled_by_somebody_else_and_its_award_revised() {
    use wire::StatementLineKind::{Granted, Revised};
    let mut town = Town::with_volunteers(3).await;
    let (first, second) = (volunteer(0), volunteer(1));
    let from = at("2024-07-01T11:00:00Z");
    let shift = town.walk(0, from, &[first, second]).await;
    for person in [first, second] {
        town.verify(&shift, person).await;
        assert_eq!(town.balance(person).await.granted, 50);
    }
    assert_eq!(coverage(&town, 0).await, (240, 240, 240, 2, 0));
    let too_early = reverify(&town, &shift, vec![found(0, None), found(1, None)]);
    let too_early = town.by(CAPTAIN).call(too_early).await;
    refused(too_early, Code::FailedPrecondition, "SHIFT_NOT_DISPUTED");

    town.done(&volunteer_login(2), dispute(&town, &shift)).await;
    let disputed = shown(&town, &shift).await;
    assert_eq!(disputed.state(), wire::ShiftState::Disputed);
    let waits = listed(&town, wire::ShiftState::Disputed, 0).await;
    assert_eq!(waits, std::slice::from_ref(&shift));
    assert_eq!(disputed.disputes[0].disputed_by, volunteer(2).to_string());
    assert_eq!(
        coverage(&town, 0).await,
        (240, 240, 240, 2, 0),
        "nothing changes yet"
    );

    let left = from + Duration::minutes(20);
    let parts = || vec![found(0, Some(left)), found(1, None)];
    let same = town
        .by(OFFICER)
        .call(reverify(&town, &shift, parts()))
        .await;
    refused(same, Code::PermissionDenied, "VERIFIER_SETTLED_IT_BEFORE");
    let incomplete = reverify(&town, &shift, vec![found(1, None)]);
    let incomplete = town.by(CAPTAIN).call(incomplete).await;
    refused(incomplete, Code::InvalidArgument, "PARTS_NOT_COMPLETE");
    let request = reverify(&town, &shift, parts());
    let receipt = town.done(CAPTAIN, request.clone()).await.receipt;
    let again = town
        .done(CAPTAIN, request)
        .await
        .receipt
        .expect("a receipt");
    assert!(again.replayed);
    assert_eq!(again.position, receipt.expect("a receipt").position);

    // Twenty minutes are fewer than the rule asks for; the one award is revised.
    assert_eq!(statement(&town, 0).await, [(Granted, 50), (Revised, -50)]);
    // The other follows this verification as well, with the same result.
    let confirmed = [(Granted, 50), (Revised, 0)];
    assert_eq!(statement(&town, 1).await, confirmed);
    let balance = town.balance(first).await;
    assert_eq!(
        (balance.granted, balance.revised, balance.pending),
        (50, -50, 0)
    );
    assert_eq!(coverage(&town, 0).await, (240, 240, 140, 2, 0));
    let settled = shown(&town, &shift).await;
    assert_eq!(settled.state(), wire::ShiftState::Verified);
    let parts_before = settled.parts;

    // It goes further: nobody was there at all.
    town.done(&volunteer_login(2), dispute(&town, &shift)).await;
    let void = wire::VoidShiftRequest {
        command_id: town.id(),
        shift_id: shift.clone(),
        reason: "the camera shows nobody".to_owned(),
    };
    town.done(INSTRUCTOR, void).await;
    let voided = [(Granted, 50), (Revised, -50), (Revised, 0)];
    assert_eq!(statement(&town, 0).await, voided);
    let taken_back = [(Granted, 50), (Revised, 0), (Revised, -50)];
    assert_eq!(statement(&town, 1).await, taken_back);
    assert_eq!(
        coverage(&town, 0).await,
        (240, 0, 0, 0, 0),
        "as if nobody had come"
    );
    let voided = shown(&town, &shift).await;
    assert_eq!(voided.state(), wire::ShiftState::Voided);
    assert_ne!(voided.parts, parts_before);

    // What follows is the same after everything derived is made anew.
    town.restart().await;
    assert_eq!(statement(&town, 1).await, taken_back);
    assert_eq!(coverage(&town, 0).await, (240, 0, 0, 0, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shift_can_be_disputed_for_as_many_days_as_the_policy_says_and_late_scans_count_then() {
    let mut town = Town::with_volunteers(2).await;
    let walker = volunteer(0);
    let from = at("2024-07-01T11:00:00Z");
    let mut shifts = Vec::new();
    for hours in [0, 3] {
        let from = from + Duration::hours(hours);
        let shift = town.sign_up(0, from, &[walker]).await;
        town.advance(from).await;
        town.done(CAPTAIN, town.check_in(&shift, walker)).await;
        town.scan(&shift, walker, 0, 0).await;
        town.advance(from + Duration::minutes(SHIFT_MINUTES)).await;
        town.check_out(&shift, walker).await;
        town.scan(&shift, walker, 0, 1).await;
        town.verify(&shift, walker).await;
        shifts.push(shift);
    }
    assert_eq!(coverage(&town, 0).await, (480, 240, 240, 2, 2));
    assert_eq!(shown(&town, &shifts[0]).await.late_scans, 1);
    let days = town.now() + Duration::days(7);
    town.advance(days - Duration::minutes(1)).await;
    let other = volunteer_login(1);
    let too_late = town.by(&other).call(dispute(&town, &shifts[0])).await;
    refused(too_late, Code::FailedPrecondition, "DISPUTE_TOO_LATE");
    town.done(&other, dispute(&town, &shifts[1])).await;
    let request = reverify(&town, &shifts[1], vec![found(0, None)]);
    town.done(CAPTAIN, request).await;
    assert_eq!(coverage(&town, 0).await, (480, 240, 240, 3, 1));
    assert_eq!(shown(&town, &shifts[1]).await.late_scans, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn zones_redrawn_while_a_shift_is_open_count_each_scan_where_it_was_made() {
    let mut town = Town::with_volunteers(1).await;
    let walker = volunteer(0);
    let from = at("2024-07-01T11:00:00Z");
    let shift = town.sign_up(0, from, &[walker]).await;
    // In the middle of the shift the first two zones change places.
    let plan = std::fs::read_to_string(repository().join("demo/zones.geojson"));
    let plan = plan.expect("the demo's zones");
    let (first, second) = (town.zone(0).to_owned(), town.zone(1).to_owned());
    let redrawn = plan
        .replace(&first, "first")
        .replace(&second, &first)
        .replace("first", &second);
    let request = wire::AdoptZonePlanRequest {
        command_id: town.id(),
        community_id: community().to_string(),
        geojson: redrawn,
        effective_from: Some(timestamp(from + Duration::minutes(60))),
    };
    town.done(CAPTAIN, request).await;

    town.advance(from).await;
    town.done(CAPTAIN, town.check_in(&shift, walker)).await;
    town.advance(from + Duration::minutes(20)).await;
    town.scan(&shift, walker, 0, 0).await;
    assert_eq!(coverage(&town, 0).await, (240, 0, 0, 1, 0), "before");
    assert_eq!(coverage(&town, 1).await, (0, 0, 0, 0, 0), "before");
    town.advance(from + Duration::minutes(70)).await;
    town.scan(&shift, walker, 0, 1).await;
    town.advance(from + Duration::minutes(SHIFT_MINUTES)).await;
    town.check_out(&shift, walker).await;
    town.verify(&shift, walker).await;
    // Planned, done and verified stay with the zone the shift was planned for.
    assert_eq!(coverage(&town, 0).await, (240, 120, 120, 1, 0), "after");
    assert_eq!(coverage(&town, 1).await, (0, 0, 0, 1, 0), "after");
    let settled = shown(&town, &shift).await;
    assert_eq!((settled.zone_id, settled.zone_plan_version), (first, 1));
}
