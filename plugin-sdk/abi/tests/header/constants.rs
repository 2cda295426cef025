//! The constants of the contract, those that only one of the two languages has, and the frozen layout.
//!
//! Enters: the crate. Leaves: each constant with its name in C and its value. Guarantees: the tests beside this file fail when one
//! is left out.

use mesh_plugin_abi as abi;

/// Every numeric constant: its name in C, its name in Rust's source, its value.
pub const NUMBERS: &[(&str, &str, i128)] = &[
    ("MESH_MAGIC", "MAGIC", abi::MAGIC as i128),
    ("MESH_ABI_MAJOR", "ABI_MAJOR", abi::ABI_MAJOR as i128),
    ("MESH_ABI_MINOR", "ABI_MINOR", abi::ABI_MINOR as i128),
    ("MESH_STATUS_OK", "OK", abi::Status::OK as i128),
    ("MESH_STATUS_ERROR", "ERROR", abi::Status::ERROR as i128),
    (
        "MESH_STATUS_VALUE_ERROR",
        "VALUE_ERROR",
        abi::Status::VALUE_ERROR as i128,
    ),
    ("MESH_STATUS_PANIC", "PANIC", abi::Status::PANIC as i128),
    ("MESH_LEVEL_ERROR", "ERROR", abi::Level::ERROR as i128),
    ("MESH_LEVEL_WARN", "WARN", abi::Level::WARN as i128),
    ("MESH_LEVEL_INFO", "INFO", abi::Level::INFO as i128),
    ("MESH_LEVEL_DEBUG", "DEBUG", abi::Level::DEBUG as i128),
    ("MESH_LEVEL_TRACE", "TRACE", abi::Level::TRACE as i128),
    ("MESH_WORK_START", "START", abi::WorkKind::START as i128),
    ("MESH_WORK_CALL", "CALL", abi::WorkKind::CALL as i128),
    ("MESH_WORK_EVENT", "EVENT", abi::WorkKind::EVENT as i128),
    ("MESH_WORK_REPLY", "REPLY", abi::WorkKind::REPLY as i128),
    ("MESH_WORK_CANCEL", "CANCEL", abi::WorkKind::CANCEL as i128),
    ("MESH_WORK_WAKE", "WAKE", abi::WorkKind::WAKE as i128),
    ("MESH_WORK_STOP", "STOP", abi::WorkKind::STOP as i128),
    ("MESH_WORK_SNAPSHOT", "SNAPSHOT", abi::WorkKind::SNAPSHOT as i128),
    ("MESH_WORK_RESTORE", "RESTORE", abi::WorkKind::RESTORE as i128),
    ("MESH_WORK_QUIESCE", "QUIESCE", abi::WorkKind::QUIESCE as i128),
    ("MESH_WORK_RESUME", "RESUME", abi::WorkKind::RESUME as i128),
    ("MESH_WORK_HEALTH", "HEALTH", abi::WorkKind::HEALTH as i128),
    ("MESH_WORK_HTTP", "HTTP", abi::WorkKind::HTTP as i128),
    ("MESH_REQUEST_TAKEN", "TAKEN", abi::RequestStatus::TAKEN as i128),
    (
        "MESH_REQUEST_NO_CALL",
        "NO_CALL",
        abi::RequestStatus::NO_CALL as i128,
    ),
    (
        "MESH_REQUEST_NO_LANE",
        "NO_LANE",
        abi::RequestStatus::NO_LANE as i128,
    ),
    (
        "MESH_REQUEST_BAD_TOKEN",
        "BAD_TOKEN",
        abi::RequestStatus::BAD_TOKEN as i128,
    ),
    (
        "MESH_REQUEST_BAD_NAME",
        "BAD_NAME",
        abi::RequestStatus::BAD_NAME as i128,
    ),
    (
        "MESH_REQUEST_BAD_RANGE",
        "BAD_RANGE",
        abi::RequestStatus::BAD_RANGE as i128,
    ),
    (
        "MESH_REQUEST_BAD_JSON",
        "BAD_JSON",
        abi::RequestStatus::BAD_JSON as i128,
    ),
    (
        "MESH_REQUEST_BAD_OPTIONS",
        "BAD_OPTIONS",
        abi::RequestStatus::BAD_OPTIONS as i128,
    ),
    (
        "MESH_REQUEST_BAD_TRACEPARENT",
        "BAD_TRACEPARENT",
        abi::RequestStatus::BAD_TRACEPARENT as i128,
    ),
    (
        "MESH_REQUEST_BAD_STRUCT",
        "BAD_STRUCT",
        abi::RequestStatus::BAD_STRUCT as i128,
    ),
    (
        "MESH_REQUEST_UNKNOWN",
        "UNKNOWN",
        abi::RequestStatus::UNKNOWN as i128,
    ),
    (
        "MESH_REQUEST_DENIED",
        "DENIED",
        abi::RequestStatus::DENIED as i128,
    ),
    ("MESH_REQUEST_ENDED", "ENDED", abi::RequestStatus::ENDED as i128),
    ("MESH_REQUEST_FULL", "FULL", abi::RequestStatus::FULL as i128),
    (
        "MESH_REQUEST_FAILED",
        "FAILED",
        abi::RequestStatus::FAILED as i128,
    ),
];

