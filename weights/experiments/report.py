"""Judges what was sampled and writes the report: one HTML file, and the README's table.

    python -m report --data ../dataset/out --samples cache/full --judge cache/judge.pt --out report.html --readme ../../README.md

It may be made of a part of the samples at any time, and says of how many portraits it is made. Where only samplers were sampled
(go run ./weights/experiments --only sampler), it is their table alone, and the README's stays.
"""

import argparse
import base64
import html
import io
import json
import os
import sys
import time

import numpy as np
from PIL import Image

from judges import ATTRIBUTES, FEATURES, TRUSTED
from measure import REFERENCE, Held, Seen, diversity, mean, paired, read_cell, read_index, see
from metrics import LABELS, spread
from search import chosen

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "train"))
from marks import put  # noqa: E402

AXES = {"sketch": "sketch: edge F1", "distance": "chamfer, pixels", "mask": "mask: mIoU", "text": "text: accuracy",
        "colour": "colour, levels", "frechet": "Fr\u00e9chet", "kernel": "kernel distance"}
GIVEN_BY = {"sketch": "sketch", "distance": "sketch", "mask": "mask", "text": "text", "colour": "colour"}  # axis: the condition it measures
ALL = ["sketch", "mask", "text"]
NOT_YET = "<p>Not measured yet.</p>"
GRIDS, SEEDS = 6, 8
SHORT = ("sketch", "distance", "mask", "text", "colour")  # the axes of the README's table
DIGITS = {"distance": 2, "frechet": 2, "colour": 1}  # of the others 3
MAIN = ("single", "unit", "best", "page", "joint", "early", "float")  # groups that are rows of the main table, and the f32 ones


class Row:
    """One line of the main table."""

    def __init__(self, name, seen, given, evaluations=None, pictures=None):
        self.name, self.seen, self.given, self.evaluations, self.pictures = name, seen, given, evaluations, pictures


def number(score, digits=3):
    if score is None or not np.isfinite(score[0]):
        return "&ndash;"
    text = f"{score[0]:.{digits}f}"
    if np.isfinite(score[1]):
        text += f" <small>{score[1]:.{digits}f}&ndash;{score[2]:.{digits}f}</small>"
    return text


def gain(d, digits=3):
    """A paired difference, with its sign."""
    return "" if d is None or not np.isfinite(d[0]) else f"{d[0]:+.{digits}f} <small>{d[1]:+.{digits}f} to {d[2]:+.{digits}f}</small>"


def table(head, rows):
    cells = "".join(f"<th>{h}</th>" for h in head)
    body = "".join("<tr>" + "".join(c if c.startswith("<td") else f"<td>{c}</td>" for c in r) + "</tr>" for r in rows)
    return f"<table><tr>{cells}</tr>{body}</table>"


def title(entry):
    name = {"unit": "merge, weights 1", "best": "merge, best weights", "page": "merge, as the page begins",
            "joint": "joint network, weight 1", "early": "merge of earlier networks, weights 1", "single": "network alone", "float": "merge, weights 1, f32"}[entry["group"]]
    return f"{name}: {', '.join(entry['take'])}{', brief sentences' if entry.get('brief') else ''}"


def collect(held, samples, index):
    """The main rows of the cells that have pictures, the portraits that all of these have, and the names of those that have only
    begun: of less than half as many portraits as the longest."""
    rows = []
    for e in index:
        if e["group"] in MAIN:
            pictures = read_cell(samples, e, held)
            if pictures:
                rows.append(Row(title(e), see(held, pictures, brief=e.get("brief", False)), e["take"], e["evaluations"], pictures))
                rows[-1].entry = e
    most = max((len(r.seen.portraits) for r in rows), default=0)
    begun = [r for r in rows if r.entry["group"] != "float" and 2 * len(r.seen.portraits) < most]
    rows = [r for r in rows if r not in begun]
    main = [r for r in rows if r.entry["group"] != "float"]
    common = sorted(set.intersection(*(set(r.seen.portraits) for r in main))) if main else []
    return rows, [int(i) for i in common], [r.name for r in begun]


def borders(held, common):
    """Rows of the real pictures: with their own conditions, and with those of the next portrait."""
    pictures = held.split.pictures[common]
    return [Row("real pictures (ceiling)", Seen(held, common, pictures), [*ALL, "colour"]),
            Row("real pictures, shuffled conditions (floor)", Seen(held, common, pictures, np.roll(common, -1)), [*ALL, "colour"])]


