//! The payload of a tombstone record: the chunk numbers it deletes, eight bytes each.

/// Packs chunk numbers.
pub fn encode(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// Unpacks chunk numbers; a rest shorter than eight bytes is ignored (the header refuses such lengths).
pub fn decode(payload: &[u8]) -> Vec<u64> {
    payload
        .chunks_exact(8)
        .map(|bytes| bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
        .collect()
}

#[cfg(test)]
mod tests {
    proptest::proptest! {
        #[test]
        fn comes_back(numbers: Vec<u64>) {
            proptest::prop_assert_eq!(super::decode(&super::encode(&numbers)), numbers);
        }
    }
}
