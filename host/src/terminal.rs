//! Text on its way to a terminal, or to anything that a person may look at with one.
//!
//! Enters: text, parts of which strangers wrote. Leaves: the same text, in which every character that a terminal acts
//! on is shown as `\u` and four digits. Guarantees: neither a control character (C0, DEL, C1) nor one that turns the
//! direction of writing leaves, but for line breaks and tabs. JSON stays JSON with the same meaning. On its way to a
//! program or a file it is left as it is, byte by byte. A closed output is an error of the writer and never a panic.

use std::borrow::Cow;
use std::fmt::{self, Display, Write as _};
use std::io::{self, IsTerminal, Stderr, Stdout, Write};

/// Whether a terminal, or a program that shows text, would act on this character in place of showing it.
pub fn is_acted_on(character: char) -> bool {
    matches!(
        character,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            // Line and paragraph separators, and everything that turns the direction of writing.
            | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    )
}

/// Shows a value on one line: line breaks and tabs are escaped, too.
pub struct OneLine<T>(pub T);

impl<T: Display> Display for OneLine<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = formatter.width();
        let mut line = LineWriter::new(&mut *formatter);
        write!(line, "{}", self.0)?;
        let written = line.characters;
        (written..width.unwrap_or(0)).try_for_each(|_| formatter.write_char(' '))
    }
}

/// Writes text on one line to another writer.
pub struct LineWriter<W> {
    out: W,
    characters: usize,
}

impl<W: fmt::Write> LineWriter<W> {
    /// One that has written nothing yet.
    pub fn new(out: W) -> LineWriter<W> {
        LineWriter { out, characters: 0 }
    }

    fn plain(&mut self, text: &str) -> fmt::Result {
        self.characters += text.chars().count();
        self.out.write_str(text)
    }
}

impl<W: fmt::Write> fmt::Write for LineWriter<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        while let Some(at) = rest.find(is_acted_on) {
            self.plain(&rest[..at])?;
            let mut behind = rest[at..].chars();
            match behind.next() {
                Some('\n') => self.plain("\\n")?,
                Some('\t') => self.plain("\\t")?,
                Some('\r') => self.plain("\\r")?,
                Some(other) => self.plain(&escape(other))?,
                None => {}
            }
            rest = behind.as_str();
        }
        self.plain(rest)
    }
}

/// `\u` and four digits, as in JSON; no character that is acted on needs more.
fn escape(character: char) -> String {
    format!("\\u{:04x}", u32::from(character))
}

/// The kind of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Lines for people.
    Text,
    /// JSON, where control characters between two tokens are blanks.
    Json,
    /// Any text, for programs.
    Exact,
}

impl Form {
    /// That of JSON, which is for people where there is a terminal, and for programs elsewhere.
    fn of_json(is_terminal: bool) -> Form {
        match is_terminal {
            true => Form::Json,
            false => Form::Exact,
        }
    }
}

/// An output that is safe to look at.
pub struct Output<W> {
    out: W,
    form: Form,
    /// The beginning of a character whose end has not been written yet.
    partial: Vec<u8>,
}

/// Standard output, for text.
pub fn output() -> Output<Stdout> {
    Output::new(io::stdout(), Form::Text)
}

/// Standard output, for JSON.
pub fn json_output() -> Output<Stdout> {
    let out = io::stdout();
    let form = Form::of_json(out.is_terminal());
    Output::new(out, form)
}

/// Standard error, for text.
pub fn errors() -> Output<Stderr> {
    Output::new(io::stderr(), Form::Text)
}

/// Standard error, for the JSON of a log, which people look at later.
pub fn json_errors() -> Output<Stderr> {
    Output::new(io::stderr(), Form::Json)
}

/// JSON on one line: line breaks stand only between the parts of a JSON text, never within a string.
pub fn one_line_json(text: &str) -> Cow<'_, str> {
    match text.contains(['\n', '\r', '\t']) {
        true => text.replace(['\n', '\r', '\t'], " ").into(),
        false => text.into(),
    }
}

/// Says something on standard error. Nobody may be listening.
pub fn note(text: impl Display) {
    let _ = writeln!(errors(), "{text}");
}

impl<W: Write> Output<W> {
    fn new(out: W, form: Form) -> Output<W> {
        Output {
            out,
            form,
            partial: Vec::new(),
        }
    }

    fn write_text(&mut self, text: &str) -> io::Result<()> {
        let is_left = |character: char| matches!(character, '\n' | '\t') || !is_acted_on(character);
        // Nearly always the whole of it.
        let plain = text
            .bytes()
            .all(|byte| matches!(byte, b' '..=b'~' | b'\n' | b'\t'));
        if plain || text.chars().all(is_left) {
            return self.out.write_all(text.as_bytes());
        }
        let mut shown = String::with_capacity(text.len() + 16);
        for character in text.chars() {
            match character {
                _ if is_left(character) => shown.push(character),
                '\0'..='\u{1f}' if self.form == Form::Json => shown.push(' '),
                _ => shown.push_str(&escape(character)),
            }
        }
        self.out.write_all(shown.as_bytes())
    }

