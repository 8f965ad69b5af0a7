# What a developer does with Latchkey, one target each: `make` lists them. CI runs the same targets (.ci/run).

SHELL := /bin/sh
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Arguments for the command that a target runs.
ARGS ?=
# How long each fuzz target runs.
FUZZTIME ?= 30s

BIN := $(CURDIR)/.bin
TOOLS := .bin/.built
# The bench module is looked for, so that a checkout without it can be checked too.
MODULES := $(dir $(wildcard go.mod tools/go.mod bench/go.mod))
BENCH := $(wildcard bench/go.mod)

##@ Everyday

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } \
		/^##@ / { printf "\n%s\n", substr($$0, 5) } \
		/^[a-z\/-]+:.*## / { printf "  %-17s %s\n", $$1, $$2 }' $(firstword $(MAKEFILE_LIST))
	@printf '\nVariables\n'
	@printf '  %-17s %s\n' \
		'ARGS' 'arguments for the command that run, bench or a test target runs: make test ARGS="-run Role -v"' \
		'FUZZTIME' 'how long each fuzz target runs ($(FUZZTIME))'
	@printf '\nEnvironment\n'
	@printf '  %-24s %s\n' \
		'LATCHKEY_TEST_POSTGRES' 'where tests find Postgres, auto if unset:' \
		'' '  auto        local if Postgres is installed, else container' \
		'' '  local       a private server, started from the installed programs' \
		'' '  container   a container by testcontainers' \
		'' '  postgres:// a server that runs already, named by its URL' \
		'LATCHKEY_TEST_IMAGE' 'the image of a container (postgres:17-alpine)'

.PHONY: build
build: ## Build bin/latchkey
	@go build -o bin/latchkey ./cmd/server

.PHONY: run
run: build ## Build and run the server
	@exec ./bin/latchkey serve $(ARGS)

.PHONY: generate
generate: $(TOOLS) ## Write the Go code of the SQL queries (sqlc)
	@$(BIN)/sqlc generate

##@ Tests

# Tests that need Postgres fail without one; none skips.
.PHONY: test
test: ## Run the whole suite against a real Postgres
	go test -shuffle=on ./... $(ARGS)

.PHONY: test/race
test/race: ## The same with the race detector
	go test -race -shuffle=on ./... $(ARGS)

.PHONY: test/crash
test/crash: ## Kill the listener again and again (LATCHKEY_CRASH_KILLS=100), and servers that import users (LATCHKEY_CRASH_USERS=10000)
	LATCHKEY_CRASH_KILLS=$${LATCHKEY_CRASH_KILLS:-100} go test -count=1 -v -run '^TestCrash' ./listener $(ARGS)
	LATCHKEY_CRASH_USERS=$${LATCHKEY_CRASH_USERS:-10000} go test -count=1 -v -run '^TestCrash' ./cmd/server $(ARGS)

.PHONY: test/model
test/model: ## Compare what hooks are told with a model, over many drawn sequences (LATCHKEY_SEQUENCES=2000)
	LATCHKEY_SEQUENCES=$${LATCHKEY_SEQUENCES:-2000} go test -count=1 -v -run '^TestModel$$' ./listener $(ARGS)

.PHONY: test/containers
test/containers: ## Test hooks/hookstest with Postgres in a container; starts a Docker engine if none runs
	@scripts/test-containers $(ARGS)

# go test fuzzes one target at a time.
.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME
	@go list -f '{{.ImportPath}} {{.Dir}}' ./... | \
	while read -r package dir; do \
		grep -hos '^func Fuzz[A-Za-z0-9_]*' "$$dir"/*_test.go | sed "s|^func |$$package |"; \
	done | \
	while read -r package target; do \
		echo "fuzz: $$package $$target"; \
		go test -run='^$$' -fuzz="^$$target\$$" -fuzztime=$(FUZZTIME) $(ARGS) "$$package" </dev/null || exit 1; \
	done

.PHONY: bench
bench: ## Measure against the limit of this machine
	@cd bench && go run . $(ARGS)

##@ Checks

.PHONY: check
check: check/format check/vet check/staticcheck check/lint check/sqlc check/tidy ## Run the checks below, all of them
	@echo "check: all is well"

.PHONY: check/format
check/format: $(TOOLS) ## Is the code formatted as gofumpt has it? Generated code is left alone
	@echo "check: format (gofumpt)"
	@files=$$(grep -rL --include='*.go' --exclude-dir='.?*' '^// Code generated .* DO NOT EDIT\.$$' .); \
	out=$$($(BIN)/gofumpt -l -d $$files </dev/null) && [ -z "$$out" ] || { printf '%s\n' "$$out"; exit 1; }

.PHONY: check/vet
check/vet: ## What go vet finds
	@echo "check: go vet"
	@go vet ./...
	@$(if $(BENCH),cd bench && go vet ./...)

.PHONY: check/staticcheck
check/staticcheck: $(TOOLS) ## What staticcheck finds
	@echo "check: staticcheck"
	@$(BIN)/staticcheck ./...

.PHONY: check/lint
check/lint: $(TOOLS) ## What golangci-lint finds (.golangci.yml)
	@echo "check: golangci-lint"
	@$(BIN)/golangci-lint run ./...
	@$(if $(BENCH),cd bench && $(BIN)/golangci-lint run ./...)

.PHONY: check/sqlc
check/sqlc: $(TOOLS) ## Is db/internal/dbsqlc what sqlc makes of sql/?
	@echo "check: sqlc diff"
	@$(BIN)/sqlc diff

.PHONY: check/tidy
check/tidy: ## Are the go.mod files tidy?
	@for module in $(MODULES); do \
		echo "check: go mod tidy ($$module)"; \
		(cd $$module && go mod tidy -diff) || exit 1; \
	done

##@ Upkeep

.PHONY: tools
tools: $(TOOLS) ## Build the tools of tools/go.mod into .bin/

# One build for all of them, so that their versions and their list stand in tools/go.mod and nowhere else. sqlc parses
# SQL with Postgres' own parser, which is C.
$(TOOLS): tools/go.mod tools/go.sum
	@echo "tools: building (some minutes when Go's build cache is cold)"
	@mkdir -p .bin
	@cd tools && CGO_ENABLED=1 go build -o $(BIN)/ tool
	@touch $@

.PHONY: clean
clean: ## Remove what make has built
	rm -rf bin .bin
