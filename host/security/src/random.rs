//! Random bytes for secrets, salts and nonces.
//!
//! Enters: nothing. Leaves: bytes of the operating system's generator.
//! Guarantees: bytes that nobody can guess, or an error; never weaker bytes instead.

use ring::rand::{SecureRandom, SystemRandom};
use thiserror::Error;

/// The operating system's generator gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the operating system gave no random bytes")]
pub struct NoRandomness;

/// So many random bytes.
pub(super) fn random<const LENGTH: usize>() -> Result<[u8; LENGTH], NoRandomness> {
    let mut bytes = [0; LENGTH];
    SystemRandom::new().fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}
