//! How much damage is tried on which part of which file, and what must come of it: a quota of bit
//! flips for each kind of place, cuts of every file to several lengths, and every file and folder
//! missing. Owns the kinds and their quotas.

use super::*;

/// Bit flips of one whole run.
const FLIPS: usize = 300;
/// Of these, at least so many hit bytes that are in use.
const FLIPS_USED_MIN: usize = 200;
/// A short run makes one flip of so many.
const SHORT: usize = 15;

/// Where bits are flipped.
struct Kind {
    name: &'static str,
    /// How many of [`FLIPS`].
    quota: usize,
    /// Whether something is read from there.
    used: bool,
    /// Whether every one of these flips is noticed by `verify` and put right.
    healed: bool,
    places: fn(&Left, &Path) -> Vec<Range<usize>>,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "journal, blocks",
        quota: 90,
        used: true,
        healed: true,
        places: |left, path| match left.blocks(path) {
            blocks if is_segment(path) => blocks,
            _ => Vec::new(),
        },
    },
    Kind {
        name: "journal, last block",
        quota: 20,
        used: true,
        healed: true,
        places: |left, path| match left
            .files(is_segment)
            .iter()
            .rev()
            .find(|path| left.used(path) > 512)
        {
            Some(last) if last == path => left.blocks(path).pop().into_iter().collect(),
            _ => Vec::new(),
        },
    },
    Kind {
        name: "journal, segment header",
        quota: 20,
        used: true,
        healed: true,
        places: |_, path| is_segment(path).then_some(0..64).into_iter().collect(),
    },
    Kind {
        name: "second copy, blocks",
        quota: 60,
        used: true,
        healed: false,
        places: |left, path| match left.blocks(path) {
            blocks if is_named("db")(path) => blocks,
            _ => Vec::new(),
        },
    },
    Kind {
        name: "index",
        quota: 60,
        used: true,
        healed: true,
        places: |left, path| left.whole(path, is_chunk),
    },
    Kind {
        name: "head, slots",
        quota: 20,
        used: true,
        healed: false,
        places: |left, path| {
            let slots = left.whole(path, is_named("head")).into_iter();
            slots.flat_map(|_| [0..96, 4_096..4_192]).collect()
        },
    },
    Kind {
        name: "journal, zeros",
        quota: 10,
        used: false,
        healed: false,
        places: |left, path| {
            let behind = left.used(path).max(512)..left.files[path].len();
            is_segment(path).then_some(behind).into_iter().collect()
        },
    },
    Kind {
        name: "second copy, anywhere",
        quota: 15,
        used: false,
        healed: false,
        places: |left, path| left.whole(path, |path| path.starts_with(left.path.join("log"))),
    },
    Kind {
        name: "head, between slots",
        quota: 5,
        used: false,
        healed: false,
        places: |_, path| {
            is_named("head")(path)
                .then_some(96..4_096)
                .into_iter()
                .collect()
        },
    },
];

type Counts = BTreeMap<(&'static str, Outcome), usize>;

/// Flips one bit at a time, a quota of them in each kind of place, one of `share` of the whole run.
/// Answers what came of it and how many hit bytes in use.
fn flips(left: &Left, random: &mut Random, share: usize) -> (Counts, usize) {
    let mut counts = Counts::new();
    let mut used = 0;
    for kind in KINDS {
        let places: Vec<_> = left
            .files
            .keys()
            .flat_map(|path| {
                let ranges = (kind.places)(left, path).into_iter();
                ranges.map(move |range| (path, range))
            })
            .filter(|(_, range)| !range.is_empty())
            .collect();
        let quota = kind.quota.div_ceil(share);
        for _ in 0..quota {
            let (path, range) = &places[random.below(places.len())];
            let at = range.start + random.below(range.len());
            let bit = random.below(8);
            let mut damaged = left.files.clone();
            damaged.get_mut(*path).unwrap()[at] ^= 1 << bit;
            let what = format!("{}: {} byte {at} bit {bit}", kind.name, path.display());
            let outcome = left.judge(&damaged, &what);
            let missed = kind.healed && outcome == Outcome::WithoutEffect;
            assert!(!missed, "{what}: nobody noticed");
            *counts.entry((kind.name, outcome)).or_default() += 1;
        }
        used += if kind.used { quota } else { 0 };
    }
    (counts, used)
}

/// What a cut or a deletion concerned, for the counts.
fn concerned(left: &Left, path: &Path, cut: bool) -> &'static str {
    let second = path.starts_with(left.path.join("log"));
    match (is_segment(path), is_chunk(path), second, cut) {
        (true, _, _, true) => "segment cut",
        (true, _, _, false) => "segment deleted",
        (_, true, _, true) => "index cut",
        (_, true, _, false) => "index deleted",
        (_, _, true, true) => "second copy cut",
        (_, _, true, false) => "second copy deleted",
        (_, _, _, true) => "head cut",
        (_, _, _, false) => "head deleted",
    }
}

