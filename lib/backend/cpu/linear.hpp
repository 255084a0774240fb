// SPDX-License-Identifier: MIT
#pragma once

#include "backend/cpu/gemm.hpp"

namespace clip::cpu {

class PackedLinear : public PreparedLinear {
  public:
    PackedLinear(std::int64_t in, std::int64_t out, PackedPanels panels)
        : PreparedLinear(in, out), panels_(std::move(panels)) {}
    const PackedPanels& panels() const { return panels_; }
    PackedPanels& panels() { return panels_; }

  private:
    PackedPanels panels_;
};

} // namespace clip::cpu
