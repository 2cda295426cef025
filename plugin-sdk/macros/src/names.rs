//! Names on the wire.

use syn::LitStr;

/// `event_name` becomes `eventName`; a leading underscore, which silences the compiler, is left out.
pub(crate) fn camel_case(name: &str) -> String {
    let name = name.strip_prefix("r#").unwrap_or(name).trim_start_matches('_');
    let mut camel = String::new();
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else if std::mem::take(&mut upper) {
            camel.extend(character.to_uppercase());
        } else {
            camel.push(character);
        }
    }
    camel
}

/// A name of a component or method becomes one segment of a path.
pub(crate) fn check_segment(name: &LitStr) -> syn::Result<()> {
    let text = name.value();
    let wrong = |character: char| {
        matches!(character, '/' | '*' | '@') || character.is_whitespace() || character.is_control()
    };
    if text.is_empty() || text.len() > 256 || text.contains(wrong) {
        let message = "this name becomes one segment of a path on the wire: it must not be empty or longer than 256 bytes, and not contain `/`, `*`, `@` or spaces";
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(())
}

/// A web route is one or more segments of a URL.
pub(crate) fn check_route(name: &LitStr) -> syn::Result<()> {
    let text = name.value();
    let wrong = |character: char| {
        matches!(character, '*' | '@' | '?' | '#' | '%')
            || character.is_whitespace()
            || character.is_control()
    };
    let has_empty_segment = text.split('/').any(|segment| matches!(segment, "" | "." | ".."));
    if has_empty_segment || text.len() > 256 || text.contains(wrong) {
        let message = "this name becomes part of a URL, such as `page` or `assets/icons`: it must not be empty or longer than 256 bytes, not begin or end with `/`, and not contain `*`, `@`, `?`, `#`, `%` or spaces";
        return Err(syn::Error::new(name.span(), message));
    }
    Ok(())
}

/// Clients refuse components whose version is no strict semantic version.
pub(crate) fn check_version(version: &LitStr) -> syn::Result<()> {
    let text = version.value();
    let (text, build) = text
        .split_once('+')
        .map_or((&*text, None), |(text, build)| (text, Some(build)));
    let (numbers, pre) = text
        .split_once('-')
        .map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
    let is_number = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_digit())
            && (part == "0" || !part.starts_with('0'))
    };
    let is_tag = |tag: &str, strict: bool| {
        tag.split('.').all(|part| {
            let numeric = part.bytes().all(|byte| byte.is_ascii_digit());
            !part.is_empty()
                && part
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
                && (!strict || !numeric || is_number(part))
        })
    };
    let three = numbers.split('.').count() == 3 && numbers.split('.').all(is_number);
    if three && pre.is_none_or(|tag| is_tag(tag, true)) && build.is_none_or(|tag| is_tag(tag, false)) {
        return Ok(());
    }
    Err(syn::Error::new(
        version.span(),
        "a version has three numbers, such as `1.2.3` or `1.2.3-beta.1`: older clients refuse a component with any other",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proc_macro2::Span;

    #[test]
    fn snake_becomes_camel() {
        for (snake, camel) in [
            ("add", "add"),
            ("event_name", "eventName"),
            ("r#type", "type"),
            ("_unused_value", "unusedValue"),
            ("a_1", "a1"),
        ] {
            assert_eq!(camel_case(snake), camel);
        }
    }

    #[test]
    fn only_strict_versions_are_versions() {
        let check = |text: &str| check_version(&LitStr::new(text, Span::call_site())).is_ok();
        for good in ["1.2.3", "0.0.0", "1.2.3-beta.1", "1.2.3-a-b+build.01"] {
            assert!(check(good), "{good}");
        }
        for bad in [
            "", "1", "1.2", "1.2.3.4", "v1.2.3", "01.2.3", "1.2.3-", "1.2.3-01", "1.2.3+", "^1.2.3", "1.2.x",
        ] {
            assert!(!check(bad), "{bad}");
        }
    }

    #[test]
    fn names_are_segments() {
        let check = |text: &str| check_segment(&LitStr::new(text, Span::call_site())).is_ok();
        assert!(check("componentName") && check("my-component"));
        assert!(!check("") && !check("a/b") && !check("a b") && !check("*"));
    }
}
