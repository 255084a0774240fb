// SPDX-License-Identifier: MIT
// Products of a warpgroup: what a warp has issued waits here until the warp waits for it.
//
// Source: PTX ISA 8.5, "Asynchronous Warpgroup Level Matrix Multiply-Accumulate Instructions":
// register fragments of wgmma .m64nNk16, matrix descriptor, shared memory layouts with a swizzle of
// 128 bytes.
#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "backend/cuda/emulation/async_ops.hpp"
#include "backend/cuda/emulation/fragments.hpp"
#include "backend/cuda/emulation/thread_ops.hpp"
#include "base/concat.hpp"
#include "base/dtype.hpp"

namespace clip::cuda::emulation {

namespace {

constexpr int kLanes = 32;
constexpr int kWarps = 4; // of a warpgroup
constexpr int kDepth = 16;
constexpr int kChunk = 16, kChunkElements = 8;
constexpr std::uint32_t kPoison = 0x7fffdeadU; // a NaN

/// A product that a warp has issued.
struct Product {
    WgmmaOperands shape; ///< of lane 0; the pointers of each lane are below
    std::array<float*, kLanes> d{};
    std::array<const std::uint32_t*, kLanes> a_at{};
    std::array<std::array<std::uint32_t, 4>, kLanes> a{}; ///< as they were issued
};

/// Accumulators that products under way add to; lane 0's address names them.
struct Accumulators {
    int products = 0;
    std::vector<float> values; ///< (kLanes, columns / 2)
};

/// Of a warp.
struct Queue {
    std::vector<Product> issued; ///< since the last commit
    std::deque<std::vector<Product>> groups;
    std::map<const float*, Accumulators> accumulators;
};

struct Named {
    std::vector<std::uint32_t> words;
    bool fenced = false;
};

struct BlockState {
    std::uint64_t block = 0;
    std::vector<Queue> warps;
    /// Registers that a thread has named for a fence, and what they held.
    std::vector<std::map<const void*, Named>> named;
    std::vector<std::vector<const void*>> waited; ///< what a thread has named for a wait
};

BlockState& state() {
    static BlockState of_block;
    if (of_block.block != block_serial()) {
        of_block = BlockState{};
        of_block.block = block_serial();
        const auto threads = static_cast<std::size_t>(here().threads);
        of_block.warps.resize((threads + kLanes - 1) / kLanes);
        of_block.named.resize(threads);
        of_block.waited.resize(threads);
        at_block_end([]() -> std::string {
            for (const Queue& warp : of_block.warps)
                if (!warp.issued.empty() || !warp.groups.empty())
                    return "ends while a wgmma is under way";
            return {};
        });
    }
    return of_block;
}

/// One of the two operands in shared memory.
class Operand {
  public:
    Operand(std::uint64_t descriptor, bool by_columns)
        : start_(static_cast<std::uint32_t>(descriptor & 0x3fffU) << 4U),
          leading_(static_cast<std::uint32_t>(descriptor >> 16U & 0x3fffU) << 4U),
          stride_(static_cast<std::uint32_t>(descriptor >> 32U & 0x3fffU) << 4U),
          by_columns_(by_columns) {
        if (descriptor >> 62U != 1)
            fault("a matrix descriptor with another swizzle than that of 128 bytes");
        if ((descriptor >> 49U & 7U) != 0 || start_ % 1024 >= 128)
            fault(concat("a matrix descriptor whose address, ", start_,
                         ", is not in the first row of a swizzled tile"));
        if (stride_ % 1024 != 0 || (by_columns && leading_ % 1024 != 0))
            fault("a matrix descriptor with distances that are no multiples of 1024 bytes");
        if (by_columns ? start_ % 1024 != 0 : start_ % 32 != 0 || start_ % 128 > 96)
            fault("a matrix descriptor that begins inside of 16 elements of k");
    }

    /// Where the 8 elements lie that begin at (outer, k), by rows, or at (k, outer), by columns.
    const std::byte* chunk(int outer, int k) const {
        const auto o = static_cast<std::uint32_t>(outer), d = static_cast<std::uint32_t>(k);
        const std::uint32_t plain =
            by_columns_ ? start_ + o / 64 * leading_ + d / 8 * stride_ + d % 8 * 128 + o % 64 * 2
                        : start_ + o / 8 * stride_ + o % 8 * 128 + d * 2;
        return here().shared + (plain ^ (plain >> 7U & 7U) << 4U);
    }

    /// Calls use(outer, k, eight elements) for outer in [begin, end), as `reader` would read them.
    template <typename Use>
    void read(int begin, int end, const Actor& reader, const Use& use) const {
        const int outer_step = by_columns_ ? kChunkElements : 1;
        const int depth_step = by_columns_ ? 1 : kChunkElements;
        for (int outer = begin; outer < end; outer += outer_step)
            for (int k = 0; k < kDepth; k += depth_step) {
                const std::byte* at = chunk(outer, k);
                std::string wrong = shared_shadow().check(at, kChunk, Access::read, reader);
                if (wrong.empty())
                    wrong = shared_shadow().check_async(at, kChunk, proxy_fences());
                if (!wrong.empty())
                    fault(concat("wgmma, operand element (", outer, ", k ", k, "): ", wrong));
                std::uint16_t elements[kChunkElements];
                std::memcpy(elements, at, kChunk);
                use(outer, k, elements);
            }
    }

