//! A log's folder made out of a backup. Owns the folder until it is whole; decides nothing about
//! epochs.

use std::fs::{self, File};
use std::io;
use std::path::Path;

use super::{BackupError, Manifest, each_part, end_of};
use crate::disk::Options;
use crate::files::Window;
use crate::head_file::HeadFile;
use crate::journal::segment::{self, JOURNAL_DIR, SegmentHeader};
use crate::open::LOCK_FILE;
use crate::sled_copy::COPY_DIR;

/// Makes a log in the folder `into`, which must not exist, out of a backup that was checked: closed
/// cleanly at the backup's end, in the epoch of the backup, the second copy still to be made by its
/// first opening. After an error the folder is worth nothing.
pub fn restore(
    from: &Path,
    manifest: &Manifest,
    into: &Path,
    options: &Options,
) -> Result<(), BackupError> {
    let files = &*options.files;
    let journal = into.join(JOURNAL_DIR);
    let make = || -> io::Result<()> {
        fs::create_dir(into)?;
        fs::create_dir(&journal)?;
        fs::create_dir(into.join(COPY_DIR))?;
        files.open(&into.join(LOCK_FILE), true)?;
        Ok(())
    };
    make().map_err(|error| BackupError::io(into, &error))?;
    for file in &manifest.files {
        let source = segment::path(&from.join(JOURNAL_DIR), file.segment);
        let copied = copy(&source, &journal, file.bytes, options);
        let digest = copied.map_err(|error| BackupError::io(&source, &error))?;
        if digest != file.sha256 {
            return Err(BackupError::Damaged {
                what: format!("{} has changed since it was checked", file.name),
            });
        }
    }
    let slot = end_of(manifest)?;
    HeadFile::open(files, into, slot)
        .and_then(|mut head| head.write(slot)?.sync())
        .and_then(|()| files.sync_dir(into))
        .map_err(|error| BackupError::io(into, &error))
}

/// Makes a segment whole, zero-filled behind the bytes that count; answers their digest.
fn copy(source: &Path, journal: &Path, bytes: u64, options: &Options) -> io::Result<String> {
    let file = File::open(source)?;
    let header = SegmentHeader::decode(Window::new(0).get(&file, 0, 64)?)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidData))?;
    segment::make(&*options.files, journal, &header)?;
    let target = options
        .files
        .open(&segment::path(journal, header.number), false)?;
    let digest = each_part(&file, bytes, &mut |bytes, offset| {
        target.write_all_at(bytes, offset)
    })?;
    target.sync()?;
    Ok(digest)
}
