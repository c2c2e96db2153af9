//! Views as JSON.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use trunkline_view::Answer;

/// The JSON of what is in an answer, without the tag that says which answer it is; `pretty` is for people.
pub fn view_json(answer: &Answer, pretty: bool) -> String {
    match answer {
        Answer::Node(v) => json(v, pretty),
        Answer::BgpSummary(v) => json(v, pretty),
        Answer::BgpNeighbors(v) => json(v, pretty),
        Answer::BgpRoutes(v) => json(v, pretty),
        Answer::Routes(v) => json(v, pretty),
        Answer::ExplainRoute(v) => json(v, pretty),
        Answer::ExplainBgp(v) => json(v, pretty),
        Answer::Interfaces(v) => json(v, pretty),
        Answer::Done(v) => json(v, pretty),
        Answer::Reload(v) => json(v, pretty),
        Answer::Arp(v) => json(v, pretty),
        Answer::Mac(v) => json(v, pretty),
        Answer::SpanningTree(v) => json(v, pretty),
        Answer::Rip(v) => json(v, pretty),
        Answer::RipNeighbors(v) => json(v, pretty),
        Answer::RipRoutes(v) => json(v, pretty),
        Answer::Tcp(v) => json(v, pretty),
        Answer::IpStatistics(v) => json(v, pretty),
        Answer::Ping(v) => json(v, pretty),
        Answer::Traceroute(v) => json(v, pretty),
        Answer::Transfer(v) => json(v, pretty),
        Answer::Error(v) => json(v, pretty),
    }
}

/// Views are plain data with text keys, so that serializing them does not fail; if it did, null says so.
pub(crate) fn json<T: Serialize>(value: &T, pretty: bool) -> String {
    let text = if pretty { serde_json::to_string_pretty(value) } else { serde_json::to_string(value) };
    text.unwrap_or_else(|_| "null".to_owned())
}

/// A JSON response.
pub(crate) fn json_response<T: Serialize>(status: StatusCode, value: &T) -> Response {
    text_response(status, "application/json", json(value, false))
}

/// A response with a body of some type. State is never to be cached.
pub(crate) fn text_response(status: StatusCode, content_type: &'static str, body: String) -> Response {
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "no-store")];
    (status, headers, body).into_response()
}
