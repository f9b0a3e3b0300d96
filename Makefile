# make run     the page with its networks at http://localhost:8080
# make test    everything that CI checks
# make help    the rest

GO       ?= go
WASM     := server/.cache/main.wasm
PAGE     := wasm/style.css wasm/boot.js wasm/icon.svg engine/gpu/replay.js
PLAIN    := wasm/sw.js wasm/app.webmanifest wasm/icon.svg
RUNS     := weights/train/runs
MEGABYTES ?= 24
NETWORKS := none sketch mask colour text
PEERS    := weights/peers/cache
PACK     := $(GO) run ./server/cmd/pack -file $(WASM) -file server/.cache/wasm_exec.js $(PAGE:%=-file %) $(PLAIN:%=-plain %)
OFFLINE  := $(GO) run ./server/cmd/offline -file $(WASM) -file server/.cache/wasm_exec.js $(PAGE:%=-file %)
PYTHON   ?= python3
# The same source makes the same bytes, wherever it lies and whatever git says.
REPRODUCIBLE := -trimpath -buildvcs=false -ldflags '-s -w -buildid='
PLATFORMS    ?= linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64
RELEASE      := server/release
# wgpu complains where a desktop's runtime folder is missing.
export XDG_RUNTIME_DIR ?= /tmp

.PHONY: help run build offline axe test test-data deps check bench bench-peers bench-server soak fuzz bench-torch release release-check screenshots data weights import experiments faces clean

help:
	@echo 'make run          build everything and serve the page at http://localhost:8080'
	@echo 'make test         install what the tests need, check and test everything that is built and run'
	@echo 'make test-data    test what makes pictures, networks and the report (needs Node, and Python as make weights does)'
	@echo 'make build        the page, its program and the bundle, ready to be served'
	@echo 'make offline      the page with its networks as one file that opens by double click, server/offline/mcdm.html'
	@echo 'make bench        time every kernel, one composed step and the page (benchstat reads it)'
	@echo 'make bench-peers  one composed step in Chromium: ours, onnxruntime-web, TensorFlow.js (needs Node and'
	@echo '                  Python with weights/peers/requirements.txt; PYTHON=... names it)'
	@echo 'make bench-torch  one step on this GPU, natively, and PyTorch beside it (needs Python as bench-peers does, with CUDA)'
	@echo 'make bench-server the server beside nginx and Caddy, two minutes (Debian)'
	@echo 'make soak         the server alone under load, SOAK=10m: its memory must not grow (Debian)'
	@echo 'make fuzz         every parser under hostile input, FUZZTIME=6m each'
	@echo 'make release      servers for all systems, the site as a folder and as one file, in server/release'
	@echo 'make release-check  the same again elsewhere and from nothing: every byte must be equal'
	@echo 'make screenshots  the picture of the page in the README, from a real run in Chromium'
	@echo 'make data         build the training pictures (needs Node; a quarter of an hour on 2 cores, 6.5 GB of disk)'
	@echo 'make import       put the networks trained under RUNS into the bundle, the others as they are'
	@echo 'make weights      train the networks and import the bundle (needs Python; 12 hours); MEGABYTES= leaves it at full int8'
	@echo 'make experiments  sample and judge held-out portraits, write the report and the table of the README (needs Python'
	@echo '                  with weights/train/requirements.txt; 3 hours on 2 cores, may be stopped and started again)'
	@echo 'make faces        train on the photos of FACES, FACES_MINUTES a network, and report; for research at home'
	@echo 'make clean        remove what was built'

run: build
	$(GO) run ./server

build:
	mkdir -p server/.cache
	GOOS=js GOARCH=wasm $(GO) build $(REPRODUCIBLE) -o $(WASM) ./wasm
	cp "$$($(GO) env GOROOT)/lib/wasm/wasm_exec.js" server/.cache/wasm_exec.js
	$(PACK)

offline: build
	$(OFFLINE)

