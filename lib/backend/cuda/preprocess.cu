// SPDX-License-Identifier: MIT
// Pillow's bicubic resize of one RGB picture in integers, of what a crop keeps of it, and
// y = (byte / 255 - mean) / std: the bits of data/preprocess.cpp.
//
// Two kernels, as the bytes are rounded between them: along rows first, for the lines that anything
// is taken from, then along columns. What goes between them is planar and has 16 bits an element.
// Sums of bytes times weights of 22 bits are exact in 32, so that their order is free.
//
// Cost. A (640, 480) picture to (224, 224): 0.9 MB of bytes, 3.9 M products across and 2 M down, 10
// us; launches and the upload are most of it. A (4000, 3000) picture: 145 M products, 60 us on
// A100; its upload takes 1.5 ms. Lines are resized four at a time by a thread, so that a weight is
// read once for twelve products.
//
// Source: Pillow src/libImaging/Resample.c, matched to the bit by tests/parity/pixels.py.
#include <algorithm>
#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kLines = 4; ///< of the picture that a thread resizes
constexpr int kChannels = 3;
constexpr int kWeightBits = 22; ///< ResizeAxis

struct DeviceAxis {
    Global<const std::int32_t> first;  // (S)
    Global<const std::int32_t> count;  // (S)
    Global<const std::int32_t> weight; // (S, stride)
    std::int64_t stride = 0;
};

/// A sum of products as a byte.
CLIP_DEVICE std::int32_t rounded_byte(std::int32_t sum) {
    return max(min((sum + (1 << (kWeightBits - 1))) >> kWeightBits, 255), 0);
}

// middle[c][l][i] = line begin + l of the picture, resized to output i.
//
// Grid: x groups of kLines lines, y tiles of kThreads outputs. Shapes: middle (3, lines, S);
// picture (height, width, 3), of which the lines from `begin` are there. No shared memory: L1 has
// the bytes of a group's lines.
CLIP_KERNEL(kThreads, 8)
void resize_across_kernel(Global<std::uint16_t> middle, Global<const std::uint8_t> picture,
                          DeviceAxis across, std::int64_t width, std::int64_t begin,
                          std::int64_t lines, std::int64_t side) {
    const std::int64_t output = std::int64_t{block_y()} * kThreads + thread_x();
    if (output >= side)
        return;
    const std::int64_t line = std::int64_t{block_x()} * kLines;
    const std::int64_t first = across.first[output];
    const std::int32_t count = across.count[output];
    const Global<const std::int32_t> weights = across.weight + output * across.stride;
    std::int32_t sums[kLines][kChannels] = {};
    for (std::int32_t t = 0; t < count; ++t) {
        const std::int32_t weight = weights[t];
        for (int l = 0; l < kLines; ++l) {
            // The last group's lines behind the end repeat the last one, and are not written.
            const std::int64_t from = begin + min(line + l, lines - 1);
            const Global<const std::uint8_t> pixel =
                picture + (from * width + first + t) * kChannels;
            for (int c = 0; c < kChannels; ++c) {
                const std::int32_t byte = pixel[c];
                sums[l][c] += byte * weight;
            }
        }
    }
    for (int l = 0; l < kLines && line + l < lines; ++l)
        for (int c = 0; c < kChannels; ++c)
            middle[(c * lines + line + l) * side + output] =
                static_cast<std::uint16_t>(rounded_byte(sums[l][c]));
}

struct Normalisation {
    float mean[kChannels], std[kChannels];
};

// Grid: x tiles of kThreads columns, y rows of the result, z channels. Shapes: y (3, S, S); middle
// (3, lines, S). No shared memory; all threads of a block have the same weights.
CLIP_KERNEL(kThreads, 8)
void resize_down_kernel(Global<float> y, Global<const std::uint16_t> middle, DeviceAxis down,
                        Normalisation by, std::int64_t begin, std::int64_t lines,
                        std::int64_t side) {
    const std::int64_t column = std::int64_t{block_x()} * kThreads + thread_x();
    if (column >= side)
        return;
    const int output = block_y(), channel = block_z();
    const std::int64_t first = down.first[output] - begin;
    const std::int32_t count = down.count[output];
    const Global<const std::int32_t> weights = down.weight + output * down.stride;
    const Global<const std::uint16_t> from = middle + (channel * lines + first) * side + column;
    std::int32_t sum = 0;
    for (std::int32_t t = 0; t < count; ++t) {
        const std::int32_t byte = from[t * side];
        const std::int32_t weight = weights[t];
        sum += byte * weight;
    }
    const float share = static_cast<float>(rounded_byte(sum)) / 255.0F;
    y[(channel * side + output) * side + column] = (share - by.mean[channel]) / by.std[channel];
}

/// Both axes in one upload, which pictures of equal size share.
std::vector<std::int32_t> joined(const ResizeAxis& across, const ResizeAxis& down) {
    std::vector<std::int32_t> all;
    for (const ResizeAxis* axis : {&across, &down})
        for (const auto part : {axis->first, axis->count, axis->weight})
            all.insert(all.end(), part.begin(), part.end());
    return all;
}

DeviceAxis take_axis(const std::int32_t*& at, const ResizeAxis& axis) {
    const std::size_t side = axis.first.size();
    const DeviceAxis taken{at, at + side, at + 2 * side, axis.stride};
    at += 2 * side + axis.weight.size();
    return taken;
}

} // namespace

void CudaBackend::preprocess(const PreprocessArgs& args) {
    const std::int64_t side = args.y.shape[1];
    std::int64_t begin = args.picture.shape[0], end = 0; // lines that anything is taken from
    for (std::size_t i = 0; i < args.down.first.size(); ++i) {
        begin = std::min<std::int64_t>(begin, args.down.first[i]);
        end = std::max<std::int64_t>(end, std::int64_t{args.down.first[i]} + args.down.count[i]);
    }
    const std::int64_t lines = end - begin;
    const std::vector<std::int32_t> axes = joined(args.across, args.down);
    const std::int32_t* at = context_.on_device(std::span<const std::int32_t>(axes));
    const DeviceAxis across = take_axis(at, args.across), down = take_axis(at, args.down);
    Normalisation by{};
    for (int c = 0; c < kChannels; ++c) {
        by.mean[c] = args.mean[c];
        by.std[c] = args.std[c];
    }
    Workspace::Scope scope(context_.workspace());
    auto* middle = scope.take<std::uint16_t>(kChannels * lines * side);
    const unsigned tiles = blocks_for(side, kThreads);
    context_.launch("resize_across", resize_across_kernel,
                    {.grid = {blocks_for(lines, kLines), tiles}, .block = {kThreads}}, middle,
                    args.picture.as<std::uint8_t>(), across, args.picture.shape[1], begin, lines,
                    side);
    context_.launch("resize_down", resize_down_kernel,
                    {.grid = {tiles, static_cast<unsigned>(side), kChannels}, .block = {kThreads}},
                    args.y.f32(), middle, down, by, begin, lines, side);
}

} // namespace clip::cuda
