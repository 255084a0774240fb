// SPDX-License-Identifier: MIT
// Built where liblbfgs was not found.
#include "base/error.hpp"
#include "search/lbfgs.hpp"

namespace clip {

bool has_lbfgs() {
    return false;
}

Minimum minimize(std::vector<double>& /*x*/, const Objective& /*objective*/,
                 const MinimizeOptions& /*options*/) {
    fail(ErrorCode::unsupported,
         "fit a classifier: not in this build, which was configured without liblbfgs (Debian's "
         "package is liblbfgs-dev)");
}

} // namespace clip
