# `make` prints what there is. Every target is one command that can be typed by
# hand; CONTRIBUTING.md says when to use which.

.DEFAULT_GOAL := help

STATICCHECK  := honnef.co/go/tools/cmd/staticcheck@v0.7.0
WORKFLOWCHECK := go.temporal.io/sdk/contrib/tools/workflowcheck@v0.6.0

VERSION      ?= $(shell git describe --tags --always --dirty 2>/dev/null)
STAMP        := -X causeway.dev/internal/buildinfo.stamped=$(VERSION) -X causeway.dev/sandbox/commands.version=$(VERSION)

.PHONY: help build release run test e2e clients simulate fmt lint bench scale histories schema golden screenshots freeze image ci

help: ## print this list
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## /{printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## build the programs into bin/
	go build -ldflags "$(STAMP)" -o bin/ ./worker ./sandbox
	go build -ldflags "$(STAMP)" -o bin/causeway ./starter

release: ## build archives for every system, with checksums and SBOMs, into dist/ (VERSION=v1.2.3)
	deploy/release $(VERSION)

run: ## everything in one process, with 10,000 made-up contacts (the first build takes minutes)
	go run -C devstack .

test: ## the tests of the root module
	go test ./...

e2e: ## whole flows against a real Temporal server, with workers that are killed (minutes)
	go test -C devstack ./...

clients: ## other people's clients against the sandboxes (needs Node and npm)
	sandbox/clients/run

simulate: ## look for schedules that lose something, FOR=1h; a seed that fails says how to repeat it
	go test ./internal/simulation -run 'TestSimulation$$' -timeout 0 -v -for $(or $(FOR),1h)

fmt: ## format all Go files
	gofmt -w .

lint: ## formatting, vet, staticcheck, workflow determinism
	@test -z "$$(gofmt -l .)" || { gofmt -l .; echo "not gofmt-ed: make fmt"; exit 1; }
	go vet ./...
	go run $(STATICCHECK) ./...
	go run $(WORKFLOWCHECK) ./workflows/...

bench: ## print figures: rates, memory, delays, beside a bare loop (NAMES="latency events" chooses)
	go run -C devstack ./bench $(NAMES)

scale: ## times of the ledger's calls with ROWS=3000000 records, on SQLite and PostgreSQL (minutes)
	go test ./internal/ledger -run TestTimesAtScale -v -timeout 0 -rows $(or $(ROWS),3000000)

histories: ## record histories on a real server for the replay tests, one a scenario
	devstack/record-histories

schema: ## write config/causeway.schema.json from the Go types
	go generate ./config

golden: ## write what commands and checks print into their golden files; then look at the diff
	go test ./config ./starter/commands -update

screenshots: ## take the session and the pictures of docs/tour.md anew (needs chromium)
	go run -C devstack ./tour

freeze: ## write down what a release promises: schema, histories, configuration (once, at its release)
	go test ./internal/frozen -freeze

image: ## build the container image that docker-compose.yml runs
	VERSION=$(VERSION) docker compose build

ci: ## all that the gate runs
	.ci/run
