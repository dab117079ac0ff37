"""What transformers makes of every key of a Gemma config.json, one change at a time.

For each family a file holds `keys`, a small configuration with every key that its class writes; `facts`, what the
model that transformers builds of it computes with; and `cases`: changes to `keys` (`absent` lists keys that are left
out) with the facts that they change, or the class of the error. Each key is changed once and null once.
"""

import copy
import json

import torch
import transformers
from transformers import GenerationConfig

CLASSES = {
    "gemma": transformers.GemmaConfig, "gemma2": transformers.Gemma2Config, "gemma3_text": transformers.Gemma3TextConfig}
SIZES = {
    "vocab_size": 41, "hidden_size": 12, "intermediate_size": 10, "num_hidden_layers": 4, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 6, "max_position_embeddings": 64, "rms_norm_eps": 1e-5}
WINDOWED = {"sliding_window": 8, "query_pre_attn_scalar": 5}

# The changed value of each key that the classes write; ABSENT leaves the key out.
ABSENT = object()
CHANGED = {
    "vocab_size": 43, "hidden_size": 16, "intermediate_size": 11, "num_hidden_layers": 3, "num_attention_heads": 2,
    "num_key_value_heads": 4, "head_dim": 8, "max_position_embeddings": 32, "rms_norm_eps": 1e-3,
    "initializer_range": 0.5, "bos_token_id": 5, "eos_token_id": [1, 7], "pad_token_id": 9,
    "hidden_act": "silu", "hidden_activation": "silu", "tie_word_embeddings": False, "attention_bias": True,
    "attention_dropout": 0.5, "use_bidirectional_attention": True, "use_cache": False, "sliding_window": 3,
    "query_pre_attn_scalar": 7, "attn_logit_softcapping": 2.5, "final_logit_softcapping": 3.5,
    "_sliding_window_pattern": 2, "architectures": ["LlamaForCausalLM"], "dtype": "bfloat16",
    "output_hidden_states": True, "return_dict": False, "chunk_size_feed_forward": 2, "is_encoder_decoder": True,
    "id2label": {"0": "A"}, "label2id": {"A": 0}, "problem_type": "regression", "_name_or_path": "elsewhere",
    "output_attentions": True, "model_type": "llama", "transformers_version": "4.38.0",
}
# Keys of transformers 4 that the classes still read, drop or keep unchanged, some keys of other libraries,
# and misspelt keys.
LEGACY = {
    "torch_dtype": "bfloat16", "rope_theta": 77.0, "rope_local_base_freq": 55.0,
    "rope_scaling": {"rope_type": "linear", "factor": 3.0}, "partial_rotary_factor": 0.5,
    "original_max_position_embeddings": 16, "sliding_window_pattern": 2, "layer_types": ["full_attention"] * 4,
    "hidden_act": "gelu", "hidden_activation": "gelu", "attn_logit_softcapping": 2.5, "final_logit_softcapping": 3.5,
    "query_pre_attn_scalar": 7, "sliding_window": 3, "per_layer_config": {"0": {"head_dim": 8}},
    "quantization_config": {"quant_method": "bitsandbytes", "load_in_4bit": True}, "num_labels": 3, "name_or_path": "a",
    "_commit_hash": "0123", "attn_implementation": "eager", "_attn_implementation_autoset": True,
    "cache_implementation": "hybrid", "pruned_heads": {"0": [1]}, "tokenizer_class": "GemmaTokenizer",
    "unsloth_version": "2025.1", "unsloth_fixed": True, "use_sliding_window": True, "num_experts": 4,
    "hidden_size_per_layer_input": 8, "final_logit_softcaping": 3.0,
} | {key: value for key, value in GenerationConfig._get_default_generation_params().items() if key != "use_cache"}
# A value for each type of the defaults of generation.
GENERATION = {bool: True, int: 3, float: 0.3, str: "other", type(None): [[4]]}