/// Every text constant: its name in C, its name in Rust's source, its value.
pub const TEXTS: &[(&str, &str, &str)] = &[
    ("MESH_ENTRY_SYMBOL", "ENTRY_SYMBOL", abi::ENTRY_SYMBOL),
    (
        "MESH_EXCHANGE_EXTENSION",
        "EXCHANGE_EXTENSION",
        abi::EXCHANGE_EXTENSION,
    ),
    ("MESH_EVENTS_EXTENSION", "EVENTS_EXTENSION", abi::EVENTS_EXTENSION),
    ("MESH_DATA_EXTENSION", "DATA_EXTENSION", abi::DATA_EXTENSION),
    ("MESH_TIMER_EXTENSION", "TIMER_EXTENSION", abi::TIMER_EXTENSION),
    (
        "MESH_DELEGATION_EXTENSION",
        "DELEGATION_EXTENSION",
        abi::DELEGATION_EXTENSION,
    ),
    ("MESH_HTTP_EXTENSION", "HTTP_EXTENSION", abi::HTTP_EXTENSION),
    (
        "MESH_EXCHANGE_2_EXTENSION",
        "EXCHANGE_2_EXTENSION",
        abi::EXCHANGE_2_EXTENSION,
    ),
    (
        "MESH_EVENTS_2_EXTENSION",
        "EVENTS_2_EXTENSION",
        abi::EVENTS_2_EXTENSION,
    ),
    ("MESH_DATA_2_EXTENSION", "DATA_2_EXTENSION", abi::DATA_2_EXTENSION),
    (
        "MESH_TIMER_2_EXTENSION",
        "TIMER_2_EXTENSION",
        abi::TIMER_2_EXTENSION,
    ),
];

/// The first size of a struct.
pub struct FirstSize {
    /// The constant's name in C.
    pub in_c: &'static str,
    /// Its name in Rust's source.
    pub in_rust: &'static str,
    /// Its value here.
    pub value: usize,
    /// Its value on 64-bit machines, for ever.
    pub frozen: usize,
}

const fn first_size(in_c: &'static str, in_rust: &'static str, value: usize, frozen: usize) -> FirstSize {
    FirstSize {
        in_c,
        in_rust,
        value,
        frozen,
    }
}

