//! The code computed slowly, from its definition: what the fast code is compared with.
//!
//! GF(2^8) with x^8 + x^4 + x^3 + x^2 + 1; the (k+m) x k Vandermonde matrix with entries r^c, multiplied by the
//! inverse of its upper square, so that data shards hold plain data. Parity row r of that product, times the
//! zero-padded stripe, is parity cell r.

use holdfast_proto::geometry::Geometry;

/// Carry-less multiplication, reduced by 0x11d, bit by bit.
fn mul(mut a: u8, mut b: u8) -> u8 {
    let mut product = 0;
    while b != 0 {
        if b & 1 == 1 {
            product ^= a;
        }
        let carry = a & 0x80 != 0;
        a <<= 1;
        if carry {
            a ^= 0x1d;
        }
        b >>= 1;
    }
    product
}

fn inverse(a: u8) -> u8 {
    (1..=255).find(|b| mul(a, *b) == 1).expect("zero has no inverse")
}

fn power(base: u8, exponent: usize) -> u8 {
    (0..exponent).fold(1, |product, _| mul(product, base))
}

/// Inverts a square matrix by elimination.
fn invert(mut matrix: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let n = matrix.len();
    let mut result: Vec<Vec<u8>> = (0..n).map(|r| (0..n).map(|c| u8::from(r == c)).collect()).collect();
    for column in 0..n {
        let pivot = (column..n).find(|r| matrix[*r][column] != 0).expect("singular");
        matrix.swap(column, pivot);
        result.swap(column, pivot);
        let scale = inverse(matrix[column][column]);
        for c in 0..n {
            matrix[column][c] = mul(matrix[column][c], scale);
            result[column][c] = mul(result[column][c], scale);
        }
        for r in (0..n).filter(|r| *r != column) {
            let factor = matrix[r][column];
            for c in 0..n {
                let (m, i) = (mul(factor, matrix[column][c]), mul(factor, result[column][c]));
                matrix[r][c] ^= m;
                result[r][c] ^= i;
            }
        }
    }
    result
}

/// Coefficients of the parity rows.
fn rows(data: usize, parity: usize) -> Vec<Vec<u8>> {
    let entry = |r: usize, c: usize| power(r as u8, c);
    let top = invert((0..data).map(|r| (0..data).map(|c| entry(r, c)).collect()).collect());
    (data..data + parity)
        .map(|r| (0..data).map(|c| (0..data).fold(0, |sum, i| sum ^ mul(entry(r, i), top[i][c]))).collect())
        .collect()
}

/// The parity shards of a chunk.
pub(crate) fn parity(geometry: &Geometry, chunk: &[u8]) -> Vec<Vec<u8>> {
    let (data, cell) = (geometry.data as usize, geometry.cell_bytes as usize);
    rows(data, geometry.parity as usize)
        .into_iter()
        .map(|row| {
            let mut shard = Vec::new();
            for stripe in chunk.chunks(data * cell) {
                for at in 0..stripe.len().min(cell) {
                    let byte = |shard: usize| stripe.get(shard * cell + at).copied().unwrap_or(0);
                    shard.push((0..data).fold(0, |sum, s| sum ^ mul(row[s], byte(s))));
                }
            }
            shard
        })
        .collect()
}
