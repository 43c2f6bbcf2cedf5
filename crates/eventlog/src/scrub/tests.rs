//! Damage under an open log: found, healed out of the other copy, or named; and what a stop anywhere
//! in between leaves.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::*;
use crate::block::BlockHeader;
use crate::carve::carve;
use crate::commit::Commit;
use crate::disk::tests::{contents, options_of_test, restore};
use crate::faults::{Fault, Faulty};
use crate::fixture::{self, commit};
use crate::log::{AppendError, EventLog as _, ReadError};
use crate::{DiskLog, Options, VerifyOptions};

type Contents = BTreeMap<PathBuf, Vec<u8>>;

const CHUNK_EVENTS: u64 = 16;
const COMMITS: u64 = 110;

fn options() -> Options {
    Options {
        volume_events: 40,
        chunk_events: CHUNK_EVENTS,
        scrub: ScrubOptions {
            bytes_per_second: None,
            every: None,
        },
        ..options_of_test()
    }
}

/// A log of several segments and volumes, open.
struct Open {
    _dir: tempfile::TempDir,
    path: PathBuf,
    log: Option<DiskLog>,
    commits: Vec<Commit>,
}

impl Open {
    fn new() -> Self {
        Self::with(COMMITS, 10_000)
    }

    fn with(commits: u64, bytes: usize) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
        let mut this = Self {
            _dir: dir,
            path,
            log: None,
            commits: Vec::new(),
        };
        this.open(&options());
        for number in 0..commits {
            this.append(number, bytes);
        }
        this.synced();
        this.commits = this.read();
        this
    }

    /// Closed cleanly and opened again.
    fn again(&mut self, options: &Options) -> crate::OpenReport {
        self.log().close().unwrap();
        self.open(options)
    }

    fn open(&mut self, options: &Options) -> crate::OpenReport {
        self.log = None;
        let log = DiskLog::open(&self.path, options).unwrap();
        let report = log.report().clone();
        self.log = Some(log);
        report
    }

    fn log(&self) -> &DiskLog {
        self.log.as_ref().unwrap()
    }

    fn append(&self, number: u64, bytes: usize) {
        append(self.log(), number, bytes).unwrap();
    }

    /// Waits until both copies and the index's files hold everything.
    fn synced(&self) {
        while self.log().synced_position() < self.log().head().position {
            std::thread::yield_now();
        }
    }

    fn read(&self) -> Vec<Commit> {
        self.log().read(1, u64::MAX).map(Result::unwrap).collect()
    }

    fn scrub(&self) -> ScrubReport {
        let scrub = self.log().scrub();
        scrub.wait_for(scrub.start()).unwrap()
    }

    fn segment(&self, number: u64) -> PathBuf {
        crate::journal::segment::path(&self.path.join("journal"), number)
    }

    fn volume(&self, number: u64) -> PathBuf {
        self.path.join(format!("log/{number:08}/db"))
    }

    /// The files that were set aside, by their bytes.
    fn aside(&self) -> Vec<Vec<u8>> {
        let folder = self.path.join("journal/set-aside");
        if folder.exists() {
            contents(&folder).into_values().collect()
        } else {
            Vec::new()
        }
    }

    /// Insists that all is there, that nothing is wrong, and that the log goes on.
    #[track_caller]
    fn whole(&mut self, what: &str) {
        assert!(self.read() == self.commits, "{what}");
        let report = self.scrub();
        assert!(
            report.complete && report.findings.is_empty(),
            "{what}: {report:?}"
        );
        let status = self.log().scrub().status();
        assert_eq!(status.standing, [], "{what}");
        self.append(self.commits.len() as u64, 100);
        self.commits = self.read();
        let report = self.again(&options());
        assert!(
            report.quick && report.healed.is_empty(),
            "{what}: {report:?}"
        );
        assert!(self.read() == self.commits, "{what}");
        let verify = VerifyOptions {
            chunk_events: CHUNK_EVENTS,
            ..VerifyOptions::default()
        };
        let verified = crate::verify(&self.path, verify, &mut |_| ()).unwrap();
        assert_eq!(verified.findings, [], "{what}");
    }
}

fn append(log: &DiskLog, number: u64, bytes: usize) -> Result<u64, AppendError> {
    let mut draft = commit(number, &[("shift/a", number)]);
    draft.events[0].payload = fixture::noise(number, bytes);
    let answered = log.hand_over(vec![draft])?.remove(0);
    let answer = answered.blocking_recv().unwrap();
    answer.result.map(|receipt| receipt.position)
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[at] ^= 4;
    std::fs::write(path, bytes).unwrap();
}