    bool by_columns() const { return by_columns_; }

  private:
    std::uint32_t start_, leading_, stride_;
    bool by_columns_;
};

float value_of(std::uint16_t bits, bool bfloat16) {
    if (bfloat16) {
        BFloat16 x;
        x.bits = bits;
        return static_cast<float>(x);
    }
    Half x;
    x.bits = bits;
    return static_cast<float>(x);
}

/// Reads what warp `warp` of its group reads of the operands.
template <typename UseA, typename UseB>
void read_operands(const WgmmaOperands& shape, int warp, const UseA& use_a, const UseB& use_b) {
    const Actor reader = actor_of(warp * kLanes);
    if (shape.a == nullptr)
        Operand(shape.a_descriptor, false)
            .read(warp % kWarps * 16, warp % kWarps * 16 + 16, reader, use_a);
    Operand(shape.b_descriptor, shape.b_by_columns).read(0, shape.columns, reader, use_b);
}

/// The registers must be those of the last fence, unless a product that has not been waited for
/// holds them.
void check_fenced(int thread, const void* registers, std::size_t words, const char* what) {
    const auto& named = state().named[static_cast<std::size_t>(thread)];
    const auto found = named.find(registers);
    if (found == named.end() || !found->second.fenced)
        fault(concat("wgmma whose ", what,
                     " no wgmma_fence() has named since they were waited"
                     " for"));
    if (found->second.words.size() < words ||
        std::memcmp(found->second.words.data(), registers, words * 4) != 0)
        fault(concat("wgmma whose ", what, " were written to after the wgmma_fence()"));
}

/// Puts the product into the queue of each of the four warps; run by the last thread that comes.
void issue(void* const* operands) {
    const auto& first = *static_cast<const WgmmaOperands*>(operands[0]);
    for (int t = 0; t < kWarps * kLanes; ++t) {
        const auto& own = *static_cast<const WgmmaOperands*>(operands[t]);
        if (own.columns != first.columns || own.bfloat16 != first.bfloat16 ||
            own.b_by_columns != first.b_by_columns || own.add != first.add ||
            (own.a == nullptr) != (first.a == nullptr) || own.a_descriptor != first.a_descriptor ||
            own.b_descriptor != first.b_descriptor)
            fault("wgmma: threads of the warpgroup come with different operands");
    }
    const int first_warp = here().thread / (kWarps * kLanes) * kWarps;
    const auto width = static_cast<std::size_t>(first.columns / 2);
    for (int w = 0; w < kWarps; ++w) {
        Queue& queue = state().warps[static_cast<std::size_t>(first_warp + w)];
        Product product;
        product.shape = first;
        for (std::size_t lane = 0; lane < kLanes; ++lane) {
            const int in_group = w * kLanes + static_cast<int>(lane);
            const auto& own = *static_cast<const WgmmaOperands*>(operands[in_group]);
            product.d[lane] = own.d;
            product.a_at[lane] = own.a;
            const int thread = first_warp * kLanes + in_group;
            if (own.a != nullptr) {
                check_fenced(thread, own.a, 4, "registers of A");
                std::memcpy(product.a[lane].data(), own.a, 16);
            }
            if (lane > 0)
                continue;
            read_operands(
                first, first_warp + w, [](int, int, const std::uint16_t*) {},
                [](int, int, const std::uint16_t*) {});
        }
        Accumulators& into = queue.accumulators[product.d[0]];
        if (into.products == 0) {
            into.values.resize(kLanes * width);
            for (std::size_t lane = 0; lane < kLanes; ++lane) {
                check_fenced((first_warp + w) * kLanes + static_cast<int>(lane), product.d[lane],
                             width, "accumulators");
                std::memcpy(&into.values[lane * width], product.d[lane], width * 4);
                for (std::size_t i = 0; i < width; ++i)
                    product.d[lane][i] = std::bit_cast<float>(kPoison);
            }
        } else if (into.values.size() != kLanes * width) {
            fault("wgmma adds to accumulators of another shape that are under way");
        }
        ++into.products;
        queue.issued.push_back(std::move(product));
    }
}

void check_waited(int thread, const void* registers, const char* what) {
    const std::vector<const void*>& named = state().waited[static_cast<std::size_t>(thread)];
    if (std::find(named.begin(), named.end(), registers) == named.end())
        fault(concat("wgmma whose ", what, " the wgmma_wait() that ends it does not name"));
}

/// Multiplies the 16 rows of a warp.
void finish(Queue& queue, const Product& product, int warp) {
    const WgmmaOperands& shape = product.shape;
    const auto columns = static_cast<std::size_t>(shape.columns);
    static std::vector<double> a(16 * kDepth), b, sums;
    b.resize(kDepth * columns);
    sums.assign(16 * columns, 0);
    for (std::size_t lane = 0; shape.a != nullptr && lane < kLanes; ++lane) {
        check_waited(warp * kLanes + static_cast<int>(lane), product.a_at[lane], "registers of A");
        if (std::memcmp(product.a_at[lane], product.a[lane].data(), 16) != 0)
            fault("registers of A were written to before the wgmma was waited for");
        for (int i = 0; i < 8; ++i) {
            const Element at = a_m16n8k16(static_cast<int>(lane), i);
            a[static_cast<std::size_t>(at.row * kDepth + at.column)] =
                value_of(static_cast<std::uint16_t>(
                             product.a[lane][static_cast<std::size_t>(i / 2)] >> (i % 2 * 16U)),
                         shape.bfloat16);
        }
    }
    read_operands(
        shape, warp,
        [&](int row, int k, const std::uint16_t* elements) {
            for (int i = 0; i < kChunkElements; ++i)
                a[static_cast<std::size_t>(row % 16 * kDepth + k + i)] =
                    value_of(elements[i], shape.bfloat16);
        },
        [&](int column, int k, const std::uint16_t* elements) {
            for (int i = 0; i < kChunkElements; ++i) {
                const int at_k = shape.b_by_columns ? k : k + i;
                const int at_column = shape.b_by_columns ? column + i : column;
                b[static_cast<std::size_t>(at_k) * columns + static_cast<std::size_t>(at_column)] =
                    value_of(elements[i], shape.bfloat16);
            }
        });
    for (std::size_t row = 0; row < 16; ++row)
        for (std::size_t k = 0; k < kDepth; ++k) {
            const double factor = a[row * kDepth + k];
            for (std::size_t c = 0; c < columns; ++c)
                sums[row * columns + c] += factor * b[k * columns + c];
        }
    Accumulators& into = queue.accumulators[product.d[0]];
    const std::size_t width = columns / 2;
    for (std::size_t lane = 0; lane < kLanes; ++lane)
        for (std::size_t i = 0; i < width; ++i) {
            const Element at = c_m16n8(static_cast<int>(lane), static_cast<int>(i % 4));
            float& d = into.values[lane * width + i];
            const double sum = sums[static_cast<std::size_t>(at.row) * columns + i / 4 * 8 +
                                    static_cast<std::size_t>(at.column)];
            d = toward_zero((shape.add ? static_cast<double>(d) : 0.0) + sum);
        }
    if (--into.products > 0)
        return;
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
        check_waited(warp * kLanes + static_cast<int>(lane), product.d[lane], "accumulators");
        for (std::size_t i = 0; i < width; ++i)
            if (std::bit_cast<std::uint32_t>(product.d[lane][i]) != kPoison)
                fault("accumulators were written to before the wgmma was waited for");
        std::memcpy(product.d[lane], &into.values[lane * width], width * 4);
    }
    queue.accumulators.erase(product.d[0]);
}

} // namespace

