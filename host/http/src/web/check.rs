//! Whether what mesh.toml says of HTTP can be served.
//!
//! Enters: a configuration, later the routes that components have. Leaves: every mistake, at its place. Guarantees:
//! no file is read.

use crate::paths::is_reserved;
use mesh_config::{Config, ConfigError};

/// Folders and pages that are none, and components that are not configured.
pub fn check(config: &Config) -> Vec<ConfigError> {
    let folders = config.web.folders.iter().map(|entry| &entry.folder);
    let folders = folders.filter(|folder| !folder.value.is_dir()).map(|folder| {
        let message = format!("{} is no folder", folder.value.display());
        let help = "`folder` in [[web.folders]] starts at the folder of this file".to_owned();
        config.diagnose(folder.at, message, Some(help))
    });
    let pages = [&config.web.unauthorized_page, &config.web.forbidden_page];
    let pages = pages.into_iter().flatten().filter(|page| !page.value.is_file());
    let pages = pages.map(|page| {
        let message = format!("{} is no file", page.value.display());
        let help = "a relative path of a page starts at the folder of this file".to_owned();
        config.diagnose(page.at, message, Some(help))
    });
    let routes = config.web.routes.iter();
    let routes = routes.filter(|route| config.component(&route.component).is_none());
    let routes = routes.map(|route| {
        let message = format!(
            "the web route {}/{} is of a component that is not in this file",
            route.component, route.route
        );
        let names: Vec<&str> = config
            .components
            .iter()
            .map(|component| &*component.name.value)
            .collect();
        let help = (!names.is_empty()).then(|| format!("there are: {}", names.join(", ")));
        config.diagnose(route.path.at, message, help)
    });
    let paths = config.web.routes.iter().map(|entry| &entry.path);
    let paths = paths.chain(config.web.folders.iter().map(|entry| &entry.path));
    let own = paths.filter(|path| is_reserved(&path.value.to_ascii_lowercase(), config.console.enabled));
    let own = own.map(|path| {
        let message = format!("{} is answered by the host itself", path.value);
        config.diagnose(path.at, message, Some("choose another `path`".to_owned()))
    });
    folders.chain(pages).chain(routes).chain(own).collect()
}

/// Web routes that the components do not have. `routes` are those that a component of a name has.
pub fn check_routes(config: &Config, routes: impl Fn(&str) -> Vec<String>) -> Vec<ConfigError> {
    let wanted = config.web.routes.iter();
    let missing = wanted.filter_map(|entry| {
        let there = routes(&entry.component);
        if there.contains(&entry.route) {
            return None;
        }
        let (component, route) = (&entry.component, &entry.route);
        let help = match there.is_empty() {
            true => format!("{component} has no web routes"),
            false => format!("{component} has: {}", there.join(", ")),
        };
        let message = format!("component {component} has no web route {route}");
        Some(config.diagnose(entry.path.at, message, Some(help)))
    });
    missing.collect()
}
