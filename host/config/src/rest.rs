//! The section `[rest]`: pages of which origins may use the REST component.
//!
//! Enters: the section. Leaves: a [`RestConfig`], all mistakes reported to the [`Reader`]. Guarantees: an origin is written as
//! browsers write it, so that comparing texts is enough; cookies are for named origins only.

use super::error::ErrorKind;
use super::read::{Reader, Section};
use super::source::{Location, Spanned};
use super::tree::quoted;
use super::types::RestConfig;

/// Every origin.
const ANY: &str = "*";

/// Reads the section.
pub(super) fn read<'a>(reader: &mut Reader<'a>, mut section: Section<'a>) -> RestConfig {
    let origins = reader.texts(&mut section, "cors_origins");
    let credentials = reader.boolean(&mut section, "cors_credentials", false);
    reader.finish(section);
    for origin in &origins {
        check(reader, origin);
    }
    let any = origins.iter().find(|origin| origin.value == ANY);
    if let Some(any) = any
        && origins.len() > 1
    {
        let message = "`cors_origins` in [rest] has `*` beside other origins".to_owned();
        let help = "write `cors_origins = [\"*\"]` for all, or the origins without `*`".to_owned();
        reader.report(ErrorKind::InvalidValue, any.at, message, Some(help));
    } else if credentials.value
        && credentials.at != Location::Default
        && let Some((kind, message)) = unfit_for_credentials(&origins)
    {
        let help = "name the origins, as in `cors_origins = [\"https://app.example\"]`".to_owned();
        reader.report(kind, credentials.at, message.to_owned(), Some(help));
    }
    RestConfig {
        cors_origins: origins.into_iter().map(|origin| origin.value).collect(),
        cors_credentials: credentials.value,
    }
}

/// Why credentials cannot stand beside these origins, if so.
fn unfit_for_credentials(origins: &[Spanned<String>]) -> Option<(ErrorKind, &'static str)> {
    match origins {
        [] => Some((
            ErrorKind::MissingKey,
            "`cors_credentials` in [rest] needs `cors_origins`: without them no other origin is let in",
        )),
        [only] if only.value == ANY => Some((
            ErrorKind::InvalidValue,
            "`cors_credentials = true` and `cors_origins = [\"*\"]` in [rest] cannot stand together: \
             every page could act as whoever looks at it",
        )),
        _ => None,
    }
}

/// Reports what no browser sends as an origin.
fn check(reader: &mut Reader<'_>, origin: &Spanned<String>) {
    let text = origin.as_str();
    if text == ANY {
        return;
    }
    let lower = text.to_ascii_lowercase();
    let (scheme, authority) = text.split_once("://").unwrap_or(("", text));
    let help = if text == "null" {
        "pages of files and sandboxes have no origin that could be told from others".to_owned()
    } else if scheme.is_empty() || authority.is_empty() {
        "write the scheme and the host, as in `https://app.example`, or `*` for all".to_owned()
    } else if authority.contains(['/', '?', '#', '@']) {
        let host = authority
            .split(['/', '?', '#'])
            .next()
            .and_then(|host| host.rsplit('@').next())
            .unwrap_or_default();
        format!("an origin ends with its host or port: `{scheme}://{host}`")
    } else if text.contains('*') {
        "patterns are not known here: write each origin in full".to_owned()
    } else if text
        .contains(|letter: char| letter.is_whitespace() || letter.is_control() || !letter.is_ascii())
    {
        "browsers send origins in ASCII: international host names start with `xn--`".to_owned()
    } else if lower != text {
        format!("browsers send it in small letters: `{lower}`")
    } else if let Some(host) = default_port(scheme, authority) {
        format!("browsers leave out the port that the scheme says already: `{scheme}://{host}`")
    } else {
        return;
    };
    let message = format!(
        "each of `cors_origins` in [rest] must be an origin as browsers send it, found {}",
        quoted(text)
    );
    reader.report(ErrorKind::InvalidValue, origin.at, message, Some(help));
}

/// The host without a port that browsers do not send.
fn default_port<'a>(scheme: &str, authority: &'a str) -> Option<&'a str> {
    match scheme {
        "http" => authority.strip_suffix(":80"),
        "https" => authority.strip_suffix(":443"),
        _ => None,
    }
}
