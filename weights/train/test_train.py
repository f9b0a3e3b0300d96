"""python -m pytest -q, in this folder."""

import argparse
import copy
import errno
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler
from PIL import Image
from safetensors.torch import load_file

import nets
import sample
import together
import train
import upscaler
from data import (ABOUT, HELD, UNKNOWN, VALIDATION, Draws, Split, cells, dab, drop_labels, encode_colours, encode_mask, leak, lineage, merge_near,
                  ranges, vary_ink)
from marks import put
from nets import Network, to_pictures, to_z
from pack import pack_weights, unpack_weights
from sample import ddim, merge
from tokenizer import LENGTH, Tokenizer, words
from train import CONSTANT, Trainer, shown
from upscaler import LARGE_SIZE, LargeSplit, Upscaler, bicubic, degrade, repeated, to_large_pictures, to_large_z, to_small, upscale

SMALL = dict(widths=(32, 32, 32), groups=8)


def write_split(folder, n):
    rng = np.random.default_rng(0)
    for kind in ("pictures", "masks", "sketches"):
        os.makedirs(folder / kind, exist_ok=True)
    with open(folder / "captions.jsonl", "w") as f:
        for s in range(n):
            picture = np.repeat(np.repeat(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8), 32, 0), 32, 1)
            Image.fromarray(picture).save(folder / "pictures" / f"{s}.png")
            mask = np.zeros((128, 128), np.uint8)
            mask[20:100, 31:90] = 2
            i = Image.fromarray(mask, "P")
            i.putpalette(list(range(33)))
            i.save(folder / "masks" / f"{s}.png")
            sketch = np.full((128, 128), 255, np.uint8)
            sketch[20, 30:90] = 0
            Image.fromarray(sketch).save(folder / "sketches" / f"{s}.png")
            f.write(json.dumps({"seed": s, "caption": f"a person with {'red' if s % 2 else 'blue'} hair",
                                **({"more": [{"caption": "a face"}, {"caption": "hair"}]} if s % 3 else {})}) + "\n")
    return str(folder)


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    return write_split(tmp_path_factory.mktemp("split"), VALIDATION + 40)


@pytest.fixture(scope="session")
def split(folder):
    return Split(folder)


@pytest.mark.parametrize("text, want", [
    ("A smiling Person, with long-ish hair!", ["a", "smiling", "person", "with", "long", "ish", "hair"]),
    ("bird's nest 'quoted' rock''n", ["bird's", "nest", "quoted", "rock", "n"]),
    ("it\u2019s", ["it's"]),
    ("\u0130STANBUL \u03a3\u0391\u03a3", ["istanbul", "\u03c3\u03b1\u03c3"]),
    ("\u9ed1\u9aea 12 x\u00b2", ["\u9ed1\u9aea", "12", "x"]),  # superscript two is No, not Nd
    ("snake_case\u00a0\u0661", ["snake", "case", "\u0661"]),
    (" .'", []),
])
def test_words(text, want):
    assert words(text) == want


def test_tokenizer_ids(tmp_path):
    t = Tokenizer.build(["red hair", "red nose"])
    assert t.vocabulary == ["<pad>", "<unk>", "red", "hair", "nose"]
    assert t("Red WIG, nose") == [2, 1, 4] + [0] * (LENGTH - 3)
    assert t("red " * 1000) == [2] * LENGTH
    t.save(tmp_path / "vocab.txt")
    assert Tokenizer.load(tmp_path / "vocab.txt").vocabulary == t.vocabulary


def test_packing(split):
    assert split.pictures.shape[1:] == (64, 64, 3) and len(split.captions) == len(split)
    assert split.masks[0, 40, 40] == 2 and split.masks[0, 0, 0] == 0
    assert split.masks[0, 40, 15] == 2, "of two and two the later label wins"
    assert split.ink[0, 10, 20] == 255 - (255 + 1) // 2 and split.ink[0, 5, 5] == 0


def test_texts(split):
    tokenizer = Tokenizer.build(split.sentences())
    assert len(split.sentences(3)) == 1 + 3 + 3 and split.sentences(3)[1:3] == ["a person with red hair", "a face"]
    known = [tokenizer(s) for s in ("a person with blue hair", "a person with red hair", "a face", "hair", "")]
    index = np.tile(np.arange(6), 200)
    assert split.condition("text", index, tokenizer).tolist() == [known[i % 2] for i in index], "validation reads the caption"
    drawn = [Counter() for _ in range(6)]
    for i, ids in zip(index, split.condition("text", index, tokenizer, np.random.default_rng(0)).tolist()):
        drawn[i][known.index(ids)] += 1
    for i, d in enumerate(drawn):
        assert set(d) == ({i % 2, 2, 3, 4} if i % 3 else {i % 2, 4}), "its own sentences, or now and then none"
        assert d[4] < 30 and (i % 3 == 0 or min(d[i % 2], d[2], d[3]) > 40)


def told(*said):
    return {"caption": " ".join(said), "said": list(said)}


def test_details_are_drawn_as_one_sentence(split):
    split = copy.copy(split)
    split.tokens = None
    split.portraits = [{**told("hair", "mouth"), "more": [told("hair")], "details": [told("mouth"), told("eyes")]},
                       told("skin"), {**told("hair"), "details": [told("eyes")]}]
    tokenizer = Tokenizer.build(split.sentences())
    known = {tuple(tokenizer(s)): s for s in ("hair mouth", "hair", "mouth", "eyes", "skin", "")}
    for i, share in enumerate(({"hair mouth": 1 / 3, "hair": 1 / 3, "mouth": 1 / 6, "eyes": 1 / 6}, {"skin": 1}, {"hair": 1 / 2, "eyes": 1 / 2})):
        ids = split.condition("text", np.full(4000, i), tokenizer, np.random.default_rng(0))
        drawn = Counter(known[tuple(t)] for t in ids.tolist())
        assert set(drawn) == {*share, ""}
        assert all(abs(drawn[s] / (4000 - drawn[""]) - p) < 0.03 for s, p in share.items()), drawn


