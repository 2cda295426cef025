//! Clients: what they see over websockets, whoever wrote them and whatever they send.

mod browser;
mod conformance;
mod hostile;
mod order;
mod scans;
mod tls;
mod traces;
mod websocket;
