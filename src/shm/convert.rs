//! Changing the mode of a hold: the raw lock's conversions.

use super::env::InShm;
use super::raw::{RawShmLock, Waited};
use crate::raw::engine::{self, ConversionEntry};
use crate::raw::mode::Rules;
use crate::wait::Limit;
use crate::wait::node::Request;

/// How a conversion ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Conversion {
    Done,
    /// It would wait for ever; the hold is as it was.
    Deadlock,
    /// The limit was over; the hold is as it was.
    TooLong,
}

impl<R: Rules> RawShmLock<R> {
    /// Changes the mode of a hold now, or not at all.
    pub(super) fn try_convert(&self, request: Request, index: u32) -> bool {
        self.attachment().check();
        self.convert_now(request, index) || self.convert_again(request, index)
    }

    fn convert_now(&self, request: Request, index: u32) -> bool {
        let notes = self.notes(index);
        let converted = engine::try_convert::<InShm<R>>(self.rules(), self.word(), request, &notes);
        if converted == Some(true) {
            self.grant_now();
        }
        converted.is_some()
    }

    /// Who keeps it from its mode may be dead.
    #[cold]
    fn convert_again(&self, request: Request, index: u32) -> bool {
        self.look_if_due(self.attachment().poll() / 2) && self.convert_now(request, index)
    }

    /// Changes the mode of a hold, waiting for it ahead of everybody.
    pub(super) fn convert(&self, request: Request, index: u32, limit: &impl Limit) -> Conversion {
        if self.try_convert(request, index) {
            return Conversion::Done;
        }
        self.set_task(index, false);
        loop {
            match self.enqueue_conversion(index, request) {
                ConversionEntry::Converted(due) => {
                    if due {
                        self.grant_now();
                    }
                    return Conversion::Done;
                }
                ConversionEntry::Deadlock => return Conversion::Deadlock,
                ConversionEntry::Queued => {}
            }
            match self.wait_in_line(index, request, limit) {
                Waited::Granted => return Conversion::Done,
                Waited::Evicted => {
                    self.unqueue(index, request);
                    self.grant_now();
                }
                Waited::TooLong => return Conversion::TooLong,
            }
        }
    }

    /// Converts after all, or stands in line for it.
    pub(super) fn enqueue_conversion(&self, index: u32, request: Request) -> ConversionEntry {
        let entry = self.enqueue_among(index, request);
        if entry != ConversionEntry::Deadlock {
            return entry;
        }
        // Another conversion waits for this hold to go; but of whom? A dead one
        // is taken out of the line, and is no reason to give up.
        self.look();
        self.enqueue_among(index, request)
    }

    /// The same, among all that are in line, be they alive or not.
    fn enqueue_among(&self, index: u32, request: Request) -> ConversionEntry {
        let notes = self.notes(index);
        self.section(|s| {
            s.asking = Some((index, request));
            engine::enqueue_conversion(s, index, request, &notes)
        })
    }
}
