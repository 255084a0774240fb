// SPDX-License-Identifier: MIT
#include "app/batches.hpp"

#include <utility>

#include "app/encoder.hpp"

namespace clip::app {

namespace {

/// Waits for the first input only.
std::vector<Input> gather(InputSource& source, std::size_t size) {
    std::vector<Input> batch;
    Input input;
    while (batch.size() < size && (batch.empty() || !source.would_wait()) && source.next(input))
        batch.push_back(std::move(input));
    return batch;
}

} // namespace

void for_each_batch(InputSource& source, std::size_t size, const std::atomic<bool>& stop,
                    const std::function<void(std::vector<Input>& batch)>& process) {
    std::vector<Input> batch = gather(source, size);
    while (!batch.empty() && !stop.load()) {
        std::vector<Input> next;
        if (!source.would_wait()) {
            next = gather(source, size);
            read_ahead(next);
        }
        process(batch);
        batch = next.empty() ? gather(source, size) : std::move(next);
    }
}

} // namespace clip::app
