"""Imports point one way, starting is light, and the public door is complete."""

import inspect
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import qa
from qa import errors

ROOT = Path(__file__).parents[1]
HEAVY = {
    "torch",
    "transformers",
    "sentence_transformers",
    "faiss",
    "jieba",
    "tantivy",
    "onnxruntime",
    "opencc",
    "rich",
}


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        env={**os.environ, "PYTHONIOENCODING": "utf-8", "COLUMNS": "100"},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


class TestImports:
    def test_they_point_one_way(self):
        checked = run(
            "from importlinter.cli import lint_imports_command as lint; lint()", "--no-cache"
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
        assert "Imports point one way KEPT" in re.sub(r"\x1b\[[0-9;]*m", "", checked.stdout)

    def test_every_module_has_its_layer(self):
        settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
        (contract,) = settings["tool"]["importlinter"]["contracts"]
        layers = {name.strip() for layer in contract["layers"] for name in re.split("[|:]", layer)}
        parts = {
            f"qa.{path.stem}"
            for path in (ROOT / "qa").iterdir()
            if path.suffix == ".py" or (path / "__init__.py").is_file()
        }
        assert layers == parts - {"qa.__init__"}


class TestStarting:
    LOADED = "\nimport json, sys; print(json.dumps(sorted(sys.modules)), file=sys.stderr)"

    def loaded(self, program):
        ended = run(program + self.LOADED)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout, {name.partition(".")[0] for name in json.loads(ended.stderr)}

    def test_import_qa_costs_nothing(self):
        _, modules = self.loaded("import qa; from qa import errors")
        assert not (HEAVY | {"numpy"}) & modules

    @pytest.mark.parametrize("command", [[], ["ask"], ["index"], ["chat"], ["status"], ["eval"]])
    def test_help_loads_no_library_that_searches_or_embeds(self, command):
        shown, modules = self.loaded(f"""
import sys
import qa.cli
sys.argv = ["qa", *{command}, "--help"]
try:
    qa.cli.app()
except SystemExit as leaving:
    assert not leaving.code
""")
        assert "Usage" in shown
        assert not (HEAVY - {"rich"}) & modules

    def test_the_pipeline_itself_loads_no_library_that_trains(self):
        _, modules = self.loaded("import qa.pipeline, qa.render, qa.status, qa.repl")
        assert not (HEAVY - {"rich"}) & modules


class TestPublicNames:
    @pytest.mark.parametrize("name", qa.__all__)
    def test_each_is_there_and_says_what_it_is(self, name):
        public = getattr(qa, name)
        assert public.__name__ == name
        # A dataclass without a docstring is given its signature for one.
        assert public.__doc__
        assert not public.__doc__.startswith(f"{name}(")

    def test_each_method_says_what_it_does(self):
        methods = {n: m for n, m in inspect.getmembers(qa.QA, callable) if not n.startswith("_")}
        assert {"open", "build", "search", "ask", "verify", "locate"} <= set(methods)
        assert [name for name, method in methods.items() if not method.__doc__] == []

    def test_a_star_import_brings_them_all(self):
        brought = {}
        exec("from qa import *", brought)  # noqa: S102
        assert set(qa.__all__) <= set(brought)

    def test_what_is_not_there_is_told_as_usual(self):
        assert not hasattr(qa, "Manager")
        with pytest.raises(AttributeError, match="Manager"):
            _ = qa.Manager


class TestErrors:
    CLASSES = tuple(
        error
        for _, error in inspect.getmembers(errors, inspect.isclass)
        if error.__module__ == "qa.errors"
    )

    def test_each_has_its_own_exit_code(self):
        codes = [error.exit_code for error in self.CLASSES]
        assert len(set(codes)) == len(codes) == 10
        # 0 and 1 are answers: found and not found.
        assert min(codes) >= 2
        assert max(codes) < 126

    def test_the_tree_that_is_documented_is_the_one_that_is(self):
        table = dict(re.findall(r"^(?:[├└]── )?(\w+) +(\d+) ", errors.__doc__, re.MULTILINE))
        assert {name: int(code) for name, code in table.items()} == {
            error.__name__: error.exit_code for error in self.CLASSES
        }

    @pytest.mark.parametrize("error", CLASSES)
    def test_each_is_caught_by_the_base_and_tells_what_to_do(self, error):
        with pytest.raises(errors.QAError) as caught:
            raise error("出了事:甲", "请做乙。")
        assert str(caught.value) == "出了事:甲\n请做乙。"
        assert str(error("出了事")) == "出了事"
