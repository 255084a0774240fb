// SPDX-License-Identifier: MIT
// A value or the Error that took its place, for failures that are an ordinary outcome of one record
// of many: a line that does not parse, a picture that does not decode.
#pragma once

#include <utility>
#include <variant>

#include "base/error.hpp"

namespace clip {

/// Holds a `T` or an `Error`. Ask before you take: `value()` throws the error when there is one.
template <typename T>
class [[nodiscard]] Result {
  public:
    Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}
    Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}

    bool ok() const { return state_.index() == 0; }
    explicit operator bool() const { return ok(); }

    T& value() & {
        raise_if_error();
        return std::get<0>(state_);
    }
    const T& value() const& {
        raise_if_error();
        return std::get<0>(state_);
    }
    T&& value() && {
        raise_if_error();
        return std::get<0>(std::move(state_));
    }
    /// The error; only where `ok()` is false.
    const Error& error() const { return std::get<1>(state_); }

  private:
    void raise_if_error() const {
        if (!ok())
            throw std::get<1>(state_);
    }
    std::variant<T, Error> state_;
};

} // namespace clip