def main_table(rows):
    lines = []
    for r in rows:
        scores = r.seen.scores()
        cells = [r.name, "" if r.evaluations is None else str(r.evaluations)]
        for axis in AXES:
            measured = GIVEN_BY.get(axis)
            dim = ' class="dim"' if measured and measured not in r.given else ""
            cells.append(f"<td{dim}>{number(scores.get(axis), DIGITS.get(axis, 3))}</td>")
        lines.append(cells)
    return table(["", "network evaluations a picture", *AXES.values()], lines)


def left_out(held):
    """What the judge cannot judge, as a sentence."""
    parts = [name for name, v in held.scores["parts"].items() if v < TRUSTED]
    told = [name.replace("_", " ") for name, v in held.scores["attributes"].items() if v["accuracy"] < TRUSTED]
    return (f"Left out: parts of which the judge's IoU on real pictures is below {TRUSTED} ({', '.join(parts) or 'none'}), and attributes "
            f"that it gets right less often than that ({', '.join(told) or 'none'}).")


def training(rows):
    """How much the merge's networks and the joint one have learnt from, as a sentence."""
    by = {r.entry["group"]: r.entry.get("trained", 0) for r in rows if r.given == ALL}
    if "joint" not in by:
        return ""
    earlier = f", the four earlier ones {by['early'] / 1e6:.2f} million" if "early" in by else ""
    return (f"The joint network has seen {by['joint'] / 1e6:.2f} million pictures, the four that are merged "
            f"{by.get('unit', 0) / 1e6:.2f} million together{earlier}.")


def markdown(held, top, rows, portraits, sha):
    head = ["", *(AXES[axis] for axis in SHORT)]
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(head)]
    for r in top + rows:
        scores = r.seen.scores()
        cells = [r.name]
        for axis in SHORT:
            text = number(scores.get(axis), min(2, DIGITS.get(axis, 2))).replace("<small>", "(").replace("</small>", ")")
            cells.append(text.replace("&ndash;", "-") if axis not in GIVEN_BY or GIVEN_BY[axis] in r.given else "")
        lines.append(f"| {' | '.join(cells)} |")
    return (f"Of {portraits} held-out portraits, with 95% intervals; networks {sha[:8]}. "
            f"{left_out(held)} {training(rows)}".rstrip() + "\n\n" + "\n".join(lines))


def image(tiles, alt):
    """Tiles [64,64,3] side by side as an <img> with a palette, twice as large."""
    strip = np.concatenate([np.pad(t, ((0, 0), (0, 2), (0, 0)), constant_values=255) for t in tiles], 1)
    out = io.BytesIO()
    Image.fromarray(strip).quantize(128).save(out, "PNG", optimize=True)
    data = base64.b64encode(out.getvalue()).decode()
    return f'<img alt="{html.escape(alt)}" width="{2 * strip.shape[1]}" src="data:image/png;base64,{data}">'


def colours(masks):
    """A mask as a picture, in the colours of the dataset's own files."""
    palette = np.array([(214, 226, 240), (244, 199, 161), (124, 78, 46), (64, 44, 34), (46, 110, 210), (222, 140, 90),
                        (206, 60, 86), (34, 34, 44), (168, 118, 72), (226, 170, 20), (150, 80, 200)], np.uint8)
    return palette[masks]


def grids(held, rows, common):
    """Of the first portraits: what was given, and what every row's first seeds made of it."""
    out = []
    for i in common[:GRIDS]:
        ink = np.repeat(255 - np.asarray(held.split.ink[i])[..., None], 3, -1)
        out.append(f"<h3>{held.split.seeds[i]}</h3><p>{html.escape(held.captions[i])}</p>")
        out.append(image([held.split.pictures[i], ink, colours(held.masks[i])], "real picture, sketch, mask"))
        out.append("<table>")
        for r in rows:
            if i in r.pictures:
                shown = [r.pictures[i][s] for s in sorted(r.pictures[i])[:SEEDS]]
                out.append(f"<tr><td>{r.name}</td><td>{image(shown, r.name)}</td></tr>")
        out.append("</table>")
    return "".join(out)


def diversities(held, rows):
    """One row a way to sample, over the portraits that all of them have whole."""
    whole = {r: {i for i, p in r.pictures.items() if len(p) >= r.entry["many_seeds"]} for r in rows if r.entry.get("many_seeds", 0) > 1}
    whole = {r: of for r, of in whole.items() if of}
    common = set.intersection(*whole.values()) if whole else ()
    lines = []
    for r in whole if common else ():
        d = diversity(held, {i: r.pictures[i] for i in common}, r.entry["many_seeds"])
        lines.append([r.name, number(d), str(r.entry["many_seeds"]), str(d[3])])
    return table(["", "mean distance", "samples of a portrait", "portraits"], lines) if lines else NOT_YET


