//! In which order communities write: waves within a minute of simulated time.
//!
//! Owns the order of all commits. In a wave every community that has something to do before the
//! minute ends decides one commit, on one thread or several; then the commits take their places in
//! the order of the communities, and each community takes its own in. So each decision sees the true
//! positions of all before it in its community, and the log is the same whatever the number of
//! threads. Commits are handed to the log without waiting for the disk, many at a time.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use chrono::{Duration, NaiveDate, SubsecRound as _};
use domain::ids::PrincipalId;
use domain::{Instant, clock};
use eventlog::execute::{Ahead, Request};
use eventlog::{AppendError, BoxFuture, CommitDraft, EventLog, Receipt};
use tokio::runtime::Handle;

use super::community::Community;
use super::dice::Dice;
use super::town::Town;
use super::{ADMIN, Plan, Progress, SimulateError, rates};

/// Commits that are handed to the log and not yet durable; the log refuses 4,096.
const IN_FLIGHT_MAX: usize = 3_072;
/// Of these, so many are waited for at once.
const IN_FLIGHT_MIN: usize = 1_024;
/// Seconds of simulated time that a wave spans.
const WAVE_SECONDS: i64 = 60;

/// How often each was, by name.
type Counts = BTreeMap<String, u64>;

/// What was lived.
pub(super) struct Lived {
    /// Events by category and type.
    pub(super) by_type: BTreeMap<String, Counts>,
    /// Commands refused, by name.
    pub(super) refused: Counts,
}

/// Where a commit came to stand: its first position and when it was recorded.
type Place = (u64, Instant);

/// What a hand of communities is told.
enum Order {
    /// Take in what was placed, by index in the hand; then decide one commit each.
    Wave {
        placed: Vec<(usize, Place)>,
        until: Instant,
        last: Instant,
    },
    /// Take in what was placed; a day has ended, and all of it is durable.
    EndDay { placed: Vec<(usize, Place)> },
}

/// What it answers: commits by index in the hand, and when each of its communities goes on.
struct Answer {
    drafts: Vec<(usize, CommitDraft)>,
    next_at: Vec<Option<Instant>>,
    refused: Counts,
}

/// Some communities, dealt out like cards, on one thread.
#[derive(Default)]
struct Hand {
    communities: Vec<Community>,
}

impl Hand {
    fn obey(&mut self, order: Order) -> Result<Answer, SimulateError> {
        let (placed, wave) = match order {
            Order::Wave {
                placed,
                until,
                last,
            } => (placed, Some((until, last))),
            Order::EndDay { placed } => (placed, None),
        };
        for (index, (first_position, recorded_at)) in placed {
            if let Some(community) = self.communities.get_mut(index) {
                community.take_in(first_position, recorded_at)?;
            }
        }
        let mut drafts = Vec::new();
        for (index, community) in self.communities.iter_mut().enumerate() {
            match wave {
                Some((until, last)) if community.next_at().is_some_and(|at| at < until) => {
                    let draft = community.decide(until, last)?;
                    drafts.extend(draft.map(|draft| (index, draft)));
                }
                Some(_) => {}
                None => community.end_day(),
            }
        }
        let next_at = self.communities.iter().map(Community::next_at).collect();
        let mut refused = Counts::new();
        for community in &mut self.communities {
            for (name, count) in std::mem::take(&mut community.refused) {
                *refused.entry(name).or_default() += count;
            }
        }
        Ok(Answer {
            drafts,
            next_at,
            refused,
        })
    }
}

/// How a hand is reached: in this thread, or in its own.
enum Reach {
    Here(Hand),
    There(SyncSender<Order>, Receiver<Result<Answer, SimulateError>>),
}

impl Reach {
    /// Starts an order; in its own thread it is worked on from now on.
    fn tell(&mut self, order: Order) -> Result<Option<Answer>, SimulateError> {
        match self {
            Self::Here(hand) => hand.obey(order).map(Some),
            Self::There(orders, _) => match orders.send(order) {
                Ok(()) => Ok(None),
                Err(_) => Err(ended()),
            },
        }
    }

    /// The answer to an order that was started.
    fn hear(&mut self, told: Option<Answer>) -> Result<Answer, SimulateError> {
        match (told, self) {
            (Some(answer), _) => Ok(answer),
            (None, Self::There(_, answers)) => answers.recv().unwrap_or_else(|_| Err(ended())),
            (None, Self::Here(_)) => Err(ended()),
        }
    }
}

