//! The C header says the same as this crate, and neither moves by accident.
//!
//! Enters: the crate's types and `include/mesh_plugin.h`. Leaves: a failed test that names the struct, field or
//! constant that differs. Guarantees, as far as a C compiler is there: every struct has the same size, alignment,
//! fields, offsets and field types in both languages. Every constant has the same value. None exists on one side
//! only. The header compiles as C99, C11 and C++17 without a warning. And without any compiler: the layout on 64-bit
//! machines is the one frozen in [`FROZEN`]. So a change of the contract is an edit there in the same commit.
//!
//! A machine without `cc` or `c++` skips what needs them and says so; where the variable `CI` is set that is a failure.

mod constants;

use constants::{C_ONLY, FIRST_SIZES, FROZEN, NUMBERS, RUST_ONLY, SOURCES, TEXTS};
use core::ffi::c_void;
use core::mem::{align_of, offset_of, size_of};
use mesh_plugin_abi as abi;
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// A struct of the contract as Rust lays it out.
struct Layout {
    /// Its name in C.
    name: &'static str,
    size: usize,
    align: usize,
    fields: Vec<Field>,
}

/// A field of a struct of the contract.
struct Field {
    name: &'static str,
    offset: usize,
    size: usize,
    /// The C type of a pointer to the field.
    pointer: String,
}

/// A Rust type of the contract, written in C.
trait InC {
    /// A declaration of `declarator` with this type, such as `uint32_t *` for the declarator `*`.
    fn declare(declarator: &str) -> String;
}

macro_rules! named_in_c {
    ($($rust:ty => $c:literal),* $(,)?) => {
        $(impl InC for $rust {
            fn declare(declarator: &str) -> String {
                format!("{} {declarator}", $c)
            }
        })*
    };
}

named_in_c! {
    () => "void",
    c_void => "void",
    u8 => "uint8_t",
    u16 => "uint16_t",
    u32 => "uint32_t",
    u64 => "uint64_t",
    i32 => "int32_t",
    i64 => "int64_t",
    usize => "size_t",
    abi::Slice => "mesh_slice",
    abi::Work => "mesh_work",
    abi::Host => "mesh_host",
    abi::Vtable => "mesh_vtable",
    abi::Component => "mesh_component",
    abi::Request => "mesh_request",
}

impl<T: InC> InC for *const T {
    fn declare(declarator: &str) -> String {
        T::declare(&format!("const *{declarator}"))
    }
}

impl<T: InC> InC for *mut T {
    fn declare(declarator: &str) -> String {
        T::declare(&format!("*{declarator}"))
    }
}

impl<T: InC, const LENGTH: usize> InC for [T; LENGTH] {
    fn declare(declarator: &str) -> String {
        T::declare(&format!("({declarator})[{LENGTH}]"))
    }
}

impl<T: InC> InC for Option<T> {
    fn declare(declarator: &str) -> String {
        T::declare(declarator)
    }
}

macro_rules! functions_in_c {
    ($(($($argument:ident)*))*) => {
        $(impl<Result: InC, $($argument: InC),*> InC for unsafe extern "C" fn($($argument),*) -> Result {
            fn declare(declarator: &str) -> String {
                let arguments: &[String] = &[$($argument::declare("")),*];
                let arguments = if arguments.is_empty() { "void".to_owned() } else { arguments.join(", ") };
                Result::declare(&format!("(*{declarator})({arguments})"))
            }
        })*
    };
}

functions_in_c! {
    () (A) (A B) (A B C) (A B C D) (A B C D E) (A B C D E F) (A B C D E F G) (A B C D E F G H)
}

/// Describes one field; the projection tells the compiler its type.
fn field<Struct, Type: InC>(name: &'static str, offset: usize, _project: fn(&Struct) -> &Type) -> Field {
    Field {
        name,
        offset,
        size: size_of::<Type>(),
        pointer: Type::declare("*"),
    }
}

macro_rules! layouts {
    ($($rust:ident = $c:literal { $($field:ident),* $(,)? })*) => {
        /// All structs of the contract. Does not compile when a field is missing in the list.
        fn layouts() -> Vec<Layout> {
            $({
                #[allow(clippy::no_effect_underscore_binding)]
                fn _all_fields_are_listed(value: abi::$rust) {
                    let abi::$rust { $($field: _),* } = value;
                }
            })*
            vec![$(Layout {
                name: $c,
                size: size_of::<abi::$rust>(),
                align: align_of::<abi::$rust>(),
                fields: vec![$(field(
                    stringify!($field),
                    offset_of!(abi::$rust, $field),
                    |value: &abi::$rust| &value.$field,
                )),*],
            }),*]
        }
    };
}