SCALED = {"rope_type": "linear", "factor": 3.0}
FLAT = [
    {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}},
    {"rope_parameters": {"rope_theta": 77.0}},
    {"rope_parameters": {"type": "linear", "factor": 3.0}},
    {"rope_parameters": {**SCALED, "rope_theta": 77.0}, "rope_theta": 33.0},
    {"rope_parameters": {**SCALED}, "rope_theta": 33.0},
    {"rope_parameters": {"rope_type": "default"}, "rope_theta": 33.0},
    {"rope_parameters": {}, "rope_theta": 33.0},
    {"rope_parameters": None, "rope_theta": 33.0},
    {"rope_parameters": ABSENT, "rope_theta": 33.0, "rope_scaling": None},
    {"rope_parameters": ABSENT, "rope_theta": 33.0, "rope_scaling": SCALED},
    {"rope_parameters": ABSENT, "rope_theta": 33.0, "rope_scaling": {"type": "linear", "factor": 3.0}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}, "rope_scaling": SCALED},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}, "rope_scaling": {}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}, "rope_scaling": {**SCALED, "rope_theta": 55.0}},
    {"rope_parameters": {"rope_type": "linear", "type": "default", "factor": 3.0}},
    {"rope_parameters": {"rope_type": "default", "factor": 3.0}},
    {"rope_parameters": {"rope_type": "yarn", "factor": 3.0}},
    {"rope_parameters": {"rope_type": "llama3", "factor": 3.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0}},
    {"rope_parameters": {"rope_type": "dynamic", "factor": 3.0}},
    {"rope_parameters": {"rope_type": "proportional"}},
    {"rope_parameters": {"rope_type": None}},
    {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
    {"rope_parameters": {**SCALED, "partial_rotary_factor": 0.5}},
    {"rope_parameters": {**SCALED, "original_max_position_embeddings": 16}},
    {"rope_parameters": {"rope_type": "default", "rope_theta": None}},
    {"rope_parameters": {"rope_type": "default"}, "rope_theta": None},
    {"rope_parameters": {"full_attention": {"rope_theta": 77.0}, "sliding_attention": {"rope_theta": 55.0}}},
]
DEFAULT = {"rope_type": "default"}
NESTED = [
    {"rope_parameters": {"full_attention": DEFAULT, "sliding_attention": DEFAULT}, "rope_theta": 33.0,
     "rope_local_base_freq": 22.0},
    {"rope_parameters": {"full_attention": {**DEFAULT, "rope_theta": 77.0}, "sliding_attention": DEFAULT},
     "rope_theta": 33.0, "rope_local_base_freq": 22.0},
    {"rope_parameters": {"full_attention": DEFAULT}, "rope_theta": 33.0, "rope_local_base_freq": 22.0},
    {"rope_parameters": {"sliding_attention": {"rope_theta": 55.0}}, "rope_theta": 33.0},
    {"rope_parameters": {"full_attention": None, "sliding_attention": None}, "rope_theta": 33.0},
    {"rope_parameters": {}, "rope_theta": 33.0, "rope_local_base_freq": 22.0},
    {"rope_parameters": None, "rope_theta": 33.0, "rope_local_base_freq": 22.0, "rope_scaling": SCALED},
    {"rope_parameters": ABSENT, "rope_theta": 33.0, "rope_local_base_freq": 22.0},
    {"rope_parameters": ABSENT, "rope_theta": 33.0, "rope_local_base_freq": 22.0, "rope_scaling": SCALED},
    {"rope_parameters": ABSENT, "rope_scaling": {"type": "linear", "factor": 3.0}},
    {"rope_parameters": ABSENT, "rope_scaling": {**SCALED, "rope_theta": 44.0}, "rope_theta": 33.0},
    {"rope_parameters": ABSENT, "rope_scaling": {}, "rope_theta": 33.0},
    {"rope_parameters": {"full_attention": {**DEFAULT, "rope_theta": 77.0}, "sliding_attention": DEFAULT},
     "rope_scaling": SCALED},
    {"rope_parameters": {"sliding_attention": DEFAULT}, "rope_scaling": SCALED},
    {"rope_parameters": {"full_attention": None, "sliding_attention": DEFAULT}, "rope_scaling": SCALED},
    {"rope_parameters": {}, "rope_scaling": SCALED},
    {"rope_parameters": {"rope_type": "default", "rope_theta": 77.0}},
    {"rope_parameters": {**SCALED, "rope_theta": 77.0}},
    {"rope_parameters": {"full_attention": {**SCALED, "partial_rotary_factor": 0.5}, "sliding_attention": DEFAULT}},
    {"rope_parameters": {"full_attention": {"rope_type": "yarn", "factor": 3.0}, "sliding_attention": DEFAULT}},
    {"rope_parameters": {"full_attention": DEFAULT, "sliding_attention": {**SCALED, "rope_theta": 55.0}}},
    {"rope_parameters": {"full_attention": {"type": "linear", "factor": 3.0}, "sliding_attention": DEFAULT}},
    {"rope_parameters": {"full_attention": {**DEFAULT, "rope_theta": None}, "sliding_attention": DEFAULT}},
    {"rope_parameters": {"full_attention": DEFAULT, "sliding_attention": DEFAULT}, "rope_theta": None},
    {"rope_parameters": ABSENT, "partial_rotary_factor": 0.5, "rope_scaling": SCALED},
]
LAYERS = [
    {"layer_types": ABSENT}, {"layer_types": ABSENT, "sliding_window_pattern": 2},
    {"layer_types": ABSENT, "sliding_window_pattern": 3}, {"layer_types": ABSENT, "sliding_window_pattern": None},
    {"layer_types": ABSENT, "_sliding_window_pattern": 2}, {"layer_types": None, "sliding_window_pattern": 1},
    {"layer_types": ["sliding_attention", "full_attention"] * 2, "sliding_window_pattern": 3},
    {"layer_types": ["sliding_attention", "full_attention"]}, {"layer_types": ["chunked_attention"] * 4},
]


