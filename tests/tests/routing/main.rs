//! Policies, routing, groups, redirects to a login page, requests of other origins, and the
//! environment: what a client sees of them.

mod application;
mod closed_groups;
mod covered;
mod cross_origin;
mod cross_origin_posts;
mod declared_groups;
mod environment;
mod groups;
mod policies;
mod redirects;
mod router;
mod startup;
