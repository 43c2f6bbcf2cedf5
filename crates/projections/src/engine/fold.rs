//! Folding models from a log without an engine: for questions on a folder, and for measuring.

use std::num::NonZeroUsize;

use eventlog::{EventLog, ReadError};
use rayon::iter::{IntoParallelRefIterator as _, ParallelIterator as _};

use super::read::Reader;
use crate::Models;
use crate::feed::Decoder;
use crate::models::AnyModel;

/// Folds the named models from the log's first commit up to its head, with so many threads, into
/// `models`; with no names everything is decoded and nothing applied. Answers the events that were
/// decoded. A model that met a fault says so by its standing. Blocks.
///
/// # Errors
/// The first commit that cannot be read, or that the system gives no threads.
pub fn fold(
    log: &dyn EventLog,
    models: &Models,
    names: &[&str],
    threads: NonZeroUsize,
) -> Result<u64, ReadError> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.get())
        .build()
        .map_err(|error| ReadError::Io {
            what: "the threads of the read models".to_owned(),
            error: error.to_string(),
        })?;
    let applied: Vec<&dyn AnyModel> = names.iter().filter_map(|name| models.named(name)).collect();
    let builds: Vec<_> = applied.iter().map(|model| model.live()).collect();
    let wants: Vec<_> = applied.iter().map(|model| model.wants()).collect();
    let all = wants.is_empty();
    let mut decoder =
        Decoder::new(move |category| all || wants.iter().any(|wants| wants(category)));
    let mut reader = Reader::new(log, 1, log.head().position);
    let mut events = 0;
    pool.install(|| {
        while let Some(batch) = reader.next(&mut decoder)? {
            events += batch
                .iter()
                .map(|commit| commit.events.len() as u64)
                .sum::<u64>();
            builds
                .par_iter()
                .for_each(|build| build.take_in(&batch, true));
        }
        Ok(events)
    })
}
