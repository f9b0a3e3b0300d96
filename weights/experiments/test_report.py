"""Judging and reporting, with an untrained judge: pictures that are the real ones must score what real ones score."""

import json
import os
import re
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

import judges
import measure
import quick
import report
import search
from judges import ATTRIBUTES, Judge
from metrics import LABELS
from nets import to_z

EXAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dataset", "examples")
COLOURS = {"hair_color", "skin", "background"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The page's examples as a held-out split."""
    root = tmp_path_factory.mktemp("data")
    with open(os.path.join(EXAMPLES, "examples.json")) as f:
        lines = json.load(f)
    (root / "test").mkdir()
    with open(root / "test" / "captions.jsonl", "w") as f:
        f.writelines(json.dumps({**line, "said": sorted(COLOURS), "more": [{"caption": "", "said": ["skin"]}]}) + "\n" for line in lines)
    for kind, folder in (("picture", "pictures"), ("sketch", "sketches"), ("mask", "masks")):
        (root / "test" / folder).mkdir()
        for line in lines:
            shutil.copy(os.path.join(EXAMPLES, f"{line['seed']}-{kind}.png"), root / "test" / folder / f"{line['seed']}.png")
    return str(root)


@pytest.fixture
def held(data, tmp_path, monkeypatch):
    monkeypatch.setattr(measure, "REFERENCE", slice(0, 12))
    torch.manual_seed(0)
    path = str(tmp_path / "judge.pt")
    torch.save(Judge().state_dict(), path)
    with open(tmp_path / "judge.json", "w") as f:
        json.dump({"pictures": 12, "pictures_seen": 0, "parts": {n: 0.99 if n == "hair" else 0.5 for n in LABELS},
                   "attributes": {n: {"accuracy": 0.99 if n in COLOURS else 0.5, "said": 12} for n in ATTRIBUTES}}, f)
    return measure.Held(data, path)


def cell(group, take, **more):
    return {"group": group, "take": take, "folder": "-".join((group, *take, *map(str, more.values()))), "sha256": "c0ffee" * 10,
            "dtype": "int8", "sampler": "ddim", "steps": 5, "evaluations": 20, "first": 0, "count": 12, **more}


def write(samples, entry, held, pictures, seed=0):
    os.makedirs(os.path.join(samples, entry["folder"]), exist_ok=True)
    for i, p in pictures.items():
        Image.fromarray(p).save(os.path.join(samples, entry["folder"], f"{held.split.seeds[i]}-{seed}.png"))


def test_real_pictures_as_samples_reach_the_ceiling(held, tmp_path):
    unit, shuffled = cell("unit", ["sketch", "mask", "text"]), cell("single", ["sketch"])
    real = dict(enumerate(np.array(held.split.pictures)))
    write(tmp_path, unit, held, real)
    write(tmp_path, shuffled, held, {i: real[(i + 1) % 12] for i in range(11)})  # the last is not there yet
    rows, common, _ = report.collect(held, str(tmp_path), [unit, shuffled])
    assert common == list(range(11))
    ceiling, floor = report.borders(held, common)
    for r in rows:
        r.seen = r.seen.only(common)
    perfect, wrong = (r.seen.scores() for r in rows)
    top, bottom = ceiling.seen.scores(), floor.seen.scores()
    for axis in ("sketch", "distance", "mask", "text", "kernel"):
        assert perfect[axis] == pytest.approx(top[axis], rel=1e-3)
        assert perfect[axis][1] <= perfect[axis][0] <= perfect[axis][2]
    assert top["sketch"][0] > 0.95 and wrong["sketch"][0] < 0.8 and bottom["sketch"][0] < 0.8
    assert top["distance"][0] < 1 < wrong["distance"][0]
    assert perfect["frechet"] is None, "of 11 portraits the covariance of 64 features is not estimated"


def test_brief_sentences_are_judged_by_what_they_say(held, tmp_path):
    long, brief = cell("single", ["text"]), cell("single", ["text"], brief=True)
    for e in (long, brief):
        write(tmp_path, e, held, dict(enumerate(np.array(held.split.pictures))))
    (a, b), *_ = report.collect(held, str(tmp_path), [long, brief])
    assert a.seen.told.sum(1).tolist() == [3] * 12 and b.seen.told.sum(1).tolist() == [1] * 12
    assert (a.name, b.name) == ("network alone: text", "network alone: text, brief sentences")


def test_sentences_attribute_by_attribute(held):
    row = report.Row("text", measure.Seen(held, range(12), held.split.pictures[:12]), ["text"])
    row.seen.told[:] = row.seen.right[:] = False
    at = list(ATTRIBUTES).index("skin")
    row.seen.told[:8, at] = row.seen.right[:6, at] = True
    text = report.by_attribute([row], ["hair_color", "skin"])
    assert "<td>skin</td><td>0.75 <small>of 8</small></td>" in text
    assert "<td>hair_color</td><td></td>" in text and "eyes" not in text
    assert row.seen.text(np.ones(12)) == 6 / 8


def test_features_stay_in_the_range_of_real_pictures(held):
    np.testing.assert_allclose(held.features(held.reference * held.scale), held.reference, rtol=1e-5, atol=1e-6)
    far = held.features(held.scale * 1e4 * np.array([[1.0], [-1.0]]))
    np.testing.assert_array_equal(far, [held.reference.max(0), held.reference.min(0)])


def test_a_page_of_what_is_there(held, tmp_path):
    real = dict(enumerate(np.array(held.split.pictures[:6])))
    index = [cell("unit", ["sketch", "mask", "text"], many_seeds=2, trained=4000000), cell("joint", ["sketch", "mask", "text"], trained=500000),
             cell("float", ["sketch", "mask", "text"]), cell("early", ["sketch", "mask", "text"], trained=400000), cell("best", ["sketch", "mask"])]
    for e in index[:4]:
        for seed in (0, 1):
            write(tmp_path, e, held, real, seed)
    text, short = report.page(held, str(tmp_path), index)
    assert "<b>6 of 12 portraits</b>" in text and "Missing yet: best weights" in text
    assert text.count("<img") == 6 * (1 + 4)
    assert "mean IoU of the parts that the judge finds, of hair." in text, "only what the judge is good at judges"
    for name, score in held.scores["attributes"].items():
        listed = re.search(r"that the sentence says, of ([^.]*)\.", text)[1].split(", ")
        assert (name in listed) == (score["accuracy"] >= report.TRUSTED)
    assert short.startswith("Of 6 held-out portraits") and "c0ffeec0" in short
    assert "is below 0.95 (background, skin, brows" in short and "less often than that (hair length" in short, "and it is said what does not"
    assert "joint network has seen 0.50 million pictures, the four that are merged 4.00 million together, the four earlier ones 0.40 million." in short
    aims = text[text.index("<h2>Aim</h2>"):text.index("<h2>Variety</h2>")]
    assert aims.count("<td>1.00</td><td>1.00</td><td>+0.000 ") >= 4, "the same pictures reach all of the ceiling and of the joint network"
    with pytest.raises(SystemExit, match="no portrait"):
        report.page(held, str(tmp_path / "nothing"), index)


def test_samplers_alone(held, tmp_path):
    real = dict(enumerate(np.array(held.split.pictures[:6])))
    index = [cell("unit", ["sketch", "mask", "text"]), *(cell("sampler", ["sketch", "mask", "text"], sampler=s, steps=10) for s in ("ddim", "ddpm"))]
    for e in index[1:]:
        write(tmp_path, e, held, real, 0)
        write(tmp_path, e, held, real, 1)
    text, short = report.page(held, str(tmp_path), index)
    assert short == "" and text.count("<table>") == 1
    first, second = re.findall(r"<tr><td>20</td><td>(\w+)</td><td>(.*?)</td>", text)
    assert first[0] == "ddim" and first[1].count("<small>") == 1, "its own interval"
    assert second == ("ddpm", first[1] + "<br>+0.000 <small>+0.000 to +0.000</small>"), "the same pictures"


def test_variety_is_of_the_same_portraits(held, tmp_path):
    more, less = cell("unit", ["sketch", "mask", "text"], many_seeds=2), cell("joint", ["sketch", "mask", "text"], many_seeds=2)
    real = dict(enumerate(np.array(held.split.pictures)))
    for seed in (0, 1):
        write(tmp_path, more, held, {i: real[(i + seed) % 12] for i in range(12)}, seed)
        write(tmp_path, less, held, {i: real[(i + seed) % 12] for i in range(7)}, seed)
    rows, *_ = report.collect(held, str(tmp_path), [more, less])
    lines = re.findall(r"<tr><td>(.*?)</td><td>(.*?)</td><td>2</td><td>(\d+)</td></tr>", report.diversities(held, rows))
    assert [n for _, _, n in lines] == ["7", "7"] and lines[0][1] == lines[1][1]


def test_what_has_only_begun_does_not_shrink_the_report(held, tmp_path):
    old, new = cell("unit", ["sketch", "mask", "text"]), cell("page", ["sketch", "mask", "text"])
    real = dict(enumerate(np.array(held.split.pictures)))
    write(tmp_path, old, held, {i: real[i] for i in range(12)})
    write(tmp_path, new, held, {i: real[i] for i in range(3)})
    text, short = report.page(held, str(tmp_path), [old, new])
    assert "<b>12 of 12 portraits</b>" in text and "merge, as the page begins: sketch, mask, text (begun)" in text
    assert short.startswith("Of 12 held-out") and "as the page begins" not in short


def test_search_finds_the_better_weights(held, tmp_path):
    good, bad = cell("search", ["sketch", "mask", "text"], weights={"text": 1.5}), cell("search", ["sketch", "mask", "text"], weights={"text": 9})
    real = dict(enumerate(np.array(held.split.pictures)))
    write(tmp_path, good, held, real)
    assert search.chosen(held, str(tmp_path), [good, bad]) == ([], []), "a cell has no picture"
    write(tmp_path, bad, held, {i: np.full_like(p, 128) for i, p in real.items()})
    ranked, portraits = search.chosen(held, str(tmp_path), [bad, good])
    assert ranked[0][1] is good and ranked[0][0] == pytest.approx(1) and len(portraits) == 12


def test_search_chooses_by_all_portraits_unless_told(held, tmp_path, monkeypatch, capsys):
    real = dict(enumerate(np.array(held.split.pictures[:7])))
    cells = [cell("search", ["sketch", "mask", "text"], weights={"text": w}) for w in (1.0, 2.0)]
    for e in cells:
        write(tmp_path, e, held, real)
    (tmp_path / "index.json").write_text(json.dumps(cells))
    monkeypatch.setattr(search, "Held", lambda *_: held)
    command = ["search", "--data", "d", "--judge", "j", "--samples", str(tmp_path), "--out", str(tmp_path / "best.json")]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit, match="^7 of 12 portraits are in every searched cell: .* --fewer"):
        search.main()
    assert not (tmp_path / "best.json").exists()
    monkeypatch.setattr(sys, "argv", [*command, "--fewer"])
    search.main()
    assert "chosen by 7 of 12 portraits" in capsys.readouterr().out and (tmp_path / "best.json").exists()


