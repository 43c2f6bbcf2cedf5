//! Where randomness comes from. Owns the one generator given at the rim; never knows what the
//! bytes are for.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use domain::Instant;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use uuid::Uuid;

/// A source of random bytes, shared by everybody who needs ids, salts or nonces.
///
/// It is a `ChaCha20` generator: seeded by the operating system on a real clock, by a number on a
/// simulated one, so that a seeded run repeats to the same bytes.
pub struct Entropy {
    generator: Mutex<ChaCha20Rng>,
    seeded: bool,
}

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gave no random bytes: {0}")]
pub struct NoEntropy(getrandom::Error);

impl Entropy {
    /// Seeded with 32 bytes of the operating system.
    pub fn system() -> Result<Self, NoEntropy> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).map_err(NoEntropy)?;
        Ok(Self {
            generator: Mutex::new(ChaCha20Rng::from_seed(seed)),
            seeded: false,
        })
    }

    /// Repeats the same bytes for the same seed.
    pub fn seeded(seed: u64) -> Self {
        Self {
            generator: Mutex::new(ChaCha20Rng::seed_from_u64(seed)),
            seeded: true,
        }
    }

    /// Whether the bytes repeat (a simulated log); no secret may be drawn then.
    pub fn is_seeded(&self) -> bool {
        self.seeded
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        self.generator
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .fill_bytes(bytes);
    }

    /// Sixteen bytes: the seed of a commit's salts.
    pub fn seed(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        self.fill(&mut bytes);
        bytes
    }

    /// A random id (version 4).
    pub fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.seed()).into_uuid()
    }

    /// A random id that sorts by `at` (version 7); an instant before 1970 counts as 1970.
    pub fn uuid_at(&self, at: Instant) -> Uuid {
        let mut bytes = [0; 10];
        self.fill(&mut bytes);
        let millis = u64::try_from(at.timestamp_millis()).unwrap_or(0);
        uuid::Builder::from_unix_timestamp_millis(millis, &bytes).into_uuid()
    }
}

impl fmt::Debug for Entropy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Entropy")
            .field("seeded", &self.seeded)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_the_system_does_not() {
        let draw = |entropy: &Entropy| (entropy.seed(), entropy.uuid());
        assert_eq!(draw(&Entropy::seeded(7)), draw(&Entropy::seeded(7)));
        assert_ne!(draw(&Entropy::seeded(7)), draw(&Entropy::seeded(8)));
        let system = Entropy::system().unwrap();
        assert_ne!(draw(&system), draw(&system));
    }

    #[test]
    fn ids_sort_by_their_instant() {
        let entropy = Entropy::seeded(1);
        let at = |millis| Instant::from_timestamp_millis(millis).unwrap();
        let (early, late) = (entropy.uuid_at(at(1_000)), entropy.uuid_at(at(2_000)));
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
        assert_eq!(entropy.uuid().get_version_num(), 4);
    }
}
