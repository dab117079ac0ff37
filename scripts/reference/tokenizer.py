#!/usr/bin/env python3
"""Expected ids and texts of the tokenizer, from PyPI's sentencepiece.

    pip install sentencepiece==0.2.3
    python scripts/reference/tokenizer.py train Tests/Fixtures/tokenizer     # tokenizer.model, 512 pieces
    python scripts/reference/tokenizer.py expect Tests/Fixtures/tokenizer    # strings.jsonl, generated.json
    python scripts/reference/tokenizer.py check FOLDER [GSM8K.jsonl ...]     # FOLDER/strings.jsonl for another model

`train` makes a small model with everything that Gemma's has: byte fallback, user-defined turn tokens, newline runs and
blank runs. `expect` writes about 200 chosen strings with their ids and decoded text, and, for 10,000 generated strings
and 2,000 generated id sequences, one hash for each thousand. `check` takes a folder with any tokenizer.model of the
same kind and writes strings with their ids, for the opt-in test that GEMMATUNE_TOKENIZER_CHECK=FOLDER turns on.
Python 3.11 made the committed files.
"""

import io
import json
import sys
from pathlib import Path

import sentencepiece

VERSION = "0.2.3"
MASK = (1 << 64) - 1
COUNT, ID_COUNT = 10_000, 2_000

NAMES = ["Ana", "Bo", "Chloé", "Dmitri", "Ngozi", "Søren", "Zoë", "李雷"]
THINGS = ["apples", "pencils", "stickers", "marbles", "cupcakes", "tickets", "kilometres", "naïve robots"]
WORDS = (
    "Question Answer the a of has buys gives each twice half total how many much does have left now dollars cents "
    "per hour week together more than fewer costs earns spends saves first then so therefore <b> </b> #### << >> "
    "<start_of_turn> <end_of_turn> user model <bos> <eos> <pad> <unk> <mask> [multimodal] <0x41> ▁ ▁▁ café 数 😀 é"
).split(" ")


