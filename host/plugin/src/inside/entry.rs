//! The entry function of a library, asked twice.
//!
//! Enters: a library. Leaves: its descriptor as it is written, and how far its description is one that is static. Guarantees: the
//! library is opened on a thread of its own, and stays in memory: who asks is a process that ends soon.

use crate::ffi::interpose::{Object, Owner};
use crate::ffi::library::{ComponentTable, Library};
use crate::ffi::memory::reuse_freed;
use crate::stage::Stage;
use crate::{LANE_STACK, LoadError, LoadErrorKind};
use mesh_plugin_abi as abi;
use std::path::Path;
use std::thread;

/// Blocks of memory are looked for that are longer than a part by less than this.
const ROOM: usize = 512;

/// The answers of an entry function.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The descriptor, unchecked.
    pub descriptor: Vec<u8>,
    /// Parts of the description that are others at the second call, or since then.
    pub changed: Vec<&'static str>,
    /// Whether the second call returned the same description.
    pub is_same: bool,
    /// Parts that lie in no file, as memory does that was allocated.
    pub allocated: Vec<&'static str>,
}

/// A part of a description: its name, its bytes, and where they lie.
struct Part {
    name: &'static str,
    bytes: Vec<u8>,
    place: usize,
    /// How many bytes lie there.
    length: usize,
}

impl Entry {
    /// Opens a library and calls its entry function twice. Memory that it has freed is used for something else between the two, and
    /// `between` is called.
    ///
    /// # Errors
    ///
    /// The library cannot be opened, or one of the two calls returns no description.
    pub fn ask(library: &Path, stage: &Stage, between: impl FnOnce() + Send) -> Result<Entry, LoadError> {
        let asking = || {
            Owner::new().enter();
            ask(library, stage, between)
        };
        thread::scope(|scope| {
            let lane = thread::Builder::new()
                .name("entry".to_owned())
                .stack_size(LANE_STACK)
                .spawn_scoped(scope, asking);
            match lane.map(|lane| lane.join()) {
                Ok(Ok(asked)) => asked,
                _ => Err(LoadError::new(
                    LoadErrorKind::Resources,
                    format!("{} could not be asked on a thread of its own", library.display()),
                )),
            }
        })
    }
}

fn ask(path: &Path, stage: &Stage, between: impl FnOnce()) -> Result<Entry, LoadError> {
    let shown = path.display().to_string();
    let staged = stage.copy(path)?;
    let library = Library::open(staged.path(), staged.mark(), &shown)
        .map_err(|error| staged.named_as_original(error))?;
    let first = library.component(&shown)?;
    let before = parts(&library, &first);
    between();
    // A block may be longer than what lies in it.
    reuse_freed(
        before
            .iter()
            .flat_map(|part| (part.length..part.length + ROOM).step_by(16)),
    );
    let second = library.component(&shown).map_err(|error| {
        LoadError::new(
            error.kind(),
            format!("at the second call of its entry function: {error}"),
        )
    })?;
    let mut changed = Vec::new();
    for table in [&second, &first] {
        let now = parts(&library, table);
        let differ = before
            .iter()
            .zip(&now)
            .filter(|(before, now)| before.bytes != now.bytes);
        changed.extend(differ.map(|(before, _)| before.name));
    }
    changed.sort_unstable();
    changed.dedup();
    let is_allocated = |part: &&Part| !part.bytes.is_empty() && Object::of(part.place).is_none();
    Ok(Entry {
        changed,
        is_same: first.address() == second.address(),
        allocated: before.iter().filter(is_allocated).map(|part| part.name).collect(),
        descriptor: library.description(&first).descriptor.to_vec(),
    })
}

/// The parts of a description, always in the same order.
fn parts(library: &Library, table: &ComponentTable) -> Vec<Part> {
    let says = library.description(table);
    let text = |name, bytes: &[u8]| Part {
        name,
        bytes: bytes.to_vec(),
        place: bytes.as_ptr().addr(),
        length: bytes.len(),
    };
    let functions = table.functions().addresses();
    vec![
        Part {
            name: "description",
            // The numbers in it.
            bytes: table
                .numbers()
                .iter()
                .flat_map(|number| number.to_le_bytes())
                .collect(),
            place: table.address(),
            length: abi::COMPONENT_SIZE_1_0,
        },
        Part {
            name: "table of functions",
            bytes: functions
                .iter()
                .flat_map(|address| address.to_le_bytes())
                .collect(),
            place: table.address_of_functions(),
            length: abi::VTABLE_SIZE_1_0,
        },
        text("name", says.name),
        text("version", says.version),
        text("sdk", says.sdk),
        text("descriptor", says.descriptor),
    ]
}
