//! Operation: commands, configuration, what a host says of itself, and the machine around it.

mod commands;
mod configuration;
mod console;
mod machine_limits;
mod machine_users;
mod metrics;
mod system;
