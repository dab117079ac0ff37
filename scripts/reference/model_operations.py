"""Single operations with odd shapes: values and gradients by PyTorch autograd in float64 from float32 inputs, stored as
float32, so that the only error left in a fixture is its last rounding.

Every file holds the inputs, the output, the gradient `d…` that is fed to the output, and the gradients of the inputs.
"""

import math

import torch
from safetensors.torch import save_file
from torch.nn import functional

OFFSETS = [0, 9, 14]
SEED = 500


def normal(generator, *shape, scale=1.0):
    return torch.randn(shape, generator=generator) * scale


def wide(tensor):
    """A float64 leaf with the values of a float32 tensor."""
    return tensor.double().requires_grad_()


def case(function, output_gradient, output="y", **inputs):
    """`function` of `inputs`, and the gradient of each input when the output's gradient is `output_gradient`."""
    leaves = {name: wide(value) for name, value in inputs.items()}
    result = function(**leaves)
    result.backward(output_gradient.double())
    gradients = {f"d{name[0].upper()}{name[1:]}": leaf.grad for name, leaf in leaves.items()}
    return {output: result.detach(), **gradients}


def save(folder, name, tensors):
    stored = {key: value.float().contiguous() if value.is_floating_point() else value.to(torch.int32)
              for key, value in tensors.items()}
    path = folder / f"{name}.safetensors"
    save_file(stored, path)
    path.chmod(0o644)


def rms_norm(x, weight):
    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * (1 + weight)


def geglu(gate, up):
    return functional.gelu(gate, approximate="tanh") * up


def rotated(x, positions, theta, factor):
    """x [T, N, H] turned by position / factor, halves paired (i, i + H/2)."""
    width = x.shape[-1]
    frequencies = 1 / theta ** (torch.arange(0, width, 2, dtype=torch.float64) / width) / factor
    angles = (positions.double()[:, None] * frequencies).repeat(1, 2)[:, None]
    first, second = x.chunk(2, -1)
    return x * angles.cos() + torch.cat((-second, first), -1) * angles.sin()


def attention(q, k, v, scale, window, cap):
    """q [T, N, H], k and v [T, K, H], sequences end to end at OFFSETS: causal, grouped heads, window, soft cap."""
    group = q.shape[1] // k.shape[1]
    outputs = []
    for begin, end in zip(OFFSETS, OFFSETS[1:]):
        keys, values = (t[begin:end].repeat_interleave(group, 1) for t in (k, v))
        scores = torch.einsum("inh,jnh->nij", q[begin:end], keys) * scale
        if cap is not None:
            scores = cap * torch.tanh(scores / cap)
        distance = torch.arange(end - begin)[:, None] - torch.arange(end - begin)[None]
        visible = (distance >= 0) & (distance < (window or end))
        weights = scores.masked_fill(~visible, -math.inf).softmax(-1)
        outputs.append(torch.einsum("nij,jnh->inh", weights, values))
    return torch.cat(outputs)


def cross_entropy(hidden, embedding, targets, cap):
    """Summed over the positions whose target is not -1."""
    logits = hidden @ embedding.T
    if cap is not None:
        logits = cap * torch.tanh(logits / cap)
    return functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum")[None]


def write_row_operations(folder, generator):
    x, weight, gradient = normal(generator, 7, 20), normal(generator, 20, scale=0.3), normal(generator, 7, 20)
    x[3] *= 0.01  # mean square 1e-4: epsilon shows in the third digit
    save(folder, "rms_norm", {"x": x, "weight": weight, "dY": gradient, **case(rms_norm, gradient, x=x, weight=weight)})
    gate, up = normal(generator, 7, 37, scale=3), normal(generator, 7, 37)
    gate[0, :6] = torch.tensor([0.0, 20.0, -20.0, 1e-4, -2.0, 2.0])
    gradient = normal(generator, 7, 37)
    save(folder, "geglu", {"gate": gate, "up": up, "dY": gradient, **case(geglu, gradient, gate=gate, up=up)})
    x, weight, gradient = normal(generator, 7, 18), normal(generator, 37, 18), normal(generator, 7, 37)
    save(folder, "linear", {"x": x, "weight": weight, "dY": gradient,
                            **case(lambda x, weight: x @ weight.T, gradient, x=x, weight=weight)})
    ids, weight, gradient = torch.tensor([2, 5, 5, 0, 52, 2, 5]), normal(generator, 53, 18), normal(generator, 7, 18)
    save(folder, "embedding", {"ids": ids, "weight": weight, "dY": gradient,
                               **case(lambda weight: weight[ids] * 18**0.5, gradient, weight=weight)})


def write_rotary(folder, generator):
    positions = torch.cat([torch.arange(9), torch.arange(5)])
    positions[8] = 1000  # far enough that angles must be float32
    x, gradient = normal(generator, 14, 3, 14), normal(generator, 14, 3, 14)
    tensors = {"x": x, "positions": positions, "dY": gradient}
    for name, theta, factor in (("plain", 10000.0, 1.0), ("scaled", 1e6, 8.0)):
        result = case(lambda x: rotated(x, positions, theta, factor), gradient, x=x)
        tensors |= {f"{name}.{key}": value for key, value in result.items()}
    save(folder, "rope", tensors)


def write_attention(folder, generator):
    q, k, v = (normal(generator, 14, heads, 14, scale=1.5) for heads in (6, 2, 2))
    gradient = normal(generator, 14, 6, 14)
    tensors = {"q": q, "k": k, "v": v, "offsets": torch.tensor(OFFSETS), "dO": gradient}
    for name, window, cap in (("full", None, None), ("window", 4, None), ("cap", None, 2.0), ("window_cap", 4, 2.0)):
        result = case(lambda q, k, v: attention(q, k, v, 17**-0.5, window, cap), gradient, output="o", q=q, k=k, v=v)
        tensors |= {f"{name}.{key}": value for key, value in result.items()}
    save(folder, "attention", tensors)


def write_cross_entropy(folder, generator):
    hidden, embedding = normal(generator, 11, 18), normal(generator, 53, 18)
    targets = torch.randint(0, 53, (11,), generator=generator)
    targets[[0, 4, 10]] = -1
    targets[1] = 0
    tensors = {"hidden": hidden, "embedding": embedding, "targets": targets}
    for name, cap in (("plain", None), ("cap", 3.0)):
        result = case(lambda hidden, embedding: cross_entropy(hidden, embedding, targets, cap), torch.ones(1),
                      output="loss_sum", hidden=hidden, embedding=embedding)
        tensors |= {f"{name}.{key}": value for key, value in result.items()}
    save(folder, "cross_entropy", tensors)


def write(folder):
    """Write one file for each operation."""
    generator = torch.Generator().manual_seed(SEED)
    write_row_operations(folder, generator)
    write_rotary(folder, generator)
    write_attention(folder, generator)
    write_cross_entropy(folder, generator)
