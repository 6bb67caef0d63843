//! Rounds, tables, and what is kept of them.

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effort {
    /// Enough rounds to trust the medians.
    Full,
    /// A few rounds: shows what is far off.
    Quick,
    /// One round in miniature: shows that everything runs.
    Smoke,
}

impl Effort {
    pub(crate) fn pick<T>(self, full: T, quick: T, smoke: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
            Self::Smoke => smoke,
        }
    }

    /// So many parties, or at most `few` in miniature.
    pub(crate) fn parties(self, many: usize, few: usize) -> usize {
        self.pick(many, many, many.min(few))
    }
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// Times and sizes.
    Times,
    /// Who waits how long, and who is passed by whom.
    Fairness,
    /// Instructions, by running this program again under valgrind.
    Instructions,
    /// The program that runs there.
    Counted,
}

/// The flag that has instructions counted.
pub(crate) const INSTRUCTIONS: &str = "--instructions";

/// What the command line says.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) effort: Effort,
    pub(crate) part: Part,
    /// Parts of the names of the tables that are wanted; none: all.
    filters: Vec<String>,
}

impl Options {
    /// `None` when there is nothing to do.
    pub(crate) fn parse(mut args: impl Iterator<Item = String>) -> Option<Self> {
        let (mut bench, mut quick, mut test) = (false, false, false);
        let mut part = Part::Times;
        let mut filters = Vec::new();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--bench" => bench = true,
                "--quick" => quick = true,
                "--test" => test = true,
                "--fairness" => part = Part::Fairness,
                INSTRUCTIONS => part = Part::Instructions,
                "--counted" => part = Part::Counted,
                // This program has no tests to name.
                "--list" => return None,
                // Flags of the standard test harness that have a value.
                "--test-threads" | "--skip" | "--color" | "--format" | "--logfile"
                | "--shuffle-seed" | "-Z" => {
                    args.next();
                }
                flag if flag.starts_with('-') => {}
                _ => filters.push(arg),
            }
        }
        let effort = match (test, quick, bench) {
            (true, ..) | (_, false, false) => Effort::Smoke,
            (_, true, _) => Effort::Quick,
            (_, false, true) => Effort::Full,
        };
        Some(Self { effort, part, filters })
    }
}

/// One lock in one table.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    /// Measures once and answers in the table's unit.
    pub(crate) sample: Box<dyn FnMut() -> f64>,
}

impl Row {
    pub(crate) fn new(name: &'static str, sample: impl FnMut() -> f64 + 'static) -> Self {
        Self { name, sample: Box::new(sample) }
    }
}

/// What a table's figures are.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Unit {
    /// Nanoseconds for one operation.
    Nanoseconds,
    /// Operations in a second.
    PerSecond,
}

/// Minimum, median and maximum.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spread {
    pub(crate) min: f64,
    pub(crate) median: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of nothing.
    pub(crate) fn of(values: impl Iterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.collect();
        sorted.sort_by(f64::total_cmp);
        let (&min, &max) = (sorted.first()?, sorted.last()?);
        let middle = sorted.len() / 2;
        let median = match sorted.len() % 2 {
            0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
            _ => sorted[middle],
        };
        Some(Self { min, median, max })
    }
}

/// All samples of a table, by row, in the order of the rounds.
struct Table {
    name: String,
    rows: Vec<(&'static str, Vec<f64>)>,
}

impl Table {
    fn samples(&self, row: &str) -> Option<&[f64]> {
        self.rows.iter().find(|(name, _)| *name == row).map(|(_, samples)| samples.as_slice())
    }

    /// The ratios of two rows, each formed inside one round.
    fn ratio(&self, row: &str, over: &str) -> Option<Spread> {
        let (row, over) = (self.samples(row)?, self.samples(over)?);
        Spread::of(row.iter().zip(over).map(|(row, over)| row / over))
    }
}

/// How many bytes a lock without data takes, and its future.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) name: &'static str,
    pub(crate) lock: usize,
    pub(crate) future: Option<usize>,
}

/// Takes the samples, prints the tables, and keeps them for the verdict.
pub(crate) struct Bench {
    options: Options,
    tables: Vec<Table>,
    /// By kind of lock.
    sizes: Vec<(&'static str, Vec<Size>)>,
}

impl Bench {
    pub(crate) fn new(options: Options) -> Self {
        Self { options, tables: Vec::new(), sizes: Vec::new() }
    }

