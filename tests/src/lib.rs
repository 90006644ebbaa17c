//! What the workspace's tests share: real database servers, and stores that are broken on purpose.

pub mod databases;
pub mod naive;
pub mod servers;
