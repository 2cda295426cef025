//! Any input gives a result.

use super::*;

/// A small generator of numbers that look random and are the same in each run.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % 0xffff_ffff).unwrap_or(0) % bound.max(1)
    }
}

/// Parses and, where that fails, prints: both must not panic.
fn survives(text: &str, overrides: &[String]) {
    match Config::parse(text, Path::new("mesh.toml"), overrides) {
        Ok(config) => assert!(!format!("{config:?}").is_empty()),
        Err(error) => {
            assert!(error.diagnostics().count() > 0);
            for diagnostic in error.diagnostics() {
                assert_eq!(diagnostic.line.is_some(), diagnostic.column.is_some());
                assert!(!diagnostic.message.contains('\n'), "{diagnostic}");
            }
            let printed = error.to_string();
            assert!(
                !printed.contains(|letter: char| letter.is_control() && !matches!(letter, '\n' | '\t')),
                "{printed:?}"
            );
        }
    }
}

#[test]
fn random_bytes_never_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..4_000 {
        let bytes: Vec<u8> = (0..numbers.below(80))
            .map(|_| numbers.below(256).to_le_bytes()[0])
            .collect();
        let text = String::from_utf8_lossy(&bytes);
        survives(&text, &[text.to_string()]);
    }
}

#[test]
fn random_pieces_of_configurations_never_panic() {
    const PIECES: &[&str] = &[
        "name",
        "happn",
        "components",
        "config",
        "admin_password",
        "security",
        "lanes",
        "port",
        "=",
        "=",
        " ",
        ".",
        "\n",
        "\r\n",
        "\n",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        "\"",
        "'",
        "\"\"\"",
        "#",
        "5",
        "-1",
        "nan",
        "1e999",
        "é",
        "名",
        "\u{1f980}",
        "\u{feff}",
        "\t",
        "\u{7}",
        "\\",
        "true",
        "2026-01-01",
        "0x",
        "\r",
        "*",
        "/",
        "\"x\"",
        "name = \"x\"\n",
        "[[components]]\n",
        "[happn]\n",
        "library = \"a\"\n",
        "[security]\n",
    ];
    let mut numbers = Numbers(42);
    for _ in 0..20_000 {
        let mut piece = |most: usize| -> String {
            (0..numbers.below(most))
                .map(|_| PIECES[numbers.below(PIECES.len())])
                .collect()
        };
        let text = piece(30);
        let overrides = [piece(8), piece(8)];
        survives(&text, &overrides);
    }
}

#[test]
fn a_good_file_with_one_byte_changed_never_panics() {
    let mut numbers = Numbers(7);
    for _ in 0..4_000 {
        let mut bytes = FULL.as_bytes().to_vec();
        let at = numbers.below(bytes.len());
        bytes[at] = numbers.below(128).to_le_bytes()[0];
        survives(
            &String::from_utf8_lossy(&bytes),
            &["components.calc.lanes=2".to_owned()],
        );
    }
}

#[test]
fn deep_nesting_is_an_error_and_not_the_end_of_the_stack() {
    let deep = 50_000;
    for text in [
        format!("a = {}", "[".repeat(deep)),
        format!("a = {}", "{a=".repeat(deep)),
        format!("{}a = 1", "a.".repeat(deep)),
        format!("[{}a]", "a.".repeat(deep)),
    ] {
        survives(&text, &[]);
        survives("name = \"x\"", &[text]);
    }
    survives(
        "name = \"x\"",
        &[
            format!("a{}=1", "[0]".repeat(deep)),
            format!("a=\"{}\"", "x".repeat(deep)),
        ],
    );
}
