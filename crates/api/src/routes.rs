//! What can be asked, as URLs. `openapi.json` describes the same; a test compares the two.

use crate::error::{ApiError, status_of};
use crate::guard::{self, Guard};
use crate::render::{json_response, text_response, view_json};
use crate::{Backend, events, metrics};
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Path, Query as UrlQuery, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::net::IpAddr;
use std::time::Duration;
use tokio::sync::oneshot;
use trunkline_core::Prefix;
use trunkline_view::explain::{NeighborQuery, RouteQuery};
use trunkline_view::{Answer, Query, bgp, rip};

/// The longest body of a request, in octets.
const BODY_LIMIT: usize = 64 * 1024;

/// How long a request may take, its body included; a reload of a large file is the slowest.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(50);

/// Routes of one page, where the request does not say how many.
const PAGE: u32 = 1000;

/// The description of all this.
pub(crate) const OPENAPI: &str = include_str!("../openapi.json");

/// Every URL.
fn table() -> [(&'static str, MethodRouter<Backend>); 28] {
    [
        ("/v1/query", post(query)),
        ("/v1/node", get(|b: State<Backend>| view(b, Query::Node))),
        ("/v1/bgp/summary", get(|b: State<Backend>| view(b, Query::BgpSummary))),
        ("/v1/bgp/neighbors", get(|b: State<Backend>| view(b, Query::BgpNeighbors { address: None }))),
        ("/v1/bgp/neighbors/{address}", get(neighbor)),
        ("/v1/bgp/neighbors/{address}/shutdown", post(shutdown)),
        ("/v1/bgp/neighbors/{address}/start", post(start)),
        ("/v1/bgp/routes", get(bgp_routes)),
        ("/v1/bgp/clear", post(clear)),
        ("/v1/routes", get(routes)),
        ("/v1/explain/route", get(explain_route)),
        ("/v1/explain/bgp", get(explain_bgp)),
        ("/v1/interfaces", get(|b: State<Backend>| view(b, Query::Interfaces))),
        ("/v1/arp", get(|b: State<Backend>| view(b, Query::Arp { interface: None }))),
        ("/v1/mac", get(|b: State<Backend>| view(b, Query::Mac { bridge: None }))),
        ("/v1/spanning-tree", get(|b: State<Backend>| view(b, Query::SpanningTree { bridge: None }))),
        ("/v1/spanning-tree/{bridge}/{port}/mcheck", post(mcheck)),
        ("/v1/spanning-tree/{bridge}/{port}/recover", post(recover)),
        ("/v1/tcp", get(|b: State<Backend>| view(b, Query::Tcp))),
        ("/v1/ip", get(|b: State<Backend>| view(b, Query::IpStatistics))),
        ("/v1/rip", get(|b: State<Backend>| view(b, Query::Rip))),
        ("/v1/rip/neighbors", get(|b: State<Backend>| view(b, Query::RipNeighbors))),
        ("/v1/rip/routes", get(rip_routes)),
        ("/v1/rip/clear", post(clear_rip)),
        ("/v1/reload", post(|b: State<Backend>| view(b, Query::Reload))),
        ("/v1/events", get(|State(b): State<Backend>| async move { events::stream(&b) })),
        ("/metrics", get(metrics)),
        (
            "/openapi.json",
            get(|| async { text_response(StatusCode::OK, "application/json", OPENAPI.to_owned()) }),
        ),
    ]
}

/// The service of one listener; `guard` where browsers can reach it.
pub(crate) fn router(backend: Backend, guard: Option<Guard>) -> Router {
    let mut router = Router::new();
    for (path, handlers) in table() {
        router = router.route(path, handlers);
    }
    let router = router
        .fallback(|| async { not_there(StatusCode::NOT_FOUND, "no such path; /openapi.json lists them") })
        .method_not_allowed_fallback(|| async {
            not_there(StatusCode::METHOD_NOT_ALLOWED, "this path has other methods; /openapi.json lists them")
        })
        .layer(DefaultBodyLimit::max(BODY_LIMIT))
        .layer(middleware::from_fn(in_time))
        .with_state(backend);
    match guard {
        Some(guard) => router.layer(middleware::from_fn_with_state(guard, guard::check)),
        None => router,
    }
}

fn not_there(status: StatusCode, message: &str) -> ApiError {
    ApiError::with_status(status, message)
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::unavailable("the node does not answer in time").into_response(),
    }
}

/// Asks the node and waits for its answer.
async fn ask(backend: &Backend, query: Query) -> Answer {
    let (sender, receiver) = oneshot::channel();
    let reply = Box::new(move |answer| {
        // Nobody waits any more where the client went away.
        let _ = sender.send(answer);
    });
    (backend.query)(query, reply);
    match receiver.await {
        Ok(answer) => answer,
        Err(_) => Answer::Error(ApiError::unavailable("the node has stopped").into_view()),
    }
}

