//! An epoch: where and why the history of a log was forked.
//!
//! Owns what the first commit of an epoch says of its parent, and the origin of checkpoints, which
//! no two epochs share. Whether the parent's end is proven is for the log to know, not for a rule.

use serde::{Deserialize, Serialize};

use super::Genesis;
use crate::envelope::Instant;

/// Hexadecimal digits of a branch's id that stand in the origin.
const BRANCH_DIGITS: usize = 8;

/// Where an epoch begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The epoch before.
    pub parent_epoch: u32,
    /// The last position that was kept.
    pub parent_position: u64,
    /// The number of commits up to there.
    pub parent_commits: u64,
    /// The root of the tree over them, 64 hexadecimal digits.
    pub parent_root: String,
    /// The last position that had been acknowledged or was found, where that was later: what lies
    /// between is lost.
    pub claimed_position: Option<u64>,
}

impl Parent {
    /// True if a log can end so.
    pub(super) fn is_possible(&self) -> bool {
        let root = self.parent_root.as_bytes();
        self.parent_commits >= 1
            && self.parent_position >= self.parent_commits
            && root.len() == 64
            && root.iter().all(u8::is_ascii_hexdigit)
    }
}

/// Why a log was forked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EpochReason {
    /// It was damaged in both copies and an administrator gave up what was not proven.
    AcceptedLoss {
        /// What was found.
        finding: String,
    },
    /// It was restored from a backup; what was acknowledged after that is not in it.
    Restored {
        /// When the backup was taken.
        taken_at: Instant,
        /// The last position of the backup.
        backup_position: u64,
    },
}

impl Genesis {
    /// The origin of this epoch's checkpoints: the log's name, its id and its epoch. Two epochs
    /// never share one, also where a backup was restored twice.
    pub fn checkpoint_origin(&self) -> String {
        let id = self.log_id.unwrap_or_default();
        let epoch = format!("{}/{id}/{}", self.origin, self.epoch);
        match self.branch {
            None => epoch,
            Some(branch) => {
                let branch = branch.simple().to_string();
                format!("{epoch}-{}", &branch[..BRANCH_DIGITS])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::genesis::{ClockKind, Command, Event, KEY, Refusal, birth};
    use crate::ids::PersonId;
    use crate::testing::{History, at, by, id};

    const ADMINISTRATOR: u128 = 1;

    fn born() -> History {
        let now = at("2024-07-01T00:00:00Z");
        History::given(birth(ClockKind::Real, id(ADMINISTRATOR), now))
    }

    fn start(epoch: u32, parent_epoch: u32) -> Command {
        Command::StartEpoch {
            epoch,
            branch: Uuid::from_u128(0xabcd_ef01 << 96),
            parent: Parent {
                parent_epoch,
                parent_position: 12,
                parent_commits: 3,
                parent_root: "0f".repeat(32),
                claimed_position: Some(15),
            },
            reason: EpochReason::AcceptedLoss {
                finding: "a block is lost".to_owned(),
            },
        }
    }

    fn started(epoch: u32, command: &Command) -> Event {
        let Command::StartEpoch {
            branch,
            parent,
            reason,
            ..
        } = command
        else {
            unreachable!("only epochs start here")
        };
        Event::EpochStarted {
            epoch,
            branch: *branch,
            parent: parent.clone(),
            reason: reason.clone(),
            by: id(ADMINISTRATOR),
        }
    }

    fn check(history: &History, person: u128, command: Command) -> Result<Event, String> {
        let cx = by(id::<PersonId>(person), at("2024-07-02T00:00:00Z"));
        match history.when(command, &cx) {
            Ok(events) => match <[_; 1]>::try_from(events) {
                Ok([crate::Event::Genesis(event)]) => Ok(event),
                other => panic!("one event of the genesis is expected: {other:?}"),
            },
            Err(refused) => Err(refused.name),
        }
    }

    fn name(refusal: Refusal) -> String {
        refusal.refused().name
    }

    #[test]
    fn an_administrator_starts_the_next_epoch_and_it_says_where_and_why() {
        for epoch in [2, 3] {
            let command = start(epoch, 1);
            let event = started(epoch, &command);
            assert_eq!(check(&born(), ADMINISTRATOR, command), Ok(event));
        }
    }

    #[test]
    fn an_epoch_starts_after_the_present_one_and_never_twice() {
        let mut history = born();
        for (epoch, parent) in [(1, 1), (0, 1), (2, 2), (2, 0), (3, 2)] {
            let refused = check(&history, ADMINISTRATOR, start(epoch, parent));
            assert_eq!(
                refused,
                Err(name(Refusal::EpochDoesNotFollow)),
                "{epoch} {parent}"
            );
        }
        let cx = by(id(ADMINISTRATOR), at("2024-07-02T00:00:00Z"));
        history = history.then(start(2, 1), &cx);
        let refused = check(&history, ADMINISTRATOR, start(2, 1));
        assert_eq!(refused, Err(name(Refusal::EpochDoesNotFollow)));
        let next = start(3, 2);
        let event = started(3, &next);
        assert_eq!(check(&history, ADMINISTRATOR, next), Ok(event));
    }

    #[test]
    fn only_an_administrator_starts_an_epoch() {
        let refused = check(&born(), 2, start(2, 1));
        assert_eq!(refused, Err(name(Refusal::ActorIsNoAdministrator)));
    }

    #[test]
    fn a_parent_that_cannot_be_is_refused() {
        for (commits, position, root) in [
            (0, 12, "0f".repeat(32)),
            (3, 2, "0f".repeat(32)),
            (3, 12, "0f".repeat(31)),
            (3, 12, "xy".repeat(32)),
        ] {
            let mut command = start(2, 1);
            if let Command::StartEpoch { parent, .. } = &mut command {
                parent.parent_commits = commits;
                parent.parent_position = position;
                parent.parent_root = root;
            }
            let refused = check(&born(), ADMINISTRATOR, command);
            assert_eq!(refused, Err(name(Refusal::ParentIsEmpty)));
        }
    }

    #[test]
    fn a_reason_is_stored_by_its_name() {
        let restored = EpochReason::Restored {
            taken_at: at("2024-07-01T00:00:00Z"),
            backup_position: 97,
        };
        let stored = r#"{"restored":{"taken_at":"2024-07-01T00:00:00Z","backup_position":97}}"#;
        assert_eq!(serde_json::to_string(&restored).expect("JSON"), stored);
        let read: EpochReason = serde_json::from_str(stored).expect("a reason");
        assert_eq!(read, restored);
    }

    #[test]
    fn the_origin_of_checkpoints_is_another_one_in_every_epoch() {
        let mut history = born();
        let genesis = |history: &History| history.world().state::<Genesis>(KEY).expect("a state");
        let nil = Uuid::nil();
        assert_eq!(
            genesis(&history).checkpoint_origin(),
            format!("test.example/log/{nil}/1")
        );
        let cx = by(id(ADMINISTRATOR), at("2024-07-02T00:00:00Z"));
        history = history.then(start(2, 1), &cx);
        assert_eq!(
            genesis(&history).checkpoint_origin(),
            format!("test.example/log/{nil}/2-abcdef01")
        );
    }
}
