#!/usr/bin/env python3
"""What transformers makes of a real Gemma on the first problems of a GSM8K file.

    pip install torch==2.9.* transformers==5.23.0 sentencepiece==0.2.3
    python scripts/reference/real_model.py MODEL_FOLDER test.jsonl OUT.json [COUNT]

For each of COUNT (10) problems, in bfloat16 and in float32, eager attention: the mean loss of the answer's tokens in
`[bos] + "Question: {q}\\nAnswer:" + " {a}" + [eos]`, and 20 greedy tokens after the prompt with the margin between the
two largest logits of each. The opt-in test RealModelTests reads OUT.json:

    GEMMATUNE_REAL_MODEL=MODEL_FOLDER GEMMATUNE_REAL_REFERENCE=OUT.json swift test --filter RealModel

transformers rounds its bfloat16 logits to bfloat16 (spacing 0.125 near 20), so that the two largest may tie there.
"""

import json
import sys
from pathlib import Path

import sentencepiece
import torch
from transformers import AutoModelForCausalLM


def examples(folder, data, count):
    tokenizer = sentencepiece.SentencePieceProcessor(model_file=str(Path(folder) / "tokenizer.model"))
    lines = Path(data).read_text(encoding="utf-8").split("\n")[:count]
    for index, row in enumerate(map(json.loads, lines)):
        prompt = [2] + tokenizer.encode(f"Question: {row['question']}\nAnswer:")
        yield {"id": index, "prompt_ids": prompt, "target_ids": tokenizer.encode(" " + row["answer"]) + [1]}


def answer(model, prompt, target):
    ids = torch.tensor([prompt + target])
    logits = model(ids, use_cache=False).logits[0].float()
    loss = torch.nn.functional.cross_entropy(logits[len(prompt) - 1 : -1], ids[0, len(prompt) :])
    greedy = model.generate(
        torch.tensor([prompt]), attention_mask=torch.ones(1, len(prompt), dtype=torch.long), do_sample=False,
        max_new_tokens=20, output_scores=True, return_dict_in_generate=True, pad_token_id=0)
    margins = [float(score[0].float().topk(2).values.diff().abs()) for score in greedy.scores]
    return loss.item(), greedy.sequences[0, len(prompt) :].tolist(), margins


def main():
    folder, data, out = sys.argv[1:4]
    rows = list(examples(folder, data, int(sys.argv[4]) if len(sys.argv) > 4 else 10))
    for dtype, suffix in ((torch.bfloat16, ""), (torch.float32, "_float32")):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()
        for row in rows:
            with torch.no_grad():
                loss, greedy, margins = answer(model, row["prompt_ids"], row["target_ids"])
            row.update({"loss" + suffix: loss, "greedy" + suffix: greedy, "greedy_margins" + suffix: margins})
    Path(out).write_text(json.dumps(rows) + "\n")


if __name__ == "__main__":
    main()
