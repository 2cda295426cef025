//! The process that stays alive: starts one for each check, listens to it, and ends it when it hangs.
//!
//! Enters: a check and the command that makes it. Leaves: its report. Guarantees: returns within the step time after
//! the last sign of life, whatever the library does. A crash is a finding that names the signal and the step.

use super::Check;
use super::report::{CheckReport, Finding, Message};
use mesh_plugin::rehearsal::how;
use std::io::{self, BufRead, BufReader, Read};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// How long a process may take to end when its check is over.
const END_TIME: Duration = Duration::from_secs(5);

/// A process that makes a check, ended with the value that stands for it.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Makes one check in a process started by `command`, which must call [`super::inside`]. `progress` hears each step.
///
/// # Errors
///
/// The process cannot be started.
pub fn supervise(
    check: Check,
    mut command: Command,
    step_time: Duration,
    mut progress: impl FnMut(&str),
) -> io::Result<CheckReport> {
    let (ours, theirs) = UnixStream::pair()?;
    ours.set_read_timeout(Some(step_time))?;
    command.stdin(OwnedFd::from(theirs)).stdout(Stdio::piped());
    let mut process = Process(command.spawn()?);
    // The command keeps its end of the socket, which must close for the end of the process to be noticed.
    drop(command);
    let chatter = listen(process.0.stdout.take());

    let mut report = CheckReport {
        check,
        findings: Vec::new(),
        usable: false,
        about: None,
        remark: None,
    };
    let mut step = "loading".to_owned();
    let mut ending = None;
    for line in BufReader::new(ours).lines() {
        let message = match line {
            Ok(line) => serde_json::from_str(&line).map_err(io::Error::from),
            Err(error) => Err(error),
        };
        match message {
            Ok(Message::Step(what)) => {
                progress(&what);
                step = what;
            }
            Ok(Message::About(about)) => report.about = Some(about),
            Ok(Message::Remark(why)) => report.remark = Some(why),
            Ok(Message::Found(finding)) => report.findings.push(finding),
            Ok(Message::Done { usable }) => {
                report.usable = usable;
                "the end of the process".clone_into(&mut step);
                ending = Some(END_TIME);
                break;
            }
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
                report.findings.push(Finding::failed(format!(
                    "the plugin did not return within {} ms during {step}: no function of it may block for ever",
                    step_time.as_millis()
                )));
                return Ok(sorted(report));
            }
            // A message that is cut short: the process is gone.
            Err(_) => break,
        }
    }
    match wait(&mut process.0, ending.unwrap_or(step_time))? {
        Some(status) if status.success() && ending.is_some() => {}
        Some(status) => {
            report.usable = false;
            report.findings.push(Finding::failed(format!(
                "the plugin ended the process with {} during {step}: in a mesh that ends the whole host",
                how(status)
            )));
        }
        None => report.findings.push(Finding::failed(format!(
            "the plugin keeps the process from ending within {} ms: no exit handler or destructor of a library may block",
            END_TIME.as_millis()
        ))),
    }
    if chatter.load(Ordering::Relaxed) {
        report.findings.push(Finding::warning(
            "it wrote to standard output, which belongs to the host: use the host's log",
        ));
    }
    Ok(sorted(report))
}

fn sorted(mut report: CheckReport) -> CheckReport {
    report
        .findings
        .sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    report
}

/// Empties the standard output of the library, and says whether there was any. Left to itself: a process that the
/// library started may hold it open for ever.
fn listen(output: Option<impl Read + Send + 'static>) -> Arc<AtomicBool> {
    let heard = Arc::new(AtomicBool::new(false));
    if let Some(mut output) = output {
        let heard = heard.clone();
        // Without a thread the library writes to nobody.
        let _ = thread::Builder::new().spawn(move || {
            let mut buffer = [0; 4096];
            while output.read(&mut buffer).is_ok_and(|count| count > 0) {
                heard.store(true, Ordering::Relaxed);
            }
        });
    }
    heard
}

fn wait(child: &mut Child, patience: Duration) -> io::Result<Option<ExitStatus>> {
    let until = Instant::now() + patience;
    loop {
        let status = child.try_wait()?;
        if status.is_some() || Instant::now() >= until {
            return Ok(status);
        }
        thread::sleep(Duration::from_millis(5));
    }
}
