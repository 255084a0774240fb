// SPDX-License-Identifier: MIT
#include <doctest/doctest.h>

#include "app/embedding_settings.hpp"
#include "app/kept_warnings.hpp"

using namespace clip;
using namespace clip::app;

namespace {

constexpr const char* kCpu = "layer=projected crop=center precision=f32 activation=quick_gelu";
constexpr const char* kGpu =
    "layer=projected crop=center precision=f16 activation=quick_gelu device=cuda";
constexpr const char* kUncut = "layer=projected crop=none precision=f32 activation=quick_gelu";

/// What is said when vectors with the second settings follow those with the first.
std::vector<std::string> said(ComparedSettings compared, const char* first, const char* second) {
    test::KeptWarnings warnings;
    EmbeddingSettings settings(compared, warnings);
    settings.meet("a.h5", first);
    settings.meet("a.h5", first);
    settings.meet("b.h5", second);
    settings.meet("c.h5", second);
    return warnings.all;
}

} // namespace

TEST_CASE("embedding settings: a word of them") {
    CHECK(setting(kCpu, "crop=") == "center");
    CHECK(setting(kCpu, "activation=") == "quick_gelu");
    CHECK(setting(kCpu, "rop=").empty());
    CHECK(setting("", "crop=").empty());
}

TEST_CASE("embedding settings: another precision or device is said once, with what differs") {
    for (const ComparedSettings compared : {ComparedSettings::all, ComparedSettings::computing}) {
        CHECK(said(compared, kCpu, kGpu) ==
              std::vector<std::string>{"b.h5: made with other settings than a.h5 (precision=f16 "
                                       "device=cuda, there precision=f32 device=cpu)"});
        CHECK(said(compared, kGpu, kGpu).empty());
    }
    CHECK(said(ComparedSettings::computing, "precision=f32 device=cuda",
               "precision=f32 device=cuda products=tf32") ==
          std::vector<std::string>{
              "b.h5: made with other settings than a.h5 (products=tf32, there defaults)"});
}

TEST_CASE("embedding settings: how pictures were prepared counts where all does") {
    CHECK(said(ComparedSettings::computing, kCpu, kUncut).empty());
    CHECK(said(ComparedSettings::all, kCpu, kUncut).size() == 1);
}

TEST_CASE("embedding settings: what says nothing of its precision is passed over") {
    for (const char* unknown : {"", "classifier", "layer=projected"}) {
        INFO(unknown);
        CHECK(said(ComparedSettings::computing, unknown, kCpu).empty());
        CHECK(said(ComparedSettings::computing, kCpu, unknown).empty());
    }
    CHECK(said(ComparedSettings::all, kCpu, "").size() == 1);
}
