//! A small disk of one's own: an ext4 file system in a file, loop-mounted.
//!
//! Owns its making, filling, power cuts and removal. Needs root, loop devices and the tools of ext4;
//! without them there is no disk, and the reason is printed.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::fs::{FallocateFlags, fallocate, statvfs};
use tempfile::TempDir;

use crate::harness::{Folder, repository};

/// Set it to make a test fail where it would be skipped for want of a disk.
const INSIST_VARIABLE: &str = "TESTS_INSIST_ON_DISKS";
const MIB: u64 = 1024 * 1024;
/// Names of the file system and of what takes room on it.
const IMAGE: &str = "image";
const MOUNT_POINT: &str = "mounted";
const BALLAST: &str = "ballast";

/// A mounted disk. Unmounted and removed when dropped: drop what uses it before.
pub(crate) struct Disk {
    place: TempDir,
}

impl Disk {
    /// A disk of so many MiB; `None` where there can be none.
    pub(crate) fn of_mib(mib: u64) -> Option<Self> {
        match Self::make(mib) {
            Ok(disk) => Some(disk),
            Err(reason) => {
                assert!(std::env::var_os(INSIST_VARIABLE).is_none(), "{reason}");
                eprintln!("skipped, since no disk can be made here: {reason}");
                None
            }
        }
    }

    fn make(mib: u64) -> Result<Self, String> {
        let place = TempDir::with_prefix("benniu-disk-").expect("a temporary folder");
        let image = File::create(place.path().join(IMAGE)).expect("a file");
        image.set_len(mib * MIB).expect("a sparse file");
        fs::create_dir(place.path().join(MOUNT_POINT)).expect("a folder");
        let mut format = Command::new("mkfs.ext4");
        // Without blocks that only root may use.
        format.args(["-q", "-F", "-m", "0"]);
        run(format.arg(place.path().join(IMAGE)))?;
        let disk = Self { place };
        disk.mount()?;
        Ok(disk)
    }

    fn mount(&self) -> Result<(), String> {
        let image = self.place.path().join(IMAGE);
        let mut mount = Command::new("mount");
        run(mount.args(["-o", "loop"]).arg(image).arg(self.path()))
    }

    fn unmount(&self) -> Result<(), String> {
        run(Command::new("umount").arg(self.path()))
    }

    /// Where it is mounted.
    pub(crate) fn path(&self) -> PathBuf {
        self.place.path().join(MOUNT_POINT)
    }

    /// A log on it, on a simulated clock.
    pub(crate) fn folder(&self) -> Folder {
        Folder::born_in(&self.path())
    }

    /// Takes all of its room but so many MiB.
    pub(crate) fn fill(&self, leaving_mib: u64) {
        let ballast = File::create(self.path().join(BALLAST)).expect("a file");
        // What the file system itself needs for a large file is known only by trying.
        let mut taken = 0;
        let mut step = self.free();
        while step > 0 {
            let left = self.free().saturating_sub(leaving_mib * MIB);
            step = step.min(left);
            let more = fallocate(&ballast, FallocateFlags::empty(), taken, step);
            match more {
                Ok(()) => taken += step,
                Err(_) => step /= 2,
            }
        }
    }

    /// Gives back what [`Self::fill`] took.
    pub(crate) fn clear(&self) {
        fs::remove_file(self.path().join(BALLAST)).expect("it was filled");
    }

    fn free(&self) -> u64 {
        let disk = statvfs(self.path()).expect("it is mounted");
        disk.f_bavail * disk.f_frsize
    }

    /// Why its power cannot be cut here, if so.
    pub(crate) fn cannot_be_cut() -> Option<String> {
        let ran = Command::new("python3").arg("--version").output();
        let reason = ran.err().map(|error| format!("python3: {error}"))?;
        assert!(std::env::var_os(INSIST_VARIABLE).is_none(), "{reason}");
        Some(reason)
    }

    /// Cuts its power: what was not synced is gone, and every operation on it fails.
    pub(crate) fn cut(&self) {
        let tool = repository().join("tests/tools/fs-shutdown.py");
        run(Command::new("python3").arg(tool).arg(self.path())).expect("the power is cut");
    }

    /// Mounts it again after a cut, once nothing uses it any more.
    pub(crate) fn power_up(&self) {
        self.unmount().expect("nothing uses it");
        self.mount().expect("its journal recovers it");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        if let Err(error) = self.unmount() {
            // Where the place stays, whoever reads this can remove it.
            eprintln!("{}: {error}", self.path().display());
        }
    }
}

fn run(command: &mut Command) -> Result<(), String> {
    let name = Path::new(command.get_program()).display().to_string();
    let ran = command
        .output()
        .map_err(|error| format!("{name}: {error}"))?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    Err(format!("{name}: {}", said.trim()))
}
