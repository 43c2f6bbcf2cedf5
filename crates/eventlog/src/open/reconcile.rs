//! Bringing the second copy to where the journal is when a log is opened. Owns the comparison of
//! volumes with the journal, their filling and their making anew; never writes the journal.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::Arc;

use super::ASIDE_DIR;
use crate::disk::{OpenError, OpenReport, Options};
use crate::heal;
use crate::journal::place::{Cursor, POINT_BYTES, Places, SEQUENTIAL_BYTES};
use crate::journal::segment::JOURNAL_DIR;
use crate::log::ReadError;
use crate::sled_copy::{self, Lack, Volume, volume_of, volume_path};
use crate::survey::Surveyed;

/// The newest volume, open, if the second copy is as a clean stop leaves it: every volume is there
/// and the last block is that of the journal, which is whole. What is before it is not looked at.
pub(super) fn copy_as_closed(dir: &Path, options: &Options, surveyed: &Surveyed) -> Option<Volume> {
    let newest = volume_of(surveyed.last_block, options.volume_events);
    if !(1..=newest).all(|number| sled_copy::has_file(dir, number))
        || volume_path(dir, newest + 1).exists()
    {
        return None;
    }
    let places = Places::new(dir.join(JOURNAL_DIR), surveyed.index.marks());
    let mut cursor = Cursor::near(&Arc::new(places), surveyed.last_block, POINT_BYTES);
    let (header, block) = cursor.find(surveyed.last_block).ok()?;
    header.payload(block, true).ok()?;
    let volume = Volume::open(dir, newest).ok()?;
    let same = matches!(volume.last(), Ok(Some((first, held)))
        if first == header.first_position && held == block);
    if !same {
        volume.close();
        return None;
    }
    Some(volume)
}

/// Brings the second copy to where the journal is.
pub(super) struct Reconciling<'a> {
    pub(super) dir: &'a Path,
    pub(super) options: &'a Options,
    pub(super) places: &'a Arc<Places>,
    /// The last position that the second copy was known to hold.
    pub(super) synced: u64,
    /// Whether no volume is known to be whole.
    pub(super) doubted: bool,
    pub(super) report: &'a mut OpenReport,
    /// Why the second copy is not where the journal is, if a volume could not be brought there.
    pub(super) bad: Option<String>,
}

