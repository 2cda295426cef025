//! Own pages for those who are not let in: `[web] unauthorized_page` and `forbidden_page`.
//!
//! Enters: the answer to a request that was refused for want of a login or of rights. Leaves: the same, with the page
//! that the configuration names for its status. Guarantees: status and headers stay. Those who ask for JSON by its
//! name get JSON. A file that is missing costs the page and not the refusal.

use super::http::{Answer, Body};
use super::refusal;
use hyper::StatusCode;
use hyper::header::{self, HeaderMap, HeaderValue};
use mesh_core::mesh::Mesh;
use std::io;
use std::path::Path;
use tokio::io::AsyncReadExt;

/// Bytes that a page may have.
const LIMIT: u64 = 1024 * 1024;

/// Marks an answer that refuses a path.
#[derive(Clone, Copy, Debug)]
pub(super) struct Barred;

/// Puts the configured page into an answer that is marked.
pub(super) async fn put(answer: &mut Answer, headers: &HeaderMap, mesh: &Mesh) {
    if answer.extensions().get::<Barred>().is_none() || refusal::asks_for_json(headers) {
        return;
    }
    let site = mesh.site();
    let file = match answer.status() {
        StatusCode::UNAUTHORIZED => &site.unauthorized_page,
        StatusCode::FORBIDDEN => &site.forbidden_page,
        _ => return,
    };
    let Some(file) = file else { return };
    match read(file).await {
        Ok(page) => {
            *answer.body_mut() = Body::from(page);
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            answer.headers_mut().insert(header::CONTENT_TYPE, kind);
        }
        Err(error) => tracing::warn!("the page {} cannot be shown: {error}", file.display()),
    }
}

/// The file as it is now, so that a page can be changed while the mesh serves.
async fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let file = tokio::fs::File::open(file).await?;
    file.take(LIMIT + 1).read_to_end(&mut page).await?;
    match page.len() as u64 > LIMIT {
        true => Err(io::Error::other(format!("it has more than {LIMIT} bytes"))),
        false => Ok(page),
    }
}
