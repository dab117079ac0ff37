# `make help` lists what there is to make.

.PHONY: build demo test test-processors kernels-test kernels-check bench bench-peer bundle lint setup clean help

# What the benchmarks measure, and the Python that has the peer's packages.
MODEL = models/gemma-3-270m
DATA = data/gsm8k
PYTHON = python3

build: setup  ## build the gemmatune command (release): .build/release/gemmatune
	swift build -c release

demo: build  ## train and evaluate the bundled tiny model in all variants; the report goes to demo/report
	scripts/sweep.sh configs/tiny --runs demo/runs --output demo/report

# Without testable imports, which no test uses, the build of the command serves the tests too.
test: setup  ## run every test
	swift test -c release --disable-testable-imports

test-processors: test  ## the numeric tests again as other processors compute them; CORES="Prescott Haswell"
	scripts/test_processors.sh $(CORES)

kernels-test:  ## test the CUDA kernels without a GPU: under an emulator, with sanitizers
	scripts/test_kernels.sh

kernels-check:  ## compile the CUDA kernels for every GPU generation; needs PYTHON with nvidia-cuda-nvrtc
	$(PYTHON) scripts/check_kernels.py

bench: build  ## measure speed and memory: bench/results.md; MODEL=folder DATA=folder BENCH="--quick"
	.build/release/gemmabench run --model $(MODEL) --data $(DATA) $(BENCH)

bench-peer: build  ## the same beside transformers + PEFT, in turn; PYTHON=interpreter with their packages
	.build/release/gemmabench run --model $(MODEL) --data $(DATA) --peer $(PYTHON) $(BENCH)

bundle: setup  ## a folder and .tar.gz that run on a machine without Swift: bundle/
	scripts/make_bundle.sh

lint:  ## check the form of all sources; changes nothing
	swift format lint --strict --recursive Sources Tests Package.swift
	for script in scripts/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	if command -v python3 >/dev/null; then \
	  for script in scripts/*.py scripts/reference/*.py; do \
	    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$$script" || exit 1; \
	  done; \
	  python3 scripts/lint_form.py Sources Tests; \
	fi

setup:
	@scripts/setup.sh

clean:  ## remove what was built, and the demo's runs and report
	rm -rf .build demo

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /\1\t/p' Makefile | expand -t 16
