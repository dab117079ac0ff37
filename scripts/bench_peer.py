#!/usr/bin/env python3
"""The peer of the benchmark: transformers and PEFT doing the same work as gemmatune, on the same model and data.

    python3 scripts/bench_peer.py versions
    python3 scripts/bench_peer.py train    CONFIGURATION [--threads N]
    python3 scripts/bench_peer.py decode   CONFIGURATION [--batch N] [--new-tokens N] [--threads N]
    python3 scripts/bench_peer.py evaluate CONFIGURATION [--threads N]
    python3 scripts/bench_peer.py product  CONFIGURATION [--threads N]

`make bench-peer` runs it in turn with gemmatune. CONFIGURATION is gemmatune's own, written as JSON; one JSON object a
line goes to standard output. The prompt is gemmatune's plain one, the loss is taken over answer and end token, batches
are padded to their longest sequence, gradient checkpointing is on, and tokens are counted without padding.
Written for torch 2.15.0, transformers 5.23.0, peft 0.21.2, sentencepiece 0.2.x, Python 3.11.
"""

import argparse
import contextlib
import importlib.metadata
import json
import os
import pathlib
import sys
import time

PACKAGES = ["torch", "transformers", "peft", "sentencepiece"]
BOS, EOS, PAD = 2, 1, 0


def versions(packages=PACKAGES):
    """Version of each package; ends with status 69 when one is missing."""
    found, missing = {}, []
    for name in packages:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            missing.append(name)
    if missing:
        print(f"error: {sys.executable}: without {', '.join(missing)}", file=sys.stderr)
        sys.exit(69)
    return found


def emit(**values):
    print(json.dumps(values), flush=True)


def problems(configuration, split, count):
    path = pathlib.Path(configuration["data"]["path"]) / f"{split}.jsonl"
    lines = [line for line in path.read_text(encoding="utf-8").split("\n") if line]
    return [json.loads(line) for line in lines[:count]]


def load(configuration):
    """The tokenizer and the model in bfloat16."""
    import sentencepiece
    import torch
    import transformers

    folder = configuration["model"]["path"]
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=f"{folder}/tokenizer.model")
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16)
    return tokenizer, model


def prompt_text(question, evaluation):
    shown = evaluation.get("example") if evaluation.get("shots") else None
    parts = [f"Question: {shown['question']}\nAnswer: {shown['answer']}"] if shown else []
    return "\n\n".join(parts + [f"Question: {question}\nAnswer:"])


def padded(sequences, value, left=False, device=None):
    import torch

    width = max(map(len, sequences))
    fill = [[value] * (width - len(sequence)) for sequence in sequences]
    return torch.tensor([f + s if left else s + f for s, f in zip(sequences, fill)], device=device)


class Training:
    """The model made ready for one method, and its optimizer."""

    def __init__(self, configuration):
        self.settings = configuration["train"]
        self.model = self.loaded(configuration)
        if configuration["method"] == "lora":
            self.add_adapter(configuration["lora"])
        self.model.config.use_cache = False
        if self.settings["gradient_checkpointing"]:
            self.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        self.model.train()
        self.parameters = [p for p in self.model.parameters() if p.requires_grad]
        self.optimizer = self.new_optimizer()

    def loaded(self, configuration):
        self.tokenizer, model = load(configuration)
        return model

    def new_optimizer(self):
        import torch

        return torch.optim.AdamW(self.parameters, lr=self.settings["learning_rate"], weight_decay=0.0)

    def computing(self):
        """The context of a forward pass."""
        return contextlib.nullcontext()

    def add_adapter(self, lora):
        import peft

        targets = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
        settings = peft.LoraConfig(r=lora["rank"], lora_alpha=lora["alpha"], target_modules=targets)
        self.model = peft.get_peft_model(self.model, settings)
        self.model.enable_input_require_grads()

    def encoded(self, problem):
        prompt = [BOS] + self.tokenizer.encode(prompt_text(problem["question"], {}))
        return prompt, self.tokenizer.encode(" " + problem["answer"]) + [EOS]

    def step(self, examples):
        """One optimizer step over several passes.  Returns its loss, tokens and seconds."""
        import torch

        start = time.perf_counter()
        pairs = [self.encoded(problem) for problem in examples]
        targets = sum(len(answer) for _, answer in pairs)
        size, losses, device = self.settings["per_device_batch_size"], [], self.model.device
        for first in range(0, len(pairs), size):
            batch = pairs[first : first + size]
            ids = padded([prompt + answer for prompt, answer in batch], PAD, device=device)
            mask = padded([[1] * len(prompt + answer) for prompt, answer in batch], 0, device=device)
            labels = padded([[-100] * len(prompt) + answer for prompt, answer in batch], -100, device=device)
            share = sum(len(answer) for _, answer in batch) / targets
            with self.computing():
                loss = self.model(input_ids=ids, attention_mask=mask, labels=labels).loss
            (loss * share).backward()
            losses.append(loss.detach() * share)
        torch.nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        self.optimizer.zero_grad()
        # This waits for a device, too.
        loss_sum = sum(loss.item() for loss in losses)
        return loss_sum, sum(len(prompt + answer) for prompt, answer in pairs), time.perf_counter() - start


