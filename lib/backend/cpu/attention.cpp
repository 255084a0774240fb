// SPDX-License-Identifier: MIT
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"

namespace clip::cpu {

void attention(Context& context, const AttentionArgs& args) {
    const KernelTable& kernels = context.kernels;
    const std::int64_t sequences = static_cast<std::int64_t>(args.q_offsets.size()) - 1;
    const std::int64_t width = args.head_width;
    const std::int64_t row = args.heads * width;
    const auto one_head = [&](ThreadScratch& scratch, std::int64_t sequence, std::int64_t head) {
        const auto at = static_cast<std::size_t>(sequence);
        const std::int64_t queries = args.q_offsets[at + 1] - args.q_offsets[at];
        const std::int64_t keys = args.k_offsets[at + 1] - args.k_offsets[at];
        if (queries == 0)
            return;
        const float* k = args.k_f32() + args.k_offsets[at] * args.kv_stride + head * width;
        const float* v = args.v_f32() + args.k_offsets[at] * args.kv_stride + head * width;
        float* packed_k =
            scratch.floats(ThreadScratch::keys, kernels.packed_keys_size(keys, args.head_width));
        float* packed_v = scratch.floats(ThreadScratch::values,
                                         kernels.packed_values_size(keys, args.head_width));
        kernels.pack_keys(packed_k, k, args.kv_stride, keys, args.head_width);
        kernels.pack_values(packed_v, v, args.kv_stride, keys, args.head_width);
        AttentionTask task;
        task.q_stride = args.q_stride;
        task.keys = keys;
        task.causal = args.causal;
        task.width = args.head_width;
        task.scale = args.scale;
        task.y_stride = row;
        task.lse_stride = args.heads;
        task.packed_k = packed_k;
        task.packed_v = packed_v;
        task.scratch =
            scratch.floats(ThreadScratch::work, kernels.attention_scratch(keys, args.head_width));
        for (std::int64_t first = 0; first < queries; first += kernels.panel) {
            const std::int64_t query = args.q_offsets[at] + first;
            task.q = args.q_f32() + query * args.q_stride + head * width;
            task.queries = static_cast<int>(std::min<std::int64_t>(kernels.panel, queries - first));
            task.first_visible = keys - queries + first + 1;
            task.y = args.y.f32() + query * row + head * width;
            if (!args.log_sum_exp.empty())
                task.log_sum_exp = args.log_sum_exp.f32() + query * args.heads + head;
            kernels.attention(task);
        }
    };
    context.pool.parallel_for(static_cast<std::size_t>(sequences * args.heads), 1,
                              [&](std::size_t begin, std::size_t end) {
                                  ScratchPool::Lease scratch(context.scratch);
                                  for (auto item = static_cast<std::int64_t>(begin);
                                       item < static_cast<std::int64_t>(end); ++item)
                                      one_head(*scratch, item / args.heads, item % args.heads);
                              });
}

} // namespace clip::cpu
