//! Keeps web pages away from the node.
//!
//! The API trusts who can reach its socket. A browser on the same host can reach a loopback port too, on behalf of
//! any page: by a cross-site form (CSRF), or by a name that its owner points at 127.0.0.1 (DNS rebinding). Both
//! betray themselves in headers that a page cannot forge.

use crate::error::ApiError;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::IpAddr;

/// What the guard knows of the listener.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Guard {
    /// Nobody but programs of this host can reach it, so that a name other than `localhost` is a trick.
    pub(crate) loopback: bool,
}

/// Refuses what only a browser on behalf of a foreign page sends.
pub(crate) async fn check(State(guard): State<Guard>, request: Request, next: Next) -> Response {
    match guard.verdict(request.method(), request.uri(), request.headers()) {
        Ok(()) => next.run(request).await,
        Err(message) => ApiError::with_status(StatusCode::FORBIDDEN, message).into_response(),
    }
}

impl Guard {
    fn verdict(self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Result<(), &'static str> {
        let reads = method == Method::GET || method == Method::HEAD;
        if !reads && headers.contains_key(header::ORIGIN) {
            return Err("requests from web pages are refused (the request has an Origin header)");
        }
        if reads && !self.loopback {
            return Ok(());
        }
        // The target's authority, where there is one, takes the place of Host (RFC 9112 §3.2.2).
        let host = match (uri.authority(), headers.get(header::HOST)) {
            (Some(authority), _) => Some(authority.as_str()),
            (None, Some(host)) => Some(host.to_str().unwrap_or("?")),
            // HTTP/1.0 need not say a host; browsers always do.
            (None, None) => None,
        };
        match host {
            Some(host) if !is_literal(host) => {
                Err("the Host header must be an IP address or localhost (protection against DNS rebinding)")
            }
            _ => Ok(()),
        }
    }
}

/// Whether `host`, maybe with a port, is an IP address or "localhost".
fn is_literal(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    };
    let bare = name.strip_prefix('[').and_then(|n| n.strip_suffix(']')).unwrap_or(name);
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals() {
        for host in
            ["127.0.0.1", "127.0.0.1:8179", "[::1]:8179", "[::1]", "localhost", "LOCALHOST:80", "10.0.0.1"]
        {
            assert!(is_literal(host), "{host}");
        }
        for host in ["example.com", "localhost.evil.com:8179", "127.0.0.1.evil.com", "", ":80", "a:b"] {
            assert!(!is_literal(host), "{host}");
        }
    }

    #[test]
    fn pages_are_refused_and_programs_pass() {
        let check = |loopback, method: Method, headers: &[(&'static str, &'static str)]| {
            let map = headers
                .iter()
                .map(|(n, v)| (header::HeaderName::from_static(n), header::HeaderValue::from_static(v)));
            let uri = Uri::from_static("/v1/query");
            Guard { loopback }.verdict(&method, &uri, &map.collect()).is_ok()
        };
        let local = ("host", "127.0.0.1:8179");
        let origin = ("origin", "https://evil.example");
        let named = ("host", "evil.example:8179");
        assert!(check(true, Method::POST, &[local]));
        assert!(check(true, Method::POST, &[]));
        assert!(check(true, Method::GET, &[local, origin]));
        assert!(!check(true, Method::POST, &[local, origin]));
        assert!(!check(true, Method::POST, &[named]));
        assert!(!check(true, Method::GET, &[named]));
        assert!(!check(false, Method::POST, &[named]));
        assert!(check(false, Method::GET, &[("host", "router1.example.net:8179")]));
    }
}
