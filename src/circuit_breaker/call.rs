//! Calls through a circuit breaker.

use core::borrow::Borrow;
use core::fmt;
use core::future::IntoFuture;

use super::{CircuitBreaker, CircuitError, CircuitObserver, CircuitPermit};
use crate::clock::Clock;

/// Settles `permit` by `result`. An error comes with whether it counts.
fn settled<T, E, C: Clock, O: CircuitObserver>(
    permit: CircuitPermit<'_, C, O>,
    result: Result<T, E>,
    counts: impl FnOnce(&E) -> bool,
) -> Result<T, (E, bool)> {
    match result {
        Ok(value) => {
            permit.success();
            Ok(value)
        }
        Err(error) => {
            // Should the filter panic, the permit is dropped.
            let counts = counts(&error);
            if counts {
                permit.failure();
            }
            Err((error, counts))
        }
    }
}

impl<C: Clock, O: CircuitObserver> CircuitBreaker<C, O> {
    /// Calls `function` if the circuit lets it; each error counts as a failure.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Inner`] with the function's error, or that it was not
    /// called.
    #[inline]
    pub fn call<T, E>(
        &self,
        function: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>> {
        self.counting(|_: &E| true).call(function)
    }

    /// As [`call`](Self::call), and gives `default` for an error.
    ///
    /// # Errors
    ///
    /// That the function was not called.
    pub fn call_or<T, E>(
        &self,
        default: T,
        function: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>> {
        self.counting(|_: &E| true).call_or(default, function)
    }

    /// Awaits `future` if the circuit lets it; each error counts as a failure.
    ///
    /// The circuit is asked when this is first polled. If it refuses, `future`
    /// is dropped without a poll.
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// use portunus::CircuitBreaker;
    /// use portunus::clock::StdClock;
    ///
    /// static BREAKER: CircuitBreaker<StdClock> = CircuitBreaker::new(StdClock);
    ///
    /// async fn fetch(page: u32) -> Result<u32, String> {
    ///     Ok(page + 1)
    /// }
    /// assert_eq!(BREAKER.call_async(fetch(1)).await, Ok(2));
    /// # });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropped before the first poll, nothing has happened; dropped later, the
    /// call counts for nothing.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Inner`] with the future's error, or that it was not
    /// polled.
    pub async fn call_async<T, E>(
        &self,
        future: impl IntoFuture<Output = Result<T, E>>,
    ) -> Result<T, CircuitError<E>> {
        let permit = self.try_enter().map_err(CircuitError::widen)?;
        settled(permit, future.await, |_| true).map_err(|(error, _)| CircuitError::Inner(error))
    }

    /// As [`call_async`](Self::call_async), and gives `default` for an error.
    ///
    /// # Cancel safety
    ///
    /// As `call_async`.
    ///
    /// # Errors
    ///
    /// That the future was not polled.
    pub async fn call_async_or<T, E>(
        &self,
        default: T,
        future: impl IntoFuture<Output = Result<T, E>>,
    ) -> Result<T, CircuitError<E>> {
        let permit = self.try_enter().map_err(CircuitError::widen)?;
        Ok(settled(permit, future.await, |_| true).unwrap_or(default))
    }

    /// Calls whose errors count as failures only if `counts` says so.
    ///
    /// An error that does not count is given to the caller like any other, and
    /// a try is given back.
    ///
    /// ```
    /// use portunus::CircuitBreaker;
    /// use portunus::clock::StdClock;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let breaker = CircuitBreaker::new(StdClock);
    /// let calls = breaker.counting(|error: &Error| error.kind() == ErrorKind::TimedOut);
    /// calls.call(|| Err::<(), _>(Error::from(ErrorKind::NotFound))).unwrap_err();
    /// assert_eq!(breaker.fails(), 0);
    /// calls.call(|| Err::<(), _>(Error::from(ErrorKind::TimedOut))).unwrap_err();
    /// assert_eq!(breaker.fails(), 1);
    /// ```
    #[doc(alias = "exc")]
    #[doc(alias = "call_with")]
    #[doc(alias = "FailurePredicate")]
    #[inline]
    pub fn counting<P>(&self, counts: P) -> Counting<'_, P, C, O> {
        Counting { breaker: self, counts }
    }

    /// `function`, called through this breaker.
    ///
    /// ```
    /// use portunus::CircuitBreaker;
    /// use portunus::clock::StdClock;
    ///
    /// let breaker = CircuitBreaker::new(StdClock);
    /// let parse = breaker.wrap(|text: &str| text.parse::<u32>());
    /// assert_eq!(parse.call("17"), Ok(17));
    /// ```
    pub fn wrap<F>(&self, function: F) -> Protected<F, &Self> {
        Protected::new(function, self)
    }
}

/// Calls through a breaker that counts some errors only; see
/// [`CircuitBreaker::counting`].
pub struct Counting<'a, P, C, O = ()> {
    breaker: &'a CircuitBreaker<C, O>,
    counts: P,
}