fn cut(path: &Path, length: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path);
    file.unwrap().set_len(length).unwrap();
}

/// Where the blocks of a file lie, each with its first position and length.
fn blocks(path: &Path) -> Vec<(u64, usize, usize)> {
    let mut found = Vec::new();
    carve(path, &mut |header: &BlockHeader, place, block| {
        let place = usize::try_from(place).unwrap();
        found.push((header.first_position, place, block.len()));
    })
    .unwrap();
    found
}

/// Damages a block wherever a file holds it.
fn lose(path: &Path, position: u64) {
    for (first, place, length) in blocks(path) {
        if first == position {
            flip(path, place + length / 2);
        }
    }
}

#[track_caller]
fn healed(report: &ScrubReport, part: ScrubbedPart, what: &str) {
    assert_eq!(
        (report.healed, report.unhealed, report.lost),
        (1, 0, 0),
        "{what}: {report:?}"
    );
    let finding = &report.findings[0];
    assert_eq!(finding.part, part, "{what}");
    assert!(
        matches!(finding.outcome, ScrubOutcome::Healed(_)),
        "{what}: {finding:?}"
    );
}

#[test]
fn damage_of_a_full_segment_is_healed_to_the_last_byte_while_the_log_is_open() {
    let mut open = Open::new();
    let path = open.segment(2);
    let good = std::fs::read(&path).unwrap();
    let places = blocks(&path);
    let (_, place, length) = places[places.len() - 1];
    let end = place + length;
    for (what, damage) in [
        ("its header", &(|| flip(&path, 20)) as &dyn Fn()),
        ("its size", &|| flip(&path, 24)),
        ("its first block's header", &|| flip(&path, 512 + 40)),
        ("a block in the middle", &|| flip(&path, good.len() / 2)),
        ("its last block", &|| flip(&path, end - 100)),
        ("the zeros behind", &|| flip(&path, end + 200)),
        ("cut to nothing", &|| cut(&path, 0)),
        ("cut in the middle", &|| cut(&path, good.len() as u64 / 2)),
        ("cut by a byte", &|| cut(&path, good.len() as u64 - 1)),
        ("deleted", &|| std::fs::remove_file(&path).unwrap()),
    ] {
        let mut reading = open.log().read(1, u64::MAX);
        let begun = reading.next().unwrap().unwrap();
        damage();
        let damaged = std::fs::read(&path).ok();
        let report = open.scrub();
        healed(&report, ScrubbedPart::Journal, what);
        assert!(std::fs::read(&path).unwrap() == good, "{what}");
        let kept = damaged.is_none_or(|damaged| open.aside().contains(&damaged));
        assert!(kept, "{what}: the damaged file is set aside");
        let rest = reading.map(Result::unwrap);
        assert!(std::iter::once(begun).chain(rest).eq(open.read()), "{what}");
    }
    open.whole("healed ten times");
}

#[test]
fn several_segments_are_healed_in_one_pass() {
    let mut open = Open::new();
    for number in 1..=3 {
        std::fs::remove_file(open.segment(number)).unwrap();
    }
    let report = open.scrub();
    assert_eq!(
        (report.healed, report.unhealed, report.lost),
        (3, 0, 0),
        "{report:?}"
    );
    open.whole("three segments");
}

#[test]
fn a_closed_volume_of_the_second_copy_is_made_anew_from_the_journal() {
    let mut open = Open::new();
    let path = open.volume(2);
    let folder = path.parent().unwrap();
    for (what, damage) in [
        ("a block", &(|| lose(&path, 55)) as &dyn Fn()),
        ("its file cut", &|| cut(&path, 100_000)),
        ("its file deleted", &|| std::fs::remove_file(&path).unwrap()),
        ("deleted", &|| std::fs::remove_dir_all(folder).unwrap()),
    ] {
        damage();
        let report = open.scrub();
        healed(&report, ScrubbedPart::SecondCopy, what);
        // It is good for healing the journal again.
        std::fs::remove_file(open.segment(3)).unwrap();
        healed(&open.scrub(), ScrubbedPart::Journal, what);
    }
    assert!(open.path.join("set-aside").exists());
    open.whole("second copy");
}

