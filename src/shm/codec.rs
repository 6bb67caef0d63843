//! Values as bytes, in the encoding that the crate `cbor4ii` makes for serde.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::convert::Infallible;
use core::fmt;

use cbor4ii::core::dec::{Decode, IgnoredAny, Read, Reference};
use cbor4ii::core::enc::{self, Write};
use cbor4ii::serde::{DecodeError, Deserializer, EncodeError, Serializer};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Error;

/// Takes no more bytes than its limit.
struct Limited {
    bytes: Vec<u8>,
    limit: u64,
}

/// More bytes than the limit, or than the memory has room for.
#[derive(Debug)]
struct Full {
    found: u64,
}

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes are too many", self.found)
    }
}

impl core::error::Error for Full {}

impl Write for Limited {
    type Error = Full;

    fn push(&mut self, input: &[u8]) -> Result<(), Full> {
        let found = self.bytes.len() as u64 + input.len() as u64;
        if found > self.limit || self.bytes.try_reserve(input.len()).is_err() {
            return Err(Full { found });
        }
        self.bytes.extend_from_slice(input);
        Ok(())
    }
}

/// The bytes of a value.
pub(super) fn encode<T: Serialize>(value: &T, limit: u64) -> Result<Vec<u8>, Error> {
    let mut serializer = Serializer::new(Limited { bytes: Vec::new(), limit });
    match value.serialize(&mut serializer) {
        Ok(()) => {}
        Err(EncodeError::Core(enc::Error::Write(Full { found }))) if found > limit => {
            return Err(Error::TooLong { found, limit });
        }
        Err(EncodeError::Core(enc::Error::Write(Full { found }))) => {
            return Err(Error::NoSpace { wanted: found });
        }
        Err(EncodeError::Custom(reason)) => return Err(Error::Encode { reason: reason.into() }),
        Err(error) => return Err(Error::Encode { reason: error.to_string() }),
    }
    let bytes = serializer.into_inner().bytes;
    // What nobody could read must not be set.
    match IgnoredAny::decode(&mut Bytes { left: &bytes, steps: DEPTH }) {
        Ok(_) => Ok(bytes),
        Err(_) => {
            Err(Error::Encode { reason: std::format!("it is nested more than {DEPTH} deep") })
        }
    }
}

/// How deep a value may be nested.
pub(super) const DEPTH: usize = 128;

/// Reads bytes, in a limited number of nested steps.
struct Bytes<'a> {
    left: &'a [u8],
    steps: usize,
}

impl<'a> Read<'a> for Bytes<'a> {
    type Error = Infallible;

    fn fill<'b>(&'b mut self, want: usize) -> Result<Reference<'a, 'b>, Infallible> {
        Ok(Reference::Long(&self.left[..want.min(self.left.len())]))
    }

    fn advance(&mut self, count: usize) {
        self.left = &self.left[count.min(self.left.len())..];
    }

    fn step_in(&mut self) -> bool {
        self.steps = match self.steps.checked_sub(1) {
            Some(steps) => steps,
            None => return false,
        };
        true
    }

    fn step_out(&mut self) {
        self.steps += 1;
    }
}

/// The value with these bytes, and no more.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    let refuse = |reason| Error::Decode { len: bytes.len() as u64, reason };
    // To serde an option, what is in it and finding out what that is are a step
    // each.
    let mut deserializer = Deserializer::new(Bytes { left: bytes, steps: 3 * DEPTH });
    let value = T::deserialize(&mut deserializer).map_err(|error| match error {
        DecodeError::Custom(reason) => refuse(reason.into()),
        DecodeError::Core(error) => refuse(error.to_string()),
    })?;
    match deserializer.into_inner().left.len() {
        0 => Ok(value),
        more => Err(refuse(std::format!("{more} bytes are left over"))),
    }
}
