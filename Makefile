# edgembed: the two commands are `make demo` and `make test`; they set up what they need.
# Two environments: one to export (torch), one to embed (no torch).

PYTHON ?= python3
MODEL ?= sergeyzh/rubert-mini-frida
# A folder with models/ and data/ for the tests that need more than the project carries.
SHARED ?=

EXPORT := .venv/export
RUNTIME := .venv/runtime
BUNDLES := .cache/test-bundles
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check
PYTEST_SHARED := $(if $(SHARED),--shared $(SHARED))

.PHONY: help demo test test-runtime test-export interop libraries examples corpus soak quality
.PHONY: known-answers bundles lint locks dist sbom audit clean

help:
	@echo "make demo                  export a real model and embed with it, without torch"
	@echo "make demo MODEL=folder     the same with a checkpoint of yours"
	@echo "make test                  lint, types and every test"
	@echo "make test SHARED=folder    also those that need models and data from elsewhere"
	@echo "make interop               the bundle in sentence-transformers, optimum, fastembed, ..."
	@echo "make libraries             edgembed in LangChain, LlamaIndex, Haystack, Chroma, ..."
	@echo "make examples              examples/: linted, and the image built without Docker (root)"
	@echo "make quality DATA=folder   what a bundle costs on the benchmarks of model cards"
	@echo "make corpus                edgembed corpus on Daft, Ray, an object store; Spark; indexes"
	@echo "make known-answers         the cosines on the cards of rubert-mini-frida and FRIDA (hub)"
	@echo "make dist sbom audit       a release's files, what is in it, its known vulnerabilities"
	@echo "make clean                 remove environments, caches and the demo's bundles"

demo: $(EXPORT)/.ready $(RUNTIME)/.ready
	@$(EXPORT)/bin/python demo/export_side.py "$(MODEL)" .cache/demo
	@$(RUNTIME)/bin/python demo/runtime_side.py .cache/demo

test: lint test-runtime test-export

lint: $(EXPORT)/.ready $(RUNTIME)/.ready
	$(EXPORT)/bin/ruff check .
	$(EXPORT)/bin/ruff format --check .
	$(RUNTIME)/bin/mypy -p edgembed
	$(EXPORT)/bin/mypy -p edgembed_export

bundles: $(BUNDLES)/.ready