/// The bytes of each struct in the version that brought it. A line is added for a new struct, and no line ever changes.
#[rustfmt::skip]
pub const FIRST_SIZES: &[FirstSize] = &[
    first_size("MESH_WORK_SIZE_1_0", "WORK_SIZE_1_0", abi::WORK_SIZE_1_0, 80),
    first_size("MESH_HOST_SIZE_1_0", "HOST_SIZE_1_0", abi::HOST_SIZE_1_0, 72),
    first_size("MESH_VTABLE_SIZE_1_0", "VTABLE_SIZE_1_0", abi::VTABLE_SIZE_1_0, 40),
    first_size("MESH_COMPONENT_SIZE_1_0", "COMPONENT_SIZE_1_0", abi::COMPONENT_SIZE_1_0, 104),
    first_size("MESH_EXCHANGE_EXTENSION_SIZE_1_0", "EXCHANGE_EXTENSION_SIZE_1_0", abi::EXCHANGE_EXTENSION_SIZE_1_0, 16),
    first_size("MESH_EVENTS_EXTENSION_SIZE_1_0", "EVENTS_EXTENSION_SIZE_1_0", abi::EVENTS_EXTENSION_SIZE_1_0, 32),
    first_size("MESH_DATA_EXTENSION_SIZE_1_0", "DATA_EXTENSION_SIZE_1_0", abi::DATA_EXTENSION_SIZE_1_0, 32),
    first_size("MESH_TIMER_EXTENSION_SIZE_1_0", "TIMER_EXTENSION_SIZE_1_0", abi::TIMER_EXTENSION_SIZE_1_0, 16),
    first_size("MESH_DELEGATION_EXTENSION_SIZE_1_1", "DELEGATION_EXTENSION_SIZE_1_1", abi::DELEGATION_EXTENSION_SIZE_1_1, 16),
    first_size("MESH_HTTP_EXTENSION_SIZE_1_2", "HTTP_EXTENSION_SIZE_1_2", abi::HTTP_EXTENSION_SIZE_1_2, 16),
    first_size("MESH_REQUEST_SIZE_1_3", "REQUEST_SIZE_1_3", abi::REQUEST_SIZE_1_3, 48),
    first_size("MESH_EXCHANGE_2_EXTENSION_SIZE_1_3", "EXCHANGE_2_EXTENSION_SIZE_1_3", abi::EXCHANGE_2_EXTENSION_SIZE_1_3, 24),
    first_size("MESH_EVENTS_2_EXTENSION_SIZE_1_3", "EVENTS_2_EXTENSION_SIZE_1_3", abi::EVENTS_2_EXTENSION_SIZE_1_3, 32),
    first_size("MESH_DATA_2_EXTENSION_SIZE_1_3", "DATA_2_EXTENSION_SIZE_1_3", abi::DATA_2_EXTENSION_SIZE_1_3, 40),
    first_size("MESH_TIMER_2_EXTENSION_SIZE_1_3", "TIMER_2_EXTENSION_SIZE_1_3", abi::TIMER_2_EXTENSION_SIZE_1_3, 24),
];

/// The crate's own text.
pub const SOURCES: [&str; 6] = [
    include_str!("../../src/lib.rs"),
    include_str!("../../src/status.rs"),
    include_str!("../../src/work.rs"),
    include_str!("../../src/extensions.rs"),
    include_str!("../../src/growth.rs"),
    include_str!("../../src/requests.rs"),
];

/// Macros of the header that are conveniences of C, and have no counterpart in Rust.
pub const C_ONLY: &[&str] = &[
    "MESH_PLUGIN_H",
    "MESH_EXPORT",
    "MESH_TEXT_INITIALIZER",
    "MESH_STATIC_ASSERT",
    "MESH_ASSERT_SIZE",
    "MESH_ASSERT_OFFSET",
    "MESH_ASSERT_FIRST_SIZE",
];

/// Constants of the crate that are conveniences of Rust, and have no counterpart in C.
pub const RUST_ONLY: &[&str] = &["EMPTY"];

