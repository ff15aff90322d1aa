"""Breaks an index in the ways that a power cut, a full disk or a bad one do, and looks at the rest.

    python -m tests.bench.faults WORK kills [COUNT]     killed while it writes (300 times)
    python -m tests.bench.faults WORK full [SIZES]      a disk that is too small, at 12 sizes
    python -m tests.bench.faults WORK failing [COUNT]   a write that fails, at 50 places each
    python -m tests.bench.faults WORK damage [COUNT]    each file damaged in 200 ways
    python -m tests.bench.faults WORK mend [COUNT]      each file damaged, and mended, 8 times
    python -m tests.bench.faults WORK readers [COUNT]   8 readers, and 50 generations

WORK keeps the prepared models. Each prints a line for each promise that was broken, then one of
figures, and ends with 1 where there was any. Linux only, with ``cc``.
"""

from __future__ import annotations

import errno
import json
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from qa.errors import QAError
from qa.index.prepare import prepare
from qa.index.store import IndexFolder
from qa.pipeline import QA
from qa.reader.prepare import prepare as prepare_reader
from qa.render import answer_values
from qa.update import update
from qa.verify import verify

ROOT = Path(__file__).parents[2]
QUESTIONS = ("2024年巫溪支队受理了多少件环境投诉?", "第五站的馆藏是多少册?", "月球的直径是多少?")
TOLD = "受理环境投诉129件"
READERS = 8
COMMAND = "import sys; sys.argv.insert(1, 'index'); from qa.cli import main; main()"

FAULTS = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/types.h>
#include <unistd.h>

/* Counts the calls that write under FAULTS_UNDER, noting each in FAULTS_LOG, and has the one
   numbered FAULTS_AT killed (FAULTS_DO=0; a write when half is written) or failing with that errno;
   a disk that is full (ENOSPC) stays so for all that takes room. */
static int count, at, how, note = -1, ready;
static const char *under;
#define REAL(name) ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

