// SPDX-License-Identifier: MIT
#include "train/augment_plan.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "base/concat.hpp"
#include "base/error.hpp"
#include "train/draws.hpp"

namespace clip::train {

namespace {

constexpr double kLogAspect = 0.28768207245178093; // ln(4/3)
constexpr double kLogErase = 1.0986122886681098;   // ln 3
constexpr double kMaxAspect = 4.0 / 3.0;
constexpr std::uint64_t kCropTries = 10;

/// The blocks of four numbers that a picture has; their order is part of what --seed means.
enum Block : std::uint64_t {
    kGeometry = 0, // zoom, its x and y, angle
    kColour = 1,   // brightness, contrast, saturation, hue
    kChoices = 2,  // flip, grayscale, kind of background, its direction
    kFrom = 3,     // red, green, blue
    kTo = 4,       // red, green, blue
    kErase = 5,    // area, aspect, x, y
    kEraseWhether = 6,
    kCropPlace = 7, // x, y
    kCropSize = 8,  // area, aspect; area, aspect; five blocks
    kBlocks = 16,
};

/// Four numbers in [0, 1).
using Uniform = std::array<double, 4>;

Uniform uniform(const AugmentPlace& place, std::uint64_t block) {
    const auto words = draw(place.seed, Draw::augment, place.epoch, place.index * kBlocks + block);
    Uniform out{};
    for (std::size_t i = 0; i < out.size(); ++i)
        out[i] = static_cast<double>(words[i]) * 0x1p-32;
    return out;
}

/// The number of [-bound, bound] that `u` stands for.
double around_zero(double u, double bound) {
    return (2.0 * u - 1.0) * bound;
}

/// e^x for |x| < 2, to 1e-15.
double small_exp(double x) {
    double sum = 1.0;
    for (int k = 26; k >= 1; --k)
        sum = 1.0 + sum * x / k;
    return sum;
}

/// The largest crop with an aspect in [3/4, 4/3].
Box largest_crop(double width, double height) {
    return {0.0, 0.0, std::min(width, height * kMaxAspect), std::min(height, width * kMaxAspect)};
}

Box random_crop(const AugmentOptions& options, const AugmentPlace& place, double width,
                double height) {
    if (options.min_scale >= 1.0) {
        const double side = std::min(width, height);
        const double u = static_cast<double>(place.crop) * 0x1p-32;
        return {u * (width - side), u * (height - side), side, side};
    }
    Box crop = largest_crop(width, height);
    Uniform size{};
    for (std::uint64_t attempt = 0; attempt < kCropTries; ++attempt) {
        if (attempt % 2 == 0)
            size = uniform(place, kCropSize + attempt / 2);
        const std::size_t at = attempt % 2 * 2;
        const double scale = options.min_scale + (1.0 - options.min_scale) * size[at];
        const double aspect = small_exp(around_zero(size[at + 1], kLogAspect));
        const double wide = std::sqrt(width * height * scale * aspect);
        const double high = std::sqrt(width * height * scale / aspect);
        if (wide <= width && high <= height) {
            crop.width = wide;
            crop.height = high;
            break;
        }
    }
    const Uniform at = uniform(place, kCropPlace);
    crop.x = at[0] * (width - crop.width);
    crop.y = at[1] * (height - crop.height);
    return crop;
}

Rgb colour(const Uniform& u, double low) {
    Rgb out{};
    for (std::size_t c = 0; c < out.size(); ++c)
        out[c] = static_cast<float>(low + (1.0 - low) * u[c]);
    return out;
}

void draw_background(AugmentPlan& plan, const AugmentPlace& place, const Uniform& choices) {
    const int kind = static_cast<int>(choices[2] * 16.0);
    plan.composite = kind < 12;
    const Uniform from = uniform(place, kFrom);
    if (kind < 3)
        plan.from = {1.0F, 1.0F, 1.0F};
    else
        plan.from = colour(from, kind < 6 ? 0.9 : 0.0);
    plan.to = kind >= 9 ? colour(uniform(place, kTo), 0.0) : plan.from;
    const double angle = around_zero(choices[3], std::numbers::pi);
    plan.direction_x = exact_cos(angle);
    plan.direction_y = exact_sin(angle);
}

void draw_erased(AugmentPlan& plan, const AugmentPlace& place) {
    const Uniform u = uniform(place, kErase);
    const double area = 0.02 + 0.18 * u[0];
    const double aspect = small_exp(around_zero(u[1], kLogErase));
    plan.erased.width = std::sqrt(area * aspect); // at most sqrt(0.6)
    plan.erased.height = std::sqrt(area / aspect);
    plan.erased.x = u[2] * (1.0 - plan.erased.width);
    plan.erased.y = u[3] * (1.0 - plan.erased.height);
}

} // namespace

double exact_sin(double x) {
    const double square = x * x;
    double sum = 1.0;
    for (int k = 28; k >= 2; k -= 2)
        sum = 1.0 - sum * square / (k * (k + 1));
    return sum * x;
}

double exact_cos(double x) {
    const double half = exact_sin(0.5 * x);
    return 1.0 - 2.0 * half * half;
}

bool AugmentOptions::any() const {
    return min_scale < 1.0 || zoom_out > 0.0 || rotate > 0.0 || flip > 0.0 || color_jitter > 0.0 ||
           hue > 0.0 || grayscale > 0.0 || background != Background::none || erase > 0.0;
}

void check_augment(const AugmentOptions& options) {
    const auto check = [](const char* name, double value, double low, double high) {
        if (!(value >= low && value <= high)) // catches NaN, too
            fail(ErrorCode::invalid_argument,
                 concat("augment pictures: ", name, " out of range (got ", value, ", want ", low,
                        " to ", high, ")"));
    };
    check("min_scale", options.min_scale, 0.01, 1.0);
    check("zoom_out", options.zoom_out, 0.0, 0.9);
    check("rotate", options.rotate, 0.0, 180.0);
    check("flip", options.flip, 0.0, 1.0);
    check("color_jitter", options.color_jitter, 0.0, 1.0);
    check("hue", options.hue, 0.0, 0.5);
    check("grayscale", options.grayscale, 0.0, 1.0);
    check("erase", options.erase, 0.0, 1.0);
}

AugmentPlan draw_plan(const AugmentOptions& options, const AugmentPlace& place, int width,
                      int height, bool transparent) {
    AugmentPlan plan;
    plan.crop = random_crop(options, place, width, height);
    plan.canvas = plan.crop;
    const Uniform geometry = uniform(place, kGeometry);
    if (transparent && options.zoom_out > 0.0) {
        const double fraction = 1.0 - options.zoom_out * geometry[0];
        plan.canvas.width = plan.crop.width / fraction;
        plan.canvas.height = plan.crop.height / fraction;
        plan.canvas.x -= geometry[1] * (plan.canvas.width - plan.crop.width);
        plan.canvas.y -= geometry[2] * (plan.canvas.height - plan.crop.height);
    }
    plan.angle = around_zero(geometry[3], options.rotate * (std::numbers::pi / 180.0));

    const Uniform colours = uniform(place, kColour);
    plan.brightness = 1.0 + around_zero(colours[0], options.color_jitter);
    plan.contrast = 1.0 + around_zero(colours[1], options.color_jitter);
    plan.saturation = 1.0 + around_zero(colours[2], options.color_jitter);
    plan.hue = around_zero(colours[3], 2.0 * std::numbers::pi * options.hue);

    const Uniform choices = uniform(place, kChoices);
    plan.flip = choices[0] < options.flip;
    if (choices[1] < options.grayscale)
        plan.saturation = 0.0;
    if (transparent && options.background == Background::random)
        draw_background(plan, place, choices);
    plan.erase = options.erase > 0.0 && uniform(place, kEraseWhether)[0] < options.erase;
    if (plan.erase)
        draw_erased(plan, place);
    return plan;
}

} // namespace clip::train
