//! Styles and scripts, which are part of the program.

use anchor::prelude::*;
use axum::extract::Path;
use axum::http::header;
use axum::response::{IntoResponse, Response};

use crate::error::AppError;

const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

#[public]
pub(crate) async fn asset(Path(file): Path<String>) -> Result<Response, AppError> {
    let (kind, text) = match file.as_str() {
        "style.css" => (CSS, include_str!("../../assets/style.css")),
        "page.js" => (JAVASCRIPT, include_str!("../../assets/page.js")),
        "live.js" => (JAVASCRIPT, include_str!("../../assets/live.js")),
        "icon.svg" => (SVG, include_str!("../../assets/icon.svg")),
        _ => return Err(AppError::NotFound),
    };
    let headers = [(header::CONTENT_TYPE, kind), (header::CACHE_CONTROL, "public, max-age=600")];
    Ok((headers, text).into_response())
}
