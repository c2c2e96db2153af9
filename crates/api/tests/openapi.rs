//! `openapi.json` is written by hand; these tests hold it to what is served.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod common;

use common::*;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use trunkline_view::{Answer, ErrorKind, Query};

/// Finds what in `value` the schema does not describe, and what it describes that `value` does not have. Knows the
/// keywords that `openapi.json` uses. Every field of a view is always there, so that the two must agree exactly.
struct Checker {
    root: Value,
    problems: Vec<String>,
}

impl Checker {
    fn new() -> Checker {
        Checker { root: serde_json::from_str(include_str!("../openapi.json")).unwrap(), problems: vec![] }
    }

    fn schema(&self, name: &str) -> Value {
        self.resolve(&json!({"$ref": format!("#/components/schemas/{name}")}))
    }

    fn resolve(&self, schema: &Value) -> Value {
        match schema["$ref"].as_str() {
            Some(reference) => {
                let found = self.root.pointer(reference.strip_prefix('#').unwrap());
                self.resolve(found.unwrap_or_else(|| panic!("{reference} is missing")))
            }
            None => schema.clone(),
        }
    }

    /// The properties and required names of an object schema, those of `allOf` included.
    fn members(&self, schema: &Value) -> (serde_json::Map<String, Value>, BTreeSet<String>) {
        let schema = self.resolve(schema);
        let mut properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let list = |v: &Value| v.as_array().cloned().unwrap_or_default();
        let mut required: BTreeSet<String> =
            list(&schema["required"]).iter().map(|r| r.as_str().unwrap().to_owned()).collect();
        for part in list(&schema["allOf"]) {
            let (more, needed) = self.members(&part);
            properties.extend(more);
            required.extend(needed);
        }
        (properties, required)
    }

    fn check(&mut self, schema: &Value, value: &Value, at: &str) {
        let schema = self.resolve(schema);
        if let Some(choices) = schema["oneOf"].as_array() {
            let fits: Vec<_> = choices.iter().filter(|c| self.may_be(c, value)).cloned().collect();
            match fits.as_slice() {
                [one] => self.check(one, value, at),
                _ => self.problems.push(format!("{at}: {} choices fit {value}", fits.len())),
            }
            return;
        }
        if !self.may_be(&schema, value) {
            self.problems.push(format!("{at}: {value} is not of type {}", schema["type"]));
        }
        if let Some(allowed) = schema["enum"].as_array()
            && !allowed.contains(value)
        {
            self.problems.push(format!("{at}: {value} is none of {allowed:?}"));
        }
        match value {
            Value::Object(object) => self.check_object(&schema, object, at),
            Value::Array(items) => {
                items
                    .iter()
                    .enumerate()
                    .for_each(|(i, v)| self.check(&schema["items"], v, &format!("{at}[{i}]")));
            }
            _ => {}
        }
    }

    fn check_object(&mut self, schema: &Value, object: &serde_json::Map<String, Value>, at: &str) {
        let (properties, required) = self.members(schema);
        for (name, value) in object {
            // A map: all members are alike.
            let any = schema.get("additionalProperties").cloned();
            match properties.get(name).cloned().or(any).as_ref() {
                Some(property) => self.check(property, value, &format!("{at}.{name}")),
                None => self.problems.push(format!("{at}.{name} is not described")),
            }
        }
        let described = properties.keys().chain(&required);
        for name in described.filter(|n| !object.contains_key(*n)) {
            self.problems.push(format!("{at}.{name} is described, but is not there"));
        }
    }

    /// Whether type and tag agree.
    fn may_be(&self, schema: &Value, value: &Value) -> bool {
        let schema = self.resolve(schema);
        let (properties, _) = self.members(&schema);
        let tags_fit = properties.iter().all(|(n, p)| p.get("const").is_none_or(|c| value.get(n) == Some(c)));
        let is = |name: &Value| match name.as_str() {
            Some("null") => value.is_null(),
            Some("boolean") => value.is_boolean(),
            Some("integer") => value.is_u64(),
            Some("number") => value.is_number(),
            Some("string") => value.is_string(),
            Some("array") => value.is_array(),
            Some("object") => value.is_object(),
            _ => true,
        };
        let type_fits = match &schema["type"] {
            Value::Array(types) => types.iter().any(is),
            one => is(one),
        };
        tags_fit && type_fits
    }

