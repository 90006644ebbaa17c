//! The guards in OpenAPI documents, of utoipa and of aide: what each operation says about who may
//! call it, and that another program accepts the documents as they are served.

mod agreement;
mod documents;
mod foreign_guards;
mod mistakes;
mod sessions;
mod validator;
mod with_aide;
mod with_utoipa;
