// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>

namespace clip::trainer {

/// The learning rate of a step, counted from 1: linear from 0 to `peak` over `warmup` steps, then a
/// half cosine down to 0 behind the last of `total` steps (Radford et al. 2021, section 2.5;
/// Loshchilov & Hutter 2017, arXiv:1608.03983).
double learning_rate_at(double peak, std::uint64_t step, std::uint64_t warmup, std::uint64_t total);

/// The warm-up that a run of `total` steps gets where `wanted` is asked for: no more than a fifth
/// of it, so that short runs reach their peak at all.
std::uint64_t warmup_of(std::uint64_t wanted, std::uint64_t total);

} // namespace clip::trainer
