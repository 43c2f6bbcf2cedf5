//! Rows in the order of an instant of theirs. Owns that order and how a page is taken of it; never
//! looks into a row.

use std::collections::BTreeSet;
use std::ops::Bound;

use domain::Instant;

/// A place in the order: a row's instant, and its id where several have the same.
pub type Place<K> = (Instant, K);

/// The ids of rows in the order of their instants.
#[derive(Debug, Clone)]
pub struct ByTime<K>(BTreeSet<Place<K>>);

impl<K> Default for ByTime<K> {
    fn default() -> Self {
        Self(BTreeSet::new())
    }
}

impl<K: Copy + Ord> ByTime<K> {
    /// Takes a row's new instant for its old one; without one the row is in no place.
    pub fn move_to(&mut self, key: K, old: Option<Instant>, new: Option<Instant>) {
        if let Some(at) = old {
            self.0.remove(&(at, key));
        }
        if let Some(at) = new {
            self.0.insert((at, key));
        }
    }

    /// The latest first, all of them or those behind a place.
    pub fn newest_first(&self, after: Option<Place<K>>) -> impl Iterator<Item = K> {
        let end = after.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.0.range((Bound::Unbounded, end));
        places.rev().map(|(_, key)| *key)
    }

    /// The earliest first, all of them or those behind a place.
    pub fn oldest_first(&self, after: Option<Place<K>>) -> impl Iterator<Item = K> {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let places = self.0.range((start, Bound::Unbounded));
        places.map(|(_, key)| *key)
    }
}

/// The first `size` of what was found, and whether there is more.
pub fn page<T>(mut found: impl Iterator<Item = T>, size: usize) -> (Vec<T>, bool) {
    let page: Vec<_> = found.by_ref().take(size).collect();
    let more = found.next().is_some();
    (page, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(micros: i64) -> Instant {
        Instant::from_timestamp_micros(micros).expect("an instant")
    }

    #[test]
    fn pages_in_either_order_hold_every_row_once_whatever_moves_between_them() {
        let mut order = ByTime::default();
        for key in 0..10_u32 {
            order.move_to(key, None, Some(at(i64::from(key / 3))));
        }
        let (first, more) = page(order.newest_first(None), 4);
        assert_eq!((first, more), (vec![9, 8, 7, 6], true));
        // One that was shown goes away, one that was not moves within what is left.
        order.move_to(6, Some(at(2)), None);
        order.move_to(0, Some(at(0)), Some(at(1)));
        let (second, more) = page(order.newest_first(Some((at(2), 6))), 6);
        assert_eq!((second, more), (vec![5, 4, 3, 0, 2, 1], false));
        let oldest: Vec<_> = order.oldest_first(Some((at(1), 0))).collect();
        assert_eq!(oldest, [3, 4, 5, 7, 8, 9]);
    }
}
