// SPDX-License-Identifier: MIT
#pragma once

#include <utility>

#include "tensor/tensor.hpp"

namespace clip::trainer {

/// Pictures of the host where a backend's ops can read them. The memory is kept for the next ones.
class StagedPictures {
  public:
    /// The pictures themselves, or a copy of them in `memory` until the next call.
    ConstView there(const ConstView& pictures, Memory& memory) {
        if (pictures.device == memory.device())
            return pictures;
        reserve(copy_, pictures.numel(), DType::f32, memory);
        memory.upload(copy_.view().data, pictures.data, pictures.bytes());
        return part_of(std::as_const(copy_).view(), 0, pictures.shape);
    }

  private:
    Tensor copy_;
};

} // namespace clip::trainer
