//! A recording as it lies in `traces/`: one JSON document per line.
//!
//! Enters: the lines of a file. Leaves: [`Recording`], a list of entries in the order in which they happened.
//! Guarantees: every connection has a number of its own, even if the file uses one name for several connections that
//! followed each other. Lines that are of no use for a replay (results of a client's API, plain HTTP) are left out.
//!
//! | Line | Meaning |
//! |---|---|
//! | `{"header":true,…}` or `{"scenario":…}` | first line |
//! | `{"c":"A","dir":"c>s","m":…}`, `{"conn":1,…}` | a frame from connection A (or 1) to the server |
//! | `{"c":"A","dir":"s>c","m":…}` | a frame from the server |
//! | `{…,"raw":"…"}` | a frame that need not be JSON |
//! | `{…,"fragments":["…","…"]}` | one text message in several websocket frames |
//! | `{…,"binary":true,"m":…}` or `"hex":"…"` | a binary frame |
//! | `{"c":"A","wsframe":"ping sent","data":"…"}`, `"pong"` | frames of the websocket itself |
//! | `{"c":"A","close":…}` or a text `<<websocket closed …>>` | the connection ended |
//! | `{"note":"…"}` | begin of a section, or a remark |
//! | `"t"` on any of them | milliseconds since that connection opened |

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::Error;

/// One recorded run.
#[derive(Debug, Clone)]
pub struct Recording {
    /// The name of the file without its extension.
    pub name: String,
    /// The steps, in order.
    pub entries: Vec<Entry>,
    /// For each connection, by number, the name that the file gives it.
    pub connections: Vec<String>,
}

/// One line of a recording.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The line of the file, counted from one.
    pub line: usize,
    /// When it happened, counted from the opening of its connection; only in recordings about time.
    pub at: Option<Duration>,
    /// The change.
    pub event: Event,
}

/// The change.
#[derive(Debug, Clone)]
pub enum Event {
    /// A remark, mostly what the following entries are about.
    Note(String),
    /// The client sent something.
    Send {
        /// The connection's number.
        connection: usize,
        /// The frame that it sent.
        payload: Payload,
    },
    /// The server sent a frame; control strings are JSON strings.
    Receive {
        /// The connection's number.
        connection: usize,
        /// The frame.
        frame: Value,
    },
    /// The connection ended.
    Close {
        /// The connection's number.
        connection: usize,
        /// Whether the recording says that the server's side ended.
        by_server: bool,
    },
}

impl Event {
    /// The number of the connection that it happened on.
    #[must_use]
    pub fn connection(&self) -> Option<usize> {
        match self {
            Self::Note(_) => None,
            Self::Send { connection, .. }
            | Self::Receive { connection, .. }
            | Self::Close { connection, .. } => Some(*connection),
        }
    }
}

/// The kinds of requests of a client.
#[derive(Debug, Clone)]
pub enum Payload {
    /// A text frame with one JSON value, in which identifiers are replaced.
    Json(Value),
    /// A text frame as it is.
    Text(String),
    /// One text message in several frames.
    Fragments(Vec<String>),
    /// A binary frame.
    Binary(Vec<u8>),
    /// A websocket ping.
    Ping(String),
}

impl Payload {
    /// The JSON value of the frame if it is one.
    #[must_use]
    pub fn json(&self) -> Option<Value> {
        match self {
            Self::Json(value) => Some(value.clone()),
            Self::Text(text) => serde_json::from_str(text).ok(),
            Self::Fragments(parts) => serde_json::from_str(&parts.concat()).ok(),
            Self::Binary(_) | Self::Ping(_) => None,
        }
    }
}

/// How a pong of the websocket itself appears among received frames.
#[must_use]
pub fn websocket_pong(data: &str) -> Value {
    Value::String(format!("websocket::pong::{data}"))
}

impl Recording {
    /// Reads a recording.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read {
            path: path.to_owned(),
            source,
        })?;
        let name = path
            .file_stem()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        Self::parse(name, &text).map_err(|(line, reason)| Error::Line {
            path: path.to_owned(),
            line,
            reason,
        })
    }

    /// Reads the lines of a recording; an error names the line.
    pub fn parse(name: String, text: &str) -> Result<Self, (usize, String)> {
        let mut reader = Reader::default();
        let mut entries = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_number = index + 1;
            let value: Value =
                serde_json::from_str(line).map_err(|error| (line_number, error.to_string()))?;
            let at = value.get("t").and_then(Value::as_u64).map(Duration::from_millis);
            if let Some(event) = reader.event(&value).map_err(|reason| (line_number, reason))? {
                entries.push(Entry {
                    line: line_number,
                    at,
                    event,
                });
            }
        }
        Ok(Self {
            name,
            entries,
            connections: reader.names,
        })
    }

    /// Whether the recording is about time.
    #[must_use]
    pub fn is_timed(&self) -> bool {
        self.entries.iter().any(|entry| entry.at.is_some())
    }

    /// One recording for each connection, without the remarks that belong to none.
    #[must_use]
    pub fn by_connection(&self) -> Vec<Self> {
        let of = |number: usize| {
            let entries = self
                .entries
                .iter()
                .filter(|entry| entry.event.connection() == Some(number));
            Self {
                name: self.name.clone(),
                entries: entries.cloned().collect(),
                connections: self.connections.clone(),
            }
        };
        (0..self.connections.len()).map(of).collect()
    }
}