#[test]
fn files_of_the_index_are_made_again() {
    let mut open = Open::new();
    open.again(&options());
    let folder = open.path.join("index");
    let before = contents(&folder);
    for (path, bytes) in &before {
        for (what, damage) in [
            ("head", &(|| flip(path, 40)) as &dyn Fn()),
            ("pages", &|| flip(path, bytes.len() - 3)),
            ("cut", &|| cut(path, bytes.len() as u64 - 1)),
            ("deleted", &|| std::fs::remove_file(path).unwrap()),
        ] {
            let what = format!("{}: {what}", path.display());
            damage();
            healed(&open.scrub(), ScrubbedPart::Index, &what);
            assert!(contents(&folder) == before, "{what}");
        }
    }
    open.whole("index");
}

#[test]
fn blocks_of_what_the_log_writes_to_are_put_again_where_they_were() {
    let mut open = Open::new();
    let path = open.segment(5);
    let newest = blocks(&path);
    let (_, place, length) = newest[newest.len() - 1];
    assert!(!open.segment(6).exists() || blocks(&open.segment(6)).is_empty());
    for (what, damage) in [
        ("its header", &(|| flip(&path, 24)) as &dyn Fn()),
        ("its first block", &|| flip(&path, 512 + 150)),
        ("its last block", &|| flip(&path, place + length / 2)),
        ("cut in the middle of a block", &|| {
            cut(&path, place as u64 + 9);
        }),
        ("cut to nothing", &|| cut(&path, 0)),
    ] {
        let good = std::fs::read(&path).unwrap();
        damage();
        let damaged = std::fs::read(&path).unwrap();
        healed(&open.scrub(), ScrubbedPart::Journal, what);
        assert!(std::fs::read(&path).unwrap() == good, "{what}");
        assert!(open.aside().contains(&damaged), "{what}");
        open.append(open.commits.len() as u64, 1_000);
        open.commits = open.read();
        open.synced();
    }
    open.whole("put again");
}

#[test]
fn blocks_of_the_volume_that_is_written_to_are_put_in_again_or_it_is_made_anew_next_time() {
    let mut open = Open::new();
    for (what, in_memory) in [("sled has it in memory", true), ("sled reads it", false)] {
        let newest = open.commits.len() as u64;
        lose(&open.volume(3), 100);
        lose(&open.volume(3), newest);
        let report = open.scrub();
        if in_memory {
            healed(&report, ScrubbedPart::SecondCopy, what);
            let again = open.scrub();
            assert!(again.complete && again.findings.is_empty(), "{again:?}");
        } else {
            // Whether sled comes upon the damaged places is its own affair.
            assert_eq!(report.healed + report.unhealed, 1, "{report:?}");
        }
        // sled itself may drop what follows a damaged place in its file.
        let found = open.again(&options());
        assert!(!found.quick && found.healed.len() <= 1, "{what}: {found:?}");
        open.whole(what);
    }
}

#[test]
fn a_second_copy_that_was_removed_is_bad_and_made_anew_by_the_next_opening() {
    let mut open = Open::new();
    std::fs::remove_dir_all(open.path.join("log/00000003")).unwrap();
    let report = open.scrub();
    assert_eq!((report.healed, report.unhealed), (0, 1), "{report:?}");
    let status = open.log().scrub().status();
    assert_eq!(status.standing, report.findings);
    assert!(!open.log().scrub().is_whole() && open.log().second_copy_fault().is_some());
    assert_eq!(open.log().head().poisoned, None, "the journal is whole");
    open.append(COMMITS, 100);
    open.commits = open.read();
    let found = open.again(&options());
    assert!(!found.clean && found.healed.len() == 1, "{found:?}");
    open.whole("made anew");
}

#[test]
fn a_segment_removed_while_the_log_writes_to_it_ends_acknowledging() {
    let open = Open::new();
    std::fs::remove_file(open.segment(5)).unwrap();
    let report = open.scrub();
    assert_eq!(
        (report.healed, report.unhealed, report.lost),
        (0, 1, 0),
        "{report:?}"
    );
    let poisoned = open.log().head().poisoned.unwrap();
    assert!(poisoned.contains("segment 5"), "{poisoned}");
    let refused = append(open.log(), COMMITS, 100).err();
    assert_eq!(refused, Some(AppendError::Poisoned(poisoned)));
}

