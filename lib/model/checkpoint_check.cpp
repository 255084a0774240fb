// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cmath>
#include <vector>

#include "base/concat.hpp"
#include "io/torch_archive.hpp"
#include "model/checkpoint.hpp"

namespace clip {

namespace {

constexpr std::int64_t kChunk = std::int64_t{1} << 18; ///< elements read at a time

/// Describes the values of one weight that are not finite, or returns an empty string.
std::string describe_bad_values(const Weights& weights, const Weights::Entry& entry,
                                std::vector<float>& buffer) {
    const std::int64_t numel = entry.shape.numel();
    std::int64_t nans = 0;
    std::int64_t infinities = 0;
    std::int64_t first = -1;
    for (std::int64_t begin = 0; begin < numel; begin += kChunk) {
        const std::int64_t count = std::min(kChunk, numel - begin);
        weights.load_range_f32(entry.name, begin, count, buffer.data());
        for (std::int64_t i = 0; i < count; ++i) {
            const float value = buffer[static_cast<std::size_t>(i)];
            if (std::isfinite(value))
                continue;
            ++(std::isnan(value) ? nans : infinities);
            if (first < 0)
                first = begin + i;
        }
    }
    if (first < 0)
        return {};
    return concat("tensor ", entry.name, ": ", nans, " values are NaN and ", infinities,
                  " infinite, of ", numel, "; the first is element ", first);
}

} // namespace

CheckReport check_checkpoint(const std::string& path) {
    CheckReport report;
    try {
        const Checkpoint checkpoint = open_checkpoint(path);
        std::vector<float> buffer(kChunk);
        for (const Weights::Entry& entry : checkpoint.weights.entries()) {
            std::string problem = describe_bad_values(checkpoint.weights, entry, buffer);
            if (!problem.empty())
                report.problems.push_back(concat(checkpoint.weights.store().path(), ": ", problem));
            checkpoint.weights.release(entry.name);
            ++report.tensors;
            report.parameters += entry.shape.numel();
            report.bytes +=
                entry.shape.numel() *
                static_cast<std::int64_t>(dtype_size(checkpoint.weights.stored_dtype(entry.name)));
        }
        for (const std::string& name : checkpoint.files) {
            const auto file = io::MappedFile::open(name);
            if (!io::looks_like_torch_archive(file->bytes()))
                continue;
            for (std::string& problem : io::check_torch_archive(file))
                report.problems.push_back(std::move(problem));
        }
    } catch (const Error& error) {
        report.problems.emplace_back(error.what());
    }
    return report;
}

} // namespace clip
