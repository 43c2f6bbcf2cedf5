//! What is left of a group that was never acknowledged: any of its blocks, any of a block's sectors.

use super::*;

#[test]
fn any_part_of_a_group_that_was_not_acknowledged_is_dropped() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("log");
    DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
    let log = DiskLog::open(&path, &options()).unwrap();
    let (before, head) = (contents(&path), log.head());
    let mut random = Random::new();
    let drafts = (0..4).map(|number| {
        let mut draft = commit(number, &[("shift/a", number)]);
        draft.events[0].payload = (0..100_000)
            .map(|_| random.next().to_le_bytes()[0])
            .collect();
        draft
    });
    for answered in log.hand_over(drafts.collect()).unwrap() {
        answered.blocking_recv().unwrap().result.unwrap();
    }
    let (after, whole) = (contents(&path), log.head());
    drop(log);
    let mut blocks = Vec::new();
    for segment in after.keys().filter(|path| is_segment(path)) {
        restore(&path, &after);
        carve(segment, &mut |_, place, block| {
            blocks.push((
                segment.clone(),
                usize::try_from(place).unwrap(),
                block.to_vec(),
            ));
        })
        .unwrap();
    }
    assert_eq!(blocks.len(), 4, "over two segments");
    for subset in 0..1_u32 << blocks.len() {
        let mut files = before.clone();
        for (segment, bytes) in after.iter().filter(|(path, _)| is_segment(path)) {
            let mut bytes = bytes.clone();
            bytes[512..].fill(0);
            files.insert(segment.clone(), bytes);
        }
        for (number, (segment, place, block)) in blocks.iter().enumerate() {
            if subset >> number & 1 == 1 {
                let bytes = files.get_mut(segment).unwrap();
                bytes[*place..*place + block.len()].copy_from_slice(block);
            }
        }
        restore(&path, &files);
        let log = DiskLog::open(&path, &options());
        let log = log.unwrap_or_else(|error| panic!("{subset:b}: {error}"));
        let wanted = if subset == 15 { &whole } else { &head };
        assert_eq!(log.head(), *wanted, "{subset:b}");
        let number = log.head().commits;
        log.hand_over(vec![commit(number, &[("shift/a", number)])])
            .unwrap();
        drop(log);
        assert_eq!(verified(&path).unwrap().findings, [], "{subset:b}");
    }
}

const SECTOR: usize = 512;

/// A folder before and after one group was appended, and where that group lies.
struct Torn {
    _dir: tempfile::TempDir,
    path: PathBuf,
    before: Contents,
    after: Contents,
    /// Every sector that the group touches: the segment and the place.
    sectors: Vec<(PathBuf, usize)>,
    heads: (Head, Head),
}

impl Torn {
    /// A log with one commit, then a group of commits with payloads of these lengths.
    fn new(random: &mut Random, lengths: &[usize]) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        DiskLog::create(&path, fixture::log_id(), &options()).unwrap();
        let log = DiskLog::open(&path, &options()).unwrap();
        let append = |drafts| {
            for answered in log.hand_over(drafts).unwrap() {
                answered.blocking_recv().unwrap().result.unwrap();
            }
            (contents(&path), log.head())
        };
        let (before, head) = append(vec![commit(0, &[("shift/a", 0)])]);
        let drafts = lengths.iter().zip(1..).map(|(length, number)| {
            let mut draft = commit(number, &[("shift/a", number)]);
            let noise = (0..*length).map(|_| random.next().to_le_bytes()[0]);
            draft.events[0].payload = noise.collect();
            draft
        });
        let (after, longer) = append(drafts.collect());
        drop(log);
        let mut sectors = Vec::new();
        for (segment, bytes) in after.iter().filter(|(path, _)| is_segment(path)) {
            let old = before.get(segment).map_or(&[][..], |old| old);
            for (number, sector) in bytes.chunks(SECTOR).enumerate() {
                let was = old.get(number * SECTOR..).unwrap_or_default();
                let zero = crate::files::all_zero(sector);
                let same = if was.is_empty() {
                    zero || number == 0
                } else {
                    was.starts_with(sector)
                };
                if !same {
                    sectors.push((segment.clone(), number * SECTOR));
                }
            }
        }
        Self {
            _dir: dir,
            path,
            before,
            after,
            sectors,
            heads: (head, longer),
        }
    }

    /// Opens the log as if only some sectors of the group had reached the disk.
    fn check(&self, reached: &[bool]) {
        let what = || {
            let bits = reached.iter().map(|bit| if *bit { '1' } else { '0' });
            bits.collect::<String>()
        };
        let mut files = self.before.clone();
        for (segment, bytes) in self.after.iter().filter(|(path, _)| is_segment(path)) {
            // A segment is made, and its name durable, before it is written to.
            let made = || {
                let mut made = vec![0; bytes.len()];
                made[..SECTOR].copy_from_slice(&bytes[..SECTOR]);
                made
            };
            files.entry(segment.clone()).or_insert_with(made);
        }
        let sectors = self
            .sectors
            .iter()
            .zip(reached)
            .filter(|(_, reached)| **reached);
        for ((segment, place), _) in sectors {
            let range = *place..*place + SECTOR;
            files.get_mut(segment).unwrap()[range.clone()]
                .copy_from_slice(&self.after[segment][range]);
        }
        restore(&self.path, &files);
        let log = DiskLog::open(&self.path, &options());
        let log = log.unwrap_or_else(|error| panic!("{}: {error}", what()));
        let whole = reached.iter().all(|reached| *reached);
        let wanted = if whole { &self.heads.1 } else { &self.heads.0 };
        assert_eq!(log.head(), *wanted, "{}", what());
        let number = log.head().commits;
        let draft = commit(number, &[("shift/a", number)]);
        for answered in log.hand_over(vec![draft]).unwrap() {
            answered.blocking_recv().unwrap().result.unwrap();
        }
        drop(log);
        assert_eq!(verified(&self.path).unwrap().findings, [], "{}", what());
    }
}

#[test]
fn any_sectors_of_a_block_that_was_not_acknowledged_are_dropped() {
    let torn = Torn::new(&mut Random::new(), &[2_200]);
    let count = torn.sectors.len();
    assert!((5..=7).contains(&count), "{count} sectors");
    for subset in 0..1_u32 << count {
        let reached: Vec<_> = (0..count).map(|at| subset >> at & 1 == 1).collect();
        torn.check(&reached);
    }
}

#[test]
fn any_sectors_of_several_blocks_that_were_not_acknowledged_are_dropped() {
    let mut random = Random::new();
    let torn = Torn::new(&mut random, &[70_000, 70_000, 70_000, 70_000]);
    let segments = torn.sectors.iter().map(|(segment, _)| segment);
    assert_eq!(segments.collect::<std::collections::BTreeSet<_>>().len(), 2);
    let count = torn.sectors.len();
    for case in 0..40 {
        // From almost nothing to almost all: what is missing is then one sector anywhere.
        let share = [1, 8, 64, 127, 128][case % 5];
        let mut reached: Vec<_> = (0..count).map(|_| random.below(128) < share).collect();
        let missing = random.below(count);
        reached[missing] = false;
        torn.check(&reached);
    }
    torn.check(&vec![true; count]);
    torn.check(&vec![false; count]);
}
