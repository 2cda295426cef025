//! The parts of mesh.toml about HTTP.
//!
//! Enters: a checked configuration. Leaves: the places that it names. Guarantees: paths begin with `/`, and end
//! with it only where they are `/`.

use mesh_config::{Config, Spanned};
use std::path::PathBuf;
use std::time::Duration;

/// The content that is served beside the mesh itself.
#[derive(Clone, Debug, Default)]
pub struct Site {
    /// Bytes that the body of a request may have.
    pub max_body_bytes: usize,
    /// Web routes of components under other paths.
    pub routes: Vec<RootRoute>,
    /// Folders.
    pub folders: Vec<WebFolder>,
    /// HTML file that is shown with 401.
    pub unauthorized_page: Option<PathBuf>,
    /// HTML file that is shown with 403.
    pub forbidden_page: Option<PathBuf>,
    /// Seconds for which browsers remember that names of this host are encrypted.
    pub strict_transport_seconds: Option<u64>,
    open: Vec<String>,
}

/// The web route of a component under another path.
#[derive(Clone, Debug)]
pub struct RootRoute {
    /// Where.
    pub path: String,
    /// The component's name.
    pub component: String,
    /// The name of its route.
    pub route: String,
}

/// A folder of files.
#[derive(Clone, Debug)]
pub struct WebFolder {
    /// Where.
    pub path: String,
    /// The folder on disk.
    pub folder: PathBuf,
    /// How long browsers may keep a file without asking again.
    pub max_age: Duration,
}

impl Site {
    /// The content for a configuration.
    pub fn new(config: &Config) -> Site {
        let hsts = config.happn.tls.as_ref().map(|tls| tls.hsts.as_secs());
        let config = &config.web;
        let page = |page: &Option<Spanned<PathBuf>>| page.as_ref().map(|page| page.value.clone());
        let routes = config.routes.iter().map(|route| RootRoute {
            path: route.path.value.clone(),
            component: route.component.clone(),
            route: route.route.clone(),
        });
        let folders = config.folders.iter().map(|folder| WebFolder {
            path: folder.path.value.clone(),
            folder: folder.folder.value.clone(),
            max_age: folder.max_age,
        });
        Site {
            max_body_bytes: config.max_body_bytes,
            routes: routes.collect(),
            folders: folders.collect(),
            unauthorized_page: page(&config.unauthorized_page),
            forbidden_page: page(&config.forbidden_page),
            strict_transport_seconds: hsts.filter(|seconds| *seconds > 0),
            open: config.open.clone(),
        }
    }

    /// Whether anybody may ask for this path in a secure mesh.
    pub fn is_open(&self, path: &str) -> bool {
        self.open.iter().any(|pattern| matches(pattern, path))
    }

    /// Folders below the path of a component: where they are said to be, behind the component's name.
    pub fn folders_of<'a>(&'a self, component: &'a str) -> impl Iterator<Item = &'a str> {
        self.folders.iter().filter_map(move |folder| {
            let below = folder.path.strip_prefix('/')?.strip_prefix(component)?;
            below.strip_prefix('/').filter(|below| !below.is_empty())
        })
    }
}

/// Whether a whole text is one of a pattern's; `*` stands for any letters.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((first, mut rest)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut text) = text.strip_prefix(first) else {
        return false;
    };
    while let Some((part, behind)) = rest.split_once('*') {
        let Some(position) = text.find(part) else {
            return false;
        };
        text = &text[position + part.len()..];
        rest = behind;
    }
    text.ends_with(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_anchored_at_both_ends() {
        for (pattern, text, expected) in [
            ("/lab/open", "/lab/open", true),
            ("/lab/open", "/X/lab/open", false),
            ("/lab/open", "/lab/open/x", false),
            ("/assets/*", "/assets/a/b.css", true),
            ("/assets/*", "/assets", false),
            ("/*/icons/*.svg", "/app/icons/a.svg", true),
            ("/*/icons/*.svg", "/app/icons/a.svg/x", false),
            ("*", "/anything", true),
            ("/a*a", "/a", false),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} {text}");
        }
    }
}