def test_differences_are_paired(held):
    """Of the same portraits, over all seeds: what both lack alike is no difference."""
    real = np.array(held.split.pictures)
    gray = np.full_like(real, 128)
    half = np.where(np.arange(12)[:, None, None, None] % 2, real, gray)
    a, b = ([measure.Seen(held, range(12), p) for p in seeds] for seeds in ((half, half), (half, real)))
    value, low, high = measure.mean(a, "colour")
    assert low < value < high and value == pytest.approx(np.mean(a[0].colours))
    difference = measure.paired(a, b, "colour")
    assert difference[0] == pytest.approx(-value / 2) and difference[1] <= difference[0] <= difference[2] and difference[3] == 12
    assert measure.paired(a, a, "colour")[:3] == (0, 0, 0)
    assert measure.paired(a, [s.only([1, 2, 3, 4]) for s in b], "colour") is None


def test_quick_compares_with_its_first_line(held, monkeypatch, capsys):
    z = to_z(torch.from_numpy(np.array(held.split.pictures[4:10])))
    pictures = {"ddim": torch.cat([z, 0 * z]), "ddpm": torch.cat([z, z])}  # of two seeds
    monkeypatch.setattr(quick, "Held", lambda *_: held)
    monkeypatch.setattr(quick.Network, "load", lambda _: SimpleNamespace(tokenizer=None))
    monkeypatch.setattr(quick, "sample", lambda merge, n, sampler, *_: pictures[sampler])
    monkeypatch.setattr(sys, "argv", ["quick", "--data", "d", "--judge", "j", "--networks", "n", "--first", "4", "--portraits", "6",
                                      "--take", "sketch", "--sampler", "ddim", "ddpm"])
    quick.main()
    out = capsys.readouterr().out
    assert "6 portraits from 4 on" in out
    first, second = ([c.strip() for c in line.split("|")] for line in out.splitlines()[-2:])
    number = r"(-?[\d.]+) \([\d.]+ to [\d.]+\)"
    [gray], [real, gain] = re.fullmatch(number, first[9]).groups(), re.fullmatch(number + r", ([-+][\d.]+) \([-+][\d.]+ to [-+][\d.]+\)", second[9]).groups()
    assert float(gray) > 10 and float(real) == 0 and float(gain) == -float(gray), "colours"
    assert re.fullmatch(number, first[10]) and second[10] == "0.00 (0.00 to 0.00)", "of equal pictures"


