"""AWS Lambda's handler: edgembed.serverless.aws.handler.

Importing this module loads the bundle, which Lambda counts as a function's init: no call finds
anything left to load. The bundle is MODEL_ID's, or bundle/ in the function's package; settings are
those of `edgembed serve`, by their variables.
"""

from __future__ import annotations

import math
import os
from time import perf_counter
from typing import Any

from edgembed.startup import quick_imports

_began = perf_counter()
with quick_imports():
    from edgembed.server import log
    from edgembed.serverless.events import (
        Request,
        bounded,
        http_answer,
        http_request,
        plain_answer,
        plain_request,
    )
    from edgembed.service.http import Response
    from edgembed.service.model import Model
    from edgembed.service.service import Service
    from edgembed.service.settings import Settings
    from edgembed.service.variables import MODEL, SETTINGS, api_keys, values
    from edgembed.threads import available_threads

_MB_PER_CPU = 1769  # docs.aws.amazon.com, "Configure Lambda function memory"


def _workers() -> int:
    """Threads worth having: Lambda shows two CPUs or more, and gives time by the memory."""
    memory = os.environ.get("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "")
    cpus = math.ceil(int(memory) / _MB_PER_CPU) if memory.isdecimal() else math.inf
    return int(max(1, min(cpus, available_threads())))


def _load() -> Service:
    """The bundle behind the service, and a line in the log of what a cold start consists of."""
    imported = perf_counter()
    log.configure(as_json=True)
    given = values(MODEL, {})
    bundle = os.environ.get("MODEL_ID") or os.path.join(  # noqa: PTH118  (pathlib is slower)
        os.environ.get("LAMBDA_TASK_ROOT", ""), "bundle"
    )
    settings = Settings(**values(SETTINGS, {}), api_keys=api_keys())
    model = Model.load(bundle, given["dtype"], settings, public_key=given["public_key"])
    service = Service(model, given["threads"] or _workers())
    log.event(
        "loaded",
        model=service.model.name,
        dtype=service.model.engine.dtype,
        workers=service.workers.count,
        import_ms=round(1000 * (imported - _began), 1),
        load_ms=round(1000 * (perf_counter() - imported), 1),
    )
    return service


_service = _load()


def handler(event: Any, context: Any = None) -> Any:
    """Answer an event of a Function URL, of API Gateway, or a plain invoke (see events).

    A refusal is an answer over HTTP; of a plain invoke it is raised, so that the invocation fails.
    """
    request = http_request(event)
    if request is not None:
        return http_answer(_respond(request, context))
    return plain_answer(_respond(plain_request(event, _service.settings.api_keys), context))


def _respond(request: Request, context: Any) -> Response:
    request.headers.setdefault("x-request-id", str(getattr(context, "aws_request_id", "")))
    response = bounded(request, _service.handle(*request))
    log.request(response.record)
    if response.defect is not None:
        log.failure(response.defect, response.record.request_id)
    return response
