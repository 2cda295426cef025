//! The `mesh` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    mesh_host::cli::main()
}
