"""What an index holds, and how it stands to the files now."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qa.corpus.load import SourceFile, find, opened
from qa.errors import FileError
from qa.index.catalog import Catalog
from qa.index.store import FileRecord, IndexFolder, Manifest, as_json
from qa.pipeline import default_index
from qa.text import spelled, unspelled, width


@dataclass(frozen=True, slots=True)
class Status:
    """The generation in use.

    Attributes:
        folder: Of the index.
        manifest: Of the generation.
        size: Bytes of its files.
        files: Its files, those that could not be read among them.
        outdated: Paths of files that have changed, are gone, or are new.
        damage: What is wrong with the index, in Chinese; "" if nothing was noticed.
    """

    folder: Path
    manifest: Manifest
    size: int
    files: tuple[FileRecord, ...]
    outdated: tuple[str, ...]
    damage: str

    @classmethod
    def of(cls, index: Path | None) -> Status:
        """Look at an index.

        Raises:
            IndexMissing: There is none.
            IndexDamaged: It cannot be used.
        """
        folder = IndexFolder(index or default_index())
        (manifest, files), damage = folder.opened(_read)
        listed = {file.path for file in files}
        outdated = [file.path for file in files if not file.problem and not _same(file)]
        inside = folder.path.resolve()
        new = [
            file.path
            for file in _found(manifest)
            if file.path not in listed and not file.absolute.is_relative_to(inside)
        ]
        size = sum(size for size, _ in manifest.files.values())
        return cls(folder.path, manifest, size, files, tuple(outdated + new), damage)

    def values(self, *, files: bool) -> dict[str, Any]:
        """As plain values, for JSON."""
        listed = [
            {
                "path": f.path,
                "encoding": f.encoding,
                "confidence": round(f.confidence, 4) if f.encoding else None,
                "alternatives": list(f.alternatives),
                "given": bool(f.given),
                "size": f.size,
                "problem": f.problem,
            }
            for f in self.files
            if files or f.problem or f.is_doubtful
        ]
        return {
            "index": spelled(str(self.folder)),
            **as_json(self.manifest),
            "size": self.size,
            "damage": self.damage,
            "outdated": list(self.outdated),
            "files": listed,
        }

    def text(self, *, files: bool) -> str:
        """For people."""
        manifest = self.manifest
        lines = [
            f"索引:{self.folder}",
            f"版本:第 {manifest.number} 代,{manifest.created},{self.size / 1e6:.1f} MB",
            f"文章:{'、'.join(manifest.roots)}",
            f"内容:{manifest.documents} 篇、{manifest.passages} 段",
            f"模型:{manifest.model_folder}",
            f"向量:{_searched(manifest)}",
        ]
        if self.damage:
            lines.append(f"注意:{self.damage}")
        problems = [file for file in self.files if file.problem]
        if problems:
            lines.append(f"没有收入的文件:{len(problems)} 个")
            lines += [f"  {file.path}:{file.problem}" for file in problems]
        if self.outdated:
            lines.append(
                f"索引之后改动、移走或新来的文件:{len(self.outdated)} 个,请运行 qa index 更新"
            )
            lines += [f"  {path}" for path in self.outdated]
        if doubtful := [file for file in self.files if file.is_doubtful]:
            lines += doubtful_text(doubtful)
        if files:
            lines += _listed([file for file in self.files if not file.problem])
        return "\n".join(lines)


def doubtful_text(files: Sequence[FileRecord]) -> list[str]:
    """Lines about files that may have been read in a wrong encoding."""
    return [
        f"编码拿不准的文件:{len(files)} 个(读错了,就用 qa index 文件 --add --encoding 编码 指明)",
        *(f"  {file.path}:{_encoding(file)}" for file in files),
    ]


def _encoding(file: FileRecord) -> str:
    """What a file was read with, and how sure that is, where it had to be found out."""
    if file.given:
        return f"{file.encoding} 指定的"
    if file.confidence == 1.0:
        return file.encoding
    other = "(字太少)" if file.is_doubtful else ""
    if file.alternatives:
        other = f"(也可能是 {'、'.join(file.alternatives)})"
    return f"{file.encoding} 把握 {math.floor(file.confidence * 1000) / 10:g}%{other}"


def _listed(files: Sequence[FileRecord]) -> list[str]:
    """Files in columns: size, encoding, path."""
    rows = [(f"{file.size:,} 字节", _encoding(file), file.path) for file in files]
    wide, wider = (max((width(row[column]) for row in rows), default=0) for column in (0, 1))
    return [
        f"  {' ' * (wide - width(size))}{size}  {read}{' ' * (wider - width(read))}  {path}"
        for size, read, path in rows
    ]


def _searched(manifest: Manifest) -> str:
    """How many vectors there are, and how they are searched."""
    made = f"{manifest.vectors} 个"
    if manifest.vectors < manifest.passages:
        made = f"{manifest.vectors}/{manifest.passages} 个,其余由 qa index 接着做"
    if not manifest.dense:
        return made
    if not manifest.dense["probes"]:
        return f"{made},逐一比较"
    recall = float(manifest.dense["recall"])
    return (
        f"{made},{manifest.dense['kind']},查 {manifest.dense['probes']} 类,"
        f"前十名找到 {recall:.1%}(--exact 逐一比较)"
    )


def _read(generation: Path, manifest: Manifest) -> tuple[Manifest, tuple[FileRecord, ...]]:
    with closing(Catalog(generation / "catalog.sqlite")) as catalog:
        return manifest, tuple(catalog.files())


def _same(file: FileRecord) -> bool:
    try:
        with opened(file.place) as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest() == file.sha256
    except (FileError, OSError):
        return False


def _found(manifest: Manifest) -> list[SourceFile]:
    """The files that the next run would find, where it runs in the same folder."""
    if unspelled(manifest.base) != str(Path.cwd()):
        return []
    roots = [root for root in map(unspelled, manifest.roots) if Path(root).exists()]
    return find(roots, follow_links=manifest.follow_links)