impl Reconciling<'_> {
    /// Reconciles what may lack something; answers the newest volume, open.
    pub(super) fn all(
        mut self,
        last_block: u64,
        clean: bool,
    ) -> Result<(Option<Volume>, Option<String>), OpenError> {
        if last_block == 0 {
            return Ok((None, None));
        }
        let newest = volume_of(last_block, self.options.volume_events);
        if volume_path(self.dir, newest + 1).exists() {
            return Err(beyond(last_block));
        }
        let mut open = None;
        for number in 1..=newest {
            let past = self.synced > number * self.options.volume_events;
            let known = !self.doubted && (past || clean);
            if number < newest && known && sled_copy::has_file(self.dir, number) {
                continue;
            }
            let volume = self.one(number, last_block)?;
            open = match volume {
                Some(volume) if number < newest => {
                    volume.close();
                    None
                }
                volume => volume,
            };
        }
        if let Some(reason) = &self.bad {
            tracing::error!(
                reason,
                "the second copy cannot be brought to where the journal is; the next opening tries \
                 again"
            );
        }
        Ok((open, self.bad))
    }

    /// Reconciles one volume. One that cannot be used is left closed and the copy is bad, so that the
    /// next opening tries again.
    fn one(&mut self, number: u64, last_block: u64) -> Result<Option<Volume>, OpenError> {
        let path = volume_path(self.dir, number);
        // Nothing is said of a volume that was not there before because nothing was to be in it.
        let new = !path.exists() && self.synced <= (number - 1) * self.options.volume_events;
        let lack = match Volume::open(self.dir, number) {
            Err(error) => Lack::Different(error),
            Ok(volume) => {
                let lack = self
                    .compare(&volume, number)
                    .map_err(|error| damaged(&error))?;
                match lack {
                    Lack::Nothing => return Ok(Some(volume)),
                    Lack::Beyond(_) => return Err(beyond(last_block)),
                    Lack::From(position) => return self.fill(volume, position, new),
                    Lack::Different(reason) => {
                        volume.close();
                        Lack::Different(reason)
                    }
                }
            }
        };
        let Lack::Different(reason) = lack else {
            return Ok(None);
        };
        set_aside(self.dir, &path)
            .map_err(|error| OpenError::io(format!("setting {} aside", path.display()), &error))?;
        self.report.healed.push(format!(
            "rebuilt volume {number} of the second copy: {reason}"
        ));
        match Volume::open(self.dir, number) {
            Ok(volume) => {
                let first = sled_copy::first_of(number, self.options.volume_events);
                self.fill(volume, first, true)
            }
            Err(error) => {
                self.bad = Some(error);
                Ok(None)
            }
        }
    }

    fn compare(&self, volume: &Volume, number: u64) -> Result<Lack, ReadError> {
        let mut cursor = self.blocks_of(number);
        sled_copy::compare(volume, || {
            next_of(&mut cursor, number, self.options.volume_events)
        })
    }

    fn blocks_of(&self, number: u64) -> Cursor {
        let first = sled_copy::first_of(number, self.options.volume_events);
        Cursor::near(self.places, first, SEQUENTIAL_BYTES)
    }

    /// Inserts the blocks from a position on and checkpoints them.
    fn fill(
        &mut self,
        volume: Volume,
        from: u64,
        quiet: bool,
    ) -> Result<Option<Volume>, OpenError> {
        let number = volume.number;
        let mut cursor = Cursor::near(self.places, from, SEQUENTIAL_BYTES);
        let mut count = 0_u64;
        let volume_events = self.options.volume_events;
        while let Some((first, block)) =
            next_of(&mut cursor, number, volume_events).map_err(|error| damaged(&error))?
        {
            if first < from {
                continue;
            }
            if let Err(error) = volume.insert(first, &block) {
                volume.close();
                self.bad = Some(error);
                return Ok(None);
            }
            count += 1;
        }
        if let Err(error) = volume.checkpoint() {
            volume.close();
            self.bad = Some(error);
            return Ok(None);
        }
        if !quiet {
            self.report
                .healed
                .push(format!("caught the second copy up by {count} blocks"));
        }
        Ok(Some(volume))
    }
}

fn beyond(proven: u64) -> OpenError {
    let what = "the second copy holds more than the journal".to_owned();
    OpenError::Damaged { proven, what }
}

fn damaged(error: &ReadError) -> OpenError {
    let proven = match error {
        ReadError::Damaged { position, .. } => position.saturating_sub(1),
        ReadError::Io { .. } => 0,
    };
    OpenError::Damaged {
        proven,
        what: error.to_string(),
    }
}

/// The next block of the journal that belongs to a volume.
pub(crate) fn next_of(
    cursor: &mut Cursor,
    number: u64,
    volume_events: u64,
) -> Result<Option<(u64, Vec<u8>)>, ReadError> {
    loop {
        let Some((header, bytes)) = cursor.next()? else {
            return Ok(None);
        };
        match volume_of(header.first_position, volume_events) {
            volume if volume < number => {}
            volume if volume == number => return Ok(Some((header.first_position, bytes.to_vec()))),
            _ => return Ok(None),
        }
    }
}

/// Moves something out of the way without deleting it.
pub(crate) fn set_aside(dir: &Path, path: &Path) -> io::Result<()> {
    let aside = dir.join(ASIDE_DIR);
    fs::create_dir_all(&aside)?;
    let name = path.file_name().map(|name| name.to_string_lossy());
    let name = name.as_deref().unwrap_or("file");
    fs::rename(path, heal::stage::free_name(&aside, name))
}
