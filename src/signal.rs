//! The signals by which an operating system ends a program.

use alloc::vec::Vec;
use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::io::{self, ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use futures_core::FusedFuture;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::backend::{Handle, SignalDelivery};
use signal_hook::iterator::exfiltrator::SignalOnly;

use crate::make_async::{BlockingError, BlockingPool, Unblock, unblock};

/// A signal by which a program is asked to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Signal {
    /// SIGINT: somebody typed Ctrl-C.
    Interrupt,
    /// SIGTERM: the system asks it to end.
    Terminate,
    /// SIGHUP: its terminal is gone.
    HangUp,
}

impl Signal {
    fn from_number(number: i32) -> Option<Self> {
        match number {
            SIGINT => Some(Self::Interrupt),
            SIGTERM => Some(Self::Terminate),
            SIGHUP => Some(Self::HangUp),
            _ => None,
        }
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Interrupt => "SIGINT",
            Self::Terminate => "SIGTERM",
            Self::HangUp => "SIGHUP",
        })
    }
}

/// Receives SIGINT, SIGTERM and SIGHUP. (Unix, feature `signal`.)
///
/// A signal handler may wake no task, so this writes into a pipe, and somebody
/// has to look there. It has no thread for that. Either
/// [`received`](Self::received) looks on a pool of the caller's; or the
/// executor's reactor watches the pipe ([`AsFd`]), and when there is something
/// to read, [`pending`](Self::pending) says what came; or a thread that has
/// nothing else to do [waits](Self::wait).
///
/// While one exists, these signals don't end the program. They don't after it
/// was dropped either: the system's own answer to them is not put back.
///
/// ```no_run
/// use portunus::{make_async::BlockingThreads, signal::Signals, sync::Nursery};
///
/// # smol::block_on(async {
/// let mut nursery = Nursery::<std::io::Error>::new();
/// let signals = Signals::new()?.received(&BlockingThreads);
/// nursery.shutdown_on(async { signals.await.map_or((), drop) });
/// // start tasks
/// nursery.await
/// # }).expect("no error");
/// ```
#[doc(alias = "SIGINT")]
#[doc(alias = "SIGTERM")]
#[doc(alias = "SIGHUP")]
#[doc(alias = "setup_shutdown_handling")]
#[doc(alias = "add_shutdown_handling")]
#[derive(Debug)]
pub struct Signals {
    delivery: SignalDelivery<UnixStream, SignalOnly>,
}

impl Signals {
    /// From here on the signals come here.
    ///
    /// # Errors
    ///
    /// The system's, if there are no more pipes or it refuses a handler.
    pub fn new() -> io::Result<Self> {
        let (read, write) = UnixStream::pair()?;
        let signals = [SIGINT, SIGTERM, SIGHUP];
        let delivery = SignalDelivery::with_pipe(read, write, SignalOnly, signals)?;
        Ok(Self { delivery })
    }

    /// The signals that came since the last look, each once. Never blocks.
    pub fn pending(&mut self) -> Vec<Signal> {
        self.delivery.pending().filter_map(Signal::from_number).collect()
    }

    /// Blocks until one of the signals comes, and gives it.
    ///
    /// # Errors
    ///
    /// The system's, if the pipe can't be read.
    pub fn wait(&mut self) -> io::Result<Signal> {
        loop {
            match self.look()? {
                Some(signal) => return Ok(signal),
                None if self.delivery.handle().is_closed() => {
                    return Err(ErrorKind::BrokenPipe.into());
                }
                None => (),
            }
        }
    }

    /// Blocks until something came, which may be nothing of interest.
    fn look(&mut self) -> io::Result<Option<Signal>> {
        let came = self.delivery.poll_pending(&mut |pipe: &mut UnixStream| loop {
            match pipe.read(&mut [0]) {
                Ok(count) => return Ok(count > 0),
                Err(error) if error.kind() == ErrorKind::Interrupted => (),
                Err(error) => return Err(error),
            }
        })?;
        Ok(came.and_then(|mut signals| signals.find_map(Signal::from_number)))
    }

    /// Waits for one of the signals, on a thread of `pool`, which it occupies
    /// until then.
    ///
    /// # Cancel safety
    ///
    /// Dropped, it receives nothing more, and the thread is free.
    ///
    /// # Errors
    ///
    /// The future gives a [`ReceiveError`]: the pool's, or the system's.
    pub fn received<P: BlockingPool + ?Sized>(mut self, pool: &P) -> Received<P> {
        let handle = self.delivery.handle();
        Received { call: unblock(pool, move || self.wait()), handle }
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.delivery.get_read().as_fd()
    }
}

/// Why no signal could be received.
#[derive(Debug)]
#[non_exhaustive]
pub enum ReceiveError {
    /// The pool did not run, or not finish, the wait.
    Pool(BlockingError),
    /// The system's.
    System(io::Error),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool(error) => write!(f, "no thread could wait for signals: {error}"),
            Self::System(error) => write!(f, "the pipe of the signals failed: {error}"),
        }
    }
}

impl core::error::Error for ReceiveError {
    fn source(&self) -> Option<&(dyn core::error::Error + 'static)> {
        // It shows its error: what comes next is that one's source.
        match self {
            Self::Pool(error) => error.source(),
            Self::System(error) => error.source(),
        }
    }
}

impl From<BlockingError> for ReceiveError {
    fn from(error: BlockingError) -> Self {
        Self::Pool(error)
    }
}

impl From<io::Error> for ReceiveError {
    fn from(error: io::Error) -> Self {
        Self::System(error)
    }
}

/// Waits for a signal; made by [`Signals::received`].
#[must_use = "dropped, it receives nothing"]
pub struct Received<P: BlockingPool + ?Sized> {
    call: Unblock<io::Result<Signal>, P::Backend>,
    handle: Handle,
}

impl<P: BlockingPool + ?Sized> Future for Received<P> {
    type Output = Result<Signal, ReceiveError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.call).poll(cx).map(|result| match result {
            Ok(Ok(signal)) => Ok(signal),
            Ok(Err(error)) => Err(ReceiveError::System(error)),
            Err(error) => Err(ReceiveError::Pool(error)),
        })
    }
}

impl<P: BlockingPool + ?Sized> FusedFuture for Received<P> {
    fn is_terminated(&self) -> bool {
        self.call.is_terminated()
    }
}

impl<P: BlockingPool + ?Sized> Drop for Received<P> {
    fn drop(&mut self) {
        // Ends the wait in the pool.
        self.handle.close();
    }
}

impl<P: BlockingPool + ?Sized> fmt::Debug for Received<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Received").field("call", &self.call).finish_non_exhaustive()
    }
}
