"""scikit-learn: `EdgembedVectorizer` turns texts into rows of features. Extra: sklearn."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from edgembed.errors import TextError
from edgembed.integrations import missing
from edgembed.integrations.encoder import Encoder, many
from edgembed.pooling import Float32

try:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError as error:
    raise missing("sklearn", "scikit-learn") from error


class EdgembedVectorizer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A bundle as a transformer: texts in, (n, dim) float32 out.

    >>> make_pipeline(EdgembedVectorizer("bundle/"), LogisticRegression()).fit(texts, labels)

    Parameters: those of Embedder and of its encode. With neither prompt_name nor prompt the
    checkpoint's default is used, which for rubert-mini-frida is the one for classification.
    `fit` learns nothing; it loads the bundle.
    """

    def __init__(
        self,
        bundle: str = "bundle",
        *,
        dtype: str | None = None,
        threads: int | None = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        truncate_dim: int | None = None,
        normalize_embeddings: bool = False,
    ) -> None:
        """Keep the parameters, unchecked, as scikit-learn wants it: set_params may change them."""
        self.bundle = bundle
        self.dtype = dtype
        self.threads = threads
        self.prompt_name = prompt_name
        self.prompt = prompt
        self.truncate_dim = truncate_dim
        self.normalize_embeddings = normalize_embeddings

    def fit(self, X: Iterable[str], y: Any = None) -> EdgembedVectorizer:  # noqa: N803
        """Load the bundle; X and y teach it nothing."""
        del X, y
        self.encoder_ = Encoder(str(self.bundle), self.dtype, self.threads)
        _ = self.encoder_.model
        return self

    @property
    def _n_features_out(self) -> int:
        """For scikit-learn's names of features; set_params may have changed truncate_dim."""
        dimension = self.encoder_.model.dimension
        return min(dimension, self.truncate_dim or dimension)

    def transform(self, X: Iterable[str]) -> Float32:  # noqa: N803
        """(n, dim) float32, a row a text. X: texts, in a list, an array or a column.

        TextError for one text alone, and for a table, whose items are the names of its columns.
        """
        check_is_fitted(self)
        shape = getattr(many(X), "shape", (0,))
        if len(shape) != 1:
            raise TextError(
                f"transform takes one column of texts, not a table of the shape {tuple(shape)}: "
                "name the column, as df['text'] or, in a ColumnTransformer, 'text' without brackets"
            )
        vectors: Float32 = self.encoder_.model.encode(
            X,
            self.prompt_name,
            self.prompt,
            truncate_dim=self.truncate_dim,
            normalize_embeddings=self.normalize_embeddings,
            show_progress_bar=False,
        )
        return vectors

    def __sklearn_tags__(self) -> Any:
        """For scikit-learn's own checks: the input is texts, not a matrix."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        return tags
