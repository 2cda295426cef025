//! The descriptor that becomes readable when a lane has work. It belongs to the host.

use std::fs::File;
use std::io::{self, Read};
use std::mem::ManuallyDrop;
use std::os::fd::{AsRawFd, FromRawFd, RawFd};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A lane's descriptor, borrowed from the host for the time in which it runs the lane: never closed here.
#[derive(Debug)]
pub(crate) struct LaneDescriptor(ManuallyDrop<File>);

impl LaneDescriptor {
    /// `None` when the host has no descriptor for the lane.
    pub(crate) fn borrow(host: &super::Host, lane: u32) -> Option<LaneDescriptor> {
        let descriptor = host.lane_descriptor(lane);
        if descriptor < 0 {
            return None;
        }
        // SAFETY: the host keeps the descriptor open while the lane runs, and `ManuallyDrop` leaves closing to it.
        Some(LaneDescriptor(ManuallyDrop::new(unsafe {
            File::from_raw_fd(descriptor)
        })))
    }

    /// Lets the tokio runtime of this thread wait for the descriptor.
    pub(crate) fn register(self) -> io::Result<AsyncFd<LaneDescriptor>> {
        // SAFETY: the descriptor stays the same and open for as long as the lane runs, and the result is dropped with
        // the lane's runtime, before that.
        let registered = unsafe { AsyncFd::register_with_interest(self, Interest::READABLE) };
        registered.map_err(|error| error.into_parts().1)
    }

    /// Reads until nothing is left, so that the descriptor is not readable until it is signalled again.
    pub(crate) fn read_empty(&self) {
        let mut counter = [0; 64];
        let mut file: &File = &self.0;
        while file.read(&mut counter).is_ok_and(|count| count > 0) {}
    }
}

impl AsRawFd for LaneDescriptor {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_raw_fd()
    }
}
