//! Plain data in a segment.
//!
//! # Invariants
//!
//! * **D1** A [`Data<T>`] names `size_of::<T>()` bytes of a segment, at a
//!   multiple of 64, which were made of a `T` before anybody saw them.
//! * **D2** A `T: ShmType` is a value whatever the bytes are: so a process that
//!   died in the middle of a change leaves a `T`, if not a meaningful one.
//! * **D3** Whoever makes a reference has a hold that excludes those who make
//!   references that clash with it, in all processes.
//! * **D4** A [`Constant<T>`] is never written after its segment was made.
//!
//! # Structures
//!
//! [`shm_type!`](crate::shm_type) vouches for a structure by its fields. An
//! attribute may have made something else of it, so it asks whether these are
//! all, and have these types:
//!
//! ```compile_fail,E0027
//! struct Point { x: u32, y: bool }
//! portunus::shm_type! { @whole Point [] { [] x: u32 } }
//! ```
//!
//! ```compile_fail,E0308
//! struct Point { x: u32, y: bool }
//! portunus::shm_type! { @whole Point [] { [] x: u32 } { [] y: u8 } }
//! ```
//!
//! ```
//! struct Point { x: u32, y: u8 }
//! portunus::shm_type! { @whole Point [] { [] x: u32 } { [] y: u8 } }
//! ```

#![allow(unsafe_code)]

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::ptr;

use super::attach::Attachment;
use super::content::Site;
use super::error::Error;
use super::format::{Plan, kind};
use super::map::Map;

/// Plain data that may lie in memory which processes share.
///
/// It is implemented for integers, floating-point numbers and arrays of such,
/// [`shm_type!`](crate::shm_type) implements it for structures of them, without
/// unsafe code.
///
/// # Safety
///
/// * Any bytes are a value of the type: another process may have died after
///   writing half of one. So no `bool`, `char`, enum or reference.
/// * It means the same in every process: no pointers, no handles.
/// * Its layout is the same in every program: `repr(C)` or `repr(transparent)`.
/// * [`describe`](Self::describe) differs for types that differ.
pub unsafe trait ShmType: Copy + Send + Sync + 'static {
    /// Says what the type is made of, for the comparison when a segment is
    /// opened: `add` is called with each part's name.
    fn describe(add: &mut dyn FnMut(&str));
}

macro_rules! plain {
    ($($type:ty)*) => {$(
        // SAFETY: any bytes are a value, and it is the same everywhere. `usize`
        // is told apart by its size, which is part of what is compared.
        unsafe impl ShmType for $type {
            fn describe(add: &mut dyn FnMut(&str)) {
                add(stringify!($type));
            }
        }
    )*};
}

plain! { u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 }

// SAFETY: as its elements, one behind the other.
unsafe impl<T: ShmType, const N: usize> ShmType for [T; N] {
    fn describe(add: &mut dyn FnMut(&str)) {
        add(&std::format!("[{N}]"));
        T::describe(add);
    }
}

