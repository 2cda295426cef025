//! Stories about stores on disk.
