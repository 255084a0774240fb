// SPDX-License-Identifier: MIT
#pragma once

namespace clip::bench {

/// GFLOP/s of one thread that does nothing but independent fused multiply-adds in registers of the
/// widest kind for about 20 milliseconds; the best of 5 runs. The limit that kernels are held
/// against.
double fma_peak();

/// CPU time of this process so far: unlike a clock on the wall it leaves out what other processes
/// took.
double cpu_seconds();

} // namespace clip::bench
