//! JavaScript's regular expressions, run by an engine whose time grows with the text and never explodes.
//!
//! Enters: the pattern and flags of a client. Leaves: a compiled expression with the same meaning, as far as it can
//! be run in linear time. Guarantees: look-around and back-references are refused by name. A compiled expression is
//! limited in size, so that no pattern can hold up or exhaust the host.

use super::{QueryError, QueryErrorKind};
use regex::{Regex, RegexBuilder};
use std::iter::Peekable;
use std::str::Chars;

/// Longer patterns are refused, in bytes.
const LONGEST: usize = 8192;
/// The memory that running one may take beside that, in bytes: with less, it becomes slower.
const CACHE: usize = 1 << 18;
/// The size a compiled expression may have, in bytes.
const LARGEST: usize = 1 << 20;

const SPACE: &str =
    r"[\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}]";
const NO_SPACE: &str =
    r"[^\t\n\x0B\x0C\r \u{a0}\u{1680}\u{2000}-\u{200a}\u{2028}\u{2029}\u{202f}\u{205f}\u{3000}\u{feff}]";

/// Compiles a pattern with its flags.
pub(super) fn compile(pattern: &str, flags: &str) -> Result<Regex, QueryError> {
    build(pattern, flags, false)
}

/// Compiles a pattern without flags whose groups are numbered as in JavaScript.
pub fn compile_with_groups(pattern: &str) -> Result<Regex, QueryError> {
    build(pattern, "", true)
}

fn build(pattern: &str, flags: &str, numbered: bool) -> Result<Regex, QueryError> {
    let repeated = flags
        .char_indices()
        .any(|(place, flag)| flags[..place].contains(flag));
    if repeated || !flags.chars().all(|flag| "dgimsuvy".contains(flag)) {
        return Err(QueryError::new(
            QueryErrorKind::RegularExpression,
            format!("SyntaxInvalid flags supplied to RegExp constructor '{flags}'"),
        ));
    }
    let has = |flag: char| flags.contains(flag);
    if pattern.len() > LONGEST {
        return Err(invalid(pattern, "the pattern is too long"));
    }
    let mut translation = Translation {
        rest: pattern.chars().peekable(),
        out: String::with_capacity(pattern.len() + 16),
        unicode: has('u') || has('v'),
        dot_all: has('s'),
        numbered,
    };
    translation.run().map_err(|reason| invalid(pattern, reason))?;
    // A sticky expression starts where it starts.
    let text = if has('y') {
        format!("^(?:{})", translation.out)
    } else {
        translation.out
    };
    RegexBuilder::new(&text)
        .case_insensitive(has('i'))
        .multi_line(has('m'))
        .size_limit(LARGEST)
        .dfa_size_limit(CACHE)
        .build()
        .map_err(|error| {
            invalid(
                pattern,
                match error {
                    regex::Error::CompiledTooBig(_) => "it needs too much memory",
                    _ => "not a valid pattern",
                },
            )
        })
}

fn invalid(pattern: &str, reason: &str) -> QueryError {
    let pattern = crate::protocol::json::shorten(pattern);
    QueryError::new(
        QueryErrorKind::RegularExpression,
        format!("SyntaxInvalid regular expression: /{pattern}/: {reason}"),
    )
}

struct Translation<'p> {
    rest: Peekable<Chars<'p>>,
    out: String,
    unicode: bool,
    dot_all: bool,
    /// Whether groups are captured: finding without is cheaper.
    numbered: bool,
}

/// One member of a character class.
enum Member {
    Character(char),
    /// A class inside the class, as the engine writes it.
    Set(&'static str),
    /// As [`Member::Set`], for `\p{…}`.
    Property(String),
}

type Outcome<T> = Result<T, &'static str>;

impl Translation<'_> {
    fn run(&mut self) -> Outcome<()> {
        while let Some(character) = self.rest.next() {
            match character {
                '\\' => self.escape()?,
                '[' => self.class()?,
                '(' => self.group()?,
                '.' if self.dot_all => self.out.push_str("(?s:.)"),
                '.' => self.out.push_str(r"[^\n\r\u{2028}\u{2029}]"),
                '{' => self.brace(),
                '}' | ']' => self.literal(character),
                '^' | '$' | '|' | ')' | '*' | '+' | '?' => self.out.push(character),
                _ => self.literal(character),
            }
        }
        Ok(())
    }

