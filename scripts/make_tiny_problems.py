#!/usr/bin/env python3
"""Generate the word problems of configs/tiny, and the corpus its base model is pre-trained on.

    python3 scripts/make_tiny_problems.py --problems configs/tiny/data --pretraining runs/tiny-pretraining-data

Problems: GSM8K's layout and format (`<<a+b=c>>c` annotations, a last line `#### n`, `sub-question ** step` in
the socratic files), but a small world of our own: twelve kinds of story, small whole numbers, one step or two.
The pre-training corpus has the same words and the same layout and teaches two skills apart: sums without a
story, and stories whose questions are answered by copying a number. Nothing in it asks to solve a problem.

Standard library only, Python 3.8 or later; the random numbers are our own: every Python writes the same bytes.
"""

import argparse
import json
import re
from pathlib import Path

SEED = 20240917
TRAIN_PROBLEMS = 2000
TEST_PROBLEMS = 200
PRETRAINING_ROWS = 12000
SUMS_PERCENT = 60           # of the pre-training rows; the others are stories
CHAINED_SUMS_PERCENT = 40   # of the sums have two operations
LARGEST = 30                # no number in a problem or a sum is larger
LARGEST_FACTOR = 9          # nor a factor or divisor

NAMES = ["Abo", "Bela", "Cato", "Dunja", "Edda", "Fritjof", "Golo", "Hedda",
         "Imke", "Jorun", "Kuno", "Liv", "Malte", "Nele", "Odo", "Runa"]
ITEMS = ["acorns", "buttons", "corks", "figs", "kites", "marbles", "pebbles", "plums", "ribbons", "shells"]
BOXES = ["bags", "baskets", "jars", "trays"]

# Each entry: the story; the question; the first and last value of the numbers; the steps of the solution,
# each with the sub-question of the socratic files; questions answered by copying a number, with its name. `[a
# + b = d]` is a calculation.
TEMPLATES = [
    ("{A} has {a} {items} and finds {b} more.", "How many {items} does {A} have now?",
     {"a": (2, 28), "b": (2, 20)},
     [("How many {items} does {A} have now?", "{A} has [a + b = r] {items} now.")],
     [("How many {items} does {A} have first?", "{A} has {a} {items}.", "a"),
      ("How many {items} does {A} find?", "{A} finds {b} {items}.", "b")]),
    ("{A} has {a} {items} and gives {b} to {B}.", "How many {items} are left?",
     {"a": (4, 30), "b": (2, 20)},
     [("How many {items} are left?", "{A} has [a - b = r] {items} left.")],
     [("How many {items} does {A} have first?", "{A} has {a} {items}.", "a"),
      ("How many {items} does {B} get?", "{B} gets {b} {items}.", "b")]),
    ("{A} fills {a} {boxes} with {b} {items} each.", "How many {items} does {A} use?",
     {"a": (2, 9), "b": (2, 9)},
     [("How many {items} does {A} use?", "{A} uses [a * b = r] {items}.")],
     [("How many {boxes} does {A} fill?", "{A} fills {a} {boxes}.", "a"),
      ("How many {items} are in each?", "Each has {b} {items}.", "b")]),
    ("{A} has {a} {items} and {B} has {b}.", "How many {items} do they have together?",
     {"a": (2, 28), "b": (2, 20)},
     [("How many {items} do they have together?", "They have [a + b = r] {items} together.")],
     [("How many {items} does {A} have?", "{A} has {a} {items}.", "a"),
      ("How many {items} does {B} have?", "{B} has {b} {items}.", "b")]),
    ("{A} has {a} {items} and {B} has {b}.", "How many more {items} does {A} have?",
     {"a": (4, 30), "b": (2, 20)},
     [("How many more {items} does {A} have?", "{A} has [a - b = r] more {items}.")],
     [("How many {items} does {A} have?", "{A} has {a} {items}.", "a"),
      ("How many {items} does {B} have?", "{B} has {b} {items}.", "b")]),
    ("{A} shares {a} {items} among {b} friends.", "How many {items} does each friend get?",
     {"a": (6, 30), "b": (2, 9)},
     [("How many {items} does each friend get?", "Each friend gets [a / b = r] {items}.")],
     [("How many {items} does {A} share?", "{A} shares {a} {items}.", "a"),
      ("How many friends are there?", "There are {b} friends.", "b")]),
    ("{A} has {a} {items}. {B} has {b} times as many.", "How many {items} does {B} have?",
     {"a": (2, 9), "b": (2, 5)},
     [("How many {items} does {B} have?", "{B} has [a * b = r] {items}.")],
     [("How many {items} does {A} have?", "{A} has {a} {items}.", "a")]),
    ("{A} has {a} {items}, finds {b} more and loses {c}.", "How many {items} are left?",
     {"a": (2, 20), "b": (2, 20), "c": (2, 15)},
     [("How many {items} does {A} have then?", "{A} has [a + b = d] {items} then."),
      ("How many {items} are left?", "{A} has [d - c = r] {items} left.")],
     [("How many {items} does {A} find?", "{A} finds {b} {items}.", "b"),
      ("How many {items} does {A} lose?", "{A} loses {c} {items}.", "c")]),
    ("{A} has {a} {boxes} with {b} {items} each and {c} more {items}.", "How many {items} does {A} have now?",
     {"a": (2, 6), "b": (2, 6), "c": (2, 15)},
     [("How many {items} are in the {boxes}?", "The {boxes} have [a * b = d] {items}."),
      ("How many {items} does {A} have now?", "{A} has [d + c = r] {items} now.")],
     [("How many {boxes} does {A} have?", "{A} has {a} {boxes}.", "a"),
      ("How many {items} are in each?", "Each has {b} {items}.", "b")]),
    ("{A} has {a} {items}. {B} has {b} more.", "How many {items} do they have together?",
     {"a": (2, 15), "b": (2, 12)},
     [("How many {items} does {B} have?", "{B} has [a + b = d] {items}."),
      ("How many {items} do they have together?", "They have [a + d = r] {items} together.")],
     [("How many {items} does {A} have?", "{A} has {a} {items}.", "a")]),
    ("{A} fills {a} {boxes} with {b} {items} each and gives {c} {items} to {B}.", "How many {items} are left?",
     {"a": (2, 6), "b": (2, 9), "c": (2, 15)},
     [("How many {items} does {A} use?", "{A} uses [a * b = d] {items}."),
      ("How many {items} are left?", "{A} has [d - c = r] {items} left.")],
     [("How many {boxes} does {A} fill?", "{A} fills {a} {boxes}.", "a"),
      ("How many {items} does {B} get?", "{B} gets {c} {items}.", "c")]),
    ("There are {a} {items}. {A} gets {b} and {B} gets {c}.", "How many {items} are left?",
     {"a": (8, 30), "b": (2, 12), "c": (2, 12)},
     [("How many {items} do they get together?", "They get [b + c = d] {items} together."),
      ("How many {items} are left?", "There are [a - d = r] {items} left.")],
     [("How many {items} are there first?", "There are {a} {items}.", "a"),
      ("How many {items} does {B} get?", "{B} gets {c} {items}.", "c")]),
]


