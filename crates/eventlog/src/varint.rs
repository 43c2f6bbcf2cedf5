//! Numbers of variable length and the bounded reader of items. Owns the primitive encodings of
//! the record's grammar; never knows what the fields mean.

use bytes::Bytes;

/// Why bytes could not be read as the record's grammar demands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} at byte {at}")]
pub struct Unreadable {
    /// What was found or missed.
    pub what: &'static str,
    /// Where, counted from the start of the record.
    pub at: usize,
}

/// Appends `number` in groups of seven bits, lowest first.
pub(crate) fn put_varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

/// Bytes that [`put_varint`] appends.
pub(crate) fn varint_bytes(number: u64) -> usize {
    let bits = u64::BITS - (number | 1).leading_zeros();
    bits.div_ceil(7) as usize
}

/// Appends the length of `part` and `part`.
pub(crate) fn put_bytes(bytes: &mut Vec<u8>, part: &[u8]) {
    put_varint(bytes, part.len() as u64);
    bytes.extend_from_slice(part);
}

/// Appends a signed number, its sign in the lowest bit.
pub(crate) fn put_signed(bytes: &mut Vec<u8>, number: i64) {
    put_varint(
        bytes,
        (number.wrapping_shl(1) ^ (number >> 63)).cast_unsigned(),
    );
}

/// Reads from the front of shared bytes and never past their end.
pub(crate) struct Reader<'a> {
    bytes: &'a Bytes,
    at: usize,
    end: usize,
}

impl<'a> Reader<'a> {
    /// Reads all of `bytes`.
    pub(crate) fn new(bytes: &'a Bytes) -> Self {
        Self {
            bytes,
            at: 0,
            end: bytes.len(),
        }
    }

    /// An error at the present place.
    pub(crate) fn fault(&self, what: &'static str) -> Unreadable {
        Unreadable { what, at: self.at }
    }

    /// How many bytes are left.
    pub(crate) fn left(&self) -> usize {
        self.end - self.at
    }

    /// Refuses bytes that nobody has read.
    pub(crate) fn finish(&self) -> Result<(), Unreadable> {
        if self.left() == 0 {
            Ok(())
        } else {
            Err(self.fault("bytes too many"))
        }
    }

    /// The next `count` bytes, borrowed.
    pub(crate) fn take(&mut self, count: usize) -> Result<&'a [u8], Unreadable> {
        if count > self.left() {
            return Err(self.fault("cut short"));
        }
        let taken = &self.bytes[self.at..self.at + count];
        self.at += count;
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Unreadable> {
        let fault = self.fault("cut short");
        self.take(N)?.try_into().map_err(|_| fault)
    }

    /// The next byte.
    pub(crate) fn byte(&mut self) -> Result<u8, Unreadable> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A number; refuses a longer form than it needs, so that each has one encoding.
    pub(crate) fn varint(&mut self) -> Result<u64, Unreadable> {
        let start = self.at;
        let fault = |what| Unreadable { what, at: start };
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(fault("number too large"));
            }
            number |= bits << shift;
            if byte < 0x80 {
                if byte == 0 && shift > 0 {
                    return Err(fault("number in a longer form than it needs"));
                }
                return Ok(number);
            }
        }
        Err(fault("number too large"))
    }

    /// A number that fits another type.
    pub(crate) fn number<T: TryFrom<u64>>(&mut self) -> Result<T, Unreadable> {
        let fault = self.fault("number too large");
        T::try_from(self.varint()?).map_err(|_| fault)
    }

    /// A signed number.
    pub(crate) fn signed(&mut self) -> Result<i64, Unreadable> {
        let number = self.varint()?;
        Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }

    /// A count of things that take at least `bytes_each` bytes, so that it cannot ask for more
    /// memory than the record has bytes.
    pub(crate) fn count(&mut self, bytes_each: usize) -> Result<usize, Unreadable> {
        let fault = self.fault("count too large");
        let count: usize = self.number()?;
        if count > self.left() / bytes_each.max(1) {
            return Err(fault);
        }
        Ok(count)
    }

    /// Bytes with their length in front, borrowed.
    pub(crate) fn part(&mut self) -> Result<&'a [u8], Unreadable> {
        let length = self.count(1)?;
        self.take(length)
    }

    /// Bytes with their length in front, shared.
    pub(crate) fn shared(&mut self) -> Result<Bytes, Unreadable> {
        let length = self.count(1)?;
        let start = self.at;
        self.take(length)?;
        Ok(self.bytes.slice(start..start + length))
    }

    /// A text of at most `bytes_max` bytes.
    pub(crate) fn text(&mut self, bytes_max: usize) -> Result<&'a str, Unreadable> {
        let fault = |what| Unreadable { what, at: self.at };
        let (long, not_utf8) = (fault("text too long"), fault("no UTF-8"));
        let part = self.part()?;
        if part.len() > bytes_max {
            return Err(long);
        }
        std::str::from_utf8(part).map_err(|_| not_utf8)
    }

    /// Nothing (0) or something (1).
    pub(crate) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<Option<T>, Unreadable> {
        let fault = self.fault("neither absent nor present");
        match self.byte()? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(fault),
        }
    }

    /// A reader of the next bytes with their length in front, which must be read to their end.
    pub(crate) fn within<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, Unreadable>,
    ) -> Result<T, Unreadable> {
        let length = self.count(1)?;
        let mut inner = Self {
            bytes: self.bytes,
            at: self.at,
            end: self.at + length,
        };
        let value = read(&mut inner)?;
        inner.finish()?;
        self.at += length;
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        for number in [0, 1, 127, 128, 300, 1 << 14, u64::from(u32::MAX), u64::MAX] {
            let mut bytes = Vec::new();
            put_varint(&mut bytes, number);
            assert!(bytes.len() <= 10);
            assert_eq!(Reader::new(&bytes.into()).varint(), Ok(number));
        }
        for number in [0, -1, 1, i64::MIN, i64::MAX] {
            let mut bytes = Vec::new();
            put_signed(&mut bytes, number);
            assert_eq!(Reader::new(&bytes.into()).signed(), Ok(number));
        }
    }

    #[test]
    fn a_number_has_one_encoding() {
        for bytes in [&[0x80, 0x00][..], &[0xff; 11], &[0x80]] {
            assert!(
                Reader::new(&Bytes::copy_from_slice(bytes))
                    .varint()
                    .is_err(),
                "{bytes:?}"
            );
        }
    }
}