impl<P, C: Clock, O: CircuitObserver> Counting<'_, P, C, O> {
    /// Calls `function` if the circuit lets it.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Inner`] with the function's error, counted or not, or
    /// that it was not called.
    #[inline]
    pub fn call<T, E>(&self, function: impl FnOnce() -> Result<T, E>) -> Result<T, CircuitError<E>>
    where
        P: Fn(&E) -> bool,
    {
        let permit = self.breaker.try_enter().map_err(CircuitError::widen)?;
        settled(permit, function(), &self.counts).map_err(|(error, _)| CircuitError::Inner(error))
    }

    /// As [`call`](Self::call), and gives `default` for an error that counts.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Inner`] with an error that does not count, or that the
    /// function was not called.
    pub fn call_or<T, E>(
        &self,
        default: T,
        function: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, CircuitError<E>>
    where
        P: Fn(&E) -> bool,
    {
        let permit = self.breaker.try_enter().map_err(CircuitError::widen)?;
        or_default(settled(permit, function(), &self.counts), default)
    }

    /// Awaits `future` if the circuit lets it: see
    /// [`CircuitBreaker::call_async`].
    ///
    /// # Cancel safety
    ///
    /// As there.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Inner`] with the future's error, counted or not, or that
    /// it was not polled.
    pub async fn call_async<T, E>(
        &self,
        future: impl IntoFuture<Output = Result<T, E>>,
    ) -> Result<T, CircuitError<E>>
    where
        P: Fn(&E) -> bool,
    {
        let permit = self.breaker.try_enter().map_err(CircuitError::widen)?;
        settled(permit, future.await, &self.counts).map_err(|(error, _)| CircuitError::Inner(error))
    }

    /// As [`call_async`](Self::call_async), and gives `default` for an error
    /// that counts.
    ///
    /// # Cancel safety
    ///
    /// As `call_async`.
    ///
    /// # Errors
    ///
    /// [`CircuitError::Inner`] with an error that does not count, or that the
    /// future was not polled.
    pub async fn call_async_or<T, E>(
        &self,
        default: T,
        future: impl IntoFuture<Output = Result<T, E>>,
    ) -> Result<T, CircuitError<E>>
    where
        P: Fn(&E) -> bool,
    {
        let permit = self.breaker.try_enter().map_err(CircuitError::widen)?;
        or_default(settled(permit, future.await, &self.counts), default)
    }
}

fn or_default<T, E>(result: Result<T, (E, bool)>, default: T) -> Result<T, CircuitError<E>> {
    match result {
        Ok(value) => Ok(value),
        Err((_, true)) => Ok(default),
        Err((error, false)) => Err(CircuitError::Inner(error)),
    }
}

impl<P, C, O> fmt::Debug for Counting<'_, P, C, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Counting").field("breaker", self.breaker).finish_non_exhaustive()
    }
}

/// A function that is called through a circuit breaker, its own or a shared
/// one; see [`CircuitBreaker::around`] and [`CircuitBreaker::wrap`].
#[doc(alias = "CircuitBreaker.__new__")]
pub struct Protected<F, B> {
    function: F,
    breaker: B,
}

impl<F, B> Protected<F, B> {
    pub(super) fn new(function: F, breaker: B) -> Self {
        Self { function, breaker }
    }

    /// Calls the function if the circuit lets it.
    ///
    /// # Errors
    ///
    /// As for [`CircuitBreaker::call`].
    pub fn call<A, T, E, C: Clock, O: CircuitObserver>(
        &self,
        argument: A,
    ) -> Result<T, CircuitError<E>>
    where
        F: Fn(A) -> Result<T, E>,
        B: Borrow<CircuitBreaker<C, O>>,
    {
        self.breaker().call(|| (self.function)(argument))
    }

    /// Calls the function if the circuit lets it, and awaits the future that it
    /// gives.
    ///
    /// # Cancel safety
    ///
    /// As for [`CircuitBreaker::call_async`].
    ///
    /// # Errors
    ///
    /// As for [`CircuitBreaker::call_async`].
    pub async fn call_async<A, R, T, E, C: Clock, O: CircuitObserver>(
        &self,
        argument: A,
    ) -> Result<T, CircuitError<E>>
    where
        F: Fn(A) -> R,
        R: IntoFuture<Output = Result<T, E>>,
        B: Borrow<CircuitBreaker<C, O>>,
    {
        let breaker = self.breaker();
        let permit = breaker.try_enter().map_err(CircuitError::widen)?;
        let result = (self.function)(argument).await;
        settled(permit, result, |_| true).map_err(|(error, _)| CircuitError::Inner(error))
    }

    /// The breaker.
    pub fn breaker<C, O>(&self) -> &CircuitBreaker<C, O>
    where
        B: Borrow<CircuitBreaker<C, O>>,
    {
        self.breaker.borrow()
    }
}

impl<F, B: fmt::Debug> fmt::Debug for Protected<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Protected").field("breaker", &self.breaker).finish_non_exhaustive()
    }
}
