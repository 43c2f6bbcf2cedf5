//! Opening a log that was not closed: what of it is verified at once, and that nothing is missed.

use std::collections::BTreeMap;

use super::damage_tests::Random;
use super::tests::{contents, options_of_test, restore};
use super::*;
use crate::carve::carve;
use crate::commit::Commit;
use crate::fixture::{self, commit};
use crate::head_file::{self, HeadFile};
use crate::sled_copy::{first_of, volume_of, volume_path};

const VOLUME_EVENTS: u64 = 100;

fn options() -> Options {
    Options {
        volume_events: VOLUME_EVENTS,
        chunk_events: 16,
        scrub: crate::ScrubOptions {
            bytes_per_second: None,
            every: None,
        },
        ..options_of_test()
    }
}

fn thorough() -> Options {
    Options {
        thorough: true,
        ..options()
    }
}

/// A log as a kill leaves it, and what it holds.
struct Killed {
    path: PathBuf,
    files: BTreeMap<PathBuf, Vec<u8>>,
    commits: Vec<Commit>,
    head: Head,
    /// The last position that was synced in both copies.
    synced: u64,
    _dir: tempfile::TempDir,
}

impl Killed {
    /// With so many events in both copies, and some more that may be in the journal alone.
    fn new(random: &mut Random, events: u64, more: u64) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
        let log = DiskLog::open(&path, &options()).unwrap();
        let mut grow = |to: u64| {
            while log.head().position < to {
                let first = log.head().commits;
                let drafts = (first..=first + random.next() % 4)
                    .map(|number| commit(number, &[("shift/a", number)]));
                for answered in log.hand_over(drafts.collect()).unwrap() {
                    answered.blocking_recv().unwrap().result.unwrap();
                }
            }
        };
        grow(events);
        while log.synced_position() < events {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        grow(events + more);
        while !log.shared.view.index.is_settled() {
            std::thread::yield_now();
        }
        let files = contents(&path);
        let (head, commits) = (
            log.head(),
            log.read(1, u64::MAX).map(Result::unwrap).collect(),
        );
        drop(log);
        restore(&path, &files);
        let synced = head_file::read(&path).unwrap().unwrap().synced;
        Self {
            path,
            files,
            commits,
            head,
            synced,
            _dir: dir,
        }
    }

    /// Opens the log with these files in its folder; it must hold what it held.
    #[track_caller]
    fn open(&self, files: &BTreeMap<PathBuf, Vec<u8>>, options: &Options, what: &str) -> DiskLog {
        restore(&self.path, files);
        let log = DiskLog::open(&self.path, options);
        let log = log.unwrap_or_else(|error| panic!("{what}: {error}"));
        assert!(!log.report().clean);
        assert_eq!(log.head(), self.head, "{what}: {:?}", log.report());
        log
    }

    #[track_caller]
    fn assert_whole(&self, log: &DiskLog, what: &str) {
        let commits: Vec<_> = log.read(1, u64::MAX).map(Result::unwrap).collect();
        assert!(commits == self.commits, "{what}");
        let events = log
            .read_stream(&fixture::stream("shift/a"), 1, usize::MAX)
            .unwrap();
        let wanted = self.commits.iter().flat_map(|commit| &commit.events);
        assert!(events.iter().eq(wanted), "{what}");
    }

    /// The blocks of the journal that are in both copies: first position, file, place.
    fn blocks(&self) -> Vec<(u64, PathBuf, usize)> {
        let mut blocks = Vec::new();
        for path in self.files.keys() {
            if path.extension().is_some_and(|name| name == "seg") {
                carve(path, &mut |header, place, _| {
                    if header.last_position() <= self.synced {
                        let place = usize::try_from(place).unwrap();
                        blocks.push((header.first_position, path.clone(), place));
                    }
                })
                .unwrap();
            }
        }
        blocks
    }
}

#[test]
fn after_a_kill_the_newest_part_is_verified_and_the_log_is_what_a_thorough_opening_proves() {
    let mut random = Random::new();
    for round in 0..6 {
        let events = 60 + random.next() % 300;
        let more = random.next() % 60;
        let killed = Killed::new(&mut random, events, more);
        let what = format!("round {round}: {events} events and {more}");
        for options in [options(), thorough()] {
            let log = killed.open(&killed.files, &options, &what);
            assert_eq!(log.report().quick, !options.thorough, "{what}");
            killed.assert_whole(&log, &what);
            let scrub = log.scrub();
            let scrubbed = scrub.wait_for(scrub.start()).unwrap();
            assert_eq!(scrubbed.findings, [], "{what}");
            log.close().unwrap();
            drop(log);
            let log = DiskLog::open(&killed.path, &options).unwrap();
            assert_eq!(
                (log.report().clean, log.head()),
                (true, killed.head.clone())
            );
            assert_eq!(log.report().healed, Vec::<String>::new(), "{what}");
        }
    }
}

