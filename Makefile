# `make help` lists what there is to make.

.PHONY: build demo test lint setup clean help

build: setup  ## build the gemmatune command (release): .build/release/gemmatune
	swift build -c release

demo: build  ## train and evaluate the bundled tiny model in all variants; the report goes to demo/report
	scripts/sweep.sh configs/tiny --runs demo/runs --output demo/report

test: setup  ## run every test
	swift test -c release

lint:  ## check the form of Swift, shell and Python sources; changes nothing
	swift format lint --strict --recursive Sources Tests Package.swift
	for script in scripts/*.sh .ci/run; do bash -n "$$script" || exit 1; done
	if command -v python3 >/dev/null; then \
	  for script in scripts/*.py scripts/reference/*.py; do \
	    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read(), sys.argv[1])' "$$script" || exit 1; \
	  done; \
	fi

setup:
	@scripts/setup.sh

clean:  ## remove what was built, and the demo's runs and report
	rm -rf .build demo

help:  ## this list
	@sed -n 's/^\([a-z]*\):.*  ## /\1\t/p' Makefile | expand -t 10
