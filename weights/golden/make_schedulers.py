"""Makes schedulers.json: what the schedulers of diffusers do to a vector of 8 numbers, for samplers to be tested against.

    python make_schedulers.py

There is no network: eps_k(x) = 0.9 tanh(x_k) + 0.05 k for the numbers k = 0..7, and the noise of step s is
2 value("noise", 8 s + k). x_T is 2 value("x_T", k). The reference runs in float64, tables of the schedule included: in
float32, 1 - abar at t = 0 is off by 1e-4 of itself or more. Runs are those where diffusers' step leads from one timestep
to the next of its own list: DDIM always goes t - T // n, which differs from the list for "linspace" and where n does
not divide T. With variance_type "fixed_large" DDPM adds noise to the last step of "trailing"; those runs are left out.

DPM-Solver++ is DPMSolverMultistepScheduler with its defaults (solver_order 2, solver_type "midpoint", lower_order_final,
final_sigmas_type "zero") and algorithm_type "dpmsolver++" or "sde-dpmsolver++". It casts to float32 on its way; the
reference reads float64 there. It has no clip_sample: thresholding with sample_max_value 1 is the same.
"""

import json
from pathlib import Path

import numpy as np
import torch
from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler
from diffusers.schedulers import scheduling_ddim, scheduling_ddpm, scheduling_dpmsolver_multistep

from make_golden import value

T, BETA = 1000, (1e-4, 0.02)
K = 8
COUNTS = (1, 2, 4, 7, 10, 20, 30, 50, 1000)
NOISE = torch.from_numpy(2 * value("noise", T * K).astype(np.float64).reshape(T, K))
X_T = torch.from_numpy(2 * value("x_T", K).astype(np.float64))


def eps(x):
    return 0.9 * torch.tanh(x) + 0.05 * torch.arange(K, dtype=x.dtype)


def double(s):
    """The scheduler's tables in float64."""
    s.betas = torch.linspace(*BETA, T, dtype=torch.float64)
    s.alphas = 1 - s.betas
    s.alphas_cumprod = torch.cumprod(s.alphas, 0)
    s.one = s.final_alpha_cumprod = torch.tensor(1.0, dtype=torch.float64)
    return s


class Double:
    """A module in which float32 is float64."""

    def __init__(self, module):
        self.module, self.float32 = module, module.float64

    def __getattr__(self, name):
        return getattr(self.module, name)


def multistep(dtype, **config):
    """DPM-Solver++ that computes in a type throughout."""
    m = scheduling_dpmsolver_multistep
    m.torch, m.np = (Double(torch), Double(np)) if dtype == torch.float64 else (torch, np)
    return DPMSolverMultistepScheduler(**config)


def trajectory(s, n, dtype, **kwargs):
    """x after every step [n, K]."""
    s.set_timesteps(n)
    x, xs, step = X_T.to(dtype), [], 0

    def picture(v):
        return v[None, :, None]

    def noise(*_, **__):
        return picture(NOISE[step].to(dtype))

    for module in (scheduling_ddpm, scheduling_ddim, scheduling_dpmsolver_multistep):
        module.randn_tensor = noise
    for step, t in enumerate(s.timesteps):
        # A batch of one: model outputs of twice the channels would be split for a learned variance.
        x = s.step(picture(eps(x)), int(t), picture(x), **kwargs).prev_sample[0, :, 0]
        assert x.dtype == dtype and x.shape == (K,)
        xs.append(x)
    return torch.stack(xs).double()


def kept(n):
    """The first three steps, one in the middle and the last three, from 0."""
    return sorted({i for i in (0, 1, 2, n // 2, n - 3, n - 2, n - 1) if 0 <= i < n})


def run(kind, n, spacing, clip, eta=None, variance=None):
    config = dict(num_train_timesteps=T, beta_start=BETA[0], beta_end=BETA[1], beta_schedule="linear", clip_sample=clip,
                  timestep_spacing=spacing, steps_offset=0)
    kwargs = {}
    if "dpmsolver" in kind:
        del config["clip_sample"]
        config.update(algorithm_type=kind, thresholding=clip, sample_max_value=1)
        x = trajectory(multistep(torch.float64, **config), n, torch.float64)
        return record(kind, n, spacing, clip, x, trajectory(multistep(torch.float32, **config), n, torch.float32))
    if kind == "ddim":
        def make(): return DDIMScheduler(**config, set_alpha_to_one=True)
        kwargs["eta"] = eta
    else:
        def make(): return DDPMScheduler(**config, variance_type=variance)
    x = trajectory(double(make()), n, torch.float64, **kwargs)
    single = trajectory(make(), n, torch.float32, **kwargs)
    return record(kind, n, spacing, clip, x, single, eta, variance)


def record(kind, n, spacing, clip, x, single, eta=None, variance=None):
    off = ((x - single).square().mean().sqrt() / x.square().mean().sqrt()).item()
    at = kept(n)
    return dict(sampler=kind, steps=n, spacing=spacing, clip=clip, eta=eta or 0, variance=variance or "",
                f32_error=float(f"{off:.2g}"),
                at=at, x=[[float(f"{v:.10g}") for v in x[i].tolist()] for i in at])


def main():
    torch.set_num_threads(1)
    lists, runs = [], []
    for spacing in ("trailing", "leading", "linspace"):
        for n in COUNTS:
            s = DDIMScheduler(num_train_timesteps=T, timestep_spacing=spacing, steps_offset=0)
            s.set_timesteps(n)
            p = DDPMScheduler(num_train_timesteps=T, timestep_spacing=spacing, steps_offset=0)
            p.set_timesteps(n)
            assert s.timesteps.tolist() == p.timesteps.tolist()
            lists.append(dict(sampler="", spacing=spacing, steps=n, timesteps=s.timesteps.tolist()))
            if n < T:  # with 1000 "leading" steps it visits t = 0 a thousand times
                m = multistep(torch.float64, num_train_timesteps=T, timestep_spacing=spacing, steps_offset=0)
                m.set_timesteps(n)
                lists.append(dict(sampler="dpmsolver++", spacing=spacing, steps=n, timesteps=m.timesteps.tolist()))
    for clip in (True, False):
        for spacing in ("trailing", "leading", "linspace"):
            for n in (10, 20, 30, 50):
                runs.append(run("ddpm", n, spacing, clip, variance="fixed_small"))
                if spacing != "trailing":
                    runs.append(run("ddpm", n, spacing, clip, variance="fixed_large"))
                if spacing == "leading" or spacing == "trailing" and T % n == 0:
                    runs += [run("ddim", n, spacing, clip, eta=eta) for eta in (0, 0.5, 1)]
                runs += [run(kind, n, spacing, clip) for kind in ("dpmsolver++", "sde-dpmsolver++")]
        runs += [run(kind, T, "trailing", clip) for kind in ("dpmsolver++", "sde-dpmsolver++")]
        runs.append(run("ddpm", T, "leading", clip, variance="fixed_small"))
        runs.append(run("ddpm", T, "leading", clip, variance="fixed_large"))
        runs += [run("ddim", T, "leading", clip, eta=eta) for eta in (0, 0.5, 1)]
    print(len(runs), "runs; float32 is off by at most", max(r["f32_error"] for r in runs))
    line = json.JSONEncoder(separators=(",", ":")).encode
    text = '{"timesteps":[\n' + ",\n".join(map(line, lists)) + '\n],"runs":[\n' + ",\n".join(map(line, runs)) + "\n]}\n"
    (Path(__file__).parent / "schedulers.json").write_text(text)


if __name__ == "__main__":
    main()