/// A struct's name in C, its size and alignment, and where its fields are.
pub type FrozenLayout = (&'static str, usize, usize, &'static [(&'static str, usize)]);

/// The layout of ABI 1.0 on 64-bit machines. Lines are added and sizes grow with a new minor version; nothing else here
/// changes within major version 1.
#[rustfmt::skip]
pub const FROZEN: &[FrozenLayout] = &[
    ("mesh_slice", 16, 8, &[("data", 0), ("length", 8)]),
    ("mesh_work", 80, 8, &[
        ("struct_size", 0), ("kind", 4), ("token", 8), ("status", 16), ("deadline_milliseconds", 20), ("method", 24),
        ("reserved", 28), ("target", 32), ("payload", 48), ("origin", 64),
    ]),
    ("mesh_host", 72, 8, &[
        ("struct_size", 0), ("abi_major", 4), ("abi_minor", 6), ("context", 8), ("complete", 16), ("fail", 24),
        ("log", 32), ("wake", 40), ("take", 48), ("lane_descriptor", 56), ("get_extension", 64),
    ]),
    ("mesh_vtable", 40, 8, &[
        ("struct_size", 0), ("reserved", 4), ("create", 8), ("work", 16), ("run", 24), ("destroy", 32),
    ]),
    ("mesh_component", 104, 8, &[
        ("magic", 0), ("struct_size", 8), ("abi_major", 12), ("abi_minor", 14), ("minimum_host_abi_minor", 16),
        ("reserved", 18), ("sdk", 24), ("name", 40), ("version", 56), ("descriptor", 72), ("vtable", 88),
        ("get_extension", 96),
    ]),
    ("mesh_exchange_extension", 16, 8, &[("struct_size", 0), ("reserved", 4), ("call", 8)]),
    ("mesh_events_extension", 32, 8, &[
        ("struct_size", 0), ("reserved", 4), ("emit", 8), ("subscribe", 16), ("unsubscribe", 24),
    ]),
    ("mesh_data_extension", 32, 8, &[("struct_size", 0), ("reserved", 4), ("set", 8), ("get", 16), ("remove", 24)]),
    ("mesh_timer_extension", 16, 8, &[("struct_size", 0), ("reserved", 4), ("after", 8)]),
    ("mesh_delegation_extension", 16, 8, &[("struct_size", 0), ("reserved", 4), ("act_for", 8)]),
    ("mesh_http_extension", 16, 8, &[("struct_size", 0), ("reserved", 4), ("respond", 8)]),
    ("mesh_request", 48, 8, &[
        ("struct_size", 0), ("lane", 4), ("call", 8), ("event", 16), ("token", 24), ("traceparent", 32),
    ]),
    ("mesh_exchange_2_extension", 24, 8, &[
        ("struct_size", 0), ("reserved", 4), ("call", 8), ("cancel", 16),
    ]),
    ("mesh_events_2_extension", 32, 8, &[
        ("struct_size", 0), ("reserved", 4), ("emit", 8), ("subscribe", 16), ("unsubscribe", 24),
    ]),
    ("mesh_data_2_extension", 40, 8, &[
        ("struct_size", 0), ("reserved", 4), ("set", 8), ("get", 16), ("remove", 24), ("cancel", 32),
    ]),
    ("mesh_timer_2_extension", 24, 8, &[
        ("struct_size", 0), ("reserved", 4), ("after", 8), ("cancel", 16),
    ]),
];

#[test]
#[cfg(target_pointer_width = "64")]
fn the_first_size_of_each_struct_is_frozen() {
    for size in FIRST_SIZES {
        let name = size.in_rust;
        assert_eq!(
            size.value, size.frozen,
            "{name}: old libraries and hosts give that size"
        );
    }
    // Each struct that says its size has one. `mesh_slice` never grows.
    let growing = FROZEN.iter().filter(|(name, ..)| *name != "mesh_slice");
    assert_eq!(growing.count(), FIRST_SIZES.len());
}
