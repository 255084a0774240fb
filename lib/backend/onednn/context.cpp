// SPDX-License-Identifier: MIT
#include "backend/onednn/context.hpp"

#include <cstring>

#ifdef _OPENMP
#include <omp.h>
#endif

#include "base/concat.hpp"

namespace clip::onednn {

namespace {
// Texts of every length make a few hundred; a caller with endless shapes must not fill the memory.
constexpr std::size_t kMostKernels = 4096;
} // namespace

#ifdef _OPENMP
SingleThread::SingleThread() : before_(omp_get_max_threads()) {
    omp_set_num_threads(1);
}
SingleThread::~SingleThread() {
    omp_set_num_threads(before_);
}
#else
SingleThread::SingleThread() : before_(0) {}
SingleThread::~SingleThread() = default;
#endif

dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops) {
    dnnl::primitive_attr attr;
    attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
    attr.set_post_ops(post_ops);
    return attr;
}

Desc dense(const Dims& extents) {
    Dims strides(extents.size(), 1);
    for (std::size_t axis = extents.size() - 1; axis > 0; --axis)
        strides[axis - 1] = strides[axis] * extents[axis];
    return {extents, dnnl::memory::data_type::f32, strides};
}

float* Workspace::floats(std::size_t slot, std::int64_t count) {
    const std::size_t bytes = static_cast<std::size_t>(count) * sizeof(float);
    if (slots_[slot].size() < bytes)
        slots_[slot] = Buffer(bytes);
    return reinterpret_cast<float*>(slots_[slot].data());
}

void Workspace::run(const Kernel& kernel, Arguments arguments) {
    const std::size_t bytes = kernel.scratchpad.get_size();
    if (scratchpad_.size() < bytes)
        scratchpad_ = Buffer(bytes);
    arguments_.clear();
    for (const auto& [argument, place] :
         arguments) // inputs are not written, but the type has no const
        arguments_.emplace(argument,
                           dnnl::memory(place.first, engine_, const_cast<void*>(place.second)));
    if (bytes > 0)
        arguments_.emplace(DNNL_ARG_SCRATCHPAD,
                           dnnl::memory(kernel.scratchpad, engine_, scratchpad_.data()));
    kernel.primitive.execute(stream_, arguments_);
    stream_.wait();
}

Context::Context(ThreadPool& pool) : pool_(pool), engine_(dnnl::engine::kind::cpu, 0) {}

std::shared_ptr<const Kernel> Context::kernel(std::string_view op, const Key& key,
                                              const std::function<Kernel()>& make) {
    auto& last = last_[std::string(op)];
    if (const auto found = kernels_.find({std::string(op), key}); found != kernels_.end()) {
        last = found->second->implementation;
        return found->second;
    }
    if (kernels_.size() >= kMostKernels)
        kernels_.clear(); // those in use are kept by whoever uses them
    const SingleThread single;
    auto made = std::make_shared<const Kernel>(make());
    kernels_.emplace(std::pair(std::string(op), key), made);
    last = made->implementation;
    return made;
}

std::string Context::last_implementation(std::string_view op) const {
    const auto found = last_.find(op);
    return found == last_.end() ? std::string() : found->second;
}

void Context::for_each(std::int64_t items,
                       const std::function<void(Workspace&, std::int64_t)>& body) {
    pool_.parallel_for(static_cast<std::size_t>(items), 1, [&](std::size_t begin, std::size_t end) {
        std::unique_ptr<Workspace> workspace;
        {
            const std::lock_guard lock(mutex_);
            if (!idle_.empty()) {
                workspace = std::move(idle_.back());
                idle_.pop_back();
            }
        }
        if (!workspace)
            workspace = std::make_unique<Workspace>(engine_);
        const SingleThread single;
        for (std::size_t item = begin; item < end; ++item)
            body(*workspace, static_cast<std::int64_t>(item));
        const std::lock_guard lock(mutex_);
        idle_.push_back(std::move(workspace));
    });
}

void translate_errors(std::string_view op, const std::function<void()>& body) {
    try {
        body();
    } catch (const dnnl::error& error) {
        const ErrorCode code = error.status == dnnl_out_of_memory   ? ErrorCode::out_of_memory
                               : error.status == dnnl_unimplemented ? ErrorCode::unsupported
                                                                    : ErrorCode::device_failure;
        fail(code, concat("onednn ", op, ": ", error.message, " (status ",
                          static_cast<int>(error.status), ")"));
    }
}

} // namespace clip::onednn
