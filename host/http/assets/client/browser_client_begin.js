//! The beginning of `/browser_client`: what follows it stays inside, but for the one name that its end gives to the page.
(function (page, outside) {
const module = { exports: {} };
