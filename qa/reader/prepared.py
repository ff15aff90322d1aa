"""What the folder of a prepared reader says of itself: written by prepare, read by model.

The folder holds ``manifest.json``, ``model.onnx`` with its weights in ``model.onnx.data``, and
``pieces.sqlite``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from qa.errors import ModelError
from qa.index.prepared import read_manifest

FORMAT = 4
"""Version of the folder's form; one of another version has to be prepared again."""
OUTPUTS = "span", "verdict"
REINSTALL = "请重新安装:pip install --force-reinstall --no-deps wenju"
_PATTERN = "reader-*.safetensors"
_PACKAGE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a prepared reader says of itself.

    Attributes:
        format: Version of the folder's form, FORMAT.
        weights: Name of the weights that it was made of.
        source: Where the word embeddings came from.
        difference: Largest difference of a probability to the network's in float32, in the check.
        files: Size in bytes and SHA-256 of each file, by name.
    """

    format: int
    weights: str
    source: str
    difference: float
    files: Mapping[str, tuple[int, str]]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a folder's manifest and check that its files are as they were.

        Raises:
            ModelError: There is no prepared reader, or it is damaged or of another version.
        """
        return read_manifest(folder, cls, FORMAT)


def shipped() -> Path:
    """The weights in the package; their name has a part of their SHA-256.

    Raises:
        ModelError: They are not there, or of two releases.
    """
    found = list(_PACKAGE.glob(_PATTERN))
    if len(found) != 1:
        raise ModelError(
            f"安装里应有一份阅读模型的权重,现有 {len(found)} 份:{_PACKAGE / _PATTERN}", REINSTALL
        )
    return found[0]


def folder(models: Path) -> Path:
    """Where the reader is kept, once prepared, among the prepared models.

    Raises:
        ModelError: The package has no weights.
    """
    return models / shipped().stem
