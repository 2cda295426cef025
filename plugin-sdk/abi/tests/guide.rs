//! The examples in C of the guide compile.
//!
//! Enters: `docs/plugins-c.md`. Leaves: the warnings of a strict compiler about each block marked as C. Guarantees:
//! each block stands for itself, as a reader would copy it.

use std::path::{Path, PathBuf};
use std::process::Command;

#[test]
fn each_example_in_c_compiles_without_a_warning() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(folder.join("../../docs/plugins-c.md")).unwrap();
    let examples: Vec<&str> = guide
        .split("\n```c\n")
        .skip(1)
        .map(|rest| rest.split("\n```\n").next().unwrap())
        .collect();
    assert!(!examples.is_empty(), "the guide has no example in C");
    for (number, example) in examples.iter().enumerate() {
        let name = format!("guide-{number}-{}", std::process::id());
        let source: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(name)
            .with_extension("c");
        std::fs::write(&source, example).unwrap();
        for standard in ["-std=c99", "-std=c11", "-std=c17"] {
            // An example shows functions that something else calls.
            let compiled = Command::new("cc")
                .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"])
                .args(["-Wno-unused-function", standard, "-I"])
                .arg(folder.join("../include"))
                .arg(&source)
                .output();
            let compiled = match compiled {
                Ok(compiled) => compiled,
                Err(error) if std::env::var_os("CI").is_none() => {
                    eprintln!(
                        "SKIPPED: no compiler `cc` on this machine ({error}); the guide was not checked"
                    );
                    break;
                }
                Err(error) => panic!("cannot run the compiler `cc`: {error}"),
            };
            let messages = String::from_utf8_lossy(&compiled.stderr);
            assert!(compiled.status.success(), "{standard}: {messages}\n{example}");
        }
        let _ = std::fs::remove_file(source);
    }
}
