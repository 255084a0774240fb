// SPDX-License-Identifier: MIT
// The k largest of each row, largest first, equal ones in their order, NaN last.
//
// A block has a row. It keeps what may be among the k largest in shared memory, sorts that where it
// is full, and from then on drops whatever is below the k-th largest. More than 1024 are found by
// passes over the row: each takes the 1024 largest below the last of the pass before.
//
// Cost: 4 C bytes a row and pass, once from memory and then from L2; 2 sorts of 2048 keys or less
// where values come in no particular order. 256 rows of 1000 labels: 1 MB, some 4 us.
// k = C = 100,000: 98 passes.
#include "backend/cuda/cuda_backend.hpp"
#include "backend/cuda/select_keys.hpp"
#include "base/error.hpp"

namespace clip::cuda {

namespace {

struct NumbersOfRow {
    Global<const float> row;
    CLIP_DEVICE RowKey operator()(std::int64_t i) const {
        const float number = row[i];
        return row_key(number, i);
    }
};

} // namespace

/// Grid: a block a row. Shared memory: kSelectSharedBytes. No alignment is needed. The result does
/// not depend on the order of threads.
static CLIP_KERNEL(kSelectThreads, 4) void top_k_kernel(Global<float> values,         // (R, k)
                                                        Global<std::int64_t> indices, // (R, k)
                                                        Global<const float> x,        // (R, C)
                                                        std::int64_t count, std::int64_t k) {
    const auto keys = shared_memory<RowKey>(0);
    const auto held = shared_memory<int>(kSelectKeys * static_cast<int>(sizeof(RowKey)));
    const std::int64_t row = block_x();
    const NumbersOfRow source{x + row * count};
    RowKey bound = ~kNoKey;
    for (std::int64_t done = 0; done < k; done += kSelectMost) {
        const auto wanted = static_cast<int>(min<std::int64_t>(k - done, kSelectMost));
        select_keys(keys, held, source, count, wanted, bound);
        for (int i = thread_x(); i < wanted; i += kSelectThreads) {
            const RowKey key = keys[i];
            const std::int64_t place = place_of(key);
            const float number = source.row[place]; // as it is: NaN has many bits
            values[row * k + done + i] = number;
            indices[row * k + done + i] = place;
        }
        bound = keys[wanted - 1];
        block_barrier(); // before the next pass writes there
    }
}

static void launch_top_k(Context& context, const TopKArgs& args, std::int64_t* indices) {
    const std::int64_t rows = args.x.shape[0], count = args.x.shape[1];
    context.launch("top_k", top_k_kernel,
                   {.grid = {static_cast<unsigned>(rows)},
                    .block = {kSelectThreads},
                    .shared_bytes = kSelectSharedBytes},
                   args.values.f32(), indices, args.x.f32(), count, args.k);
}

void CudaBackend::top_k(const TopKArgs& args) {
    if (args.x.shape[1] >= kMostPlaces)
        fail(ErrorCode::unsupported, "cuda: top k: rows are 2^31 numbers long or longer");
    Workspace::Scope scope(context_.workspace());
    auto* indices = scope.take<std::int64_t>(static_cast<std::int64_t>(args.indices.size()));
    launch_top_k(context_, args, indices);
    context_.transfer().download(args.indices.data(), indices, args.indices.size_bytes());
}

} // namespace clip::cuda
