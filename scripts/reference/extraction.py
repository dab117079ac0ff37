#!/usr/bin/env python3
"""Makes Tests/Fixtures/extraction.jsonl: what Python's `re` extracts from completions, and whether it is right.

Made with Python 3.11.7, standard library only. Run from anywhere: python3 scripts/reference/extraction.py
Definitions: openai/grade-school-math 3101c7d, grade_school_math/dataset.py; EleutherAI/lm-evaluation-harness 4e7e0d4,
lm_eval/tasks/gsm8k/gsm8k.yaml (version 3.0), lm_eval/filters/extraction.py, exact_match_hf_evaluate.
"""

import json
import pathlib
import re

STRICT = re.compile(r"#### (\-?[0-9\.\,]+)")
FLEXIBLE = re.compile(r"(-?[$0-9.,]{2,})|(-?[0-9]+)")
IGNORED = [",", r"\$", r"(?s).*#### ", r"\.$"]
INVALID = "[invalid]"

EIGHTEEN = "16 - 3 - 4 = <<16-3-4=9>>9 eggs.\n9 * 2 = $<<9*2=18>>18.\n#### 18"
REFERENCES = {
    EIGHTEEN: [
        "so 18.\n#### 18", "#### 18 eggs", "#### 18%", "#### 1,8", " #### 18", "#### 18.", "#### 18.0", "#### 018",
        "#### -18", "#### $18", "####18", "####  18", "#### 17\n#### 18", "#### 18\n#### 17", "#### 18 or 19",
        "#### 18\n\nQuestion: If 3 pens cost 5 dollars", "#### 36/2", "The answer is 18", "The answer is 18.",
        "18, I think", "9*2=<<9*2=18>>18", "The answer is $18.00", "she makes 18...", "#### ,", "...", "",
        "#### \u221218", "##### 18", "#### #### 18", "#### x #### 18", "####\n18", "####\t18", "####\u00a018",
        "#### 18\u0301", "#### \uff11\uff18", "18\u0301 eggs", "\u0661\u0668", "#### 18\r\n", "18\r\n", "#### --18",
        "--18", "5-18", "a-b18", "$18", "-$18", "$-18", "18$", "1 8", "18,", "18.", "18 .", "18 -", "#### 18-", "-", "$",
        "7$", "$,.", "18 $.", "#### .", "#### -", "#### -.18", "#### 18,.", "#### 1.8e1", "#### 18\n####", "[invalid]",
        "\U0001f600#### 18\U0001f600 17\U0001f600", "#### 18 \u2028#### 19", "\x00#### 18\x00", "#### 18\n\n\n",
        "The total is 18 eggs, which is 9 * 2.", "#### 18 #### 18.", "####" * 20 + " 18",
    ],
    "<<17*125=2125>>2,125 meters.\n#### 2,125": [
        "#### 2,125", "#### 2125", "#### 2125.", "#### 2,125.0", "#### 21,25", "#### 2 125", "it is 2,125", "$2,125.",
        "2125,", "#### 2,12,5,",
    ],
    "5 - 8 = -3\n#### -3": [
        "#### -3", "#### - 3", "#### 3", "-3", "it is -3.", "5 -3", "#### -3.", "#### \u22123", "-,3", "#### -,3",
    ],
    # References that a careful loader refuses. The definitions still read them, each in its own way.
    "#### $29.00": ["#### 29.00", "#### $29.00", "29.00", "$29.00"],
    "A #### 1 b #### 2.": ["#### 1", "#### 2", "#### 2.", "2."],
    "no final line. 5": ["#### 5", "5", "[invalid]"],
    "[INVALID]": ["nothing", "#### 5"],
    "#,### 7.\n": ["#### 7", "#### 7.", "7"],
}


def openai(text):
    match = STRICT.search(text)
    return match.group(1).strip().replace(",", "") if match else INVALID


def harness(pattern, select, text):
    matches = pattern.findall(text)
    if not matches:
        return INVALID
    match = matches[select]
    if isinstance(match, tuple):
        match = [group for group in match if group][0]
    return match.strip()


def harness_correct(extracted, reference):
    for pattern in IGNORED:
        extracted = re.sub(pattern, "", extracted)
        reference = re.sub(pattern, "", reference)
    return extracted.lower() == reference.lower()


def row(completion, reference):
    values = {
        "openai": openai(completion),
        "strict": harness(STRICT, 0, completion),
        "flexible": harness(FLEXIBLE, -1, completion),
    }
    return {
        "completion": completion,
        "reference": reference,
        **values,
        "correct_openai": values["openai"] == openai(reference) != INVALID,
        "correct_strict": harness_correct(values["strict"], reference),
        "correct_flexible": harness_correct(values["flexible"], reference),
    }


def main():
    root = pathlib.Path(__file__).resolve().parents[2]
    rows = [row(completion, reference) for reference, texts in REFERENCES.items() for completion in texts]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (root / "Tests" / "Fixtures" / "extraction.jsonl").write_text(text, encoding="ascii")
    print(f"Tests/Fixtures/extraction.jsonl: {len(rows)} rows")


if __name__ == "__main__":
    main()