def test_only_some_attributes_are_told(folder):
    split = Split(folder)
    split.portraits = [{**told("hair", "mouth"), "more": [told("mouth"), told()], "details": [told("mouth"), told("eyes")]},
                       told("hair"), {**told("hair", "mouth"), "details": [told("eyes", "mouth")]},
                       {**told("mouth"), "more": [told("hair")], "details": [told("hair"), told("eyes")]}] + split.portraits[4:]
    split.trained = split.trained[:4]
    split.tell_only(["mouth", "eyes"])
    assert split.trained.tolist() == [0, 2, 3]
    assert [s.split() for s in split.sentences(4)] == [["mouth"], ["mouth"], ["eyes"], ["hair"], ["eyes", "mouth"], ["mouth"], ["eyes"]], \
        "each once, also where the caption is one of them"
    split.trained = split.trained[:2]
    t = Trainer(Network("text", Tokenizer.build(split.sentences()), **SMALL), split, batch=2)
    assert t.next_index(2).tolist() == [0, 2] and t.next_index(2).tolist() == [0, 2]
    with pytest.raises(ValueError, match="of 2 a batch of 3"):
        Trainer(t.network, split, batch=3).next_index(3)
    with pytest.raises(ValueError, match="no sentence says ears: want some of eyes, mouth"):
        split.tell_only(["mouth", "ears"])


def test_words_of_attributes(folder):
    split = Split(folder)
    split.portraits = [{**told("hair", "mouth"), "more": [{"caption": "a grin", "said": ["mouth"]}, told()]},
                       {**told("mouth"), "details": [{"caption": "Closed eyes", "said": ["eyes"]}]},
                       {"caption": "a smile", "said": ["mouth"]}] + split.portraits[3:]
    split.trained = split.trained[:2]
    assert split.words_of(["mouth"]) == {"a", "grin", "mouth"}
    assert split.words_of(["mouth", "eyes"]) == {"a", "grin", "mouth", "closed", "eyes"}
    with pytest.raises(ValueError, match="no sentence says ears: want some of eyes, hair, mouth"):
        split.words_of(["ears"])


def test_unshuffle_round_trip_and_channel_order(split):
    p = torch.from_numpy(np.array(split.pictures[:2]))
    z = to_z(p)
    assert z.shape == (2, 12, 32, 32)
    assert torch.equal(to_pictures(z), p)
    # channel c*4 + dy*2 + dx
    assert z[0, 1 * 4 + 1 * 2 + 0, 3, 5] == p[0, 7, 10, 1].float() / 127.5 - 1


def test_mask_condition(split):
    masks = np.array(split.masks[:1])
    masks[0, 0, 0] = UNKNOWN
    c = encode_mask(masks)
    assert c.shape == (1, 44, 32, 32)
    assert c[0, 2 * 4, 20, 20] == 1 and c[0, :, 20, 20].sum() == 4
    assert c[0, 0, 0, 0] == 0 and c[0, ::4, 0, 0].sum() == 0, "unknown is all zeros"


def test_drop_labels_only_forgets(split):
    masks = np.array(split.masks[:200])
    dropped = drop_labels(torch.from_numpy(masks), np.random.default_rng(0)).numpy()
    known = dropped != UNKNOWN
    assert dropped.shape == masks.shape and np.array_equal(dropped[known], masks[known])
    whole = known.all((1, 2)).mean()
    nothing = (~known).all((1, 2)).mean()
    assert 0.15 < whole < 0.6 and 0.02 < nothing < 0.6
    assert np.array_equal(masks, split.masks[:200]), "the split itself is not changed"


def test_vary_ink(split):
    ink = torch.from_numpy(np.array(split.ink[:64])).float()[:, None] / 255
    out = vary_ink(ink.clone(), np.random.default_rng(0))
    assert out.shape == ink.shape and out.min() >= 0 and out.max() <= 1
    sums = out.sum((1, 2, 3))
    assert (sums == 0).any() and (sums > 0).float().mean() > 0.8


def test_joint_condition(folder, split):
    tokenizer = Tokenizer.build(split.sentences())
    index = np.arange(200)
    whole, ids = split.condition("joint", index, tokenizer)
    assert torch.equal(whole[:, :4], split.condition("sketch", index)) and torch.equal(whole[:, 4:], split.condition("mask", index))
    assert torch.equal(ids, split.condition("text", index, tokenizer))
    spatial, ids = split.condition("joint", index, tokenizer, np.random.default_rng(0))
    gone = torch.stack([(spatial[:, :4] == 0).all(3).all(2).all(1), (spatial[:, 4:] == 0).all(3).all(2).all(1), (ids == 0).all(1)])
    share = gone.float().mean(1)
    assert (share > 0.15).all() and (share < 0.5).all()
    assert {tuple(g) for g in gone.T.tolist()} == {(a, b, c) for a in (0, 1) for b in (0, 1) for c in (0, 1)}, "every combination is trained"


def test_several_splits(folder, split):
    both = Split(folder, folder)
    n = len(split)
    assert len(both) == 2 * n == len(both.captions)
    assert np.array_equal(both.masks[n:], split.masks) and np.array_equal(both.pictures[:n], split.pictures)
    assert both.trained.tolist() == [*split.trained, *(n + split.trained)], "what validates of either is not trained on"


def test_colour_condition(split):
    pictures = np.array(split.pictures[:2])
    c = split.condition("colour", np.arange(2))
    assert c.shape == (2, nets.CONDITION_CHANNELS["colour"], 32, 32) and (c[:, 3] == 1).all()
    # Cell (2, 5) is rows 16..23 and columns 40..47 of the picture, rows 8..11 and columns 20..23 of z.
    want = torch.from_numpy(pictures[1, 16:24, 40:48].reshape(-1, 3)).float().mean(0) / 127.5 - 1
    assert torch.allclose(c[1, :3, 8:12, 20:24], want[:, None, None].expand(3, 4, 4), atol=1e-5)
    known = torch.ones(2, 8, 8, dtype=torch.bool)
    known[0, 2, 5] = False
    c = encode_colours(cells(pictures).mean(3), known)
    assert (c[0, :, 8:12, 20:24] == 0).all() and (c[0, 3] == 0).sum() == 16 and (c[1, 3] == 1).all()


