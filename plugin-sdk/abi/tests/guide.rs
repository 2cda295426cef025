//! The examples in C and C++ of the guides compile.
//!
//! Enters: `docs/plugins-c.md` and `docs/plugins-cpp.md`. Leaves: what a strict compiler says of each block marked as C
//! or C++. Guarantees: each block stands for itself, as a reader would copy it.

use std::path::{Path, PathBuf};
use std::process::Command;

/// The examples of one guide.
struct Guide {
    page: &'static str,
    /// How blocks are marked, and how files of the language end.
    language: &'static str,
    compiler: &'static str,
    standards: &'static [&'static str],
}

#[test]
fn each_example_in_c_compiles_without_a_warning() {
    compile_examples(&Guide {
        page: "plugins-c.md",
        language: "c",
        compiler: "cc",
        standards: &["-std=c99", "-std=c11", "-std=c17"],
    });
}

#[test]
fn each_example_in_cpp_compiles_without_a_warning() {
    compile_examples(&Guide {
        page: "plugins-cpp.md",
        language: "cpp",
        compiler: "c++",
        standards: &["-std=c++17"],
    });
}

fn compile_examples(guide: &Guide) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(folder.join("../../docs").join(guide.page)).unwrap();
    let examples: Vec<&str> = text
        .split(&format!("\n```{}\n", guide.language))
        .skip(1)
        .map(|rest| rest.split("\n```\n").next().unwrap())
        .collect();
    assert!(!examples.is_empty(), "{} has no example", guide.page);
    for (number, example) in examples.iter().enumerate() {
        let name = format!("guide-{number}-{}", std::process::id());
        let source: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(name)
            .with_extension(guide.language);
        std::fs::write(&source, example).unwrap();
        for standard in guide.standards {
            // An example shows functions that something else calls.
            let compiled = Command::new(guide.compiler)
                .args(["-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-pedantic"])
                .args(["-Wno-unused-function", standard, "-I"])
                .arg(folder.join("../include"))
                .arg("-I")
                .arg(folder.join("../cpp"))
                .arg(&source)
                .output();
            let compiled = match compiled {
                Ok(compiled) => compiled,
                Err(error) if std::env::var_os("CI").is_none() => {
                    eprintln!(
                        "SKIPPED: no compiler `{}` on this machine ({error}); {} was not checked",
                        guide.compiler, guide.page
                    );
                    break;
                }
                Err(error) => panic!("cannot run the compiler `{}`: {error}", guide.compiler),
            };
            let messages = String::from_utf8_lossy(&compiled.stderr);
            assert!(compiled.status.success(), "{standard}: {messages}\n{example}");
        }
        let _ = std::fs::remove_file(source);
    }
}
