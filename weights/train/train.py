r"""Trains one network on one split, alone.

    cd weights/train && pip install -r requirements.txt
    python -m train --network none   --data ../dataset/out/none   --out runs/none --minutes 30
    python -m train --network sketch --data ../dataset/out/sketch --out runs/sketch --init runs/none --minutes 30
    python -m train --network upscale --data ../dataset/out/upscale --out runs/upscale --minutes 60
    python -m sample runs/none/export runs/sketch/export --data ../dataset/out/test --out grid.png

What sentences say of small things a network that had seen two million pictures ignored. It learns to hear it from sentences about
few things at first, at the full learning rate, and from all of them at the end:

    go="python -m train --network text --data ../dataset/out/text --out runs/words --init runs/text"
    timeout 50m $go --only attention --minutes 400 --words .7
    timeout  4m $go --only attention --minutes 400 --words .9 --about mouth
    timeout  7m $go --only attention --minutes 400 --words .9 --about mouth eyebrows eyes eyes_color
    timeout  9m $go --only attention --minutes 400 --words .9 --about mouth eyebrows eyes eyes_color glasses glasses_kind glasses_color \
      earrings earrings_color freckles flowers flowers_color hair_style hair_color hair_shape hair_length
    $go --minutes 119 --words .5

In long sentences, which say eight things, it needs the same once more: only the small words weigh, whatever else is said. The
shipped network had some hours of that on two cores first; a few minutes on a GPU then brought more:

    go="python -m train --network text --data ../dataset/out/text --batch 256 --rate 6e-4"
    $go --out runs/small --init runs/words --minutes 2 --words .9 --hear mouth eyebrows eyes glasses_kind
    $go --out runs/heard --init runs/small --minutes 3 --words .3

What the merge is compared with is one network that learns all conditions at once, each left out now and then:

    python -m train --network joint --data ../dataset/out/none ../dataset/out/sketch ../dataset/out/mask ../dataset/out/text \
      --out runs/joint --init runs/none --minutes 90

The same command trains on a CPU or a CUDA device; together.py trains several networks side by side on one. It trains in several
processes too, which average their gradients, with `python -m torch.distributed.run --nproc-per-node 2 -m train ... --threads 1`:
on shared CPU cores that is much faster than two threads, which wait for each other at every operation instead of once a step.
The learning rate follows the share of --minutes that has passed, so that a run ends annealed whatever the speed of the machine.
A run that is stopped (Ctrl-C, SIGTERM) leaves a checkpoint, and the same command resumes it; with a larger --minutes it goes on.
OUT/log.csv has the losses, OUT/export the EMA weights as a diffusers folder, rewritten at each checkpoint.

The networks predict v = sqrt(abar) eps - sqrt(1 - abar) x (Salimans and Ho 2022), from which eps = sqrt(abar) v +
sqrt(1 - abar) z follows exactly: the merge is of noise predictions all the same. Predicting eps itself, a network of this
size spent thousands of steps on passing the noise through, and at high t, where conditions decide the most, what they
decide was a fiftieth of the error: after 6,000 pictures texts and masks were still ignored. The loss is the squared error
with Min-SNR weights (Hang et al. 2023, gamma 5, on SNR + 1, which is what v weighs by itself).
"""

import argparse
import copy
import csv
import math
import os
import signal
import sys
import time

import numpy as np
import torch
import torch.distributed as dist

from data import Split, leak, lineage, ranges
from nets import JOINT, LATENT, MODALITIES, PARTS, SCHEDULE, UNSHUFFLE, Network, alphas_cumprod, move, reads_text
from tokenizer import Tokenizer
from upscaler import UPSCALE, LargeSplit, Upscaler

GAMMA, EMA = 5.0, 0.999
WARMUP = 30  # steps
# Weights that only the condition uses start from nothing in a trained network: they learn this much faster.
TEXT_RATE, SPATIAL_RATE = 3.0, 6.0
# Colours and layout, most of what a text or dabs of colour say, are decided at high t: of such a network's t, half lie above
# T (1 - 2^-FOCUS). 1, of all others, is uniform.
FOCUS = dict.fromkeys(("text", "colour"), 1.5)
CONSTANT = 0.4  # share of the time at the full learning rate, before it falls linearly


