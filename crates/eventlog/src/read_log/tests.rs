//! What is answered of a damaged folder is what an opening would make of it, and costs it no byte.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use super::*;
use crate::disk::tests::{contents, options_of_test, restore};
use crate::disk::{DiskLog, Options};
use crate::fixture;
use crate::journal::segment;
use crate::{backup, info};

type Contents = BTreeMap<PathBuf, Vec<u8>>;

/// Enough to fill four segments and half a fifth, over three volumes of the second copy.
const COMMITS: u64 = 110;
const PAYLOAD_BYTES: usize = 10_000;

/// A log of several segments, both copies synced, and what it held.
struct Left {
    dir: tempfile::TempDir,
    /// As a clean stop leaves it, and as a kill does.
    closed: Contents,
    killed: Contents,
    head: Head,
    commits: Vec<Commit>,
}

impl Left {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let options = options_of_test();
        DiskLog::create(&path, fixture::log_id(), &options).unwrap();
        let log = DiskLog::open(&path, &options).unwrap();
        for number in 0..COMMITS {
            let mut draft = fixture::commit(number, &[("shift/a", number)]);
            draft.events[0].payload = fixture::noise(number, PAYLOAD_BYTES);
            for answered in log.hand_over(vec![draft]).unwrap() {
                answered.blocking_recv().unwrap().result.unwrap();
            }
        }
        while log.synced_position() < COMMITS {
            std::thread::yield_now();
        }
        let commits = log.read(1, COMMITS).map(Result::unwrap).collect();
        let (head, killed) = (log.head(), contents(&path));
        log.close().unwrap();
        drop(log);
        Self {
            closed: contents(&path),
            dir,
            killed,
            head,
            commits,
        }
    }

    fn path(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn segment(&self, number: u64) -> PathBuf {
        segment::path(&self.path().join(JOURNAL_DIR), number)
    }

    /// Insists that all questions are answered as before the damage, with no byte changed and
    /// nothing left behind.
    #[track_caller]
    fn answers(&self, what: &str) -> Vec<u64> {
        let before = contents(&self.path());
        let log = ReadLog::open(&self.path()).unwrap();
        assert_eq!(log.head(), self.head, "{what}");
        let read: Result<Vec<_>, _> = log.read(1, u64::MAX).collect();
        assert!(read.as_ref() == Ok(&self.commits), "{what}");
        let stream = fixture::stream("shift/a");
        assert_eq!(log.stream_version(&stream), Ok(COMMITS), "{what}");
        let events = log.read_stream(&stream, 1, usize::MAX).unwrap();
        let last = self.commits.last().map(|commit| &commit.events[0]);
        assert_eq!((events.len() as u64, events.last()), (COMMITS, last));
        let packed = log.read_packed(1, u64::MAX);
        let packed = packed.map(|block| block.unwrap().unpack().unwrap().len() as u64);
        assert_eq!(packed.sum::<u64>(), COMMITS, "{what}");
        let (numbers, folder) = (log.damaged_segments(), log.places().stand_in_folder());
        // Readings may outlive the log they were asked of.
        let mut rest = log.read(1, u64::MAX);
        drop(log);
        assert_eq!(rest.by_ref().flatten().count() as u64, COMMITS);
        drop(rest);
        assert!(folder.is_none_or(|folder| !folder.exists()), "{what}");
        assert!(contents(&self.path()) == before, "{what}");
        numbers
    }
}

/// How a segment is damaged, in words and in deed.
type HowDamaged = (&'static str, fn(&Path));

fn damages() -> [HowDamaged; 6] {
    [
        ("flipped in its header", |path| flip(path, 20)),
        ("flipped in a block", |path| flip(path, 30_000)),
        ("cut by a byte", |path| shorten(path, |length| length - 1)),
        ("cut in half", |path| shorten(path, |length| length / 2)),
        ("emptied", |path| shorten(path, |_| 0)),
        ("deleted", |path| fs::remove_file(path).unwrap()),
    ]
}

fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 4;
    fs::write(path, bytes).unwrap();
}

fn shorten(path: &Path, to: fn(u64) -> u64) {
    let file = fs::File::options().write(true).open(path).unwrap();
    let length = file.metadata().unwrap().len();
    file.set_len(to(length)).unwrap();
}

