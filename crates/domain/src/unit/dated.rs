//! A value with dates: what it was, is and will be.
//!
//! Owns the order of dates. Never judges whether a change may be made.

use serde::{Deserialize, Serialize};

use crate::envelope::Instant;

/// A value as it holds from one instant to the next, by instant, rising.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated<T>(Vec<(Instant, T)>);

impl<T> Default for Dated<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T> Dated<T> {
    /// Takes a value that holds from an instant on; one of the same instant is replaced.
    pub fn set(&mut self, from: Instant, value: T) {
        let place = self.0.partition_point(|(other, _)| *other < from);
        match self.0.get_mut(place) {
            Some((other, held)) if *other == from => *held = value,
            _ => self.0.insert(place, (from, value)),
        }
    }

    /// Takes out the value that holds from exactly this instant on, if there is one; the one before it
    /// goes on.
    pub fn remove(&mut self, from: Instant) {
        self.0.retain(|(other, _)| *other != from);
    }

    /// The value at an instant. What came before the first date is as the first says: a record
    /// that reaches further back than the log has no other.
    pub fn at(&self, at: Instant) -> Option<&T> {
        let later = self.0.partition_point(|(from, _)| *from <= at);
        let (_, value) = self.0.get(later.saturating_sub(1))?;
        Some(value)
    }

    /// The last value and since when it holds, which may lie in the future.
    pub fn latest(&self) -> Option<(Instant, &T)> {
        self.0.last().map(|(from, value)| (*from, value))
    }

    /// Each value with the instant from which on it holds, rising.
    pub fn iter(&self) -> impl Iterator<Item = (Instant, &T)> {
        self.0.iter().map(|(from, value)| (*from, value))
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// True if there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::at;

    #[test]
    fn a_value_holds_from_its_date_to_the_next_one() {
        let mut dated = Dated::default();
        assert_eq!(
            (dated.at(at("2024-01-01T00:00:00Z")), dated.is_empty()),
            (None, true)
        );
        dated.set(at("2024-03-01T00:00:00Z"), "c");
        dated.set(at("2024-01-01T00:00:00Z"), "a");
        dated.set(at("2024-02-01T00:00:00Z"), "x");
        dated.set(at("2024-02-01T00:00:00Z"), "b");
        for (day, expected) in [
            ("2023-06-01T00:00:00Z", "a"),
            ("2024-01-31T23:59:59Z", "a"),
            ("2024-02-01T00:00:00Z", "b"),
            ("2024-02-29T00:00:00Z", "b"),
            ("2024-03-01T00:00:00Z", "c"),
            ("2030-01-01T00:00:00Z", "c"),
        ] {
            assert_eq!(dated.at(at(day)), Some(&expected), "{day}");
        }
        assert_eq!(dated.latest(), Some((at("2024-03-01T00:00:00Z"), &"c")));
        assert_eq!(dated.len(), 3);
        dated.remove(at("2024-02-01T00:00:00Z"));
        dated.remove(at("2024-02-02T00:00:00Z"));
        assert_eq!(dated.len(), 2);
        assert_eq!(dated.at(at("2024-02-29T00:00:00Z")), Some(&"a"));
    }
}
