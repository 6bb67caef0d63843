//! What is entered, and exited in the end.

use core::future::Future;

/// Something that is entered and exited, both of which may wait.
///
/// What needs no waiting needs no context: its destructor is enough, and
/// [`Handle::keep`](super::Handle::keep) runs it in its turn.
///
/// ```
/// use portunus::nursery::Context;
///
/// struct Connection;
///
/// impl Context<std::io::Error> for Connection {
///     type Value = u64;
///     async fn enter(&mut self) -> std::io::Result<u64> {
///         Ok(7) // the session
///     }
///     async fn exit(self, outcome: std::io::Result<()>) -> std::io::Result<()> {
///         // say goodbye, and pass on what was given
///         outcome
///     }
/// }
/// ```
#[doc(alias = "AbstractAsyncContextManager")]
#[doc(alias = "__aenter__")]
#[doc(alias = "__aexit__")]
pub trait Context<E>: Send {
    /// What entering gives.
    type Value;

    /// Enters.
    ///
    /// # Errors
    ///
    /// The context's own: it was not entered, and is not exited.
    fn enter(&mut self) -> impl Future<Output = Result<Self::Value, E>> + Send;

    /// Exits, and says what is the outcome from here on: the one that was
    /// given, unless the context handles an error or has a better one.
    ///
    /// # Errors
    ///
    /// The error that was given, or the exit's own.
    fn exit(self, outcome: Result<(), E>) -> impl Future<Output = Result<(), E>> + Send;
}

/// Awaits `task`, and exits `context` if that fails: the whole exit, with the
/// error, before this returns.
///
/// `Ok(None)` says that the context handled the error.
///
/// # Cancel safety
///
/// Dropped while the task runs, the context is dropped and not exited; dropped
/// during the exit, the exit ends where it stands.
///
/// # Errors
///
/// What the exit makes of the task's error.
///
/// ```
/// use portunus::nursery::{Context, exit_on_error};
///
/// struct Journal<'a>(&'a mut Vec<String>);
///
/// impl Context<&'static str> for Journal<'_> {
///     type Value = ();
///     async fn enter(&mut self) -> Result<(), &'static str> { Ok(()) }
///     async fn exit(self, outcome: Result<(), &'static str>) -> Result<(), &'static str> {
///         smol::future::yield_now().await;
///         self.0.push(format!("{outcome:?}"));
///         outcome
///     }
/// }
///
/// # smol::block_on(async {
/// let mut lines = Vec::new();
/// let good = exit_on_error(Journal(&mut lines), async { Ok(1) }).await;
/// assert_eq!(good, Ok(Some(1)));
/// let bad = exit_on_error(Journal(&mut lines), async { Err::<u8, _>("no") }).await;
/// assert_eq!(bad, Err("no"));
/// assert_eq!(lines, ["Err(\"no\")"]);
/// # });
/// ```
#[doc(alias = "async_exit_on_exc")]
pub async fn exit_on_error<C, T, E>(
    context: C,
    task: impl Future<Output = Result<T, E>>,
) -> Result<Option<T>, E>
where
    C: Context<E>,
{
    match task.await {
        Ok(value) => Ok(Some(value)),
        Err(error) => context.exit(Err(error)).await.map(|()| None),
    }
}
