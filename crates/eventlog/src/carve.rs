//! Finding blocks in a file that is not read as what it is. Owns the search; never opens sled,
//! whose opening rewrites a damaged file.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::block::{BLOCK_BYTES_MAX, BLOCK_HEADER_BYTES, BlockHeader, MAGIC};
use crate::files::Window;

/// How much of the file is searched at a time.
const STEP_BYTES: usize = 1024 * 1024;

/// Calls `found` with every whole block in the file, its place and its bytes, in the order of
/// places. The same block may be found more than once.
pub(crate) fn carve(
    path: &Path,
    found: &mut dyn FnMut(&BlockHeader, u64, &[u8]),
) -> io::Result<()> {
    carve_paced(path, &mut |_| true, found).map(|_| ())
}

/// The same, step by step: `pace` is told the bytes of every step and may wait; false ends the
/// search. Answers whether it went to the end.
pub(crate) fn carve_paced(
    path: &Path,
    pace: &mut dyn FnMut(u64) -> bool,
    found: &mut dyn FnMut(&BlockHeader, u64, &[u8]),
) -> io::Result<bool> {
    let file = File::open(path)?;
    let mut window = Window::new(STEP_BYTES + BLOCK_BYTES_MAX);
    let mut start = 0;
    loop {
        let bytes = window.get(&file, start, STEP_BYTES + BLOCK_BYTES_MAX)?;
        if bytes.len() < BLOCK_HEADER_BYTES {
            return Ok(true);
        }
        let mut at = 0;
        while at < STEP_BYTES {
            let Some(next) = next_magic(&bytes[at..]) else {
                break;
            };
            at += next;
            if at >= STEP_BYTES {
                break;
            }
            let block = BlockHeader::read(&bytes[at..]).ok().and_then(|header| {
                let block = bytes.get(at..at + header.block_bytes())?;
                header.payload(block, true).ok().map(|_| (header, block))
            });
            at += match block {
                None => 1,
                Some((header, block)) => {
                    found(&header, start + at as u64, block);
                    block.len()
                }
            };
        }
        start += at.max(STEP_BYTES) as u64;
        if !pace(STEP_BYTES as u64) {
            return Ok(false);
        }
    }
}

/// Where the magic occurs next. Looks at every eighth byte, and closer where that one could belong
/// to it.
fn next_magic(bytes: &[u8]) -> Option<usize> {
    let last = MAGIC.len() - 1;
    let mut at = 0;
    while let Some(byte) = bytes.get(at + last) {
        let skip = match MAGIC.iter().rposition(|other| other == byte) {
            Some(place) if place == last && bytes[at..].starts_with(MAGIC) => return Some(at),
            Some(place) if place == last => 1,
            Some(place) => last - place,
            None => MAGIC.len(),
        };
        at += skip;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::block::{BlockBuilder, Gathered, put_record};

    #[test]
    fn finds_whole_blocks_at_any_place() {
        let mut builder = BlockBuilder::new(1, [0; 32]);
        let mut file = vec![b'b'; 13];
        let mut wanted = Vec::new();
        for number in 1..40_u64 {
            let mut payload = Vec::new();
            let record: Vec<u8> = (0..100_000).map(|at| (at * number % 251) as u8).collect();
            put_record(&mut payload, &record);
            let (commits, events) = (1, 1);
            let gathered = Gathered {
                payload,
                first_position: number,
                first_commit: number,
                commits,
                events,
            };
            let place = file.len() as u64;
            let header = builder.build(&gathered, number, (0, 1), &mut file);
            if number % 5 == 0 {
                let damaged = file.len() - 100;
                file[damaged] ^= 4;
            } else {
                wanted.push((number, place, header.hash));
            }
            file.extend_from_slice(b"bn-block bn-bl");
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("db");
        std::fs::write(&path, file).unwrap();
        let mut found = Vec::new();
        carve(&path, &mut |header, place, _| {
            found.push((header.first_position, place, header.hash));
        })
        .unwrap();
        assert_eq!(found, wanted);
    }
}
