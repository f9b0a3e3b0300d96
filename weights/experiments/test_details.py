"""python -m pytest -q, in this folder."""

from types import SimpleNamespace

import numpy as np
import pytest

from details import obeyed, sentences
from judges import ATTRIBUTES

NAMES = list(ATTRIBUTES)


def record(mouth, details):
    a = dict.fromkeys(("hair_color", "hair_length", "hair_shape", "hair_style", "skin", "background", "eyes", "eyes_color", "eyebrows",
                       "glasses", "glasses_color", "earrings", "flowers"))
    return {"attributes": {**a, "mouth": mouth, "beard": False, "freckles": False}, "details": details}


def test_sentences_are_of_the_last_portraits():
    told = [{"caption": f"a {m}", "said": ["mouth"]} for m in ("smile", "grin")]
    split = SimpleNamespace(validation=2, portraits=[record("frown", told), record("smile", told[:1]), record("grin", [told[1], {"caption": "wide eyes", "said": ["eyes"]}])])
    texts, said, values = sentences(split, 2)
    assert texts == ["a smile", "a grin", "wide eyes"]
    assert [[NAMES[i] for i in np.flatnonzero(s)] for s in said] == [["mouth"], ["mouth"], ["eyes"]]
    mouths = ATTRIBUTES["mouth"]
    assert values[:, NAMES.index("mouth")].tolist() == [mouths.index(m) for m in ("smile", "grin", "grin")]
    with pytest.raises(ValueError, match="last 2"):
        sentences(split, 3)
    with pytest.raises(ValueError, match="no details"):
        sentences(SimpleNamespace(validation=2, portraits=[record("smile", [])]), 1)


def test_what_comes_true_unasked_is_chance():
    mouth, eyes = NAMES.index("mouth"), NAMES.index("eyes")
    said = np.zeros((8, len(NAMES)), bool)
    said[:4, mouth], said[4:, eyes] = True, True
    values = np.zeros_like(said, np.int64)
    values[:4, mouth] = [0, 0, 1, 1]
    seen = np.zeros_like(values)
    seen[:4, mouth] = [0, 0, 1, 5]  # three of four
    seen[4:, mouth] = [0, 0, 0, 1]  # unasked: 0 in three of four, 1 in one
    out = obeyed(seen, said, values)
    assert out["mouth"] == (4, 0.75, 0.5)
    assert out["eyes"] == (4, 1.0, 1.0)
    assert set(out) == {"mouth", "eyes"}
