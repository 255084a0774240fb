// SPDX-License-Identifier: MIT
// RUN/state: all that a run needs to go on as if it had never stopped.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>

#include "trainer/parameters.hpp"

namespace clip::trainer {

/// Where a run stands after a step.
struct RunState {
    std::uint64_t step = 0;       ///< finished
    std::uint32_t epoch = 0;      ///< of the next batch
    std::uint64_t batch = 0;      ///< of the next batch, in its epoch
    std::uint64_t samples = 0;    ///< seen
    double loss_scale = 0;        ///< 0: the loss is not scaled
    std::uint64_t good_steps = 0; ///< since the scale was changed
    /// Everything that decides the weights (recipe, data, model): a resumed run must have the same.
    std::map<std::string, std::string> settings;

    bool operator==(const RunState&) const = default;
};

/// Writes a safetensors file: `weight.NAME`, `mean.NAME`, `square.NAME` (the latter two of trained
/// parameters), `average.NAME` where `average` (laid out as the weights, and where they are) is not
/// empty, and `checksum` over the elements of all these. Its metadata holds the rest, with a
/// checksum of their own. It is flushed to the disk before it takes the place of what was there;
/// until then both need room. Memory: the header. Errors: io_failure (and then `path` is as it
/// was).
void write_run_state(const std::string& path, const RunState& state, const Parameters& parameters,
                     const ConstView& average);

/// Reads it back; after an error `parameters` and `average` are as they were.
///
/// `what` begins the message about settings. A checksum that does not fit is bad_format. Errors:
/// bad_format, truncated, not_found, io_failure, shape_mismatch (parameters of another model),
/// version_mismatch (another version of this format; settings that differ: the first one is
/// named, with both values). Without them, a state's device is cpu, its precision fp32.
RunState read_run_state(const std::string& path, const std::string& what, Parameters& parameters,
                        const MutView& average, const std::map<std::string, std::string>& settings);

} // namespace clip::trainer
