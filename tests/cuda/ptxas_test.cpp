// SPDX-License-Identifier: MIT
// What ptxas said of the kernels when nvcc compiled them: lib/backend/cuda/CMakeLists.txt keeps it.
// Without nvcc there is nothing to read, and the tests say so.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <cxxabi.h>
#include <filesystem>
#include <fstream>
#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "base/concat.hpp"

namespace clip::cuda {

namespace {

struct Report {
    std::string kernel; ///< demangled, without its parameters
    std::string arch;   ///< "sm_80"
    int registers = -1, spilled_bytes = -1;
};

std::string demangle(const std::string& symbol) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> name(
        abi::__cxa_demangle(symbol.c_str(), nullptr, nullptr, &status), std::free);
    return status == 0 ? std::string(name.get()) : symbol;
}

/// Every kernel of every architecture that was compiled.
const std::vector<Report>& reports() {
    static const std::vector<Report> all = [] {
        std::vector<Report> found;
        const std::filesystem::path folder = CLIP_BUILD_DIR "/ptxas";
        const std::regex entry("Compiling entry function '([^']+)' for '([^']+)'");
        const std::regex spill("([0-9]+) bytes spill stores, ([0-9]+) bytes spill loads");
        const std::regex used("Used ([0-9]+) registers");
        if (!std::filesystem::is_directory(folder))
            return found;
        for (const auto& file : std::filesystem::directory_iterator(folder)) {
            if (file.path().extension() != ".txt")
                continue;
            std::ifstream in(file.path());
            Report report;
            for (std::string line; std::getline(in, line);) {
                std::smatch match;
                if (std::regex_search(line, match, entry))
                    report = {demangle(match[1]), match[2], -1, -1};
                else if (std::regex_search(line, match, spill))
                    report.spilled_bytes = std::stoi(match[1]) + std::stoi(match[2]);
                else if (std::regex_search(line, match, used) && !report.kernel.empty()) {
                    report.registers = std::stoi(match[1]);
                    found.push_back(report);
                    report = {};
                }
            }
        }
        return found;
    }();
    return all;
}

/// What a launcher counts on: so many threads of so many blocks on one SM at once.
struct Claim {
    const char* kernel; ///< part of the demangled name
    int threads, blocks;
    int shared_kib; ///< dynamic shared memory of a block, as the launcher asks for it
};

// The table of lib/backend/cuda/README.md. An SM has 65,536 registers, given out to warps in units
// of 256.
const std::vector<Claim> kClaims = {
#include "occupancy_claims.inc"
};

/// KiB of shared memory of an SM, of which each block takes one for itself.
int shared_kib_of(const std::string& arch) {
    if (arch == "sm_80")
        return 164;
    return arch == "sm_120" ? 100 : 228;
}

/// Of those that fit on an SM of this architecture at all.
int blocks_that_fit(const Claim& claim, const std::string& arch) {
    const bool small = arch == "sm_86" || arch == "sm_87" || arch == "sm_89" || arch == "sm_120";
    const int blocks = std::min(claim.blocks, (small ? 1536 : 2048) / claim.threads);
    // Small SMs hold what fits: claims are of an A100's and of an H100's.
    return small ? std::min(blocks, shared_kib_of(arch) / (claim.shared_kib + 1)) : blocks;
}

int registers_of_block(int registers, int threads) {
    const int of_warp = (registers * 32 + 255) / 256 * 256;
    return of_warp * ((threads + 31) / 32);
}

} // namespace

TEST_CASE("ptxas: no kernel of any architecture spills registers") {
    if (reports().empty()) {
        MESSAGE("skipped: no ptxas reports in this build (no nvcc)");
        return;
    }
    for (const Report& report : reports())
        if (report.spilled_bytes != 0)
            FAIL_CHECK(concat(report.kernel, " for ", report.arch, ": ", report.spilled_bytes,
                              " bytes spilled"));
}

TEST_CASE("ptxas: as many blocks fit on an SM as the launchers count on") {
    if (reports().empty()) {
        MESSAGE("skipped: no ptxas reports in this build (no nvcc)");
        return;
    }
    for (const Claim& claim : kClaims) {
        int seen = 0;
        for (const Report& report : reports()) {
            if (report.kernel.find(claim.kernel) == std::string::npos)
                continue;
            ++seen;
            const int blocks = blocks_that_fit(claim, report.arch);
            const bool only_on_hopper =
                std::string(claim.kernel).find("hopper") != std::string::npos;
            if ((!only_on_hopper || report.arch == "sm_90a") &&
                blocks * (claim.shared_kib + 1) > shared_kib_of(report.arch))
                FAIL_CHECK(concat(report.kernel, " for ", report.arch, ": ", claim.shared_kib,
                                  " KiB of shared memory are too much for ", blocks, " blocks"));
            if (registers_of_block(report.registers, claim.threads) * blocks > 65536)
                FAIL_CHECK(concat(report.kernel, " for ", report.arch, ": ", report.registers,
                                  " registers are too many for ", blocks, " blocks of ",
                                  claim.threads, " threads"));
        }
        CHECK_MESSAGE(seen > 0, "no kernel is called " << claim.kernel);
    }
}

} // namespace clip::cuda
