// SPDX-License-Identifier: MIT
#include "app/shard.hpp"

#include <charconv>
#include <string_view>

#include "base/concat.hpp"
#include "base/error.hpp"

namespace clip::app {

namespace {

bool parse_count(std::string_view text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

Shard launched_shard(const Environment& environment) {
    for (const LauncherVariables& names : kLauncherVariables) {
        const auto rank = environment.launcher.find(names.rank);
        const auto size = environment.launcher.find(names.size);
        if (rank == environment.launcher.end() || size == environment.launcher.end())
            continue;
        std::uint64_t index = 0, count = 0;
        if (!parse_count(rank->second, index) || !parse_count(size->second, count) ||
            index >= count)
            fail(ErrorCode::invalid_argument, concat("read the shard from ", names.rank, " and ",
                                                     names.size, ": not a rank below a size (got '",
                                                     rank->second, "' and '", size->second, "')"));
        return {index + 1, count};
    }
    return {};
}

} // namespace

Shard parse_shard(const std::string& text, const Environment& environment) {
    if (text.empty())
        return {};
    if (text == "auto")
        return launched_shard(environment);
    Shard shard;
    const std::string_view whole = text;
    const std::size_t slash = whole.find('/');
    if (slash == std::string_view::npos || !parse_count(whole.substr(0, slash), shard.index) ||
        !parse_count(whole.substr(slash + 1), shard.count) || shard.index == 0 ||
        shard.index > shard.count)
        fail(ErrorCode::invalid_argument,
             concat("read --shard: not K/N with 1 <= K <= N, nor auto (got '", text, "')"));
    return shard;
}

} // namespace clip::app