/// Asks the node; the response is the view alone, or the error with its status.
async fn view(State(backend): State<Backend>, query: Query) -> Response {
    match ask(&backend, query).await {
        Answer::Error(error) => ApiError::from(error).into_response(),
        answer => text_response(StatusCode::OK, "application/json", view_json(&answer, false)),
    }
}

/// `POST /v1/query`: the one request that the command line needs. The response is always an [`Answer`].
async fn query(
    State(backend): State<Backend>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    match read_body::<Query>(&headers, body) {
        Ok(Some(query)) => {
            let answer = ask(&backend, query).await;
            let status = match &answer {
                Answer::Error(error) => status_of(error.kind),
                _ => StatusCode::OK,
            };
            json_response(status, &answer)
        }
        Ok(None) => as_answer(ApiError::invalid("the body is to be a query, as in {\"query\": \"node\"}")),
        Err(error) => as_answer(error),
    }
}

fn as_answer(error: ApiError) -> Response {
    json_response(error.status(), &Answer::Error(error.into_view()))
}

async fn neighbor(backend: State<Backend>, Path(address): Path<String>) -> Result<Response, ApiError> {
    let address = Some(parse_address(&address)?);
    Ok(view(backend, Query::BgpNeighbors { address }).await)
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct ShutdownBody {
    message: Option<String>,
}

async fn shutdown(
    backend: State<Backend>,
    Path(address): Path<String>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    let address = parse_address(&address)?;
    let ShutdownBody { message } = read_body(&headers, body)?.unwrap_or_default();
    Ok(view(backend, Query::BgpShutdown { address, message }).await)
}

async fn start(backend: State<Backend>, Path(address): Path<String>) -> Result<Response, ApiError> {
    Ok(view(backend, Query::BgpStart { address: parse_address(&address)? }).await)
}

async fn mcheck(backend: State<Backend>, Path((bridge, port)): Path<(String, String)>) -> Response {
    view(backend, Query::SpanningTreeMcheck { bridge, port }).await
}

async fn recover(backend: State<Backend>, Path((bridge, port)): Path<(String, String)>) -> Response {
    view(backend, Query::SpanningTreeRecover { bridge, port }).await
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearBody {
    // With this, null must be written for "all": what is left out is an error.
    #[serde(deserialize_with = "Option::deserialize")]
    address: Option<IpAddr>,
    #[serde(default)]
    soft: bool,
}

async fn clear(
    backend: State<Backend>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    // A body is required, so that an empty request does not reset every session.
    let Some(ClearBody { address, soft }) = read_body(&headers, body)? else {
        return Err(ApiError::invalid(
            "say {\"address\": …, \"soft\": …}; address null means every neighbor",
        ));
    };
    Ok(view(backend, Query::BgpClear { address, soft }).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct BgpRoutesParameters {
    family: Option<String>,
    prefix: Option<String>,
    received: Option<IpAddr>,
    advertised: Option<IpAddr>,
    #[serde(default)]
    cursor: u64,
    limit: Option<u32>,
}

async fn bgp_routes(
    backend: State<Backend>,
    parameters: Result<UrlQuery<BgpRoutesParameters>, QueryRejection>,
) -> Result<Response, ApiError> {
    let UrlQuery(p) = parameters.map_err(|e| ApiError::invalid(e.body_text()))?;
    let query = bgp::RoutesQuery {
        family: p.family,
        prefix: p.prefix.as_deref().map(parse_prefix).transpose()?,
        received: p.received,
        advertised: p.advertised,
        cursor: p.cursor,
        limit: page_limit(p.limit)?,
    };
    Ok(view(backend, Query::BgpRoutes(query)).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoutesParameters {
    prefix: Option<String>,
    #[serde(default)]
    cursor: u64,
    limit: Option<u32>,
}

async fn routes(
    backend: State<Backend>,
    parameters: Result<UrlQuery<RoutesParameters>, QueryRejection>,
) -> Result<Response, ApiError> {
    let UrlQuery(p) = parameters.map_err(|e| ApiError::invalid(e.body_text()))?;
    let prefix = p.prefix.as_deref().map(parse_prefix).transpose()?;
    let query = Query::Routes { prefix, cursor: p.cursor, limit: page_limit(p.limit)? };
    Ok(view(backend, query).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainParameters {
    prefix: String,
    from: Option<IpAddr>,
    to: Option<IpAddr>,
}

async fn explain_route(
    backend: State<Backend>,
    parameters: Result<UrlQuery<ExplainParameters>, QueryRejection>,
) -> Result<Response, ApiError> {
    let UrlQuery(ExplainParameters { prefix, from, to }) =
        parameters.map_err(|e| ApiError::invalid(e.body_text()))?;
    let query = RouteQuery { prefix: parse_prefix(&prefix)?, from, to };
    Ok(view(backend, Query::ExplainRoute(query)).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ExplainBgpParameters {
    neighbor: IpAddr,
    #[serde(default)]
    probe: bool,
}

async fn explain_bgp(
    backend: State<Backend>,
    parameters: Result<UrlQuery<ExplainBgpParameters>, QueryRejection>,
) -> Result<Response, ApiError> {
    let UrlQuery(ExplainBgpParameters { neighbor, probe }) =
        parameters.map_err(|e| ApiError::invalid(e.body_text()))?;
    Ok(view(backend, Query::ExplainBgp(NeighborQuery { neighbor, probe })).await)
}

async fn rip_routes(
    backend: State<Backend>,
    parameters: Result<UrlQuery<RoutesParameters>, QueryRejection>,
) -> Result<Response, ApiError> {
    let UrlQuery(p) = parameters.map_err(|e| ApiError::invalid(e.body_text()))?;
    let prefix = p.prefix.as_deref().map(parse_prefix).transpose()?;
    let query = rip::RoutesQuery { prefix, cursor: p.cursor, limit: page_limit(p.limit)? };
    Ok(view(backend, Query::RipRoutes(query)).await)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ClearRipBody {
    // With this, null must be written for "all": what is left out is an error.
    #[serde(deserialize_with = "Option::deserialize")]
    prefix: Option<Prefix>,
}

async fn clear_rip(
    backend: State<Backend>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Response, ApiError> {
    // A body is required, so that an empty request does not clear all.
    let Some(ClearRipBody { prefix }) = read_body(&headers, body)? else {
        return Err(ApiError::invalid("say {\"prefix\": …}; null means every route"));
    };
    Ok(view(backend, Query::RipClear { prefix }).await)
}

async fn metrics(State(backend): State<Backend>) -> Response {
    let node = ask(&backend, Query::Node).await;
    let summary = ask(&backend, Query::BgpSummary).await;
    let neighbors = ask(&backend, Query::BgpNeighbors { address: None }).await;
    let trees = ask(&backend, Query::SpanningTree { bridge: None }).await;
    let rip = ask(&backend, Query::Rip).await;
    let rip_neighbors = ask(&backend, Query::RipNeighbors).await;
    match metrics::text(&node, (&summary, &neighbors), &trees, (&rip, &rip_neighbors)) {
        Ok(text) => text_response(StatusCode::OK, metrics::CONTENT_TYPE, text),
        Err(error) => error.into_response(),
    }
}

/// The body from JSON; `None` where it is empty. The content type must be JSON, which a form of a web page is not.
fn read_body<T: DeserializeOwned>(
    headers: &HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Result<Option<T>, ApiError> {
    let body = body.map_err(|e| ApiError::with_status(e.status(), e.body_text()))?;
    if body.is_empty() {
        return Ok(None);
    }
    let content_type = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if content_type.split(';').next().map(str::trim) != Some("application/json") {
        let message = "a body needs the header Content-Type: application/json";
        return Err(ApiError::with_status(StatusCode::UNSUPPORTED_MEDIA_TYPE, message));
    }
    serde_json::from_slice(&body).map(Some).map_err(|e| ApiError::invalid(format!("in the body: {e}")))
}

fn parse_address(text: &str) -> Result<IpAddr, ApiError> {
    text.parse().map_err(|_| ApiError::invalid(format!("{text:?} is no IP address")))
}

/// A prefix, or an address as a prefix that holds it alone.
fn parse_prefix(text: &str) -> Result<Prefix, ApiError> {
    match text.parse::<IpAddr>() {
        Ok(address) => Ok(Prefix::host(address)),
        Err(_) => text.parse().map_err(|e| ApiError::invalid(format!("prefix {text:?}: {e}"))),
    }
}

fn page_limit(limit: Option<u32>) -> Result<u32, ApiError> {
    match limit.unwrap_or(PAGE) {
        limit @ 1..=1000 => Ok(limit),
        _ => Err(ApiError::invalid("limit is 1 to 1000; follow `next` by cursor for more")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_description_has_every_path_and_no_other() {
        let description: serde_json::Value = serde_json::from_str(OPENAPI).unwrap();
        let described: BTreeSet<_> =
            description["paths"].as_object().unwrap().keys().map(String::as_str).collect();
        let served: BTreeSet<_> = table().iter().map(|(path, _)| *path).collect();
        assert_eq!(described, served);
    }
}