def test_dab(split):
    pictures = np.tile(split.pictures[:200], (5, 1, 1, 1))
    means = cells(pictures).mean(3).numpy()
    colours, known = (x.numpy() for x in dab(torch.from_numpy(pictures), np.random.default_rng(0)))
    assert np.abs(colours).max() <= 1 and np.array_equal(pictures[:200], split.pictures[:200])
    whole, nothing = known.all((1, 2)).mean(), (~known).all((1, 2)).mean()
    assert 0.05 < whole < 0.5 and 0.03 < nothing < 0.3
    distance = np.linalg.norm(colours - means, axis=-1)
    assert 0.01 < np.median(distance) < 0.2, "near the picture's own colours, but not these"
    assert distance.max() > 0.3, "regions share one colour"


def test_near_colours_merge_one_after_the_other():
    """The same as for each picture by itself, cell by cell."""
    colours = torch.rand(20, 30, 3, generator=torch.Generator().manual_seed(0))
    near = torch.linspace(0.05, 1, 20)[:, None, None]
    got = merge_near(colours, near, Draws(np.random.default_rng(0), colours))
    orders = Draws(np.random.default_rng(0), colours).uniform(0, 1, 20, 30)
    for c, n, order, g in zip(colours, near.flatten(), orders, got):
        want, left = c.clone(), torch.ones(30, dtype=torch.bool)
        for i in order.argsort():
            if left[i]:
                region = left & ((c - c[i]).square().sum(1).sqrt() < n)
                want[region], left = c[i], left & ~region
        assert torch.equal(g, want)


@pytest.mark.parametrize("modality", ["sketch", "mask", "colour"])
def test_new_inputs_begin_without_effect(modality, tmp_path):
    torch.manual_seed(0)
    none = Network("none", **SMALL).eval()
    none.export(str(tmp_path / "none"), {})
    network = Network(modality, **SMALL).eval()
    taken, own = network.start_from(str(tmp_path / "none"))
    assert taken == own
    z, t = torch.randn(2, 12, 32, 32), torch.tensor([3, 700])
    c = torch.randn(2, nets.CONDITION_CHANNELS[modality], 32, 32)
    with torch.no_grad():
        want, got = none(z, t), network(z, t, c)
    assert torch.allclose(got, want, atol=1e-6)
    assert want.abs().max() > 1e-3


@pytest.mark.parametrize("modality", ["text", "joint"])
def test_text_begins_with_silent_attention(modality, tmp_path):
    none = Network("none", **SMALL)
    none.export(str(tmp_path / "none"), {})
    network = Network(modality, Tokenizer.build(["red hair"]), **SMALL).eval()
    taken, own = network.start_from(str(tmp_path / "none"))
    assert 0.3 * own < taken < own
    z, t, spatial = torch.randn(2, 12, 32, 32), torch.tensor([3, 700]), torch.randn(2, 48, 32, 32)

    def predict(i, spatial):
        ids = torch.full((2, LENGTH), i)
        return network(z, t, ids if modality == "text" else (spatial, ids))

    with torch.no_grad():
        assert torch.equal(predict(2, spatial), predict(3, spatial))
        assert torch.equal(predict(2, spatial), predict(2, 2 * spatial)), "new channels begin without effect"


def test_text_goes_on_from_an_earlier_run(split, tmp_path):
    tokenizer = Tokenizer.build(split.sentences())
    earlier = Network("text", tokenizer, **SMALL).eval()
    earlier.export(str(tmp_path / "text"), {})
    network = Network("text", tokenizer, **SMALL).eval()
    taken, own = network.start_from(str(tmp_path / "text"))
    assert taken == own
    z, t, ids = torch.randn(2, 12, 32, 32), torch.tensor([3, 700]), split.condition("text", np.arange(2), tokenizer)
    with torch.no_grad():
        assert torch.equal(network(z, t, ids), earlier(z, t, ids)), "the text encoder is taken as well"


def test_no_network_starts_from_another_kind_of_input(tmp_path):
    for modality in ("sketch", "text"):
        tokenizer = Tokenizer.build(["red hair"]) if modality == "text" else None
        Network(modality, tokenizer, **SMALL).export(str(tmp_path / modality), {})
    for network in (Network("colour", **SMALL), Network("none", **SMALL), Upscaler((32, 32, 32))):
        with pytest.raises(ValueError, match=f"sketch: a network of {network.modality} does not start from one of sketch"):
            network.start_from(str(tmp_path / "sketch"))
    joint = Network("joint", Tokenizer.build(["red hair"]), **SMALL)
    taken, own = joint.start_from(str(tmp_path / "text"))
    assert taken == own, "the one that is compared with may"


def test_runs_before(tmp_path):
    own, old, oldest = ({"pictures_seen": n} for n in (5, 20, 300))
    for started_from in ([old, oldest], {**old, "started_from": oldest}, {**old, "started_from": [oldest]}):
        (tmp_path / "mcdm.json").write_text(json.dumps({"training": {**own, "started_from": started_from}}))
        assert lineage(str(tmp_path)) == [own, old, oldest]
    (tmp_path / "mcdm.json").write_text(json.dumps({"training": own}))
    assert lineage(str(tmp_path)) == [own]


