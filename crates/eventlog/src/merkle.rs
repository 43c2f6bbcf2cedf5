//! The tree over all commits: RFC 6962 / RFC 9162 with SHA-256. Owns hashes of nodes, the compact
//! range that grows with the log, and proofs; never knows what a leaf stands for.
//!
//! A subtree is *perfect* when it holds `2^level` leaves from a multiple of that number on. The
//! hash of a perfect subtree never changes, so proofs are made from those alone.

use sha2::{Digest as _, Sha256};

/// A SHA-256 hash.
pub type Hash = [u8; 32];

/// The hash of a leaf over its input, as RFC 6962 defines it.
pub fn leaf_hash(input: &[u8]) -> Hash {
    Sha256::new()
        .chain_update([0x00])
        .chain_update(input)
        .finalize()
        .into()
}

/// The hash of a node over its two children.
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new()
        .chain_update([0x01])
        .chain_update(left)
        .chain_update(right)
        .finalize()
        .into()
}

/// The root of the empty tree.
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The right edge of a tree: the perfect subtrees that make it up, largest first. Enough to append
/// and to give the root, in memory that grows with the logarithm of the size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CompactRange {
    size: u64,
    peaks: Vec<Hash>,
}

impl CompactRange {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree of `size` leaves from its peaks, if there are as many as that size has.
    pub fn from_peaks(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (peaks.len() == size.count_ones() as usize).then_some(Self { size, peaks })
    }

    /// The number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The hashes of the perfect subtrees, largest first.
    pub fn peaks(&self) -> &[Hash] {
        &self.peaks
    }

    /// Appends a leaf and calls `completed` with level, index and hash of each perfect subtree
    /// above level 0 that it completes.
    pub fn append(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, &Hash)) {
        let mut hash = leaf;
        for level in 0..self.size.trailing_ones() {
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            completed(level + 1, self.size >> (level + 1), &hash);
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root.
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else {
            return empty_root();
        };
        peaks.fold(*last, |right, left| node_hash(left, &right))
    }
}

/// Gives the hash of the perfect subtree at a level and index: leaves
/// `index << level .. (index + 1) << level`.
pub trait Nodes {
    /// What can go wrong.
    type Error;
    /// The hash, from which proofs are made.
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error>;
}

/// Why no proof can be made or a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofRefusal {
    /// The leaf or the smaller tree lies outside the tree.
    #[error("outside of the tree")]
    OutsideTree,
    /// The proof has another length than the sizes demand.
    #[error("the proof has the wrong length")]
    WrongLength,
    /// The hashes do not lead to the root.
    #[error("the proof does not lead to the root")]
    WrongRoot,
}

/// The hash of the leaves `start..end`, gathered from perfect subtrees.
fn range_hash<N: Nodes>(nodes: &N, start: u64, end: u64) -> Result<Hash, N::Error> {
    let count = end - start;
    if count.is_power_of_two() && start.is_multiple_of(count) {
        let level = count.trailing_zeros();
        return nodes.node(level, start >> level);
    }
    let split = start + largest_power_below(count);
    Ok(node_hash(
        &range_hash(nodes, start, split)?,
        &range_hash(nodes, split, end)?,
    ))
}

/// The largest power of two below `count`, which must be at least 2.
fn largest_power_below(count: u64) -> u64 {
    1 << (u64::BITS - 1 - (count - 1).leading_zeros())
}

/// The inclusion proof of leaf `index` in the tree of `size` leaves, from the leaf upwards.
/// Refuses an index outside the tree with `None`.
pub fn inclusion_proof<N: Nodes>(
    nodes: &N,
    index: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if index >= size {
        return Ok(None);
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end - start > 1 {
        let split = start + largest_power_below(end - start);
        if index < split {
            proof.push(range_hash(nodes, split, end)?);
            end = split;
        } else {
            proof.push(range_hash(nodes, start, split)?);
            start = split;
        }
    }
    proof.reverse();
    Ok(Some(proof))
}

/// The proof that the tree of `size` leaves begins with the tree of `old_size` leaves. Refuses an
/// old size of 0 or beyond the size with `None`; empty when both are the same.
pub fn consistency_proof<N: Nodes>(
    nodes: &N,
    old_size: u64,
    size: u64,
) -> Result<Option<Vec<Hash>>, N::Error> {
    if old_size == 0 || old_size > size {
        return Ok(None);
    }
    let mut proof = Vec::new();
    let (mut start, mut end) = (0, size);
    while end != old_size {
        let split = start + largest_power_below(end - start);
        if old_size <= split {
            proof.push(range_hash(nodes, split, end)?);
            end = split;
        } else {
            proof.push(range_hash(nodes, start, split)?);
            start = split;
        }
    }
    if start > 0 {
        proof.push(range_hash(nodes, start, end)?);
    }
    proof.reverse();
    Ok(Some(proof))
}

/// Checks that `leaf` is leaf `index` of the tree with this size and root (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofRefusal> {
    if index >= size {
        return Err(ProofRefusal::OutsideTree);
    }
    let (mut node, mut last) = (index, size - 1);
    let mut hash = *leaf;
    for sibling in proof {
        if last == 0 {
            return Err(ProofRefusal::WrongLength);
        }
        if node & 1 == 1 || node == last {
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofRefusal::WrongLength);
    }
    if hash == *root {
        Ok(())
    } else {
        Err(ProofRefusal::WrongRoot)
    }
}

/// Checks that the tree with this size and root begins with the tree of the old size and root
/// (RFC 9162, 2.1.4.2).
pub fn verify_consistency(
    old_size: u64,
    old_root: &Hash,
    size: u64,
    root: &Hash,
    proof: &[Hash],
) -> Result<(), ProofRefusal> {
    if old_size == 0 || old_size > size {
        return Err(ProofRefusal::OutsideTree);
    }
    if old_size == size {
        return match (proof.is_empty(), old_root == root) {
            (false, _) => Err(ProofRefusal::WrongLength),
            (true, false) => Err(ProofRefusal::WrongRoot),
            (true, true) => Ok(()),
        };
    }
    let mut path = proof.iter();
    let first = if old_size.is_power_of_two() {
        Some(old_root)
    } else {
        path.next()
    };
    let first = first.ok_or(ProofRefusal::WrongLength)?;
    let (mut node, mut last) = (old_size - 1, size - 1);
    while node & 1 == 1 {
        node >>= 1;
        last >>= 1;
    }
    let (mut old_hash, mut hash) = (*first, *first);
    for sibling in path {
        if last == 0 {
            return Err(ProofRefusal::WrongLength);
        }
        if node & 1 == 1 || node == last {
            old_hash = node_hash(sibling, &old_hash);
            hash = node_hash(sibling, &hash);
            while node & 1 == 0 && node != 0 {
                node >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        node >>= 1;
        last >>= 1;
    }
    if last != 0 {
        return Err(ProofRefusal::WrongLength);
    }
    if old_hash == *old_root && hash == *root {
        Ok(())
    } else {
        Err(ProofRefusal::WrongRoot)
    }
}

#[cfg(test)]
mod tests;
