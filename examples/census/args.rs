//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

pub(crate) const USAGE: &str = "\
usage: census [OPTIONS] [FILES or FOLDERS...]

Counts the words of text with threads and tasks at one table behind one first
come, first served lock, and checks that nobody was overtaken and that the
totals equal a plain count.

Without files or folders: this repository's own sources and README. In folders,
hidden entries, `target`, symbolic links and files that are not text (with a
zero byte near their start) are passed over.

options:
  --threads N   threads that count (default 4)
  --tasks M     tasks that count (default 16)
  --processes P children that count as well, at a table in shared memory
                (default 0)
  --kill        kills all children but one while they count, at random; a
                single one, if there are threads or tasks. The others do what
                they left
  --top K       how many words are shown (default 10)
  --lossy       accept text that is not UTF-8
  --help        show this

exit status: 0 if all went well; 1 if a file can't be read or is not UTF-8, or
a check failed; 2 if the command line is wrong
";

/// The most threads, and the most tasks.
const MOST_WORKERS: usize = 1000;
/// The most children.
pub(crate) const MOST_PROCESSES: usize = 64;
/// The most words that are shown.
const MOST_WORDS: usize = 1_000_000;

/// What to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Count(Options),
    /// What a child of this program is told: where the table is, and which
    /// desk is its own.
    Child {
        table: OsString,
        desk: usize,
    },
}

/// How to count, and what.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Options {
    pub(crate) threads: usize,
    pub(crate) tasks: usize,
    pub(crate) processes: usize,
    pub(crate) kill: bool,
    pub(crate) top: usize,
    pub(crate) lossy: bool,
    pub(crate) paths: Vec<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threads: 4,
            tasks: 16,
            processes: 0,
            kill: false,
            top: 10,
            lossy: false,
            paths: Vec::new(),
        }
    }
}

/// Reads the arguments that follow the program's name. The error says what is
/// wrong with them.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let mut args = args.into_iter();
    let mut options = Options::default();
    let mut only_paths = false;
    while let Some(arg) = args.next() {
        if only_paths || arg == "-" || !arg.as_encoded_bytes().starts_with(b"-") {
            options.paths.push(arg.into());
            continue;
        }
        let flag = arg.to_string_lossy();
        let (name, mut value) = match flag.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (&*flag, None),
        };
        match name {
            "--threads" => options.threads = number(name, value.take(), &mut args, MOST_WORKERS)?,
            "--tasks" => options.tasks = number(name, value.take(), &mut args, MOST_WORKERS)?,
            "--processes" => {
                options.processes = number(name, value.take(), &mut args, MOST_PROCESSES)?;
            }
            "--kill" => options.kill = true,
            "--child" => {
                let Some(table) = args.next() else {
                    return Err("--child is for this program's children".to_owned());
                };
                let desk = number(name, None, &mut args, MOST_PROCESSES - 1)?;
                return Ok(Command::Child { table, desk });
            }
            "--top" => options.top = number(name, value.take(), &mut args, MOST_WORDS)?,
            "--lossy" => options.lossy = true,
            "--" => only_paths = true,
            "--help" | "-h" => return Ok(Command::Help),
            _ => return Err(format!("unknown option {name}")),
        }
        if value.is_some() {
            return Err(format!("{name} takes no value"));
        }
    }
    if options.threads + options.tasks + options.processes == 0 {
        return Err("nobody is left to count: --threads and --tasks are both 0".to_owned());
    }
    if options.kill && options.processes == 0 {
        return Err("--kill kills children: it needs --processes".to_owned());
    }
    if options.kill && options.threads + options.tasks + options.processes == 1 {
        return Err("nobody would survive: --kill needs more than one child, or threads or tasks"
            .to_owned());
    }
    Ok(Command::Count(options))
}

/// The number behind an option: after its `=`, or the next argument.
fn number(
    name: &str,
    value: Option<String>,
    args: &mut impl Iterator<Item = OsString>,
    most: usize,
) -> Result<usize, String> {
    let value = match value {
        Some(value) => value,
        None => match args.next() {
            Some(next) => next.to_string_lossy().into_owned(),
            None => return Err(format!("{name} needs a number")),
        },
    };
    match value.parse() {
        Ok(number) if number <= most => Ok(number),
        _ => Err(format!("{name} takes a number up to {most}, not {value:?}")),
    }
}
