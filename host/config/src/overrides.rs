//! The `--set key=value` overrides.
//!
//! Enters: the text of each override. Leaves: a path of steps and a value, put into the tree of the file before it is
//! checked. So an override passes the same checks as the file. Guarantees: a mistake in an override is reported with
//! the override's own text and never with a line of the file.

use toml::de::DeValue;

use super::error::{Diagnostic, ErrorKind};
use super::keys::DEFAULT_VERSION;
use super::source::{Location, Source};
use super::suggest;
use super::tree::{self, Entry, Node, Value};

/// One override, understood but not yet applied.
pub(super) struct Override {
    at: Location,
    steps: Vec<Step>,
    value: Value,
}

enum Step {
    /// A key of a table, or the name of a component.
    Key(String),
    /// An element of an array, from 0.
    Index(usize),
}

/// Parts a key may have; as deep as TOML itself may nest.
const MOST_STEPS: usize = 64;

/// A mistake in an override.
struct Wrong {
    message: String,
    /// Advice that would help.
    help: Option<String>,
}

impl Wrong {
    fn new(message: impl Into<String>) -> Wrong {
        Wrong {
            message: message.into(),
            help: None,
        }
    }

    fn helped_by(self, help: impl Into<String>) -> Wrong {
        let help = Some(help.into());
        Wrong { help, ..self }
    }
}

/// The form of an override, as a help.
const FORM: &str = "write `key=value`, as in `happn.port=0` or `components.calc.lanes=4`";

/// Reads all overrides; those that cannot be read are reported.
pub(super) fn parse_all(texts: &[String], source: &Source) -> (Vec<Override>, Vec<Diagnostic>) {
    let mut overrides = Vec::new();
    let mut diagnostics = Vec::new();
    for (index, text) in texts.iter().enumerate() {
        let at = Location::Override(index);
        match parse(text, at) {
            Ok((steps, value)) => overrides.push(Override { at, steps, value }),
            Err(Wrong { message, help }) => {
                diagnostics.push(source.diagnostic(ErrorKind::Override, at, message, help));
            }
        }
    }
    (overrides, diagnostics)
}

/// Puts one override into the tree; returns what is wrong when it has no place there.
pub(super) fn apply(change: Override, root: &mut Node, source: &Source) -> Option<Diagnostic> {
    let Wrong { message, help } = put(root, &change.steps, change.value, change.at).err()?;
    Some(source.diagnostic(ErrorKind::Override, change.at, message, help))
}

fn parse(text: &str, at: Location) -> Result<(Vec<Step>, Value), Wrong> {
    let mut steps = Vec::new();
    let mut rest = text.trim_start();
    loop {
        if steps.len() >= MOST_STEPS {
            return Err(Wrong::new(format!("the key has more than {MOST_STEPS} parts")).helped_by(FORM));
        }
        let (key, after) = parse_key(rest)?;
        steps.push(Step::Key(key));
        rest = after;
        while let Some(inner) = rest.strip_prefix('[') {
            let (digits, after) = inner
                .split_once(']')
                .ok_or_else(|| Wrong::new("no `]` after `[`").helped_by(FORM))?;
            let index = digits.trim().parse().map_err(|_| {
                let message = format!("{} is not the number of an element", tree::quoted(digits));
                Wrong::new(message).helped_by("the first component is `components[0]`")
            })?;
            steps.push(Step::Index(index));
            if steps.len() >= MOST_STEPS {
                break;
            }
            rest = after.trim_start();
        }
        if let Some(after) = rest.strip_prefix('=') {
            return Ok((steps, parse_value(after.trim(), at)?));
        }
        let Some(after) = rest.strip_prefix('.') else {
            return Err(Wrong::new("there is no `=` and value").helped_by(FORM));
        };
        rest = after.trim_start();
    }
}

/// Takes one key, bare or in quotes, off the front; leaves the text after it.
fn parse_key(text: &str) -> Result<(String, &str), Wrong> {
    if let Some(quote) = text.chars().next().filter(|first| matches!(first, '"' | '\'')) {
        let inner = &text[quote.len_utf8()..];
        return match inner.split_once(quote) {
            Some((key, after)) => Ok((key.to_owned(), after.trim_start())),
            None => Err(Wrong::new("a quote in the key is not closed")),
        };
    }
    let end = text.find(['.', '=', '[']).unwrap_or(text.len());
    let key = text[..end].trim();
    if key.is_empty() {
        let help = "write `key=value`, as in `happn.port=0`";
        return Err(Wrong::new("the key is empty").helped_by(help));
    }
    Ok((key.to_owned(), &text[end..]))
}

