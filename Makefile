# insightd. `make help` lists the targets. They need Go alone, and -race a C
# compiler; plugin and the tests of its frontend need Node with npm too.

GO       ?= go
PKG      ?= ./...
COUNT    ?= 1
BENCH    ?= .
FUZZTIME ?= 10s
FUZZJOBS ?= 1
# What `make endurance` does; daemon/endurance/doc.go tells more.
BREAK    ?= ./daemon/endurance ./daemon/eventlog ./daemon/insight ./tsdb ./daemon
RUN      ?= Kill|Shuffle|Backfill|CatchUp|Corruption|Endurance|DiskFull|Power|Damage|Flip|Hostile
KILLS    ?= 200
FLIPS    ?= 1000
CUTS     ?= 200
MINUTES  ?= 60
# The seeds of `make drill`, and more flags for it.
SEEDS    ?= 1-3
DRILL    ?=

# What `insightd version` and insightd_build_info tell.
VERSION  ?= $(shell git describe --tags 2>/dev/null || echo 0.1.0-dev)
REVISION := $(shell git rev-parse --short=12 HEAD 2>/dev/null || echo unknown)
BRANCH   := $(shell git rev-parse --abbrev-ref HEAD 2>/dev/null || echo unknown)
# The time of the commit, so that the same source gives the same binary.
DATE     := $(shell TZ=UTC git log -1 --date=format-local:%Y%m%d-%H:%M:%S --format=%cd 2>/dev/null || echo unknown)

BUILDINFO := github.com/prometheus/common/version
LDFLAGS   := -s -w \
	-X $(BUILDINFO).Version=$(VERSION) -X $(BUILDINFO).Revision=$(REVISION) \
	-X $(BUILDINFO).Branch=$(BRANCH) -X $(BUILDINFO).BuildDate=$(DATE)

# Tools are built from source into .tools, each at a version that is pinned here.
TOOLS        := $(CURDIR)/.tools
LINT_VERSION := v2.15.0
LINT         := $(TOOLS)/golangci-lint-$(LINT_VERSION)

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets.
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## Build ./insightd, a static binary that is the same for the same source.
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o insightd ./daemon/cmd/insightd

.PHONY: demo
demo: build ## Build, and run the daemon on generated traffic with attacks in it.
	./insightd demo

.PHONY: test
test: vet race scenarios kill lint datasource frontend ## Everything that has to pass: vet, tests under the race detector, scenarios, a few kills, lint, the frontend.

.PHONY: vet
vet:
	$(GO) vet $(PKG)

# The tests that start a daemon for each dashboard are run by datasource.
.PHONY: race
race:
	$(GO) test -race -timeout 15m $$($(GO) list $(PKG) | grep -v -e /daemon/endurance -e /grafana-plugin/e2e -e /grafana-plugin/dashboard)

.PHONY: scenarios
scenarios: ## Run the scenarios of testdata/scenarios.
	$(GO) test -timeout 15m ./daemon/scenario -run '^TestScenarios$$'

# The processes that endurance kills are timed, and too slow under the detector.
.PHONY: kill
kill:
	$(GO) test -timeout 15m ./daemon/endurance

.PHONY: datasource
datasource:
	$(GO) test -timeout 15m ./grafana-plugin/...

# The frontend's tests need Node, and whoever works on the daemon may have none.
.PHONY: frontend
frontend:
	@if command -v npm >/dev/null; then $(MAKE) -C grafana-plugin unit; else \
		echo "skipped the tests of grafana-plugin's frontend: there is no npm"; fi

.PHONY: lint
lint: $(LINT) ## Lint; the rules of who may import whom are among it.
	$(LINT) run

.PHONY: fmt
fmt: $(LINT) ## Format the Go code.
	$(LINT) fmt

.PHONY: bench
bench: ## Run benchmarks; BENCH=regexp, PKG=./models, COUNT=10 for benchstat.
	@$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -count $(COUNT) -timeout 60m \
		$(if $(filter ./...,$(PKG)),$$(grep -rl --include='*_test.go' '^func Benchmark' . | xargs -n1 dirname | sort -u),$(PKG))

.PHONY: fuzz
# A run that ends in its own deadline and has no failing input to show found
# nothing: the tool tells of both alike.
fuzz: ## Run every fuzz target for FUZZTIME (10s), FUZZJOBS (1) of them at a time.
	@grep -rEoH --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . | sort | sed 's/:func / /' | \
	xargs -P $(FUZZJOBS) -L 1 sh -c ' \
		out=$$($(GO) test -run "^$$" -fuzz "^$$2\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1s \
			$(if $(filter-out 1,$(FUZZJOBS)),-parallel 1) "$$(dirname "$$1")" 2>&1); code=$$?; \
		printf "%s %s\n%s\n" "$$(dirname "$$1")" "$$2" "$$out"; \
		[ $$code -eq 0 ] || case "$$out" in *"Failing input"*) exit 255;; *"context deadline exceeded"*) ;; *) exit 255;; esac' fuzz

.PHONY: endurance
endurance: ## Break it: KILLS (200), FLIPS (1000), CUTS (200), MINUTES (60) of load; RUN=TestKill for one.
	INSIGHTD_ENDURANCE=1 INSIGHTD_KILLS=$(KILLS) INSIGHTD_FLIPS=$(FLIPS) INSIGHTD_CUTS=$(CUTS) INSIGHTD_MINUTES=$(MINUTES) \
		$(GO) test $(BREAK) -run '$(RUN)' -count 1 -p 1 -v -timeout 12h

.PHONY: drill
drill: build ## Say how good the insights are on generated traffic: SEEDS (1-3), DRILL='--days 21 --format json'.
	./insightd drill --seed $(SEEDS) $(DRILL)

.PHONY: plugin
plugin: ## Build Grafana's datasource: dist/insightd-insightd-datasource-VERSION.zip.
	$(MAKE) -C grafana-plugin zip

.PHONY: docs
docs: ## Write the parts of the documentation that are made from the code.
	$(GO) test ./daemon/config ./daemon/cmd/insightd -run '^TestReference$$' -update

.PHONY: dashboards
dashboards: ## Write Grafana's dashboards, for import and for provisioning, from grafana-plugin/dashboard.
	$(GO) test ./grafana-plugin/dashboard -run '^TestFiles$$' -update

.PHONY: clean
clean: ## Remove what was built; tools stay.
	rm -rf insightd dist coverage.out

# The version is in the name, so that another version is another file.
$(LINT):
	GOBIN=$(TOOLS) GOFLAGS= $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@
