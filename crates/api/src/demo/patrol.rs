//! The demo's month of patrols: six shifts a day over six zones, with what goes wrong in life.
//!
//! Owns their part of the script: scans missed, skipped and odd, a shift that nobody came to, a
//! forgotten check-out, a late filing that an outsider approves.

use chrono::NaiveDate;
use domain::Instant;
use domain::ids::derived;
use domain::place::Place;
use tonic::Status;

use super::pilot::{
    By, PATROLLER, Pilot, Step as Scene, ZONES, community, day, local, minutes, person, pick,
};
use crate::session::timestamp;
use crate::wire;

/// Days of July 2024.
const DAYS: u32 = 31;
/// Shifts of a day.
const SHIFTS: usize = 6;
/// People on a shift.
const CREW: usize = 3;
/// Checkpoints of a zone.
const STOPS: usize = 4;
/// The day on which nobody comes to the first shift.
const MISSED_DAY: u32 = 10;
/// The day on which somebody of the first shift forgets to check out.
const FORGOTTEN_DAY: u32 = 12;
/// Metres of a degree of latitude, roughly.
const METRES_PER_DEGREE: i32 = 111_000;

/// The zones as the script needs them.
#[derive(Debug, Clone)]
pub(crate) struct Patrols {
    zones: Vec<ZoneDrawn>,
}

#[derive(Debug, Clone)]
struct ZoneDrawn {
    id: String,
    name: String,
    stops: Vec<Place>,
}

/// A step of a shift, or of the late filing.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// Planned at noon, and the crew signs up.
    Plan(u32, usize),
    /// The crew checks in.
    CheckIn(u32, usize),
    /// One of the crew scans the stop.
    Scan(u32, usize, usize),
    /// The crew checks out.
    CheckOut(u32, usize),
    /// The officer settles each part the next morning.
    Verify(u32, usize),
    /// A shift walked two weeks ago is filed.
    FileLate,
    /// The instructor, who was not on it, approves it, and the officer verifies.
    ApproveLate,
}

