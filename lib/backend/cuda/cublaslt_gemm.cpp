// SPDX-License-Identifier: MIT
#include "backend/cuda/cublaslt_gemm.hpp"

#include "base/concat.hpp"
#include "base/error.hpp"

#if !CLIP_CUDA_EMULATED && __has_include(<cublasLt.h>)
#define CLIP_HAVE_CUBLASLT 1
#include <dlfcn.h>

#include <map>
#include <tuple>
#include <type_traits>

#include <cublasLt.h>
#endif

namespace clip::cuda {

#if CLIP_HAVE_CUBLASLT

namespace {

/// Scratch memory that its kernels may have; NVIDIA's advice for Hopper.
constexpr std::size_t kScratchBytes = std::size_t{32} << 20;

void check(cublasStatus_t status, const char* what) {
    if (status != CUBLAS_STATUS_SUCCESS)
        fail(status == CUBLAS_STATUS_NOT_SUPPORTED ? ErrorCode::unsupported
                                                   : ErrorCode::device_failure,
             concat("cublaslt: ", what, ": status ", static_cast<int>(status)));
}

/// The library's functions. It is looked for where the loader looks, and stays loaded.
struct Library {
    decltype(&cublasLtCreate) create;
    decltype(&cublasLtMatmulDescCreate) make_product;
    decltype(&cublasLtMatmulDescSetAttribute) set_product;
    decltype(&cublasLtMatrixLayoutCreate) make_layout;
    decltype(&cublasLtMatmulPreferenceCreate) make_preference;
    decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
    decltype(&cublasLtMatmulAlgoGetHeuristic) choose;
    decltype(&cublasLtMatmul) multiply;

    Library() {
        const std::string name = concat("libcublasLt.so.", CUBLAS_VER_MAJOR);
        void* const handle = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
        if (handle == nullptr)
            fail(ErrorCode::unsupported, concat("cublaslt: load ", name, ": ", dlerror()));
        const auto find = [&](auto& function, const char* symbol) {
            void* const at = dlsym(handle, symbol);
            if (at == nullptr)
                fail(ErrorCode::unsupported, concat("cublaslt: ", name, " has no ", symbol));
            function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(at);
        };
        find(create, "cublasLtCreate");
        find(make_product, "cublasLtMatmulDescCreate");
        find(set_product, "cublasLtMatmulDescSetAttribute");
        find(make_layout, "cublasLtMatrixLayoutCreate");
        find(make_preference, "cublasLtMatmulPreferenceCreate");
        find(set_preference, "cublasLtMatmulPreferenceSetAttribute");
        find(choose, "cublasLtMatmulAlgoGetHeuristic");
        find(multiply, "cublasLtMatmul");
    }
};

cudaDataType_t type_of(DType dtype) {
    return dtype == DType::f16 ? CUDA_R_16F : dtype == DType::bf16 ? CUDA_R_16BF : CUDA_R_32F;
}

/// What the library may take for granted of an address. It takes 256 unless it is told otherwise
/// (cuBLAS documentation, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES), and tensors are parts of
/// arenas.
std::uint32_t alignment_of(const void* at) {
    constexpr std::uintptr_t kMost = 256;
    const auto address = reinterpret_cast<std::uintptr_t>(at) | kMost;
    return static_cast<std::uint32_t>(address & (~address + 1));
}

struct ProductShape {
    std::int64_t rows, in, out, x_pitch, weight_pitch;
    DType factors, y_type;
    bool tf32;
    std::uint32_t x_alignment, weight_alignment, y_alignment;
    auto key() const {
        return std::tie(rows, in, out, x_pitch, weight_pitch, factors, y_type, tf32, x_alignment,
                        weight_alignment, y_alignment);
    }
    bool operator<(const ProductShape& other) const { return key() < other.key(); }
};

/// What describes a product to the library. Few shapes come again and again: none is destroyed.
struct Plan {
    cublasLtMatmulDesc_t product = nullptr;
    cublasLtMatrixLayout_t weight = nullptr, x = nullptr, y = nullptr;
    cublasLtMatmulHeuristicResult_t choice{};
};

class Products {
  public:
    Products() { check(library_.create(&handle_), "start"); }

