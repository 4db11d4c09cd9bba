//! Errors in Google's shape, with Google's reasons and messages.

use serde_json::json;

use crate::ports::transport::Response;

/// A response or an error response.
pub(super) type Answer = Result<Response, Response>;

/// Google's error domain of a reason.
fn domain(reason: &str) -> &'static str {
    match reason {
        "rateLimitExceeded"
        | "userRateLimitExceeded"
        | "quotaExceeded"
        | "dailyLimitExceeded"
        | "accessNotConfigured" => "usageLimits",
        "timeRangeEmpty"
        | "timeRangeTooLong"
        | "fullSyncRequired"
        | "updatedMinTooLongAgo"
        | "pushNotSupportedForRequestedResource"
        | "requiredAccessLevel"
        | "forbiddenForNonOrganizer"
        | "forbiddenForServiceAccounts" => "calendar",
        _ => "global",
    }
}

/// Google's default message for a reason.
fn message(reason: &str) -> &'static str {
    match reason {
        "authError" => "Invalid Credentials",
        "required" => "Login Required.",
        "notFound" => "Not Found",
        "duplicate" => "The requested identifier already exists.",
        "deleted" => "Resource has been deleted",
        "conditionNotMet" => "Precondition Failed",
        "timeRangeEmpty" => "The specified time range is empty.",
        "timeRangeTooLong" => "The requested time range is too long.",
        "fullSyncRequired" => "Sync token is no longer valid, a full sync is required.",
        "updatedMinTooLongAgo" => "The requested minimum modification time lies too far in the past.",
        "pushNotSupportedForRequestedResource" => "Push notifications are not supported by this resource.",
        "requiredAccessLevel" => "You need to have writer access to this calendar.",
        "forbiddenForServiceAccounts" => {
            "Service accounts cannot invite attendees without Domain-Wide Delegation of Authority."
        }
        "insufficientPermissions" => "Request had insufficient authentication scopes.",
        "rateLimitExceeded" => "Rate Limit Exceeded",
        "userRateLimitExceeded" => "User Rate Limit Exceeded",
        "quotaExceeded" => "Calendar usage limits exceeded.",
        "dailyLimitExceeded" => "Daily Limit Exceeded",
        "backendError" => "Backend Error",
        "channelIdNotUnique" => "Channel id not unique",
        _ => "Bad Request",
    }
}

/// An error with Google's usual message for `reason`.
pub(super) fn error(status: u16, reason: &str) -> Response {
    error_saying(status, reason, message(reason))
}

/// An error with a specific message.
pub(super) fn error_saying(status: u16, reason: &str, message: &str) -> Response {
    let mut response = Response::json(
        status,
        &json!({"error": {
            "code": status,
            "message": message,
            "errors": [{"domain": domain(reason), "reason": reason, "message": message}],
        }}),
    );
    if status == 401 {
        let value = "Bearer realm=\"https://accounts.google.com/\", error=\"invalid_token\"";
        response.headers.push(("www-authenticate".into(), value.into()));
    }
    response
}

/// 400 `invalid`: an invalid value.
pub(super) fn invalid(message: &str) -> Response {
    error_saying(400, "invalid", message)
}

/// 400 `badRequest`: an invalid combination.
pub(super) fn bad_request(message: &str) -> Response {
    error_saying(400, "badRequest", message)
}

/// An error of the token endpoint (RFC 6749 §5.2).
pub(super) fn token_error(status: u16, error: &str, description: &str) -> Response {
    Response::json(status, &json!({"error": error, "error_description": description}))
}

/// Google's default reason for a status.
pub(super) fn usual_reason(status: u16) -> &'static str {
    match status {
        400 => "badRequest",
        401 => "authError",
        403 => "forbidden",
        404 => "notFound",
        409 => "duplicate",
        410 => "deleted",
        412 => "conditionNotMet",
        429 => "rateLimitExceeded",
        _ => "backendError",
    }
}