class Random:
    """SplitMix64: whole numbers below a bound, the same on every machine."""

    def __init__(self, seed):
        self.state = seed

    def below(self, bound):
        self.state = (self.state + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
        return ((z ^ (z >> 31)) * bound) >> 64

    def between(self, first, last):
        return first + self.below(last - first + 1)

    def choice(self, values):
        return values[self.below(len(values))]

    def percent(self, share):
        return self.below(100) < share


CALCULATION = re.compile(r"\[(\w) ([-+*/]) (\w) = (\w)\]")


def calculated(a, operation, b):
    """The whole positive number up to LARGEST that a calculation gives, or None."""
    if operation in "*/" and b > LARGEST_FACTOR or operation == "/" and a % b:
        return None
    result = {"+": a + b, "-": a - b, "*": a * b, "/": a // b}[operation]
    return result if 1 <= result <= LARGEST else None


def annotated(a, operation, b, result):
    return f"{a} {operation} {b} = <<{a}{operation}{b}={result}>>{result}"


def drawn_story(random, template):
    """Words and numbers of one story, with every step's result; drawn again until all of them are allowed."""
    _, _, ranges, steps, _ = template
    while True:
        values = {name: random.between(*ends) for name, ends in ranges.items()}
        for _, step in steps:
            a, operation, b, name = CALCULATION.search(step).groups()
            values[name] = calculated(values[a], operation, values[b]) if values[a] and values[b] else None
        if all(values.values()):
            break
    first = random.choice(NAMES)
    values.update(A=first, B=random.choice([name for name in NAMES if name != first]),
                  items=random.choice(ITEMS), boxes=random.choice(BOXES))
    return values


def problem(random):
    """One problem: (question, main answer, socratic answer)."""
    template = random.choice(TEMPLATES)
    story, asked, _, steps, _ = template
    values = drawn_story(random, template)

    def step_text(step):
        return CALCULATION.sub(
            lambda m: annotated(values[m[1]], m[2], values[m[3]], values[m[4]]), step).format(**values)

    final = f"#### {values['r']}"
    main = [step_text(step) for _, step in steps] + [final]
    socratic = [f"{sub.format(**values)} ** {step_text(step)}" for sub, step in steps] + [final]
    return f"{story} {asked}".format(**values), "\n".join(main), "\n".join(socratic)


def problems(random, count):
    """`count` problems with different questions."""
    found = {}
    while len(found) < count:
        question, main, socratic = problem(random)
        found.setdefault(question, (main, socratic))
    return [(question, *answers) for question, answers in found.items()]


def drawn_sum(random, first):
    """(first number, operation, second number, result), going on from `first` unless it is None."""
    while True:
        operation = random.choice("+-*/")
        a = first or random.between(2, LARGEST)
        b = random.between(2, LARGEST_FACTOR if operation in "*/" else LARGEST - 2)
        if operation == "*" and not first:
            a = random.between(2, LARGEST_FACTOR)
        result = calculated(a, operation, b)
        if result:
            return a, operation, b, result


def sum_row(random):
    """A sum without a story, of one operation or two: (question, answer)."""
    a, operation, b, result = drawn_sum(random, None)
    question, lines = f"What is {a} {operation} {b}", [annotated(a, operation, b, result)]
    if random.percent(CHAINED_SUMS_PERCENT):
        _, operation, b, last = drawn_sum(random, result)
        question += f", then {operation} {b}"
        lines.append(annotated(result, operation, b, last))
        result = last
    return question + "?", "\n".join(lines + [f"#### {result}"])


def reading_row(random):
    """A story and a question that reading answers: (question, answer)."""
    template = random.choice(TEMPLATES)
    values = drawn_story(random, template)
    asked, answer, number = random.choice(template[4])
    return (f"{template[0]} {asked}".format(**values), answer.format(**values) + f"\n#### {values[number]}")


def pretraining_rows(random, count):
    return [sum_row(random) if random.percent(SUMS_PERCENT) else reading_row(random) for _ in range(count)]


ANNOTATION = re.compile(r"(\d+) ([-+*/]) (\d+) = <<(\d+)([-+*/])(\d+)=(\d+)>>(\d+)")


def replayed(answer):
    """Checks every annotation of an answer by calculating it again; returns the number after `####`."""
    *lines, last = answer.split("\n")
    assert last.startswith("#### ") and "####" not in "".join(lines), answer
    assert answer.count("<<") == answer.count(">>") == len(ANNOTATION.findall(answer)), answer
    assert all(int(number) <= LARGEST for number in re.findall(r"\d+", answer)), answer
    for a, operation, b, a2, operation2, b2, result, text in ANNOTATION.findall(answer):
        assert (a, operation, b, result) == (a2, operation2, b2, text), answer
        left, right = int(a), int(b)
        if operation == "/":
            assert left == int(result) * right, answer
        else:
            assert int(result) == {"+": left + right, "-": left - right, "*": left * right}[operation], answer
    return int(last[5:])


def check_problems(train, test):
    """No question twice; every annotation right; both kinds of answer with the same steps and final number."""
    questions = [question for question, _, _ in train + test]
    assert len(set(questions)) == len(questions) == TRAIN_PROBLEMS + TEST_PROBLEMS
    for _, main, socratic in train + test:
        *steps, final = main.split("\n")
        assert replayed(main) == replayed(socratic) == int(steps[-1].split(">>")[1].split(" ")[0])
        *asked, socratic_final = socratic.split("\n")
        assert final == socratic_final and len(asked) == len(steps) >= 1
        for line, step in zip(asked, steps):
            sub_question, separator, rest = line.partition(" ** ")
            assert separator and sub_question.endswith("?") and rest == step and step.count("<<") == 1, socratic


def check_pretraining(rows, solved):
    """Replays the sums, and finds each reading answer's number in its story; no row may be a problem of the task."""
    for question, answer in rows:
        final = replayed(answer)
        assert question not in solved, question
        assert "<<" in answer or re.search(rf"\b{final}\b", question), answer


def write_rows(path, rows):
    """JSONL as OpenAI writes it: pure ASCII, question before answer, a final newline."""
    lines = [json.dumps({"question": question, "answer": answer}) + "\n" for question, answer in rows]
    path.write_bytes("".join(lines).encode("ascii"))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--problems", type=Path, required=True, help="folder for the four problem files")
    parser.add_argument("--pretraining", type=Path, help="folder for the pre-training corpus")
    arguments = parser.parse_args()

    made = problems(Random(SEED), TRAIN_PROBLEMS + TEST_PROBLEMS)
    train, test = made[:TRAIN_PROBLEMS], made[TRAIN_PROBLEMS:]
    check_problems(train, test)
    arguments.problems.mkdir(parents=True, exist_ok=True)
    for split, rows in (("train", train), ("test", test)):
        write_rows(arguments.problems / f"{split}.jsonl", [(question, main) for question, main, _ in rows])
        write_rows(arguments.problems / f"{split}_socratic.jsonl", [(question, soc) for question, _, soc in rows])

    if arguments.pretraining:
        corpus = pretraining_rows(Random(SEED + 1), PRETRAINING_ROWS)
        check_pretraining(corpus, {question for question, _, _ in made})
        arguments.pretraining.mkdir(parents=True, exist_ok=True)
        write_rows(arguments.pretraining / "train.jsonl", corpus)


if __name__ == "__main__":
    main()
