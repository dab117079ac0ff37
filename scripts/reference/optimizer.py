"""bitsandbytes' AdamW kernels in numpy, operation by operation as on a CPU (IEEE 1/x, sqrt and fma, nothing flushed to
zero), and transformers' learning-rate schedules.

The 8-bit kernel keeps both moments as codes into two maps of 256 values with one absolute maximum for each block of 256
elements; tensors under 4,096 elements keep float32 moments and use the 32-bit kernel. Source: bitsandbytes 0.50.2,
csrc/kernels.cu (kOptimizerStatic8bit2StateBlockwise, kOptimizer32bit2State) and functional.py, create_dynamic_map.
"""

import hashlib
import json
from fractions import Fraction

import numpy as np
import torch
import transformers
from safetensors.torch import save_file

f32 = np.float32
BLOCK = 256
STEPS, COUNT = 5, 5003
LEARNING_RATE, BETA1, BETA2, EPSILON = f32(1e-3), f32(0.9), f32(0.999), f32(1e-8)
MAP_HASHES = {True: "e732639a65f497b4ad684bb166a4467708255edd5207757de8b8f0c7e1fda89c",
              False: "305f002cc11278fb769d13b25b9fd0c7c83c8402c40a878fe086f4039fde6398"}
# Each case uses the first `count` elements of the shared parameters and gradients.
CASES = {
    "plain": dict(state_bits=8, count=COUNT, weight_decay=0.0, gradient_scale=1.0),
    "decay_clip": dict(state_bits=8, count=COUNT, weight_decay=0.01, gradient_scale=0.37),
    "decay": dict(state_bits=8, count=4096, weight_decay=0.01, gradient_scale=1.0),
    "clip": dict(state_bits=8, count=4096, weight_decay=0.0, gradient_scale=0.37),
    "state32": dict(state_bits=32, count=1000, weight_decay=0.0, gradient_scale=1.0),
    "state32_decay_clip": dict(state_bits=32, count=1000, weight_decay=0.01, gradient_scale=0.37),
}


def fma(a, b, c):
    """a·b + c rounded once to float32. The product of two float32 is exact in float64; the sum is rounded to odd in
    float64 (TwoSum finds the lost part), and rounding an odd-rounded float64 to float32 cannot round twice."""
    product, addend = np.broadcast_arrays(np.float64(a) * np.float64(b), np.float64(c))
    total = np.atleast_1d(product + addend)
    back = total - product
    lost = (product - (total - back)) + (addend - back)
    bits = total.view(np.int64)
    step = np.where(np.signbit(lost) == np.signbit(total), 1, -1)
    odd = np.where((lost != 0) & (bits & 1 == 0), bits + step, bits).view(np.float64)
    return odd.astype(f32).reshape(product.shape)


def check_fma():
    """Compare with exact rational arithmetic, on values chosen so that rounding twice goes wrong."""
    rng = np.random.default_rng(7)
    a, b = (rng.standard_normal(4000).astype(f32) for _ in range(2))
    c = (rng.standard_normal(4000) * 10.0 ** rng.uniform(-12, 12, 4000)).astype(f32)
    # A 25-bit product of two odd numbers lies half way between two float32 numbers. The addend, which is too
    # small for float64 to keep, decides the tie.
    a[:2000], b[:2000] = rng.integers(2**12, 4 * 1448, 2000) | 1, rng.integers(2**12, 4 * 1448, 2000) | 1
    c[:2000] = (rng.choice([-1.0, 1.0], 2000) * 2.0 ** rng.integers(-60, -31, 2000)).astype(f32)
    results = fma(a, b, c)
    naive = (np.float64(a) * np.float64(b) + np.float64(c)).astype(f32)
    assert (results != naive).any(), "no case that rounding twice gets wrong"
    for x, y, z, r in zip(a, b, c, results):
        exact = Fraction(float(x)) * Fraction(float(y)) + Fraction(float(z))
        error = abs(Fraction(float(r)) - exact)
        for neighbour in (np.nextafter(r, f32(np.inf)), np.nextafter(r, f32(-np.inf))):
            other = abs(Fraction(float(neighbour)) - exact)
            assert error < other or error == other and int(r.view(np.uint32)) % 2 == 0, (x, y, z, r)


def bfloat16(x):
    """float32 rounded to the nearest even bfloat16, as float32."""
    bits = np.ascontiguousarray(x, f32).view(np.uint32)
    rounded = (((bits.astype(np.uint64) + 0x7FFF + ((bits >> 16) & 1)) >> 16) << 16).astype(np.uint32).view(f32)
    return np.where(np.isnan(x), x, rounded)