std::uint32_t shared_address(const void* at) {
    return static_cast<std::uint32_t>(static_cast<const std::byte*>(at) - here().shared);
}

void wgmma(WgmmaOperands operands) {
    state();
    warpgroup_collective("wgmma", &operands, issue);
}

void wgmma_name_waited(const void* registers, int) {
    state().waited[static_cast<std::size_t>(here().thread)].push_back(registers);
}

void wgmma_name_fenced(const void* registers, int words) {
    Named& named = state().named[static_cast<std::size_t>(here().thread)][registers];
    named.fenced = true;
    named.words.resize(static_cast<std::size_t>(words));
    std::memcpy(named.words.data(), registers, named.words.size() * 4);
}

void wgmma_fence() {
    warp_collective("wgmma.fence", nullptr, [](void* const*) {});
}

void wgmma_commit() {
    warp_collective("wgmma.commit_group", nullptr, [](void* const*) {
        Queue& queue = state().warps[static_cast<std::size_t>(here().thread / kLanes)];
        queue.groups.push_back(std::move(queue.issued));
        queue.issued.clear();
    });
}

void wgmma_wait(int groups) {
    // The same text for every count: lanes that wait for different ones are told apart by none.
    struct Operand {
        int groups;
    } operand{groups};
    warp_collective("wgmma.wait_group", &operand, [](void* const* operands) {
        const int warp = here().thread / kLanes;
        Queue& queue = state().warps[static_cast<std::size_t>(warp)];
        if (!queue.issued.empty())
            fault("wgmma.wait_group while a wgmma has not been committed");
        const auto left =
            static_cast<std::size_t>(static_cast<const Operand*>(operands[0])->groups);
        while (queue.groups.size() > left) {
            for (const Product& product : queue.groups.front())
                finish(queue, product, warp);
            queue.groups.pop_front();
        }
        for (int lane = 0; lane < kLanes; ++lane) {
            const auto thread = static_cast<std::size_t>(warp * kLanes + lane);
            for (auto& [registers, named] : state().named[thread])
                named.fenced = false;
            state().waited[thread].clear();
        }
    });
}

} // namespace clip::cuda::emulation