def samplers(held, samples, index):
    """One row a sampler and budget, over the portraits that all of the budget have, and what the others differ by from the first."""
    lines = []
    cells = [(e, read_cell(samples, e, held)) for e in index if e["group"] == "sampler"]
    def budget(e):  # of steps; with correctors a few less are used
        return -(-(e["steps"] + e.get("corrector", 0) * (e["steps"] - 1)) // 10)

    for levels in sorted({budget(e) for e, _ in cells}):
        those = [(e, p) for e, p in cells if budget(e) == levels and p]
        common = sorted(set.intersection(*({i for i in p if len(p[i]) >= 2} for _, p in those))) if those else []
        first = None
        for e, pictures in those if common else ():
            name = e["sampler"] + (f", {e['corrector']} Langevin a level" if e.get("corrector") else "")
            both = [see(held, pictures, s).only(common) for s in (0, 1)]
            first = first or both
            scores = []
            for axis in (*ALL, "colour"):
                digits = DIGITS.get(axis, 3)
                scores.append(number(mean(both, axis), digits) + ("" if both is first else f"<br>{gain(paired(first, both, axis), digits)}"))
            apart = diversity(held, {i: pictures[i] for i in common}, 2)
            lines.append([str(e["evaluations"]), name, *scores, number(apart, 2), str(len(common))])
    head = ["network evaluations", "sampler", *ALL, "colour, levels", "distance of two seeds", "portraits"]
    return (table(head, lines) + "<p>With a sign: what differs from the first sampler of as many evaluations, portrait by portrait.</p>"
            if lines else NOT_YET)


def share(a, b):
    return f"{a / b:.2f}" if b > 0 else "&ndash;"


def aims(rows, ceiling):
    """What the aim asks: each axis of the merge of all three against the ceiling and, weights 1, the joint network, which has no others."""
    by = {r.entry["group"]: r for r in rows if r.given == ALL}
    lines = []
    for group in ("unit", "early", "best"):
        for axis in ALL if group in by else ():
            ones = np.ones(len(by[group].seen.portraits))
            ours, top = getattr(by[group].seen, axis)(ones), getattr(ceiling.seen, axis)(ones)
            of = ["not trained yet", ""] if "joint" not in by else ["&ndash;", ""] if group == "best" else [
                share(ours, getattr(by["joint"].seen, axis)(ones)), gain(paired([by["joint"].seen], [by[group].seen], axis))]
            lines.append([by[group].name.split(":")[0], axis, number((ours, np.nan)), share(ours, top), *of])
    head = ["", "axis", "score", "of the ceiling (aim: 0.90)", "of the joint network (aim: 0.95)", "less the joint network"]
    return table(head, lines) if lines else ""


def precision(rows):
    by = {r.entry["group"]: r for r in rows if r.given == ALL}
    if not {"unit", "float"} <= by.keys():
        return "<p>The f32 networks were not at hand.</p>"
    out = [[a, gain(d)] for a in ALL if (d := paired([by["float"].seen], [by["unit"].seen], a))]
    return table(["axis", "int8 less f32"], out) if out else "<p>Fewer than five portraits have both.</p>"


def by_attribute(rows, trusted):
    """What came true of each trusted attribute that sentences say, in rows where one was given, and of how many portraits."""
    lines = []
    for i, name in enumerate(ATTRIBUTES):
        if name in trusted:
            told = [(r.seen.right[:, i].sum(), r.seen.told[:, i].sum()) for r in rows]
            lines.append([name, *(f"{right / n:.2f} <small>of {n}</small>" if n else "" for right, n in told)])
    return table(["attribute", *(r.name for r in rows)], lines)


def judged(held):
    s = held.scores
    parts = [[n, f"{v:.3f}", "yes" if v >= TRUSTED else "no"] for n, v in s["parts"].items()]
    told = [[n, f"{v['accuracy']:.3f}", str(v["said"]), "yes" if v["accuracy"] >= TRUSTED else "no"]
            for n, v in s["attributes"].items()]
    return (table(["part", "IoU", "judges"], parts) + table(["attribute", "accuracy where said", "said", "judges"], told))


STYLE = """body{font:15px/1.45 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .7em;border-bottom:1px solid #ddd;text-align:left;vertical-align:middle}
small{color:#666}.dim{opacity:.45}img{image-rendering:pixelated;max-width:100%}"""


HEAD = f'<!doctype html><html lang="en"><meta charset="utf-8"><title>Experiments</title><style>{STYLE}</style>\n'


def page(held, samples, index):
    """The report, and the README's table: "" where only samplers were sampled."""
    rows, common, begun = collect(held, samples, index)
    if not rows and (alone := samplers(held, samples, index)) != NOT_YET:
        return f"{HEAD}<h1>Samplers at equal cost</h1>{alone}\n", ""
    if not common:
        raise SystemExit("no portrait has a picture in every column yet: sample on, then report again")
    main = [r for r in rows if r.entry["group"] != "float"]
    for r in main:
        r.seen = r.seen.only(common)
    top = borders(held, common)
    planned = max(r.entry["count"] for r in main)
    missing = [n for g, n in (("joint", "the joint network"), ("best", "best weights")) if g not in {r.entry["group"] for r in main}]
    missing += [f"{name} (begun)" for name in begun]
    sha = main[0].entry["sha256"]
    ranked, validated = chosen(held, samples, index)
    search = table(["score", "weights", "windows", "sketch", "mask", "text"], [
        [f"{s:.3f}", json.dumps(e.get("weights", {})), json.dumps(e.get("windows", {})), *(f"{by[a]:.3f}" for a in ALL)]
        for s, e, by in ranked]) if ranked else "<p>Not searched yet.</p>"
    trusted = [n for n, v in held.scores["attributes"].items() if v["accuracy"] >= TRUSTED]
    e = main[0].entry
    text = f"""{HEAD}<h1>Merging separately trained networks, measured</h1>
<p>{time.strftime("%Y-%m-%d")}. <b>{len(common)} of {planned} portraits</b> are in every column{"" if len(common) >= planned else
    ": this is a partial report, and intervals are wide or missing"}. {"Missing yet: " + " and ".join(missing) + "." if missing else ""}
Networks: bundle {sha[:16]}, {main[0].entry["dtype"]}; {e["sampler"]}, {e["steps"]} steps, 64x64, made by the engine, natively.
Small figures: 95% bootstrap intervals over portraits, from five portraits on. Grey: the condition was not given.</p>
<h2>Obedience</h2>{main_table(top + main)}<p>{training(main)}</p>
<ul><li>sketch: edges of the picture (Sobel, thinned) against the given lines, F1 at 1 pixel of tolerance; chamfer: mean distance.
No judge is asked.</li>
<li>mask: mean IoU of the parts that the judge finds, of {html.escape(", ".join(LABELS[i] for i in held.parts)) or "none"}.</li>
<li>text: share of right values among those that the sentence says, of {html.escape(", ".join(trusted)) or "none"}.</li>
<li>colour: mean distance of the colours of 8x8 cells from the given ones, in levels of 255.</li>
<li>Fr&eacute;chet (from 70 portraits on) and kernel distance: of the judge's {FEATURES} features, each in deviations of
{REFERENCE.stop - REFERENCE.start} other held-out pictures and within their range, to these. Not to be compared with distances on Inception features.</li></ul>
<h2>Sentences, attribute by attribute</h2>{by_attribute([r for r in main if r.given == ["text"] or r.given == ALL], trusted)}
<h2>Aim</h2>{aims(main, top[0])}
<h2>Variety</h2>{diversities(held, rows)}<p>Mean distance of the judge's features between two samples of one portrait's conditions.
Between two real portraits it is {spread(held.reference):.2f}.</p>
<h2>int8 and f32</h2>{precision(rows)}
<h2>Samplers at equal cost</h2>{samplers(held, samples, index)}
<h2>Weights</h2><p>Searched on {len(validated)} other portraits with seeds of their own; score: mean share of the ceiling.</p>{search}
<h2>The judge</h2><p>One small network, trained on the builder's labels of {held.scores["pictures_seen"]} pictures of the training
splits, never on samples; below, on {held.scores["pictures"]} held-out real pictures. Parts of which its IoU, and attributes of which
its accuracy is below {TRUSTED} it does not judge: they are left out everywhere above, because they cover too few pixels at
64x64, or because the judge did not learn them.</p>{judged(held)}
<h2>Pictures</h2><p>The first portraits, the first seeds, none picked by hand.</p>{grids(held, rows, common)}
"""
    brief = [r for r in main if r.given == ALL or r.entry["group"] in ("single", "unit", "page")]
    return text, markdown(held, top, brief, len(common), sha)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("data", "samples", "judge", "out"):
        p.add_argument("--" + name, required=True)
    p.add_argument("--readme", help="file whose table is replaced, between the two marks")
    a = p.parse_args()
    text, short = page(Held(a.data, a.judge), a.samples, read_index(a.samples))
    with open(a.out, "w", encoding="utf-8") as f:
        f.write(text)
    if a.readme and short:
        put(a.readme, "experiments", short)
    print(short)
    print(f"{a.out}: {os.path.getsize(a.out) / 2**10:.0f} KiB")


if __name__ == "__main__":
    main()
