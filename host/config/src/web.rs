//! `[web]`, its `[[web.routes]]` and `[[web.folders]]`.
//!
//! Enters: the section of the tree. Leaves: a [`WebConfig`], all mistakes reported to the [`Reader`]. Guarantees: paths of
//! URLs begin with `/`, and no two entries have the same one.

use std::path::Path;
use std::time::Duration;

use super::error::ErrorKind;
use super::keys;
use super::read::{Reader, Section};
use super::source::Spanned;
use super::tree::quoted;
use super::types::{RootRouteConfig, WebConfig, WebFolderConfig};
use super::values::{located_path, size_of_number, unset};

pub(super) fn read<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, folder: &Path) -> WebConfig {
    let max_body_bytes = reader.integer(&mut section, "max_body_bytes", keys::MAX_BODY_BYTES);
    let open = open(reader, &mut section);
    let mut page = |key, label| {
        let path = reader.text(&mut section, key)?;
        Some(located_path(reader, label, path, folder))
    };
    let unauthorized_page = page("unauthorized_page", "`unauthorized_page` in [web]");
    let forbidden_page = page("forbidden_page", "`forbidden_page` in [web]");
    let routes = reader.tables(&mut section, "routes", "web.routes", "route");
    let routes: Vec<RootRouteConfig> = routes.into_iter().map(|table| route(reader, table)).collect();
    let folders = reader.tables(&mut section, "folders", "web.folders", "folder");
    let folders: Vec<WebFolderConfig> = folders
        .into_iter()
        .map(|table| served_folder(reader, table, folder))
        .collect();
    let paths = routes.iter().map(|route| &route.path);
    check_once(reader, paths.chain(folders.iter().map(|folder| &folder.path)));
    reader.finish(section);
    WebConfig {
        max_body_bytes: size_of_number(max_body_bytes.value),
        open,
        unauthorized_page,
        forbidden_page,
        routes,
        folders,
    }
}

fn open<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Vec<String> {
    let texts = reader.texts(section, "open");
    for text in texts.iter().filter(|text| !text.starts_with('/')) {
        let message = format!(
            "each of `open` in [web] must begin with `/`, found {}",
            quoted(text)
        );
        let help = Some("write for example `open = [\"/shop/page\", \"/assets/*\"]`".to_owned());
        reader.report(ErrorKind::InvalidValue, text.at, message, help);
    }
    texts.into_iter().map(|text| text.value).collect()
}

fn route<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> RootRouteConfig {
    let path = path(reader, &mut section);
    let target = reader
        .required_text(&mut section, "target", "component/route")
        .unwrap_or_else(unset);
    let parts = target
        .split_once('/')
        .filter(|(component, route)| !component.is_empty() && !route.is_empty());
    if parts.is_none() && !target.is_empty() {
        let message = format!(
            "`target` in [[web.routes]] must name a component and its route, found {}",
            quoted(&target)
        );
        let help = Some("write for example `target = \"shop/page\"`".to_owned());
        reader.report(ErrorKind::InvalidValue, target.at, message, help);
    }
    reader.finish(section);
    let (component, route) = parts.unwrap_or_default();
    RootRouteConfig {
        path,
        component: component.to_owned(),
        route: route.to_owned(),
    }
}

fn served_folder<'a>(reader: &mut Reader<'a>, mut section: Section<'a>, base: &Path) -> WebFolderConfig {
    let path = path(reader, &mut section);
    let folder = reader
        .required_text(&mut section, "folder", "public")
        .unwrap_or_else(unset);
    let max_age = reader.integer(&mut section, "max_age_seconds", keys::MAX_AGE_SECONDS);
    reader.finish(section);
    let folder = match folder.is_empty() {
        true => folder.map(Into::into),
        false => located_path(reader, "`folder` in [[web.folders]]", folder, base),
    };
    WebFolderConfig {
        path,
        folder,
        max_age: Duration::from_secs(max_age.value),
    }
}

/// The path of a URL, without a `/` at its end.
fn path<'a>(reader: &mut Reader<'a>, section: &mut Section<'a>) -> Spanned<String> {
    let path = reader
        .required_text(section, "path", "/app")
        .unwrap_or_else(unset);
    let is_odd = |letter: char| {
        matches!(letter, '?' | '#' | '%' | '*') || letter.is_whitespace() || letter.is_control()
    };
    let inner = path.trim_matches('/');
    let has_odd_segment =
        !inner.is_empty() && inner.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    if !path.is_empty() && (!path.starts_with('/') || path.contains(is_odd) || has_odd_segment) {
        let message = format!(
            "`path` must begin with `/` and have no `..`, `*`, `?`, `#`, `%` or spaces, found {}",
            quoted(&path)
        );
        let help = Some("write for example `path = \"/app\"`; `/` is the root".to_owned());
        reader.report(ErrorKind::InvalidValue, path.at, message, help);
    }
    path.map(|path| match path.trim_end_matches('/') {
        "" => "/".to_owned(),
        path => path.to_owned(),
    })
}

fn check_once<'a>(reader: &mut Reader<'_>, paths: impl Iterator<Item = &'a Spanned<String>>) {
    let mut seen: Vec<&Spanned<String>> = Vec::new();
    for path in paths {
        if seen.iter().any(|other| other.eq_ignore_ascii_case(path)) {
            let message = format!(
                "`path` {} is served by another entry of [web] already",
                quoted(path)
            );
            reader.report(ErrorKind::InvalidValue, path.at, message, None);
        }
        seen.push(path);
    }
}
