# The front door; the work is done by the scripts that it names.
.DEFAULT_GOAL := help
.PHONY: help demo down page pictures test sim mutants fuzz soak bench counts lint fmt crds chart image release world images cluster cluster-down control-plane clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' Makefile

demo: ## a real game server runs because a resource says so (CLUSTER=current, GAME=teeworlds)
	@deploy/demo

down: ## stop and remove everything that make demo made
	@deploy/down

test: ## set up what is missing and run every test (STAGES="..." for some; tests/run --list)
	@tests/run $(STAGES)

sim: ## every scenario of the simulation under every schedule of faults, and a table (minutes; SIM_FULL=1 all pairs)
	@tests/sim/run

soak: ## churn of 3 × 3 minutes, the long crash sweep and a full disk, on real parts (root; tests/soak says more)
	@tests/soak

mutants: ## seed each fault of tests/mutants.d into a copy of the tree, and say which test catches it (ONLY="name ...")
	@tests/mutants $(ONLY)

fuzz: ## hostile input with many more cases than a build tries (CASES=20000)
	@tests/fuzz

bench: ## measure what the controller costs, in an hour or more (QUICK=1 some minutes; FSYNC=yes; ONLY=ID,...; benches/run --help)
	@benches/run $(if $(QUICK),--quick) $(if $(ONLY),--only "$(ONLY)")

counts: ## write anew, on purpose, how many instructions and allocations are expected
	@benches/counts/run --write

lint: ## formatting, clippy, shellcheck, go vet
	@tests/run format lint scripts

fmt: ## format the sources
	@cargo fmt
	@gofmt -w deploy/local deploy/compose tests/games

crds: ## write what is generated from the types and the calls: crds/, docs/api.md, docs/openapi.json, docs/rest-reference.md
	@DILLINGER_WRITE_GENERATED=1 cargo test --quiet --locked --test crds --test rest_reference

page: ## build the web page into web/dist (Node 20.19 or later)
	@cd web && npm ci && npm run build

pictures: ## pictures of the page for the documentation, made of real games by its tests (root)
	@PICTURES=$(CURDIR)/docs/pictures tests/run build page

chart: ## write what is generated for the chart: schema, tables, snapshots, install.yaml
	@HELM=$$(deploy/local/chart-tool helm) charts/generate

image: ## the controller's image as an archive, static and from scratch
	@deploy/image

release: ## all that a release consists of, made and checked, published nowhere (TRIAL=1 without a tag's conditions)
	@deploy/release $(if $(TRIAL),--trial)

world: ## a shell in a throw-away world: its own engine and cluster (as root)
	@tests/world --all-images --shell

images: ## make the images of the sample and test games (as root on Debian or Ubuntu)
	@deploy/games/images

cluster: ## a real Kubernetes cluster on this machine, in namespaces of its own (as root; NODES=2)
	@deploy/local/cluster up --nodes $(or $(NODES),1) --volumes 16

cluster-down: ## end that cluster; nothing of it stays
	@deploy/local/cluster down

control-plane: ## build the local control plane into the cache
	@deploy/local/build-control-plane

clean: ## remove target/; the cache of images and of the control plane stays
	@cargo clean