/// The lengths that a file of this length is cut to: by a byte, 4 KiB, a tenth, a half, to nothing.
fn lengths(length: usize) -> Vec<usize> {
    let mut lengths = vec![
        length.saturating_sub(1),
        length.saturating_sub(4_096),
        length - length.div_ceil(10),
        length / 2,
        0,
    ];
    lengths.dedup();
    lengths.retain(|shorter| *shorter < length);
    lengths
}

/// Every file cut to each length, and every file and folder missing: one of `share` of these cases.
fn cuts(left: &Left, random: &mut Random, share: usize) -> Counts {
    let mut cases: Vec<(&'static str, String, Contents)> = Vec::new();
    let mut folders = std::collections::BTreeSet::new();
    for (path, bytes) in &left.files {
        for to in lengths(bytes.len()) {
            let mut damaged = left.files.clone();
            damaged.get_mut(path).unwrap().truncate(to);
            let what = format!("{} cut to {to} of {}", path.display(), bytes.len());
            cases.push((concerned(left, path, true), what, damaged));
        }
        let mut damaged = left.files.clone();
        damaged.remove(path);
        let what = format!("{} deleted", path.display());
        cases.push((concerned(left, path, false), what, damaged));
        let above = path.ancestors().skip(1);
        folders.extend(above.take_while(|folder| *folder != left.path));
    }
    for folder in folders {
        let mut damaged = left.files.clone();
        damaged.retain(|path, _| !path.starts_with(folder));
        let what = format!("{} deleted", folder.display());
        cases.push(("folder deleted", what, damaged));
    }
    let mut counts = Counts::new();
    let first = random.below(share);
    for (kind, what, damaged) in cases.iter().skip(first).step_by(share) {
        let outcome = left.judge(damaged, what);
        *counts.entry((kind, outcome)).or_default() += 1;
    }
    counts
}

fn run(clean: bool, share: usize) -> Counts {
    let mut random = Random::new();
    let left = Left::new(&mut random, clean);
    assert_eq!(left.clean, clean);
    let (mut counts, used) = flips(&left, &mut random, share);
    let made: usize = counts.values().sum();
    assert!(made * share >= FLIPS && used * share >= FLIPS_USED_MIN);
    println!("{made} bits flipped, {used} of them in bytes in use");
    let (cut, title) = (
        cuts(&left, &mut random, share),
        if clean { "a clean stop" } else { "a kill" },
    );
    println!("{} cuts and deletions", cut.values().sum::<usize>());
    counts.extend(cut);
    println!("after {title}:");
    for ((kind, outcome), count) in &counts {
        println!("  {kind}: {outcome:?} {count}");
    }
    counts
}

fn after_a_clean_stop(share: usize) {
    let counts = run(true, share);
    let refused = counts
        .keys()
        .any(|(_, outcome)| *outcome == Outcome::Refused);
    assert!(!refused, "one copy is whole and the end is known");
}

fn after_a_kill(share: usize) {
    let refused = |(kind, outcome): &(&'static str, Outcome)| {
        let journal = ["journal", "segment", "folder"];
        *outcome == Outcome::Refused && !journal.iter().any(|word| kind.contains(word))
    };
    assert!(
        !run(false, share).keys().any(refused),
        "the journal is whole"
    );
}

#[test]
fn damage_after_a_clean_stop_is_healed() {
    after_a_clean_stop(SHORT);
}

#[test]
fn damage_after_a_kill_is_healed_or_refused() {
    after_a_kill(SHORT);
}

#[test]
#[ignore = "minutes: 300 flips and every cut and deletion"]
fn much_damage_after_a_clean_stop_is_healed() {
    after_a_clean_stop(1);
}

#[test]
#[ignore = "minutes: 300 flips and every cut and deletion"]
fn much_damage_after_a_kill_is_never_silent() {
    after_a_kill(1);
}
