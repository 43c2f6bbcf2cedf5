//! One community as it lives: what it means to do and when, what falls due, what reactions answer.
//!
//! Owns the order of its commands. Each one is decided on what was taken in before, whether or not
//! that is durable yet. What a deed does stands in the file of its activity.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use chrono::{Duration, NaiveDate};
use domain::ids::{PrincipalId, UnitId};
use domain::world::consequence_id;
use domain::{Channel, Command, Instant, NewEvent, StreamName, reactions};
use eventlog::execute::{Ahead, ExecuteError, Planned, Request};
use eventlog::{CommitDraft, EventLog};
use projections::timers::{Due, DueList, NOT_NOW, POSTPONED_MAX};
use uuid::Uuid;

use super::dice::Dice;
use super::people::People;
use super::places::Places;
use super::town::Town;
use super::{ADMIN, Plan, SimulateError, rates};
use super::{campaigns, disputes, hazards, leads, patrols, people, rewards};

/// Days after which a stream that nothing has read is forgotten: most are done by then, and the
/// others are read from the log again.
const KEPT_DAYS: u32 = 30;

/// Something that a community means to do at an instant.
pub(super) enum Deed {
    /// A day begins: what it will bring is drawn.
    Day(NaiveDate),
    /// Of members, teams, households, units.
    People(people::Step),
    /// Of a patrol shift.
    Patrol(patrols::Step),
    /// Of a hazard.
    Hazard(hazards::Step),
    /// Of a dispute.
    Dispute(Box<disputes::Step>),
    /// Of a lead.
    Lead(leads::Step),
    /// Of a publicity campaign.
    Campaign(campaigns::Step),
    /// Of rewards and redemptions.
    Reward(rewards::Step),
}

/// Why a command is handed in.
enum Why {
    /// Somebody means to.
    Deed,
    /// A reaction answers: refusals that settle its work.
    Reaction(&'static [&'static str]),
    /// It is due.
    Timer(Box<Due>),
}

/// A community.
pub(super) struct Community {
    /// Its id.
    pub(super) id: UnitId,
    /// Its number, from 0.
    pub(super) number: u32,
    /// The station above it.
    pub(super) station: UnitId,
    /// Its first day is this many days of its life in.
    pub(super) days_behind: u64,
    /// What is left to chance.
    pub(super) dice: Dice,
    /// Who is there.
    pub(super) people: People,
    /// Where its patrols go.
    pub(super) places: Places,
    /// Hazards that are open, the latest last.
    pub(super) open_hazards: VecDeque<domain::ids::HazardId>,
    /// What the last true lead told of.
    pub(super) known_matter: Option<domain::ids::MatterId>,
    /// Campaigns so far.
    pub(super) waves: u32,
    /// What it offers for points.
    pub(super) shop: rewards::Shop,
    /// Commands refused, by name.
    pub(super) refused: BTreeMap<String, u64>,
    ahead: Ahead,
    log_id: Uuid,
    /// Numbered, so that deeds of one instant keep their order.
    agenda: BTreeMap<(Instant, u64), Deed>,
    numbered: u64,
    due: DueList,
    postponed: HashMap<u64, (u32, Instant)>,
    errands: VecDeque<(PrincipalId, Command)>,
    answers: VecDeque<(Request, &'static [&'static str])>,
    /// Its own time: that of the deed or timer in hand.
    now: Instant,
    /// The events of the commit that waits for its place.
    decided: Option<Vec<NewEvent>>,
}

impl Community {
    /// A community that will be founded on the first day.
    pub(super) fn new(number: u32, plan: &Plan, town: &Town, log: &Arc<dyn EventLog>) -> Self {
        let dice = Dice::of(plan.seed, "community", number);
        let months = if number == 0 {
            0
        } else {
            dice.below(rates::MONTHS_BEHIND_MAX + 1) as u64
        };
        let mut new = Self {
            id: UnitId(dice.uuid()),
            number,
            station: town.station(number),
            days_behind: months * 365 / 12,
            people: People::default(),
            places: Places::drawn(number, &dice),
            open_hazards: VecDeque::new(),
            known_matter: None,
            waves: 0,
            shop: rewards::Shop::default(),
            dice,
            refused: BTreeMap::new(),
            ahead: Ahead::new(Arc::clone(log), town.zone),
            log_id: log.log_id(),
            agenda: BTreeMap::new(),
            numbered: 0,
            due: town.due.clone(),
            postponed: HashMap::new(),
            errands: VecDeque::new(),
            answers: VecDeque::new(),
            now: rates::begins_at(),
            decided: None,
        };
        people::found(&mut new);
        for day in rates::first_day().iter_days().take(plan.days as usize) {
            new.later(super::local(day, 1), Deed::Day(day));
        }
        new
    }