def test_what_validates_was_not_trained_on():
    def built(*seeds):
        return argparse.Namespace(seeds=np.concatenate([np.arange(first, last + 1) for first, last in seeds]), validation=VALIDATION, about=ABOUT)

    small, large = built((2000000, 2014999)), built((2000000, 2059999))  # as splits were
    now = built((2000000, 2014743), (2990000, 2990255))
    old = {"dataset": "text", "seeds": [2000000, 2059999]}  # its last ones validated
    new = {"dataset": "text", "seeds": [[1000000, 1059743], [2000000, 2014743]], "validation": [[2990000, 2990255]]}
    assert ranges(now.seeds) == [[2000000, 2990255]] and ranges(np.array([1000003, 4000001, 1000001])) == [[1000001, 1000003], [4000001, 4000001]]
    assert not leak(large, [old]) and not leak(small, [new]) and not leak(small, [{"pictures_seen": 7}])
    assert "2000000 to 2059999 were trained on (text), among them those that validate here, 2014744 to 2014999" in leak(small, [new, old])
    assert leak(small, [{**new, "seeds": [[2000000, 2014744]]}]), "the first of them"
    joint = {"dataset": "none, text", "seeds": [1000000, 2999999]}
    assert not leak(now, [old, new, joint]), "nothing was trained on so far out"
    assert leak(small, [joint])
    with open(os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "dataset", "files.mjs")) as f:
        files = f.read()
    for same in (f"HELD = {HELD:_};", f"validation: {VALIDATION} }}", f"validation: {LargeSplit.validation}, large"):
        assert same in files
    photos = built((3, 400))
    photos.about = {"name": "photos", "terms": "at home only"}
    assert not leak(photos, [{"dataset": "photos: none", "seeds": [0, 500]}])


def test_a_larger_split_is_packed_anew(tmp_path):
    assert len(Split(write_split(tmp_path, 2))) == 2
    packed = os.path.getmtime(tmp_path / "packed" / "seeds.npy")
    assert len(Split(str(tmp_path))) == 2
    assert os.path.getmtime(tmp_path / "packed" / "seeds.npy") == packed
    assert len(Split(write_split(tmp_path, 3))) == 3


def test_packing_that_fails_leaves_nothing(tmp_path, monkeypatch):
    large = tmp_path / "large"
    (large / "pictures").mkdir(parents=True)
    Image.new("RGB", (LARGE_SIZE, LARGE_SIZE)).save(large / "pictures" / "0.png")
    (large / "captions.jsonl").write_text('{"seed": 0}\n')
    folder = write_split(tmp_path, 2)
    save = np.save

    def full(path, a):
        save(path, a)
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(np, "save", full)
    for split, at in ((Split, folder), (LargeSplit, str(large))):
        with pytest.raises(OSError, match="full"):
            split(at)
        assert not [n for n in os.listdir(at) if n.startswith("packed")]
    monkeypatch.undo()
    (tmp_path / f"packed.{os.getpid()}").mkdir()  # of a process of the same number, which was killed
    assert len(Split(folder)) == 2


def test_photos_say_what_they_are(tmp_path):
    """A split of photos has its own name and terms, and parts that nobody labelled."""
    folder = write_split(tmp_path, 2)
    assert Split(folder).about == ABOUT
    what = {"name": "photos", "terms": "at home only"}
    (tmp_path / "about.json").write_text(json.dumps(what))
    masks = np.full((128, 128), 255, np.uint8)
    masks[:64] = 3
    Image.fromarray(masks).save(tmp_path / "masks" / "1.png")
    shutil.rmtree(tmp_path / "packed")
    split = Split(folder)
    assert split.about == what
    assert (split.masks[1, :32] == 3).all() and (split.masks[1, 32:] == UNKNOWN).all()
    assert encode_mask(split.masks[1:])[0, :, 16:].sum() == 0
    split.validation = 1
    Trainer(Network("none", **SMALL), split, batch=1).save(str(tmp_path), "photos: all")
    [run] = lineage(str(tmp_path / "export"))
    assert run["terms"] == "at home only" and run["validation"] == [[1, 1]]


@pytest.mark.parametrize("modality", ["sketch", "text"])
def test_follow(modality, split, tmp_path):
    """A network that has learnt nothing of its own follows the unconditional one exactly."""
    for name in ("old", "new"):
        Network("none", **SMALL).export(str(tmp_path / name), {})
    tokenizer = Tokenizer.build(split.sentences())
    network = Network(modality, tokenizer if modality == "text" else None, **SMALL).eval()
    network.start_from(str(tmp_path / "old"))
    before = {n: w.clone() for n, w in network.unet.state_dict().items()}
    old, new = (load_file(tmp_path / n / "diffusion_pytorch_model.safetensors") for n in ("old", "new"))
    network.follow(str(tmp_path / "new"), str(tmp_path / "old"), 0.25)
    followed = 0
    for name, w in network.unet.state_dict().items():
        if name not in new or name != "conv_in.weight" and new[name].shape != w.shape:
            assert torch.equal(w, before[name]), name
            continue
        want = torch.lerp(old[name], new[name], 0.25)
        assert torch.allclose(w[:, : want.shape[1]] if name == "conv_in.weight" else w, want, atol=1e-6), name
        followed += 1
    assert followed > 0.3 * len(before)


@pytest.mark.parametrize("modality", ["text", "joint"])
def test_export_and_load(modality, split, tmp_path):
    tokenizer = Tokenizer.build(split.sentences())
    network = Network(modality, tokenizer, **SMALL).eval()
    for _ in range(2):  # the second replaces the first
        (tmp_path / f"{modality}.old" / "text_encoder").mkdir(parents=True)  # left by one that was killed
        network.export(str(tmp_path / modality), {"pictures_seen": 1})
    assert sorted(os.listdir(tmp_path)) == [modality]
    loaded = Network.load(str(tmp_path / modality))
    z, t, condition = torch.randn(1, 12, 32, 32), torch.tensor([9]), split.condition(modality, np.arange(1), tokenizer)
    with torch.no_grad():
        assert torch.allclose(network(z, t, condition), loaded(z, t, condition), atol=1e-5)
    with open(tmp_path / modality / "mcdm.json") as f:
        assert json.load(f)["modality"] == modality


