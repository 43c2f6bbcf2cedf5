//! What is left to chance. Owns the generator of one community; the same seed and number draw the
//! same for ever.

use domain::ids::derived;
use eventlog::Entropy;
use uuid::Uuid;

/// The generator of one community.
pub(super) struct Dice(Entropy);

impl Dice {
    /// The generator of a part of the simulation, by its name and number.
    pub(super) fn of(seed: u64, part: &str, number: u32) -> Self {
        let bytes = derived("simulated dice", &[&seed, &part, &number]).into_bytes();
        let (first, _) = bytes.split_first_chunk().unwrap_or((&[0; 8], &[]));
        Self(Entropy::seeded(u64::from_be_bytes(*first)))
    }

    /// Sixteen bytes: the seed of a commit's salts.
    pub(super) fn seed(&self) -> [u8; 16] {
        self.0.seed()
    }

    /// An id.
    pub(super) fn uuid(&self) -> Uuid {
        self.0.uuid()
    }

    /// A hash of something that is kept elsewhere.
    pub(super) fn paper(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.0.fill(&mut bytes);
        bytes
    }

    /// Random bytes of a code.
    pub(super) fn code(&self) -> [u8; domain::redemption::CODE_BYTES] {
        let mut bytes = [0; domain::redemption::CODE_BYTES];
        self.0.fill(&mut bytes);
        bytes
    }

    /// A number below `bound`; 0 for a bound of 0.
    pub(super) fn below(&self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        let number = u64::from_be_bytes(bytes) % (bound.max(1) as u64);
        usize::try_from(number).unwrap_or_default()
    }

    /// A number from `from` to `to`, both included.
    pub(super) fn between(&self, from: i64, to: i64) -> i64 {
        let width = usize::try_from(to - from).unwrap_or_default();
        from + i64::try_from(self.below(width + 1)).unwrap_or_default()
    }

    /// True in so many of a thousand cases.
    pub(super) fn chance(&self, per_mille: usize) -> bool {
        self.below(1_000) < per_mille
    }

    /// One of some.
    pub(super) fn pick<'a, T>(&self, of: &'a [T]) -> Option<&'a T> {
        of.get(self.below(of.len()))
    }

    /// How often today: the whole part of so many thousandths, and the rest by chance.
    pub(super) fn times(&self, thousandths: u64) -> usize {
        let whole = usize::try_from(thousandths / 1_000).unwrap_or_default();
        let rest = usize::try_from(thousandths % 1_000).unwrap_or_default();
        whole + usize::from(self.chance(rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_community_draws_by_seed_and_number() {
        let draw = |seed, number| Dice::of(seed, "community", number).seed();
        assert_eq!(draw(1, 2), draw(1, 2));
        assert_ne!(draw(1, 2), draw(1, 3));
        assert_ne!(draw(1, 2), draw(2, 2));
    }

    #[test]
    fn thousandths_come_to_their_mean() {
        let dice = Dice::of(1, "community", 0);
        let sum: usize = (0..10_000).map(|_| dice.times(2_400)).sum();
        assert!((23_700..24_300).contains(&sum), "{sum}");
    }
}
