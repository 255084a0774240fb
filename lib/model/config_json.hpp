// SPDX-License-Identifier: MIT
// Reading JSON configurations so that nothing in them is silently ignored.
#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>

namespace clip {

/// Parses a JSON file of at most a few MiB. Errors: not_found, io_failure, bad_format.
nlohmann::json read_json_file(const std::string& path);

/// One JSON object of a configuration. Each key is asked for by somebody, accepted as harmless, or
/// refused by name in finish().
class ConfigObject {
  public:
    /// `where` begins every message: "config.json: text_config". Errors: bad_format (no object).
    ConfigObject(const nlohmann::json& object, std::string where);

    /// A whole number in [low, high], or `fallback` where the key is absent or null.
    std::int64_t integer(const char* key, std::int64_t fallback, std::int64_t low,
                         std::int64_t high);
    double number(const char* key, double fallback);
    bool boolean(const char* key, bool fallback);
    std::string text(const char* key, const std::string& fallback);
    /// A list of three numbers; `out` stays where the key is absent or null.
    void triple(const char* key, std::array<float, 3>& out);
    /// nullptr where the key is absent or null.
    const nlohmann::json* value(const char* key);

    /// Keys that change nothing about what the model computes.
    void accept(std::initializer_list<const char*> keys);
    /// The same for every key that begins with `prefix`.
    void accept_prefix(const std::string& prefix);
    /// Refuses a key unless it is absent, null or `value`. Errors: unsupported.
    void require(const char* key, const nlohmann::json& value);
    /// Refuses every key that nobody asked for, unless its value says "off": null, false, 0, "", or
    /// an empty list or object. Errors: unsupported (names the key and its value).
    void finish() const;

    const std::string& where() const { return where_; }

  private:
    const nlohmann::json& object_;
    std::string where_;
    std::set<std::string> known_;
};

} // namespace clip