def arguments():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--network", required=True, choices=(*MODALITIES, UPSCALE, JOINT))
    p.add_argument("--data", required=True, nargs="+", help="a split's folder; several are joined")
    p.add_argument("--out", required=True, help="the run's folder")
    p.add_argument("--init", help="start from this run: the unconditional network's, or an earlier one of the same")
    p.add_argument("--follow", nargs=3, metavar=("NEW", "OLD", "SHARE"),
                   help="with --init of an earlier run of the same: add this share of what the unconditional network has learnt "
                        "from run OLD to run NEW; OLD is what the earlier run started from")
    p.add_argument("--minutes", type=float, required=True, help="time budget, earlier parts of the run counted in")
    p.add_argument("--rate", type=float, default=6e-4, help="peak learning rate; half of it when starting from --init")
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--threads", type=int, default=0, help="CPU threads, 0 = all")
    p.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    p.add_argument("--precision", choices=("auto", "f32", "bf16"), default="auto",
                   help="of convolutions and matrix products; auto is bf16 where the processor has it, on CUDA but for networks "
                        "that read text: their losses were not finite after 100 steps on an H200, in f32 they fell")
    p.add_argument("--only", choices=PARTS,
                   help="train the layers of the coarsest grid alone, or attention, and the text encoder: faster, for what is decided there")
    p.add_argument("--words", type=float, default=0, metavar="SHARE",
                   help="of a text network's loss: shared alike by the words of the sentence, each where pictures show it (default 0: "
                        "what a word is about counts by its pixels, a mouth a hundredth of what hair does); t is uniform then")
    p.add_argument("--about", nargs="+", metavar="ATTRIBUTE",
                   help="of a text network's data: only sentences that say nothing but these (mouth, eyebrows, ...: `said` in captions.jsonl), and "
                        "the pictures that have one")
    p.add_argument("--hear", nargs="+", metavar="ATTRIBUTE",
                   help="of --words: only the words for these share it, whatever else a sentence says")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--log-seconds", type=float, default=30)
    p.add_argument("--save-seconds", type=float, default=300, help="between checkpoints, each with a validation")
    a = p.parse_args()
    if a.network == UPSCALE and len(a.data) > 1:
        p.error(f"--network {UPSCALE} takes one folder of --data")
    if not 0 <= a.words < 1:
        p.error(f"--words {a.words}: want a share from 0 to below 1")
    if a.words and a.network != "text":
        p.error(f"--words is for --network text, not for {a.network}")
    if a.about and a.network != "text":
        p.error(f"--about is for --network text, not for {a.network}")
    if a.hear and not a.words:
        p.error("--hear needs --words: the share of the loss that is theirs")
    if a.follow and not a.init:
        p.error("--follow needs --init: an earlier run of the same network")
    return a


def learning_rate(step, share):
    """Factor of the peak: warm-up by steps, then by the share of the time budget: constant, then down to 1%."""
    fall = min(1.0, (1 - share) / (1 - CONSTANT))
    return min(1.0, (step + 1) / WARMUP) * max(0.01, fall)


SIGMAS, SEEN = 5.0, 20  # beyond chance, and pictures with a word, from which on a word is believed to show somewhere


