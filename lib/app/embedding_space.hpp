// SPDX-License-Identifier: MIT
// Vectors can only be compared where they come from one model and one layer of it; where files were
// made with another precision or on another device, there is a warning.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "app/embedding_settings.hpp"
#include "app/reporter.hpp"
#include "io/embedding_file.hpp"

namespace clip::app {

/// What all vectors of a run have in common. The first that says its model decides.
class EmbeddingSpace {
  public:
    /// `reporter` must outlive this.
    explicit EmbeddingSpace(Reporter& reporter)
        : settings_(ComparedSettings::computing, reporter) {}

    /// The vectors of `name` are of `model` (empty: nothing is known of it), of the layer that
    /// `settings` says, and `dim` wide.
    /// Errors: version_mismatch (another model or layer than before: names both), shape_mismatch
    /// (another width).
    void meet(const std::string& name, const std::string& model, std::string_view settings,
              std::int64_t dim);
    /// The same for a file, whose multiplier of cosines is taken over, too.
    void meet(const std::string& name, const io::EmbeddingHeader& header);
    void set_logit_scale(double scale) { logit_scale_ = scale; }

    /// Empty as long as nobody said it.
    const std::string& model() const { return model_; }
    /// 0 as long as nothing came.
    std::int64_t dim() const { return dim_; }
    std::optional<double> logit_scale() const { return logit_scale_; }

  private:
    std::string model_, model_name_; // and who said it first
    std::string layer_, layer_name_;
    std::int64_t dim_ = 0;
    std::string dim_name_;
    std::optional<double> logit_scale_;
    EmbeddingSettings settings_;
};

} // namespace clip::app
