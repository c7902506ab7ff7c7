"""Every error code that clients can see, in one table: for the description, the page and the documentation."""

from msgspec import Struct

__all__ = ["ERROR_CODES", "STATUS_MEANINGS", "ErrorCode"]


class ErrorCode(Struct, frozen=True):
    """One line of the table."""

    status: int
    code: str
    meaning: str
    type: str = "invalid_request_error"


#: What a status stands for, as the name of its reusable response and a sentence.
STATUS_MEANINGS = {
    400: ("BadRequest", "The request is wrong, or asks for something that cannot be served. `param` says where."),
    401: ("Unauthorized", "No API key, or one that is not valid."),
    403: ("Forbidden", "The key may not do this."),
    404: ("NotFound", "There is nothing of this name. What belongs to others is not found either."),
    408: ("RequestTimeout", "The body arrived too slowly. The connection is closed."),
    413: ("TooLarge", "The body is too large. The connection is closed."),
    415: ("UnsupportedMediaType", "The body is not JSON, or compressed in an unknown way."),
    429: ("RateLimited", "A limit was reached. `retry-after` says when to try again, where that is known."),
    500: ("InternalError", "The gateway failed. The request id leads to the log entry."),
    502: ("UpstreamFailed", "The provider could not be reached, or failed."),
    503: ("Unavailable", "The gateway or the provider cannot take the request now."),
    504: ("UpstreamTimeout", "The provider took too long."),
}

ERROR_CODES = (
    ErrorCode(400, "invalid_json", "The body is not JSON, too deeply nested, or holds a number that cannot be kept."),
    ErrorCode(400, "invalid_value", "A field has the wrong type or value; `param` names it."),
    ErrorCode(400, "missing_required_parameter", "A field is missing; `param` names it."),
    ErrorCode(400, "unsupported_parameter", "A field asks for what this gateway or this model does not have."),
    ErrorCode(400, "invalid_function_parameters", "A model that cannot call cannot be held to these parameters."),
    ErrorCode(400, "unsupported_endpoint", "The model is not served here; the message says where, or why."),
    ErrorCode(400, "fidelity_refused", "The model is configured as `strict`, and something could not be done exactly."),
    ErrorCode(400, "previous_response_not_found", "`previous_response_id` names nothing that is stored for you."),
    ErrorCode(400, "response_in_progress", "`previous_response_id` names a response that has not ended yet."),
    ErrorCode(400, "context_length_exceeded", "Input and history are longer than the model can take."),
    ErrorCode(400, "invalid_prompt", "The provider refuses this input as a whole."),
    ErrorCode(400, "invalid_image_url", "An image URL is malformed, or leads where this gateway does not go."),
    ErrorCode(400, "failed_to_download_image", "An image URL did not yield a file."),
    ErrorCode(400, "image_file_too_large", "An image is larger than this gateway fetches."),
    ErrorCode(400, "unsupported_image_media_type", "An image URL led to something that is no image."),
    ErrorCode(400, "empty_image_file", "An image URL led to an empty file."),
    ErrorCode(400, "invalid_file_url", "A file URL is malformed, or leads where this gateway does not go."),
    ErrorCode(400, "failed_to_download_file", "A file URL did not yield a file."),
    ErrorCode(400, "file_too_large", "A file is larger than this gateway fetches."),
    ErrorCode(400, "unsupported_file_type", "A file URL led to a type of file that cannot be used."),
    ErrorCode(400, "empty_file", "A file URL led to an empty file."),
    ErrorCode(400, "invalid_http", "The request is not valid HTTP."),
    ErrorCode(401, "missing_api_key", "No key was sent.", "authentication_error"),
    ErrorCode(401, "invalid_api_key", "The key is wrong, expired or revoked.", "authentication_error"),
    ErrorCode(403, "model_access_denied", "The key may not use this model.", "permission_error"),
    ErrorCode(403, "ip_not_allowed", "The key may not be used from this address.", "permission_error"),
    ErrorCode(404, "model_not_found", "No provider serves this model. The message names near ones."),
    ErrorCode(404, "response_not_found", "No such response: unknown, deleted, expired, or not yours."),
    ErrorCode(404, "item_not_found", "No such item, in `item_reference` or in `after`."),
    ErrorCode(404, "unknown_endpoint", "No such endpoint. The message lists those that there are."),
    ErrorCode(405, "method_not_allowed", "The endpoint has other methods. The message lists them."),
    ErrorCode(408, "request_timeout", "No piece of the body came for 30 seconds."),
    ErrorCode(413, "request_too_large", "The body is larger than this gateway or the provider takes."),
    ErrorCode(415, "unsupported_media_type", "Send `application/json`, plain or as gzip, deflate or zstd."),
    ErrorCode(429, "rate_limit_exceeded", "A rate limit was reached, here or at the provider.", "rate_limit_error"),
    ErrorCode(500, "internal_error", "A bug in the gateway.", "server_error"),
    ErrorCode(500, "stored_response_unreadable", "What is stored for this id is damaged.", "server_error"),
    ErrorCode(502, "upstream_unreachable", "No connection to the provider.", "server_error"),
    ErrorCode(502, "upstream_error", "The provider failed.", "server_error"),
    ErrorCode(502, "upstream_credential_error", "The provider refused this gateway's own key.", "server_error"),
    ErrorCode(502, "upstream_protocol_error", "The provider's answer could not be read.", "server_error"),
    ErrorCode(502, "upstream_reset", "The provider's connection broke in the middle of the answer.", "server_error"),
    ErrorCode(502, "upstream_truncated", "The provider's answer ended before it was complete.", "server_error"),
    ErrorCode(
        503,
        "no_candidate",
        "No place of this model may take this request: regions, tenant or tags exclude all.",
        "server_error",
    ),
    ErrorCode(503, "upstream_overloaded", "The provider is overloaded.", "server_error"),
    ErrorCode(503, "upstream_quota", "This gateway's account at the provider is used up.", "server_error"),
    ErrorCode(503, "store_unavailable", "The database does not answer. `store: false` may still work.", "server_error"),
    ErrorCode(503, "overloaded", "Too much at once.", "server_error"),
    ErrorCode(503, "shutting_down", "The gateway is being stopped or restarted.", "server_error"),
    ErrorCode(504, "upstream_timeout", "The provider did not begin to answer in time.", "server_error"),
    ErrorCode(504, "upstream_stall", "The provider fell silent in the middle of the answer.", "server_error"),
    ErrorCode(504, "run_timeout", "The whole response took longer than allowed.", "server_error"),
)
