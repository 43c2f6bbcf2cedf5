//! Which rows that differ are shown to an administrator, and how.
//!
//! Owns what is kept back. Whoever runs the system has no business with leads: no row of them is
//! shown, and none that follows from one, such as the lot of a withheld award, whose key alone would
//! say who tipped. Such rows are counted, and left out *before* the list is cut to what was asked
//! for, so that asking for fewer rows does not tell between which others a withheld one stands.

use domain::Visibility;
use domain::policy_set::ActivityFamily;
use projections::compare::{DIFFERENCES_MAX, Difference};
use serde_json::{Value, json};

use crate::parse::{Parsed, Violation};
use crate::wire;

/// Rows that are shown where the caller does not say.
pub(super) const ROWS_DEFAULT: usize = 20;
/// Longest text of a row's value, in bytes; a longer one is cut.
pub(super) const VALUE_BYTES_MAX: usize = 4_000;

/// What may be seen of a model's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shown {
    /// All.
    Whole,
    /// All but the lots of awards that are withheld.
    OpenLots,
    /// All but those with an award that is withheld.
    OpenAwards,
    /// All, with withheld work left out of it.
    OpenWork,
    /// None.
    Nothing,
}

/// The table. A model that is not in it shows nothing; a test insists that all are.
const TABLE: &[(&str, Shown)] = &[
    ("activities", Shown::Whole),
    ("balances", Shown::OpenLots),
    ("case_board", Shown::Whole),
    ("disputes", Shown::Whole),
    ("hazard_report", Shown::Whole),
    ("hot_spots", Shown::Whole),
    ("households", Shown::Whole),
    ("leaderboard", Shown::OpenAwards),
    ("leads", Shown::Nothing),
    ("mediation_report", Shown::Whole),
    ("members", Shown::Whole),
    ("missed_alarms", Shown::Whole),
    ("patrol_coverage", Shown::Whole),
    ("reaction_work", Shown::OpenWork),
    ("redemptions", Shown::Whole),
    ("reward_items", Shown::Whole),
    ("shifts", Shown::Whole),
    ("stock_book", Shown::Whole),
    ("teams", Shown::Whole),
    ("units", Shown::Whole),
    ("volunteer_growth", Shown::Whole),
    ("zones", Shown::Whole),
];

/// How many rows are shown at most.
///
/// # Errors
/// If more are asked for than there can be.
pub(super) fn rows_max(asked: u32) -> Parsed<usize> {
    match usize::try_from(asked) {
        Ok(0) => Ok(ROWS_DEFAULT),
        Ok(asked) if asked <= DIFFERENCES_MAX => Ok(asked),
        _ => Err(Violation::new(
            "differences_max",
            format!("At most {DIFFERENCES_MAX} rows are shown."),
        )),
    }
}

/// The rows as they are shown, at most `most` of them, and how many of all are withheld.
pub(super) fn rows(
    model: &str,
    differences: &[Difference],
    most: usize,
) -> (Vec<wire::RowDifference>, u32) {
    let row = TABLE.iter().find(|(name, _)| *name == model);
    let shown = row.map_or(Shown::Nothing, |(_, shown)| *shown);
    let mut withheld = 0;
    let mut open = Vec::new();
    for difference in differences {
        match one(shown, difference) {
            Some(row) if open.len() < most => open.push(row),
            Some(_) => {}
            None => withheld += 1,
        }
    }
    (open, withheld)
}

fn one(shown: Shown, difference: &Difference) -> Option<wire::RowDifference> {
    // What either build takes for withheld is: one of them may be wrong.
    let sides = [&difference.live, &difference.rebuilt];
    let hidden = match shown {
        Shown::Nothing => true,
        Shown::OpenLots => sides.into_iter().flatten().any(is_withheld_lot),
        Shown::OpenAwards => sides.into_iter().flatten().any(has_withheld_award),
        Shown::Whole | Shown::OpenWork => false,
    };
    if hidden {
        return None;
    }
    let mut cut = false;
    let mut text = |value: &Option<Value>| {
        let Some(value) = value else {
            return String::new();
        };
        let mut text = if shown == Shown::OpenWork {
            without_withheld(value).to_string()
        } else {
            value.to_string()
        };
        if text.len() > VALUE_BYTES_MAX {
            cut = true;
            text.truncate(text.floor_char_boundary(VALUE_BYTES_MAX));
        }
        text
    };
    let (live_json, rebuilt_json) = (text(&difference.live), text(&difference.rebuilt));
    Some(wire::RowDifference {
        key: difference.key.clone(),
        live_json,
        rebuilt_json,
        cut,
    })
}

/// True unless a row of an account is plainly no lot, or the lot of an open award.
fn is_withheld_lot(row: &Value) -> bool {
    if row.get("award").is_none() && row.get("is_frozen").is_some() {
        return false;
    }
    is_withheld_family(row.pointer("/activity/family"))
}

/// True unless every award of a person is plainly open. The model leaves others out, but of two
/// builds that differ one may be wrong in just that.
fn has_withheld_award(row: &Value) -> bool {
    let awards = row.get("awards").and_then(Value::as_object);
    awards.is_none_or(|awards| {
        let mut all = awards.values();
        all.any(|award| is_withheld_family(award.get("family")))
    })
}

/// True unless it is a family of which everybody may see the awards.
fn is_withheld_family(family: Option<&Value>) -> bool {
    let family = family.cloned().unwrap_or_default();
    serde_json::from_value::<ActivityFamily>(family)
        .map_or(true, |family| family.visibility() == Visibility::Withheld)
}

