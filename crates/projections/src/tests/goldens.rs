//! A checksum per model over one history: whoever changes what a model says must change its
//! `SCHEMA_VERSION` and, in the same commit, its line here.

use std::fmt::Write as _;

use super::folded;
use crate::fixture::History;

const GOLDEN: &str = include_str!("goldens.txt");

#[tokio::test]
async fn every_model_says_of_the_fixture_what_it_always_said() {
    let models = folded(&History::whole().await);
    let mut found = String::new();
    for model in models.all() {
        assert_eq!(model.live().standing().fault, None, "{}", model.name());
        let checksum = model.live().checksum();
        assert!(
            checksum.rows > 0,
            "{} must have rows in the fixture",
            model.name()
        );
        let (name, schema) = (model.name(), model.schema_version());
        let _ = writeln!(
            found,
            "{name} {schema} {} {}",
            checksum.rows, checksum.sha256
        );
    }
    assert_eq!(
        found, GOLDEN,
        "a model's rows changed: raise its version and the golden"
    );
}
