//! Going over a journal from where its index ends. Owns what may be left out, and when; whatever it
//! does not know for sure it leaves to a survey of the whole.
//!
//! What is left out was synced before the index said so, and a stop does not reach back to it. Should it
//! have rotted since, readings notice and the scrub, which begins with each opening, heals it.

use std::path::Path;
use std::sync::Arc;

use super::{Extent, Surveyed, Surveyor};
use crate::check::follows;
use crate::head_file::HeadSlot;
use crate::index::{self, Building, Chunk, Plan};
use crate::journal::place::{Cursor, Marks, Places, SEQUENTIAL_BYTES};
use crate::journal::segment;
use crate::replay::Reached;
use crate::sled_copy::{first_of, has_file, volume_of};

/// Goes on from where the index ends, instead of from the beginning: only segments' headers and
/// sizes are looked at before. `None` if the index is not whole, or anything is not as a head that
/// was closed cleanly says; then the whole journal must be gone over. Versions are proven as far as
/// the events after the index's end tell: each follows the one before among these.
pub(crate) fn resume(
    plan: Plan,
    extent: Extent,
    progress: &mut dyn FnMut(u64),
) -> Option<Surveyed> {
    let head = extent.head()?;
    let chunks = index::load(
        &plan.folder(),
        head.log_id,
        plan.chunk_events,
        head.position,
    );
    let chunks = chunks.ok().flatten()?;
    let reached = chunks.last()?.reached.clone();
    if reached.end.position == head.position && reached.hash != head.hash {
        return None;
    }
    let journal = plan.dir.join(segment::JOURNAL_DIR);
    let numbers = segment::list(&journal).ok()?;
    if !numbers.contains(&reached.place.segment) {
        return None;
    }
    let building = Building::after(plan, chunks);
    let surveyed = Surveyor::after(reached, journal, building, extent, progress)
        .run(&numbers)
        .ok()?;
    let as_closed = surveyed.torn.is_empty() && surveyed.end.position == head.position;
    as_closed.then_some(surveyed)
}

/// The same for a log that was not closed, as a kill or a power cut leaves it. What the stop may have
/// touched is gone over too: all blocks from the first one of the volume that was open, each by its hash and
/// the next of the one before, since opening sled may drop its copy of them. `None` if anything is not as
/// it should be; then the whole journal must be gone over.
pub(crate) fn after_stop(plan: Plan, head: HeadSlot, volume_events: u64) -> Option<Surveyed> {
    let chunks = index::load(&plan.folder(), head.log_id, plan.chunk_events, u64::MAX);
    let chunks = chunks.ok().flatten()?;
    let reached = chunks.last()?.reached.clone();
    let open = volume_of(head.synced, volume_events);
    if !(1..=open).all(|number| has_file(&plan.dir, number)) {
        return None;
    }
    let journal = plan.dir.join(segment::JOURNAL_DIR);
    chained(&journal, &chunks, first_of(open, volume_events), &reached)?;
    let numbers = segment::list(&journal).ok()?;
    let building = Building::after(plan, chunks);
    let extent = Extent::Proven(Some(head));
    Surveyor::after(reached, journal, building, extent, &mut |_| ())
        .run(&numbers)
        .ok()
}

/// Goes over the blocks from a position on up to where the index ends: each whole, and the next of the
/// one before.
fn chained(journal: &Path, chunks: &[Arc<Chunk>], from: u64, reached: &Reached) -> Option<()> {
    let to = reached.end.position;
    let mut marks = Marks::default();
    for chunk in chunks {
        marks.extend(&chunk.marks);
    }
    let places = Arc::new(Places::new(journal.to_owned(), marks));
    let mut cursor = Cursor::near(&places, from.min(to), SEQUENTIAL_BYTES);
    let mut last = None;
    loop {
        let (header, block) = cursor.next().ok()??;
        header.payload(block, true).ok()?;
        if last.is_some_and(|last| !follows(&last, &header)) {
            return None;
        }
        if header.last_position() >= to {
            return (header.last_position() == to && header.hash == reached.hash).then_some(());
        }
        last = Some(header);
    }
}
