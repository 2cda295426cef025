//! `mesh store`: the data of a host that has stopped.
//!
//! Enters: the file of a store. Leaves: its documents as lines, or a file with other documents, or a smaller
//! file. Guarantees: a file that a host holds is not touched; an import takes all of its documents or none.

use super::CommandError;
use crate::terminal::{self, OneLine};
use clap::{Subcommand, ValueEnum};
use mesh_config::Config;
use mesh_store::transfer::{self, Format, SystemDocuments, TransferError};
use mesh_store::{IfMissing, Others, StoreFile};
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Options of `mesh store`.
#[derive(clap::Args)]
#[command(after_help = "\
The file is the one that `store.path` of mesh.toml or --path names. A running host holds its file, so stop it first.

Examples:
    mesh store export > backup.jsonl
    mesh store import backup.jsonl --replace
    mesh store import ../old-node/data.nedb
    mesh store compact")]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Write all documents as lines of JSON.
    Export(Export),
    /// Take documents from an export or from a data file of happn-3.
    Import(Import),
    /// Give the space of removed and overwritten documents back to the disk.
    Compact(Compact),
}

/// Which file it is about.
#[derive(clap::Args)]
struct Place {
    /// The configuration whose store it is.
    #[arg(long, default_value = "mesh.toml", value_name = "FILE")]
    config: PathBuf,
    /// Sets a key of the configuration to another value. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The file of the store itself; no configuration is read then.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["config", "set"])]
    path: Option<PathBuf>,
}