/// A TOML value, or else a plain word, taken as a string so that shells need no quotes within quotes.
fn parse_value(text: &str, at: Location) -> Result<Value, Wrong> {
    match DeValue::parse(text) {
        Ok(value) => Ok(tree::node(&value, &|_| at).value),
        Err(_) if !text.starts_with(['"', '\'', '[', '{']) => Ok(Value::Text(text.to_owned())),
        Err(error) => {
            let help = "close what the first character opens, or leave out the quotes";
            Err(Wrong::new(format!("the value is not valid TOML: {}", error.message())).helped_by(help))
        }
    }
}

fn put(root: &mut Node, steps: &[Step], value: Value, at: Location) -> Result<(), Wrong> {
    let mut current = root;
    let mut path = String::new();
    for (depth, step) in steps.iter().enumerate() {
        let in_components = depth == 1 && path == "components";
        let found = current.value.type_in_words();
        current = match step {
            Step::Key(key) => match &mut current.value {
                Value::Table(entries) => {
                    let lists_components = depth == 0 && key == "components" && steps.len() > 1;
                    entry(entries, key, at, lists_components)
                }
                Value::Array(components) if in_components => component(components, key)?,
                _ => return Err(Wrong::new(format!("`{path}` is {found}, which has no keys"))),
            },
            Step::Index(index) => match &mut current.value {
                Value::Array(items) => element(items, *index, &path)?,
                _ => return Err(Wrong::new(format!("`{path}` is {found}, which has no elements"))),
            },
        };
        match step {
            Step::Key(key) if path.is_empty() => path.push_str(&tree::shown(key)),
            Step::Key(key) => path.push_str(&format!(".{}", tree::shown(key))),
            Step::Index(index) => path.push_str(&format!("[{index}]")),
        }
    }
    *current = Node { at, value };
    Ok(())
}

/// The value of a key, which is made when it is missing: an array for `components`, else a table.
fn entry<'a>(entries: &'a mut Vec<Entry>, key: &str, at: Location, lists_components: bool) -> &'a mut Node {
    let index = entries
        .iter()
        .position(|entry| entry.key == key)
        .unwrap_or_else(|| {
            let value = if lists_components {
                Value::Array(Vec::new())
            } else {
                Value::Table(Vec::new())
            };
            entries.push(Entry {
                key: key.to_owned(),
                key_at: at,
                node: Node { at, value },
            });
            entries.len() - 1
        });
    &mut entries[index].node
}

fn component<'a>(components: &'a mut [Node], name: &str) -> Result<&'a mut Node, Wrong> {
    let names: Vec<String> = components.iter().filter_map(component_name).collect();
    let named = |component: &Node| component_name(component).as_deref() == Some(name);
    let places: Vec<usize> = (0..components.len())
        .filter(|place| named(&components[*place]))
        .collect();
    match places[..] {
        [place] => Ok(&mut components[place]),
        [] => Err(no_such_component(name, &names)),
        _ => Err(ambiguous(name, components, &places)),
    }
}

fn element<'a>(items: &'a mut [Node], index: usize, path: &str) -> Result<&'a mut Node, Wrong> {
    let count = items.len();
    let missing = || Wrong::new(format!("`{path}[{index}]` does not exist")).helped_by(counted(path, count));
    items.get_mut(index).ok_or_else(missing)
}

fn counted(path: &str, count: usize) -> String {
    match count {
        0 => format!("`{path}` is empty"),
        1 => format!("`{path}` has one element, `{path}[0]`"),
        _ => format!(
            "`{path}` has {count} elements, `{path}[0]` to `{path}[{}]`",
            count - 1
        ),
    }
}

fn component_name(component: &Node) -> Option<String> {
    text_of(component, "name")
}

/// The string that a component has under a key.
fn text_of(component: &Node, key: &str) -> Option<String> {
    let Value::Table(entries) = &component.value else {
        return None;
    };
    entries
        .iter()
        .find(|entry| entry.key == key)
        .and_then(|entry| match &entry.node.value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
}

/// Several versions have one name: which of them is meant, only a place says.
fn ambiguous(name: &str, components: &[Node], places: &[usize]) -> Wrong {
    let list: Vec<String> = places
        .iter()
        .map(|place| {
            let version = text_of(&components[*place], "version");
            let version = version.unwrap_or_else(|| DEFAULT_VERSION.to_owned());
            format!("`components[{place}]` (version {})", tree::quoted(&version))
        })
        .collect();
    let message = format!(
        "there are {} components named {}",
        places.len(),
        tree::quoted(name)
    );
    let help = format!("say which by its place in the file: {}", list.join(", "));
    Wrong::new(message).helped_by(help)
}

fn no_such_component(name: &str, names: &[String]) -> Wrong {
    let list = names
        .iter()
        .map(|name| tree::shown(name))
        .collect::<Vec<_>>()
        .join(", ");
    let message = format!("there is no component named {}", tree::quoted(name));
    let help = match suggest::nearest(name, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{}`? components: {list}", tree::shown(near)),
        None if names.is_empty() => "the configuration has no components".to_owned(),
        None => format!("components: {list}"),
    };
    Wrong::new(message).helped_by(help)
}
