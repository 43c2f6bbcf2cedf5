//! Looking at the files of an open index again. Owns what is wrong with a file that has the right
//! name; one that is, is made again as a reading would have it made.

use std::path::Path;
use std::sync::Arc;

use crate::index::chunk::Chunk;
use crate::index::pages::EntryReader;
use crate::index::{Index, files};
use crate::log::ReadError;

/// How much of a file is read at a time.
const READ_AHEAD_BYTES: usize = 256 * 1024;

/// A file that was not as it should be, in words, and whether it is again.
pub(crate) type Rechecked = (String, Result<(), ReadError>);

impl Index {
    /// Reads every file of the index by its name; makes again what is damaged or missing. `pace` is
    /// told the bytes of each file and may wait; false ends it, then the answer is `None`.
    pub(crate) fn check_files(&self, pace: &mut dyn FnMut(u64) -> bool) -> Option<Vec<Rechecked>> {
        let mut found = Vec::new();
        let folder = self.folder();
        let chunks = Arc::clone(&self.state().chunks);
        for chunk in chunks.iter() {
            // What could not be written is in memory until the next opening.
            if chunk.in_memory().is_none() {
                let wrong = wrong_with(chunk, &folder);
                if let Some(wrong) = wrong.filter(|_| self.holds(chunk)) {
                    let path = chunk.name().path(Path::new(files::INDEX_DIR));
                    let what = format!("{}: {wrong}", path.display());
                    found.push((what, self.made_again(chunk).map(|_| ())));
                }
            }
            if !pace(chunk.bytes()) {
                return None;
            }
        }
        Some(found)
    }

    /// Whether a chunk still counts: merging takes chunks away, and files with them.
    fn holds(&self, chunk: &Arc<Chunk>) -> bool {
        let chunks = &self.state().chunks;
        chunks.iter().any(|other| Arc::ptr_eq(other, chunk))
    }
}

fn wrong_with(chunk: &Chunk, folder: &Path) -> Option<String> {
    let opened = match Chunk::open(&chunk.name().path(folder)) {
        Ok(Some(opened)) => opened,
        Ok(None) => return Some("it is no chunk of the index".to_owned()),
        Err(error) => return Some(error.to_string()),
    };
    if opened.name() != chunk.name() || opened.pages() != chunk.pages() {
        return Some("it is another one than the log wrote".to_owned());
    }
    let mut entries = EntryReader::at(&opened, 0, READ_AHEAD_BYTES);
    loop {
        match entries.next() {
            Ok(Some(_)) => {}
            Ok(None) => return None,
            Err(fault) => return Some(fault.to_string()),
        }
    }
}
