//! `mesh new`: a component, in Rust, C or C++, that builds and loads as it is.

use super::CommandError;
use crate::terminal;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

/// Options of `mesh new`.
#[derive(clap::Args)]
#[command(after_help = "\
Example:
    mesh new greeter
    cd greeter && cargo build --release && mesh run
    mesh call greeter/greet '\"World\"'

    mesh run --dev      # builds by itself, now and whenever a source is saved

    mesh new greeter --language c
    cd greeter && make && mesh run

    mesh new greeter --language cpp
    cd greeter && make && mesh run")]
pub struct Arguments {
    /// The folder's name: lower-case letters, digits and dashes. The component is named after it, `my-shop` becomes
    /// `myShop`.
    #[arg(value_name = "NAME")]
    name: String,
    /// The language to write it in. C and C++ need nothing but a compiler; the headers come along.
    #[arg(long, value_enum, default_value_t = Language::Rust)]
    language: Language,
    /// For Rust, the folder of the plugin SDK. Found by itself in this folder or above it, or above the `mesh` executable.
    #[arg(long, value_name = "FOLDER")]
    sdk: Option<PathBuf>,
}

/// The languages that a component can be written in.
#[derive(Clone, Copy, clap::ValueEnum)]
enum Language {
    /// A crate that uses the plugin SDK.
    Rust,
    /// One source file, a Makefile and the header of the contract.
    C,
    /// One source file in C++17, a Makefile and the headers of the layer for C++.
    Cpp,
}

const RUST_FILES: [(&str, &str); 3] = [
    ("Cargo.toml", include_str!("template/Cargo.toml.txt")),
    ("src/lib.rs", include_str!("template/lib.rs.txt")),
    ("mesh.toml", include_str!("template/mesh.toml.txt")),
];

const C_FILES: [(&str, &str); 4] = [
    ("component.c", include_str!("template/c/component.c.txt")),
    (
        "mesh_plugin.h",
        include_str!("../../../plugin-sdk/include/mesh_plugin.h"),
    ),
    ("Makefile", include_str!("template/c/Makefile.txt")),
    ("mesh.toml", include_str!("template/c/mesh.toml.txt")),
];

/// Makes an entry for each file of the layer for C++.
macro_rules! headers {
    ($($file:literal),* $(,)?) => {
        [$((
            concat!("mesh/", $file),
            include_str!(concat!("../../../plugin-sdk/cpp/mesh/", $file)),
        )),*]
    };
}

const CPP_FILES: [(&str, &str); 4] = [
    ("component.cpp", include_str!("template/cpp/component.cpp.txt")),
    (
        "mesh_plugin.h",
        include_str!("../../../plugin-sdk/include/mesh_plugin.h"),
    ),
    ("Makefile", include_str!("template/cpp/Makefile.txt")),
    ("mesh.toml", include_str!("template/c/mesh.toml.txt")),
];

const CPP_HEADERS: [(&str, &str); 10] = headers!(
    "call.hpp",
    "component.map",
    "convert.hpp",
    "description.hpp",
    "error.hpp",
    "host.hpp",
    "json.hpp",
    "json_text.hpp",
    "link.hpp",
    "plugin.hpp",
);