class Random:
    """splitmix64 as a function of a counter; TokenizerGeneratedTests.swift has the same one."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        value = self.state
        value = (value ^ value >> 30) * 0xBF58476D1CE4E5B9 & MASK
        value = (value ^ value >> 27) * 0x94D049BB133111EB & MASK
        return value ^ value >> 31

    def below(self, bound):
        return self.next() % bound


def generated_string(index):
    """String `index`: up to 12 parts, each a run of one kind."""
    random = Random(index * 0x100000001B3)
    return "".join(generated_part(random) for _ in range(random.below(12)))


def generated_part(random):
    kind = random.below(10)
    count = 1 + random.below(6)
    if kind == 0:
        return " " * count
    if kind == 1:
        return "\n" * count
    if kind == 2:
        return "".join(chr(0x30 + random.below(10)) for _ in range(count))
    if kind == 3:
        return "".join(chr(random.below(0x100)) for _ in range(count))
    if kind == 4:
        return "".join(scalar(random.below(0x110000)) for _ in range(count))
    if kind == 5:
        return "".join(chr(0x41 + random.below(26)) + chr(0x300 + random.below(0x70)) for _ in range(count))
    if kind == 6:
        return "".join(scalar(random.below(0x3000)) for _ in range(count))
    if kind == 7:
        return "".join(chr(0x1F300 + random.below(0x300)) for _ in range(count))
    return "".join(WORDS[random.below(len(WORDS))] + (" " if random.below(3) else "") for _ in range(count))


def scalar(value):
    """A Unicode scalar: surrogates moved up out of their block."""
    return chr(value + 0x800 if 0xD800 <= value < 0xE000 else value)


def generated_ids(index, pieces):
    """Ids of sequence `index`; the first 300 of any Gemma-like model hold its byte pieces, so those come often."""
    random = Random(index * 0x100000001B3 + 7)
    return [random.below(min(300, pieces) if random.below(4) else pieces) for _ in range(random.below(24))]


class Hash:
    """64-bit FNV-1a over bytes."""

    def __init__(self):
        self.value = 0xCBF29CE484222325

    def add(self, data):
        for byte in data:
            self.value = (self.value ^ byte) * 0x100000001B3 & MASK


def hashes(items, encoded):
    """One hash for each thousand items, over their bytes and a byte that UTF-8 never has after each."""
    result = []
    for start in range(0, len(items), 1000):
        value = Hash()
        for item in items[start:start + 1000]:
            value.add(encoded(item))
            value.add(b"\xff")
        result.append(f"{value.value:016x}")
    return result


def id_bytes(ids):
    return b"".join(id.to_bytes(4, "little") for id in ids)


def corpus():
    """Sentences of word problems, a few with scripts and signs beyond ASCII."""
    random = Random(1)
    for _ in range(4000):
        name, thing = NAMES[random.below(len(NAMES))], THINGS[random.below(len(THINGS))]
        a, b = 2 + random.below(98), 2 + random.below(98)
        words = " ".join(WORDS[random.below(40)] for _ in range(6))
        yield (
            f"{name} has {a} {thing} and buys {b} more. How many {thing} does {name} have in total? {words}  "
            f"<<{a}+{b}={a + b}>>{a + b} #### {a + b} café 数 — “so” ½ €{a}.{b:02d}"
        )


def train(folder):
    symbols = ["<mask>", "[multimodal]", "<unused0>", "<unused1>", "<start_of_turn>", "<end_of_turn>"]
    symbols += ["\n" * count for count in range(1, 5)] + ["▁" * count for count in range(2, 9)] + ["\t", "<b>", "</b>"]
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(), model_writer=out, vocab_size=512, model_type="bpe", byte_fallback=True,
        split_digits=True, character_coverage=1.0, normalization_rule_name="identity", add_dummy_prefix=False,
        remove_extra_whitespaces=False, pad_id=0, eos_id=1, bos_id=2, unk_id=3, pad_piece="<pad>", eos_piece="<eos>",
        bos_piece="<bos>", unk_piece="<unk>", user_defined_symbols=symbols, num_threads=1, minloglevel=1)
    (folder / "tokenizer.model").write_bytes(out.getvalue())
    print(f"tokenizer.model: {len(out.getvalue())} bytes")


def chosen_strings():
    """Strings where implementations differ: blanks, symbols, bytes, joined and split code points."""
    strings = ["", " ", "a", "\n", "\t", "\r\n", "\0", "a\0b", "▁", " ▁ ", "▁▁▁", "\ufeff", "\ufffd", "\U0010ffff"]
    strings += [" " * count for count in range(2, 20)] + ["\n" * count for count in range(2, 8)]
    strings += [f"a{' ' * count}b" for count in range(1, 11)] + [f"{' ' * count}▁" for count in range(1, 4)]
    strings += [f"<start_of_turn>user\n{name} has 3 apples.<end_of_turn>\n<start_of_turn>model\n" for name in NAMES]
    strings += ["<bos>", "<eos>", "<pad>", "<unk>", "<bos><start_of_turn>", "<0x41>", "<0xFF>", "<start_of_turn"]
    strings += ["of_turn>", "<<12+30=42>>42", "#### 42", "#### -1,234.50", "1234567890", "3.14159", "½ of €10"]
    strings += ["“quoted”", "café — naïve", "e\u0301", "\u00e9", "👩‍👩‍👧‍👦", "🇩🇪", "नमस्ते", "مرحبا", "한국어"]
    strings += ["\u1100\u1161", "數学数", "𝔘𝔫𝔦", "a\u0300\u0301\u0302"]
    strings += ["<b>bold</b>", "<b", "</b></b>", "<mask><mask>", "[multimodal]", "<unused0><unused1><unused2>"]
    strings += [generated_string(index) for index in range(20_000, 20_090)] + list(corpus())[:10]
    return strings


def expect(folder):
    processor = load(folder)
    with open(folder / "strings.jsonl", "w", encoding="utf-8", newline="\n") as file:
        for string in chosen_strings():
            write_line(file, processor, string)
    strings = [generated_string(index) for index in range(COUNT)]
    ids = [processor.encode(string) for string in strings]
    sequences = [generated_ids(index, len(processor)) for index in range(ID_COUNT)]
    result = {
        "sentencepiece": VERSION, "strings": COUNT, "sequences": ID_COUNT, "ids": sum(map(len, ids)),
        "string_hashes": hashes(strings, lambda string: string.encode()),
        "id_hashes": hashes(ids, id_bytes),
        "decoded_hashes": hashes(ids, lambda ids: processor.decode(ids).encode()),
        "sequence_hashes": hashes(sequences, id_bytes),
        "decoded_sequence_hashes": hashes(sequences, lambda ids: processor.decode(ids).encode()),
    }
    (folder / "generated.json").write_text(json.dumps(result, indent=2) + "\n")


def check(folder, files):
    processor = load(folder)
    strings = chosen_strings() + [generated_string(index) for index in range(COUNT)]
    strings += [chr(byte) for byte in range(256)] + [f"a{chr(byte)}b" for byte in range(256)]
    strings += [" ".join(corpus())[:1 << 20], "a" * (1 << 20), " a" * (1 << 19), "<start_of_turn>" * (1 << 16)]
    for file in files:
        for line in Path(file).read_text(encoding="utf-8").split("\n"):
            strings += [json.loads(line)[key] for key in ("question", "answer")] if line else []
    with open(folder / "strings.jsonl", "w", encoding="utf-8", newline="\n") as out:
        for string in strings:
            write_line(out, processor, string)
    print(f"{len(strings)} strings")


def write_line(file, processor, string):
    ids = processor.encode(string)
    file.write(json.dumps({"text": string, "ids": ids, "decoded": processor.decode(ids)}, ensure_ascii=True) + "\n")


def load(folder):
    if sentencepiece.__version__ != VERSION:
        print(f"warning: sentencepiece {sentencepiece.__version__}, but the fixtures were made with {VERSION}")
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in ("train", "expect", "check"):
        sys.exit(__doc__)
    folder = Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    if sys.argv[1] == "train":
        train(folder)
    elif sys.argv[1] == "expect":
        expect(folder)
    else:
        check(folder, sys.argv[3:])


if __name__ == "__main__":
    main()
