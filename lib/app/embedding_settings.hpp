// SPDX-License-Identifier: MIT
// What embedding files say of how their vectors were made (io::EmbeddingHeader::settings).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "app/reporter.hpp"

namespace clip::app {

/// The word after `key`, such as "layer="; empty where it is not there.
std::string setting(std::string_view settings, std::string_view key);

enum class ComparedSettings : std::uint8_t {
    all,
    /// Precision, activation and device: what vectors of one input differ in, be it picture or
    /// text. How pictures are prepared means nothing to texts, which may be compared with them.
    computing,
};

/// Warns, once a run, where vectors of embedding files that were made in different ways meet. That
/// is allowed: most of the differences are small. (Models and layers are another matter.)
class EmbeddingSettings {
  public:
    /// `reporter` must outlive this.
    EmbeddingSettings(ComparedSettings compared, Reporter& reporter)
        : compared_(compared), reporter_(reporter) {}

    /// Vectors of `name` were made with `settings`. What says nothing of its precision is passed
    /// over, unless all is compared.
    void meet(const std::string& name, std::string_view settings);

  private:
    ComparedSettings compared_;
    Reporter& reporter_;
    std::string last_; ///< settings that nothing more is to be said of
    bool met_ = false, warned_ = false;
    std::string first_, settings_; ///< who came first, and with what
};

} // namespace clip::app
