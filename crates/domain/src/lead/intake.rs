//! How a lead comes in: by whom, and who has told too much that was not true.

use chrono::Duration;

use super::{
    Ask, Command, Event, Lead, Refusal, Source, confidential, is_officer, rules, withheld,
};
use crate::ids::{PersonId, UnitId};
use crate::lead_source::{self, LeadSource, OPEN_LEADS_MAX};
use crate::member::Member;
use crate::person::Person;
use crate::personal::Personal;
use crate::refusal::Stop;
use crate::world::{Context, Decision, World};

/// A personal text that says something and fits.
pub(super) fn check_text(text: &Personal) -> Result<(), Stop> {
    if text.is_blank() || text.is_too_long() {
        return Err(Refusal::TextNotAllowed.into());
    }
    Ok(())
}

/// Takes a lead in. What it is answered never depends on anything about another person but that
/// there is one, and on that only for officers.
pub(super) fn submit(
    command: &Command,
    actor: PersonId,
    world: &World,
    cx: &Context,
) -> Result<Decision, Stop> {
    let Ask::SubmitLead {
        community,
        kind,
        body,
        source,
        contact,
    } = &command.ask
    else {
        return Ok(Decision::new());
    };
    Member::require_community(world, *community, cx.now)?;
    check_text(body)?;
    contact.as_ref().map_or(Ok(()), check_text)?;
    let source = match *source {
        Source::Oneself => Some(actor),
        Source::Person(person) => Some(person),
        Source::Nobody => None,
    };
    let mut decision = confidential();
    let is_own = source == Some(actor);
    let entered_by = if is_own {
        if world.state::<LeadSource>(actor)?.open >= OPEN_LEADS_MAX {
            return Err(Refusal::TooManyOpenLeads.into());
        }
        if let Some(policy) = throttled(*community, actor, world, cx)? {
            decision.used(&policy);
        }
        None
    } else {
        if !is_officer(world, *community, actor, cx.now)? {
            return Err(Refusal::EntryNotAllowed.into());
        }
        if let Some(person) = source
            && !world.state::<Person>(person)?.exists
        {
            return Err(Refusal::SourceNotFound.into());
        }
        Some(actor)
    };
    let event = Event::LeadSubmitted {
        community: *community,
        kind: *kind,
        body: body.clone(),
        source,
        contact: contact.clone(),
        entered_by,
    };
    let envelope = || withheld(*community, cx.now);
    decision.push::<Lead>(command.lead, event, envelope());
    if is_own {
        let counted = lead_source::Event::OpenLeadCounted {};
        decision.push::<LeadSource>(actor, counted, envelope());
    }
    Ok(decision)
}

/// Refuses a person whose own leads were too often invalid of late; else the policy set that was
/// asked, if one says how often that is.
fn throttled(
    community: UnitId,
    person: PersonId,
    world: &World,
    cx: &Context,
) -> Result<Option<String>, Stop> {
    let Some((rules, policy)) = rules(world, community, cx.now)? else {
        return Ok(None);
    };
    let since = cx.now - Duration::days(i64::from(rules.invalid_days));
    let invalid = world.state::<LeadSource>(person)?.invalid_since(since);
    if invalid >= rules.invalid_max as usize {
        return Err(Refusal::LeadsThrottled.into());
    }
    Ok(Some(policy))
}
