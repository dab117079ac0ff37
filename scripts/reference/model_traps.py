"""How far the logits move when one rule of the forward pass is broken, as a share of the largest logit.

A fixture that a wrong model also satisfies is worthless: `sensitivities` fails unless every broken rule moves the
logits by at least `FLOOR` (100 times the tolerance of 1e-4), or by the smaller floor written beside an exception.
"""

import contextlib
import copy
import importlib
from unittest import mock

import torch

FLOOR = 1e-2
# The two GELUs differ by at most 4.7e-4, so no model makes this trap large. The operation has its own
# fixture.
SMALL_FLOORS = {"gelu_erf": 2e-4}


def changed(configuration, **values):
    result = copy.deepcopy(configuration)
    for key, value in values.items():
        setattr(result, key, value)
    return result


def theta_changed(configuration, layer_type, **values):
    result = copy.deepcopy(configuration)
    for key, value in values.items():
        result.rope_parameters[layer_type][key] = value
    return result


def each(model, suffix):
    return [module for name, module in model.named_modules() if name.endswith(suffix)]


def interleaved(x):
    pairs = x.unflatten(-1, (-1, 2))
    return torch.stack((-pairs[..., 1], pairs[..., 0]), -1).flatten(-2)


def interleaved_rope(q, k, cos, sin, unsqueeze_dim=1):
    half = cos.shape[-1] // 2
    cos, sin = (t[..., :half].repeat_interleave(2, -1).unsqueeze(unsqueeze_dim) for t in (cos, sin))
    return q * cos + interleaved(q) * sin, k * cos + interleaved(k) * sin


def tiled_heads(states, count):
    """Query head n reads key/value head n mod K instead of n / (N / K)."""
    return states.repeat(1, count, 1, 1)


def without_norm_offset(state):
    return {name: value - 1 if "norm" in name else value for name, value in state.items()}


def swapped(state, a, b):
    """The state with the tensors whose names hold `a` and `b` exchanged."""
    rename = lambda name: name.replace(a, "\0").replace(b, a).replace("\0", b)
    return {rename(name): value for name, value in state.items()}


def sensitivities(name, configuration, state, logits, batch, build, run):
    """{trap: largest change of a logit / largest logit}; raises when one is under its floor."""
    source = importlib.import_module(f"transformers.models.{name}.modeling_{name}")
    largest = logits.abs().max()
    table = {}

    def record(trap, model, patch=contextlib.nullcontext()):
        with torch.no_grad(), patch:
            table[trap] = float((run(model)[0] - logits).abs().max() / largest)

    def record_modules(trap, suffix, change):
        model = build()
        modules = each(model, suffix)
        assert modules, suffix
        for module in modules:
            change(module)
        record(trap, model)

    record("norm_without_1_plus_w", build(configuration, without_norm_offset(state)))
    record("embedding_scale_removed", build(), mock.patch.object(
        type(each(build(), "embed_tokens")[0]), "forward", lambda self, ids: torch.nn.Embedding.forward(self, ids)))
    record_modules("gelu_erf", "mlp", lambda mlp: setattr(mlp, "act_fn", torch.nn.GELU()))
    record_modules("silu", "mlp", lambda mlp: setattr(mlp, "act_fn", torch.nn.SiLU()))
    record("gate_and_up_swapped", build(configuration, swapped(state, "gate_proj", "up_proj")))
    record("rope_interleaved", build(), mock.patch.object(source, "apply_rotary_pos_emb", interleaved_rope))
    record("rope_removed", build(), mock.patch.object(source, "apply_rotary_pos_emb", lambda q, k, c, s, **_: (q, k)))
    narrow = (configuration.hidden_size // configuration.num_attention_heads) ** -0.5
    record_modules("scale_of_hidden_over_heads", "self_attn", lambda a: setattr(a, "scaling", narrow))
    record("sequences_leak", build(), packed_without_bounds(batch))
    if configuration.num_key_value_heads > 1:
        record("heads_tiled_not_repeated", build(), mock.patch.object(source, "repeat_kv", tiled_heads))
    if name == "gemma":
        record("rope_theta_1e6", build(changed_theta(configuration, 1e6)))
    else:
        window_traps(configuration, record, record_modules, build)
    if name == "gemma2":
        soft_cap_traps(configuration, record, build)
        record("rope_theta_1e6", build(changed_theta(configuration, 1e6)))
    if name == "gemma3":
        gemma3_traps(configuration, record, record_modules, build)
    for trap, value in table.items():
        floor = SMALL_FLOORS.get(trap, FLOOR)
        assert value > floor, f"{name}: {trap} moves the logits by {value:.2e} only; expected more than {floor}"
    return table


def changed_theta(configuration, theta):
    result = copy.deepcopy(configuration)
    result.rope_parameters["rope_theta"] = theta
    return result


def window_traps(configuration, record, record_modules, build):
    window = configuration.sliding_window
    record("window_removed", build(changed(configuration, sliding_window=1000)))
    record("window_one_wider", build(changed(configuration, sliding_window=window + 1)))
    record("window_one_narrower", build(changed(configuration, sliding_window=window - 1)))
    record("window_in_every_layer", build(changed(
        configuration, layer_types=["sliding_attention"] * configuration.num_hidden_layers)))
    opposite = {"sliding_attention": "full_attention", "full_attention": "sliding_attention"}
    record("layer_types_inverted", build(changed(
        configuration, layer_types=[opposite[kind] for kind in configuration.layer_types])))
    scale = configuration.head_dim ** -0.5
    record_modules("scale_of_head_dim", "self_attn", lambda a: setattr(a, "scaling", scale))


def soft_cap_traps(configuration, record, build):
    attention, final = configuration.attn_logit_softcapping, configuration.final_logit_softcapping
    record("attention_cap_removed", build(changed(configuration, attn_logit_softcapping=None)))
    record("final_cap_removed", build(changed(configuration, final_logit_softcapping=None)))
    record("caps_swapped", build(changed(
        configuration, attn_logit_softcapping=final, final_logit_softcapping=attention)))


def gemma3_traps(configuration, record, record_modules, build):
    record_modules("query_norm_removed", "q_norm", lambda norm: setattr(norm, "forward", lambda x: x))
    record_modules("key_norm_removed", "k_norm", lambda norm: setattr(norm, "forward", lambda x: x))
    full, local = (configuration.rope_parameters[kind] for kind in ("full_attention", "sliding_attention"))
    record("rope_factor_removed", build(theta_changed(configuration, "full_attention", rope_type="default")))
    record("rope_factor_in_every_layer", build(theta_changed(
        configuration, "sliding_attention", rope_type="linear", factor=full["factor"])))
    record("rope_theta_global_everywhere", build(theta_changed(
        configuration, "sliding_attention", rope_theta=full["rope_theta"])))
    record("rope_theta_local_everywhere", build(theta_changed(
        configuration, "full_attention", rope_theta=local["rope_theta"])))


def packed_without_bounds(batch):
    """A context in which `offsets` says that the whole batch is one sequence."""
    return mock.patch.dict(batch, {"offsets": torch.tensor([0, len(batch["ids"])], dtype=torch.int32)})
