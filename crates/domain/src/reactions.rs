//! Reactions: code that answers an event with commands. Pure; `projections` runs them.
//!
//! A reaction is a function and a line in [`ALL`].

use crate::aggregates::{Command, Event};
use crate::stream::StreamName;
use crate::world::Stamp;

/// A reaction by name.
#[derive(Debug, Clone, Copy)]
pub struct Reaction {
    /// Its name, also that of its stream.
    pub name: &'static str,
    /// The commands that answer an event, in order; most events have none.
    pub react: fn(&StreamName, &Event, &Stamp) -> Vec<Command>,
    /// Names of refusals that settle the work: nothing is left to do, nobody needs to look.
    pub settled_by: &'static [&'static str],
}

/// Every reaction there is.
pub const ALL: &[Reaction] = &[Reaction {
    name: "award_points",
    react: award_points,
    // Done before, or overtaken by a later finding; or the rules give this person or activity nothing,
    // as paid staff on duty; or somebody took the award back for good.
    settled_by: &[
        "AWARD_ALREADY_REVERSED",
        "AWARD_ALREADY_GRANTED",
        "KIND_EARNS_NOTHING",
        "NO_RULE_FOR_ACTIVITY",
        "REVISION_OUTDATED",
    ],
}];

/// A verified participation, verified help in settling a dispute, or a valid lead brings its award;
/// a lead that another one overtakes has none any more.
/// A lead's award names neither the lead nor its place in the log: its facts are numbered, 0 that it
/// is valid and 1 that another one told the same before.
fn award_points(stream: &StreamName, event: &Event, stamp: &Stamp) -> Vec<Command> {
    use crate::account::{self, Activity};
    use crate::policy_set::ActivityFamily;
    use crate::{campaign, dispute, lead, patrol_shift};
    let Ok(mut id) = uuid::Uuid::parse_str(stream.key()) else {
        return Vec::new();
    };
    if let Event::PatrolShift(event) = event {
        let revisions = revisions(id, event, stamp);
        if !revisions.is_empty() {
            return revisions;
        }
    }
    if let Event::Lead(lead::Event::LeadOvertaken {
        community,
        officer,
        reward: Some(reward),
        ..
    }) = event
    {
        let activity = Activity {
            family: ActivityFamily::Lead,
            id: reward.contribution.0,
            fact: 1,
            occurred_at: stamp.occurred_at,
            unit: *community,
            minutes: 0,
            verified_by: *officer,
        };
        let (person, voided) = (reward.person, true);
        let revise = account::Command::ReviseAward {
            person,
            activity,
            voided,
        };
        return vec![revise.into()];
    }
    let mut fact = stamp.position;
    let (family, person, unit, minutes, verified_by) = match event {
        Event::PatrolShift(patrol_shift::Event::ParticipationVerified {
            person,
            community,
            minutes,
            verified_by,
            ..
        }) => (
            ActivityFamily::Patrol,
            *person,
            *community,
            *minutes,
            *verified_by,
        ),
        Event::Campaign(campaign::Event::ParticipationVerified {
            person,
            community,
            minutes,
            verified_by,
            ..
        }) => (
            ActivityFamily::Publicity,
            *person,
            *community,
            *minutes,
            *verified_by,
        ),
        Event::Dispute(dispute::Event::HelpVerified {
            person,
            community,
            verified_by,
        }) => (
            ActivityFamily::Mediation,
            *person,
            *community,
            0,
            *verified_by,
        ),
        Event::Lead(lead::Event::LeadValidated {
            community,
            officer,
            reward: Some(reward),
            ..
        }) => {
            (id, fact) = (reward.contribution.0, 0);
            (ActivityFamily::Lead, reward.person, *community, 0, *officer)
        }
        _ => return Vec::new(),
    };
    let occurred_at = stamp.occurred_at;
    let activity = Activity {
        family,
        id,
        fact,
        occurred_at,
        unit,
        minutes,
        verified_by,
    };
    vec![account::Command::GrantAward { person, activity }.into()]
}

/// A shift that was verified again, or voided, brings its awards to what it gives now.
fn revisions(id: uuid::Uuid, event: &crate::patrol_shift::Event, stamp: &Stamp) -> Vec<Command> {
    use crate::account::{self, Activity};
    use crate::patrol_shift::Event as E;
    use crate::policy_set::ActivityFamily;
    let revise = |person, unit, occurred_at, minutes, verified_by, voided| {
        let activity = Activity {
            family: ActivityFamily::Patrol,
            id,
            fact: stamp.position,
            occurred_at,
            unit,
            minutes,
            verified_by,
        };
        let command = account::Command::ReviseAward {
            person,
            activity,
            voided,
        };
        command.into()
    };
    match event {
        E::ParticipationReverified {
            person,
            community,
            accepted,
            minutes,
            verified_by,
            ..
        } => vec![revise(
            *person,
            *community,
            stamp.occurred_at,
            *minutes,
            *verified_by,
            !accepted,
        )],
        E::ShiftVoided {
            voided_by,
            community,
            parts,
            ..
        } => parts
            .iter()
            .map(|part| revise(part.person, *community, part.until, 0, *voided_by, true))
            .collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{at, id};
    use crate::world::Aggregate;
    use crate::{account, campaign, patrol_shift, policy_set::ActivityFamily};

    fn stamp() -> Stamp {
        Stamp {
            position: 77,
            version: 5,
            occurred_at: at("2024-07-01T14:00:00Z"),
            recorded_at: at("2024-07-02T09:00:00Z"),
        }
    }

    #[track_caller]
    fn check(stream: &StreamName, event: &Event, family: ActivityFamily) {
        let answer = award_points(stream, event, &stamp());
        let [Command::Account(account::Command::GrantAward { person, activity })] = &answer[..]
        else {
            panic!("{answer:?}");
        };
        let expected = account::Activity {
            family,
            id: id(400),
            fact: 77,
            occurred_at: at("2024-07-01T14:00:00Z"),
            unit: id(101),
            minutes: 90,
            verified_by: id(2),
        };
        assert_eq!((*person, activity), (id(3), &expected));
    }

    #[test]
    fn a_verified_patrol_asks_for_its_award_by_the_day_it_happened() {
        let event = patrol_shift::Event::ParticipationVerified {
            person: id(3),
            community: id(101),
            zone: id(200),
            intervals: Vec::new(),
            minutes: 90,
            verified_by: id(2),
        };
        let stream = patrol_shift::PatrolShift::stream(id::<crate::ids::ShiftId>(400));
        check(&stream, &event.into(), ActivityFamily::Patrol);
    }

    #[test]
    fn a_verified_part_in_a_campaign_asks_for_the_award_of_publicity() {
        let event = campaign::Event::ParticipationVerified {
            person: id(3),
            community: id(101),
            minutes: 90,
            doors: 40,
            verified_by: id(2),
        };
        let stream = campaign::Campaign::stream(id::<crate::ids::CampaignId>(400));
        check(&stream, &event.into(), ActivityFamily::Publicity);
    }

    #[test]
    fn other_events_bring_no_award() {
        let stream = patrol_shift::PatrolShift::stream(id::<crate::ids::ShiftId>(400));
        let rejected = patrol_shift::Event::ParticipationRejected {
            person: id(3),
            reason: "was seen elsewhere".to_owned(),
            rejected_by: id(2),
        };
        for event in [rejected, patrol_shift::Event::ShiftMissed {}] {
            assert!(award_points(&stream, &event.into(), &stamp()).is_empty());
        }
    }
}
