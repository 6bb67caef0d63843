//! Other people's plain data in a segment.

#![allow(unsafe_code)]

use core::ops::{Deref, DerefMut};

use bytemuck::Pod;

use super::data::ShmType;

/// [`bytemuck`]'s plain data in memory that processes share, without unsafe
/// code.
///
/// ```
/// use bytemuck::{Pod, Zeroable};
/// use portunus::shm::{Handle, Plain};
///
/// #[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
/// #[repr(C)]
/// struct Position { x: f32, y: f32 }
///
/// let ship = Handle::new(Plain(Position { x: 1.0, y: 2.0 }))?;
/// ship.update(|ship| ship.x += 3.0)?;
/// assert_eq!(*ship.get()?, Position { x: 4.0, y: 2.0 });
/// ship.unlink()?;
/// # Ok::<(), portunus::shm::Error>(())
/// ```
///
/// # What is compared
///
/// When a segment is opened: the type's name without the path to it, its size
/// and its alignment, and not its fields. A structure that
/// [`shm_type!`](crate::shm_type) defines is compared by its fields, too.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Plain<T>(pub T);

// SAFETY: `Pod`: any bytes are a value; no pointers; `repr(C)` or
// `repr(transparent)`. Types of another name or size are told apart, and to take
// one for another would be wrong, not unsound.
unsafe impl<T: Pod + Send + Sync> ShmType for Plain<T> {
    fn describe(add: &mut dyn FnMut(&str)) {
        add("Plain");
        bare(core::any::type_name::<T>(), add);
    }
}

/// The name of a type without the paths in it, in parts.
fn bare(name: &str, add: &mut dyn FnMut(&str)) {
    let of_path = |c: char| c.is_alphanumeric() || c == '_' || c == ':';
    for part in name.split_inclusive(|c| !of_path(c)) {
        add(part.rsplit("::").next().unwrap_or(part));
    }
}

impl<T> Deref for Plain<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<T> DerefMut for Plain<T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.0
    }
}

impl<T> From<T> for Plain<T> {
    fn from(data: T) -> Self {
        Self(data)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::String;

    #[test]
    fn names_are_compared_without_their_paths() {
        let bare = |name: &str| {
            let mut all = String::new();
            super::bare(name, &mut |part| all.push_str(part));
            all
        };
        assert_eq!(bare("u64"), "u64");
        assert_eq!(bare("one::two::Three"), "Three");
        assert_eq!(bare("[a::B<c::d::E, (f::G, u8)>; 4]"), "[B<E, (G, u8)>; 4]");
    }
}
