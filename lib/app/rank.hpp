// SPDX-License-Identifier: MIT
// clip-rank: queries and candidates in, the best candidates of each query out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "app/encoder.hpp"
#include "app/environment.hpp"
#include "app/model_session.hpp"
#include "app/reporter.hpp"

namespace clip::app {

struct RankOptions {
    std::vector<std::string> inputs; ///< candidates; none: standard input
    bool null_separated = false;
    bool recursive = false;
    bool texts = false; ///< operands and plain lines are texts
    PictureSettings pictures;

    std::vector<std::string> queries;      ///< texts
    std::vector<std::string> query_images; ///< files
    std::vector<std::string> query_files;  ///< .h5, .jsonl, .txt, or "-"
    std::vector<std::string> plus, minus;  ///< texts, each with a weight before it: "2:a dog"
    std::vector<std::string> plus_images, minus_images; ///< files, likewise

    std::int64_t top = 10;          ///< hits a query; 0: all
    std::optional<float> threshold; ///< only hits of at least this score
    std::string scores = "cosine";  ///< cosine, softmax or logit

    bool duplicates = false; ///< groups of candidates that are alike, in place of queries
    bool between = false;    ///< only candidates of different operands
    std::string export_faiss, export_pgvector; ///< in place of queries: all candidates to a file

    std::string output; ///< a file; empty or "-": standard output
    std::string format; ///< jsonl or tsv where the file's name does not say; empty: jsonl
    std::string sheet;  ///< a contact sheet of the hits, .png or .html; may be empty
    std::string errors; ///< a file for JSON lines of what failed; may be empty

    ModelSettings model;
    std::size_t batch_size = 0; ///< 0: chosen
};

struct RankSummary {
    std::uint64_t candidates = 0;
    std::uint64_t failed = 0; ///< of candidates and queries
    bool interrupted = false;
};

/// Runs the command. The model is opened only where something has to be encoded.
///
/// Errors: invalid_argument (options), not_found and bad_format (no query can be used), those of
/// opening the model, version_mismatch (embeddings that are not of one model and layer: names
/// both), io_failure (output), io::ClosedPipe.
RankSummary rank(const RankOptions& options, const Environment& environment, Reporter& reporter);

} // namespace clip::app