    void run(const ProductShape& shape, const void* x, const void* weight, void* y, void* scratch,
             cudaStream_t stream) {
        auto found = plans_.find(shape);
        if (found == plans_.end())
            found = plans_.emplace(shape, describe(shape)).first;
        const Plan& plan = found->second;
        const float one = 1, zero = 0;
        check(library_.multiply(handle_, plan.product, &one, weight, plan.weight, x, plan.x, &zero,
                                y, plan.y, y, plan.y, &plan.choice.algo, scratch, kScratchBytes,
                                stream),
              "multiply");
    }

  private:
    /// It counts columns first: what is row-major here is transposed there. y^T = W x^T, where W
    /// has to be transposed once more.
    Plan describe(const ProductShape& shape) {
        Plan plan;
        const cublasComputeType_t compute = shape.factors == DType::f32 && shape.tf32
                                                ? CUBLAS_COMPUTE_32F_FAST_TF32
                                                : CUBLAS_COMPUTE_32F;
        check(library_.make_product(&plan.product, compute, CUDA_R_32F), "describe a product");
        const cublasOperation_t transposed = CUBLAS_OP_T;
        check(library_.set_product(plan.product, CUBLASLT_MATMUL_DESC_TRANSA, &transposed,
                                   sizeof transposed),
              "describe a product");
        const auto layout = [&](cublasLtMatrixLayout_t& made, DType type, std::int64_t rows,
                                std::int64_t columns, std::int64_t pitch) {
            check(library_.make_layout(&made, type_of(type), static_cast<std::uint64_t>(rows),
                                       static_cast<std::uint64_t>(columns), pitch),
                  "describe a matrix");
        };
        layout(plan.weight, shape.factors, shape.in, shape.out, shape.weight_pitch);
        layout(plan.x, shape.factors, shape.in, shape.rows, shape.x_pitch);
        layout(plan.y, shape.y_type, shape.out, shape.rows, shape.out);
        cublasLtMatmulPreference_t preference = nullptr;
        check(library_.make_preference(&preference), "choose a kernel");
        const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t what, const auto& value) {
            check(library_.set_preference(preference, what, &value, sizeof value),
                  "choose a kernel");
        };
        prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kScratchBytes);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, shape.weight_alignment);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, shape.x_alignment);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, shape.y_alignment);
        prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, shape.y_alignment);
        int choices = 0;
        check(library_.choose(handle_, plan.product, plan.weight, plan.x, plan.y, plan.y,
                              preference, 1, &plan.choice, &choices),
              "choose a kernel");
        if (choices == 0)
            fail(ErrorCode::unsupported, "cublaslt: there is no kernel for this product");
        return plan;
    }

    Library library_;
    cublasLtHandle_t handle_ = nullptr;
    std::map<ProductShape, Plan> plans_;
};

} // namespace

void cublaslt_product(Context& context, const PitchedRows& x, const PitchedRows& weight,
                      DType factors, void* y, DType y_type) {
    // One a device and thread, as backends are used by one thread at a time; never destroyed, since
    // the driver may be gone by then.
    thread_local std::map<int, Products*> of_device;
    Products*& products = of_device[context.device()];
    if (products == nullptr)
        products = new Products;
    Workspace::Scope scope(context.workspace());
    products->run({x.rows, x.width, weight.rows, x.pitch, weight.pitch, factors, y_type,
                   context.options().tf32, alignment_of(x.at), alignment_of(weight.at),
                   alignment_of(y)},
                  x.at, weight.at, y, scope.take<std::byte>(kScratchBytes),
                  static_cast<cudaStream_t>(context.stream().handle()));
}

#else

void cublaslt_product(Context&, const PitchedRows&, const PitchedRows&, DType, void*, DType) {
    fail(ErrorCode::unsupported, "cublaslt: not in this build (CLIP_CUDA_GEMM=own is)");
}

#endif

} // namespace clip::cuda