@pytest.mark.parametrize("modality", ["none", "sketch", "mask", "text", "colour", "joint"])
def test_resume_gives_the_same_steps(modality, split, tmp_path):
    def trainer():
        torch.manual_seed(0)
        return Trainer(Network(modality, Tokenizer.build(split.sentences()) if nets.reads_text(modality) else None, **SMALL),
                       split, batch=4)

    a = trainer()
    for _ in range(2):
        a.train_step(0.1)
    a.save(str(tmp_path), "test")
    want = [a.train_step(0.2).item() for _ in range(2)]
    b = trainer()
    b.restore(torch.load(tmp_path / "checkpoint.pt", weights_only=False))
    assert b.step == 2 and b.pictures == 8
    assert [b.train_step(0.2).item() for _ in range(2)] == pytest.approx(want, rel=1e-5)


class Worded:
    """Noise in which a smile shows at (2..3, 4..7) and half of the persons have one; none has a word for what is at (8, 8)."""

    def __init__(self, n=400):
        rng = np.random.default_rng(0)
        self.pictures = rng.integers(0, 256, (n, 16, 16, 3), dtype=np.uint8)
        self.smiles = rng.random(n) < 0.5
        self.pictures[self.smiles, 2:4, 4:8] = 200
        self.pictures[rng.random(n) < 0.5, 8, 8] = 0
        self.sentences = ["a smile" if smile else "a person" for smile in self.smiles]
        self.tokenizer = Tokenizer.build(self.sentences)

    def __len__(self):
        return len(self.pictures)

    def rows(self, _, index):
        return torch.from_numpy(self.pictures[index])

    def ids(self, tokenizer):
        n = len(self)
        return torch.tensor([tokenizer(s) for s in self.sentences]), torch.arange(n), torch.ones(n, dtype=torch.int64), torch.zeros(n, dtype=torch.int64)


def test_a_word_weighs_where_pictures_show_it(split):
    worded = Worded()
    ids = worded.tokenizer.ids
    where = shown(worded, worded.tokenizer)
    assert where.shape == (len(worded.tokenizer), 12 * 8 * 8)
    at = torch.nn.functional.pixel_shuffle(where.view(-1, 12, 8, 8), 2)
    assert not at[[ids["<pad>"], ids["a"]]].any()
    torch.testing.assert_close(at[ids["smile"]].mean(), torch.tensor(1.0))
    assert (at[ids["smile"]][:, 2:4, 4:8] > 10).all()
    assert at[ids["smile"]].count_nonzero() == 3 * 2 * 4

    t = Trainer(Network("text", Tokenizer.build(split.sentences()), **SMALL), split, batch=2)
    t.words, t.shown = 0.6, where
    w = t.by_word(torch.tensor([[ids["a"], ids["smile"], 0], [ids["a"], 0, 0]]))
    torch.testing.assert_close(w[0], 0.4 + 0.6 * where[ids["smile"]])
    torch.testing.assert_close(w[1], torch.ones(12 * 8 * 8))


def test_only_the_words_to_be_heard_share_the_loss(split, monkeypatch):
    tokenizer = Tokenizer.build(["a smile", "red hair"])
    monkeypatch.setattr(train, "shown", lambda _, t: torch.arange(1.0, len(t) + 1)[:, None].repeat(1, 12 * 32 * 32))
    t = Trainer(Network("text", tokenizer, **SMALL), split, batch=2, words=0.5, hear={"smile", "frown"})
    assert t.shown.any(1).tolist() == [w == "smile" for w in tokenizer.vocabulary]
    assert Trainer(t.network, split, batch=2, words=0.5).shown.all()


def test_words_weigh_training_only(split):
    index, t = np.arange(2), torch.tensor([100, 900])
    network = Network("text", Tokenizer.build(split.sentences()), **SMALL)
    plain, weighed = (Trainer(network, split, batch=2, words=w) for w in (0.0, 0.5))

    def loss(trainer, rng):
        return trainer.loss(network, index, t, torch.Generator().manual_seed(1), rng)

    weighed.by_word = lambda ids: torch.full((len(ids), 12 * 32 * 32), 3.0)
    assert torch.equal(loss(plain, None), loss(weighed, None))
    torch.testing.assert_close(loss(weighed, np.random.default_rng(0)), 3 * loss(plain, np.random.default_rng(0)))


def test_the_loss_is_of_v_with_min_snr_weights(split):
    trainer = Trainer(Network("none", **SMALL), split, batch=2)
    x, t = split.examples(trainer.network, np.arange(2))[0], torch.tensor([20, 900])
    abar = nets.alphas_cumprod().float()[t]
    a, s = (v.sqrt().view(-1, 1, 1, 1) for v in (abar, 1 - abar))

    def loss(answer):
        network = lambda z, t, condition: answer(z)
        network.modality, network.tokenizer, network.prediction_type = "none", None, "v_prediction"
        return trainer.loss(network, np.arange(2), t, torch.Generator().manual_seed(1))

    assert loss(lambda z: a * (z - a * x) / s - s * x).max() < 1e-8, "who knows the picture knows v"
    v = a * torch.randn(x.shape, generator=torch.Generator().manual_seed(1)) - s * x
    snr = abar / (1 - abar)
    torch.testing.assert_close(loss(torch.zeros_like), v.square().mean((1, 2, 3)) * (snr + 1).clamp(max=5) / (snr + 1))


def test_processes_average_their_gradients(split, monkeypatch):
    trainer = Trainer(Network("none", **SMALL), split, batch=2)
    trainer.network.train_only("coarse")  # not all weights have one
    trainer.train_step(0.0)
    own = {n: p.grad.clone() for n, p in trainer.network.named_parameters() if p.grad is not None}
    monkeypatch.setattr(train.dist, "all_reduce", lambda flat: flat.add_(torch.arange(len(flat))))
    trainer.world = 2
    trainer.average_gradients()
    first = 0
    for name, p in trainer.network.named_parameters():
        if name in own:
            theirs = torch.arange(first, first + p.numel()).view_as(p)
            torch.testing.assert_close(p.grad, (own[name] + theirs) / 2)
            first += p.numel()


