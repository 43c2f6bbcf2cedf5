//! Earner: the person behind the record that an award is asked for.
//!
//! Owns what one person has of it under all their records, and as what they earn. Each record keeps
//! an account of its own: what was done under an id is posted under that id, also after a merge.

use std::sync::Arc;

use uuid::Uuid;

use super::{Account, Activity};
use crate::envelope::Instant;
use crate::ids::{CampaignId, DisputeId, PersonId, ShiftId};
use crate::member::{Member, MemberKind};
use crate::open_item::{self, Item};
use crate::person::Person;
use crate::policy_set::ActivityFamily;
use crate::refusal::Stop;
use crate::world::{Context, World};

/// The accounts of all records of a person.
pub(super) struct Earner(Vec<Arc<Account>>);

impl Earner {
    /// The person of a record.
    pub(super) fn of(world: &World, person: PersonId) -> Result<Self, Stop> {
        let records = Person::records(world, person)?;
        let accounts = records.into_iter().map(|it| world.state::<Account>(it));
        Ok(Self(accounts.collect::<Result<_, _>>()?))
    }

    /// True if an activity has brought this person its award, under whichever record.
    pub(super) fn has_award(&self, activity: Uuid) -> bool {
        let mut accounts = self.0.iter();
        accounts.any(|account| account.lot_for(activity).is_some())
    }

    /// What activities of a family brought the person in a period, beside one award.
    pub(super) fn granted_in(
        &self,
        family: ActivityFamily,
        but: Option<Uuid>,
        in_period: impl Fn(Instant) -> bool,
    ) -> u32 {
        let each = self.0.iter();
        each.map(|account| account.granted_in(family, but, &in_period))
            .fold(0, u32::saturating_add)
    }
}

/// What sort of member somebody was for an activity: by their record in the unit it was filed in,
/// else by that in a unit whose place it had taken by then, else by
/// that in the unit that answered for it, at the time or now.
pub(super) fn kind(
    world: &World,
    person: PersonId,
    activity: &Activity,
    cx: &Context,
) -> Result<Option<MemberKind>, Stop> {
    let filed = activity.unit;
    let of = |unit| {
        let records = Member::records(world, unit, person, activity.occurred_at)?;
        Ok::<_, Stop>(records.iter().find_map(|member| member.kind))
    };
    if let Some(kind) = of(filed)? {
        return Ok(Some(kind));
    }
    let item = match activity.family {
        ActivityFamily::Patrol => Item::Shift(ShiftId::from(activity.id)),
        ActivityFamily::Publicity => Item::Campaign(CampaignId::from(activity.id)),
        ActivityFamily::Mediation => Item::Dispute(DisputeId::from(activity.id)),
        ActivityFamily::Lead => return Ok(None),
    };
    for at in [activity.occurred_at, cx.now] {
        let owner = open_item::owner(world, item, filed, at)?;
        if owner != filed
            && let Some(kind) = of(owner)?
        {
            return Ok(Some(kind));
        }
    }
    Ok(None)
}
