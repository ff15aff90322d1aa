"""What the folder of a prepared model says of itself: written by prepare, read by encoder.

The folder holds ``manifest.json`` (see Manifest), ``model.onnx`` with its weights in
``model.onnx.data``, and ``tokenizer.json``; most have ``pieces.sqlite`` as well, from which a
question is cut into tokens without reading the whole tokenizer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from qa.errors import ModelError
from qa.index import seal

DEFAULT_MODEL = "intfloat/multilingual-e5-small"
"""The model where the user names none; MIT licence."""

FORMAT = 5
"""Version of the folder's form; one of another version has to be prepared again."""
MODEL_FILE = "model.onnx"
WEIGHTS_FILE = f"{MODEL_FILE}.data"
TOKENIZER_FILE = "tokenizer.json"
PIECES_FILE = "pieces.sqlite"
INPUT = "input_ids"
OUTPUT = "embedding"
ADVICE = "请运行 qa index,它会重新准备模型"


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a prepared folder says of itself.

    Attributes:
        format: Version of the folder's form, FORMAT.
        name: The model as the user named it; a folder by its absolute path.
        key: Identity: equal keys give equal vectors.
        source: Where the weights came from.
        dimension: Length of a vector.
        max_length: Tokens that are read of a text, special ones and the prompt included.
        prompts: What is put before a "query" and before a "passage".
        bits: Of its weights: 8, or 32 for a model that 8 bits change too much.
        cosine: Least cosine to the original model's vectors in the check.
        files: Size in bytes and SHA-256 of each file, by name.
    """

    format: int
    name: str
    key: str
    source: str
    dimension: int
    max_length: int
    prompts: Mapping[str, str]
    bits: int
    cosine: float
    files: Mapping[str, tuple[int, str]]

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """Read a folder's manifest and check that its files are as they were.

        Raises:
            ModelError: There is no prepared model, or it is damaged or of another version.
        """
        return read_manifest(folder, cls, FORMAT)

    def write(self, folder: Path) -> None:
        """Write the manifest into a folder, for people to read too."""
        seal.write(folder, asdict(self))


class FolderManifest(Protocol):
    """What the manifest of any prepared folder has."""

    @property
    def files(self) -> Mapping[str, tuple[int, str]]:
        """Size in bytes and SHA-256 of each file, by name."""
        ...


_Kind = TypeVar("_Kind", bound=FolderManifest)


def read_manifest(folder: Path, kind: Callable[..., _Kind], version: int) -> _Kind:
    """Read a folder's manifest and check that its files are as they were.

    Args:
        folder: A prepared model.
        kind: Class of the manifest.
        version: The form that this release reads.

    Raises:
        ModelError: There is no prepared model, or it is damaged or of another version.
    """
    path = folder / seal.MANIFEST
    try:
        content, _ = seal.read(folder)
        if content["format"] != version:
            raise ModelError(
                f"模型文件夹的格式是 {content['format']},应为 {version}:{folder}", ADVICE
            )
        manifest = kind(**content)
        wrong = seal.wrong(folder, manifest.files)
    except FileNotFoundError as error:
        raise ModelError(f"找不到模型文件:{error.filename}", ADVICE) from error
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"模型清单已损坏:{path}({error})", ADVICE) from error
    if wrong:
        raise ModelError(f"模型文件缺失或已损坏:{folder / wrong[0]}", ADVICE)
    return manifest


def checksums(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of each model and tokenizer file in a folder, by name."""
    found = sorted(path.name for path in folder.iterdir() if path.suffix in {".onnx", ".data"})
    found += [name for name in (TOKENIZER_FILE, PIECES_FILE) if (folder / name).exists()]
    return seal.files(folder, found)
