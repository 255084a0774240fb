// SPDX-License-Identifier: MIT
#include "model/config.hpp"

#include <string_view>

#include "base/concat.hpp"
#include "model/architectures.hpp"

namespace clip {

std::string ModelConfig::name() const {
    if (const std::string_view name = published_name(*this); !name.empty())
        return std::string(name);
    if (vision.vit)
        return concat("ViT-w", vision.width, "-l", vision.layers, "-p", vision.patch_size, "-i",
                      vision.image_size);
    return concat("RN-w", vision.width, "-l", vision.stages[0], ".", vision.stages[1], ".",
                  vision.stages[2], ".", vision.stages[3], "-i", vision.image_size);
}

} // namespace clip
