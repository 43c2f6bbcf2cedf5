//! The corpora of the fuzz targets hold for ordinary builds too, and begin with real bytes.

use std::fs;
use std::path::{Path, PathBuf};

use super::*;
use crate::block::{BlockBuilder, Gathered, origin_hash};
use crate::fixture;
use crate::head_file::HeadSlot;

/// The most files of one corpus.
const CORPUS_FILES_MAX: usize = 60;
/// The most bytes of one file of a corpus.
const CORPUS_BYTES_MAX: u64 = 16 * 1024;

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fuzz/corpus")
        .join(target)
}

fn encoded(number: u64, streams: &[(&str, u64)], payload: usize) -> Vec<u8> {
    let mut draft = fixture::commit(number, streams);
    draft.header.acting_for = Some(uuid::Uuid::from_u128(5));
    draft.header.cause = Some(77);
    draft.header.policy_sets = vec!["points/2026-1".to_owned()];
    draft.events[0].envelope.evidence = vec![[1; 32]];
    draft.events[0].payload.resize(payload.max(20), b' ');
    let numbers = record::Numbers {
        log_id: fixture::log_id(),
        epoch: 1,
        commit_number: number,
        first_position: number + 1,
        event_count: u32::try_from(draft.events.len()).unwrap(),
        recorded_at: fixture::instant(8),
    };
    let events: Vec<_> = draft.events.iter().zip(1..).collect();
    encode(&draft.header, &numbers, draft.seed, &events).bytes
}

fn built(records: &[Vec<u8>]) -> Vec<u8> {
    let mut payload = Vec::new();
    for record in records {
        block::put_record(&mut payload, record);
    }
    let commits = u32::try_from(records.len()).unwrap();
    let gathered = Gathered {
        payload,
        first_position: 1,
        first_commit: 0,
        commits,
        events: commits,
    };
    let mut bytes = Vec::new();
    BlockBuilder::new(1, origin_hash(fixture::log_id())).build(&gathered, 1, (0, 1), &mut bytes);
    bytes
}

/// What a fuzzer starts with: bytes as the log writes them.
fn seeds(target: &str) -> Vec<Vec<u8>> {
    let records = [
        encoded(0, &[("shift/a", 0)], 40),
        encoded(1, &[("shift/a", 1), ("claim/tag/04A1", 0)], 200),
        encoded(2, &[("shift/b", 0)], 5_000),
    ];
    let blocks = [
        built(&records[..1]),
        built(&records[..2]),
        built(&records[..]),
    ];
    let slot = |sequence, clean| HeadSlot {
        log_id: fixture::log_id(),
        epoch: 1,
        sequence,
        clean,
        ended: clean,
        position: 7 + sequence,
        hash: [3; 32],
        synced: 5,
    };
    match target {
        "block_header" => blocks
            .map(|block| block[..BLOCK_HEADER_BYTES].to_vec())
            .into(),
        "block" => blocks.into(),
        "record" => records.into(),
        "head" => [(1, false), (2, true)]
            .map(|(n, clean)| [slot(n, clean).encode(), slot(n + 1, false).encode()].concat())
            .into(),
        "index_chunk" => crate::index::seeds(),
        _ => panic!("no seeds for {target}"),
    }
}

#[test]
fn what_the_log_writes_passes_every_check() {
    for (target, check) in ALL {
        for seed in seeds(target) {
            check(&seed);
            for cut in 0..seed.len().min(300) {
                check(&seed[..cut]);
            }
        }
    }
}

#[test]
fn what_fuzzing_once_found_passes_every_check() {
    for (target, check) in ALL {
        let folder = corpus(target);
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            fs::create_dir_all(&folder).unwrap();
            for (number, seed) in seeds(target).iter().enumerate() {
                fs::write(folder.join(format!("seed-{number}")), seed).unwrap();
            }
        }
        let files: Vec<_> = fs::read_dir(&folder).unwrap().map(Result::unwrap).collect();
        assert!(
            !files.is_empty() && files.len() <= CORPUS_FILES_MAX,
            "{target}"
        );
        for file in files {
            let bytes = fs::read(file.path()).unwrap();
            assert!(bytes.len() as u64 <= CORPUS_BYTES_MAX, "{:?}", file.path());
            check(&bytes);
        }
    }
}