static void start(void) {
  if (ready++) return;
  under = getenv("FAULTS_UNDER");
  at = atoi(getenv("FAULTS_AT") ? getenv("FAULTS_AT") : "0");
  how = atoi(getenv("FAULTS_DO") ? getenv("FAULTS_DO") : "0");
  if (getenv("FAULTS_LOG"))
    note = REAL(open)(getenv("FAULTS_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
}

void fault_at(int call, int does) { start(); count = 0; at = call; how = does; }

/* 0: go on; 1: fail; 2: write half, then die. */
static int met(const char *call, int folder, const char *path, int grows) {
  char link[64], full[PATH_MAX], line[PATH_MAX + 32];
  ssize_t length = 0;
  start();
  if (!under) return 0;
  if (!path || (path[0] != '/' && folder >= 0)) {
    snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
    length = readlink(link, full, sizeof full - 1);
    if (length < 0) return 0;
  } else if (path[0] != '/' && getcwd(full, sizeof full)) length = strlen(full);
  full[length] = 0;
  if (path) snprintf(full + length, sizeof full - length, "%s%s", length ? "/" : "", path);
  if (strncmp(full, under, strlen(under))) return 0;
  count++;
  if (note >= 0) {
    length = snprintf(line, sizeof line, "%s %s\n", call, full + strlen(under));
    if (REAL(write)(note, line, length) < 0) abort();
  }
  if (!at || count < at || (count > at && !(how == ENOSPC && grows))) return 0;
  if (how) { errno = how; return 1; }
  if (!strncmp(call, "write", 5) || !strncmp(call, "pwrite", 6)) return 2;
  raise(SIGKILL);
  return 1;
}

#define CALL(type, name, folder, path, grows, failed, pars, args, half)                 \
  type name pars {                                                                      \
    switch (met(#name, folder, path, grows)) {                                          \
      case 1: return failed;                                                            \
      case 2: half; raise(SIGKILL);                                                     \
    }                                                                                   \
    return REAL(name) args;                                                             \
  }
#define OPEN(name, folder, pars, args, last)                                            \
  int name pars {                                                                       \
    va_list rest; va_start(rest, last); mode_t mode = va_arg(rest, mode_t); va_end(rest); \
    if ((flags & O_CREAT) && met(#name, folder, path, 1)) return -1;                    \
    return REAL(name) args;                                                             \
  }
OPEN(open, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode), flags)
OPEN(open64, AT_FDCWD, (const char *path, int flags, ...), (path, flags, mode), flags)
OPEN(openat, in, (int in, const char *path, int flags, ...), (in, path, flags, mode), flags)
OPEN(openat64, in, (int in, const char *path, int flags, ...), (in, path, flags, mode), flags)
FILE *fopen(const char *path, const char *mode) {
  return *mode != 'r' && met("fopen", AT_FDCWD, path, 1) ? NULL : REAL(fopen)(path, mode);
}
FILE *fopen64(const char *path, const char *mode) {
  return *mode != 'r' && met("fopen64", AT_FDCWD, path, 1) ? NULL : REAL(fopen64)(path, mode);
}
CALL(size_t, fwrite, fileno(f), NULL, 1, 0,
     (const void *b, size_t s, size_t n, FILE *f), (b, s, n, f), )
CALL(ssize_t, write, fd, NULL, 1, -1, (int fd, const void *b, size_t n), (fd, b, n),
     if (REAL(write)(fd, b, n / 2) < 0) abort())
CALL(ssize_t, pwrite, fd, NULL, 1, -1,
     (int fd, const void *b, size_t n, off_t o), (fd, b, n, o),
     if (REAL(pwrite)(fd, b, n / 2, o) < 0) abort())
CALL(ssize_t, pwrite64, fd, NULL, 1, -1,
     (int fd, const void *b, size_t n, off64_t o), (fd, b, n, o),
     if (REAL(pwrite64)(fd, b, n / 2, o) < 0) abort())
CALL(ssize_t, sendfile, to, NULL, 1, -1, (int to, int f, off_t *o, size_t n), (to, f, o, n), )
CALL(ssize_t, sendfile64, to, NULL, 1, -1, (int to, int f, off64_t *o, size_t n), (to, f, o, n), )
CALL(ssize_t, copy_file_range, to, NULL, 1, -1,
     (int from, off64_t *a, int to, off64_t *b, size_t n, unsigned f), (from, a, to, b, n, f), )
CALL(int, fsync, fd, NULL, 0, -1, (int fd), (fd), )
CALL(int, fdatasync, fd, NULL, 0, -1, (int fd), (fd), )
CALL(int, ftruncate, fd, NULL, 0, -1, (int fd, off_t n), (fd, n), )
CALL(int, ftruncate64, fd, NULL, 0, -1, (int fd, off64_t n), (fd, n), )
CALL(int, rename, AT_FDCWD, to, 1, -1, (const char *from, const char *to), (from, to), )
CALL(int, renameat, t, to, 1, -1,
     (int f, const char *from, int t, const char *to), (f, from, t, to), )
CALL(int, unlink, AT_FDCWD, path, 0, -1, (const char *path), (path), )
CALL(int, unlinkat, in, path, 0, -1, (int in, const char *path, int f), (in, path, f), )
CALL(int, rmdir, AT_FDCWD, path, 0, -1, (const char *path), (path), )
CALL(int, mkdir, AT_FDCWD, path, 1, -1, (const char *path, mode_t m), (path, m), )
CALL(int, mkdirat, in, path, 1, -1, (int in, const char *path, mode_t m), (in, path, m), )
CALL(int, link, AT_FDCWD, to, 1, -1, (const char *from, const char *to), (from, to), )
CALL(int, linkat, t, to, 1, -1,
     (int f, const char *from, int t, const char *to, int g), (f, from, t, to, g), )
"""

Answers = list[dict[str, Any]]


class Lab:
    """A corpus in three states, an index after each, and ways to break another.

    Attributes:
        index: What is broken.
        first: Answers of the first state.
        before: Of the second, of which an update begins: one generation is removed by it.
        after: Of the third.
        broken: Promises that did not hold.
        ran: What was done, and how often.
    """

    def __init__(self, work: Path, models: Path) -> None:
        self.work, self.corpus, self.index = work, work / "文章", work / "index"
        self.models = models
        self.broken: list[str] = []
        self.ran: Counter[str] = Counter()
        shutil.rmtree(self.corpus, ignore_errors=True)
        self.corpus.mkdir(parents=True)
        for seed in sorted((ROOT / "seeds").glob("00[02]_*.txt")):
            shutil.copy(seed, self.corpus)
        for number, name in enumerate("一二三四五六七八九十"):
            held = f"馆藏是{number * 37 + 210}册,每周开放{number % 6 + 1}天"
            text = f"第{name}站记事\n\n第{name}站的{held}。\n"
            (self.corpus / f"{name}站.txt").write_text(text, "utf-8")
        self.page = next(self.corpus.glob("000_*"))
        self.text = self.page.read_text("utf-8")
        self.library = work / "faults.so"
        source = work / "faults.c"
        source.write_text(FAULTS)
        subprocess.run(
            ["cc", "-shared", "-fPIC", "-O1", "-w", "-o", self.library, source, "-ldl"], check=True
        )

    def prepare(self) -> None:
        """Index the states, each over the one before."""
        self.reset(None)
        self.first, self.before, self.after = map(self._indexed, range(3))

    def _indexed(self, state: int) -> Answers:
        self.set(state)
        ended = self.run()
        assert ended.returncode == 0, ended.stderr
        shutil.rmtree(self.work / f"state-{state}", ignore_errors=True)
        shutil.copytree(self.index, self.work / f"state-{state}", symlinks=True)
        return isolated(answers, self.index)[0]

    def set(self, state: int) -> None:
        """Have the articles say the number of a state."""
        self.page.write_text(self.text.replace(TOLD, f"受理环境投诉{129 + state}件"), "utf-8")

    def reset(self, state: int | None) -> None:
        """The index as it was after a state; none, but for the models, before the first."""
        shutil.rmtree(self.index, ignore_errors=True)
        if state is None:
            self.index.mkdir()
            (self.index / "models").symlink_to(self.models)
        else:
            shutil.copytree(self.work / f"state-{state}", self.index, symlinks=True)

    def start(self, *, at: int = 0, do: int = 0) -> subprocess.Popen[str]:
        """``qa index``, in a process of its own that meets a fault at a call."""
        self.log.unlink(missing_ok=True)
        faults = {"UNDER": self.index.resolve(), "LOG": self.log, "AT": at, "DO": do}
        environment = {f"FAULTS_{name}": str(value) for name, value in faults.items()}
        return subprocess.Popen(
            [sys.executable, "-c", COMMAND, self.corpus.name, "--index", str(self.index)],
            cwd=self.work,
            env=os.environ
            | environment
            | {"LD_PRELOAD": str(self.library), "PYTHONPATH": str(ROOT)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, **fault: int) -> subprocess.CompletedProcess[str]:
        """``qa index`` to its end."""
        process = self.start(**fault)
        _, errors = process.communicate()
        return subprocess.CompletedProcess([], process.returncode, "", errors)

    @property
    def log(self) -> Path:
        """The calls of the last run."""
        return self.work / "calls.log"

    def begin(self, *, first: bool) -> tuple[Answers | None, Answers]:
        """Have a first indexing to do, or an update; the answers before, and those after."""
        self.reset(None if first else 1)
        self.set(0 if first else 2)
        return (None, self.first) if first else (self.before, self.after)

    def calls(self, *, first: bool) -> tuple[int, float]:
        """How many calls a run takes, and how many seconds."""
        self.begin(first=first)
        started = time.monotonic()
        assert self.run().returncode == 0
        return len(self.log.read_text().splitlines()), time.monotonic() - started

    def expect(self, what: str, *, holds: bool) -> None:
        """Note a promise that was broken."""
        if not holds:
            self.broken.append(what)
            print(f"broken: {what}", flush=True)

    def look(self, what: str, allowed: list[Answers | None]) -> Answers | None:
        """Answers of the index as it is, which are to be among those of one state."""
        found, notice = isolated(answers, self.index, crashed=([], "crashed"))
        # Killed between its first generation and CURRENT, an index says that this is not there.
        told = "IndexMissing" if found is None else notice * ("里没有 CURRENT" in notice)
        holds = found in allowed and notice == told and (not told or None in allowed)
        self.expect(f"{what}: answers {brief(found)} {notice}", holds=holds)
        return found

    def mend(self, what: str, expected: Answers) -> None:
        """One ``qa index`` makes it right, and leaves nothing else."""
        ended = self.run()
        self.expect(f"{what}, again: {ended.stderr[-300:]}", holds=ended.returncode == 0)
        found, notice = isolated(answers, self.index, crashed=([], "crashed"))
        # Scores may be others where generations are not the same: removed terms count until merged.
        holds = said(found) == said(expected) and not notice
        self.expect(f"{what}, again: answers {brief(found)} {notice}", holds=holds)
        there = {path.name for path in self.index.iterdir()} - {"models", "CURRENT", ".lock"}
        generations = {path.name for path in IndexFolder(self.index).generations()}
        left = sorted(there - generations)
        self.expect(f"{what}, left: {left} {generations}", holds=not left and len(generations) <= 2)


def isolated(what: Callable[..., Any], *arguments: Any, crashed: Any = None) -> Any:
    """What a function returns in a process of its own; ``crashed`` where that dies."""
    receiver, sender = multiprocessing.Pipe(duplex=False)
    context = multiprocessing.get_context("fork")
    process = context.Process(target=lambda: sender.send(what(*arguments)))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    except EOFError:
        return crashed
    finally:
        process.join()


def answers(index: Path, *, fast: bool = False) -> tuple[Answers | None, str]:
    """What is answered, and what is said of damage; or None, and the error's name."""
    try:
        with QA.open(index, reads=not fast) as qa:
            found = [answer_values(qa.ask(question, fast=fast)) for question in QUESTIONS]
            return json.loads(json.dumps(found)), qa.state if fast else qa.notice
    except QAError as error:
        return None, type(error).__name__


def said(found: Answers | None) -> list[Any]:
    """What an answer says, and where it stands, but for scores."""
    return [(one["answer"], one["evidence"], one["citations"]) for one in found or ()]


def brief(found: Answers | None) -> str:
    return "none" if found is None else "/".join(str(one["answer"]) for one in found)


def kills(lab: Lab, count: int) -> None:
    """SIGKILL at random moments and at exact calls."""
    chance = random.Random(1)  # noqa: S311
    lab.prepare()
    took = [lab.calls(first=first) for first in (False, True)]
    print(f"calls and seconds of a run: {took}")
    for number in range(count):
        phase = ("first", "update", "swap")[number % 3]
        first = phase == "first" or (phase == "swap" and number % 4 == 1)
        before, expected = lab.begin(first=first)
        calls, seconds = took[first]
        if phase != "swap" and number % 2:
            what = f"{phase} killed after {(after := chance.uniform(0, seconds)):.3f} s"
            process = lab.start()
            with suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=after)
            process.kill()
            process.communicate()
            code = process.returncode
        else:
            at = chance.randint(calls - 39 if phase == "swap" else 1, calls)
            code = lab.run(at=at).returncode
            what = f"{phase} killed at call {at} of {calls}"
        lab.ran[f"{phase} killed" if code == -signal.SIGKILL else f"{phase} was over"] += 1
        found = lab.look(what, [before, expected])
        lab.ran["answers of after" if found == expected else "of before"] += 1
        lab.mend(what, expected)


def failing(lab: Lab, count: int) -> None:
    """A call that fails: once with EIO, or from there on with ENOSPC."""
    lab.prepare()
    for first in (True, False):
        calls, _ = lab.calls(first=first)
        for number in range(count):
            at = 1 + number * (calls - 1) // max(1, count - 1)
            do = (errno.ENOSPC, errno.EIO)[number % 2]
            before, expected = lab.begin(first=first)
            ended = lab.run(at=at, do=do)
            call = lab.log.read_text().splitlines()[at - 1 : at]
            what = f"{errno.errorcode[do]} at call {at} of {calls} {call}"
            failed(lab, what, ended, before, expected)
            lab.ran[f"exit {ended.returncode}"] += 1
            lab.mend(what, expected)


def failed(
    lab: Lab,
    what: str,
    ended: subprocess.CompletedProcess[str],
    before: Answers | None,
    expected: Answers,
) -> None:
    """A run either says what is wrong, and has changed nothing, or has done its work."""
    said = ended.stderr.rpartition("\r")[2]
    is_clear = ended.returncode in (0, 8, 9) and "Traceback" not in said and "程序出错" not in said
    lab.expect(f"{what}: exit {ended.returncode} {said[-300:]}", holds=is_clear)
    lab.look(what, [expected if ended.returncode == 0 else before])


def full(lab: Lab, sizes: int) -> None:
    """A file system that is too small; in a namespace of its own, which is allowed to mount."""
    inside = "FAULTS_INSIDE"
    if inside not in os.environ:
        if subprocess.run(["unshare", "-Urm", "true"], check=False).returncode:
            sys.exit("not run: this system lets nobody mount (unshare -Urm)")
        os.environ[inside] = "1"
        os.execvp(  # noqa: S606
            "unshare", ["unshare", "-Urm", sys.executable, "-m", __spec__.name, *sys.argv[1:]]
        )
    lab.prepare()
    for first in (True, False):
        for number in range(sizes):
            place = lab.work / f"small-{first}-{number}"
            place.mkdir(exist_ok=True)
            held = 0 if first else used(lab.work / "state-1")
            size = held + 8192 + number * used(lab.work / "state-0") * 5 // 4 // sizes
            mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)]
            subprocess.run(mount, check=True)
            lab.index = place / "index"
            before, expected = lab.begin(first=first)
            ended = lab.run()
            what = f"{'first' if first else 'update'} with {size} bytes"
            failed(lab, what, ended, before, expected)
            lab.ran[f"exit {ended.returncode}"] += 1
            subprocess.run(["mount", "-o", "remount,size=64m", str(place)], check=True)
            lab.mend(what, expected)
            subprocess.run(["umount", str(place)], check=True)
            place.rmdir()


def used(folder: Path) -> int:
    """Bytes that a folder takes of a tmpfs, a page or more for each entry."""
    entries = [path for path in folder.rglob("*") if not path.is_symlink()]
    return sum(-(-path.stat().st_size // 4096) * 4096 for path in entries if path.is_file())


def damages(path: Path, others: list[Path], chance: random.Random, count: int) -> Iterator[str]:
    """A file damaged in ways by turns, each mended again after a look at it."""
    status = path.stat()
    kept = path.with_name(f"{path.name}.kept")
    for number in range(count):
        way = ("bit", "bit", "cut", "zeros", "swap", "gone", "bit", "bit")[number % 8]
        place = chance.randrange(max(1, status.st_size))
        other = chance.choice(others)
        if way in ("swap", "gone"):
            path.rename(kept)
            if way == "swap":
                shutil.copyfile(other, path)
            yield f"{way} {path.name} {other.name if way == 'swap' else ''}"
            path.unlink(missing_ok=True)
            kept.rename(path)
            continue
        with path.open("r+b") as file:
            file.seek(place)
            length = 1 if way == "bit" else chance.randint(1, 5000) if way == "zeros" else None
            was = file.read() if length is None else file.read(length)
            file.seek(place)
            if way == "cut":
                file.truncate()
            else:
                file.write(
                    bytes([was[0] ^ 1 << number // 8 % 8])
                    if way == "bit" and was
                    else b"\0" * len(was)
                )
            file.flush()
            if number % 40 == 1:  # As a disk does that forgets: the time stays.
                os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
            yield f"{way} {path.name} at {place}{' with its old time' * (number % 40 == 1)}"
            file.seek(place)
            file.write(was)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def judged(index: Path) -> tuple[Answers | None, str, str]:
    """Answers, what is said of damage, and what ``verify`` finds."""
    found, notice = answers(index)
    try:
        return found, notice, "\n".join(verify(index).problems)
    except QAError as error:
        return found, notice, str(error)


def content(path: Path) -> object:
    """What a file says: white space says nothing where it is JSON, and around a line."""
    written = path.read_bytes() if path.exists() else None
    with suppress(ValueError, TypeError):
        return json.loads(written) if path.suffix == ".json" else written  # type: ignore[arg-type]
    return written


def whole(lab: Lab) -> tuple[list[Path], list[Path]]:
    """An index with models of its own: all its files, and those that something depends on."""
    lab.prepare()
    lab.reset(2)
    (lab.index / "models").unlink()
    shutil.copytree(lab.models, lab.index / "models")
    files = [path for path in sorted(lab.index.rglob("*")) if path.is_file()]
    return files, [path for path in files if path.stat().st_size and path.name != "times.json"]


def damage(lab: Lab, count: int) -> None:
    """Each file of an index damaged, and looked at in a process of its own."""
    chance = random.Random(2)  # noqa: S311
    files, sealed = whole(lab)
    fast = isolated(partial(answers, fast=True), lab.index)[0]
    for path in sealed + [path for path in files if path.name == "times.json"]:
        others = [other for other in sealed if other != path and other.stat().st_size < 1 << 20]
        right = content(path)
        for what in damages(path, others, chance, count):
            what = f"{path.relative_to(lab.index).parent}: {what}"
            matters = path.name != "times.json" and content(path) != right
            found, notice, problems = isolated(judged, lab.index, crashed=([], "crashed", ""))
            kind = "refused" if found is None else "told" if notice else "same"
            # What a disk changes in a large file without its time is for ``verify`` to find.
            is_hidden = "old time" in what and path.stat().st_size > 4 << 20
            if found is None:
                holds = notice in ("IndexDamaged", "ModelError")
            elif is_hidden:
                holds = notice != "crashed"
            else:
                holds = found in (lab.before, lab.after, fast) if notice else found == lab.after
            lab.expect(f"{what}: {kind} {brief(found)} {notice}", holds=holds)
            lab.expect(f"{what}: verify finds nothing", holds=bool(problems) or not matters)
            lab.ran[kind] += 1
            lab.ran["with its old time"] += "old time" in what
            lab.ran["verify tells"] += bool(problems)
            lab.ran["changes nothing that is read"] += not matters
        lab.ran["files"] += 1


def mend(lab: Lab, count: int) -> None:
    """Each file damaged, of each model one, and one run of ``qa index`` after it."""
    chance = random.Random(3)  # noqa: S311
    _, files = whole(lab)
    models = [path for path in files if (lab.index / "models") in path.parents]
    kept = [path for path in files if path not in models]
    for _ in range(count):
        chosen = {path.parent: path for path in chance.sample(models, len(models))}.values()
        for path in [*kept, *chosen]:
            written = bytearray(path.read_bytes())
            place = chance.randrange(len(written))
            written[place] ^= 1 << chance.randrange(8)
            path.write_bytes(written)
            what = f"mending {path.relative_to(lab.index)} at {place}"
            lab.mend(what, lab.after)
            _, notice, problems = isolated(judged, lab.index, crashed=([], "crashed", ""))
            lab.expect(f"{what}: {notice} {problems}", holds=not notice and not problems)
            lab.ran["mended"] += 1
            if path in models:
                continue
            for there in lab.index.iterdir():
                if there.name != "models":
                    shutil.rmtree(there) if there.is_dir() else there.unlink()
            ignore = shutil.ignore_patterns("models")
            shutil.copytree(lab.work / "state-2", lab.index, ignore=ignore, dirs_exist_ok=True)


def readers(lab: Lab, count: int) -> None:
    """Readers that open the index anew for each question, while generations come and go."""
    lab.reset(None)
    lab.set(1)
    os.chdir(lab.work)
    update(lab.index, [lab.corpus.name])
    context = multiprocessing.get_context("spawn")
    over, told = context.Event(), context.Queue()
    asking = [context.Process(target=read, args=(lab.index, over, told)) for _ in range(READERS)]
    for process in asking:
        process.start()
    for number in range(2, count + 2):
        lab.set(number)
        built = update(lab.index, [lab.corpus.name])
        assert built.manifest.number == number
        lab.ran["generations"] += 1
    over.set()
    for number in range(READERS):
        opened, seen, problems = told.get()
        lab.ran["readers"] += 1
        lab.ran["openings"] += opened
        for problem in problems:
            lab.expect(f"reader {number}: {problem}", holds=False)
        print(f"reader {number}: {opened} openings, {seen} generations")
    for process in asking:
        process.join()
        lab.expect(f"a reader ended with {process.exitcode}", holds=process.exitcode == 0)


def read(index: Path, over: Any, told: Any) -> None:
    """Ask, by a QA that stays open and by one that is opened anew, until all is written."""
    problems: list[str] = []
    seen: set[int] = set()
    opened = 0
    with QA.open(index) as old:
        while not over.is_set() or not opened:
            try:
                with QA.open(index) as qa:
                    problems += [*one_state(qa), *one_state(old)]
                    if qa.manifest.number < max(seen, default=0):
                        problems.append(f"back to {qa.manifest.number} from {max(seen)}")
                    seen.add(qa.manifest.number)
                opened += 1
            except Exception as error:  # noqa: BLE001  none is allowed, of any kind.
                problems.append(repr(error))
    told.put((opened, len(seen), problems))


def one_state(qa: QA) -> Iterator[str]:
    """Where an answer, or what is cited for it, is not that of the generation that is open."""
    answer = qa.ask(QUESTIONS[0])
    right = f"{128 + qa.manifest.number + 1}件"
    quote = answer.citations[0].quote if answer.citations else ""
    if answer.text != right or f"投诉{right}" not in quote or qa.damage:
        yield f"generation {qa.manifest.number} says {answer.text} {quote[:60]} {qa.damage}"


def main() -> None:
    work, step, *count = sys.argv[1:]
    place = Path(work).resolve()
    models = prepare(None, place / "models").parent
    prepare_reader(models, lambda stage, done, total: None)
    steps: dict[str, tuple[Callable[[Lab, int], None], int]] = {
        "kills": (kills, 300),
        "full": (full, 12),
        "failing": (failing, 50),
        "damage": (damage, 200),
        "mend": (mend, 8),
        "readers": (readers, 50),
    }
    run, usual = steps[step]
    lab = Lab(place / step, models)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with suppress(KeyboardInterrupt):  # What was done until then is told.
        run(lab, int(count[0]) if count else usual)
    print(f"{step}: {dict(lab.ran)}; broken promises: {len(lab.broken)}")
    sys.exit(bool(lab.broken))


if __name__ == "__main__":
    main()