#[derive(clap::Args)]
#[command(after_help = "\
One document a line, in order of paths:
    {\"path\":\"/a/b\",\"data\":{\"n\":1},\"created\":1767225600000,\"modified\":1767225600000}

A document that a user has written has `modifiedBy` as well, with the user's name.

Records that were damaged on disk are named on standard error and left out; the exit code is then 1.

Examples:
    mesh store export > backup.jsonl
    mesh store export --path data/store.redb --output backup.jsonl
    mesh store export | jq -r .path")]
struct Export {
    #[command(flatten)]
    place: Place,
    /// Write to this file, which must not exist, and not to standard output. Only this user may read it.
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(clap::Args)]
#[command(after_help = "\
A document of the file takes the place of one with the same path. All others stay, unless --replace is given. Times \
and `modifiedBy` are kept. Lines without `created` and `modified` get the present time. When a line is wrong or the \
disk is full, nothing is imported.

A data file of happn-3 up to version 12 (nedb) is recognised: stop the node, and name its file. Documents below \
/_SYSTEM/, such as users, passwords and keys of that node, are left out unless --system is given. Tags are dropped.

Examples:
    mesh store import backup.jsonl
    mesh store import backup.jsonl --replace --json
    mesh store import data.nedb --path data/store.redb
    gunzip -c backup.jsonl.gz | mesh store import -")]
struct Import {
    /// The file with the documents; `-` is standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    place: Place,
    /// How the file is written.
    #[arg(long, value_enum, default_value = "auto")]
    format: FormatName,
    /// Remove everything that is not in the file.
    #[arg(long)]
    replace: bool,
    /// Take along what is below /_SYSTEM/ in a file of happn-3.
    #[arg(long)]
    system: bool,
    /// Print what was done as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(clap::Args)]
#[command(after_help = "\
Takes time in proportion to the file. An interrupted compaction loses nothing.

Examples:
    mesh store compact
    mesh store compact --path data/store.redb --json")]
struct Compact {
    #[command(flatten)]
    place: Place,
    /// Print the sizes as JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum FormatName {
    /// Found out from the first line.
    Auto,
    /// As `mesh store export` writes.
    Jsonl,
    /// As happn-3 up to version 12 writes.
    Nedb,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    match arguments.command {
        Command::Export(arguments) => export(&arguments),
        Command::Import(arguments) => import(arguments),
        Command::Compact(arguments) => compact(&arguments),
    }
}

fn export(arguments: &Export) -> Result<(), CommandError> {
    let mut file = open(&arguments.place, IfMissing::Refuse)?;
    let all = file.count().map_err(failed)?;
    let mut out: BufWriter<Box<dyn Write>> = BufWriter::new(match &arguments.output {
        Some(path) => Box::new(
            mesh_files::create_private(path)
                .map_err(|error| CommandError::failed(format!("cannot make {}: {error}", path.display())))?,
        ),
        None => Box::new(terminal::json_output()),
    });
    let (mut progress, mut written) = (Progress::new("exported"), Ok(()));
    let damaged = file
        .read(&mut |path, record| {
            progress.one_more(Some(all));
            written = transfer::write_line(&mut out, path, record);
            written.is_ok()
        })
        .map_err(failed)?;
    written?;
    out.flush()?;
    if damaged.is_empty() {
        return Ok(());
    }
    for record in &damaged {
        terminal::note(format_args!(
            "left out: the record of {}: {}",
            OneLine(&record.path),
            record.reason
        ));
    }
    Err(CommandError::failed(format!(
        "{} of {all} records are damaged; all others were exported",
        damaged.len()
    )))
}

fn import(arguments: Import) -> Result<(), CommandError> {
    let named = arguments.file.display().to_string();
    let wrong = |error: TransferError| match error {
        TransferError::Store(error) => CommandError::failed(format!("{error}; nothing was imported")),
        other => CommandError::failed(format!("{named}: {other}; nothing was imported")),
    };
    let input: Box<dyn Read> = if arguments.file == Path::new("-") {
        Box::new(io::stdin())
    } else {
        Box::new(File::open(&arguments.file).map_err(|error| wrong(error.into()))?)
    };
    let format = match arguments.format {
        FormatName::Auto => None,
        FormatName::Jsonl => Some(Format::Lines),
        FormatName::Nedb => Some(Format::Nedb),
    };
    // Before the store, which is made if it is not there.
    let system = match arguments.system {
        true => SystemDocuments::TakeAlong,
        false => SystemDocuments::LeaveOut,
    };
    let source = transfer::read(BufReader::new(input), format, system).map_err(&wrong)?;
    if source.is_cut_off {
        terminal::note(format_args!(
            "{named}: the last line was cut off by a crash and is left out"
        ));
    }
    let mut file = open(&arguments.place, IfMissing::Create)?;
    let mut progress = Progress::new("imported");
    let entries = source.entries.inspect(|_| progress.one_more(None));
    let others = match arguments.replace {
        true => Others::Remove,
        false => Others::Keep,
    };
    let documents = file.write_all(others, entries).map_err(&wrong)?;
    let imported = progress.count;
    let path = file.path().display().to_string();
    file.close().map_err(failed)?;
    let left_out = source.left_out;
    if arguments.json {
        let done = serde_json::json!({
            "path": path,
            "format": match source.format { Format::Lines => "jsonl", Format::Nedb => "nedb" },
            "imported": imported,
            "leftOut": left_out,
            "documents": documents,
        });
        writeln!(terminal::json_output(), "{done}")?;
    } else {
        let hint = match left_out {
            0 => String::new(),
            number => format!("; {number} below /_SYSTEM/ left out, --system takes them"),
        };
        writeln!(
            terminal::output(),
            "{path}: imported {imported}, now {documents} documents{hint}"
        )?;
    }
    Ok(())
}

fn compact(arguments: &Compact) -> Result<(), CommandError> {
    let mut file = open(&arguments.place, IfMissing::Refuse)?;
    let path = file.path().to_owned();
    let before = file.compact().map_err(failed)?.before;
    file.close().map_err(failed)?;
    // Closing gives back some more.
    let after = std::fs::metadata(&path)?.len();
    if arguments.json {
        let done = serde_json::json!({"path": path.display().to_string(), "before": before, "after": after});
        writeln!(terminal::json_output(), "{done}")?;
    } else {
        writeln!(
            terminal::output(),
            "{}: {before} bytes before, {after} bytes now",
            path.display()
        )?;
    }
    Ok(())
}

fn open(place: &Place, missing: IfMissing) -> Result<StoreFile, CommandError> {
    let path = match &place.path {
        Some(path) => path.clone(),
        None => {
            let config = Config::load(&place.config, &place.set)?;
            match config.store.path {
                Some(path) => path.value,
                None => {
                    return Err(CommandError::usage(format!(
                        "{} has no `path` in [store], its data is not on disk; --path names a file of another place",
                        place.config.display()
                    )));
                }
            }
        }
    };
    StoreFile::open(&path, missing).map_err(failed)
}

fn failed(error: mesh_store::FileError) -> CommandError {
    CommandError::failed(error.to_string())
}

/// Says from time to time how far long work is.
struct Progress {
    verb: &'static str,
    count: u64,
    next: Instant,
}

impl Progress {
    const EVERY: Duration = Duration::from_secs(2);

    fn new(verb: &'static str) -> Progress {
        Progress {
            verb,
            count: 0,
            next: Instant::now() + Progress::EVERY,
        }
    }

    fn one_more(&mut self, all: Option<u64>) {
        self.count += 1;
        // The clock is not for free.
        if self.count.is_multiple_of(1024) && Instant::now() >= self.next {
            self.next = Instant::now() + Progress::EVERY;
            match all {
                Some(all) => terminal::note(format_args!("{} {} of {all}", self.verb, self.count)),
                None => terminal::note(format_args!("{} {}", self.verb, self.count)),
            }
        }
    }
}
