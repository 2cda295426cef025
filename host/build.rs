//! Lets the `mesh` executable offer its own functions for threads, timers and limits to the libraries it loads (see `mesh_plugin::ffi::interpose`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        for symbol in [
            "pthread_key_create",
            "pthread_key_delete",
            "pthread_create",
            "tss_create",
            "tss_delete",
            "timer_create",
            "timer_delete",
            "setrlimit",
            "setrlimit64",
            "prlimit",
            "prlimit64",
            "__cxa_thread_atexit_impl",
        ] {
            // The tests load libraries, too.
            for target in ["bins", "tests"] {
                println!("cargo:rustc-link-arg-{target}=-Wl,--export-dynamic-symbol={symbol}");
            }
        }
    }
}
