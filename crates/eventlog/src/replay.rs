//! Following the log from some point on, block by block. Owns the checks that hold between commits
//! (numbers, positions, time; versions as far as the events since that point tell) and what is
//! rebuilt from them; never reads a file.

use uuid::Uuid;

use crate::block::{self, BlockHeader, origin_hash};
use crate::index::{StreamKey, Tail};
use crate::journal::place::Place;
use crate::journal::segment::SEGMENT_HEADER_BYTES;
use crate::record;
use crate::sequencer::End;

/// Where a log stands after a whole group: all that is needed to go on from there.
#[derive(Debug, Clone)]
pub(crate) struct Reached {
    pub(crate) end: End,
    /// The hash of the last block.
    pub(crate) hash: [u8; 32],
    /// The number of the group, 0 before the first.
    pub(crate) group: u64,
    /// Where the last block ends.
    pub(crate) place: Place,
    /// The first position of the last block, 0 before the first.
    pub(crate) last_block: u64,
}

impl Reached {
    /// Before the first block of a log.
    pub(crate) fn nothing(log_id: Uuid) -> Self {
        Self {
            end: End::of_empty(log_id, 1),
            hash: origin_hash(log_id),
            group: 0,
            place: Place {
                segment: 1,
                offset: SEGMENT_HEADER_BYTES,
            },
            last_block: 0,
        }
    }
}

/// The state of a log after some of its blocks.
pub(crate) struct Replay {
    pub(crate) end: End,
    /// The events that are in no chunk of the index yet.
    pub(crate) tail: Tail,
    /// The epoch of the last commit; never above that of its block.
    commit_epoch: u32,
}

impl Replay {
    /// After the end of some group.
    pub(crate) fn from(end: End) -> Self {
        Self {
            tail: Tail::from(end.position + 1),
            // Behind a whole group no commit is of an earlier epoch than its block: only the group that
            // a fork writes anew holds such ones.
            commit_epoch: end.epoch,
            end,
        }
    }

    /// Takes the next block, whose hash has been checked.
    pub(crate) fn block(&mut self, header: &BlockHeader, payload: Vec<u8>) -> Result<(), String> {
        let places = block::records(&payload).map_err(|error| error.to_string())?;
        let first_of_block = (header.first_position, header.first_commit);
        if first_of_block != (self.end.position + 1, self.end.tree.size()) {
            let (position, commit) = first_of_block;
            return Err(format!(
                "a block starts at position {position}, commit {commit}, not where \
                                the one before ends"
            ));
        }
        if header.epoch < self.end.epoch {
            return Err(format!(
                "the block at position {} is of epoch {}, after one of epoch {}",
                header.first_position, header.epoch, self.end.epoch
            ));
        }
        self.end.epoch = header.epoch;
        let payload = bytes::Bytes::from(payload);
        for place in places {
            let at = self.end.position + 1;
            let wrong =
                |what: &str| format!("commit {} at position {at}: {what}", self.end.tree.size());
            let commit =
                record::decode(&payload.slice(place)).map_err(|error| wrong(&error.to_string()))?;
            let told = &commit.header;
            if told.log_id != self.end.log_id {
                return Err(wrong("belongs to another log"));
            }
            if (told.first_position, told.commit_number) != (at, self.end.tree.size()) {
                return Err(wrong("says another place of itself"));
            }
            // A fork writes the last group it keeps anew: its block is of the new epoch, the commits
            // in it stay what they were.
            if told.epoch > header.epoch || told.epoch < self.commit_epoch {
                return Err(wrong("says an impossible epoch"));
            }
            if self
                .end
                .recorded_at
                .is_some_and(|last| told.recorded_at < last)
            {
                return Err(wrong("was recorded before the one before it"));
            }
            for event in &commit.events {
                if !self
                    .tail
                    .add(StreamKey::of(&event.stream), event.version, event.position)
                {
                    let version = event.version;
                    return Err(wrong(&format!(
                        "version {version} of {} is out of order",
                        event.stream
                    )));
                }
            }
            self.commit_epoch = told.epoch;
            self.end.recorded_at = Some(told.recorded_at);
            self.end.position = told.last_position();
            self.end.tree.append(commit.leaf(), |_, _, _| ());
        }
        if self.end.position != header.last_position() {
            return Err(format!(
                "the block at position {} holds another number of events than it \
                                says",
                header.first_position
            ));
        }
        Ok(())
    }
}
