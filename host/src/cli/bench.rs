//! `mesh bench`: measures happn servers.
//!
//! Enters: the operations to measure, the servers, and the load. Leaves: a table or a JSON object on stdout, progress
//! on stderr. Guarantees: exit code 1 when an operation failed or none succeeded, so that a script does not mistake a
//! broken server for a fast one.

use super::CommandError;
use super::connection::{Authorities, Credentials, seconds};
use crate::terminal::{self, OneLine};
use mesh_client::Protocol;
use mesh_client::bench::{
    self, Calls, Data, Events, Load, Operation, Plan, Progress, Source, Target, Workload,
};
use serde_json::Value;
use std::io::{self, IsTerminal, Write};
use std::time::Duration;

/// Measure how fast a happn server answers, and what it pays for that
#[derive(Clone, Debug, clap::Args)]
#[command(
    arg_required_else_help = true,
    after_help = "\
Examples:
  mesh bench calls                                    calc/add at http://127.0.0.1:55000
  mesh bench calls --call calc/echo --args '[\"x\"]'
  mesh bench calls --url http://127.0.0.1:55000 --url http://127.0.0.1:56000 --rounds 5
                                                      two servers in turns, and their ratio
  mesh bench calls --connections 1 --in-flight 1      latency without queueing
  mesh bench events --subscribers 100 --wildcard
  mesh bench events --emit emitter/emit               through a component
  mesh bench data --operation get --documents 10000
  mesh bench calls --process $(pgrep -f shop-2/mesh.toml),$(pgrep nats-server)
                                                      a component on another node: the CPU time of all, and each share

CPU time per operation is the figure that depends least on the machine. On a small machine, server and load \
generator share the processors. Compare servers in one run, by their ratio. Look at the column of the load \
generator as well. If it is larger than the server's, the generator limited the throughput. In a cluster, other hosts \
and NATS servers work for a call, too: name each of them with --process."
)]
pub struct Arguments {
    /// The operations to measure.
    #[command(subcommand)]
    pub mode: Mode,
}

/// The operations to measure.
#[derive(Clone, Debug, clap::Subcommand)]
pub enum Mode {
    /// Calls of a component's method
    Calls(CallsArguments),
    /// Events from publishers to subscribers
    Events(EventsArguments),
    /// Reading and writing of stored documents
    Data(DataArguments),
}

/// `mesh bench calls`.
#[derive(Clone, Debug, clap::Args)]
#[command(disable_version_flag = true)]
pub struct CallsArguments {
    /// Method to call
    #[arg(long, value_name = "COMPONENT/METHOD", default_value = "calc/add")]
    pub call: String,
    /// Its arguments, as a JSON array [default: [1,2], or a string of --payload bytes]
    #[arg(long, value_name = "JSON", conflicts_with = "payload")]
    pub args: Option<String>,
    /// Versions of the component that will do, as an npm range
    #[arg(long, value_name = "RANGE")]
    pub version: Option<String>,
    /// The options that all modes have in common.
    #[command(flatten)]
    pub common: Common,
}

/// `mesh bench events`.
#[derive(Clone, Debug, clap::Args)]
pub struct EventsArguments {
    /// Connections that subscribe; each event is delivered to all of them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub subscribers: u32,
    /// Subscriptions of other connections to other paths, that must make no difference
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=10_000_000))]
    pub others: u32,
    /// Subscribe with a wildcard, not with the exact path
    #[arg(long)]
    pub wildcard: bool,
    /// Let this method emit (it gets the event's name and data), not a plain set; for example emitter/emit
    #[arg(long, value_name = "COMPONENT/METHOD")]
    pub emit: Option<String>,
    /// The options that all modes have in common.
    #[command(flatten)]
    pub common: Common,
}

/// `mesh bench data`.
#[derive(Clone, Debug, clap::Args)]
pub struct DataArguments {
    /// Operations to do; several are done in turns
    #[arg(
        long,
        value_name = "OPERATION",
        value_enum,
        value_delimiter = ',',
        default_value = "set,get,scan"
    )]
    pub operation: Vec<Operation>,
    /// How many documents there are; they are made first and removed afterwards
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000_000))]
    pub documents: u32,
    /// The options that all modes have in common.
    #[command(flatten)]
    pub common: Common,
}

