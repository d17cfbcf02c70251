"""The OpenAPI document as a page to read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files
from typing import Any

from edgembed.service.http import JSON

_DONE = "200"


def render(document: dict[str, Any]) -> str:
    """One self-contained HTML page."""
    frame = files("edgembed.server").joinpath("static/docs.html").read_text("utf-8")
    components = document["components"]["schemas"]
    operations = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    parts = {
        "version": escape(document["info"]["version"]),
        "description": escape(document["info"]["description"]),
        "index": " ".join(_link(path, operation) for _, path, operation in operations),
        "operations": "\n".join(_operation(*own, components) for own in operations),
    }
    for name, html in parts.items():
        frame = frame.replace("{{" + name + "}}", html)
    return frame


def _link(path: str, operation: dict[str, Any]) -> str:
    return f'<a href="#{operation["operationId"]}">{escape(path)}</a>'


def _operation(
    method: str, path: str, operation: dict[str, Any], components: dict[str, Any]
) -> str:
    parts = [
        f'<section id="{operation["operationId"]}">',
        f"<h2><b>{method.upper()}</b> <code>{escape(path)}</code></h2>",
        f'<p class="tag">{escape(operation["tags"][0])}</p>',
        f"<p>{escape(operation['summary'])}</p>",
    ]
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"][JSON]["schema"]
        parts.append(_fields(_resolved(schema, components), components))
    parts += _responses(operation["responses"], components)
    return "\n".join([*parts, "</section>"])


def _fields(schema: dict[str, Any], components: dict[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(_type(field, components))}</td>"
        f"<td>{_default(name in required, field)}</td></tr>"
        for name, field in schema.get("properties", {}).items()
    ]
    description = escape(" ".join(schema.get("description", "").split()))
    head = "<tr><th>field</th><th>type</th><th>default</th></tr>"
    return f"<p>{description}</p><div><table>{head}{''.join(rows)}</table></div>"


def _default(required: bool, field: dict[str, Any]) -> str:
    if required:
        return "required"
    default = field.get("default")
    return "" if default is None else f"<code>{escape(json.dumps(default))}</code>"


def _responses(responses: dict[str, Any], components: dict[str, Any]) -> Iterator[str]:
    """What comes back; the errors of a route have one body, which is told once."""
    yield f"<p>200: {_body(responses[_DONE], components)}</p>"
    refusals = {status: own for status, own in responses.items() if status != _DONE}
    bodies = [own for own in refusals.values() if "content" in own]
    rows = [
        f"<tr><td>{status}</td><td>{escape(own['description'])}</td></tr>"
        for status, own in refusals.items()
    ]
    yield f"<details><summary>Errors: {_body(bodies[0], components)}</summary>"
    yield f"<table>{''.join(rows)}</table></details>"


def _body(response: dict[str, Any], components: dict[str, Any]) -> str:
    content = response.get("content")
    if content is None:
        return "no body"
    return f"<code>{escape(_type(content[JSON]['schema'], components))}</code>"


def _resolved(schema: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = components[schema["$ref"].rpartition("/")[2]]
    return found


def _type(schema: dict[str, Any], components: dict[str, Any]) -> str:
    """A type in words: "string or list of string (1 to 32)"."""
    if "$ref" in schema:
        inner = _resolved(schema, components)
        own = (f"{k}: {_type(v, components)}" for k, v in inner.get("properties", {}).items())
        return "{" + ", ".join(own) + "}"
    return " or ".join(own for own in _alternatives(schema, components) if own != "null")


def _alternatives(schema: dict[str, Any], components: dict[str, Any]) -> Iterator[str]:
    if "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from _alternatives(part, components)
    elif "$ref" in schema:
        yield _type(schema, components)
    elif "enum" in schema:
        yield from (json.dumps(value) for value in schema["enum"])
    elif schema.get("type") == "array":
        bounds = f" ({schema['minItems']} to {schema['maxItems']})" if "maxItems" in schema else ""
        yield f"list of {_type(schema.get('items', {}), components)}{bounds}"
    else:
        yield schema.get("type", "anything")
