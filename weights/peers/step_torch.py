"""Times one composed step of the avatars' networks in PyTorch on a GPU: what WebGPU's kernels are compared with there.

    python step_torch.py NETWORKS [--seconds N] [--ways REGEX] [--device cpu --quick]

NETWORKS holds the folders none, sketch, mask and text that `bundle export` wrote. A step is export.py's: four networks
and their merge, or the unconditional network alone. Each line is the median of many runs, each waited for, and how far
the result is from that of the first way, relative to its root mean square.

    eager      as it stands; f32 without TF32, with it, and autocast to 16 bits
    graph      the same recorded once as a CUDA graph and replayed: no launch costs the processor anything
    compiled   torch.compile, and its mode reduce-overhead, which records CUDA graphs

Compiling may take minutes: eager comes first, and after --seconds nothing more is begun, or waited for.
"""

import argparse
import contextlib
import os
import re
import sys
import threading
import time
import warnings

import torch

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from export import NETWORKS, Step, inputs
from nets import Network

WARM_UP, RUNS, SECONDS_EACH = 10, 50, 3.0


class Alone(torch.nn.Module):
    """The unconditional network's step, with the same arguments."""

    def __init__(self, step):
        super().__init__()
        self.none = step.none
        self.register_buffer("abar", step.abar)

    def forward(self, z, t, sketch, mask, text):
        abar = self.abar[t.long()].view(-1, 1, 1, 1)
        return abar.sqrt() * self.none(z, t).sample + (1 - abar).sqrt() * z


def tf32(allowed):
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed


def graph(module, args):
    """The module's launches as one CUDA graph; what replays it returns the same tensor every time."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(3):
            module(*args)
    torch.cuda.current_stream().wait_stream(side)
    recorded = torch.cuda.CUDAGraph()
    with torch.cuda.graph(recorded):
        out = module(*args)

    def replay(*_):
        recorded.replay()
        return out

    return replay


class Bench:
    def __init__(self, device, quick, seconds, ways):
        self.cuda, self.quick, self.ways = device == "cuda", quick, ways
        self.deadline = time.monotonic() + seconds
        self.reference = {}
        # A compiler cannot be asked to stop.
        stop = threading.Timer(seconds, self.give_up)
        stop.daemon = True
        stop.start()

    def give_up(self):
        print("the time is up", flush=True)
        os._exit(0)

    def wait(self):
        if self.cuda:
            torch.cuda.synchronize()

    def run(self, way, make, args, size, allow_tf32=False, dtype=None):
        """Prints one line. make gives what is called with args."""
        name = f"torch {way} {size}"
        if time.monotonic() > self.deadline or not re.search(self.ways, way):
            return
        tf32(allow_tf32)
        auto = torch.autocast("cuda" if self.cuda else "cpu", dtype=dtype) if dtype else contextlib.nullcontext()
        warm, runs = (1, 3) if self.quick else (WARM_UP, RUNS)
        try:
            begin = time.perf_counter()
            with auto:  # around all runs: it keeps the weights that it rounded
                call = make()
                for _ in range(warm):
                    out = call(*args)
                self.wait()
                ready = time.perf_counter() - begin
                took, end = [], time.perf_counter() + SECONDS_EACH
                while len(took) < runs or not self.quick and len(took) < 10 * runs and time.perf_counter() < end:
                    start = time.perf_counter()
                    out = call(*args)
                    self.wait()
                    took.append(time.perf_counter() - start)
            out = out.double().cpu()
            want = self.reference.setdefault(size, out)
            off = ((out - want).abs().max() / want.pow(2).mean().sqrt()).item()
            took.sort()
            print(f"{name} {1e3 * took[len(took) // 2]:.3f} ms  (least {1e3 * took[0]:.3f}, {len(took)} runs, "
                  f"differs by {off:.1e}, ready after {ready:.1f} s)", flush=True)
        except Exception as e:  # the other ways are still worth their lines
            print(f"{name} failed: {type(e).__name__}: {str(e).strip().splitlines()[:1]}", flush=True)


@torch.no_grad()
def main():
    p = argparse.ArgumentParser()
    p.add_argument("networks")
    p.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    p.add_argument("--seconds", type=float, default=180)
    p.add_argument("--ways", default="", help="a regular expression: of the ways above only those; differences are from the first of them")
    p.add_argument("--quick", action="store_true", help="three runs each, to see that it works")
    o = p.parse_args()
    warnings.filterwarnings("ignore")

    bench = Bench(o.device, o.quick, o.seconds, o.ways)
    networks = {m: Network.load(os.path.join(o.networks, m)) for m in NETWORKS}
    x = inputs(networks)
    step = Step(networks).eval()
    modules = {4: step.to(o.device), 1: Alone(step).to(o.device)}
    torch.backends.cudnn.benchmark = True
    if bench.cuda:
        print(f"torch {torch.__version__} on {torch.cuda.get_device_name()}", flush=True)

    def case(networks, batch):
        args = [v.to(o.device).repeat(batch, *[1] * (v.dim() - 1)) for v in x.values()]
        return modules[networks], args, f"networks={networks} batch={batch}"

    sizes = [(4, 1), (1, 1), (4, 4), (1, 4)]
    for size in sizes:
        module, args, name = case(*size)
        bench.run("eager f32", lambda: module, args, name)
        bench.run("eager tf32", lambda: module, args, name, allow_tf32=True)
        bench.run("eager bf16", lambda: module, args, name, allow_tf32=True, dtype=torch.bfloat16)
        if bench.cuda:
            bench.run("eager fp16", lambda: module, args, name, allow_tf32=True, dtype=torch.float16)
            bench.run("graph f32", lambda: graph(module, args), args, name)
            bench.run("graph tf32", lambda: graph(module, args), args, name, allow_tf32=True)
    for size in sizes[1:2] if o.quick else sizes:
        for way, mode in ("compiled f32", None), ("compiled reduce-overhead f32", "reduce-overhead"):
            module, args, name = case(*size)
            bench.run(way, lambda: torch.compile(module, mode=mode, dynamic=False), args, name)


if __name__ == "__main__":
    main()
    os._exit(0)  # not to wait for the compiler's processes
