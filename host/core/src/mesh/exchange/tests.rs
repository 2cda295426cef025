//! Addresses of answers, and paths of requests.
//!
//! Enters: paths as clients send them. Leaves: which of them are taken. Guarantees: no session gets the answers of another.

use super::*;

#[test]
fn only_the_session_s_own_addresses_are_accepted() {
    for (address, own) in [
        ("/_exchange/responses/S/D/c/m/1", true),
        ("/_exchange/responses/S/1", true),
        ("/_exchange/responses/D/c/m/S/1", true),
        ("/_exchange/responses/T/D/c/m/1", false),
        ("/_exchange/responses/D/c/S/m/1", false),
        ("/_exchange/responses/S/*", false),
        ("/_events/D/c/fake", false),
        ("/_exchange/responses/", false),
    ] {
        assert_eq!(is_own_address(address, "S", "D"), own, "{address}");
    }
    let other = uuid::Uuid::new_v4();
    let forged = format!("/_exchange/responses/{other}/c/m/S/1");
    assert!(!is_own_address(&forged, "S", "D"), "a session is no domain");
    assert!(
        is_own_address(&forged, "S", &other.to_string()),
        "but a mesh may be named so"
    );
}

#[test]
fn paths_of_requests_name_component_and_method() {
    assert_eq!(
        target_of("/_exchange/requests/D/calc/add", "D"),
        (Some("calc"), "add")
    );
    assert_eq!(target_of("/_exchange/requests/E/calc/add", "D").0, None);
    assert_eq!(target_of("/_exchange/requests/D/calc/add/more", "D").0, None);
    assert_eq!(target_of("/_exchange/requests/D", "D").0, None);
    assert_eq!(last_two("/_exchange/requests/D/calc/add/more"), ("add", "more"));
}
