//! Hashes that are equal on all machines. They keep nobody out: an equal hash of something else is only a nuisance.

/// The FNV-1a hash.
pub(crate) fn bytes_hash(bytes: &[u8]) -> u64 {
    let step = |hash: u64, byte: &u8| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, step)
}

/// Lets each bit depend on all others. These are the last steps of splitmix64.
pub(crate) fn mix(hash: u64) -> u64 {
    let mixed = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_the_published_vectors() {
        assert_eq!(bytes_hash(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(bytes_hash(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(bytes_hash(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