layouts! {
    Slice = "mesh_slice" { data, length }
    Work = "mesh_work" {
        struct_size, kind, token, status, deadline_milliseconds, method, reserved, target, payload, origin,
    }
    Host = "mesh_host" {
        struct_size, abi_major, abi_minor, context, complete, fail, log, wake, take, lane_descriptor, get_extension,
    }
    Vtable = "mesh_vtable" { struct_size, reserved, create, work, run, destroy }
    Component = "mesh_component" {
        magic, struct_size, abi_major, abi_minor, minimum_host_abi_minor, reserved, sdk, name, version, descriptor,
        vtable, get_extension,
    }
    ExchangeExtension = "mesh_exchange_extension" { struct_size, reserved, call }
    EventsExtension = "mesh_events_extension" { struct_size, reserved, emit, subscribe, unsubscribe }
    DataExtension = "mesh_data_extension" { struct_size, reserved, set, get, remove }
    TimerExtension = "mesh_timer_extension" { struct_size, reserved, after }
    DelegationExtension = "mesh_delegation_extension" { struct_size, reserved, act_for }
    HttpExtension = "mesh_http_extension" { struct_size, reserved, respond }
    Request = "mesh_request" { struct_size, lane, call, event, token, traceparent }
    Exchange2Extension = "mesh_exchange_2_extension" { struct_size, reserved, call, cancel }
    Events2Extension = "mesh_events_2_extension" { struct_size, reserved, emit, subscribe, unsubscribe }
    Data2Extension = "mesh_data_2_extension" { struct_size, reserved, set, get, remove, cancel }
    Timer2Extension = "mesh_timer_2_extension" { struct_size, reserved, after, cancel }
}

fn include_directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../include")
}

/// A path for something that only this test writes.
fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()))
}

/// Runs a compiler. `None` when the machine has none, which is a failure where the variable `CI` is set.
fn run_compiler(compiler: &str, arguments: &[&str], source: &Path, output: &Path) -> Option<Output> {
    let mut command = Command::new(compiler);
    command
        .args(arguments)
        .arg("-I")
        .arg(include_directory())
        .arg("-o")
        .arg(output)
        .arg(source);
    match command.output() {
        Ok(output) => Some(output),
        Err(error) if std::env::var_os("CI").is_none() => {
            eprintln!(
                "SKIPPED: no compiler `{compiler}` on this machine ({error}); the C header was not checked"
            );
            None
        }
        Err(error) => panic!("cannot run the compiler `{compiler}`: {error}"),
    }
}

/// A C program that does not compile when a field has another type than in Rust, and prints the rest.
fn program(layouts: &[Layout]) -> String {
    let mut checks = String::new();
    let mut prints = String::new();
    for Layout { name, fields, .. } in layouts {
        writeln!(
            prints,
            "    printf(\"{name} %zu %zu\\n\", sizeof({name}), _Alignof({name}));"
        )
        .unwrap();
        for Field {
            name: field, pointer, ..
        } in fields
        {
            writeln!(
                checks,
                "_Static_assert(_Generic(&(({name} *)0)->{field}, {pointer}: 1, default: 0), \
                 \"{name}.{field} is declared otherwise in Rust: a pointer to it is {pointer}\");"
            )
            .unwrap();
            writeln!(
                prints,
                "    printf(\"{name}.{field} %zu %zu\\n\", offsetof({name}, {field}), sizeof((({name} *)0)->{field}));"
            )
            .unwrap();
        }
    }
    let entry = <abi::EntryFunction as InC>::declare("");
    writeln!(
        checks,
        "_Static_assert(_Generic(&mesh_component_entry, {entry}: 1, default: 0), \"the entry function is {entry}\");"
    )
    .unwrap();
    let token = <abi::Token as InC>::declare("*");
    writeln!(
        checks,
        "_Static_assert(_Generic((mesh_token *)0, {token}: 1, default: 0), \"mesh_token\");"
    )
    .unwrap();
    for (name, _, value) in NUMBERS {
        // The magic number is the only one beyond the range of int.
        if *name == "MESH_MAGIC" {
            writeln!(
                prints,
                "    printf(\"{name} %\" PRIu64 \"\\n\", (uint64_t){name});"
            )
            .unwrap();
        } else {
            assert!(i32::try_from(*value).is_ok(), "{name} does not fit an int");
            writeln!(prints, "    printf(\"{name} %d\\n\", {name});").unwrap();
        }
    }
    for (name, ..) in TEXTS {
        writeln!(prints, "    printf(\"{name} %s\\n\", {name});").unwrap();
    }
    for size in FIRST_SIZES {
        writeln!(prints, "    printf(\"{0} %zu\\n\", {0});", size.in_c).unwrap();
    }
    format!(
        "#include \"mesh_plugin.h\"\n#include <inttypes.h>\n#include <stdio.h>\n{checks}int main(void) {{\n{prints}    \
         return 0;\n}}\n"
    )
}

