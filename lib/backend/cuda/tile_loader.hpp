// SPDX-License-Identifier: MIT
// How operands come from memory to the tiles of gemm_tile.hpp.
//
// A loader says where 16-byte chunks lie. It is plain data that kernels get by value:
//
//   using Element = ...;                        what the tile holds: float, Half or BFloat16
//   static constexpr bool kContiguous;          whether chunks run along k (gemm_tile.hpp)
//   static constexpr bool kAsync;               whether chunks can be copied by cp.async
//   Line line(std::int64_t index) const;        a row of the result, or a k where not kContiguous
//   Chunk chunk(std::int64_t index) const;      the chunk that begins with this element of a line
//   Piece<Element> piece(Line, Chunk) const;    kAsync: where it is, 16-byte aligned, and how many
//                                               of its bytes are there (0 to 16; zeros follow);
//                                               with 0 bytes the address may lie anywhere
//   Vec<Element, N> fetch(Line, Chunk) const;   not kAsync: the elements themselves
//
// Indices may lie behind the end. Elements at a k that is not there must be zeros; rows and columns
// of the result that are not there may be given anything that can be read. A thread asks
// for what stays the same while k goes on once a tile of the result (its lines where kContiguous,
// else its chunk), and for the other once a tile of k; a convolution decodes pixels there.
#pragma once

#include <cstdint>
#include <type_traits>

#include "backend/cuda/device_api.hpp"
#include "backend/cuda/gemm_tile.hpp"

namespace clip::cuda {

template <typename T>
struct Piece {
    Global<const T> from;
    int bytes;
};

/// A dense matrix (lines, width) whose rows are `pitch` elements apart.
/// KContiguous: (M, K) or (N, K); otherwise (K, M) or (K, N). Address and pitch are multiples of 16
/// bytes.
template <typename T, bool KContiguous>
struct MatrixLoader {
    using Element = T;
    static constexpr bool kContiguous = KContiguous;
    static constexpr bool kAsync = true;
    struct Line {
        Global<const T> at;
        bool inside;
    };
    struct Chunk {
        std::int64_t first;
        int bytes;
    };

    Global<const T> at;
    std::int64_t lines = 0, width = 0, pitch = 0;

    CLIP_DEVICE Line line(std::int64_t index) const {
        // Rows of the result that are not there are given the last one's: nobody sees what comes
        // of them. Only a k that is not there must be zeros.
        if constexpr (KContiguous)
            return {at + min(index, lines - 1) * pitch, true};
        return {at + index * pitch, index < lines};
    }
    CLIP_DEVICE Chunk chunk(std::int64_t index) const {
        const std::int64_t left = (width - index) * static_cast<std::int64_t>(sizeof(T));
        return {index, static_cast<int>(max<std::int64_t>(min<std::int64_t>(left, 16), 0))};
    }
    CLIP_DEVICE Piece<T> piece(const Line& line, const Chunk& chunk) const {
        return {line.at + chunk.first, KContiguous || line.inside ? chunk.bytes : 0};
    }
};

/// The same for any alignment and pitch, element by element; elements may be of another type in
/// memory, and are rounded to the tile's.
template <typename T, typename Source, bool KContiguous>
struct ElementLoader {
    using Element = T;
    static constexpr bool kContiguous = KContiguous;
    static constexpr bool kAsync = false;
    static constexpr int kCount = kChunkBytes / static_cast<int>(sizeof(T));
    struct Line {
        Global<const Source> at;
    };
    struct Chunk {
        std::int64_t first;
        int count;
    };

    Global<const Source> at;
    std::int64_t lines = 0, width = 0, pitch = 0;

