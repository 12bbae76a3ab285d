# A thin front to CMake. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= build
JOBS    ?= $(shell nproc)
SECONDS ?= 60

CMAKE = cmake -S . -G Ninja -DCMAKE_INSTALL_PREFIX=$(PREFIX)
# Paths below the tree count as relative, so that a fresh clone finds what another one compiled.
export CCACHE_BASEDIR := $(CURDIR)
export CCACHE_NOHASHDIR := 1
CCACHE := $(if $(shell command -v ccache 2>/dev/null),-DCMAKE_CXX_COMPILER_LAUNCHER=ccache)

.PHONY: help build run check lint sanitize fuzz bench install clean

help:
	@echo 'make build      gabion and its shim in build/, after installing what is missing (Debian, root)'
	@echo 'make run        build, then run a hardened container made on the spot and show what holds it'
	@echo 'make check      install the test needs, build, run every test and lint'
	@echo 'make lint       layers, formatting, clang-tidy, shell scripts'
	@echo 'make sanitize   unit and kernel tests under AddressSanitizer and UBSan'
	@echo 'make fuzz       what reads bytes of strangers, under libFuzzer, SECONDS=60 for each'
	@echo 'make bench      gabion, runc and crun side by side, by hand and under containerd'
	@echo 'make install    honours DESTDIR and PREFIX (default /usr/local)'
	@echo 'make clean      remove the build directories'

build:
	@tests/deps.sh build
	@$(CMAKE) -B $(BUILD) -DGABION_TESTS=OFF -DGABION_SANITIZE=OFF $(CCACHE) > /dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target gabion containerd-shim-gabion-v2

run: build
	@tests/deps.sh run
	@integration/demo.sh $(BUILD)/gabion

check:
	@tests/deps.sh check
	@$(CMAKE) -B $(BUILD) -DGABION_TESTS=ON -DGABION_SANITIZE=OFF $(CCACHE) > /dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@python3 tests/run.py --build $(BUILD) lint unit suites

lint:
	@tests/deps.sh check
	@$(CMAKE) -B $(BUILD) -DGABION_TESTS=ON -DGABION_SANITIZE=OFF $(CCACHE) > /dev/null
	@cmake --build $(BUILD) -j $(JOBS)
	@python3 tests/run.py --build $(BUILD) lint

sanitize:
	@tests/deps.sh check
	@$(CMAKE) -B $(BUILD)-sanitize -DGABION_TESTS=ON -DGABION_SANITIZE=ON $(CCACHE) > /dev/null
	@cmake --build $(BUILD)-sanitize -j $(JOBS)
	@python3 tests/run.py --build $(BUILD)-sanitize unit

fuzz:
	@tests/deps.sh fuzz
	@$(CMAKE) -B $(BUILD)-fuzz -DCMAKE_CXX_COMPILER=clang++-16 -DGABION_TESTS=OFF -DGABION_SANITIZE=ON \
	  -DGABION_FUZZ=ON $(CCACHE) > /dev/null
	@cmake --build $(BUILD)-fuzz -j $(JOBS) --target fuzz_frames fuzz_messages fuzz_config
	@python3 tests/run.py --build $(BUILD)-fuzz --seconds $(SECONDS) fuzz

bench:
	@tests/deps.sh bench
	@$(CMAKE) -B $(BUILD) -DGABION_SANITIZE=OFF $(CCACHE) > /dev/null
	@cmake --build $(BUILD) -j $(JOBS) --target gabion containerd-shim-gabion-v2
	@tests/bench/run.py $(BUILD)/gabion
	@tests/bench/shim.py $(BUILD)/gabion

install: build
	@integration/install.sh $(BUILD) "$(DESTDIR)" "$(PREFIX)"

clean:
	rm -rf $(BUILD) $(BUILD)-sanitize $(BUILD)-fuzz