def code_map(signed):
    """create_dynamic_map(signed, 7, 8): 256 ascending float32 values, checked by hash."""
    values = [f32(0), f32(1)]
    for exponent in range(7):
        edges = torch.linspace(0.1, 1, 2 ** (exponent + (0 if signed else 1)) + 1).numpy()
        means = f32(10.0 ** (exponent - 6)) * ((edges[:-1] + edges[1:]) / f32(2))
        values += [*means, *(-means if signed else [])]
    result = np.sort(np.array(values, f32))
    assert hashlib.sha256(result.astype("<f4").tobytes()).hexdigest() == MAP_HASHES[signed]
    return result


def quantized(code, x, lowest):
    """The kernel's search for the code nearest to x: seven halvings that start at 127, then one comparison."""
    pivot, upper, lower = np.full(x.shape, 127), np.full(x.shape, 255), np.zeros(x.shape, int)
    low, high, value = np.full(x.shape, f32(lowest)), np.full(x.shape, f32(1)), np.full(x.shape, code[127])
    for step in (64, 32, 16, 8, 4, 2, 1):
        above = x > value
        lower, low = np.where(above, pivot, lower), np.where(above, value, low)
        upper, high = np.where(above, upper, pivot), np.where(above, high, value)
        pivot = np.where(above, pivot + step, pivot - step)
        value = code[pivot]
    nearer_upper, nearer_lower = x > (high + value) * f32(0.5), x < (low + value) * f32(0.5)
    return np.where(x > value, np.where(nearer_upper, upper, pivot), np.where(nearer_lower, lower, pivot))


def bias_corrections(step):
    """(square root of 1 - beta2^step, step size): powers in float64, the rest in float32."""
    power1, power2 = f32(float(BETA1) ** step), f32(float(BETA2) ** step)
    root = np.sqrt(f32(1) - power2)
    return root, (root * LEARNING_RATE) * -(f32(1) / (f32(1) - power1))


def stepped(p, m, v, step, weight_decay, rounded):
    """The parameter after one step, then decayed: both results rounded to the parameter's type."""
    root, size = bias_corrections(step)
    p = rounded(fma(size, m * (f32(1) / fma(root, EPSILON, np.sqrt(v))), p))
    return rounded(p * fma(-LEARNING_RATE, f32(weight_decay), f32(1))) if weight_decay > 0 else p


