// SPDX-License-Identifier: MIT
// PNG out, by libpng, row by row: a picture need never be in memory whole.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <vector>

namespace clip {

enum class PngPixels : std::uint8_t { rgb, rgba }; ///< 8 bits each, alpha not premultiplied

class PngWriter {
  public:
    /// Gets the file's bytes as they come to be. What it throws comes out of the calls below.
    using Sink = std::function<void(std::span<const std::uint8_t>)>;

    /// Errors: invalid_argument (sides outside [1, 1000000]); out_of_memory.
    PngWriter(int width, int height, PngPixels pixels, Sink sink);
    ~PngWriter();
    PngWriter(const PngWriter&) = delete;
    PngWriter& operator=(const PngWriter&) = delete;

    /// The next `count` rows, (count, width, 3 or 4) without gaps.
    /// Errors: internal (more rows than the height); io_failure (libpng gave up).
    void write_rows(const std::uint8_t* rows, int count);
    /// After the last row. Errors: as write_rows; internal (rows are missing).
    void finish();

  private:
    struct State;
    std::unique_ptr<State> state_;
};

/// A whole file at once. `rows` is (height, width, 3 or 4). Errors: as PngWriter.
std::vector<std::uint8_t> encode_png(int width, int height, PngPixels pixels,
                                     const std::uint8_t* rows);

} // namespace clip
