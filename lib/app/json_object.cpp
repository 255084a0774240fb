// SPDX-License-Identifier: MIT
#include "app/json_object.hpp"

#include <cmath>

#include "base/concat.hpp"
#include "io/json_text.hpp"

namespace clip::app {

namespace {

void append_number(std::string& out, double value) {
    if (std::isfinite(value))
        io::append_json_double(out, value);
    else
        out += "null";
}

} // namespace

void JsonObject::begin(std::string_view key) {
    text_ += concat(text_.size() == 1 ? "\"" : ",\"", key, "\":");
}

JsonObject& JsonObject::text(std::string_view key, std::string_view value) {
    begin(key);
    io::append_json_string(text_, value);
    return *this;
}

JsonObject& JsonObject::texts(std::string_view key, std::span<const std::string> values) {
    begin(key);
    text_ += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
        text_ += i == 0 ? "" : ",";
        io::append_json_string(text_, values[i]);
    }
    text_ += ']';
    return *this;
}

JsonObject& JsonObject::count(std::string_view key, std::uint64_t value) {
    begin(key);
    text_ += concat(value);
    return *this;
}

JsonObject& JsonObject::number(std::string_view key, double value) {
    begin(key);
    append_number(text_, value);
    return *this;
}

JsonObject& JsonObject::numbers(std::string_view key, std::span<const double> values) {
    begin(key);
    text_ += '[';
    for (std::size_t i = 0; i < values.size(); ++i) {
        text_ += i == 0 ? "" : ",";
        append_number(text_, values[i]);
    }
    text_ += ']';
    return *this;
}

JsonObject& JsonObject::truth(std::string_view key, bool value) {
    return raw(key, value ? "true" : "false");
}

JsonObject& JsonObject::raw(std::string_view key, std::string_view json) {
    begin(key);
    text_ += json;
    return *this;
}

std::string json_list(std::span<const std::string> elements) {
    std::string out = "[";
    for (std::size_t i = 0; i < elements.size(); ++i)
        out += (i == 0 ? "" : ",") + elements[i];
    return out + "]";
}

} // namespace clip::app
