"""scikit-learn's own pipelines, clone, grid search and estimator checks on a bundle."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import estimator_checks as checks

from edgembed import BundleNotFoundError, Embedder, TextError
from edgembed.integrations.sklearn import EdgembedVectorizer

TEXTS = ["Кошка сидит на окне.", "It rains in the street.", "The train is late."]
ANIMALS = ["a cat", "my dog barks", "two horses", "a bird in the tree", "the cow gives milk"]
MACHINES = ["a car", "my laptop", "two trains", "a plane in the sky", "the engine gives power"]
LABELS = ["animal"] * 5 + ["machine"] * 5


def test_the_default_prompt_and_others(frida: str, model: Embedder) -> None:
    for options in ({}, {"prompt_name": "query"}, {"prompt": ""}):
        own = EdgembedVectorizer(frida, **options).fit_transform(TEXTS)
        np.testing.assert_array_equal(own, model.encode(TEXTS, **options))
    assert own.dtype == np.float32


@pytest.mark.parametrize("make", [list, tuple, np.array, lambda x: np.array(x, object)])
def test_texts_come_in_any_column(frida: str, model: Embedder, make: Any) -> None:
    own = EdgembedVectorizer(frida).fit(TEXTS).transform(make(TEXTS))
    np.testing.assert_array_equal(own, model.encode(TEXTS))


def test_a_pipeline_learns_to_tell_animals_from_machines(bundles: Path) -> None:
    pipeline = make_pipeline(EdgembedVectorizer(str(bundles / "minilm")), LogisticRegression())
    pipeline.fit(ANIMALS + MACHINES, LABELS)
    asked = ["a sheep on the hill", "a tractor", "the goat", "a new computer"]
    assert pipeline.predict(asked).tolist() == ["animal", "machine", "animal", "machine"]
    copy = pickle.loads(pickle.dumps(pipeline))
    assert copy.predict(asked).tolist() == pipeline.predict(asked).tolist()


def test_parameters_can_be_searched_in_other_processes(bundles: Path) -> None:
    steps = [("embed", EdgembedVectorizer(str(bundles / "minilm"))), ("say", LogisticRegression())]
    search = GridSearchCV(Pipeline(steps), {"embed__truncate_dim": [1, 384]}, cv=5, n_jobs=2)
    search.fit(ANIMALS + MACHINES, LABELS)
    one, all_ = search.cv_results_["mean_test_score"]
    assert all_ > one
    assert search.best_estimator_.named_steps["embed"].truncate_dim == 384


def test_get_params_set_params_and_clone(frida: str) -> None:
    own = EdgembedVectorizer(frida, truncate_dim=7, prompt="")
    expected = list(inspect.signature(EdgembedVectorizer).parameters)
    assert sorted(own.get_params()) == sorted(expected)
    copy = clone(own.fit(TEXTS))
    assert copy.get_params() == own.get_params()
    with pytest.raises(NotFittedError):
        copy.transform(TEXTS)
    assert copy.set_params(truncate_dim=9).fit_transform(TEXTS).shape == (3, 9)


def test_names_of_the_features(frida: str) -> None:
    own = EdgembedVectorizer(frida, truncate_dim=3).fit(TEXTS)
    assert own.get_feature_names_out().tolist() == [f"edgembedvectorizer{i}" for i in range(3)]
    table = own.set_output(transform="default").transform(TEXTS)
    assert table.shape == (3, 3)
    own.set_params(truncate_dim=5)
    assert own.get_feature_names_out().shape == own.transform(TEXTS).shape[1:] == (5,)
    with pytest.raises(NotFittedError):
        EdgembedVectorizer(frida).get_feature_names_out()


# Of scikit-learn's own checks those that feed nothing: the others feed tables of numbers, and are
# left out for its own text vectorizers as well (their input tag says so).
@pytest.mark.parametrize(
    "check",
    [
        checks.check_estimator_cloneable,
        checks.check_estimator_repr,
        checks.check_estimator_tags_renamed,
        checks.check_valid_tag_types,
        checks.check_no_attributes_set_in_init,
        checks.check_do_not_raise_errors_in_init_or_set_params,
        checks.check_mixin_order,
        checks.check_parameters_default_constructible,
        checks.check_get_params_invariance,
        checks.check_set_params,
    ],
)
def test_scikit_learns_own_checks(frida: str, check: Callable[[str, Any], None]) -> None:
    check("EdgembedVectorizer", EdgembedVectorizer(frida))


class Table:
    """As the tables of pandas and polars: of two dimensions, and its items are names of columns."""

    shape = (3, 1)

    def __iter__(self) -> Iterator[str]:
        return iter(["text"])


def test_what_cannot_be_embedded_is_named(frida: str) -> None:
    own = EdgembedVectorizer(frida).fit(TEXTS)
    with pytest.raises(TextError, match="list"):
        own.transform("one text")
    for table in (np.array([TEXTS], object), np.array([[text] for text in TEXTS]), Table()):
        with pytest.raises(TextError, match="one column"):
            own.transform(table)
    with pytest.raises(TextError, match="index 1"):
        own.transform(["a", float("nan")])
    with pytest.raises(BundleNotFoundError, match="absent"):
        EdgembedVectorizer("absent").fit(TEXTS)
