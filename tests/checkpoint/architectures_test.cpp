// SPDX-License-Identifier: MIT
#include "model/architectures.hpp"

#include <doctest/doctest.h>

#include "base/error.hpp"

using namespace clip;

TEST_CASE("architectures: the paper's have the sizes of its tables, under both spellings") {
    for (const char* name : {"RN50", "RN101", "RN50x4", "RN50x16", "RN50x64", "ViT-B-32",
                             "ViT-B-16", "ViT-L-14", "ViT-L-14-336"}) {
        CHECK(architecture(name).name() == name);
        CHECK(published_name(architecture(name)) == name);
    }
    CHECK(architecture("ViT-B/32").name() == "ViT-B-32");
    CHECK(architecture("ViT-L/14@336px").name() == "ViT-L-14-336");
    const ModelConfig large = architecture("ViT-L-14");
    CHECK(large.vision.heads == 16);
    CHECK(large.vision.layers == 24);
    CHECK(large.text.width == 768);
    CHECK(large.text.heads == 12);
    CHECK(large.embed_dim == 768);
    const ModelConfig resnet = architecture("RN50x4");
    CHECK(resnet.vision.heads == 40);
    CHECK(resnet.vision.image_size == 288);
    CHECK(resnet.embed_dim == 640);
    CHECK_FALSE(resnet.vision.vit);
    ModelConfig other = architecture("ViT-B-32");
    other.text.vocab_size = 8192;
    CHECK(published_name(other).empty());
}

TEST_CASE("architectures: descriptions say sizes, and what is left out follows from them") {
    const ModelConfig whole = architecture("ViT-w192-l6-p8-i64-e256+w128-l4-c32");
    CHECK(whole.name() == "ViT-w192-l6-p8-i64");
    CHECK(whole.vision.heads == 3);
    CHECK(whole.vision.mlp_width == 768);
    CHECK(whole.embed_dim == 256);
    CHECK(whole.text.width == 128);
    CHECK(whole.text.heads == 2);
    CHECK(whole.text.layers == 4);
    CHECK(whole.text.mlp_width == 512);
    CHECK(whole.text.context_length == 32);

    const ModelConfig bare = architecture("ViT-w768-l24-p32-i224");
    CHECK(bare.text.width == 512);
    CHECK(bare.text.layers == 12);
    CHECK(bare.text.context_length == 77);
    CHECK(bare.embed_dim == 512);
    CHECK(architecture("ViT-w64-l3-p8-i32").text.width == 64);
    CHECK(architecture("ViT-w64-l3-p8-i32").text.layers == 3);
    CHECK(architecture("ViT-w64-l3-p8-i32+c16").text.context_length == 16);

    const ModelConfig resnet = architecture("RN-w32-l1.2.3.4-i64+l2");
    CHECK(resnet.name() == "RN-w32-l1.2.3.4-i64");
    CHECK(resnet.vision.heads == 16);
    CHECK(resnet.text.width == 256);
    CHECK(resnet.text.layers == 2);
    // A published model by its description is that model.
    CHECK(architecture("ViT-w768-l12-p32-i224").name() == "ViT-B-32");
    CHECK(architecture("RN-w64-l3.4.6.3-i224-e1024").name() == "RN50");
}

TEST_CASE("architectures: what makes no sense is refused, with the reason") {
    struct Case {
        const char* name;
        const char* reason;
    };
    for (const Case& bad :
         {Case{"", "none of"}, Case{"ViT-B-33", "ViT-L-14-336"},
          Case{"ViT-w100-l1-p8-i32", "multiple of 64"}, Case{"ViT-w64-l1-p8", "lacks i"},
          Case{"ViT-w64-l1-i32", "lacks p"}, Case{"ViT-w64-l1-p7-i32", "do not fill"},
          Case{"ViT-w64-l1-p8-i32-i32", "'i32'"}, Case{"ViT-w64-l1-p8-i32-x3", "'x3'"},
          Case{"ViT-w64-l0-p8-i32", "'0'"}, Case{"ViT-w64-l1-p8-i32-", "''"},
          Case{"ViT-w64-l99999999999999999999-p8-i32", "not a number"},
          Case{"ViT-w64-l1-p8-i32+w100", "multiple of 64"}, Case{"ViT-w64-l1-p8-i32+c2", "context"},
          Case{"ViT-w64-l1-p8-i32+e64", "'e64'"}, Case{"RN-w32-l1.1.1-i64", "four"},
          Case{"RN-w32-l1.1.1.1.1-i64", "four"}, Case{"RN-w32-i64", "four"},
          Case{"RN-w33-l1.1.1.1-i64", "odd"}, Case{"RN-w32-l1.1.1.1-i65", "multiple of 32"}}) {
        CAPTURE(bad.name);
        try {
            architecture(bad.name);
            FAIL("accepted");
        } catch (const Error& error) {
            CHECK(error.code() == ErrorCode::invalid_argument);
            CHECK(std::string(error.what()).find(bad.reason) != std::string::npos);
        }
    }
}

TEST_CASE("architectures: a difference is named with both values") {
    const ModelConfig a = architecture("ViT-B-32");
    CHECK(config_difference(a, a).empty());
    CHECK(config_difference(a, architecture("ViT-B-16")) == "patch size (32 and 16)");
    CHECK(config_difference(a, architecture("RN101")) == "picture tower (ViT and ResNet)");
}