def adamw8(p, gradients, maps, rounded, weight_decay, gradient_scale):
    """All steps of the 8-bit kernel. Lanes past the end of the last block hold g = 0 and codes 128 and 0."""
    count, blocks = len(p), -(-len(p) // BLOCK)
    padded = lambda x, fill=0: np.concatenate([x, np.full(blocks * BLOCK - count, fill, x.dtype)])
    spread = lambda x: np.repeat(x, BLOCK)
    p, codes1, codes2 = padded(p), np.zeros(blocks * BLOCK, int), np.zeros(blocks * BLOCK, int)
    absmax1, absmax2 = np.zeros(blocks, f32), np.zeros(blocks, f32)
    for step, gradient in enumerate(gradients, 1):
        codes1[count:], codes2[count:] = 128, 0
        finite = np.isfinite(padded(gradient))
        g = np.where(finite, padded(gradient), f32(0)) * f32(gradient_scale)
        m = fma(g, f32(1) - BETA1, (spread(absmax1) * maps[0][codes1]) * BETA1)
        v = fma(spread(absmax2) * maps[1][codes2], BETA2, g * (g * (f32(1) - BETA2)))
        m, v = np.where(finite, m, f32(0)), np.where(finite, v, f32(0))
        absmax1, absmax2 = (np.abs(x).reshape(blocks, BLOCK).max(1) for x in (m, v))
        p = np.where(finite, stepped(p, m, v, step, weight_decay, rounded), p)
        with np.errstate(divide="ignore", invalid="ignore"):
            codes1 = quantized(maps[0], spread(f32(1) / absmax1) * m, -1)
            codes2 = quantized(maps[1], spread(f32(1) / absmax2) * v, 0)
        wrong_sign = np.signbit(maps[0][codes1]) != np.signbit(m)
        codes1 = np.where(wrong_sign, codes1 + np.where(m > 0, 1, -1), codes1) & 255
    return {"p": p[:count], "codes1": codes1[:count].astype(np.uint8), "codes2": codes2[:count].astype(np.uint8),
            "absmax1": absmax1, "absmax2": absmax2}


def adamw32(p, gradients, rounded, weight_decay, gradient_scale):
    """All steps of the 32-bit kernel: the scaled gradient is rounded to the parameter's type first."""
    m = v = np.zeros(len(p), f32)
    for step, gradient in enumerate(gradients, 1):
        g = rounded(gradient * f32(gradient_scale))
        m = fma(m, BETA1, g * (f32(1) - BETA1))
        v = fma(v, BETA2, (g * g) * (f32(1) - BETA2))
        p = stepped(p, m, v, step, weight_decay, rounded)
    return {"p": p, "m": m, "v": v}


def inputs(rounded, seed):
    """Parameters [COUNT] and gradients [STEPS, COUNT] over 6 decades. Block 6 never gets a gradient, block 8 only at
    step 1; element 1300 meets an infinity at step 2 and element 5001 (last block) a NaN at step 3."""
    rng = np.random.default_rng(seed)
    p = rounded((rng.standard_normal(COUNT) * 0.05).astype(f32))
    g = (rng.standard_normal((STEPS, COUNT)) * 10.0 ** rng.uniform(-9, -3, (STEPS, COUNT))).astype(f32)
    g[:, 6 * BLOCK:7 * BLOCK] = 0
    g[1:, 8 * BLOCK:9 * BLOCK] = 0
    g[1, 1300], g[2, 5001] = np.inf, np.nan
    return p, rounded(g)


def check_against_torch(p, gradients, result):
    """The 32-bit kernel without decay is ordinary Adam, to rounding."""
    parameter = torch.tensor(p, requires_grad=True)
    adam = torch.optim.Adam([parameter], lr=float(LEARNING_RATE), betas=(0.9, 0.999), eps=1e-8)
    for gradient in gradients:
        parameter.grad = torch.tensor(gradient)
        adam.step()
    assert np.abs(parameter.detach().numpy() - result["p"]).max() < 1e-6


def write_adamw(folder):
    check_fma()
    maps = [code_map(True), code_map(False)]
    tensors = {"qmap1": torch.tensor(maps[0]), "qmap2": torch.tensor(maps[1])}
    exact = lambda x: np.asarray(x, f32)
    kinds = (("float32", exact, torch.float32, 11), ("bfloat16", bfloat16, torch.bfloat16, 12))
    for name, rounded, dtype, seed in kinds:
        p, g = inputs(rounded, seed)
        tensors |= {f"{name}.p0": torch.tensor(p).to(dtype), f"{name}.g": torch.tensor(g).to(dtype)}
        for case, settings in CASES.items():
            rest = {key: settings[key] for key in ("weight_decay", "gradient_scale")}
            slices = p[:settings["count"]], g[:, :settings["count"]]
            result = (adamw8(*slices, maps, rounded, **rest) if settings["state_bits"] == 8
                      else adamw32(*slices, rounded, **rest))
            if (name, case) == ("float32", "state32"):
                check_against_torch(*slices, result)
            for key, value in result.items():
                stored = torch.tensor(value)
                tensors[f"{name}.{case}.{key}"] = stored.to(dtype) if key == "p" else stored
    assert tensors["float32.plain.codes1"][6 * BLOCK:7 * BLOCK].unique().tolist() == [255]
    save_file(tensors, folder / "adamw8.safetensors")
    (folder / "adamw8.safetensors").chmod(0o644)
    settings = {"learning_rate": 1e-3, "beta1": 0.9, "beta2": 0.999, "epsilon": 1e-8, "steps": STEPS, "cases": CASES}
    (folder / "adamw8.json").write_text(json.dumps(settings, indent=1) + "\n")


def rates(name, learning_rate, steps, warmup, **keywords):
    """The rate of each optimizer step as transformers' scheduler sets it before that step."""
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=learning_rate)
    scheduler = transformers.get_scheduler(name, optimizer, num_warmup_steps=warmup, num_training_steps=steps,
                                           scheduler_specific_kwargs=keywords or None)
    result = []
    for _ in range(steps):
        result.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return result


def write_schedules(folder):
    cases = []
    for learning_rate, minimum, ratio, steps in ((1e-5, 1e-6, 0.03, 468), (3e-4, 7e-5, 0.1, 23), (2e-3, 0.0, 0.0, 7)):
        settings = transformers.TrainingArguments(output_dir="unused", warmup_steps=ratio, use_cpu=True)
        warmup = settings.get_warmup_steps(steps)
        arguments = (learning_rate, steps, warmup)
        cases.append({
            "learning_rate": learning_rate, "min_learning_rate": minimum, "warmup_ratio": ratio, "steps": steps,
            "warmup_steps": warmup,
            "cosine": rates("cosine_with_min_lr", *arguments, min_lr=minimum),
            "linear": rates("linear", *arguments), "constant": rates("constant_with_warmup", *arguments)})
    text = ",\n".join(json.dumps(case) for case in cases)
    (folder / "schedule.json").write_text('{"cases": [\n' + text + "\n]}\n")


def write(folder):
    """Write adamw8.safetensors, adamw8.json and schedule.json."""
    write_adamw(folder)
    write_schedules(folder)