#[test]
fn a_block_lost_in_both_copies_is_named_and_ends_acknowledging() {
    let open = Open::new();
    let (position, ..) = blocks(&open.segment(2))[5];
    let volume = open.volume(crate::sled_copy::volume_of(position, 40));
    lose(&open.segment(2), position);
    lose(&volume, position);
    // Before it is known, the log takes commits.
    open.append(COMMITS, 100);
    open.synced();
    let report = open.scrub();
    assert!(report.complete && report.lost >= 1, "{report:?}");
    assert_eq!(report.findings[0].outcome, ScrubOutcome::Lost { position });
    let status = open.log().scrub().status();
    assert_eq!(status.standing, report.findings);
    let counted = ScrubbedPart::ALL.map(|part| status.found(part));
    let lost = counted.iter().map(|counts| counts.lost).sum::<u64>();
    assert_eq!((lost, counted[0].lost), (report.lost, 1), "{counted:?}");
    let poisoned = open.log().head().poisoned.unwrap();
    assert!(
        poisoned.contains(&format!("position {position}")),
        "{poisoned}"
    );
    let refused = append(open.log(), COMMITS + 1, 100).err();
    assert_eq!(refused, Some(AppendError::Poisoned(poisoned)));
    // Reading goes on, but for that block.
    let read: Vec<_> = open.log().read(position + 1, COMMITS).collect();
    assert!(read.iter().all(Result::is_ok));
    assert_eq!(read.len() as u64, COMMITS - position);
    let reader = crate::ReadLog::open_with(&open.path, CHUNK_EVENTS).unwrap();
    let lost = reader.read(position, position).next();
    assert!(
        matches!(lost, Some(Err(ReadError::Damaged { .. }))),
        "{lost:?}"
    );
    open.log().close().unwrap();
    drop(open.log);
    let refused = DiskLog::open(&open.path, &options()).err();
    assert!(
        matches!(refused, Some(crate::OpenError::Damaged { proven, .. }) if proven == position - 1),
        "{refused:?}"
    );
}

#[test]
fn a_pass_begins_with_an_opening_that_looked_at_the_newest_part_only() {
    let mut open = Open::new();
    open.log().close().unwrap();
    let good = std::fs::read(open.segment(2)).unwrap();
    flip(&open.segment(2), good.len() / 2);
    let automatic = Options {
        scrub: ScrubOptions {
            every: Some(SCRUB_EVERY),
            ..options().scrub
        },
        ..options()
    };
    let report = open.open(&automatic);
    assert!(report.quick && report.healed.is_empty(), "{report:?}");
    let found = open.log().scrub().wait_for(1).unwrap();
    healed(&found, ScrubbedPart::Journal, "unasked");
    assert!(std::fs::read(open.segment(2)).unwrap() == good);
    open.whole("unasked");
}

#[test]
fn a_pass_beside_a_writer_finds_nothing() {
    let mut open = Open::new();
    let scrub = open.log().scrub();
    let next = COMMITS + 150;
    std::thread::scope(|scope| {
        let log = open.log();
        let writing = scope.spawn(move || {
            for number in COMMITS..next {
                append(log, number, 10_000).unwrap();
            }
        });
        while !writing.is_finished() {
            let report = scrub.wait_for(scrub.start()).unwrap();
            assert!(report.complete && report.findings.is_empty(), "{report:?}");
        }
    });
    open.commits = open.read();
    assert_eq!(open.commits.len() as u64, next);
    open.synced();
    open.whole("beside a writer");
}

#[test]
fn closing_does_not_wait_for_a_pass() {
    let mut open = Open::new();
    let slow = Options {
        scrub: ScrubOptions {
            bytes_per_second: NonZeroU64::new(1),
            every: Some(SCRUB_EVERY),
        },
        ..options()
    };
    open.again(&slow);
    let scrub = open.log().scrub();
    while scrub
        .status()
        .running
        .is_none_or(|running| running.position == 0)
    {
        std::thread::yield_now();
    }
    open.log().close().unwrap();
    let last = scrub.status().last.unwrap();
    assert!(!last.complete && last.findings.is_empty(), "{last:?}");
    assert_eq!(
        scrub.wait_for(scrub.start()),
        None,
        "a closed log has no pass any more"
    );
    let report = open.open(&options());
    assert!(report.quick && report.healed.is_empty(), "{report:?}");
}

