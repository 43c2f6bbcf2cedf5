//! `RewardUse`: how often a person has had a reward item, so that nobody has more than the limit.
//!
//! ```text
//! (empty) ──RewardTaken──> taken on a day ──RewardGivenBack──> not taken
//! ```
//! Owns the uses of one item by one person. Its key is `<item>/<person>`. It has no commands: a
//! redemption's decision writes it, in one commit with points and stock.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::ids::{PersonId, RedemptionId, RewardItemId};
use crate::refusal::Stop;
use crate::reward_item::Bound;
use crate::stream::StreamName;
use crate::world::{Aggregate, Context, Decision, Stamp, World};

/// State of a person's use of an item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RewardUse {
    /// On which day of the community's calendar, by redemption.
    pub taken: BTreeMap<RedemptionId, NaiveDate>,
}

/// A use has no commands of its own.
#[derive(Debug, Clone, Serialize)]
pub enum Command {}

/// What happens.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// The person takes one.
    RewardTaken {
        /// By which redemption.
        redemption: RedemptionId,
        /// On which day of the community's calendar.
        day: NaiveDate,
    },
    /// The person takes it after all not, or gave it back.
    RewardGivenBack {
        /// By which redemption.
        redemption: RedemptionId,
    },
}

impl RewardUse {
    /// The key of its stream.
    pub fn key(item: RewardItemId, person: PersonId) -> String {
        format!("{item}/{person}")
    }

    /// Whether the person can take one more on a day.
    pub fn allows_one_more(&self, limit: &Bound, day: NaiveDate) -> bool {
        let taken = self.taken.values();
        let count = taken
            .filter(|other| limit.same_period(**other, day))
            .count();
        u32::try_from(count).is_ok_and(|count| count < limit.count)
    }
}

impl Aggregate for RewardUse {
    const CATEGORY: &'static str = "reward_use";
    type Command = Command;
    type Event = Event;

    fn primary(command: &Command) -> StreamName {
        match *command {}
    }

    fn decide(command: &Command, _: &World, _: &Context) -> Result<Decision, Stop> {
        match *command {}
    }

    fn evolve(&mut self, event: &Event, _: &Stamp) {
        match event {
            Event::RewardTaken { redemption, day } => {
                self.taken.insert(*redemption, *day);
            }
            Event::RewardGivenBack { redemption } => {
                self.taken.remove(redemption);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy_set::Period;
    use crate::testing::{at, id};

    #[test]
    fn a_limit_counts_what_was_taken_in_its_period_and_not_given_back() {
        let day = |text: &str| -> NaiveDate { text.parse().expect("a day") };
        let mut used = RewardUse::default();
        let when = at("2024-07-01T00:00:00Z");
        let mut version = 0;
        let mut take = |used: &mut RewardUse, event| {
            version += 1;
            let stamp = Stamp {
                position: version,
                version,
                occurred_at: when,
                recorded_at: when,
            };
            used.evolve(&event, &stamp);
        };
        for (n, text) in [(1, "2024-06-30"), (2, "2024-07-01")] {
            let taken = Event::RewardTaken {
                redemption: id(n),
                day: day(text),
            };
            take(&mut used, taken);
        }
        let two = |period| Bound { period, count: 2 };
        let allows =
            |used: &RewardUse, period| used.allows_one_more(&two(period), day("2024-07-02"));
        assert!(
            allows(&used, Some(Period::Month)),
            "one of them was in June"
        );
        assert!(!allows(&used, Some(Period::Year)));
        assert!(!allows(&used, None));
        take(&mut used, Event::RewardGivenBack { redemption: id(1) });
        assert!(allows(&used, None));
    }
}
