//! What comes with a request, with failures of the one form.

use std::time::Duration;

use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::StatusCode;
use http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::Value;
use utoipa::ToSchema;

use super::described;
use crate::error::Problem;

/// For a whole body that carries no file.
const WHOLE: Duration = Duration::from_secs(30);

/// A body of JSON.
pub(crate) struct Body<T>(pub(crate) T);

/// What stands behind the question mark.
pub(crate) struct Query<T>(pub(crate) T);

/// What stands in the path.
pub(crate) struct Path<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + ToSchema> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let found = tokio::time::timeout(WHOLE, axum::Json::<Value>::from_request(request, state)).await;
        let slow = |_| Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", "the body came too slowly");
        let axum::Json(mut body) = found.map_err(slow)?.map_err(|rejection| of_body(&rejection))?;
        described::check_body(&T::name(), &mut body)?;
        serde_json::from_value(body).map(Self).map_err(|error| Problem::invalid(error.to_string()))
    }
}

fn of_body(rejection: &JsonRejection) -> Problem {
    let status = rejection.status();
    let text = rejection.body_text();
    match status {
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(status, "too_large", "the body is too large"),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(
            status,
            "unsupported_media_type",
            "the body must be JSON: Content-Type: application/json",
        ),
        _ => Problem::invalid(text),
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        described::check_query(parts)?;
        let found: Result<_, QueryRejection> =
            axum::extract::Query::<T>::from_request_parts(parts, state).await;
        found.map(|query| Self(query.0)).map_err(|rejection| Problem::invalid(rejection.body_text()))
    }
}

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let found: Result<_, PathRejection> =
            axum::extract::Path::<T>::from_request_parts(parts, state).await;
        found.map(|path| Self(path.0)).map_err(|rejection| Problem::invalid(rejection.body_text()))
    }
}