#[test]
fn a_damaged_segment_is_read_out_of_both_copies() {
    let left = Left::new();
    let whole = left.answers("whole");
    assert_eq!(whole, [0; 0], "nothing stands in for what is whole");
    assert!(left.segment(5).exists(), "there are several");
    for number in 1..=5 {
        for (how, damage) in damages() {
            let what = format!("segment {number} is {how}");
            restore(&left.path(), &left.closed);
            damage(&left.segment(number));
            assert_eq!(left.answers(&what), [number], "{what}");
        }
    }
    restore(&left.path(), &left.closed);
    fs::remove_dir_all(left.path().join(JOURNAL_DIR)).unwrap();
    // Nothing says any more how long a segment was: all goes into one of the usual length.
    assert_eq!(left.answers("the journal is deleted"), [1]);
}

#[test]
fn what_is_read_is_what_an_opening_would_prove_and_refused_as_it_would_be() {
    let left = Left::new();
    let (mut read, mut refused) = (0, 0);
    for files in [&left.closed, &left.killed] {
        for number in [1, 3, 5, 6] {
            for (how, damage) in &damages()[1..5] {
                restore(&left.path(), files);
                if !left.segment(number).exists() {
                    continue;
                }
                damage(&left.segment(number));
                let before = contents(&left.path());
                let reader = ReadLog::open(&left.path()).map(|log| log.head());
                assert!(contents(&left.path()) == before);
                let opened = DiskLog::open(&left.path(), &options_of_test());
                let opened = opened.map(|log| log.head());
                assert_eq!(reader, opened, "segment {number} is {how}");
                read += u32::from(reader.is_ok());
                refused += u32::from(reader.is_err());
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(read > 15 && refused > 0);
}

#[test]
fn what_both_copies_have_lost_is_refused_by_name() {
    let left = Left::new();
    flip(&left.segment(2), 30_000);
    let newer = ReadLog::open(&left.path()).unwrap();
    assert_eq!(newer.damaged_segments(), [2]);
    drop(newer);
    fs::remove_dir_all(left.path().join("log")).unwrap();
    let before = contents(&left.path());
    let refused = ReadLog::open(&left.path()).err().unwrap();
    let OpenError::Damaged { proven, what } = refused else {
        panic!("{refused}");
    };
    assert!((1..COMMITS).contains(&proven), "{proven}");
    assert!(what.contains("nothing to put in its place"), "{what}");
    assert!(contents(&left.path()) == before);
}

#[test]
fn a_backup_and_an_inspection_of_a_damaged_log_are_those_of_the_whole_one() {
    let left = Left::new();
    let options = options_of_test();
    let back_up = |to: &str, options: &Options| {
        let (to, taken_at) = (left.dir.path().join(to), fixture::instant(0));
        backup::backup(&left.path(), &to, taken_at, options, &mut |_| ()).unwrap();
        let strip =
            |(path, bytes): (PathBuf, Vec<u8>)| (path.strip_prefix(&to).unwrap().to_owned(), bytes);
        contents(&to).into_iter().map(strip).collect::<Contents>()
    };
    let (whole, told) = (back_up("whole", &options), info(&left.path(), &mut |_| ()));
    let told = told.unwrap();
    assert_eq!(told.finding, None);

    shorten(&left.segment(3), |length| length / 2);
    let before = contents(&left.path());
    assert!(back_up("damaged", &options) == whole);
    let seen = info(&left.path(), &mut |_| ()).unwrap();
    assert!(seen.finding.as_ref().unwrap().contains("segment 3"));
    assert_eq!(
        (seen.events, seen.root, seen.blocks(), seen.epochs.len()),
        (told.events, told.root, told.blocks(), 1)
    );
    assert!(contents(&left.path()) == before);
}

#[test]
fn beside_a_process_that_holds_the_log_damage_is_refused() {
    let left = Left::new();
    let log = DiskLog::open(&left.path(), &options_of_test()).unwrap();
    flip(&left.segment(2), 30_000);
    let refused = ReadLog::open(&left.path()).err();
    assert!(
        matches!(refused, Some(OpenError::Damaged { .. })),
        "{refused:?}"
    );
    log.scrub().wait_for(log.scrub().start()).unwrap();
    assert_eq!(ReadLog::open(&left.path()).unwrap().head(), left.head);
}
