// SPDX-License-Identifier: MIT
// Pictures and their captions, from every kind of file that clip-train reads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/error.hpp"
#include "base/thread_pool.hpp"

namespace clip::train {

/// What one pair is made of, before the picture is decoded.
struct PairRecord {
    std::string name;                  ///< of the picture, for messages
    std::string path;                  ///< the picture's file; empty: `bytes` are its content
    std::vector<std::uint8_t> bytes;   ///< the content of a picture in an archive
    std::vector<std::string> captions; ///< at least one; trimmed of nothing, checked for nothing
};

/// All pairs of some data, each with its index. What is kept in memory is where they are: 8 bytes a
/// pair of a list or an archive, the path of a picture in a folder.
class PairSource {
  public:
    virtual ~PairSource() = default;

    /// How many pairs there are, broken ones included.
    virtual std::uint64_t size() const = 0;
    /// Where reading in sequence is better: the sizes of the shards, in the order of indices. Empty
    /// where any order is as good.
    virtual std::vector<std::uint64_t> shards() const { return {}; }
    /// Reads the pair `index` below size(). May be called from several threads at once.
    /// Errors: any (a broken row, a caption file that has gone); they concern this pair alone.
    virtual void read(std::uint64_t index, PairRecord& out) const = 0;
    /// The captions alone, for learning a vocabulary. Errors: as read().
    virtual void read_captions(std::uint64_t index, std::vector<std::string>& out) const = 0;
    /// What to call the pair where it cannot be read, such as "pairs.csv: row 7".
    virtual std::string describe(std::uint64_t index) const = 0;
};

struct PairSourceOptions {
    /// For tables: the columns of the pictures and of the captions, by their names in the header,
    /// or by numbers from 1 (and then the table has no header, unless its first row names those
    /// columns as tables without this option do). Empty, or two.
    std::vector<std::string> columns;
    /// Called with what is left out while the data is opened, and why; in the order of operands.
    std::function<void(const std::string& place, const Error& error)> on_problem;
    /// Opens operands at the same time: shards are read through. May be null.
    ThreadPool* pool = nullptr;
};

/// Opens training data, each operand by its kind; their pairs follow each other.
///
/// - `.csv` (commas, quoted as in RFC 4180) and `.tsv` (tabs, no quoting): a row a pair. The header
///   names the columns: path, filepath, file_path, file, filename, file_name, image, image_path,
///   img, picture; text, caption, captions, title, description, sentence; in any case.
/// - `.jsonl`, `.ndjson`: objects with `path` and `text`, a string or an array of some.
/// - a folder: pictures (by their names) with a .txt of the same stem beside them; every line of it
///   that is not blank is a caption.
/// - `.tar`: WebDataset shards. Neighbours with the same name up to the first dot are a pair: a
///   picture (.jpg, .png, ...) and a .txt (as in a folder) or a .json with a `caption` or `text`, a
///   string or an array of some. Opening reads the headers of all members.
///
/// Relative paths are relative to the list they stand in. Where there are shards only, they keep
/// being shards (PairSource::shards).
///
/// Errors: not_found, io_failure, bad_format (an empty list, a table without the columns: the
/// message names those it has; a folder or archive without pairs), invalid_argument (another kind
/// of file, impossible columns, no operand).
std::unique_ptr<PairSource> open_pairs(std::span<const std::string> data,
                                       const PairSourceOptions& options = {});

} // namespace clip::train
