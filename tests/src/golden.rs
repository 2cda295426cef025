//! Headers of the contract as they were recorded, and one as it may become.
//!
//! Enters: `tests/fixtures/golden`, and today's header. Leaves: paths of headers, sources and programs. Guarantees: a recorded
//! header is never edited; the later one is today's with fields appended to each struct, however today's has grown.

use crate::c_library::{build, workspace};
use crate::host::Folder;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The minor version of the later header.
pub const LATER_MINOR: u32 = 9;

/// A file of `tests/fixtures/golden`.
pub fn fixture(file: &str) -> PathBuf {
    workspace().join("tests/fixtures/golden").join(file)
}

/// The header of a minor version, as it was recorded.
pub fn header(minor: u32) -> PathBuf {
    fixture(&format!("mesh_plugin_1_{minor}.h"))
}

/// Writes the later header into a folder: each struct but `mesh_slice` has so many more fields of 8 bytes, the array `later`.
///
/// # Panics
///
/// When today's header has another form.
pub fn later_header(folder: &Folder, fields: usize) -> PathBuf {
    let today = workspace().join("plugin-sdk/include/mesh_plugin.h");
    let text = std::fs::read_to_string(today).expect("the header can be read");
    let mut later = String::new();
    let mut grown = 0;
    for line in text.lines() {
        if line.starts_with("#define MESH_ABI_MINOR ") {
            // Values for the first two fields.
            later += &format!("#define MESH_ABI_MINOR {LATER_MINOR}\n#define MESH_LATER 1, 2\n");
            continue;
        }
        if line.starts_with("} mesh_") && line != "} mesh_slice;" {
            later += &format!("    uint64_t later[{fields}];\n");
            grown += 1;
        }
        // The layout that is asserted there is today's.
        let is_of_layout = line.starts_with("#if defined(MESH_STATIC_ASSERT) &&");
        later += if is_of_layout { "#if 0" } else { line };
        later += "\n";
    }
    assert!(
        grown >= 10 && later.contains("MESH_LATER") && later.contains("\n#if 0\n"),
        "the header has another form than this test knows"
    );
    folder.write(&format!("mesh_plugin_later_{fields}.h"), &later)
}

/// Compiles the host that is played by a header, as a program.
///
/// # Panics
///
/// When it does not compile.
pub fn host(folder: &Folder, name: &str, header: &Path, defines: &[&str]) -> PathBuf {
    let program = folder.path().join(name);
    let mut command = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
    command
        .args(["-std=c11", "-O1", "-Wall", "-Wextra", "-Werror"])
        .arg(format!("-DHEADER={:?}", header.display().to_string()))
        .args(defines.iter().map(|define| format!("-D{define}")))
        // Libraries are to be opened by it, wherever the C library has that.
        .arg("-Wl,--no-as-needed")
        .arg("-ldl");
    build(command, &fixture("golden_host.c"), &[], &program).unwrap_or_else(|error| panic!("{error}"));
    program
}