def facts(keys):
    """What the model that transformers builds of `keys` computes with."""
    configuration = CLASSES[keys["model_type"]](**{key: value for key, value in keys.items() if key != "model_type"})
    with torch.device("cpu"):
        model = transformers.AutoModelForCausalLM.from_config(configuration, attn_implementation="eager")
    rotary = model.model.rotary_emb
    kinds = getattr(configuration, "layer_types", None)
    frequencies = lambda index: getattr(rotary, f"{kinds[index]}_inv_freq", None) if kinds else None
    layers = []
    for index, layer in enumerate(model.model.layers):
        attention, own = layer.self_attn, frequencies(index)
        layers.append({
            "window": getattr(attention, "sliding_window", None), "scale": attention.scaling,
            "cap": getattr(attention, "attn_logit_softcapping", None),
            "frequencies": [float(f"{value:.6g}") for value in (rotary.inv_freq if own is None else own).tolist()]})
    first = model.model.layers[0]
    assert first.self_attn.is_causal or configuration.use_bidirectional_attention
    return {
        "embedding": list(model.model.embed_tokens.weight.shape), "mlp": first.mlp.gate_proj.weight.shape[0],
        "query": first.self_attn.q_proj.weight.shape[0], "key": first.self_attn.k_proj.weight.shape[0],
        "head_dim": first.self_attn.head_dim, "epsilon": first.input_layernorm.eps, "layers": layers,
        "final_cap": getattr(configuration, "final_logit_softcapping", None) if keys["model_type"] != "gemma" else None,
        "padding": model.model.embed_tokens.padding_idx, "end": configuration.eos_token_id,
        "initializer_range": configuration.initializer_range,
        "positions": configuration.max_position_embeddings, "activation": type(first.mlp.act_fn).__name__,
        "bias": first.self_attn.q_proj.bias is not None, "dropout": first.self_attn.attention_dropout,
        "tied": bool(configuration.tie_word_embeddings),
        "bidirectional": bool(configuration.use_bidirectional_attention)}


def outcome(keys, before):
    """The facts that `keys` changes, or the error's class."""
    try:
        # A copy, like one read from a file: no object stands in two places.
        after = facts(json.loads(json.dumps(keys)))
    except Exception as error:
        return {"error": type(error).__name__}
    return {"facts": {key: value for key, value in after.items() if value != before[key]}}


def changes(name, keys):
    """Every key changed and every key null, then what keys say together."""
    for key in keys:
        value = CHANGED.get(key)
        if key == "layer_types":
            value = list(reversed(keys[key]))
        if key == "rope_parameters":
            value = NESTED[1][key] if name == "gemma3_text" else FLAT[0][key]
        assert value is not None and value != keys[key], key
        yield {key: value}
        yield {key: None}
    for key, value in LEGACY.items():
        if key not in keys:
            in_defaults = key in GenerationConfig._get_default_generation_params()
            yield {key: GENERATION[type(value)] if in_defaults else value}
            yield {key: None}
    yield from FLAT if name != "gemma3_text" else NESTED
    if name != "gemma":
        yield from LAYERS
        yield {"query_pre_attn_scalar": ABSENT}
    for key in ("eos_token_id", "pad_token_id", "bos_token_id", "rms_norm_eps", "tie_word_embeddings", "head_dim"):
        yield {key: ABSENT}


def family(name):
    windowed = {} if name == "gemma" else WINDOWED
    if name == "gemma3_text":
        kinds = ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
        windowed = {**windowed, "layer_types": kinds}
    keys = CLASSES[name](**SIZES, **windowed).to_dict()
    keys |= {"architectures": [{"gemma3_text": "Gemma3ForCausalLM"}.get(name, name.capitalize() + "ForCausalLM")]}
    keys = json.loads(json.dumps(keys))
    before = facts(copy.deepcopy(keys))
    cases = []
    for change in changes(name, keys):
        changed = {key: value for key, value in {**keys, **change}.items() if value is not ABSENT}
        case = {"change": {key: value for key, value in change.items() if value is not ABSENT}}
        if len(case["change"]) < len(change):
            case["absent"] = [key for key, value in change.items() if value is ABSENT]
        cases.append(case | outcome(changed, before))
    return {"keys": keys, "facts": before, "cases": cases}


def write(folder):
    for name in CLASSES:
        content = family(name)
        lines = [f'"{part}": {json.dumps(content[part])}' for part in ("keys", "facts")]
        rows = ",\n".join(json.dumps(case) for case in content["cases"])
        (folder / f"{name}.json").write_text("{\n" + ",\n".join(lines) + f',\n"cases": [\n{rows}\n]' + "\n}\n")