    fn literal(&mut self, character: char) {
        if character.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(character);
    }

    fn group(&mut self) -> Outcome<()> {
        let opening = if self.numbered { "(" } else { "(?:" };
        if self.rest.next_if_eq(&'?').is_none() {
            self.out.push_str(opening);
            return Ok(());
        }
        let is_named = self.rest.peek() == Some(&'<');
        self.out.push_str(if is_named { opening } else { "(?:" });
        let look_around = "look-around is not supported";
        match self.rest.next() {
            Some(':') => Ok(()),
            Some('=' | '!') => Err(look_around),
            Some('<') if matches!(self.rest.peek(), Some('=' | '!')) => Err(look_around),
            Some('<') => self
                .rest
                .find(|character| *character == '>')
                .map(|_| ())
                .ok_or("Invalid group"),
            _ => Err("Invalid group"),
        }
    }

    /// A brace is a character unless it says how often.
    fn brace(&mut self) {
        let mut ahead = self.rest.clone();
        let mut inner = String::new();
        let closed = loop {
            match ahead.next() {
                Some('}') => break true,
                Some(character @ ('0'..='9' | ',')) if inner.len() < 24 => inner.push(character),
                _ => break false,
            }
        };
        let (least, most) = inner.split_once(',').unwrap_or((&inner, "0"));
        if closed && !least.is_empty() && !most.contains(',') {
            self.rest = ahead;
            self.out.push('{');
            self.out.push_str(&inner);
            self.out.push('}');
        } else {
            self.literal('{');
        }
    }

    fn escape(&mut self) -> Outcome<()> {
        match self.rest.peek() {
            Some('b') => self.out.push_str(r"(?-u:\b)"),
            Some('B') => self.out.push_str(r"(?-u:\B)"),
            Some('1'..='9') => return Err("back-references are not supported"),
            Some('k') if self.unicode => return Err("back-references are not supported"),
            _ => {
                match self.escaped()? {
                    Member::Character(character) => self.literal(character),
                    Member::Set(set) => self.out.push_str(set),
                    Member::Property(property) => self.out.push_str(&property),
                }
                return Ok(());
            }
        }
        self.rest.next();
        Ok(())
    }

    /// The meaning of an escape inside and outside of classes alike.
    fn escaped(&mut self) -> Outcome<Member> {
        let character = self.rest.next().ok_or(r"\ at end of pattern")?;
        Ok(match character {
            'd' => Member::Set("[0-9]"),
            'D' => Member::Set("[^0-9]"),
            'w' => Member::Set("[0-9A-Za-z_]"),
            'W' => Member::Set("[^0-9A-Za-z_]"),
            's' => Member::Set(SPACE),
            'S' => Member::Set(NO_SPACE),
            'p' | 'P' if self.unicode => Member::Property(self.property(character)?),
            _ => Member::Character(match character {
                't' => '\t',
                'n' => '\n',
                'r' => '\r',
                'v' => '\u{b}',
                'f' => '\u{c}',
                '0' => '\0',
                'c' => match self.rest.next_if(char::is_ascii_alphabetic) {
                    Some(letter) => char::from(letter as u8 % 32),
                    None => return Err("Invalid control character"),
                },
                'x' => self.hexadecimal(2).unwrap_or('x'),
                'u' => self.unit()?,
                other => other,
            }),
        })
    }

    fn property(&mut self, letter: char) -> Outcome<String> {
        if self.rest.next_if_eq(&'{').is_none() {
            return Err("Invalid property name");
        }
        let mut name = format!(r"\{letter}{{");
        for character in self.rest.by_ref() {
            match character {
                '}' => {
                    name.push('}');
                    return Ok(name);
                }
                'A'..='Z' | 'a'..='z' | '0'..='9' | '_' | '=' => name.push(character),
                _ => break,
            }
        }
        Err("Invalid property name")
    }