    /// Its own time.
    pub(super) fn now(&self) -> Instant {
        self.now
    }

    /// Means to do something at an instant, at the earliest now.
    pub(super) fn later(&mut self, at: Instant, deed: Deed) {
        self.numbered += 1;
        self.agenda.insert((at.max(self.now), self.numbered), deed);
    }

    /// Means to do something after so many minutes.
    pub(super) fn after(&mut self, minutes: i64, deed: Deed) {
        let seconds = self.dice.between(0, 59);
        let at = self.now + Duration::minutes(minutes) + Duration::seconds(seconds);
        self.later(at, deed);
    }

    /// Hands a command in, in somebody's name, as soon as what was handed in before is decided.
    pub(super) fn send(&mut self, by: PrincipalId, command: impl Into<Command>) {
        self.errands.push_back((by, command.into()));
    }

    /// The same in the administrator's name.
    pub(super) fn send_as_admin(&mut self, command: impl Into<Command>) {
        self.send(PrincipalId::of_subject(ADMIN), command);
    }

    /// The points that somebody can spend now.
    pub(super) fn spendable(
        &mut self,
        person: domain::ids::PersonId,
    ) -> Result<u64, SimulateError> {
        let account = self.ahead.state::<domain::account::Account>(person)?;
        let lots = account.lots.values();
        let free = lots.filter(|lot| lot.can_be_spent(self.now));
        Ok(free.map(|lot| u64::from(lot.left())).sum())
    }

    /// When it does something next; `None` if it has nothing left to do.
    pub(super) fn next_at(&self) -> Option<Instant> {
        if !self.errands.is_empty() || !self.answers.is_empty() {
            return Some(self.now);
        }
        let deed = self.agenda.first_key_value().map(|((at, _), _)| *at);
        let due = self.due.first().map(|due| self.fires_at(due));
        [deed, due].into_iter().flatten().min()
    }

