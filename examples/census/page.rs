//! What is printed in the end.

use std::fmt;
use std::time::Duration;

use super::order::Verdict;
use super::processes::Fates;
use super::waits::{Waits, show};

/// All that a run has found.
pub(crate) struct Page<'a> {
    pub(crate) files: usize,
    pub(crate) bytes: usize,
    pub(crate) pieces: usize,
    pub(crate) threads: usize,
    pub(crate) tasks: usize,
    /// `None` if there were no children.
    pub(crate) fates: Option<Fates>,
    pub(crate) took: Duration,
    pub(crate) top: Vec<(&'a str, u64)>,
    pub(crate) waits: Vec<Waits>,
    pub(crate) order: &'a Verdict,
    pub(crate) reports: usize,
    pub(crate) torn: usize,
    pub(crate) words: u64,
    pub(crate) different: usize,
    pub(crate) equal: bool,
    pub(crate) plain_took: Duration,
}

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children = |fates: Fates| match fates.children {
            1 => " and 1 child".to_owned(),
            many => format!(" and {many} children"),
        };
        writeln!(
            f,
            "text: {}, {} in {}; {}{}{}{} took {}",
            plural(self.files, "file"),
            plural(self.bytes, "byte"),
            plural(self.pieces, "piece"),
            plural(self.threads, "thread"),
            if self.fates.is_some() { ", " } else { " and " },
            plural(self.tasks, "task"),
            self.fates.map_or_else(String::new, children),
            show(self.took)
        )?;

        writeln!(f, "\ntop words")?;
        let width = self.top.first().map_or(1, |(_, times)| times.to_string().len());
        for (word, times) in &self.top {
            writeln!(f, "  {times:>width$}  {word}")?;
        }

        writeln!(
            f,
            "\n{:<16}{:>9}{:>11}{:>11}{:>11}",
            "waits", "requests", "median", "p99", "longest"
        )?;
        for kind in &self.waits {
            let name = format!("  {} {:?}", kind.face.name(), kind.mode);
            write!(f, "{name:<16}{:>9}", kind.requests)?;
            match &kind.times {
                Some(times) => writeln!(
                    f,
                    "{:>11}{:>11}{:>11}",
                    show(times.median),
                    show(times.p99),
                    show(times.longest)
                )?,
                None => writeln!(f, "{:>11}{:>11}{:>11}", "-", "-", "-")?,
            }
        }

        write!(f, "\norder: ")?;
        match self.order {
            Verdict { pairs: 0, .. } => {
                writeln!(f, "0 pairs: no conflicting request was made while a task stood in line")?;
            }
            Verdict { pairs, overtaken: 0, .. } => writeln!(
                f,
                "{pairs} pairs of conflicting requests, the second made while the first stood in \
                 line: nobody was overtaken"
            )?,
            Verdict { pairs, overtaken, .. } => writeln!(
                f,
                "{pairs} pairs of conflicting requests, the second made while the first stood in \
                 line: {overtaken} requests OVERTOOK"
            )?,
        }
        if let Some(Fates { children, killed, put_back, undone }) = self.fates {
            writeln!(
                f,
                "children: {children}, of which {killed} were killed; {} of theirs done anew, \
                 {undone} half done taken back",
                plural(put_back, "lot")
            )?;
        }
        match self.torn {
            0 => writeln!(f, "reports: {}, all of them exact", self.reports)?,
            torn => writeln!(f, "reports: {}, of which {torn} were NOT EXACT", self.reports)?,
        }
        writeln!(
            f,
            "totals: {} words, {} different: {} a plain count in one thread, which took {}",
            self.words,
            self.different,
            if self.equal { "equal to" } else { "NOT EQUAL to" },
            show(self.plain_took)
        )
    }
}

/// A number with its noun.
fn plural(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
