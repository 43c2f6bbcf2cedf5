//! Publicity campaigns: three evenings a week from door to door with leaflets, verified the
//! next day.

use chrono::{Duration, NaiveDate};
use domain::campaign::{Command, DoorResult};
use domain::ids::CampaignId;

use super::community::{Community, Deed};
use super::people::Login;
use super::rates::{self, Rate};

const NAMES: [&str; 4] = [
    "Door-to-door against fraud",
    "Summer night, concerted operation",
    "Fire safety in stairways",
    "Electric bicycles stay outside",
];
/// Leaflets of each part: whoever is home takes one.
const LEAFLETS: u32 = 10;
/// Of a thousand parts, so many are rejected.
const REJECTED: usize = 50;

/// Somebody's part.
#[derive(Debug, Clone)]
pub(super) struct Part {
    login: Login,
    /// Leaflets that are left at doors.
    delivered: u32,
}

/// A step of a campaign.
pub(super) enum Step {
    Plan,
    /// Somebody is at the door of their part, by its number.
    Door(CampaignId, Login, usize, DoorResult),
    /// Leaflets come back and the wave ends.
    End(CampaignId, Vec<Part>),
    /// The officer settles each part.
    Settle(CampaignId, Vec<Part>),
}

/// What a day brings.
pub(super) fn day(c: &mut Community, day: NaiveDate) {
    if day == rates::first_day() {
        return;
    }
    // As often in a small team, with fewer people.
    let thousandths = Rate::Campaigns.a_year() * 1_000 / 365;
    for _ in 0..c.dice.times(thousandths) {
        let minute = c.dice.between(9 * 60, 11 * 60);
        c.later(super::local(day, minute), Deed::Campaign(Step::Plan));
    }
}

/// Does a step.
pub(super) fn run(c: &mut Community, step: Step) {
    match step {
        Step::Plan => plan(c),
        Step::Door(campaign, login, door, result) => {
            let command = Command::VisitDoor {
                campaign,
                person: login.person,
                door: format!("building {}", door + 1),
                result,
                visited_at: None,
                sent_at: None,
            };
            c.send(login.principal, command);
        }
        Step::End(campaign, parts) => end(c, campaign, parts),
        Step::Settle(campaign, parts) => settle(c, campaign, &parts),
    }
}

fn plan(c: &mut Community) {
    let Some(captain) = c.people.captain else {
        return;
    };
    let today = c
        .now()
        .with_timezone(&chrono_tz::Asia::Shanghai)
        .date_naive();
    let from = super::local(today, 24 * 60 + 18 * 60 + 30);
    let until = from + Duration::minutes(150);
    c.waves += 1;
    let campaign = CampaignId(c.dice.uuid());
    let names = u32::try_from(NAMES.len()).unwrap_or(1);
    let command = Command::PlanCampaign {
        campaign,
        community: c.id,
        name: NAMES[(c.waves % names) as usize].to_owned(),
        wave: c.waves.div_ceil(names),
        from,
        until,
    };
    c.send(captain.principal, command);
    let there = c.people.volunteers.len();
    let last = usize::try_from(rates::MEMBERS_LAST).unwrap_or(usize::MAX);
    let wanted = (rates::PARTS * there / last).max(3);
    let mut parts: Vec<Part> = Vec::with_capacity(wanted);
    for _ in 0..wanted {
        let Some(login) = c.dice.pick(&c.people.volunteers).copied() else {
            continue;
        };
        let twice = parts.iter().any(|part| part.login == login);
        if twice || !c.people.is_free(login.person, from) {
            continue;
        }
        parts.push(Part {
            login,
            delivered: 0,
        });
    }
    for (part, n) in parts.iter_mut().zip(0..) {
        let (person, by) = (part.login.person, part.login.principal);
        c.people.keep_busy(person, until + Duration::hours(16));
        c.send(by, Command::JoinCampaign { campaign, person });
        let issue = Command::IssueLeaflets {
            campaign,
            person,
            count: LEAFLETS,
        };
        c.send(by, issue);
        let result = match c.dice.below(10) {
            0..=5 => DoorResult::Home,
            6..=8 => DoorResult::Absent,
            _ => DoorResult::Refused,
        };
        part.delivered = u32::from(result == DoorResult::Home);
        let minutes = c.dice.between(5, 115);
        let at = from + Duration::minutes(minutes) + Duration::seconds(c.dice.between(0, 59));
        let step = Step::Door(campaign, part.login, n, result);
        c.later(at, Deed::Campaign(step));
    }
    let at = from + Duration::minutes(135);
    c.later(at, Deed::Campaign(Step::End(campaign, parts)));
}

fn end(c: &mut Community, campaign: CampaignId, parts: Vec<Part>) {
    let Some(captain) = c.people.captain else {
        return;
    };
    for part in &parts {
        let (person, by) = (part.login.person, part.login.principal);
        let lost = u32::from(c.dice.chance(80));
        let command = Command::ReturnLeaflets {
            campaign,
            person,
            returned: LEAFLETS - part.delivered - lost,
            lost,
        };
        c.send(by, command);
    }
    c.send(captain.principal, Command::EndCampaign { campaign });
    let minutes = c.dice.between(12 * 60, 15 * 60);
    c.after(minutes, Deed::Campaign(Step::Settle(campaign, parts)));
}

fn settle(c: &mut Community, campaign: CampaignId, parts: &[Part]) {
    let Some(officer) = c.people.officer else {
        return;
    };
    for part in parts {
        let person = part.login.person;
        let command = if c.dice.chance(REJECTED) {
            Command::RejectParticipation {
                campaign,
                person,
                reason: "was seen at none of the doors".to_owned(),
            }
        } else {
            let minutes = 60 + 15 * u32::try_from(c.dice.below(5)).unwrap_or_default();
            Command::VerifyParticipation {
                campaign,
                person,
                minutes,
            }
        };
        c.send(officer.principal, command);
    }
}
