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
#include "tensor/tensor.hpp"

namespace clip::app {

/// Decodes pictures on all threads, some at a time, and gives each to the backend's memory as a
/// tower wants it: an upright RGB picture as its bytes, which preprocess() of the backend resizes
/// there, and any other as what the host has made of it. The same numbers either way.
class PictureBatch {
  public:
    /// Reads and decodes picture `index`; called by several threads at a time.
    using Decode = std::function<Image(std::size_t index)>;

    /// All arguments must outlive this.
    PictureBatch(Backend& backend, const PreprocessOptions& options)
        : backend_(backend), options_(options) {}

    /// Begins with the pictures [0, count).
    void begin(std::size_t count, Decode decode);
    /// Writes picture `index` to `to` (3, S, S) in the backend's memory: zeros where it is broken.
    /// Pictures are asked for in order.
    void make(std::size_t index, const MutView& to);
    /// Why pictures could not be made, of those that were asked for.
    const std::vector<std::optional<Error>>& errors() const { return errors_; }

  private:
    struct Picture {
        std::optional<Image> image; ///< to be resized as `plan` says
        PreprocessPlan plan;
        std::vector<float> pixels; ///< or what the host has made
    };
    void decode_from(std::size_t first);

    Backend& backend_;
    const PreprocessOptions& options_;
    Decode decode_;
    std::size_t first_ = 0; ///< of `pictures_`
    std::vector<Picture> pictures_;
    std::vector<std::optional<Error>> errors_;
    Tensor bytes_; ///< of one picture, in the backend's memory
};

} // namespace clip::app