def test_weights_without_scores_and_scores_without_weights_are_trained(data, tmp_path, monkeypatch):
    class Trained(Exception):
        pass

    def train(*_, **__):
        raise Trained

    monkeypatch.setattr(judges, "train", train)
    monkeypatch.setattr(sys, "argv", ["judges", "--data", data, "--out", str(tmp_path / "judge.pt")])
    (tmp_path / "judge.json").write_text(json.dumps({"data": judges.stamp(os.path.join(data, "test")), "pictures": 300}))
    with pytest.raises(Trained):
        judges.main()
    (tmp_path / "judge.pt").touch()
    judges.main()
    (tmp_path / "judge.json").unlink()
    with pytest.raises(Trained):
        judges.main()


def test_old_scores_do_not_stay_beside_new_weights(data, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(judges, "train", lambda *_, **__: (Judge(), 7))
    monkeypatch.setattr(judges, "examine", interrupted)
    monkeypatch.setattr(sys, "argv", ["judges", "--data", data, "--out", str(tmp_path / "judge.pt"), "--again"])
    (tmp_path / "judge.json").write_text(json.dumps({"data": judges.stamp(os.path.join(data, "test")), "pictures": 300}))
    with pytest.raises(KeyboardInterrupt):
        judges.main()
    assert (tmp_path / "judge.pt").exists() and not (tmp_path / "judge.json").exists()
