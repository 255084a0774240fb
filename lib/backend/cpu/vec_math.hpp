// SPDX-License-Identifier: MIT
// exp and the activations on sixteen lanes. The same operations in the same order on every
// instruction set, so the bits are the same. Included after one of the vec_*.hpp.
#pragma once

namespace clip::cpu {
namespace {

constexpr float kInfinity = __builtin_inff();

/// e^x within 1.5 ulp; 0 where the result is below 2^-126, infinity above about 2^127.5.
///
/// x = n ln 2 + r with |r| <= ln(2)/2, e^r = 1 + r + r^2 p(r); p is the minimax polynomial of
/// degree 4 for the relative error of e^r (3.1e-9).
inline Vec vec_exp(Vec x) {
    const Vec shift = vec_set(12582912.0f); // 1.5 * 2^23: adding it rounds to an integer
    const Vec shifted = vec_fma(x, vec_set(1.44269504f), shift);
    const Vec n = vec_sub(shifted, shift);
    Vec r = vec_fma(n, vec_set(-0.693147182464599609375f), x);
    r = vec_fma(n, vec_set(1.904654323148236e-9f), r);
    Vec p = vec_set(0x1.6a23d4p-10f);
    p = vec_fma(p, r, vec_set(0x1.123a1cp-7f));
    p = vec_fma(p, r, vec_set(0x1.5558f2p-5f));
    p = vec_fma(p, r, vec_set(0x1.555492p-3f));
    p = vec_fma(p, r, vec_set(0x1.fffffcp-2f));
    const Vec tail = vec_fma(vec_mul(r, r), p, r);
    const Vec y = vec_scale_exponent(vec_add(vec_set(1.0f), tail), shifted);
    const Vec below = vec_less(x, vec_set(-87.33f), vec_set(0.0f), y);
    return vec_less(vec_set(88.37f), x, vec_set(kInfinity), below);
}

inline Vec vec_relu(Vec x) {
    return vec_max(vec_set(0.0f), x);
} // NaN stays

/// x / (1 + e^(-1.702 x))
inline Vec vec_quick_gelu(Vec x) {
    const Vec e = vec_exp(vec_mul(x, vec_set(-1.702f)));
    return vec_div(x, vec_add(vec_set(1.0f), e));
}

/// sigmoid(1.702 x) (1 + 1.702 x (1 - sigmoid(1.702 x)))
inline Vec vec_quick_gelu_slope(Vec x) {
    const Vec one = vec_set(1.0f);
    const Vec scaled = vec_mul(x, vec_set(1.702f));
    const Vec gate = vec_div(one, vec_add(one, vec_exp(vec_sub(vec_set(0.0f), scaled))));
    return vec_fma(vec_mul(scaled, gate), vec_sub(one, gate), gate);
}

/// Phi(x), the normal distribution's, within 3e-7 of the larger of Phi(x) and 1 - Phi(x); `bell`
/// becomes e^(-x^2/2).
///
/// Phi(-a) = e^(-a^2/2) q(1 / (1 + 0.35 a)) for a >= 0; q is the minimax polynomial of degree 9
/// without a constant term (relative error 5.5e-8 for a up to 14.5, where the result underflows).
inline Vec vec_normal(Vec x, Vec& bell) {
    const Vec most = vec_set(20.0f); // the tail is 0 from about 14.5 on; squares must stay finite
    const Vec a = vec_less(most, vec_abs(x), most, vec_abs(x));
    const Vec one = vec_set(1.0f);
    const Vec t = vec_div(one, vec_fma(a, vec_set(0.35f), one));
    Vec q = vec_set(-0.029157869517803192f);
    q = vec_fma(q, t, vec_set(0.1440308392047882f));
    q = vec_fma(q, t, vec_set(-0.2558388411998749f));
    q = vec_fma(q, t, vec_set(0.15931953489780426f));
    q = vec_fma(q, t, vec_set(-0.0232122503221035f));
    q = vec_fma(q, t, vec_set(0.10555246472358704f));
    q = vec_fma(q, t, vec_set(0.11982129514217377f));
    q = vec_fma(q, t, vec_set(0.139863520860672f));
    q = vec_fma(q, t, vec_set(0.139621302485466f));
    q = vec_mul(q, t);
    const Vec half = vec_mul(a, vec_set(-0.5f));
    const Vec square = vec_mul(half, a);
    const Vec rest = vec_fma(half, a, vec_sub(vec_set(0.0f), square)); // what `square` rounded away
    const Vec e = vec_exp(square);
    bell = vec_fma(e, rest, e);
    const Vec tail = vec_mul(bell, q);
    return vec_less(x, vec_set(0.0f), tail, vec_sub(one, tail));
}

/// x Phi(x), within 3e-7 of max(|x|, |result|).
inline Vec vec_gelu(Vec x) {
    Vec bell;
    return vec_mul(x, vec_normal(x, bell));
}

/// Phi(x) + x e^(-x^2/2) / sqrt(2 pi)
inline Vec vec_gelu_slope(Vec x) {
    Vec bell;
    const Vec normal = vec_normal(x, bell);
    return vec_fma(vec_mul(x, vec_set(0.3989422804f)), bell, normal);
}

/// 1 above 0, else 0; a NaN stays one
inline Vec vec_relu_slope(Vec x) {
    const Vec zero = vec_set(0.0f);
    return vec_less(zero, x, vec_set(1.0f), vec_mul(x, zero));
}

/// The sum of 16 lanes in a fixed order.
inline double tree_sum(double* lanes) {
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i)
            lanes[i] += lanes[i + half];
    return lanes[0];
}
inline float tree_max(Vec x) {
    float lanes[16];
    vec_store(lanes, x);
    for (int half = 8; half > 0; half /= 2)
        for (int i = 0; i < half; ++i)
            lanes[i] = lanes[i + half] > lanes[i] ? lanes[i + half] : lanes[i];
    return lanes[0];
}

} // namespace
} // namespace clip::cpu