    fn hexadecimal(&mut self, digits: usize) -> Option<char> {
        let mut ahead = self.rest.clone();
        let code = ahead
            .by_ref()
            .take(digits)
            .map(|digit| digit.to_digit(16))
            .try_fold((0, 0), |(code, count), digit| {
                Some((code * 16 + digit?, count + 1))
            });
        let (code, count) = code?;
        let character = char::from_u32(code).filter(|_| count == digits)?;
        self.rest = ahead;
        Some(character)
    }

    /// Behind `\u`: four digits, two such units that make one character, or, with the flag, digits in braces.
    fn unit(&mut self) -> Outcome<char> {
        if self.unicode && self.rest.next_if_eq(&'{').is_some() {
            let digits: String = self
                .rest
                .by_ref()
                .take_while(|character| *character != '}')
                .collect();
            return u32::from_str_radix(&digits, 16)
                .ok()
                .and_then(char::from_u32)
                .ok_or("Invalid Unicode escape");
        }
        let rest: String = self.rest.clone().take(10).collect();
        let number = |from: usize| u16::from_str_radix(rest.get(from..from + 4)?, 16).ok();
        let (units, length) = match (number(0), rest.get(4..6), number(6)) {
            (None, ..) => return Ok('u'),
            (Some(high @ 0xd800..0xdc00), Some(r"\u"), Some(low @ 0xdc00..0xe000)) => (vec![high, low], 10),
            (Some(unit), ..) => (vec![unit], 4),
        };
        self.rest.by_ref().take(length).for_each(drop);
        char::decode_utf16(units)
            .next()
            .and_then(Result::ok)
            .ok_or("half a character cannot be found")
    }

    fn class(&mut self) -> Outcome<()> {
        let negated = self.rest.next_if_eq(&'^').is_some();
        let mut members = String::new();
        let mut previous: Option<char> = None;
        loop {
            let character = self.rest.next().ok_or("Unterminated character class")?;
            let member = match character {
                ']' => break,
                '\\' if self.rest.next_if_eq(&'b').is_some() => Member::Character('\u{8}'),
                '\\' => self.escaped()?,
                '-' if previous.is_some() && !matches!(self.rest.peek(), Some(']') | None) => {
                    let last = match self.rest.next() {
                        Some('\\') if self.rest.next_if_eq(&'b').is_some() => Member::Character('\u{8}'),
                        Some('\\') => self.escaped()?,
                        Some(character) => Member::Character(character),
                        None => return Err("Unterminated character class"),
                    };
                    let Some(first) = previous.take() else { continue };
                    match last {
                        Member::Character(last) if first <= last => {
                            push_range(&mut members, first, last);
                        }
                        Member::Character(_) => return Err("Range out of order in character class"),
                        // `[a-\d]` means an `a`, a hyphen, or a digit.
                        Member::Set(set) => {
                            push_range(&mut members, '-', '-');
                            members.push_str(set);
                        }
                        Member::Property(property) => members.push_str(&property),
                    }
                    continue;
                }
                character => Member::Character(character),
            };
            previous = None;
            match member {
                Member::Character(character) => {
                    push_range(&mut members, character, character);
                    previous = Some(character);
                }
                Member::Set(set) => members.push_str(set),
                Member::Property(property) => members.push_str(&property),
            }
        }
        match (members.is_empty(), negated) {
            (true, true) => self.out.push_str("(?s:.)"),
            (true, false) => self.out.push_str("[a&&b]"),
            (false, _) => {
                self.out.push_str(if negated { "[^" } else { "[" });
                self.out.push_str(&members);
                self.out.push(']');
            }
        }
        Ok(())
    }
}

