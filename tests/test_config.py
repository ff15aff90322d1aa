"""Where the language model is set up: options, environment, file; wrong settings are told."""

import os
import stat
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from qa import config
from qa.errors import InputError
from qa.reader.endpoint import Endpoint
from tests.reader.scripted import ScriptedServer

URL = "http://127.0.0.1:8080/v1"
KEY = "sk-0123456789abcdef"


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where the configuration file would be; nothing is set up."""
    for name in os.environ:
        if name.startswith("WENJU_"):
            monkeypatch.delenv(name)
    place = tmp_path / "设置" / "config.toml"
    place.parent.mkdir()
    monkeypatch.setattr(config, "file", lambda: place)
    return place


@pytest.fixture
def written(place):
    """Writes the table [llm]."""

    def write(*lines):
        place.write_text("\n".join(["[llm]", *lines]), "utf-8")

    return write


@pytest.fixture
def key_file(tmp_path):
    path = tmp_path / "密钥"
    path.write_text(f"{KEY}\n", "utf-8")
    path.chmod(0o600)
    return path


class TestNothingSetUp:
    def test_there_is_no_endpoint(self):
        assert config.endpoint(None, None) is None
        assert config.endpoint("", "") is None

    @pytest.mark.parametrize("text", ["", "[other]\nurl = 'http://x'\n", "[llm]\n", "# 注\n"])
    def test_a_file_that_sets_nothing_up(self, place, text):
        place.write_text(text, "utf-8")
        assert config.endpoint(None, None) is None

    def test_a_key_alone_sets_nothing_up(self, monkeypatch):
        monkeypatch.setenv("WENJU_LLM_KEY", KEY)
        assert config.endpoint(None, None) is None

    def test_nothing_that_could_make_a_request_is_loaded(self, tmp_path):
        script = (
            "import sys\n"
            "from qa import config\n"
            "assert config.endpoint(None, None) is None\n"
            "loaded = {'httpx2', 'httpcore2', 'ssl', 'http.client'} & set(sys.modules)\n"
            "sys.exit(', '.join(loaded) or 0)"
        )
        ended = subprocess.run(
            [sys.executable, "-c", script],
            cwd=Path(__file__).parents[1],
            env={"PATH": os.environ["PATH"], "HOME": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
        assert ended.returncode == 0, ended.stderr

    def test_setting_one_up_makes_no_request(self):
        with ScriptedServer() as server:
            assert config.endpoint(f"{server.address}/v1", "甲") is not None
            assert server.requests == []


def test_the_file_is_the_users_own():
    from platformdirs import user_config_path

    # The fixture stands in for it; this is the real one.
    script = "from qa import config; print(config.file())"
    ended = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[1],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert Path(ended.stdout.strip()) == user_config_path("wenju", appauthor=False) / "config.toml"


class TestOrder:
    def test_options_alone_are_enough(self):
        assert config.endpoint(URL, "甲") == Endpoint(URL, "甲")

    def test_the_environment_alone_is_enough(self, monkeypatch):
        monkeypatch.setenv("WENJU_LLM_URL", URL)
        monkeypatch.setenv("WENJU_LLM_MODEL", "甲")
        monkeypatch.setenv("WENJU_LLM_KEY", KEY)
        assert config.endpoint(None, None) == Endpoint(URL, "甲", KEY)

    def test_the_file_alone_is_enough(self, written, key_file):
        written(
            f"url = '{URL}'",
            "model = '甲'",
            f"key_file = '{key_file}'",
            "max_tokens = 99",
            "seconds = 7.5",
        )
        assert config.endpoint(None, None) == Endpoint(URL, "甲", KEY, max_tokens=99, seconds=7.5)

    def test_options_go_before_the_environment_and_that_before_the_file(self, written, monkeypatch):
        written("url = 'http://file/'", "model = 'file'")
        assert config.endpoint(None, None) == Endpoint("http://file/", "file")
        monkeypatch.setenv("WENJU_LLM_URL", "http://environment/")
        monkeypatch.setenv("WENJU_LLM_MODEL", "environment")
        assert config.endpoint(None, None) == Endpoint("http://environment/", "environment")
        assert config.endpoint("http://option/", None) == Endpoint("http://option/", "environment")
        assert config.endpoint(None, "option") == Endpoint("http://environment/", "option")

    def test_whole_seconds_will_do(self, written):
        written(f"url = '{URL}'", "model = '甲'", "seconds = 30")
        assert config.endpoint(None, None).seconds == 30


class TestKey:
    @pytest.mark.parametrize("from_file", [True, False])
    def test_is_read_from_a_file_without_the_line_end(
        self, written, key_file, monkeypatch, from_file
    ):
        if from_file:
            written(f"url = '{URL}'\nkey_file = '{key_file}'")
        else:
            monkeypatch.setenv("WENJU_LLM_KEY_FILE", str(key_file))
        found = config.endpoint(URL, "甲")
        assert found.key == KEY
        assert KEY not in repr(found)

    def test_in_the_environment_goes_before_its_file(self, monkeypatch, tmp_path):
        monkeypatch.setenv("WENJU_LLM_KEY", "other")
        monkeypatch.setenv("WENJU_LLM_KEY_FILE", str(tmp_path / "nothing"))
        assert config.endpoint(URL, "甲").key == "other"

    @pytest.mark.parametrize("end", ["\n", "\r\n", " "])
    def test_in_the_environment_may_end_with_white_space(self, monkeypatch, end):
        monkeypatch.setenv("WENJU_LLM_KEY", KEY + end)
        assert config.endpoint(URL, "甲").key == KEY

    def test_file_may_be_below_home(self, written, monkeypatch, key_file):
        monkeypatch.setenv("HOME", str(key_file.parent))
        written(f"url = '{URL}'\nkey_file = '~/{key_file.name}'")
        assert config.endpoint(URL, "甲").key == KEY

    @pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
    @pytest.mark.parametrize("mode", [0o640, 0o604, 0o644, 0o620, 0o777])
    def test_file_that_others_may_open_is_refused(self, monkeypatch, key_file, mode):
        key_file.chmod(mode)
        monkeypatch.setenv("WENJU_LLM_KEY_FILE", str(key_file))
        with pytest.raises(InputError, match="别人也能读的密钥文件不用") as caught:
            config.endpoint(URL, "甲")
        assert f"chmod 600 {key_file}" in caught.value.advice
        assert KEY not in str(caught.value)
        key_file.chmod(stat.S_IRUSR)
        assert config.endpoint(URL, "甲").key == KEY

    @pytest.mark.parametrize("what", ["missing", "folder", "bytes"])
    def test_file_that_cannot_be_read_is_told(self, monkeypatch, tmp_path, key_file, what):
        if what == "bytes":
            key_file.write_bytes(b"\xff\xfe\x00")
        path = {"missing": tmp_path / "无", "folder": tmp_path / "folder", "bytes": key_file}[what]
        (tmp_path / "folder").mkdir(mode=0o700)
        monkeypatch.setenv("WENJU_LLM_KEY_FILE", str(path))
        with pytest.raises(InputError, match="密钥文件读不了") as caught:
            config.endpoint(URL, "甲")
        assert str(path) in str(caught.value)

    def test_itself_has_no_place_in_the_configuration_and_is_not_shown(self, written):
        written(f"key = '{KEY}'")
        with pytest.raises(InputError, match=r"不认识的项:llm\.key") as caught:
            config.endpoint(URL, "甲")
        assert "key_file" in caught.value.advice
        assert KEY not in "".join(traceback.format_exception(caught.value))


class TestWrongSettings:
    def test_a_model_without_an_address(self, monkeypatch):
        with pytest.raises(InputError, match="没有地址") as caught:
            config.endpoint(None, "甲")
        assert "--llm" in caught.value.advice
        monkeypatch.setenv("WENJU_LLM_MODEL", "甲")
        with pytest.raises(InputError, match="没有地址"):
            config.endpoint(None, None)

    def test_an_address_without_a_model(self):
        with pytest.raises(InputError, match="没有写语言模型的名称"):
            config.endpoint(URL, None)

    @pytest.mark.parametrize("name", ["url", "WENJU_LLM_URL"])
    def test_an_address_without_http(self, written, monkeypatch, name):
        if name == "url":
            written("url = '127.0.0.1:8080'", "model = '甲'")
        else:
            monkeypatch.setenv(name, "127.0.0.1:8080")
            monkeypatch.setenv("WENJU_LLM_MODEL", "甲")
        with pytest.raises(InputError, match="应以 http://"):
            config.endpoint(None, None)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("[llm", "配置文件读不了"),
            ("[llm]\nurl = \n", "配置文件读不了"),
            ("[llm]\nurl = 'a'\nurl = 'b'\n", "配置文件读不了"),
            ("llm = 5\n", "不认识的项"),
            ("llm = 0\n", "不认识的项"),
            ("llm = 'http://x'\n", "不认识的项"),
            ("[[llm]]\nurl = 'http://x'\n", "不认识的项"),
            ("[llm]\naddress = 'http://x'\n", r"不认识的项:llm\.address"),
            ("[llm.url]\nx = 1\n", r"llm\.url 的值不能用"),
            ("[llm]\nurl = 5\n", r"llm\.url 的值不能用:5"),
            ("[llm]\nmodel = ['a']\n", r"llm\.model 的值不能用"),
            ("[llm]\nkey_file = true\n", r"llm\.key_file 的值不能用:True"),
            ("[llm]\nmax_tokens = '9'\n", r"llm\.max_tokens 的值不能用:'9'"),
            ("[llm]\nmax_tokens = 9.5\n", r"llm\.max_tokens 的值不能用"),
            ("[llm]\nmax_tokens = true\n", r"llm\.max_tokens 的值不能用"),
            ("[llm]\nmax_tokens = 0\n", r"llm\.max_tokens 的值不能用:0"),
            ("[llm]\nmax_tokens = -5\n", r"llm\.max_tokens 的值不能用:-5"),
            ("[llm]\nseconds = '9'\n", r"llm\.seconds 的值不能用"),
            ("[llm]\nseconds = false\n", r"llm\.seconds 的值不能用"),
            ("[llm]\nseconds = 0\n", r"llm\.seconds 的值不能用:0"),
            ("[llm]\nseconds = -1\n", r"llm\.seconds 的值不能用:-1"),
            ("[llm]\nseconds = inf\n", r"llm\.seconds 的值不能用:inf"),
            ("[llm]\nseconds = 1e10\n", r"llm\.seconds 的值不能用"),
            ("[llm]\nseconds = nan\n", r"llm\.seconds 的值不能用:nan"),
            ("[llm]\nseconds = 1" + "0" * 400 + "\n", r"llm\.seconds 的值不能用"),
        ],
    )
    def test_in_the_file_are_told(self, place, text, message):
        place.write_text(text, "utf-8")
        with pytest.raises(InputError, match=message) as caught:
            config.endpoint(URL, "甲")
        assert caught.value.exit_code == 2

    def test_a_file_that_is_no_text(self, place):
        place.write_bytes("[llm]\nmodel = '甲'\n".encode("gbk"))
        with pytest.raises(InputError, match="配置文件读不了") as caught:
            config.endpoint(URL, "甲")
        assert str(place) in str(caught.value)

    def test_a_folder_where_the_file_should_be(self, place):
        place.mkdir()
        with pytest.raises(InputError, match="配置文件读不了"):
            config.endpoint(URL, "甲")
