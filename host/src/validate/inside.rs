//! One check, in the process that may be lost for it.
//!
//! Enters: the check's name and the socket to the supervisor, as standard input. Leaves: messages through that
//! socket. Guarantees: the last message is that the check is over, unless the library ended the process first.

use super::report::{Finding, Message, Reporter};
use super::warnings::Warnings;
use super::{
    Check, Subject, calls, entry, file, health, lives, process, quiesce, rounds, routes, state, wrong_state,
};
use mesh_plugin::LoadErrorKind;
use mesh_plugin::ffi::interpose;
use mesh_plugin::inside::{PUT_BACK, REFUSED};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

/// Makes one check and reports to the supervisor, which has made a socket this process' standard input.
///
/// # Errors
///
/// There is no standard input.
pub async fn inside(check: Check, subject: &Subject) -> io::Result<()> {
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let mut reporter = Reporter::new(UnixStream::from(socket));
    let warnings = Warnings::listen();
    // As in a host: limits of the process are refused to the component.
    interpose::is_active();
    reporter.step("loading the component");
    let reporter = &mut reporter;
    let outcome = match check {
        Check::Inspect => lives::inspect(subject, reporter).await,
        Check::File => file::file(subject, reporter).await,
        Check::Rehearsal => file::rehearsal(subject, reporter).await,
        Check::Description => file::description(subject, reporter).await,
        Check::Schema => entry::schema(subject, reporter).await,
        Check::Entry => entry::entry(subject, reporter).await,
        Check::Process => process::process(subject, reporter).await,
        Check::Lifecycle => lives::lifecycle(subject, reporter).await,
        Check::UnknownMethod => calls::unknown_method(subject, reporter).await,
        Check::NoArguments => calls::no_arguments(subject, reporter).await,
        Check::OddArguments => calls::odd_arguments(subject, reporter).await,
        Check::Cancel => calls::cancel(subject, reporter).await,
        Check::Routes => routes::routes(subject, reporter).await,
        Check::UnexpectedWork => lives::unexpected_work(subject, reporter).await,
        Check::AtOnce => calls::at_once(subject, reporter).await,
        Check::State => state::state(subject, reporter).await,
        Check::WrongState => wrong_state::wrong_state(subject, reporter).await,
        Check::Health => health::health(subject, reporter).await,
        Check::Quiesce => quiesce::quiesce(subject, reporter).await,
        Check::Rounds => rounds::rounds(subject, reporter).await,
    };
    let usable = outcome.is_ok();
    match outcome {
        Ok(findings) => findings.into_iter().for_each(|finding| reporter.found(finding)),
        // A library that looks broken is most often one that needs its configuration.
        Err(error) if error.kind() == LoadErrorKind::Create && subject.config == "{}" => {
            reporter.found(Finding::failed(format!(
                "{error}; a configuration that it needs is given with --config"
            )));
        }
        Err(error) => reporter.found(Finding::failed(error.to_string())),
    }
    if check == Check::Lifecycle {
        // No method was called: it speaks of `create`, START, STOP or `destroy`.
        for error in warnings.take_errors_of_the_component() {
            reporter.found(Finding::warning(format!(
                "it logs an error though no method was called: {error}"
            )));
        }
    }
    for warning in warnings.take() {
        let sentence = format!("the host's log would say: {warning}");
        let is_deed = check == Check::Process && [PUT_BACK, REFUSED].iter().any(|end| warning.ends_with(end));
        reporter.found(if is_deed {
            Finding::failed(sentence)
        } else {
            Finding::warning(sentence)
        });
    }
    reporter.send(&Message::Done { usable });
    Ok(())
}
