"""What the networks of some runs cost and how far they have learnt: a table, and curves of the losses.

    python -m table runs/none runs/sketch runs/mask runs/text runs/colour runs/upscale --out NETWORKS.md

Puts the table between the marks of OUT, whose other text stays, and writes curves.svg beside it. Validation is the trainer's:
its own pictures, t and noise, whole conditions; what networks of different kinds say of different things does not compare.
"""

import argparse
import csv
import json
import os

import matplotlib
import torch
from torch.utils.flop_counter import FlopCounterMode

from data import lineage
from marks import put
from nets import CONDITION_CHANNELS, IMAGE_SIZE, JOINT, LATENT, UNSHUFFLE, Network, reads_text
from tokenizer import LENGTH
from upscaler import UPSCALE, Upscaler

matplotlib.use("svg")
matplotlib.rcParams["svg.hashsalt"] = "mcdm"  # the same curves make the same file
from matplotlib import pyplot  # noqa: E402

ABOUT = """They predict v (Salimans and Ho 2022) on 64x64 portraits, laid out as 12 channels of 32x32: T = 1000, linear beta from 1e-4 to .02,
Min-SNR weights of 5, EMA of .999. *Seen before*: in the runs that this one started from. *Validation*: the loss of the EMA weights on the
last 256 portraits of the split; networks of different inputs do not compare. The upscaler predicts the picture, and its loss is
another one."""


def cost(modality, vocabulary):
    """Parameters, and floating-point operations of one evaluation for one picture, of a network as the trainer makes it."""
    if modality == UPSCALE:
        network = Upscaler().eval()
        size = network.unet.config.sample_size
        inputs = torch.zeros(1, network.unet.config.out_channels, size, size), torch.zeros(1, 3, size, size)
        call = lambda: network(inputs[0], torch.tensor([0]), inputs[1])
    else:
        network = Network(modality, vocabulary).eval()
        size = IMAGE_SIZE // UNSHUFFLE
        spatial = torch.zeros(1, CONDITION_CHANNELS[modality], size, size) if CONDITION_CHANNELS[modality] else None
        ids = torch.zeros(1, LENGTH, dtype=torch.long) if reads_text(modality) else None
        condition = (spatial, ids) if modality == JOINT else spatial if ids is None else ids
        call = lambda: network(torch.zeros(1, LATENT, size, size), torch.tensor([0]), condition)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return sum(p.numel() for p in network.parameters()), counter.get_total_flops()


def read(run):
    """A run's network, what it had seen before, its log ([pictures, loss, validation or None]) and its minutes."""
    with open(os.path.join(run, "export", "mcdm.json"), encoding="utf-8") as f:
        modality = json.load(f)["modality"]
    vocabulary = None
    words = os.path.join(run, "export", "text_encoder", "vocab.txt")
    if os.path.exists(words):
        with open(words, encoding="utf-8") as f:
            vocabulary = f.read().splitlines()
    with open(os.path.join(run, "log.csv"), encoding="utf-8") as f:
        rows = list(csv.DictReader(f))
    log = [(int(r["pictures"]), float(r["loss"]), float(r["validation"]) if r["validation"] else None) for r in rows]
    before = sum(r["pictures_seen"] for r in lineage(os.path.join(run, "export"))[1:])
    return modality, vocabulary, before, log, float(rows[-1]["seconds"]) / 60


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("runs", nargs="+", help="folders of train.py")
    p.add_argument("--out", required=True, help="Markdown with the marks <!-- table: begin --> and <!-- table: end -->")
    a = p.parse_args()
    lines = ["| network | parameters | GFLOP an evaluation | pictures seen before | in this run | in minutes | validation at its first checkpoint "
             "| at its last |", "|---|---|---|---|---|---|---|---|"]
    figure, panels = pyplot.subplots(2, -(-len(a.runs) // 2), figsize=(9, 5), squeeze=False)
    for panel in panels.flat[len(a.runs):]:
        panel.remove()
    for run, panel in zip(a.runs, panels.flat):
        modality, vocabulary, seen, log, minutes = read(run)
        parameters, operations = cost(modality, vocabulary)
        validated = [(n, v) for n, _, v in log if v is not None]
        lines.append(f"| {modality} | {parameters / 1e6:.2f} M | {operations / 1e9:.2f} | {seen:,} | {log[-1][0]:,} | {minutes:.0f} | "
                     f"{validated[0][1]:.4f} | {validated[-1][1]:.4f} |")
        panel.plot([(seen + n) / 1000 for n, _, _ in log], [loss for _, loss, _ in log], color="#bbbbbb", linewidth=0.7)
        panel.plot([(seen + n) / 1000 for n, _ in validated], [v for _, v in validated], color="#1f77b4", marker=".", markersize=3)
        panel.set_title(modality, fontsize=9)
        panel.tick_params(labelsize=7)
    figure.supxlabel("thousand pictures seen", fontsize=8)
    figure.supylabel("loss: training (gray), validation (blue)", fontsize=8)
    figure.tight_layout()
    figure.savefig(os.path.join(os.path.dirname(a.out), "curves.svg"), metadata={"Date": None})
    put(a.out, "table", f"{ABOUT}\n\n" + "\n".join(lines))


if __name__ == "__main__":
    main()
