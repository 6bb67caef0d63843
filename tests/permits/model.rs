//! A semaphore as naive as it gets: what is taken is added up from the parties
//! each time.

/// The task whose waker does nothing: a waker that is nobody's.
pub(crate) const QUIET: usize = 4;

/// What a party asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) count: u32,
    /// It named a number, and does not wait for what could never be.
    pub(crate) many: bool,
}

/// Why it got nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    TooMany(usize),
    Closed,
}

/// What a party has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Nothing,
    Holds(u32),
    /// A future that asks when it is polled next.
    Fresh(Request),
    /// A future in line, and whom its turn wakes.
    Waits(Request, usize),
    /// A future that was served and has not been polled since, and whom that
    /// has woken.
    Granted(Request, usize),
    /// A future that was sent away and has not been polled since.
    Refused(Request, Why),
}

/// What a poll finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Holds(u32),
    Refused(Why),
    Waits,
    /// Its waker was called during this poll; this one or the next may say so.
    LetIn,
}

/// What histories have reached.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reached {
    /// Requests that stood in line.
    pub(crate) line: usize,
    /// Grants that a future took over from another one of its task.
    pub(crate) trades: usize,
    /// … and that it only made the other one give back.
    pub(crate) evictions: usize,
    /// Requests that a resize took out of the line.
    pub(crate) sent_away: usize,
    /// Requests that closing took out of the line.
    pub(crate) closed_on: usize,
    /// Resizes below what was taken.
    pub(crate) debts: usize,
    /// Permits that were used up, and fewer of them than were held.
    pub(crate) used_up: usize,
    pub(crate) indebted: usize,
    /// Requests that a resize let in.
    pub(crate) let_in: usize,
    /// The most that one resize or closing took out of the line.
    pub(crate) crowd: usize,
}

impl Reached {
    pub(crate) fn add(&mut self, other: Self) {
        self.line += other.line;
        self.trades += other.trades;
        self.evictions += other.evictions;
        self.sent_away += other.sent_away;
        self.closed_on += other.closed_on;
        self.debts += other.debts;
        self.used_up += other.used_up;
        self.indebted += other.indebted;
        self.let_in += other.let_in;
        self.crowd = self.crowd.max(other.crowd);
    }
}

#[derive(Debug)]
pub(crate) struct Model {
    pub(crate) permits: usize,
    pub(crate) closed: bool,
    pub(crate) places: Vec<Place>,
    pub(crate) line: Vec<usize>,
    /// Granted and not polled since; the last one is the latest.
    limbo: Vec<usize>,
    pub(crate) woken: Vec<usize>,
    pub(crate) reached: Reached,
}

impl Model {
    pub(crate) fn new(permits: usize, parties: usize) -> Self {
        Self {
            permits,
            closed: false,
            places: vec![Place::Nothing; parties],
            line: Vec::new(),
            limbo: Vec::new(),
            woken: Vec::new(),
            reached: Reached::default(),
        }
    }

    fn taken(&self) -> usize {
        let of = |place: &Place| match *place {
            Place::Holds(count) => count,
            Place::Granted(request, _) => request.count,
            _ => 0,
        };
        self.places.iter().map(|place| of(place) as usize).sum()
    }

    pub(crate) fn available(&self) -> usize {
        self.permits.saturating_sub(self.taken())
    }

    /// How many requests in line keep a reference to a task's waker.
    pub(crate) fn wakers(&self, task: usize) -> usize {
        let waits = |place: &&Place| matches!(place, Place::Waits(_, of) if *of == task);
        self.places.iter().filter(waits).count()
    }

    /// Whether so many may be taken, besides what is given back first.
    fn fits(&self, count: u32, back: u32) -> bool {
        !self.closed && self.taken() - back as usize + count as usize <= self.permits
    }

    /// Why a request can never be served as things are.
    fn never(&self, request: Request) -> Option<Why> {
        if self.closed {
            return Some(Why::Closed);
        }
        let too_many = request.many && request.count as usize > self.permits;
        too_many.then_some(Why::TooMany(self.permits))
    }

    /// What comes of a request that does not wait. `None`: nothing.
    pub(crate) fn enter(&mut self, party: usize, request: Request) -> Result<bool, Why> {
        if let (0, Some(Why::Closed)) = (request.count, self.never(request)) {
            return Err(Why::Closed);
        }
        if request.count == 0 || (self.line.is_empty() && self.fits(request.count, 0)) {
            self.places[party] = Place::Holds(request.count);
            return Ok(true);
        }
        self.never(request).map_or(Ok(false), Err)
    }

