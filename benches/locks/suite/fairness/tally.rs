//! From what was noted to figures.

/// One visit.
#[derive(Clone, Copy, Debug)]
pub(super) struct Visit {
    pub(super) party: usize,
    /// Its number among those who were about to ask.
    pub(super) ticket: usize,
    /// Its number among those who entered.
    pub(super) entry: usize,
    /// How long it was kept waiting.
    pub(super) wait: u64,
    /// Whether it was alone inside.
    pub(super) alone: bool,
}

/// What came of all visits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fairness {
    /// Entries in a unit of time.
    pub(super) rate: f64,
    /// Half, 99 of a hundred, 999 of a thousand, all waited at most so long.
    pub(super) waits: [f64; 4],
    /// How many passed one, in the mean and at most.
    pub(super) passed: f64,
    pub(super) passed_most: f64,
    /// The smallest and the largest part, of an equal one.
    pub(super) least: f64,
    pub(super) most: f64,
    pub(super) jain: f64,
}

impl Fairness {
    pub(super) fn of(mut visits: Vec<Visit>, parties: usize, time: f64) -> Self {
        assert!(!visits.is_empty(), "nobody entered");
        let count = visits.len() as f64;

        let mut waits: Vec<u64> = visits.iter().map(|visit| visit.wait).collect();
        waits.sort_unstable();
        let at = |part: f64| waits[((count * part) as usize).min(waits.len() - 1)] as f64;

        visits.sort_unstable_by_key(|visit| visit.entry);
        let passed = passed(&visits);
        let sum: u64 = passed.iter().sum();
        let passed_most = passed.iter().max().copied().unwrap_or(0);

        let mut shares = vec![0.0; parties];
        for visit in &visits {
            shares[visit.party] += parties as f64 / count;
        }
        let squares: f64 = shares.iter().map(|share| share * share).sum();

        Self {
            rate: count / time,
            waits: [at(0.5), at(0.99), at(0.999), at(1.0)],
            passed: sum as f64 / count,
            passed_most: passed_most as f64,
            least: shares.iter().copied().fold(f64::INFINITY, f64::min),
            most: shares.iter().copied().fold(0.0, f64::max),
            // The sum of the shares is the number of parties.
            jain: parties as f64 / squares,
        }
    }

    /// Each figure's median.
    pub(super) fn median(samples: &[Self]) -> Self {
        let median = |figure: &dyn Fn(&Self) -> f64| {
            let mut sorted: Vec<f64> = samples.iter().map(figure).collect();
            sorted.sort_by(f64::total_cmp);
            sorted[sorted.len() / 2]
        };
        Self {
            rate: median(&|one| one.rate),
            waits: std::array::from_fn(|i| median(&|one| one.waits[i])),
            passed: median(&|one| one.passed),
            passed_most: median(&|one| one.passed_most),
            least: median(&|one| one.least),
            most: median(&|one| one.most),
            jain: median(&|one| one.jain),
        }
    }
}

/// Of each visit, in the order of entries: how many entered before it with a
/// later ticket, though they and it exclude each other.
fn passed(visits: &[Visit]) -> Vec<u64> {
    let tickets = visits.iter().map(|visit| visit.ticket + 1).max().unwrap_or(0);
    let (mut all, mut alone) = (Counts::new(tickets), Counts::new(tickets));
    let mut passed = Vec::with_capacity(visits.len());
    for visit in visits {
        let who = if visit.alone { &all } else { &alone };
        passed.push(who.after(visit.ticket));
        all.add(visit.ticket);
        if visit.alone {
            alone.add(visit.ticket);
        }
    }
    passed
}

/// How many were counted at each place, summed up in a tree (Fenwick's).
struct Counts {
    sums: Vec<u64>,
    total: u64,
}

impl Counts {
    fn new(places: usize) -> Self {
        Self { sums: vec![0; places + 1], total: 0 }
    }

    fn add(&mut self, place: usize) {
        self.total += 1;
        let mut at = place + 1;
        while at < self.sums.len() {
            self.sums[at] += 1;
            at += at & at.wrapping_neg();
        }
    }

    /// How many were counted at later places than this.
    fn after(&self, place: usize) -> u64 {
        let mut before = 0;
        let mut at = place + 1;
        while at > 0 {
            before += self.sums[at];
            at -= at & at.wrapping_neg();
        }
        self.total - before
    }
}

/// The figures of a history that can be counted by hand: run before anything
/// is measured, because a figure of fairness shows no error.
pub(super) fn check() {
    let visit = |entry, (party, ticket, alone)| Visit {
        party,
        ticket,
        entry,
        wait: ticket as u64 + 1,
        alone,
    };
    // A writer with ticket 0 is passed by two readers and a writer; the reader
    // with ticket 1 by that writer, and not by the reader.
    let entries = [(1, 2, false), (1, 3, true), (1, 1, false), (0, 0, true)];
    let visits: Vec<_> = (0..).zip(entries).map(|(entry, what)| visit(entry, what)).collect();
    assert_eq!(passed(&visits), [0, 0, 1, 3]);
    let fairness = Fairness::of(visits, 2, 2.0);
    assert_eq!((fairness.rate, fairness.passed, fairness.passed_most), (2.0, 1.0, 3.0));
    assert_eq!((fairness.least, fairness.most, fairness.jain), (0.5, 1.5, 0.8));
    assert_eq!(fairness.waits, [3.0, 4.0, 4.0, 4.0]);
}
