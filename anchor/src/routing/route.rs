//! [`Route`]: a route as a router knows it, with its policy and what is applied around it.

use axum::extract::Request;
use axum::response::IntoResponse;
use axum::routing::{MethodRouter, Route as AxumRoute};
use std::convert::Infallible;
use tower_layer::Layer;
use tower_service::Service;

use super::declared::DeclaredPolicy;
use super::route_table::{RouteMethod, RoutePolicy};
use crate::request::applied::{Applied, applied_by};

/// A route of a router. Its path is empty until it has one.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) method: RouteMethod,
    pub(super) path: String,
    pub(super) policy: DeclaredPolicy,
    /// Whether this is a router's fallback, which is removed when the fallback is reset.
    pub(super) is_fallback: bool,
}

impl Route {
    pub(super) fn new(method: RouteMethod, policy: DeclaredPolicy) -> Self {
        Self { method, path: String::new(), policy, is_fallback: false }
    }

    pub(super) fn at(self, path: impl Into<String>) -> Self {
        Self { path: path.into(), ..self }
    }

    /// Records what is applied around the route, the innermost first.
    pub(super) fn surround(&mut self, applied: &[Applied]) {
        for layer in applied {
            let Applied::Guard(guard) = layer;
            let guard = DeclaredPolicy::Session {
                payload: guard.payload.clone(),
                demands: guard.demands.clone(),
                redirect: guard.login_page,
            };
            let own = std::mem::replace(&mut self.policy, DeclaredPolicy::Public);
            self.policy = own.under(guard);
        }
    }

    pub(super) fn into_policy(self) -> RoutePolicy {
        RoutePolicy { method: self.method, path: self.path, policy: self.policy }
    }
}

/// Returns which of anchor's layers a layer consists of, the innermost first.
pub(super) fn layers_in<L>(layer: &L) -> Vec<Applied>
where
    L: Layer<AxumRoute> + Clone + Send + Sync + 'static,
    L::Service: Service<Request> + Clone + Send + Sync + 'static,
    <L::Service as Service<Request>>::Response: IntoResponse + 'static,
    <L::Service as Service<Request>>::Error: Into<Infallible> + 'static,
    <L::Service as Service<Request>>::Future: Send + 'static,
{
    applied_by(|| {
        // A router without handlers has one route, its fallback, to which the layer is applied.
        let _: MethodRouter = MethodRouter::<(), Infallible>::new().layer(layer.clone());
    })
}