    fn write_all_of(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            match std::str::from_utf8(bytes) {
                Ok(text) => return self.write_text(text),
                Err(error) => {
                    let (text, rest) = bytes.split_at(error.valid_up_to());
                    if let Ok(text) = std::str::from_utf8(text) {
                        self.write_text(text)?;
                    }
                    let Some(wrong) = error.error_len() else {
                        self.partial = rest.to_vec();
                        return Ok(());
                    };
                    self.write_text("\u{fffd}")?;
                    bytes = &rest[wrong..];
                }
            }
        }
        Ok(())
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.form == Form::Exact {
            return self.out.write(bytes);
        }
        if self.partial.is_empty() {
            self.write_all_of(bytes)?;
        } else {
            let mut whole = std::mem::take(&mut self.partial);
            whole.extend_from_slice(bytes);
            self.write_all_of(&whole)?;
        }
        Ok(bytes.len())
    }

    /// As one piece, so that lines of several threads do not mix.
    fn write_fmt(&mut self, arguments: fmt::Arguments<'_>) -> io::Result<()> {
        match arguments.as_str() {
            Some(text) => self.write_all(text.as_bytes()),
            None => self.write_all(arguments.to_string().as_bytes()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Shows the message of a panic as any other text: a component or a client may have written parts of it.
pub fn guard_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        let payload = info.payload();
        let text = payload.downcast_ref::<&str>().copied();
        let message = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let message = message.unwrap_or_default();
        if !message.chars().any(is_acted_on) {
            return before(info);
        }
        let thread = std::thread::current();
        let name = OneLine(thread.name().unwrap_or("<unnamed>"));
        let place = info
            .location()
            .map(|place| format!(" at {place}"))
            .unwrap_or_default();
        note(format_args!(
            "thread '{name}' panicked{place}:\n{}",
            OneLine(message)
        ));
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\u{7}\u{7f}\u{9b}2J\u{202e}b\u{2066}\u{2028}\r\0é";

    fn written(form: Form, pieces: &[&[u8]]) -> String {
        let mut out = Output::new(Vec::new(), form);
        for piece in pieces {
            out.write_all(piece).unwrap();
        }
        String::from_utf8(out.out).unwrap()
    }

    fn is_harmless(text: &str) -> bool {
        !text
            .chars()
            .any(|character| character != '\n' && character != '\t' && is_acted_on(character))
    }

    #[test]
    fn nothing_that_a_terminal_acts_on_leaves() {
        let shown = written(Form::Text, &[HOSTILE.as_bytes()]);
        assert_eq!(
            shown,
            "a\\u001b[31m\\u0007\\u007f\\u009b2J\\u202eb\\u2066\\u2028\\u000d\\u0000é"
        );
        for code in (0..=0x20ffu32).filter_map(char::from_u32) {
            let shown = written(Form::Text, &[code.to_string().as_bytes()]);
            assert!(is_harmless(&shown), "{code:?}");
            let kept = shown == code.to_string();
            let left = matches!(code, '\n' | '\t') || !is_acted_on(code);
            assert_eq!(kept, left, "{code:?}");
        }
    }

    #[test]
    fn characters_in_pieces_stay_whole_and_broken_ones_are_replaced() {
        let whole = written(Form::Text, &[HOSTILE.as_bytes()]);
        for at in 0..HOSTILE.len() {
            let (one, other) = HOSTILE.as_bytes().split_at(at);
            assert_eq!(written(Form::Text, &[one, other]), whole, "{at}");
        }
        let bytes: Vec<&[u8]> = HOSTILE.as_bytes().chunks(1).collect();
        assert_eq!(written(Form::Text, &bytes), whole);
        // Alone, such a byte is a control character to an old terminal.
        assert_eq!(written(Form::Text, &[b"a\x9b2Jb\xff"]), "a\u{fffd}2Jb\u{fffd}");
    }

    #[test]
    fn escaped_json_has_the_same_meaning() {
        let value = serde_json::json!({ HOSTILE: [HOSTILE, 1], "b": "\n\t" });
        let text = format!("\r\n{}\r\n", serde_json::to_string(&value).unwrap());
        let shown = written(Form::Json, &[text.as_bytes()]);
        assert!(is_harmless(&shown), "{shown}");
        let read: serde_json::Value = serde_json::from_str(&shown).unwrap();
        assert_eq!(read, value);
    }

    #[test]
    fn programs_get_every_byte_of_json() {
        assert_eq!(Form::of_json(true), Form::Json);
        let form = Form::of_json(false);
        for bytes in [HOSTILE.as_bytes(), b"{\"a\":\r\n1}", b"\x9b\xff\xe2\x80"] {
            for at in 0..bytes.len() {
                let mut out = Output::new(Vec::new(), form);
                let (one, other) = bytes.split_at(at);
                out.write_all(one).unwrap();
                out.write_all(other).unwrap();
                assert_eq!(out.out, bytes);
            }
        }
    }

    #[test]
    fn one_line_stays_one() {
        let shown = OneLine("a\nb\tc\r\u{1b}").to_string();
        assert_eq!(shown, "a\\nb\\tc\\r\\u001b");
        assert_eq!(format!("{:6}|", OneLine("é\n")), "é\\n   |");
    }
}
