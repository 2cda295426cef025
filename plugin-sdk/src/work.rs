//! One piece of work, as the rest of the SDK sees it: borrowed for the time in which it is handled.

use mesh_plugin_abi::Token;

/// A work item of the ABI with its bytes in reach. The fields are those of [`mesh_plugin_abi::Work`].
#[derive(Clone, Copy, Debug)]
pub(crate) struct WorkItem<'a> {
    pub(crate) kind: u32,
    pub(crate) token: Token,
    pub(crate) status: i32,
    pub(crate) method: u32,
    pub(crate) target: &'a [u8],
    pub(crate) payload: &'a [u8],
    pub(crate) origin: &'a [u8],
}
