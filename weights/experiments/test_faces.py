"""python -m pytest -q, in this folder."""

import json
import os
import shutil
import sys

import numpy as np
import pytest
import torch

import faces
from data import VALIDATION, Split
from faces import nearest
from nets import Network, reads_text
from test_report import EXAMPLES
from tokenizer import Tokenizer


def test_nearest_is_in_levels_and_knows_mirrors():
    rng = np.random.default_rng(0)
    known = rng.integers(0, 200, (3, 64, 64, 3), dtype=np.uint8)
    pictures = np.stack([known[1], known[2][:, ::-1], known[0] + 7])
    d = nearest(pictures, known)
    assert d[:, 0] == pytest.approx([0, 0, 7], abs=0.05)
    assert d.shape == (3, 3) and (np.diff(d) >= 0).all(), "of three photos all, the nearest first"


def test_copies_are_told_from_photos_that_were_held_out():
    """Whichever trained photos were copied."""
    photos = np.random.default_rng(0).integers(0, 256, (2100, 8, 8, 3), dtype=np.uint8).repeat(8, 1).repeat(8, 2)
    trained, held = photos[:2064], photos[2064:]
    ratios = [d[:, 0] / d[:, 1:].mean(1) for d in (nearest(x, trained) for x in (trained[::64], held))]
    assert ratios[0].max() < 0.01
    assert ratios[1].min() > 0.7
    assert nearest(held, trained).shape == (36, faces.NEXT + 1)


def test_a_report_of_untrained_networks(tmp_path, monkeypatch, capsys):
    """All splits are the page's examples, again and again: what is held out was trained on, too."""
    with open(os.path.join(EXAMPLES, "examples.json")) as f:
        lines = json.load(f)
    for folder, n in (("split", VALIDATION + 8), ("test", 12)):
        for kind in ("pictures", "sketches", "masks"):
            os.makedirs(tmp_path / folder / kind)
        with open(tmp_path / folder / "captions.jsonl", "w") as f:
            for i in range(n):
                line = lines[i % len(lines)]
                f.write(json.dumps({**line, "seed": i}) + "\n")
                for kind, name in (("pictures", "picture"), ("sketches", "sketch"), ("masks", "mask")):
                    shutil.copy(os.path.join(EXAMPLES, f"{line['seed']}-{name}.png"), tmp_path / folder / kind / f"{i}.png")
    os.makedirs(tmp_path / "data")
    (tmp_path / "data" / "test").symlink_to(tmp_path / "test")
    tokenizer = Tokenizer.build(Split(str(tmp_path / "test")).sentences())
    torch.manual_seed(0)
    for name in faces.NETWORKS:
        (tmp_path / "data" / name).symlink_to(tmp_path / "split")
        run = tmp_path / "runs" / name
        os.makedirs(run)
        Network(name, tokenizer if reads_text(name) else None, widths=(32, 32, 32), groups=8).export(str(run / "export"), {"pictures_seen": 7})
        (run / "log.csv").write_text("pictures,validation\n7,0.5\n")
    monkeypatch.setattr(sys, "argv", ["faces", "--data", str(tmp_path / "data"), "--runs", str(tmp_path / "runs"), "--out",
                                      str(tmp_path / "report.md"), "--count", "4", "--steps", "2"])
    faces.main()
    text = (tmp_path / "report.md").read_text()
    assert text in capsys.readouterr().out
    rows = {r.split("|")[1].strip(): [c.strip() for c in r.split("|")[2:-1]] for r in text.splitlines() if r.startswith("| ")}
    assert rows["held-out photos"][2:4] == ["0.0", "0.0"], "they are among those that were trained on"
    assert float(rows["held-out photos"][0]) > 0.9 > float(rows[faces.SHUFFLED][0])
    assert rows["held-out photos"][4:] == ["0.00", "0.00"]
    assert 0 < float(rows["unconditional network"][5]) <= float(rows["unconditional network"][4]) <= 1
    assert float(rows["merge of sketch, mask and text"][2]) > 0
