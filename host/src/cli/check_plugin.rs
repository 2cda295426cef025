//! `mesh check-plugin`: whether a component library keeps the contract.

use super::CommandError;
use crate::terminal::{self, OneLine};
use crate::validate::{self, About, Check, CheckReport, Subject, Verdict};
use mesh_plugin::LANE_STACK;
use serde_json::{Value, json};
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

/// Options of `mesh check-plugin`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    mesh check-plugin target/release/libcalc.so
    mesh check-plugin libshop.so --config '{\"currency\":\"EUR\"}' --rounds 200
    mesh check-plugin libshop.so --only process,rounds --json

The library is loaded as a host would load it, each check in a process of its own. A check that crashes or hangs \
fails, and the others still run. The methods are really called, with arguments that make no sense: give the component a \
configuration that can do no harm. There are no other components, so calls of them fail. A component that declares \
state or health is asked for them, as in a swap. For others the report says \"not declared\".

A warning is allowed and perhaps meant, such as a method that waits. A failed check is against the contract of \
mesh_plugin.h and says what would be right.

Exit code: 0 nothing failed (warnings allowed), 1 a check failed, 2 wrong usage.")]
pub struct Arguments {
    /// The library file.
    #[arg(value_name = "LIBRARY")]
    library: PathBuf,
    /// The component's configuration, as `config` in mesh.toml.
    #[arg(long, value_name = "JSON", default_value = "{}")]
    config: String,
    /// Bytes of stack that each lane has, as `stack_bytes` in mesh.toml.
    #[arg(long, value_name = "BYTES", default_value_t = LANE_STACK as u64, value_parser = clap::value_parser!(u64).range(262_144..=1_073_741_824))]
    stack_bytes: u64,
    /// How often the library is loaded and unloaded to see what it leaves behind.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rounds: u32,
    /// How long a method may take to answer before the check goes on, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(10..=600_000))]
    answer_time: u64,
    /// How long anything may take before the process of the check is ended, in milliseconds, beside the answer time.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 20_000, value_parser = clap::value_parser!(u64).range(100..=600_000))]
    step_time: u64,
    /// Make only these checks, by their names in the report.
    #[arg(long, value_name = "CHECK", value_delimiter = ',')]
    only: Vec<Check>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Makes this check, in this process: how the command calls itself.
    #[arg(long, hide = true)]
    inside: Option<Check>,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    match serde_json::from_str(&arguments.config) {
        Ok(Value::Object(_)) => {}
        Ok(_) => {
            return Err(CommandError::usage(
                "--config must be a JSON object, such as '{\"size\":1}'",
            ));
        }
        Err(error) => return Err(CommandError::usage(format!("--config is no JSON: {error}"))),
    }
    let subject = Subject {
        library: arguments.library.clone(),
        config: arguments.config.clone(),
        stack_bytes: usize::try_from(arguments.stack_bytes).unwrap_or(LANE_STACK),
        rounds: arguments.rounds,
        answer_time: Duration::from_millis(arguments.answer_time),
        step_time: Duration::from_millis(arguments.step_time),
    };
    if let Some(check) = arguments.inside {
        return Ok(validate::inside(check, &subject).await?);
    }
    if !arguments.library.is_file() {
        return Err(CommandError::failed(format!(
            "{} is not a file",
            arguments.library.display()
        )));
    }
    let (mut reports, mut about) = (Vec::new(), None);
    let is_wanted = |check: &Check| arguments.only.is_empty() || arguments.only.contains(check);
    let wanted: Vec<Check> = Check::ALL.into_iter().filter(is_wanted).collect();
    for check in wanted.iter().copied() {
        let mut report = supervised(check, &arguments)?;
        drop_said(&mut report, &reports);
        if let Some(found) = &report.about {
            about = Some(found.clone());
            if !arguments.json {
                print_about(found)?;
            }
        }
        if !arguments.json {
            print_report(&report)?;
        }
        // Without an instance there is nothing to check.
        let over = !report.usable && matches!(check, Check::Inspect | Check::Lifecycle);
        reports.push(report);
        if over {
            break;
        }
    }
    let skipped = &wanted[reports.len()..];
    if arguments.json {
        let found = as_json(&arguments, about.as_ref(), &reports, skipped);
        writeln!(terminal::json_output(), "{found:#}")?;
    } else {
        print_summary(&reports, skipped)?;
    }
    let failed = reports
        .iter()
        .filter(|report| report.verdict() == Verdict::Failed);
    match failed.count() {
        0 => Ok(()),
        1 => Err(CommandError::failed(format!(
            "{} failed a check",
            arguments.library.display()
        ))),
        count => Err(CommandError::failed(format!(
            "{} failed {count} checks",
            arguments.library.display()
        ))),
    }
}

