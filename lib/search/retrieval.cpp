// SPDX-License-Identifier: MIT
#include "search/retrieval.hpp"

#include <algorithm>
#include <cmath>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "ops/linear.hpp"

namespace clip {

namespace {

constexpr std::size_t kPicturesAtOnce = 256, kCaptionsAtOnce = 2048;
constexpr std::size_t kRowsOfTask = 8, kColumnsOfTask = 64;

/// Rows with their lengths, and the best cosine that each has with a right partner.
struct Side {
    const float* values = nullptr;
    std::size_t rows = 0, dim = 0;
    std::vector<double> lengths;      // (rows)
    std::vector<float> best;          // (rows)
    std::vector<std::uint32_t> place; // (rows): that partner's row
    std::vector<std::uint8_t> paired; // (rows)
    std::vector<std::uint64_t> ahead; // (rows): others that come before it

    Side(ConstView view, const char* name, ThreadPool& pool)
        : values(static_cast<const float*>(view.data)),
          rows(static_cast<std::size_t>(view.shape[0])),
          dim(static_cast<std::size_t>(view.shape[1])), lengths(rows), best(rows), place(rows),
          paired(rows), ahead(rows) {
        pool.parallel_for(rows, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                double sum = 0;
                for (std::size_t d = 0; d < dim; ++d)
                    sum += static_cast<double>(row(i)[d]) * row(i)[d];
                if (!(sum > 0 && std::isfinite(sum)))
                    fail(ErrorCode::invalid_argument,
                         concat("rank pairs: row ", i, " of the ", name, " has no direction"));
                lengths[i] = std::sqrt(sum);
            }
        });
    }
    const float* row(std::size_t i) const { return values + i * dim; }
    /// Rows [first, first + count) at length 1.
    void unit_rows(std::size_t first, std::size_t count, std::vector<float>& out,
                   ThreadPool& pool) const {
        out.resize(count * dim);
        pool.parallel_for(count, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i)
                for (std::size_t d = 0; d < dim; ++d)
                    out[i * dim + d] = static_cast<float>(static_cast<double>(row(first + i)[d]) /
                                                          lengths[first + i]);
        });
    }
    void take(std::size_t i, std::uint32_t partner, float cosine) {
        if (paired[i] != 0 && (cosine < best[i] || (cosine == best[i] && partner > place[i])))
            return;
        paired[i] = 1;
        best[i] = cosine;
        place[i] = partner;
    }
    std::vector<std::uint64_t> ranks() const {
        std::vector<std::uint64_t> out(rows);
        for (std::size_t i = 0; i < rows; ++i)
            out[i] = paired[i] != 0 ? ahead[i] + 1 : 0;
        return out;
    }
};

/// The cosine that counts: computed in float64, compared as float32.
float cosine(const Side& pictures, std::size_t i, const Side& captions, std::size_t c) {
    const float *a = pictures.row(i), *b = captions.row(c);
    double sum = 0;
    for (std::size_t d = 0; d < pictures.dim; ++d)
        sum += static_cast<double>(a[d]) * b[d];
    return static_cast<float>(sum / (pictures.lengths[i] * captions.lengths[c]));
}

/// Whether `other` comes before the right partner of row `i` of `side`, its cosine being `estimate`
/// up to `bound`; `exact` gives it where that does not decide.
template <typename Exact>
bool is_ahead(const Side& side, std::size_t i, std::size_t other, float estimate, double bound,
              const Exact& exact) {
    const double margin = static_cast<double>(estimate) - static_cast<double>(side.best[i]);
    if (margin > bound)
        return true;
    if (margin < -bound)
        return false;
    const float value = exact();
    return value > side.best[i] || (value == side.best[i] && other < side.place[i]);
}

} // namespace

PairRanks rank_pairs(Backend& backend, ConstView picture_view, ConstView caption_view,
                     std::span<const ItemPair> pairs, const std::atomic<bool>* stop) {
    if (picture_view.shape.rank() != 2 || caption_view.shape.rank() != 2 ||
        picture_view.shape[1] != caption_view.shape[1] || picture_view.shape[1] < 1)
        fail(ErrorCode::shape_mismatch, "rank pairs: vectors of two widths");
    ThreadPool& pool = backend.pool();
    Side pictures(picture_view, "pictures", pool), captions(caption_view, "captions", pool);
    for (const ItemPair& pair : pairs) {
        if (pair.picture >= pictures.rows || pair.caption >= captions.rows)
            fail(ErrorCode::invalid_argument, "rank pairs: a pair of rows that are not there");
        const float value = cosine(pictures, pair.picture, captions, pair.caption);
        pictures.take(pair.picture, pair.caption, value);
        captions.take(pair.caption, pair.picture, value);
    }
    // A dot product of D terms in float32, in whatever order, of vectors of length 1 that were
    // rounded to float32: its error is below (D + 2) 2^-24 for each unit of length, and rounding
    // cosines adds one of these. Twice that is taken.
    const double bound = (static_cast<double>(pictures.dim) + 8) * 0x1p-23;
    const auto width = static_cast<std::int64_t>(pictures.dim);
    std::vector<float> some_captions, some_pictures, scores;
    for (std::size_t c0 = 0; c0 < captions.rows; c0 += kCaptionsAtOnce) {
        const std::size_t columns = std::min(kCaptionsAtOnce, captions.rows - c0);
        captions.unit_rows(c0, columns, some_captions, pool);
        const auto prepared = ops::prepare_linear(
            backend,
            {.weight = {some_captions.data(), Shape{static_cast<std::int64_t>(columns), width}}});
        for (std::size_t i0 = 0; i0 < pictures.rows; i0 += kPicturesAtOnce) {
            if (stop != nullptr && stop->load())
                fail(ErrorCode::interrupted, "rank pairs: interrupted");
            const std::size_t rows = std::min(kPicturesAtOnce, pictures.rows - i0);
            pictures.unit_rows(i0, rows, some_pictures, pool);
            scores.resize(rows * columns);
            const auto n = static_cast<std::int64_t>(rows);
            ops::linear(backend,
                        {.x = {some_pictures.data(), Shape{n, width}},
                         .weights = prepared.get(),
                         .y = {scores.data(), Shape{n, static_cast<std::int64_t>(columns)}}});
            const auto count = [&](Side& side, std::size_t of, std::size_t other, std::size_t i,
                                   std::size_t c) {
                if (side.paired[of] != 0 &&
                    is_ahead(side, of, other, scores[i * columns + c], bound,
                             [&] { return cosine(pictures, i0 + i, captions, c0 + c); }))
                    ++side.ahead[of];
            };
            pool.parallel_for(rows, kRowsOfTask, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i)
                    for (std::size_t c = 0; c < columns; ++c)
                        count(pictures, i0 + i, c0 + c, i, c);
            });
            pool.parallel_for(columns, kColumnsOfTask, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = 0; i < rows; ++i)
                    for (std::size_t c = begin; c < end; ++c)
                        count(captions, c0 + c, i0 + i, i, c);
            });
        }
    }
    return {pictures.ranks(), captions.ranks()};
}

} // namespace clip
