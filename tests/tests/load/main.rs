//! Load: tests that need the whole machine, since they load it or measure it. Each of them waits for its turn first.

mod hand_over_storm;
mod noisy_neighbours;
mod secure_flood;
mod storms;
mod swap_endurance;
mod swap_storm;