    pub(crate) fn effort(&self) -> Effort {
        self.options.effort
    }

    /// Whether all tables are measured.
    pub(crate) fn is_complete(&self) -> bool {
        self.options.filters.is_empty()
    }

    pub(crate) fn wants(&self, name: &str) -> bool {
        self.is_complete() || self.options.filters.iter().any(|part| name.contains(part))
    }

    /// Measures a table, if it is wanted. `rows` builds the locks.
    pub(crate) fn table(
        &mut self,
        name: String,
        unit: Unit,
        reference: &'static str,
        rounds: usize,
        rows: impl FnOnce() -> Vec<Row>,
    ) {
        if !self.wants(&name) {
            return;
        }
        let mut rows = rows();
        let mut samples = vec![Vec::new(); rows.len()];
        if self.effort() != Effort::Smoke {
            // Not counted: caches, branch predictors and the heap settle.
            for row in &mut rows {
                (row.sample)();
            }
        }
        for round in 0..rounds {
            // No row always follows the same one.
            for step in 0..rows.len() {
                let at = (round + step) % rows.len();
                let sample = (rows[at].sample)();
                assert!(sample.is_finite() && sample >= 0.0, "{name}, {}: {sample}", rows[at].name);
                samples[at].push(sample);
            }
        }
        let rows = rows.iter().map(|row| row.name).zip(samples).collect();
        let table = Table { name, rows };
        assert!(table.samples(reference).is_some(), "{} has no row {reference}", table.name);
        if self.effort() == Effort::Smoke {
            println!("{} runs", table.name);
        } else {
            print(&table, unit, reference, rounds);
        }
        self.tables.push(table);
    }

    /// Prints sizes, if they are wanted.
    pub(crate) fn sizes(&mut self, kind: &'static str, sizes: Vec<Size>) {
        if !self.wants("sizes") {
            return;
        }
        if self.effort() != Effort::Smoke {
            println!("\nsizes of a {kind}, bytes");
            println!("  {:<26} {:>10} {:>10}", "", "lock", "future");
            for Size { name, lock, future } in &sizes {
                let future = future.map_or_else(|| "-".to_owned(), |bytes| bytes.to_string());
                println!("  {name:<26} {lock:>10} {future:>10}");
            }
        }
        self.sizes.push((kind, sizes));
    }

    fn find(&self, table: &str) -> Option<&Table> {
        self.tables.iter().find(|found| found.name == table)
    }

    /// The ratio of two rows of a table.
    pub(crate) fn ratio(&self, table: &str, row: &str, over: &str) -> Option<Spread> {
        self.find(table)?.ratio(row, over)
    }

    /// The median of a row.
    pub(crate) fn median(&self, table: &str, row: &str) -> Option<f64> {
        Some(Spread::of(self.find(table)?.samples(row)?.iter().copied())?.median)
    }

    /// The sizes of a lock.
    pub(crate) fn size(&self, kind: &str, name: &str) -> Option<Size> {
        let (_, sizes) = self.sizes.iter().find(|(found, _)| *found == kind)?;
        sizes.iter().find(|size| size.name == name).copied()
    }
}

fn print(table: &Table, unit: Unit, reference: &str, rounds: usize) {
    let unit_name = match unit {
        Unit::Nanoseconds => "ns",
        Unit::PerSecond => "1/s",
    };
    println!("\n{}, ratio to {reference}, {rounds} rounds", table.name);
    println!("  {:<26} {:>10} {:>10} {:>10} {:>10}", "", unit_name, "min", "median", "max");
    for (name, samples) in &table.rows {
        let Some(value) = Spread::of(samples.iter().copied()) else { continue };
        let Some(ratio) = table.ratio(name, reference) else { continue };
        let value = match unit {
            Unit::Nanoseconds => format!("{:.1}", value.median),
            Unit::PerSecond => format!("{:.0}", value.median),
        };
        println!(
            "  {name:<26} {value:>10} {:>10} {:>10} {:>10}",
            figure(ratio.min),
            figure(ratio.median),
            figure(ratio.max)
        );
    }
}

/// A ratio, with the digits that it deserves.
pub(crate) fn figure(ratio: f64) -> String {
    match ratio {
        small if small < 0.01 => format!("{small:.5}"),
        large if large >= 100.0 => format!("{large:.0}"),
        usual => format!("{usual:.3}"),
    }
}
