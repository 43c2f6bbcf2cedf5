use domain::ids::HouseholdId;
use std::collections::BTreeSet;

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::read_models::households::{HouseholdRow, Households};

fn id(n: u128) -> HouseholdId {
    HouseholdId(Uuid::from_u128(n))
}

#[test]
fn a_page_that_was_stored_too_large_is_split_once_it_changes() {
    let mut pages = Pages::<Households>::new(None);
    let bound = pages.bound_of(&id(1));
    for page in pages.pages_mut(std::slice::from_ref(&bound)) {
        let rows = page.rows_mut().expect("resident");
        rows.extend((1..=8).map(|n| (id(n), HouseholdRow::default())));
        page.changed(8);
        page.measured = 3 * PAGE_BYTES_MAX;
    }
    pages.split(std::slice::from_ref(&bound));
    for _ in 0..2 {
        let bounds: Vec<_> = pages.ranges.keys().copied().collect();
        pages.split(&bounds);
    }
    let sizes: Vec<_> = pages.ranges.values().map(|page| page.measured).collect();
    assert_eq!(sizes.len(), 4, "{sizes:?}");
    assert!(sizes.iter().all(|size| *size <= PAGE_BYTES_MAX));
    assert_eq!(sizes.iter().sum::<usize>(), 3 * PAGE_BYTES_MAX);
    assert!(pages.keys().copied().eq((1..=8).map(id)));
}

proptest! {
    #[test]
    fn in_whatever_order_keys_come_pages_hold_them_in_theirs_and_ranges_are_those_of_a_map(
        keys in prop::collection::vec(0_u128..3_000, 1..2_500),
        from in 0_u128..3_000,
        until in 0_u128..3_000,
    ) {
        let mut pages = Pages::<Households>::new(None);
        let mut map = BTreeSet::new();
        for key in keys {
            let bound = pages.bound_of(&id(key));
            for page in pages.pages_mut(std::slice::from_ref(&bound)) {
                if let Some(rows) = page.rows_mut() {
                    rows.entry(id(key)).or_default();
                }
                page.changed(1);
            }
            pages.split(&[bound]);
            map.insert(id(key));
        }
        prop_assert!(pages.keys().eq(map.iter()));
        prop_assert_eq!(pages.len(), map.len());
        prop_assert!(map.iter().all(|key| pages.contains_key(key)));
        let fullest = pages.ranges.values().map(|page| page.len).max();
        prop_assert!(fullest <= Some(PAGE_PARTITIONS_MAX));
        let range = (Bound::Excluded(id(from)), Bound::Included(id(until.max(from + 1))));
        let found: Vec<_> = pages.range(range).map(|(key, _)| *key).collect();
        let expected: Vec<_> = map.range(range).copied().collect();
        prop_assert_eq!(found, expected);
    }
}