    fn finish(self) {
        assert!(self.problems.is_empty(), "{}", self.problems.join("\n"));
    }
}

#[test]
fn describes_every_query_answer_and_event() {
    let mut checker = Checker::new();
    let (query, answer, event) = (checker.schema("Query"), checker.schema("Answer"), checker.schema("Event"));
    for q in queries() {
        checker.check(&query, &serde_json::to_value(&q).unwrap(), "query");
        // A new variant: put it into `queries` and `answer_to` too.
        match q {
            Query::Node | Query::BgpSummary | Query::BgpNeighbors { .. } | Query::BgpRoutes(_) => {}
            Query::Routes { .. } | Query::Interfaces | Query::BgpClear { .. } | Query::BgpShutdown { .. } => {
            }
            Query::BgpStart { .. } | Query::Reload | Query::Arp { .. } | Query::Mac { .. } | Query::Tcp => {}
            Query::SpanningTree { .. } | Query::SpanningTreeMcheck { .. } => {}
            Query::SpanningTreeRecover { .. } => {}
            Query::ExplainRoute(_) | Query::ExplainBgp(_) => {}
            Query::Rip | Query::RipNeighbors | Query::RipRoutes(_) | Query::RipClear { .. } => {}
            Query::IpStatistics | Query::Ping(_) | Query::Traceroute(_) | Query::TcpTransfer(_) => {}
            Query::TcpConnect(_) | Query::TcpListen { .. } | Query::TcpSend { .. } => {}
            Query::TcpClose { .. } | Query::TcpAbort { .. } => {}
        }
        checker.check(&answer, &serde_json::to_value(answer_to(&q).unwrap()).unwrap(), "answer");
    }
    for kind in [ErrorKind::NotFound, ErrorKind::Invalid, ErrorKind::NotRunning, ErrorKind::Unavailable] {
        checker.check(&answer, &serde_json::to_value(Answer::error(kind, "x")).unwrap(), "answer");
    }
    for e in events() {
        checker.check(&event, &serde_json::to_value(&e).unwrap(), "event");
    }
    // As many of each as are described, so that nothing described is gone.
    let count = |schema: &Value| schema["oneOf"].as_array().unwrap().len();
    assert_eq!((count(&query), count(&event)), (queries().len(), events().len()));
    checker.finish();
}

#[test]
fn every_path_answers_as_described_and_has_no_other_method() {
    let fake = start();
    let mut checker = Checker::new();
    let paths = checker.root["paths"].as_object().unwrap().clone();
    for (path, operations) in &paths {
        let target =
            path.replace("{address}", "127.0.0.2").replace("{bridge}", "br0").replace("{port}", "eth1");
        let target = match path.as_str() {
            "/v1/explain/route" => format!("{target}?prefix=10.0.0.1"),
            "/v1/explain/bgp" => format!("{target}?neighbor=127.0.0.2"),
            _ => target,
        };
        for method in ["GET", "POST", "PUT", "DELETE"] {
            let Some(operation) = operations.get(method.to_lowercase()) else {
                let status = fake.client.request(method, &target, None).unwrap().status;
                assert_eq!(status, 405, "{method} {path}");
                continue;
            };
            if path == "/v1/events" {
                continue;
            }
            let body = match path.as_str() {
                "/v1/query" => Some(r#"{"query": "node"}"#),
                "/v1/bgp/clear" => Some(r#"{"address": null}"#),
                "/v1/rip/clear" => Some(r#"{"prefix": null}"#),
                _ => None,
            };
            let response = fake.client.request(method, &target, body).unwrap();
            assert_eq!(response.status, 200, "{method} {path}");
            let schema = &operation["responses"]["200"]["content"]["application/json"]["schema"];
            if schema.get("$ref").is_some() {
                checker.check(schema, &response.json().unwrap(), path);
            }
        }
    }
    checker.finish();
}