/// Defines a structure of plain data that may lie in memory which processes
/// share: a `repr(C)` one whose fields are all [`ShmType`](crate::shm::ShmType).
///
/// ```
/// portunus::shm_type! {
///     /// What the station measured last.
///     #[derive(Debug, PartialEq)]
///     pub struct Weather {
///         /// In degrees.
///         pub temperature: f32,
///         pub wind: [i16; 2],
///         pub measured: u64,
///     }
/// }
/// # let _ = Weather { temperature: 21.5, wind: [3, -1], measured: 0 };
/// ```
///
/// The structure and its fields may have attributes of any kind. A field that
/// `#[cfg]` leaves out is no part of the type: programs with it and without it
/// don't share a segment, programs that both lack it do. An attribute that adds
/// fields, or changes their types, does not compile: what it made may not be
/// plain data. (Each field counts towards the compiler's limit of recursion: a
/// very long structure wants a higher one, or parts.)
#[macro_export]
macro_rules! shm_type {
    (
        $(#[$($meta:tt)+])*
        $vis:vis struct $name:ident {
            $($(#[$($field_meta:tt)+])* $field_vis:vis $field:ident: $type:ty),+ $(,)?
        }
    ) => {
        $(#[$($meta)+])*
        #[derive(Clone, Copy)]
        #[repr(C)]
        $vis struct $name {
            $($(#[$($field_meta)+])* $field_vis $field: $type),+
        }

        $crate::shm_type! { @there [] $(#[$($meta)+])* =>
            // SAFETY: `repr(C)`, and all its fields are such types, which
            // `describe` could not name otherwise.
            #[allow(unsafe_code)]
            unsafe impl $crate::shm::ShmType for $name {
                fn describe(add: &mut dyn FnMut(&str)) {
                    add(stringify!($name));
                    $(
                        $crate::shm_type! { @there [] $(#[$($field_meta)+])* => {
                            add(stringify!($field));
                            <$type as $crate::shm::ShmType>::describe(add);
                        } }
                    )+
                }
            }
        }
        $crate::shm_type! { @there [] $(#[$($meta)+])* =>
            $crate::shm_type! { @whole $name [] $({ [] $(#[$($field_meta)+])* $field: $type })+ }
        }
    };

    // An attribute of somebody else's may have made another structure of it:
    // it has these fields, of these types, and no others. (Several at a time:
    // each step counts towards the compiler's limit of recursion.)
    (@whole $name:ident [$({ [$($kept:tt)*] $field:ident: $type:ty })+]) => {
        const _: () = {
            #[allow(unused, deprecated, clippy::all)]
            fn has_no_other_fields(whole: $name) {
                let $name { $($($kept)* $field: _),+ } = whole;
                $($($kept)* let _: $type = whole.$field;)+
            }
        };
    };
    (@whole $name:ident [$($done:tt)*]
        { [$($a:tt)*] $af:ident: $at:ty } { [$($b:tt)*] $bf:ident: $bt:ty }
        { [$($c:tt)*] $cf:ident: $ct:ty } { [$($d:tt)*] $df:ident: $dt:ty }
        $($rest:tt)*
    ) => {
        $crate::shm_type! { @whole $name [$($done)*
            { [$($a)*] $af: $at } { [$($b)*] $bf: $bt }
            { [$($c)*] $cf: $ct } { [$($d)*] $df: $dt }
        ] $($rest)* }
    };
    (@whole $name:ident [$($done:tt)*]
        { [$($kept:tt)*] $field:ident: $type:ty } $($rest:tt)*
    ) => {
        $crate::shm_type! { @whole $name [$($done)* { [$($kept)*] $field: $type }] $($rest)* }
    };
    (@whole $name:ident [$($done:tt)*]
        { [$($kept:tt)*] #[doc $($_1:tt)+] $field:ident: $type:ty } $($rest:tt)*
    ) => {
        $crate::shm_type! { @whole $name [$($done)* { [$($kept)*] $field: $type }] $($rest)* }
    };
    (@whole $name:ident [$($done:tt)*]
        { [$($kept:tt)*] #[cfg $when:tt] $($field:tt)* } $($rest:tt)*
    ) => {
        $crate::shm_type! { @whole $name [$($done)*]
            { [$($kept)* #[cfg $when]] $($field)* } $($rest)* }
    };
    (@whole $name:ident [$($done:tt)*]
        { [$($kept:tt)*] #[doc $($_1:tt)+] #[doc $($_2:tt)+] #[doc $($_3:tt)+] $($field:tt)* }
        $($rest:tt)*
    ) => {
        $crate::shm_type! { @whole $name [$($done)*] { [$($kept)*] $($field)* } $($rest)* }
    };
    (@whole $name:ident [$($done:tt)*]
        { [$($kept:tt)*] #[$($_1:tt)+] $($field:tt)* } $($rest:tt)*
    ) => {
        $crate::shm_type! { @whole $name [$($done)*] { [$($kept)*] $($field)* } $($rest)* }
    };

    // Of the attributes those that say whether it is there at all are kept.
    (@there [$($kept:tt)*] #[cfg $when:tt] $($rest:tt)*) => {
        $crate::shm_type! { @there [$($kept)* #[cfg $when]] $($rest)* }
    };
    (@there [$($kept:tt)*] #[$($other:tt)+] $($rest:tt)*) => {
        $crate::shm_type! { @there [$($kept)*] $($rest)* }
    };
    (@there [$($kept:tt)*] => $($what:tt)+) => {
        $($kept)* $($what)+
    };
}

/// A place for a `T` in a segment.
#[doc(hidden)]
pub struct Data<T> {
    attachment: Arc<Attachment>,
    at: u64,
    of: PhantomData<fn() -> T>,
}

impl<T: ShmType> Data<T> {
    const LEN: u64 = size_of::<T>() as u64;

    pub(super) fn plan(plan: &mut Plan) {
        const { assert!(align_of::<T>() <= 64, "data in a segment is aligned to 64 bytes") };
        T::describe(&mut |part| plan.fingerprint.text(part));
        plan.fingerprint.number(align_of::<T>() as u64);
        plan.object(kind::DATA, Self::LEN);
    }

    pub(super) fn create(site: &mut Site<'_>, value: T) -> Result<(), Error> {
        let at = site.next(kind::DATA, Self::LEN)?;
        // SAFETY: D1: inside and aligned; nobody else sees the segment yet.
        unsafe { ptr::write(site.map().data(at, Self::LEN).cast(), value) };
        Ok(())
    }

    pub(super) fn open(site: &mut Site<'_>) -> Result<Self, Error> {
        let at = site.next(kind::DATA, Self::LEN)?;
        Ok(Self { attachment: Arc::clone(site.attachment()), at, of: PhantomData })
    }

    #[inline(always)]
    fn place(&self) -> *mut T {
        self.attachment.check();
        self.attachment.map().data(self.at, Self::LEN).cast()
    }

    /// # Safety
    ///
    /// D3: while the reference lives, nobody changes the value.
    #[inline(always)]
    pub(super) unsafe fn get(&self) -> &T {
        // SAFETY: D1, D2, and by this function's contract.
        unsafe { &*self.place() }
    }

    /// # Safety
    ///
    /// D3: while the reference lives, nobody else has one.
    #[inline(always)]
    #[allow(clippy::mut_from_ref, reason = "the hold, not the handle, is what is exclusive")]
    pub(super) unsafe fn get_mut(&self) -> &mut T {
        // SAFETY: D1, D2, and by this function's contract.
        unsafe { &mut *self.place() }
    }
}

/// A place for bytes in a segment.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "of the feature `serde`")]
pub(super) struct Bytes {
    pub(super) at: u64,
    pub(super) len: u64,
}

#[allow(dead_code, reason = "of the feature `serde`")]
impl Bytes {
    /// Copies the first of them out.
    ///
    /// # Safety
    ///
    /// D3: meanwhile nobody changes them.
    ///
    /// # Panics
    ///
    /// If there are not so many.
    pub(super) unsafe fn read(self, map: &Map, len: usize) -> Vec<u8> {
        assert!(len as u64 <= self.len, "a place has fewer bytes");
        let place: *const u8 = map.data(self.at, len as u64);
        // SAFETY: inside of the map, bytes are values of their type (D2), and by
        // this function's contract.
        unsafe { core::slice::from_raw_parts(place, len) }.to_vec()
    }

    /// Writes bytes to the beginning.
    ///
    /// # Safety
    ///
    /// D3: meanwhile nobody else reads or changes them.
    ///
    /// # Panics
    ///
    /// If it has no room for so many.
    pub(super) unsafe fn write(self, map: &Map, bytes: &[u8]) {
        assert!(bytes.len() as u64 <= self.len, "a place has fewer bytes");
        let place = map.data(self.at, bytes.len() as u64);
        // SAFETY: inside of the map, where no private memory is, and by this
        // function's contract.
        unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
    }
}

impl<T> fmt::Debug for Data<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Data").field("at", &self.at).finish_non_exhaustive()
    }
}

/// A value that is written when the segment is made, and then only read.
pub(super) struct Constant<T>(PhantomData<fn() -> T>);

impl<T: ShmType> Constant<T> {
    pub(super) fn plan(plan: &mut Plan) {
        Data::<T>::plan(plan);
    }

    pub(super) fn create(site: &mut Site<'_>, value: T) -> Result<(), Error> {
        Data::create(site, value)
    }

    pub(super) fn read(site: &mut Site<'_>) -> Result<T, Error> {
        let data = Data::<T>::open(site)?;
        // SAFETY: D4.
        Ok(unsafe { *data.get() })
    }
}