@pytest.mark.parametrize("part", nets.PARTS)
def test_only_a_part_is_trained(part, split):
    network = Network("text", Tokenizer.build(split.sentences()), **SMALL)
    network.train_only(part)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    t = Trainer(network, split, batch=4)
    for _ in range(2):  # attention is silent before its last layer has moved
        t.train_step(0.0)
    moved = {n for n, p in network.named_parameters() if not torch.equal(p, before[n])}
    assert any(n.startswith("text_encoder.") for n in moved) and any(".attentions." in n for n in moved)
    assert not any(n.startswith(("unet.conv_", "unet.down_blocks.0.", "unet.up_blocks.2.")) for n in moved)
    assert any(".resnets." in n for n in moved) == (part == "coarse")


def test_order_of_a_larger_split_is_not_gone_on_with(split, tmp_path):
    a = Trainer(Network("none", None, **SMALL), split, batch=4)
    a.order = np.array([len(split) - 1, 0, 1, 2])  # the first validates now
    a.save(str(tmp_path), "test")
    b = Trainer(Network("none", None, **SMALL), split, batch=4)
    b.restore(torch.load(tmp_path / "checkpoint.pt", weights_only=False))
    assert b.next_index(4).max() < len(split) - split.validation


def test_a_checkpoint_is_of_what_was_exported(split, tmp_path, monkeypatch):
    """Or a run whose time is over would never be exported."""
    def full(*_):
        raise OSError(errno.ENOSPC, "the disk is full")

    monkeypatch.setattr(Network, "export", full)
    with pytest.raises(OSError, match="full"):
        Trainer(Network("none", **SMALL), split, batch=4).save(str(tmp_path), "test")
    assert os.listdir(tmp_path) == []


@pytest.fixture
def trained(folder, monkeypatch):
    """The command in this process: a small network, one step."""
    monkeypatch.setattr(train, "Network", functools.partial(Network, **SMALL))
    monkeypatch.setattr(Trainer, "agree", lambda self, seconds, stop: (seconds, True))
    monkeypatch.setattr(signal, "signal", lambda *_: None)

    def run(network, out, *more):
        monkeypatch.setattr(sys, "argv", ["train", "--network", network, "--data", folder, "--out", str(out), "--minutes", "5",
                                          "--batch", "2", "--device", "cpu", *more])
        train.main()
        return lineage(str(out / "export"))

    return run


def test_a_run_keeps_what_it_started_from(trained, tmp_path):
    none, sketch = tmp_path / "none", tmp_path / "sketch"
    before = trained("none", none)
    assert trained("sketch", sketch, "--init", str(none))[1:] == before
    assert trained("none", none)[0]["pictures_seen"] == 4, "it goes on"
    for start in (("--init", str(none)), ()):
        own, *runs = trained("sketch", sketch, *start)
        assert runs == before
    assert own["pictures_seen"] == 6