/// The text that [`program`] must print.
fn expectation(layouts: &[Layout]) -> String {
    let mut text = String::new();
    for Layout {
        name,
        size,
        align,
        fields,
    } in layouts
    {
        writeln!(text, "{name} {size} {align}").unwrap();
        for Field {
            name: field,
            offset,
            size,
            ..
        } in fields
        {
            writeln!(text, "{name}.{field} {offset} {size}").unwrap();
        }
    }
    NUMBERS
        .iter()
        .for_each(|(name, _, value)| writeln!(text, "{name} {value}").unwrap());
    TEXTS
        .iter()
        .for_each(|(name, _, value)| writeln!(text, "{name} {value}").unwrap());
    FIRST_SIZES
        .iter()
        .for_each(|size| writeln!(text, "{} {}", size.in_c, size.value).unwrap());
    text
}

#[test]
fn the_header_has_the_same_layout_types_and_constants() {
    let layouts = layouts();
    let (source, binary) = (scratch("drift").with_extension("c"), scratch("drift"));
    std::fs::write(&source, program(&layouts)).unwrap();
    let flags = ["-std=c11", "-Wall", "-Wextra", "-Werror", "-pedantic"];
    let Some(compiled) = run_compiler("cc", &flags, &source, &binary) else {
        return;
    };
    assert!(
        compiled.status.success(),
        "{}",
        String::from_utf8_lossy(&compiled.stderr)
    );
    let printed = Command::new(&binary).output().unwrap();
    assert!(printed.status.success());
    let (printed, expected) = (String::from_utf8(printed.stdout).unwrap(), expectation(&layouts));
    for (in_c, in_rust) in printed.lines().zip(expected.lines()) {
        assert_eq!(in_c, in_rust, "the header (left) and the crate (right) differ");
    }
    assert_eq!(printed.lines().count(), expected.lines().count());
    for file in [source, binary] {
        let _ = std::fs::remove_file(file);
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_header_has_no_field_that_the_crate_lacks() {
    // A field of C alone would show as a hole, since sizes and offsets agree. So holes are filled with reserved
    // fields, and none is allowed.
    for Layout {
        name, size, fields, ..
    } in layouts()
    {
        let mut end = 0;
        for field in &fields {
            assert_eq!(
                field.offset, end,
                "there is a hole before {name}.{}: fill it with reserved bytes",
                field.name
            );
            end = field.offset + field.size;
        }
        assert_eq!(
            end, size,
            "{name} has a hole at its end: fill it with reserved bytes"
        );
    }
}

#[test]
fn no_struct_is_left_out_of_the_frozen_layout() {
    let header = std::fs::read_to_string(include_directory().join("mesh_plugin.h")).unwrap();
    let in_header: BTreeSet<&str> = header
        .lines()
        .filter_map(|line| line.strip_prefix("typedef struct "))
        .filter_map(|rest| rest.split(' ').next())
        .collect();
    let frozen: BTreeSet<&str> = FROZEN.iter().map(|(name, ..)| *name).collect();
    assert_eq!(
        in_header, frozen,
        "structs of the header (left) and of the frozen layout (right)"
    );
    let in_crate: usize = SOURCES
        .iter()
        .map(|source| source.lines().filter(|line| line.starts_with("#[repr(C")).count())
        .sum();
    assert_eq!(
        in_crate,
        frozen.len(),
        "structs of the crate (left) and of the frozen layout (right)"
    );
}

#[test]
fn no_constant_exists_on_one_side_only() {
    let header = std::fs::read_to_string(include_directory().join("mesh_plugin.h")).unwrap();
    let in_header: BTreeSet<&str> = header
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("#define "))
        .map(|rest| rest.split([' ', '(']).next().unwrap_or(rest))
        .filter(|name| name.starts_with("MESH_") && !C_ONLY.contains(name))
        .collect();
    let known = NUMBERS
        .iter()
        .map(|(name, ..)| *name)
        .chain(TEXTS.iter().map(|(name, ..)| *name))
        .chain(FIRST_SIZES.iter().map(|size| size.in_c));
    assert_eq!(
        in_header,
        known.collect(),
        "constants of the header (left) and of this test (right)"
    );

    let mut in_crate: Vec<&str> = SOURCES
        .iter()
        .flat_map(|source| source.lines())
        .filter_map(|line| line.trim_start().strip_prefix("pub const "))
        .filter(|rest| !rest.starts_with("fn ") && !rest.starts_with("unsafe "))
        .filter_map(|rest| rest.split(':').next())
        .filter(|name| !RUST_ONLY.contains(name))
        .collect();
    let mut known: Vec<&str> = NUMBERS
        .iter()
        .map(|(_, name, _)| *name)
        .chain(TEXTS.iter().map(|(_, name, _)| *name))
        .chain(FIRST_SIZES.iter().map(|size| size.in_rust))
        .collect();
    in_crate.sort_unstable();
    known.sort_unstable();
    assert_eq!(
        in_crate, known,
        "constants of the crate (left) and of this test (right)"
    );
}

#[test]
fn the_header_compiles_without_a_warning() {
    let use_everything = "\
#include \"mesh_plugin.h\"
#include \"mesh_plugin.h\"
static const mesh_slice name = MESH_TEXT_INITIALIZER(\"name\");
int main(void) {
    mesh_work items[2] = {{sizeof(mesh_work), MESH_WORK_CALL, 1, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}},
                          {sizeof(mesh_work), MESH_WORK_STOP, 2, 0, 0, 0, 0, {NULL, 0}, {NULL, 0}, {NULL, 0}}};
    int right = mesh_equal(name, mesh_text(\"name\")) && !mesh_equal(name, mesh_empty())
        && mesh_has_field(sizeof(mesh_host), mesh_host, get_extension)
        && !mesh_has_field(sizeof(mesh_host) - 1, mesh_host, get_extension)
        && mesh_work_at(items, 1) == &items[1] && mesh_work_at(items, 1)->kind == MESH_WORK_STOP
        && mesh_work_next(items) == &items[1] && mesh_work_is_readable(items);
    items[0].struct_size = (uint32_t)MESH_WORK_SIZE_1_0 - 8;
    right = right && !mesh_work_is_readable(items);
    items[0].struct_size = (uint32_t)MESH_WORK_SIZE_1_0 + 1;
    right = right && !mesh_work_is_readable(items);
    return right ? 0 : 1;
}
";
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"];
    for (compiler, standard, extension) in [
        ("cc", "-std=c99", "c"),
        ("cc", "-std=c11", "c"),
        ("cc", "-std=c17", "c"),
        ("c++", "-std=c++17", "cpp"),
    ] {
        let name = format!("strict{standard}");
        let (source, binary) = (scratch(&name).with_extension(extension), scratch(&name));
        std::fs::write(&source, use_everything).unwrap();
        let arguments: Vec<&str> = strict.iter().copied().chain([standard]).collect();
        let Some(compiled) = run_compiler(compiler, &arguments, &source, &binary) else {
            continue;
        };
        let messages = String::from_utf8_lossy(&compiled.stderr);
        assert!(
            compiled.status.success() && messages.is_empty(),
            "{compiler} {standard}: {messages}"
        );
        assert!(
            Command::new(&binary).status().unwrap().success(),
            "{compiler} {standard}: a helper is wrong"
        );
        for file in [source, binary] {
            let _ = std::fs::remove_file(file);
        }
    }
}

#[test]
#[cfg(target_pointer_width = "64")]
fn the_layout_on_64_bit_machines_is_frozen() {
    let layouts = layouts();
    assert_eq!(layouts.len(), FROZEN.len(), "a struct was added or removed");
    for (layout, (name, size, align, fields)) in layouts.iter().zip(FROZEN) {
        assert_eq!(layout.name, *name);
        let actual: Vec<_> = layout
            .fields
            .iter()
            .map(|field| (field.name, field.offset))
            .collect();
        assert_eq!(
            actual, *fields,
            "the fields of {name} moved: that is a new major version of the ABI"
        );
        assert_eq!(
            (layout.size, layout.align),
            (*size, *align),
            "the size of {name} changed: raise ABI_MINOR"
        );
    }
}
