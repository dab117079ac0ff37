"""Twenty optimizer steps of transformers' own Trainer over a fixed list of sequences, full and LoRA.

13 examples, 2 in a micro-batch and 2 micro-batches in a step give 4 steps an epoch, the last of them with one
micro-batch of a single example; 5 epochs make 20 steps. File order, right padding, float32, torch's AdamW. The weight
decay is large so that it shows: `runs` fails unless each broken rule moves a loss by 10 times the tolerance of 1e-4, and
a gradient norm by 5 times that of 1e-3.
"""

import tempfile
from unittest import mock

import peft
import torch
import transformers
from torch.nn import functional

SETTINGS = dict(
    num_train_epochs=5, per_device_train_batch_size=2, gradient_accumulation_steps=2, weight_decay=2.0,
    max_grad_norm=1.0, lr_scheduler_type="cosine_with_min_lr", lr_scheduler_kwargs={"min_lr": 1e-4}, warmup_steps=0.1,
    adam_beta1=0.9, adam_beta2=0.999, adam_epsilon=1e-8, optim="adamw_torch", logging_steps=1, seed=42,
)
LEARNING_RATES = {"full": 1e-3, "lora": 5e-3}
FLOORS = {"loss": 1e-3, "gradient_norm": 5e-3}
Trainer = transformers.Trainer


def make_data(seed, vocabulary):
    """13 sequences of 5 to 14 tokens that start with token 2 and end with token 1."""
    generator = torch.Generator().manual_seed(400 + seed)
    draw = lambda low, high, shape=(): torch.randint(low, high, shape, generator=generator)
    rows = []
    for _ in range(13):
        length, prompt = int(draw(5, 15)), int(draw(1, 4))
        rows.append({"ids": [2] + draw(3, vocabulary, (length - 2,)).tolist() + [1], "promptLength": prompt})
    return rows


def collate(rows):
    """Right padding with token 0; labels are -100 in the prompt and the padding (the model itself shifts them)."""
    width = max(len(row["ids"]) for row in rows)
    fill = lambda values, value: values + [value] * (width - len(values))
    return {
        "input_ids": torch.tensor([fill(row["ids"], 0) for row in rows]),
        "attention_mask": torch.tensor([fill([1] * len(row["ids"]), 0) for row in rows]),
        "labels": torch.tensor([fill([-100] * row["promptLength"] + row["ids"][row["promptLength"]:], -100)
                                for row in rows]),
    }


class FileOrderTrainer(Trainer):
    """transformers' Trainer, reading the examples in the order of the file."""

    def _get_train_sampler(self, train_dataset=None):
        return torch.utils.data.SequentialSampler(train_dataset if train_dataset is not None else self.train_dataset)


def run(model, data, learning_rate, **changed):
    """{"loss", "gradient_norm", "learning_rate"}: what Trainer logged, one value a step."""
    with tempfile.TemporaryDirectory() as folder:
        arguments = transformers.TrainingArguments(
            output_dir=folder, learning_rate=learning_rate, use_cpu=True, report_to="none", save_strategy="no",
            disable_tqdm=True, remove_unused_columns=False, dataloader_pin_memory=False, **{**SETTINGS, **changed})
        trainer = FileOrderTrainer(model=model, args=arguments, train_dataset=data, data_collator=collate)
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    rows = [row for row in trainer.state.log_history if "loss" in row]
    assert len(rows) == 20, len(rows)
    return {"loss": [row["loss"] for row in rows], "gradient_norm": [row["grad_norm"] for row in rows],
            "learning_rate": [row["learning_rate"] for row in rows]}


def token_mean(model, rows):
    """Sum of token losses over number of targets of `rows`, each run alone: what one logged loss must be."""
    total, count = 0.0, 0
    for row in rows:
        ids, prompt = torch.tensor(row["ids"]), row["promptLength"]
        with torch.no_grad():
            logits = model(ids[None], use_cache=False).logits[0].double()
        total += float(functional.cross_entropy(logits[prompt - 1:-1], ids[prompt:], reduction="sum"))
        count += len(ids) - prompt
    return total / count


def nudged(model, seed):
    """`model` with every weight changed by about one part in 10 million, as other orders of summation would."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1 + 1e-7 * torch.randn(parameter.shape, generator=generator))
    return model


def relative_spread(a, b, column):
    return max(abs(x - y) / abs(x) for x, y in zip(a[column], b[column]))


def broken_rules(method, again):
    """{broken rule: what is logged then}; `again` trains anew with changed settings."""
    table = {
        "weight_decay_removed": again(weight_decay=0.0),
        "clipping_removed": again(max_grad_norm=0.0),
        "warmup_one_step_longer": again(warmup_steps=0.15),
        "floor_removed": again(lr_scheduler_kwargs={"min_lr": 0.0}),
    }
    with mock.patch.object(Trainer, "_get_num_items_in_batch", lambda *_: None):
        table["mean_of_means"] = again()
    if method == "full":
        every_name = lambda _, model: [name for name, _ in model.named_parameters()]
        with mock.patch.object(Trainer, "get_decay_parameter_names", every_name):
            table["norms_decayed"] = again()
    return table


def sensitivities(log, broken, column):
    """{broken rule: largest relative change of a value of the column}."""
    table = {rule: relative_spread(log, changed, column) for rule, changed in broken.items()}
    assert min(table.values()) > FLOORS[column], table
    return table


def runs(build, adapter, data, seed):
    """Both runs, their settings, how far rounding alone moves their losses, and how far each broken rule does."""
    make = {
        "full": lambda: build(),
        "lora": lambda: peft.PeftModel.from_pretrained(build(), adapter, is_trainable=True),
    }
    result = {"settings": {**SETTINGS, "learning_rates": LEARNING_RATES, "examples": len(data)}}
    for method, new in make.items():
        again = lambda model=None, **changed: run(model or new(), data, LEARNING_RATES[method], **changed)
        log = again()
        # Step 1 runs at rate 0, so the first two windows both see the initial weights.
        for step, window in ((0, data[0:4]), (1, data[4:8])):
            expected = token_mean(new().eval(), window)
            assert abs(log["loss"][step] - expected) < 2e-6 * expected, (log["loss"][step], expected)
        other, broken = again(nudged(new(), seed)), broken_rules(method, again)
        spread = relative_spread(log, other, "loss")
        assert spread < 5e-6, spread
        result[method] = {
            **log, "rounding_spread": spread, "sensitivities": sensitivities(log, broken, "loss"),
            "norm_rounding_spread": relative_spread(log, other, "gradient_norm"),
            "norm_sensitivities": sensitivities(log, broken, "gradient_norm")}
    return result