deps:
	@command -v chromium >/dev/null && ls /usr/share/vulkan/icd.d/*.json >/dev/null 2>&1 || { \
	  SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
	  $$SUDO apt-get update -qq && $$SUDO env DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends chromium mesa-vulkan-drivers libvulkan1 fonts-dejavu-core; }

check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); test -z "$$unformatted" || { echo "gofmt would change: $$unformatted"; exit 1; }
	$(GO) vet ./...
	GOOS=js GOARCH=wasm $(GO) vet ./wasm ./ui/... ./engine/gpu ./weights/peers/ours

# axe-core checks the page's accessibility; without npm that test is skipped, and says so.
axe:
	@if command -v npm >/dev/null; then test -e wasm/e2e/node_modules/axe-core/axe.min.js || (cd wasm/e2e && npm ci --ignore-scripts --no-audit --no-fund); \
	  else echo 'npm is not installed: the accessibility test will be skipped'; fi

test-data:
	cd weights/dataset && npm ci --ignore-scripts --no-audit --no-fund && npm test
	cd weights/train && $(PYTHON) -m pytest -q
	cd weights/experiments && $(PYTHON) -m pytest -q

# Needs neither Node nor Python.
test: deps check offline axe
	$(GO) test $$($(GO) list ./... | grep -v /e2e)
	$(GO) test -timeout 25m ./wasm/e2e

bench: deps build
	$(GO) test -run '^$$' -bench . -benchtime 5x ./shaders ./engine
	$(GO) test -run '^$$' -bench . -benchtime 1x ./wasm/e2e

bench-peers: deps weights/peers/node_modules $(PEERS)/step.safetensors
	GOOS=js GOARCH=wasm $(GO) build -trimpath -ldflags '-s -w' -o $(PEERS)/ours.wasm ./weights/peers/ours
	cp "$$($(GO) env GOROOT)/lib/wasm/wasm_exec.js" $(PEERS)/wasm_exec.js
	$(GO) run ./weights/peers $(PEERS_FLAGS)

weights/peers/node_modules: weights/peers/package-lock.json
	cd weights/peers && npm ci --ignore-scripts
	touch $@

$(PEERS)/step.safetensors: weights/peers/export.py weights/bundles/avatars/manifest.json
	@$(PYTHON) -c 'import diffusers, onnx, PIL' || { echo 'pip install -r weights/peers/requirements.txt, or name a Python that has them: make bench-peers PYTHON=...'; exit 1; }
	$(GO) run ./weights/cmd/bundle export weights/bundles/avatars $(foreach n,none sketch mask text,--network $(n)=$(PEERS)/networks/$(n))
	$(PYTHON) -W ignore weights/peers/export.py $(PEERS)/networks $(PEERS)

bench-torch:
	@$(PYTHON) -c 'import diffusers' || { echo 'pip install -r weights/peers/requirements.txt, or name a Python that has them: make bench-torch PYTHON=...'; exit 1; }
	$(GO) run ./weights/cmd/bundle export weights/bundles/avatars $(foreach n,none sketch mask text,--network $(n)=$(PEERS)/networks/$(n))
	$(GO) test -run '^$$' -bench 'Step$$' ./engine
	$(PYTHON) -W ignore weights/peers/step_torch.py $(PEERS)/networks

SOAK ?= 10m
soak: BENCH := -soak $(SOAK)
soak: bench-server

# RUNLEVEL=1: the packages are not to start their services.
bench-server: build
	@command -v nginx >/dev/null && command -v caddy >/dev/null && command -v wrk >/dev/null || { \
	  SUDO=$$(test "$$(id -u)" = 0 || echo sudo); \
	  $$SUDO apt-get update -qq && $$SUDO env RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive \
	  apt-get install -y -qq --no-install-recommends nginx-light caddy wrk; }
	$(GO) build -o server/.cache/server ./server
	PATH="$$PATH:/usr/sbin" $(GO) run ./server/cmd/bench -server server/.cache/server $(BENCH)

FUZZTIME ?= 6m
FUZZERS  := weights/safetensors/FuzzParse weights/unet/FuzzParse weights/textencoder/FuzzParse weights/tokenizer/FuzzVocabulary \
  weights/tokenizer/FuzzTokens weights/pack/FuzzManifest weights/pack/FuzzShard engine/FuzzImages ui/recipe/FuzzRead
fuzz:
	@for f in $(FUZZERS); do echo $$f; \
	  $(GO) test -run '^$$' -fuzz "^$${f##*/}\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 1x ./$${f%/*} || exit 1; done

release: build
	rm -rf $(RELEASE) && mkdir -p $(RELEASE)
	@for p in $(PLATFORMS); do os=$${p%/*}; out=$(RELEASE)/mcdm-$$os-$${p#*/}; \
	  test $$os != windows || out=$$out.exe; echo $$out; \
	  CGO_ENABLED=0 GOOS=$$os GOARCH=$${p#*/} $(GO) build $(REPRODUCIBLE) -o $$out ./server || exit 1; done
	$(PACK) -static -out $(RELEASE)/site
	$(OFFLINE) -out $(RELEASE)/mcdm.html
	cd $(RELEASE) && export LC_ALL=C; sum=$$(command -v sha256sum || echo shasum -a 256); \
	  find * -type f ! -name SHA256SUMS | sort | xargs $$sum > SHA256SUMS
	TZ=UTC find $(RELEASE) -exec touch -t 198001010000 {} +

release-check: release
	@set -e; copy=$$(mktemp -d); trap 'chmod -R u+w $$copy; rm -rf $$copy' EXIT; \
	  git ls-files -z --cached --others --exclude-standard | tar --null -T - -cf - | tar -xf - -C $$copy; \
	  GOCACHE=$$copy/.gocache $(MAKE) -C $$copy release PLATFORMS='$(PLATFORMS)'; \
	  cmp $(RELEASE)/SHA256SUMS $$copy/$(RELEASE)/SHA256SUMS; \
	  cat $(RELEASE)/SHA256SUMS; echo 'built twice, every byte equal'

screenshots: deps build
	mkdir -p server/.cache/screenshots
	SCREENSHOTS=$(CURDIR)/server/.cache/screenshots $(GO) test -count=1 -timeout 20m -run Portrait ./wasm/e2e
	cp server/.cache/screenshots/portrait.png wasm/screenshot.png

data:
	cd weights/dataset && npm ci && for n in $(NETWORKS); do node build.mjs --split $$n --packed || exit 1; done
	cd weights/dataset && node build.mjs --split upscale && node build.mjs --split test

# Training that is interrupted saves and exits with 0: the loop must not go on to the next network then.
weights:
	cd weights/train && trap 'exit 130' INT TERM && for n in $(NETWORKS) upscale; do \
	  init=$$(case $$n in none|upscale) ;; *) echo "--init runs/none" ;; esac); \
	  $(PYTHON) -m train --network $$n --data ../dataset/out/$$n --out runs/$$n $$init --minutes 120 || exit 1; done
	$(MAKE) import

