"""Object stores, by an S3-compatible server on this machine: read, written, gone on with."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corpora import contents, embed
from support import python

KEYS = {
    "AWS_ACCESS_KEY_ID": "key",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


@pytest.fixture
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def store(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A client of the store that holds an empty bucket."""
    import boto3

    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    client = boto3.client("s3", endpoint_url=endpoint)
    client.create_bucket(Bucket="data")
    return client


def objects(store: Any, prefix: str) -> dict[str, bytes]:
    """Every object below a prefix, by the rest of its name."""
    pages = store.get_paginator("list_objects_v2").paginate(Bucket="data", Prefix=prefix)
    keys = [item["Key"] for page in pages for item in page.get("Contents", [])]
    return {
        key[len(prefix) :]: store.get_object(Bucket="data", Key=key)["Body"].read()
        for key in keys
        if not key.endswith("/")
    }


def command(bundle: Path, endpoint: str, *options: str, **environment: str) -> Any:
    arguments = ["corpus", bundle, "s3://data/in", "s3://data/out/new", "--part-rows", "40"]
    return python("-W", "ignore", "-m", "edgembed", *arguments, *options,
                  AWS_ENDPOINT_URL=endpoint, **{**KEYS, **environment})  # fmt: skip


def test_s3(bundle: Path, source: Path, tmp_path: Path, store: Any, endpoint: str) -> None:
    for path in source.iterdir():
        store.upload_file(str(path), "data", f"in/lang=ru/{path.name}")
    local = tmp_path / "local"
    (local / "lang=ru").mkdir(parents=True)
    for path in source.iterdir():
        os.link(path, local / "lang=ru" / path.name)
    embed(bundle, local, tmp_path / "out", part_rows=40)
    done = command(bundle, endpoint)
    assert done.returncode == 0, done.stderr.decode()
    assert b"402 rows = 400 embedded + 2 refused" in done.stdout
    wanted, got = contents(tmp_path / "out"), objects(store, "out/new/")
    manifests = [json.loads(files.pop("_edgembed/manifest.json")) for files in (wanted, got)]
    assert manifests[0]["parts"] == manifests[1]["parts"]
    for files in (wanted, got):  # the input was changed at another moment
        del files["_edgembed/run.json"]
    assert got == wanted
    # Part of it is taken away: exactly that is done again.
    store.delete_object(Bucket="data", Key="out/new/lang=ru/part-000003.parquet")
    done = command(bundle, endpoint)
    assert b"371 rows were finished before" in done.stdout, done.stderr.decode()
    again = objects(store, "out/new/")
    assert {name: again[name] for name in wanted} == wanted
    done = command(bundle, endpoint, "--prompt", "query")
    assert done.returncode == 2
    assert b"prompt was" in done.stderr


def test_the_endpoint_in_the_uri(bundle: Path, source: Path, store: Any, endpoint: str) -> None:
    for path in source.iterdir():
        store.upload_file(str(path), "data", f"in/{path.name}")
    _, _, host = endpoint.partition("//")
    query = f"?endpoint_override={host}&scheme=http&region=us-east-1"
    done = python("-W", "ignore", "-m", "edgembed", "corpus", bundle, f"s3://data/in{query}",
                  f"s3://data/other{query}", "--part-rows", "200", **KEYS)  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    assert sum(name.startswith("part-") for name in objects(store, "other/")) == 3


def test_a_bucket_that_is_not_there(bundle: Path, store: Any, endpoint: str) -> None:
    done = python("-W", "ignore", "-m", "edgembed", "corpus", bundle, "s3://missing/in",
                  "s3://data/out", AWS_ENDPOINT_URL=endpoint, **KEYS)  # fmt: skip
    assert done.returncode in (1, 2)
    assert b"Traceback" not in done.stderr
    assert b"missing" in done.stderr