def train(configuration, arguments):
    training = Training(configuration)
    settings = configuration["train"]
    size = settings["per_device_batch_size"] * settings["gradient_accumulation_steps"]
    data = problems(configuration, "train", size * settings["max_steps"])
    rates, first_step_at = [], None
    for step in range(settings["max_steps"]):
        loss, tokens, seconds = training.step(data[step * size : (step + 1) * size])
        first_step_at = first_step_at or time.time()
        rates.append(tokens / seconds)
        emit(step=step + 1, loss=loss, tokens=tokens, seconds=seconds)
    # The first step still fetches pages and compiles. gemmatune's first step is left out too.
    steady = sorted(rates[1:] or rates)
    middle = len(steady) // 2
    median = steady[middle] if len(steady) % 2 else (steady[middle - 1] + steady[middle]) / 2
    emit(tokens_per_second=median, first_step_at=first_step_at)


def generated(model, prompts, new_tokens, **options):
    """New tokens of each prompt, padded; greedy."""
    import torch

    ids = padded(prompts, PAD, left=True, device=model.device)
    mask = padded([[1] * len(prompt) for prompt in prompts], 0, left=True, device=model.device)
    with torch.inference_mode():
        out = model.generate(
            input_ids=ids, attention_mask=mask, do_sample=False, max_new_tokens=new_tokens, pad_token_id=PAD, **options)
    return out[:, ids.shape[1] :].tolist()


def decode(configuration, arguments):
    tokenizer, model = load(configuration)
    model.eval()
    data = problems(configuration, "test", arguments.batch)
    prompts = [[BOS] + tokenizer.encode(prompt_text(problem["question"], {})) for problem in data]
    generated(model, prompts, 2, min_new_tokens=2)
    start = time.perf_counter()
    generated(model, prompts, arguments.new_tokens, min_new_tokens=arguments.new_tokens)
    emit(tokens_per_second=len(prompts) * arguments.new_tokens / (time.perf_counter() - start))


def stopping(tokenizer, width, stop):
    """Ends each row by itself where one of the `stop` strings appears."""
    import torch
    import transformers

    class Stops(transformers.StoppingCriteria):
        def __call__(self, ids, scores, **_):
            # A stop string that has just been completed lies within the last tokens.
            ends = [tokenizer.decode(row[-12:]) for row in ids[:, width:].tolist()]
            return torch.tensor([any(word in end for word in stop) for end in ends])

    return transformers.StoppingCriteriaList([Stops()])


def evaluate(configuration, arguments):
    tokenizer, model = load(configuration)
    model.eval()
    evaluation = configuration["evaluation"]
    data = problems(configuration, "test", evaluation["limit"])
    prompts = [[BOS] + tokenizer.encode(prompt_text(problem["question"], evaluation)) for problem in data]
    counts, size = [], evaluation["batch_size"]
    for first in range(0, len(prompts), size):
        batch = prompts[first : first + size]
        stops = stopping(tokenizer, max(map(len, batch)), evaluation["stop"])
        for row in generated(model, batch, evaluation["max_new_tokens"], stopping_criteria=stops):
            counts.append(sum(id not in (PAD, EOS) for id in row))
    emit(mean_tokens=sum(counts) / len(counts))


def product(configuration, arguments):
    """The best of several bfloat16 matrix products."""
    import torch

    a, b = (torch.randn(2048, 2048).to(torch.bfloat16) for _ in range(2))
    seconds = []
    for _ in range(10):
        start = time.perf_counter()
        torch.matmul(a, b)
        seconds.append(time.perf_counter() - start)
    emit(gigaflops=2 * 2048**3 / min(seconds) / 1e9)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", choices=["versions", "train", "decode", "evaluate", "product"])
    parser.add_argument("configuration", nargs="?")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--new-tokens", type=int, default=64)
    parser.add_argument("--threads", type=int)
    arguments = parser.parse_args()
    found = versions()
    if arguments.work == "versions":
        return emit(python=sys.version.split()[0], **found)
    if arguments.configuration is None:
        parser.error(f"{arguments.work}: a configuration is missing")
    # Models come from folders alone.
    os.environ["HF_HUB_OFFLINE"] = "1"
    import torch

    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    configuration = json.loads(pathlib.Path(arguments.configuration).read_text(encoding="utf-8"))
    works = {"train": train, "decode": decode, "evaluate": evaluate, "product": product}
    works[arguments.work](configuration, arguments)


if __name__ == "__main__":
    main()