    /// Its next commit with an instant before `until`, as of `last` at the earliest.
    pub(super) fn decide(
        &mut self,
        until: Instant,
        last: Instant,
    ) -> Result<Option<CommitDraft>, SimulateError> {
        while let Some((mut request, why)) = self.next_request(until)? {
            request.not_before = Some(self.now.max(last));
            match self.ahead.decide(&request, self.dice.seed()) {
                Ok(Planned { draft, events }) => {
                    if let Why::Timer(due) = why {
                        self.settle(&due);
                    }
                    self.decided = Some(events);
                    return Ok(Some(draft));
                }
                Err(ExecuteError::Refused(refused)) => {
                    self.refused(&request, why, refused.name, &refused.message)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Takes the decided commit in at its place.
    pub(super) fn take_in(
        &mut self,
        first_position: u64,
        recorded_at: Instant,
    ) -> Result<(), SimulateError> {
        let events = self.decided.take().unwrap_or_default();
        for taken in self.ahead.take_in(events, first_position, recorded_at)? {
            if DueList::wants(taken.stream.category()) {
                self.due.take(&taken.stream, &taken.event, &taken.stamp);
            }
            self.answer(&taken.stream, &taken.event, &taken.stamp);
        }
        Ok(())
    }

    /// Forgets what is long done; all that was taken in is durable.
    pub(super) fn end_day(&mut self) {
        self.ahead.let_go(KEPT_DAYS);
    }

    fn answer(&mut self, stream: &StreamName, event: &domain::Event, stamp: &domain::Stamp) {
        for reaction in reactions::ALL {
            let commands = (reaction.react)(stream, event, stamp);
            for (n, command) in commands.into_iter().enumerate() {
                let id = consequence_id(self.log_id, stamp.position, reaction.name, n);
                let system = PrincipalId::of_subject(projections::reactions::SUBJECT);
                let request = Request {
                    cause: Some(stamp.position),
                    ..Request::new(command, id, system).through(Channel::Reaction)
                };
                self.answers.push_back((request, reaction.settled_by));
            }
        }
    }

    /// What is to be decided next: what reactions answer, what a deed has begun, what is due, the
    /// next deed.
    fn next_request(&mut self, until: Instant) -> Result<Option<(Request, Why)>, SimulateError> {
        loop {
            if let Some((request, settled_by)) = self.answers.pop_front() {
                return Ok(Some((request, Why::Reaction(settled_by))));
            }
            if let Some((by, command)) = self.errands.pop_front() {
                let request = Request::new(command, self.dice.uuid(), by);
                return Ok(Some((request, Why::Deed)));
            }
            let deed_at = self.agenda.first_key_value().map(|((at, _), _)| *at);
            let due = self.due.first().map(|due| (self.fires_at(due), due));
            if let Some((at, due)) = due
                && deed_at.is_none_or(|deed| at <= deed)
            {
                if at >= until {
                    return Ok(None);
                }
                let due = Box::new(due.clone());
                self.now = self.now.max(at);
                return Ok(Some((self.fire(&due), Why::Timer(due))));
            }
            if deed_at.is_none_or(|at| at >= until) {
                return Ok(None);
            }
            let Some(((at, _), deed)) = self.agenda.pop_first() else {
                return Ok(None);
            };
            self.now = self.now.max(at);
            self.perform(deed)?;
        }
    }

    fn perform(&mut self, deed: Deed) -> Result<(), SimulateError> {
        match deed {
            Deed::Day(day) => {
                people::day(self, day);
                patrols::day(self, day);
                hazards::day(self, day);
                disputes::day(self, day);
                leads::day(self, day);
                campaigns::day(self, day);
                rewards::day(self, day);
            }
            Deed::People(step) => people::run(self, step),
            Deed::Patrol(step) => patrols::run(self, step),
            Deed::Hazard(step) => hazards::run(self, step),
            Deed::Dispute(step) => disputes::run(self, *step),
            Deed::Lead(step) => leads::run(self, step),
            Deed::Campaign(step) => campaigns::run(self, step),
            Deed::Reward(step) => rewards::run(self, step)?,
        }
        Ok(())
    }

    /// Just after the deadline, or when it was put off to; as the runner of timers does.
    fn fires_at(&self, due: &Due) -> Instant {
        let after = due.at + Duration::microseconds(1);
        let postponed = self.postponed.get(&due.cause);
        postponed.map_or(after, |(_, until)| after.max(*until))
    }

    fn fire(&self, due: &Due) -> Request {
        let name = format!("timer:{}", due.timer);
        let id = consequence_id(self.log_id, due.cause, &name, 0);
        let system = PrincipalId::of_subject(projections::timers::SUBJECT);
        Request {
            cause: Some(due.cause),
            ..Request::new(due.command.clone(), id, system).through(Channel::Timer)
        }
    }

    fn settle(&mut self, due: &Due) {
        self.postponed.remove(&due.cause);
        self.due.remove(due);
    }

    /// What becomes of a refusal; as the runners of reactions and timers have it.
    fn refused(
        &mut self,
        request: &Request,
        why: Why,
        name: String,
        message: &str,
    ) -> Result<(), SimulateError> {
        match why {
            Why::Deed => {
                tracing::debug!(name, message, command = ?request.command, "refused");
                *self.refused.entry(name).or_default() += 1;
            }
            Why::Reaction(settled_by) if settled_by.contains(&name.as_str()) => {}
            // Such work would stand stuck in a stream that communities share.
            Why::Reaction(_) => {
                let primary = request.command.primary();
                return Err(SimulateError::Fault(format!(
                    "a reaction was refused at {primary}: {name}: {message}"
                )));
            }
            Why::Timer(due) => {
                let put_off = self.postponed.entry(due.cause).or_insert((0, self.now));
                if NOT_NOW.contains(&name.as_str()) && put_off.0 < POSTPONED_MAX {
                    put_off.0 += 1;
                    put_off.1 = self.now + Duration::minutes(1);
                    let until = put_off.1;
                    self.due.postpone(&due, until);
                } else {
                    self.settle(&due);
                }
            }
        }
        Ok(())
    }
}
