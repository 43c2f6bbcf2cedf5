//! The publicity waves of the demo: 24 of them, the second summer-night campaign the largest.
//!
//! Owns their part of the script. The volunteer [`pilot::STAR`](super::pilot::STAR) takes part in
//! every one, so that 24 verified actions come to 1,200 points.

use domain::Instant;
use domain::ids::derived;
use tonic::Status;
use uuid::Uuid;

use super::pilot::{By, Pilot, STAR, Step as Scene, community, day, local, minutes, person, pick};
use crate::session::timestamp;
use crate::wire;

/// Waves played.
pub(crate) const WAVES: usize = 24;
/// The second summer-night campaign (9 August, as in the pilot).
const SUMMER_NIGHT: usize = 22;
/// Leaflets that each volunteer takes out.
const LEAFLETS: u32 = 10;

/// A step of a wave.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step {
    /// It is planned, and volunteers join.
    Plan,
    /// Every volunteer visits their door of this round.
    Doors(usize),
    /// Leaflets come back and the wave ends.
    End,
    /// The officer verifies each part.
    Verify,
}

/// The steps of all waves.
pub(crate) fn script() -> Vec<(Instant, Scene)> {
    let mut script = Vec::new();
    for wave in 0..WAVES {
        let start = start(wave);
        let mut add = |at, step| script.push((at, Scene::Campaign(wave, step)));
        add(start - minutes(24 * 60), Step::Plan);
        for round in 0..rounds(wave) {
            let after = 10 + 10 * i64::try_from(round).unwrap_or_default();
            add(start + minutes(after), Step::Doors(round));
        }
        add(start + minutes(120), Step::End);
        add(start + minutes(14 * 60), Step::Verify);
    }
    script
}

/// Three waves a month from January, in the evening.
fn start(wave: usize) -> Instant {
    let month = u32::try_from(1 + wave / 3).unwrap_or(1);
    let date = match wave {
        SUMMER_NIGHT => day(2024, 8, 9),
        _ if month == 8 => day(2024, 8, if wave == SUMMER_NIGHT - 1 { 2 } else { 16 }),
        _ => day(2024, month, [6, 16, 26][wave % 3]),
    };
    local(date, 18, 30)
}

fn rounds(wave: usize) -> usize {
    if wave == SUMMER_NIGHT { 8 } else { 3 }
}

fn campaign(wave: usize) -> String {
    derived("demo campaign", &[&wave]).to_string()
}

/// The number of a wave among those of its name: that on 9 August was the second summer night.
fn number(wave: usize) -> u32 {
    match wave {
        SUMMER_NIGHT => 2,
        _ => u32::try_from(wave + 1 - usize::from(wave > SUMMER_NIGHT)).unwrap_or(1),
    }
}

fn name(wave: usize) -> String {
    match wave {
        SUMMER_NIGHT => "Summer night, concerted operation".to_owned(),
        _ => "Door-to-door against fraud".to_owned(),
    }
}

/// The star and some others, each once.
fn volunteers(pilot: &Pilot, wave: usize) -> Vec<usize> {
    let others = if wave == SUMMER_NIGHT { 29 } else { 4 };
    let mut volunteers = vec![STAR];
    let mut n = 0;
    while volunteers.len() <= others {
        let number = pilot.active[pick(pilot.active.len(), &[&"publicity", &wave, &n])];
        n += 1;
        if !volunteers.contains(&number) {
            volunteers.push(number);
        }
    }
    volunteers
}

fn result(wave: usize, volunteer: usize, round: usize) -> wire::DoorResult {
    match pick(10, &[&"door", &wave, &volunteer, &round]) {
        0..=5 => wire::DoorResult::Home,
        6..=8 => wire::DoorResult::Absent,
        _ => wire::DoorResult::Refused,
    }
}

/// Does a step. The volunteers of a wave are those that joined when it was planned.
pub(crate) async fn run(pilot: &mut Pilot, wave: usize, step: &Step) -> Result<(), Status> {
    let campaign_id = campaign(wave);
    if let Step::Plan = step {
        let (from, until) = (start(wave), start(wave) + minutes(150));
        pilot
            .send(By::Captain, |command_id| wire::PlanCampaignRequest {
                command_id,
                campaign_id: campaign_id.clone(),
                community_id: community().to_string(),
                name: name(wave),
                wave: number(wave),
                from: Some(timestamp(from)),
                until: Some(timestamp(until)),
            })
            .await?;
        let joined = volunteers(pilot, wave);
        pilot.joined.insert(wave, joined);
    }
    for volunteer in pilot.joined.get(&wave).cloned().unwrap_or_default() {
        part(pilot, wave, volunteer, step).await?;
    }
    if let Step::End = step {
        pilot
            .send(By::Captain, |command_id| wire::EndCampaignRequest {
                command_id,
                campaign_id,
            })
            .await?;
    }
    Ok(())
}

/// What a step is for one volunteer.
async fn part(pilot: &mut Pilot, wave: usize, volunteer: usize, step: &Step) -> Result<(), Status> {
    let (campaign_id, who): (String, Uuid) = (campaign(wave), person(volunteer));
    let person_id = who.to_string();
    match *step {
        Step::Plan => {
            let (campaign, person) = (campaign_id.clone(), person_id.clone());
            pilot
                .send(By::Captain, |command_id| wire::JoinCampaignRequest {
                    command_id,
                    campaign_id: campaign,
                    person_id: person,
                })
                .await?;
            pilot
                .send(By::Captain, |command_id| wire::IssueLeafletsRequest {
                    command_id,
                    campaign_id,
                    person_id,
                    count: LEAFLETS,
                })
                .await
                .map(drop)
        }
        Step::Doors(round) => pilot
            .send(By::Captain, |command_id| wire::VisitDoorRequest {
                command_id,
                campaign_id,
                person_id,
                door: format!("building {}-{}", volunteer + 1, round + 1),
                result: result(wave, volunteer, round).into(),
                visited_at: None,
                sent_at: None,
            })
            .await
            .map(drop),
        Step::End => {
            let delivered = (0..rounds(wave))
                .filter(|round| result(wave, volunteer, *round) == wire::DoorResult::Home)
                .count();
            let rest = LEAFLETS - u32::try_from(delivered).unwrap_or(LEAFLETS);
            let lost = u32::from(pick(12, &[&"lost", &wave, &volunteer]) == 0);
            pilot
                .send(By::Captain, |command_id| wire::ReturnLeafletsRequest {
                    command_id,
                    campaign_id,
                    person_id,
                    returned: rest - lost,
                    lost,
                })
                .await
                .map(drop)
        }
        Step::Verify => pilot
            .send(By::Officer, |command_id| {
                wire::CampaignServiceVerifyParticipationRequest {
                    command_id,
                    campaign_id,
                    person_id,
                    minutes: 90,
                }
            })
            .await
            .map(drop),
    }
}