/// Runs the command.
pub async fn run(arguments: Arguments) -> Result<(), CommandError> {
    let name = arguments.name;
    let legal =
        |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
    if !name.starts_with(|first: char| first.is_ascii_lowercase())
        || !name.chars().all(legal)
        || name.ends_with('-')
    {
        return Err(CommandError::usage(format!(
            "{name:?} cannot be the name of a component's folder: write lower-case letters, digits and dashes, such as `my-shop`"
        )));
    }
    let (files, build, sdk) = match arguments.language {
        Language::Rust => (
            &RUST_FILES[..],
            "cargo build --release",
            sdk(arguments.sdk.as_deref())?,
        ),
        Language::C | Language::Cpp if arguments.sdk.is_some() => {
            return Err(CommandError::usage(
                "--sdk is for Rust: a component in C or C++ needs its headers only, and gets copies",
            ));
        }
        Language::C => (&C_FILES[..], "make", PathBuf::new()),
        Language::Cpp => (&CPP_FILES[..], "make", PathBuf::new()),
    };
    let headers = match arguments.language {
        Language::Cpp => &CPP_HEADERS[..],
        Language::Rust | Language::C => &[],
    };
    let folder = PathBuf::from(&name);
    if folder.exists() {
        return Err(CommandError::failed(format!(
            "{name} exists already; nothing was changed"
        )));
    }
    let component = camel_case(&name);
    let library = format!("lib{}.so", name.replace('-', "_"));
    for (file, template) in files.iter().chain(headers) {
        let path = folder.join(file);
        let text = template
            .replace("@NAME@", &name)
            .replace("@COMPONENT@", &component)
            .replace("@LIBRARY@", &library)
            .replace("@SDK@", &sdk.to_string_lossy());
        write(&path, &text)
            .map_err(|error| CommandError::failed(format!("cannot write {}: {error}", path.display())))?;
    }
    writeln!(
        terminal::output(),
        "{name}: component {component}\n\n    cd {name} && {build} && mesh run\n\nor, while you write it, so that saving is enough:\n\n    cd {name} && mesh run --dev\n\nthen, from another terminal:\n\n    mesh call {component}/greet World"
    )?;
    Ok(())
}

/// The folder of the SDK: the one that was named, or the one that is near.
fn sdk(named: Option<&Path>) -> Result<PathBuf, CommandError> {
    match named {
        Some(folder) if is_sdk(folder) => absolute(folder),
        Some(folder) => Err(CommandError::usage(format!(
            "{} is not the folder of the plugin SDK",
            folder.display()
        ))),
        None => find_sdk(),
    }
}

fn write(path: &Path, text: &str) -> std::io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, text)
}

fn camel_case(name: &str) -> String {
    let mut words = name.split('-');
    let mut out = words.next().unwrap_or_default().to_owned();
    for word in words {
        let mut characters = word.chars();
        out.extend(characters.next().map(|first| first.to_ascii_uppercase()));
        out.extend(characters);
    }
    out
}

fn is_sdk(folder: &Path) -> bool {
    fs::read_to_string(folder.join("Cargo.toml"))
        .is_ok_and(|text| text.contains("name = \"mesh-plugin-sdk\""))
}

fn absolute(folder: &Path) -> Result<PathBuf, CommandError> {
    fs::canonicalize(folder)
        .map_err(|error| CommandError::failed(format!("cannot look at {}: {error}", folder.display())))
}

/// Looks for the SDK from this folder upwards, then from the executable's folder upwards.
fn find_sdk() -> Result<PathBuf, CommandError> {
    let here = std::env::current_dir().ok();
    let executable = std::env::current_exe().ok();
    let found = [here.as_deref(), executable.as_deref()]
        .into_iter()
        .flatten()
        .flat_map(Path::ancestors)
        .map(|folder| folder.join("plugin-sdk"))
        .find(|folder| is_sdk(folder));
    match found {
        Some(folder) => absolute(&folder),
        None => Err(CommandError::usage(
            "the plugin SDK was not found near this folder or the `mesh` executable: name its folder with `--sdk FOLDER`",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_components_are_checked() {
        assert_eq!(camel_case("greeter"), "greeter");
        assert_eq!(camel_case("my-web-shop2"), "myWebShop2");
    }

    #[test]
    fn all_headers_for_cpp_come_along() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugin-sdk/cpp/mesh");
        let mut there: Vec<String> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| format!("mesh/{}", entry.unwrap().file_name().to_string_lossy()))
            .collect();
        there.sort_unstable();
        let copied: Vec<&str> = CPP_HEADERS.iter().map(|(file, _)| *file).collect();
        assert_eq!(copied, there);
    }
}
