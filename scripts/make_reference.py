#!/usr/bin/env python3
"""Write every numeric fixture under Tests/Fixtures again, from nothing.

    python3 -m venv .venv && . .venv/bin/activate
    pip install torch==2.15.0 transformers==5.23.0 peft==0.21.2 accelerate==1.15.0 safetensors==0.8.0 numpy==2.4.6
    python scripts/make_reference.py Tests/Fixtures [PART ...]

PART is one fixture folder, gemma for example; without any, all are written. Tokenizer and extraction fixtures have
their own scripts in scripts/reference. Everything runs on the CPU in float32 with eager attention, one
thread and deterministic algorithms; every random number comes from a seed written in the source. Python 3.11 made the
committed files. Tests/Fixtures/README.md names the tensors.
"""

import argparse
import functools
import os
import warnings
from pathlib import Path

os.environ.setdefault("HF_HUB_OFFLINE", "1")

import torch  # noqa: E402
import transformers  # noqa: E402

from reference import configuration, model, model_operations, optimizer  # noqa: E402

PARTS = {name: functools.partial(model.write, name) for name in model.FAMILIES}
PARTS |= {"operations": model_operations.write, "optimizer": optimizer.write,
          "configuration": configuration.write}
VERSIONS = {"torch": ("2.15.0", torch.__version__), "transformers": ("5.23.0", transformers.__version__)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fixtures", type=Path, help="the folder to write into, Tests/Fixtures")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    arguments = parser.parse_args()
    unknown = set(arguments.parts) - PARTS.keys()
    if unknown:
        parser.error(f"unknown part {sorted(unknown)}; expected {list(PARTS)}")
    for package, (wanted, found) in VERSIONS.items():
        if found.split("+")[0] != wanted:
            print(f"warning: {package} {found}, but the committed fixtures were made with {wanted}")
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    warnings.simplefilter("ignore")
    for part in arguments.parts or PARTS:
        folder = arguments.fixtures / part
        folder.mkdir(parents=True, exist_ok=True)
        PARTS[part](folder)
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        print(f"{part}: {size:,} bytes")


if __name__ == "__main__":
    main()
