# The one door. `make help` lists the targets; CI calls only what the README tells a user to call.
NODE_MODULES := node_modules/.package-lock.json
BIN := node_modules/.bin

.DEFAULT_GOAL := help
.PHONY: help setup build generate check test faults demo bench bench-failover sim sim-saboteurs sim-mutations e2e kube-up kube-down images clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

$(NODE_MODULES): package.json package-lock.json
	@command -v node >/dev/null || { echo "node >= 20.19 is missing: install Node.js"; exit 1; }
	@node -e 'const [a,b]=process.versions.node.split(".").map(Number); if (a<20 || (a===20 && b<19)) { console.error("node "+process.version+" is too old: Prism needs >= 20.19"); process.exit(1) }'
	npm ci --no-audit --no-fund --loglevel=error
	@touch $(NODE_MODULES)

setup: $(NODE_MODULES) ## Install what the project needs (npm ci)

build: setup
	@$(BIN)/tsc -b

generate: build ## Write every generated file (wire types, OpenAPI, docs tables)
	@node scripts/dist/generate.js

check: build ## Types, lint, format, dead code, house rules, generated files current
	$(BIN)/oxlint --type-aware --deny-warnings
	$(BIN)/prettier --check --log-level warn .
	$(BIN)/knip
	node scripts/dist/tidy.js
	node scripts/dist/generate.js --check

test: build ## Unit, contract, property and process tests
	$(BIN)/vitest run
	$(BIN)/vitest run --config vitest.process.config.ts

faults: build ## Kill, freeze, cut off and starve real processes, damage their files; nothing acknowledged may be lost
	$(BIN)/vitest run --config vitest.faults.config.ts

demo: build ## Three zones, real speeches, a killed node, the truth in a table (DEMO="--keep --full")
	@node demo/dist/main.js $(DEMO)

bench: build ## Measure against peers and write docs/benchmarks.md (BENCH="--quick")
	@node bench/dist/main.js $(BENCH)

bench-failover: build ## Kill and freeze nodes under load, write docs/failover.md (KILLS=20 FREEZES=4)
	@node bench/dist/failover.js --kills "$(KILLS)" --freezes "$(FREEZES)" --leaders "$(LEADERS)"

sim: build ## Simulate the whole system: SEEDS=2000 schedules, or one: SEED=77 (FROM=1, SCENARIO=name, MINUTES=10)
	@node sim/dist/main.js --seeds "$(or $(SEEDS),2000)" --from "$(or $(FROM),1)" $(if $(SEED),--seed "$(SEED)") $(if $(SCENARIO),--scenario "$(SCENARIO)") $(if $(MINUTES),--minutes "$(MINUTES)")

sim-saboteurs: build ## Break Prism in known ways, one at a time: the simulation must notice, by name (WRITE=1 writes sim/saboteurs.md)
	@node sim/dist/saboteurs/main.js $(if $(WRITE),--write)

sim-mutations: build ## Change the protocol core at random places: its tests must notice (writes sim/mutations.md; SAMPLE=100)
	@node sim/dist/saboteurs/mutation-run.js --sample "$(or $(SAMPLE),150)"

e2e: build ## Tests on a real Kubernetes of three nodes, made for them; or on yours (KUBECONFIG=path)
	@node e2e/dist/main.js test

kube-up: build ## Start that Kubernetes with the images in it, to try things (needs root)
	@node e2e/dist/main.js up

kube-down: build ## End it, with nothing left behind
	@node e2e/dist/main.js down

images: build ## Container images in .prism/images/archives (BASE=an image with glibc and node; default: this machine's)
	@node e2e/dist/main.js images

clean: ## Remove what builds and runs have left
	rm -rf node_modules */node_modules */dist */*.tsbuildinfo .prism