$(BUNDLES)/.ready: $(EXPORT)/.ready tests/make_bundles.py tests/checkpoints.py \
		$(wildcard export/edgembed_export/*.py export/edgembed_export/*/*) \
		$(wildcard runtime/edgembed/*.py)
	$(EXPORT)/bin/python tests/make_bundles.py $(BUNDLES)
	@touch $@

test-runtime: $(RUNTIME)/.ready $(BUNDLES)/.ready
	$(RUNTIME)/bin/python -m pytest tests --ignore tests/export --ignore tests/interop --ignore tests/integrations --ignore tests/corpus --bundles $(BUNDLES) $(PYTEST_SHARED)

test-export: $(EXPORT)/.ready $(BUNDLES)/.ready
	$(EXPORT)/bin/python -m pytest tests/export --bundles $(BUNDLES) $(PYTEST_SHARED)

# The bundle in other people's tools, and other people's clients of a server, each in an environment
# of its own.
interop: $(EXPORT)/.ready $(RUNTIME)/.ready $(BUNDLES)/.ready
	$(EXPORT)/bin/python -m pytest tests/interop --bundles $(BUNDLES) --work .cache/interop

# edgembed in other people's libraries, each in an environment of its own.
libraries: $(BUNDLES)/.ready
	$(PYTHON) tests/integrations/libraries.py .cache/libraries -- --bundles $(BUNDLES)

# examples/ as far as this machine goes: cfn-lint, Google's types, and the Dockerfile in chroots.
examples: $(RUNTIME)/.ready $(BUNDLES)/.ready
	$(RUNTIME)/bin/python tests/examples/run.py .cache/examples $(BUNDLES)/minilm
# Corpora with what they run on, in environments of their own. CORPUS="daft -- --soak" picks.
CORPUS ?= --
corpus: $(BUNDLES)/.ready
	$(PYTHON) tests/corpus/run.py .cache/corpus $(CORPUS) --bundles $(BUNDLES)

# The slow forms of tests that `make test` runs short: those that take `amount` (tests/conftest.py).
# SOAK=tests/some_file.py runs some of them, PART=0.1 a tenth of the long amounts.
SOAK ?= $(shell grep -l 'amount: ' tests/*.py tests/server/*.py tests/attacks/*.py 2>/dev/null | grep -v conftest)
PART ?= 1
SOAK_EXPORT ?= $(shell grep -l 'amount: ' tests/export/*.py)
soak: $(EXPORT)/.ready $(RUNTIME)/.ready $(BUNDLES)/.ready
	$(RUNTIME)/bin/python -m pytest $(SOAK) --soak=$(PART) --bundles $(BUNDLES) $(PYTEST_SHARED)
	$(EXPORT)/bin/python -m pytest $(SOAK_EXPORT) --soak=$(PART) --bundles $(BUNDLES) $(PYTEST_SHARED)

# The tables of model cards by torch, by the bundle (exported anew) and by two INT8 peers. Long: about
# 30 minutes of one idle core for multilingual-e5-small. SAMPLE=NLI=1000,SA=1000 takes a part.
DATA ?= $(SHARED)/data
CHECKPOINT ?= $(SHARED)/models/e5-small-ruen
LANGUAGES ?= ru,en
SAMPLE ?=
quality: $(EXPORT)/.ready
	$(EXPORT)/bin/python $(PIP_INSTALL) -r requirements/quality.txt
	$(EXPORT)/bin/python benchmarks/quality/run.py --work .cache/quality --data $(DATA) --refresh \
		--model $(notdir $(CHECKPOINT))=$(CHECKPOINT):$(LANGUAGES) $(if $(SAMPLE),--sample $(SAMPLE))

# The cosines on two models' cards, wherever the hub answers; FRIDA is a download of 3.3 GB.
known-answers: $(EXPORT)/.ready
	$(EXPORT)/bin/python -m edgembed_export.known_answers .cache/known-answers

# torch first and pinned: left to the resolver, pip would take the newest build with CUDA.
$(EXPORT)/.ready: pyproject.toml $(wildcard requirements/*.txt)
	@echo "setting up $(EXPORT) (torch and optimum, a few minutes, once)"
	@$(PYTHON) -m venv $(EXPORT)
	@$(EXPORT)/bin/python $(PIP_INSTALL) -c requirements/export.txt torch
	@$(EXPORT)/bin/python $(PIP_INSTALL) -c requirements/export.txt -r requirements/test-export.txt -e '.[export]'
	@touch $@

$(RUNTIME)/.ready: pyproject.toml $(wildcard requirements/*.txt)
	@echo "setting up $(RUNTIME) (numpy, onnxruntime, tokenizers, the server; no torch)"
	@$(PYTHON) -m venv $(RUNTIME)
	@$(RUNTIME)/bin/python $(PIP_INSTALL) -c requirements/runtime.txt -r requirements/test-runtime.txt -e '.[serve]'
	@touch $@

# What a release is made with, and what it stands on: every version with its hashes. `make locks`
# writes the locks anew from pyproject.toml and the pins in requirements/.
RELEASE := .venv/release
LOCKS := requirements/locks
LOCK = $(RELEASE)/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --upgrade
locks: $(RELEASE)/.ready
	$(LOCK) pyproject.toml -c requirements/runtime.txt -o $(LOCKS)/runtime.txt >/dev/null
	$(LOCK) pyproject.toml --extra serve --extra signature -c requirements/runtime.txt \
		-c requirements/test-runtime.txt -o $(LOCKS)/serve.txt >/dev/null
	$(LOCK) pyproject.toml --extra export -c requirements/export.txt -o $(LOCKS)/export.txt >/dev/null
	$(LOCK) $(LOCKS)/release.in -c requirements/test-export.txt -o $(LOCKS)/release.txt >/dev/null

# The same sources give the same bytes: hatchling dates every file alike.
dist: $(RELEASE)/.ready
	$(RELEASE)/bin/python -m build --no-isolation --outdir dist .

# CycloneDX, of the wheel installed with the server and signatures as they are locked.
sbom: dist
	@rm -rf .venv/sbom
	@$(PYTHON) -m venv --without-pip .venv/sbom
	@$(RELEASE)/bin/python -m pip --python .venv/sbom/bin/python install --quiet --quiet \
		--require-hashes -r $(LOCKS)/serve.txt
	@$(RELEASE)/bin/python -m pip --python .venv/sbom/bin/python install --quiet --quiet --no-deps dist/*.whl
	@rm .venv/sbom/lib/*/site-packages/edgembed-*.dist-info/direct_url.json  # this folder's name
	$(RELEASE)/bin/cyclonedx-py environment --output-reproducible \
		-o dist/sbom.cdx.json .venv/sbom/bin/python

# Known vulnerabilities of what is locked; asks OSV's database.
audit: $(RELEASE)/.ready
	for lock in runtime serve release export; do \
		$(RELEASE)/bin/pip-audit --vulnerability-service osv --require-hashes --disable-pip \
			--requirement $(LOCKS)/$$lock.txt || exit 1; \
	done

$(RELEASE)/.ready: $(LOCKS)/release.txt
	@echo "setting up $(RELEASE) (build, cyclonedx-py, pip-audit, uv; all with hashes)"
	@$(PYTHON) -m venv $(RELEASE)
	@$(RELEASE)/bin/python $(PIP_INSTALL) --require-hashes -r $(LOCKS)/release.txt
	@touch $@

clean:
	rm -rf .venv .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
