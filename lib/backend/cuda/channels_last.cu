// SPDX-License-Identifier: MIT
// Puts the channels of pictures last: y[n, p, c] = x[n, c, p] over places p. A tile of channels and
// places goes through shared memory, so that reads are along places and writes along channels.
//
// Variants: reads are of 16 bytes where planes are whole vectors, else of 4. Where a tile has all
// the channels (pictures have three), what it writes is one piece of memory, and goes in vectors of
// 4 elements where that is aligned; else in runs of 32 channels.
//
// Cost: x is read and y written once: batch 256 of 224 x 224: 154 MB, and 77 (16 bits) or 154 MB:
// 0.12 and 0.16 ms at 2.0 TB/s (A100), 0.07 and 0.1 ms at 3.3 TB/s (H100). ViTs have none.
#include <algorithm>

#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/dtype_switch.hpp"
#include "backend/cuda/vector_access.hpp"

namespace clip::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWidth = 4;
/// Of a tile: 16 KiB with the padding, so that an SM has as many blocks as threads allow.
constexpr int kTileChannels = 32;
constexpr int kTilePlaces = 128;

struct Planes {
    int channels = 0, places = 0;
    int tile_channels = 0; ///< kTileChannels, or all where there are fewer
    /// Elements of a line of the tile. It moves lines of different channels to different banks, as
    /// far apart as neighbouring places of the result need: 32 / channels.
    int pitch = 0;
    bool vector_reads = false, vector_writes = false;
};

/// Shared: (tile_channels, pitch) of float. Grid: pictures, tiles of places, tiles of channels.
template <typename T>
CLIP_KERNEL(kThreads, 8)
void channels_last_kernel(Global<T> y,           // (N, places, channels)
                          Global<const float> x, // (N, channels, places)
                          Planes size) {
    const Shared<float> tile = shared_memory<float>(0);
    const int first_place = block_y() * kTilePlaces, first_channel = block_z() * kTileChannels;
    const int places = min(kTilePlaces, size.places - first_place);
    const int channels = min(size.tile_channels, size.channels - first_channel);
    const std::int64_t picture = std::int64_t{block_x()} * size.channels * size.places;
    const Global<const float> from =
        x + picture + std::int64_t{first_channel} * size.places + first_place;
    if (size.vector_reads) {
        constexpr int kVectors = kTilePlaces / kWidth;
        for (int i = thread_x(); i < channels * kVectors; i += kThreads) {
            const int c = i / kVectors, p = i % kVectors * kWidth;
            if (p >= places)
                continue;
            const Vec<float, kWidth> values =
                load<kWidth>(from + (std::int64_t{c} * size.places + p));
            for (int w = 0; w < kWidth; ++w)
                tile[c * size.pitch + p + w] = values.at[w];
        }
    } else {
        for (int i = thread_x(); i < channels * kTilePlaces; i += kThreads) {
            const int c = i / kTilePlaces, p = i % kTilePlaces;
            if (p >= places)
                continue;
            const float value = from[std::int64_t{c} * size.places + p];
            tile[c * size.pitch + p] = value;
        }
    }
    block_barrier();
    const Global<T> to = y + picture + std::int64_t{first_place} * size.channels + first_channel;
    if (size.vector_writes) {
        for (int i = thread_x() * kWidth; i < channels * places; i += kThreads * kWidth) {
            float values[kWidth];
            for (int w = 0; w < kWidth; ++w)
                values[w] = tile[(i + w) % channels * size.pitch + (i + w) / channels];
            store_floats(to + i, values);
        }
    } else {
        for (int i = thread_x(); i < channels * places; i += kThreads) {
            const int c = i % channels, p = i / channels;
            const float value = tile[c * size.pitch + p];
            to[std::int64_t{p} * size.channels + c] = from_float<T>(value);
        }
    }
}

} // namespace

void CudaBackend::channels_last(const ChannelsLastArgs& args) {
    const Shape& x = args.x.shape;
    const std::int64_t places = x[2] * x[3];
    Planes size;
    size.channels = static_cast<int>(x[1]);
    size.places = static_cast<int>(places);
    size.tile_channels = std::min(size.channels, kTileChannels);
    size.pitch = kTilePlaces + (32 + size.tile_channels - 1) / size.tile_channels;
    size.vector_reads = takes_vectors(kWidth, places, {args.x.data});
    // All channels of some places: the tile and the picture are whole vectors, if places are.
    size.vector_writes =
        size.channels <= kTileChannels && takes_vectors(kWidth, places, {args.y.data});
    const LaunchShape shape{
        {static_cast<unsigned>(x[0]),
         static_cast<unsigned>((places + kTilePlaces - 1) / kTilePlaces),
         static_cast<unsigned>((size.channels + kTileChannels - 1) / kTileChannels)},
        {kThreads},
        sizeof(float) * static_cast<std::size_t>(size.tile_channels * size.pitch)};
    visit_layer_type(args.y.dtype, [&]<typename T>() {
        context_.launch("channels_last", channels_last_kernel<T>, shape, args.y.as<T>(),
                        args.x.f32(), size);
    });
}

} // namespace clip::cuda
