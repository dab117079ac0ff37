"""Tiny Gemma models and everything transformers and PEFT say about them: one fixture folder for each family.

The models are odd on purpose (no width is a multiple of 8, head_dim is not hidden / heads, the window is shorter than
the sequences, norm weights and adapters are far from zero), so that every branch of the forward pass moves the logits;
model_traps.py measures by how much.
"""

import copy
import json
import shutil
from dataclasses import dataclass

import peft
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch.nn import functional

from reference import model_training, model_traps

VOCABULARY = 211
LENGTHS = [13, 5, 9]
PROMPT_LENGTHS = [4, 1, 3]
LORA_TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


@dataclass(frozen=True)
class Family:
    """One tiny configuration: keywords of transformers' configuration class, and what version 4 wrote instead."""

    configuration: type
    keywords: dict
    generation4: dict
    seed: int


COMMON = dict(
    vocab_size=VOCABULARY, hidden_size=18, intermediate_size=37, num_attention_heads=6, num_key_value_heads=2,
    head_dim=14, max_position_embeddings=64, initializer_range=0.5, pad_token_id=0, eos_token_id=1, bos_token_id=2,
    rms_norm_eps=1e-6, dtype="float32",
)
FAMILIES = {
    "gemma": Family(
        transformers.GemmaConfig,
        {**COMMON, "num_hidden_layers": 3, "num_attention_heads": 3, "num_key_value_heads": 1},
        {"hidden_act": "gelu", "rope_theta": 10000.0}, seed=1),
    "gemma2": Family(
        transformers.Gemma2Config,
        {**COMMON, "num_hidden_layers": 3, "query_pre_attn_scalar": 17, "sliding_window": 5,
         "attn_logit_softcapping": 5.0, "final_logit_softcapping": 3.0},
        {"hidden_act": "gelu_pytorch_tanh", "rope_theta": 10000.0}, seed=2),
    "gemma3": Family(
        transformers.Gemma3TextConfig,
        {**COMMON, "num_hidden_layers": 4, "query_pre_attn_scalar": 17, "sliding_window": 5,
         "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
         "rope_parameters": {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 50000.0},
                             "sliding_attention": {"rope_type": "default", "rope_theta": 100.0}}},
        {"rope_theta": 50000.0, "rope_local_base_freq": 100.0, "rope_scaling": {"rope_type": "linear", "factor": 8.0},
         "sliding_window_pattern": 3}, seed=3),
}
GENERATION5_KEYS = ["dtype", "rope_parameters", "layer_types", "_sliding_window_pattern", "tie_word_embeddings",
                    "use_bidirectional_attention"]


def weights(configuration, family):
    """A state dict with every weight drawn from the family's seed, in the order of named_parameters."""
    generator = torch.Generator().manual_seed(family.seed)
    result = {}
    for name, parameter in transformers.AutoModelForCausalLM.from_config(configuration).named_parameters():
        spread = 0.3 if "norm" in name or "embed" in name else 0.5
        result[name] = torch.randn(parameter.shape, generator=generator) * spread
    return result


def build(configuration, state, dtype=torch.float32):
    """The model of `configuration` with the weights `state`, eager attention, evaluation mode."""
    model = transformers.AutoModelForCausalLM.from_config(copy.deepcopy(configuration), attn_implementation="eager")
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert not unexpected and missing in ([], ["lm_head.weight"]), (missing, unexpected)
    model.tie_weights()
    return model.to(dtype).eval()


def make_batch(seed):
    """Three sequences end to end. Token 0 (padding) stands only where a sequence ends: transformers drops the
    gradient that reaches the padding row through the input side of the embedding."""
    generator = torch.Generator().manual_seed(100 + seed)
    ids, targets, offsets = [], [], [0]
    for index, (length, prompt) in enumerate(zip(LENGTHS, PROMPT_LENGTHS)):
        sequence = [2] + torch.randint(3, VOCABULARY, (length - 1,), generator=generator).tolist()
        sequence[-1] = [1, 0, 1][index]
        sequence[-2] = [VOCABULARY - 1, 3, sequence[-2]][index]
        ids += sequence
        targets += [sequence[t + 1] if prompt <= t + 1 < length else -1 for t in range(length)]
        offsets.append(len(ids))
    return {name: torch.tensor(value, dtype=torch.int32)
            for name, value in (("ids", ids), ("offsets", offsets), ("targets", targets))}


