//! Swaps: versions of components are replaced while the mesh serves.

mod dev;
mod hand_over;
mod swap;
mod swap_clients;
mod swap_file;
mod swap_kill;
mod swap_state;