# Networks without a run in RUNS stay as they are in the bundle.
import:
	$(GO) run ./weights/cmd/bundle import --out weights/bundles/avatars --keep weights/bundles/avatars --name avatars --dtype int8 \
	  $(if $(MEGABYTES),--megabytes $(MEGABYTES)) --terms weights/bundles/TERMS.txt --card weights/dataset/CARD.md \
	  $(foreach n,$(NETWORKS),$(if $(wildcard $(RUNS)/$(n)/export),--network $(n)=$(RUNS)/$(n)/export)) \
	  $(if $(wildcard $(RUNS)/upscale/export),--upscaler $(RUNS)/upscale/export)
	$(GO) run ./weights/cmd/bundle verify weights/bundles/avatars

# What is trained once more for comparison is used where it is there: see weights/experiments/main.go. Everything goes on
# from where it was stopped. SIZE=tiny tries all of it in minutes.
EXPERIMENTS := weights/experiments/cache
SIZE ?= full
JUDGE := cache/judge$(if $(filter full,$(SIZE)),,-$(SIZE)).pt
JUDGE_MINUTES ?= $(if $(filter tiny,$(SIZE)),2,30)
SAMPLE := $(GO) run ./weights/experiments --size $(SIZE) --out $(EXPERIMENTS)/$(SIZE) --best $(EXPERIMENTS)/best-$(SIZE).json
JUDGED := --data ../dataset/out --judge $(JUDGE) --samples cache/$(SIZE)
experiments:
	@$(GO) run ./engine/cmd/mcdm devices # without an adapter nothing can be sampled
	@$(PYTHON) -c 'import diffusers, torch, PIL' || { echo 'pip install -r weights/train/requirements.txt, or name a Python that has them: make experiments PYTHON=...'; exit 1; }
	@test -e weights/dataset/out/test/captions.jsonl || $(MAKE) data
	@test ! -e $(RUNS)/joint/export || $(GO) run ./weights/cmd/bundle import --out $(EXPERIMENTS)/joint --name joint --dtype int8 --network joint=$(RUNS)/joint/export
	@for n in none sketch mask text; do test -e $(RUNS)/$$n/export || exit 0; done; \
	  $(GO) run ./weights/cmd/bundle import --out $(EXPERIMENTS)/float --name avatars --dtype f32 $(foreach n,none sketch mask text,--network $(n)=$(RUNS)/$(n)/export)
	cd weights/experiments && $(PYTHON) -m judges --data ../dataset/out --out $(JUDGE) --minutes $(JUDGE_MINUTES)
	$(SAMPLE)
	cd weights/experiments && $(PYTHON) -m search $(JUDGED) --out cache/best-$(SIZE).json
	$(SAMPLE) --only best
	cd weights/experiments && $(PYTHON) -m report $(JUDGED) $(if $(filter full,$(SIZE)),--out report.html --readme ../../README.md,--out cache/report-$(SIZE).html)

# For research at home: neither photos nor networks trained on them leave the ignored folders.
FACES_MINUTES ?= 60
faces:
	@test -e weights/train/faces || test -n '$(FACES)' || { echo 'make faces FACES=DIR: a folder with images-128.tar, masks-128.tar and labels.csv'; exit 1; }
	test -e weights/train/faces || $(GO) run ./weights/cmd/photos faces --data $(FACES) --out weights/train/faces
	cd weights/train && trap 'exit 130' INT TERM && for n in none sketch mask text; do \
	  init=$$(test $$n = none || echo "--init runs/faces/none"); \
	  $(PYTHON) -m train --network $$n --data faces/$$n --out runs/faces/$$n $$init --minutes $(FACES_MINUTES) || exit 1; done
	cd weights/experiments && $(PYTHON) -m faces --data ../train/faces --runs ../train/runs/faces --out ../train/runs/faces/report.md

clean:
	rm -rf server/.cache server/offline $(PEERS) $(RELEASE) && find server/dist -mindepth 1 ! -name .keep -delete
