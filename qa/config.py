"""Options, environment and the configuration file → the language model that the user set up."""

from __future__ import annotations

import os
import stat
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qa.errors import InputError
from qa.reader.endpoint import LONGEST, Endpoint

_KEYS = frozenset({"url", "model", "key_file", "max_tokens", "seconds"})


def file() -> Path:
    """The configuration file; it need not be there."""
    from platformdirs import user_config_path

    return user_config_path("wenju", appauthor=False) / "config.toml"


def endpoint(url: str | None, model: str | None) -> Endpoint | None:
    """The language model to ask; None where the user set none up, or says ``--llm ""``.

    An option goes before the environment (WENJU_LLM_URL, WENJU_LLM_MODEL), that before the
    table ``[llm]`` of the configuration file. The key comes from WENJU_LLM_KEY or from a file
    that others cannot read (WENJU_LLM_KEY_FILE, ``key_file``), never from an option.

    Raises:
        InputError: A setting that cannot be used.
    """
    if url == "":
        return None
    set_up = _table()
    url = url or os.environ.get("WENJU_LLM_URL") or set_up.get("url")
    model = model or os.environ.get("WENJU_LLM_MODEL") or set_up.get("model")
    if not url:
        if model:
            raise InputError("有语言模型的名称,没有地址。", "请加上 --llm 地址。")
        return None
    key = os.environ.get("WENJU_LLM_KEY", "").strip()
    key_file = os.environ.get("WENJU_LLM_KEY_FILE")
    if not key_file and url == set_up.get("url"):  # For that address, and no other.
        key_file = set_up.get("key_file")
    if not key and key_file:
        key = _secret(key_file)
    limits = {name: set_up[name] for name in ("max_tokens", "seconds") if name in set_up}
    return Endpoint(url, model or "", key, **limits)


def _table() -> Mapping[str, Any]:
    place = file()
    try:
        with place.open("rb") as stream:
            table: dict[str, Any] = tomllib.load(stream).get("llm", {})
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise InputError(f"配置文件读不了:{place}({error})") from error
    types = {"max_tokens": int, "seconds": (int, float)}
    for name, value in table.items() if isinstance(table, dict) else [("llm", table)]:
        if name not in _KEYS:
            raise InputError(
                f"配置文件里不认识的项:llm.{name}", f"能写的有:{'、'.join(sorted(_KEYS))}"
            )
        if not isinstance(value, types.get(name, str)) or isinstance(value, bool):  # type: ignore[arg-type]
            raise InputError(f"配置文件里 llm.{name} 的值不能用:{value!r}")
        if name in types and not 0 < value <= LONGEST:
            raise InputError(f"配置文件里 llm.{name} 的值不能用:{value!r}")
    return table


def _secret(name: str) -> str:
    """The key in a file that nobody else can read."""
    try:
        place = Path(name).expanduser()
        if os.name == "posix" and place.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise InputError(f"别人也能读的密钥文件不用:{place}", f"请运行:chmod 600 {place}")
        return place.read_text("utf-8").strip()
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(f"密钥文件读不了:{name}") from error