def test_without_a_start_words_are_those_of_the_split(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    other = Tokenizer.build(["of another run"])
    (tmp_path / "export" / "text_encoder").mkdir(parents=True)
    other.save(tmp_path / "export" / "text_encoder" / "vocab.txt")
    trained("text", tmp_path / "text")
    assert "hair" in Tokenizer.load(tmp_path / "text" / "export" / "text_encoder" / "vocab.txt").vocabulary


def test_weights_that_are_no_numbers_are_not_saved(trained, tmp_path, monkeypatch):
    trained("none", tmp_path)
    saved, step = (tmp_path / "checkpoint.pt").read_bytes(), Trainer.train_step

    def ruined(self, share):
        loss = step(self, share)
        next(self.ema.parameters()).fill_(torch.nan)
        return loss

    monkeypatch.setattr(Trainer, "train_step", ruined)
    with pytest.raises(FloatingPointError, match="of held-back pictures nan"):
        trained("none", tmp_path)
    assert (tmp_path / "checkpoint.pt").read_bytes() == saved


def test_sentences_are_numbered_once(split):
    split.tokens = None
    a = Trainer(Network("text", Tokenizer.build(split.sentences()), **SMALL), split, batch=4)
    a.train_step(0.1)
    numbered = split.tokens
    a.validate()
    a.train_step(0.2)
    assert split.tokens is numbered


def test_merge_is_equation_12():
    def network(modality, value):
        n = lambda z, t, c: torch.full_like(z, value)
        n.modality = modality
        return n

    z = torch.zeros(1, 12, 32, 32)
    eps = merge([network("sketch", 3.0), network("none", 1.0), network("mask", 5.0)], {"mask": 0.5},
                {"sketch": None, "mask": None})
    assert eps(z, 0)[0, 0, 0, 0] == 1 + (3 - 1) + 0.5 * (5 - 1)
    with pytest.raises(ValueError, match="unconditional"):
        merge([network("sketch", 1.0), network("mask", 1.0)], {}, {})


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_ddim_is_that_of_diffusers(eta):
    beta = (nets.SCHEDULE[k] for k in ("beta_start", "beta_end", "name"))
    scheduler = DDIMScheduler(1000, *beta, prediction_type="v_prediction")
    scheduler.set_timesteps(1000)  # all: of fewer, theirs are others
    v = lambda z, t: torch.sin(z + t.view(-1, 1, 1, 1) / 1000)
    generator = torch.Generator().manual_seed(3)
    z = torch.randn(1, 12, 32, 32, generator=generator)
    for t in scheduler.timesteps:
        noise = torch.randn(z.shape, generator=generator) if eta and t else torch.zeros_like(z)
        z = scheduler.step(v(z, t), t, z, eta, use_clipped_model_output=True, variance_noise=noise).prev_sample
    torch.testing.assert_close(ddim(v, 1, 1000, eta, seed=3), z, rtol=0, atol=1e-4)


def test_weights_travel(tmp_path, monkeypatch):
    monkeypatch.setattr("pack.FILE", 1 << 20)
    text = Network("text", Tokenizer.build(["red hair"]), **SMALL).eval()
    text.export(str(tmp_path / "text"), {})
    packed = pack_weights(str(tmp_path / "text"), str(tmp_path))
    assert len(packed) > 1 and all(os.path.getsize(p) < 1.1 * (1 << 20) for p in packed)
    unpack_weights(packed, str(tmp_path / "back"))
    back = Network.load(str(tmp_path / "back"))
    a, b = text.state_dict(), back.state_dict()
    assert a.keys() == b.keys() and all(torch.allclose(a[k], b[k], atol=1e-3) for k in a)
    assert back.tokenizer.vocabulary == text.tokenizer.vocabulary


def test_what_was_not_asked_for_is_refused(monkeypatch, capsys):
    networks = {m: argparse.Namespace(modality=m, to=lambda _, m=m: networks[m]) for m in ("none", "text")}
    monkeypatch.setattr(sample.Network, "load", networks.get)
    sampled = ["sample", "none", "text", "--data", "d", "--out", "o"]
    for module, command, why in (
        (sample, [*sampled, "--weight", "txt=2"], "--weight txt: want some of text"),
        (sample, [*sampled, "--weight", "text"], "invalid weight value: 'text'"),
        (upscaler, ["upscaler", "export", "--data", "d", "--out", "o", "--count", "65"], "--count 65: want 1 to 64"),
    ):
        monkeypatch.setattr(sys, "argv", command)
        with pytest.raises(SystemExit):
            module.main()
        assert why in capsys.readouterr().err


def test_networks_trained_together_start_when_their_splits_are_there(monkeypatch, tmp_path):
    commands, data = {}, tmp_path / "data"
    options = argparse.Namespace(data=str(data), start="start", runs=str(tmp_path / "runs"), rate=1e-3, batch=8)

    def run(command, **_):
        network = command[command.index("--network") + 1]
        given = command[command.index("--data") + 1 : command.index("--out")]
        assert all(os.path.exists(os.path.join(d, "captions.jsonl")) for d in given)
        commands[network] = command
        return argparse.Namespace(returncode=0)

    def build(seconds):
        missing = next(s for s in ("none", "sketch", "mask", "text") if not (data / s).exists())
        (data / missing).mkdir(parents=True)
        (data / missing / "captions.jsonl").touch()

    monkeypatch.setattr(together.subprocess, "run", run)
    monkeypatch.setattr(together.time, "sleep", build)
    end = time.monotonic() + 300
    for network in ("none", "joint"):
        assert not together.train(network, options, end)
    minutes = float(commands["joint"][commands["joint"].index("--minutes") + 1])
    assert 4 < minutes < 5 and "start/text" in commands["joint"] and "start/none" in commands["none"]
    own = tmp_path / "runs" / "joint"
    assert together.start(str(own.parent), "joint") == str(own), "a joint network that was trained before goes on"
    (tmp_path / "runs" / "none" / "log.csv").write_text("seconds,step,validation\n60,5,\n120,9,0.1\n350,12,\n")
    (tmp_path / "runs" / "none" / "checkpoint.pt").touch()
    assert not together.train("none", options, time.monotonic() + 300)
    assert 6 < float(commands["none"][commands["none"].index("--minutes") + 1]) < 7, "what was trained before counts in"
    assert "too few" in together.train("none", options, time.monotonic() + together.LOADING + 1)
    assert "does not have colour in time" in together.train("colour", options, time.monotonic() + 1)
    monkeypatch.setattr(together.subprocess, "run", lambda *_, **__: argparse.Namespace(returncode=1))
    assert "exit status 1, see" in together.train("none", options, time.monotonic() + 300)


def test_each_network_that_failed_is_listed(monkeypatch):
    monkeypatch.setattr(together, "train", lambda n, *_: {"colour": "late", "mask": "exit status 1"}.get(n))
    monkeypatch.setattr(sys, "argv", ["together", "--data", "d", "--runs", "r", "--minutes", "5", "--networks", "colour", "none", "mask"])
    with pytest.raises(SystemExit, match="^colour failed: late\nmask failed: exit status 1$"):
        together.main()


def test_sigterm_leaves_a_checkpoint(folder, tmp_path):
    """The command itself: stopped, it saves and exports; started again, it goes on."""
    here = os.path.dirname(os.path.abspath(__file__))
    command = [sys.executable, "-m", "train", "--network", "none", "--data", folder, "--out", str(tmp_path / "run"),
               "--minutes", "5", "--batch", "1", "--threads", "1", "--log-seconds", "0.1"]
    with open(tmp_path / "out", "w") as out:
        p = subprocess.Popen(command, cwd=here, stdout=out, stderr=subprocess.STDOUT)
        for _ in range(240):
            time.sleep(0.25)
            if "step" in (tmp_path / "out").read_text().partition("from step")[2] or p.poll() is not None:
                break
        p.send_signal(signal.SIGTERM)
        assert p.wait(60) == 0, (tmp_path / "out").read_text()
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=False)
    assert state["step"] > 0 and (tmp_path / "run" / "export" / "mcdm.json").exists()
    # Another network starts from what was left.
    subprocess.run([sys.executable, "-m", "train", "--network", "sketch", "--data", folder, "--out", str(tmp_path / "sketch"),
                    "--init", str(tmp_path / "run"), "--follow", str(tmp_path / "run"), str(tmp_path / "run"), "0.5",
                    "--minutes", "0.001", "--batch", "1", "--threads", "1"], cwd=here, check=True)
    own, before = lineage(str(tmp_path / "sketch" / "export"))
    assert before["pictures_seen"] == state["pictures"] and own["seeds"] == before["seeds"] == [[0, 39]]
    assert own["validation"] == [[40, 40 + VALIDATION - 1]]
    # What another run was trained on does not validate.
    path = tmp_path / "run" / "export" / "mcdm.json"
    facts = json.loads(path.read_text())
    facts["training"]["seeds"] = [[0, 40]]
    path.write_text(json.dumps(facts))
    refused = subprocess.run(command + ["--init", str(tmp_path / "run")], cwd=here, capture_output=True, text=True)
    assert refused.returncode == 1 and "build the split again" in refused.stderr and "Traceback" not in refused.stderr


