// SPDX-License-Identifier: MIT
#include "trainer/picture_encoder.hpp"

#include <algorithm>

namespace clip::trainer {

void PictureEncoder::encode(ConstView pictures, MutView features) {
    if (!tower_)
        tower_ = make_vision_tower(context_.backend, ParametersSource(context_.parameters), config_,
                                   DType::f32);
    Arena& arena = context_.arena;
    const Arena::Mark mark = arena.mark();
    const std::int64_t count = pictures.shape[0], side = pictures.shape[2];
    const std::int64_t width = features.shape[1];
    const std::int64_t at_once = std::min(tower_->pictures_at_once(), count);
    const MutView pooled = arena.take(Shape{at_once, tower_->penultimate_width()});
    for (std::int64_t first = 0; first < count; first += at_once) {
        const std::int64_t n = std::min(at_once, count - first);
        const ConstView part{pictures.f32() + first * 3 * side * side, Shape{n, 3, side, side},
                             DType::f32, pictures.device};
        MutView rows = pooled, out = features;
        rows.shape = Shape{n, pooled.shape[1]};
        out.data = features.f32() + first * width;
        out.shape = Shape{n, width};
        tower_->forward(context_.backend, part, rows);
        tower_->project(context_.backend, rows, out);
    }
    arena.rewind(mark);
}

} // namespace clip::trainer