fn ended() -> SimulateError {
    SimulateError::Fault("a thread that decides has ended".to_owned())
}

/// Lets all communities live their days. Blocks; must not be called where tasks run.
pub(super) fn live(
    plan: &Plan,
    town: &Town,
    log: &Arc<dyn EventLog>,
    runtime: &Handle,
    progress: &mut (dyn FnMut(Progress) + Send),
) -> Result<Lived, SimulateError> {
    let threads = plan.threads.clamp(1, plan.communities.max(1)) as usize;
    let mut hands: Vec<_> = (0..threads).map(|_| Hand::default()).collect();
    for number in 0..plan.communities {
        let community = Community::new(number, plan, town, log);
        hands[number as usize % threads].communities.push(community);
    }
    std::thread::scope(|scope| {
        let mut reaches = Vec::with_capacity(threads);
        for mut hand in hands {
            if threads == 1 {
                reaches.push(Reach::Here(hand));
                continue;
            }
            let (orders, taken) = sync_channel::<Order>(1);
            let (answers, answered) = sync_channel(1);
            scope.spawn(move || {
                while let Ok(order) = taken.recv() {
                    if answers.send(hand.obey(order)).is_err() {
                        break;
                    }
                }
            });
            reaches.push(Reach::There(orders, answered));
        }
        let mut pace = Pace {
            reaches,
            next_at: vec![Some(rates::begins_at()); plan.communities as usize],
            placed: vec![Vec::new(); threads],
            ledger: Ledger::open(log, runtime),
            clock: Ahead::new(Arc::clone(log), town.zone),
            dice: Dice::of(plan.seed, "clock", 0),
            lived: Lived {
                by_type: town.by_type.clone(),
                refused: Counts::new(),
            },
        };
        let days = rates::first_day().iter_days().take(plan.days as usize);
        for (day, number) in days.zip(0..) {
            let mut tell = |days, events| progress(Progress { days, events });
            pace.day(day, &mut |events| tell(number, events))?;
            tell(number + 1, pace.ledger.position);
        }
        Ok(pace.lived)
    })
}

/// The communities in hands, and what they wrote.
struct Pace {
    reaches: Vec<Reach>,
    /// When each community goes on, by its number.
    next_at: Vec<Option<Instant>>,
    /// What each hand has not been told yet.
    placed: Vec<Vec<(usize, Place)>>,
    ledger: Ledger,
    /// What moves the log's clock reads.
    clock: Ahead,
    dice: Dice,
    lived: Lived,
}

impl Pace {
    /// A day, to its end.
    fn day(&mut self, day: NaiveDate, tell: &mut dyn FnMut(u64)) -> Result<(), SimulateError> {
        let end = super::local(day, 24 * 60);
        let mut waves = 0_u32;
        while let Some(at) = self.next_at.iter().flatten().min().copied()
            && at < end
        {
            // Waves end with the minute, so that they do not depend on who was first.
            let begun = at.timestamp().rem_euclid(WAVE_SECONDS);
            let until = at - Duration::nanoseconds(i64::from(at.timestamp_subsec_nanos()))
                + Duration::seconds(WAVE_SECONDS - begun);
            self.wave(until.min(end))?;
            waves = waves.wrapping_add(1);
            if waves.is_multiple_of(64) {
                tell(self.ledger.position);
            }
        }
        self.move_clock(end)?;
        self.ledger.wait(0)?;
        self.end_day()
    }

    fn wave(&mut self, until: Instant) -> Result<(), SimulateError> {
        let last = self.ledger.recorded_at;
        let threads = self.reaches.len();
        let mut told = Vec::with_capacity(threads);
        for (hand, reach) in self.reaches.iter_mut().enumerate() {
            let mut own = self.next_at.iter().skip(hand).step_by(threads).flatten();
            let idle = own.all(|at| *at >= until) && self.placed[hand].is_empty();
            let order = Order::Wave {
                placed: std::mem::take(&mut self.placed[hand]),
                until,
                last,
            };
            told.push(if idle { None } else { Some(reach.tell(order)?) });
        }
        let mut drafts = Vec::new();
        for (hand, told) in told.into_iter().enumerate() {
            let Some(told) = told else { continue };
            let answer = self.reaches[hand].hear(told)?;
            self.note(hand, answer.next_at, answer.refused);
            let numbered = answer.drafts.into_iter();
            drafts.extend(numbered.map(|(index, draft)| (index * threads + hand, draft)));
        }
        drafts.sort_unstable_by_key(|(number, _)| *number);
        for (number, draft) in drafts {
            self.lived.count(&draft);
            let place = self.ledger.append(draft)?;
            self.placed[number % threads].push((number / threads, place));
            // What follows from it may follow at once.
            self.next_at[number] = Some(self.next_at[number].map_or(place.1, |at| at.min(place.1)));
        }
        Ok(())
    }

