//! Accessors that belong to an object.

/// Writes accessors that belong to an object: methods that bind a getter and a
/// setter of it to a field of type `Changes`.
///
/// The object has the field, and stands for nothing else: it is `const`
/// constructible, and one accessor's readers wait in it.
///
/// ```
/// use portunus::sync::{Changes, Mutex};
///
/// pub struct Lamp {
///     level: Mutex<u8>,
///     level_changed: Changes<u8>,
/// }
///
/// #[derive(Debug, PartialEq)]
/// pub struct TooBright(u8);
///
/// impl Lamp {
///     pub const fn new() -> Self {
///         Self { level: Mutex::new(0), level_changed: Changes::new() }
///     }
///
///     portunus::condition_property! {
///         on portunus::sync::Threads;
///
///         /// How bright it is.
///         pub fn level(&self.level_changed) -> Result<u8, TooBright> {
///             get: |lamp| Ok(*lamp.level.lock()),
///             set: |lamp, level| {
///                 if level > 100 {
///                     return Err(TooBright(level));
///                 }
///                 *lamp.level.lock() = level;
///                 Ok(())
///             },
///         }
///     }
/// }
///
/// static LAMP: Lamp = Lamp::new();
/// std::thread::scope(|scope| {
///     let reader = scope.spawn(|| LAMP.level().get_where(|level| *level > 50));
///     assert_eq!(LAMP.level().set(101), Err(TooBright(101)));
///     LAMP.level().set(70)?;
///     assert_eq!(reader.join().expect("no panic"), Ok(70));
///     Ok::<(), TooBright>(())
/// })?;
/// assert_eq!(LAMP.level().name(), Some("level"));
/// # Ok::<(), TooBright>(())
/// ```
#[macro_export]
macro_rules! condition_property {
    (
        on $backend:ty;
        $(
            $(#[$meta:meta])*
            $vis:vis fn $name:ident(&self.$changes:ident) -> Result<$value:ty, $error:ty> {
                get: $getter:expr,
                set: $setter:expr $(,)?
            }
        )+
    ) => {$(
        $(#[$meta])*
        $vis fn $name(
            &self,
        ) -> $crate::Accessor<
            $value,
            $backend,
            $crate::accessor::Bound<'_, Self, $value, $error>,
            &$crate::accessor::Changes<$value, $backend>,
        > {
            $crate::Accessor::with_source(
                &self.$changes,
                $crate::accessor::Bound::new(self, $getter, $setter),
            )
            .named(stringify!($name))
        }
    )+};
}
