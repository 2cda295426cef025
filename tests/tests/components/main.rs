//! Components: how libraries are checked, loaded, called, and kept from doing harm.

mod bundles;
mod check_plugin;
mod check_plugin_deeds;
mod check_plugin_entry;
mod check_plugin_refused;
mod components;
mod cpp;
mod damages;
mod data;
mod declares;
mod deeds;
mod golden;
mod golden_hosts;
mod kept;
mod lives;
mod loader;
mod panics;
mod rehearsal;
mod requests;
mod schemas;
mod signals;
mod stacks;
mod toolchains;