def forward(model, batch):
    """Logits of each sequence alone, laid end to end [T, V], and the summed cross-entropy of the target positions."""
    bounds = batch["offsets"].tolist()
    logits = torch.cat([model(batch["ids"][a:b].long()[None], use_cache=False).logits[0]
                        for a, b in zip(bounds, bounds[1:])])
    loss = functional.cross_entropy(logits.float(), batch["targets"].long(), ignore_index=-1, reduction="sum")
    return logits, loss


def forward_and_gradients(model, batch):
    """The forward tensors, and the gradient of loss / targets for each trainable parameter."""
    model.zero_grad()
    logits, loss = forward(model, batch)
    (loss / (batch["targets"] >= 0).sum()).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.requires_grad}
    return {"logits": logits.detach().contiguous(), "loss_sum": loss.detach()[None]}, gradients


def generation4_configuration(folder, family):
    """config.json as transformers 4 wrote it; checked by loading it and comparing logits."""
    keys = json.loads((folder / "config.json").read_text())
    for key in GENERATION5_KEYS:
        keys.pop(key, None)
    keys.update(family.generation4, torch_dtype="float32", transformers_version="4.44.0")
    (folder / "config_v4.json").write_text(json.dumps(keys, indent=2, sort_keys=True) + "\n")


def assert_same_logits(model, batch, what):
    def check(other):
        with torch.no_grad():
            assert torch.equal(forward(model, batch)[0], forward(other, batch)[0]), what
    return check


def write_base(name, folder, family, configuration, state, batch):
    model = build(configuration, state)
    model.save_pretrained(folder, max_shard_size="1GB")
    (folder / "generation_config.json").unlink(missing_ok=True)
    generation4_configuration(folder, family)
    scratch = folder / "generation4"
    scratch.mkdir()
    shutil.copy(folder / "config_v4.json", scratch / "config.json")
    shutil.copy(folder / "model.safetensors", scratch)
    load = lambda path: transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager").eval()
    assert_same_logits(model, batch, "config_v4.json")(load(scratch))
    shutil.rmtree(scratch)
    assert_same_logits(model, batch, "save_pretrained")(load(folder))
    if name == "gemma2":
        model.save_pretrained(folder / "sharded", max_shard_size="60KB")
        (folder / "sharded/generation_config.json").unlink(missing_ok=True)
        assert len(list((folder / "sharded").glob("*.safetensors"))) == 2
        assert_same_logits(model, batch, "sharded")(load(folder / "sharded"))
    save_file(batch, folder / "batch.safetensors")
    tensors, gradients = forward_and_gradients(model, batch)
    save_file(tensors, folder / "forward.safetensors")
    save_file(gradients, folder / "gradients.safetensors")
    return tensors


def make_adapter(model, seed):
    """`model` wrapped by PEFT with rank 3 and alpha 7 on all seven targets, A and B both random."""
    adapted = peft.get_peft_model(model, peft.LoraConfig(
        r=3, lora_alpha=7, lora_dropout=0.0, target_modules=LORA_TARGETS, task_type="CAUSAL_LM"))
    generator = torch.Generator().manual_seed(200 + seed)
    for name, parameter in adapted.named_parameters():
        if parameter.requires_grad:
            parameter.data = torch.randn(parameter.shape, generator=generator) * 0.2
    return adapted.eval()


