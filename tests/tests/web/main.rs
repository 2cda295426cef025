//! The web side of the port: routes, folders, REST and its document.

mod check_routes;
mod cors;
mod http_bad_bodies;
mod http_bad_input;
mod openapi;
mod rest;
mod schemathesis;
mod web;
mod web_folders;
