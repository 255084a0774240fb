// SPDX-License-Identifier: MIT
// What every op of this folder needs of oneDNN: the engine, primitives made once, and a stream and
// scratch memory for each thread that is at work.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "backend/onednn/compat.hpp"
#include "base/thread_pool.hpp"
#include "tensor/tensor.hpp"

namespace clip::onednn {

/// Keeps oneDNN's OpenMP threads of the calling thread at one while it lives. Primitives are made
/// and run this way, and our pool splits the work: two sets of threads would fight over the cores,
/// and a primitive chooses its blocks, and so its bits, by the number of threads.
class SingleThread {
  public:
    SingleThread();
    ~SingleThread();
    SingleThread(const SingleThread&) = delete;
    SingleThread& operator=(const SingleThread&) = delete;

  private:
    int before_;
};

/// A primitive and the layouts that it chose; scratch memory is given by the caller, so that
/// several threads may run one kernel.
struct Kernel {
    dnnl::primitive primitive;
    Desc src, weights, dst, scratchpad;
    std::string implementation; ///< oneDNN's name for it, such as "brg:avx512_core"
};

template <typename Primitive>
Kernel make_kernel(const typename Primitive::primitive_desc& made) {
    return {Primitive(made),
            made.query_md(dnnl::query::src_md, 0),
            made.query_md(dnnl::query::weights_md, 0),
            made.query_md(dnnl::query::dst_md, 0),
            made.scratchpad_desc(),
            made.impl_info_str()};
}

/// Attributes with post-ops, for a kernel whose scratch memory is the caller's.
dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops = {});

/// Buffers of one thread; they grow and are kept.
class Workspace {
  public:
    explicit Workspace(const dnnl::engine& engine) : stream_(engine), engine_(engine) {}

    /// `count` floats that stay until the next call with the same `slot` (0 to 3).
    float* floats(std::size_t slot, std::int64_t count);
    using Arguments = std::initializer_list<std::pair<int, std::pair<Desc, const void*>>>;
    /// Runs a kernel on memory at the given addresses and waits for it.
    void run(const Kernel& kernel, Arguments arguments);

  private:
    dnnl::stream stream_;
    dnnl::engine engine_;
    Buffer slots_[4];
    Buffer scratchpad_;
    std::unordered_map<int, dnnl::memory> arguments_;
};

class Context {
  public:
    explicit Context(ThreadPool& pool);

    const dnnl::engine& engine() const { return engine_; }
    ThreadPool& pool() { return pool_; }

    /// The kernel of this key, made by `make` where it is new. `op` is the backend method that
    /// asks; `key` holds everything that `make` depends on.
    using Key = std::vector<std::int64_t>;
    std::shared_ptr<const Kernel> kernel(std::string_view op, const Key& key,
                                         const std::function<Kernel()>& make);
    /// The implementation of the kernel that was last asked for by `op`, or "".
    std::string last_implementation(std::string_view op) const;

    /// Calls body(workspace, item) for each item, several threads at a time.
    void for_each(std::int64_t items, const std::function<void(Workspace&, std::int64_t)>& body);

  private:
    ThreadPool& pool_;
    dnnl::engine engine_;
    std::map<std::pair<std::string, Key>, std::shared_ptr<const Kernel>> kernels_;
    std::map<std::string, std::string, std::less<>> last_;
    std::mutex mutex_; // guards idle_
    std::vector<std::unique_ptr<Workspace>> idle_;
};

/// Runs `body` and turns what oneDNN throws into an Error.
/// Errors: out_of_memory, unsupported, device_failure.
void translate_errors(std::string_view op, const std::function<void()>& body);

/// Runs a softmax kernel over `rows` rows of `count` values; y may be x. oneDNN's kernels lose a
/// NaN where the maximum is taken, which would hide broken weights: rows that hold one become NaN
/// here.
void run_softmax(Workspace& work, const Kernel& kernel, const float* x, float* y, std::int64_t rows,
                 std::int64_t count);

/// Dense row-major float32 of these extents.
Desc dense(const Dims& extents);

} // namespace clip::onednn