/// Gives numbers to connections.
#[derive(Default)]
struct Reader {
    open: HashMap<String, usize>,
    names: Vec<String>,
}

impl Reader {
    fn connection(&mut self, name: &str) -> usize {
        *self.open.entry(name.to_owned()).or_insert_with(|| {
            self.names.push(name.to_owned());
            self.names.len() - 1
        })
    }

    fn event(&mut self, line: &Value) -> Result<Option<Event>, String> {
        let text = |key: &str| line.get(key).and_then(Value::as_str);
        let name = match (line.get("c"), line.get("conn")) {
            (Some(Value::String(name)), _) => name.clone(),
            (_, Some(number)) => number.to_string(),
            _ => "1".to_owned(),
        };
        if line.get("header").is_some() || line.get("scenario").is_some() || line.get("open").is_some() {
            return Ok(None);
        }
        if let Some(note) = text("note") {
            return Ok(Some(Event::Note(note.to_owned())));
        }
        if let Some(frame) = text("wsframe") {
            let connection = self.connection(&name);
            let data = text("data").unwrap_or_default();
            return match frame {
                "ping sent" => Ok(Some(Event::Send {
                    connection,
                    payload: Payload::Ping(data.to_owned()),
                })),
                "pong" => Ok(Some(Event::Receive {
                    connection,
                    frame: websocket_pong(data),
                })),
                other => Err(format!("unknown websocket frame {other}")),
            };
        }
        let marker = text("m").filter(|message| message.starts_with("<<websocket closed"));
        if marker.is_some() || line.get("close").is_some() {
            let by_server = marker
                .or(text("close"))
                .is_some_and(|text| text.contains("server"));
            // the other side's end of the same connection follows; it is gone by then
            let known = self.open.remove(&name);
            return Ok(known.map(|connection| Event::Close {
                connection,
                by_server,
            }));
        }
        match text("dir") {
            Some("c>s") => {
                let connection = self.connection(&name);
                Ok(Some(Event::Send {
                    connection,
                    payload: payload(line)?,
                }))
            }
            Some("s>c") => {
                let frame = line.get("m").cloned().ok_or("a received frame without content")?;
                let connection = self.connection(&name);
                Ok(Some(Event::Receive { connection, frame }))
            }
            _ => Ok(None),
        }
    }
}

fn payload(line: &Value) -> Result<Payload, String> {
    let binary = line.get("binary").is_some();
    if let Some(hex) = line.get("hex").and_then(Value::as_str) {
        let bytes = hex.as_bytes().chunks(2).map(|pair| {
            std::str::from_utf8(pair)
                .ok()
                .and_then(|pair| u8::from_str_radix(pair, 16).ok())
        });
        return bytes
            .collect::<Option<_>>()
            .map(Payload::Binary)
            .ok_or("not hexadecimal".to_owned());
    }
    if let Some(raw) = line.get("raw").and_then(Value::as_str) {
        return Ok(Payload::Text(raw.to_owned()));
    }
    if let Some(Value::Array(parts)) = line.get("fragments") {
        let parts = parts.iter().map(|part| part.as_str().map(str::to_owned));
        return parts
            .collect::<Option<_>>()
            .map(Payload::Fragments)
            .ok_or("not text".to_owned());
    }
    match line.get("m") {
        Some(message) if binary => Ok(Payload::Binary(message.to_string().into_bytes())),
        Some(message) => Ok(Payload::Json(message.clone())),
        None => Err("a sent frame without content".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_used_again_is_another_connection() {
        let lines = [
            r#"{"scenario":"x"}"#,
            r#"{"c":"P","dir":"c>s","m":{"action":"describe"}}"#,
            r#"{"c":"P","close":"by server side","code":1000}"#,
            r#"{"c":"P","close":"by client side","code":1000}"#,
            r#"{"c":"P","dir":"c>s","m":{"action":"describe"}}"#,
        ];
        let recording = Recording::parse("x".to_owned(), &lines.join("\n")).unwrap();
        assert_eq!(recording.connections, ["P", "P"]);
        assert_eq!(recording.entries.len(), 3);
        assert!(matches!(
            recording.entries[1].event,
            Event::Close {
                connection: 0,
                by_server: true
            }
        ));
        assert!(matches!(
            recording.entries[2].event,
            Event::Send { connection: 1, .. }
        ));
    }
}
