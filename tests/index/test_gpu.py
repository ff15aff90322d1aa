"""A card embeds as the processor does; where there is none, torch is not imported to find out."""

import subprocess
import sys

import numpy as np

from qa.index.encoder import Encoder
from qa.index.gpu import loaded
from qa.index.prepared import DEFAULT_MODEL

TEXTS = ["巫溪支队2024年受理环境投诉129件。", "鄰水縣綜合行政執法局黨組緊緊圍繞目標。" * 40, "水"]


def test_the_model_itself_gives_the_vectors_that_the_prepared_one_gives(prepared):
    card = loaded(DEFAULT_MODEL, "cpu")
    assert card is not None
    told = []
    vectors = card.encode_passages(TEXTS, lambda *step: told.append(step))
    assert vectors.dtype == np.float32
    same = Encoder.open(prepared).encode_passages(TEXTS)
    assert np.sum(vectors * same, axis=1).min() > 0.99
    assert told[-1][1:] == (3, 3)


def test_a_model_that_is_gone_leaves_the_processor(tmp_path):
    assert loaded(str(tmp_path / "gone"), "cpu") is None


def test_without_a_card_torch_is_not_imported(tmp_path):
    program = (
        "import sys, shutil, pathlib\n"
        "shutil.which = lambda name: None\n"
        "pathlib.Path.glob = lambda self, pattern: iter(())\n"
        "from qa.index.gpu import card_encoder\n"
        "assert card_encoder('') is None\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