fn push_range(out: &mut String, first: char, last: char) {
    use std::fmt::Write;
    // Writing to a String cannot fail.
    let _ = write!(out, r"\u{{{:x}}}-\u{{{:x}}}", first as u32, last as u32);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(pattern: &str, flags: &str, text: &str) -> bool {
        compile(pattern, flags)
            .unwrap_or_else(|error| panic!("{pattern}: {error}"))
            .is_match(text)
    }

    #[test]
    fn expressions_have_the_meaning_of_javascript() {
        for (pattern, flags, hits, misses) in [
            (
                r"^a.c$",
                "",
                vec!["abc"],
                vec!["a\rc", "ABC", "abcd", "a\u{2028}c"],
            ),
            (r"^a.c$", "s", vec!["a\nc"], vec![]),
            (r"^A", "i", vec!["abc"], vec!["bac"]),
            (r"^b$", "m", vec!["a\nb"], vec!["ab"]),
            (r"a{2}b{c}{", "", vec!["aab{c}{"], vec!["ab{c}{"]),
            (r"x{1,}y{,2}", "", vec!["xxy{,2}"], vec!["xyy"]),
            (r"[a-c\-.\]x-]", "", vec!["b", "-", ".", "]"], vec!["d", "\\"]),
            (r"[[&&~~]", "", vec!["[", "&", "~"], vec!["a"]),
            (r"[\w-x]", "", vec!["-", "x", "a"], vec!["é"]),
            (r"[^\d\s]", "", vec!["a"], vec!["1", " ", "\u{feff}"]),
            (r"[]", "", vec![], vec!["", "a"]),
            (r"^[^]$", "", vec!["\n"], vec![""]),
            (r"\bé", "", vec!["aé"], vec!["é"]),
            (r"\Bb", "", vec!["ab"], vec!["b"]),
            (r"\d\x41\u0042\u{43}", "u", vec!["1ABC"], vec!["٣ABC"]),
            (r"\ud83d\ude00", "", vec!["😀"], vec!["x"]),
            (r"\u{2}", "", vec!["uu"], vec!["\u{2}"]),
            (r"(?<year>\d{4})-(?:\d\d)", "", vec!["2024-01"], vec!["24-01"]),
            (r"\p{Lu}", "u", vec!["É"], vec!["é"]),
            (r"\/\-\@\cI", "", vec!["/-@\t"], vec![]),
            (r"b", "y", vec!["bc"], vec!["ab"]),
            (r"", "g", vec!["", "a"], vec![]),
        ] {
            for text in hits {
                assert!(found(pattern, flags, text), "{pattern} {flags} {text}");
            }
            for text in misses {
                assert!(!found(pattern, flags, text), "{pattern} {flags} {text}");
            }
        }
    }

    #[test]
    fn ordinary_patterns_are_small_enough() {
        for (pattern, text) in [
            (r"^.{1,255}$", "a"),
            (r"^[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})+$", "a.b@example.com"),
            (
                r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
                "8b54cba7-e11f-4bb3-bd2d-953f1fad8d0c",
            ),
            (
                r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$",
                "2023-11-14T22:13:20.000Z",
            ),
            (r"[^\s]{0,200}", ""),
        ] {
            assert!(found(pattern, "i", text), "{pattern}");
        }
    }

    #[test]
    fn wrong_and_unsupported_expressions_are_refused() {
        let huge = "a".repeat(10_000);
        let deep = "(".repeat(4000) + &")".repeat(4000);
        for (pattern, flags) in [
            ("(", ""),
            (")", ""),
            ("[a", ""),
            ("a", "k"),
            ("a", "ii"),
            ("(?=a)", ""),
            ("(?<!a)b", ""),
            (r"(a)\1", ""),
            ("[b-a]", ""),
            ("\\", ""),
            ("(?i:a)", ""),
            ("*", ""),
            ("a{1000}{1000}", ""),
            ("((a{200}){200}){200}", ""),
            (r"\ud83d", ""),
            (r"\p{Nonsense}", "u"),
            ("a{99999999999}", ""),
            (&huge, ""),
            (&deep, ""),
        ] {
            assert!(compile(pattern, flags).is_err(), "{pattern:.40}");
        }
    }

    #[test]
    fn hostile_patterns_take_linear_time() {
        let begin = std::time::Instant::now();
        let text = "a".repeat(100_000) + "!";
        for pattern in ["^(a+)+$", "^(a|a)*$", "(.*)*x", "^(([a-z])+.)+[A-Z]([a-z])+$"] {
            assert!(!found(pattern, "", &text));
        }
        assert!(begin.elapsed().as_secs() < 20);
    }
}