/// The options that all modes have in common.
#[derive(Clone, Debug, clap::Args)]
pub struct Common {
    /// Server to measure; give several to measure them in turns and to compare the first with the others
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:55000")]
    pub url: Vec<String>,
    /// Process of the server, in the order of the --url; servers on this machine are found by their port
    #[arg(long, value_name = "PID")]
    pub pid: Vec<u32>,
    /// Another process that works for each operation, such as a further host or a NATS server; its CPU time counts as well
    #[arg(long, value_name = "PID", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub process: Vec<u32>,
    /// Connections that send requests [default: 8, for events 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub connections: Option<u32>,
    /// Operations that each connection keeps in flight
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub in_flight: u32,
    /// Bytes to add to each operation
    #[arg(long, value_name = "BYTES", default_value_t = 0, value_parser = clap::value_parser!(u32).range(..=8_000_000))]
    pub payload: u32,
    /// Seconds that each round measures
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = seconds)]
    pub duration: Duration,
    /// Seconds that each round runs before it measures
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = seconds)]
    pub warm_up: Duration,
    /// How often each server has its turn [default: 1, with several servers 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rounds: Option<u32>,
    /// Protocol to announce; servers of happner-2 3.x know only happn_1.3.0
    #[arg(long, value_name = "PROTOCOL", default_value_t = Protocol::default(), value_enum)]
    pub protocol: Protocol,
    /// Whom to trust.
    #[command(flatten)]
    pub authorities: Authorities,
    /// The user to log in as.
    #[command(flatten)]
    pub credentials: Credentials,
    /// Seconds to wait for each answer before measuring begins
    #[arg(long, value_name = "SECONDS", default_value = "10", value_parser = seconds)]
    pub timeout: Duration,
    /// Print one JSON object with everything
    #[arg(long)]
    pub json: bool,
    /// Show progress although stderr is not a terminal
    #[arg(long)]
    pub progress: bool,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let (workload, connections, common) = match arguments.mode {
        Mode::Calls(arguments) => (Workload::Calls(calls(&arguments)?), 8, arguments.common),
        Mode::Events(arguments) => (Workload::Events(events(&arguments)?), 1, arguments.common),
        Mode::Data(arguments) => {
            let data = Data {
                operations: arguments.operation,
                documents: arguments.documents as usize,
            };
            (Workload::Data(data), 8, arguments.common)
        }
    };
    let plan = plan(&common, workload, connections)?;
    let shows_progress = common.progress || io::stderr().is_terminal();
    let is_terminal = io::stderr().is_terminal();
    let units = plan.workload.units();
    let progress = move |progress: Progress| {
        if shows_progress {
            show(&progress, units, is_terminal);
        }
    };
    let result = bench::run(plan, progress).await;
    if shows_progress && is_terminal {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    let report = result?;
    if common.json {
        let text = serde_json::to_string(&report).map_err(io::Error::from)?;
        writeln!(terminal::json_output(), "{text}")?;
    } else {
        terminal::output().write_all(report.table().as_bytes())?;
    }
    io::stdout().flush()?;
    match report.is_clean() {
        true => Ok(()),
        false => Err(CommandError::Failed("not every operation succeeded".to_owned())),
    }
}

fn plan(common: &Common, workload: Workload, connections: u32) -> Result<Plan, CommandError> {
    if common.pid.len() > common.url.len() {
        return Err(CommandError::Usage("there are more --pid than --url".to_owned()));
    }
    if common.duration.is_zero() {
        return Err(CommandError::Usage(
            "--duration must be more than nothing".to_owned(),
        ));
    }
    let pids = common
        .pid
        .iter()
        .copied()
        .map(Some)
        .chain(std::iter::repeat(None));
    let targets = common
        .url
        .iter()
        .zip(pids)
        .map(|(url, pid)| Target {
            url: url.clone(),
            pid,
        })
        .collect();
    let rounds = common.rounds.unwrap_or(if common.url.len() > 1 { 3 } else { 1 });
    Ok(Plan {
        targets,
        processes: common.process.clone(),
        load: Load {
            connections: common.connections.unwrap_or(connections) as usize,
            in_flight: common.in_flight as usize,
            payload: common.payload as usize,
            duration: common.duration,
            warm_up: common.warm_up,
            rounds: rounds as usize,
        },
        workload,
        protocol: common.protocol,
        trust: common.authorities.read(),
        credentials: common.credentials.read()?,
        timeout: common.timeout,
    })
}

fn calls(arguments: &CallsArguments) -> Result<Calls, CommandError> {
    let (component, method) = target(&arguments.call)?;
    let payload = "x".repeat(arguments.common.payload as usize);
    let list = match &arguments.args {
        Some(text) => match serde_json::from_str(text) {
            Ok(Value::Array(list)) => list,
            _ => {
                return Err(CommandError::Usage(format!(
                    "--args `{text}` is not a JSON array, such as '[1,2]'"
                )));
            }
        },
        None if payload.is_empty() => vec![1.into(), 2.into()],
        // `add` concatenates strings, so that the result has the same size.
        None if method == "add" => vec![payload.into(), "".into()],
        None => vec![payload.into()],
    };
    Ok(Calls {
        component,
        method,
        arguments: Value::Array(list).to_string(),
        version: arguments.version.clone(),
    })
}

fn events(arguments: &EventsArguments) -> Result<Events, CommandError> {
    let source = match &arguments.emit {
        None => Source::Set,
        Some(emit) => {
            let (component, method) = target(emit)?;
            Source::Component { component, method }
        }
    };
    Ok(Events {
        subscribers: arguments.subscribers as usize,
        others: arguments.others as usize,
        wildcard: arguments.wildcard,
        source,
    })
}

fn target(text: &str) -> Result<(String, String), CommandError> {
    let (component, method) = super::call::split_target(text, "METHOD")?;
    // They become part of a request as they are.
    if text.contains(['"', '\\']) || text.contains(char::is_control) {
        return Err(CommandError::Usage(format!(
            "`{text}` cannot be the name of a method"
        )));
    }
    Ok((component.to_owned(), method.to_owned()))
}

/// One line: on a terminal always the same one.
fn show(progress: &Progress, units: &str, is_terminal: bool) {
    let doing = if progress.is_measuring() {
        "measuring"
    } else {
        "warming up"
    };
    let seconds = progress.elapsed.as_secs_f64();
    let rate = progress.operations as f64 / seconds.max(f64::EPSILON);
    let line = format!(
        "{} {doing} {seconds:.0} s, {rate:.0} {units}/s, {} errors",
        progress.url, progress.errors
    );
    if is_terminal {
        let _ = write!(io::stderr(), "\r\x1b[K{}", OneLine(line));
    } else {
        terminal::note(line);
    }
}
