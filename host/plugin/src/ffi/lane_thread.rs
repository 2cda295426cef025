//! The body of a lane: code of the library, called on a thread that belongs to it.

use super::host_table::Bound;
use super::library::Functions;
use super::process;
use crate::job::Job;
use crate::lane::Lane;
use mesh_plugin_abi as abi;
use std::ffi::c_void;
use std::ptr;

/// A live instance of a component, made by its library.
#[derive(Clone, Copy)]
pub(crate) struct InstancePointer(*mut c_void);

// SAFETY: the ABI lets all lanes of a version use its instance at the same time.
unsafe impl Send for InstancePointer {}

/// Asks the library for an instance. Must run on lane 0. The error is the library's status.
pub(crate) fn create(
    functions: &Functions,
    bound: &Bound,
    info: &str,
    config: &str,
) -> Result<InstancePointer, i32> {
    let mut instance = ptr::null_mut();
    let (info, config) = (
        abi::Slice::new(info.as_bytes()),
        abi::Slice::new(config.as_bytes()),
    );
    // SAFETY: the host table lives in `bound`, which the caller keeps until the library is gone; the slices live for
    // the call; `instance` is a place to write to.
    let status = unsafe { (functions.create)(bound.table(), info, config, &mut instance) };
    process::end_if_copy();
    if status == abi::Status::OK {
        Ok(InstancePointer(instance))
    } else {
        Err(status)
    }
}

/// Frees an instance. Must run on lane 0, when all other lanes have ended.
pub(crate) fn destroy(functions: &Functions, instance: InstancePointer) {
    // SAFETY: the instance was made by `create` of the same library and nobody uses it any more.
    unsafe { (functions.destroy)(instance.0) };
    process::end_if_copy();
}

/// Runs a lane until it is closed, or until the library leaves a lane that it drives itself.
pub(crate) fn run(functions: &Functions, instance: InstancePointer, number: u32, lane: &Lane) {
    if let Some(run) = functions.run {
        // SAFETY: the instance is alive until all lanes have ended, and this thread is the lane.
        unsafe { run(instance.0, number) };
        process::end_if_copy();
        lane.note_departure();
        return;
    }
    let Some(work) = functions.work else { return };
    let mut jobs = Vec::new();
    let mut items = Vec::new();
    while lane.wait(&mut jobs) {
        items.clear();
        items.extend(jobs.iter().map(item));
        // SAFETY: as above; the items and the bytes they borrow live until `jobs` is cleared behind the call.
        unsafe { work(instance.0, number, items.as_ptr(), items.len()) };
        process::end_if_copy();
        lane.worked_off(jobs.len());
        jobs.clear();
    }
}

/// A job as the library sees it. Borrows the job's bytes without saying so.
pub(super) fn item(job: &Job) -> abi::Work {
    abi::Work {
        struct_size: size_of::<abi::Work>() as u32,
        kind: job.kind as u32,
        token: job.token,
        status: job.status,
        deadline_milliseconds: job.deadline_milliseconds,
        method: job.method,
        reserved: 0,
        target: abi::Slice::new(&job.target),
        payload: abi::Slice::new(&job.payload),
        origin: abi::Slice::new(job.about()),
    }
}
