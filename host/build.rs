//! Lets the `mesh` executable offer its own thread functions to the libraries it loads (see `plugin::ffi::interpose`).

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    if std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "linux") {
        for symbol in ["pthread_key_create", "pthread_key_delete", "pthread_create"] {
            println!("cargo:rustc-link-arg-bins=-Wl,--export-dynamic-symbol={symbol}");
        }
    }
}
