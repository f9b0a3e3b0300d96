"""Trains networks side by side on one GPU, which a single one of this size does not fill.

    (cd ../dataset && npm ci)
    for n in none text sketch mask colour; do node ../dataset/build.mjs --split $n --packed --out data; done &
    go run ../cmd/bundle export ../bundles/avatars --network none=start/none/export   # and so for the others: to train on from
    python -m together --data data --start start --runs runs --minutes 9

Every network is a `python -m train` of its own, begins when its splits are complete, and ends, annealed and saved, when
--minutes have passed since this began; run once more, they go on for as long again. RUNS/<network>/train.log has what each says. On an H200 with 16 cores a split
of 60,000 portraits takes 40 seconds, and four networks saw 2,200 to 5,200 pictures a second each, after 80 seconds in which
they were compiled.
"""

import argparse
import csv
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from nets import JOINT, JOINT_SPATIAL, MODALITIES, reads_text

LOADING = 20  # seconds that a process takes before its --minutes begin, and after them to save
LEAST = 60  # seconds below which nothing is begun


def splits(network):
    return ("none", *JOINT_SPATIAL, "text") if network == JOINT else (network,)


def start(folder, network):
    """The run that a network starts from: its own; a joint one that has none yet, that for text."""
    own = os.path.join(folder, network)
    return os.path.join(folder, "text") if network == JOINT and not os.path.exists(own) else own


def command(network, a, seconds):
    # At three quarters of it, in bf16, the losses of text were not finite after 100 steps; at a quarter, in f32, they fell.
    rate = a.rate / 2 if reads_text(network) else a.rate
    return [sys.executable, "-m", "train", "--network", network,
            "--data", *(os.path.join(a.data, s) for s in splits(network)),
            "--out", os.path.join(a.runs, network), "--rate", str(rate), "--batch", str(a.batch),
            "--minutes", f"{seconds / 60:.2f}", "--threads", "2",
            *(("--init", start(a.start, network)) if a.start else ())]


def trained(folder):
    """Seconds that a run has taken so far, which --minutes counts in."""
    if not os.path.exists(os.path.join(folder, "checkpoint.pt")):
        return 0.0
    with open(os.path.join(folder, "log.csv"), encoding="utf-8") as f:  # of what was logged, what was saved has a validation
        return max((float(row["seconds"]) for row in csv.DictReader(f) if row["validation"]), default=0.0)


def train(network, a, end):
    """Waits for the splits and trains until the end, in time.monotonic(); returns what went wrong, or nothing."""
    folder = os.path.join(a.runs, network)
    os.makedirs(folder, exist_ok=True)
    while not all(os.path.exists(os.path.join(a.data, s, "captions.jsonl")) for s in splits(network)):
        if end - time.monotonic() < LEAST:
            return f"{a.data} does not have {' and '.join(splits(network))} in time"
        time.sleep(0.5)
    left = end - time.monotonic() - LOADING
    if left < LEAST - LOADING:
        return f"{left:.0f} s are too few to train in"
    seconds = trained(folder) + left
    with open(os.path.join(folder, "train.log"), "a", encoding="utf-8") as log:
        status = subprocess.run(command(network, a, seconds), stdout=log, stderr=subprocess.STDOUT).returncode
    return f"exit status {status}, see {log.name}" if status else None


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--data", required=True, help="folder of the splits, which may still be growing")
    p.add_argument("--start", help="folder of the runs to train on from; without it all begin from nothing")
    p.add_argument("--runs", required=True)
    p.add_argument("--minutes", type=float, required=True)
    p.add_argument("--networks", nargs="+", choices=(*MODALITIES, JOINT), default=(*MODALITIES, JOINT))
    p.add_argument("--batch", type=int, default=256)
    p.add_argument("--rate", type=float, default=16e-4, help="as --rate of train; half of it for networks that read text")
    a = p.parse_args()
    end = time.monotonic() + 60 * a.minutes
    with ThreadPoolExecutor(len(a.networks)) as pool:
        failures = list(pool.map(lambda n: train(n, a, end), a.networks))
    if any(failures):
        sys.exit("\n".join(f"{n} failed: {why}" for n, why in zip(a.networks, failures) if why))


if __name__ == "__main__":
    main()