    /// Lets in whoever may enter, in order. How many.
    fn settle(&mut self) -> usize {
        let mut served = 0;
        while let Some(&party) = self.line.first() {
            let Place::Waits(request, task) = self.places[party] else { unreachable!() };
            if !self.fits(request.count, 0) {
                break;
            }
            self.line.remove(0);
            self.places[party] = Place::Granted(request, task);
            self.limbo.push(party);
            self.wake(task);
            served += 1;
        }
        served
    }

    fn wake(&mut self, task: usize) {
        if task != QUIET {
            self.woken.push(task);
        }
    }

    /// Sends away whoever can never be served. How many.
    fn send_away(&mut self) -> usize {
        let mut sent = 0;
        for party in self.line.clone() {
            let Place::Waits(request, task) = self.places[party] else { unreachable!() };
            if let Some(why) = self.never(request) {
                self.line.retain(|&other| other != party);
                self.places[party] = Place::Refused(request, why);
                self.wake(task);
                sent += 1;
            }
        }
        self.reached.crowd = self.reached.crowd.max(sent);
        sent
    }

    pub(crate) fn resize(&mut self, permits: usize) {
        self.permits = permits;
        self.reached.debts += usize::from(self.taken() > permits);
        self.reached.sent_away += self.send_away();
        self.reached.let_in += self.settle();
    }

    /// The party's permits are used up.
    pub(crate) fn forget(&mut self, party: usize) {
        let Place::Holds(count) = self.places[party] else { unreachable!("it holds") };
        let gone = self.permits.min(count as usize);
        self.reached.used_up += gone;
        self.reached.indebted += usize::from(gone < count as usize);
        self.places[party] = Place::Nothing;
        self.permits -= gone;
        self.send_away();
        self.settle();
    }

    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.reached.closed_on += self.send_away();
    }

    pub(crate) fn poll(&mut self, party: usize, task: usize) -> Answer {
        match self.places[party] {
            Place::Fresh(request) => match self.enter(party, request) {
                Ok(true) => Answer::Holds(request.count),
                Ok(false) => {
                    self.line.push(party);
                    self.reached.line += 1;
                    self.places[party] = Place::Waits(request, task);
                    self.take_over(party, task)
                }
                Err(why) => {
                    self.places[party] = Place::Nothing;
                    Answer::Refused(why)
                }
            },
            Place::Waits(request, _) => {
                self.places[party] = Place::Waits(request, task);
                self.take_over(party, task)
            }
            Place::Granted(..) => Answer::Holds(self.pick_up(party)),
            Place::Refused(_, why) => {
                self.places[party] = Place::Nothing;
                Answer::Refused(why)
            }
            Place::Nothing | Place::Holds(_) => unreachable!("it has no future"),
        }
    }

    pub(crate) fn pick_up(&mut self, party: usize) -> u32 {
        let Place::Granted(request, _) = self.places[party] else { unreachable!() };
        self.limbo.retain(|&other| other != party);
        self.places[party] = Place::Holds(request.count);
        request.count
    }

    /// A party in line was polled by `task`: grants of this task that it has
    /// not picked up must not keep the party waiting.
    fn take_over(&mut self, party: usize, task: usize) -> Answer {
        loop {
            let Place::Waits(request, _) = self.places[party] else { return Answer::LetIn };
            let found = self.limbo.iter().rev().copied().find(|&other| {
                task != QUIET && matches!(self.places[other], Place::Granted(_, of) if of == task)
            });
            let Some(sibling) = found else { return Answer::Waits };
            let Place::Granted(theirs, of) = self.places[sibling] else { unreachable!() };
            let trades = self.never(theirs).is_none() && self.fits(request.count, theirs.count);
            self.limbo.retain(|&other| other != sibling);
            if trades {
                let at = self.line.iter().position(|&other| other == party);
                self.line[at.expect("it waits")] = sibling;
                self.places[sibling] = Place::Waits(theirs, of);
                self.places[party] = Place::Holds(request.count);
                self.reached.trades += 1;
                self.settle();
                return Answer::Holds(request.count);
            }
            // It asks anew when it is polled.
            self.places[sibling] = Place::Fresh(theirs);
            self.reached.evictions += 1;
            self.settle();
        }
    }

    /// A party's future is dropped.
    pub(crate) fn cancel(&mut self, party: usize) {
        self.line.retain(|&other| other != party);
        self.limbo.retain(|&other| other != party);
        self.places[party] = Place::Nothing;
        self.settle();
    }

    pub(crate) fn release(&mut self, party: usize) {
        self.places[party] = Place::Nothing;
        self.settle();
    }
}
