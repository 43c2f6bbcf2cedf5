//! An axis of places, each as wide as the others: rows, columns, months, stages.
//!
//! The library's own axes of categories divide by zero where there is a single one.

use std::ops::Range;

use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};

/// So many places in a row. Its values are halves of a place, so that middles are whole numbers.
#[derive(Debug, Clone, Copy)]
pub(super) struct Places(pub(super) usize);

/// The value in the middle of a place, counted from 0.
pub(super) fn middle_of(place: usize) -> i32 {
    edge_of(place).saturating_add(1)
}

/// The value where a place begins, and the one before it ends.
pub(super) fn edge_of(place: usize) -> i32 {
    i32::try_from(place).unwrap_or(i32::MAX).saturating_mul(2)
}

/// The place that a value stands in.
pub(super) fn place_of(value: i32) -> Option<usize> {
    usize::try_from(value.div_euclid(2)).ok()
}

impl Ranged for Places {
    type FormatOption = DefaultFormatting;
    type ValueType = i32;

    fn map(&self, value: &i32, (from, to): (i32, i32)) -> i32 {
        let end = i64::from(edge_of(self.0)).max(1);
        let long = i64::from(to) - i64::from(from);
        let at = i64::from(from) + long * i64::from(*value) / end;
        i32::try_from(at).unwrap_or(to)
    }

    fn key_points<Hint: KeyPointHint>(&self, _: Hint) -> Vec<i32> {
        (0..self.0).map(middle_of).collect()
    }

    fn range(&self) -> Range<i32> {
        0..edge_of(self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_share_the_axis_also_if_there_is_one() {
        let middles = |places: usize, limit| {
            let axis = Places(places);
            let middles = axis.key_points(1).into_iter();
            middles.map(|at| axis.map(&at, limit)).collect::<Vec<_>>()
        };
        assert_eq!(middles(1, (100, 140)), [120]);
        assert_eq!(middles(3, (0, 60)), [10, 30, 50]);
        // Upright axes begin below.
        assert_eq!(middles(2, (80, 0)), [60, 20]);
        assert_eq!(middles(0, (0, 60)), [0_i32; 0]);
        assert_eq!(place_of(middle_of(7)), Some(7));
    }
}
