"""What each bundle of the repository's history made of the same inputs: a grid of pictures over time.

    python -m history --data ../dataset/out/test --out history.jpg

A row is a commit that changed the bundle, the oldest first, and the first row what is asked for: held-out portraits. The
engine samples, so Go is needed; seeds and settings are the same in all rows, and the portraits the first of the split.
"""

import argparse
import json
import os
import re
import subprocess
import tempfile

from PIL import Image, ImageDraw

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
BUNDLE = "weights/bundles/avatars"
SCALE, GAP, LABEL, HEAD = 2, 4, 150, 34
# How many portraits of each combination.
COLUMNS = [("nothing", [], 2), ("text", ["text"], 3), ("sketch + mask + text", ["sketch", "mask", "text"], 5)]
STEPS, SEED = 20, 1


def git(*args, **options):
    return subprocess.run(["git", "-C", REPOSITORY, *args], check=True, capture_output=True, **options).stdout


def portraits(data, count):
    with open(os.path.join(data, "captions.jsonl"), encoding="utf-8") as f:
        return sorted(map(json.loads, f), key=lambda p: p["seed"])[:count]


def settings():
    """How the page samples unless it is told otherwise: each input's weight and the part of the way after which it lets go."""
    with open(os.path.join(REPOSITORY, "wasm", "index.html"), encoding="utf-8") as f:
        cards = re.findall(r'id="card-(\w+)" data-weight="([\d.]+)" .*data-end="(\d+)"', f.read())
    return {name: ["--weight", f"{name}={weight}", "--window", f"{name}=0:{int(end) / 100}"] for name, weight, end in cards}


def sample(mcdm, bundle, data, portrait, take, page, seed, out):
    given = {"sketch": os.path.join(data, "sketches", f"{portrait['seed']}.png"),
             "mask": os.path.join(data, "masks", f"{portrait['seed']}.png"), "text": portrait["caption"]}
    command = [mcdm, "sample", "--bundle", bundle, "--steps", str(STEPS), "--seed", str(seed), "--out", out]
    for what in take:
        command += [f"--{what}", given[what], *page[what]]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return Image.open(out).convert("RGB")


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="the held-out split")
    p.add_argument("--out", required=True, help="the JPEG to write")
    a = p.parse_args()

    commits = [line.split(maxsplit=1) for line in git("log", "--reverse", "--format=%h %as", "--", BUNDLE, text=True).splitlines()]
    page = settings()
    asked = portraits(a.data, max(n for _, _, n in COLUMNS))
    side = 64 * SCALE
    width = LABEL + sum(n * (side + GAP) + GAP for _, _, n in COLUMNS)
    grid = Image.new("RGB", (width, HEAD + (len(commits) + 1) * (side + GAP)), "white")
    draw = ImageDraw.Draw(grid)

    def row(number, label, picture):
        top = HEAD + number * (side + GAP)
        draw.text((GAP, top + side // 2 - 12), label, fill="black")
        left = LABEL
        for name, take, n in COLUMNS:
            if number == 0:
                draw.text((left, 10), name, fill="black")
            for k in range(n):
                shown = picture(take, k)
                if shown:
                    grid.paste(shown.resize((side, side), Image.LANCZOS), (left, top))
                left += side + GAP
            left += GAP

    row(0, "held out", lambda take, k: take and Image.open(os.path.join(a.data, "pictures", f"{asked[k]['seed']}.png")).convert("RGB"))
    with tempfile.TemporaryDirectory() as scratch:
        mcdm = os.path.join(scratch, "mcdm")
        subprocess.run(["go", "build", "-o", mcdm, "./engine/cmd/mcdm"], check=True, cwd=REPOSITORY)
        for number, (commit, date) in enumerate(commits, 1):
            folder = os.path.join(scratch, commit)
            os.mkdir(folder)
            subprocess.run(["tar", "-x", "-C", folder], input=git("archive", commit, BUNDLE), check=True)
            row(number, f"{date}\n{commit}", lambda take, k: sample(
                mcdm, os.path.join(folder, BUNDLE), a.data, asked[k], take, page, SEED + k, os.path.join(scratch, "sample.png")))
            print(commit, date, flush=True)
    grid.save(a.out, quality=88)


if __name__ == "__main__":
    main()