/// Damages a log, lets its scrub stop at every operation on files in turn, and insists that the next
/// opening and scrub make it whole.
fn interrupted(mut open: Open, damage: &dyn Fn(&Open)) {
    open.log().close().unwrap();
    open.log = None;
    let before: Contents = contents(&open.path);
    for operations in 0.. {
        restore(&open.path, &before);
        let faulty = Arc::new(Faulty::new(Fault::Stop));
        let stopping = Options {
            files: Arc::clone(&faulty) as Arc<dyn FileLayer>,
            ..options()
        };
        open.open(&stopping);
        damage(&open);
        faulty.arm(operations);
        let report = open.scrub();
        let left = contents(&open.path);
        open.log = None;
        restore(&open.path, &left);
        let what = format!("stopped after {operations} operations, {report:?}");
        let found = open.open(&options());
        assert!(!found.clean, "{what}");
        assert!(!open.path.join("log/00000001.new").exists(), "{what}");
        assert!(!open.path.join("journal/healing").exists(), "{what}");
        open.scrub();
        assert!(open.read() == open.commits, "{what}");
        let again = open.scrub();
        assert!(
            again.complete && again.findings.is_empty(),
            "{what}: {again:?}"
        );
        if report.healed == 1 {
            assert!(operations > 3, "{what}");
            open.whole(&what);
            break;
        }
        assert!(report.unhealed == 1 && operations < 100, "{what}");
        open.log = None;
    }
}

#[test]
fn healing_a_segment_may_be_interrupted_anywhere() {
    interrupted(Open::with(18, 50_000), &|open| {
        let length = std::fs::metadata(open.segment(2)).unwrap().len();
        flip(&open.segment(2), usize::try_from(length).unwrap() / 2);
    });
}

#[test]
fn putting_blocks_again_may_be_interrupted_anywhere() {
    interrupted(Open::with(18, 50_000), &|open| {
        flip(&open.segment(4), 40_000);
    });
}

#[test]
fn healing_a_volume_may_be_interrupted_anywhere() {
    interrupted(Open::with(45, 2_000), &|open| lose(&open.volume(1), 20));
}

#[test]
fn a_log_of_several_epochs_is_whole() {
    let mut open = Open::new();
    open.log().close().unwrap();
    open.log = None;
    let held = crate::fork::Held::take(&open.path, &options()).unwrap();
    let intent = crate::fork::Intent {
        epoch: 2,
        position: 60,
        claimed: None,
        told: serde_json::Value::Null,
    };
    held.fork(fixture::log_id(), &intent).unwrap();
    drop(held);
    open.log = Some(crate::fork::open_pending(&open.path, &options()).unwrap());
    crate::fork::settle(&open.path, &options()).unwrap();
    for number in 60..100 {
        open.append(number, 10_000);
    }
    open.synced();
    open.commits = open.read();
    let findings = open.log().check(&(1..=u64::MAX), &mut |_| ()).unwrap();
    assert_eq!(findings, []);
    open.whole("two epochs");
    // The segment in which the fork lies.
    flip(&open.segment(3), 1_000);
    healed(&open.scrub(), ScrubbedPart::Journal, "two epochs");
    open.whole("two epochs, healed");
}

#[test]
fn what_was_not_put_right_is_kept_however_much_was() {
    let found = |outcome| ScrubFinding {
        part: ScrubbedPart::Journal,
        what: String::new(),
        outcome,
    };
    let mut report = Open::with(1, 10).scrub();
    for number in 0..FINDINGS_MAX {
        report.keep(found(ScrubOutcome::Healed(number.to_string())));
    }
    report.keep(found(ScrubOutcome::Lost { position: 7 }));
    report.keep(found(ScrubOutcome::Healed("one more".to_owned())));
    assert_eq!(report.findings.len(), FINDINGS_MAX);
    let standing: Vec<_> = report.findings.iter().filter(|one| one.stands()).collect();
    assert_eq!(standing, [&found(ScrubOutcome::Lost { position: 7 })]);
}

#[test]
fn a_reading_never_passes_over_what_was_turned_into_zeros() {
    let open = Open::new();
    let path = open.segment(1);
    let blocks = blocks(&path);
    let (first, place, _) = blocks[blocks.len() / 2];
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[place..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    for from in [1, first, first + 1] {
        let read: Vec<_> = open.log().read(from, u64::MAX).collect();
        let (last, before) = read.split_last().unwrap();
        assert!(matches!(last, Err(ReadError::Damaged { position, .. }) if *position >= first));
        assert_eq!(
            before.len() as u64,
            first.saturating_sub(from),
            "from {from}"
        );
    }
    let whole = |block: Result<crate::PackedBlock, _>| block.and_then(crate::PackedBlock::unpack);
    let packed: Vec<_> = open.log().read_packed(first, u64::MAX).map(whole).collect();
    assert!(matches!(
        packed.as_slice(),
        [Err(ReadError::Damaged { .. })]
    ));
    let report = open.scrub();
    healed(&report, ScrubbedPart::Journal, "zeros");
    assert!(open.read() == open.commits);
}