fn supervised(check: Check, arguments: &Arguments) -> Result<CheckReport, CommandError> {
    let failed = |error: io::Error| CommandError::failed(format!("cannot start a check: {error}"));
    let mut command = Command::new(std::env::current_exe().map_err(failed)?);
    command
        .arg("check-plugin")
        .arg(&arguments.library)
        .args(["--inside", check.as_str(), "--config", &arguments.config])
        .args(["--stack-bytes", &arguments.stack_bytes.to_string()])
        .args(["--rounds", &arguments.rounds.to_string()])
        .args(["--answer-time", &arguments.answer_time.to_string()])
        .args(["--step-time", &arguments.step_time.to_string()]);
    // A step may be a call, and then a second one that tells whether the first keeps the lane busy.
    let patience = Duration::from_millis(arguments.step_time + 2 * arguments.answer_time);
    let mut said = Instant::now();
    validate::supervise(check, command, patience, |step| {
        if said.elapsed() >= Duration::from_secs(1) {
            said = Instant::now();
            terminal::note(format_args!("{}: {}", check.as_str(), OneLine(step)));
        }
    })
    .map_err(failed)
}

/// A warning is said once, not with each check that meets it.
fn drop_said(report: &mut CheckReport, before: &[CheckReport]) {
    report.findings.retain(|finding| {
        finding.verdict == Verdict::Failed || !before.iter().any(|report| report.findings.contains(finding))
    });
}

fn print_about(about: &About) -> io::Result<()> {
    let methods = if about.methods == 1 { "method" } else { "methods" };
    writeln!(
        terminal::output(),
        "{} {}, {} {methods} ({})\n",
        OneLine(&about.name),
        OneLine(&about.version),
        about.methods,
        OneLine(&about.sdk)
    )
}

fn print_report(report: &CheckReport) -> io::Result<()> {
    let mut out = terminal::output();
    let verdict = report.verdict();
    let (first, rest) = match report.findings.split_first() {
        Some((first, rest)) => (first.sentence.as_str(), rest),
        None => (
            report.remark.as_deref().unwrap_or(report.check.promise()),
            &[][..],
        ),
    };
    writeln!(
        out,
        "{:<8} {:<16} {}",
        verdict.as_str(),
        report.check.as_str(),
        OneLine(first)
    )?;
    for finding in rest {
        let sentence = OneLine(&finding.sentence);
        writeln!(out, "{:25} {}: {sentence}", "", finding.verdict.as_str())?;
    }
    out.flush()
}

fn print_summary(reports: &[CheckReport], skipped: &[Check]) -> io::Result<()> {
    let count = |verdict| {
        reports
            .iter()
            .filter(|report| report.verdict() == verdict)
            .count()
    };
    let mut summary = format!(
        "\n{} ok, {} with warnings, {} failed",
        count(Verdict::Ok),
        count(Verdict::Warning),
        count(Verdict::Failed)
    );
    if !skipped.is_empty() {
        let names: Vec<&str> = skipped.iter().map(|check| check.as_str()).collect();
        summary.push_str(&format!("; not checked: {}", names.join(", ")));
    }
    writeln!(terminal::output(), "{summary}")
}

fn as_json(
    arguments: &Arguments,
    about: Option<&About>,
    reports: &[CheckReport],
    skipped: &[Check],
) -> Value {
    let worst = reports
        .iter()
        .map(CheckReport::verdict)
        .max()
        .unwrap_or(Verdict::Ok);
    let checks: Vec<Value> = reports
        .iter()
        .map(|report| {
            json!({
                "check": report.check.as_str(),
                "verdict": report.verdict(),
                "findings": report.findings,
                "remark": report.remark,
            })
        })
        .collect();
    json!({
        "library": arguments.library.display().to_string(),
        "component": about,
        "verdict": worst,
        "checks": checks,
        "skipped": skipped.iter().map(|check| check.as_str()).collect::<Vec<_>>(),
    })
}
