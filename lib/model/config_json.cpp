// SPDX-License-Identifier: MIT
#include "model/config_json.hpp"

#include <cmath>
#include <nlohmann/json.hpp>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "io/mapped_file.hpp"

namespace clip {

namespace {

using json = nlohmann::json;

constexpr std::size_t kMaxFileBytes = std::size_t{4} << 20;
constexpr int kMaxDepth = 64;

/// A value for a message: short, and without bytes that a terminal would act on.
std::string shown(const json& value) {
    std::string text = value.dump(-1, ' ', true, json::error_handler_t::replace);
    if (text.size() > 60)
        text = text.substr(0, 57) + "...";
    return text;
}

bool says_off(const json& value) {
    return value.is_null() || value == false || (value.is_number() && value.get<double>() == 0.0) ||
           (value.is_string() && value.get_ref<const std::string&>().empty()) ||
           (value.is_structured() && value.empty());
}

} // namespace

json read_json_file(const std::string& path) {
    const auto file = io::MappedFile::open(path);
    const std::span<const std::byte> bytes = file->bytes();
    if (bytes.size() > kMaxFileBytes)
        fail(ErrorCode::bad_format,
             concat(path, ": too large for a configuration (", bytes.size(), " bytes)"));
    const char* begin = reinterpret_cast<const char*>(bytes.data());
    bool deep = false;
    const auto watch = [&](int depth, json::parse_event_t, json&) {
        deep = deep || depth > kMaxDepth;
        return !deep;
    };
    try {
        json parsed = json::parse(begin, begin + bytes.size(), watch);
        if (deep)
            fail(ErrorCode::bad_format, path + ": nested too deeply");
        return parsed;
    } catch (const json::exception& error) {
        fail(ErrorCode::bad_format, concat(path, ": not JSON: ", error.what()));
    }
}

ConfigObject::ConfigObject(const json& object, std::string where)
    : object_(object), where_(std::move(where)) {
    if (!object.is_object())
        fail(ErrorCode::bad_format, where_ + ": not a JSON object");
}

const json* ConfigObject::value(const char* key) {
    known_.insert(key);
    const auto found = object_.find(key);
    return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::int64_t ConfigObject::integer(const char* key, std::int64_t fallback, std::int64_t low,
                                   std::int64_t high) {
    const json* found = value(key);
    if (found == nullptr)
        return fallback;
    const double wide = found->is_number() ? found->get<double>() : std::nan("");
    if (!(wide >= static_cast<double>(low) && wide <= static_cast<double>(high)) ||
        wide != std::floor(wide))
        fail(ErrorCode::bad_format, concat(where_, ": ", key, " (got ", shown(*found),
                                           ", want a whole number from ", low, " to ", high, ")"));
    return static_cast<std::int64_t>(wide);
}

double ConfigObject::number(const char* key, double fallback) {
    const json* found = value(key);
    if (found == nullptr)
        return fallback;
    if (!found->is_number())
        fail(ErrorCode::bad_format,
             concat(where_, ": ", key, " (got ", shown(*found), ", want a number)"));
    return found->get<double>();
}

bool ConfigObject::boolean(const char* key, bool fallback) {
    const json* found = value(key);
    if (found == nullptr)
        return fallback;
    if (!found->is_boolean())
        fail(ErrorCode::bad_format,
             concat(where_, ": ", key, " (got ", shown(*found), ", want true or false)"));
    return found->get<bool>();
}

std::string ConfigObject::text(const char* key, const std::string& fallback) {
    const json* found = value(key);
    if (found == nullptr)
        return fallback;
    if (!found->is_string())
        fail(ErrorCode::bad_format,
             concat(where_, ": ", key, " (got ", shown(*found), ", want a string)"));
    return found->get<std::string>();
}

void ConfigObject::triple(const char* key, std::array<float, 3>& out) {
    const json* found = value(key);
    if (found == nullptr)
        return;
    bool fits = found->is_array() && found->size() == out.size();
    for (std::size_t i = 0; fits && i < out.size(); ++i) {
        fits = (*found)[i].is_number();
        if (fits)
            out[i] = (*found)[i].get<float>();
    }
    if (!fits)
        fail(ErrorCode::bad_format,
             concat(where_, ": ", key, " (got ", shown(*found), ", want three numbers)"));
}

void ConfigObject::accept(std::initializer_list<const char*> keys) {
    known_.insert(keys.begin(), keys.end());
}

void ConfigObject::accept_prefix(const std::string& prefix) {
    for (const auto& [key, unused] : object_.items())
        if (key.starts_with(prefix))
            known_.insert(key);
}

void ConfigObject::require(const char* key, const json& wanted) {
    const json* found = value(key);
    if (found != nullptr && *found != wanted)
        fail(ErrorCode::unsupported, concat(where_, ": ", key, " = ", shown(*found),
                                            " is not supported (only ", shown(wanted), ")"));
}

void ConfigObject::finish() const {
    for (const auto& [key, found] : object_.items())
        if (!known_.contains(key) && !says_off(found))
            fail(ErrorCode::unsupported,
                 concat(where_, ": ", shown(json(key)), " = ", shown(found), " is not supported"));
}

} // namespace clip