@pytest.fixture(scope="session")
def large(tmp_path_factory):
    folder = tmp_path_factory.mktemp("large")
    os.makedirs(folder / "pictures")
    rng = np.random.default_rng(0)
    with open(folder / "captions.jsonl", "w") as f:
        for s in range(LargeSplit.validation + 8):
            picture = np.repeat(np.repeat(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8), 32, 0), 32, 1)
            Image.fromarray(picture).save(folder / "pictures" / f"{s}.png")
            f.write(json.dumps({"seed": s}) + "\n")
    return LargeSplit(str(folder))


def test_large_pictures_and_their_small_ones(large):
    x, small = large.examples(None, np.array([3, 5]))
    assert x.shape == (2, 48, 64, 64) and small.shape == (2, 3, 64, 64)
    p = torch.from_numpy(np.array(large.pictures[[3, 5]]))
    assert torch.equal(to_large_pictures(to_large_z(p)), p)
    # channel c*16 + dy*4 + dx
    assert x[0, 1 * 16 + 2 * 4 + 3, 7, 9] == p[0, 4 * 7 + 2, 4 * 9 + 3, 1].float() / 127.5 - 1
    # Areas of 32x32 pixels are areas of 8x8 in the small picture, which repeats back to the large one.
    assert torch.allclose(repeated(to_small(x)), x, atol=1e-6)
    even = torch.tensor([-0.5, 0, 0.5])[None, :, None, None].expand(1, 3, 8, 8)
    assert torch.allclose(bicubic(even), repeated(even), atol=1e-6)
    assert torch.equal(small, large.examples(None, np.array([3, 5]))[1]), "validation is always on the same pictures"
    part, small = large.examples(None, np.array([3, 5]), np.random.default_rng(0), part=True)
    assert part.shape == (2, 48, 32, 32) and small.shape == (2, 3, 32, 32)


def test_degrade_keeps_what_is_drawn():
    x = torch.zeros(64, 3, 64, 64)
    x[..., 32:] = 0.5
    out = degrade(x, np.random.default_rng(0))
    off = (out - x).abs()
    assert off[..., 36:60].mean() < 0.1 and off[..., 4:28].mean() < 0.1
    assert 0.005 < off.mean((1, 2, 3)).min() and off.mean((1, 2, 3)).max() > 0.1, "weak and strong"
    assert (out.mean((1, 2, 3)) - x.mean((1, 2, 3))).mean().abs() < 0.02, "no colour is favoured"


def test_the_upscaler_begins_as_the_repeated_picture():
    small = torch.rand(1, 3, 16, 16) * 1.8 - 0.9
    z = upscale(Upscaler((32, 32, 32)).eval(), small, 3)
    assert torch.allclose(z, repeated(small), atol=1e-4)


def test_the_upscaler_learns_parts_then_whole_pictures(large, tmp_path, monkeypatch):
    torch.manual_seed(0)
    monkeypatch.setattr("upscaler.degrade", lambda small, rng: small / 2)  # learnt in less time than what it replaces
    t = Trainer(Upscaler((32, 32, 32)), large, batch=4, rate=3e-3)
    t.train_step(CONSTANT / 2)
    assert t.pictures == 4
    t.train_step((1 + CONSTANT) / 2)
    assert t.pictures == 5, "a whole picture takes as long as four quarters"
    def error():
        with torch.no_grad():
            return t.loss(t.network, np.arange(4), torch.tensor([200, 400, 600, 800]), torch.Generator().manual_seed(0)).mean()

    before = error()
    for _ in range(50):
        t.train_step(0.1)
    assert error() < 0.9 * before
    t.save(str(tmp_path), "test")
    loaded = Upscaler.load(str(tmp_path / "export"))
    z, s = torch.randn(1, 48, 16, 16), torch.rand(1, 3, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded(z, torch.tensor([9]), s), t.ema(z, torch.tensor([9]), s))
    with open(tmp_path / "export" / "mcdm.json") as f:
        facts = json.load(f)
    assert (facts["modality"], facts["image_size"], facts["pixel_unshuffle"], facts["prediction_type"]) == (
        "upscale", LARGE_SIZE, 4, "sample")


def test_table(tmp_path):
    """The table of a run, with what its start had seen, between the marks."""
    run = tmp_path / "mask"
    (run / "export").mkdir(parents=True)
    (run / "export" / "mcdm.json").write_text(json.dumps({"modality": "mask", "training": {
        "pictures_seen": 30, "started_from": [{"pictures_seen": 900}, {"pictures_seen": 100}]}}))
    (run / "log.csv").write_text("seconds,pictures,loss,validation\n50,10,0.3,\n110,20,0.2,0.25\n180,30,0.1,0.125\n")
    out = tmp_path / "t.md"
    out.write_text("before\n<!-- table: begin -->\nold\n<!-- table: end -->\nafter\n")
    subprocess.run([sys.executable, "-m", "table", str(run), "--out", str(out)], check=True)
    text = out.read_text()
    assert "\n| mask | 7.24 M | 2.49 | 1,000 | 30 | 3 | 0.2500 | 0.1250 |\n<!-- table: end -->\nafter\n" in text
    assert text.startswith("before\n<!-- table: begin -->\n") and "old" not in text
    assert "<svg" in (tmp_path / "curves.svg").read_text()


def test_what_is_around_the_marks_stays(tmp_path):
    path = tmp_path / "README.md"
    path.write_text("before\n<!-- it: begin -->\nold\n<!-- it: end -->\nafter\n")
    for _ in range(2):
        put(str(path), "it", "new")
        assert path.read_text() == "before\n<!-- it: begin -->\nnew\n<!-- it: end -->\nafter\n"
    for text in ("no marks", "<!-- it: end --><!-- it: begin -->"):
        path.write_text(text)
        with pytest.raises(ValueError, match="once each"):
            put(str(path), "it", "new")
        assert path.read_text() == text
    path.write_text(text := "by hand <!-- it: begin --><!-- it: end -->")
    with pytest.raises(UnicodeEncodeError):  # it fails where a full disk would
        put(str(path), "it", "\ud800")
    assert path.read_text() == text