#[test]
fn damage_that_a_kill_may_have_caused_is_healed_at_once_and_older_damage_by_the_scrub() {
    let mut random = Random::new();
    let killed = Killed::new(&mut random, 330, 20);
    let open = first_of(volume_of(killed.synced, VOLUME_EVENTS), VOLUME_EVENTS);
    let blocks = killed.blocks();
    let mut seen = [0; 2];
    for _ in 0..40 {
        let (position, path, place) = &blocks[random.below(blocks.len())];
        let mut files = killed.files.clone();
        files.get_mut(path).unwrap()[place + random.below(200)] ^= 4;
        let what = format!("the block at {position}, open from {open}");
        let log = killed.open(&files, &options(), &what);
        // Verifying starts at a known place, up to 16 KiB before the volume's first block.
        let older = log.report().quick;
        let sure = if older {
            *position < open
        } else {
            *position + 70 > open
        };
        assert!(sure, "{what}: {:?}", log.report());
        let scrub = log.scrub();
        let scrubbed = scrub.wait_for(scrub.start()).unwrap();
        assert_eq!(scrubbed.unhealed + scrubbed.lost, 0, "{what}: {scrubbed:?}");
        assert_eq!(scrubbed.findings.is_empty(), !older, "{what}: {scrubbed:?}");
        killed.assert_whole(&log, &what);
        seen[usize::from(older)] += 1;
    }
    assert!(seen.iter().all(|count| *count > 3), "{seen:?}");
}

#[test]
fn what_the_second_copy_may_lack_is_proven_wherever_it_was_synced_to() {
    let mut random = Random::new();
    let killed = Killed::new(&mut random, 250, 30);
    for synced in [0, 1, 15, 16, 90, 101, 200, killed.synced] {
        restore(&killed.path, &killed.files);
        let slot = head_file::read(&killed.path).unwrap().unwrap();
        let mut head = HeadFile::open(&OsFiles, &killed.path, slot).unwrap();
        let slot = crate::head_file::HeadSlot { synced, ..slot };
        head.write(slot).unwrap().sync().unwrap();
        let mut files = contents(&killed.path);
        let what = format!("synced up to {synced}");
        let log = killed.open(&files, &options(), &what);
        assert!(log.report().quick, "{what}");
        killed.assert_whole(&log, &what);
        drop(log);
        let open = first_of(volume_of(synced, VOLUME_EVENTS), VOLUME_EVENTS);
        let blocks = killed.blocks();
        let since = blocks.iter().filter(|(position, ..)| *position >= open);
        let since: Vec<_> = since.collect();
        let (position, path, place) = since[random.below(since.len())];
        files.get_mut(path).unwrap()[place + random.below(200)] ^= 4;
        let what = format!("{what}, the block at {position} damaged");
        let log = killed.open(&files, &options(), &what);
        assert!(!log.report().quick, "{what}: {:?}", log.report());
        killed.assert_whole(&log, &what);
    }
}

#[test]
fn without_an_older_volume_the_whole_journal_is_verified_before_it_is_made_anew() {
    let mut random = Random::new();
    let killed = Killed::new(&mut random, 250, 10);
    let mut files = killed.files.clone();
    let missing = volume_path(&killed.path, 1);
    files.retain(|path, _| !path.starts_with(&missing));
    let log = killed.open(&files, &options(), "volume 1 is missing");
    assert!(!log.report().quick, "{:?}", log.report());
    killed.assert_whole(&log, "volume 1 is missing");
    let scrub = log.scrub();
    assert_eq!(scrub.wait_for(scrub.start()).unwrap().findings, []);
    drop(log);
    // With the same block lost in the journal, nothing holds it any more.
    let (position, path, place) = &killed.blocks()[3];
    files.get_mut(path).unwrap()[place + 50] ^= 4;
    restore(&killed.path, &files);
    match DiskLog::open(&killed.path, &options()) {
        Err(OpenError::Damaged { proven, .. }) => assert_eq!(proven, position - 1),
        other => panic!("{:?}", other.map(|log| log.report().clone())),
    }
    assert!(contents(&killed.path) == files, "changed and refused");
}
