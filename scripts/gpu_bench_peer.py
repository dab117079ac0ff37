#!/usr/bin/env python3
"""The peer of the GPU benchmark: transformers, PEFT and bitsandbytes doing the same work as gemmatune.

    python3 scripts/gpu_bench_peer.py versions
    python3 scripts/gpu_bench_peer.py train  full|lora --workload FILE [--device cpu]
    python3 scripts/gpu_bench_peer.py decode --workload FILE [--device cpu]
    python3 scripts/gpu_bench_peer.py tiny               # each of the above once, with a few weights, on the CPU

`scripts/gpu_bench.sh` runs it in turn with gemmatune. The workload is what `gemmabench gpu` writes: the model's sizes and
the lengths of sequences; weights and tokens are random, made on the device. As the Hugging Face Trainer does it with the
study's settings: bfloat16 weights under autocast, batches padded to their longest sequence, passes summed up in a step,
moments of 8 bits but for the embedding's where bitsandbytes is installed, else PyTorch's fused AdamW; with gradient
checkpointing and without. One JSON object a line goes to standard output.
"""

import argparse
import importlib.metadata
import json
import os
import pathlib
import sys
import time

import bench_peer

PACKAGES = ["torch", "transformers", "peft"]
STEPS, WARM_UP = 18, 3
TINY = {
    "configuration": {
        "model_type": "gemma", "vocab_size": 640, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2,
        "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 32, "max_position_embeddings": 512,
        "hidden_activation": "gelu_pytorch_tanh", "rms_norm_eps": 1e-6, "tie_word_embeddings": True,
    },
    "sequences": [[9, 3], [14, 5], [7, 2], [20, 8]] * 4, "prompts": [5, 9, 3], "new_tokens": 3, "batch_size": 2,
    "passes": 2,
}  # fmt: skip


def versions():
    """Packages, whether bitsandbytes is among them, and the GPU; ends with status 69 when something is missing."""
    found = bench_peer.versions(PACKAGES)
    try:
        found["bitsandbytes"] = importlib.metadata.version("bitsandbytes")
    except importlib.metadata.PackageNotFoundError:
        found["bitsandbytes"] = "none"
    import torch

    found["GPU"] = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    return found


def random_model(configuration, device):
    """Weights as before any training, in bfloat16, made where they are used."""
    import torch
    import transformers

    settings = transformers.AutoConfig.for_model(**configuration)
    with torch.device(device):
        model = transformers.AutoModelForCausalLM.from_config(settings, dtype=torch.bfloat16)
    return model.to(device)


def random_ids(count, vocabulary, generator):
    """Token ids that are no special ones."""
    import torch

    return torch.randint(3, vocabulary, (count,), generator=generator).tolist()


class Training(bench_peer.Training):
    """Training on random weights and tokens."""

    def __init__(self, workload, method, device, checkpointing):
        self.device = device
        settings = {
            "per_device_batch_size": workload["batch_size"], "gradient_checkpointing": checkpointing,
            "learning_rate": 1e-5,
        }  # fmt: skip
        super().__init__(
            {"method": method, "train": settings, "lora": {"rank": 16, "alpha": 32}, "model": workload["configuration"]}
        )

    def loaded(self, configuration):
        return random_model(configuration["model"], self.device)

    def new_optimizer(self):
        import torch

        rate = self.settings["learning_rate"]
        bitsandbytes = usable_bitsandbytes(self.device)
        if bitsandbytes is None:
            self.remark = "AdamW of PyTorch, fused, moments of the weights' type: bitsandbytes is not usable"
            return torch.optim.AdamW(self.parameters, lr=rate, weight_decay=0.0, fused=True)
        self.remark = f"AdamW8bit of bitsandbytes {bitsandbytes.__version__}"
        # The Trainer does this too: embeddings keep 32-bit moments.
        manager = bitsandbytes.optim.GlobalOptimManager.get_instance()
        for module in self.model.modules():
            if isinstance(module, torch.nn.Embedding):
                manager.register_module_override(module, "weight", {"optim_bits": 32})
        return bitsandbytes.optim.AdamW8bit(self.parameters, lr=rate, weight_decay=0.0)

    def computing(self):
        import torch

        return torch.autocast(self.device, dtype=torch.bfloat16)

    def encoded(self, pair):
        return pair


