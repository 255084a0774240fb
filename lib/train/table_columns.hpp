// SPDX-License-Identifier: MIT
// Which columns of a table are its pictures and its captions.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace clip::train {

struct TableColumns {
    std::size_t picture = 0, text = 0; ///< from 0
    bool header = true;                ///< the first row names them
    std::size_t count = 0;             ///< fields of the first row

    /// What is wrong with a row of these fields, such as "too many fields ..."; else empty. Beyond
    /// the header's columns there is nothing: a comma in a caption that is not quoted would cut it.
    std::string problem(const std::vector<std::string>& fields) const;
};

/// The columns that the first row names, if it is a header: it has one of the names of both kinds
/// (pair_source.hpp). A row of a path and a caption has not.
std::optional<TableColumns> columns_of_header(const std::vector<std::string>& first);

/// The columns of the table `path` by its first row and by what is asked for
/// (PairSourceOptions::columns). Errors: bad_format (no such columns; the message names those that
/// there are).
TableColumns find_columns(const std::string& path, const std::vector<std::string>& first,
                          const std::vector<std::string>& wanted);

} // namespace clip::train
