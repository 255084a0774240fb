// SPDX-License-Identifier: MIT
// Python's pickle format, read as data. A pickle is a program for a small stack machine that can
// name any function and call it; this reader keeps such names and calls as inert records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clip::io {

/// One value of a pickle. Values refer to each other by index, so that shared and even circular
/// structures are no danger: whoever walks them bounds his steps.
struct PickleValue {
    enum class Kind : std::uint8_t {
        none,
        boolean,    ///< integer: 0 or 1
        integer,    ///< integer; those of more than 64 bits are `text`
        real,       ///< real
        text,       ///< text, UTF-8 as the pickle has it
        bytes,      ///< text
        tuple,      ///< items
        list,       ///< items; also sets
        dict,       ///< items: key, value, key, value, ...
        global,     ///< text: "module.name" of a class or function
        call,       ///< items: the callable, the arguments (a tuple), then states given by BUILD
        persistent, ///< items: what identifies an object outside the pickle
    };
    Kind kind = Kind::none;
    std::int64_t integer = 0;
    double real = 0.0;
    std::string text;
    std::vector<std::uint32_t> items;
};

/// The values of one pickle.
class Pickle {
  public:
    /// Runs the stack machine on `bytes`; what follows the pickle's end is left alone. `what`
    /// begins every message.
    /// Errors: truncated, bad_format (a pickle that does not follow the format or is larger than
    /// any checkpoint's), unsupported (the EXT, INST and OBJ instructions and buffers out of band).
    /// Source: Python's Lib/pickletools.py, protocols 0 to 5.
    Pickle(std::span<const std::byte> bytes, const std::string& what);

    const PickleValue& operator[](std::uint32_t index) const { return values_[index]; }
    const PickleValue& root() const { return values_[root_]; }
    std::uint32_t root_index() const { return root_; }
    std::size_t size() const { return values_.size(); }
    /// Bytes that the pickle took.
    std::size_t consumed() const { return consumed_; }

    /// The value of a text key in a dict; nullptr where there is none (the last one counts).
    const PickleValue* find(const PickleValue& dict, std::string_view key) const;

  private:
    friend class PickleMachine;
    std::deque<PickleValue> values_;
    std::uint32_t root_ = 0;
    std::size_t consumed_ = 0;
};

} // namespace clip::io
