"""The OpenAPI document, made of the table of routes and its types."""

from __future__ import annotations

from typing import Any

import msgspec

from edgembed.service.errors import (
    BACKEND,
    EMPTY,
    ERROR_TYPES,
    INTERNAL,
    MEDIA,
    NO_MODEL,
    OVERLOADED,
    TOO_LARGE,
    UNAUTHORIZED,
    UNHEALTHY,
    VALIDATION,
    Kind,
)
from edgembed.service.http import JSON
from edgembed.service.model import Model
from edgembed.service.openai import MOST_INPUTS
from edgembed.service.routes import ROUTES, Route
from edgembed.version import __version__

_AS_ID = str.maketrans({"/": "_", ".": "_", "{": None, "}": None})
_TAGS = {"openai": "OpenAI", "tei": "Text Embeddings Inference"}
_REFUSALS: dict[Kind, str] = {
    EMPTY: "The body is no JSON, or a text or the list of them is empty",
    UNAUTHORIZED: "The API key is missing or wrong",
    TOO_LARGE: "The body is larger than payload_limit",
    MEDIA: "The body is not declared as JSON",
    VALIDATION: "A field is not what it should be, or there are too many texts",
    BACKEND: "The model gave no vector",
    OVERLOADED: "Too many requests are in work; Retry-After says when to try again",
    INTERNAL: "A defect of the server",
    UNHEALTHY: "The server is shutting down",
    NO_MODEL: "Another model is served",
}


def document(model: Model) -> dict[str, Any]:
    """OpenAPI 3.1, with the limits and the prompts of this model."""
    keys = bool(model.settings.api_keys)
    shown = [route for route in ROUTES if not route.hidden]
    types = [t for r in shown for t in (r.takes, r.gives) if t is not None]
    types += ERROR_TYPES.values()
    schemas, components = msgspec.json.schema_components(
        types, ref_template="#/components/schemas/{name}"
    )
    by_type = dict(zip(map(repr, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for route in shown:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route, by_type, model)
    _bound_batches(components, model)
    _bound_fields(components, model)
    schemes = {"key": {"type": "http", "scheme": "bearer"}}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "edgembed",
            "version": __version__,
            "description": "Sentence embeddings on a CPU, by OpenAI's routes and by TEI's.",
        },
        "paths": paths,
        "components": {"schemas": components, **({"securitySchemes": schemes} if keys else {})},
    }


def _operation(route: Route, schemas: dict[str, Any], model: Model) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.path.strip("/").translate(_AS_ID),
        "tags": [_TAGS[route.dialect]],
        "responses": {"200": _response("Done", route.gives, schemas), **_refusals(route, schemas)},
    }
    if "{" in route.path:
        names = {"type": "string", "enum": [model.name]}
        operation["parameters"] = [
            {"name": "model", "in": "path", "required": True, "schema": names}
        ]
    if route.takes is not None:
        operation["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": schemas[repr(route.takes)]}},
        }
    if model.settings.api_keys and not route.public:
        operation["security"] = [{"key": []}]
    return operation


def _response(description: str, type_: Any, schemas: dict[str, Any]) -> dict[str, Any]:
    if type_ is None:
        return {"description": description}
    return {"description": description, "content": {JSON: {"schema": schemas[repr(type_)]}}}


def _refusals(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    kinds = [INTERNAL, UNHEALTHY]
    if route.takes is not None:
        kinds = [kind for kind in _REFUSALS if kind is not NO_MODEL]
    if not route.public and UNAUTHORIZED not in kinds:
        kinds = [UNAUTHORIZED, *kinds]
    if "{" in route.path:
        kinds = [*kinds, NO_MODEL]
    refusals: dict[str, list[str]] = {}
    late = {"408": _response("The request did not come in time", None, schemas)}
    for kind in kinds:
        status = kind.openai if route.dialect == "openai" else kind.tei
        refusals.setdefault(str(status), []).append(_REFUSALS[kind])
    error = ERROR_TYPES[route.dialect]
    told = {
        status: _response("; or: ".join(reasons), error, schemas)
        for status, reasons in refusals.items()
    }
    return dict(sorted((told | late).items()))


def _bound_batches(components: dict[str, Any], model: Model) -> None:
    """Say what the types cannot: no empty text, no huge one, and how many at once."""
    most = model.settings.max_client_batch_size
    bounds = (
        ("EmbeddingsRequest", "input", MOST_INPUTS),
        ("EmbedRequest", "inputs", most),
        ("EmbedAllRequest", "inputs", most),
        ("TokenizeRequest", "inputs", most),
        ("SimilarityInputs", "sentences", most - 1),
        ("SimilarityInputs", "source_sentence", most),
        ("CompareRequest", "texts", most),
    )
    text = {"minLength": 1, "maxLength": model.most_characters}
    for component, field, limit in bounds:
        for part in _alternatives(components[component]["properties"][field]):
            if part.get("type") == "array":
                part.update(minItems=1, maxItems=limit)
                part["items"].update(text)
            elif part.get("type") == "string":
                part.update(text)


def _bound_fields(components: dict[str, Any], model: Model) -> None:
    """Name the prompts, and how many dimensions there are."""
    dimensions = {"type": "integer", "minimum": 1, "maximum": model.manifest.dimension}
    bounds: dict[str, dict[str, Any]] = {
        "prompt_name": {"enum": list(model.prompts.by_name)},
        "input_type": {"enum": model.input_types()},
        "prompt": {"maxLength": model.most_characters},
    }
    for component in components.values():
        for field, schema in component.get("properties", {}).items():
            if field == "dimensions":
                schema["anyOf"] = [dimensions, {"type": "null"}]
            for part in _alternatives(schema):
                if part.get("type") != "null":
                    part.update(bounds.get(field, {}))


def _alternatives(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be."""
    alternatives: list[dict[str, Any]] = schema.get("anyOf", [schema])
    return alternatives
