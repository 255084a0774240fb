// SPDX-License-Identifier: MIT
// Operands and standard input as one ordered stream of inputs. What cannot be read is an input too,
// with an error in it: it keeps its place, and the stream goes on.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/shard.hpp"
#include "base/error.hpp"
#include "io/embedding_reader.hpp"
#include "io/input_record.hpp"
#include "io/line_reader.hpp"

namespace clip::app {

struct InputSourceOptions {
    std::vector<std::string> operands; ///< none: standard input; "-" is standard input too
    bool null_separated = false;       ///< NUL ends an input of standard input; no JSON then
    bool recursive = false;            ///< walk folders
    bool texts = false;                ///< operands and plain lines are texts, not paths
    /// Take embeddings: HDF5 files by their signature, as an operand or on standard input, and the
    /// key `embedding` of JSON lines. Otherwise a record's path or text is what counts.
    bool embeddings = false;
    /// Operands in .txt are lists of texts, one a line (LF or CRLF) as it stands; blank lines are
    /// passed over.
    bool captions = false;
    /// Plain lines of standard input are texts, and operands that are neither pictures by their
    /// names nor files of embeddings or JSON lines are lists of texts, too.
    bool lists_of_texts = false;
    Shard shard;
    /// Keys that the command writes; carried members of these names are dropped.
    std::vector<std::string_view> own_keys;
    const std::atomic<bool>* stop = nullptr;
};

/// One picture, text or embedding.
struct Input {
    std::uint64_t position = 0; ///< from 1, counted over all shards
    std::string role;           ///< "query" where it is no ordinary input, for --errors
    std::string name;           ///< for messages: the path, the text's beginning, "list.jsonl:42"
    std::string item;           ///< a path's raw bytes, or a text in UTF-8
    bool has_item = true;       ///< false for an embedding without a name, and where reading failed
    bool is_text = false;
    std::string extra;            ///< carried members: `"id":7,"b":[1]`
    std::vector<float> embedding; ///< given, not to be computed; else empty
    std::string model;            ///< of the given embedding; empty where nothing is said
    std::string file;             ///< the embedding file that it is a row of, else empty
    /// That file's, see io::EmbeddingHeader; of a JSON line the layer, where it is not the
    /// projected.
    std::string settings;
    std::int64_t row = -1;      ///< which of its rows, from 0
    bool normalized = true;     ///< that file's; true where nothing is said
    std::optional<Error> error; ///< why there is nothing of the above
};

class InputSource {
  public:
    explicit InputSource(InputSourceOptions options);

    /// The next input of this shard. False at the end, or once the stop flag is raised.
    /// Errors: io_failure (standard input cannot be read).
    bool next(Input& input);
    /// Whether next() would have to wait for another process, or for a person.
    bool would_wait();
    /// How many inputs this shard has, where that can be known by now.
    std::optional<std::uint64_t> total() const;

  private:
    enum class ListKind : std::uint8_t { mixed, json, captions };
    struct WalkedFile {
        std::string path;
        std::optional<Error> error; ///< a folder that cannot be read
    };

    bool next_of_all(Input& input);
    /// False at the list's end, and where a line named a folder whose files come next.
    bool next_line(Input& input);
    bool next_row(Input& input);
    void open_operand(const std::string& operand, Input& input, bool& found);
    void walk(const std::string& folder);
    void open_standard_input();
    void take_record(Input& input, io::InputRecord record);

    InputSourceOptions options_;
    std::size_t next_operand_ = 0;
    std::uint64_t position_ = 0;

    // What is being read; at most one of these at a time.
    std::optional<io::LineReader> lines_;
    ListKind list_kind_ = ListKind::mixed;
    std::optional<io::EmbeddingReader> rows_;
    std::int64_t next_row_ = 0;
    std::int64_t block_start_ = 0;
    std::int64_t singly_until_ = 0; ///< rows before this are read one by one
    std::vector<io::EmbeddingReader::Item> block_items_;
    std::vector<float> block_values_;
    std::vector<WalkedFile> walked_; // what the folder that was walked last holds, in order
    std::size_t next_walked_ = 0;
};

/// " (row 17 of photos.h5)" for a row of an embedding file, else empty: for messages.
std::string place_of(const Input& input);

/// The beginning of a text, for messages: at most 40 characters, in quotes.
std::string quoted_beginning(std::string_view text);

} // namespace clip::app
