"""python -m pytest -q, in this folder."""

import pytest
import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler

import quick
from nets import SCHEDULE, alphas_cumprod


class Known:
    """A network of no training: x0 and eps of z at t."""

    abar = alphas_cumprod()

    def __call__(self, z, t, way):
        a = self.abar[t].item()
        x0 = 0.9 * torch.tanh(z + t / 1000)
        return x0, (z - a**0.5 * x0) / (1 - a) ** 0.5


@pytest.mark.parametrize("name", quick.SAMPLERS)
def test_samplers_are_those_of_diffusers(name):
    how = dict(num_train_timesteps=SCHEDULE["num_train_timesteps"], beta_start=SCHEDULE["beta_start"], beta_end=SCHEDULE["beta_end"],
               beta_schedule=SCHEDULE["name"], prediction_type="sample", timestep_spacing="trailing")
    multistep = "dpmsolver++" in name
    scheduler = DPMSolverMultistepScheduler(**how, algorithm_type=name, final_sigmas_type="zero") if multistep else DDIMScheduler(**how)
    scheduler.set_timesteps(20)
    generator = torch.Generator().manual_seed(5)
    z = torch.randn(1, 12, 32, 32, generator=generator)
    for t in scheduler.timesteps:
        x0, _ = Known()(z, int(t), 0)
        noise = torch.zeros_like(z)
        if name != "dpmsolver++" and t != scheduler.timesteps[-1]:
            noise = torch.randn(z.shape, generator=generator)
        more = {} if multistep else {"eta": float(name == "ddpm")}
        z = scheduler.step(x0, t, z, variance_noise=noise, **more).prev_sample
    torch.testing.assert_close(quick.sample(Known(), 1, name, 20, seed=5), z, rtol=0, atol=1e-4)


def test_merge_is_equation_12_until_a_condition_lets_go():
    networks = {m: lambda z, t, c, v=v: torch.full_like(z, v) for m, v in {"none": 0.1, "sketch": 0.3, "text": 0.6}.items()}
    merge = quick.Merge(networks, {"sketch": None, "text": None}, {"text": 2.0}, {"text": 0.5})
    z, t = torch.zeros(1, 12, 32, 32), 300
    for way, v, evaluations in ((0.4, 0.1 + (0.3 - 0.1) + 2 * (0.6 - 0.1), 3), (0.5, 0.3, 4)):
        x0, eps = merge(z, t, way)
        a = merge.abar[t].item()
        torch.testing.assert_close(x0, torch.full_like(z, -((1 - a) ** 0.5) * v).clamp(-1, 1))
        torch.testing.assert_close(a**0.5 * x0 + (1 - a) ** 0.5 * eps, z)
        assert merge.evaluations == evaluations, "sketch alone, with weight 1, needs no other network"
