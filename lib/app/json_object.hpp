// SPDX-License-Identifier: MIT
// One JSON object, member by member, in the order of the calls.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace clip::app {

/// Keys need no escapes and are given once each.
class JsonObject {
  public:
    /// Errors: bad_format (not UTF-8).
    JsonObject& text(std::string_view key, std::string_view value);
    JsonObject& texts(std::string_view key, std::span<const std::string> values);
    JsonObject& count(std::string_view key, std::uint64_t value);
    /// The shortest form that reads back as the same double; null for NaN and infinities.
    JsonObject& number(std::string_view key, double value);
    JsonObject& numbers(std::string_view key, std::span<const double> values);
    JsonObject& truth(std::string_view key, bool value);
    /// JSON as it stands, such as another object's str().
    JsonObject& raw(std::string_view key, std::string_view json);
    JsonObject& null(std::string_view key) { return raw(key, "null"); }

    /// `{...}`, without a newline.
    std::string str() const { return text_ + "}"; }

  private:
    void begin(std::string_view key);
    std::string text_ = "{";
};

/// `[a,b]` of JSON texts.
std::string json_list(std::span<const std::string> elements);

} // namespace clip::app
