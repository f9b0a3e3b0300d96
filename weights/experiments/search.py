"""Chooses the merge's weights on the validation portraits: those of the searched cells that score best.

    python -m search --data ../dataset/out --samples cache/full --judge cache/judge.pt --out cache/best-full.json

A cell's score is the mean over sketch, mask and text (those that the judge can judge) of what it reaches of the ceiling, the
real pictures' own scores. Cells are compared on the portraits that all of them have.
"""

import argparse
import json
import sys

import numpy as np

from measure import Held, Seen, read_cell, read_index, see


def chosen(held, samples, index):
    """[(score, entry, scores by axis)], best first, and the portraits; nothing while a cell has no picture."""
    cells = [(e, read_cell(samples, e, held)) for e in index if e["group"] == "search"]
    common = sorted(set.intersection(*(set(p) for _, p in cells))) if cells else []
    if not common:
        return [], []
    ceiling = Seen(held, common, held.split.pictures[common])
    ones, axes, out = np.ones(len(common)), ("sketch", "mask", "text"), []
    top = {a: t for a in axes if (t := getattr(ceiling, a)(ones)) > 0}
    for e, pictures in cells:
        seen = see(held, pictures).only(common)
        by = {a: getattr(seen, a)(ones) for a in axes}
        out.append((float(np.mean([by[a] / top[a] for a in top])), e, by))
    return sorted(out, key=lambda x: -x[0]), common


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "samples", "judge", "out"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--fewer", action="store_true", help="choose by fewer portraits than are planned, where no more are in every cell")
    a = p.parse_args()
    index = read_index(a.samples)
    ranked, portraits = chosen(Held(a.data, a.judge), a.samples, index)
    planned = max((e["count"] for e in index if e["group"] == "search"), default=0)
    if not ranked or len(portraits) < planned and not a.fewer:
        sys.exit(f"{len(portraits)} of {planned} portraits are in every searched cell: sample on, then search again"
                 + (", or choose by these with --fewer" if ranked else ""))
    best = ranked[0][1]
    print(f"chosen by {len(portraits)} of {planned} portraits")
    with open(a.out, "w") as f:
        json.dump({"weights": best.get("weights", {}), "windows": best.get("windows", {}), "score": ranked[0][0],
                   "portraits": len(portraits), "bundle": best["sha256"], "data": best.get("data", "")}, f, indent=1)
    for score, e, by in ranked:
        print(f"{score:.3f}", json.dumps(e.get("weights", {})), json.dumps(e.get("windows", {})),
              " ".join(f"{k} {v:.3f}" for k, v in by.items()))


if __name__ == "__main__":
    main()
