//! Nodes of a cluster on real NATS servers.
//!
//! Enters: messages, settings, users with their permissions, hosts, and what befalls them. Leaves: what arrives, and what is said where
//! nothing does.

mod adapter;
mod beside;
mod checks;
mod connection;
mod development;
mod faults;
mod interruptions;
mod joining;
mod kit;
mod load;
mod logins;
mod networks;
mod operating;
mod permissions;
mod reaching;
mod storm;
mod tokens;
