// SPDX-License-Identifier: MIT
#include "app/parts_that_fit.hpp"

#include <algorithm>

#include "base/error.hpp"

namespace clip::app {

bool PartsThatFit::run(std::size_t count,
                       const std::function<void(std::size_t, std::size_t)>& run) {
    const std::size_t before = most_;
    for (std::size_t first = 0; first < count;) {
        const std::size_t now = std::min(most_, count - first);
        try {
            run(first, now);
            first += now;
        } catch (const Error& error) {
            if (error.code() != ErrorCode::out_of_memory || now == 1)
                throw;
            most_ = now / 2;
        }
    }
    return most_ < before;
}

} // namespace clip::app
