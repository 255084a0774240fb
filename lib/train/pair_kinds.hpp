// SPDX-License-Identifier: MIT
// The readers behind open_pairs(), one a kind of data.
#pragma once

#include <memory>
#include <string>

#include "train/pair_source.hpp"

namespace clip::train {

/// Errors: not_found, io_failure, bad_format (no pair, no such columns), invalid_argument.
std::unique_ptr<PairSource> open_table(const std::string& path, char separator, bool quotes,
                                       const PairSourceOptions& options);
/// Errors: as open_table.
std::unique_ptr<PairSource> open_json_lines(const std::string& path,
                                            const PairSourceOptions& options);
/// Errors: not_found, io_failure, bad_format (no picture with a caption).
std::unique_ptr<PairSource> open_folder(const std::string& path, const PairSourceOptions& options);
/// Errors: not_found, io_failure, bad_format (no pair).
std::unique_ptr<PairSource> open_tar(const std::string& path, const PairSourceOptions& options);

} // namespace clip::train