    /// Records that the simulated clock was moved on to the end of a day.
    fn move_clock(&mut self, to: Instant) -> Result<(), SimulateError> {
        let admin = PrincipalId::of_subject(ADMIN);
        let command = clock::Command::AdvanceClock { to };
        let mut request = Request::new(command, self.dice.uuid(), admin);
        request.not_before = Some(to.max(self.ledger.recorded_at));
        let planned = self.clock.decide(&request, self.dice.seed())?;
        self.lived.count(&planned.draft);
        let (first_position, recorded_at) = self.ledger.append(planned.draft)?;
        self.clock
            .take_in(planned.events, first_position, recorded_at)?;
        Ok(())
    }

    fn end_day(&mut self) -> Result<(), SimulateError> {
        for hand in 0..self.reaches.len() {
            let placed = std::mem::take(&mut self.placed[hand]);
            let told = self.reaches[hand].tell(Order::EndDay { placed })?;
            let answer = self.reaches[hand].hear(told)?;
            self.note(hand, answer.next_at, answer.refused);
        }
        Ok(())
    }

    fn note(&mut self, hand: usize, next_at: Vec<Option<Instant>>, refused: Counts) {
        let threads = self.reaches.len();
        for (index, at) in next_at.into_iter().enumerate() {
            self.next_at[index * threads + hand] = at;
        }
        for (name, count) in refused {
            *self.lived.refused.entry(name).or_default() += count;
        }
    }
}

impl Lived {
    fn count(&mut self, draft: &CommitDraft) {
        for event in &draft.events {
            let (category, name) = (event.stream.category(), &*event.type_name);
            let known = self.by_type.get_mut(category);
            if let Some(count) = known.and_then(|types| types.get_mut(name)) {
                *count += 1;
            } else {
                let types = self.by_type.entry(category.to_owned()).or_default();
                types.insert(name.to_owned(), 1);
            }
        }
    }
}

/// The log as it will be once all that was handed to it is durable.
struct Ledger {
    log: Arc<dyn EventLog>,
    runtime: Handle,
    position: u64,
    recorded_at: Instant,
    /// What is not known to be durable, with the place that was foretold.
    in_flight: VecDeque<(Appending, u64, Instant)>,
}

type Appending = BoxFuture<'static, Result<Receipt, AppendError>>;

impl Ledger {
    fn open(log: &Arc<dyn EventLog>, runtime: &Handle) -> Self {
        let head = log.head();
        Self {
            log: Arc::clone(log),
            runtime: runtime.clone(),
            position: head.position,
            recorded_at: head.recorded_at.unwrap_or_default(),
            in_flight: VecDeque::new(),
        }
    }

    /// Hands a commit to the log and foretells its place.
    fn append(&mut self, draft: CommitDraft) -> Result<Place, SimulateError> {
        if self.in_flight.len() >= IN_FLIGHT_MAX {
            self.wait(IN_FLIGHT_MIN)?;
        }
        let first_position = self.position + 1;
        self.position += draft.events.len() as u64;
        if let Some(at) = draft.not_before {
            // As the writer takes it: whole microseconds.
            self.recorded_at = self.recorded_at.max(at.trunc_subsecs(6));
        }
        let appending = self.log.append(draft);
        self.in_flight
            .push_back((appending, self.position, self.recorded_at));
        Ok((first_position, self.recorded_at))
    }

    /// Waits until at most `left` commits are in flight.
    fn wait(&mut self, left: usize) -> Result<(), SimulateError> {
        while self.in_flight.len() > left {
            let Some((appending, position, recorded_at)) = self.in_flight.pop_front() else {
                break;
            };
            let receipt = self.runtime.block_on(appending)?;
            if (receipt.position, receipt.recorded_at) != (position, recorded_at) {
                return Err(SimulateError::Fault(format!(
                    "a commit stands at {} of {} and not where it was foretold: {position} of \
                     {recorded_at}",
                    receipt.position, receipt.recorded_at
                )));
            }
        }
        Ok(())
    }
}