impl Patrols {
    /// Zones and their stops, as drawn in the file that the demo ships.
    pub(crate) fn drawn() -> Self {
        let plan: serde_json::Value = serde_json::from_str(ZONES).unwrap_or_default();
        let zones = plan["features"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|feature| {
                let corner = |n: usize, axis: usize| {
                    feature["geometry"]["coordinates"][0][n][axis]
                        .as_f64()
                        .unwrap_or_default()
                };
                // A point of the quadrilateral by its shares along both sides.
                let point = |u: f64, v: f64, axis: usize| {
                    let south = corner(0, axis) * (1.0 - u) + corner(1, axis) * u;
                    let north = corner(3, axis) * (1.0 - u) + corner(2, axis) * u;
                    south * (1.0 - v) + north * v
                };
                let stops = [(0.3, 0.3), (0.7, 0.3), (0.7, 0.7), (0.3, 0.7)];
                ZoneDrawn {
                    id: feature["properties"]["zone"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    name: feature["properties"]["name"]
                        .as_str()
                        .unwrap_or_default()
                        .to_owned(),
                    stops: stops
                        .iter()
                        .filter_map(|(u, v)| {
                            Place::from_degrees(point(*u, *v, 1), point(*u, *v, 0))
                        })
                        .collect(),
                }
            });
        Self {
            zones: zones.collect(),
        }
    }

    /// Ids and names of the zones.
    pub(crate) fn zones(&self) -> impl Iterator<Item = (&str, &str)> {
        self.zones
            .iter()
            .map(|zone| (zone.id.as_str(), zone.name.as_str()))
    }

    /// The checkpoints to install; the command id is left blank.
    pub(crate) fn checkpoints(&self) -> Vec<wire::InstallCheckpointRequest> {
        let stops = self.zones.iter().enumerate().flat_map(|(zone, drawn)| {
            drawn.stops.iter().enumerate().map(move |(stop, place)| {
                wire::InstallCheckpointRequest {
                    command_id: String::new(),
                    checkpoint_id: checkpoint(zone, stop),
                    community_id: community().to_string(),
                    name: format!("{} {}", drawn.name, stop + 1),
                    tag: tag(zone, stop),
                    place: Some(wire::Place {
                        lat_e7: place.lat_e7,
                        lon_e7: place.lon_e7,
                    }),
                    radius_m: 50,
                }
            })
        });
        stops.collect()
    }

    /// The steps of all shifts.
    pub(crate) fn script() -> Vec<(Instant, Scene)> {
        let mut script = Vec::new();
        for date in 1..=DAYS {
            for shift in 0..SHIFTS {
                let start = start(date, shift);
                let mut add = |at, step| script.push((at, Scene::Patrol(step)));
                add(local(july(date), 12, 0), Step::Plan(date, shift));
                if (date, shift) != (MISSED_DAY, 0) {
                    add(start, Step::CheckIn(date, shift));
                    for (stop, after) in [15, 40, 65, 90].into_iter().enumerate().take(STOPS) {
                        add(start + minutes(after), Step::Scan(date, shift, stop));
                    }
                    add(start + minutes(120), Step::CheckOut(date, shift));
                    let morning = local(july(date) + chrono::Days::new(1), 9, 0);
                    add(morning, Step::Verify(date, shift));
                }
            }
        }
        script.push((local(july(20), 10, 0), Scene::Patrol(Step::FileLate)));
        script.push((local(july(20), 15, 0), Scene::Patrol(Step::ApproveLate)));
        script
    }
}

fn july(date: u32) -> NaiveDate {
    day(2024, 7, date)
}

/// The first three shifts walk 19–21, the others 21–23; at weekends the late ones begin at 22.
fn start(date: u32, shift: usize) -> Instant {
    use chrono::Datelike;
    let weekend = july(date).weekday().number_from_monday() > 5;
    match (shift < 3, weekend) {
        (true, _) => local(july(date), 19, 0),
        (false, false) => local(july(date), 21, 0),
        (false, true) => local(july(date), 22, 0),
    }
}

/// Zones rotate, so that each is walked early and late.
fn zone(date: u32, shift: usize) -> usize {
    (shift + 3 * (date as usize % 2)) % SHIFTS
}

/// The id of a shift.
pub(crate) fn shift_id(date: u32, shift: usize) -> String {
    derived("demo shift", &[&date, &shift]).to_string()
}

fn late_shift_id() -> String {
    derived("demo shift", &[&"late"]).to_string()
}

fn checkpoint(zone: usize, stop: usize) -> String {
    derived("demo checkpoint", &[&zone, &stop]).to_string()
}

fn tag(zone: usize, stop: usize) -> String {
    format!("TAG-{}-{}", zone + 1, stop + 1)
}

/// The crew of a shift; nobody walks twice a day. The patroller with a login walks the first shift
/// on the days on which a hazard is found.
fn crew(pilot: &Pilot, date: u32, shift: usize) -> Vec<usize> {
    // The first nine are named elsewhere in the script.
    let pool = &pilot.active[9..];
    let first = (date as usize * SHIFTS + shift) * CREW;
    let mut crew: Vec<_> = (0..CREW).map(|n| pool[(first + n) % pool.len()]).collect();
    if shift == 0 && super::hazards::DAYS.contains(&date) {
        crew[0] = PATROLLER;
    }
    crew
}

/// Does a step.
pub(crate) async fn run(pilot: &mut Pilot, step: &Step) -> Result<(), Status> {
    match *step {
        Step::Plan(date, shift) => plan(pilot, date, shift).await,
        Step::CheckIn(date, shift) => {
            for number in pilot.crew(date, shift) {
                let start = pilot.patrols.zones[zone(date, shift)].stops[0];
                let capture = capture(pilot, number, Some(start), date, 9);
                pilot
                    .send(By::Captain, |command_id| wire::CheckInRequest {
                        command_id,
                        shift_id: shift_id(date, shift),
                        person_id: person(number).to_string(),
                        capture: Some(capture),
                    })
                    .await?;
            }
            Ok(())
        }
        Step::Scan(date, shift, at) => scan(pilot, date, shift, at).await,
        Step::CheckOut(date, shift) => {
            let forgotten = usize::from((date, shift) == (FORGOTTEN_DAY, 0));
            for number in pilot.crew(date, shift).into_iter().skip(forgotten) {
                pilot
                    .send(By::Captain, |command_id| wire::CheckOutRequest {
                        command_id,
                        shift_id: shift_id(date, shift),
                        person_id: person(number).to_string(),
                        at: None,
                    })
                    .await?;
            }
            Ok(())
        }
        Step::Verify(date, shift) => {
            for number in pilot.crew(date, shift) {
                settle(pilot, &shift_id(date, shift), number, date).await?;
            }
            Ok(())
        }
        Step::FileLate => file_late(pilot).await,
        Step::ApproveLate => approve_late(pilot).await,
    }
}

async fn plan(pilot: &mut Pilot, date: u32, shift: usize) -> Result<(), Status> {
    let zone = zone(date, shift);
    let zone_id = pilot.patrols.zones[zone].id.clone();
    let (from, until) = (start(date, shift), start(date, shift) + minutes(120));
    pilot
        .send(By::Captain, |command_id| wire::PlanShiftRequest {
            command_id,
            shift_id: shift_id(date, shift),
            community_id: community().to_string(),
            zone_id,
            route: (0..STOPS).map(|stop| checkpoint(zone, stop)).collect(),
            from: Some(timestamp(from)),
            until: Some(timestamp(until)),
            crew_min: 2,
        })
        .await?;
    let crew = crew(pilot, date, shift);
    for number in &crew {
        pilot
            .send(By::Captain, |command_id| wire::SignUpRequest {
                command_id,
                shift_id: shift_id(date, shift),
                person_id: person(*number).to_string(),
            })
            .await?;
    }
    pilot.crews.insert((date, shift), crew);
    Ok(())
}

/// What a phone sends: now and then it is far off, or its clock is wrong.
fn capture(
    pilot: &Pilot,
    number: usize,
    place: Option<Place>,
    date: u32,
    stop: usize,
) -> wire::Capture {
    let odd = pick(40, &[&"odd", &number, &date, &stop]);
    let metres = if odd == 0 {
        300
    } else {
        i32::try_from(odd % 20).unwrap_or_default()
    };
    let place = place.map(|place| wire::Place {
        lat_e7: place.lat_e7 + metres * (10_000_000 / METRES_PER_DEGREE),
        lon_e7: place.lon_e7,
    });
    let skew = if odd == 1 { minutes(20) } else { minutes(0) };
    wire::Capture {
        method: if odd == 2 {
            wire::CaptureMethod::Qr
        } else {
            wire::CaptureMethod::Nfc
        }
        .into(),
        place,
        device: format!("phone-{number}"),
        device_at: Some(timestamp(pilot.now() - skew)),
        sent_at: Some(timestamp(pilot.now())),
    }
}

async fn scan(pilot: &mut Pilot, date: u32, shift: usize, stop: usize) -> Result<(), Status> {
    let crew = pilot.crew(date, shift);
    let number = crew[stop % crew.len()];
    let zone = zone(date, shift);
    let finds = shift == 0 && super::hazards::DAYS.contains(&date);
    match pick(12, &[&"scan", &date, &shift, &stop]) {
        // Walked past, or never got there.
        0 if !finds => Ok(()),
        1 if !finds => pilot
            .send(By::Captain, |command_id| wire::SkipCheckpointRequest {
                command_id,
                shift_id: shift_id(date, shift),
                person_id: person(number).to_string(),
                checkpoint_id: checkpoint(zone, stop),
                reason: "the gate was locked".to_owned(),
            })
            .await
            .map(drop),
        _ => {
            let place = pilot.patrols.zones[zone].stops[stop];
            let capture = capture(pilot, number, Some(place), date, stop);
            pilot
                .send(By::Captain, |command_id| wire::ScanCheckpointRequest {
                    command_id,
                    shift_id: shift_id(date, shift),
                    person_id: person(number).to_string(),
                    tag: tag(zone, stop),
                    capture: Some(capture),
                })
                .await
                .map(drop)
        }
    }
}

/// Most parts are verified; a few are not.
async fn settle(pilot: &mut Pilot, shift_id: &str, number: usize, date: u32) -> Result<(), Status> {
    let (shift_id, person_id) = (shift_id.to_owned(), person(number).to_string());
    if pick(60, &[&"rejected", &number, &date]) == 0 {
        return pilot
            .send(By::Officer, |command_id| {
                wire::PatrolServiceRejectParticipationRequest {
                    command_id,
                    shift_id,
                    person_id,
                    reason: "seen elsewhere during the shift".to_owned(),
                }
            })
            .await
            .map(drop);
    }
    pilot
        .send(By::Officer, |command_id| {
            wire::PatrolServiceVerifyParticipationRequest {
                command_id,
                shift_id,
                person_id,
            }
        })
        .await
        .map(drop)
}

/// The two who walked the shift that was filed late.
fn late_crew(pilot: &Pilot) -> Vec<usize> {
    pilot.active[5..7].to_vec()
}

async fn file_late(pilot: &mut Pilot) -> Result<(), Status> {
    let (from, until) = (local(july(5), 23, 0), local(july(6), 0, 30));
    let zone_id = pilot.patrols.zones[4].id.clone();
    let parts = late_crew(pilot).into_iter().map(|number| wire::FiledPart {
        person_id: person(number).to_string(),
        from: Some(timestamp(from)),
        until: Some(timestamp(until)),
    });
    let parts = parts.collect();
    pilot
        .send(By::Captain, |command_id| wire::FileLateShiftRequest {
            command_id,
            shift_id: late_shift_id(),
            community_id: community().to_string(),
            zone_id,
            parts,
            reason: "the app was down that night; noted in the station's book".to_owned(),
        })
        .await
        .map(drop)
}

async fn approve_late(pilot: &mut Pilot) -> Result<(), Status> {
    pilot
        .send(By::Instructor, |command_id| wire::ApproveLateShiftRequest {
            command_id,
            shift_id: late_shift_id(),
        })
        .await?;
    for number in late_crew(pilot) {
        pilot
            .send(By::Officer, |command_id| {
                wire::PatrolServiceVerifyParticipationRequest {
                    command_id,
                    shift_id: late_shift_id(),
                    person_id: person(number).to_string(),
                }
            })
            .await?;
    }
    Ok(())
}
