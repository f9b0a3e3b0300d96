"""python -m pytest -q, in this folder."""

import json
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import details
from data import ABOUT
from details import obeyed, obeying, sentences
from judges import ATTRIBUTES, attributes

NAMES = list(ATTRIBUTES)


def record(mouth, details, style=None):
    a = dict.fromkeys(("hair_color", "hair_length", "hair_shape", "hair_style", "skin", "background", "eyes", "eyes_color", "eyebrows",
                       "glasses", "glasses_color", "earrings", "flowers"))
    return {"attributes": {**a, "mouth": mouth, "hair_style": style, "beard": False, "freckles": False}, "details": details}


def test_sentences_are_of_the_last_portraits():
    told = [{"caption": f"a {m}", "said": ["mouth"]} for m in ("smile", "grin")]
    split = SimpleNamespace(validation=2, portraits=[record("frown", told), record("smile", told[:1]), record("grin", [told[1], {"caption": "wide eyes", "said": ["eyes"]}])])
    texts, said, right = sentences(split, 2)
    assert texts == ["a smile", "a grin", "wide eyes"]
    assert [[NAMES[i] for i in np.flatnonzero(s)] for s in said] == [["mouth"], ["mouth"], ["eyes"]]
    mouths = ATTRIBUTES["mouth"]
    assert [np.flatnonzero(r).tolist() for r in right[:, NAMES.index("mouth")]] == [[mouths.index(m)] for m in ("smile", "grin", "grin")]
    split.portraits[1].update(caption="a smiling person with wide eyes", said=["mouth", "eyes"])
    split.portraits[2].update(caption="a grinning person", said=["mouth"])
    texts, said, right = sentences(split, 2, whole=True)
    assert texts == ["a smiling person with wide eyes", "a grinning person"]
    assert [sorted(NAMES[i] for i in np.flatnonzero(s)) for s in said] == [["eyes", "mouth"], ["mouth"]]
    for portraits in (0, 3):
        with pytest.raises(ValueError, match="last 2"):
            sentences(split, portraits)
    with pytest.raises(ValueError, match="no details"):
        sentences(SimpleNamespace(validation=2, portraits=[record("smile", [])]), 1)


@pytest.mark.parametrize("text, style, right", [
    ("a person with a ponytail", "high ponytail", ["low ponytail", "high ponytail", "ponytail and fringe"]),
    ("an orange bun, a face", "messy bun", ["bun and fringe", "bun", "messy bun"]),
    ("a character with pink buns", "two buns", ["two buns"]),
    ("pink hair in a high ponytail", "high ponytail", ["high ponytail"]),
    ("a face with a mohawk", "mohawk", ["mohawk"]),
    ("a face with curly hair", "swept up", ["swept up"]),
    ("a face with curly hair", None, []),
])
def test_what_a_word_for_hair_means(text, style, right):
    found = obeying(text, attributes(record("smile", [], style)))
    assert [ATTRIBUTES["hair_style"][v] for v in np.flatnonzero(found[NAMES.index("hair_style")])] == right
    assert np.flatnonzero(found[NAMES.index("mouth")]).tolist() == [ATTRIBUTES["mouth"].index("smile")]


def test_what_comes_true_unasked_is_chance():
    mouth, eyes = NAMES.index("mouth"), NAMES.index("eyes")
    said = np.zeros((8, len(NAMES)), bool)
    said[:4, mouth], said[4:, eyes] = True, True
    right = np.zeros((8, len(NAMES), 15), bool)
    right[[0, 1, 2, 3], mouth, [0, 0, 1, 1]] = True
    right[4:, eyes, 0] = True
    seen = np.zeros((8, len(NAMES)), np.int64)
    seen[:4, mouth] = [0, 0, 1, 5]  # three of four
    seen[4:, mouth] = [0, 0, 0, 1]  # unasked: 0 in three of four, 1 in one
    out = obeyed(seen, said, right)
    assert out == {"mouth": (3, 4, 0.5, 4), "eyes": (4, 4, 1.0, 4)}
    right[2:4, mouth, 5] = True
    assert obeyed(seen, said, right)["mouth"] == (4, 4, 0.5, 4), "either value does"


def test_networks_that_were_trained_on_these_portraits_are_refused(monkeypatch, tmp_path, capsys):
    for m in ("none", "text"):
        (tmp_path / m / "export").mkdir(parents=True)
        (tmp_path / m / "export" / "mcdm.json").write_text(json.dumps({"training": {
            "dataset": m, "seeds": [2000000, 2014999], "started_from": {"dataset": "all of text", "seeds": [2000000, 2059999]}}}))
    split = SimpleNamespace(seeds=np.arange(2000000, 2015000), validation=256, about=ABOUT)
    monkeypatch.setattr(details, "Split", lambda path: split)
    monkeypatch.setattr(sys, "argv", ["details", "--data", "d", "--judge", "j", "--networks", str(tmp_path)])
    with pytest.raises(SystemExit):
        details.main()
    assert "(all of text), among them those that validate here, 2014744 to 2014999: build the split again" in capsys.readouterr().err
