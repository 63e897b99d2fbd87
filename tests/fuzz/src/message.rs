//! Protobuf messages as trees, without their schema: a field is changed and every length around it still fits.
//!
//! What always holds: what [`parse`] took is the same after [`encode`], unless it was changed.

use rand::RngExt as _;
use rand::rngs::StdRng;

use crate::ODD;

/// Nesting looked into.
const DEEPEST: usize = 8;

/// A field: its tag as it stands there, and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Field {
    tag: u64,
    value: Value,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Number(u64),
    Fixed(Vec<u8>),
    Bytes(Vec<u8>),
    Message(Vec<Field>),
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7F) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn take<'a>(bytes: &mut &'a [u8], count: u64) -> Option<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(usize::try_from(count).ok()?)?;
    *bytes = rest;
    Some(taken)
}

/// The fields of a message, if the bytes can be one.
pub(crate) fn parse(mut bytes: &[u8], depth: usize) -> Option<Vec<Field>> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes).filter(|tag| tag >> 3 != 0)?;
        let value = match tag & 7 {
            0 => Value::Number(varint(&mut bytes)?),
            1 => Value::Fixed(take(&mut bytes, 8)?.to_vec()),
            5 => Value::Fixed(take(&mut bytes, 4)?.to_vec()),
            2 => {
                let length = varint(&mut bytes)?;
                let inside = take(&mut bytes, length)?;
                // Text can look like a message, too; damage does not care.
                let nested =
                    if depth < DEEPEST && !inside.is_empty() { parse(inside, depth + 1) } else { None };
                nested.map_or_else(|| Value::Bytes(inside.to_vec()), Value::Message)
            }
            _ => return None,
        };
        fields.push(Field { tag, value });
    }
    Some(fields)
}

/// The bytes of these fields.
pub(crate) fn encode(fields: &[Field]) -> Vec<u8> {
    let mut out = Vec::new();
    for Field { tag, value } in fields {
        put_varint(&mut out, *tag);
        match value {
            Value::Number(number) => put_varint(&mut out, *number),
            Value::Fixed(bytes) => out.extend_from_slice(bytes),
            Value::Bytes(bytes) => {
                put_varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(bytes);
            }
            Value::Message(inside) => {
                let bytes = encode(inside);
                put_varint(&mut out, bytes.len() as u64);
                out.extend_from_slice(&bytes);
            }
        }
    }
    out
}

/// Changes one field, adds one of another message's, or takes one away.
pub(crate) fn damage(rng: &mut StdRng, fields: &mut Vec<Field>, other: &[Field]) {
    if fields.is_empty() {
        return fields.extend_from_slice(other);
    }
    let at = rng.random_range(0..fields.len());
    if let Value::Message(inside) = &mut fields[at].value
        && rng.random_range(0..4) > 0
    {
        // Something of the same kind may come from the other message's inside.
        let like = other.iter().find_map(|field| match &field.value {
            Value::Message(inside) => Some(inside.as_slice()),
            _ => None,
        });
        return damage(rng, inside, like.unwrap_or_default());
    }
    match rng.random_range(0..8) {
        0 => drop(fields.remove(at)),
        1 => fields.insert(at, fields[at].clone()),
        2 if !other.is_empty() => fields.push(other[rng.random_range(0..other.len())].clone()),
        3 => fields[at].tag ^= u64::from(rng.random_range(1..16u8)) << 3,
        _ => change(rng, &mut fields[at].value),
    }
}

fn change(rng: &mut StdRng, value: &mut Value) {
    let odd = ODD[rng.random_range(0..ODD.len())];
    match value {
        Value::Number(number) => {
            *number = match rng.random_range(0..3) {
                0 => odd,
                1 => number.wrapping_add(rng.random_range(0..4)),
                _ => number.wrapping_sub(rng.random_range(0..4)),
            }
        }
        Value::Fixed(bytes) | Value::Bytes(bytes) => match rng.random_range(0..3) {
            0 => bytes.clear(),
            1 => rng.fill(&mut bytes[..]),
            _ => bytes.extend_from_within(..),
        },
        Value::Message(inside) => inside.clear(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_is_encoded_the_same() {
        // 1: 300, 2: { 1: 1, 2: "ab" }, 3: fixed32.
        let bytes = [0x08, 0xAC, 0x02, 0x12, 6, 0x08, 1, 0x12, 2, b'a', b'b', 0x1D, 1, 2, 3, 4];
        let fields = parse(&bytes, 0).unwrap();
        assert!(matches!(&fields[1].value, Value::Message(inside) if inside.len() == 2));
        assert_eq!(encode(&fields), bytes);
        assert_eq!(parse(&bytes[..bytes.len() - 1], 0), None);
    }
}
