//! `mesh on`: prints the events of a component as they happen.
//!
//! Enters: the component and the event. Leaves: one line for each event. Guarantees: each line is written when its
//! event arrives. Ctrl-c and a full `--count` end the command with exit code 0, a lost connection with 1.

use super::CommandError;
use super::call::split_target;
use super::connection::Connection;
use crate::terminal::{self, OneLine};
use mesh_client::{Client, Publication, SubscriptionOptions};
use mesh_wire::address::Address;
use mesh_wire::versions::{Range, coerced_satisfies};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Print the events of a component as they happen
#[derive(Clone, Debug, clap::Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Examples:
  mesh on emitter/temperature                 one event
  mesh on emitter/room/temperature            its name may contain slashes
  mesh on 'emitter/room/*'                    one segment, whatever it is
  mesh on 'emitter/**'                        everything, up to 5 segments deep
  mesh on emitter/temperature --version '^2'  only of these versions
  mesh on emitter/temperature --count 1       until the first one
  mesh on 'emitter/**' --json | jq .data      for programs

Each line has the time of arrival (UTC), the path and the data. It ends with ctrl-c."
)]
pub struct Arguments {
    /// Events to listen to; quote wildcards
    #[arg(value_name = "COMPONENT/EVENT")]
    pub target: String,
    /// Versions of the component whose events are wanted, as an npm range
    #[arg(long, value_name = "RANGE")]
    pub version: Option<String>,
    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// How to connect.
    #[command(flatten)]
    pub connection: Connection,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Line<'a> {
    time: String,
    path: &'a str,
    data: &'a RawValue,
    meta: &'a RawValue,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let (component, event) = split_target(&arguments.target, "EVENT")?;
    if let Some(range) = &arguments.version {
        Range::parse(range).map_err(|error| CommandError::Usage(format!("--version: {error}")))?;
    }
    let client = arguments.connection.connect().await?;
    let result = tokio::select! {
        result = print(&client, component, event, &arguments) => result,
        signal = tokio::signal::ctrl_c() => {
            signal.map_err(|error| CommandError::failed(format!("cannot listen to signals: {error}")))
        }
    };
    client.close().await;
    result
}

async fn print(
    client: &Client,
    component: &str,
    event: &str,
    arguments: &Arguments,
) -> Result<(), CommandError> {
    let address = Address::Event {
        domain: client.domain().await?,
        component,
        key: event,
    };
    let channel = format!("/SET@{address}");
    let options = SubscriptionOptions {
        version: arguments.version.clone(),
        ..SubscriptionOptions::default()
    };
    let mut subscription = client.subscribe(&channel, options).await?;
    let mut rest = arguments.count;
    while rest != Some(0) {
        let Some(publication) = subscription.next().await else {
            let failure = subscription.failure().map(CommandError::from);
            return Err(failure.unwrap_or_else(|| CommandError::Failed("the subscription ended".to_owned())));
        };
        if !is_wanted(&publication, arguments.version.as_deref()) {
            continue;
        }
        write_line(&publication, arguments.connection.json)?;
        rest = rest.map(|rest| rest - 1);
    }
    Ok(())
}

/// Servers of happner leave versions to their clients: an event without version is wanted, as by happner-client.
fn is_wanted(publication: &Publication, range: Option<&str>) -> bool {
    match (range, publication.meta_text("componentVersion")) {
        (Some(range), Some(version)) => coerced_satisfies(&version, range),
        _ => true,
    }
}

fn write_line(publication: &Publication, is_json: bool) -> io::Result<()> {
    let time = format_time(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    if is_json {
        let line = Line {
            time,
            path: &publication.path,
            data: &publication.data,
            meta: &publication.meta,
        };
        let text = serde_json::to_string(&line).map_err(io::Error::from)?;
        writeln!(terminal::json_output(), "{}", terminal::one_line_json(&text))?;
    } else {
        let data = terminal::one_line_json(publication.data.get());
        writeln!(terminal::output(), "{time} {} {data}", OneLine(&publication.path))?;
    }
    io::stdout().flush()
}

/// A time since 1970 as `2026-01-31T12:34:56.789Z`.
fn format_time(since_1970: Duration) -> String {
    let (mut days, seconds) = (since_1970.as_secs() / 86_400, since_1970.as_secs() % 86_400);
    let mut year = 1970;
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    let length = |year: u64| if is_leap(year) { 366 } else { 365 };
    while days >= length(year) {
        days -= length(year);
        year += 1;
    }
    let months = [
        31,
        if is_leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 0;
    while days >= months[month] {
        days -= months[month];
        month += 1;
    }
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let (month, day, milliseconds) = (month + 1, days + 1, since_1970.subsec_millis());
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milliseconds:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_of_events_are_printed() {
        assert_eq!(format_time(Duration::ZERO), "1970-01-01T00:00:00.000Z");
        assert_eq!(
            format_time(Duration::from_millis(951_827_696_789)),
            "2000-02-29T12:34:56.789Z"
        );
        assert_eq!(
            format_time(Duration::from_secs(1_798_761_599)),
            "2026-12-31T23:59:59.000Z"
        );
    }
}
