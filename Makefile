# Every task of the project. `make help` lists them.
SHELL := /bin/bash
.DEFAULT_GOAL := help

BUF := go tool -modfile=tools/go.mod buf
BIN := $(CURDIR)/bin
VENV := $(CURDIR)/build/venv
# What `buf breaking` compares with: the parent commit unless told otherwise.
BASE ?= HEAD~1
FUZZTIME ?= 30s

.PHONY: help
help: ## List the tasks.
	@awk 'BEGIN {FS = ":.*## "} /^[a-zA-Z0-9_-]+:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build bin/unmask.
	go build -trimpath -ldflags "-s -w -X main.version=$$(git describe --always --dirty 2>/dev/null || echo dev)" -o $(BIN)/unmask ./cmd/unmask

.PHONY: demo
demo: ## Run the main job on the embedded default.
	go run ./cmd/unmask demo

.PHONY: test
test: needs postgres proto lint unit recovery examples ## Everything that has to hold; what CI runs.

.PHONY: needs
needs: ## Say what is missing on this machine.
	@missing=0; \
	for tool in go git python3 curl; do \
	  command -v $$tool >/dev/null || { echo "missing: $$tool (needed by make test)"; missing=1; }; \
	done; \
	python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "missing: python3 with venv and ensurepip (Debian: python3-venv)"; missing=1; }; \
	go env GOVERSION | grep -Eq '^go1\.(2[6-9]|[3-9][0-9])' || { echo "missing: Go 1.26 or newer, found $$(go env GOVERSION)"; missing=1; }; \
	CGO_ENABLED=1 go env CC | xargs -I{} sh -c 'command -v {} >/dev/null' || { echo "missing: a C compiler (needed by the race detector)"; missing=1; }; \
	exit $$missing

.PHONY: postgres
postgres: ## See that there is a PostgreSQL server for tests; install Debian's where root may.
	@scripts/postgres

.PHONY: unit
unit: ## Go tests under the race detector, with a PostgreSQL server of their own.
	POSTGRES_TEST=required go test -race -timeout 30m ./...

.PHONY: short
short: ## Go tests without the race detector and the slow ones.
	go test -short ./...

.PHONY: examples
examples: python ## Run what the README shows, against a real server.
	README_TEST=required README_PYTHON=$(VENV)/bin/python go test -count=1 -timeout 10m ./test/readme/

.PHONY: python
python: $(VENV)/.done ## A virtual environment with what the Python example needs.
$(VENV)/.done: examples/python/requirements.txt
	python3 -m venv $(VENV)
	$(VENV)/bin/pip install --quiet --disable-pip-version-check -r examples/python/requirements.txt
	touch $@

.PHONY: generate
generate: ## Generate gen/ from api/.
	$(BUF) generate

.PHONY: proto
proto: ## Lint and format-check api/, look for breaking changes, and require gen/ to be fresh.
	$(BUF) lint
	$(BUF) format --diff --exit-code
	@if git cat-file -e '$(BASE):api/proto' 2>/dev/null; then \
	  echo "$(BUF) breaking --against .git#ref=$(BASE)"; $(BUF) breaking --against '.git#ref=$(BASE)'; \
	else echo "buf breaking: skipped, $(BASE) has no api/"; fi
	scripts/check-generated

.PHONY: lint
lint: $(BIN)/golangci-lint ## golangci-lint, with the formatter's rules.
	$(BIN)/golangci-lint run ./...

$(BIN)/golangci-lint: tools/lint/go.mod
	cd tools/lint && go build -o $@ github.com/golangci/golangci-lint/v2/cmd/golangci-lint

.PHONY: fmt
fmt: ## Format Go and protos.
	go tool -modfile=tools/lint/go.mod gofumpt -w $$(git ls-files -co --exclude-standard '*.go' | grep -v '^gen/')
	$(BUF) format -w

.PHONY: vuln
vuln: ## govulncheck; needs its online database.
	go tool -modfile=tools/lint/go.mod govulncheck ./...

.PHONY: fuzz
fuzz: ## Every fuzz target for FUZZTIME each.
	@for pkg in $$(go list ./internal/...); do \
	  for target in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "$$pkg $$target"; go test -run '^$$' -fuzz "^$$target$$" -fuzztime $(FUZZTIME) $$pkg || exit 1; \
	  done; \
	done

.PHONY: bench
bench: ## Go benchmarks.
	go test -run '^$$' -bench . -benchmem ./internal/...

.PHONY: bench-stats
bench-stats: ## Simulate the error rates of the estimators and gates (long).
	go run ./bench/stats

.PHONY: bench-models
bench-models: ## Find the knee of a simulated endpoint and come through a storm of 429s (7 min).
	go run ./bench/models

.PHONY: bench-runs
bench-runs: ## Whole runs on loopback: samples a second, CPU and memory beside a bare loop of calls.
	go build -o build/bench-runs ./bench/runs
	build/bench-runs -samples 20000 -times 3
	build/bench-runs -samples 20000 -concurrency 1000 -delay 200ms -times 3
	build/bench-runs -samples 200 -concurrency 16 -delay 20ms -beside 100000 -times 5

.PHONY: recovery
recovery: ## Are known gaps inside their intervals? 200 seeded runs at three settings, and every built-in scenario.
	go test -count=1 -timeout 30m -run 'TestKnownGapsAreRecovered|TestEveryScenario' -v ./test/recovery/ -recovery.runs=200

.PHONY: chaos
chaos: postgres ## Kill servers, workers and the database in mid-run, 120 times (15 min).
	POSTGRES_TEST=required go test -count=1 -timeout 25m -v ./test/chaos/ -chaos.rounds=60

.PHONY: eval-grading
eval-grading: ## Score the rubric grader on the labelled data beside the project.
	go run ./bench/grading eval

.PHONY: real-model
real-model: build ## Evaluate a small real language model on this machine.
	scripts/real-model

.PHONY: image
image: ## Build the container image.
	docker build -t unmask:dev .

.PHONY: clean
clean: ## Remove what was built.
	rm -rf bin build