@torch.no_grad()
def shown(split, tokenizer, pictures=12000):
    """Where pictures show each word: weights of pixels, unshuffled as z, [V, 12 h w], of mean 1; zeros where it shows nowhere.

    A word shows where the mean of the pictures that have it in a sentence lies further from the mean of all than chance makes it,
    and weighs there by the square. Words that nearly all have (a, with) show nowhere.
    """
    n = min(pictures, len(split))
    ids, first, whole, details = split.ids(tokenizer)
    has = torch.zeros(n, len(tokenizer))
    for i in range(n):
        has[i, ids[first[i] : first[i] + whole[i] + details[i]].flatten()] = 1
    many = has.sum(0)
    sums, mean, square = 0, 0, 0
    for i in range(0, n, 500):
        x = split.rows("pictures", np.arange(i, min(i + 500, n))).cpu().float() / 127.5 - 1
        sums = sums + torch.einsum("nv,nhwc->vhwc", has[i : i + 500], x)
        mean, square = mean + x.sum(0) / n, square + x.square().sum(0) / n
    each = many.clamp(min=1)[:, None, None, None]
    off = (sums / each - mean).square().mean(3)
    chance = ((square - mean.square()) * (1 / each - 1 / n)).mean(3)
    believed = (many >= SEEN) & (many < 0.9 * n)
    off = (off - chance).where((off > SIGMAS**2 * chance) & believed[:, None, None], torch.zeros(()))
    off = off / off.mean((1, 2), keepdim=True).clamp(min=1e-12)
    return torch.nn.functional.pixel_unshuffle(off[:, None].expand(-1, LATENT // UNSHUFFLE**2, -1, -1), UNSHUFFLE).flatten(1)


class Trainer:
    """The state of a run: networks, optimizer, counters and random generators."""

    def __init__(self, network, split, device="cpu", bf16=False, batch=32, seed=0, rate=6e-4, words=0.0, hear=None):
        """hear: of the tokenizer's words those that share `words` of the loss, None: all."""
        self.rank, self.world = (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)
        seed += self.rank * 1000003  # each process draws its own pictures, t and noise
        self.device, self.bf16, self.batch, self.split = torch.device(device), bf16, batch, split.to(device)
        # NHWC is what CUDA's tensor cores want; on CPUs NCHW was 1.2 times faster.
        self.layout = torch.channels_last if self.device.type == "cuda" else torch.contiguous_format
        self.words, self.shown = words, shown(split, network.tokenizer).to(self.device) if words else None
        if words and hear is not None:
            self.shown[[w not in hear for w in network.tokenizer.vocabulary]] = 0
        self.network = network.to(self.device, memory_format=self.layout).train()
        self.ema = copy.deepcopy(self.network).eval().requires_grad_(False)
        self.ema.tokenizer = self.network.tokenizer  # the very same: the split keeps what it gave
        if self.device.type == "cuda":
            self.network.compile()
        fresh = [p for n, p in self.network.named_parameters() if reads_text(network.modality) and
                 (n.startswith("text_encoder.") or ".attentions." in n)]
        known = {id(p) for p in fresh}
        groups = [{"params": [p for p in self.network.parameters() if id(p) not in known], "factor": 1.0}]
        if fresh:
            groups.append({"params": fresh, "factor": TEXT_RATE})
        self.optimizer = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
        self.rate = rate
        weight = self.network.unet.conv_in.weight.data
        self.condition = weight[:, :0] if network.modality == UPSCALE else weight[:, LATENT:]
        self.step = self.pictures = 0
        self.seconds = 0.0
        self.rng = np.random.default_rng(seed)
        self.noise = torch.Generator(self.device).manual_seed(seed)
        self.order = np.empty(0, np.int64)
        abar = alphas_cumprod()
        self.a, self.s = (x.float().to(self.device) for x in (abar.sqrt(), (1 - abar).sqrt()))
        snr = abar / (1 - abar)
        self.weight = ((snr + 1).clamp(max=GAMMA) / (snr + 1)).float().to(self.device)

    def next_index(self, batch):
        """The next batch of a fresh random order of all training pictures."""
        if len(self.order) < batch:
            if len(self.split.trained) < batch:
                raise ValueError(f"{len(self.split)} pictures are too few: {self.split.validation} validate, of {len(self.split.trained)} "
                                 f"a batch of {batch} is to be trained on")
            self.order = self.rng.permutation(self.split.trained)
        index, self.order = np.sort(self.order[:batch]), self.order[batch:]
        return index

    def loss(self, network, index, t, generator, rng=None, part=False):
        """Error of each picture: [B]; with rng, as in training, of varied conditions; with part, of a random part of each."""
        x, condition = self.split.examples(network, index, rng, part)
        x = x.to(self.device)
        if condition is not None:
            condition = move(condition, self.device)
        eps = torch.randn(x.shape, generator=generator, device=self.device)
        a, s = self.a[t][:, None, None, None], self.s[t][:, None, None, None]
        z = (a * x + s * eps).contiguous(memory_format=self.layout)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            out = network(z, t, condition).float()
        if network.prediction_type == "sample":
            return (out - x).abs().mean((1, 2, 3))
        error = (out - (a * eps - s * x)).square()
        if rng is not None and self.shown is not None:
            error = self.by_word(condition).view_as(error) * error
        return self.weight[t] * error.mean((1, 2, 3))

    def by_word(self, ids):
        """Weights of mean 1 for the pixels of pictures with these sentences: [B, 12 h w]. ids: int64 [B,L].

        They depend on the sentence alone, not on the picture at hand: what the network predicts where the loss is least stays
        the mean of what is possible.
        """
        has = torch.zeros(len(ids), len(self.shown), device=ids.device).scatter_(1, ids, 1)
        words = has @ self.shown.any(1).float()[:, None]
        where = (has @ self.shown / words.clamp(min=1)).where(words > 0, torch.ones((), device=ids.device))
        return (1 - self.words) + self.words * where

    def train_step(self, share):
        part = share < CONSTANT
        index = self.next_index(self.batch if part else self.split.whole(self.batch))
        b, steps = len(index), SCHEDULE["num_train_timesteps"]
        # One u in each of B equal parts of 0..1: less variance than independent ones.
        u = torch.rand(b, generator=self.noise, device=self.device)
        u = (torch.arange(b, device=self.device) + u) / b
        u = 1 - (1 - u) ** (FOCUS.get(self.network.modality, 1.0) if self.shown is None else 1.0)
        t = (u * steps).long().clamp(max=steps - 1)
        t = t[torch.randperm(b, generator=self.noise, device=self.device)]
        loss = self.loss(self.network, index, t, self.noise, self.rng, part).mean()
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * group["factor"] * learning_rate(self.step, share)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.world > 1:
            self.average_gradients()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)
        before = self.condition.clone()  # empty without a spatial condition
        self.optimizer.step()
        self.condition.add_(self.condition - before, alpha=SPATIAL_RATE - 1)
        self.step += 1
        self.pictures += b * self.world
        decay = min(EMA, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.parameters()), list(self.network.parameters()), 1 - decay)
        return loss.detach()

    def average_gradients(self):
        grads = [p.grad for p in self.network.parameters() if p.grad is not None]
        flat = torch.cat([g.flatten() for g in grads])
        dist.all_reduce(flat)
        flat /= self.world
        torch._foreach_copy_(grads, [f.view_as(g) for g, f in zip(grads, flat.split([g.numel() for g in grads]))])

    def agree(self, seconds, stop):
        """What the first process counted in seconds, and whether any was told to stop."""
        if self.world == 1:
            return seconds, stop
        both = torch.tensor([seconds if self.rank == 0 else 0.0, float(stop)], dtype=torch.float64, device=self.device)
        dist.all_reduce(both)
        return both[0].item(), both[1].item() > 0

    @torch.no_grad()
    def validate(self):
        """Loss of the EMA weights on the held-back pictures, at fixed t and noise, whole conditions."""
        generator = torch.Generator(self.device).manual_seed(1)
        n, held, total = len(self.split), self.split.validation, 0.0
        t = torch.linspace(0, SCHEDULE["num_train_timesteps"] - 1, held, device=self.device).long()
        for i in range(0, held, 32):
            index = np.arange(n - held + i, n - held + i + 32)
            # Neighbouring pictures get distant t.
            ti = t[torch.arange(i, i + 32, device=self.device) * 37 % held]
            total += self.loss(self.ema, index, ti, generator).sum().item()
        return total / held

    def state(self):
        return {
            "network": self.network.state_dict(), "ema": self.ema.state_dict(),
            "optimizer": self.optimizer.state_dict(), "step": self.step, "pictures": self.pictures,
            "seconds": self.seconds, "order": torch.from_numpy(self.order.copy()),
            "rng": self.rng.bit_generator.state, "noise": self.noise.get_state(),
            "vocabulary": self.network.tokenizer.vocabulary if self.network.tokenizer else None,
        }

    def restore(self, state):
        self.network.load_state_dict(state["network"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.pictures, self.seconds = state["step"], state["pictures"], state["seconds"]
        if self.rank:  # the state is the first process's: others go on with numbers of their own
            self.rng = np.random.default_rng((self.rank, self.step))
            self.noise.manual_seed(self.rank * 1000003 + self.step)
            return
        order = state["order"].cpu().numpy()
        if np.isin(order, self.split.trained).all():  # else it is of another split
            self.order = order
        self.rng.bit_generator.state = state["rng"]
        if state["noise"].numel() == self.noise.get_state().numel():  # another device's generator starts afresh
            self.noise.set_state(state["noise"].cpu())

    def save(self, folder, name, started_from=()):
        """started_from: the runs that made what this one started from (data.lineage)."""
        seeds, held = self.split.seeds, self.split.validation
        self.ema.export(os.path.join(folder, "export"), {
            "pictures_seen": self.pictures, "dataset": name, "seeds": ranges(seeds[self.split.trained]), "validation": ranges(seeds[-held:]),
            "terms": self.split.about["terms"], **({"started_from": started_from} if started_from else {})})
        # Last: a run whose time is over in its checkpoint has nothing left to do.
        path = os.path.join(folder, "checkpoint.pt")
        torch.save(self.state(), path + ".new")
        os.replace(path + ".new", path)


def processor_has_bf16():
    try:
        with open("/proc/cpuinfo") as f:
            return "avx512_bf16" in f.read()
    except OSError:
        return False


def main():
    a = arguments()
    if a.threads:
        torch.set_num_threads(a.threads)
    torch.manual_seed(a.seed)
    on_cuda = a.device.startswith("cuda")
    suits = not reads_text(a.network) if on_cuda else processor_has_bf16()
    bf16 = a.precision == "bf16" or a.precision == "auto" and suits
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = on_cuda
    os.makedirs(a.out, exist_ok=True)
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        dist.init_process_group("nccl" if on_cuda else "gloo")
        if on_cuda:
            torch.cuda.set_device(int(os.environ["LOCAL_RANK"]))

    checkpoint = os.path.join(a.out, "checkpoint.pt")
    state = torch.load(checkpoint, map_location=a.device, weights_only=False) if os.path.exists(checkpoint) else None
    export = os.path.join(a.out, "export")
    if state and os.path.exists(export):  # the run at --init may have gone on since
        own, *started_from = lineage(export)
    else:
        own, started_from = {}, lineage(os.path.join(a.init, "export")) if a.init else []
    split = LargeSplit(*a.data) if a.network == UPSCALE else Split(*a.data)
    if why := leak(split, [own, *started_from]):
        sys.exit(f"{', '.join(a.data)}: {why}")
    tokenizer = None
    if reads_text(a.network):
        earlier = a.init and os.path.join(a.init, "export", "text_encoder", "vocab.txt")
        if state:
            tokenizer = Tokenizer(state["vocabulary"])
        elif earlier and os.path.exists(earlier):
            tokenizer = Tokenizer.load(earlier)
        else:
            tokenizer = Tokenizer.build(split.sentences(-split.validation))
    hear = split.words_of(a.hear) if a.hear else None
    if a.about:
        split.tell_only(a.about)
    network = Upscaler() if a.network == UPSCALE else Network(a.network, tokenizer)
    if a.only:
        network.train_only(a.only)
    if state is None and a.init:
        taken, tensors = network.start_from(os.path.join(a.init, "export"))
        print(f"{a.init}: {taken} of {tensors} tensors taken", flush=True)
        if a.follow:
            new, old, share = a.follow
            network.follow(os.path.join(new, "export"), os.path.join(old, "export"), float(share))
    trainer = Trainer(network, split, a.device, bf16, a.batch, a.seed, a.rate / 2 if a.init else a.rate, a.words, hear)
    if state:
        trainer.restore(state)
    print(f"{a.network}: {sum(p.numel() for p in network.parameters()) / 1e6:.2f} M parameters, {len(split)} pictures, "
          f"{a.device}, {'bf16' if bf16 else 'f32'}, {torch.get_num_threads()} threads, from step {trainer.step}", flush=True)

    stop = []
    for s in (signal.SIGTERM, signal.SIGINT):
        signal.signal(s, lambda *_: stop.append(True))
    first = trainer.rank == 0
    log = open(os.path.join(a.out, "log.csv"), "a", newline="")
    rows = csv.writer(log)
    if first and log.tell() == 0:
        rows.writerow(["seconds", "step", "pictures", "learning_rate", "loss", "validation", "pictures_per_s"])

    budget, before = 60 * a.minutes, trainer.seconds
    start = now = time.monotonic()
    logged, saved, losses, seen = start, start, [], trainer.pictures
    ended = trainer.seconds >= budget
    while not ended:
        losses.append(trainer.train_step(trainer.seconds / budget))
        now = time.monotonic()
        trainer.seconds, told = trainer.agree(before + now - start, bool(stop))
        ended = told or trainer.seconds >= budget
        if not first:
            continue
        save = ended or now - saved >= a.save_seconds
        if save or now - logged >= a.log_seconds:
            loss = torch.stack(losses).mean().item()
            held = trainer.validate() if save else 0.0
            if not math.isfinite(loss + held):  # what is saved stays as it was
                raise FloatingPointError(f"loss is {loss}, of held-back pictures {held}, before step {trainer.step}: "
                                         "lower the learning rate")
            speed = (trainer.pictures - seen) / (now - logged)
            validation = f"{held:.5f}" if save else ""
            row = [f"{trainer.seconds:.0f}", trainer.step, trainer.pictures,
                   f"{trainer.optimizer.param_groups[0]['lr']:.2e}", f"{loss:.5f}", validation, f"{speed:.1f}"]
            rows.writerow(row)
            log.flush()
            print("{}s step {} pictures {} lr {} loss {} val {} {}/s".format(*row), flush=True)
            if save:
                names = [os.path.basename(d.rstrip("/")) for d in a.data]
                trainer.save(a.out, f"{split.about['name']}: {', '.join(names)}", started_from)
                saved = time.monotonic()
            logged, losses, seen = time.monotonic(), [], trainer.pictures
    log.close()
    if trainer.world > 1:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
