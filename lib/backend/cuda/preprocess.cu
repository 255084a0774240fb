// SPDX-License-Identifier: MIT
// Pillow's bicubic resize of RGB pictures in integers, of what a crop keeps of each, and
// y = (byte / 255 - mean) / std: the bits of data/preprocess.cpp.
//
// A batch's pictures go up together, each of its own size: a table that says where everything is,
// the weights of all axes, and of every picture the lines that anything is taken from, as one block
// of at most 64 MiB (unless one picture is larger). Two kernels then go over all of them, as bytes
// are rounded between them: along rows first, then along columns. What goes between is planar. Sums
// of bytes times weights of 22 bits are exact in 32, so that their order is free.
//
// Cost. A (500, 375) picture to (224, 224): 0.6 MB of bytes and 20 KB of weights go up, 2.3 M
// products across and 1.4 M down. Of a batch of 256 that is 150 MB in three uploads: 6 ms at 25
// GB/s, while the batch before is computed. The kernels move 430 MB, 0.25 ms on A100 and 0.15 ms on
// H100 (and 290 MB go from where they land to their place); loads of single bytes take L1 about as
// long. Six launches are 20 us of the host; picture by picture they were 512, and 512 copies, 3 to
// 5 ms. A (4000, 3000) picture: 145 M products, 60 us on A100; its upload takes 1.5 ms. Lines are
// resized four at a time by a thread, so that a weight is read once for twelve products; down, all
// three channels.
//
// Source: Pillow src/libImaging/Resample.c, matched to the bit by tests/parity/pixels.py.
#include <algorithm>
#include <bit>
#include <vector>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/piece_search.hpp"
#include "backend/cuda/row_grid.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kLines = 4; ///< of a picture that a thread resizes
constexpr int kChannels = 3;
constexpr int kWeightBits = 22; ///< ResizeAxis

/// What pictures that go together may take: bytes that go up, and bytes between the kernels.
constexpr std::int64_t kMostBytes = std::int64_t{64} << 20;
constexpr std::size_t kMostPictures = 4096; ///< far from what a grid's second axis holds

/// A picture of an upload; as large as a cache line, and aligned to it.
struct alignas(128) PictureEntry {
    const std::uint8_t* pixels; // (lines, width, 3): what is taken from, from line `begin` on
    const std::int32_t* across; // first (S), count (S), weight (S, across_stride)
    const std::int32_t* down;   // likewise
    std::uint32_t* middle; // (lines / kLines, 3, S), rounded up: a byte a line, the first lowest
    float* y;              // (3, S, S)
    std::int64_t width, begin, lines;
    std::int64_t across_stride, down_stride;
    std::int64_t first_piece; ///< of resize_across; kThreads groups of kLines outputs are one
};

/// A sum of products as a byte.
CLIP_DEVICE std::int32_t rounded_byte(std::int32_t sum) {
    return max(min((sum + (1 << (kWeightBits - 1))) >> kWeightBits, 255), 0);
}

// Byte l of middle[g][c][i] = line begin + kLines g + l of a picture, resized to output i.
//
// Grid: a block a piece; a picture's pieces are a thread an output of kLines lines, one line group
// after the other. No shared memory: L1 has the bytes of a group's lines.
CLIP_KERNEL(kThreads, 8)
void resize_across_kernel(Global<const PictureEntry> pictures, // (count)
                          std::int64_t count, std::int64_t side) {
    const PictureEntry picture = entry_of(pictures, count, block_x());
    const std::int64_t thread = (block_x() - picture.first_piece) * kThreads + thread_x();
    const std::int64_t group = thread / side, output = thread - group * side;
    const std::int64_t line = group * kLines, lines = picture.lines;
    if (line >= lines)
        return;
    const Global<const std::int32_t> across(picture.across);
    const std::int64_t first = across[output];
    const std::int32_t taps = across[side + output];
    const Global<const std::int32_t> weights = across + 2 * side + output * picture.across_stride;
    const Global<const std::uint8_t> pixels(picture.pixels);
    std::int32_t sums[kLines][kChannels] = {};
    for (std::int32_t t = 0; t < taps; ++t) {
        const std::int32_t weight = weights[t];
        for (int l = 0; l < kLines; ++l) {
            // In the last group lines behind the end repeat the last one, and are not used.
            const std::int64_t from = min(line + l, lines - 1);
            const Global<const std::uint8_t> pixel =
                pixels + (from * picture.width + first + t) * kChannels;
            for (int c = 0; c < kChannels; ++c) {
                const std::int32_t byte = pixel[c];
                sums[l][c] += byte * weight;
            }
        }
    }
    const Global<std::uint32_t> middle(picture.middle);
    for (int c = 0; c < kChannels; ++c) {
        std::uint32_t word = 0;
        for (int l = 0; l < kLines; ++l)
            word |= static_cast<std::uint32_t>(rounded_byte(sums[l][c])) << (8 * l);
        middle[(group * kChannels + c) * side + output] = word;
    }
}

