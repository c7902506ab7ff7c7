"""The whole public surface on one screen. Every route needs a key unless it says `public`."""

from antiphon.edge import chat, docs, embeddings, health, messages, models, responses
from antiphon.edge.app import EdgeRoute

__all__ = ["ROUTES"]

ROUTES = (
    EdgeRoute("POST", "/v1/responses", responses.create),
    EdgeRoute("GET", "/v1/responses/{response_id}", responses.retrieve),
    EdgeRoute("DELETE", "/v1/responses/{response_id}", responses.delete),
    EdgeRoute("GET", "/v1/responses/{response_id}/input_items", responses.input_items),
    EdgeRoute("POST", "/v1/messages", messages.create, dialect="messages"),
    EdgeRoute("POST", "/v1/messages/count_tokens", messages.count_tokens, dialect="messages"),
    EdgeRoute("POST", "/v1/chat/completions", chat.create, dialect="chat"),
    EdgeRoute("POST", "/v1/embeddings", embeddings.create),
    EdgeRoute("GET", "/v1/models", models.list_models),
    EdgeRoute("GET", "/v1/models/{model_id:path}", models.retrieve_model),
    EdgeRoute("POST", "/v1/antiphon/explain", responses.explain),
    EdgeRoute("GET", "/v1/antiphon/runs/{response_id}", responses.run_record),
    EdgeRoute("GET", "/metrics", health.metrics, always=True),
    EdgeRoute("GET", "/healthz", health.healthz, public=True, always=True),
    EdgeRoute("GET", "/readyz", health.readyz, public=True, always=True),
    EdgeRoute("GET", "/docs", docs.page, public=True, always=True),
    EdgeRoute("GET", "/openapi.json", docs.openapi, public=True, always=True),
)
