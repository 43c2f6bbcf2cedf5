//! The rounds in which a job folds its builds: all at once where they fit into memory, else so many
//! after one another.
//!
//! A build's pages change all over while a long history is folded. Builds that do not fit together
//! would write and read their pages again and again; reading the log once more for some of them costs
//! far less. Owns which builds a round has; folds nothing.

use std::cmp::Reverse;
use std::collections::VecDeque;

use super::job::{Kind, Target};

/// Share of the memory budget, in percent, that the builds of a round may come to. The rest is left to
/// the pages that questions read.
const ROUND_SHARE: usize = 60;
/// Share that the builds of a round must be about to come to before they are divided: a little more
/// than a round may have, so that what was just divided is not divided again.
const DIVIDED_FROM_SHARE: usize = 75;
/// Share that they must take already: before, too little is known of them.
const TOLD_FROM_SHARE: usize = 15;

const _: () = assert!(TOLD_FROM_SHARE < ROUND_SHARE && ROUND_SHARE < DIVIDED_FROM_SHARE);

/// Builds that are folded together, from the same position.
#[derive(Clone)]
pub(super) struct Round {
    /// The builds, and for what.
    pub(super) targets: Vec<Target>,
    /// Position at which they began to be folded by the job.
    pub(super) from: u64,
    /// Position up to which they are folded.
    pub(super) position: u64,
}

/// The rounds of builds: those at the same position together, the ones with a live build first, then
/// those that are nearest to the end. A build that met a fault is folded no more, and comes with any
/// others.
pub(super) fn rounds_of(targets: Vec<Target>) -> VecDeque<Round> {
    let mut rounds: Vec<Round> = Vec::new();
    let (faulty, sound): (Vec<_>, Vec<_>) = targets
        .into_iter()
        .map(|target| (target.build.standing(), target))
        .partition(|(standing, _)| standing.fault.is_some());
    for (standing, target) in sound {
        let at = standing.position;
        match rounds.iter_mut().find(|round| round.position == at) {
            Some(round) => round.targets.push(target),
            None => rounds.push(Round {
                targets: vec![target],
                from: at,
                position: at,
            }),
        }
    }
    rounds.sort_by_key(|round| {
        let is_live = round.targets.iter().any(|target| target.live);
        Reverse((is_live, round.position))
    });
    for (standing, target) in faulty {
        match rounds.first_mut() {
            Some(round) => round.targets.push(target),
            None => rounds.push(Round {
                targets: vec![target],
                from: standing.position,
                position: standing.position,
            }),
        }
    }
    rounds.into()
}

/// What is known of a build's memory, to say with which others it is folded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Need {
    /// It is a live build, and answers nobody until it is there.
    pub(super) live: bool,
    /// Bytes that it keeps resident.
    pub(super) resident: usize,
    /// Bytes that it would take if all of it was resident.
    pub(super) whole: usize,
}

/// True if builds that are folded together, from the log's start up to `position` of `target`, take
/// enough memory to tell that they are about to take too much of `budget`.
pub(super) fn is_too_much(needs: &[Need], position: u64, target: u64, budget: usize) -> bool {
    let resident: usize = needs.iter().map(|need| need.resident).sum();
    let come_to: usize = needs
        .iter()
        .map(|need| comes_to(need.whole, position, target))
        .fold(0, usize::saturating_add);
    needs.len() > 1
        && resident > percent(budget, TOLD_FROM_SHARE)
        && come_to > percent(budget, DIVIDED_FROM_SHARE)
}

/// Which builds are folded together, by their places in `needs`, so that those of a round come to no
/// more than their share of `budget`, or are alone; the rounds with the most live builds first, so
/// that most models answer soon.
pub(super) fn divided(
    needs: &[Need],
    position: u64,
    target: u64,
    budget: usize,
) -> Vec<Vec<usize>> {
    let most = percent(budget, ROUND_SHARE);
    let mut by_size: Vec<(usize, usize)> = needs
        .iter()
        .map(|need| comes_to(need.whole, position, target))
        .enumerate()
        .map(|(place, bytes)| (bytes, place))
        .collect();
    by_size.sort_by_key(|(bytes, place)| (Reverse(*bytes), *place));
    let mut rounds: Vec<(usize, Vec<usize>)> = Vec::new();
    for (bytes, place) in by_size {
        let fits = |taken: &usize| taken.saturating_add(bytes) <= most;
        match rounds.iter_mut().find(|(taken, _)| fits(taken)) {
            Some((taken, places)) => {
                *taken += bytes;
                places.push(place);
            }
            None => rounds.push((bytes, vec![place])),
        }
    }
    rounds.sort_by_key(|(_, places)| {
        let live = places.iter().filter_map(|place| needs.get(*place));
        Reverse((live.filter(|need| need.live).count(), places.len()))
    });
    rounds.into_iter().map(|(_, places)| places).collect()
}

/// What a build comes to at `target`, if it goes on growing as it did up to `position`.
fn comes_to(whole: usize, position: u64, target: u64) -> usize {
    let grown = whole as u128 * u128::from(target.max(position)) / u128::from(position.max(1));
    usize::try_from(grown).unwrap_or(usize::MAX)
}

fn percent(of: usize, share: usize) -> usize {
    of / 100 * share
}

impl Round {
    /// A round of some of the targets, by their places.
    pub(super) fn of(&self, places: &[usize]) -> Self {
        let targets = places.iter().filter_map(|place| self.targets.get(*place));
        Self {
            targets: targets.cloned().collect(),
            ..*self
        }
    }

    /// True if each of its builds met a fault: there is nothing to be folded.
    pub(super) fn is_fenced(&self) -> bool {
        self.targets.iter().all(|target| target.build.is_fenced())
    }

    /// Its builds that may have a snapshot while they are folded: what renews a live build has that
    /// build's number, and no place of its own.
    pub(super) fn with_snapshots(&self) -> impl Iterator<Item = &Target> {
        let targets = self.targets.iter();
        targets.filter(|target| target.kind == Kind::Joins)
    }
}

#[cfg(test)]
mod tests;
