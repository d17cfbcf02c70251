"""Hold examples/ against what their makers say of their form; runs in an environment of its own.

cfn-lint (AWS) resolves SAM's transform and checks the template; the Cloud Run service is compared
with the types of Google's own discovery document, which comes with google-api-python-client.
"""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
_TYPES = {"string": str, "integer": int, "boolean": bool, "number": (int, float)}


def main() -> None:
    template = EXAMPLES / "aws-sam" / "template.yaml"
    lint = [str(Path(sys.executable).with_name("cfn-lint")), "--include-checks", "I", "--"]
    subprocess.run([*lint, str(template)], check=True)
    print(f"cfn-lint has nothing to say of {template.name}")
    documents = files("googleapiclient.discovery_cache.documents")
    schemas = json.loads(documents.joinpath("run.v1.json").read_text())["schemas"]
    service = yaml.safe_load((EXAMPLES / "cloud-run" / "service.yaml").read_text("utf-8"))
    faults = list(faults_of(service, {"$ref": "Service"}, schemas, "service"))
    assert not faults, faults
    assert list(faults_of({**service, "spec": {"templat": 1}}, {"$ref": "Service"}, schemas, ""))
    print("the Cloud Run service has the fields and types of run.v1")


def faults_of(value: Any, schema: dict[str, Any], schemas: dict[str, Any], where: str) -> list[str]:
    """What of a value the discovery document does not allow."""
    schema = schemas[schema["$ref"]] if "$ref" in schema else schema
    kind = schema["type"]
    if kind == "object":
        if not isinstance(value, dict):
            return [f"{where} is no object"]
        own, rest = schema.get("properties", {}), schema.get("additionalProperties")
        faults = []
        for name, part in value.items():
            if name not in own and rest is None:
                faults.append(f"{where} has no field {name}")
            else:
                faults += faults_of(part, own.get(name, rest), schemas, f"{where}.{name}")
        return faults
    if kind == "array":
        return [
            fault
            for index, part in enumerate(value if isinstance(value, list) else [value])
            for fault in faults_of(part, schema["items"], schemas, f"{where}[{index}]")
        ]
    return [] if isinstance(value, _TYPES[kind]) else [f"{where} is no {kind}"]


if __name__ == "__main__":
    main()
