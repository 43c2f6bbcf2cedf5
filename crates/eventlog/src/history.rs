//! A history of appends and readings that ran at the same time, and the check that one order
//! explains it. Owns the check; never runs anything.
//!
//! The log itself says in which order commits stand, so nothing has to be searched: state `k` is the
//! log after its first `k` commits, and every operation must fit into a state that could be seen
//! between its call and its answer, never an earlier one than an operation before it has shown.
//! Each operation is put as early as it can be, which leaves those after it the most freedom; where
//! even that is too late for it, no order exists.

use std::collections::{HashMap, HashSet};
use std::ops::RangeInclusive;

/// A stream, by its number in the test.
pub(crate) type Stream = usize;

/// A commit as it stands in the log at the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// The id of the append it came from.
    pub(crate) id: u64,
    pub(crate) first_position: u64,
    /// The stream of each event.
    pub(crate) written: Vec<Stream>,
}

/// One operation with the moments of its call and its answer, on one clock that never stands still.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) called: u64,
    /// `u64::MAX` if nobody waited for it.
    pub(crate) answered: u64,
    pub(crate) done: Done,
}

/// What an operation was and what it gave.
#[derive(Debug, Clone)]
pub(crate) enum Done {
    Append {
        id: u64,
        /// Each stream with the version that was expected.
        expected: Vec<(Stream, u64)>,
        answer: Answer,
    },
    /// The version of a stream.
    Version { stream: Stream, version: u64 },
    /// The positions of a stream's events, from its first one to its last.
    Stream { stream: Stream, positions: Vec<u64> },
    /// The end of the log.
    Head { position: u64, commits: u64 },
    /// The ids of all commits from the one that holds a position to the last one.
    Range { from: u64, ids: Vec<u64> },
    /// The ids of commits that a subscription gave next, after so many before.
    Followed { before: usize, ids: Vec<u64> },
}

/// What an appender was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It stands in the log.
    Appended {
        number: u64,
        /// The position of its last event.
        position: u64,
        /// The streams it wrote with their new versions, in the order of their first event.
        versions: Vec<(Stream, u64)>,
    },
    /// A stream had another version than was expected: the first such one.
    Conflict { stream: Stream, actual: u64 },
    /// It was refused for another reason.
    Refused,
    /// Nobody waited for the answer.
    Unknown,
}

/// Whether a reading by stream and one by position see one state, or the former may be ahead by a
/// commit that is durable and not yet published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Views {
    One,
    StreamsLead,
}

/// Checks that one order explains all operations and the log they left; says why not.
pub(crate) fn check(
    operations: &[Operation],
    log: &[Recorded],
    views: Views,
) -> Result<(), String> {
    let states = States::new(operations, log)?;
    let mut moments: Vec<(u64, usize)> = Vec::new();
    for (number, operation) in operations.iter().enumerate() {
        moments.extend([(operation.called, number), (operation.answered, number)]);
    }
    moments.retain(|(moment, _)| *moment != u64::MAX);
    moments.sort_unstable();
    // An even place is a state, the odd one after it the commit that ends that state.
    let mut places: HashMap<usize, u64> = HashMap::new();
    let (mut shown, mut shown_by_position) = (0, 0);
    for (_, number) in moments {
        let operation = &operations[number];
        let by_position = matches!(
            operation.done,
            Done::Head { .. } | Done::Range { .. } | Done::Followed { .. }
        );
        if let Some(place) = places.get(&number) {
            shown = shown.max(*place);
            let is_reading = !matches!(operation.done, Done::Append { .. });
            if by_position || !is_reading || views == Views::One {
                shown_by_position = shown_by_position.max(*place);
            }
            continue;
        }
        let before = if by_position {
            shown_by_position
        } else {
            shown
        };
        let wrong = |what: &str| format!("{what}: {operation:?}");
        let place = match states
            .fitting(&operation.done)
            .map_err(|what| wrong(&what))?
        {
            Fits::Nowhere => continue,
            Fits::Commit(number) if 2 * number + 1 < before => {
                return Err(wrong("it stands before what was known when it was called"));
            }
            Fits::Commit(number) => 2 * number + 1,
            Fits::States(range) => {
                let place = (2 * range.start()).max(before.next_multiple_of(2));
                if place > 2 * range.end() {
                    return Err(wrong("what it gave was over when it was called"));
                }
                place
            }
        };
        places.insert(number, place);
    }
    Ok(())
}

