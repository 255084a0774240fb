// SPDX-License-Identifier: MIT
#include <algorithm>

#include "backend/cpu/cpu_ops.hpp"

namespace clip::cpu {

namespace {
constexpr std::int64_t kSequencesPerThread = 4;
} // namespace

void attention_backward(Context& context, const AttentionBackwardArgs& args) {
    const KernelTable& kernels = context.kernels;
    const std::int64_t sequences = static_cast<std::int64_t>(args.q_offsets.size()) - 1;
    const std::int64_t width = args.head_width;
    const std::int64_t row = args.heads * width;
    const auto task_of = [&](std::int64_t item) {
        const std::int64_t sequence = item / args.heads, head = item % args.heads;
        const auto at = static_cast<std::size_t>(sequence);
        const std::int64_t query = args.q_offsets[at], key = args.k_offsets[at];
        const std::int64_t column = head * width;
        AttentionBackwardTask task;
        task.queries = args.q_offsets[at + 1] - query;
        task.keys = args.k_offsets[at + 1] - key;
        task.q = args.q_f32() + query * args.q_stride + column;
        task.k = args.k_f32() + key * args.kv_stride + column;
        task.v = args.v_f32() + key * args.kv_stride + column;
        task.q_stride = args.q_stride;
        task.kv_stride = args.kv_stride;
        task.causal = args.causal;
        task.width = args.head_width;
        task.scale = args.scale;
        task.y = args.y.f32() + query * row + column;
        task.grad_y = args.grad_y.f32() + query * row + column;
        task.y_stride = row;
        task.log_sum_exp = args.log_sum_exp.f32() + query * args.heads + head;
        task.lse_stride = args.heads;
        task.grad_q = args.grad_q_f32() + query * args.grad_q_stride + column;
        task.grad_k = args.grad_k_f32() + key * args.grad_kv_stride + column;
        task.grad_v = args.grad_v_f32() + key * args.grad_kv_stride + column;
        task.grad_q_stride = args.grad_q_stride;
        task.grad_kv_stride = args.grad_kv_stride;
        return task;
    };
    const auto run = [&](ThreadScratch& scratch, AttentionBackwardTask& task) {
        if (task.queries == 0) { // keys that nobody asked
            for (std::int64_t i = 0; i < task.keys; ++i) {
                std::fill_n(task.grad_k + i * args.grad_kv_stride, width, 0.0f);
                std::fill_n(task.grad_v + i * args.grad_kv_stride, width, 0.0f);
            }
            return;
        }
        task.scratch =
            scratch.floats(ThreadScratch::work,
                           kernels.attention_backward_scratch(task.queries, task.keys, task.width));
        kernels.attention_backward(task);
    };
    const std::int64_t count = sequences * args.heads;
    context.pool.parallel_for(static_cast<std::size_t>(count), static_cast<std::size_t>(args.heads),
                              [&](std::size_t begin, std::size_t end) {
                                  ScratchPool::Lease scratch(context.scratch);
                                  for (auto item = static_cast<std::int64_t>(begin);
                                       item < static_cast<std::int64_t>(end); ++item) {
                                      AttentionBackwardTask task = task_of(item), next;
                                      if (item + 1 < count) {
                                          next = task_of(item + 1);
                                          task.next = &next;
                                      }
                                      run(*scratch, task);
                                  }
                              });
}

} // namespace clip::cpu