def usable_bitsandbytes(device):
    """The module where it has kernels for this device; else None."""
    try:
        import bitsandbytes
        import torch

        if device == "cpu":
            return None
        # Runs a step of its kernels: without a library for this CUDA it fails here and not in the middle.
        parameter = torch.nn.Parameter(torch.zeros(8192, device=device))
        parameter.grad = torch.ones_like(parameter)
        bitsandbytes.optim.AdamW8bit([parameter]).step()
        return bitsandbytes
    except Exception as error:
        print(f"bitsandbytes: {error}", file=sys.stderr)
        return None


def reset_peak(device):
    if device != "cpu":
        import torch

        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gigabytes(device):
    import torch

    return torch.cuda.max_memory_reserved() / 1e9 if device != "cpu" else None


def measured_training(workload, method, device, checkpointing):
    """Milliseconds a step and samples a second in three runs of equally many steps, and the peak of the memory."""
    import gc

    import torch

    gc.collect()
    reset_peak(device)
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(2)
    vocabulary = workload["configuration"]["vocab_size"]
    pairs = []
    for tokens, prompt in workload["sequences"]:
        ids = random_ids(tokens, vocabulary, generator)
        pairs.append((ids[:prompt], ids[prompt:]))
    training = Training(workload, method, device, checkpointing)
    size = workload["batch_size"] * workload["passes"]
    steps = [pairs[first : first + size] for first in range(0, len(pairs) - size + 1, size)][: STEPS + WARM_UP]
    warm_up = min(WARM_UP, len(steps) - 1)
    for step in steps[:warm_up]:
        training.step(step)
    seconds = [training.step(step)[2] for step in steps[warm_up:]]
    third = max(1, len(seconds) // 3)
    means = [sum(part) / len(part) for part in (seconds[i : i + third] for i in range(0, len(seconds), third))][:3]
    return {
        "milliseconds": [1e3 * mean for mean in means],
        "samples_per_second": [size / mean for mean in means],
        "device_gigabytes": peak_gigabytes(device),
    }, training.remark


def train(workload, arguments):
    # Each is alone in memory. The result of the first is kept even if the second has none.
    plain, remark = measured_training(workload, arguments.method, arguments.device, checkpointing=False)
    checkpointed, _ = measured_training(workload, arguments.method, arguments.device, checkpointing=True)
    bench_peer.emit(remark=remark, **plain, **{f"checkpointed_{key}": value for key, value in checkpointed.items()})


def decode(workload, arguments):
    import torch

    torch.manual_seed(1)
    model = random_model(workload["configuration"], arguments.device).eval()
    generator = torch.Generator().manual_seed(3)
    prompts = [random_ids(count, workload["configuration"]["vocab_size"], generator) for count in workload["prompts"]]
    count = workload["new_tokens"]
    bench_peer.generated(model, prompts, min(8, count), min_new_tokens=min(8, count))
    reset_peak(arguments.device)
    start = time.perf_counter()
    bench_peer.generated(model, prompts, count, min_new_tokens=count)
    seconds = time.perf_counter() - start
    bench_peer.emit(
        seconds=seconds, milliseconds_per_token=1e3 * seconds / count, tokens_per_second=len(prompts) * count / seconds,
        device_gigabytes=peak_gigabytes(arguments.device), remark="generate with its dynamic cache",
    )  # fmt: skip


def tiny(arguments):
    """Each measurement once, with a few weights."""
    for method in ["full", "lora"]:
        train(TINY, argparse.Namespace(method=method, device="cpu"))
    decode(TINY, argparse.Namespace(device="cpu"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["versions", "train", "decode", "tiny"])
    parser.add_argument("method", nargs="?", choices=["full", "lora"], default="lora")
    parser.add_argument("--workload", type=pathlib.Path)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    arguments = parser.parse_args()
    # Everything is made here, nothing is downloaded. The allocator need not keep pieces of sizes that do not
    # recur.
    os.environ["HF_HUB_OFFLINE"] = "1"
    os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    found = versions()
    if arguments.work == "versions":
        return bench_peer.emit(python=sys.version.split()[0], **found)
    if arguments.work == "tiny":
        return tiny(arguments)
    if arguments.workload is None:
        parser.error(f"{arguments.work}: a workload is missing")
    if arguments.device == "cuda" and found["GPU"] == "none":
        print("error: PyTorch finds no GPU", file=sys.stderr)
        sys.exit(69)
    workload = json.loads(arguments.workload.read_text(encoding="utf-8"))
    {"train": train, "decode": decode}[arguments.work](workload, arguments)


if __name__ == "__main__":
    main()
