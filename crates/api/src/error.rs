//! Errors as an HTTP status and an [`ErrorView`].

use crate::render::json_response;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use trunkline_view::{ErrorKind, ErrorView};

/// What a handler answers where it cannot answer.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    view: ErrorView,
}

impl ApiError {
    /// The request makes no sense: 400.
    pub(crate) fn invalid(message: impl Into<String>) -> ApiError {
        ErrorView { kind: ErrorKind::Invalid, message: message.into() }.into()
    }

    /// The node does not answer: 503.
    pub(crate) fn unavailable(message: impl Into<String>) -> ApiError {
        ErrorView { kind: ErrorKind::Unavailable, message: message.into() }.into()
    }

    /// The request makes no sense in a way for which HTTP has a status of its own.
    pub(crate) fn with_status(status: StatusCode, message: impl Into<String>) -> ApiError {
        ApiError { status, view: ErrorView { kind: ErrorKind::Invalid, message: message.into() } }
    }

    /// What a [`trunkline_view::Answer::Error`] holds.
    pub(crate) fn into_view(self) -> ErrorView {
        self.view
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }
}

/// The status that goes with a kind of error.
pub(crate) fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Invalid => StatusCode::BAD_REQUEST,
        ErrorKind::NotRunning => StatusCode::CONFLICT,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<ErrorView> for ApiError {
    fn from(view: ErrorView) -> ApiError {
        ApiError { status: status_of(view.kind), view }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        json_response(self.status, &self.view)
    }
}
