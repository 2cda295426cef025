//! `mesh completions` and `mesh man`: made from the same definitions as the command line itself.
//!
//! Enters: the definitions. Leaves: a script for a shell, or pages for `man`.

use super::CommandError;
use clap::Command;
use clap_complete::Shell;
use std::io::{self, Write};
use std::path::PathBuf;

/// Options of `mesh completions`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    mesh completions bash > ~/.local/share/bash-completion/completions/mesh
    mesh completions zsh > \"${fpath[1]}/_mesh\"
    mesh completions fish > ~/.config/fish/completions/mesh.fish")]
pub struct Arguments {
    /// The shell.
    shell: Shell,
}

/// Options of `mesh man`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
    mesh man | man -l -
    mesh man --folder ~/.local/share/man/man1")]
pub struct ManArguments {
    /// Write a page for each command into this folder, in place of one page to standard output.
    #[arg(long, value_name = "FOLDER")]
    folder: Option<PathBuf>,
}

/// Writes the script.
pub fn run(arguments: Arguments, mut command: Command) -> Result<(), CommandError> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut command, "mesh", &mut script);
    write(&script)
}

/// Writes the pages.
pub fn man(arguments: ManArguments, command: Command) -> Result<(), CommandError> {
    if let Some(folder) = arguments.folder {
        let failed = |error: io::Error| CommandError::failed(format!("{}: {error}", folder.display()));
        std::fs::create_dir_all(&folder).map_err(failed)?;
        return clap_mangen::generate_to(command, &folder).map_err(failed);
    }
    let mut page = Vec::new();
    clap_mangen::Man::new(command)
        .render(&mut page)
        .map_err(|error| CommandError::failed(error.to_string()))?;
    write(&page)
}

fn write(bytes: &[u8]) -> Result<(), CommandError> {
    io::stdout()
        .write_all(bytes)
        .map_err(|error| CommandError::failed(format!("standard output: {error}")))
}