def write_lora(name, folder, family, configuration, state, batch):
    base = build(configuration, state)
    base.config._name_or_path = f"tiny-{name}"
    base.name_or_path = f"tiny-{name}"
    adapted = make_adapter(base, family.seed)
    adapted.save_pretrained(folder / "lora")
    (folder / "lora/README.md").unlink(missing_ok=True)
    settings = json.loads((folder / "lora/adapter_config.json").read_text())
    settings["target_modules"] = LORA_TARGETS
    (folder / "lora/adapter_config.json").write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
    tensors, gradients = forward_and_gradients(adapted, batch)
    save_file(tensors, folder / "lora_forward.safetensors")
    gradients = {key.replace(".default", ""): value for key, value in gradients.items()}
    assert gradients.keys() == load_file(folder / "lora/adapter_model.safetensors").keys()
    save_file(gradients, folder / "lora_gradients.safetensors")


def greedy(model, ids, count):
    """`count` arg-max tokens after `ids` without a cache, and the smallest lead of the best logit over the second."""
    ids, length, margin = list(ids), len(ids), float("inf")
    for _ in range(count):
        with torch.no_grad():
            best = model(torch.tensor([ids]), use_cache=False).logits[0, -1].topk(2)
        margin = min(margin, float(best.values[0] - best.values[1]))
        ids.append(int(best.indices[0]))
    return ids[length:], margin


def write_generation(folder, configuration, state, seed):
    """Greedy continuations by `generate` of three prompts, each alone; never a nearly tied or a monotonous one."""
    model = build(configuration, state)
    model.generation_config.eos_token_id = None
    generator = torch.Generator().manual_seed(300 + seed)
    generations, smallest = [], float("inf")
    for length in (2, 4, 11):
        for _ in range(1000):
            ids = [2] + torch.randint(3, VOCABULARY, (length - 1,), generator=generator).tolist()
            expected, margin = greedy(model, ids, 12)
            if len(set(expected)) >= 5 and margin > 0.01:
                break
        else:
            raise AssertionError(f"no lively prompt of {length} tokens")
        row = torch.tensor([ids])
        output = model.generate(row, attention_mask=torch.ones_like(row), do_sample=False, max_new_tokens=12,
                                eos_token_id=None, pad_token_id=0)[0, length:].tolist()
        assert output == expected, (output, expected)
        smallest = min(smallest, margin)
        generations.append({"prompt": ids, "completion": output})
    write_json(folder / "generation.json", {"smallest_margin": smallest, "generations": generations})


def write_bfloat16(folder, configuration, state, batch):
    with torch.no_grad():
        logits, loss = forward(build(configuration, state, torch.bfloat16), batch)
    last = logits.float()[batch["offsets"][1:].long() - 1]
    write_json(folder / "bf16.json", {"loss_sum": float(loss), "final_logits": last.tolist()})


def write_json(path, value):
    """One member a line at the top, compact below: small, and still readable in a diff."""
    members = [f"  {json.dumps(key)}: {json.dumps(item)}" for key, item in value.items()]
    path.write_text("{\n" + ",\n".join(members) + "\n}\n")


def write(name, folder):
    """Write the whole fixture folder of one family."""
    family = FAMILIES[name]
    shutil.rmtree(folder)
    folder.mkdir()
    configuration = family.configuration(**family.keywords)
    state = weights(configuration, family)
    batch = make_batch(family.seed)
    tensors = write_base(name, folder, family, configuration, state, batch)
    write_lora(name, folder, family, configuration, state, batch)
    write_generation(folder, configuration, state, family.seed)
    write_bfloat16(folder, configuration, state, batch)
    model_for = lambda changed=configuration, values=state: build(changed, values)
    run = lambda model: forward(model, batch)
    write_json(folder / "sensitivity.json",
               model_traps.sensitivities(name, configuration, state, tensors["logits"], batch, model_for, run))
    data = model_training.make_data(family.seed, VOCABULARY)
    write_json(folder / "training_data.json", {"sequences": data})
    write_json(folder / "training.json", model_training.runs(model_for, folder / "lora", data, family.seed))
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)