struct Normalisation {
    float mean[kChannels], std[kChannels];
};

// Grid: x a thread a place of the result, y pictures. No shared memory; neighbouring threads have
// the same weights, but at a row's end.
CLIP_KERNEL(kThreads, 8)
void resize_down_kernel(Global<const PictureEntry> pictures, // (grid y)
                        Normalisation by, std::int64_t side) {
    const std::int64_t place = std::int64_t{block_x()} * kThreads + thread_x();
    if (place >= side * side)
        return;
    const std::int64_t output = place / side, column = place - output * side;
    const PictureEntry picture = pictures[block_y()];
    const Global<const std::int32_t> down(picture.down);
    const std::int64_t first = down[output] - picture.begin;
    const std::int32_t taps = down[side + output];
    const Global<const std::int32_t> weights = down + 2 * side + output * picture.down_stride;
    const Global<const std::uint32_t> middle = Global<const std::uint32_t>(picture.middle) + column;
    std::int32_t sums[kChannels] = {};
    for (std::int64_t group = first / kLines; group * kLines < first + taps; ++group) {
        std::uint32_t words[kChannels];
        for (int c = 0; c < kChannels; ++c)
            words[c] = middle[(group * kChannels + c) * side];
        for (int l = 0; l < kLines; ++l) {
            const std::int64_t t = group * kLines + l - first;
            std::int32_t weight = 0;
            if (t >= 0 && t < taps)
                weight = weights[t];
            for (int c = 0; c < kChannels; ++c)
                sums[c] += static_cast<std::int32_t>(words[c] >> (8 * l) & 255U) * weight;
        }
    }
    const Global<float> y(picture.y);
    for (int c = 0; c < kChannels; ++c) {
        const float share = static_cast<float>(rounded_byte(sums[c])) / 255.0F;
        y[c * side * side + place] = (share - by.mean[c]) / by.std[c];
    }
}

/// What a picture takes.
struct Need {
    std::int64_t begin = 0, lines = 0; ///< lines that anything is taken from
    std::int64_t axes = 0, pixels = 0; ///< bytes that go up, besides the entry
    std::int64_t middle = 0;           ///< bytes between the kernels

    std::int64_t up() const { return sizeof(PictureEntry) + axes + pixels; }
};

/// Groups of lines that a thread resizes.
std::int64_t groups_of(std::int64_t lines) {
    return (lines + kLines - 1) / kLines;
}

std::int64_t bytes_of(const ResizeAxis& axis) {
    return static_cast<std::int64_t>(2 * axis.first.size_bytes() + axis.weight.size_bytes());
}

Need need_of(const SourcePicture& picture) {
    const ResizeAxis& down = picture.down;
    std::int64_t begin = picture.height, end = 0;
    for (std::size_t i = 0; i < down.first.size(); ++i) {
        begin = std::min<std::int64_t>(begin, down.first[i]);
        end = std::max<std::int64_t>(end, std::int64_t{down.first[i]} + down.count[i]);
    }
    return {.begin = begin,
            .lines = end - begin,
            .axes = bytes_of(picture.across) + bytes_of(down),
            .pixels = (end - begin) * picture.width * kChannels,
            .middle = groups_of(end - begin) * std::ssize(down.first) * kChannels *
                      static_cast<std::int64_t>(sizeof(std::uint32_t))};
}

