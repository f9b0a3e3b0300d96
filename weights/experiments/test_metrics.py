"""python -m pytest -q, in this folder. Every metric gives its best on perfect input and its worst, or far from it, on shuffled."""

import numpy as np
import pytest

from metrics import (LABELS, UNKNOWN, chamfer, colour_distance, edge_counts, edge_f1, edges, frechet, intersections, interval,
                     kernel_distance, mean_iou, spread)


def squares(n=8, size=64):
    """Pictures of one dark square each on light paper, with the border of each as a drawing."""
    rng = np.random.default_rng(0)
    pictures, ink = np.full((n, size, size, 3), 230, np.uint8), np.zeros((n, size, size), bool)
    for picture, line in zip(pictures, ink):
        y, x = rng.integers(4, 36, 2)
        picture[y : y + 20, x : x + 20] = (40, 60, 30)
        line[y : y + 20, x : x + 20] = True
        line[y + 1 : y + 19, x + 1 : x + 19] = False
    return pictures, ink


def test_edges_are_the_drawn_ones():
    pictures, ink = squares()
    found = edges(pictures)
    right = sum(edge_counts(f, d) for f, d in zip(found, ink))
    wrong = sum(edge_counts(f, d) for f, d in zip(found, np.roll(ink, 1, 0)))
    assert edge_f1(right) > 0.99 and edge_f1(wrong) < 0.35
    assert max(chamfer(f, d) for f, d in zip(found, ink)) <= 1 < np.mean([chamfer(f, d) for f, d in zip(found, np.roll(ink, 1, 0))])
    assert not edges(np.full((1, 64, 64, 3), 99, np.uint8)).any()


def test_edges_of_any_colour_and_thin():
    picture = np.full((1, 64, 64, 3), 128, np.uint8)
    picture[:, :, 30:] = (128, 208, 128)  # only green changes
    found = edges(picture)[0]
    assert (found.sum(1) == 1).all() and set(np.flatnonzero(found.any(0))) <= {29, 30}


@pytest.mark.parametrize("shift, f1, distance", [(0, 1, 0), (1, 1, 1), (2, 0, 2)])
def test_one_pixel_of_tolerance(shift, f1, distance):
    line, other = np.zeros((64, 64), bool), np.zeros((64, 64), bool)
    line[:, 20], other[:, 20 + shift] = True, True
    assert edge_f1(edge_counts(other, line)) == f1
    assert chamfer(other, line) == pytest.approx(distance)


def test_nothing_drawn_nothing_found():
    empty, line = np.zeros((64, 64), bool), np.eye(64, dtype=bool)
    assert edge_f1(edge_counts(empty, empty)) == 1 and chamfer(empty, empty) == 0
    assert edge_f1(edge_counts(empty, line)) == 0 and chamfer(line, empty) > 90
    # Half of what is found is right, all that is drawn is found: precision 1/2, recall 1.
    extra = line.copy()
    extra[0, 2:] = True
    counts = edge_counts(extra, line)
    assert edge_f1(counts) == pytest.approx(2 * counts[0] / (counts[0] + counts[1]))


def test_iou_of_the_labelled_region_only():
    rng = np.random.default_rng(1)
    wanted = rng.integers(0, len(LABELS), (64, 64)).astype(np.uint8)
    assert mean_iou(intersections(wanted, wanted)) == 1
    assert mean_iou(intersections((wanted + 1) % len(LABELS), wanted)) == 0
    partial, found = wanted.copy(), wanted.copy()
    partial[:32], found[:32] = UNKNOWN, 0
    assert mean_iou(intersections(found, partial)) == 1, "what is found where nothing is wanted does not count"
    # Two parts: background 3 of 4 pixels found as background, one as hair; hair 4 of 4. IoU 3/4 and 4/5.
    w, f = np.array([[0, 0, 0, 0, 2, 2, 2, 2]], np.uint8), np.array([[0, 0, 0, 2, 2, 2, 2, 2]], np.uint8)
    assert mean_iou(intersections(f, w)) == pytest.approx((3 / 4 + 4 / 5) / 2)


def test_distances_of_distributions():
    rng = np.random.default_rng(2)
    a, b, far = rng.normal(size=(400, 6)), rng.normal(size=(400, 6)), rng.normal(size=(400, 6)) + 2
    assert frechet(a, a) == pytest.approx(0, abs=1e-6)
    assert frechet(a, b) < 0.3 < 20 < frechet(a, far)
    assert frechet(a, far) == pytest.approx(6 * 4, rel=0.15), "the squared distance of the means, (2, 2, ...)"
    assert abs(kernel_distance(a, b)) < 0.1 < 1 < kernel_distance(a, far)
    # Unbiased: of many small equal sets the mean is 0.
    few = [kernel_distance(*rng.normal(size=(2, 10, 6))) for _ in range(300)]
    assert abs(np.mean(few)) < 3 * np.std(few) / np.sqrt(len(few))
    # A set that is drawn again with repetitions is no farther away.
    drawn = [kernel_distance(a, b, np.bincount(rng.integers(0, 400, 400), minlength=400)) for _ in range(100)]
    assert np.mean(drawn) == pytest.approx(kernel_distance(a, b), abs=3 * np.std(drawn) / 10)
    assert kernel_distance(a[:5], b, np.array([1, 0, 1, 1, 0])) == pytest.approx(kernel_distance(a[[0, 2, 3]], b))


def test_colours_of_cells():
    a = np.zeros((2, 64, 64, 3), np.uint8)
    b = a.copy()
    b[1, :8, :8] = 96  # one of 64 cells
    assert colour_distance(a, a).tolist() == [0, 0]
    assert colour_distance(a, b).tolist() == [0, 96 / 64]
    a[0, ::2], b[0, 1::2] = 100, 100  # the same on average
    assert colour_distance(a, b)[0] == 0


def test_spread():
    assert spread(np.ones((8, 6))) == 0
    assert spread(np.array([[0.0, 0], [3, 4], [3, 4]])) == pytest.approx(10 / 3)


def test_interval_covers():
    rng = np.random.default_rng(3)
    covered = 0
    for _ in range(40):
        x = rng.normal(size=60)
        low, high = interval(lambda w: (w @ x) / w.sum(), len(x), rng)
        covered += low < 0 < high
    assert 33 <= covered <= 40 and high - low < 1
