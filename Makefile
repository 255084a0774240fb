# A thin front of CMake and CTest. `make run` and `make test` each work as the first command on a
# fresh Debian or Ubuntu machine.
BUILD ?= build
JOBS ?= $(shell nproc)
PREFIX ?= /usr/local
CMAKE_FLAGS ?=

MAKEFLAGS += --no-print-directory

.PHONY: all deps run test test-release test-sanitize model parity bench bench-gpu check-gpu docs golden format install clean

all: $(BUILD)/CMakeCache.txt
	cmake --build $(BUILD) --parallel $(JOBS)

$(BUILD)/CMakeCache.txt:
	cmake -S . -B $(BUILD) $(CMAKE_FLAGS)

deps:
	sh cmake/install_dependencies.sh

run: deps
	$(MAKE) all
	sh examples/run.sh $(BUILD)

test: deps
	$(MAKE) test-release test-sanitize

test-release:
	cmake -S . -B $(BUILD) -DCLIP_BUILD_TESTS=ON -DCLIP_WERROR=ON $(CMAKE_FLAGS)
	cmake --build $(BUILD) --parallel $(JOBS)
	ctest --test-dir $(BUILD) --output-on-failure --label-exclude cuda
	ctest --test-dir $(BUILD) --output-on-failure --label-regex cuda --parallel $(JOBS)

# The library's tests again, under AddressSanitizer and UndefinedBehaviorSanitizer.
test-sanitize:
	cmake -S . -B $(BUILD)-sanitize -DCLIP_BUILD_TESTS=ON -DCLIP_SANITIZE=address,undefined \
	  -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG='-O1 -g1' $(CMAKE_FLAGS)
	cmake --build $(BUILD)-sanitize --parallel $(JOBS)
	ctest --test-dir $(BUILD)-sanitize --output-on-failure --label-exclude 'tools|docs|tree|emulated_ops'

# The model that ships, made again from Debian's packages (1 GB of downloads, hours of computing);
# stopped and called again, it goes on. MODEL_DATA takes 5 GB.
MODEL_DATA ?= data/model
model:
	sh cmake/install_dependencies.sh python3-pil python3-fonttools python3-numpy librsvg2-bin
	$(MAKE) all
	examples/train/train.sh $(BUILD) $(MODEL_DATA)

# What needs the PyTorch oracle, PyPI or full-size checkpoints; says what it skips and why.
parity: all
	sh tests/parity/run.sh $(BUILD)

bench:
	cmake -S . -B $(BUILD) -DCLIP_BUILD_BENCH=ON $(CMAKE_FLAGS)
	cmake --build $(BUILD) --parallel $(JOBS)
	sh tests/bench/run.sh $(BUILD)

# The ops of the CUDA backend and whole towers on a GPU, beside PyTorch where python3 has it.
bench-gpu:
	cmake -S . -B $(BUILD) -DCLIP_BUILD_BENCH=ON $(CMAKE_FLAGS)
	cmake --build $(BUILD) --parallel $(JOBS)
	sh tests/bench/run_gpu.sh $(BUILD)

# What has to hold on a GPU; fails where there is none. The emulated device is tested by `make test`.
check-gpu:
	cmake -S . -B $(BUILD) -DCLIP_BUILD_TESTS=ON $(CMAKE_FLAGS)
	cmake --build $(BUILD) --parallel $(JOBS)
	cmake --build $(BUILD) --parallel $(JOBS) --target test_cuda_gpu
	sh tests/bench/check_gpu.sh $(BUILD)

# Rewrites man/*.1 and completions/ from the commands' option tables.
docs: all
	sh man/generate_all.sh $(BUILD)/cmd .

# Takes what the commands write now for the expected output of the manual pages' examples.
golden: all
	bash tests/tools/rewrite_examples.sh $(BUILD)/cmd
	@git --no-pager diff --stat -- tests/tools/examples 2>/dev/null || true

format:
	git ls-files '*.cpp' '*.hpp' '*.cu' | xargs clang-format -i

install: all
	cmake --install $(BUILD) --prefix $(PREFIX)

clean:
	rm -rf $(BUILD) $(BUILD)-sanitize
