//! The document of utoipa.

use std::collections::BTreeMap;

use ::utoipa::openapi::path::Operation as UtoipaOperation;
use ::utoipa::openapi::security::SecurityRequirement;
use ::utoipa::openapi::{OpenApi, RefOr, Server};
use http::Method;
use serde_json::Value;

use super::document::{Alternative, Document, Located, OpenApiDocument, Operation};

impl OpenApiDocument for OpenApi {}

impl Document for OpenApi {
    type Operation = UtoipaOperation;

    fn requires_security(&self) -> bool {
        self.security.as_ref().is_some_and(|security| !security.is_empty())
    }

    fn references(&self) -> Vec<String> {
        let paths = self.paths.paths.iter();
        paths.filter(|(_, item)| item.ref_path.is_some()).map(|(path, _)| path.clone()).collect()
    }

    fn operations(&mut self) -> Vec<Located<'_, UtoipaOperation>> {
        let mut found = Vec::new();
        for (path, item) in &mut self.paths.paths {
            let named = [
                (Method::GET, &mut item.get),
                (Method::PUT, &mut item.put),
                (Method::POST, &mut item.post),
                (Method::DELETE, &mut item.delete),
                (Method::OPTIONS, &mut item.options),
                (Method::HEAD, &mut item.head),
                (Method::PATCH, &mut item.patch),
                (Method::TRACE, &mut item.trace),
            ];
            let named = named.into_iter().filter_map(|(method, it)| Some((method, it.as_mut()?)));
            let query = item.query.as_mut().map(|operation| ("QUERY", operation));
            let others = item.additional_operations.iter_mut();
            let others = others.map(|(method, operation)| (&**method, operation)).chain(query);
            let others = others.filter_map(|(method, operation)| {
                Some((Method::from_bytes(method.as_bytes()).ok()?, operation))
            });
            for (method, operation) in named.chain(others) {
                let servers = [&operation.servers, &item.servers, &self.servers];
                let servers = servers.into_iter().flatten().find(|servers| !servers.is_empty());
                let servers = servers.map(|servers| addresses(servers)).unwrap_or_default();
                found.push(Located { servers, path: path.clone(), method, operation });
            }
        }
        found
    }

    fn schemes(&self) -> serde_json::Result<BTreeMap<String, Value>> {
        let Some(components) = &self.components else { return Ok(BTreeMap::new()) };
        let schemes = components.security_schemes.iter();
        schemes.map(|(name, scheme)| Ok((name.clone(), serde_json::to_value(scheme)?))).collect()
    }

    fn set_scheme(&mut self, name: &str, scheme: Value) -> serde_json::Result<()> {
        let scheme = RefOr::T(serde_json::from_value(scheme)?);
        let components = self.components.get_or_insert_default();
        components.security_schemes.insert(name.to_owned(), scheme);
        Ok(())
    }
}

fn addresses(servers: &[Server]) -> Vec<String> {
    servers.iter().map(|server| server.url.clone()).collect()
}

impl Operation for UtoipaOperation {
    fn security(&self) -> Option<Vec<Alternative>> {
        // The names are private, but not in the JSON.
        let names = |one| serde_json::from_value(serde_json::to_value(one).ok()?).ok();
        Some(self.security.as_ref()?.iter().filter_map(names).collect())
    }

    fn set_security(&mut self, security: Vec<Alternative>) {
        let requirement = |one: Alternative| {
            let none = SecurityRequirement::default();
            one.into_iter().fold(none, |all, (name, scopes)| all.add(name, scopes))
        };
        self.security = Some(security.into_iter().map(requirement).collect());
    }

    fn has_response(&self, status: u16) -> bool {
        self.responses.responses.contains_key(&status.to_string())
    }

    fn add_response(&mut self, status: u16, response: Value) -> serde_json::Result<()> {
        let response = RefOr::T(serde_json::from_value(response)?);
        self.responses.responses.insert(status.to_string(), response);
        Ok(())
    }

    fn extension(&self, name: &str) -> Option<&Value> {
        self.extensions.as_ref()?.get(name)
    }

    fn set_extension(&mut self, name: &str, value: Value) {
        self.extensions.get_or_insert_default().insert(name.to_owned(), value);
    }
}