/// The value with everything that is withheld in it replaced, with the place where it stands.
fn without_withheld(value: &Value) -> Value {
    let marked = |value: &Value| value.get("is_withheld") == Some(&Value::Bool(true));
    match value {
        Value::Array(pair) if pair.iter().any(marked) => json!("withheld"),
        Value::Array(items) => items.iter().map(without_withheld).collect(),
        Value::Object(_) if marked(value) => json!("withheld"),
        Value::Object(members) => members
            .iter()
            .map(|(name, value)| (name.clone(), without_withheld(value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        plain => plain.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differing(key: &str, live: Value, rebuilt: Value) -> Difference {
        Difference {
            key: key.to_owned(),
            live: Some(live),
            rebuilt: Some(rebuilt),
        }
    }

    fn lot(family: &str, granted: u32) -> Value {
        json!({ "award": "a", "activity": { "family": family }, "granted": granted })
    }

    #[test]
    fn every_model_is_in_the_table_once() {
        let table: Vec<_> = TABLE.iter().map(|(name, _)| *name).collect();
        let mut models = projections::Models::NAMES.to_vec();
        models.sort_unstable();
        assert_eq!(
            table, models,
            "say of each what administrators see of its rows"
        );
    }

    #[test]
    fn a_model_that_is_not_in_the_table_shows_nothing() {
        let found = [differing("k", json!(1), json!(2))];
        assert_eq!(rows("unheard_of", &found, 9), (Vec::new(), 1));
        assert_eq!(rows("leads", &found, 9), (Vec::new(), 1));
        assert_eq!(rows("units", &found, 9).0.len(), 1);
    }

    #[test]
    fn a_lot_that_either_build_takes_for_withheld_is_counted_and_not_shown() {
        let found = [
            differing("a/1", lot("lead", 50), lot("patrol", 50)),
            differing("a/2", lot("patrol", 50), lot("lead", 50)),
            differing("a/3", lot("patrol", 50), lot("patrol", 40)),
            differing("a/4", json!({}), lot("patrol", 40)),
            differing(
                "b",
                json!({ "is_frozen": false }),
                json!({ "is_frozen": true }),
            ),
        ];
        let (shown, withheld) = rows("balances", &found, 9);
        let keys: Vec<_> = shown.iter().map(|row| row.key.as_str()).collect();
        assert_eq!((keys, withheld), (vec!["a/3", "b"], 3));
    }

    #[test]
    fn an_honour_with_an_award_that_only_one_build_holds_withheld_is_not_shown() {
        let honour = |families: &[&str]| {
            let awards = families.iter().enumerate();
            let awards = awards.map(|(n, family)| (n.to_string(), json!({ "family": family })));
            json!({ "awards": awards.collect::<serde_json::Map<_, _>>(), "consents": [] })
        };
        let found = [
            differing("a", honour(&["patrol"]), honour(&["patrol", "lead"])),
            differing("b", honour(&["patrol"]), honour(&["patrol", "publicity"])),
            differing("c", honour(&[]), json!({})),
        ];
        let (shown, withheld) = rows("leaderboard", &found, 9);
        let keys: Vec<_> = shown.iter().map(|row| row.key.as_str()).collect();
        assert_eq!((keys, withheld), (vec!["b"], 2));
    }

    #[test]
    fn fewer_rows_do_not_tell_where_a_withheld_one_stands() {
        let open = |key: &str| differing(key, lot("patrol", 1), lot("patrol", 2));
        let hidden = differing("b", lot("lead", 1), lot("lead", 2));
        let first = [hidden.clone(), open("a"), open("c")];
        let last = [open("a"), open("c"), hidden];
        for most in 0..4 {
            assert_eq!(
                rows("balances", &first, most),
                rows("balances", &last, most)
            );
        }
    }

    #[test]
    fn withheld_work_is_left_out_of_a_reaction_with_its_place() {
        let work = |n: u32| {
            json!({ "from": 1, "stuck": [
                [[7, 0], { "refusal": "A", "message": "open", "is_withheld": false }],
                [[8, 0], { "refusal": "B", "message": "secret", "is_withheld": true }],
            ], "resolved": n })
        };
        let (shown, _) = rows("reaction_work", &[differing("r", work(1), work(2))], 9);
        let text = format!("{shown:?}");
        assert!(text.contains("open") && text.contains("withheld"), "{text}");
        assert!(
            !text.contains("secret") && !text.contains("[8,0]"),
            "{text}"
        );
    }

    #[test]
    fn a_long_value_is_cut_at_a_letter() {
        let long = json!("点".repeat(VALUE_BYTES_MAX));
        let (shown, _) = rows("units", &[differing("k", long, json!(1))], 1);
        assert!(shown[0].cut && shown[0].live_json.len() <= VALUE_BYTES_MAX);
        assert_eq!(shown[0].rebuilt_json, "1");
    }

    #[test]
    fn an_answer_with_all_rows_at_their_longest_fits_into_a_message() {
        let key_bytes_max = 200;
        let row = 2 * VALUE_BYTES_MAX + key_bytes_max + 32;
        assert!(DIFFERENCES_MAX * row < crate::server::MESSAGE_BYTES_MAX);
        assert_eq!(rows_max(0), Ok(ROWS_DEFAULT));
        assert!(rows_max(u32::try_from(DIFFERENCES_MAX).unwrap() + 1).is_err());
    }
}