    CLIP_DEVICE Line line(std::int64_t index) const {
        return index < lines ? Line{at + index * pitch} : Line{};
    }
    CLIP_DEVICE Chunk chunk(std::int64_t index) const {
        const std::int64_t left = width - index;
        return {index, left >= kCount ? kCount : left > 0 ? static_cast<int>(left) : 0};
    }
    CLIP_DEVICE Vec<T, kCount> fetch(const Line& line, const Chunk& chunk) const {
        Vec<T, kCount> values{};
        if (line.at == nullptr)
            return values;
#pragma unroll
        for (int i = 0; i < kCount; ++i)
            if (i < chunk.count) {
                const Source value = line.at[chunk.first + i];
                if constexpr (std::is_same_v<T, Source>)
                    values.at[i] = value;
                else
                    values.at[i] = from_float<T>(to_float(value));
            }
        return values;
    }
};

/// A thread's part of bringing one operand's tiles to shared memory.
template <typename Tile, typename Loader, int Threads>
class TileCopy {
  public:
    using Element = typename Tile::Element;
    static_assert(std::is_same_v<Element, typename Loader::Element>);
    static_assert(Tile::kContiguous == Loader::kContiguous);
    static constexpr int kPieces = Tile::kLines * Tile::kChunks / Threads;
    static constexpr int kLineStep = Threads / Tile::kChunks;
    static_assert(kPieces * Threads == Tile::kLines * Tile::kChunks && kPieces >= 1);
    static_assert(kLineStep * Tile::kChunks == Threads);

    /// Of the rows (columns) of the result from `first` on.
    CLIP_DEVICE TileCopy(const Loader& loader, std::int64_t first) : loader_(loader) {
        if constexpr (Tile::kContiguous) {
#pragma unroll
            for (int i = 0; i < kPieces; ++i)
                lines_[i] = loader.line(first + line_of(i));
        } else {
            chunk_ = loader.chunk(first + chunk_of() * Tile::kPerChunk);
        }
    }

    /// Issues the copies of the tile at k; kAsync only.
    CLIP_DEVICE void copy(Shared<Element> tile, std::int64_t k) const {
        visit(k, [&](int i, const auto& line, const auto& chunk) {
            const Piece<Element> piece = loader_.piece(line, chunk);
            copy_async(tile + Tile::offset(line_of(i), chunk_of()), piece.from, piece.bytes);
        });
    }

    /// The other way takes registers: fetch() before the block computes, put() after.
    struct Held {
        Vec<Element, Tile::kPerChunk> pieces[kPieces];
    };
    CLIP_DEVICE void fetch(Held& held, std::int64_t k) const {
        visit(k, [&](int i, const auto& line, const auto& chunk) {
            held.pieces[i] = loader_.fetch(line, chunk);
        });
    }
    CLIP_DEVICE void put(Shared<Element> tile, const Held& held) const {
#pragma unroll
        for (int i = 0; i < kPieces; ++i)
            store(tile + Tile::offset(line_of(i), chunk_of()), held.pieces[i]);
    }

  private:
    CLIP_DEVICE static int line_of(int i) {
        return thread_x() / Tile::kChunks + i * kLineStep;
    }
    CLIP_DEVICE static int chunk_of() {
        return thread_x() % Tile::kChunks;
    }

    template <typename Body>
    CLIP_DEVICE void visit(std::int64_t k, const Body& body) const {
        if constexpr (Tile::kContiguous) {
            const auto chunk = loader_.chunk(k + chunk_of() * Tile::kPerChunk);
#pragma unroll
            for (int i = 0; i < kPieces; ++i)
                body(i, lines_[i], chunk);
        } else {
#pragma unroll
            for (int i = 0; i < kPieces; ++i)
                body(i, loader_.line(k + line_of(i)), chunk_);
        }
    }

    struct None {};
    const Loader& loader_;
    std::conditional_t<Tile::kContiguous, typename Loader::Line, None>
        lines_[Tile::kContiguous ? kPieces : 1];
    std::conditional_t<Tile::kContiguous, None, typename Loader::Chunk> chunk_;
};

} // namespace clip::cuda