/// Puts what goes up behind one another; `at` is where the next lies on the device.
struct Placer {
    std::vector<HostBytes>& parts;
    std::byte* at;

    template <typename T>
    const T* put(std::span<const T> values) {
        const auto* there = reinterpret_cast<const T*>(at);
        parts.push_back(std::as_bytes(values));
        at += values.size_bytes();
        return there;
    }
    const std::int32_t* put(const ResizeAxis& axis) {
        const std::int32_t* there = put(axis.first);
        put(axis.count);
        put(axis.weight);
        return there;
    }
};

/// Room that is a power of two, so that the workspace grows a few times only, however large the
/// pictures of batches are: what was recorded before it grew is of no use.
std::byte* take_room(Workspace::Scope& scope, std::int64_t bytes) {
    return scope.take<std::byte>(
        static_cast<std::int64_t>(std::bit_ceil(static_cast<std::uint64_t>(bytes))));
}

/// `pictures` of `args` in one upload.
void launch_preprocess(Context& context, const PreprocessArgs& args,
                       std::span<const SourcePicture> pictures, std::span<const Need> needs) {
    const std::int64_t count = std::ssize(pictures), side = args.y.shape[2];
    std::int64_t up = 0, axes = 0, between = 0;
    for (const Need& need : needs) {
        up += need.up();
        axes += need.axes;
        between += need.middle;
    }
    Workspace::Scope scope(context.workspace());
    std::byte* const block = take_room(scope, up);
    std::byte* middle = take_room(scope, between);
    std::vector<PictureEntry> entries(pictures.size());
    std::vector<HostBytes> parts, pixels;
    Placer table{parts, block};
    const PictureEntry* const there = table.put(std::span<const PictureEntry>(entries));
    Placer lines{pixels, table.at + axes};
    std::int64_t pieces = 0;
    for (std::size_t i = 0; i < entries.size(); ++i) {
        const SourcePicture& from = pictures[i];
        const Need& need = needs[i];
        entries[i] = {.pixels = lines.put(from.pixels.subspan(
                          static_cast<std::size_t>(need.begin * from.width * kChannels),
                          static_cast<std::size_t>(need.pixels))),
                      .across = table.put(from.across),
                      .down = table.put(from.down),
                      .middle = reinterpret_cast<std::uint32_t*>(middle),
                      .y = args.y.f32() + from.to * kChannels * side * side,
                      .width = from.width,
                      .begin = need.begin,
                      .lines = need.lines,
                      .across_stride = from.across.stride,
                      .down_stride = from.down.stride,
                      .first_piece = pieces};
        middle += need.middle;
        pieces += blocks_for(groups_of(need.lines) * side, kThreads);
    }
    parts.insert(parts.end(), pixels.begin(), pixels.end());
    context.transfer().upload(block, parts);
    Normalisation by{};
    for (int c = 0; c < kChannels; ++c) {
        by.mean[c] = args.mean[c];
        by.std[c] = args.std[c];
    }
    context.launch("resize_across", resize_across_kernel,
                   {.grid = {static_cast<unsigned>(pieces)}, .block = {kThreads}}, there, count,
                   side);
    context.launch("resize_down", resize_down_kernel,
                   {.grid = {blocks_for(side * side, kThreads), static_cast<unsigned>(count)},
                    .block = {kThreads}},
                   there, by, side);
}

} // namespace

void CudaBackend::preprocess(const PreprocessArgs& args) {
    std::vector<Need> needs;
    for (const SourcePicture& picture : args.pictures)
        needs.push_back(need_of(picture));
    for (std::size_t first = 0, end = 0; first < needs.size(); first = end) {
        std::int64_t up = 0, middle = 0;
        for (; end < needs.size() && end - first < kMostPictures; ++end) {
            up += needs[end].up();
            middle += needs[end].middle;
            if (end > first && std::max(up, middle) > kMostBytes)
                break;
        }
        launch_preprocess(context_, args, args.pictures.subspan(first, end - first),
                          std::span(needs).subspan(first, end - first));
    }
}

} // namespace clip::cuda
