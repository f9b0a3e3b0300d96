"""python -m pytest -q, in this folder."""

import numpy as np
import pytest

from faces import nearest


def test_nearest_is_in_levels_and_knows_mirrors():
    rng = np.random.default_rng(0)
    known = rng.integers(0, 200, (3, 64, 64, 3), dtype=np.uint8)
    pictures = np.stack([known[1], known[2][:, ::-1], known[0] + 7])
    assert nearest(pictures, known) == pytest.approx([0, 0, 7], abs=0.05)
