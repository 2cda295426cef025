//! `mesh call`: calls a method of a component and prints what it answers.
//!
//! Enters: the component, the method and its arguments as words. Leaves: the results on stdout. Guarantees: an
//! error of the component goes to stderr with all its fields and ends the command with exit code 1.

use super::CommandError;
use super::connection::Connection;
use crate::terminal::{self, OneLine};
use mesh_client::{Client, Description};
use serde_json::Value;
use serde_json::value::RawValue;
use std::io::{self, IsTerminal, Write};

/// Call a method of a component
#[derive(Clone, Debug, clap::Args)]
#[command(
    disable_version_flag = true,
    after_help = "\
Each argument is JSON; a word that is not JSON is a string.

Examples:
  mesh call calc/add 1 -2                     numbers
  mesh call calc/concat a b c                 strings
  mesh call calc/echo '{\"a\": [1, 2]}'         an object
  mesh call calc/echo '\"17\"'                  the string 17
  mesh call calc/echo -- --word               a word that begins with a dash
  mesh call calc/add 1 2 --version '^1.0.0'   only of this version
  mesh call calc/bigPayload 1000 --json | jq .[0].size

With --json the results are one JSON array on one line: methods may answer with several values, or with none."
)]
pub struct Arguments {
    /// Method to call
    #[arg(value_name = "COMPONENT/METHOD")]
    pub target: String,
    /// Its arguments
    #[arg(value_name = "JSON", allow_negative_numbers = true)]
    pub arguments: Vec<String>,
    /// Versions of the component that will do, as an npm range
    #[arg(long, value_name = "RANGE")]
    pub version: Option<String>,
    /// How to connect.
    #[command(flatten)]
    pub connection: Connection,
}

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let (component, method) = split_target(&arguments.target, "METHOD")?;
    let values: Vec<Value> = arguments
        .arguments
        .iter()
        .map(|word| read_argument(word))
        .collect();
    let client = arguments.connection.connect().await?;
    let result = call(&client, component, method, &values, arguments.version.as_deref()).await;
    client.close().await;
    let results = result?;

    let mut out = terminal::json_output();
    if arguments.connection.json {
        let text = serde_json::to_string(&results).unwrap_or_default();
        writeln!(out, "{}", terminal::one_line_json(&text))?;
    } else {
        let is_terminal = io::stdout().is_terminal();
        for result in &results {
            writeln!(out, "{}", shown(result, is_terminal))?;
        }
    }
    Ok(out.flush()?)
}

async fn call(
    client: &Client,
    component: &str,
    method: &str,
    values: &[Value],
    version: Option<&str>,
) -> Result<Vec<Box<RawValue>>, CommandError> {
    // Old servers do not answer calls of what they do not have. Other versions than the described one are theirs to find.
    check(&client.description().await?, component, method, version)?;
    Ok(client.call(component, method, values, version).await?)
}

/// Tells what there is instead when the mesh has no such component or method.
fn check(
    description: &Description,
    component: &str,
    method: &str,
    version: Option<&str>,
) -> Result<(), CommandError> {
    let Some(found) = description.component(component) else {
        let names: Vec<&str> = description
            .components
            .iter()
            .map(|component| component.name.as_str())
            .collect();
        return Err(CommandError::Failed(format!(
            "the mesh {} has no component `{}`; it has {}",
            OneLine(&description.name),
            OneLine(component),
            OneLine(names.join(", "))
        )));
    };
    if found.method(method).is_none() && version.is_none() {
        let names: Vec<&str> = found.methods.iter().map(|method| method.name.as_str()).collect();
        return Err(CommandError::Failed(format!(
            "{} {} has no method `{}`; it has {}",
            OneLine(component),
            OneLine(&found.version),
            OneLine(method),
            OneLine(names.join(", "))
        )));
    }
    Ok(())
}

/// `component/rest`, where the rest is called `what`.
pub(super) fn split_target<'a>(target: &'a str, what: &str) -> Result<(&'a str, &'a str), CommandError> {
    match target.split_once('/') {
        Some((component, rest)) if !component.is_empty() && !rest.is_empty() => Ok((component, rest)),
        _ => Err(CommandError::Usage(format!(
            "`{}` is not of the form COMPONENT/{what}",
            OneLine(target)
        ))),
    }
}

/// A word as JSON, or as the string that it is.
fn read_argument(word: &str) -> Value {
    serde_json::from_str(word).unwrap_or_else(|_| Value::String(word.to_owned()))
}

/// A result for people: indented on a terminal, as it came otherwise.
fn shown(result: &RawValue, is_terminal: bool) -> String {
    if !is_terminal {
        return result.get().to_owned();
    }
    let value: Value = serde_json::from_str(result.get()).unwrap_or_default();
    serde_json::to_string_pretty(&value).unwrap_or_else(|_| result.get().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_become_arguments() {
        let expected = [
            ("1", json!(1)),
            ("-2", json!(-2)),
            ("true", json!(true)),
            ("{\"a\":1}", json!({"a": 1})),
        ];
        for (word, value) in
            expected
                .into_iter()
                .chain([("a b", json!("a b")), ("{", json!("{")), ("\"1\"", json!("1"))])
        {
            assert_eq!(read_argument(word), value, "{word}");
        }
    }

    #[test]
    fn targets_are_parsed() {
        assert_eq!(split_target("calc/add", "METHOD").ok(), Some(("calc", "add")));
        assert_eq!(split_target("c/a/b", "EVENT").ok(), Some(("c", "a/b")));
        for wrong in ["calc", "/add", "calc/", ""] {
            assert_eq!(
                split_target(wrong, "METHOD").map_err(|error| error.exit_code()),
                Err(2)
            );
        }
    }
}
