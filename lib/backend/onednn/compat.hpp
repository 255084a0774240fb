// SPDX-License-Identifier: MIT
// The differences between oneDNN's API v2 (operation descriptor -> primitive descriptor) and v3
// (primitive descriptor at once). No other file asks for the version.
#pragma once

#include <oneapi/dnnl/dnnl.hpp>

namespace clip::onednn {

using Desc = dnnl::memory::desc;
using Dims = dnnl::memory::dims;

#if DNNL_VERSION_MAJOR >= 3

inline void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm what, float alpha, float beta) {
    ops.append_eltwise(what, alpha, beta);
}

/// dst = src weights (+ bias where it is not null)
inline dnnl::matmul::primitive_desc matmul_desc(const dnnl::engine& engine, const Desc& src,
                                                const Desc& weights, const Desc* bias,
                                                const Desc& dst, const dnnl::primitive_attr& attr) {
    return bias == nullptr ? dnnl::matmul::primitive_desc(engine, src, weights, dst, attr)
                           : dnnl::matmul::primitive_desc(engine, src, weights, *bias, dst, attr);
}

/// With `saves`, mean and variance are results too.
inline dnnl::layer_normalization_forward::primitive_desc
layer_norm_desc(const dnnl::engine& engine, const Desc& data, float eps, bool saves,
                const dnnl::primitive_attr& attr) {
    return {engine, saves ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference,
            data,   data,
            eps,    dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift,
            attr};
}

/// Over the last axis.
inline dnnl::softmax_forward::primitive_desc
softmax_desc(const dnnl::engine& engine, const Desc& data, const dnnl::primitive_attr& attr) {
    return {engine,
            dnnl::prop_kind::forward_inference,
            dnnl::algorithm::softmax_accurate,
            data,
            data,
            data.get_ndims() - 1,
            attr};
}

/// Means over windows of `kernel`, without padding.
inline dnnl::pooling_forward::primitive_desc avg_pool_desc(const dnnl::engine& engine,
                                                           const Desc& src, const Desc& dst,
                                                           const Dims& kernel,
                                                           const dnnl::primitive_attr& attr) {
    const Dims zeros(kernel.size(), 0);
    return {engine,
            dnnl::prop_kind::forward_inference,
            dnnl::algorithm::pooling_avg_exclude_padding,
            src,
            dst,
            kernel,
            kernel,
            zeros,
            zeros,
            zeros,
            attr};
}

/// A direct convolution; `bias` may be null.
inline dnnl::convolution_forward::primitive_desc
convolution_desc(const dnnl::engine& engine, const Desc& src, const Desc& weights, const Desc* bias,
                 const Desc& dst, const Dims& strides, const Dims& padding,
                 const dnnl::primitive_attr& attr) {
    constexpr auto kind = dnnl::prop_kind::forward_inference;
    constexpr auto how = dnnl::algorithm::convolution_direct;
    if (bias == nullptr)
        return {engine, kind, how, src, weights, dst, strides, padding, padding, attr};
    return {engine, kind, how, src, weights, *bias, dst, strides, padding, padding, attr};
}

#else

inline void append_eltwise(dnnl::post_ops& ops, dnnl::algorithm what, float alpha, float beta) {
    ops.append_eltwise(1.0f, what, alpha, beta);
}

inline dnnl::matmul::primitive_desc matmul_desc(const dnnl::engine& engine, const Desc& src,
                                                const Desc& weights, const Desc* bias,
                                                const Desc& dst, const dnnl::primitive_attr& attr) {
    using What = dnnl::matmul::desc;
    return {bias == nullptr ? What(src, weights, dst) : What(src, weights, *bias, dst), attr,
            engine};
}

inline dnnl::layer_normalization_forward::primitive_desc
layer_norm_desc(const dnnl::engine& engine, const Desc& data, float eps, bool saves,
                const dnnl::primitive_attr& attr) {
    return {{saves ? dnnl::prop_kind::forward_training : dnnl::prop_kind::forward_inference, data,
             eps, dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift},
            attr,
            engine};
}

inline dnnl::softmax_forward::primitive_desc
softmax_desc(const dnnl::engine& engine, const Desc& data, const dnnl::primitive_attr& attr) {
    return {{dnnl::prop_kind::forward_inference, data, data.data.ndims - 1}, attr, engine};
}

inline dnnl::pooling_forward::primitive_desc avg_pool_desc(const dnnl::engine& engine,
                                                           const Desc& src, const Desc& dst,
                                                           const Dims& kernel,
                                                           const dnnl::primitive_attr& attr) {
    const Dims zeros(kernel.size(), 0);
    return {{dnnl::prop_kind::forward_inference, dnnl::algorithm::pooling_avg_exclude_padding, src,
             dst, kernel, kernel, zeros, zeros},
            attr,
            engine};
}

inline dnnl::convolution_forward::primitive_desc
convolution_desc(const dnnl::engine& engine, const Desc& src, const Desc& weights, const Desc* bias,
                 const Desc& dst, const Dims& strides, const Dims& padding,
                 const dnnl::primitive_attr& attr) {
    using What = dnnl::convolution_forward::desc;
    constexpr auto kind = dnnl::prop_kind::forward_inference;
    constexpr auto how = dnnl::algorithm::convolution_direct;
    return {bias == nullptr ? What(kind, how, src, weights, dst, strides, padding, padding)
                            : What(kind, how, src, weights, *bias, dst, strides, padding, padding),
            attr, engine};
}

#endif

} // namespace clip::onednn
