use super::*;

/// The eight leaf inputs of the reference tree in the Certificate Transparency test suite
/// (certificate-transparency, `merkletree/merkle_tree_test.cc`; also google/certificate-
/// transparency-go and transparency-dev/merkle).
const LEAVES: [&str; 8] = [
    "",
    "00",
    "10",
    "2021",
    "3031",
    "40414243",
    "5051525354555657",
    "606162636465666768696a6b6c6d6e6f",
];

/// The published roots of the first 1 to 8 of them.
const ROOTS: [&str; 8] = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
];

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn hash(hex: &str) -> Hash {
    bytes(hex).try_into().unwrap()
}

/// A tree that keeps every leaf and hashes as RFC 6962 writes it down.
struct Whole(Vec<Hash>);

impl Whole {
    fn reference() -> Self {
        Self(
            LEAVES
                .iter()
                .map(|input| leaf_hash(&bytes(input)))
                .collect(),
        )
    }

    fn root(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => empty_root(),
            [leaf] => *leaf,
            leaves => {
                let mut split = 1;
                while split * 2 < leaves.len() {
                    split *= 2;
                }
                node_hash(&Self::root(&leaves[..split]), &Self::root(&leaves[split..]))
            }
        }
    }
}

impl Nodes for Whole {
    type Error = std::convert::Infallible;
    fn node(&self, level: u32, index: u64) -> Result<Hash, Self::Error> {
        let start = usize::try_from(index << level).unwrap();
        Ok(Self::root(&self.0[start..start + (1 << level)]))
    }
}

#[test]
fn gives_the_published_roots() {
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(CompactRange::new().root(), hash(empty));
    let mut range = CompactRange::new();
    for (leaf, root) in Whole::reference().0.into_iter().zip(ROOTS) {
        range.append(leaf, |_, _, _| ());
        assert_eq!(range.root(), hash(root));
    }
}

#[test]
fn gives_the_published_inclusion_proofs() {
    let check = |index, size, published: &[&str]| {
        let tree = Whole::reference();
        let proof = inclusion_proof(&tree, index, size).unwrap().unwrap();
        assert_eq!(
            proof,
            published.iter().map(|hex| hash(hex)).collect::<Vec<_>>()
        );
    };
    check(0, 1, &[]);
    check(
        0,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        5,
        8,
        &[
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        3,
        &["fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"],
    );
    check(
        1,
        5,
        &[
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

#[test]
fn gives_the_published_consistency_proofs() {
    let check = |old_size, size, published: &[&str]| {
        let tree = Whole::reference();
        let proof = consistency_proof(&tree, old_size, size).unwrap().unwrap();
        assert_eq!(
            proof,
            published.iter().map(|hex| hash(hex)).collect::<Vec<_>>()
        );
    };
    check(1, 1, &[]);
    check(
        1,
        8,
        &[
            "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
        ],
    );
    check(
        6,
        8,
        &[
            "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
            "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        ],
    );
    check(
        2,
        5,
        &[
            "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
            "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        ],
    );
}

/// All trees up to this size are tried.
const SIZE_MAX: u64 = 33;

fn leaves(size: u64) -> Whole {
    Whole(
        (0..size)
            .map(|number| leaf_hash(&number.to_be_bytes()))
            .collect(),
    )
}

#[test]
fn the_compact_range_agrees_with_the_definition() {
    let mut range = CompactRange::new();
    let all = leaves(SIZE_MAX);
    for size in 0..SIZE_MAX {
        assert_eq!(
            range.root(),
            Whole::root(&all.0[..usize::try_from(size).unwrap()])
        );
        assert_eq!(
            CompactRange::from_peaks(size, range.peaks().to_vec()),
            Some(range.clone())
        );
        range.append(
            all.0[usize::try_from(size).unwrap()],
            |level, index, hash| {
                assert_eq!(all.node(level, index).unwrap(), *hash);
            },
        );
    }
}

#[test]
fn every_inclusion_proof_holds_for_its_leaf_only() {
    for size in 1..SIZE_MAX {
        let tree = leaves(size);
        let root = Whole::root(&tree.0);
        for index in 0..size {
            let proof = inclusion_proof(&tree, index, size).unwrap().unwrap();
            let leaf = tree.0[usize::try_from(index).unwrap()];
            assert_eq!(verify_inclusion(&leaf, index, size, &proof, &root), Ok(()));
            assert!(verify_inclusion(&[7; 32], index, size, &proof, &root).is_err());
            assert!(verify_inclusion(&leaf, index, size, &proof, &[7; 32]).is_err());
            assert!(verify_inclusion(&leaf, index + 1, size, &proof, &root).is_err());
            let longer: Vec<Hash> = proof.iter().copied().chain([[0; 32]]).collect();
            assert!(verify_inclusion(&leaf, index, size, &longer, &root).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify_inclusion(&leaf, index, size, shorter, &root).is_err());
            }
        }
        assert_eq!(inclusion_proof(&tree, size, size).unwrap(), None);
    }
}

#[test]
fn every_consistency_proof_holds_for_its_trees_only() {
    let all = leaves(SIZE_MAX);
    let root = |size: u64| Whole::root(&all.0[..usize::try_from(size).unwrap()]);
    for size in 1..SIZE_MAX {
        for old in 1..=size {
            let proof = consistency_proof(&all, old, size).unwrap().unwrap();
            let verify = |old_root: &Hash, new_root: &Hash, proof: &[Hash]| {
                verify_consistency(old, old_root, size, new_root, proof)
            };
            assert_eq!(
                verify(&root(old), &root(size), &proof),
                Ok(()),
                "{old} of {size}"
            );
            assert!(verify(&[7; 32], &root(size), &proof).is_err());
            assert!(verify(&root(old), &[7; 32], &proof).is_err());
            let longer: Vec<Hash> = proof.iter().copied().chain([[0; 32]]).collect();
            assert!(verify(&root(old), &root(size), &longer).is_err());
            if let Some((_, shorter)) = proof.split_last() {
                assert!(verify(&root(old), &root(size), shorter).is_err());
            }
        }
        assert_eq!(consistency_proof(&all, 0, size).unwrap(), None);
        assert_eq!(consistency_proof(&all, size + 1, size).unwrap(), None);
    }
}