/// Where an operation fits in.
enum Fits {
    /// It says nothing of any state.
    Nowhere,
    /// It is this commit.
    Commit(u64),
    /// It is a view of one of these states.
    States(RangeInclusive<u64>),
}

/// The states that the log went through.
struct States<'a> {
    log: &'a [Recorded],
    numbers: HashMap<u64, u64>,
    /// For each stream the states in which it got a version, with that version.
    versions: HashMap<Stream, Vec<(u64, u64)>>,
    positions: HashMap<Stream, Vec<u64>>,
}

impl<'a> States<'a> {
    fn new(operations: &[Operation], log: &'a [Recorded]) -> Result<Self, String> {
        let mut appends = HashSet::new();
        for operation in operations {
            if let Done::Append { id, .. } = &operation.done
                && !appends.insert(*id)
            {
                return Err(format!("two appends have the id {id}"));
            }
        }
        let mut this = Self {
            log,
            numbers: HashMap::new(),
            versions: HashMap::new(),
            positions: HashMap::new(),
        };
        let mut next = 1;
        for (commit, number) in log.iter().zip(0..) {
            if commit.first_position != next {
                return Err(format!("position {next} is missing or there twice"));
            }
            if this.numbers.insert(commit.id, number).is_some() {
                return Err(format!("append {} stands in the log twice", commit.id));
            }
            if !appends.contains(&commit.id) {
                return Err(format!("nobody appended {}", commit.id));
            }
            for stream in &commit.written {
                let positions = this.positions.entry(*stream).or_default();
                positions.push(next);
                let version = positions.len() as u64;
                let steps = this.versions.entry(*stream).or_default();
                match steps.last_mut() {
                    Some((state, last)) if *state == number + 1 => *last = version,
                    _ => steps.push((number + 1, version)),
                }
                next += 1;
            }
        }
        Ok(this)
    }

    fn last(&self) -> u64 {
        self.log.len() as u64
    }

    /// The states in which a stream has a version.
    fn with_version(&self, stream: Stream, version: u64) -> Option<RangeInclusive<u64>> {
        let steps = self.versions.get(&stream).map_or(&[][..], Vec::as_slice);
        let end = |next: usize| steps.get(next).map_or(self.last(), |(state, _)| state - 1);
        if version == 0 {
            return Some(0..=end(0));
        }
        let at = steps.iter().position(|(_, other)| *other == version)?;
        Some(steps[at].0..=end(at + 1))
    }

    /// The version of a stream in a state.
    fn version(&self, stream: Stream, state: u64) -> u64 {
        let steps = self.versions.get(&stream).map_or(&[][..], Vec::as_slice);
        let reached = steps.partition_point(|(at, _)| *at <= state);
        reached.checked_sub(1).map_or(0, |last| steps[last].1)
    }

    fn fitting(&self, done: &Done) -> Result<Fits, String> {
        match done {
            Done::Append {
                id,
                expected,
                answer,
            } => self.append(*id, expected, answer),
            Done::Version { stream, version } => self
                .with_version(*stream, *version)
                .map(Fits::States)
                .ok_or_else(|| "a version inside a commit".to_owned()),
            Done::Stream { stream, positions } => {
                let all = self.positions.get(stream).map_or(&[][..], Vec::as_slice);
                if !all.starts_with(positions) {
                    return Err("these are not the first events of the stream".to_owned());
                }
                self.with_version(*stream, positions.len() as u64)
                    .map(Fits::States)
                    .ok_or_else(|| "a part of a commit".to_owned())
            }
            Done::Head { position, commits } => {
                let next = |number: usize| {
                    let commit = self.log.get(number);
                    commit.map_or(u64::MAX, |commit| commit.first_position)
                };
                let number = usize::try_from(*commits).unwrap_or(usize::MAX);
                let ends = match number.checked_sub(1).and_then(|last| self.log.get(last)) {
                    Some(last) => last.first_position + last.written.len() as u64 - 1,
                    None => 0,
                };
                if number > self.log.len() || ends != *position || next(number) <= *position {
                    return Err("the log never ended there".to_owned());
                }
                Ok(Fits::States(*commits..=*commits))
            }
            Done::Range { from, ids } => {
                let first = self.log.partition_point(|commit| {
                    commit.first_position + commit.written.len() as u64 <= *from
                });
                let state = self.holds(first, ids)?;
                // Nothing at all: the log had not reached the position.
                let first = first as u64;
                Ok(Fits::States(if ids.is_empty() {
                    0..=first
                } else {
                    state..=state
                }))
            }
            Done::Followed { before, ids } => {
                if ids.is_empty() {
                    return Err("nothing was given".to_owned());
                }
                Ok(Fits::States(self.holds(*before, ids)?..=self.last()))
            }
        }
    }

