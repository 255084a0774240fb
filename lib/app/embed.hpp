// SPDX-License-Identifier: MIT
// clip-embed: pictures or texts in, vectors out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct EmbedOptions {
    std::vector<std::string> inputs; ///< operands; none: standard input
    bool null_separated = false;
    bool recursive = false;
    bool texts = false; ///< inputs are texts
    std::string shard;  ///< "K/N", "auto", or empty for everything
    PictureSettings pictures;

    std::string layer = "projected"; ///< projected or penultimate
    bool normalize = false;          ///< length 1 also where the default is not to
    bool no_normalize = false;       ///< as the tower gives them

    std::string output; ///< a file; empty or "-": standard output
    std::string format; ///< jsonl, h5 or npy where the file's name does not say; empty: jsonl
    std::string store = "fp32"; ///< fp32 or fp16
    bool resume = false;
    std::string errors; ///< a file for JSON lines of what failed; may be empty

    ModelSettings model;
    std::size_t batch_size = 0; ///< 0: chosen
};

/// What a run came to.
struct EmbedSummary {
    std::uint64_t rows = 0;   ///< written, those of an earlier run included
    std::uint64_t reused = 0; ///< of them, rows of an earlier run
    std::uint64_t failed = 0; ///< inputs without a row; each was reported
    bool interrupted = false; ///< the stop flag ended the run
};

/// Runs the command. Vectors of the penultimate layer are left unnormalised unless `normalize`: the
/// paper's linear probe is fitted on them as they are (Radford et al. 2021, appendix A.3).
///
/// Errors: invalid_argument (options), those of opening the model and of writing the output,
/// version_mismatch (`resume` on rows of another model or other settings), io::ClosedPipe.
EmbedSummary embed(const EmbedOptions& options, const Environment& environment, Reporter& reporter);

} // namespace clip::app
