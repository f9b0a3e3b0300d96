"""python -m pytest -q, in this folder."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import heard
from heard import SMALL, losses, other
from nets import LABELS, alphas_cumprod, to_z


def test_one_word_is_put_in_for_another_kinds():
    kinds = SMALL["mouth"][1]
    swapped = [words.split() for seed in range(60) if (words := other("A frowning person, red hair", kinds, np.random.default_rng(seed)))]
    assert {(w[0], *w[2:]) for w in swapped} == {("a", "person", "red", "hair")}
    assert {w[1] for w in swapped} == set(kinds) - {"frowning", "sad"}
    assert other("a person with red hair", kinds, None) is None and other("a sad smiling person", kinds, None) is None


def test_the_error_is_of_v_around_the_label(monkeypatch):
    monkeypatch.setattr(heard, "BATCH", 2)
    rng = np.random.default_rng(0)
    pictures = torch.from_numpy(rng.integers(0, 256, (3, 64, 64, 3), dtype=np.uint8))
    masks = torch.zeros(3, 64, 64, dtype=torch.uint8)
    mouth = LABELS.index("mouth")
    masks[:, 20:22, 30] = mouth
    split = SimpleNamespace(rows=lambda name, index: {"pictures": pictures, "masks": masks}[name][torch.from_numpy(index)])
    x, abar = to_z(pictures), alphas_cumprod()[500].float()
    off = torch.zeros(3, 12, 64 // 2, 64 // 2)

    def network(z, t, ids):  # knows the picture, but for what is off
        at = slice(0, 2) if len(z) == 2 else slice(2, 3)
        assert (t == 500).all() and ids.flatten().tolist() == [7] * len(z)
        eps = (z - abar.sqrt() * x[at]) / (1 - abar).sqrt()
        return abar.sqrt() * eps - (1 - abar).sqrt() * x[at] + off[at]

    network.tokenizer = lambda text: [len(text)]
    look = lambda: losses(network, split, np.arange(3), ["a smile"] * 3, mouth, 500)
    assert look() < 1e-10
    off[:, :, :, :10] = 5  # far away
    assert look() < 1e-10
    off[:, :, 9:12, 14:16] = 1  # pixels 18 to 23, 28 to 31: all that counts, 19 to 22 and 29 to 31
    assert look() == pytest.approx(1)
    off[2] = 0
    assert look() == pytest.approx(2 / 3)