    /// The state that ends with the last of these commits, which must stand at this place.
    fn holds(&self, first: usize, ids: &[u64]) -> Result<u64, String> {
        let there = self.log.get(first..first + ids.len());
        let there = there.ok_or("more than there is")?;
        if there.iter().map(|commit| &commit.id).ne(ids) {
            return Err("other commits than stand there".to_owned());
        }
        Ok((first + ids.len()) as u64)
    }

    fn append(&self, id: u64, expected: &[(Stream, u64)], answer: &Answer) -> Result<Fits, String> {
        let number = self.numbers.get(&id).copied();
        let holds = |state| {
            move |(stream, version): &(Stream, u64)| self.version(*stream, state) == *version
        };
        match (answer, number) {
            (Answer::Refused | Answer::Unknown, None) => Ok(Fits::Nowhere),
            (Answer::Conflict { stream, actual }, None) => {
                self.conflict(expected, *stream, *actual).map(Fits::States)
            }
            (Answer::Refused | Answer::Conflict { .. }, Some(_)) => {
                Err("it was refused and stands in the log".to_owned())
            }
            (Answer::Appended { .. }, None) => Err("it was acknowledged and is lost".to_owned()),
            (Answer::Appended { .. } | Answer::Unknown, Some(number))
                if !expected.iter().all(holds(number)) =>
            {
                Err("its condition was false where it stands".to_owned())
            }
            (Answer::Unknown, Some(number)) => Ok(Fits::Commit(number)),
            (Answer::Appended { .. }, Some(number)) => {
                if *answer == self.receipt(number) {
                    Ok(Fits::Commit(number))
                } else {
                    Err("its receipt says something else than the log".to_owned())
                }
            }
        }
    }

    /// What the appender of a commit should have been told.
    fn receipt(&self, number: u64) -> Answer {
        let commit = &self.log[usize::try_from(number).unwrap_or(usize::MAX)];
        let mut versions: Vec<(Stream, u64)> = Vec::new();
        for stream in &commit.written {
            if versions.iter().all(|(other, _)| other != stream) {
                versions.push((*stream, self.version(*stream, number + 1)));
            }
        }
        Answer::Appended {
            number,
            position: commit.first_position + commit.written.len() as u64 - 1,
            versions,
        }
    }

    /// The states in which `stream` is the first one that has moved, to `actual`.
    fn conflict(
        &self,
        expected: &[(Stream, u64)],
        stream: Stream,
        actual: u64,
    ) -> Result<RangeInclusive<u64>, String> {
        let none = || "there was no state in which it had to be refused so".to_owned();
        let at = expected.iter().position(|(other, _)| *other == stream);
        let at = at.filter(|at| expected[*at].1 != actual).ok_or_else(none)?;
        let before = expected[..at].iter().copied();
        let mut states = 0..=self.last();
        for (stream, version) in before.chain([(stream, actual)]) {
            let with = self.with_version(stream, version).ok_or_else(none)?;
            states = *states.start().max(with.start())..=*states.end().min(with.end());
        }
        if states.is_empty() {
            Err(none())
        } else {
            Ok(states)
        }
    }
}

mod concurrency;
mod tests;
