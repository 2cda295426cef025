//! The commands of `mesh`: one file each.
//!
//! Enters: the command line. Leaves: results on standard output, everything else on standard error, and an exit code.
//! The codes: 0 done, 1 the thing asked for failed, 2 wrong usage, 69 nobody answers there, 75 not now, 78 a wrong configuration.

mod apply;
mod bench;
mod call;
mod check;
mod check_plugin;
mod cluster;
mod completions;
mod connection;
mod describe;
mod dev_server;
mod error;
mod inspect;
mod log;
mod new;
mod notify;
mod on;
mod plan;
mod resources;
mod run;
mod status;
mod store;
mod summary;
mod swap;
mod thread_locals;

pub use error::CommandError;

use crate::terminal;
use clap::{CommandFactory, Parser, Subcommand};
use mesh_plugin::ffi::process;
use mesh_plugin::{Rehearsal, rehearsal};
use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// A mesh host: native components behind the happn protocol.
#[derive(Parser)]
#[command(
    name = "mesh",
    version,
    about,
    propagate_version = true,
    after_help = "\
Start with `mesh run` in a folder with a mesh.toml, and call a method from another terminal:

    mesh run
    mesh call componentName/methodName"
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the mesh that a mesh.toml describes.
    Run(run::Arguments),
    /// Say what is wrong with a mesh.toml and the libraries that it names.
    Check(check::Arguments),
    /// Say what a component library is.
    Inspect(inspect::Arguments),
    /// Try out whether a component library keeps the contract.
    CheckPlugin(check_plugin::Arguments),
    /// Call a method of a component.
    Call(call::Arguments),
    /// Listen to events of a component.
    On(on::Arguments),
    /// List the components of a mesh with their methods.
    Describe(describe::Arguments),
    /// Show the state of a running host.
    Status(status::Arguments),
    /// Replace a component's version in a running host.
    Swap(swap::Arguments),
    /// Make a running host what its mesh.toml says now.
    Apply(apply::Arguments),
    /// Say what a swap would do.
    Plan(plan::Arguments),
    /// Export, import or compact the data of a host that has stopped.
    Store(store::Arguments),
    /// Look at a mesh of several hosts, or prepare NATS servers for it.
    Cluster(cluster::Arguments),
    /// Write a new component crate.
    New(new::Arguments),
    /// Measure calls, events or data of one host, or of two side by side.
    Bench(bench::Arguments),
    /// Write a script that completes commands in a shell.
    Completions(completions::Arguments),
    /// Write the manual pages.
    Man(completions::ManArguments),
    /// Try out a library for the host that starts this.
    #[command(name = rehearsal::COMMAND, hide = true)]
    RehearseLibrary(RehearsalArguments),
}

/// Options of the hidden command that tries a library out.
#[derive(clap::Args)]
struct RehearsalArguments {
    /// The private copy.
    file: PathBuf,
    /// The library as it is named to people.
    shown: String,
}

/// How the commands try out libraries: by this very program.
fn rehearsal() -> Rehearsal {
    // The link leads to the program even after its file was replaced.
    Rehearsal::by(PathBuf::from("/proc/self/exe"))
}

/// Runs the command that the process was started with.
pub fn main() -> ExitCode {
    terminal::guard_panics();
    let CommandLine { command } = match CommandLine::try_parse() {
        Ok(line) => line,
        Err(error) => return refuse(&error),
    };
    let is_host = matches!(command, Command::Run(_));
    if is_host {
        thread_locals::make_room();
        process::tell_of_exits();
    }
    let outcome = match command {
        Command::Run(arguments) => multi_threaded(run::run(arguments)),
        Command::Check(arguments) => single_threaded(check::run(arguments)),
        Command::Inspect(arguments) => single_threaded(inspect::run(arguments)),
        Command::CheckPlugin(arguments) => single_threaded(check_plugin::run(arguments)),
        Command::Call(arguments) => single_threaded(call::run(arguments)),
        Command::On(arguments) => single_threaded(on::run(arguments)),
        Command::Describe(arguments) => single_threaded(describe::run(arguments)),
        Command::Status(arguments) => single_threaded(status::run(arguments)),
        Command::Swap(arguments) => single_threaded(swap::run(arguments)),
        Command::Apply(arguments) => single_threaded(apply::run(arguments)),
        Command::Plan(arguments) => single_threaded(plan::run(arguments)),
        Command::Store(arguments) => single_threaded(store::run(arguments)),
        Command::Cluster(arguments) => single_threaded(cluster::run(arguments)),
        Command::New(arguments) => single_threaded(new::run(arguments)),
        Command::Bench(arguments) => single_threaded(bench::run(arguments)),
        Command::Completions(arguments) => completions::run(arguments, CommandLine::command()),
        Command::Man(arguments) => completions::man(arguments, CommandLine::command()),
        Command::RehearseLibrary(arguments) => mesh_plugin::inside::main(&arguments.file, &arguments.shown),
    };
    let code = outcome.map_or_else(|error| error.report(), |()| 0);
    if is_host {
        // Exit handlers of libraries that stayed in memory must not keep the host from ending. Neither must one that holds
        // the lock of the dynamic loader.
        let _ = std::io::stdout().flush();
        process::end(code);
    }
    ExitCode::from(code)
}

/// Says what is wrong with the command line, or what was asked for: help, or the version.
fn refuse(error: &clap::Error) -> ExitCode {
    let is_hostile = |word: OsString| word.to_string_lossy().contains(terminal::is_acted_on);
    if error.use_stderr() && std::env::args_os().any(is_hostile) {
        // In colours it cannot be told apart what comes from the command line.
        terminal::note(error.render().to_string().trim_end());
    } else {
        // Nobody may be listening.
        let _ = error.print();
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}

type Outcome = Result<(), CommandError>;

/// Threads that serve connections, at least. With as many as there are cores, and few of these, two clients whose
/// requests take a while would hold up everybody else. Threads beyond that share the cores fairly.
const FEWEST_WORKERS: usize = 4;
/// Turns of connections between two looks at the sockets, when there is no end of turns. One may last a millisecond.
const TURNS_BETWEEN_LOOKS: u32 = 16;

fn multi_threaded(command: impl Future<Output = Outcome>) -> Outcome {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder
        .worker_threads(cores.max(FEWEST_WORKERS))
        .event_interval(TURNS_BETWEEN_LOOKS);
    start(builder, command)
}

fn single_threaded(command: impl Future<Output = Outcome>) -> Outcome {
    start(tokio::runtime::Builder::new_current_thread(), command)
}

fn start(builder: tokio::runtime::Builder, command: impl Future<Output = Outcome>) -> Outcome {
    let runtime = resources::build(builder)?;
    let outcome = runtime.block_on(command);
    runtime.shutdown_background();
    outcome
}
