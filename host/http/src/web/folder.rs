//! Files of a folder, as they are.
//!
//! Enters: a place, and the head of a request. Leaves: the file, a part of it, that it has not changed, or nothing.
//! Guarantees: nothing outside of the folder is sent, also not through links. Hidden files are as good as absent. A
//! folder without `/` at its end is sent there, so that relative links in its page are right.

use super::place::Place;
use crate::query;
use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::header::{self, HeaderMap, HeaderValue};
use hyper::http::request::Parts;
use hyper::{Request, Response, StatusCode, Uri};
use mesh_core::mesh::WebFolder;
use std::error::Error;
use std::path::{Path, PathBuf};
use tower_http::services::ServeDir;

/// The content type of a file.
pub type FileBody = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A folder that is served although its name begins with a dot: where others look for what is well known (RFC 8615).
const WELL_KNOWN: &str = ".well-known";

/// The answer to a request for GET or HEAD; `None` when there is no such file.
///
/// `is_private` says that it is not for everybody, and so not for caches that serve several.
pub async fn file(
    place: &Place<'_>,
    folder: &WebFolder,
    head: &Parts,
    is_private: bool,
) -> Option<Response<FileBody>> {
    let whole = head.uri.path();
    let (mount, below) = whole.split_at_checked(place.length)?;
    let relative = relative(below)?;
    if !is_inside(folder.folder.clone(), relative).await {
        return None;
    }
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.method_mut() = head.method.clone();
    *request.headers_mut() = head.headers.clone();
    if !asks_for_one_part(&head.headers) {
        request.headers_mut().remove(header::RANGE);
    }
    let asked = match (below, head.uri.query()) {
        ("", None) => "/".to_owned(),
        ("", Some(query)) => format!("/?{query}"),
        (below, None) => below.to_owned(),
        (below, Some(query)) => format!("{below}?{query}"),
    };
    if below.is_empty() && mount != "/" && !mount.is_empty() {
        return redirect(whole, head.uri.query());
    }
    *request.uri_mut() = Uri::try_from(asked).ok()?;
    let mut service = ServeDir::new(&folder.folder).redirect_path_prefix(mount.trim_end_matches('/'));
    let response = service.try_call(request).await.ok()?;
    let mut response = match response.status() {
        StatusCode::NOT_FOUND => return None,
        // The service sends folders on for a while only.
        StatusCode::TEMPORARY_REDIRECT => return redirect(whole, head.uri.query()),
        _ => response.map(|body| body.map_err(Into::into).boxed_unsync()),
    };
    let headers = response.headers_mut();
    let private = if is_private { "private, " } else { "" };
    let age = format!("{private}max-age={}", folder.max_age.as_secs());
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_str(&age).ok()?);
    let nosniff = HeaderValue::from_static("nosniff");
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, nosniff);
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|kind| kind.to_str().ok());
    // Browsers take text for Latin otherwise.
    let with_encoding = kind
        .filter(|kind| kind.starts_with("text/") && !kind.contains("charset"))
        .and_then(|kind| HeaderValue::from_str(&format!("{kind}; charset=utf-8")).ok());
    if let Some(kind) = with_encoding {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    Some(response)
}

/// Whether one part of the file is wanted, whatever it is by now. Everybody else gets all of it (RFC 9110, sections 13.1.5 and 14.2).
fn asks_for_one_part(headers: &HeaderMap) -> bool {
    let range = headers.get(header::RANGE).and_then(|range| range.to_str().ok());
    let is_one = range.is_some_and(|range| range.starts_with("bytes=") && !range.contains(','));
    is_one && !headers.contains_key(header::IF_RANGE)
}

/// Sends the browser to the same path with `/` at its end.
fn redirect(path: &str, query: Option<&str>) -> Option<Response<FileBody>> {
    let query = query.map_or_else(String::new, |query| format!("?{query}"));
    // A target that begins with two slashes would be another host.
    let to = format!("/{}/{query}", path.trim_matches('/'));
    let mut response = Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync());
    *response.status_mut() = StatusCode::MOVED_PERMANENTLY;
    response
        .headers_mut()
        .insert(header::LOCATION, HeaderValue::from_str(&to).ok()?);
    Some(response)
}

/// The file that a path means, from the folder on; `None` where no file has such a name.
fn relative(below: &str) -> Option<PathBuf> {
    let decoded = query::decode(below);
    let mut relative = PathBuf::new();
    for segment in decoded.split('/').filter(|segment| !segment.is_empty()) {
        if is_hidden(segment) || segment.contains(['\\', '\0']) {
            return None;
        }
        relative.push(segment);
    }
    Some(relative)
}

fn is_hidden(name: &str) -> bool {
    name.starts_with('.') && name != WELL_KNOWN
}

/// Whether a file or a folder is there, and lies in the folder when all links are followed.
async fn is_inside(folder: PathBuf, relative: PathBuf) -> bool {
    fn look(folder: &Path, relative: &Path) -> std::io::Result<bool> {
        let folder = folder.canonicalize()?;
        let file = folder.join(relative).canonicalize()?;
        // Opening a pipe would wait for somebody who writes to it.
        let kind = file.metadata()?;
        let Ok(inside) = file.strip_prefix(&folder) else {
            return Ok(false);
        };
        let is_hidden = inside
            .components()
            .any(|part| is_hidden(&part.as_os_str().to_string_lossy()));
        Ok(!is_hidden && (kind.is_file() || kind.is_dir()))
    }
    let looked = tokio::task::spawn_blocking(move || look(&folder, &relative));
    matches!(looked.await, Ok(Ok(true)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_no_names() {
        let found = |below: &str| relative(below).map(|path| path.display().to_string());
        assert_eq!(found("/a/b%20c.css").as_deref(), Some("a/b c.css"));
        assert_eq!(found("/.well-known/x").as_deref(), Some(".well-known/x"));
        assert_eq!(found("//a//").as_deref(), Some("a"));
        for hostile in [
            "/../x",
            "/%2e%2e/x",
            "/a/..%2f..%2fetc/passwd",
            "/.git/config",
            "/a\\..\\b",
            "/a%00.css",
            "/...",
        ] {
            assert_eq!(found(hostile), None, "{hostile}");
        }
    }
}
