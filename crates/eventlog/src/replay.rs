//! Following the log from its beginning, block by block. Owns the checks that hold between commits
//! (numbers, positions, versions, time) and what is rebuilt from them; never reads a file.

use uuid::Uuid;

use crate::block::{self, BlockHeader};
use crate::record;
use crate::sequencer::End;
use crate::stream_index::{StreamIndex, StreamKey};

/// The state of a log after some of its blocks.
pub(crate) struct Replay {
    pub(crate) end: End,
    pub(crate) index: StreamIndex,
    /// The epoch of the last commit; never above that of its block.
    commit_epoch: u32,
}

impl Replay {
    /// Before the first block.
    pub(crate) fn new(log_id: Uuid) -> Self {
        Self {
            end: End::of_empty(log_id, 1),
            index: StreamIndex::default(),
            commit_epoch: 1,
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
                    .index
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
