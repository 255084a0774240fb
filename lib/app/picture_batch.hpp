// SPDX-License-Identifier: MIT
// Pictures that are decoded by the host and prepared by a device.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "backend/backend.hpp"
#include "base/error.hpp"
#include "data/image.hpp"
#include "data/preprocess.hpp"
#include "tensor/view.hpp"

namespace clip::app {

/// Decodes pictures on all threads, some at a time, and gives them to the backend, which prepares
/// many at once: an upright RGB picture as it is, and any other as the bytes that the host has
/// resized it to. The same numbers either way.
class PictureBatch {
  public:
    /// Reads and decodes picture `index`; called by several threads at a time.
    using Decode = std::function<Image(std::size_t index)>;

    /// All arguments must outlive this.
    PictureBatch(Backend& backend, const PreprocessOptions& options)
        : backend_(backend), options_(options) {}

    /// Begins with the pictures [0, count).
    void begin(std::size_t count, Decode decode);
    /// Writes the pictures from `first` on to `to` (n, 3, S, S) in the backend's memory: zeros
    /// where one is broken. Pictures are asked for in order.
    void make(std::size_t first, const MutView& to);
    /// Why pictures could not be made, of those that were asked for.
    const std::vector<std::optional<Error>>& errors() const { return errors_; }

  private:
    struct Picture {
        Image image;         ///< RGB
        PreprocessPlan plan; ///< of its resize
        std::int64_t to = 0; ///< which of the pictures that are being made
    };
    void decode_from(std::size_t first);
    Picture decoded(std::size_t index) const;
    /// Hands what is ready to the backend.
    void give(const MutView& to);

    Backend& backend_;
    const PreprocessOptions& options_;
    Decode decode_;
    std::size_t first_ = 0; ///< of `pictures_`
    std::vector<Picture> pictures_;
    std::vector<Picture> ready_; ///< that are given to the backend next
    std::vector<std::optional<Error>> errors_;
};

} // namespace clip::app
